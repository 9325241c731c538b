#include "bench/fleet_files.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

void fleet_roots_print(const struct fleet *fleet, FILE *out) {
    for (unsigned i = 0; i < CA_COUNT; i++) {
        const struct fleet_ca *ca = &fleet->pki.cas[i];
        if (ca->trusted) {
            fprintf(out, "# %s\n", ca->common_name);
            fleet_pem_write(out, ca->certificate);
        }
    }
}

void fleet_pins_print(const struct fleet *fleet, FILE *out) {
    for (unsigned i = 0; i < CA_COUNT; i++) {
        const struct fleet_ca *ca = &fleet->pki.cas[i];
        const char *what = ca->trusted ? "root" : ca->issuer == ca->id ? "unknown-root" : "ca";
        fprintf(out, "%s\t%s\t%s\n", fleet_pin_text_of(ca->spki_sha256).text, what,
                ca->common_name);
    }
    static const char *const spare_names[SPARE_COUNT] = {
        [SPARE_RETIRED] = "retired", [SPARE_BACKUP] = "backup"};
    for (unsigned i = 0; i < SPARE_COUNT; i++) {
        fprintf(out, "%s\tspare\t%s\n", fleet_pin_text_of(fleet->pki.spare_spki_sha256[i]).text,
                spare_names[i]);
    }
    const struct fleet_host *host;
    for (uint32_t i = 0; fleet->options->demo && (host = fleet_scenario_at(i)) != NULL; i++) {
        uint8_t digest[32];
        fleet_host_spki_sha256(fleet, host, false, digest);
        fprintf(out, "%s\tleaf\t%s\n", fleet_pin_text_of(digest).text, host->name);
        if (host->has_rsa) {
            fleet_host_spki_sha256(fleet, host, true, digest);
            fprintf(out, "%s\tleaf-rsa\t%s\n", fleet_pin_text_of(digest).text, host->name);
        }
    }
}

static void describe_identities(const struct fleet_options *options, FILE *out) {
    static const char *const class_names[] = {
        [FLEET_CLASS_MATCH] = "match",
        [FLEET_CLASS_BACKUP] = "match-backup",
        [FLEET_CLASS_MISMATCH] = "mismatch",
        [FLEET_CLASS_UNPINNED] = "unpinned",
    };
    uint32_t counts[4] = {0}, rsa_count = 0;
    for (uint32_t i = 1; i <= options->identities; i++) {
        counts[fleet_class_of(i)]++;
        rsa_count += fleet_is_rsa(options, i);
    }
    fprintf(out,
            "identities: h1.fleet.test to h%u.fleet.test, 127.0.0.1 and up (address = index)\n",
            options->identities);
    fprintf(out, "leaf keys: %s", options->dual ? "ECDSA and RSA each\n" : "");
    if (!options->dual) {
        fprintf(out, "%u ECDSA, %u RSA\n", options->identities - rsa_count, rsa_count);
    }
    fprintf(out, "under the written policy:");
    for (unsigned i = 0; i < 4; i++) {
        fprintf(out, " %u %s%s", counts[i], class_names[i], i < 3 ? "," : "\n");
    }
}

void fleet_describe(const struct fleet *fleet, uint16_t refused_port, FILE *out) {
    const struct fleet_options *options = fleet->options;
    const struct fleet_host *host;
    if (options->demo) {
        fprintf(out, "%-26s %-11s %5s  %-23s %-14s  %s\n", "host", "address", "port", "behaviour",
                "verdict", "shows");
    }
    for (uint32_t i = 0; options->demo && (host = fleet_scenario_at(i)) != NULL; i++) {
        char address[16];
        snprintf(address, sizeof address, "127.0.1.%u", host->last_octet);
        fprintf(out, "%-26s %-11s %5u  %-23s %-14s  %s\n", host->name, address,
                host->refused ? refused_port : fleet_options_port(options, 0),
                host->refused             ? "refused"
                : host->behaviour != NULL ? host->behaviour
                                          : "tls",
                host->verdict, host->shows);
    }
    describe_identities(options, out);
    for (uint32_t i = 0; i < options->port_count; i++) {
        fprintf(out, "port %u: %s, %s\n", options->ports[i].number,
                options->ports[i].behaviour->name, options->ports[i].behaviour->summary);
    }
}

/* One inventory line. Plain lines are addresses alone: no SNI, the fleet answers by address. */
static void inventory_line(const struct fleet_options *options, const char *host,
                           const uint8_t ipv4[4], uint16_t port, const char *owner, FILE *out) {
    char address[16];
    snprintf(address, sizeof address, "%u.%u.%u.%u", ipv4[0], ipv4[1], ipv4[2], ipv4[3]);
    switch (options->format) {
    case FLEET_FORMAT_PLAIN:
        fprintf(out, "%s:%u\n", address, port);
        return;
    case FLEET_FORMAT_ZGRAB2:
        fprintf(out, "%s,%s,,%u\n", address, host, port);
        return;
    case FLEET_FORMAT_CSV:
    case FLEET_FORMAT_DEFAULT:
        fprintf(out, "%s,%u,%s,%s,%s\n", host, port, address, owner,
                owner[0] == 'd' ? "demo" : "fleet");
        return;
    }
}

static void print_inventory(const struct fleet *fleet, uint16_t refused_port, FILE *out) {
    const struct fleet_options *options = fleet->options;
    const struct fleet_host *host;
    if (options->format == FLEET_FORMAT_CSV) {
        fprintf(out, "host,port,connect,owner,application\n");
    }
    for (uint32_t i = 0; options->demo && (host = fleet_scenario_at(i)) != NULL; i++) {
        uint8_t ipv4[4] = {127, 0, 1, host->last_octet};
        inventory_line(options, host->name, ipv4,
                       host->refused ? refused_port : fleet_options_port(options, 0),
                       "demo-team@demo.test", out);
    }
    for (uint32_t i = 1; i <= options->inventory_count; i++) {
        char name[32], owner[32];
        uint8_t ipv4[4];
        snprintf(name, sizeof name, "h%u.fleet.test", i);
        snprintf(owner, sizeof owner, "team%u@fleet.test", i % 10);
        fleet_address_of(i, ipv4);
        inventory_line(options, name, ipv4, fleet_options_port(options, i), owner, out);
    }
}

static enum err file_end(FILE *file, const char *path, struct err_note *note) {
    bool is_bad = ferror(file) != 0;
    if (fclose(file) != 0 || is_bad) {
        return err_note(note, ERR_IO, "%s: %s", path, strerror(errno));
    }
    return ERR_NONE;
}

static enum err file_begin(FILE **out_file, const char *path, struct err_note *note) {
    *out_file = fopen(path, "we");
    if (*out_file == NULL) {
        return err_note(note, ERR_IO, "%s: %s", path, strerror(errno));
    }
    return ERR_NONE;
}

enum err fleet_files_write(const struct fleet *fleet, uint16_t refused_port,
                           struct err_note *note) {
    const struct fleet_options *options = fleet->options;
    const char *paths[] = {options->trust_path, options->inventory_path, options->policy_path};
    for (unsigned i = 0; i < 3; i++) {
        FILE *file;
        if (paths[i] == NULL) {
            continue;
        }
        enum err err = file_begin(&file, paths[i], note);
        if (err != ERR_NONE) {
            return err;
        }
        if (i == 0) {
            fleet_roots_print(fleet, file);
        } else if (i == 1) {
            print_inventory(fleet, refused_port, file);
        } else {
            fleet_policy_print(fleet, file);
        }
        err = file_end(file, paths[i], note);
        if (err != ERR_NONE) {
            return err;
        }
    }
    return ERR_NONE;
}
