/* CPU per completed TLS 1.3 handshake of a real sweep, against what it cannot be less than: the
   same handshake in memory by BoringSSL alone, plus the same bytes over a bare io_uring with as
   many connections in flight. Every figure is measured in each of several rounds, in turn; ratios
   are of the same round, and medians are told. Client and server have a core each.

     bench_handshake [--rounds 5] [--count 20000] [--in-flight 256,2000,10000] [--key ecdsa|rsa]
                     [--json] [--programs DIR]

   --count: handshakes a round (four times the number in flight at least). --programs: where
   pinsweep and fleetsim are (default: the folder above this program's). Ends itself after an hour.
 */
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/handshake.h"
#include "engine/base/attributes.h"

#define ROUNDS_MAX 101
#define IN_FLIGHT_MAX 8
#define TIME_MAX_S 3600
#define WARM_IN_FLIGHT 32

struct options {
    uint32_t rounds, count, in_flight[IN_FLIGHT_MAX], in_flight_count;
    bool rsa, json;
    char programs[512];
};

/* One round at one number in flight; microseconds of CPU per handshake. */
struct round {
    double memory, memory_x509, memory_ours, memory_many; /* the latter: so many at a time */
    struct measure_cost floor, sweep;
    struct measure_cost floor_short, prove, capture; /* nothing is sent after the flight */
    double verify;
    double after;
};

/* --- the command line --- */

static uint32_t number(const char *text, uint32_t max) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if ((*end != '\0' && *end != ',') || value == 0 || value > max) {
        fprintf(stderr, "bench_handshake: \"%s\" is no number from 1 to %u\n", text, max);
        exit(2);
    }
    return (uint32_t)value;
}

static void parse_in_flight(struct options *options, const char *list) {
    options->in_flight_count = 0;
    for (const char *at = list; at != NULL && options->in_flight_count < IN_FLIGHT_MAX;) {
        options->in_flight[options->in_flight_count++] = number(at, 60000);
        at = strchr(at, ',');
        at = at != NULL ? at + 1 : NULL;
    }
}

static void default_programs(struct options *options) {
    ssize_t len = readlink("/proc/self/exe", options->programs, sizeof options->programs - 1);
    CHECK(len > 0);
    options->programs[len] = '\0';
    CHECK(dirname(dirname(options->programs)) == options->programs); /* in place */
}

static void parse(struct options *options, int argc, char **argv) {
    static const struct option long_options[] = {
        {"rounds", required_argument, NULL, 'r'},
        {"count", required_argument, NULL, 'n'},
        {"in-flight", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},
        {"json", no_argument, NULL, 'j'},
        {"programs", required_argument, NULL, 'p'},
        {"benchmark_min_time", required_argument, NULL, 'q'},
        {NULL, 0, NULL, 0}};
    *options = (struct options){
        .rounds = 5, .count = 20000, .in_flight = {256, 2000, 10000}, .in_flight_count = 3};
    default_programs(options);
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case 'r':
            options->rounds = number(optarg, ROUNDS_MAX);
            break;
        case 'n':
            options->count = number(optarg, 10000000);
            break;
        case 'c':
            parse_in_flight(options, optarg);
            break;
        case 'k':
            options->rsa = strcmp(optarg, "rsa") == 0;
            break;
        case 'j':
            options->json = true;
            break;
        case 'q': /* tests/run: whether it works at all */
            options->rounds = options->in_flight_count = 1;
            options->count = 500;
            break;
        case 'p':
            snprintf(options->programs, sizeof options->programs, "%s", optarg);
            break;
        default:
            exit(2);
        }
    }
}

/* --- rounds --- */

struct setup {
    const struct options *options;
    struct measure_machine machine;
    struct measure_cores cores;
    struct fleet *fleet;
    struct measure_memory *memory;
    struct measure_bytes bytes;
    struct measure_fleet served;
    char pinsweep[544], fleetsim[544];
    pid_t floor_server;
    uint16_t floor_ports[MEASURE_PORTS];
    enum measure_key key;
};

static struct err_note note;

/* A bench has nobody to tell but its user. */
static void must(enum err err) {
    if (err != ERR_NONE) {
        fprintf(stderr, "bench_handshake: %s\n", note.text);
        exit(1);
    }
}

static void setup_open(struct setup *setup, const struct options *options) {
    setup->options = options;
    setup->key = options->rsa ? MEASURE_RSA : MEASURE_ECDSA;
    measure_machine_read(&setup->machine);
    measure_cores_split(&setup->cores, 1);
    snprintf(setup->pinsweep, sizeof setup->pinsweep, "%s/pinsweep", options->programs);
    snprintf(setup->fleetsim, sizeof setup->fleetsim, "%s/fleetsim", options->programs);
    setup->fleet = measure_identities_new();
    setup->memory = measure_memory_new(setup->fleet, TLS1_3_VERSION, setup->key);
    setup->bytes = measure_memory_bytes(setup->memory);
    struct measure_fleet_config config = {
        .fleetsim = setup->fleetsim, .tls = TLS1_3_VERSION, .key = setup->key, .workers = 1};
    must(measure_fleet_start(&setup->served, &config, &note));
    must(measure_floor_serve(&setup->bytes, &setup->cores.server, setup->floor_ports,
                             &setup->floor_server, &note));
}

static void setup_close(struct setup *setup) {
    measure_stop(setup->floor_server);
    measure_fleet_stop(&setup->served);
    measure_memory_free(setup->memory);
    measure_identities_free(setup->fleet);
}

static void sweep(struct setup *setup, enum depth depth, uint32_t in_flight, uint32_t count,
                  struct measure_cost *out) {
    struct measure_swept swept;
    struct measure_sweep run = {.pinsweep = setup->pinsweep,
                                .fleet = &setup->served,
                                .cores = &setup->cores,
                                .depth = depth,
                                .in_flight = in_flight,
                                .threads = 1,
                                .count = count};
    must(measure_sweep_run(&run, &swept, &note));
    if (swept.counts.succeeded != swept.counts.targets) {
        fprintf(stderr, "bench_handshake: %llu of %llu handshakes succeeded\n",
                (unsigned long long)swept.counts.succeeded,
                (unsigned long long)swept.counts.targets);
        exit(1);
    }
    *out = swept.cost;
}

static void exchange(struct setup *setup, bool whole, uint32_t in_flight, uint32_t count,
                     struct measure_cost *out) {
    must(measure_floor_run(&setup->bytes, whole, setup->floor_ports, &setup->cores.client,
                           in_flight, count, out, &note));
}

/* What is measured in memory, in a process of its own: it leaves nothing behind. */
struct memory_task {
    struct setup *setup;
    uint32_t in_flight, count, many;
};

static double in_memory(const struct memory_task *task, enum measure_client client,
                        uint32_t in_flight) {
    return measure_memory_us(task->setup->memory, client, in_flight, task->many);
}

static void measure_memory(void *out, const void *context) {
    const struct memory_task *task = context;
    struct round *round = out;
    round->memory = in_memory(task, MEASURE_BORINGSSL, WARM_IN_FLIGHT);
    round->memory_many = in_memory(task, MEASURE_BORINGSSL, task->in_flight);
    round->memory_x509 = in_memory(task, MEASURE_BORINGSSL_X509, WARM_IN_FLIGHT);
    round->memory_ours = in_memory(task, MEASURE_OURS, WARM_IN_FLIGHT);
    round->after = handshake_after_us(&task->setup->served, task->setup->fleet,
                                      task->setup->options->rsa, task->count);
    round->verify = measure_verify_us(task->setup->key, task->count / 8);
    /* Once more, so that a slow minute does not fall on one of them alone. */
    round->memory = (round->memory + in_memory(task, MEASURE_BORINGSSL, WARM_IN_FLIGHT)) / 2;
}

static void measure(struct setup *setup, uint32_t in_flight, struct round *out) {
    uint32_t count = setup->options->count;
    count = count > 4 * in_flight ? count : 4 * in_flight;
    struct memory_task task = {setup, in_flight, count, setup->options->count / 4};
    must(measure_in_child(&setup->cores.client, measure_memory, &task, out, sizeof *out, &note));
    exchange(setup, true, in_flight, count, &out->floor);
    sweep(setup, DEPTH_COMPLETE, in_flight, count, &out->sweep);
    sweep(setup, DEPTH_CAPTURE, in_flight, count, &out->capture);
    exchange(setup, false, in_flight, count, &out->floor_short);
    sweep(setup, DEPTH_PROVE, in_flight, count, &out->prove);
}

/* --- figures --- */

static double memory_of(const struct round *round) {
    return round->memory;
}
static double many_of(const struct round *round) {
    return round->memory_many;
}
static double x509_of(const struct round *round) {
    return round->memory_x509;
}
static double ours_of(const struct round *round) {
    return round->memory_ours;
}
static double floor_of(const struct round *round) {
    return measure_cost_us(round->floor);
}
static double sweep_of(const struct round *round) {
    return measure_cost_us(round->sweep);
}
static double user_of(const struct round *round) {
    return round->sweep.user_us;
}
static double system_of(const struct round *round) {
    return round->sweep.system_us;
}
static double after_of(const struct round *round) {
    return round->after;
}
static double floor_short_of(const struct round *round) {
    return measure_cost_us(round->floor_short);
}
static double prove_of(const struct round *round) {
    return measure_cost_us(round->prove);
}
static double capture_of(const struct round *round) {
    return measure_cost_us(round->capture);
}
static double capture_user_of(const struct round *round) {
    return round->capture.user_us;
}
static double verify_of(const struct round *round) {
    return round->verify;
}
static double capture_ratio_of(const struct round *round) {
    return capture_of(round) / floor_short_of(round);
}
static double prove_ratio_of(const struct round *round) {
    return prove_of(round) / floor_short_of(round);
}
static double prove_parts_of(const struct round *round) {
    return prove_of(round) / (capture_of(round) + round->verify);
}
static double ratio_of(const struct round *round) {
    return sweep_of(round) / (round->memory + floor_of(round));
}
static double ratio_many_of(const struct round *round) {
    return sweep_of(round) / (round->memory_many + floor_of(round));
}
static double share_of(const struct round *round) {
    return 100 * round->after / sweep_of(round);
}

static const struct figure {
    const char *key, *words;
    double (*of)(const struct round *round);
} figures[] = {
    {"memory_us", "BoringSSL in memory, client, 32 at a time (us)", memory_of},
    {"memory_many_us", "the same, as many at a time as in flight (us)", many_of},
    {"memory_x509_us", "the same, 32 at a time, with X509 objects (us)", x509_of},
    {"memory_ours_us", "engine/net/tls in memory, 32 at a time (us)", ours_of},
    {"floor_us", "bare io_uring exchange (us)", floor_of},
    {"sweep_us", "pinsweep sweep, per completed handshake (us)", sweep_of},
    {"sweep_user_us", "  of it in user mode (us)", user_of},
    {"sweep_system_us", "  of it in the kernel (us)", system_of},
    {"ratio", "sweep / (memory + io_uring)", ratio_of},
    {"ratio_many", "sweep / (memory, as many in flight + io_uring)", ratio_many_of},
    {"floor_short_us", "bare io_uring exchange, closed after the flight (us)", floor_short_of},
    {"capture_us", "pinsweep sweep --depth capture (us)", capture_of},
    {"capture_user_us", "  of it in user mode (us)", capture_user_of},
    {"prove_us", "pinsweep sweep --depth prove (us)", prove_of},
    {"verify_us", "BoringSSL's check of the signature (us)", verify_of},
    {"capture_ratio", "capture / floor", capture_ratio_of},
    {"prove_ratio", "prove / floor", prove_ratio_of},
    {"prove_parts", "prove / (capture + check of the signature)", prove_parts_of},
    {"after_us", "after the handshake, chain known (us)", after_of},
    {"after_percent", "  share of the sweep's CPU (%)", share_of},
};

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread {
    double low, median, high;
};

static struct spread spread_of(const struct figure *figure, const struct round *rounds,
                               uint32_t count) {
    double values[ROUNDS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        values[i] = figure->of(&rounds[i]);
    }
    qsort(values, count, sizeof values[0], compare);
    double median =
        count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
    return (struct spread){values[0], median, values[count - 1]};
}

static void print_head(const struct setup *setup) {
    const struct measure_bytes *bytes = &setup->bytes;
    const char *key = measure_key_text(setup->key);
    if (setup->options->json) {
        printf("{\"machine\":\"%s\",\"kernel\":\"%s\",\"boringssl\":\"%s\",\"key\":\"%s\","
               "\"rounds\":%u,\"bytes\":{\"hello\":%zu,\"flight\":%zu,\"last\":%zu},"
               "\"in_flight\":[",
               setup->machine.cpu, setup->machine.kernel, PINSWEEP_BORINGSSL, key,
               setup->options->rounds, bytes->out[0], bytes->in[0], bytes->out[1]);
        return;
    }
    printf("%s, %s, BoringSSL %s\nTLS 1.3, %s leaf with chain; %zu bytes out, %zu in, %zu out; "
           "client and server %s; median [lowest, highest] of %u rounds\n",
           setup->machine.cpu, setup->machine.kernel, PINSWEEP_BORINGSSL, key, bytes->out[0],
           bytes->in[0], bytes->out[1],
           setup->cores.shared ? "share a core" : "on cores of their own", setup->options->rounds);
}

static void print_figures(const struct setup *setup, uint32_t idx, const struct round *rounds) {
    const struct options *options = setup->options;
    printf(options->json ? "%s{\"connections\":%u" : "%s\n%u in flight\n",
           options->json && idx > 0 ? "," : "", options->in_flight[idx]);
    for (size_t i = 0; i < ARRAY_COUNT(figures); i++) {
        struct spread spread = spread_of(&figures[i], rounds, options->rounds);
        if (options->json) {
            printf(",\"%s\":{\"median\":%.4f,\"low\":%.4f,\"high\":%.4f}", figures[i].key,
                   spread.median, spread.low, spread.high);
        } else {
            printf("  %-52s %8.2f  [%.2f, %.2f]\n", figures[i].words, spread.median, spread.low,
                   spread.high);
        }
    }
    if (options->json) {
        printf("}");
    }
    fflush(stdout);
}

int main(int argc, char **argv) {
    static struct options options;
    static struct setup setup;
    static struct round rounds[IN_FLIGHT_MAX][ROUNDS_MAX];
    parse(&options, argc, argv);
    alarm(TIME_MAX_S);
    setup_open(&setup, &options);
    for (uint32_t r = 0; r < options.rounds; r++) {
        for (uint32_t i = 0; i < options.in_flight_count; i++) {
            measure(&setup, options.in_flight[i], &rounds[i][r]);
            fprintf(stderr, "round %u of %u, %u in flight: ratio %.3f\n", r + 1, options.rounds,
                    options.in_flight[i], ratio_of(&rounds[i][r]));
        }
    }
    print_head(&setup);
    for (uint32_t i = 0; i < options.in_flight_count; i++) {
        print_figures(&setup, i, rounds[i]);
    }
    if (options.json) {
        printf("]}\n");
    }
    setup_close(&setup);
    return 0;
}
