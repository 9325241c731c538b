/* A hostile server's bytes into the TLS client, whole and in pieces. Nobody without the keys may
   complete a handshake; the answer stays within its buffer; both ways of cutting end alike. The
   first byte chooses the view. */
#include <stdint.h>
#include <stdlib.h>

#include "engine/net/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_context *client(void) {
    static struct tls_context *context;
    if (context == NULL) {
        struct tls_config config = {
            .min_version = 0x0301, .max_version = 0x0304, .alpn = "h2,http/1.1"};
        CHECK(tls_context_new(&config, &context, NULL) == ERR_NONE);
    }
    return context;
}

static void check_chain(const struct tls *tls) {
    CRYPTO_BUFFER *certs[CHAIN_CERTS_MAX];
    size_t count = tls_peer_chain(tls, certs);
    size_t bytes = 0;
    for (size_t i = 0; i < count && i < CHAIN_CERTS_MAX; i++) {
        bytes += CRYPTO_BUFFER_len(certs[i]);
    }
    CHECK(bytes <= CHAIN_BYTES_MAX);
}

static enum outcome run(enum key_view view, struct span bytes, size_t chunk) {
    uint8_t output[SEND_BUFFER_BYTES];
    struct tls tls;
    CHECK(tls_init(&tls, client(), view, "fuzz.example", output));
    while (bytes.len > 0 && tls.state == TLS_WANTS_READ) {
        tls_feed(&tls, span_take(&bytes, chunk));
        CHECK(tls.output_len <= SEND_BUFFER_BYTES);
    }
    tls_feed_eof(&tls);
    CHECK(tls.state == TLS_FAILED && tls.outcome != OUTCOME_SUCCESS);
    CHECK(tls.outcome != OUTCOME_RESOURCE_ERROR && tls.facts.proof == PROOF_NONE);
    check_chain(&tls);
    enum outcome outcome = tls.outcome;
    tls_fini(&tls);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum key_view view = size > 0 ? (enum key_view)(data[0] % KEY_VIEW_COUNT) : KEY_VIEW_ANY;
    struct span bytes = span_of(data, size);
    span_take(&bytes, 1);
    enum outcome whole = run(view, bytes, SIZE_MAX);
    CHECK(run(view, bytes, 7) == whole);
    return 0;
}
