/* Decoding of a PEM body (1,200 bytes of DER, in lines of 64 columns and in one piece) and encoding
   of a digest, beside BoringSSL. Bytes are characters of base64. */
#include <openssl/base64.h>

#include "bench/bench.h"
#include "engine/base/attributes.h"
#include "engine/codec/base64.h"

#define DER_BYTES 1200

static uint8_t der[DER_BYTES];
static char text[BASE64_LEN(DER_BYTES) + 1], lines[2 * BASE64_LEN(DER_BYTES)];
static size_t text_len, lines_len;

static void make_texts(void) {
    for (size_t i = 0; i < sizeof der; i++) {
        der[i] = (uint8_t)(i * 193 + (i >> 3) * 71);
    }
    text_len = base64_encode(text, span_of(der, sizeof der));
    for (size_t at = 0; at < text_len; at += 64) {
        size_t len = text_len - at < 64 ? text_len - at : 64;
        memcpy(lines + lines_len, text + at, len);
        lines_len += len;
        lines[lines_len++] = '\n';
    }
}

static void bench_decode(struct bench *bench) {
    uint8_t out[BASE64_BYTES_MAX(sizeof lines)];
    struct span in = bench_arg(bench, 0) == 1 ? span_of(lines, lines_len) : span_of(text, text_len);
    if (!base64_force_kernel(bench_context(bench))) {
        bench_skip(bench, "this CPU has no such instructions");
        return;
    }
    while (bench_next(bench, 64)) {
        for (int i = 0; i < 64; i++) {
            size_t len = 0;
            CHECK(base64_decode_lines(in, out, sizeof out, &len) && len == sizeof der);
            bench_use(out);
        }
    }
    bench_set_bytes(bench, (int64_t)in.len);
}

static void bench_short(struct bench *bench) {
    uint8_t out[sizeof der];
    while (bench_next(bench, 64)) {
        for (int i = 0; i < 64; i++) {
            size_t len = 0;
            CHECK(base64_decode(span_of(text, text_len), out, sizeof out, &len));
            bench_use(out);
        }
    }
    bench_set_bytes(bench, (int64_t)text_len);
}

static void bench_boringssl(struct bench *bench) {
    uint8_t out[BASE64_BYTES_MAX(sizeof text)];
    while (bench_next(bench, 64)) {
        for (int i = 0; i < 64; i++) {
            size_t len = 0;
            CHECK(EVP_DecodeBase64(out, &len, sizeof out, (const uint8_t *)text, text_len) == 1);
            bench_use(out);
        }
    }
    bench_set_bytes(bench, (int64_t)text_len);
}

static void bench_boringssl_lines(struct bench *bench) {
    uint8_t out[BASE64_BYTES_MAX(sizeof lines)];
    while (bench_next(bench, 16)) {
        for (int i = 0; i < 16; i++) {
            EVP_ENCODE_CTX context;
            int len = 0, more = 0;
            EVP_DecodeInit(&context);
            CHECK(EVP_DecodeUpdate(&context, out, &len, (const uint8_t *)lines, lines_len) >= 0);
            CHECK(EVP_DecodeFinal(&context, out + len, &more) == 1);
            CHECK(len + more == sizeof der);
            bench_use(out);
        }
    }
    bench_set_bytes(bench, (int64_t)lines_len);
}

static void bench_encode(struct bench *bench) {
    char out[BASE64_SHA256_LEN];
    while (bench_next(bench, 256)) {
        for (int i = 0; i < 256; i++) {
            base64_encode(out, span_of(der + i, 32));
            bench_use(out);
        }
    }
    bench_set_items(bench, 1);
}

static void bench_encode_boringssl(struct bench *bench) {
    uint8_t out[BASE64_SHA256_LEN + 1];
    while (bench_next(bench, 256)) {
        for (int i = 0; i < 256; i++) {
            EVP_EncodeBlock(out, der + i, 32);
            bench_use(out);
        }
    }
    bench_set_items(bench, 1);
}

int main(int argc, char **argv) {
    static char vbmi[] = "vbmi", avx2[] = "avx2", scalar[] = "scalar";
    static const struct {
        const char *name;
        char *kernel;
        int64_t in_lines;
    } decodes[] = {{"decode-lines/vbmi", vbmi, 1},     {"decode-lines/avx2", avx2, 1},
                   {"decode-lines/scalar", scalar, 1}, {"decode-piece/vbmi", vbmi, 0},
                   {"decode-piece/avx2", avx2, 0},     {"decode-piece/scalar", scalar, 0}};
    make_texts();
    for (size_t i = 0; i < ARRAY_COUNT(decodes); i++) {
        bench_register(decodes[i].name, bench_decode, decodes[i].kernel, &decodes[i].in_lines, 1);
    }
    bench_register("decode-lines/boringssl", bench_boringssl_lines, NULL, NULL, 0);
    bench_register("decode-piece/boringssl", bench_boringssl, NULL, NULL, 0);
    bench_register("decode-piece/short", bench_short, NULL, NULL, 0);
    bench_register("encode-digest/ours", bench_encode, NULL, NULL, 0);
    bench_register("encode-digest/boringssl", bench_encode_boringssl, NULL, NULL, 0);
    return bench_main(argc, argv);
}
