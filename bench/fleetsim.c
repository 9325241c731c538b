/* fleetsim: a simulated TLS fleet on loopback. See fleet_options.c for what it can do, and
   fleet_identity.h for who answers where. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/fleet_files.h"
#include "bench/fleet_server.h"

static void raise_file_limit(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* "ready PORT..." once everything listens and every file is written. */
static enum err say_ready(const struct fleet_options *options, struct err_note *note) {
    FILE *out = stdout;
    if (options->ready_path != NULL) {
        out = fopen(options->ready_path, "we");
    } else if (options->ready_fd >= 0) {
        out = fdopen(options->ready_fd, "w");
    }
    if (out == NULL) {
        return err_note(note, ERR_IO, "the ready file or descriptor: %s", strerror(errno));
    }
    fprintf(out, "ready");
    for (uint32_t i = 0; i < options->port_count; i++) {
        fprintf(out, " %u", options->ports[i].number);
    }
    fprintf(out, "\n");
    fflush(out);
    if (out != stdout) {
        fclose(out);
    }
    return ERR_NONE;
}

static void print_stats(const struct fleet_server *server) {
    struct fleet_stats stats = fleet_server_stats(server);
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    double user_s = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
    double system_s = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
    printf("{\"accepted\":%" PRIu64 ",\"handshakes\":%" PRIu64 ",\"failed\":%" PRIu64
           ",\"dropped\":%" PRIu64 ",\"minted\":%" PRIu64 ",\"bytes_out\":%" PRIu64
           ",\"cpu_seconds\":{\"user\":%.3f,\"system\":%.3f},\"max_rss_bytes\":%" PRIu64 "}\n",
           stats.accepted, stats.handshakes, stats.failed, stats.dropped, stats.minted,
           stats.bytes_out, user_s, system_s, (uint64_t)usage.ru_maxrss * 1024);
    fflush(stdout);
}

static bool only_says(const struct fleet_options *options) {
    return options->describe || options->print_root || options->print_pins;
}

static void say(const struct fleet *fleet, uint16_t refused_port) {
    if (fleet->options->describe) {
        fleet_describe(fleet, refused_port, stdout);
    }
    if (fleet->options->print_root) {
        fleet_roots_print(fleet, stdout);
    }
    if (fleet->options->print_pins) {
        fleet_pins_print(fleet, stdout);
    }
}

/* The port that the refusing demo host is dialled at: held, not listened on, while serving. */
static int reserve_refused_port(const struct fleet_options *options, uint16_t *port) {
    uint8_t ipv4[4] = {127, 0, 1, 0};
    const struct fleet_host *host;
    *port = (uint16_t)(fleet_options_port(options, 0) + 1);
    for (uint32_t i = 0; options->demo && (host = fleet_scenario_at(i)) != NULL; i++) {
        if (host->refused) {
            ipv4[3] = host->last_octet;
            return fleet_refused_port_reserve(ipv4, *port, port);
        }
    }
    return -1;
}

static enum err serve(struct fleet *fleet, struct fleet_options *options, struct err_note *note) {
    struct fleet_server server;
    uint16_t refused_port;
    enum err err = fleet_server_open(&server, fleet, options, note);
    if (err != ERR_NONE) {
        return err;
    }
    int refused_fd = reserve_refused_port(options, &refused_port);
    err = fleet_files_write(fleet, refused_port, note);
    if (err == ERR_NONE) {
        err = say_ready(options, note);
    }
    if (err == ERR_NONE) {
        fleet_server_run(&server);
        if (options->stats) {
            print_stats(&server);
        }
    }
    if (refused_fd >= 0) {
        close(refused_fd);
    }
    fleet_server_close(&server);
    return err;
}

int main(int argc, char **argv) {
    static struct fleet_options options;
    static struct fleet fleet;
    struct err_note note;
    pid_t parent = getppid();
    enum err err = fleet_options_parse(&options, argc, argv, &note);
    if (err == ERR_INTERRUPTED) {
        return 0;
    }
    if (err != ERR_NONE) {
        fprintf(stderr, "fleetsim: %s\n", note.text);
        return err_exit_code(err);
    }
    fleet_server_block_signals();
    if (options.exit_with_parent &&
        (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)) {
        return 0;
    }
    raise_file_limit();
    fleet_init(&fleet, &options);
    if (options.no_serve || only_says(&options)) {
        uint16_t refused_port = (uint16_t)(fleet_options_port(&options, 0) + 1);
        err = fleet_files_write(&fleet, refused_port, &note);
        say(&fleet, refused_port);
    } else {
        err = serve(&fleet, &options, &note);
    }
    if (err != ERR_NONE) {
        fprintf(stderr, "fleetsim: %s\n", note.text);
    }
    fleet_fini(&fleet);
    return err_exit_code(err);
}
