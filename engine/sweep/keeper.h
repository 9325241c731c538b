/* What keeps a sweep beside its records: a small table of functions that a higher floor implements
   (engine/history/store_writer.h) and the command line wires. Records and rows go together: a block
   carries beside its NDJSON bytes the rows of the same targets, in the binary form below; the
   writer thread writes the bytes, has the keeper put the rows, and a few times a second has it
   commit them together with the lengths of the output files. So an interrupted sweep, however it
   ended, can go on where the last commit was.

   Rows are structs of this header one after another, each with a head and with its texts and arrays
   behind it, padded to KEEPER_ALIGN; they never leave the process. */
#ifndef PINSWEEP_SWEEP_KEEPER_H
#define PINSWEEP_SWEEP_KEEPER_H

#include "engine/sweep/config.h"
#include "engine/trust/path.h"
#include "engine/trust/verdict.h"

#define KEEPER_ALIGN 8
#define KEEPER_NONE 0xFF       /* of a coded byte: there is none */
#define KEEPER_SAME UINT32_MAX /* length of a text that is as the one before it in the record */

enum keeper_kind {
    KEEPER_TARGET,
    KEEPER_VIEW,
    KEEPER_SET,
    KEEPER_CERT,
    KEEPER_CHAIN,
    KEEPER_PATHS
};

struct keeper_head {
    uint32_t kind; /* enum keeper_kind */
    uint32_t len;  /* bytes to the next row */
};

/* A certificate, before the first chain that holds it; behind it the DER, then the four texts. */
struct keeper_cert {
    struct keeper_head head;
    uint8_t cert_sha256[SHA256_LEN], spki_sha256[SHA256_LEN];
    int64_t not_before, not_after, first_sct; /* Unix seconds; DATETIME_NONE */
    uint32_t der_len, subject_len, issuer_len, serial_len, key_len;
    bool has_spki, is_ca, strict;
};

/* A chain, before the first view that saw it; behind it `count` digests of certificates. */
struct keeper_chain {
    struct keeper_head head;
    uint8_t id[SHA256_LEN];
    uint32_t count;
};

/* The paths of the chain just before, in one profile; behind it the references as in struct
   path_recall, then the detail. */
struct keeper_paths {
    struct keeper_head head;
    uint32_t profile_idx, path_count, ref_count, detail_len;
    uint8_t failure; /* enum pkix */
    bool truncated;
};

enum {
    KEEPER_HOST,
    KEEPER_SNI,
    KEEPER_PIN_HOST,
    KEEPER_TAG,
    KEEPER_OWNER,
    KEEPER_APPLICATION,
    KEEPER_ERROR,
    KEEPER_TARGET_TEXTS
};

/* A target; its views and sets follow it. */
struct keeper_target {
    struct keeper_head head;
    uint64_t line, place;
    int64_t time_ms, dns_us; /* -1: no name was resolved */
    uint32_t views_failed;
    uint32_t lens[KEEPER_TARGET_TEXTS]; /* SNI and PIN_HOST may be KEEPER_SAME */
    uint16_t port;
    uint8_t status, verdict;
    bool complete;
};

enum { KEEPER_ADDRESS, KEEPER_VIEW_ERROR, KEEPER_ALPN, KEEPER_VIEW_TEXTS };

struct keeper_view {
    struct keeper_head head;
    uint8_t chain_id[SHA256_LEN];
    int64_t connect_us, tls_us; /* -1: not reached */
    uint32_t attempts;
    uint32_t lens[KEEPER_VIEW_TEXTS];
    uint16_t place, version, cipher, group, signature;
    uint8_t key_type, status, depth /* or KEEPER_NONE */, proof;
    bool has_chain, client_cert_requested, host_match;
};

/* A pin set's verdict, and the unit that decided it (judge_deciding()). */
struct keeper_set {
    struct keeper_head head;
    const struct pin *pin;           /* of the policy; NULL: none decided */
    const char *reason;              /* a constant; "" of a match */
    uint8_t cert_sha256[SHA256_LEN]; /* zero if !has_cert */
    uint32_t set_idx;                /* into the policy's pin sets */
    int16_t profile_idx, path_idx;   /* -1: none was needed, or there is none */
    uint16_t place, view_idx;
    uint8_t verdict, would_be;
    bool durable, decided /* else no unit did: nothing but the verdict is there */, has_cert;
};

/* What a sweep is, told at its beginning. Texts are borrowed for the call. */
struct keeper_sweep {
    const struct sweep_config *config;
    const char *name;      /* config->sweep_id */
    const char *arguments; /* JSON array */
    const char *settings;  /* JSON object: what must be the same when it is resumed */
    const char *metadata;  /* the document as of now */
    const char *input;
    uint64_t input_lines;        /* of a file; 0 of a pipe */
    const uint8_t *input_sha256; /* NULL: not known yet */
    int64_t started_ms;
    const char *output_file, *chains_file; /* absolute; NULL: none, or not a file */
    bool resume;                           /* go on with the sweep of that name */
};

/* Where a resumed sweep stands. */
struct keeper_resumed {
    uint64_t output_len, chains_len; /* bytes that are committed */
    uint64_t targets;                /* rows that are */
    int64_t started_ms;
    const char *metadata; /* of the last commit; lives as long as the keeper */
};

struct keeper_commit {
    uint64_t output_len, chains_len;
    const char *metadata;
};

enum keeper_state { KEEPER_RUNNING, KEEPER_DONE, KEEPER_INTERRUPTED };

/* Calls come from one thread at a time; recall (memory) and is_done from all workers at once,
   between begin and end. */
struct keeper {
    void *context;
    /* Begins a sweep, or goes on with it (*out is filled then): ERR_CONFIG, ERR_USAGE if it cannot
       be. */
    enum err (*begin)(void *context, const struct keeper_sweep *sweep, struct keeper_resumed *out,
                      struct err_note *note);
    /* Whether the target is there already (of a resumed sweep). NULL function: none is. */
    bool (*is_done)(void *context, uint64_t line, uint64_t place);
    /* Takes rows, whole targets. After an error only end() may be called. */
    enum err (*put)(void *context, struct span rows, struct err_note *note);
    enum err (*commit)(void *context, const struct keeper_commit *commit, struct err_note *note);
    /* After the last commit. */
    enum err (*end)(void *context, enum keeper_state state, const struct keeper_commit *commit,
                    const uint8_t *input_sha256, int64_t ended_ms, struct err_note *note);
    struct path_memory memory;
};

#endif
