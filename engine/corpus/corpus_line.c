#include "engine/corpus/corpus_line.h"

#include <inttypes.h>
#include <stdio.h>

#include "engine/codec/datetime.h"
#include "engine/codec/dname.h"
#include "engine/codec/json.h"

const char *const corpus_output_words[] = {"text", "ndjson", "csv", "curl", NULL};

/* --- facts --- */

static void note_match(void *context, const struct pin_set *set, const struct pin *pin) {
    struct corpus_facts *facts = context;
    (void)pin;
    for (uint32_t i = 0; i < facts->match_count; i++) {
        if (facts->matches[i] == set) {
            return;
        }
    }
    if (facts->match_count < CORPUS_MATCHES_MAX) {
        facts->matches[facts->match_count++] = set;
    } else {
        facts->more_matches = true;
    }
}

static void match_pins(const struct pin_table *pins, const struct corpus_item *item,
                       struct corpus_facts *facts) {
    struct cert_record record = {.der = item->der, .has_spki = true};
    record.fields.spki = item->spki;
    memcpy(record.spki_sha256, item->spki_sha256, SHA256_LEN);
    memcpy(record.cert_sha256, item->cert_sha256, SHA256_LEN);
    pin_table_match(pins, &record, note_match, facts);
}

void corpus_facts_of(const struct corpus_config *config, const struct corpus_item *item,
                     struct corpus_facts *out) {
    out->looked_at = config->output == CORPUS_OUT_NDJSON || config->output == CORPUS_OUT_CSV;
    out->strict = false;
    out->match_count = 0;
    out->more_matches = false;
    if (out->looked_at) {
        out->strict = cert_walk(item->der, &out->fields);
        if (!out->strict) {
            out->fields = (struct cert_fields){.spki = item->spki};
        }
    }
    if (config->pins != NULL) {
        match_pins(config->pins, item, out);
    }
}

/* --- text and curl --- */

static const char pin_prefix[] = "sha256/", curl_prefix[] = ";sha256//";

static char *put(char *at, const void *bytes, size_t len) {
    memcpy(at, bytes, len);
    return at + len;
}

static void write_text(const struct corpus_config *config, const struct corpus_item *item,
                       const struct corpus_facts *facts, struct corpus_buffer *out) {
    size_t len = sizeof pin_prefix + BASE64_SHA256_LEN + 2 * SHA256_LEN + 8;
    for (uint32_t i = 0; i < facts->match_count; i++) {
        len += strlen(facts->matches[i]->name) + 1;
    }
    char *start = corpus_buffer_room(out, len);
    char *at = put(start, pin_prefix, sizeof pin_prefix - 1);
    at += base64_encode(at, span_of(item->spki_sha256, SHA256_LEN));
    if (config->fingerprint) {
        *at++ = '\t';
        at += hex_encode(at, span_of(item->cert_sha256, SHA256_LEN));
    }
    if (config->pins != NULL) {
        *at++ = '\t';
        for (uint32_t i = 0; i < facts->match_count; i++) {
            if (i > 0) {
                *at++ = ',';
            }
            at = put(at, facts->matches[i]->name, strlen(facts->matches[i]->name));
        }
        at = facts->more_matches ? put(at, ",...", 4) : at;
    }
    *at++ = '\n';
    out->len += (size_t)(at - start);
}

/* The value of curl's --pinnedpubkey: one line in all, parted by semicolons. The writer drops the
   first of them. */
static void write_curl(const struct corpus_item *item, struct corpus_buffer *out) {
    char *at = corpus_buffer_room(out, sizeof curl_prefix + BASE64_SHA256_LEN);
    at = put(at, curl_prefix, sizeof curl_prefix - 1);
    base64_encode(at, span_of(item->spki_sha256, SHA256_LEN));
    out->len += sizeof curl_prefix - 1 + BASE64_SHA256_LEN;
}

/* --- NDJSON: data/hash.schema.json --- */

static size_t json_line_max(const struct corpus_item *item, const struct corpus_facts *facts) {
    /* every byte may become six ("\u001f"); the digests, keys and numbers are under 1,000 */
    size_t len = 1024 + 6 * (strlen(item->place.piece->file->name) + 2 * DNAME_TEXT_MAX) +
                 2 * facts->fields.serial.len;
    for (uint32_t i = 0; i < facts->match_count; i++) {
        len += 6 * strlen(facts->matches[i]->name) + 3;
    }
    return len;
}

static void write_name(struct json *json, const char *key, struct span name_der) {
    char text[DNAME_TEXT_MAX];
    size_t len = name_der.len > 0 ? dname_format(text, name_der) : 0;
    json_key_string(json, key, span_of(text, len));
}

static void write_time(struct json *json, const char *key, bool known, int64_t unix_s) {
    json_key(json, key);
    if (known) {
        json_time_s(json, unix_s);
    } else {
        json_null(json);
    }
}

static void write_json(const struct corpus_config *config, const struct corpus_item *item,
                       const struct corpus_facts *facts, struct corpus_buffer *out) {
    const struct cert_fields *fields = &facts->fields;
    size_t len_max = json_line_max(item, facts);
    char key[24] = "";
    struct json json;
    if (facts->strict) {
        cert_key_text(key, fields->key, fields->key_bits);
    }
    json_init(&json, corpus_buffer_room(out, len_max), len_max);
    json_object_begin(&json);
    json_key_i64(&json, "schema", 1);
    json_key_text(&json, "type", "hash");
    json_key_text(&json, "file", item->place.piece->file->name);
    json_key_u64(&json, "offset", item->place.offset);
    json_key(&json, "spki_sha256");
    json_base64(&json, span_of(item->spki_sha256, SHA256_LEN));
    json_key(&json, "cert_sha256");
    json_hex(&json, span_of(item->cert_sha256, config->fingerprint ? SHA256_LEN : 0));
    json_key_bool(&json, "strict", facts->strict);
    json_key_text(&json, "key", key);
    write_name(&json, "subject", fields->subject);
    write_name(&json, "issuer", fields->issuer);
    json_key(&json, "serial");
    json_hex(&json, fields->serial);
    write_time(&json, "not_before", facts->strict, fields->not_before);
    write_time(&json, "not_after", facts->strict, fields->not_after);
    json_key_bool(&json, "is_ca", fields->is_ca);
    json_key(&json, "pin_sets");
    json_array_begin(&json);
    for (uint32_t i = 0; i < facts->match_count; i++) {
        json_text(&json, facts->matches[i]->name);
    }
    json_array_end(&json);
    json_key_bool(&json, "pin_sets_complete", !facts->more_matches);
    json_object_end(&json);
    size_t len = json_finish_line(&json);
    CHECK(len > 0);
    out->len += len;
}

/* --- CSV (RFC 4180) --- */

static const char csv_head[] =
    "file,offset,pin,cert_sha256,strict,key,subject,issuer,serial,not_before,not_after,pin_sets\n";

/* Quoted where a character asks for it. */
static void csv_field(struct corpus_buffer *out, struct span text, bool is_last) {
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        quoted = quoted || c == '"' || c == ',' || c == '\n' || c == '\r';
    }
    char *start = corpus_buffer_room(out, 2 * text.len + 3), *at = start;
    if (quoted) {
        *at++ = '"';
        for (size_t i = 0; i < text.len; i++) {
            if (text.data[i] == '"') {
                *at++ = '"';
            }
            *at++ = (char)text.data[i];
        }
        *at++ = '"';
    } else if (text.len > 0) {
        at = put(at, text.data, text.len);
    }
    *at++ = is_last ? '\n' : ',';
    out->len += (size_t)(at - start);
}

static void csv_text(struct corpus_buffer *out, const char *text) {
    csv_field(out, span_str(text), false);
}

static void csv_name(struct corpus_buffer *out, struct span name_der) {
    char text[DNAME_TEXT_MAX];
    size_t len = name_der.len > 0 ? dname_format(text, name_der) : 0;
    csv_field(out, span_of(text, len), false);
}

static void csv_time(struct corpus_buffer *out, bool known, int64_t unix_s) {
    char text[DATETIME_LEN_MAX];
    size_t len = known ? datetime_format(text, unix_s) : 0;
    csv_field(out, span_of(text, len), false);
}

static void csv_serial(struct corpus_buffer *out, struct span serial) {
    char *at = corpus_buffer_room(out, 2 * serial.len + 1);
    at += hex_encode(at, serial);
    *at = ',';
    out->len += 2 * serial.len + 1;
}

/* The names in one field, parted by semicolons. */
static void csv_matches(struct corpus_buffer *out, const struct corpus_facts *facts) {
    size_t len = 4;
    for (uint32_t i = 0; i < facts->match_count; i++) {
        len += strlen(facts->matches[i]->name) + 1;
    }
    /* gathered behind where the field will end at the latest, then written before */
    char *start = corpus_buffer_room(out, 3 * len + 3) + 2 * len + 3, *at = start;
    for (uint32_t i = 0; i < facts->match_count; i++) {
        if (i > 0) {
            *at++ = ';';
        }
        at = put(at, facts->matches[i]->name, strlen(facts->matches[i]->name));
    }
    at = facts->more_matches ? put(at, ";...", 4) : at;
    csv_field(out, span_of(start, (size_t)(at - start)), true);
}

static void write_csv(const struct corpus_config *config, const struct corpus_item *item,
                      const struct corpus_facts *facts, struct corpus_buffer *out) {
    char number[TEXT_U64_LEN_MAX], key[24] = "";
    char pin[sizeof pin_prefix - 1 + BASE64_SHA256_LEN], fingerprint[2 * SHA256_LEN];
    const struct cert_fields *fields = &facts->fields;
    if (facts->strict) {
        cert_key_text(key, fields->key, fields->key_bits);
    }
    base64_encode(put(pin, pin_prefix, sizeof pin_prefix - 1),
                  span_of(item->spki_sha256, SHA256_LEN));
    hex_encode(fingerprint, span_of(item->cert_sha256, SHA256_LEN));
    csv_text(out, item->place.piece->file->name);
    csv_field(out, span_of(number, text_format_u64(number, item->place.offset)), false);
    csv_field(out, span_of(pin, sizeof pin), false);
    csv_field(out, span_of(fingerprint, config->fingerprint ? sizeof fingerprint : 0), false);
    csv_text(out, facts->strict ? "true" : "false");
    csv_text(out, key);
    csv_name(out, fields->subject);
    csv_name(out, fields->issuer);
    csv_serial(out, fields->serial);
    csv_time(out, facts->strict, fields->not_before);
    csv_time(out, facts->strict, fields->not_after);
    csv_matches(out, facts);
}

void corpus_line_write(const struct corpus_config *config, const struct corpus_item *item,
                       const struct corpus_facts *facts, struct corpus_buffer *out) {
    switch (config->output) {
    case CORPUS_OUT_TEXT:
        write_text(config, item, facts, out);
        break;
    case CORPUS_OUT_NDJSON:
        write_json(config, item, facts, out);
        break;
    case CORPUS_OUT_CSV:
        write_csv(config, item, facts, out);
        break;
    case CORPUS_OUT_CURL:
        write_curl(item, out);
        break;
    }
}

const char *corpus_output_head(enum corpus_output output) {
    return output == CORPUS_OUT_CSV ? csv_head : "";
}

const char *corpus_output_tail(enum corpus_output output) {
    return output == CORPUS_OUT_CURL ? "\n" : "";
}
