/* pinsweep pins make: pins of certificates, keys, requests or a live endpoint. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/pins_connect.h"
#include "cli/pins_write.h"
#include "engine/base/log.h"
#include "engine/codec/cert.h"
#include "engine/codec/datetime.h"
#include "engine/codec/hostname.h"
#include "engine/codec/netaddr.h"
#include "engine/codec/text.h"

#define HOSTS_MAX 256
#define HTTPS_PORT 443

enum pick { PICK_DEFAULT, PICK_LEAF, PICK_ISSUER, PICK_ROOT, PICK_ALL };

struct make {
    struct setup setup; /* first: the network's options find it here */
    struct pins_target target;
    struct pins_keys keys;
    const char *connect, *backup_file;
    struct pin_host hosts[HOSTS_MAX];
    uint32_t host_count;
    bool hosts_given; /* by --host */
    enum pick pick;
    bool tlsa, no_backup;
    int usage, selector, matching;
    int64_t expires;
};

static struct make *of(void *context) {
    return context;
}

/* --- options --- */

static bool set_to(void *context, const char *value, const char **out_why) {
    return pins_target_set_format(&of(context)->target, value, out_why);
}

static bool set_connect(void *context, const char *value, const char **out_why) {
    *out_why = "one endpoint at a time: run it for each";
    if (of(context)->connect != NULL) {
        return false;
    }
    of(context)->connect = value;
    return true;
}

static bool set_backup_key(void *context, const char *value, const char **out_why) {
    *out_why = "one file: it may hold several keys";
    if (of(context)->backup_file != NULL) {
        return false;
    }
    of(context)->backup_file = value;
    return true;
}

static bool set_no_backup(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    of(context)->no_backup = true;
    return true;
}

static bool add_host(struct make *make, struct span text, const char **out_why) {
    struct pin_host host = {.pattern = PIN_PATTERN_NAME};
    struct netaddr address;
    struct span name;
    char ascii[HOST_MAX + 1];
    size_t len = 0;
    if (make->host_count == HOSTS_MAX) {
        *out_why = "too many hosts";
        return false;
    }
    if (text.len > 3 && memcmp(text.data, "**.", 3) == 0) {
        host.pattern = PIN_PATTERN_ANY_DEPTH;
        span_take(&text, 3);
    } else if (text.len > 2 && memcmp(text.data, "*.", 2) == 0) {
        host.pattern = PIN_PATTERN_ONE_LABEL;
        span_take(&text, 2);
    }
    if (!hostport_split(text, &name, &host.port, out_why)) {
        return false;
    }
    if (host.pattern == PIN_PATTERN_NAME && netaddr_parse(name, &address)) {
        len = netaddr_format(ascii, &address);
    } else if (!hostname_to_ascii(name, ascii, &len, out_why)) {
        return false;
    }
    host.name = arena_copy_text(&make->keys.arena, span_of(ascii, len));
    make->hosts[make->host_count++] = host;
    return true;
}

static bool set_host(void *context, const char *value, const char **out_why) {
    of(context)->hosts_given = true;
    return add_host(of(context), span_str(value), out_why);
}

static bool set_pick(void *context, const char *value, const char **out_why) {
    static const char *const words[] = {"leaf", "issuer", "root", "all"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (strcmp(words[i], value) == 0) {
            of(context)->pick = (enum pick)(PICK_LEAF + i);
            return true;
        }
    }
    *out_why = "give leaf, issuer, root or all";
    return false;
}

static bool set_tlsa(void *context, const char *value, const char **out_why) {
    struct make *make = of(context);
    struct span rest = span_str(value);
    uint64_t fields[3];
    static const uint64_t highest[3] = {3, 1, 2};
    *out_why = "give usage (0 to 3), selector (0 certificate, 1 key) and matching type (0 all of "
               "it, 1 SHA-256, 2 SHA-512): 3,1,1";
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        struct span part = span_take(&rest, i < 2 ? span_find(rest, ',') : rest.len);
        span_take(&rest, 1);
        if (!text_parse_u64(part, highest[i], &fields[i])) {
            return false;
        }
    }
    make->tlsa = true;
    make->usage = (int)fields[0];
    make->selector = (int)fields[1];
    make->matching = (int)fields[2];
    return true;
}

static bool set_expires(void *context, const char *value, const char **out_why) {
    *out_why = "give a date: 2027-06-01";
    return datetime_parse(span_str(value), &of(context)->expires);
}

static bool set_output_file(void *context, const char *value, const char **out_why) {
    (void)out_why;
    of(context)->target.file = value;
    return true;
}

static bool set_overwrite(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    of(context)->target.overwrite = true;
    return true;
}

static const struct opt make_options[] = {
    OPT_GROUP("What is pinned"),
    {0, "connect", "HOST[:PORT]",
     "a live endpoint: what all of its addresses send, for RSA and for ECDSA", set_connect},
    {0, "pick", "WHICH",
     "of certificates: leaf (the first of a file; keys and requests always\n"
     "count), issuer, root, or all (default: all as plain pins, else leaf)",
     set_pick},
    {0, "backup-key", "FILE",
     "the backup: its private key, public key, request or certificate\n(\"openssl pkey -pubout\" "
     "lets the private one stay where it is)",
     set_backup_key},
    {0, "no-backup", NULL, "do not say that a backup is missing", set_no_backup},
    OPT_GROUP("Output"),
    {0, "to", "FORMAT",
     "plain pins with a comment each, or one of\n" EXPORT_FORMATS_TEXT
     "\n(curl without --host: the value of --pinnedpubkey)",
     set_to},
    {0, "tlsa", "U,S,M", "TLSA records of that usage, selector and matching type (3,1,1)",
     set_tlsa},
    {0, "host", "NAME[:PORT]",
     "the host that the pins are for, *. and **. in front where the client\nknows it; repeatable "
     "(default: --connect's, else the first DNS name of\nthe certificate)",
     set_host},
    {0, "expires", "DATE", "of the pin set, where the client knows that", set_expires},
    {'o', "output-file", "FILE", "(default: standard output)", set_output_file},
    {0, "overwrite", NULL, "replace an existing output file", set_overwrite},
    OPT_END,
};

static void print_help(const struct opt_table *table) {
    puts("usage: pinsweep pins make [FILE|-]... [--connect HOST[:PORT]] [OPTIONS]\n"
         "\n"
         "Pins of certificates, public keys, private keys (only the public half is used and "
         "printed) and certification\n"
         "requests, in PEM or DER, or of a live endpoint; ready to paste.\n"
         "\n"
         "  pinsweep pins make server.pem --backup-key backup.pub\n"
         "  pinsweep pins make --connect api.bank.example --backup-key backup.csr --to android\n"
         "  pinsweep pins make mx.pem --host mx.bank.example:25 --tlsa 3,1,1\n"
         "  curl --pinnedpubkey \"$(pinsweep pins make server.pem --to curl --no-backup)\" "
         "https://...");
    opt_print(table);
    puts("\n"
         "exit codes: 0; 2 usage, an unreadable file, or no working file of that format; 3 no "
         "certificate was seen at\n"
         "            --connect; 4 internal or resource failure");
}

/* --- which keys --- */

static bool is_picked(const struct make *make, const struct pins_key *key) {
    enum pick pick = make->pick;
    if (key->is_backup || pick == PICK_ALL) {
        return true;
    }
    if (pick == PICK_DEFAULT) {
        return !make->target.has_format || key->place == PINS_LEAF;
    }
    bool is_certificate = key->certificate.len > 0;
    return !is_certificate || key->place == (pick == PICK_LEAF     ? PINS_LEAF
                                             : pick == PICK_ISSUER ? PINS_ISSUER
                                                                   : PINS_ROOT);
}

/* A backup that is the key itself is none. */
static enum err check_backup(const struct make *make, struct err_note *note) {
    for (uint32_t i = 0; i < make->keys.count; i++) {
        const struct pins_key *backup = &make->keys.items[i];
        for (uint32_t j = 0; backup->is_backup && j < make->keys.count; j++) {
            const struct pins_key *key = &make->keys.items[j];
            if (!key->is_backup && span_equal(key->spki, backup->spki)) {
                return err_note(note, ERR_CONFIG,
                                "--backup-key %s: is the key of %s itself, so that it is no "
                                "backup: make another one (openssl genpkey -algorithm EC -pkeyopt "
                                "ec_paramgen_curve:P-256 -out backup.key)",
                                backup->origin, key->origin);
            }
        }
    }
    return ERR_NONE;
}

static void tell_missing_backup(const struct make *make) {
    if (make->backup_file != NULL || make->no_backup) {
        return;
    }
    log_error("there is NO BACKUP PIN: once this key must be replaced, every client that pins it "
              "is locked out until it is updated.\n"
              "  Make a key that stays offline, and pin it as well:\n"
              "    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -out "
              "backup.key\n"
              "    openssl pkey -in backup.key -pubout -out backup.pub\n"
              "    pinsweep pins make ... --backup-key backup.pub");
}

/* --- plain pins --- */

static int print_plain(const struct make *make) {
    FILE *out = stdout;
    for (uint32_t i = 0; i < make->keys.count; i++) {
        const struct pins_key *key = &make->keys.items[i];
        struct arena arena = {0};
        struct pin pin;
        if (!is_picked(make, key)) {
            continue;
        }
        pins_key_pin(key, PIN_SHA256, PIN_OF_SPKI, &arena, &pin);
        static const char *const places[] = {
            [PINS_LEAF] = "", [PINS_ISSUER] = "issuer: ", [PINS_ROOT] = "root: "};
        fprintf(out, "%s  # %s%s%s (%s)\n", pin.text, key->is_backup ? "backup: " : "",
                places[key->place], key->what, key->origin);
        arena_fini(&arena);
    }
    if (fflush(out) != 0 || ferror(out)) {
        log_error("standard output cannot be written: %s", strerror(errno));
        return 4;
    }
    return 0;
}

/* "sha256//...;sha256//...": the value of --pinnedpubkey alone. */
static int print_curl(const struct make *make) {
    bool begun = false;
    for (uint32_t i = 0; i < make->keys.count; i++) {
        struct arena arena = {0};
        struct pin pin;
        if (!is_picked(make, &make->keys.items[i])) {
            continue;
        }
        pins_key_pin(&make->keys.items[i], PIN_SHA256, PIN_OF_SPKI, &arena, &pin);
        printf("%ssha256//%s", begun ? ";" : "", pin.text + strlen("sha256/"));
        begun = true;
        arena_fini(&arena);
    }
    putchar('\n');
    if (fflush(stdout) != 0 || ferror(stdout)) {
        log_error("standard output cannot be written: %s", strerror(errno));
        return 4;
    }
    return 0;
}

/* --- a pin set --- */

static bool take_dns_name(void *context, bool is_dns, struct span value) {
    struct make *make = context;
    const char *why = NULL;
    return !(is_dns && add_host(make, value, &why)); /* the first will do */
}

static enum err find_hosts(struct make *make, struct err_note *note) {
    for (uint32_t i = 0; i < make->keys.count && make->host_count == 0; i++) {
        struct cert_fields fields;
        if (!make->keys.items[i].is_backup && make->keys.items[i].certificate.len > 0 &&
            cert_walk(make->keys.items[i].certificate, &fields)) {
            cert_each_san(&fields, take_dns_name, make);
        }
    }
    if (make->host_count == 0) {
        return err_note(note, ERR_USAGE,
                        "--to %s names a host, and no certificate here does: give --host "
                        "api.bank.example",
                        export_format_words[make->target.format]);
    }
    for (uint32_t i = 0; i < make->host_count; i++) {
        struct pin_host *host = &make->hosts[i];
        if (make->target.format == EXPORT_TLSA && host->port == 0) {
            host->port = HTTPS_PORT;
        }
        if (!make->hosts_given && make->target.format != EXPORT_TLSA && host->port == HTTPS_PORT) {
            host->port = 0; /* nobody asked for a port */
        }
    }
    return ERR_NONE;
}

static enum err make_pin(struct make *make, const struct pins_key *key, const struct pin_set *set,
                         struct pin *out, struct err_note *note) {
    static const enum pin_alg algs[] = {PIN_EXACT, PIN_SHA256, PIN_SHA512};
    bool tlsa = make->target.format == EXPORT_TLSA;
    enum pin_of of_what = tlsa && make->selector == 0 ? PIN_OF_CERT : PIN_OF_SPKI;
    if (of_what == PIN_OF_CERT && key->certificate.len == 0) {
        return err_note(note, ERR_USAGE,
                        "%s: selector 0 is of a certificate, and this is none: give its "
                        "certificate, or selector 1",
                        key->origin);
    }
    pins_key_pin(key, tlsa ? algs[make->matching] : PIN_SHA256, of_what, &make->keys.arena, out);
    if (tlsa) {
        bool is_ca = key->place != PINS_LEAF;
        out->tlsa_usage = (int8_t)(make->tlsa ? make->usage
                                   : is_ca    ? PIN_TLSA_DANE_TA
                                              : PIN_TLSA_DANE_EE);
    }
    if (set->client == PIN_CLIENT_APPLE) {
        out->list = key->place == PINS_LEAF ? PIN_LIST_LEAF : PIN_LIST_CA;
    }
    return ERR_NONE;
}

static bool has_pin(const struct pin_set *set, const struct pin *pin) {
    for (uint32_t i = 0; i < set->pin_count; i++) {
        const struct pin *other = &set->pins[i];
        if (strcmp(other->text, pin->text) == 0 && other->list == pin->list &&
            other->tlsa_usage == pin->tlsa_usage) {
            return true;
        }
    }
    return false;
}

/* A backup of a set of CAs stands in the CAs' list. */
static void settle_apple_backups(struct pin_set *set) {
    bool leaf = false;
    for (uint32_t i = 0; i < set->pin_count; i++) {
        leaf = leaf || (set->pins[i].role == PIN_ACTIVE && set->pins[i].list == PIN_LIST_LEAF);
    }
    for (uint32_t i = 0; i < set->pin_count && !leaf; i++) {
        set->pins[i].list = PIN_LIST_CA;
    }
}

static int write_set(struct make *make) {
    struct err_note note = {""};
    struct pin_set set;
    struct arena *arena = &make->keys.arena;
    enum err err = find_hosts(make, &note);
    pin_set_init(&set, export_client(make->target.format));
    set.hosts = make->hosts;
    set.host_count = make->host_count;
    set.name = make->host_count > 0 ? make->hosts[0].name : "";
    set.expires = make->expires;
    set.pins = arena_alloc(arena, (make->keys.count + 1) * sizeof *set.pins);
    for (uint32_t i = 0; i < make->keys.count && err == ERR_NONE; i++) {
        struct pin pin;
        if (!is_picked(make, &make->keys.items[i])) {
            continue;
        }
        err = make_pin(make, &make->keys.items[i], &set, &pin, &note);
        if (err == ERR_NONE && !has_pin(&set, &pin)) {
            set.pins[set.pin_count++] = pin;
        }
    }
    if (err == ERR_NONE && set.pin_count == 0) {
        err = err_note(&note, ERR_USAGE, "no certificate here is of that --pick: give another one");
    }
    if (err != ERR_NONE) {
        log_error("pins make: %s", note.text);
        return err_exit_code(err);
    }
    if (set.client == PIN_CLIENT_APPLE) {
        settle_apple_backups(&set);
    }
    const struct pin_set *sets[] = {&set};
    make->target.lossy = true; /* what is lost is told: nothing was there before */
    return pins_write(&make->target, sets, 1);
}

/* --- the whole --- */

static int connect_endpoint(struct make *make) {
    struct err_note note = {""};
    struct pin_host host = {0};
    bool seen = false;
    enum err err = pins_connect(&make->setup, make->connect, &make->keys, &host, &seen, &note);
    if (err != ERR_NONE || !seen) {
        log_error("pins make: %s", note.text);
        return err != ERR_NONE ? err_exit_code(err) : 3;
    }
    if (make->host_count == 0) {
        make->hosts[make->host_count++] = host;
    }
    return 0;
}

static int load_files(struct make *make, char **files, int count) {
    struct err_note note;
    enum err err = ERR_NONE;
    for (int i = 0; i < count && err == ERR_NONE; i++) {
        err = pins_keys_load(&make->keys, files[i], false, &note);
    }
    if (err == ERR_NONE && make->backup_file != NULL) {
        err = pins_keys_load(&make->keys, make->backup_file, true, &note);
    }
    if (err == ERR_NONE) {
        err = check_backup(make, &note);
    }
    if (err != ERR_NONE) {
        log_error("%s", note.text);
    }
    return err_exit_code(err);
}

static int make_pins(struct make *make, char **files, int count) {
    int code = make->connect != NULL ? connect_endpoint(make) : 0;
    if (code == 0) {
        code = load_files(make, files, count);
    }
    if (code != 0) {
        return code;
    }
    if (make->tlsa && !make->target.has_format) {
        make->target.format = EXPORT_TLSA;
        make->target.has_format = true;
    }
    if (!make->target.has_format) {
        code = print_plain(make);
    } else if (make->target.format == EXPORT_CURL && !make->hosts_given) {
        code = print_curl(make);
    } else {
        code = write_set(make);
    }
    if (code == 0) {
        tell_missing_backup(make);
    }
    return code;
}

int cmd_pins_make(int argc, char **argv) {
    static struct make make;
    setup_init(&make.setup);
    make.target = (struct pins_target){.command = "pins make", .store = &make.setup.store};
    make.selector = make.matching = 1;
    make.expires = DATETIME_NONE;
    log_set_quiet(true);
    const struct opt *const parts[] = {make_options, setup_network_options, NULL};
    struct opt_table table = {.parts = parts, .context = &make};
    int operand_count, code;
    bool help;
    if (!opt_parse(&table, "pins make", argc, argv, &operand_count, &help)) {
        code = 2;
    } else if (help) {
        print_help(&table);
        code = 0;
    } else if (operand_count == 0 && make.connect == NULL) {
        log_error("pins make: give a file or an endpoint: pinsweep pins make FILE, or --connect "
                  "HOST[:PORT]");
        code = 2;
    } else if (make.tlsa && make.target.has_format && make.target.format != EXPORT_TLSA) {
        log_error("pins make: --tlsa makes TLSA records, --to %s something else: give one of them",
                  export_format_words[make.target.format]);
        code = 2;
    } else if (make.target.file != NULL && !make.target.has_format && !make.tlsa) {
        log_error("pins make: plain pins go to standard output: give --to FORMAT with -o");
        code = 2;
    } else {
        code = make_pins(&make, argv, operand_count);
    }
    pins_keys_fini(&make.keys);
    setup_fini(&make.setup);
    return code;
}
