/* Private to the inventory: what one line says. No I/O, no state between lines. */
#ifndef PINSWEEP_SWEEP_INVENTORY_LINE_H
#define PINSWEEP_SWEEP_INVENTORY_LINE_H

#include "engine/sweep/inventory.h"

struct cJSON;

enum inventory_field {
    FIELD_HOST,
    FIELD_PORT,
    FIELD_SNI,
    FIELD_PIN_HOST,
    FIELD_CONNECT,
    FIELD_TAG,
    FIELD_OWNER,
    FIELD_APPLICATION,
    FIELD_COUNT /* of a CSV column: not known, ignored */
};

extern const char *const inventory_field_names[FIELD_COUNT];
#define INVENTORY_FIELDS_TEXT "host, port, sni, pin_host, connect, tag, owner, application"

/* How the lines of an input are to be read: the format (INVENTORY_AUTO until learned from the first
   line that is neither blank nor comment) and what was asked for. Constant once learned. */
struct inventory_syntax {
    enum inventory_format format;
    bool learned;
    uint64_t header_line; /* 0: none */
    uint32_t column_count;
    uint8_t columns[CSV_COLUMNS_MAX];
    uint16_t default_port;
    bool ipv4, ipv6;
    uint64_t range_max;
};

/* The fields of one line as written; empty is absent. */
struct inventory_row {
    struct span fields[FIELD_COUNT];
    uint32_t doubled; /* bit per field: CSV's doubled quotes are still in it */
    char port_text[24];
    struct cJSON *document; /* what NDJSON fields point into */
};

bool inventory_line_is_blank(struct span line);

/* Looks at a line until the syntax is learned. False with a reason if it cannot be (a CSV without a
   usable header). `out_unknown` lists the ignored columns for a notice, cut to fit; "" if none. */
bool inventory_syntax_learn(struct inventory_syntax *syntax, struct span line, uint64_t number,
                            char out_unknown[256], const char **out_why);

/* Splits a line that is neither blank nor header. Call inventory_row_fini after true. */
bool inventory_row_parse(struct inventory_row *row, const struct inventory_syntax *syntax,
                         struct span line, const char **out_why);
void inventory_row_fini(struct inventory_row *row);

enum inventory_line_kind { INVENTORY_LINE_GOOD, INVENTORY_LINE_SKIPPED, INVENTORY_LINE_BAD };

/* What a good line stands for: the first target is in the inventory_target, and with range_count
   above 1 there is one for each address of the range. */
struct inventory_extent {
    struct netrange range;
    uint64_t range_count; /* 1 for a single target */
    bool is_host;         /* the range stood as host, not as addresses to dial for one */
};

enum inventory_line_kind inventory_line_parse(const struct inventory_syntax *syntax,
                                              struct span line, uint64_t number,
                                              struct inventory_target *out,
                                              struct inventory_extent *out_extent,
                                              const char **out_why);
/* Makes `target` (of that extent) the one at `offset` of the range. */
void inventory_line_move(struct inventory_target *target, const struct inventory_extent *extent,
                         uint64_t offset);
/* A copy whose texts are in its own buffer. */
void inventory_target_copy(struct inventory_target *to, const struct inventory_target *from);

#endif
