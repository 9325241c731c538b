/* Whether the peer holds the key of its leaf: the signature of a TLS 1.3 CertificateVerify or of a
   TLS 1.2 ServerKeyExchange, checked by BoringSSL with the key as it stands in the certificate.
   Pure; drains libcrypto's error queue. */
#ifndef PINSWEEP_NET_POSSESSION_H
#define PINSWEEP_NET_POSSESSION_H

#include "engine/base/span.h"

enum possession {
    POSSESSION_PROVEN,
    POSSESSION_REFUSED, /* the scheme fits the key, the signature does not verify */
    POSSESSION_UNUSUAL, /* a key that BoringSSL does not take, a scheme that does not fit it, SHA-1
                         */
};

/* `version` 0x0303 or 0x0304; `ecdsa_suite` (1.2 only): the suite signs with ECDSA or EdDSA, not
   RSA. That the scheme was offered is the caller's to check. */
enum possession possession_check(struct span leaf, uint16_t version, bool ecdsa_suite,
                                 uint16_t scheme, struct span content, struct span signature);

/* Whether a certificate may sign handshakes as BoringSSL has it: no KeyUsage, or one with
   digitalSignature (RFC 5280 section 4.2.1.3). False too if it cannot be read. */
bool possession_may_sign(struct span leaf);

#endif
