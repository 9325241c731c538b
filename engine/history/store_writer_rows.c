/* Blocks of rows (engine/sweep/keeper.h) into the store. The hot path: for a target whose chains
   are known it costs one insertion for the target, one for each view and one for each pin set. */
#include <stdio.h>

#include "engine/history/store_writer_internal.h"

static const char *const statement_texts[INSERT_COUNT] = {
    [INSERT_CERTIFICATE] =
        "INSERT INTO certificate VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)",
    [INSERT_DER] = "INSERT INTO certificate_der VALUES (?1,?2)",
    [INSERT_CHAIN] = "INSERT INTO chain VALUES (?1,?2,?3)",
    [INSERT_PATHS] = "INSERT OR REPLACE INTO chain_paths VALUES (?1,?2,?3,?4,?5,?6)",
    [INSERT_TARGET] =
        "INSERT INTO target VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)",
    [INSERT_VIEW] = "INSERT INTO view VALUES "
                    "(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18)",
    [INSERT_SET] = "INSERT INTO judgement VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
    [INSERT_WORD] = "INSERT OR IGNORE INTO word VALUES (?1,?2,?3)",
    [FIND_PIN_SET] = "SELECT id FROM pin_set WHERE name = ?1 AND client = ?2 AND scope = ?3 AND "
                     "application = ?4 AND owner = ?5 AND expires = ?6",
    [INSERT_PIN_SET] = "INSERT INTO pin_set (name, client, scope, application, owner, expires) "
                       "VALUES (?1,?2,?3,?4,?5,?6) RETURNING id",
    [FIND_PIN] = "SELECT id FROM pin WHERE text = ?1 AND role = ?2",
    [INSERT_PIN] = "INSERT INTO pin (text, role) VALUES (?1,?2) RETURNING id",
    [FIND_REASON] = "SELECT code FROM word WHERE kind = 'reason' AND text = ?1",
    [INSERT_REASON] = "INSERT INTO word SELECT 'reason', coalesce(max(code), -1) + 1, ?1 "
                      "FROM word WHERE kind = 'reason' RETURNING code",
};

enum err store_writer_prepare_rows(struct store_writer *writer, struct err_note *note) {
    enum err err = ERR_NONE;
    for (int i = 0; i < INSERT_COUNT && err == ERR_NONE; i++) {
        err = store_prepare(writer->store, statement_texts[i], &writer->statements[i], note);
    }
    return err;
}

enum err store_writer_run(struct store_writer *writer, sqlite3_stmt *statement,
                          struct err_note *note) {
    int result = sqlite3_step(statement);
    enum err err = result == SQLITE_DONE ? ERR_NONE : store_error(writer->store, note);
    sqlite3_reset(statement);
    return err;
}

/* NULL where the record has "". */
static void bind_optional(sqlite3_stmt *statement, int at, const char *text, uint32_t len) {
    if (len == 0) {
        sqlite3_bind_null(statement, at);
    } else {
        store_bind_text(statement, at, text, len);
    }
}

static void bind_digest(sqlite3_stmt *statement, int at, const uint8_t digest[SHA256_LEN]) {
    sqlite3_bind_blob(statement, at, digest, SHA256_LEN, SQLITE_STATIC);
}

static enum err no_memory(struct err_note *note) {
    return err_note(note, ERR_RESOURCE, "not enough memory for the store's known chains");
}

/* --- certificates and chains --- */

/* A fresh row of the table that `digests` are of. */
static enum err add_digest(struct store_digests *digests, const uint8_t digest[SHA256_LEN],
                           uint32_t *next_row, uint32_t *out_row, struct err_note *note) {
    if (store_digests_add(digests, digest, *next_row) == NULL) {
        return no_memory(note);
    }
    *out_row = (*next_row)++;
    return ERR_NONE;
}

static enum err put_cert(struct store_writer *writer, const struct keeper_cert *row,
                         uint32_t *out_row, struct err_note *note) {
    const struct store_digest *known = store_digests_find(&writer->certs, row->cert_sha256);
    if (known != NULL) {
        *out_row = known->row;
        return ERR_NONE;
    }
    enum err err = add_digest(&writer->certs, row->cert_sha256, &writer->next_cert, out_row, note);
    if (err != ERR_NONE) {
        return err;
    }
    sqlite3_stmt *statement = writer->statements[INSERT_CERTIFICATE];
    const char *at = (const char *)(row + 1) + row->der_len;
    sqlite3_bind_int64(statement, 1, *out_row);
    bind_digest(statement, 2, row->cert_sha256);
    if (row->has_spki) {
        bind_digest(statement, 3, row->spki_sha256);
    } else {
        sqlite3_bind_null(statement, 3);
    }
    store_bind_text(statement, 4, at, row->subject_len);
    at += row->subject_len;
    store_bind_text(statement, 5, at, row->issuer_len);
    at += row->issuer_len;
    store_bind_text(statement, 6, at, row->serial_len);
    at += row->serial_len;
    store_bind_number(statement, 7, row->not_before, DATETIME_NONE);
    store_bind_number(statement, 8, row->not_after, DATETIME_NONE);
    store_bind_text(statement, 9, at, row->key_len);
    sqlite3_bind_int(statement, 10, row->is_ca);
    sqlite3_bind_int(statement, 11, row->strict);
    store_bind_number(statement, 12, row->first_sct, DATETIME_NONE);
    err = store_writer_run(writer, statement, note);
    if (err == ERR_NONE) {
        statement = writer->statements[INSERT_DER];
        sqlite3_bind_int64(statement, 1, *out_row);
        sqlite3_bind_blob(statement, 2, row + 1, (int)row->der_len, SQLITE_STATIC);
        err = store_writer_run(writer, statement, note);
    }
    return err;
}

enum err store_writer_anchor(struct store_writer *writer, const struct cert_record *cert,
                             uint32_t *out_row, struct err_note *note) {
    struct keeper_rows rows = {0};
    keeper_rows_add_cert(&rows, cert);
    enum err err = rows.failed ? no_memory(note)
                               : put_cert(writer, (const struct keeper_cert *)(void *)rows.bytes,
                                          out_row, note);
    keeper_rows_free(&rows);
    return err;
}

/* "[12,13,77]" */
static char *put_numbers(char *at, const uint32_t *numbers, uint32_t count) {
    *at++ = '[';
    for (uint32_t i = 0; i < count; i++) {
        at += sprintf(at, i == 0 ? "%u" : ",%u", numbers[i]);
    }
    *at++ = ']';
    return at;
}

static enum err put_chain(struct store_writer *writer, const struct keeper_chain *row,
                          struct err_note *note) {
    const uint8_t(*digests)[SHA256_LEN] = (const void *)(row + 1);
    writer->chain_cert_count = row->count;
    for (uint32_t i = 0; i < row->count; i++) {
        const struct store_digest *cert = store_digests_find(&writer->certs, digests[i]);
        CHECK(cert != NULL); /* its row came before, or is in the store */
        writer->chain_certs[i] = cert->row;
    }
    const struct store_digest *known = store_digests_find(&writer->chains, row->id);
    if (known != NULL) {
        writer->chain_idx = (uint32_t)(known - writer->chains.items);
        return ERR_NONE;
    }
    uint32_t chain_row = 0;
    writer->chain_idx = writer->chains.count;
    enum err err = add_digest(&writer->chains, row->id, &writer->next_chain, &chain_row, note);
    if (err != ERR_NONE) {
        return err;
    }
    char text[CHAIN_CERTS_MAX * 11 + 2];
    char *end = put_numbers(text, writer->chain_certs, row->count);
    sqlite3_stmt *statement = writer->statements[INSERT_CHAIN];
    sqlite3_bind_int64(statement, 1, chain_row);
    bind_digest(statement, 2, row->id);
    store_bind_text(statement, 3, text, (uint32_t)(end - text));
    return store_writer_run(writer, statement, note);
}

/* References to numbers of certificates, path by path. */
static char *put_paths_text(const struct store_writer *writer, const struct keeper_paths *row,
                            char *at) {
    const uint16_t *refs = (const uint16_t *)(row + 1);
    *at++ = '[';
    for (uint32_t i = 0; i < row->path_count; i++) {
        uint32_t count = *refs++, numbers[PATH_CERTS_MAX];
        for (uint32_t k = 0; k < count; k++, refs++) {
            numbers[k] = (*refs & PATH_REF_ANCHOR) != 0
                             ? writer->anchor_rows[row->profile_idx][*refs & ~PATH_REF_ANCHOR]
                             : writer->chain_certs[*refs];
        }
        *at = ',';
        at = put_numbers(at + (i > 0), numbers, count);
    }
    *at++ = ']';
    return at;
}

static enum err put_paths(struct store_writer *writer, const struct keeper_paths *row,
                          struct err_note *note) {
    struct store_digest *chain = &writer->chains.items[writer->chain_idx];
    if ((chain->profiles & 1u << row->profile_idx) != 0) {
        return ERR_NONE;
    }
    chain->profiles |= 1u << row->profile_idx;
    char text[PATHS_MAX * (PATH_CERTS_MAX * 11 + 3) + 2];
    char *end = put_paths_text(writer, row, text);
    sqlite3_stmt *statement = writer->statements[INSERT_PATHS];
    sqlite3_bind_int64(statement, 1, chain->row);
    sqlite3_bind_int64(statement, 2, writer->profiles[row->profile_idx]);
    store_bind_text(statement, 3, text, (uint32_t)(end - text));
    store_bind_code(writer, statement, 4, STORE_PKIX, row->failure);
    bind_optional(statement, 5, (const char *)(row + 1) + (size_t)row->ref_count * sizeof(uint16_t),
                  row->detail_len);
    sqlite3_bind_int(statement, 6, row->truncated);
    return store_writer_run(writer, statement, note);
}

/* --- targets --- */

static enum err put_target(struct store_writer *writer, const struct keeper_target *row,
                           struct err_note *note) {
    sqlite3_stmt *statement = writer->statements[INSERT_TARGET];
    const char *at = (const char *)(row + 1);
    if (writer->next_target >> STORE_SWEEP_SHIFT != 0) {
        return err_note(note, ERR_IO, "%s: a sweep of more than 2^%d targets",
                        store_file(writer->store), STORE_SWEEP_SHIFT);
    }
    writer->target = (writer->sweep << STORE_SWEEP_SHIFT) + writer->next_target++;
    sqlite3_bind_int64(statement, 1, writer->target);
    sqlite3_bind_int64(statement, 2, (int64_t)row->line);
    sqlite3_bind_int64(statement, 3, (int64_t)row->place);
    sqlite3_bind_int(statement, 5, row->port);
    static const struct {
        int column;
        bool optional;
    } texts[KEEPER_TARGET_TEXTS] = {
        [KEEPER_HOST] = {4, false}, [KEEPER_SNI] = {6, false},  [KEEPER_PIN_HOST] = {7, false},
        [KEEPER_TAG] = {8, true},   [KEEPER_OWNER] = {9, true}, [KEEPER_APPLICATION] = {10, true},
        [KEEPER_ERROR] = {13, true}};
    for (int i = 0; i < KEEPER_TARGET_TEXTS; i++) {
        uint32_t len = row->lens[i];
        if (len == KEEPER_SAME) {
            sqlite3_bind_null(statement, texts[i].column);
            continue;
        }
        if (texts[i].optional) {
            bind_optional(statement, texts[i].column, at, len);
        } else {
            store_bind_text(statement, texts[i].column, at, len);
        }
        at += len;
    }
    sqlite3_bind_int64(statement, 11, row->time_ms);
    store_bind_code(writer, statement, 12, STORE_OUTCOME, row->status);
    store_bind_code(writer, statement, 14, STORE_VERDICT, row->verdict);
    sqlite3_bind_int(statement, 15, row->complete);
    sqlite3_bind_int64(statement, 16, row->views_failed);
    store_bind_number(statement, 17, row->dns_us, -1);
    return store_writer_run(writer, statement, note);
}

/* The text of a TLS number goes into table word when it is met first. */
static enum err note_word(struct store_writer *writer, int kind, uint16_t number,
                          struct err_note *note) {
    static const struct {
        const char *name;
        const char *(*text)(uint16_t number);
    } kinds[STORE_TLS_KINDS] = {{"version", tls_version_text},
                                {"cipher", tls_cipher_text},
                                {"group", tls_group_text},
                                {"signature", tls_signature_text}};
    uint8_t *seen = &writer->seen_words[(size_t)kind << 13 | number >> 3];
    if (number == 0 || (*seen & 1u << (number & 7)) != 0) {
        return ERR_NONE;
    }
    *seen |= (uint8_t)(1u << (number & 7));
    sqlite3_stmt *statement = writer->statements[INSERT_WORD];
    const char *text = kinds[kind].text(number);
    store_bind_text(statement, 1, kinds[kind].name, (uint32_t)strlen(kinds[kind].name));
    sqlite3_bind_int(statement, 2, number);
    store_bind_text(statement, 3, text, (uint32_t)strlen(text));
    return store_writer_run(writer, statement, note);
}

static enum err put_view(struct store_writer *writer, const struct keeper_view *row,
                         struct err_note *note) {
    const uint16_t numbers[STORE_TLS_KINDS] = {row->version, row->cipher, row->group,
                                               row->signature};
    sqlite3_stmt *statement = writer->statements[INSERT_VIEW];
    for (int i = 0; i < STORE_TLS_KINDS; i++) {
        enum err err = note_word(writer, i, numbers[i], note);
        if (err != ERR_NONE) {
            return err;
        }
        sqlite3_bind_int(statement, 9 + i, numbers[i]);
    }
    const char *address = (const char *)(row + 1), *error = address + row->lens[KEEPER_ADDRESS],
               *alpn = error + row->lens[KEEPER_VIEW_ERROR];
    sqlite3_bind_int64(statement, 1, writer->target << STORE_VIEW_SHIFT | row->place);
    store_bind_text(statement, 2, address, row->lens[KEEPER_ADDRESS]);
    store_bind_code(writer, statement, 3, STORE_KEY_TYPE, row->key_type);
    store_bind_code(writer, statement, 4, STORE_OUTCOME, row->status);
    bind_optional(statement, 5, error, row->lens[KEEPER_VIEW_ERROR]);
    sqlite3_bind_int64(statement, 6, row->attempts);
    if (row->depth == KEEPER_NONE) {
        sqlite3_bind_null(statement, 7);
    } else {
        store_bind_code(writer, statement, 7, STORE_DEPTH, row->depth);
    }
    store_bind_code(writer, statement, 8, STORE_PROOF, row->proof);
    bind_optional(statement, 13, alpn, row->lens[KEEPER_ALPN]);
    sqlite3_bind_int(statement, 14, row->client_cert_requested);
    if (row->has_chain) {
        const struct store_digest *chain = store_digests_find(&writer->chains, row->chain_id);
        CHECK(chain != NULL); /* its row came before, or is in the store */
        sqlite3_bind_int64(statement, 15, chain->row);
    } else {
        sqlite3_bind_null(statement, 15);
    }
    sqlite3_bind_int(statement, 16, row->host_match);
    store_bind_number(statement, 17, row->connect_us, -1);
    store_bind_number(statement, 18, row->tls_us, -1);
    return store_writer_run(writer, statement, note);
}

/* --- a block --- */

static enum err put_row(struct store_writer *writer, const struct keeper_head *head,
                        struct err_note *note) {
    uint32_t cert_row;
    switch ((enum keeper_kind)head->kind) {
    case KEEPER_TARGET:
        return put_target(writer, (const struct keeper_target *)head, note);
    case KEEPER_VIEW:
        return put_view(writer, (const struct keeper_view *)head, note);
    case KEEPER_SET:
        return store_writer_put_set(writer, (const struct keeper_set *)head, note);
    case KEEPER_CERT:
        return put_cert(writer, (const struct keeper_cert *)head, &cert_row, note);
    case KEEPER_CHAIN:
        return put_chain(writer, (const struct keeper_chain *)head, note);
    case KEEPER_PATHS:
        return put_paths(writer, (const struct keeper_paths *)head, note);
    }
    CHECK(false);
}

enum err store_writer_put(struct store_writer *writer, struct span rows, struct err_note *note) {
    enum err err = ERR_NONE;
    while (rows.len > 0 && err == ERR_NONE) {
        const struct keeper_head *head = (const struct keeper_head *)(const void *)rows.data;
        DCHECK(head->len <= rows.len && head->len % KEEPER_ALIGN == 0);
        err = put_row(writer, head, note);
        span_take(&rows, head->len);
    }
    return err;
}
