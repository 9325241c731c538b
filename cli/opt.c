#include "cli/opt.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/log.h"

#define NEAREST_LEN_MAX 40
#define HELP_COLUMN 30

/* Steps from one short text to the other: insert, drop or replace a letter, swap two neighbours
   (optimal string alignment). */
static int distance(const char *a, const char *b) {
    int rows[NEAREST_LEN_MAX + 1][NEAREST_LEN_MAX + 1];
    int a_len = (int)strlen(a), b_len = (int)strlen(b);
    if (a_len > NEAREST_LEN_MAX || b_len > NEAREST_LEN_MAX) {
        return NEAREST_LEN_MAX;
    }
    for (int i = 0; i <= a_len; i++) {
        for (int j = 0; j <= b_len; j++) {
            if (i == 0 || j == 0) {
                rows[i][j] = i + j;
                continue;
            }
            int best = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            int insert = rows[i][j - 1] + 1, drop = rows[i - 1][j] + 1;
            best = insert < best ? insert : best;
            best = drop < best ? drop : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                rows[i - 2][j - 2] + 1 < best) {
                best = rows[i - 2][j - 2] + 1;
            }
            rows[i][j] = best;
        }
    }
    return rows[a_len][b_len];
}

const char *opt_nearest(const char *text, const char *const *names) {
    const char *best = NULL;
    int best_distance = (int)strlen(text) / 3 + 1;
    for (; *names != NULL; names++) {
        int at = distance(text, *names);
        if (at <= best_distance) {
            best_distance = at - 1;
            best = *names;
        }
    }
    return best;
}

static bool opt_is_end(const struct opt *opt) {
    return opt->help == NULL;
}

static const struct opt *find_long(const struct opt_table *table, const char *name, size_t len) {
    for (size_t part = 0; table->parts[part] != NULL; part++) {
        for (const struct opt *opt = table->parts[part]; !opt_is_end(opt); opt++) {
            if (opt->name != NULL && strlen(opt->name) == len &&
                memcmp(opt->name, name, len) == 0) {
                return opt;
            }
        }
    }
    return NULL;
}

static const struct opt *find_short(const struct opt_table *table, char name) {
    for (size_t part = 0; table->parts[part] != NULL; part++) {
        for (const struct opt *opt = table->parts[part]; !opt_is_end(opt); opt++) {
            if (opt->short_name == name) {
                return opt;
            }
        }
    }
    return NULL;
}

static void tell_unknown(const struct opt_table *table, const char *command, const char *name) {
    const char *names[128];
    size_t count = 0;
    for (size_t part = 0; table->parts[part] != NULL; part++) {
        for (const struct opt *opt = table->parts[part]; !opt_is_end(opt) && count < 127; opt++) {
            if (opt->name != NULL) {
                names[count++] = opt->name;
            }
        }
    }
    names[count] = NULL;
    const char *near = opt_nearest(name, names);
    if (near != NULL) {
        log_error("%s: there is no option --%s; did you mean --%s?", command, name, near);
    } else {
        log_error("%s: there is no option --%s; 'pinsweep %s --help' lists them", command, name,
                  command);
    }
}

static bool apply(const struct opt_table *table, const char *command, const struct opt *opt,
                  const char *value) {
    const char *why = "not a valid value";
    if (opt->set(table->context, value, &why)) {
        return true;
    }
    log_error("%s: --%s %s: %s", command, opt->name, value != NULL ? value : "", why);
    return false;
}

static bool parse_long(const struct opt_table *table, const char *command, const char *text,
                       int argc, char **argv, int *at, bool *out_help) {
    const char *equals = strchr(text, '=');
    size_t len = equals != NULL ? (size_t)(equals - text) : strlen(text);
    if (len == 4 && memcmp(text, "help", 4) == 0) {
        *out_help = true;
        return true;
    }
    const struct opt *opt = find_long(table, text, len);
    if (opt == NULL) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)len, text);
        tell_unknown(table, command, name);
        return false;
    }
    if (opt->argument == NULL) {
        if (equals != NULL) {
            log_error("%s: --%s takes no value", command, opt->name);
            return false;
        }
        return apply(table, command, opt, NULL);
    }
    if (equals != NULL) {
        return apply(table, command, opt, equals + 1);
    }
    if (*at + 1 >= argc) {
        log_error("%s: --%s needs a value (%s)", command, opt->name, opt->argument);
        return false;
    }
    return apply(table, command, opt, argv[++*at]);
}

static bool parse_short(const struct opt_table *table, const char *command, const char *text,
                        int argc, char **argv, int *at, bool *out_help) {
    for (; *text != '\0'; text++) {
        if (*text == 'h' && find_short(table, 'h') == NULL) {
            *out_help = true;
            continue;
        }
        const struct opt *opt = find_short(table, *text);
        if (opt == NULL) {
            log_error("%s: there is no option -%c; 'pinsweep %s --help' lists them", command, *text,
                      command);
            return false;
        }
        if (opt->argument == NULL) {
            if (!apply(table, command, opt, NULL)) {
                return false;
            }
            continue;
        }
        if (text[1] != '\0') {
            return apply(table, command, opt, text + 1);
        }
        if (*at + 1 >= argc) {
            log_error("%s: -%c needs a value (%s)", command, *text, opt->argument);
            return false;
        }
        return apply(table, command, opt, argv[++*at]);
    }
    return true;
}

bool opt_parse(const struct opt_table *table, const char *command, int argc, char **argv,
               int *out_operand_count, bool *out_help) {
    bool only_operands = false;
    *out_operand_count = 0;
    *out_help = false;
    for (int i = 1; i < argc; i++) {
        char *text = argv[i];
        bool good = true;
        if (only_operands || text[0] != '-' || text[1] == '\0') {
            argv[(*out_operand_count)++] = text;
        } else if (strcmp(text, "--") == 0) {
            only_operands = true;
        } else if (text[1] == '-') {
            good = parse_long(table, command, text + 2, argc, argv, &i, out_help);
        } else {
            good = parse_short(table, command, text + 1, argc, argv, &i, out_help);
        }
        if (!good) {
            return false;
        }
    }
    return true;
}

/* Help lines after the first are indented to the column of the first. */
static void print_help(const char *help, int printed) {
    if (printed >= HELP_COLUMN - 1) {
        putchar('\n');
        printed = 0;
    }
    printf("%*s", HELP_COLUMN - printed, "");
    for (; *help != '\0'; help++) {
        putchar(*help);
        if (*help == '\n') {
            printf("%*s", HELP_COLUMN, "");
        }
    }
    putchar('\n');
}

void opt_print(const struct opt_table *table) {
    for (size_t part = 0; table->parts[part] != NULL; part++) {
        for (const struct opt *opt = table->parts[part]; !opt_is_end(opt); opt++) {
            if (opt->name == NULL) {
                printf("\n%s\n", opt->help);
                continue;
            }
            int printed = opt->short_name != 0 ? printf("  -%c, --%s", opt->short_name, opt->name)
                                               : printf("      --%s", opt->name);
            if (opt->argument != NULL) {
                printed += printf(" %s", opt->argument);
            }
            print_help(opt->help, printed);
        }
    }
}
