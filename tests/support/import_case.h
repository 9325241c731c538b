/* Imported pins against made-up chains: what a client with such a file would say about a host. A
   policy's text has marks for the keys and certificates 0 to 9, which have no cryptography:
     {3}  base64 of SHA-256 of key 3     {h3} of SHA-1          {c3} of SHA-256 of certificate 3
     {x3} hexadecimal SHA-256 of key 3   {X3} of certificate 3  {s3}, {S3} the same with SHA-512
     {f3}, {F3} hexadecimal of the whole key, of the whole certificate */
#ifndef PINSWEEP_TESTS_IMPORT_CASE_H
#define PINSWEEP_TESTS_IMPORT_CASE_H

#include "engine/policy/import.h"
#include "engine/trust/verdict.h"

struct import_case {
    const char *policy;
    const char *host; /* port 443 unless it says ":port" */
    /* "012": leaf 0 to anchor 2; "": no path; ":" to "<" are the certificates 10 to 12. A letter
       after one is its key in place of P-256: r, m, R RSA of 2048, 3072, 4096 bits, p P-384, q
       P-521, e Ed25519. */
    const char *path;
    const char *sent; /* NULL: the path without its anchor */
    const char *at;   /* a date; NULL: 2027-01-01 */
    const char *verdict;
};

struct import_world {
    struct pin_index index;
    struct trust_store store;
    struct err_note note;
    enum err err;
};

/* Only policies with the profile "system"; bound if there was no error. A form feed divides a
   Chromium list from its keys, which are the file "keys.pins". */
struct import_world *import_world_new(const char *policy, enum import_format format,
                                      const char *name);
struct import_world *import_world_of(struct span bytes, enum import_format format,
                                     const char *name);
void import_world_free(struct import_world *world);
/* The marks replaced; to be freed. */
char *import_expand(const char *policy);
/* What {n}, and with `of_cert` {cn}, stands for. */
void import_sha256(bool of_cert, uint8_t number, uint8_t out[SHA256_LEN]);
/* The target's verdict: the worst of its pin sets'. */
enum verdict import_judge(const struct import_world *world, const struct import_case *one);

/* Asserts. */
void import_expect(const struct import_case *cases, size_t count, enum import_format format);
struct import_bad {
    const char *policy, *error;
};
void import_expect_errors(const struct import_bad *bad, size_t count, enum import_format format,
                          const char *name);
/* An error that begins with the name and a line, or pin sets with hosts and pins. Returns how many
   of the cuts were whole. */
uint32_t import_cut_everywhere(struct span bytes, enum import_format format, const char *name);
/* Of a file in data/pins; to be freed. */
char *import_example(const char *name, size_t *out_len);

#endif
