#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "bench/measure/measure.h"

/* The value of the first line "KEY : value" of a file; "" if there is none. */
static void read_value(const char *file, const char *key, char *out, size_t capacity) {
    char line[512];
    FILE *in = fopen(file, "re");
    out[0] = '\0';
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        const char *value = strchr(line, ':');
        if (value != NULL && strncmp(line, key, strlen(key)) == 0) {
            value += 1 + strspn(value + 1, " \t");
            snprintf(out, capacity, "%.*s", (int)strcspn(value, "\n"), value);
            break;
        }
    }
    if (in != NULL) {
        fclose(in);
    }
}

static unsigned read_numbers(const char *file, unsigned long out[2]) {
    FILE *in = fopen(file, "re");
    int count = in != NULL ? fscanf(in, "%lu %lu", &out[0], &out[1]) : 0;
    if (in != NULL) {
        fclose(in);
    }
    return count > 0 ? (unsigned)count : 0;
}

void measure_machine_read(struct measure_machine *out) {
    struct measure_cores cores;
    struct utsname system;
    struct rlimit files = {.rlim_max = 1024};
    char memory[64];
    unsigned long numbers[2];
    measure_cores_split(&cores, 1);
    *out = (struct measure_machine){.cores = cores.count};
    read_value("/proc/cpuinfo", "model name", out->cpu, sizeof out->cpu);
    if (out->cpu[0] == '\0') {
        snprintf(out->cpu, sizeof out->cpu, "unknown");
    }
    if (uname(&system) == 0) {
        snprintf(out->kernel, sizeof out->kernel, "%s %s %s", system.sysname, system.release,
                 system.machine);
    }
    read_value("/proc/meminfo", "MemTotal", memory, sizeof memory);
    out->memory_bytes = strtoull(memory, NULL, 10) * 1024;
    getrlimit(RLIMIT_NOFILE, &files);
    out->descriptors_hard = files.rlim_max;
    out->somaxconn =
        read_numbers("/proc/sys/net/core/somaxconn", numbers) > 0 ? (uint32_t)numbers[0] : 128;
    out->ports = read_numbers("/proc/sys/net/ipv4/ip_local_port_range", numbers) == 2
                     ? (uint32_t)(numbers[1] - numbers[0] + 1)
                     : 28232;
}

void measure_load_average(double out[3]) {
    if (getloadavg(out, 3) != 3) {
        out[0] = out[1] = out[2] = -1;
    }
}
