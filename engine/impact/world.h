/* The modelled world: every CA certificate that the sweep saw, that a trust profile holds or that
   an operation brings, who signed it, and what clients think of it at each moment of a scenario.

   Three things are kept apart. The *list sent* belongs to a view (endpoint.h). The *paths* follow
   from it: a certificate is issued by whoever has the name and the key that signed it (an
   *authority*), and an authority may have several certificates (cross-signs). The *anchors* belong
   to a trust profile: those of its bundle, and those that the sweep saw paths end at.

   Who signed a certificate is known from the recorded paths (the sweep's BoringSSL verified them),
   else from its signature where the bytes are there; what has neither is signed by nobody. A
   certificate that an operation makes up is *symbolic*: its digest is not known (no pin on a
   certificate can match it) and it is renewed in time for ever. A key that is not known yet matches
   no pin and excludes none.

   Time is the number of operations done: 0 is today, `n` after the n-th; what an operation changes
   is marked with its number, so that each moment can be asked. Leaves are not in here: there are
   millions. Memory: about 1 KB a CA certificate. Single-threaded. Certificates do not move. */
#ifndef PINSWEEP_IMPACT_WORLD_H
#define PINSWEEP_IMPACT_WORLD_H

#include "engine/history/snapshot.h"
#include "engine/impact/scenario.h"

#define WORLD_NONE UINT32_MAX
#define WORLD_FOREVER UINT32_MAX

struct world_cert {
    struct cert_record record; /* first: what the judge sees; `der` is empty if it is not known */
    const char *subject, *issuer;
    uint32_t idx;       /* in world.certs; WORLD_NONE: a leaf */
    uint32_t authority; /* whose certificate it is; WORLD_NONE: a leaf */
    uint32_t signer;    /* the authority that signed it; WORLD_NONE: not known */
    int64_t not_before, not_after, first_sct_s; /* Unix seconds; DATETIME_NONE */
    bool symbolic;
    bool unknown_key;
    uint32_t next; /* of the same authority; WORLD_NONE */
};

static inline const struct world_cert *world_cert_of(const struct cert_record *record) {
    return (const struct world_cert *)(const void *)record;
}
static inline bool world_is_self_signed(const struct world_cert *cert) {
    return cert->authority != WORLD_NONE && cert->signer == cert->authority;
}

/* A name with a key. */
struct world_authority {
    const char *name;      /* as a certificate has it */
    const char *canonical; /* what is compared: lower case, single blanks */
    uint8_t spki_sha256[SHA256_LEN];
    bool unknown_key;
    uint32_t successor; /* under the same name, since an operation re-keyed it; WORLD_NONE */
    uint32_t first_cert, last_cert;     /* of its certificates, oldest first */
    uint32_t first_anchor, last_anchor; /* those that are anchors, in the profile's order */
};

struct world_anchor {
    uint32_t cert, profile;
    uint32_t from, until; /* moments: from <= now < until */
    uint32_t next;        /* of the same authority */
    bool truncates;       /* promoted: paths end here, clients never look above */
};

struct world_distrust {
    uint32_t authority, from;
    uint32_t profiles; /* bits */
    int64_t after;     /* Unix seconds: leaves later than that; DATETIME_NONE: all */
    enum scenario_gate gate;
};

struct world_dead_key {
    uint8_t spki_sha256[SHA256_LEN];
    uint32_t from;
    bool compromised;
};

struct world_file; /* certificates of a PEM file */

struct world {
    const struct snapshot *snapshot;
    const struct trust_store *store;
    struct arena arena;
    struct world_cert **certs;
    uint32_t cert_count, cert_capacity;
    struct world_authority *authorities;
    uint32_t authority_count, authority_capacity;
    struct world_anchor *anchors;
    uint32_t anchor_count, anchor_capacity;
    struct world_distrust *distrusts;
    uint32_t distrust_count, distrust_capacity;
    struct world_dead_key *dead;
    uint32_t dead_count, dead_capacity;
    uint32_t *of_snapshot; /* snapshot certificate -> certificate here, or WORLD_NONE */
    int16_t profile_of[TRUST_PROFILES_MAX]; /* snapshot profile -> profile of the store, or -1 */
    uint8_t unknown_sha256[SHA256_LEN];     /* stands for each key that is not known yet */
    bool has_unknown;
    bool wants_der; /* a pin needs more than SHA-256 digests: records get their fields */
    /* Private to world.c. */
    uint32_t *slots; /* open addressing: authority + 1 */
    uint32_t slot_mask;
    uint64_t seed;
    struct world_file *files;
};

/* Both must outlive the world. ERR_RESOURCE. */
enum err world_init(struct world *world, const struct snapshot *snapshot,
                    const struct trust_store *store, struct err_note *note) MUST_USE;
void world_fini(struct world *world);

/* The authority of that name and key, made if it is new. */
uint32_t world_authority(struct world *world, const char *name,
                         const uint8_t spki_sha256[SHA256_LEN]);
/* A new one whose key is not known. */
uint32_t world_unknown_authority(struct world *world, const char *name);
/* A symbolic certificate, its key of the same kind as that of `like` (NULL: RSA). */
struct world_cert *world_make_cert(struct world *world, uint32_t authority, uint32_t signer,
                                   const struct world_cert *like);
void world_add_anchor(struct world *world, uint32_t cert, uint32_t profile, uint32_t from,
                      bool truncates);
/* The certificate is an anchor of the profile at that moment. */
bool world_is_anchor(const struct world *world, const struct world_cert *cert, uint32_t profile,
                     uint32_t moment);
/* The dead key that the certificate has at that moment, or NULL. */
const struct world_dead_key *world_dead_key(const struct world *world,
                                            const struct cert_record *record, uint32_t moment);
/* Fills a leaf from the snapshot; who signed it is taken from the paths of `chain`. */
void world_leaf(const struct world *world, const struct snapshot_chain *chain,
                struct world_cert *out);
/* Finds out who signed the certificate by its signature, if its bytes are there and nothing else is
   known. */
void world_find_signer(const struct world *world, struct world_cert *cert);

/* The certificates of a PEM file, as certificates of this world, in order. ERR_CONFIG at the
   reference's place. */
enum err world_load_file(struct world *world, const struct scenario_ref *ref,
                         struct world_cert ***out, uint32_t *out_count,
                         struct err_note *note) MUST_USE;

/* The CA that is meant. Unknown ones are ERR_CONFIG with those whose names are near, ambiguous
   subjects with the candidates. A subject is the whole name or its first parts ("CN=R11"); of a CA
   that an operation re-keyed it is the new one, while its digests remain the old one's. */
enum err world_find_ca(struct world *world, const struct scenario_ref *ref, uint32_t *out_authority,
                       struct err_note *note) MUST_USE;
/* The one certificate of a CA, the latest if operations made some: ambiguous if it has several real
   ones and `ref` names none of them alone. */
enum err world_find_cert(struct world *world, const struct scenario_ref *ref, uint32_t *out_cert,
                         struct err_note *note) MUST_USE;
/* The key that is meant, of a CA or of a leaf. */
enum err world_find_key(struct world *world, const struct scenario_ref *ref,
                        uint8_t out_spki_sha256[SHA256_LEN], struct err_note *note) MUST_USE;

#endif
