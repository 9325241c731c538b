/* pinsweep: one program, one constant table of subcommands. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/opt.h"
#include "engine/base/attributes.h"
#include "engine/base/log.h"

int program_argc;
char **program_argv;

static const struct command commands[] = {
    {"sweep", "sweep an inventory: one TLS handshake a view, one verdict line a target", cmd_sweep},
    {"inspect", "look at one endpoint: every view, the chain as a tree, pins ready to paste",
     cmd_inspect},
    {"hash", "hash the certificates in files: bundles, dumps, other scanners' outputs", cmd_hash},
    {"pins", "pin policies: what they mean, and their forms for other clients", cmd_pins},
    {"diff", "what changed from one sweep to another", cmd_diff},
    {"expiry", "what ends when, and until when somebody must have acted", cmd_expiry},
    {"report", "sweeps, diffs and impact analyses as one HTML page", cmd_report},
    {"bench", "measure handshakes on this machine, against what they cannot be less than",
     cmd_bench},
    {"impact", "what breaks if a CA, root store or key changes: scenarios on a sweep", cmd_impact},
    {"demo", "sweep a simulated fleet on this machine", cmd_demo},
};

static void print_usage(FILE *out) {
    fputs("pinsweep: which pins match your TLS fleet tonight, and which will stop matching\n"
          "\n"
          "usage: pinsweep COMMAND [OPTIONS]\n\n",
          out);
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        fprintf(out, "  %-10s%s\n", commands[i].name, commands[i].summary);
    }
    fputs("\n"
          "  pinsweep COMMAND --help    the options of a command\n"
          "  pinsweep --version\n"
          "\n"
          "exit codes: 0 all is well; 1 findings (mismatch, off-path, no-path, path-dependent; "
          "--fail-on changes it);\n"
          "            2 usage, configuration or bad input file; 3 more unknown targets than "
          "--max-unknown;\n"
          "            4 internal or resource failure; 130 interrupted\n",
          out);
}

static int unknown_command(const char *name) {
    const char *names[ARRAY_COUNT(commands) + 1] = {NULL};
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        names[i] = commands[i].name;
    }
    const char *near = opt_nearest(name, names);
    if (near != NULL) {
        log_error("there is no command '%s'; did you mean '%s'?", name, near);
    } else {
        log_error("there is no command '%s'; 'pinsweep --help' lists them", name);
    }
    return 2;
}

int main(int argc, char **argv) {
    program_argc = argc;
    program_argv = argv;
    /* Who reads the news or the records may leave early, a file may reach its limit: a failed write
     * is told and ends the sweep in order, death by signal would lose what others still read. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    if (argc < 2) {
        print_usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("pinsweep " PINSWEEP_VERSION " (BoringSSL " PINSWEEP_BORINGSSL ")");
        return 0;
    }
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    return unknown_command(argv[1]);
}
