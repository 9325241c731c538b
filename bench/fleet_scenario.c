#include "bench/fleet_scenario.h"

#include <stddef.h>
#include <strings.h>

#include "engine/base/attributes.h"

#define CA_PIN(ca)                                                                                 \
    { PIN_OF_CA, (ca) }
#define SPARE_PIN(spare)                                                                           \
    { PIN_OF_SPARE, (spare) }
#define OWN_LEAF_PIN                                                                               \
    { PIN_OF_OWN_LEAF, 0 }

#define HOST(host_name, octet, ca)                                                                 \
    .name = host_name ".demo.test", .last_octet = (octet), .issuer = (ca)
#define SENDS(ca) .sent = {(ca)}, .sent_count = 1
#define SENDS_TWO(first, second) .sent = {(first), (second)}, .sent_count = 2
#define PINNED(active_pin, backup_pin) .active = active_pin, .backup = backup_pin

static const struct fleet_host hosts[] = {
    {HOST("match", 1, CA_DEMO_A), SENDS(CA_DEMO_A),
     PINNED(CA_PIN(CA_DEMO_A), SPARE_PIN(SPARE_BACKUP)), .verdict = "match",
     .shows = "the pinned intermediate is on the path"},
    {HOST("match-backup", 2, CA_DEMO_B), SENDS(CA_DEMO_B),
     PINNED(CA_PIN(CA_DEMO_A), CA_PIN(CA_DEMO_B)), .verdict = "match-backup",
     .shows = "only the backup pin holds"},
    {HOST("mismatch", 3, CA_DEMO_B), SENDS(CA_DEMO_B),
     PINNED(CA_PIN(CA_DEMO_A), SPARE_PIN(SPARE_BACKUP)), .verdict = "mismatch",
     .shows = "moved to another CA, the pins did not follow"},
    {HOST("off-path", 4, CA_DEMO_B), PINNED(CA_PIN(CA_DEMO_A), SPARE_PIN(SPARE_BACKUP)),
     SENDS_TWO(CA_DEMO_B, CA_DEMO_A), .verdict = "off-path",
     .shows = "the pinned certificate is sent, but is on no path (CVE-2016-2402)"},
    {HOST("unpinned", 5, CA_DEMO_A), SENDS(CA_DEMO_A), .verdict = "unpinned",
     .shows = "no pin set for this host"},
    {HOST("expired-pinset", 6, CA_DEMO_A), SENDS(CA_DEMO_A),
     PINNED(CA_PIN(CA_DEMO_A), SPARE_PIN(SPARE_BACKUP)), .expires_days = -30,
     .verdict = "expired-pinset", .shows = "the pin set ran out, fails open"},
    {HOST("path-dependent", 7, CA_CROSS_A), PINNED(CA_PIN(CA_ROOT_B), SPARE_PIN(SPARE_BACKUP)),
     SENDS_TWO(CA_CROSS_A, CA_CROSS_B), .verdict = "path-dependent",
     .shows = "cross-signed: the path taken ends at Root A, another at the pinned Root B"},
    {HOST("no-path", 8, CA_UNKNOWN), SENDS(CA_UNKNOWN),
     PINNED(CA_PIN(CA_UNKNOWN), SPARE_PIN(SPARE_BACKUP)), .verdict = "no-path",
     .shows = "pinned, but the root is unknown"},
    {HOST("expired-leaf", 9, CA_DEMO_A), SENDS(CA_DEMO_A),
     PINNED(CA_PIN(CA_DEMO_A), SPARE_PIN(SPARE_BACKUP)), .not_after_days = -3, .verdict = "match",
     .shows = "the pins hold; pkix says expired"},
    {HOST("incomplete", 10, CA_DEMO_ABSENT),
     PINNED(CA_PIN(CA_DEMO_ABSENT), SPARE_PIN(SPARE_BACKUP)), .verdict = "no-path",
     .shows = "the intermediate is not sent; pkix says incomplete-chain"},
    {HOST("refused", 11, CA_DEMO_A), SENDS(CA_DEMO_A),
     PINNED(CA_PIN(CA_DEMO_A), SPARE_PIN(SPARE_BACKUP)), .refused = true, .verdict = "unknown",
     .shows = "nobody listens: connection-refused"},
    {HOST("leaf-pin", 12, CA_DEMO_B), SENDS(CA_DEMO_B),
     PINNED(OWN_LEAF_PIN, SPARE_PIN(SPARE_BACKUP)), .scope = "leaf", .verdict = "match",
     .shows = "the leaf's own key is pinned"},
    {HOST("root-pin", 13, CA_DEMO_B), SENDS(CA_DEMO_B),
     PINNED(CA_PIN(CA_ROOT_A), SPARE_PIN(SPARE_BACKUP)), .verdict = "match",
     .shows = "the root is pinned, which is never sent"},
    {HOST("dual", 14, CA_DEMO_A), SENDS(CA_DEMO_A),
     PINNED(CA_PIN(CA_DEMO_A), SPARE_PIN(SPARE_BACKUP)), .has_rsa = true, .rsa_issuer = CA_RSA,
     .key_types = "rsa, ecdsa", .verdict = "path-dependent",
     .shows = "ECDSA and RSA leaves under two CAs, one pinned: seen with --key-types rsa,ecdsa"},
    {HOST("wrong-name", 15, CA_DEMO_A), SENDS(CA_DEMO_A),
     PINNED(CA_PIN(CA_DEMO_A), SPARE_PIN(SPARE_BACKUP)), .cert_name = "elsewhere.demo.test",
     .verdict = "match", .shows = "the pins hold; the certificate is another host's"},
    {HOST("report-only", 16, CA_DEMO_B), SENDS(CA_DEMO_B),
     PINNED(CA_PIN(CA_DEMO_A), SPARE_PIN(SPARE_BACKUP)), .report_only = true,
     .verdict = "report-only", .shows = "would be a mismatch if enforced"},
    {HOST("plain-http", 17, CA_DEMO_A), SENDS(CA_DEMO_A),
     PINNED(CA_PIN(CA_DEMO_A), SPARE_PIN(SPARE_BACKUP)), .behaviour = "plain-http",
     .verdict = "unknown", .shows = "speaks HTTP: not-tls"},
    {HOST("alert", 18, CA_DEMO_A), SENDS(CA_DEMO_A),
     PINNED(CA_PIN(CA_DEMO_A), SPARE_PIN(SPARE_BACKUP)), .behaviour = "alert-handshake-failure",
     .verdict = "unknown", .shows = "tls-alert"},
    {HOST("bad-signature", 19, CA_DEMO_A), SENDS(CA_DEMO_A),
     PINNED(CA_PIN(CA_DEMO_A), SPARE_PIN(SPARE_BACKUP)), .behaviour = "bad-signature",
     .verdict = "unknown",
     .shows = "another's chain without its key: handshake-error, not a match"},
};

const struct fleet_host *fleet_scenario_at(uint32_t idx) {
    return idx < ARRAY_COUNT(hosts) ? &hosts[idx] : NULL;
}

int fleet_scenario_find_name(struct span name) {
    for (uint32_t i = 0; i < ARRAY_COUNT(hosts); i++) {
        if (name.len == strlen(hosts[i].name) &&
            strncasecmp((const char *)name.data, hosts[i].name, name.len) == 0) {
            return (int)i;
        }
    }
    return -1;
}

int fleet_scenario_find_address(const uint8_t address[4]) {
    for (uint32_t i = 0; i < ARRAY_COUNT(hosts); i++) {
        if (address[0] == 127 && address[1] == 0 && address[2] == 1 &&
            address[3] == hosts[i].last_octet) {
            return (int)i;
        }
    }
    return -1;
}
