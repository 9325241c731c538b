/* pinsweep inspect HOST[:PORT]: the same engine for one endpoint, for people. */
#include <stdio.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/inventory_one.h"
#include "cli/setup.h"
#include "cli/show.h"
#include "engine/base/log.h"

static bool set_json(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct setup *)context)->config.output_file = "-";
    return true;
}

static const struct opt inspect_options[] = {
    OPT_GROUP("Output"),
    {0, "json", NULL, "the verdict record instead of the report", set_json},
    OPT_END,
};

static void print_help(const struct opt_table *table) {
    puts("usage: pinsweep inspect HOST[:PORT] [--policy POLICY.yaml]... [OPTIONS]\n"
         "\n"
         "Looks at one endpoint from every side (all addresses; the server's choice, RSA and "
         "ECDSA): what it sends, the paths\n"
         "that clients build, pins ready to paste, which pin sets match and why.\n"
         "\n"
         "  pinsweep inspect api.bank.example --policy policy.yaml\n"
         "  pinsweep inspect 192.0.2.7:8443 --sni api.bank.example");
    opt_print(table);
}

static void on_target(void *context, const struct judgement *judgement) {
    const struct setup *setup = context;
    if (setup->config.output_file == NULL) {
        show_judgement(stdout, judgement, show_has_colours());
    }
}

static int inspect(struct setup *setup, const char *operand) {
    struct sweep_result result;
    struct err_note note;
    char file[INVENTORY_ONE_MAX];
    int fd = -1;
    enum err err = inventory_one(operand, setup->config.inventory.default_port, file, &fd, &note);
    if (err != ERR_NONE) {
        log_error("inspect: %s", note.text);
        return err_exit_code(err);
    }
    err = setup_load(setup, &note);
    if (err == ERR_NONE) {
        setup->config.inventory.file = file;
        setup->config.inventory.format = INVENTORY_PLAIN;
        err = sweep_run(&setup->config, &result, &note);
    }
    close(fd);
    if (err != ERR_NONE) {
        log_error("%s", note.text);
        return err_exit_code(err);
    }
    for (int i = 0; i < VERDICT_COUNT; i++) {
        if ((setup->fail_on_verdicts & 1u << i) != 0 && result.verdicts[i] > 0) {
            return 1;
        }
    }
    /* One endpoint that was not seen at all is an incomplete answer, pinned or not. */
    return result.statuses[OUTCOME_SUCCESS] == 0 || result.unknown > 0 ? 3 : 0;
}

int cmd_inspect(int argc, char **argv) {
    static struct setup setup;
    setup_init(&setup);
    struct sweep_listener listener = {.on_target = on_target, .context = &setup};
    setup.config.listener = &listener;
    setup.config.workers = 1;
    setup.config.concurrency = VIEWS_MAX;
    setup.config.all_addresses = true;
    setup.config.key_views[0] = KEY_VIEW_ANY;
    setup.config.key_views[1] = KEY_VIEW_RSA;
    setup.config.key_views[2] = KEY_VIEW_ECDSA;
    setup.config.key_view_count = 3;
    log_set_quiet(true);
    const struct opt *const parts[] = {setup_policy_options, setup_network_options, inspect_options,
                                       NULL};
    struct opt_table table = {.parts = parts, .context = &setup};
    int operand_count, code;
    bool help;
    if (!opt_parse(&table, "inspect", argc, argv, &operand_count, &help)) {
        code = 2;
    } else if (help) {
        print_help(&table);
        code = 0;
    } else if (operand_count != 1) {
        log_error("inspect: give one endpoint: pinsweep inspect HOST[:PORT]");
        code = 2;
    } else {
        code = inspect(&setup, argv[0]);
    }
    setup_fini(&setup);
    return code;
}
