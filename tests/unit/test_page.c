/* The report's parts: what is escaped, what is counted, what is refused. How it looks is
   tests/integration/report.sh's, in a browser. */
#include "engine/page/ndjson.h"
#include "engine/page/page.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/page/html.h"
#include "engine/page/plot.h"
#include "tests/support/suite.h"

#define NOW INT64_C(1800000000)

/* --- text --- */

static void expect_text(const char *in, size_t len, const char *expected) {
    char *text = NULL;
    size_t out_len;
    FILE *out = open_memstream(&text, &out_len);
    html_span(out, span_of(in, len));
    fclose(out);
    CU_ASSERT_STRING_EQUAL(text, expected);
    free(text);
}

static void test_escapes(void) {
    expect_text("<script>alert('x')&\"", 20, "&lt;script&gt;alert(&#39;x&#39;)&amp;&quot;");
    expect_text("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x94\x91", 14,
                "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x94\x91");
    /* overlong, surrogate, beyond Unicode, cut short */
    expect_text("\xC0\xAF", 2, "\xEF\xBF\xBD\xEF\xBF\xBD");
    expect_text("\xED\xA0\x80", 3, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    expect_text("\xF4\x90\x80\x80", 4, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    expect_text("a\xE2\x82", 3, "a\xEF\xBF\xBD\xEF\xBF\xBD");
    /* controls, and what turns the direction of text */
    expect_text("a\x01\x1B[31m\x7F", 8, "a\xEF\xBF\xBD\xEF\xBF\xBD[31m\xEF\xBF\xBD");
    expect_text("a\xE2\x80\xAE"
                "b\xC2\x85",
                7,
                "a\xEF\xBF\xBD"
                "b\xEF\xBF\xBD");
}

static void test_counts(void) {
    const struct {
        uint64_t count;
        const char *text;
    } cases[] = {{0, "0"},
                 {999, "999"},
                 {1000, "1,000"},
                 {1234567, "1,234,567"},
                 {UINT64_MAX, "18,446,744,073,709,551,615"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char *text = NULL;
        size_t len;
        FILE *out = open_memstream(&text, &len);
        html_count(out, cases[i].count);
        fclose(out);
        CU_ASSERT_STRING_EQUAL(text, cases[i].text);
        free(text);
    }
}

static void test_tally(void) {
    struct tally tally;
    tally_init(&tally);
    for (uint32_t i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "key %u", i % 100);
        tally_add(&tally, key, i % 100 < 5 ? 0 : 1, i % 100 == 7 ? 50 : 1);
    }
    CU_ASSERT_EQUAL(tally.count, 100);
    tally_fold(&tally, 1, 6);
    CU_ASSERT_EQUAL(tally.count, 6);
    CU_ASSERT_EQUAL(tally.others_count, 94);
    CU_ASSERT_STRING_EQUAL(tally.rows[0].key, "key 0"); /* the worst first, by name */
    CU_ASSERT_STRING_EQUAL(tally.rows[4].key, "key 4");
    CU_ASSERT_STRING_EQUAL(tally.rows[5].key, "key 7"); /* then the most */
    CU_ASSERT_EQUAL(tally.rows[5].total, 500);
    CU_ASSERT_EQUAL(tally.others.total, 940);
    tally_fini(&tally);
}

/* --- pages --- */

static char *page_of(const struct snapshot *snapshot, size_t *out_len) {
    char *text = NULL;
    struct page page;
    struct err_note note;
    FILE *out = open_memstream(&text, out_len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    page_begin(&page, out, "t", "<s>", NOW);
    CU_ASSERT_EQUAL(page_sweep(&page, snapshot, &note), ERR_NONE);
    page_end(&page);
    fclose(out);
    return text;
}

static size_t occurrences(const char *text, const char *what) {
    size_t count = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
        count++;
    }
    return count;
}

static uint32_t add_cert(struct snapshot *snapshot, uint32_t number, const char *subject) {
    uint8_t digest[SHA256_LEN];
    sha256_once(span_of(&number, sizeof number), digest);
    uint32_t idx = snapshot_cert(snapshot, digest);
    struct snapshot_cert *cert = &snapshot->certs[idx];
    sha256_once(span_of(digest, sizeof digest), cert->spki_sha256);
    cert->has_spki = cert->known = true;
    cert->subject = snapshot_text(snapshot, span_str(subject));
    cert->not_after = NOW + (int64_t)(number % 40 + 1) * 86400;
    return idx;
}

/* `count` endpoints with a leaf each, an issuer for every ten, and one root. */
static void fill(struct snapshot *snapshot, uint32_t count) {
    snapshot_init(snapshot);
    snapshot->meta.sweep = "sweep-id";
    uint32_t root = add_cert(snapshot, 1u << 31, "CN=<Root>,O=Evil\\, Inc");
    uint32_t system = snapshot_profile(snapshot, span_str("system"));
    for (uint32_t i = 0; i < count; i++) {
        char text[64];
        snprintf(text, sizeof text, "CN=issuer %u", i / 10);
        uint32_t issuer = add_cert(snapshot, 1u << 30 | i / 10, text);
        snprintf(text, sizeof text, "CN=leaf %u", i);
        uint32_t certs[3] = {add_cert(snapshot, i, text), issuer, root};
        uint8_t id[SHA256_LEN];
        sha256_once(span_of(&i, sizeof i), id);
        uint32_t chain = snapshot_chain(snapshot, id);
        snapshot_chain_set(snapshot, chain, certs, 2);
        snapshot_chain_judge(snapshot, chain);
        struct snapshot_path path = {
            .profile = system, .cert_count = 3, .preferred = true, .valid = true};
        snapshot_path(snapshot, chain, &path, certs);
        struct snapshot_target *target = snapshot_target(snapshot);
        snprintf(text, sizeof text, "h%u.<b>.example", i);
        target->host = snapshot_text(snapshot, span_str(text));
        target->port = 443;
        snprintf(text, sizeof text, "owner %u", i % 50);
        target->owner = snapshot_text(snapshot, span_str(text));
        target->verdict = i % 3 == 0 ? VERDICT_MISMATCH : VERDICT_MATCH;
        struct snapshot_view *view = snapshot_view(snapshot);
        view->chain = chain;
        struct snapshot_set *set = snapshot_set(snapshot);
        set->name = "pins";
        set->verdict = target->verdict;
        set->durable = true;
        set->reason = "no pin on the path";
        set->expires = NOW + 86400;
    }
}

static void test_sweep(void) {
    struct snapshot snapshot;
    size_t len;
    fill(&snapshot, 30);
    char *page = page_of(&snapshot, &len);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "h0.&lt;b&gt;.example:443"));
    CU_ASSERT_PTR_NULL(strstr(page, "<b>.example"));
    CU_ASSERT_PTR_NULL(strstr(page, "<Root>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "<p>&lt;s&gt;</p>"));
    CU_ASSERT_PTR_NULL(strstr(page, "<script"));
    CU_ASSERT_PTR_NULL(strstr(page, "http:"));
    CU_ASSERT_PTR_NULL(strstr(page, "https:"));
    CU_ASSERT_EQUAL(occurrences(page, "class=\"w w-mismatch\""), 10);
    /* three issuers and the root have dependents, the root all of them */
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "&lt;Root&gt;</th><td>anchor</td><td class=\"n\">30<"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "issuer 2</th><td>intermediate</td><td class=\"n\">10<"));
    CU_ASSERT_EQUAL(occurrences(page, "<tr"), occurrences(page, "</tr>"));
    CU_ASSERT_EQUAL(occurrences(page, "<svg"), occurrences(page, "</svg>"));
    free(page);
    snapshot_fini(&snapshot);
}

static void test_empty_sweep(void) {
    struct snapshot snapshot;
    size_t len;
    fill(&snapshot, 0);
    char *page = page_of(&snapshot, &len);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "None."));
    free(page);
    snapshot_fini(&snapshot);
}

/* What grows with the fleet is counted, not listed. */
static void test_size_is_bounded(void) {
    struct snapshot snapshot;
    size_t small, large;
    fill(&snapshot, 3000);
    free(page_of(&snapshot, &small));
    snapshot_fini(&snapshot);
    fill(&snapshot, 60000);
    char *page = page_of(&snapshot, &large);
    CU_ASSERT(large < small + small / 10);
    CU_ASSERT_EQUAL(occurrences(page, "class=\"w w-mismatch\""), PAGE_WORST_MAX);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "200 of 20000"));
    free(page);
    snapshot_fini(&snapshot);
}

/* --- records --- */

static enum err records_page(bool is_diff, const char *lines, char **out_page,
                             struct err_note *note) {
    struct page page;
    size_t len;
    char *copy = strdup(lines);
    FILE *in = fmemopen(copy, strlen(copy), "r");
    FILE *out = open_memstream(out_page, &len);
    CU_ASSERT(in != NULL && out != NULL);
    page_begin(&page, out, "t", "", NOW);
    enum err err =
        is_diff ? page_diff(&page, in, "file", note) : page_impact(&page, in, "file", note);
    page_end(&page);
    fclose(in);
    fclose(out);
    free(copy);
    return err;
}

static void expect_refused(bool is_diff, const char *lines, const char *message) {
    struct err_note note = {{0}};
    char *page = NULL;
    CU_ASSERT_EQUAL(records_page(is_diff, lines, &page, &note), ERR_INPUT);
    if (strstr(note.text, message) == NULL) {
        printf("%s\n", note.text);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, message));
    free(page);
}

#define CHANGE(host, change, regression)                                                           \
    "{\"schema\":1,\"type\":\"change\",\"change\":\"" change "\",\"regression\":" regression       \
    ",\"host\":\"" host "\",\"port\":443,\"key_type\":\"any\",\"pin_set\":\"\",\"owner\":\"o\","   \
    "\"detail\":\"a < b\"}\n"
#define DIFF_END                                                                                   \
    "{\"schema\":1,\"type\":\"diff-summary\",\"before\":{\"sweep\":\"one\"},\"after\":{\"sweep\":" \
    "\"two\"},\"matched\":5,\"unchanged\":3}\n"

static void test_diff(void) {
    struct err_note note;
    char *page = NULL;
    CU_ASSERT_EQUAL(records_page(true,
                                 CHANGE("a", "renewed", "false")
                                     CHANGE("b", "verdict-worse", "true")
                                         CHANGE("c", "verdict-better", "false") DIFF_END,
                                 &page, &note),
                    ERR_NONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "From one to two"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "a &lt; b"));
    /* what got worse stands before what only changed */
    const char *worse = strstr(page, "b:443"), *renewed = strstr(page, "a:443");
    CU_ASSERT(worse != NULL && renewed != NULL && worse < renewed);
    free(page);
    CU_ASSERT_EQUAL(records_page(true, DIFF_END, &page, &note), ERR_NONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "Nothing changed."));
    free(page);
    expect_refused(true, CHANGE("a", "renewed", "false"), "file:2: the summary is missing");
    expect_refused(true, "{\"schema\":1,\"type\":\"verdict\"}\n",
                   "file:1: not a record of pinsweep diff");
    expect_refused(true, "{\"schema\":2,\"type\":\"change\"}\n",
                   "file:1: not a record of pinsweep, schema 1");
    expect_refused(true, "{\"schema\":1,\"type\":\"chan", "file:1: the last line is torn");
    expect_refused(true, "not JSON\n", "file:1: not a record");
}

static void test_diff_many(void) {
    char *lines = NULL, *page = NULL;
    size_t len;
    struct err_note note;
    FILE *out = open_memstream(&lines, &len);
    for (int i = 0; i < 1000; i++) {
        fputs(i % 2 == 0 ? CHANGE("a", "renewed", "false") : CHANGE("b", "gone", "true"), out);
    }
    fputs(DIFF_END, out);
    fclose(out);
    CU_ASSERT_EQUAL(records_page(true, lines, &page, &note), ERR_NONE);
    CU_ASSERT_EQUAL(occurrences(page, "b:443"), PAGE_WORST_MAX);
    CU_ASSERT_EQUAL(occurrences(page, "a:443"), 0);
    free(page);
    free(lines);
}

/* Numbers that no count and no port has. */
static void test_numbers(void) {
    struct err_note note;
    char *page = NULL;
    CU_ASSERT_EQUAL(
        records_page(true,
                     "{\"schema\":1,\"type\":\"change\",\"change\":\"gone\",\"host\":\"a\","
                     "\"port\":1e300}\n"
                     "{\"schema\":1,\"type\":\"change\",\"change\":\"gone\",\"host\":\"b\","
                     "\"port\":-1}\n"
                     "{\"schema\":1,\"type\":\"diff-summary\",\"matched\":1e300,"
                     "\"unchanged\":-7}\n",
                     &page, &note),
        ERR_NONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "a:0"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "b:0"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "<b>281,474,976,710,656</b>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "<b>0</b><span>of them unchanged"));
    free(page);
}

/* A NUL must not look like the end of the file: what comes after it would be missing. */
static void test_nul(void) {
    static const char lines[] = "{\"schema\":1,\"type\":\"impact\",\"outcome\":\"ok\"}\n\0\n"
                                "{\"schema\":1,\"type\":\"impact\",\"outcome\":\"breaks\"}\n";
    struct ndjson ndjson;
    struct err_note note;
    enum err err;
    FILE *in = fmemopen((char *)(uintptr_t)lines, sizeof lines - 1, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    ndjson_begin(&ndjson, in, "file");
    CU_ASSERT_PTR_NOT_NULL(ndjson_next(&ndjson, &err, &note));
    CU_ASSERT_PTR_NULL(ndjson_next(&ndjson, &err, &note));
    CU_ASSERT_EQUAL(err, ERR_INPUT);
    CU_ASSERT_STRING_EQUAL(note.text, "file:2: the line holds a NUL byte");
    ndjson_end(&ndjson);
    fclose(in);
}

#define IMPACT(host, outcome, earliest)                                                            \
    "{\"schema\":1,\"type\":\"impact\",\"scenario\":\"leave <ca>\",\"host\":\"" host               \
    "\",\"port\":443,\"pin_set\":\"p\",\"application\":\"\",\"platform\":\"\",\"owner\":\"o\","    \
    "\"outcome\":\"" outcome "\",\"earliest_safe\":" earliest ",\"reason\":\"r\"}\n"

static void test_impact(void) {
    struct err_note note;
    char *page = NULL;
    CU_ASSERT_EQUAL(
        records_page(false,
                     IMPACT("a", "ok", "null") IMPACT("b", "survives-on-last-pin", "null")
                         IMPACT("c", "breaks", "\"2027-03-09\"")
                             IMPACT("d", "breaks",
                                    "\"2027-01-09\"") "{\"schema\":1,\"type\":\"impact-summary\","
                                                      "\"scenario\":\"x\",\"by\":\"ca\","
                                                      "\"key\":\"CN=CA\",\"targets\":4,"
                                                      "\"outcomes\":{\"breaks\":2,\"ok\":2}}\n",
                     &page, &note),
        ERR_NONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "Scenario: leave &lt;ca&gt;. All clients can be updated by "
                                        "2027-03-09"));
    const char *breaks = strstr(page, "c:443"), *last = strstr(page, "b:443");
    CU_ASSERT(breaks != NULL && last != NULL && breaks < last);
    CU_ASSERT_PTR_NULL(strstr(page, "a:443"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "By certification authority"));
    CU_ASSERT_PTR_NULL(strstr(page, "By platform")); /* nobody names one */
    free(page);
    expect_refused(false, IMPACT("a", "flies", "null"), "file:1: not a record of pinsweep impact");
    expect_refused(false, "", "no impact record");
}

SUITE_MAIN("page", {"escapes", test_escapes}, {"counts", test_counts}, {"tally", test_tally},
           {"a sweep", test_sweep}, {"an empty sweep", test_empty_sweep},
           {"its size is bounded", test_size_is_bounded}, {"a diff", test_diff},
           {"a diff of many changes", test_diff_many}, {"an impact", test_impact},
           {"numbers out of range", test_numbers}, {"a NUL byte", test_nul})
