/* A native policy (YAML) for a fleet: what the sweep is to find is decided here together with the
   certificates (fleet_scenario.c and fleet_class_of). */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/fleet_files.h"

#define DAY_S INT64_C(86400)

static void print_trust(const struct fleet_options *options, FILE *out) {
    if (options->trust_path == NULL) {
        fprintf(out, "# Roots: give them with --trust fleet=FILE.\n");
        return;
    }
    char path[PATH_MAX];
    const char *full = realpath(options->trust_path, path);
    fprintf(out, "trust:\n  - {name: fleet, file: \"%s\"}\n",
            full != NULL ? full : options->trust_path);
}

static void print_day(const struct fleet *fleet, int32_t days, FILE *out) {
    time_t at = (time_t)(fleet->pki.date_s + days * DAY_S);
    struct tm utc;
    gmtime_r(&at, &utc);
    fprintf(out, "    expires: %04d-%02d-%02d\n", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday);
}

static void print_pin(const uint8_t spki_sha256[32], const char *role, const char *note,
                      FILE *out) {
    fprintf(out, "      - {pin: \"%s\", role: %s, note: \"%s\"}\n",
            fleet_pin_text_of(spki_sha256).text, role, note);
}

static void print_host_pin(const struct fleet *fleet, const struct fleet_host *host,
                           struct fleet_pin pin, const char *role, FILE *out) {
    uint8_t digest[32];
    switch (pin.of) {
    case PIN_OF_NOTHING:
        return;
    case PIN_OF_CA:
        print_pin(fleet->pki.cas[pin.id].spki_sha256, role, fleet->pki.cas[pin.id].common_name,
                  out);
        return;
    case PIN_OF_SPARE:
        print_pin(fleet->pki.spare_spki_sha256[pin.id], role, "a key that is in use nowhere", out);
        return;
    case PIN_OF_OWN_LEAF:
        fleet_host_spki_sha256(fleet, host, false, digest);
        print_pin(digest, role, "the leaf", out);
        return;
    }
}

static void print_host_set(const struct fleet *fleet, const struct fleet_host *host, FILE *out) {
    int name_len = (int)strcspn(host->name, ".");
    fprintf(out, "  - name: demo-%.*s\n    hosts: [%s]\n", name_len, host->name, host->name);
    fprintf(out, "    client: custom\n    scope: %s\n    key_types: [%s]\n    trust: [fleet]\n",
            host->scope != NULL ? host->scope : "path",
            host->key_types != NULL ? host->key_types : "any");
    fprintf(out, "    pins:\n");
    print_host_pin(fleet, host, host->active, "active", out);
    print_host_pin(fleet, host, host->backup, "backup", out);
    print_day(fleet, host->expires_days != 0 ? host->expires_days : 300, out);
    fprintf(out, "    on_expiry: fail-open\n");
    if (host->report_only) {
        fprintf(out, "    report_only: true\n");
    }
    fprintf(out, "    application: demo\n    owner: demo-team@demo.test\n");
}

static void print_identity_pins(const struct fleet *fleet, enum fleet_ca_id issuer,
                                enum fleet_class class, FILE *out) {
    const struct fleet_ca *ca = &fleet->pki.cas[issuer];
    const uint8_t *retired = fleet->pki.spare_spki_sha256[SPARE_RETIRED];
    const uint8_t *backup = fleet->pki.spare_spki_sha256[SPARE_BACKUP];
    fprintf(out, "    client: custom\n    scope: path\n    trust: [fleet]\n    pins:\n");
    print_pin(class == FLEET_CLASS_MATCH ? ca->spki_sha256 : retired, "active",
              class == FLEET_CLASS_MATCH ? ca->common_name : "retired", out);
    print_pin(class == FLEET_CLASS_BACKUP ? ca->spki_sha256 : backup, "backup",
              class == FLEET_CLASS_BACKUP ? ca->common_name : "a key that is in use nowhere", out);
    print_day(fleet, 300, out);
    fprintf(out, "    on_expiry: fail-open\n    application: fleet\n");
}

/* One pin set for each identity. */
static void print_per_host(const struct fleet *fleet, FILE *out) {
    for (uint32_t i = 1; i <= fleet->options->inventory_count; i++) {
        enum fleet_class class = fleet_class_of(i);
        if (class == FLEET_CLASS_UNPINNED) {
            continue;
        }
        fprintf(out, "  - name: h%u\n    hosts: [h%u.fleet.test]\n", i, i);
        print_identity_pins(fleet, fleet_issuer_of(i), class, out);
    }
}

/* One pin set for each issuing CA and class, with the hosts that it has. */
static void print_grouped(const struct fleet *fleet, FILE *out) {
    static const char *const class_names[] = {[FLEET_CLASS_MATCH] = "match",
                                              [FLEET_CLASS_BACKUP] = "backup",
                                              [FLEET_CLASS_MISMATCH] = "mismatch"};
    uint32_t count = fleet->options->inventory_count;
    for (unsigned group = 0; group < FLEET_ISSUING_COUNT * ARRAY_COUNT(class_names); group++) {
        enum fleet_ca_id issuer = (enum fleet_ca_id)(CA_ISSUING_0 + group % FLEET_ISSUING_COUNT);
        enum fleet_class class = (enum fleet_class)(group / FLEET_ISSUING_COUNT);
        uint32_t printed = 0;
        for (uint32_t i = 1; i <= count; i++) {
            if (fleet_issuer_of(i) != issuer || fleet_class_of(i) != class) {
                continue;
            }
            if (printed++ == 0) {
                fprintf(out, "  - name: issuing-%u-%s\n    hosts:\n", group % FLEET_ISSUING_COUNT,
                        class_names[class]);
            }
            fprintf(out, "      - h%u.fleet.test\n", i);
        }
        if (printed > 0) {
            print_identity_pins(fleet, issuer, class, out);
        }
    }
}

void fleet_policy_print(const struct fleet *fleet, FILE *out) {
    const struct fleet_options *options = fleet->options;
    const struct fleet_host *host;
    fprintf(out, "# Written by fleetsim: predictable keys, for tests and demonstrations only.\n");
    fprintf(out, "version: 1\n");
    print_trust(options, out);
    fprintf(out, "pin_sets:\n");
    for (uint32_t i = 0; options->demo && (host = fleet_scenario_at(i)) != NULL; i++) {
        if (host->active.of != PIN_OF_NOTHING) {
            print_host_set(fleet, host, out);
        }
    }
    if (options->policy_per_host) {
        print_per_host(fleet, out);
    } else {
        print_grouped(fleet, out);
    }
}
