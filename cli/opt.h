/* Command-line options as a constant table: one row names, documents and sets an option, so that
   the help text can never disagree with the parser. Accepts --name value, --name=value, -x value,
   -xvalue, joined short flags, "--". */
#ifndef PINSWEEP_CLI_OPT_H
#define PINSWEEP_CLI_OPT_H

#include <stdbool.h>

struct opt {
    char short_name;      /* 0: none */
    const char *name;     /* without the dashes */
    const char *argument; /* NULL: a flag; else its name in the help, "N" */
    const char *help;     /* one or more lines, broken with \n */
    /* False: `*out_why` says what is wrong with the value. Flags get NULL. */
    bool (*set)(void *context, const char *value, const char **out_why);
};

/* A heading in a table: no name. */
#define OPT_GROUP(title)                                                                           \
    { .help = (title) }
#define OPT_END                                                                                    \
    { .set = 0 }

struct opt_table {
    const struct opt *const *parts; /* NULL-terminated list of tables that end with OPT_END */
    void *context;
};

/* Parses argv[1..]; operands (what is no option) are moved to argv[0..*out_operand_count - 1].
   False after telling what is wrong on standard error (with the nearest option's name where one is
   near). `*out_help` is set by -h/--help. */
bool opt_parse(const struct opt_table *table, const char *command, int argc, char **argv,
               int *out_operand_count, bool *out_help);
/* The options' part of a help text, on standard output. */
void opt_print(const struct opt_table *table);

/* The one of `names` (NULL-terminated) that `text` was probably meant to be, or NULL. */
const char *opt_nearest(const char *text, const char *const *names);

#endif
