/* Private to sha256: what the front and the kernels share. A kernel hashes whole messages, padding
   included, and does not care in which order they come; messages of one call may differ in length,
   at the price of the longest. */
#ifndef PINSWEEP_CODEC_SHA256_KERNELS_H
#define PINSWEEP_CODEC_SHA256_KERNELS_H

#include "engine/codec/sha256.h"

#define SHA256_BLOCK 64
#define SHA256_AVX512_LANES 16
#define SHA256_AVX2_LANES 8

extern const uint32_t sha256_k[64];      /* FIPS 180-4 4.2.2 */
extern const uint32_t sha256_initial[8]; /* 5.3.3 */

/* Blocks of a message with its padding: 0x80 and 64 bits of length (5.1.1). */
static inline size_t sha256_blocks(size_t len) {
    return (len + 8) / SHA256_BLOCK + 1;
}

/* The blocks behind the last full one: one or two, in `tail`; returns how many. */
static inline size_t sha256_tail(const struct sha256_message *message,
                                 uint8_t tail[2 * SHA256_BLOCK]) {
    size_t rest = message->len % SHA256_BLOCK, count = rest + 9 <= SHA256_BLOCK ? 1 : 2;
    uint64_t bits_be = __builtin_bswap64((uint64_t)message->len * 8);
    memset(tail, 0, count * SHA256_BLOCK);
    if (rest > 0) {
        memcpy(tail, message->data + message->len - rest, rest);
    }
    tail[rest] = 0x80;
    memcpy(tail + count * SHA256_BLOCK - 8, &bits_be, 8);
    return count;
}

#if defined(__x86_64__)
/* Each needs the instruction set of its name; 1 <= count <= its lanes. */
void sha256_avx512_x16(const struct sha256_message *const *messages, size_t count);
void sha256_avx2_x8(const struct sha256_message *const *messages, size_t count);
void sha256_shani_x2(const struct sha256_message *a, const struct sha256_message *b);
void sha256_shani_x1(const struct sha256_message *message);
#endif

#endif
