/* What is wrong with a policy, alone and against what was observed: one rule, one question that a
   reviewer would ask (the table in lint_rules.c; README.md, "Lint"). Findings name file, line, pin
   set, pin and hosts, and the basis in the field's standards.

   Pure: no clock, no I/O. The findings and their texts live in the lint's own arena until
   lint_fini(); what they point to (pin sets, snapshots) is borrowed. Single-threaded. Costs one
   judgement for each observed target and pin set. */
#ifndef PINSWEEP_LINT_LINT_H
#define PINSWEEP_LINT_LINT_H

#include "engine/base/arena.h"
#include "engine/history/snapshot.h"
#include "engine/trust/anchor.h"
#include "engine/trust/pin.h"

enum lint_severity { LINT_OFF, LINT_INFO, LINT_WARN, LINT_ERROR };
extern const char *const lint_severity_words[]; /* "off", "info", "warn", "error", NULL */
bool lint_severity_from_text(struct span text, enum lint_severity *out);

/* What a rule looks at beside the policy itself. */
enum lint_needs {
    LINT_NEEDS_POLICY,
    LINT_NEEDS_OBSERVED, /* chains: --observed */
    LINT_NEEDS_PREVIOUS, /* another policy: --previous */
};

enum lint_rule_id {
    PIN001,
    PIN002,
    PIN003,
    PIN004,
    PIN005,
    PIN006,
    PIN007,
    PIN008,
    PIN009,
    PIN010,
    PIN011,
    PIN020,
    PIN021,
    PIN022,
    PIN023,
    PIN024,
    PIN030,
    PIN031,
    PIN032,
    PIN033,
    PIN034,
    PIN035,
    PIN036,
    PIN037,
    PIN038,
    PIN040,
    PIN041,
    PIN042,
    PIN043,
    PIN044,
    LINT_RULE_COUNT
};

struct lint_rule {
    const char *id;    /* "PIN001" */
    const char *name;  /* "no-backup-pin": stable, for SARIF */
    const char *says;  /* one line */
    const char *help;  /* what to do about it */
    const char *basis; /* the standard it rests on */
    enum lint_severity severity;
    enum lint_needs needs;
};

extern const struct lint_rule lint_rules[LINT_RULE_COUNT];
/* LINT_RULE_COUNT if there is none of that name ("PIN001" in any case, or "no-backup-pin"). */
enum lint_rule_id lint_rule_find(struct span text);

/* NULL or none: nothing is said about the place. */
struct lint_finding {
    enum lint_rule_id rule;
    enum lint_severity severity;
    const struct pin_set *set; /* NULL: the policy as a whole */
    const struct pin *pin;     /* NULL: the set as a whole */
    const char *host;          /* the first that it is about; "" */
    const char *file;          /* "" */
    uint32_t line, column;     /* 0: not known */
    const char *message;
    const struct pin_exception *exception; /* accepted, and still within its date; NULL */
};

#define LINT_SNAPSHOTS_MAX 16

struct lint_config {
    const struct pin_index *pins; /* bound */
    const struct trust_store *trust;
    const struct snapshot *observed[LINT_SNAPSHOTS_MAX];
    uint32_t observed_count;
    const struct pin_index *previous; /* the policy before the change; NULL: none */
    const char *approval;             /* the change's approval, ""; see PIN044 */
    int64_t at_unix_s;                /* the date to judge at */
    uint32_t rehearsal_days;          /* PIN032: no older than that */
    uint32_t lead_days;               /* PIN021, PIN023: where a policy names no lead time */
    enum lint_severity severities[LINT_RULE_COUNT];
};

/* The defaults, without inputs. */
void lint_config_init(struct lint_config *config);

#define LINT_DISTRUSTED_MAX 64

struct lint {
    const struct lint_config *config;
    struct arena arena;
    /* Anchors of the profiles that the catalogue knows an end of. */
    struct {
        const struct cert_record *anchor;
        const struct catalogue_entry *entry;
    } distrusted[LINT_DISTRUSTED_MAX];
    uint32_t distrusted_count;
    struct lint_finding *findings; /* worst first, then by file and line */
    uint32_t count, capacity;
    uint32_t counts[LINT_ERROR + 1]; /* by severity, exceptions left out */
    uint32_t excepted_count;
    bool has_files;          /* pin sets of several */
    uint32_t judged_targets; /* observed targets that a pin set applies to */
};

/* Runs every rule whose inputs are there. ERR_RESOURCE if memory runs out. */
enum err lint_run(struct lint *lint, const struct lint_config *config,
                  struct err_note *note) MUST_USE;
void lint_fini(struct lint *lint);

#endif
