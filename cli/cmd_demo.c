/* pinsweep demo: a simulated fleet on loopback (build/fleetsim), swept with the example inventory
   and policy of data/demo, shown line by line. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/setup.h"
#include "cli/show.h"
#include "engine/base/log.h"

#define READY_TIMEOUT_MS 30000

extern char **environ;

struct demo {
    struct setup setup;
    pid_t fleet;
    int ready_fd;
    char folder[PATH_MAX / 2]; /* of the outputs, kept */
    char program[PATH_MAX];    /* fleetsim */
    char inventory[PATH_MAX], policy[PATH_MAX], roots[PATH_MAX], records[PATH_MAX],
        chains[PATH_MAX];
    uint16_t port;
    bool keep;
};

static bool set_keep(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct demo *)context)->keep = true;
    return true;
}

static bool set_port(void *context, const char *value, const char **out_why) {
    struct demo *demo = context;
    uint32_t port;
    if (!setup_parse_u32(value, 1024, 65535, &port, out_why)) {
        return false;
    }
    demo->port = (uint16_t)port;
    return true;
}

static const struct opt demo_options[] = {
    OPT_GROUP("Options"),
    {'p', "port", "N", "where the simulated fleet listens, on 127.0.0.0/8 only (24433)", set_port},
    {0, "keep", NULL, "keep the fleet running afterwards, to try other commands on it", set_keep},
    OPT_END,
};

static void print_help(const struct opt_table *table) {
    puts("usage: pinsweep demo [OPTIONS]\n"
         "\n"
         "Starts a simulated TLS fleet on this machine's loopback, sweeps it with "
         "data/demo/inventory.csv and\n"
         "data/demo/policy.yaml, and shows one line a target: what every verdict looks like.");
    opt_print(table);
}

/* Beside this program; the example files in the source tree that it was built from, or beside the
 * build. */
static enum err find_files(struct demo *demo, struct err_note *note) {
    char exe[PATH_MAX / 2];
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (len <= 0) {
        return err_note(note, ERR_RESOURCE, "cannot find this program's own path: %s",
                        strerror(errno));
    }
    exe[len] = '\0';
    const char *folder = dirname(exe);
    snprintf(demo->program, sizeof demo->program, "%s/fleetsim", folder);
    snprintf(demo->inventory, sizeof demo->inventory, "%s/demo/inventory.csv", PINSWEEP_DATA_DIR);
    if (access(demo->inventory, R_OK) != 0) {
        snprintf(demo->inventory, sizeof demo->inventory, "%s/../data/demo/inventory.csv", folder);
    }
    snprintf(demo->policy, sizeof demo->policy, "%.*s/policy.yaml",
             (int)(strrchr(demo->inventory, '/') - demo->inventory), demo->inventory);
    if (access(demo->program, X_OK) != 0) {
        return err_note(note, ERR_CONFIG, "%s: the simulated fleet is not built; cli/run builds it",
                        demo->program);
    }
    if (access(demo->inventory, R_OK) != 0 || access(demo->policy, R_OK) != 0) {
        return err_note(note, ERR_CONFIG, "%s: the example files are missing", demo->inventory);
    }
    const char *tmp = getenv("TMPDIR");
    snprintf(demo->folder, sizeof demo->folder, "%s/pinsweep-demo-XXXXXX",
             tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp");
    if (mkdtemp(demo->folder) == NULL) {
        return err_note(note, ERR_IO, "%s: cannot make a folder for the outputs: %s", demo->folder,
                        strerror(errno));
    }
    snprintf(demo->roots, sizeof demo->roots, "%s/roots.pem", demo->folder);
    snprintf(demo->records, sizeof demo->records, "%s/verdicts.ndjson", demo->folder);
    snprintf(demo->chains, sizeof demo->chains, "%s/chains.ndjson", demo->folder);
    return ERR_NONE;
}

static enum err start_fleet(struct demo *demo, struct err_note *note) {
    int pipe_fds[2];
    char port[16], fd_text[16];
    if (pipe(pipe_fds) != 0) {
        return err_note(note, ERR_RESOURCE, "cannot make a pipe: %s", strerror(errno));
    }
    snprintf(port, sizeof port, "%u", demo->port);
    snprintf(fd_text, sizeof fd_text, "%d", pipe_fds[1]);
    char *arguments[] = {demo->program, "--scenario",         "demo",      "--port",
                         port,          "--write-trust",      demo->roots, "--ready-fd",
                         fd_text,       "--exit-with-parent", NULL};
    int error = posix_spawn(&demo->fleet, demo->program, NULL, NULL, arguments, environ);
    close(pipe_fds[1]);
    demo->ready_fd = pipe_fds[0];
    if (error != 0) {
        demo->fleet = 0;
        return err_note(note, ERR_RESOURCE, "%s: cannot start: %s", demo->program, strerror(error));
    }
    /* A line when it listens; the end of the pipe when it gave up (it has said why). */
    struct pollfd wait = {.fd = demo->ready_fd, .events = POLLIN};
    char line[512];
    if (poll(&wait, 1, READY_TIMEOUT_MS) <= 0 || read(demo->ready_fd, line, sizeof line) <= 0) {
        return err_note(note, ERR_RESOURCE,
                        "the simulated fleet did not start on port %u; --port N takes another",
                        demo->port);
    }
    return ERR_NONE;
}

static void stop_fleet(struct demo *demo) {
    if (demo->fleet > 0) {
        kill(demo->fleet, SIGTERM);
        waitpid(demo->fleet, NULL, 0);
    }
    if (demo->ready_fd > 0) {
        close(demo->ready_fd);
    }
}

static void on_target(void *context, const struct judgement *judgement) {
    (void)context;
    show_line(stdout, judgement, show_has_colours());
}

static enum err sweep_fleet(struct demo *demo, struct err_note *note) {
    struct setup *setup = &demo->setup;
    struct sweep_listener listener = {.on_target = on_target};
    struct sweep_result result;
    setup->trust[setup->trust_count++] =
        (struct setup_trust){.name = "system", .file = demo->roots};
    setup->policies[setup->policy_count++] = demo->policy;
    setup->config.inventory.file = demo->inventory;
    setup->config.inventory.default_port = demo->port;
    setup->config.workers = 1; /* few targets: one worker, so that lines come in one piece */
    setup->config.concurrency = 64;
    setup->config.retries = 0;
    setup->config.key_views[setup->config.key_view_count++] = KEY_VIEW_RSA;
    setup->config.key_views[setup->config.key_view_count++] = KEY_VIEW_ECDSA;
    setup->config.output_file = demo->records;
    setup->config.chains_file = demo->chains;
    setup->config.listener = &listener;
    printf("A simulated fleet listens on 127.0.1.0/24, port %u. The sweep that follows is\n\n"
           "  pinsweep sweep -f %s -p %u --cacert %s \\\n    --policy %s --key-types any,rsa,ecdsa "
           "-o %s --chains-out %s\n\n",
           demo->port, demo->inventory, demo->port, demo->roots, demo->policy, demo->records,
           demo->chains);
    fflush(stdout);
    enum err err = setup_load(setup, note);
    if (err == ERR_NONE) {
        err = sweep_run(&setup->config, &result, note);
    }
    return err;
}

static void tell_end(const struct demo *demo) {
    printf("\nEach line above is one JSON record in %s;\nevery chain that was seen is in %s.\n",
           demo->records, demo->chains);
    if (!demo->keep) {
        printf("'pinsweep demo --keep' leaves the fleet running, to look closer.\n");
        return;
    }
    printf("\nThe fleet keeps running until you press Enter. In another terminal:\n\n"
           "  pinsweep inspect 127.0.1.7:%u --sni path-dependent.demo.test --cacert %s \\\n    "
           "--policy %s\n",
           demo->port, demo->roots, demo->policy);
    fflush(stdout);
    (void)getchar();
}

static int run(struct demo *demo) {
    struct err_note note;
    log_set_quiet(true);
    enum err err = find_files(demo, &note);
    if (err == ERR_NONE) {
        err = start_fleet(demo, &note);
    }
    if (err == ERR_NONE) {
        err = sweep_fleet(demo, &note);
    }
    if (err == ERR_NONE) {
        tell_end(demo);
    }
    stop_fleet(demo);
    if (err != ERR_NONE) {
        log_error("demo: %s", note.text);
    }
    return err_exit_code(err);
}

int cmd_demo(int argc, char **argv) {
    static struct demo demo = {.port = 24433};
    setup_init(&demo.setup);
    const struct opt *const parts[] = {demo_options, NULL};
    struct opt_table table = {.parts = parts, .context = &demo};
    int operand_count, code;
    bool help;
    if (!opt_parse(&table, "demo", argc, argv, &operand_count, &help)) {
        code = 2;
    } else if (help) {
        print_help(&table);
        code = 0;
    } else if (operand_count > 0) {
        log_error("demo: '%s': the demo takes options only", argv[0]);
        code = 2;
    } else {
        code = run(&demo);
    }
    setup_fini(&demo.setup);
    return code;
}
