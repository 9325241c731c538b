/* pinsweep pins convert: a policy in another client's format. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/pins_input.h"
#include "cli/pins_write.h"
#include "engine/base/log.h"

struct convert {
    struct pins_input input; /* first: its options find it here */
    struct pins_target target;
};

static struct convert *of(void *context) {
    return context;
}

static bool set_to(void *context, const char *value, const char **out_why) {
    return pins_target_set_format(&of(context)->target, value, out_why);
}

static bool set_output_file(void *context, const char *value, const char **out_why) {
    (void)out_why;
    of(context)->target.file = value;
    return true;
}

static bool set_overwrite(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    of(context)->target.overwrite = true;
    return true;
}

static bool set_lossy(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    of(context)->target.lossy = true;
    return true;
}

static bool set_quiet(void *context, const char *value, const char **out_why) {
    (void)context, (void)value, (void)out_why;
    log_set_quiet(true);
    return true;
}

static const struct opt convert_options[] = {
    OPT_GROUP("Output"),
    {0, "to", "FORMAT", EXPORT_FORMATS_TEXT, set_to},
    {'o', "output-file", "FILE", "(default: standard output)", set_output_file},
    {0, "overwrite", NULL, "replace an existing output file", set_overwrite},
    {0, "lossy", NULL, "exit with 0 although something is lost (it is told all the same)",
     set_lossy},
    {'q', "quiet", NULL, "losses and errors only", set_quiet},
    OPT_END,
};

static void print_help(const struct opt_table *table) {
    puts("usage: pinsweep pins convert --policy FILE... --to FORMAT [OPTIONS]\n"
         "\n"
         "Writes the pin sets of policies in another client's format. What that client cannot be "
         "told is said on standard\n"
         "error, one line a loss: pin set, host, what is lost, what its clients would do instead.\n"
         "\n"
         "  pinsweep pins convert -p network_security_config.xml --to okhttp\n"
         "  pinsweep pins convert -p policy.yaml --client android --to android -o "
         "network_security_config.xml\n"
         "  pinsweep pins convert -p Info.plist -p pins.csv --to native -o policy.yaml");
    opt_print(table);
    puts("\n"
         "exit codes: 0 written; 1 written, but something is lost (--lossy: 0); 2 usage, a bad "
         "policy, or the result\n"
         "            would be no working file of that format; 4 internal or resource failure");
}

static int convert(struct convert *convert) {
    struct err_note note;
    enum err err = pins_input_load(&convert->input, &note);
    if (err != ERR_NONE) {
        log_error("%s", note.text);
        return err_exit_code(err);
    }
    convert->target.store = &convert->input.store;
    return pins_write(&convert->target, convert->input.sets, convert->input.count);
}

int cmd_pins_convert(int argc, char **argv) {
    static struct convert state;
    pins_input_init(&state.input);
    state.target = (struct pins_target){.command = "pins convert"};
    const struct opt *const parts[] = {pins_input_options, convert_options, NULL};
    struct opt_table table = {.parts = parts, .context = &state};
    int operand_count, code;
    bool help;
    if (!opt_parse(&table, "pins convert", argc, argv, &operand_count, &help)) {
        code = 2;
    } else if (help) {
        print_help(&table);
        code = 0;
    } else if (operand_count != 0 || state.input.policy_count == 0 || !state.target.has_format) {
        log_error("pins convert: give a policy and a format: pinsweep pins convert --policy FILE "
                  "--to FORMAT");
        code = 2;
    } else {
        code = convert(&state);
    }
    pins_input_fini(&state.input);
    return code;
}
