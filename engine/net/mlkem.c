#include "engine/net/mlkem.h"

#include <openssl/ssl.h>
#include <stdlib.h>

#include "engine/base/attributes.h"

#if defined(SSL_GROUP_X25519_MLKEM768)

#include <openssl/mlkem.h>

struct mlkem {
    struct MLKEM768_private_key private_key;
    uint8_t public_key[MLKEM768_PUBLIC_KEY_BYTES];
};

_Static_assert(MLKEM768_PUBLIC_KEY_BYTES == MLKEM_PUBLIC_LEN &&
                   MLKEM768_CIPHERTEXT_BYTES == MLKEM_CIPHERTEXT_LEN &&
                   MLKEM_SHARED_SECRET_BYTES == MLKEM_SECRET_LEN &&
                   SSL_GROUP_X25519_MLKEM768 == MLKEM_GROUP,
               "the library's ML-KEM-768 is the standard's");

struct mlkem *mlkem_new(void) {
    struct mlkem *pair = malloc(sizeof *pair);
    if (pair != NULL) {
        MLKEM768_generate_key(pair->public_key, NULL, &pair->private_key);
    }
    return pair;
}

bool mlkem_open(const struct mlkem *pair, const uint8_t ciphertext[MLKEM_CIPHERTEXT_LEN],
                uint8_t out_secret[MLKEM_SECRET_LEN]) {
    return MLKEM768_decap(out_secret, ciphertext, MLKEM_CIPHERTEXT_LEN, &pair->private_key) == 1;
}

#else

struct mlkem {
    uint8_t public_key[1];
};

struct mlkem *mlkem_new(void) {
    return NULL;
}

bool mlkem_open(const struct mlkem *pair, const uint8_t ciphertext[MLKEM_CIPHERTEXT_LEN],
                uint8_t out_secret[MLKEM_SECRET_LEN]) {
    (void)pair, (void)ciphertext, (void)out_secret;
    return false;
}

#endif

void mlkem_free(struct mlkem *pair) {
    free(pair);
}

const uint8_t *mlkem_public(const struct mlkem *pair) {
    return pair->public_key;
}
