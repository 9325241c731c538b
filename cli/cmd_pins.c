/* pinsweep pins: what a policy means, what is wrong with it, its forms for other clients. One row a
   subcommand; each is one cmd_pins_*.c. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/opt.h"
#include "engine/base/attributes.h"
#include "engine/base/log.h"

static const struct command commands[] = {
    {"show", "what a policy means: hosts, pin sets, pins, what their clients do", cmd_pins_show},
    {"lint", "what is wrong with a policy, alone and against what was seen", cmd_pins_lint},
    {"convert", "a policy in another client's format, and what is lost on the way",
     cmd_pins_convert},
    {"make", "pins of certificates, keys, requests or a live endpoint, ready to paste",
     cmd_pins_make},
};

static void print_usage(FILE *out) {
    fputs("pinsweep pins: pin policies, in the words of each client\n"
          "\n"
          "usage: pinsweep pins COMMAND [OPTIONS]\n\n",
          out);
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        fprintf(out, "  %-10s%s\n", commands[i].name, commands[i].summary);
    }
    fputs("\n"
          "  pinsweep pins COMMAND --help    the options of a command\n",
          out);
}

static int unknown_command(const char *name) {
    const char *names[ARRAY_COUNT(commands) + 1] = {NULL};
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        names[i] = commands[i].name;
    }
    const char *near = opt_nearest(name, names);
    if (near != NULL) {
        log_error("pins: there is no command '%s'; did you mean '%s'?", name, near);
    } else {
        log_error("pins: there is no command '%s'; 'pinsweep pins --help' lists them", name);
    }
    return 2;
}

int cmd_pins(int argc, char **argv) {
    if (argc < 2) {
        print_usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    return unknown_command(argv[1]);
}
