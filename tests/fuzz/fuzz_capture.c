/* A hostile server's bytes into the capture's state machine. The input is a program: bytes of plain
   records, or, once a ServerHello with a share was taken, messages that the harness seals under the
   capture's own key, so that the fuzzer gets behind the encryption. Nobody who lacks the leaf's key
   may get a proof; what is captured is within bounds; cutting the bytes in other places changes
   nothing. The first byte chooses view and depth. */
#include <stdint.h>
#include <stdlib.h>

#include "engine/net/capture_internal.h"

#define PIECE_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_context *client(void) {
    static struct tls_context *context;
    if (context == NULL) {
        struct tls_config config = {
            .min_version = 0x0303, .max_version = 0x0304, .alpn = "h2,http/1.1"};
        CHECK(tls_context_new(&config, &context, NULL) == ERR_NONE);
    }
    return context;
}

/* A server has to echo the session id: the same in every run, or a corpus would be worth nothing.
 */
static void fix_hello(struct tls *tls) {
    const struct hello *hello = tls->capture->hello;
    memset(tls->output + 5 + 6, 'R', HELLO_RANDOM_LEN);
    memset(tls->output + 5 + hello->session_id_at + 1, 'S', tls->output[5 + hello->session_id_at]);
    tls_drained(tls);
}

static void derive(struct tls *tls) {
    if (tls->state == TLS_WANTS_SECRET) {
        capture_derive((struct tls *const[]){tls}, 1);
    }
}

static void feed(struct tls *tls, struct span bytes, size_t chunk) {
    while (bytes.len > 0 && tls->state == TLS_WANTS_READ) {
        tls_feed(tls, span_take(&bytes, chunk));
        derive(tls);
    }
}

/* The piece as one sealed handshake record, as a server with the same secret would send it. */
static size_t seal(const struct records *records, struct span piece, uint8_t *out) {
    uint8_t inner[PIECE_MAX + 1], nonce[RECORDS_IV_LEN];
    size_t len;
    memcpy(nonce, records->iv, RECORDS_IV_LEN);
    for (size_t i = 0; i < 8; i++) {
        nonce[RECORDS_IV_LEN - 1 - i] ^= (uint8_t)(records->sequence >> (8 * i));
    }
    memcpy(inner, piece.data, piece.len);
    inner[piece.len] = 22;
    size_t body_len = piece.len + 1 + 16;
    uint8_t header[5] = {23, 3, 3, (uint8_t)(body_len >> 8), (uint8_t)body_len};
    memcpy(out, header, 5);
    CHECK(EVP_AEAD_CTX_seal(records->aead, out + 5, &len, body_len, nonce, sizeof nonce, inner,
                            piece.len + 1, header, 5));
    return 5 + len;
}

/* Pieces: two bytes of length, then so many bytes. */
static enum outcome run(enum key_view view, enum depth depth, struct span program, size_t chunk,
                        bool *out_fallback) {
    uint8_t output[SEND_BUFFER_BYTES], record[PIECE_MAX + 64];
    struct tls tls;
    CHECK(capture_init(&tls, client(), view, "fuzz.example", depth, output, 1));
    fix_hello(&tls);
    while (program.len > 2 && tls.state == TLS_WANTS_READ) {
        struct span head = span_take(&program, 2);
        size_t wanted = ((size_t)head.data[0] << 8 | head.data[1]) % PIECE_MAX;
        struct span piece = span_take(&program, wanted);
        const struct records *records = &tls.capture->records;
        if (piece.len > 0 && records->sealed && records->raw_at == records->raw_end) {
            piece = span_of(record, seal(records, piece, record));
        }
        feed(&tls, piece, chunk);
    }
    tls_feed_eof(&tls);
    CHECK(tls.output_len == 0 && tls.facts.proof == PROOF_NONE);
    CHECK(tls.state == TLS_FAILED || (tls.state == TLS_DONE && depth == DEPTH_CAPTURE));
    CHECK((tls.outcome == OUTCOME_SUCCESS) == (tls.state == TLS_DONE));
    CHECK(tls.outcome != OUTCOME_RESOURCE_ERROR);
    CRYPTO_BUFFER *certs[CHAIN_CERTS_MAX];
    CHECK(tls.state != TLS_DONE || tls_peer_chain(&tls, certs) > 0);
    enum outcome outcome = tls.outcome;
    *out_fallback = tls.fallback;
    tls_fini(&tls);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t choice = size > 0 ? data[0] : 0;
    enum key_view view = (enum key_view)(choice % KEY_VIEW_COUNT);
    enum depth depth = choice & 0x80 ? DEPTH_PROVE : DEPTH_CAPTURE;
    struct span program = span_of(data, size);
    bool fallback, other_fallback;
    span_take(&program, 1);
    enum outcome whole = run(view, depth, program, SIZE_MAX, &fallback);
    CHECK(run(view, depth, program, 7, &other_fallback) == whole && fallback == other_fallback);
    return 0;
}
