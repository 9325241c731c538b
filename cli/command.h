/* The subcommands: each is one cmd_*.c and one row of the table in main.c. */
#ifndef PINSWEEP_CLI_COMMAND_H
#define PINSWEEP_CLI_COMMAND_H

struct command {
    const char *name;
    const char *summary; /* one line of the main help */
    /* argv[0] is the command's name. Returns the exit code of the contract. */
    int (*run)(int argc, char **argv);
};

int cmd_sweep(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_hash(int argc, char **argv);
int cmd_pins(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_impact(int argc, char **argv);
int cmd_expiry(int argc, char **argv);
int cmd_demo(int argc, char **argv);

/* Of `pins`, whose table is in cmd_pins.c. */
int cmd_pins_show(int argc, char **argv);
int cmd_pins_lint(int argc, char **argv);
int cmd_pins_convert(int argc, char **argv);
int cmd_pins_make(int argc, char **argv);

/* The arguments as the program got them, for the metadata. */
extern int program_argc;
extern char **program_argv;

#endif
