#include "cli/setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "engine/base/rng.h"
#include "engine/codec/hostname.h"
#include "engine/codec/text.h"
#include "engine/policy/import.h"

#define DEFAULT_SERVER_RATE 50.0
#define DEFAULT_SERVER_CONCURRENCY 16

bool setup_parse_u32(const char *value, uint32_t min, uint32_t max, uint32_t *out,
                     const char **out_why) {
    uint64_t number;
    static _Thread_local char why[64];
    if (!text_parse_u64(span_str(value), max, &number) || number < min) {
        snprintf(why, sizeof why, "give a whole number from %u to %u", min, max);
        *out_why = why;
        return false;
    }
    *out = (uint32_t)number;
    return true;
}

bool setup_each_part(const char *value,
                     bool (*each)(void *context, struct span part, const char **out_why),
                     void *context, const char **out_why) {
    struct span rest = span_str(value);
    for (;;) {
        struct span part = span_take(&rest, span_find(rest, ','));
        if (!each(context, span_trim(part), out_why)) {
            return false;
        }
        if (rest.len == 0) {
            return true;
        }
        span_take(&rest, 1);
    }
}

static bool parse_rate(const char *value, double *out, const char **out_why) {
    char *end;
    double rate = strtod(value, &end);
    if (end == value || *end != '\0' || !(rate >= 0) || rate > 1e9) {
        *out_why = "give a number of connections a second; 0 means no limit";
        return false;
    }
    *out = rate;
    return true;
}

static bool parse_timeout(const char *value, uint64_t *out_ns, const char **out_why) {
    uint64_t ns;
    if (!text_parse_duration(span_str(value), &ns) || ns < NS_PER_MS || ns > 3600 * NS_PER_S) {
        *out_why = "give a time from 1ms to 1h: 500ms, 5, 5s, 2m";
        return false;
    }
    *out_ns = ns;
    return true;
}

/* --- judging --- */

static bool set_policy(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    if (setup->policy_count == SETUP_POLICIES_MAX) {
        *out_why = "too many policies";
        return false;
    }
    setup->policies[setup->policy_count++] = value;
    return true;
}

static bool set_policy_format(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    for (int i = 0; import_format_words[i] != NULL; i++) {
        if (strcmp(import_format_words[i], value) == 0) {
            setup->policy_format = (enum import_format)i;
            return true;
        }
    }
    static _Thread_local char why[256];
    size_t len = (size_t)snprintf(why, sizeof why, "give one of");
    for (int i = 0; import_format_words[i] != NULL && len < sizeof why; i++) {
        len += (size_t)snprintf(why + len, sizeof why - len, "%s %s", i > 0 ? "," : "",
                                import_format_words[i]);
    }
    *out_why = why;
    return false;
}

static bool add_trust(struct setup *setup, const char *name, const char *file,
                      const char **out_why) {
    for (uint32_t i = 0; i < setup->trust_count; i++) {
        if (strcmp(setup->trust[i].name, name) == 0) {
            *out_why = "that profile is given twice";
            return false;
        }
    }
    if (setup->trust_count == TRUST_PROFILES_MAX) {
        *out_why = "too many trust profiles";
        return false;
    }
    setup->trust[setup->trust_count++] = (struct setup_trust){.name = name, .file = file};
    return true;
}

static bool set_trust(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    const char *equals = strchr(value, '=');
    if (equals == NULL || equals == value || equals[1] == '\0' || strncmp(value, "none=", 5) == 0) {
        *out_why = "give NAME=BUNDLE.pem (and another name than none)";
        return false;
    }
    char *name = strndup(value, (size_t)(equals - value));
    CHECK(name != NULL && setup->owned_count < TRUST_PROFILES_MAX);
    if (!add_trust(setup, name, equals + 1, out_why)) {
        free(name);
        return false;
    }
    setup->owned[setup->owned_count++] = name;
    return true;
}

static bool set_cacert(void *context, const char *value, const char **out_why) {
    return add_trust(context, "system", value, out_why);
}

static bool set_at(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    if (!datetime_parse(span_str(value), &setup->config.at_unix_s)) {
        *out_why = "give a date (2027-03-15) or an RFC 3339 time (2027-03-15T12:00:00Z)";
        return false;
    }
    return true;
}

const struct opt setup_policy_options[] = {
    OPT_GROUP("Judging"),
    {0, "policy", "FILE",
     "native policy (YAML, data/policy.example.yaml documents it), or a\n"
     "client's own format; repeatable",
     set_policy},
    {0, "policy-format", "FORMAT", "of every policy (auto: from the bytes):\n" IMPORT_FORMATS_TEXT,
     set_policy_format},
    {0, "trust", "NAME=FILE",
     "trust profile: a PEM bundle under a name; repeatable.\n"
     "Default: system=" TRUST_SYSTEM_BUNDLE,
     set_trust},
    {0, "cacert", "FILE", "the same as --trust system=FILE", set_cacert},
    {0, "at", "DATE", "judge validity and expiry as if it were that date", set_at},
    OPT_END,
};

/* --- network --- */

static bool set_port(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    uint32_t port;
    if (!setup_parse_u32(value, 1, 65535, &port, out_why)) {
        return false;
    }
    setup->config.inventory.default_port = (uint16_t)port;
    return true;
}

static bool set_concurrency(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    return setup_parse_u32(value, 1, CONCURRENCY_MAX, &setup->config.concurrency, out_why);
}

static bool set_workers(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    return setup_parse_u32(value, 1, WORKERS_MAX, &setup->config.workers, out_why);
}

static bool set_rate(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    return parse_rate(value, &setup->config.rate, out_why);
}

static bool set_server_rate(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    return parse_rate(value, &setup->config.server_rate, out_why);
}

static bool set_server_concurrency(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    return setup_parse_u32(value, 0, CONCURRENCY_MAX, &setup->config.server_concurrency, out_why);
}

static bool set_connect_timeout(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    return parse_timeout(value, &setup->config.connect_timeout_ns, out_why);
}

static bool set_io_timeout(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    return parse_timeout(value, &setup->config.io_timeout_ns, out_why);
}

static bool set_target_timeout(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    return parse_timeout(value, &setup->config.target_timeout_ns, out_why);
}

static bool set_retries(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    return setup_parse_u32(value, 0, 100, &setup->config.retries, out_why);
}

static bool set_sni(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    static char name[HOST_MAX + 1];
    size_t len;
    if (!hostname_to_ascii(span_str(value), name, &len, out_why)) {
        return false;
    }
    setup->config.sni = name;
    return true;
}

static bool set_no_sni(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct setup *)context)->config.use_sni = false;
    return true;
}

static bool set_all_addresses(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct setup *)context)->config.all_addresses = true;
    return true;
}

static bool set_ipv4(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    struct sweep_config *config = &((struct setup *)context)->config;
    config->ipv6 = config->ipv6 && !config->ipv4; /* -4 -6 together: both */
    config->ipv4 = true;
    return true;
}

static bool set_ipv6(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    struct sweep_config *config = &((struct setup *)context)->config;
    config->ipv4 = config->ipv4 && !config->ipv6;
    config->ipv6 = true;
    return true;
}

static bool set_dns_servers(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct setup *)context)->config.dns_servers = value;
    return true;
}

static bool set_min_version(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    *out_why = "give 1.0, 1.1, 1.2 or 1.3";
    return tls_version_from_text(span_str(value), &setup->config.tls.min_version);
}

static bool set_max_version(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    *out_why = "give 1.0, 1.1, 1.2 or 1.3";
    return tls_version_from_text(span_str(value), &setup->config.tls.max_version);
}

static bool set_alpn(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct setup *)context)->config.tls.alpn = value[0] != '\0' ? value : NULL;
    return true;
}

static bool set_groups(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct setup *)context)->config.tls.groups = value;
    return true;
}

static bool add_key_view(void *context, struct span part, const char **out_why) {
    struct sweep_config *config = context;
    enum key_view view;
    if (!key_view_from_text(part, &view)) {
        *out_why = "give a comma-separated list of any, rsa, ecdsa, ed25519";
        return false;
    }
    for (uint32_t i = 0; i < config->key_view_count; i++) {
        if (config->key_views[i] == view) {
            *out_why = "a key type is given twice";
            return false;
        }
    }
    config->key_views[config->key_view_count++] = view;
    return true;
}

static bool set_key_types(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    setup->config.key_view_count = 0;
    return setup_each_part(value, add_key_view, &setup->config, out_why);
}

static bool set_depth(void *context, const char *value, const char **out_why) {
    struct setup *setup = context;
    *out_why = "give complete, prove or capture";
    return depth_from_text(span_str(value), &setup->config.depth);
}

static bool set_no_escalate(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct setup *)context)->config.escalate = false;
    return true;
}

static bool set_blocklist(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct setup *)context)->blocklist_file = value;
    return true;
}

const struct opt setup_network_options[] = {
    OPT_GROUP("Network"),
    {'p', "port", "N", "port of targets that name none (443)", set_port},
    {'c', "concurrency", "N",
     "connections in flight of the whole program (default: 256 at first, more while\n"
     "that slows no handshake down, up to what descriptors and memory allow, 4096 at most)",
     set_concurrency},
    {0, "workers", "N", "threads, each with a ring of its own (default: one a core)", set_workers},
    {0, "rate", "N", "new connections a second of the whole program (no limit)", set_rate},
    {0, "server-rate-limit", "N", "new connections a second to one address (50; 0: no limit)",
     set_server_rate},
    {0, "server-concurrency", "N", "connections in flight to one address (16; 0: no limit)",
     set_server_concurrency},
    {0, "connect-timeout", "TIME", "for the TCP connection (5s)", set_connect_timeout},
    {0, "io-timeout", "TIME", "from connected to the end of the handshake (10s)", set_io_timeout},
    {'t', "target-timeout", "TIME",
     "one deadline for all of a target: name, addresses, retries (30s).\n"
     "Nothing a server does extends it; waiting for our own limits does not count",
     set_target_timeout},
    {0, "retries", "N",
     "further rounds over a target's addresses after a time-out,\nrefusal or reset (1)",
     set_retries},
    {0, "sni", "NAME", "send this name to every target (default: the target's)", set_sni},
    {0, "no-sni", NULL, "send no name", set_no_sni},
    {0, "all-addresses", NULL,
     "one view for every address of a name\n(default: the first that answers, A before AAAA)",
     set_all_addresses},
    {'4', "ipv4", NULL, "IPv4 only", set_ipv4},
    {'6', "ipv6", NULL, "IPv6 only", set_ipv6},
    {0, "dns-servers", "LIST",
     "resolvers, 192.0.2.53 or 192.0.2.53:5353 or [2001:db8::53]:53,\ncomma-separated (default: "
     "/etc/resolv.conf)",
     set_dns_servers},
    {0, "min-version", "V", "lowest TLS version: 1.0, 1.1, 1.2, 1.3 (1.2)", set_min_version},
    {0, "max-version", "V", "highest TLS version (1.3)", set_max_version},
    {0, "alpn", "LIST", "protocols to offer, comma-separated; '' offers none (http/1.1)", set_alpn},
    {0, "groups", "LIST",
     "key exchange groups to offer, the most wanted first, colons between\n"
     "(X25519:P-256:P-384:P-521); X25519MLKEM768 with a newer BoringSSL (README.md).\n"
     "In TLS 1.2 the curve of an ECDSA leaf must be among them",
     set_groups},
    {0, "key-types", "LIST",
     "one view for each of any, rsa, ecdsa, ed25519 (any: the server's choice)", set_key_types},
    {0, "depth", "D",
     "how far handshakes go (complete):\n"
     "complete: to the end, as a client does\n"
     "prove: until the server has proven that it holds its key; cheaper\n"
     "capture: until the certificates are there, which proves nothing; the cheapest\n"
     "prove and capture leave handshakes unfinished: servers and their monitoring may log that",
     set_depth},
    {0, "no-escalate", NULL,
     "keep verdicts that rest on captured chains; default: what is\n"
     "neither match nor unpinned is probed again at depth prove before it is written",
     set_no_escalate},
    {'b', "blocklist-file", "FILE",
     "addresses, ranges, names and *.suffixes never to touch;\nalso applied to what names resolve "
     "to",
     set_blocklist},
    OPT_END,
};

/* --- files --- */

void setup_init(struct setup *setup) {
    *setup = (struct setup){
        .config =
            {
                .inventory = {.default_port = 443,
                              .seed = random_u64(),
                              .shards = 1,
                              .range_max = CIDR_HOSTS_DEFAULT},
                .at_unix_s = DATETIME_NONE,
                .server_rate = DEFAULT_SERVER_RATE,
                .server_concurrency = DEFAULT_SERVER_CONCURRENCY,
                .connect_timeout_ns = 5 * NS_PER_S,
                .io_timeout_ns = 10 * NS_PER_S,
                .target_timeout_ns = 30 * NS_PER_S,
                .retries = 1,
                .use_sni = true,
                .ipv4 = true,
                .ipv6 = true,
                .tls = {.min_version = 0x0303, .max_version = 0x0304, .alpn = "http/1.1"},
                .key_views = {KEY_VIEW_ANY},
                .key_view_count = 1,
                .depth = DEPTH_COMPLETE,
                .escalate = true,
                .chains_max = CHAIN_TABLE_DEFAULT,
            },
        .fail_on_verdicts = 1u << VERDICT_MISMATCH | 1u << VERDICT_OFF_PATH |
                            1u << VERDICT_NO_PATH | 1u << VERDICT_PATH_DEPENDENT,
    };
    trust_store_init(&setup->store);
    pin_index_init(&setup->pins, random_u64());
    sweep_make_id(setup->sweep_id, clock_wall_ms(&clock_system));
    setup->config.sweep_id = setup->sweep_id;
    setup->config.trust = &setup->store;
    setup->config.pins = &setup->pins;
    setup->config.argc = program_argc;
    setup->config.argv = program_argv;
}

void setup_fini(struct setup *setup) {
    trust_store_fini(&setup->store);
    pin_index_fini(&setup->pins);
    blocklist_free(setup->blocklist);
    for (uint32_t i = 0; i < setup->owned_count; i++) {
        free(setup->owned[i]);
    }
}

static enum err load_system_trust(struct setup *setup, struct err_note *note) {
    if (trust_store_find(&setup->store, "system") >= 0) {
        return ERR_NONE;
    }
    if (access(TRUST_SYSTEM_BUNDLE, R_OK) != 0) {
        return err_note(
            note, ERR_CONFIG,
            TRUST_SYSTEM_BUNDLE
            ": there is no system trust bundle; install ca-certificates or say --cacert FILE");
    }
    return trust_store_load(&setup->store, "system", TRUST_SYSTEM_BUNDLE, note);
}

enum err setup_load(struct setup *setup, struct err_note *note) {
    struct sweep_config *config = &setup->config;
    if (config->tls.min_version > config->tls.max_version) {
        return err_note(note, ERR_USAGE, "--min-version %s is above --max-version %s",
                        tls_version_text(config->tls.min_version),
                        tls_version_text(config->tls.max_version));
    }
    config->inventory.ipv4 = config->ipv4;
    config->inventory.ipv6 = config->ipv6;
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < setup->trust_count && err == ERR_NONE; i++) {
        err = trust_store_load(&setup->store, setup->trust[i].name, setup->trust[i].file, note);
    }
    /* A policy that names its own `system` wins over the machine's; the command line wins over
     * both. */
    if (err == ERR_NONE) {
        err = policy_load_all(setup->policies, setup->policy_count, setup->policy_format,
                              &setup->pins, &setup->store, note);
    }
    if (err == ERR_NONE) {
        err = load_system_trust(setup, note);
    }
    if (err == ERR_NONE) {
        err = pin_index_bind(&setup->pins, &setup->store, note);
    }
    if (err == ERR_NONE && setup->blocklist_file != NULL) {
        err = blocklist_load(setup->blocklist_file, &setup->blocklist, note);
        config->blocklist = setup->blocklist;
    }
    return err;
}

/* What was read from a pipe is gone: its name stands for it. */
static enum err hash_file(struct sha256_stream *stream, const char *file, struct err_note *note) {
    uint8_t buffer[1 << 14];
    struct stat info;
    if (stat(file, &info) == 0 && !S_ISREG(info.st_mode)) {
        sha256_stream_add(stream, span_str(file));
        return ERR_NONE;
    }
    FILE *in = fopen(file, "rbe");
    size_t got = 1;
    while (in != NULL && (got = fread(buffer, 1, sizeof buffer, in)) > 0) {
        sha256_stream_add(stream, span_of(buffer, got));
    }
    bool good = in != NULL && ferror(in) == 0;
    enum err err =
        good ? ERR_NONE
             : err_note(note, ERR_CONFIG, "%s: cannot be read: %s", file, strerror(errno));
    if (in != NULL) {
        fclose(in);
    }
    return err;
}

enum err setup_hash_policies(const struct setup *setup, uint8_t out[SHA256_LEN],
                             struct err_note *note) {
    struct sha256_stream stream;
    enum err err = ERR_NONE;
    sha256_stream_init(&stream);
    for (uint32_t i = 0; i < setup->policy_count && err == ERR_NONE; i++) {
        err = hash_file(&stream, setup->policies[i], note);
    }
    sha256_stream_finish(&stream, out);
    return err;
}
