/* pinsweep pins show: what policies mean, set by set, or for one host. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/pins_input.h"
#include "cli/pins_show.h"
#include "cli/show.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/codec/datetime.h"
#include "engine/codec/hostname.h"
#include "engine/codec/netaddr.h"

#define DEFAULT_PORT 443

struct show {
    struct pins_input input; /* first: its options find it here */
    struct pins_show pins;
    bool ndjson;
    char host[HOST_MAX + 1];
};

static struct show *of(void *context) {
    return context;
}

/* As names are looked up: A-labels, lower case; addresses in their one text form. */
static bool set_host(void *context, const char *value, const char **out_why) {
    struct show *show = of(context);
    struct span name;
    struct netaddr address;
    uint16_t port = 0;
    size_t len = 0;
    if (!hostport_split(span_str(value), &name, &port, out_why)) {
        return false;
    }
    if (netaddr_parse(name, &address)) {
        char text[NETADDR_TEXT_MAX];
        len = netaddr_format(text, &address);
        memcpy(show->host, text, len);
        show->host[len] = '\0';
    } else if (!hostname_to_ascii(name, show->host, &len, out_why)) {
        return false;
    }
    show->pins.host = show->host;
    show->pins.port = port != 0 ? port : DEFAULT_PORT;
    return true;
}

static bool set_output(void *context, const char *value, const char **out_why) {
    struct show *show = of(context);
    *out_why = "give text or ndjson";
    show->ndjson = strcmp(value, "ndjson") == 0;
    return show->ndjson || strcmp(value, "text") == 0;
}

static bool set_at(void *context, const char *value, const char **out_why) {
    *out_why = "give a date (2027-03-15) or an RFC 3339 time (2027-03-15T12:00:00Z)";
    return datetime_parse(span_str(value), &of(context)->pins.now_s);
}

static const struct opt show_options[] = {
    OPT_GROUP("What is shown"),
    {0, "host", "NAME[:PORT]",
     "the pin sets that a pattern of theirs brings to this host (port 443),\nwhich of them apply, "
     "and why the others do not",
     set_host},
    {0, "output", "NAME", "text, or ndjson: a record a pin set (data/pins.schema.json)",
     set_output},
    {0, "at", "DATE", "tell how long there is to go as if it were that date", set_at},
    OPT_END,
};

static void print_help(const struct opt_table *table) {
    puts("usage: pinsweep pins show --policy FILE... [OPTIONS]\n"
         "\n"
         "What policies mean: each pin set with its hosts, the certificates that its clients "
         "search, its pins and their roles,\n"
         "what happens when it expires, who answers for it.\n"
         "\n"
         "  pinsweep pins show -p network_security_config.xml\n"
         "  pinsweep pins show -p policy.yaml --host api.bank.example\n"
         "  pinsweep pins show -p policy.yaml --output ndjson | jq -r '[.name, .owner] | @tsv'");
    opt_print(table);
    puts("\n"
         "exit codes: 0; 1 no pin set applies to the --host; 2 usage or a bad policy; 4 resource "
         "failure");
}

static void show_set(struct show *show, const struct pin_set *set,
                     const struct pin_explanation *why) {
    if (show->ndjson) {
        pins_show_ndjson(&show->pins, set, why);
    } else {
        pins_show_text(&show->pins, set, why);
    }
}

/* How many apply. Those first. */
static uint32_t show_host(struct show *show) {
    struct pin_explanation *why = NULL;
    uint32_t applied = 0;
    size_t count = pin_explain(show->input.sets, show->input.count, span_str(show->host),
                               show->pins.port, &show->input.index.arena, &why);
    for (size_t i = 0; i < count; i++) {
        if (why[i].how == PIN_APPLIES) {
            show_set(show, why[i].set, &why[i]);
            applied++;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (why[i].how != PIN_APPLIES) {
            show_set(show, why[i].set, &why[i]);
        }
    }
    return applied;
}

static void tell_counts(const struct show *show) {
    uint32_t hosts = 0, pins = 0;
    for (uint32_t i = 0; i < show->input.count; i++) {
        hosts += show->input.sets[i]->host_count;
        pins += show->input.sets[i]->pin_count;
    }
    log_info("%u pin set%s, %u host pattern%s, %u pin%s", show->input.count,
             show->input.count == 1 ? "" : "s", hosts, hosts == 1 ? "" : "s", pins,
             pins == 1 ? "" : "s");
}

static int run(struct show *show) {
    struct err_note note;
    enum err err = pins_input_load(&show->input, &note);
    if (err != ERR_NONE) {
        log_error("%s", note.text);
        return err_exit_code(err);
    }
    int code = 0;
    if (show->pins.host != NULL) {
        code = show_host(show) > 0 ? 0 : 1;
    } else {
        for (uint32_t i = 0; i < show->input.count; i++) {
            show_set(show, show->input.sets[i], NULL);
        }
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        log_error("standard output cannot be written: %s", strerror(errno));
        return 4;
    }
    if (code == 1) {
        log_info("no pin set applies to %s:%u", show->host, show->pins.port);
    } else if (show->pins.host == NULL && !show->ndjson) {
        tell_counts(show);
    }
    return code;
}

int cmd_pins_show(int argc, char **argv) {
    static struct show show;
    pins_input_init(&show.input);
    show.pins = (struct pins_show){
        .out = stdout, .colours = show_has_colours(), .now_s = clock_wall_ms(&clock_system) / 1000};
    const struct opt *const parts[] = {pins_input_options, show_options, NULL};
    struct opt_table table = {.parts = parts, .context = &show};
    int operand_count, code;
    bool help;
    if (!opt_parse(&table, "pins show", argc, argv, &operand_count, &help)) {
        code = 2;
    } else if (help) {
        print_help(&table);
        code = 0;
    } else if (operand_count != 0 || show.input.policy_count == 0) {
        log_error("pins show: give a policy: pinsweep pins show --policy FILE");
        code = 2;
    } else {
        code = run(&show);
    }
    arena_fini(&show.pins.scratch);
    pins_input_fini(&show.input);
    return code;
}
