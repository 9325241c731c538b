#include "engine/sweep/keeper_rows.h"

#include <stdlib.h>

#include "engine/codec/cert_sct.h"
#include "engine/codec/dname.h"
#include "engine/codec/text.h"
#include "engine/sweep/report.h"

/* How far a chain was handed over (struct chain, `kept`). */
enum { KEPT_NOTHING, KEPT_CHAIN, KEPT_PATHS };

void keeper_rows_free(struct keeper_rows *rows) {
    free(rows->bytes);
    *rows = (struct keeper_rows){0};
}

/* Room for a row with so much behind it, zeroed up to there; NULL without memory. */
static void *row_begin(struct keeper_rows *rows, enum keeper_kind kind, size_t struct_len,
                       size_t tail_len) {
    size_t len = (struct_len + tail_len + KEEPER_ALIGN - 1) & ~(size_t)(KEEPER_ALIGN - 1);
    if (rows->failed) {
        return NULL;
    }
    if (rows->capacity - rows->len < len) {
        size_t capacity = rows->capacity * 2 > rows->len + len ? rows->capacity * 2
                                                               : rows->len + len + BLOCK_BYTES;
        uint8_t *bytes = realloc(rows->bytes, capacity);
        if (bytes == NULL) {
            rows->failed = true;
            return NULL;
        }
        rows->bytes = bytes;
        rows->capacity = capacity;
    }
    struct keeper_head *head = (struct keeper_head *)(void *)(rows->bytes + rows->len);
    memset(head, 0, struct_len);
    *head = (struct keeper_head){.kind = (uint32_t)kind, .len = (uint32_t)len};
    rows->len += len;
    return head;
}

static char *put_bytes(char *at, const void *bytes, size_t len) {
    if (len > 0) {
        memcpy(at, bytes, len);
    }
    return at + len;
}

/* --- chains --- */

/* Subject, issuer, serial and key as the records write them. */
struct cert_texts {
    char subject[DNAME_TEXT_MAX], issuer[DNAME_TEXT_MAX], key[24];
    size_t subject_len, issuer_len, key_len;
};

static void format_cert(const struct cert_record *cert, struct cert_texts *out) {
    const struct cert_fields *fields = &cert->fields;
    out->subject_len = fields->subject.len > 0 ? dname_format(out->subject, fields->subject) : 0;
    out->issuer_len = fields->issuer.len > 0 ? dname_format(out->issuer, fields->issuer) : 0;
    out->key[0] = '\0';
    if (cert->strict) {
        cert_key_text(out->key, fields->key, fields->key_bits);
    }
    out->key_len = strlen(out->key);
}

void keeper_rows_add_cert(struct keeper_rows *rows, const struct cert_record *cert) {
    const struct cert_fields *fields = &cert->fields;
    struct cert_texts texts;
    format_cert(cert, &texts);
    size_t serial_len = 2 * fields->serial.len;
    struct keeper_cert *row = row_begin(rows, KEEPER_CERT, sizeof *row,
                                        cert->der.len + texts.subject_len + texts.issuer_len +
                                            serial_len + texts.key_len);
    if (row == NULL) {
        return;
    }
    memcpy(row->cert_sha256, cert->cert_sha256, SHA256_LEN);
    memcpy(row->spki_sha256, cert->spki_sha256, SHA256_LEN);
    row->not_before = cert->strict ? fields->not_before : DATETIME_NONE;
    row->not_after = cert->strict ? fields->not_after : DATETIME_NONE;
    if (!cert->strict || !cert_sct_first(fields, &row->first_sct)) {
        row->first_sct = DATETIME_NONE;
    }
    row->der_len = (uint32_t)cert->der.len;
    row->subject_len = (uint32_t)texts.subject_len;
    row->issuer_len = (uint32_t)texts.issuer_len;
    row->serial_len = (uint32_t)serial_len;
    row->key_len = (uint32_t)texts.key_len;
    row->has_spki = cert->has_spki;
    row->is_ca = fields->is_ca;
    row->strict = cert->strict;
    char *at = put_bytes((char *)(row + 1), cert->der.data, cert->der.len);
    at = put_bytes(at, texts.subject, texts.subject_len);
    at = put_bytes(at, texts.issuer, texts.issuer_len);
    hex_encode(at, fields->serial);
    put_bytes(at + serial_len, texts.key, texts.key_len);
}

static void add_chain(struct keeper_rows *rows, const struct chain *chain) {
    for (uint32_t i = 0; i < chain->count; i++) {
        if (!chain->certs[i]->kept) {
            keeper_rows_add_cert(rows, chain->certs[i]);
            chain->certs[i]->kept = true;
        }
    }
    struct keeper_chain *row =
        row_begin(rows, KEEPER_CHAIN, sizeof *row, (size_t)chain->count * SHA256_LEN);
    if (row == NULL) {
        return;
    }
    memcpy(row->id, chain->id, SHA256_LEN);
    row->count = chain->count;
    char *at = (char *)(row + 1);
    for (uint32_t i = 0; i < chain->count; i++) {
        at = put_bytes(at, chain->certs[i]->cert_sha256, SHA256_LEN);
    }
}

static void add_paths(struct keeper_rows *rows, const struct chain *chain,
                      const struct trust_store *trust, uint32_t profile_idx) {
    const struct profile_paths *paths = &chain->paths->profiles[profile_idx];
    uint16_t refs[PATHS_MAX * (1 + PATH_CERTS_MAX)];
    uint32_t ref_count = 0;
    for (uint32_t i = 0; i < paths->ok_count; i++) {
        const struct path *path = &paths->paths[i];
        refs[ref_count++] = path->count;
        for (uint32_t k = 0; k < path->count; k++) {
            refs[ref_count++] = path_ref(chain, &trust->profiles[profile_idx], path->certs[k]);
        }
    }
    size_t detail_len = paths->ok_count == 0 ? strlen(paths->detail) : 0;
    struct keeper_paths *row =
        row_begin(rows, KEEPER_PATHS, sizeof *row, ref_count * sizeof refs[0] + detail_len);
    if (row == NULL) {
        return;
    }
    row->profile_idx = profile_idx;
    row->path_count = paths->ok_count;
    row->ref_count = ref_count;
    row->detail_len = (uint32_t)detail_len;
    row->failure = (uint8_t)paths->failure;
    row->truncated = paths->truncated;
    char *at = put_bytes((char *)(row + 1), refs, ref_count * sizeof refs[0]);
    put_bytes(at, paths->detail, detail_len);
}

/* What was remembered whole is in the store: that is where it came from. */
static void keep_chain(struct keeper_rows *rows, struct chain *chain,
                       const struct trust_store *trust) {
    uint8_t wanted = chain->paths != NULL ? KEPT_PATHS : KEPT_CHAIN;
    if (chain->kept >= wanted) {
        return;
    }
    if (chain->paths == NULL || !chain->paths->known) {
        add_chain(rows, chain);
        for (uint32_t p = 0; chain->paths != NULL && p < trust->count; p++) {
            add_paths(rows, chain, trust, p);
        }
    }
    chain->kept = wanted;
}

/* --- targets --- */

/* Texts of the inventory may be no UTF-8: then as the records have them, U+FFFD for each such byte
   (at most three bytes for one). */
static size_t repaired_len_max(const char *text, size_t len) {
    return text_is_utf8(span_of(text, len)) ? len : 3 * len;
}

static size_t put_repaired(char *at, const char *text, size_t len, size_t room) {
    if (room == len) {
        put_bytes(at, text, len);
        return len;
    }
    struct span rest = span_of(text, len);
    size_t written = 0;
    while (rest.len > 0) {
        bool well_formed;
        struct span step = span_take(&rest, text_utf8_step(rest, &well_formed));
        put_bytes(at + written, well_formed ? (const char *)step.data : "\xEF\xBF\xBD",
                  well_formed ? step.len : 3);
        written += well_formed ? step.len : 3;
    }
    return written;
}

/* Appends the texts to the row and sets their lengths. */
static void put_texts(char *at, const char *const texts[], const size_t rooms[], uint32_t *lens,
                      uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (lens[i] != KEEPER_SAME) {
            lens[i] = (uint32_t)put_repaired(at, texts[i], strlen(texts[i]), rooms[i]);
            at += lens[i];
        }
    }
}

static size_t measure_texts(const char *const texts[], size_t rooms[], uint32_t count) {
    size_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        rooms[i] = repaired_len_max(texts[i], strlen(texts[i]));
        sum += rooms[i];
    }
    return sum;
}

static void add_target(struct keeper_rows *rows, const struct judgement *judgement) {
    const struct target *target = judgement->target;
    const char *const texts[KEEPER_TARGET_TEXTS] = {
        [KEEPER_HOST] = target->host,
        [KEEPER_SNI] = target->sni,
        [KEEPER_PIN_HOST] = target->pin_host,
        [KEEPER_TAG] = target->tag,
        [KEEPER_OWNER] = target->owner,
        [KEEPER_APPLICATION] = target->application,
        [KEEPER_ERROR] = report_target_error(judgement),
    };
    size_t rooms[KEEPER_TARGET_TEXTS];
    struct keeper_target *row = row_begin(rows, KEEPER_TARGET, sizeof *row,
                                          measure_texts(texts, rooms, KEEPER_TARGET_TEXTS));
    if (row == NULL) {
        return;
    }
    const char *pinned = target->sni[0] != '\0' ? target->sni : target->host;
    row->lens[KEEPER_SNI] = strcmp(target->sni, target->host) == 0 ? KEEPER_SAME : 0;
    row->lens[KEEPER_PIN_HOST] = strcmp(target->pin_host, pinned) == 0 ? KEEPER_SAME : 0;
    row->line = target->line;
    row->place = target->place;
    row->time_ms = judgement->time_ms;
    row->dns_us = target->dns_ns != 0 ? (int64_t)(target->dns_ns / 1000) : -1;
    row->views_failed = judgement->views_failed;
    row->port = target->port;
    row->status = (uint8_t)judgement->status;
    row->verdict = (uint8_t)judgement->verdict;
    row->complete = judgement->complete;
    put_texts((char *)(row + 1), texts, rooms, row->lens, KEEPER_TARGET_TEXTS);
}

static int64_t duration_us(uint64_t from_ns, uint64_t to_ns) {
    return from_ns != 0 && to_ns >= from_ns ? (int64_t)((to_ns - from_ns) / 1000) : -1;
}

static void add_view(struct keeper_rows *rows, const struct judgement *judgement, uint32_t place) {
    const struct target *target = judgement->target;
    const struct probe *probe = &target->probes[place];
    const struct tls_facts *facts = &probe->facts;
    char address[NETADDR_TEXT_MAX];
    netaddr_format(address, &target->addresses[probe->address_idx]);
    const char *const texts[KEEPER_VIEW_TEXTS] = {[KEEPER_ADDRESS] = address,
                                                  [KEEPER_VIEW_ERROR] = report_view_error(probe),
                                                  [KEEPER_ALPN] = facts->alpn};
    size_t rooms[KEEPER_VIEW_TEXTS];
    struct keeper_view *row =
        row_begin(rows, KEEPER_VIEW, sizeof *row, measure_texts(texts, rooms, KEEPER_VIEW_TEXTS));
    if (row == NULL) {
        return;
    }
    row->has_chain = probe->chain != NULL;
    if (row->has_chain) {
        memcpy(row->chain_id, probe->chain->id, SHA256_LEN);
    }
    row->connect_us = duration_us(probe->opened_ns, probe->connected_ns);
    row->tls_us = duration_us(probe->connected_ns, probe->finished_ns);
    row->attempts = probe->attempts;
    row->place = (uint16_t)place;
    row->version = facts->version;
    row->cipher = facts->cipher;
    row->group = facts->group;
    row->signature = facts->peer_signature;
    row->key_type = (uint8_t)probe->key_view;
    row->status = (uint8_t)probe->outcome;
    row->depth = report_has_depth(probe) ? (uint8_t)facts->depth : KEEPER_NONE;
    row->proof = (uint8_t)facts->proof;
    row->client_cert_requested = facts->client_cert_requested;
    row->host_match = judge_host_match(target, probe);
    put_texts((char *)(row + 1), texts, rooms, row->lens, KEEPER_VIEW_TEXTS);
}

static void add_set(struct keeper_rows *rows, const struct judgement *judgement, uint32_t place) {
    const struct set_verdict *verdict = &judgement->sets[place];
    const struct verdict_unit *unit = judge_deciding(judgement, verdict);
    struct keeper_set *row = row_begin(rows, KEEPER_SET, sizeof *row, 0);
    if (row == NULL) {
        return;
    }
    row->set_idx = verdict->set->idx;
    row->place = (uint16_t)place;
    row->verdict = (uint8_t)verdict->verdict;
    row->would_be = (uint8_t)verdict->would_be;
    row->durable = verdict->durable;
    row->decided = unit != NULL;
    if (unit != NULL) {
        row->pin = unit->pin;
        row->reason = unit->reason;
        row->view_idx = unit->view_idx;
        row->profile_idx = unit->profile_idx;
        row->path_idx = unit->path_idx;
        row->has_cert = unit->cert != NULL;
        if (row->has_cert) {
            memcpy(row->cert_sha256, unit->cert->cert_sha256, SHA256_LEN);
        }
    }
}

void keeper_rows_add(struct keeper_rows *rows, const struct judgement *judgement) {
    const struct target *target = judgement->target;
    for (uint32_t i = 0; i < target->probe_count; i++) {
        if (target->probes[i].chain != NULL) {
            keep_chain(rows, target->probes[i].chain, judgement->config->trust);
        }
    }
    add_target(rows, judgement);
    for (uint32_t i = 0; i < target->probe_count; i++) {
        add_view(rows, judgement, i);
    }
    for (uint32_t i = 0; i < judgement->set_count; i++) {
        add_set(rows, judgement, i);
    }
}
