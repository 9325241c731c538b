#include "bench/mint_rsa.h"

#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/mem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "bench/mint_internal.h"
#include "engine/base/attributes.h"

#define PRIMES 16
#define WAYS 4 /* primes worked on side by side */
#define PRIME_BYTES 16
#define LIMBS (MINT_RSA_BYTES / 8) /* of the modulus, 64 bits each, least significant first */
#define COFACTOR_LIMBS (LIMBS - 2)
#define PUBLIC_EXPONENT 65537

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "limbs are copied from little endian");

typedef unsigned __int128 wide;

/* Numbers modulo p in Montgomery form are times 2^128. */
struct prime {
    wide p, exponent;                  /* d mod p - 1 */
    wide one, square;                  /* 2^128 and 2^256 mod p */
    wide weight;                       /* the inverse of n / p modulo p, not in Montgomery form */
    uint64_t negated_inverse;          /* -1 / p mod 2^64 */
    uint64_t cofactor[COFACTOR_LIMBS]; /* n / p */
};

struct mint_rsa {
    struct prime primes[PRIMES];
    uint64_t modulus[LIMBS];
    EVP_PKEY *key;
};

/* --- making one --- */

static wide wide_of(const BIGNUM *number) {
    uint8_t bytes[PRIME_BYTES];
    wide out;
    CHECK(BN_bn2le_padded(bytes, sizeof bytes, number) == 1);
    memcpy(&out, bytes, sizeof out);
    return out;
}

static void limbs_of(uint64_t *out, size_t count, const BIGNUM *number) {
    uint8_t bytes[MINT_RSA_BYTES];
    CHECK(count * 8 <= sizeof bytes && BN_bn2le_padded(bytes, count * 8, number) == 1);
    memcpy(out, bytes, count * 8);
}

/* 2^bits mod p. */
static wide power_of_two(int bits, const BIGNUM *p, BN_CTX *ctx) {
    BIGNUM *power = BN_new();
    CHECK(power != NULL && BN_set_bit(power, bits) == 1 && BN_mod(power, power, p, ctx) == 1);
    wide out = wide_of(power);
    BN_free(power);
    return out;
}

static uint64_t negated_inverse_of(uint64_t odd) {
    uint64_t inverse = odd; /* right in three bits; each turn doubles them */
    for (int i = 0; i < 5; i++) {
        inverse *= 2 - odd * inverse;
    }
    return 0 - inverse;
}

static void prime_init(struct prime *prime, const BIGNUM *p, const BIGNUM *n, const BIGNUM *d,
                       BN_CTX *ctx) {
    BIGNUM *number = BN_new(), *less = BN_dup(p);
    CHECK(number != NULL && less != NULL && BN_sub_word(less, 1) == 1);
    prime->p = wide_of(p);
    prime->negated_inverse = negated_inverse_of((uint64_t)prime->p);
    prime->one = power_of_two(128, p, ctx);
    prime->square = power_of_two(256, p, ctx);
    CHECK(BN_mod(number, d, less, ctx) == 1);
    prime->exponent = wide_of(number);
    CHECK(BN_div(number, NULL, n, p, ctx) == 1);
    limbs_of(prime->cofactor, COFACTOR_LIMBS, number);
    CHECK(BN_mod(number, number, p, ctx) == 1 && BN_mod_inverse(number, number, p, ctx) != NULL);
    prime->weight = wide_of(number);
    BN_free(number);
    BN_free(less);
}

/* The product of numbers, and of the same less one. */
static void multiply(BIGNUM *const primes[], size_t count, BIGNUM *product, BIGNUM *totient,
                     BN_CTX *ctx) {
    CHECK(BN_one(product) == 1 && BN_one(totient) == 1);
    for (size_t i = 0; i < count; i++) {
        BIGNUM *less = BN_dup(primes[i]);
        CHECK(less != NULL && BN_sub_word(less, 1) == 1);
        CHECK(BN_mul(product, product, primes[i], ctx) == 1);
        CHECK(BN_mul(totient, totient, less, ctx) == 1);
        BN_free(less);
    }
}

/* BoringSSL works with two factors and never asks whether they are primes, as long as the exponents
   fit: half of the primes make one. */
static EVP_PKEY *key_new(BIGNUM *const primes[PRIMES], const BIGNUM *n, const BIGNUM *d,
                         BN_CTX *ctx) {
    BIGNUM *factors[2], *exponents[2], *totient = BN_new(), *e = BN_new(), *inverse = BN_new();
    CHECK(totient != NULL && e != NULL && inverse != NULL);
    for (size_t i = 0; i < 2; i++) {
        factors[i] = BN_new();
        exponents[i] = BN_new();
        multiply(primes + i * PRIMES / 2, PRIMES / 2, factors[i], totient, ctx);
        CHECK(BN_mod(exponents[i], d, totient, ctx) == 1);
    }
    size_t larger = BN_cmp(factors[0], factors[1]) > 0 ? 0 : 1, smaller = 1 - larger;
    CHECK(BN_mod_inverse(inverse, factors[smaller], factors[larger], ctx) != NULL);
    CHECK(BN_set_word(e, PUBLIC_EXPONENT) == 1);
    RSA *rsa = RSA_new();
    EVP_PKEY *key = EVP_PKEY_new();
    CHECK(rsa != NULL && key != NULL && RSA_set0_key(rsa, BN_dup(n), e, BN_dup(d)) == 1 &&
          RSA_set0_factors(rsa, factors[larger], factors[smaller]) == 1 &&
          RSA_set0_crt_params(rsa, exponents[larger], exponents[smaller], inverse) == 1 &&
          EVP_PKEY_assign_RSA(key, rsa) == 1);
    BN_free(totient);
    return key;
}

struct mint_rsa *mint_rsa_new(uint64_t seed, const char *label) {
    struct mint_rsa *rsa = calloc(1, sizeof *rsa);
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *n = BN_new(), *d = BN_new(), *e = BN_new(), *totient = BN_new(), *primes[PRIMES];
    struct mint_stream stream;
    CHECK(rsa != NULL && ctx != NULL && n != NULL && d != NULL && e != NULL && totient != NULL);
    mint_stream_init(&stream, "rsa2048x16", seed, label, strlen(label));
    for (size_t i = 0; i < PRIMES; i++) {
        /* Eight top bits: the product has all of its 2048. */
        primes[i] = mint_prime_new(&stream, 8 * PRIME_BYTES, 0xFF, PUBLIC_EXPONENT, ctx);
    }
    multiply(primes, PRIMES, n, totient, ctx);
    CHECK(BN_num_bits(n) == 8 * MINT_RSA_BYTES && BN_set_word(e, PUBLIC_EXPONENT) == 1 &&
          BN_mod_inverse(d, e, totient, ctx) != NULL);
    limbs_of(rsa->modulus, LIMBS, n);
    rsa->key = key_new(primes, n, d, ctx);
    for (size_t i = 0; i < PRIMES; i++) {
        prime_init(&rsa->primes[i], primes[i], n, d, ctx);
        BN_free(primes[i]);
    }
    BN_free(n);
    BN_free(d);
    BN_free(e);
    BN_free(totient);
    BN_CTX_free(ctx);
    return rsa;
}

void mint_rsa_free(struct mint_rsa *rsa) {
    if (rsa != NULL) {
        EVP_PKEY_free(rsa->key);
        free(rsa);
    }
}

EVP_PKEY *mint_rsa_key(const struct mint_rsa *rsa) {
    return rsa->key;
}

/* --- signing --- */

/* t = (t + a limb) / 2^64 mod p, not fully reduced: below 2p. */
static ALWAYS_INLINE void prime_step(const struct prime *prime, uint64_t t[3], wide a,
                                     uint64_t limb) {
    wide sum = (wide)(uint64_t)a * limb + t[0];
    uint64_t factor = (uint64_t)sum * prime->negated_inverse;
    wide reduced = (wide)factor * (uint64_t)prime->p + (uint64_t)sum;
    sum = (wide)(uint64_t)(a >> 64) * limb + t[1] + (sum >> 64);
    reduced = (wide)factor * (uint64_t)(prime->p >> 64) + (uint64_t)sum + (reduced >> 64);
    t[0] = (uint64_t)reduced;
    sum = (wide)t[2] + (sum >> 64) + (reduced >> 64);
    t[1] = (uint64_t)sum;
    t[2] = (uint64_t)(sum >> 64);
}

/* a b / 2^128 mod p (Montgomery), limb by limb. */
static ALWAYS_INLINE wide prime_multiply(const struct prime *prime, wide a, wide b) {
    uint64_t t[3] = {0};
    prime_step(prime, t, a, (uint64_t)b);
    prime_step(prime, t, a, (uint64_t)(b >> 64));
    wide out = (wide)t[1] << 64 | t[0];
    return t[2] != 0 || out >= prime->p ? out - prime->p : out;
}

static wide prime_add(const struct prime *prime, wide a, wide b) {
    wide sum = a + b;
    return sum < a || sum >= prime->p ? sum - prime->p : sum;
}

/* A long number modulo p, in Montgomery form. */
static wide prime_reduce(const struct prime *prime, const uint64_t number[LIMBS]) {
    wide out = 0;
    for (size_t i = LIMBS; i > 0; i -= 2) {
        wide part = (wide)number[i - 1] << 64 | number[i - 2];
        part = part >= prime->p ? part - prime->p : part; /* p has its top bit */
        out = prime_add(prime, prime_multiply(prime, out, prime->square), part);
    }
    return prime_multiply(prime, out, prime->square);
}

/* number^d modulo each of WAYS primes, four bits at a time. Side by side: one product waits for the
   one before it, and the processor for neither. */
static void primes_raise(const struct prime primes[WAYS], const uint64_t number[LIMBS],
                         wide out[WAYS]) {
    wide powers[16][WAYS];
    for (size_t k = 0; k < WAYS; k++) {
        powers[0][k] = out[k] = primes[k].one;
        powers[1][k] = prime_reduce(&primes[k], number);
    }
    for (size_t i = 2; i < 16; i++) {
        for (size_t k = 0; k < WAYS; k++) {
            powers[i][k] = prime_multiply(&primes[k], powers[i - 1][k], powers[1][k]);
        }
    }
    for (int shift = 124; shift >= 0; shift -= 4) {
        for (int i = 0; i < 4; i++) {
            for (size_t k = 0; k < WAYS; k++) {
                out[k] = prime_multiply(&primes[k], out[k], out[k]);
            }
        }
        for (size_t k = 0; k < WAYS; k++) {
            size_t digit = (size_t)(primes[k].exponent >> shift) & 15;
            out[k] = prime_multiply(&primes[k], out[k], powers[digit][k]);
        }
    }
}

/* sum += factor * the cofactor, which the caller's limbs have room for. */
static void add_product(uint64_t sum[LIMBS + 1], const struct prime *prime, wide factor) {
    for (size_t half = 0; half < 2; half++) {
        uint64_t limb = (uint64_t)(factor >> (64 * half)), carry = 0;
        for (size_t i = 0; i < COFACTOR_LIMBS; i++) {
            wide part = (wide)prime->cofactor[i] * limb + sum[i + half] + carry;
            sum[i + half] = (uint64_t)part;
            carry = (uint64_t)(part >> 64);
        }
        for (size_t i = COFACTOR_LIMBS + half; i <= LIMBS; i++) {
            wide part = (wide)sum[i] + carry;
            sum[i] = (uint64_t)part;
            carry = (uint64_t)(part >> 64);
        }
    }
}

/* True: it was not below the modulus, which was taken off. */
static bool take_modulus(const struct mint_rsa *rsa, uint64_t number[LIMBS + 1]) {
    uint64_t rest[LIMBS + 1], borrow = 0;
    for (size_t i = 0; i <= LIMBS; i++) {
        wide difference = (wide)number[i] - (i < LIMBS ? rsa->modulus[i] : 0) - borrow;
        rest[i] = (uint64_t)difference;
        borrow = (uint64_t)(difference >> 64) & 1;
    }
    if (borrow == 0) {
        memcpy(number, rest, sizeof rest);
    }
    return borrow == 0;
}

void mint_rsa_raise(const struct mint_rsa *rsa, const uint8_t encoded[MINT_RSA_BYTES],
                    uint8_t out[MINT_RSA_BYTES]) {
    uint64_t number[LIMBS], sum[LIMBS + 1] = {0};
    for (size_t i = 0; i < LIMBS; i++) {
        memcpy(&number[i], encoded + MINT_RSA_BYTES - 8 * (i + 1), 8);
        number[i] = __builtin_bswap64(number[i]);
    }
    for (size_t i = 0; i < PRIMES; i += WAYS) {
        const struct prime *primes = &rsa->primes[i];
        wide powers[WAYS];
        primes_raise(primes, number, powers);
        for (size_t k = 0; k < WAYS; k++) {
            add_product(sum, &primes[k], prime_multiply(&primes[k], powers[k], primes[k].weight));
        }
    }
    for (unsigned i = 0; i < PRIMES && take_modulus(rsa, sum); i++) {
    }
    for (size_t i = 0; i < LIMBS; i++) {
        uint64_t limb = __builtin_bswap64(sum[i]);
        memcpy(out + MINT_RSA_BYTES - 8 * (i + 1), &limb, 8);
    }
}

/* EMSA-PKCS1-v1_5 (RFC 8017 section 9.2). */
static void encode_pkcs1(uint8_t out[MINT_RSA_BYTES], const EVP_MD *md, const uint8_t *digest,
                         size_t digest_len) {
    uint8_t *info;
    size_t info_len;
    int allocated;
    CHECK(RSA_add_pkcs1_prefix(&info, &info_len, &allocated, EVP_MD_type(md), digest, digest_len) ==
          1);
    memset(out, 0xFF, MINT_RSA_BYTES);
    out[0] = 0;
    out[1] = 1;
    out[MINT_RSA_BYTES - info_len - 1] = 0;
    memcpy(out + MINT_RSA_BYTES - info_len, info, info_len);
    if (allocated) {
        OPENSSL_free(info);
    }
}

bool mint_rsa_sign(const struct mint_rsa *rsa, uint16_t scheme, const uint8_t *digest,
                   size_t digest_len, uint8_t out[MINT_RSA_BYTES]) {
    uint8_t encoded[MINT_RSA_BYTES];
    const EVP_MD *md = SSL_get_signature_algorithm_digest(scheme);
    if (md == NULL || EVP_MD_size(md) != digest_len ||
        SSL_get_signature_algorithm_key_type(scheme) != EVP_PKEY_RSA) {
        return false;
    }
    if (SSL_is_signature_algorithm_rsa_pss(scheme)) {
        CHECK(RSA_padding_add_PKCS1_PSS_mgf1(EVP_PKEY_get0_RSA(rsa->key), encoded, digest, md, md,
                                             -1) == 1);
    } else {
        encode_pkcs1(encoded, md, digest, digest_len);
    }
    mint_rsa_raise(rsa, encoded, out);
    return true;
}
