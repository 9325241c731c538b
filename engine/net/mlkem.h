/* ML-KEM-768 (FIPS 203) for the hybrid group X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem), where the
   BoringSSL at hand has it: upstream's does, Debian 12's does not. All of it is BoringSSL's; here
   is one place that tells the two apart. */
#ifndef PINSWEEP_NET_MLKEM_H
#define PINSWEEP_NET_MLKEM_H

#include <stdbool.h>
#include <stdint.h>

#define MLKEM_GROUP 0x11EC /* X25519MLKEM768 in the IANA registry "TLS Supported Groups" */
#define MLKEM_PUBLIC_LEN 1184
#define MLKEM_CIPHERTEXT_LEN 1088
#define MLKEM_SECRET_LEN 32

struct mlkem; /* a key pair, about 9 KB */

/* A new pair; NULL if memory is short or the library has no ML-KEM. */
struct mlkem *mlkem_new(void);
void mlkem_free(struct mlkem *pair);
/* The client's half of the hybrid share, before its X25519 half. */
const uint8_t *mlkem_public(const struct mlkem *pair);
/* The secret that the server's ciphertext holds. A ciphertext that is none gives another secret
   than the server's (FIPS 203: implicit rejection), which then opens no record. */
bool mlkem_open(const struct mlkem *pair, const uint8_t ciphertext[MLKEM_CIPHERTEXT_LEN],
                uint8_t out_secret[MLKEM_SECRET_LEN]);

#endif
