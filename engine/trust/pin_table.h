/* From a digest to the pins of a policy that equal it: one table for all pin sets, whatever their
   hosts, made for ten million pins. Built once from an index, then constant and shared by all
   threads. A look-up costs about one cache miss where there is no pin (a bucket of tags), two where
   there is one (its digest). Memory: 67 bytes a distinct digest, in huge pages where the
   kernel gives them, and 12 bytes a pin. */
#ifndef PINSWEEP_TRUST_PIN_TABLE_H
#define PINSWEEP_TRUST_PIN_TABLE_H

#include "engine/trust/pin.h"

struct pin_ref {
    uint32_t set_idx; /* in pin_index.sets */
    uint32_t pin_idx; /* in pin_set.pins */
    uint32_t next;    /* private: place of the next one in `refs` plus 1 */
};

struct pin_table {
    const struct pin_index *index;
    struct pin_ref *refs; /* of one digest in policy order */
    size_t ref_count, digest_count;
    /* Private to pin_table.c. */
    struct pin_bucket *buckets;
    uint8_t *digests; /* SHA256_LEN bytes a slot */
    size_t bucket_count, map_len;
    unsigned kinds; /* bits of enum pin_table_kind: what must be computed of a certificate */
};

#define PIN_BUCKET_SLOTS 10

/* A cache line: all that a look-up needs but the digests. */
struct pin_bucket {
    uint16_t tags[PIN_BUCKET_SLOTS]; /* 0: free; taken from the lowest slot on */
    uint16_t overflowed;             /* what had no place here is in the next bucket */
    uint16_t unused;
    uint32_t firsts[PIN_BUCKET_SLOTS]; /* place of the first ref plus 1 */
};

/* Keeps a reference to the index, which must stay as it is. ERR_RESOURCE. */
enum err pin_table_init(struct pin_table *table, const struct pin_index *index,
                        struct err_note *note) MUST_USE;
void pin_table_fini(struct pin_table *table);

/* The first ref of this digest (SHA-256 pins), or NULL; pin_table_next() gives the others. The
   object of each (key or certificate) is for the caller to compare. */
const struct pin_ref *pin_table_find(const struct pin_table *table,
                                     const uint8_t digest[SHA256_LEN]);
const struct pin_ref *pin_table_next(const struct pin_table *table, const struct pin_ref *ref);
/* The same for many digests, SHA256_LEN bytes each at `stride` bytes from one to the next: their
   misses overlap. */
void pin_table_find_batch(const struct pin_table *table, const uint8_t *digests, size_t stride,
                          size_t count, const struct pin_ref *out_refs[]);

/* True if a pin asks for the certificate's own SHA-256: the record needs it. */
bool pin_table_wants_cert_sha256(const struct pin_table *table);

/* Calls `each` for every pin that equals this certificate or its key, by any algorithm; digests
   other than SHA-256 are computed only if a pin has them. Needs `der`, both SHA-256 digests,
   `has_spki` and `fields.spki` of the record. A pin set with several such pins comes several times.
 */
void pin_table_match(const struct pin_table *table, const struct cert_record *cert,
                     void (*each)(void *context, const struct pin_set *set, const struct pin *pin),
                     void *context);

#endif
