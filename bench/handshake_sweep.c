#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/handshake.h"
#include "engine/base/attributes.h"

#define ARGUMENTS_MAX 40
#define PATH_MAX_LEN 128

struct path_text {
    char text[PATH_MAX_LEN];
};

static struct path_text path_of(const struct handshake_sweep *sweep, const char *name) {
    struct path_text path;
    int len = snprintf(path.text, sizeof path.text, "%s/%s", sweep->folder, name);
    CHECK(len > 0 && (size_t)len < sizeof path.text);
    return path;
}

static pid_t start(const char *const arguments[], int cpu, int kept_fd) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child != 0) {
        return child;
    }
    CHECK(prctl(PR_SET_PDEATHSIG, SIGTERM) == 0);
    handshake_pin_to(cpu);
    if (kept_fd >= 0) {
        fcntl(kept_fd, F_SETFD, 0);
    }
    execv(arguments[0], (char *const *)(uintptr_t)arguments);
    perror(arguments[0]);
    _exit(127);
}

/* "ready PORT..." */
static void wait_ready(struct handshake_sweep *sweep, int fd) {
    FILE *in = fdopen(fd, "r");
    char word[16];
    CHECK(in != NULL);
    if (fscanf(in, "%15s", word) != 1 || strcmp(word, "ready") != 0) {
        fprintf(stderr, "bench_handshake: %s did not start\n", sweep->fleetsim);
        exit(1);
    }
    for (int i = 0; i < HANDSHAKE_PORTS; i++) {
        CHECK(fscanf(in, "%hu", &sweep->ports[i]) == 1);
    }
    fclose(in);
}

void handshake_sweep_open(struct handshake_sweep *sweep, bool is_rsa, int cpu) {
    int ready[2];
    strcpy(sweep->folder, "/tmp/bench_handshake.XXXXXX");
    CHECK(mkdtemp(sweep->folder) != NULL && pipe2(ready, O_CLOEXEC) == 0);
    char ready_fd[16];
    snprintf(ready_fd, sizeof ready_fd, "%d", ready[1]);
    struct path_text trust = path_of(sweep, "trust.pem"), policy = path_of(sweep, "policy.yaml");
    /* HANDSHAKE_PORTS times any free port; bench_handshake.c gives its own fleet the same seed. */
    const char *arguments[ARGUMENTS_MAX] = {
        sweep->fleetsim,  "--fast",
        "--prewarm",      "--exit-with-parent",
        "--tls",          "1.3",
        "--padding",      "600",
        "--identities",   HANDSHAKE_IDENTITIES_TEXT,
        "--rsa-percent",  is_rsa ? "100" : "0",
        "--write-trust",  trust.text,
        "--write-policy", policy.text,
        "--ready-fd",     ready_fd,
        "--port",         "0",
        "--port",         "0",
        "--port",         "0",
        "--port",         "0",
    };
    sweep->server = start(arguments, cpu, ready[1]);
    close(ready[1]);
    wait_ready(sweep, ready[0]);
}

void handshake_sweep_close(struct handshake_sweep *sweep) {
    static const char *const names[] = {"trust.pem", "policy.yaml", "inventory.csv",
                                        "metadata.json"};
    kill(sweep->server, SIGTERM);
    waitpid(sweep->server, NULL, 0);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        unlink(path_of(sweep, names[i]).text);
    }
    rmdir(sweep->folder);
}

static void write_inventory(const struct handshake_sweep *sweep, uint32_t count) {
    FILE *out = fopen(path_of(sweep, "inventory.csv").text, "we");
    CHECK(out != NULL);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = i % HANDSHAKE_IDENTITIES + 1;
        uint8_t ipv4[4];
        fleet_address_of(index, ipv4);
        fprintf(out, "%u.%u.%u.%u,h%u.fleet.test,,%u\n", ipv4[0], ipv4[1], ipv4[2], ipv4[3], index,
                sweep->ports[i % HANDSHAKE_PORTS]);
    }
    CHECK(fclose(out) == 0);
}

/* Successes at whatever depth; all of them are TLS 1.3. */
static uint64_t successes_of(const struct handshake_sweep *sweep) {
    static char json[65536];
    FILE *in = fopen(path_of(sweep, "metadata.json").text, "re");
    CHECK(in != NULL);
    json[fread(json, 1, sizeof json - 1, in)] = '\0';
    fclose(in);
    const char *at = strstr(json, "\"TLSv1.3\":");
    return at != NULL ? strtoull(at + strlen("\"TLSv1.3\":"), NULL, 10) : 0;
}

static double seconds(struct timeval value) {
    return (double)value.tv_sec + (double)value.tv_usec / 1e6;
}

/* CPU seconds of the program over `count` lines. */
static struct handshake_cost run(const struct handshake_sweep *sweep, enum depth depth, int cpu,
                                 uint32_t in_flight, uint32_t count) {
    char concurrency[16];
    struct rusage usage;
    int status;
    snprintf(concurrency, sizeof concurrency, "%u", in_flight);
    struct path_text policy = path_of(sweep, "policy.yaml"),
                     inventory = path_of(sweep, "inventory.csv"),
                     metadata = path_of(sweep, "metadata.json");
    const char *arguments[ARGUMENTS_MAX] = {
        sweep->pinsweep,
        "sweep",
        "--quiet",
        "--workers",
        "1",
        "--overwrite",
        "--fail-on",
        "none",
        "-f",
        inventory.text,
        "--policy",
        policy.text,
        "--depth",
        depth_text(depth),
        "--no-escalate",
        "--concurrency",
        concurrency,
        "--server-rate-limit",
        "0",
        "--server-concurrency",
        "0",
        "--metadata-file",
        metadata.text,
        "-o",
        "/dev/null",
    };
    write_inventory(sweep, count);
    pid_t child = start(arguments, cpu, -1);
    CHECK(wait4(child, &status, 0, &usage) == child);
    uint64_t successes = WIFEXITED(status) ? successes_of(sweep) : 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || successes != count) {
        fprintf(stderr, "bench_handshake: %s: status %d, %llu of %u handshakes succeeded\n",
                sweep->pinsweep, status, (unsigned long long)successes, count);
        exit(1);
    }
    return (struct handshake_cost){seconds(usage.ru_utime) * 1e6, seconds(usage.ru_stime) * 1e6};
}

struct handshake_cost handshake_sweep_run(const struct handshake_sweep *sweep, enum depth depth,
                                          int cpu, uint32_t in_flight, uint32_t count) {
    struct handshake_cost start_up = run(sweep, depth, cpu, in_flight, HANDSHAKE_IDENTITIES);
    struct handshake_cost whole = run(sweep, depth, cpu, in_flight, HANDSHAKE_IDENTITIES + count);
    return (struct handshake_cost){(whole.user_us - start_up.user_us) / count,
                                   (whole.system_us - start_up.system_us) / count};
}
