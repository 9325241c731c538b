#include "engine/history/expiry.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/rng.h"
#include "engine/policy/policy.h"
#include "tests/support/pki.h"
#include "tests/support/real_certs.h"
#include "tests/support/strict_json.h"
#include "tests/support/suite.h"

#define DAY_S INT64_C(86400)
#define NOW INT64_C(1795478400) /* 2026-11-24 */

static struct snapshot snapshot;
static struct pin_index pins;
static struct trust_store trust;
static struct expiry expiry;

static uint32_t cert(const char *label, const char *issuer, int64_t ends_s) {
    uint8_t digest[SHA256_LEN];
    sha256_once(span_str(label), digest);
    uint32_t idx = snapshot_cert(&snapshot, digest);
    struct snapshot_cert *made = &snapshot.certs[idx];
    memcpy(made->spki_sha256, digest, SHA256_LEN);
    made->has_spki = made->known = true;
    made->subject = snapshot_text(&snapshot, span_str(label));
    made->issuer = snapshot_text(&snapshot, span_str(issuer));
    made->not_before = 0;
    made->not_after = ends_s;
    return idx;
}

/* A target with one view: leaf, "I" and, on the path alone, "R". */
static void add_target(const char *host, const char *leaf, int64_t leaf_days) {
    uint32_t certs[] = {cert(leaf, "I", NOW + leaf_days * DAY_S), cert("I", "R", NOW + 400 * DAY_S),
                        cert("R", "R", NOW + 4000 * DAY_S), cert("X", "Y", NOW + DAY_S)};
    uint32_t sent[] = {certs[0], certs[1], certs[3]}; /* X is on no path: nobody needs it */
    uint32_t chain = snapshot_chain(&snapshot, snapshot.certs[certs[0]].cert_sha256);
    struct snapshot_path path = {.cert_count = 3, .preferred = true, .valid = true};
    path.profile = snapshot_profile(&snapshot, span_str("system"));
    snapshot_chain_set(&snapshot, chain, sent, 3);
    snapshot_chain_judge(&snapshot, chain);
    snapshot_path(&snapshot, chain, &path, certs);
    struct snapshot_target *target = snapshot_target(&snapshot);
    target->host = target->sni = target->pin_host = snapshot_text(&snapshot, span_str(host));
    target->owner = "fleet";
    target->port = 443;
    struct snapshot_view *view = snapshot_view(&snapshot);
    view->chain = chain;
}

static void add_policy(const char *yaml) {
    struct err_note note = {""};
    pin_index_init(&pins, 1);
    trust_store_init(&trust);
    enum err err = policy_parse_native(span_str(yaml), "p.yaml", &pins, &trust, &note);
    if (err != ERR_NONE) {
        printf("%s\n", note.text);
    }
    CU_ASSERT_EQUAL_FATAL(err, ERR_NONE);
    for (uint32_t i = 0; i < pins.set_count; i++) {
        pins.sets[i]->trust_none = true; /* no profiles are loaded here */
    }
    CU_ASSERT_EQUAL_FATAL(pin_index_bind(&pins, &trust, &note), ERR_NONE);
}

static void end(void) {
    expiry_fini(&expiry);
    snapshot_fini(&snapshot);
    pin_index_fini(&pins);
    trust_store_fini(&trust);
}

static void run(int64_t within_days, bool with_policy) {
    struct expiry_options options = {.at_s = NOW,
                                     .within_s = within_days < 0 ? INT64_MAX : within_days * DAY_S};
    struct err_note note;
    CU_ASSERT_EQUAL_FATAL(expiry_run(&expiry, &snapshot, with_policy ? &pins : NULL,
                                     with_policy ? &trust : NULL, &options, &note),
                          ERR_NONE);
}

/* "due leaf L 30/30 x1 <set>|...": state, role or kind, name, days to act and to the end. */
static void check(const char *expected) {
    static char got[8192];
    size_t len = 0;
    got[0] = '\0';
    for (uint32_t i = 0; i < expiry.item_count; i++) {
        const struct expiry_item *item = &expiry.items[i];
        len += (size_t)snprintf(got + len, sizeof got - len, "%s%s %s %s %lld/%lld x%llu%s%s",
                                i > 0 ? "|" : "", expiry_state_text(item->state),
                                item->role[0] != '\0' ? item->role : expiry_kind_text(item->kind),
                                item->name, (long long)((item->act_by_s - NOW) / DAY_S),
                                (long long)((item->ends_s - NOW) / DAY_S),
                                (unsigned long long)item->endpoints,
                                item->pin_set[0] != '\0' ? " " : "", item->pin_set);
    }
    if (strcmp(got, expected) != 0) {
        printf("\n  got      %s\n  expected %s\n", got, expected);
    }
    CU_ASSERT_STRING_EQUAL(got, expected);
}

static void test_certificates(void) {
    snapshot_init(&snapshot);
    add_target("a.example", "L1", 30);
    add_target("b.example", "L1", 30);
    add_target("c.example", "L2", -3);
    add_target("d.example", "L3", 31);
    run(30, false);
    check("expired leaf L2 -3/-3 x1|due leaf L1 30/30 x2");
    CU_ASSERT_EQUAL(expiry.counts[EXPIRY_LATER], 3);
    expiry_fini(&expiry);
    run(-1, false);
    check("expired leaf L2 -3/-3 x1|due leaf L1 30/30 x2|due leaf L3 31/31 x1|"
          "due intermediate I 400/400 x4|due anchor R 4000/4000 x4");
    end();
}

/* A view that failed, and a chain that no client takes a path through, need nothing. */
static void test_not_needed(void) {
    snapshot_init(&snapshot);
    add_target("a.example", "L1", 30);
    snapshot.views[0].status = OUTCOME_IO_TIMEOUT;
    run(-1, false);
    check("");
    expiry_fini(&expiry);
    snapshot.views[0].status = OUTCOME_SUCCESS;
    snapshot.paths[0].preferred = false;
    run(-1, false);
    check("due leaf L1 30/30 x1");
    end();
}

#define OTHER "sha256/mEflZT5enoR1FuXLgYYGqnVEoZvmf9c2bVBpiOjYQ0c="

static char *policy_text(void) {
    char key[BASE64_LEN(SHA256_LEN) + 1];
    static char text[4096];
    uint8_t digest[SHA256_LEN];
    sha256_once(span_str("I"), digest);
    key[base64_encode(key, span_of(digest, SHA256_LEN))] = '\0';
    char leaf[sizeof key];
    sha256_once(span_str("L1"), digest);
    leaf[base64_encode(leaf, span_of(digest, SHA256_LEN))] = '\0';
    snprintf(text, sizeof text,
             "version: 1\n"
             "pin_sets:\n"
             "  - name: mobile\n"
             "    hosts: [a.example]\n"
             "    client: android\n"
             "    pins: [{pin: \"sha256/%s\"}, {pin: \"" OTHER "\", role: backup}]\n"
             "    expires: 2027-02-02\n" /* in 70 days */
             "    update: {lead_time_days: 45, adoption_days: 60}\n"
             "    owner: team\n"
             "    exceptions: [{rule: PIN022, reason: kiosk, approver: me, until: 2026-12-04}]\n"
             "  - name: quick\n"
             "    hosts: [a.example, b.example]\n"
             "    client: okhttp\n"
             "    pins: [{pin: \"sha256/%s\"}, {pin: \"sha256/%s\", role: backup}]\n"
             "    expires: 2027-02-02\n"
             "    update: {lead_time_days: 10, adoption_days: 15}\n"
             "  - name: curl\n"
             "    hosts: [b.example]\n"
             "    client: curl\n"
             "    pins: [{pin: \"" OTHER "\"}]\n",
             key, key, leaf);
    return text;
}

/* The longest lead of those that pin it counts; what nobody pins has none. */
static void test_leads(void) {
    snapshot_init(&snapshot);
    add_target("a.example", "L1", 30);
    add_target("b.example", "L2", 30);
    add_policy(policy_text());
    run(-1, true);
    check("too-late pin-set mobile -35/70 x1 mobile|due leaf L1 5/30 x1 quick|"
          "due exception PIN022 10/10 x1 mobile|due leaf L2 30/30 x1|"
          "due pin-set quick 45/70 x2 quick|due intermediate I 295/400 x2 mobile|"
          "due anchor R 4000/4000 x2");
    CU_ASSERT_EQUAL(expiry.counts[EXPIRY_TOO_LATE], 1);
    CU_ASSERT_STRING_EQUAL(expiry.items[0].owner, "team");
    CU_ASSERT_EQUAL(expiry.items[0].lead_days, 105);
    CU_ASSERT_STRING_EQUAL(expiry.items[3].owner, "fleet");
    end();
}

/* Without a policy the sweep's own pin sets are told, each once. */
static void test_swept_sets(void) {
    snapshot_init(&snapshot);
    for (int i = 0; i < 6; i++) {
        add_target("a.example", "L1", 30);
        struct snapshot_set *set = snapshot_set(&snapshot);
        set->name = i < 4 ? "one" : "two";
        set->expires = i < 4 ? NOW + 3 * DAY_S : i == 4 ? DATETIME_NONE : NOW - 2 * DAY_S;
    }
    run(20, false);
    check("expired pin-set two -2/-2 x1 two|due pin-set one 3/3 x4 one");
    end();
}

static void test_output(void) {
    snapshot_init(&snapshot);
    add_target("evil\x1b[2J\n\"", "CN=\xff\x1b", 30);
    add_target("b.example", "L2", -40);
    add_target("c.example", "L3", 31);
    add_policy(policy_text());
    run(-1, true);
    char *bytes;
    size_t len;
    FILE *out = open_memstream(&bytes, &len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    CU_ASSERT(expiry_write(&expiry, out));
    fclose(out);
    struct span rest = span_of(bytes, len);
    uint32_t lines = 0;
    for (; rest.len > 0; lines++) {
        CU_ASSERT(strict_json_line(span_take(&rest, span_find(rest, '\n') + 1)));
    }
    CU_ASSERT_EQUAL(lines, expiry.item_count + 1);
    free(bytes);
    out = open_memstream(&bytes, &len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    CU_ASSERT(expiry_tell(&expiry, out, 2));
    CU_ASSERT(expiry_tell_calendar(&expiry, out, 50));
    fclose(out);
    CU_ASSERT_PTR_NULL(strchr(bytes, '\x1b'));
    CU_ASSERT_PTR_NOT_NULL(strstr(bytes, "6 more (--limit)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(bytes, "\nOctober 2026\n Mo  Tu  We  Th  Fr  Sa  Su\n"
                                         "              1   2   3   4 \n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(bytes, "\n 12  13  14  15* 16  17  18 \n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(bytes, "\n 15  ends   leaf          L2, 1 endpoint (b.example)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(bytes, "\n 20  act by pin set       mobile"));
    free(bytes);
    end();
}

/* --- real chains: one target a file, at that file's date --- */

struct real {
    uint32_t certs[CHAIN_CERTS_MAX], count;
    uint64_t targets;
    int64_t least_s;
};

static void take_cert(void *context, struct span der) {
    struct real *real = context;
    uint8_t digest[SHA256_LEN];
    if (real->count < CHAIN_CERTS_MAX) {
        sha256_once(der, digest);
        uint32_t idx = snapshot_cert(&snapshot, digest);
        CU_ASSERT(snapshot_cert_fill(&snapshot, idx, der, false));
        real->certs[real->count++] = idx;
        if (snapshot.certs[idx].not_after < real->least_s) {
            real->least_s = snapshot.certs[idx].not_after;
        }
    }
}

static void take_file(struct real *real, const char *site, const char *file) {
    uint8_t id[SHA256_LEN];
    real->count = 0;
    CU_ASSERT(real_certs_each(file, take_cert, real) > 0);
    sha256_once(span_str(file), id);
    uint32_t chain = snapshot_chain(&snapshot, id);
    snapshot_chain_set(&snapshot, chain, real->certs, real->count);
    snapshot_chain_judge(&snapshot, chain);
    struct snapshot_path path = {.cert_count = real->count, .preferred = true};
    path.profile = snapshot_profile(&snapshot, span_str("system"));
    snapshot_path(&snapshot, chain, &path, real->certs);
    struct snapshot_target *target = snapshot_target(&snapshot);
    target->host = target->sni = target->pin_host = snapshot_text(&snapshot, span_str(site));
    target->port = 443;
    snapshot_view(&snapshot)->chain = chain;
    real->targets++;
}

static void take_site(struct real *real, const char *root, const char *site) {
    char folder[512], file[1024];
    snprintf(folder, sizeof folder, "%s/%s", root, site);
    DIR *dir = strcmp(site, "anchors") != 0 && site[0] != '.' ? opendir(folder) : NULL;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (strstr(entry->d_name, ".pem") != NULL) {
            snprintf(file, sizeof file, "%s/%s", folder, entry->d_name);
            take_file(real, site, file);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

/* All chains at once, as of 2026-11-24: the first item is the certificate that ended first, all are
   in order, each certificate is told once. */
static void test_real(void) {
    const char *root = real_chains_path();
    struct real real = {.least_s = INT64_MAX};
    if (root == NULL) {
        suite_skip("no folder of real chains");
        return;
    }
    snapshot_init(&snapshot);
    DIR *dir = opendir(root);
    CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        take_site(&real, root, entry->d_name);
    }
    closedir(dir);
    run(-1, false);
    CU_ASSERT(real.targets > 50);
    CU_ASSERT_EQUAL(expiry.item_count, snapshot.certs_count);
    CU_ASSERT_EQUAL(expiry.items[0].ends_s, real.least_s);
    CU_ASSERT_STRING_EQUAL(expiry.items[0].role, "leaf");
    for (uint32_t i = 1; i < expiry.item_count; i++) {
        CU_ASSERT(expiry.items[i - 1].ends_s <= expiry.items[i].ends_s);
        CU_ASSERT_EQUAL(expiry.items[i].state == EXPIRY_EXPIRED, expiry.items[i].ends_s < NOW);
    }
    printf("[%llu chains, %u certificates, %llu have ended] ", (unsigned long long)real.targets,
           expiry.item_count, (unsigned long long)expiry.counts[EXPIRY_EXPIRED]);
    end();
}

SUITE_MAIN("expiry", {"certificates", test_certificates}, {"what nobody needs", test_not_needed},
           {"leads", test_leads}, {"pin sets of the sweep", test_swept_sets},
           {"output", test_output}, {"real chains", test_real})
