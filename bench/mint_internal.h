/* Shared by mint_*.c and mint_rsa.c only. */
#ifndef PINSWEEP_BENCH_MINT_INTERNAL_H
#define PINSWEEP_BENCH_MINT_INTERNAL_H

#include <openssl/bn.h>
#include <stddef.h>
#include <stdint.h>

/* An endless stream of bytes: SHA-256(SHA-256(kind, seed, label), counter), counter from 0. */
struct mint_stream {
    uint8_t root[32];
    uint8_t block[32];
    uint64_t counter;
    size_t left_len; /* unread bytes at the end of `block` */
};

void mint_stream_init(struct mint_stream *stream, const char *kind, uint64_t seed,
                      const void *label, size_t label_len);
void mint_stream_read(struct mint_stream *stream, uint8_t *out, size_t len);

/* The first prime p at or after a random odd number that has the bits of `top` in its first byte,
   such that e does not divide p - 1. With 0xC0 the product of two such primes is exactly twice as
   long. `bits` is a multiple of 8. */
BIGNUM *mint_prime_new(struct mint_stream *stream, unsigned bits, uint8_t top, BN_ULONG e,
                       BN_CTX *ctx);

#endif
