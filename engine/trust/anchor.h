/* Trust profiles: named sets of anchors, loaded once before the workers start and constant
   afterwards (shared by all threads). An anchor's digests are computed at load, since it counts for
   pins although it is never sent. */
#ifndef PINSWEEP_TRUST_ANCHOR_H
#define PINSWEEP_TRUST_ANCHOR_H

#include "engine/base/limits.h"
#include "engine/trust/intern.h"

#define TRUST_SYSTEM_BUNDLE "/etc/ssl/certs/ca-certificates.crt"

struct trust_profile {
    char *name; /* "system", "android-14" */
    char *file;
    struct cert_record *anchors; /* with x509 set */
    uint32_t count;
    uint32_t *by_subject; /* open addressing, power of two: anchor index + 1, hashed by subject */
    uint32_t by_subject_mask;
    uint32_t *by_digest; /* the same by cert_sha256; same size */
    uint32_t skipped;    /* certificates of the bundle that could not be used, told at load */
};

struct trust_store {
    struct trust_profile profiles[TRUST_PROFILES_MAX];
    uint32_t count;
};

void trust_store_init(struct trust_store *store);
void trust_store_fini(struct trust_store *store);

/* Loads a PEM bundle (CERTIFICATE and TRUSTED CERTIFICATE blocks, any text between) as profile
   `name`. A profile of that name is kept if already there: the command line is loaded first and
   wins over policies. Settings of TRUSTED blocks (OpenSSL's own) are not read. Errors: unreadable
   file, no certificate in it, a broken PEM block (with its line), too many profiles or anchors. A
   certificate that BoringSSL or cert_walk() refuses is counted in `skipped`, not fatal. Duplicates
   are dropped. */
enum err trust_store_load(struct trust_store *store, const char *name, const char *file,
                          struct err_note *note) MUST_USE;
/* The same from DER certificates in memory (tests). */
enum err trust_store_add(struct trust_store *store, const char *name, const struct span *certs,
                         size_t count, struct err_note *note) MUST_USE;

/* Index of the profile, or -1. */
int trust_store_find(const struct trust_store *store, const char *name);

/* SHA-256 over the digests of its anchors, in their order: what paths depend on. */
void trust_profile_digest(const struct trust_profile *profile, uint8_t out[SHA256_LEN]);

/* The anchors of a profile whose subject is the issuer of `child` (compared by BoringSSL's
   canonical form, that is ignoring case and string type), one after another: start with *cursor =
   0; NULL at the end. */
const struct cert_record *trust_profile_next(const struct trust_profile *profile, X509 *child,
                                             uint32_t *cursor);
/* The anchor that is this very certificate (by cert_sha256), or NULL. */
const struct cert_record *trust_profile_same(const struct trust_profile *profile,
                                             const struct cert_record *cert);

#endif
