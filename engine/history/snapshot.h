/* One sweep in memory: what was seen, each certificate, chain and text once. Filled by a loader (a
   store's sweep, or a sweep's NDJSON), then constant; diff, expiry, impact, lint and report read
   it.

   Everything is named by its index into one of the arrays; SNAPSHOT_NONE names nothing. Views,
   paths and sets of one owner stand side by side. Memory belongs to the snapshot until
   snapshot_fini(); texts are NUL-terminated, never NULL ("" where the record has ""). About 300
   bytes a target with its view, chain and certificate, texts and DER apart. Single-threaded while
   it is filled. Sizes are bounded by memory: an array that cannot grow is ERR_RESOURCE. */
#ifndef PINSWEEP_HISTORY_SNAPSHOT_H
#define PINSWEEP_HISTORY_SNAPSHOT_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "engine/codec/datetime.h"
#include "engine/codec/sha256.h"
#include "engine/net/outcome.h"
#include "engine/net/tls.h"
#include "engine/trust/verdict.h"

#define SNAPSHOT_NONE UINT32_MAX

/* A certificate that was sent, or stands on a path (anchors). Fields that the source does not hold
   are "", DATETIME_NONE or zero; `known` says whether any but the digests is there. */
struct snapshot_cert {
    uint8_t cert_sha256[SHA256_LEN];
    uint8_t spki_sha256[SHA256_LEN]; /* zero if !has_spki */
    const char *subject, *issuer; /* as the records write names; each text once: compare pointers */
    const char *serial;           /* hex */
    const char *key;              /* "rsa-2048", "ecdsa-p256"; "" */
    int64_t not_before, not_after; /* Unix seconds */
    int64_t first_sct_s;           /* earliest embedded SCT (RFC 6962), Unix seconds */
    struct span der;               /* empty if the source has none or it was not asked for */
    bool has_spki, is_ca, strict, known;
};

/* A path of verified issuers to an anchor of a trust profile, leaf first. */
struct snapshot_path {
    uint32_t profile;                /* into profiles[] */
    uint32_t first_cert, cert_count; /* into path_certs[] */
    int64_t not_before, not_after;   /* the window common to all; DATETIME_NONE if not known */
    bool preferred, valid;           /* at the time of the sweep */
};

struct snapshot_pkix {
    uint32_t profile;
    enum pkix result; /* at the time of the sweep */
};

struct snapshot_chain {
    uint8_t id[SHA256_LEN];
    uint32_t first_cert, cert_count; /* into chain_certs[], wire order; 0: only the id is known */
    uint32_t first_path, path_count; /* into paths[], in preference order within a profile */
    uint32_t first_pkix, pkix_count; /* into pkix[] */
    bool judged;                     /* paths and pkix are there */
};

struct snapshot_view {
    const char *address;
    uint32_t chain; /* SNAPSHOT_NONE: no chain was seen */
    enum key_view key_type;
    enum outcome status;
    enum proof proof;
    enum depth depth;
    const char *tls_version;
    bool host_match;
};

/* The verdict of one pin set on a target. */
struct snapshot_set {
    const char *name, *application, *owner;
    enum verdict verdict, would_be;
    bool durable;
    int64_t expires; /* Unix seconds; DATETIME_NONE */
    /* What decided, for people: of a set that matches its first match, of another its first
       failure. */
    const char *pin;    /* "sha256/..."; "" */
    const char *reason; /* of the failure; "" */
    uint32_t cert;      /* that the pin equals; SNAPSHOT_NONE */
};

struct snapshot_target {
    const char *host, *sni, *pin_host, *tag, *owner, *application;
    uint64_t line;
    int64_t time_ms; /* Unix milliseconds */
    uint16_t port;
    enum outcome status;
    enum verdict verdict;
    bool complete;
    uint32_t first_view, view_count;
    uint32_t first_set, set_count;
};

/* What the sweep's metadata says, as far as it is there. */
struct snapshot_meta {
    const char *sweep;            /* id */
    const char *source;           /* the file, for messages */
    const char *metadata;         /* the whole document as JSON, "" if none */
    int64_t started_ms, ended_ms; /* Unix milliseconds; 0 if not known */
    uint64_t handshakes;          /* completed; 0 if not known */
    bool whole;                   /* the sweep ended by itself */
};

#define SNAPSHOT_ARRAY(type, name)                                                                 \
    type *name;                                                                                    \
    uint32_t name##_count, name##_capacity

struct snapshot {
    struct snapshot_meta meta;
    SNAPSHOT_ARRAY(struct snapshot_target, targets);
    SNAPSHOT_ARRAY(struct snapshot_view, views);
    SNAPSHOT_ARRAY(struct snapshot_set, sets);
    SNAPSHOT_ARRAY(struct snapshot_chain, chains);
    SNAPSHOT_ARRAY(struct snapshot_cert, certs);
    SNAPSHOT_ARRAY(struct snapshot_path, paths);
    SNAPSHOT_ARRAY(struct snapshot_pkix, pkix);
    SNAPSHOT_ARRAY(uint32_t, chain_certs);
    SNAPSHOT_ARRAY(uint32_t, path_certs);
    const char *profiles[TRUST_PROFILES_MAX];
    uint32_t profile_count;
    /* Private to snapshot.c. */
    struct arena texts;
    struct snapshot_table {
        /* Open addressing, power of two. The hash stands beside the index, so that
           only what is probably the same is looked at. */
        struct snapshot_slot {
            uint32_t hash, idx; /* index + 1; 0: empty */
        } * slots;
        uint32_t mask, used;
    } text_table, cert_table, chain_table;
    SNAPSHOT_ARRAY(const char *, all_texts);
    uint64_t seed;
    bool failed; /* memory ran out: what was added since is lost */
};

void snapshot_init(struct snapshot *snapshot);
void snapshot_fini(struct snapshot *snapshot);

/* The one copy of a text. */
const char *snapshot_text(struct snapshot *snapshot, struct span text);
/* Index of the profile, added if it is new; SNAPSHOT_NONE when there are too many. */
uint32_t snapshot_profile(struct snapshot *snapshot, struct span name);

/* The certificate of that digest, added (fields empty) if it is new. The pointer is valid until the
   next certificate is added. */
uint32_t snapshot_cert(struct snapshot *snapshot, const uint8_t cert_sha256[SHA256_LEN]);
/* Fills the fields of a certificate from its DER (RFC 5280); the bytes are copied if `keep_der`.
   False, and the certificate marked !strict, if it is no well-formed one (a key that could be
   found is hashed even so). */
bool snapshot_cert_fill(struct snapshot *snapshot, uint32_t cert, struct span der, bool keep_der);
/* The chain of that id, added (no certificates, not judged) if it is new. */
uint32_t snapshot_chain(struct snapshot *snapshot, const uint8_t id[SHA256_LEN]);
/* Gives a chain its certificates, unless it has them. */
void snapshot_chain_set(struct snapshot *snapshot, uint32_t chain, const uint32_t *certs,
                        uint32_t count);
/* Adds a path to the chain; all paths and results of one chain are added in a row, between
   snapshot_chain_judge() and the next chain's. */
void snapshot_chain_judge(struct snapshot *snapshot, uint32_t chain);
void snapshot_path(struct snapshot *snapshot, uint32_t chain, const struct snapshot_path *path,
                   const uint32_t *certs);
void snapshot_pkix(struct snapshot *snapshot, uint32_t chain, uint32_t profile, enum pkix result);

/* Adds a target; its views and sets are those added after it. The pointers are valid until the next
   is added; NULL when memory ran out. */
struct snapshot_target *snapshot_target(struct snapshot *snapshot);
struct snapshot_view *snapshot_view(struct snapshot *snapshot);
struct snapshot_set *snapshot_set(struct snapshot *snapshot);

/* ERR_RESOURCE if memory ran out on the way, else ERR_NONE: ask once, when all is loaded. */
enum err snapshot_end(struct snapshot *snapshot, struct err_note *note) MUST_USE;

/* Looking: indices, SNAPSHOT_NONE if absent. */
uint32_t snapshot_find_cert(const struct snapshot *snapshot, const uint8_t cert_sha256[SHA256_LEN]);
uint32_t snapshot_find_chain(const struct snapshot *snapshot, const uint8_t id[SHA256_LEN]);
uint32_t snapshot_find_profile(const struct snapshot *snapshot, const char *name);
static inline const struct snapshot_cert *snapshot_chain_leaf(const struct snapshot *snapshot,
                                                              const struct snapshot_chain *chain) {
    return chain->cert_count == 0 ? NULL
                                  : &snapshot->certs[snapshot->chain_certs[chain->first_cert]];
}
/* The preferred path of the chain in that profile; SNAPSHOT_NONE if there is none. */
uint32_t snapshot_preferred(const struct snapshot *snapshot, const struct snapshot_chain *chain,
                            uint32_t profile);

/* What the records hold in memory, in bytes. */
size_t snapshot_bytes(const struct snapshot *snapshot);

#endif
