/* What can be pinned, out of files: certificates, public keys, private keys and certification
   requests, in PEM (any number, any text between) or DER. Of a private key only the public half
   leaves this module: what was read, decoded and parsed on the way is zeroed before it is freed.

   Caller's thread; results lie in the caller's arena. A file is read once, whole. */
#ifndef PINSWEEP_POLICY_KEYFILE_H
#define PINSWEEP_POLICY_KEYFILE_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "engine/base/limits.h"

enum keyfile_kind {
    KEYFILE_CERTIFICATE,
    KEYFILE_PUBLIC_KEY,
    KEYFILE_PRIVATE_KEY,
    KEYFILE_REQUEST, /* PKCS#10; whether its signature is good is not looked at */
};

struct keyfile_item {
    enum keyfile_kind kind;
    struct span spki;        /* SubjectPublicKeyInfo: as it stands in the file, but for private keys
                                and PKCS#1 public keys, whose it is made for */
    struct span certificate; /* DER; empty for other kinds */
    uint32_t line;           /* of its BEGIN; 0: DER */
};

struct keyfile {
    const char *file;
    struct keyfile_item *items;
    uint32_t count;
};

/* At least one item, or ERR_CONFIG with "file:line: what is wrong; how to mend it". "-" is standard
   input. */
enum err keyfile_load(const char *file, struct arena *arena, struct keyfile *out,
                      struct err_note *note) MUST_USE;
/* From memory, which is the caller's to zero. */
enum err keyfile_parse(struct span bytes, const char *name, struct arena *arena,
                       struct keyfile *out, struct err_note *note) MUST_USE;

const char *keyfile_kind_text(enum keyfile_kind kind); /* "certificate", "private key" */

#endif
