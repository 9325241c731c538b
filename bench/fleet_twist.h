/* Certificates and signatures that BoringSSL would not send by itself: the contents of
   fleet_behaviour.h. One for each worker; it must outlive every SSL that it was applied to. */
#ifndef PINSWEEP_BENCH_FLEET_TWIST_H
#define PINSWEEP_BENCH_FLEET_TWIST_H

#include <openssl/base.h>

#include "bench/fleet_behaviour.h"
#include "engine/base/attributes.h"

struct fleet_twist;

/* Becomes the app data of `ctx`, where the callbacks find it, and takes its info callback. */
struct fleet_twist *fleet_twist_new(SSL_CTX *ctx);
void fleet_twist_free(struct fleet_twist *twist);

/* Gives `ssl` the chain and key, bent as `content` says. `key` stays the caller's. Called from the
   select-certificate callback, so that the flight is written before anything else is applied. False
   if the library refused. */
bool fleet_twist_apply(struct fleet_twist *twist, enum fleet_content content, SSL *ssl,
                       CRYPTO_BUFFER *const *chain, uint32_t chain_len, EVP_PKEY *key) MUST_USE;

#endif
