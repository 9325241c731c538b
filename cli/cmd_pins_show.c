/* pinsweep pins show: what a policy means, for people. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/setup.h"
#include "engine/base/log.h"

static void print_help(const struct opt_table *table) {
    puts("usage: pinsweep pins show --policy FILE... [OPTIONS]\n"
         "\n"
         "What a policy means: each pin set with its hosts, client, scope, pins and their roles.\n"
         "\n"
         "  pinsweep pins show --policy network_security_config.xml");
    opt_print(table);
}

static void show_set(const struct pin_set *set) {
    static const char *const prefixes[] = {
        [PIN_PATTERN_NAME] = "", [PIN_PATTERN_ONE_LABEL] = "*.", [PIN_PATTERN_ANY_DEPTH] = "**."};
    printf("%s  (%s:%u)\n", set->name, set->file, set->line);
    for (uint32_t i = 0; i < set->host_count; i++) {
        const struct pin_host *host = &set->hosts[i];
        printf("  host  %s%s", prefixes[host->pattern], host->name);
        printf(host->port != 0 ? ":%u\n" : "\n", host->port);
    }
    printf("  client %s, scope %s\n", pin_client_text(set->client), pin_scope_text(set->scope));
    for (uint32_t i = 0; i < set->pin_count; i++) {
        const struct pin *pin = &set->pins[i];
        printf("  %-7s %s%s%s\n", pin_role_text(pin->role), pin->text,
               pin->note[0] != '\0' ? "  " : "", pin->note);
    }
}

static int show(struct setup *setup) {
    struct err_note note;
    enum err err = setup_load(setup, &note);
    if (err != ERR_NONE) {
        log_error("%s", note.text);
        return err_exit_code(err);
    }
    for (uint32_t i = 0; i < setup->pins.set_count; i++) {
        show_set(setup->pins.sets[i]);
    }
    return 0;
}

int cmd_pins_show(int argc, char **argv) {
    static struct setup setup;
    setup_init(&setup);
    const struct opt *const parts[] = {setup_policy_options, NULL};
    struct opt_table table = {.parts = parts, .context = &setup};
    int operand_count, code;
    bool help;
    if (!opt_parse(&table, "pins show", argc, argv, &operand_count, &help)) {
        code = 2;
    } else if (help) {
        print_help(&table);
        code = 0;
    } else if (operand_count != 0 || setup.policy_count == 0) {
        log_error("pins show: give a policy: pinsweep pins show --policy FILE");
        code = 2;
    } else {
        code = show(&setup);
    }
    setup_fini(&setup);
    return code;
}
