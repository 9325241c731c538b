/* Path building held against the world: chains that real sites served, on their own dates, and
   `openssl verify` as a second opinion. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/codec/datetime.h"
#include "engine/codec/text.h"
#include "engine/trust/path_internal.h"
#include "tests/support/pki.h"
#include "tests/support/real_certs.h"
#include "tests/support/suite.h"

static struct pki pki;

struct tags {
    char text[1024], prefix[24];
    unsigned count;
};

static void add_tagged(void *context, struct span der) {
    struct tags *tags = context;
    char tag[48];
    snprintf(tag, sizeof tag, "%s-%u", tags->prefix, tags->count++);
    pki_add_der(&pki, tag, der);
    snprintf(tags->text + strlen(tags->text), sizeof tags->text - strlen(tags->text), "%s%s",
             tags->text[0] != '\0' ? " " : "", tag);
}

static void write_pems(const char *path, const char *tags) {
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    while (*tags != '\0') {
        char tag[24], base64[BASE64_LEN(CERT_BYTES_MAX)];
        size_t len = strcspn(tags, " ");
        snprintf(tag, sizeof tag, "%.*s", (int)len, tags);
        tags += len + strspn(tags + len, " ");
        size_t base64_len = base64_encode(base64, pki_der(&pki, tag));
        fprintf(file, "-----BEGIN CERTIFICATE-----\n");
        for (size_t i = 0; i < base64_len; i += 64) {
            fprintf(file, "%.*s\n", (int)(base64_len - i < 64 ? base64_len - i : 64), base64 + i);
        }
        fprintf(file, "-----END CERTIFICATE-----\n");
    }
    fclose(file);
}

/* What OpenSSL's own verifier says; -1 if there is none. */
static int openssl_accepts(const char *sent, const char *anchors, int64_t now) {
    char dir[] = "/tmp/pinsweep-path-XXXXXX", path[3][64], command[512];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    const char *const names[3] = {"leaf", "sent", "anchors"};
    for (int i = 0; i < 3; i++) {
        snprintf(path[i], sizeof path[i], "%s/%s.pem", dir, names[i]);
    }
    char leaf[24];
    snprintf(leaf, sizeof leaf, "%.*s", (int)strcspn(sent, " "), sent);
    write_pems(path[0], leaf);
    write_pems(path[1], sent);
    write_pems(path[2], anchors);
    snprintf(command, sizeof command,
             "openssl verify -partial_chain -purpose sslserver -attime %lld -trusted %s -untrusted "
             "%s %s >%s/out 2>&1",
             (long long)now, path[2], path[1], path[0], dir);
    int status = system(command);
    for (int i = 0; i < 3; i++) {
        unlink(path[i]);
    }
    snprintf(command, sizeof command, "%s/out", dir);
    unlink(command);
    rmdir(dir);
    return !WIFEXITED(status) || WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status) == 0;
}

static int64_t date_of(const char *path) {
    const char *name = strrchr(path, '/') + 1;
    int64_t date = 0;
    CU_ASSERT_TRUE_FATAL(datetime_parse(span_of(name, 10), &date)); /* may end in "-2" */
    return date + 86399; /* some begin to be valid in the course of that day */
}

static void test_real_chains(void) {
    const char *folder = real_chains_path();
    if (folder == NULL) {
        suite_skip("no ../shared/data/real-chains");
        return;
    }
    pki_init(&pki);
    char path[4200];
    struct tags anchors = {.prefix = "A"};
    snprintf(path, sizeof path, "%s/anchors", folder);
    CU_ASSERT_TRUE(real_certs_each(path, add_tagged, &anchors) > 5);
    pki_profile(&pki, "anchors", anchors.text);
    struct err_note note;
    bool system = trust_store_load(&pki.store, "system", REAL_STORE, &note) == ERR_NONE;
    snprintf(path, sizeof path, "%s/*/20*.pem", folder);
    glob_t files;
    CU_ASSERT_EQUAL_FATAL(glob(path, 0, NULL, &files), 0);
    unsigned ok = 0, in_system = 0, asked = 0;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        int64_t date = date_of(files.gl_pathv[i]);
        struct tags sent = {0};
        snprintf(sent.prefix, sizeof sent.prefix, "%zu", i);
        CU_ASSERT_TRUE(real_certs_each(files.gl_pathv[i], add_tagged, &sent) > 0);
        const struct profile_paths *paths = pki_paths(&pki, sent.text, 0);
        enum pkix result = path_pkix(paths, date);
        if (result != PKIX_OK) {
            fprintf(stderr, "  %s: %s (%s)\n", files.gl_pathv[i], pkix_text(result), paths->detail);
            CU_FAIL("a real chain is not ok on its date");
            continue;
        }
        ok++;
        CU_ASSERT_EQUAL(path_pkix(paths, date + INT64_C(40) * 365 * 86400), PKIX_EXPIRED);
        CU_ASSERT_EQUAL(path_pkix(paths, date - INT64_C(40) * 365 * 86400), PKIX_NOT_YET_VALID);
        in_system += system && path_pkix(pki_paths(&pki, sent.text, 1), date) == PKIX_OK;
        if (i % 16 == 0) {
            CU_ASSERT_NOT_EQUAL(openssl_accepts(sent.text, anchors.text, date), 0);
            asked++;
        }
    }
    struct path_stats stats;
    path_get_stats(pki.builder, &stats);
    fprintf(stderr,
            "  %u chains ok, %u with the system's anchors, %u asked of openssl; upper paths %llu "
            "built, %llu known\n",
            ok, in_system, asked, (unsigned long long)stats.edges_built,
            (unsigned long long)stats.edges_known);
    CU_ASSERT_TRUE(ok == files.gl_pathc && ok > 50);
    CU_ASSERT_TRUE(!system || in_system > ok / 2);
    CU_ASSERT_TRUE(stats.edges_known > stats.edges_built);
    globfree(&files);
    pki_fini(&pki);
}

static void mint_world(void) {
    pki_mint(&pki, (struct pki_spec){.subject = "R", .ca = true});
    pki_mint(&pki, (struct pki_spec){.subject = "I", .issuer = "R", .ca = true});
    pki_mint(&pki, (struct pki_spec){.subject = "leaf", .issuer = "I", .dns = "a.test"});
    pki_mint(&pki, (struct pki_spec){.subject = "forged", .issuer = "I", .corrupt = true});
    pki_mint(&pki, (struct pki_spec){.subject = "client", .issuer = "I", .client_only = true});
    pki_mint(&pki, (struct pki_spec){
                       .tag = "Ibad", .subject = "I", .issuer = "R", .ca = true, .corrupt = true});
    pki_mint(&pki, (struct pki_spec){
                       .tag = "Iold", .subject = "I", .issuer = "R", .ca = true, .not_after = 9});
    pki_mint(&pki, (struct pki_spec){.subject = "old", .issuer = "I", .not_after = PKI_NOW - 1});
    pki_mint(&pki, (struct pki_spec){.subject = "new", .issuer = "I", .not_before = PKI_NOW + 1});
    pki_mint(&pki, (struct pki_spec){.subject = "E", .issuer = "R"});
    pki_mint(&pki, (struct pki_spec){.subject = "underE", .issuer = "E"});
    pki_mint(&pki, (struct pki_spec){.subject = "P", .issuer = "R", .ca = true, .path_len = 1});
    pki_mint(&pki, (struct pki_spec){.subject = "Q", .issuer = "P", .ca = true});
    pki_mint(&pki, (struct pki_spec){.subject = "underQ", .issuer = "Q"});
    pki_mint(&pki, (struct pki_spec){.subject = "underP", .issuer = "P"});
    pki_mint(&pki, (struct pki_spec){
                       .subject = "N", .issuer = "R", .ca = true, .permitted_dns = "good.test"});
    pki_mint(&pki, (struct pki_spec){.subject = "in", .issuer = "N", .dns = "a.good.test"});
    pki_mint(&pki, (struct pki_spec){.subject = "out", .issuer = "N", .dns = "a.evil.test"});
    pki_mint(&pki,
             (struct pki_spec){.subject = "wrong", .issuer = "I", .issuer_key = "another key"});
    pki_mint(&pki, (struct pki_spec){.subject = "self"});
}

static void test_openssl_agrees(void) {
    static const struct {
        const char *sent;
        bool accepted;
    } cases[] = {
        {"leaf I", true},    {"leaf", false},      {"leaf R I", true},    {"forged I", false},
        {"client I", false}, {"leaf Ibad", false}, {"leaf Iold", false},  {"old I", false},
        {"new I", false},    {"underE E", false},  {"underQ Q P", false}, {"underP P", true},
        {"in N", true},      {"out N", false},     {"wrong I", false},    {"self", false},
    };
    pki_init(&pki);
    mint_world();
    pki_profile(&pki, "p", "R");
    unsigned asked = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool ours = path_pkix(pki_paths(&pki, cases[i].sent, 0), PKI_NOW) == PKIX_OK;
        int theirs = openssl_accepts(cases[i].sent, "R", PKI_NOW);
        if (ours != cases[i].accepted || (theirs >= 0 && theirs != ours)) {
            fprintf(stderr, "  [%s]: ours %d, openssl's %d\n", cases[i].sent, ours, theirs);
            CU_FAIL("verdicts differ");
        }
        asked += theirs >= 0;
    }
    if (asked == 0) {
        suite_skip("no openssl command");
    }
    pki_fini(&pki);
}

SUITE_MAIN("path_real", {"real chains on their dates", test_real_chains},
           {"openssl agrees", test_openssl_agrees})
