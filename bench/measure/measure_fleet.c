#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/fleet_identity.h"
#include "bench/measure/measure.h"
#include "engine/base/attributes.h"

#define ARGUMENTS_MAX 40

void measure_fleet_path(const struct measure_fleet *fleet, const char *name,
                        char out[MEASURE_PATH_MAX]) {
    int len = snprintf(out, MEASURE_PATH_MAX, "%s/%s", fleet->folder, name);
    CHECK(len > 0 && len < MEASURE_PATH_MAX);
}

/* "ready PORT..."; the end of the pipe when it gave up (it has said why). */
static enum err wait_ready(struct measure_fleet *fleet, int fd, const char *program,
                           struct err_note *note) {
    FILE *in = fdopen(fd, "r");
    char word[16];
    CHECK(in != NULL);
    bool good = fscanf(in, "%15s", word) == 1 && strcmp(word, "ready") == 0;
    for (int i = 0; i < MEASURE_PORTS && good; i++) {
        good = fscanf(in, "%hu", &fleet->ports[i]) == 1;
    }
    fclose(in);
    return good ? ERR_NONE
                : err_note(note, ERR_RESOURCE, "%s: the simulated fleet did not start", program);
}

/* Whether the last identity's own address answers: without SO_BINDTODEVICE (containers) only
   127.0.0.1 does. */
static bool answers_everywhere(const struct measure_fleet *fleet) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(fleet->ports[0])};
    uint8_t ipv4[4];
    fleet_address_of(MEASURE_IDENTITIES, ipv4);
    memcpy(&address.sin_addr, ipv4, sizeof ipv4);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static enum err make_folder(struct measure_fleet *fleet, struct err_note *note) {
    const char *tmp = getenv("TMPDIR");
    int len = snprintf(fleet->folder, sizeof fleet->folder, "%s/pinsweep-bench-XXXXXX",
                       tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp");
    if (len < 0 || (size_t)len >= sizeof fleet->folder || mkdtemp(fleet->folder) == NULL) {
        enum err err =
            err_note(note, ERR_IO, "%s: cannot make a folder: %s", fleet->folder, strerror(errno));
        fleet->folder[0] = '\0';
        return err;
    }
    return ERR_NONE;
}

static enum err spawn(struct measure_fleet *fleet, const struct measure_fleet_config *config,
                      int ready_fd, struct err_note *note) {
    char ready_text[16], identities[16], workers[16], trust[MEASURE_PATH_MAX],
        policy[MEASURE_PATH_MAX];
    struct measure_cores cores;
    snprintf(ready_text, sizeof ready_text, "%d", ready_fd);
    snprintf(identities, sizeof identities, "%d", MEASURE_IDENTITIES);
    snprintf(workers, sizeof workers, "%u", config->workers);
    measure_fleet_path(fleet, "trust.pem", trust);
    measure_fleet_path(fleet, "policy.yaml", policy);
    /* MEASURE_PORTS times any free port; measure_identities_new() has the same seed and day. */
    const char *arguments[ARGUMENTS_MAX] = {
        config->fleetsim, "--fast",
        "--prewarm",      "--exit-with-parent",
        "--tls",          config->tls == TLS1_3_VERSION ? "1.3" : "1.2",
        "--padding",      "600",
        "--identities",   identities,
        "--workers",      workers,
        "--rsa-percent",  config->key == MEASURE_RSA ? "100" : "0",
        "--write-trust",  trust,
        "--write-policy", policy,
        "--ready-fd",     ready_text,
        "--port",         "0",
        "--port",         "0",
        "--port",         "0",
        "--port",         "0",
    };
    measure_cores_split(&cores, 1);
    return measure_spawn(arguments, &cores.server, ready_fd, &fleet->server, note);
}

enum err measure_fleet_start(struct measure_fleet *fleet, const struct measure_fleet_config *config,
                             struct err_note *note) {
    int ready[2];
    *fleet = (struct measure_fleet){.server = 0};
    enum err err = make_folder(fleet, note);
    if (err != ERR_NONE) {
        return err;
    }
    if (pipe2(ready, O_CLOEXEC) != 0) {
        err = err_note(note, ERR_RESOURCE, "cannot make a pipe: %s", strerror(errno));
    } else {
        err = spawn(fleet, config, ready[1], note);
        close(ready[1]);
        if (err == ERR_NONE) {
            err = wait_ready(fleet, ready[0], config->fleetsim, note);
        } else {
            close(ready[0]);
        }
    }
    if (err == ERR_NONE) {
        fleet->has_addresses = answers_everywhere(fleet);
    } else {
        measure_fleet_stop(fleet);
    }
    return err;
}

void measure_fleet_stop(struct measure_fleet *fleet) {
    static const char *const names[] = {"trust.pem", "policy.yaml", "inventory.csv",
                                        "metadata.json"};
    measure_stop(fleet->server);
    fleet->server = 0;
    if (fleet->folder[0] == '\0') {
        return;
    }
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char path[MEASURE_PATH_MAX];
        measure_fleet_path(fleet, names[i], path);
        unlink(path);
    }
    rmdir(fleet->folder);
    fleet->folder[0] = '\0';
}

enum err measure_fleet_write_inventory(const struct measure_fleet *fleet, uint32_t count,
                                       struct err_note *note) {
    char path[MEASURE_PATH_MAX];
    measure_fleet_path(fleet, "inventory.csv", path);
    FILE *out = fopen(path, "we");
    for (uint32_t i = 0; i < count && out != NULL; i++) {
        uint32_t index = i % MEASURE_IDENTITIES + 1;
        uint8_t ipv4[4];
        fleet_address_of(fleet->has_addresses ? index : 1, ipv4);
        fprintf(out, "%u.%u.%u.%u,h%u.fleet.test,,%u\n", ipv4[0], ipv4[1], ipv4[2], ipv4[3], index,
                fleet->ports[i % MEASURE_PORTS]);
    }
    bool good = out != NULL && ferror(out) == 0;
    if (out != NULL) {
        good = fclose(out) == 0 && good;
    }
    return good ? ERR_NONE : err_note(note, ERR_IO, "%s: cannot write: %s", path, strerror(errno));
}
