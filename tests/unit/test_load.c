#include "engine/history/load.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/codec/text.h"
#include "engine/history/load_ndjson.h"
#include "tests/support/pki.h"
#include "tests/support/suite.h"

/* Digests of one repeated byte: "aa...". */
#define HEX8(c) c c c c c c c c
#define HEX(c) HEX8(c) HEX8(c) HEX8(c) HEX8(c)
#define KEY_1 "C5+lpZ7tcVwmwQIMcRtPbsQtWLABXhQzejna0wHFr8M="
#define KEY_2 "mEflZT5enoR1FuXLgYYGqnVEoZvmf9c2bVBpiOjYQ0c="

#define CERT(digest, key, subject, until)                                                          \
    "{\"cert_sha256\":\"" digest "\",\"spki_sha256\":\"" key "\",\"subject\":\"CN=" subject "\","  \
    "\"issuer\":\"CN=ca\",\"serial\":\"01\",\"not_before\":\"2026-01-01T00:00:00Z\","              \
    "\"not_after\":\"" until "\",\"on_path\":true,\"strict\":true}"
#define BARE(digest, key)                                                                          \
    "{\"cert_sha256\":\"" digest "\",\"spki_sha256\":\"" key "\",\"on_path\":true,"                \
    "\"strict\":true}"
#define PATHS                                                                                      \
    "[{\"trust\":\"system\",\"preferred\":true,\"valid\":true,\"certificates\":[\"" HEX(           \
        "aa") "\",\"" HEX("bb") "\",\"" HEX("cc") "\"],\"anchor_subject\":\"CN=root\","            \
                                                  "\"anchor_spki_sha256\":\"" KEY_1 "\","          \
                                                  "\"not_after\":\"2026-12-01T00:00:00Z\"}]"
#define VIEW(chain, paths)                                                                         \
    "{\"address\":\"192.0.2.7\",\"key_type\":\"ecdsa\",\"status\":\"success\",\"error\":\"\","     \
    "\"attempts\":1,\"depth\":\"prove\",\"proof\":\"possession\",\"tls_version\":\"TLSv1.3\","     \
    "\"leaf_key\":\"ecdsa-p256\",\"chain_id\":\"" HEX("1f") "\",\"chain\":" chain                  \
                                                            ",\"paths\":" paths                    \
                                                            ",\"pkix\":[{\"trust\":\"system\","    \
                                                            "\"result\":\"ok\",\"detail\":\"\"}]," \
                                                            "\"host_match\":true}"
#define SETS                                                                                       \
    "[{\"name\":\"app\",\"verdict\":\"report-only\",\"would_be\":\"match\",\"durable\":true,"      \
    "\"application\":\"bank\",\"owner\":\"me\",\"expires\":\"2027-06-01\",\"matches\":[{"          \
    "\"pin\":\"sha256/x\",\"certificate\":\"" HEX(                                                 \
        "bb") "\"}],"                                                                              \
              "\"failed\":[]},{\"name\":\"old\",\"verdict\":\"mismatch\",\"would_be\":"            \
              "\"mismatch\",\"durable\":false,\"application\":\"\",\"owner\":\"\",\"expires\":"    \
              "null,\"matches\":[],\"failed\":[{\"reason\":\"no pin on the path\","                \
              "\"pin\":\"\",\"certificate\":\"\"}]}]"
#define RECORD(sweep, host, status, verdict, sets, views, detail)                                  \
    "{\"schema\":1,\"type\":\"verdict\",\"sweep\":\"" sweep "\",\"line\":7,\"host\":\"" host       \
    "\",\"port\":443,\"sni\":\"" host "\",\"pin_host\":\"" host "\",\"tag\":\"t\",\"owner\":\"\"," \
    "\"application\":\"\",\"time\":\"2026-11-24T02:11:09.123Z\",\"status\":\"" status              \
    "\",\"error\":\"\",\"verdict\":\"" verdict "\",\"complete\":true,\"views_failed\":0,"          \
    "\"pin_sets\":" sets ",\"views\":[" views "],\"detail\":\"" detail "\",\"new\":[{}]}"
#define CHAIN                                                                                      \
    "[" CERT(HEX("aa"), KEY_2, "leaf",                                                             \
             "2027-01-01T00:00:00Z") "," CERT(HEX("bb"), KEY_1, "ca", "2028-01-01T00:00:00Z") "]"
#define FULL RECORD("s1", "a.example", "success", "mismatch", SETS, VIEW(CHAIN, PATHS), "full")

static struct snapshot snapshot;
static struct err_note note;

static enum err load_text_as(const char *text, const char *sweep) {
    struct loader loader = {
        .snapshot = &snapshot, .file = "f", .sweep = sweep, .seen = "", .note = &note};
    enum err err = ERR_NONE;
    note.text[0] = '\0';
    snapshot_init(&snapshot);
    struct span rest = span_str(text);
    while (rest.len > 0 && err == ERR_NONE) {
        loader.line++;
        err = load_line(&loader, span_take(&rest, span_find(rest, '\n')));
        span_take(&rest, 1);
    }
    load_derive(&snapshot);
    return err;
}

static void test_record(void) {
    CU_ASSERT_EQUAL_FATAL(load_text_as(FULL "\n", ""), ERR_NONE);
    const struct snapshot_target *target = &snapshot.targets[0];
    CU_ASSERT_EQUAL(snapshot.targets_count, 1);
    CU_ASSERT_STRING_EQUAL(target->host, "a.example");
    CU_ASSERT_PTR_EQUAL(target->host, target->sni); /* each text once */
    CU_ASSERT_STRING_EQUAL(target->tag, "t");
    CU_ASSERT_EQUAL(target->port, 443);
    CU_ASSERT_EQUAL(target->line, 7);
    CU_ASSERT_EQUAL(target->time_ms, INT64_C(1795486269123));
    CU_ASSERT_EQUAL(target->status, OUTCOME_SUCCESS);
    CU_ASSERT_EQUAL(target->verdict, VERDICT_MISMATCH);
    CU_ASSERT_EQUAL(target->view_count, 1);
    CU_ASSERT_EQUAL(target->set_count, 2);
    const struct snapshot_view *view = &snapshot.views[0];
    CU_ASSERT_STRING_EQUAL(view->address, "192.0.2.7");
    CU_ASSERT_EQUAL(view->key_type, KEY_VIEW_ECDSA);
    CU_ASSERT_EQUAL(view->depth, DEPTH_PROVE);
    CU_ASSERT_EQUAL(view->proof, PROOF_POSSESSION);
    CU_ASSERT(view->host_match);
    const struct snapshot_chain *chain = &snapshot.chains[view->chain];
    CU_ASSERT_EQUAL(chain->id[5], 0x1f);
    CU_ASSERT_EQUAL(chain->cert_count, 2);
    CU_ASSERT(chain->judged);
    const struct snapshot_cert *leaf = snapshot_chain_leaf(&snapshot, chain);
    CU_ASSERT_STRING_EQUAL(leaf->subject, "CN=leaf");
    CU_ASSERT_STRING_EQUAL(leaf->key, "ecdsa-p256");
    CU_ASSERT(leaf->has_spki && leaf->known && !leaf->is_ca);
    CU_ASSERT_EQUAL(leaf->spki_sha256[0], 0x98);
    uint32_t path_idx = snapshot_preferred(&snapshot, chain, 0);
    CU_ASSERT_NOT_EQUAL_FATAL(path_idx, SNAPSHOT_NONE);
    const struct snapshot_path *path = &snapshot.paths[path_idx];
    CU_ASSERT_EQUAL(path->cert_count, 3);
    CU_ASSERT(path->valid);
    const struct snapshot_cert *anchor = &snapshot.certs[snapshot.path_certs[path->first_cert + 2]];
    CU_ASSERT_STRING_EQUAL(anchor->subject, "CN=root");
    CU_ASSERT(anchor->has_spki && anchor->is_ca);
    /* the path ends before both that were sent: it is the anchor that ends then */
    CU_ASSERT_EQUAL(anchor->not_after, path->not_after);
    CU_ASSERT_EQUAL(chain->pkix_count, 1);
    CU_ASSERT_EQUAL(snapshot.pkix[chain->first_pkix].result, PKIX_OK);
    snapshot_fini(&snapshot);
}

static void test_sets(void) {
    CU_ASSERT_EQUAL_FATAL(load_text_as(FULL, ""), ERR_NONE);
    const struct snapshot_set *sets = snapshot.sets;
    CU_ASSERT_STRING_EQUAL(sets[0].name, "app");
    CU_ASSERT_EQUAL(sets[0].verdict, VERDICT_REPORT_ONLY);
    CU_ASSERT_EQUAL(sets[0].would_be, VERDICT_MATCH);
    CU_ASSERT(sets[0].durable && !sets[1].durable);
    CU_ASSERT_EQUAL(sets[0].expires, INT64_C(1811808000));
    CU_ASSERT_EQUAL(sets[1].expires, DATETIME_NONE);
    CU_ASSERT_STRING_EQUAL(sets[0].pin, "sha256/x");
    CU_ASSERT_EQUAL(snapshot.certs[sets[0].cert].cert_sha256[9], 0xbb);
    CU_ASSERT_EQUAL(sets[1].cert, SNAPSHOT_NONE);
    CU_ASSERT_STRING_EQUAL(sets[1].reason, "no pin on the path");
    snapshot_fini(&snapshot);
}

/* A chain judged by a shorter record is judged again by a longer one, not the other way round. */
static void test_reduced_detail(void) {
#define IDS "[" BARE(HEX("aa"), KEY_2) "," BARE(HEX("bb"), KEY_1) "]"
#define LEAST RECORD("s1", "b", "success", "unpinned", "[]", VIEW("[]", "[]"), "verdicts")
#define SOME RECORD("s1", "c", "success", "unpinned", "[]", VIEW(IDS, "[]"), "ids")
    CU_ASSERT_EQUAL_FATAL(load_text_as(LEAST "\n\n \n" SOME, ""), ERR_NONE);
    CU_ASSERT_EQUAL(snapshot.chains_count, 1);
    CU_ASSERT_EQUAL(snapshot.chains[0].cert_count, 2);
    CU_ASSERT(snapshot.chains[0].judged);
    CU_ASSERT_EQUAL(snapshot.chains[0].path_count, 0);
    CU_ASSERT_FALSE(snapshot.certs[0].known);
    CU_ASSERT_EQUAL(snapshot.certs[0].not_after, DATETIME_NONE);
    snapshot_fini(&snapshot);
    CU_ASSERT_EQUAL_FATAL(load_text_as(LEAST, ""), ERR_NONE);
    CU_ASSERT_FALSE(snapshot.chains[0].judged);
    snapshot_fini(&snapshot);
    CU_ASSERT_EQUAL_FATAL(load_text_as(SOME "\n" FULL "\n" LEAST, ""), ERR_NONE);
    CU_ASSERT_EQUAL(snapshot.chains_count, 1);
    CU_ASSERT_EQUAL(snapshot.chains[0].path_count, 1);
    CU_ASSERT_EQUAL(snapshot.targets_count, 3);
    snapshot_fini(&snapshot);
}

static void test_no_view(void) {
    CU_ASSERT_EQUAL_FATAL(
        load_text_as(RECORD("s", "x", "dns-nxdomain", "unknown", "[]", "", "full"), ""), ERR_NONE);
    CU_ASSERT_EQUAL(snapshot.targets[0].status, OUTCOME_DNS_NXDOMAIN);
    CU_ASSERT_EQUAL(snapshot.views_count, 0);
    snapshot_fini(&snapshot);
}

static void test_which_sweep(void) {
#define FIRST RECORD("s1", "a", "success", "unpinned", "[]", "", "full")
#define SECOND RECORD("s2", "b", "success", "unpinned", "[]", "", "full")
    CU_ASSERT_EQUAL(load_text_as(FIRST "\n" SECOND, ""), ERR_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "f:2: after sweep s1"));
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "f#s2"));
    snapshot_fini(&snapshot);
    CU_ASSERT_EQUAL(load_text_as(FIRST "\n" SECOND, "s2"), ERR_NONE);
    CU_ASSERT_EQUAL(snapshot.targets_count, 1);
    CU_ASSERT_STRING_EQUAL(snapshot.targets[0].host, "b");
    snapshot_fini(&snapshot);
    CU_ASSERT_EQUAL(load_text_as(FIRST "\n" SECOND, "all"), ERR_NONE);
    CU_ASSERT_EQUAL(snapshot.targets_count, 2);
    snapshot_fini(&snapshot);
}

static void check_refused(const char *text, const char *expected) {
    enum err err = load_text_as(text, "");
    CU_ASSERT_EQUAL(err, ERR_INPUT);
    if (strstr(note.text, expected) == NULL) {
        printf("'%s' lacks '%s'\n", note.text, expected);
        CU_FAIL("another message");
    }
    snapshot_fini(&snapshot);
}

/* A copy with `from` replaced, in a buffer that lives until the next call. */
static const char *with(const char *from, const char *to) {
    static char text[8192];
    const char *at = strstr(FULL, from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - FULL), FULL, to, at + strlen(from));
    return text;
}

static void test_refused(void) {
    check_refused("\n\nhost.example:443", "f:3: no JSON record");
    check_refused("{\"schema\":1,\"type\":\"verd", "f:1: the record is broken or cut off");
    check_refused(FULL FULL, "f:1: the record is broken");
    check_refused("{\"a\":1}", "it has no schema");
    check_refused("{\"schema\":1}", "it has no type");
    check_refused("{\"schema\":1,\"type\":\"hash\"}", "type 'hash'");
    check_refused(with("\"schema\":1", "\"schema\":2"), "another schema version");
    check_refused(with("\"port\":443", "\"port\":65536"), "field port");
    check_refused(with("\"port\":443", "\"port\":\"443\""), "field port");
    check_refused(with("\"line\":7", "\"line\":-1"), "field line");
    check_refused(with("\"host\":", "\"hast\":"), "field host");
    check_refused(with("\"verdict\":\"mismatch\"", "\"verdict\":\"good\""), "field verdict");
    check_refused(with("\"status\":\"success\"", "\"status\":\"\""), "field status");
    check_refused(with("\"time\":\"2026", "\"time\":\"x026"), "field time");
    check_refused(with("\"views\":[", "\"views\":0,\"v\":["), "field views");
    check_refused(with("\"chain_id\":\"1f", "\"chain_id\":\"g"), "field chain_id");
    check_refused(with("\"cert_sha256\":\"aa", "\"cert_sha256\":\""), "field cert_sha256");
    check_refused(with("\"spki_sha256\":\"mE", "\"spki_sha256\":\"m!"), "field spki_sha256");
    check_refused(with("\"result\":\"ok\"", "\"result\":\"fine\""), "field result");
    check_refused(with("\"key_type\":\"ecdsa\"", "\"key_type\":\"dsa\""), "field key_type");
}

/* Every prefix of a record is refused, none is taken for less. */
static void test_torn(void) {
    static char text[sizeof FULL];
    for (size_t len = 1; len < sizeof FULL - 1; len++) {
        memcpy(text, FULL, len);
        text[len] = '\0';
        CU_ASSERT_EQUAL(load_text_as(text, ""), ERR_INPUT);
        snapshot_fini(&snapshot);
    }
}

/* --- files --- */

struct files {
    char folder[64], records[96], chains[96], metadata[96];
};

static void write_file(const char *file, const char *text) {
    FILE *out = fopen(file, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    fputs(text, out);
    fclose(out);
}

static void files_make(struct files *files) {
    snprintf(files->folder, sizeof files->folder, "/tmp/pinsweep-load-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(files->folder));
    snprintf(files->records, sizeof files->records, "%s/r#1", files->folder);
    snprintf(files->chains, sizeof files->chains, "%s/c", files->folder);
    snprintf(files->metadata, sizeof files->metadata, "%s/m", files->folder);
}

static void files_remove(const struct files *files) {
    unlink(files->records);
    unlink(files->chains);
    unlink(files->metadata);
    rmdir(files->folder);
}

static void hex_of(char out[2 * SHA256_LEN + 1], const uint8_t digest[SHA256_LEN]) {
    out[hex_encode(out, span_of(digest, SHA256_LEN))] = '\0';
}

/* A minted chain in records (its digests) and in chain lines (its PEM). */
static void write_minted(const struct files *files, struct pki *pki, bool broken_pem) {
    static char text[65536];
    char hex[3][2 * SHA256_LEN + 1];
    uint8_t digests[2 * SHA256_LEN], id[SHA256_LEN];
    for (int i = 0; i < 2; i++) {
        hex_of(hex[i], pki->certs[i].sha256);
        memcpy(digests + i * SHA256_LEN, pki->certs[i].sha256, SHA256_LEN);
    }
    sha256_once(span_of(digests, sizeof digests), id);
    hex_of(hex[2], id);
    snprintf(text, sizeof text,
             RECORD("s1", "a", "success", "unpinned", "[]",
                    "{\"address\":\"\",\"key_type\":\"any\",\"status\":\"success\",\"depth\":\"\","
                    "\"proof\":\"none\",\"tls_version\":\"\",\"chain_id\":\"%s\",\"chain\":["
                    "{\"cert_sha256\":\"%s\",\"spki_sha256\":\"\"},"
                    "{\"cert_sha256\":\"%s\",\"spki_sha256\":\"\"}],\"paths\":[],\"pkix\":[],"
                    "\"host_match\":true}",
                    "ids") "\n",
             hex[2], hex[0], hex[1]);
    write_file(files->records, text);
    char *at = text;
    at += sprintf(at, "{\"schema\":1,\"type\":\"chain\",\"chain_id\":\"%s\",\"certificates\":[",
                  hex[2]);
    for (int i = 0; i < 2; i++) {
        at += sprintf(at, "%s{\"cert_sha256\":\"%s\",\"pem\":\"-----BEGIN CERTIFICATE-----\\n",
                      i > 0 ? "," : "", hex[i]);
        at += base64_encode(at, broken_pem ? pki->certs[1 - i].der : pki->certs[i].der);
        at += sprintf(at, "\\n-----END CERTIFICATE-----\\n\"}");
    }
    sprintf(at, "]}\n");
    write_file(files->chains, text);
}

static void test_chain_lines(void) {
    static struct pki pki;
    struct files files;
    pki_init(&pki);
    pki_mint(&pki, (struct pki_spec){.subject = "leaf", .issuer = "ca"});
    pki_mint(&pki, (struct pki_spec){.subject = "ca", .issuer = "ca", .ca = true});
    files_make(&files);
    write_minted(&files, &pki, false);
    for (enum keep_der keep = KEEP_DER_NONE; keep <= KEEP_DER_ALL; keep++) {
        struct snapshot_load_options options = {.keep_der = keep};
        snapshot_init(&snapshot);
        CU_ASSERT_EQUAL_FATAL(
            snapshot_load(files.records, files.chains, &options, &snapshot, &note), ERR_NONE);
        const struct snapshot_cert *leaf = snapshot_chain_leaf(&snapshot, &snapshot.chains[0]);
        const struct snapshot_cert *ca = &snapshot.certs[snapshot.chain_certs[1]];
        CU_ASSERT(leaf->known && leaf->has_spki && !leaf->is_ca && ca->is_ca);
        CU_ASSERT_STRING_EQUAL(leaf->subject, "CN=leaf");
        CU_ASSERT_STRING_EQUAL(leaf->issuer, "CN=ca");
        CU_ASSERT_EQUAL(leaf->der.len > 0, keep == KEEP_DER_ALL);
        CU_ASSERT_EQUAL(ca->der.len > 0, keep != KEEP_DER_NONE);
        snapshot_fini(&snapshot);
    }
    write_minted(&files, &pki, true);
    struct snapshot_load_options options = {.keep_der = KEEP_DER_ALL};
    snapshot_init(&snapshot);
    CU_ASSERT_EQUAL(snapshot_load(files.records, files.chains, &options, &snapshot, &note),
                    ERR_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "/c:1: a certificate that its digest is not of"));
    snapshot_fini(&snapshot);
    files_remove(&files);
    pki_fini(&pki);
}

static void test_files(void) {
    struct files files;
    char named[128];
    files_make(&files);
    write_file(files.records, FIRST "\n" SECOND "\n");
    write_file(files.metadata,
               "{\"schema\":1,\"type\":\"metadata\",\"sweep\":\"s2\",\"started\":"
               "\"2026-11-24T02:00:00.500Z\",\"ended\":\"2026-11-24T03:00:00.000Z\","
               "\"interrupted\":true,\"handshakes\":{\"completed\":12}}\n");
    struct snapshot_load_options options = {.metadata_file = files.metadata};
    snprintf(named, sizeof named, "%s#s2", files.records);
    snapshot_init(&snapshot);
    CU_ASSERT_EQUAL_FATAL(snapshot_load(named, NULL, &options, &snapshot, &note), ERR_NONE);
    CU_ASSERT_STRING_EQUAL(snapshot.meta.sweep, "s2");
    CU_ASSERT_STRING_EQUAL(snapshot.meta.source, named);
    CU_ASSERT_EQUAL(snapshot.meta.started_ms % 1000, 500);
    CU_ASSERT_EQUAL(snapshot.meta.handshakes, 12);
    CU_ASSERT_FALSE(snapshot.meta.whole);
    CU_ASSERT_PTR_NOT_NULL(strstr(snapshot.meta.metadata, "\"interrupted\":true"));
    snapshot_fini(&snapshot);
    snprintf(named, sizeof named, "%s#s3", files.records);
    options.metadata_file = NULL;
    snapshot_init(&snapshot);
    CU_ASSERT_EQUAL(snapshot_load(named, NULL, &options, &snapshot, &note), ERR_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "no record of sweep s3"));
    snapshot_fini(&snapshot);
    snapshot_init(&snapshot);
    CU_ASSERT_EQUAL(snapshot_load("/nowhere/at#all", NULL, &options, &snapshot, &note), ERR_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "/nowhere/at: cannot be opened"));
    snapshot_fini(&snapshot);
    files_remove(&files);
}

/* A line at the bound and above it; the buffer's end in the middle of lines. */
static void test_long_lines(void) {
    struct files files;
    files_make(&files);
    FILE *out = fopen(files.records, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    for (int i = 0; i < 3; i++) {
        fprintf(out, "%s%*s\n", FIRST, LOAD_LINE_BYTES_MAX / 3, "");
    }
    fclose(out);
    struct snapshot_load_options options = {.metadata_file = NULL};
    snapshot_init(&snapshot);
    CU_ASSERT_EQUAL(snapshot_load(files.records, NULL, &options, &snapshot, &note), ERR_NONE);
    CU_ASSERT_EQUAL(snapshot.targets_count, 3);
    CU_ASSERT(snapshot.meta.whole);
    CU_ASSERT_EQUAL(snapshot.meta.started_ms, snapshot.targets[0].time_ms);
    snapshot_fini(&snapshot);
    out = fopen(files.records, "a");
    fprintf(out, "%*s\n", LOAD_LINE_BYTES_MAX, "");
    fclose(out);
    snapshot_init(&snapshot);
    CU_ASSERT_EQUAL(snapshot_load(files.records, NULL, &options, &snapshot, &note), ERR_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "r#1:4: the line is longer"));
    snapshot_fini(&snapshot);
    files_remove(&files);
}

SUITE_MAIN("load", {"a record", test_record}, {"its pin sets", test_sets},
           {"reduced detail", test_reduced_detail}, {"a target without views", test_no_view},
           {"which sweep", test_which_sweep}, {"what is refused", test_refused},
           {"torn records", test_torn}, {"chain lines with PEM", test_chain_lines},
           {"files", test_files}, {"long lines", test_long_lines})
