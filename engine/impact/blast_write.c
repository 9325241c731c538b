#include <inttypes.h>

#include "engine/codec/json.h"
#include "engine/impact/blast_internal.h"

static const char *const roles[] = {"pin", "leaf", "ca", "anchor"};

#define TEXT_BYTES_MAX (16u << 10)
#define LINE_BYTES_LIMIT (6 * 6 * TEXT_BYTES_MAX)

static void put_text_cut(struct json *json, const char *name, const char *text) {
    json_key(json, name);
    json_string(json, span_of(text, strnlen(text, TEXT_BYTES_MAX)));
}

static void pin_text(char out[64], const struct blast_key *key) {
    memcpy(out, "sha256/", 7);
    out[7 + base64_encode(out + 7, span_of(key->spki_sha256, SHA256_LEN))] = '\0';
}

/* --- NDJSON --- */

static void begin(struct json *json, char *line, const char *type) {
    json_init(json, line, LINE_BYTES_LIMIT);
    json_object_begin(json);
    json_key_i64(json, "schema", 1);
    json_key_text(json, "type", type);
}

static void end(struct json *json, const char *line, FILE *out) {
    json_object_end(json);
    size_t len = json_finish_line(json);
    CHECK(len > 0);
    fwrite(line, 1, len, out);
}

static void write_json(const struct blast *blast, FILE *out) {
    static _Thread_local char line[LINE_BYTES_LIMIT];
    const struct snapshot *snapshot = blast->plan->world->snapshot;
    struct json json;
    for (uint32_t i = 0; i < blast->count; i++) {
        const struct blast_key *key = blast->ranked[i];
        begin(&json, line, "blast-key");
        json_key(&json, "key");
        json_prefixed_base64(&json, "sha256/", span_of(key->spki_sha256, SHA256_LEN));
        put_text_cut(&json, "subject", key->subject);
        json_key_text(&json, "role", roles[key->role]);
        json_key_u64(&json, "targets", key->targets);
        json_key_u64(&json, "breaks", key->breaks);
        json_key_u64(&json, "locked", key->locked);
        json_key_u64(&json, "pin_sets", key->pin_sets);
        end(&json, line, out);
    }
    for (uint64_t i = 0; i < blast->endpoint_count; i++) {
        const struct blast_endpoint *endpoint = &blast->endpoints[i];
        const struct snapshot_target *target = &snapshot->targets[endpoint->target];
        begin(&json, line, "blast-endpoint");
        put_text_cut(&json, "host", target->host);
        json_key_u64(&json, "port", target->port);
        put_text_cut(&json, "pin_set", endpoint->set->name);
        put_text_cut(&json, "owner",
                     endpoint->set->owner[0] != '\0' ? endpoint->set->owner : target->owner);
        json_key(&json, "key");
        json_prefixed_base64(&json, "sha256/",
                             span_of(blast->keys[endpoint->key].spki_sha256, SHA256_LEN));
        put_text_cut(&json, "subject", blast->keys[endpoint->key].subject);
        end(&json, line, out);
    }
    for (uint32_t i = 0; i < blast->plan->set_count; i++) {
        const struct blast_set *set = &blast->sets[i];
        begin(&json, line, "blast-pinset");
        put_text_cut(&json, "pin_set", blast->plan->sets[i]->name);
        json_key_u64(&json, "targets", set->targets);
        json_key_u64(&json, "working", set->working);
        json_key_u64(&json, "without_spare", set->without_spare);
        json_key_bool(&json, "independent", set->dependent == 0);
        end(&json, line, out);
    }
}

/* --- CSV: the keys --- */

static void put_csv(FILE *out, const char *text) {
    fputc('"', out);
    if (text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL) {
        fputc('\'', out); /* no formula for a spreadsheet */
    }
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            fputc('"', out);
        }
        fputc(*text, out);
    }
    fputc('"', out);
}

static void write_csv(const struct blast *blast, FILE *out) {
    fputs("key,subject,role,targets,breaks,locked,pin_sets\r\n", out);
    for (uint32_t i = 0; i < blast->count; i++) {
        const struct blast_key *key = blast->ranked[i];
        char pin[64];
        pin_text(pin, key);
        fprintf(out, "%s,", pin);
        put_csv(out, key->subject);
        fprintf(out, ",%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\r\n", roles[key->role],
                key->targets, key->breaks, key->locked, key->pin_sets);
    }
}

/* --- text --- */

static void put_text(FILE *out, const char *text) {
    for (; *text != '\0'; text++) {
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
    }
}

static void write_keys(const struct blast *blast, uint64_t limit, FILE *out) {
    uint64_t breaking = 0;
    for (uint32_t i = 0; i < blast->count; i++) {
        breaking += blast->ranked[i]->breaks > 0;
    }
    fprintf(out,
            "%" PRIu32 " keys, %" PRIu64 " of them break something if they die tonight.\n\n"
            "  breaks  locked  targets  key\n",
            blast->count, breaking);
    for (uint32_t i = 0; i < breaking && i < limit; i++) {
        const struct blast_key *key = blast->ranked[i];
        char pin[64];
        pin_text(pin, key);
        fprintf(out, "  %6" PRIu64 "  %6" PRIu64 "  %7" PRIu64 "  %s  %s ", key->breaks,
                key->locked, key->targets, pin, roles[key->role]);
        put_text(out, key->subject);
        fputc('\n', out);
    }
    if (breaking > limit) {
        fprintf(out, "  ... and %" PRIu64 " more (--limit, or --output ndjson)\n",
                breaking - limit);
    }
    fputs("\n  breaks: pin sets on targets that fail until other certificates are served\n"
          "  locked: of these, those that no rotation helps: no pin is in reserve\n",
          out);
}

static void write_endpoints(const struct blast *blast, uint64_t limit, FILE *out) {
    const struct snapshot *snapshot = blast->plan->world->snapshot;
    fprintf(out, "\nEndpoints with no spare: %" PRIu64 "\n", blast->endpoint_count);
    for (uint64_t i = 0; i < blast->endpoint_count && i < limit; i++) {
        const struct blast_endpoint *endpoint = &blast->endpoints[i];
        const struct snapshot_target *target = &snapshot->targets[endpoint->target];
        fputs("  ", out);
        put_text(out, target->host);
        fprintf(out, ":%u  ", target->port);
        put_text(out, endpoint->set->name);
        fputs(": all depends on ", out);
        put_text(out, blast->keys[endpoint->key].subject);
        fputc('\n', out);
    }
    if (blast->endpoint_count > limit) {
        fprintf(out, "  ... and %" PRIu64 " more (--limit, or --output ndjson)\n",
                blast->endpoint_count - limit);
    }
}

static void write_sets(const struct blast *blast, uint64_t limit, FILE *out) {
    uint64_t count = 0;
    fputs("\nPin sets whose backup is not independent (all pins are on one live path)\n", out);
    for (uint32_t i = 0; i < blast->plan->set_count; i++) {
        if (blast->sets[i].dependent > 0 && count++ < limit) {
            fputs("  ", out);
            put_text(out, blast->plan->sets[i]->name);
            fprintf(out, ": on %" PRIu64 " of %" PRIu64 " targets\n", blast->sets[i].dependent,
                    blast->sets[i].working);
        }
    }
    if (count == 0) {
        fputs("  none\n", out);
    } else if (count > limit) {
        fprintf(out, "  ... and %" PRIu64 " more (--limit, or --output ndjson)\n", count - limit);
    }
}

void blast_write(const struct blast *blast, const struct blast_report *report) {
    switch (report->form) {
    case IMPACT_NDJSON:
        write_json(blast, report->out);
        return;
    case IMPACT_CSV:
        write_csv(blast, report->out);
        return;
    case IMPACT_TEXT:
        write_keys(blast, report->limit, report->out);
        write_endpoints(blast, report->limit, report->out);
        write_sets(blast, report->limit, report->out);
        return;
    }
}
