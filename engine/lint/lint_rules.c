/* The rules, in the order of their numbers. Bases: OWASP Non-Human Identity Top 10 (NHI), NIST
   Cybersecurity Framework 2.0 (CSF), OWASP Mobile Application Security Testing Guide (MASTG), and
   RFCs. */
#include <strings.h>

#include "engine/base/attributes.h"
#include "engine/lint/lint.h"

const char *const lint_severity_words[] = {"off", "info", "warn", "error", NULL};

#define NHI "OWASP NHI-03 (weak certificate lifecycle control)"

const struct lint_rule lint_rules[LINT_RULE_COUNT] = {
    [PIN001] =
        {"PIN001", "no-backup-pin", "no backup pin",
         "add the pin of a key that is ready and not in use: without one the next key change "
         "locks the clients out",
         "RFC 7469 section 4.3; " NHI, LINT_ERROR, LINT_NEEDS_POLICY},
    [PIN002] = {"PIN002", "backup-not-independent", "all pins are in one live chain",
                "pin a key outside the chain that is served: what takes one of these keys away can "
                "take all of them",
                "RFC 7469 section 4.3; " NHI, LINT_ERROR, LINT_NEEDS_OBSERVED},
    [PIN003] = {"PIN003", "no-pin-matches", "no pin matches any observed path: broken now",
                "compare the pins with the chain that is served ('pinsweep inspect HOST' prints "
                "pins ready to paste)",
                NHI "; NIST CSF 2.0 PR.PS", LINT_ERROR, LINT_NEEDS_OBSERVED},
    [PIN004] = {"PIN004", "path-dependent", "matches only on some paths, addresses or key types",
                "pin a key that every path, address and key type has, or one for each", NHI,
                LINT_WARN, LINT_NEEDS_OBSERVED},
    [PIN005] = {"PIN005", "off-path-match",
                "matches only an extra certificate that is on no valid path",
                "pin a key of the path: a client that accepts an extra certificate accepts any "
                "chain that anybody appends it to",
                "CVE-2016-2402; OWASP MASTG (certificate pinning)", LINT_ERROR,
                LINT_NEEDS_OBSERVED},
    [PIN006] = {"PIN006", "leaf-only", "only a leaf is pinned for a client that looks at the path",
                "add the pin of an issuer that you would renew under, or of the next key",
                "OWASP MASTG (certificate pinning); " NHI, LINT_WARN, LINT_NEEDS_OBSERVED},
    [PIN007] = {"PIN007", "rotating-intermediate",
                "the sole match is a public intermediate that its CA rotates",
                "pin the root, or your own key, beside it: the CA says that it swaps these without "
                "notice",
                NHI "; NIST CSF 2.0 ID.AM", LINT_WARN, LINT_NEEDS_OBSERVED},
    [PIN008] = {"PIN008", "ca-pin-in-leaf-client",
                "a CA's pin in a client that compares the leaf alone: never matches",
                "pin the leaf's key there", NHI, LINT_ERROR, LINT_NEEDS_OBSERVED},
    [PIN009] = {"PIN009", "certificate-hash",
                "the pin is a hash of the whole certificate, not of "
                "its key",
                "hash the SubjectPublicKeyInfo ('pinsweep pins make' or 'pinsweep hash' does)",
                "RFC 7469 section 2.4", LINT_ERROR, LINT_NEEDS_OBSERVED},
    [PIN010] = {"PIN010", "bad-pin", "bad length, encoding or placeholder",
                "replace it with the hash of a key that exists", NHI, LINT_ERROR,
                LINT_NEEDS_POLICY},
    [PIN011] = {"PIN011", "sha1-pin", "SHA-1 pin", "hash the same key with SHA-256",
                "NIST SP 800-131A (SHA-1); RFC 7469 section 2.1.1", LINT_WARN, LINT_NEEDS_POLICY},
    [PIN020] = {"PIN020", "expired", "the pin set is expired", "renew the pin set, or take it out",
                NHI "; NIST CSF 2.0 PR.PS", LINT_ERROR, LINT_NEEDS_POLICY},
    [PIN021] = {"PIN021", "expires-within-lead-time", "expires within the release lead time",
                "release new pins now: later ones reach the clients too late",
                NHI "; NIST CSF 2.0 PR.PS", LINT_WARN, LINT_NEEDS_POLICY},
    [PIN022] = {"PIN022", "no-expiry", "a client in the field without expiry or remote update",
                "give the pin set an expiry that the client honours, or a way to change it "
                "remotely",
                "RFC 7469 section 2.3.3 (max-age); " NHI, LINT_WARN, LINT_NEEDS_POLICY},
    [PIN023] = {"PIN023", "match-expires-first",
                "the matched certificate expires before the next field-update window",
                "keep the key at renewal, or ship the next key's pin before",
                NHI "; NIST CSF 2.0 PR.PS", LINT_WARN, LINT_NEEDS_OBSERVED},
    [PIN024] = {"PIN024", "distrusted-ca", "a pinned CA has a distrust date inside the pin's life",
                "pin a CA that stays, and move before the date", NHI "; NIST CSF 2.0 ID.AM",
                LINT_WARN, LINT_NEEDS_POLICY},
    [PIN030] =
        {"PIN030", "no-rollover-document", "no rollover document",
         "name it: rollover: https://... (for a client's file, in a native policy given with it: a "
         "pin set of the same client and hosts)",
         "NIST CSF 2.0 RC.RP; " NHI, LINT_ERROR, LINT_NEEDS_POLICY},
    [PIN031] = {"PIN031", "no-owner", "no owner or no approver", "name them: owner: and approver:",
                "NIST CSF 2.0 GV.RR", LINT_ERROR, LINT_NEEDS_POLICY},
    [PIN032] = {"PIN032", "no-rehearsal", "no emergency-rotation rehearsal of late",
                "rehearse ('pinsweep impact --single-failure' says what to rehearse) and write "
                "last_rehearsal:",
                "NIST CSF 2.0 RC.RP", LINT_WARN, LINT_NEEDS_POLICY},
    [PIN033] = {"PIN033", "no-backup-custody", "backup key custody is not recorded",
                "write where the backup key is kept: backup_custody:",
                "NIST CSF 2.0 ID.AM; RFC 7469 section 4.3", LINT_WARN, LINT_NEEDS_POLICY},
    [PIN034] = {"PIN034", "bad-exception",
                "an exception without reason, approver or end date, or past its date",
                "complete it, or mend what it excepts", "NIST CSF 2.0 GV.RR", LINT_WARN,
                LINT_NEEDS_POLICY},
    [PIN035] = {"PIN035", "third-party-endpoint", "an endpoint run by a third party is pinned",
                "do not pin what others renew without asking you, or agree on their key changes in "
                "writing",
                "RFC 7469 section 4; NIST CSF 2.0 GV.SC", LINT_ERROR, LINT_NEEDS_POLICY},
    [PIN036] = {"PIN036", "provider-not-pinned",
                "several providers: the CA of one of them is not pinned",
                "pin a key of every provider's chain", NHI "; NIST CSF 2.0 ID.AM", LINT_ERROR,
                LINT_NEEDS_OBSERVED},
    [PIN037] = {"PIN037", "pins-differ",
                "one host, different pins across applications or platforms",
                "bring them together, or a key change breaks one and not the other",
                "NIST CSF 2.0 ID.AM", LINT_WARN, LINT_NEEDS_POLICY},
    [PIN038] = {"PIN038", "no-pin-record", "endpoints without any pin record",
                "say that they are not pinned on purpose, or add them to the inventory of pins",
                "NIST CSF 2.0 ID.AM", LINT_INFO, LINT_NEEDS_OBSERVED},
    [PIN040] = {"PIN040", "never-matches", "a domain entry that never matches",
                "write the entry that the client's host rule does match",
                "the client's documented host rule", LINT_ERROR, LINT_NEEDS_POLICY},
    [PIN041] = {"PIN041", "unsupported-key",
                "a key on the path that TrustKit cannot hash: it blocks",
                "move to RSA 2048 or 4096, or to P-256 or P-384, on the whole path up to the match",
                "TrustKit's documentation", LINT_ERROR, LINT_NEEDS_OBSERVED},
    [PIN042] =
        {"PIN042", "overridden-pins", "overridePins on system or user anchors",
         "leave overridePins to debug-overrides: with it pins are not enforced on such paths",
         "OWASP MASTG (network security configuration)", LINT_WARN, LINT_NEEDS_POLICY},
    [PIN043] = {"PIN043", "anchor-not-sent",
                "a TLSA usage 2 digest whose certificate the server does not send",
                "send the anchor in the chain, or publish the record of one that is sent",
                "RFC 7671 section 5.2.2", LINT_ERROR, LINT_NEEDS_OBSERVED},
    [PIN044] = {"PIN044", "unapproved-change", "pins changed without an approval",
                "name the approval of the change: --approval ID, or extra: {approval: ID}",
                "NIST CSF 2.0 GV.RR, PR.PS", LINT_WARN, LINT_NEEDS_PREVIOUS},
};

bool lint_severity_from_text(struct span text, enum lint_severity *out) {
    for (int i = 0; lint_severity_words[i] != NULL; i++) {
        if (span_equal_str(text, lint_severity_words[i])) {
            *out = (enum lint_severity)i;
            return true;
        }
    }
    return false;
}

enum lint_rule_id lint_rule_find(struct span text) {
    for (int i = 0; i < LINT_RULE_COUNT; i++) {
        const struct lint_rule *rule = &lint_rules[i];
        if (span_equal_str(text, rule->name) ||
            (text.len == strlen(rule->id) &&
             strncasecmp((const char *)text.data, rule->id, text.len) == 0)) {
            return (enum lint_rule_id)i;
        }
    }
    return LINT_RULE_COUNT;
}
