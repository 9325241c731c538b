#include "bench/fleet_options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum option_id {
    OPTION_PORT = 256,
    OPTION_BEHAVIOUR,
    OPTION_ADDRESS,
    OPTION_IPV6,
    OPTION_WORKERS,
    OPTION_FAST,
    OPTION_PREWARM,
    OPTION_SEED,
    OPTION_DATE,
    OPTION_IDENTITIES,
    OPTION_RSA_PERCENT,
    OPTION_DUAL,
    OPTION_TLS,
    OPTION_PADDING,
    OPTION_CACHE,
    OPTION_SCENARIO,
    OPTION_DRIP_MS,
    OPTION_SLOW_MS,
    OPTION_IDLE_MS,
    OPTION_DESCRIBE,
    OPTION_PRINT_ROOT,
    OPTION_PINS,
    OPTION_WRITE_TRUST,
    OPTION_WRITE_INVENTORY,
    OPTION_WRITE_POLICY,
    OPTION_COUNT,
    OPTION_FORMAT,
    OPTION_POLICY_STYLE,
    OPTION_NO_SERVE,
    OPTION_READY_FD,
    OPTION_READY_FILE,
    OPTION_EXIT_WITH_PARENT,
    OPTION_STATS,
    OPTION_HELP,
};

static const struct option long_options[] = {
    {"port", required_argument, NULL, OPTION_PORT},
    {"behaviour", required_argument, NULL, OPTION_BEHAVIOUR},
    {"address", required_argument, NULL, OPTION_ADDRESS},
    {"ipv6", no_argument, NULL, OPTION_IPV6},
    {"workers", required_argument, NULL, OPTION_WORKERS},
    {"fast", no_argument, NULL, OPTION_FAST},
    {"prewarm", no_argument, NULL, OPTION_PREWARM},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"date", required_argument, NULL, OPTION_DATE},
    {"identities", required_argument, NULL, OPTION_IDENTITIES},
    {"rsa-percent", required_argument, NULL, OPTION_RSA_PERCENT},
    {"dual", no_argument, NULL, OPTION_DUAL},
    {"tls", required_argument, NULL, OPTION_TLS},
    {"padding", required_argument, NULL, OPTION_PADDING},
    {"cache", required_argument, NULL, OPTION_CACHE},
    {"scenario", required_argument, NULL, OPTION_SCENARIO},
    {"drip-ms", required_argument, NULL, OPTION_DRIP_MS},
    {"slow-ms", required_argument, NULL, OPTION_SLOW_MS},
    {"idle-ms", required_argument, NULL, OPTION_IDLE_MS},
    {"describe", no_argument, NULL, OPTION_DESCRIBE},
    {"print-root", no_argument, NULL, OPTION_PRINT_ROOT},
    {"pins", no_argument, NULL, OPTION_PINS},
    {"write-trust", required_argument, NULL, OPTION_WRITE_TRUST},
    {"write-inventory", required_argument, NULL, OPTION_WRITE_INVENTORY},
    {"write-policy", required_argument, NULL, OPTION_WRITE_POLICY},
    {"count", required_argument, NULL, OPTION_COUNT},
    {"format", required_argument, NULL, OPTION_FORMAT},
    {"policy-style", required_argument, NULL, OPTION_POLICY_STYLE},
    {"no-serve", no_argument, NULL, OPTION_NO_SERVE},
    {"ready-fd", required_argument, NULL, OPTION_READY_FD},
    {"ready-file", required_argument, NULL, OPTION_READY_FILE},
    {"exit-with-parent", no_argument, NULL, OPTION_EXIT_WITH_PARENT},
    {"stats", no_argument, NULL, OPTION_STATS},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static const char usage[] =
    "usage: fleetsim [options]\n"
    "A simulated TLS fleet on 127.0.0.0/8; every address answers. The keys are predictable: it is\n"
    "for demonstrations, tests and benchmarks, and listens on nothing but loopback.\n"
    "\n"
    "Listening\n"
    "  --port P                 a plain TLS port, repeatable; 0: any free one (default 4433)\n"
    "  --behaviour P=NAME       a port that misbehaves, repeatable (names below)\n"
    "  --address A              listen on this loopback address if the whole of 127.0.0.0/8 is\n"
    "                           not permitted, repeatable (default 127.0.0.1)\n"
    "  --ipv6                   also on ::1\n"
    "  --workers N              threads (default 1)\n"
    "  --fast                   answer common TLS 1.3 ClientHellos without BoringSSL: a cheap "
    "server,\n"
    "                           so that a bench measures the client\n"
    "  --prewarm                mint what the cache holds before \"ready\" (0.15 ms each)\n"
    "Fleet\n"
    "  --seed N                 all keys follow from it (default 1)\n"
    "  --date YYYY-MM-DD        validities are counted from this day (default today, UTC)\n"
    "  --identities N           h1.fleet.test to hN.fleet.test, up to 500000 (default 1000)\n"
    "  --rsa-percent N          identities with an RSA leaf (default 0)\n"
    "  --dual                   every identity has an ECDSA and an RSA leaf\n"
    "  --tls 1.2|1.3|both|mixed mixed: every third identity speaks 1.2 only (default both)\n"
    "  --padding BYTES          added to every leaf, for realistic sizes (default 0)\n"
    "  --cache N                identities kept minted per worker (default 16384)\n"
    "  --scenario demo          also the named hosts of *.demo.test on 127.0.1.x\n"
    "  --drip-ms, --slow-ms, --idle-ms N   pace of drip (1000), of slow-accept (2000), and how\n"
    "                           long a silent client is kept (60000)\n"
    "Saying and writing; --describe, --print-root and --pins exit afterwards\n"
    "  --describe               a table of what answers where\n"
    "  --print-root             the trusted roots in PEM\n"
    "  --pins                   SPKI pins of the CAs and of the named hosts' leaves\n"
    "  --write-trust FILE       the trusted roots\n"
    "  --write-inventory FILE   an inventory of the demo hosts, or of the identities\n"
    "  --count N                its first N identities (default all; with the demo 0)\n"
    "  --format plain|zgrab2|csv  (default zgrab2; with the demo csv)\n"
    "  --write-policy FILE      a native policy for what the inventory names\n"
    "  --policy-style grouped|per-host  (default grouped)\n"
    "  --no-serve               exit after writing\n"
    "Running\n"
    "  --ready-fd N, --ready-file FILE  where the line \"ready\" goes (default standard output)\n"
    "  --exit-with-parent       end when the process that started it ends\n"
    "  --stats                  one JSON line of counts on standard output at exit\n"
    "\n"
    "Behaviours\n";

static void print_usage(void) {
    fputs(usage, stdout);
    const struct fleet_behaviour *behaviour;
    for (unsigned i = 0; (behaviour = fleet_behaviour_at(i)) != NULL; i++) {
        printf("  %-24s %s\n", behaviour->name, behaviour->summary);
    }
}

static enum err parse_number(const char *name, const char *text, uint64_t max, uint64_t *out,
                             struct err_note *note) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != 0 || value > max) {
        return err_note(note, ERR_USAGE, "--%s %s: give a whole number up to %" PRIu64, name, text,
                        max);
    }
    *out = value;
    return ERR_NONE;
}

static enum err parse_u32(const char *name, const char *text, uint32_t max, uint32_t *out,
                          struct err_note *note) {
    uint64_t value;
    enum err err = parse_number(name, text, max, &value, note);
    if (err == ERR_NONE) {
        *out = (uint32_t)value;
    }
    return err;
}

static enum err add_port(struct fleet_options *options, const char *text,
                         const struct fleet_behaviour *behaviour, struct err_note *note) {
    uint32_t number;
    if (options->port_count == FLEET_PORTS_MAX) {
        return err_note(note, ERR_USAGE, "at most %d ports", FLEET_PORTS_MAX);
    }
    enum err err = parse_u32("port", text, 65535, &number, note);
    if (err == ERR_NONE) {
        options->ports[options->port_count++] =
            (struct fleet_port){.number = (uint16_t)number, .behaviour = behaviour};
    }
    return err;
}

static enum err parse_behaviour(struct fleet_options *options, const char *text,
                                struct err_note *note) {
    const char *equals = strchr(text, '=');
    char port[8];
    if (equals == NULL || (size_t)(equals - text) >= sizeof port) {
        return err_note(note, ERR_USAGE, "--behaviour %s: write PORT=NAME", text);
    }
    memcpy(port, text, (size_t)(equals - text));
    port[equals - text] = 0;
    const struct fleet_behaviour *behaviour = fleet_behaviour_find(equals + 1);
    if (behaviour == NULL) {
        return err_note(note, ERR_USAGE, "--behaviour %s: no such behaviour; --help lists them",
                        text);
    }
    return add_port(options, port, behaviour, note);
}

static enum err parse_date(const char *text, int64_t *out_s, struct err_note *note) {
    struct tm utc = {0};
    const char *end = strptime(text, "%Y-%m-%d", &utc);
    if (end == NULL || *end != 0) {
        return err_note(note, ERR_USAGE, "--date %s: write YYYY-MM-DD", text);
    }
    *out_s = timegm(&utc);
    return ERR_NONE;
}

/* The position of `text` among `words`, a NULL-terminated list. */
static enum err parse_word(const char *name, const char *text, const char *const *words,
                           unsigned *out, struct err_note *note) {
    for (unsigned i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            *out = i;
            return ERR_NONE;
        }
    }
    return err_note(note, ERR_USAGE, "--%s %s: not one of the words that --help names", name, text);
}

static const char *const tls_words[] = {"both", "1.2", "1.3", "mixed", NULL};
static const char *const format_words[] = {"", "plain", "zgrab2", "csv", NULL};
static const char *const style_words[] = {"grouped", "per-host", NULL};
static const char *const scenario_words[] = {"demo", NULL};

static enum err parse_fleet_option(struct fleet_options *options, int id, const char *text,
                                   struct err_note *note) {
    unsigned word = 0;
    enum err err;
    switch (id) {
    case OPTION_SEED:
        return parse_number("seed", text, UINT64_MAX, &options->seed, note);
    case OPTION_DATE:
        return parse_date(text, &options->date_s, note);
    case OPTION_IDENTITIES:
        return parse_u32("identities", text, FLEET_IDENTITIES_MAX, &options->identities, note);
    case OPTION_RSA_PERCENT:
        return parse_u32("rsa-percent", text, 100, &options->rsa_percent, note);
    case OPTION_DUAL:
        options->dual = true;
        return ERR_NONE;
    case OPTION_PADDING:
        return parse_u32("padding", text, FLEET_PADDING_MAX, &options->padding_len, note);
    case OPTION_CACHE:
        return parse_u32("cache", text, 2 * FLEET_IDENTITIES_MAX, &options->cache_slots, note);
    case OPTION_TLS:
        err = parse_word("tls", text, tls_words, &word, note);
        options->tls = (enum fleet_tls)word;
        return err;
    case OPTION_SCENARIO:
        options->demo = true;
        return parse_word("scenario", text, scenario_words, &word, note);
    case OPTION_DRIP_MS:
        return parse_u32("drip-ms", text, 3600000, &options->drip_ms, note);
    case OPTION_SLOW_MS:
        return parse_u32("slow-ms", text, 3600000, &options->slow_ms, note);
    case OPTION_IDLE_MS:
        return parse_u32("idle-ms", text, 3600000, &options->idle_ms, note);
    case OPTION_COUNT:
        return parse_u32("count", text, FLEET_IDENTITIES_MAX, &options->inventory_count, note);
    case OPTION_FORMAT:
        err = parse_word("format", text, format_words, &word, note);
        options->format = (enum fleet_format)word;
        return err;
    case OPTION_POLICY_STYLE:
        err = parse_word("policy-style", text, style_words, &word, note);
        options->policy_per_host = word == 1;
        return err;
    default:
        return err_note(note, ERR_USAGE, "see fleetsim --help");
    }
}

static enum err parse_option(struct fleet_options *options, int id, const char *text,
                             struct err_note *note) {
    uint32_t number = 0;
    enum err err;
    switch (id) {
    case OPTION_PORT:
        return add_port(options, text, fleet_behaviour_tls, note);
    case OPTION_BEHAVIOUR:
        return parse_behaviour(options, text, note);
    case OPTION_ADDRESS:
        if (options->address_count == FLEET_ADDRESSES_MAX) {
            return err_note(note, ERR_USAGE, "at most %d addresses", FLEET_ADDRESSES_MAX);
        }
        options->addresses[options->address_count++] = text;
        return ERR_NONE;
    case OPTION_IPV6:
        options->ipv6 = true;
        return ERR_NONE;
    case OPTION_WORKERS:
        return parse_u32("workers", text, FLEET_WORKERS_MAX, &options->workers, note);
    case OPTION_FAST:
        options->fast = true;
        return ERR_NONE;
    case OPTION_PREWARM:
        options->prewarm = true;
        return ERR_NONE;
    case OPTION_DESCRIBE:
        options->describe = true;
        return ERR_NONE;
    case OPTION_PRINT_ROOT:
        options->print_root = true;
        return ERR_NONE;
    case OPTION_PINS:
        options->print_pins = true;
        return ERR_NONE;
    case OPTION_WRITE_TRUST:
        options->trust_path = text;
        return ERR_NONE;
    case OPTION_WRITE_INVENTORY:
        options->inventory_path = text;
        return ERR_NONE;
    case OPTION_WRITE_POLICY:
        options->policy_path = text;
        return ERR_NONE;
    case OPTION_NO_SERVE:
        options->no_serve = true;
        return ERR_NONE;
    case OPTION_READY_FD:
        err = parse_u32("ready-fd", text, 65535, &number, note);
        options->ready_fd = (int)number;
        return err;
    case OPTION_READY_FILE:
        options->ready_path = text;
        return ERR_NONE;
    case OPTION_EXIT_WITH_PARENT:
        options->exit_with_parent = true;
        return ERR_NONE;
    case OPTION_STATS:
        options->stats = true;
        return ERR_NONE;
    default:
        return parse_fleet_option(options, id, text, note);
    }
}

static enum err complete(struct fleet_options *options, struct err_note *note) {
    bool has_plain = false;
    for (uint32_t i = 0; i < options->port_count; i++) {
        has_plain = has_plain || options->ports[i].behaviour == fleet_behaviour_tls;
    }
    if (!has_plain && (options->port_count == 0 || options->demo)) {
        enum err err = add_port(options, "4433", fleet_behaviour_tls, note);
        if (err != ERR_NONE) {
            return err;
        }
    }
    if (options->workers == 0 || options->identities == 0 || options->cache_slots == 0) {
        return err_note(note, ERR_USAGE,
                        "--workers, --identities and --cache want at least one; leave them out for "
                        "the defaults");
    }
    if (options->inventory_count > options->identities) {
        return err_note(note, ERR_USAGE, "--count %u is more than --identities %u",
                        options->inventory_count, options->identities);
    }
    if (options->inventory_count == 0 && !options->demo) {
        options->inventory_count = options->identities;
    }
    if (options->format == FLEET_FORMAT_DEFAULT) {
        options->format = options->demo ? FLEET_FORMAT_CSV : FLEET_FORMAT_ZGRAB2;
    }
    return ERR_NONE;
}

enum err fleet_options_parse(struct fleet_options *options, int argc, char **argv,
                             struct err_note *note) {
    *options = (struct fleet_options){.workers = 1,
                                      .seed = 1,
                                      .date_s = (int64_t)time(NULL) / 86400 * 86400,
                                      .identities = 1000,
                                      .cache_slots = 16384,
                                      .drip_ms = 1000,
                                      .slow_ms = 2000,
                                      .idle_ms = 60000,
                                      .ready_fd = -1};
    int id;
    while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (id == OPTION_HELP) {
            print_usage();
            return ERR_INTERRUPTED;
        }
        enum err err = parse_option(options, id, optarg, note);
        if (err != ERR_NONE) {
            return err;
        }
    }
    if (optind < argc) {
        return err_note(note, ERR_USAGE, "%s: fleetsim takes options only; see fleetsim --help",
                        argv[optind]);
    }
    return complete(options, note);
}

uint16_t fleet_options_port(const struct fleet_options *options, uint32_t index) {
    uint16_t plain[FLEET_PORTS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < options->port_count; i++) {
        if (options->ports[i].behaviour == fleet_behaviour_tls) {
            plain[count++] = options->ports[i].number;
        }
    }
    return count > 0 ? plain[index % count] : options->ports[0].number;
}
