/* A spreadsheet of pins, one a row, under a header that names the columns, in any order:
     app,owner,approver,client,scope,host,include_subdomains,alg,pin,role,expires,rollover_url
   Only host and pin must be there. Rows of the same app, client and host are one pin set; what they
   say of the set must agree, and an empty cell says nothing. Quoting as in RFC 4180, within a
   line. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/codec/datetime.h"
#include "engine/codec/netaddr.h"
#include "engine/codec/text.h"
#include "engine/policy/import_set.h"

enum column {
    APP,
    OWNER,
    APPROVER,
    CLIENT,
    SCOPE,
    HOST,
    INCLUDE_SUBDOMAINS,
    ALG,
    PIN,
    ROLE,
    EXPIRES,
    ROLLOVER_URL,
    COLUMNS
};

static const char *const column_names[] = {
    "app", "owner", "approver", "client",  "scope",        "host", "include_subdomains",
    "alg", "pin",   "role",     "expires", "rollover_url", NULL};

#define SHARED_TEXTS 1024 /* a power of two */

struct table {
    struct import *import;
    const char *shared[SHARED_TEXTS]; /* texts that many sets have in common, by their hash */
    struct import_sets sets;
    enum column order[COLUMNS]; /* of the cells in a row */
    uint32_t count;
    char *unquoted; /* room for a row's quoted cells */
    size_t unquoted_capacity;
    bool quoted; /* the row being read took some of it */
    char *name;  /* room for a set's name */
    size_t name_capacity;
    struct row *last; /* the row before, and its set: rows of one set often follow each other */
    struct import_set *last_set;
};

struct row {
    uint32_t line;
    bool quoted; /* a cell lies in table.unquoted, which the next row takes over */
    struct span cells[COLUMNS];
    struct pin_host host;
    const char *host_text;
    int client;
};

/* --- cells --- */

/* Takes a quoted cell; `room` has as many bytes as the line. */
static bool take_quoted(struct span *rest, char **room, struct span *out) {
    char *start = *room;
    span_take(rest, 1);
    while (rest->len > 0) {
        struct span byte = span_take(rest, 1);
        if (byte.data[0] == '"' && (rest->len == 0 || rest->data[0] != '"')) {
            *out = span_of(start, (size_t)(*room - start));
            return true;
        }
        span_take(rest, byte.data[0] == '"');
        *(*room)++ = (char)byte.data[0];
    }
    return false;
}

static enum err split(struct table *table, uint32_t line, struct span text, struct span *cells,
                      uint32_t capacity, uint32_t *out_count) {
    if (text.len > table->unquoted_capacity) {
        table->unquoted_capacity = 2 * text.len;
        table->unquoted = arena_alloc(&table->import->scratch, table->unquoted_capacity);
    }
    char *room = table->unquoted;
    uint32_t count = 0;
    bool more = true;
    while (more) { /* ends: every turn takes a cell */
        struct span cell = {0};
        if (count == capacity) {
            return import_fail(table->import, line, NULL,
                               "more than %u cells: quote a cell that has a comma", capacity);
        }
        if (text.len > 0 && text.data[0] == '"') {
            if (!take_quoted(&text, &room, &cell) || (text.len > 0 && text.data[0] != ',')) {
                return import_fail(table->import, line, NULL,
                                   "a quote that is not closed, or text after it: write \"...\" "
                                   "with \"\" for a quote inside, all in one line");
            }
        } else {
            cell = span_take(&text, span_find(text, ','));
            if (span_find(cell, '"') < cell.len) {
                return import_fail(table->import, line, NULL,
                                   "a quote inside the cell %s that does not begin with one: write "
                                   "\"...\" around the whole cell, with \"\" for a quote inside",
                                   import_quote(table->import, span_trim(cell)));
            }
        }
        cells[count++] = span_trim(cell);
        more = text.len > 0;
        span_take(&text, 1);
    }
    table->quoted = room != table->unquoted;
    *out_count = count;
    return ERR_NONE;
}

static enum err read_header(struct table *table, uint32_t line, struct span text) {
    struct span cells[COLUMNS];
    bool seen[COLUMNS] = {false};
    enum err err = split(table, line, text, cells, COLUMNS, &table->count);
    if (err != ERR_NONE) {
        return err;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t column = 0;
        while (column < COLUMNS &&
               !text_equal_ignore_case(cells[i], span_str(column_names[column]))) {
            column++;
        }
        if (column == COLUMNS || seen[column]) {
            return import_fail(table->import, line, NULL,
                               "the column \"%s\" is %s: the header names any of app, owner, "
                               "approver, client, scope, host, include_subdomains, alg, pin, role, "
                               "expires, rollover_url",
                               import_quote(table->import, cells[i]),
                               column == COLUMNS ? "not known" : "there twice");
        }
        seen[column] = true;
        table->order[i] = (enum column)column;
    }
    if (!seen[HOST] || !seen[PIN]) {
        return import_fail(table->import, line, NULL, "the header has no column \"%s\": add it",
                           seen[HOST] ? "pin" : "host");
    }
    return ERR_NONE;
}

static enum err read_row(struct table *table, uint32_t line, struct span text, struct row *out) {
    struct span cells[COLUMNS];
    uint32_t count = 0;
    *out = (struct row){.line = line};
    enum err err = split(table, line, text, cells, table->count, &count);
    if (err == ERR_NONE && count != table->count) {
        return import_fail(table->import, line, NULL,
                           "%u cells, but the header names %u: make them agree", count,
                           table->count);
    }
    for (uint32_t i = 0; i < count && err == ERR_NONE; i++) {
        out->cells[table->order[i]] = cells[i];
    }
    out->quoted = table->quoted;
    return err;
}

/* --- values --- */

static enum err read_word(struct table *table, const struct row *row, enum column column,
                          const char *const *words, int *out) {
    if (row->cells[column].len == 0) {
        return ERR_NONE;
    }
    for (int i = 0; words[i] != NULL; i++) {
        if (text_equal_ignore_case(row->cells[column], span_str(words[i]))) {
            *out = i;
            return ERR_NONE;
        }
    }
    char known[256] = "";
    size_t len = 0;
    for (int i = 0; words[i] != NULL; i++) {
        size_t word_len = strlen(words[i]);
        CHECK(len + word_len + 3 < sizeof known);
        memcpy(known + len, i > 0 ? ", " : "", i > 0 ? 2 : 0);
        len += i > 0 ? 2 : 0;
        memcpy(known + len, words[i], word_len + 1);
        len += word_len;
    }
    return import_fail(table->import, row->line, row->host_text,
                       "%s \"%s\" is not known: write one of %s", column_names[column],
                       import_quote(table->import, row->cells[column]), known);
}

static enum err read_host(struct table *table, struct row *row) {
    struct span text = row->cells[HOST], name;
    struct span stars = span_take(&text, text.len > 3 && memcmp(text.data, "**.", 3) == 0  ? 3
                                         : text.len > 2 && memcmp(text.data, "*.", 2) == 0 ? 2
                                                                                           : 0);
    uint16_t port = 0;
    const char *why = NULL;
    if (!hostport_split(text, &name, &port, &why)) {
        return import_fail(table->import, row->line, NULL, "\"%s\" is no host: %s",
                           import_quote(table->import, row->cells[HOST]), why);
    }
    /* The pattern in front and the name lie in one piece, but for the port. */
    struct span pattern = span_of(stars.len > 0 ? stars.data : name.data, stars.len + name.len);
    if (stars.len > 0 && name.data != stars.data + stars.len) {
        return import_fail(table->import, row->line, NULL,
                           "\"%s\" is no host: a wildcard and a scheme or brackets",
                           import_quote(table->import, row->cells[HOST]));
    }
    enum err err = import_read_host(table->import, row->line, pattern, true, &row->host);
    row->host.port = port;
    if (err == ERR_NONE) {
        row->host_text = import_host_text(table->import, &row->host);
    }
    return err;
}

static enum err read_pin(struct table *table, const struct row *row, struct pin *out) {
    int alg = -1, role = PIN_ACTIVE;
    struct span text = row->cells[PIN];
    const char *why = NULL;
    enum err err = read_word(table, row, ALG, pin_alg_words, &alg);
    if (err == ERR_NONE) {
        err = read_word(table, row, ROLE, pin_role_words, &role);
    }
    if (err != ERR_NONE) {
        return err;
    }
    bool has_prefix = false;
    for (int i = 0; pin_alg_words[i] != NULL; i++) {
        size_t len = strlen(pin_alg_words[i]);
        has_prefix =
            has_prefix || (text.len > len && memcmp(text.data, pin_alg_words[i], len) == 0 &&
                           (text.data[len] == '/' || text.data[len] == ':'));
    }
    if (alg >= 0 && !has_prefix) {
        err =
            import_read_pin(table->import, row->line, row->host_text, (enum pin_alg)alg, text, out);
    } else if (!pin_parse(text, &table->import->index->arena, out, &why)) {
        err = import_fail(table->import, row->line, row->host_text, "the pin \"%s\": %s",
                          import_quote(table->import, text), why);
    } else if (alg >= 0 && alg != (int)out->alg) {
        err = import_fail(table->import, row->line, row->host_text,
                          "alg is %s, but the pin says %s: make them agree", pin_alg_words[alg],
                          pin_alg_words[out->alg]);
    }
    if (err == ERR_NONE) {
        out->line = row->line;
        out->role = (enum pin_role)role;
    }
    return err;
}

static enum err disagrees(struct table *table, const struct row *row, enum column column,
                          const struct pin_set *set) {
    return import_fail(table->import, row->line, row->host_text,
                       "%s \"%s\" is another than in line %u, but both rows are of one pin set: "
                       "make them agree",
                       column_names[column], import_quote(table->import, row->cells[column]),
                       set->line);
}

/* A copy that lives as long as the index, often one made before. */
static const char *share(struct table *table, struct span text) {
    uint64_t hash = XXH3_64bits_withSeed(text.data, text.len, table->import->index->seed);
    const char **slot = &table->shared[hash % SHARED_TEXTS];
    if (*slot == NULL || !span_equal_str(text, *slot)) {
        *slot = arena_copy_text(&table->import->index->arena, text);
    }
    return *slot;
}

static enum err merge_text(struct table *table, const struct row *row, enum column column,
                           struct pin_set *set, const char **field) {
    if (row->cells[column].len == 0 || span_equal_str(row->cells[column], *field)) {
        return ERR_NONE;
    }
    if ((*field)[0] != '\0') {
        return disagrees(table, row, column, set);
    }
    if (memchr(row->cells[column].data, '\0', row->cells[column].len) != NULL) {
        return import_fail(table->import, row->line, row->host_text, "a NUL in %s: take it out",
                           column_names[column]);
    }
    *field = share(table, row->cells[column]);
    return ERR_NONE;
}

static enum err merge_expires(struct table *table, const struct row *row, struct pin_set *set) {
    int64_t expires = DATETIME_NONE;
    if (row->cells[EXPIRES].len == 0) {
        return ERR_NONE;
    }
    if (!datetime_parse(row->cells[EXPIRES], &expires)) {
        return import_fail(table->import, row->line, row->host_text,
                           "expires \"%s\" is no date: write 2027-06-01",
                           import_quote(table->import, row->cells[EXPIRES]));
    }
    if (set->expires != DATETIME_NONE && set->expires != expires) {
        return disagrees(table, row, EXPIRES, set);
    }
    set->expires = expires;
    return ERR_NONE;
}

/* Apple has two lists in one set: there the scope is the list's. */
static enum err merge_scope(struct table *table, const struct row *row, bool is_new,
                            struct pin_set *set, struct pin *pin) {
    int scope = -1;
    enum err err = read_word(table, row, SCOPE, pin_scope_words, &scope);
    if (err != ERR_NONE) {
        return err;
    }
    if (set->client == PIN_CLIENT_APPLE) {
        if (scope != PIN_SCOPE_LEAF && scope != PIN_SCOPE_CA_ONLY) {
            return import_fail(table->import, row->line, row->host_text,
                               "client apple has two lists of pins: write scope leaf "
                               "(NSPinnedLeafIdentities) or ca-only (NSPinnedCAIdentities)");
        }
        pin->list = scope == PIN_SCOPE_LEAF ? PIN_LIST_LEAF : PIN_LIST_CA;
        return ERR_NONE;
    }
    if (scope == PIN_SCOPE_LEAF_AND_CA) {
        return import_fail(table->import, row->line, row->host_text,
                           "scope leaf-and-ca is client apple's: write client apple, with scope "
                           "leaf or ca-only for each pin");
    }
    if (scope >= 0 && !is_new && scope != (int)set->scope) {
        return disagrees(table, row, SCOPE, set);
    }
    set->scope = scope >= 0 ? (enum pin_scope)scope : set->scope;
    return ERR_NONE;
}

static enum err merge_subdomains(struct table *table, const struct row *row, bool is_new,
                                 struct pin_set *set) {
    static const char *const words[] = {"false", "true", "no", "yes", "0", "1", NULL};
    int word = -1;
    enum err err = read_word(table, row, INCLUDE_SUBDOMAINS, words, &word);
    if (err == ERR_NONE && word >= 0 && !is_new && set->include_subdomains != (word % 2 == 1)) {
        return disagrees(table, row, INCLUDE_SUBDOMAINS, set);
    }
    if (err == ERR_NONE && word >= 0) {
        set->include_subdomains = word % 2 == 1;
    }
    return err;
}

/* --- rows --- */

/* "<stem>:<app>:<client>:<host>" without what is not given: names the set, and finds it. */
static const char *set_name(struct table *table, const struct row *row) {
    struct span parts[] = {
        span_str(table->import->prefix), row->cells[APP],
        span_str(row->cells[CLIENT].len > 0 ? pin_client_words[row->client] : ""),
        span_str(row->host_text)};
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        len += parts[i].len + 1;
    }
    if (len > table->name_capacity) {
        table->name_capacity = 2 * len;
        table->name = arena_alloc(&table->import->scratch, table->name_capacity);
    }
    char *name = table->name;
    len = 0;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        if (parts[i].len > 0) {
            memcpy(name + len, parts[i].data, parts[i].len);
            len += parts[i].len;
            name[len++] = ':';
        }
    }
    name[len - 1] = '\0';
    return name;
}

static enum err merge(struct table *table, const struct row *row, bool is_new,
                      struct import_set *under_way) {
    struct pin_set *set = under_way->set;
    struct pin pin;
    enum err err = read_pin(table, row, &pin);
    if (err == ERR_NONE) {
        err = merge_scope(table, row, is_new, set, &pin);
    }
    if (err == ERR_NONE) {
        err = merge_subdomains(table, row, is_new, set);
    }
    if (err == ERR_NONE) {
        err = merge_text(table, row, OWNER, set, &set->owner);
    }
    if (err == ERR_NONE) {
        err = merge_text(table, row, APPROVER, set, &set->approver);
    }
    if (err == ERR_NONE) {
        err = merge_text(table, row, ROLLOVER_URL, set, &set->rollover);
    }
    if (err == ERR_NONE) {
        err = merge_expires(table, row, set);
    }
    if (err == ERR_NONE && import_set_has_pin(table->import, under_way, &pin)) {
        return import_fail(table->import, row->line, row->host_text,
                           "%s is already in this pin set: keep one of the rows", pin.text);
    }
    if (err == ERR_NONE) {
        import_set_add_pin(table->import, under_way, &pin);
    }
    return err;
}

static enum err check_row(struct table *table, struct row *row) {
    enum err err = read_host(table, row);
    if (err == ERR_NONE) {
        err = read_word(table, row, CLIENT, pin_client_words, &row->client);
    }
    if (err == ERR_NONE && row->client == PIN_CLIENT_DANE) {
        return import_fail(table->import, row->line, row->host_text,
                           "TLSA records do not fit in these columns: give the zone's lines "
                           "(--policy-format tlsa)");
    }
    if (err == ERR_NONE && span_find(row->cells[APP], '\0') < row->cells[APP].len) {
        return import_fail(table->import, row->line, row->host_text, "a NUL in app: take it out");
    }
    return err;
}

static bool is_of_last_set(const struct table *table, const struct row *row) {
    const struct row *last = table->last;
    return table->last_set != NULL && !last->quoted &&
           span_equal(row->cells[HOST], last->cells[HOST]) &&
           span_equal(row->cells[APP], last->cells[APP]) &&
           span_equal(row->cells[CLIENT], last->cells[CLIENT]);
}

/* "x:curl" as app names the same as app "x" of client curl. */
static bool is_of_set(const struct table *table, const struct row *row, const struct pin_set *set) {
    struct span app = row->cells[APP].len > 0 ? row->cells[APP] : span_str(table->import->prefix);
    return (int)set->client == row->client && span_equal_str(app, set->application);
}

static enum err add_row(struct table *table, struct row *row) {
    if (is_of_last_set(table, row)) {
        row->host_text = table->last->host_text;
        row->client = table->last->client;
        return merge(table, row, false, table->last_set);
    }
    bool is_new = false;
    enum err err = check_row(table, row);
    if (err != ERR_NONE) {
        return err;
    }
    const char *name = set_name(table, row);
    struct arena *arena = &table->import->index->arena;
    struct import_set *set = import_sets_get(table->import, &table->sets, name,
                                             (enum pin_client)row->client, row->line, &is_new);
    if (is_new) {
        import_set_add_host(table->import, set, row->host);
        set->set->name = arena_copy_text(arena, span_str(name));
        if (row->cells[APP].len > 0) {
            set->set->application = share(table, row->cells[APP]);
        }
    }
    if (!is_new && !is_of_set(table, row, set->set)) {
        return import_fail(table->import, row->line, row->host_text,
                           "app and client read together as those of line %u do, though they are "
                           "others: give the app another name",
                           set->set->line);
    }
    *table->last = *row;
    table->last_set = set;
    return merge(table, row, is_new, set);
}

/* A comment has not as many commas as a row has. */
static enum err check_comment(struct table *table, uint32_t line, struct span text) {
    uint32_t cells = 1;
    for (size_t i = 0; i < text.len; i++) {
        cells += text.data[i] == ',';
    }
    return cells < table->count ? ERR_NONE
                                : import_fail(table->import, line, NULL,
                                              "a row or a comment? A cell that begins with # is "
                                              "quoted, \"#...\"; else take the line out");
}

/* As import_next_line(), but what it would pass over as a comment may be a row. */
static bool next_row(struct table *table, struct span *text, uint32_t *line, struct span *out,
                     enum err *err) {
    while (text->len > 0 && *err == ERR_NONE) {
        struct span rest = *text, raw = span_trim(span_take(&rest, span_find(rest, '\n')));
        if (raw.len == 0 || raw.data[0] != '#') {
            return import_next_line(text, line, out);
        }
        span_take(&rest, 1);
        *text = rest;
        ++*line;
        *err = check_comment(table, *line, raw);
    }
    return false;
}

enum err import_csv(struct import *import, struct span text) {
    struct row row, last;
    struct table table = {.import = import, .last = &last};
    struct span line_text;
    uint32_t line = 0;
    enum err err = ERR_NONE;
    if (import_next_line(&text, &line, &line_text)) {
        err = read_header(&table, line, line_text);
    }
    while (err == ERR_NONE && next_row(&table, &text, &line, &line_text, &err)) {
        err = read_row(&table, line, line_text, &row);
        if (err == ERR_NONE) {
            err = add_row(&table, &row);
        }
        import_give_back(import, text);
    }
    return err == ERR_NONE ? import_sets_end(import, &table.sets) : err;
}
