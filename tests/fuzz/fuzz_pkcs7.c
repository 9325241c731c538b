/* Properties: where BoringSSL reads a PKCS#7 bundle in DER, ours finds the same certificates (those
   that have a key); it never reads outside, and the counts agree with the output. */
#include <openssl/bytestring.h>
#include <openssl/pkcs7.h>
#include <openssl/pool.h>
#include <openssl/stack.h>

#include "tests/fuzz/corpus_feed_bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool count_theirs(struct span bytes, uint64_t *out) {
    STACK_OF(CRYPTO_BUFFER) *buffers = sk_CRYPTO_BUFFER_new_null();
    CBS all;
    struct span spki;
    CBS_init(&all, bytes.data, bytes.len);
    bool good = PKCS7_get_raw_certificates(buffers, &all, NULL) == 1 && CBS_len(&all) == 0;
    *out = 0;
    for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(buffers); i++) {
        const CRYPTO_BUFFER *buffer = sk_CRYPTO_BUFFER_value(buffers, i);
        *out += cert_spki(span_of(CRYPTO_BUFFER_data(buffer), CRYPTO_BUFFER_len(buffer)), &spki);
    }
    sk_CRYPTO_BUFFER_pop_free(buffers, CRYPTO_BUFFER_free);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct corpus_block *whole;
    uint64_t theirs;
    struct corpus_block *block = corpus_fresh_block(&whole);
    corpus_feed_bytes(block, CORPUS_PKCS7, span_of(data, size), 0);
    corpus_check_block(block);
    if (count_theirs(span_of(data, size), &theirs)) {
        CHECK(block->stats.certificates == theirs);
    }
    return 0;
}
