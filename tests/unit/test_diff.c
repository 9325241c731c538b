#include "engine/history/diff.h"

#include <stdlib.h>

#include "tests/support/strict_json.h"
#include "tests/support/suite.h"

#define DAY_MS INT64_C(86400000)
#define FIRST_MS INT64_C(1795399200000)

/* A target in few words; what is left out is "", or as below. */
struct made {
    const char *host, *sni, *tag, *address;
    enum key_view key_type;
    enum outcome status;
    const char *leaf, *key, *issuer, *root, *extra; /* labels; extra: sent besides */
    int days;                                       /* until the leaf ends; 0: 100 */
    enum pkix pkix;
    bool misnamed, same_target; /* same_target: another view of the one before */
    const char *set;
    enum verdict verdict; /* of the set, else of the target */
    enum verdict would_be;
    int set_days; /* until it expires; 0: never */
    bool fragile;
};

static struct snapshot nights[2];
static struct diff diff;

static uint32_t cert(struct snapshot *snapshot, const char *label, const char *key,
                     const char *issuer, int64_t not_after) {
    uint8_t digest[SHA256_LEN];
    sha256_once(span_str(label), digest);
    uint32_t idx = snapshot_cert(snapshot, digest);
    struct snapshot_cert *made = &snapshot->certs[idx];
    sha256_once(span_str(key), made->spki_sha256);
    made->has_spki = made->known = true;
    made->subject = snapshot_text(snapshot, span_str(label));
    made->issuer = snapshot_text(snapshot, span_str(issuer));
    made->not_before = 0;
    made->not_after = not_after;
    return idx;
}

static uint32_t chain(struct snapshot *snapshot, const struct made *made, int64_t now_ms) {
    uint32_t certs[4], sent = 2;
    uint8_t id[3 * SHA256_LEN], digest[SHA256_LEN];
    const char *issuer = made->issuer != NULL ? made->issuer : "I",
               *root = made->root != NULL ? made->root : "R";
    int64_t far_s = INT64_C(4000000000);
    certs[0] = cert(snapshot, made->leaf, made->key != NULL ? made->key : made->leaf, issuer,
                    (now_ms + (made->days != 0 ? made->days : 100) * DAY_MS) / 1000);
    certs[1] = cert(snapshot, issuer, issuer, root, far_s);
    uint32_t path[] = {certs[0], certs[1], cert(snapshot, root, root, root, far_s)};
    if (made->extra != NULL) {
        certs[sent++] = cert(snapshot, made->extra, made->extra, "x", far_s);
    }
    for (uint32_t i = 0; i < sent; i++) {
        memcpy(id + i * SHA256_LEN, snapshot->certs[certs[i]].cert_sha256, SHA256_LEN);
    }
    sha256_once(span_of(id, sent * SHA256_LEN), digest);
    uint32_t idx = snapshot_chain(snapshot, digest);
    if (!snapshot->chains[idx].judged) {
        uint32_t profile = snapshot_profile(snapshot, span_str("system"));
        struct snapshot_path kept = {
            .profile = profile, .cert_count = 3, .preferred = true, .valid = made->pkix == PKIX_OK};
        snapshot_chain_set(snapshot, idx, certs, sent);
        snapshot_chain_judge(snapshot, idx);
        snapshot_path(snapshot, idx, &kept, path);
        snapshot_pkix(snapshot, idx, profile, made->pkix);
    }
    return idx;
}

static const char *text(const char *or_none) {
    return or_none != NULL ? or_none : "";
}

static void fill(int night, const struct made *made, size_t count) {
    struct snapshot *snapshot = &nights[night];
    int64_t now_ms = FIRST_MS + night * DAY_MS;
    snapshot_init(snapshot);
    snapshot->meta.whole = true;
    snapshot->meta.source = night == 0 ? "first" : "second";
    for (size_t i = 0; i < count; i++) {
        if (!made[i].same_target) {
            struct snapshot_target *target = snapshot_target(snapshot);
            target->host = snapshot_text(snapshot, span_str(made[i].host));
            target->sni =
                made[i].sni != NULL ? snapshot_text(snapshot, span_str(made[i].sni)) : target->host;
            target->pin_host = target->sni;
            target->tag = snapshot_text(snapshot, span_str(text(made[i].tag)));
            target->port = 443;
            target->line = i + 1;
            target->time_ms = now_ms;
            target->status = made[i].status;
            target->verdict = made[i].set == NULL && made[i].verdict == VERDICT_MISMATCH
                                  ? VERDICT_UNPINNED
                                  : made[i].verdict;
        }
        uint32_t chain_idx =
            made[i].leaf == NULL ? SNAPSHOT_NONE : chain(snapshot, &made[i], now_ms);
        struct snapshot_view *view = snapshot_view(snapshot);
        view->address = snapshot_text(snapshot, span_str(text(made[i].address)));
        view->key_type = made[i].key_type;
        view->status = made[i].status;
        view->chain = chain_idx;
        view->host_match = !made[i].misnamed;
        if (made[i].set != NULL) {
            struct snapshot_set *set = snapshot_set(snapshot);
            set->name = snapshot_text(snapshot, span_str(made[i].set));
            set->verdict = made[i].verdict;
            set->would_be = made[i].would_be != VERDICT_MISMATCH ? made[i].would_be : set->verdict;
            set->durable = !made[i].fragile;
            set->expires =
                made[i].set_days == 0 ? DATETIME_NONE : FIRST_MS / 1000 + made[i].set_days * 86400;
        }
    }
}

static void begin(const struct made *before, size_t before_count, const struct made *after,
                  size_t after_count, const struct diff_options *options) {
    struct diff_options defaults;
    struct err_note note;
    diff_options_init(&defaults);
    fill(0, before, before_count);
    fill(1, after, after_count);
    CU_ASSERT_EQUAL_FATAL(
        diff_run(&diff, &nights[0], &nights[1], options != NULL ? options : &defaults, &note),
        ERR_NONE);
}

static void end(void) {
    diff_fini(&diff);
    snapshot_fini(&nights[0]);
    snapshot_fini(&nights[1]);
}

/* "verdict-worse!:match -> mismatch (app)|gone:...": all changes, in order. */
static void check(const char *expected) {
    static char got[8192];
    size_t len = 0;
    got[0] = '\0';
    for (uint32_t i = 0; i < diff.change_count; i++) {
        char detail[512];
        diff_describe(&diff, &diff.changes[i], detail, sizeof detail);
        len += (size_t)snprintf(got + len, sizeof got - len, "%s%s%s:%s", i > 0 ? "|" : "",
                                diff_kinds[diff.changes[i].kind].name,
                                diff.changes[i].regression ? "!" : "", detail);
    }
    if (strcmp(got, expected) != 0) {
        printf("\n  got      %s\n  expected %s\n", got, expected);
    }
    CU_ASSERT_STRING_EQUAL(got, expected);
}

/* One target, one view, in both nights. */
static void check_one(struct made before, struct made after, const char *expected) {
    before.host = after.host = "a";
    before.address = before.address != NULL ? before.address : "192.0.2.1";
    after.address = after.address != NULL ? after.address : "192.0.2.1";
    begin(&before, 1, &after, 1, NULL);
    check(expected);
    CU_ASSERT_EQUAL(diff.matched, 1);
    CU_ASSERT_EQUAL(diff.unchanged + diff.not_compared, diff.change_count == 0);
    end();
}

static void test_certificates(void) {
    check_one((struct made){.leaf = "L1"}, (struct made){.leaf = "L1", .days = 99}, "");
    check_one((struct made){.leaf = "L1", .key = "K1"},
              (struct made){.leaf = "L2", .key = "K1", .days = 200},
              "renewed:until 2027-03-03 -> 2027-06-12");
    check_one((struct made){.leaf = "L1", .key = "K1"}, (struct made){.leaf = "L2", .key = "K2"},
              "key-rotated:sha256/uttyg3ZqESrr2yk2B3ol9duF6kZc26wzC6ZkHTjErHc= -> "
              "sha256/aJerPnvtQ1zwlKEEd/Fr9orwOgTZmygz1DkCzitA8Kk=");
    check_one((struct made){.leaf = "L1", .key = "K1"},
              (struct made){.leaf = "L2", .key = "K1", .issuer = "J"},
              "issuer-changed:I -> J|renewed:until 2027-03-03 -> 2027-03-04");
    check_one((struct made){.leaf = "L1", .key = "K1"},
              (struct made){.leaf = "L2", .key = "K1", .issuer = "J", .root = "S"},
              "root-changed:system: R -> S|issuer-changed:I -> J|"
              "renewed:until 2027-03-03 -> 2027-03-04");
    check_one((struct made){.leaf = "L1"}, (struct made){.leaf = "L1", .root = "S", .days = 99},
              "root-changed:system: R -> S");
    check_one((struct made){.leaf = "L1"}, (struct made){.leaf = "L1", .extra = "E", .days = 99},
              "chain-changed:2 -> 3 certificates sent");
}

static void test_results(void) {
    check_one((struct made){.leaf = "L"}, (struct made){.leaf = "L", .pkix = PKIX_EXPIRED},
              "pkix-worse!:system: ok -> expired");
    check_one((struct made){.leaf = "L", .pkix = PKIX_EXPIRED}, (struct made){.leaf = "L"},
              "pkix-better:system: expired -> ok");
    check_one((struct made){.leaf = "L", .pkix = PKIX_EXPIRED},
              (struct made){.leaf = "L", .pkix = PKIX_UNTRUSTED},
              "pkix-changed:system: expired -> untrusted");
    check_one((struct made){.leaf = "L"}, (struct made){.leaf = "L", .misnamed = true},
              "name-mismatch!:L");
    check_one((struct made){.leaf = "L", .misnamed = true}, (struct made){.leaf = "L"},
              "name-match:L");
}

static void test_reachability(void) {
    check_one((struct made){.leaf = "L"}, (struct made){.status = OUTCOME_CONNECTION_TIMEOUT},
              "unreachable!:success -> connection-timeout");
    check_one((struct made){.status = OUTCOME_TLS_ALERT}, (struct made){.leaf = "L"},
              "reachable:tls-alert -> success");
    check_one((struct made){.status = OUTCOME_TLS_ALERT},
              (struct made){.status = OUTCOME_CONNECTION_RESET}, "");
    /* what it means for verdicts is said by that, unless it comes back worse than it may have
     * been */
    check_one((struct made){.leaf = "L", .set = "s", .verdict = VERDICT_MATCH},
              (struct made){.status = OUTCOME_IO_TIMEOUT, .set = "s", .verdict = VERDICT_UNKNOWN},
              "unreachable!:success -> io-timeout");
    check_one((struct made){.status = OUTCOME_IO_TIMEOUT, .set = "s", .verdict = VERDICT_UNKNOWN},
              (struct made){.leaf = "L", .set = "s", .verdict = VERDICT_MATCH},
              "reachable:io-timeout -> success");
    check_one((struct made){.status = OUTCOME_IO_TIMEOUT, .set = "s", .verdict = VERDICT_UNKNOWN},
              (struct made){.leaf = "L", .set = "s", .verdict = VERDICT_MISMATCH},
              "verdict-worse!:unknown -> mismatch (s)|pin-set-worse!:unknown -> mismatch (s)|"
              "reachable:io-timeout -> success");
    /* nobody asked: nothing is known */
    check_one((struct made){.leaf = "L"}, (struct made){.status = OUTCOME_BLOCKLISTED}, "");
    check_one((struct made){.status = OUTCOME_CANCELLED}, (struct made){.leaf = "L"}, "");
}

static void test_verdicts(void) {
#define SET(...) (struct made){.leaf = "L", .set = "s", __VA_ARGS__}
    check_one(SET(.verdict = VERDICT_MATCH), SET(.verdict = VERDICT_MISMATCH),
              "verdict-worse!:match -> mismatch (s)|pin-set-worse!:match -> mismatch (s)");
    check_one(SET(.verdict = VERDICT_MATCH), SET(.verdict = VERDICT_MATCH_BACKUP),
              "verdict-worse!:match -> match-backup (s)|pin-set-worse!:match -> match-backup (s)");
    check_one(SET(.verdict = VERDICT_NO_PATH), SET(.verdict = VERDICT_MATCH),
              "verdict-better:no-path -> match (s)|pin-set-better:no-path -> match (s)");
    check_one((struct made){.leaf = "L"}, SET(.verdict = VERDICT_MATCH),
              "verdict-changed:unpinned -> match (s)|pin-set-new:match (s)");
    check_one((struct made){.leaf = "L"}, SET(.verdict = VERDICT_OFF_PATH),
              "verdict-worse!:unpinned -> off-path (s)|pin-set-new:off-path (s)");
    check_one(SET(.verdict = VERDICT_MATCH), (struct made){.leaf = "L"},
              "pin-set-gone:was match (s)|verdict-changed:match -> unpinned");
    check_one(SET(.verdict = VERDICT_MATCH), SET(.verdict = VERDICT_MATCH, .fragile = true),
              "pin-set-changed:match; another valid path would fail (s)");
    check_one(SET(.verdict = VERDICT_REPORT_ONLY, .would_be = VERDICT_MATCH),
              SET(.verdict = VERDICT_REPORT_ONLY, .would_be = VERDICT_OFF_PATH),
              "pin-set-changed:report-only; would be match -> off-path (s)");
}

/* Which windows are entered from 100 days on: none, then the nearest one of several. */
static void test_windows(void) {
    static const struct {
        int before, after;
        const char *says;
    } cases[] = {
        {100, 99, ""},
        {31, 30, ""},
        {30, 29, "under 30 days: L, 2026-12-23"},
        {29, 28, ""},
        {30, 13, "under 14 days: L, 2026-12-07"},
        {8, 6, "under 7 days: L, 2026-11-30"},
        {2, 1, ""},
        {1, 0, ""},
        {3, -1, "expired: L, 2026-11-23"},
        {-1, -2, ""},
        {5, 80, ""},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char expected[128] = "";
        if (cases[i].says[0] != '\0') {
            snprintf(expected, sizeof expected, "expiry-window!:%s", cases[i].says);
        }
        /* `days` 0 means 100: hours are out of reach here, so one day is the least */
        if (cases[i].before != 0 && cases[i].after != 0) {
            check_one((struct made){.leaf = "L", .days = cases[i].before},
                      (struct made){.leaf = "L", .days = cases[i].after}, expected);
        }
    }
    /* a pin set's end, two nights before and after the edge of a week */
    check_one(SET(.verdict = VERDICT_MATCH, .set_days = 7),
              SET(.verdict = VERDICT_MATCH, .set_days = 7, .days = 99),
              "expiry-window!:under 7 days: pin set s, 2026-11-30");
}

static void test_window_options(void) {
    struct diff_options options;
    diff_options_init(&options);
    options.window_count = 2;
    options.windows_days[0] = 90;
    options.windows_days[1] = 60;
    options.fail_on_kinds = 0;
    options.fail_on_pkix = 1u << PKIX_EXPIRED;
    options.fail_on_verdicts = 1u << VERDICT_OFF_PATH;
    struct made before[] = {{.host = "a", .leaf = "A", .days = 90},
                            {.host = "b", .leaf = "B"},
                            {.host = "c", .leaf = "C", .set = "s", .verdict = VERDICT_MATCH}};
    struct made after[] = {
        {.host = "a", .leaf = "A", .days = 50},
        {.host = "b", .leaf = "B", .days = 99, .pkix = PKIX_EXPIRED},
        {.host = "c", .leaf = "C", .days = 99, .set = "s", .verdict = VERDICT_OFF_PATH}};
    begin(before, 3, after, 3, &options);
    check("verdict-worse!:match -> off-path (s)|pin-set-worse!:match -> off-path (s)|"
          "pkix-worse!:system: ok -> expired|expiry-window:under 60 days: A, 2027-01-13");
    CU_ASSERT_EQUAL(diff.regressions, 3);
    end();
}

/* Round robin: another address with what was there before is no change of certificates. */
static void test_addresses(void) {
    check_one((struct made){.leaf = "L"},
              (struct made){.leaf = "L", .days = 99, .address = "192.0.2.9"},
              "address-changed:192.0.2.1 -> 192.0.2.9");
    struct made before[] = {
        {.host = "a", .address = "192.0.2.1", .leaf = "L1", .key = "K1"},
        {.host = "a", .address = "192.0.2.2", .leaf = "L2", .key = "K2", .same_target = true}};
    struct made fewer[] = {{.host = "a", .address = "192.0.2.2", .leaf = "L1", .key = "K1"}};
    begin(before, 2, fewer, 1, NULL);
    check("address-changed:192.0.2.1 -> 192.0.2.2");
    end();
    struct made one_new[] = {
        {.host = "a", .address = "192.0.2.1", .leaf = "L1", .key = "K1"},
        {.host = "a", .address = "192.0.2.2", .leaf = "L3", .key = "K2", .same_target = true},
        {.host = "a", .address = "192.0.2.3", .leaf = "L3", .key = "K2", .same_target = true}};
    begin(before, 2, one_new, 3, NULL);
    check("renewed:until 2027-03-03 -> 2027-03-04|address-changed:192.0.2.1 -> 192.0.2.1");
    end();
    struct made one_silent[] = {{.host = "a", .address = "192.0.2.1", .leaf = "L1", .key = "K1"},
                                {.host = "a",
                                 .address = "192.0.2.2",
                                 .status = OUTCOME_CONNECTION_REFUSED,
                                 .same_target = true}};
    begin(before, 2, one_silent, 2, NULL);
    check("address-unreachable!:192.0.2.2: connection-refused");
    end();
}

static void test_key_types(void) {
    struct made both[] = {
        {.host = "a", .key_type = KEY_VIEW_RSA, .leaf = "LR", .key = "KR"},
        {.host = "a", .key_type = KEY_VIEW_ECDSA, .leaf = "LE", .key = "KE", .same_target = true}};
    struct made rsa[] = {{.host = "a", .key_type = KEY_VIEW_RSA, .leaf = "LR", .key = "KR"},
                         {.host = "a",
                          .key_type = KEY_VIEW_ECDSA,
                          .status = OUTCOME_NOT_OFFERED,
                          .same_target = true}};
    struct made changed[] = {
        {.host = "a", .key_type = KEY_VIEW_RSA, .leaf = "LR", .key = "KR"},
        {.host = "a", .key_type = KEY_VIEW_ECDSA, .leaf = "LR", .key = "KR", .same_target = true}};
    begin(both, 2, rsa, 2, NULL);
    CU_ASSERT_EQUAL(diff.change_count, 1);
    CU_ASSERT_EQUAL(diff.counts[DIFF_KEY_TYPE_LOST], 1);
    end();
    begin(rsa, 2, both, 2, NULL);
    CU_ASSERT_EQUAL(diff.counts[DIFF_KEY_TYPE_NEW], 1);
    end();
    /* a key that was there, but not for this key type, is a rotation of this one */
    begin(both, 2, changed, 2, NULL);
    CU_ASSERT_EQUAL(diff.counts[DIFF_KEY_ROTATED], 1);
    CU_ASSERT_EQUAL(diff.changes[0].key_type, KEY_VIEW_ECDSA);
    end();
}

/* Who is who among several: by address first, then by tag, then in order; the rest is new or gone.
 */
static void test_join(void) {
    struct made before[] = {{.host = "a", .leaf = "A"},
                            {.host = "b", .tag = "x", .address = "192.0.2.1", .leaf = "B1"},
                            {.host = "b", .tag = "y", .address = "192.0.2.2", .leaf = "B2"},
                            {.host = "b", .tag = "y", .address = "192.0.2.3", .leaf = "B3"},
                            {.host = "c", .leaf = "C"},
                            {.host = "d", .sni = "", .leaf = "D"}};
    struct made after[] = {{.host = "b", .tag = "y", .address = "192.0.2.3", .leaf = "B3"},
                           {.host = "e", .leaf = "E"},
                           {.host = "b", .tag = "y", .address = "192.0.2.9", .leaf = "B2"},
                           {.host = "b", .tag = "z", .address = "192.0.2.1", .leaf = "B1"},
                           {.host = "a", .leaf = "A"},
                           {.host = "d", .leaf = "D"}};
    begin(before, 6, after, 6, NULL);
    check("gone:was success, unpinned|gone:was success, unpinned|new:success, unpinned|"
          "new:success, unpinned|address-changed:192.0.2.2 -> 192.0.2.9");
    CU_ASSERT_EQUAL(diff.matched, 4);
    CU_ASSERT_EQUAL(diff.unchanged, 3);
    end();
    struct diff_options options;
    diff_options_init(&options);
    options.by_tag = true;
    begin(before, 6, after, 6, &options);
    CU_ASSERT_EQUAL(diff.counts[DIFF_NEW], 3);
    CU_ASSERT_EQUAL(diff.counts[DIFF_GONE], 3);
    end();
}

/* As many equal endpoints as there are meet in order, in no more than a moment. */
static void test_many_equal(void) {
    enum { COUNT = 20000 };
    struct made *made = calloc(COUNT, sizeof *made);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made);
    for (size_t i = 0; i < COUNT; i++) {
        made[i] = (struct made){.host = "a", .leaf = i == 0 ? "L0" : "L"};
    }
    begin(made, COUNT, made, COUNT - 5, NULL);
    CU_ASSERT_EQUAL(diff.counts[DIFF_GONE], 5);
    CU_ASSERT_EQUAL(diff.change_count, 5);
    CU_ASSERT_EQUAL(diff.matched, COUNT - 5);
    end();
    free(made);
}

static void test_output(void) {
    struct made before[] = {{.host = "a", .leaf = "L1", .set = "s", .verdict = VERDICT_MATCH},
                            {.host = "2001:db8::1", .leaf = "L2"}};
    struct made after[] = {{.host = "a", .leaf = "L3", .set = "s", .verdict = VERDICT_MISMATCH},
                           {.host = "2001:db8::1", .leaf = "L4", .sni = "2001:db8::1"},
                           {.host = "evil\x1b[2J\n\"", .leaf = "L\xff"}};
    begin(before, 2, after, 3, NULL);
    char *bytes;
    size_t len;
    FILE *out = open_memstream(&bytes, &len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    CU_ASSERT(diff_write(&diff, out));
    fclose(out);
    struct span rest = span_of(bytes, len);
    uint32_t lines = 0;
    while (rest.len > 0) {
        struct span line = span_take(&rest, span_find(rest, '\n') + 1);
        CU_ASSERT(strict_json_line(line));
        lines++;
    }
    CU_ASSERT_EQUAL(lines, diff.change_count + 1);
    free(bytes);
    out = open_memstream(&bytes, &len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    CU_ASSERT(diff_tell(&diff, out, 1));
    fclose(out);
    CU_ASSERT_PTR_NOT_NULL(strstr(bytes, "verdict-worse        the target's verdict got worse"));
    CU_ASSERT_PTR_NOT_NULL(strstr(bytes, "! a:443"));
    CU_ASSERT_PTR_NOT_NULL(strstr(bytes, "1 more (--limit)"));
    CU_ASSERT_PTR_NULL(strchr(bytes, '\x1b'));
    free(bytes);
    end();
}

SUITE_MAIN("diff", {"certificates", test_certificates}, {"pkix and names", test_results},
           {"reachability", test_reachability}, {"verdicts and pin sets", test_verdicts},
           {"windows", test_windows}, {"options", test_window_options},
           {"addresses", test_addresses}, {"key types", test_key_types},
           {"which endpoint is which", test_join}, {"many equal endpoints", test_many_equal},
           {"output", test_output})
