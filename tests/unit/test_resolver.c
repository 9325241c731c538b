#include "engine/net/resolver.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/rng.h"
#include "engine/net/resolver_servers.h"
#include "tests/support/dns.h"
#include "tests/support/suite.h"

#define NAMES_MAX 5000

struct bench {
    struct ring ring;
    struct resolver *resolver;
    struct scripted_dns *scripted[2]; /* served between the waits */
};

static struct bench bench;

static bool bench_open(const struct resolver_config *config) {
    struct err_note note = {0};
    const struct ring_config ring_config = {
        .sq_entries = 256, .cq_entries = 1024, .direct_count = 4, .buffer_count = 4};
    bench = (struct bench){0};
    enum err err = ring_init(&bench.ring, &ring_config, &note);
    if (err == ERR_NONE) {
        err = resolver_new(config, &bench.ring, &clock_system, &bench.resolver, &note);
    }
    if (err != ERR_NONE) {
        fprintf(stderr, "  %s\n", note.text);
    }
    return err == ERR_NONE;
}

static void bench_close(void) {
    resolver_free(bench.resolver);
    ring_fini(&bench.ring);
}

static bool bench_open_on(char *text, size_t text_len, uint16_t port, uint32_t timeout_ms,
                          uint32_t tries) {
    snprintf(text, text_len, "127.0.0.1:%u", port);
    const struct resolver_config config = {.servers = text,
                                           .timeout_ms = timeout_ms,
                                           .tries = tries,
                                           .in_flight_max = RESOLVER_IN_FLIGHT_MAX,
                                           .ipv4 = true,
                                           .ipv6 = true};
    return bench_open(&config);
}

static void bench_tick(uint64_t max_wait_ns) {
    for (int i = 0; i < 2; i++) {
        if (bench.scripted[i] != NULL) {
            scripted_dns_serve(bench.scripted[i]);
            max_wait_ns = NS_PER_MS;
        }
    }
    ring_submit_and_wait(&bench.ring, 1, resolver_next_ns(bench.resolver, max_wait_ns));
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&bench.ring.uring, head, cqe) {
        if (ring_tag_op(cqe->user_data) == RING_OP_POLL) {
            resolver_on_completion(bench.resolver, cqe);
        }
        count++;
    }
    io_uring_cq_advance(&bench.ring.uring, count);
    resolver_step(bench.resolver);
}

/* The next finished look-up within 20 seconds, or NULL. */
static struct resolution *bench_next(void) {
    uint64_t end_ns = clock_mono_ns(&clock_system) + 20 * NS_PER_S;
    struct resolution *done;
    while ((done = resolver_next_finished(bench.resolver)) == NULL &&
           clock_mono_ns(&clock_system) < end_ns) {
        bench_tick(100 * NS_PER_MS);
    }
    return done;
}

static struct resolution look_up(const char *name) {
    static struct resolution resolution;
    resolution = (struct resolution){.owner = &bench};
    resolver_start(bench.resolver, &resolution, name);
    CU_ASSERT_PTR_EQUAL_FATAL(bench_next(), &resolution);
    CU_ASSERT_PTR_EQUAL(resolution.owner, &bench);
    CU_ASSERT(resolution.finished_ns >= resolution.started_ns && resolution.started_ns > 0);
    CU_ASSERT_EQUAL(resolution.outcome == OUTCOME_SUCCESS, resolution.error[0] == '\0');
    CU_ASSERT_EQUAL(resolution.outcome == OUTCOME_SUCCESS, resolution.address_count > 0);
    CU_ASSERT_EQUAL(resolver_in_flight(bench.resolver), 0);
    return resolution;
}

static bool address_is(const struct resolution *resolution, uint32_t idx, const char *text) {
    struct netaddr expected;
    return netaddr_parse(span_str(text), &expected) && idx < resolution->address_count &&
           netaddr_equal(&resolution->addresses[idx], &expected);
}

static bool start_dnsmasq(struct dnsmasq *server) {
    static char host_records[60][64];
    const char *args[80] = {
        "--local=/test/",
        "--host-record=both.test,192.0.2.7,2001:db8::7",
        "--host-record=v4.test,192.0.2.4",
        "--host-record=v6.test,2001:db8::6",
        "--cname=alias.test,both.test",
        "--address=/wild.test/192.0.2.9",
        "--address=/wild.test/2001:db8::9",
    };
    uint32_t count = 7;
    for (uint32_t i = 0; i < 60; i++) {
        snprintf(host_records[i], sizeof host_records[i], "--host-record=many.test,198.51.100.%u",
                 i + 1);
        args[count++] = host_records[i];
    }
    const char *why = "";
    if (!dnsmasq_start(server, args, &why)) {
        suite_skip(why);
        return false;
    }
    return true;
}

static void test_dnsmasq_answers(void) {
    struct dnsmasq server;
    if (!start_dnsmasq(&server)) {
        return;
    }
    char text[64];
    CU_ASSERT_FATAL(bench_open_on(text, sizeof text, server.port, 2000, 3));
    struct resolution got = look_up("both.test");
    CU_ASSERT_EQUAL(got.outcome, OUTCOME_SUCCESS);
    CU_ASSERT_EQUAL(got.address_count, 2);
    CU_ASSERT(address_is(&got, 0, "192.0.2.7"));
    CU_ASSERT(address_is(&got, 1, "2001:db8::7"));
    got = look_up("alias.test");
    CU_ASSERT(got.address_count == 2 && address_is(&got, 0, "192.0.2.7"));
    got = look_up("v4.test.");
    CU_ASSERT(got.address_count == 1 && address_is(&got, 0, "192.0.2.4"));
    got = look_up("v6.test");
    CU_ASSERT(got.address_count == 1 && address_is(&got, 0, "2001:db8::6"));
    got = look_up("absent.test");
    CU_ASSERT_EQUAL(got.outcome, OUTCOME_DNS_NXDOMAIN);
    /* No upstream server: dnsmasq refuses what is not its own. */
    got = look_up("elsewhere.example");
    CU_ASSERT_EQUAL(got.outcome, OUTCOME_DNS_ERROR);
    CU_ASSERT_PTR_NOT_NULL(strstr(got.error, "REFUSED"));
    bench_close();
    dnsmasq_stop(&server);
}

static void test_many_addresses_over_tcp(void) {
    struct dnsmasq server;
    if (!start_dnsmasq(&server)) {
        return;
    }
    char text[64];
    CU_ASSERT_FATAL(bench_open_on(text, sizeof text, server.port, 2000, 3));
    for (int round = 0; round < 3; round++) {
        struct resolution got = look_up("many.test");
        CU_ASSERT_EQUAL(got.outcome, OUTCOME_SUCCESS);
        CU_ASSERT_EQUAL(got.address_count, ADDRESSES_MAX);
        CU_ASSERT(got.truncated);
        for (uint32_t i = 0; i < got.address_count; i++) {
            CU_ASSERT(got.addresses[i].family == 4 && got.addresses[i].bytes[0] == 198);
        }
    }
    bench_close();
    dnsmasq_stop(&server);
}

static void test_one_family_only(void) {
    struct dnsmasq server;
    if (!start_dnsmasq(&server)) {
        return;
    }
    char text[64];
    snprintf(text, sizeof text, "127.0.0.1:%u", server.port);
    struct resolver_config config = {
        .servers = text, .timeout_ms = 2000, .tries = 3, .in_flight_max = 1, .ipv4 = true};
    CU_ASSERT_FATAL(bench_open(&config));
    struct resolution got = look_up("both.test");
    CU_ASSERT(got.address_count == 1 && address_is(&got, 0, "192.0.2.7"));
    got = look_up("v6.test");
    CU_ASSERT_EQUAL(got.outcome, OUTCOME_DNS_NO_ADDRESS);
    bench_close();
    config.ipv4 = false;
    config.ipv6 = true;
    CU_ASSERT_FATAL(bench_open(&config));
    got = look_up("both.test");
    CU_ASSERT(got.address_count == 1 && address_is(&got, 0, "2001:db8::7"));
    bench_close();
    dnsmasq_stop(&server);
}

static void test_thousands_of_names(void) {
    struct dnsmasq server;
    if (!start_dnsmasq(&server)) {
        return;
    }
    char text[64];
    CU_ASSERT_FATAL(bench_open_on(text, sizeof text, server.port, 2000, 3));
    struct resolution *all = calloc(NAMES_MAX, sizeof *all);
    uint32_t started = 0, finished = 0, right = 0;
    uint64_t begin_ns = clock_mono_ns(&clock_system);
    while (finished < NAMES_MAX) {
        while (started < NAMES_MAX && resolver_has_room(bench.resolver)) {
            char name[64];
            bool absent = started % 10 == 0;
            snprintf(name, sizeof name, absent ? "n%u.test" : "n%u.wild.test", started);
            all[started].owner = &all[started];
            resolver_start(bench.resolver, &all[started], name);
            started++;
        }
        CU_ASSERT(resolver_in_flight(bench.resolver) <= RESOLVER_IN_FLIGHT_MAX);
        struct resolution *done = bench_next();
        CU_ASSERT_PTR_NOT_NULL_FATAL(done);
        uint32_t idx = (uint32_t)(done - all);
        CU_ASSERT_PTR_EQUAL(done->owner, done);
        right += idx % 10 == 0 ? done->outcome == OUTCOME_DNS_NXDOMAIN
                               : done->address_count == 2 && address_is(done, 0, "192.0.2.9") &&
                                     address_is(done, 1, "2001:db8::9");
        finished++;
    }
    uint64_t took_ns = clock_mono_ns(&clock_system) - begin_ns;
    fprintf(stderr, "  %u names in %.2f s\n", finished, (double)took_ns / 1e9);
    CU_ASSERT_EQUAL(right, NAMES_MAX);
    free(all);
    bench_close();
    dnsmasq_stop(&server);
}

static void test_failures(void) {
    static const struct {
        const char *name;
        enum outcome outcome;
        const char *error;
        const char *missing; /* a family whose question failed beside the other's addresses */
    } cases[] = {
        {"servfail.test", OUTCOME_DNS_SERVFAIL, "SERVFAIL", ""},
        {"refused.test", OUTCOME_DNS_ERROR, "REFUSED", ""},
        {"notimp.test", OUTCOME_DNS_ERROR, "not implement", ""},
        {"formerr.test", OUTCOME_DNS_ERROR, "misformatted", ""},
        {"nxdomain.test", OUTCOME_DNS_NXDOMAIN, "NXDOMAIN", ""},
        {"nodata.test", OUTCOME_DNS_NO_ADDRESS, "no address", ""},
        {"loop.test", OUTCOME_DNS_NO_ADDRESS, "no address", ""},
        {"cut.test", OUTCOME_DNS_TIMEOUT, "did not answer", ""}, /* not a reply: c-ares waits on */
        {"truncated.test", OUTCOME_DNS_ERROR, "cannot be reached", ""}, /* no TCP there */
        {"silent.test", OUTCOME_DNS_TIMEOUT, "did not answer", ""},
        {"ok.test", OUTCOME_SUCCESS, "", ""},
        {"v4servfail.test", OUTCOME_SUCCESS, "", "the name server failed (SERVFAIL)"},
        {"v6servfail.test", OUTCOME_SUCCESS, "", "the name server failed (SERVFAIL)"},
        {"v6nxdomain.test", OUTCOME_SUCCESS, "", ""},
        {"v6silent.test", OUTCOME_SUCCESS, "", "the name server did not answer in time"},
        {"late.test", OUTCOME_SUCCESS, "", ""},
        {"a..test", OUTCOME_DNS_ERROR, "isformatted", ""},
    };
    struct scripted_dns server;
    CU_ASSERT_FATAL(scripted_dns_open(&server));
    char text[64];
    CU_ASSERT_FATAL(bench_open_on(text, sizeof text, server.port, 60, 3));
    bench.scripted[0] = &server;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct resolution got = look_up(cases[i].name);
        bool right = got.outcome == cases[i].outcome && strstr(got.error, cases[i].error) != NULL;
        const char *missing = got.missing != NULL ? got.missing : "";
        right = right && strcmp(missing, cases[i].missing) == 0;
        if (!right) {
            fprintf(stderr, "  %s: outcome %d, %s\n", cases[i].name, got.outcome, got.error);
        }
        CU_ASSERT(right);
    }
    struct resolution got = look_up("ok.test");
    CU_ASSERT(address_is(&got, 0, "192.0.2.1") && address_is(&got, 1, "2001:db8::1"));
    got = look_up("v4servfail.test");
    CU_ASSERT(got.address_count == 1 && address_is(&got, 0, "2001:db8::1"));
    got = look_up("v6silent.test");
    CU_ASSERT(got.address_count == 1 && address_is(&got, 0, "192.0.2.1"));
    bench_close();
    scripted_dns_close(&server);
}

/* A lost answer is asked for `tries` times, and ends after tries * timeout. */
static void test_silence_ends(void) {
    struct scripted_dns server;
    CU_ASSERT_FATAL(scripted_dns_open(&server));
    char text[64];
    CU_ASSERT_FATAL(bench_open_on(text, sizeof text, server.port, 200, 3));
    bench.scripted[0] = &server;
    struct resolution got = look_up("silent.test");
    uint64_t took_ms = (got.finished_ns - got.started_ns) / NS_PER_MS;
    CU_ASSERT_EQUAL(got.outcome, OUTCOME_DNS_TIMEOUT);
    CU_ASSERT_EQUAL(server.questions, 6);
    CU_ASSERT(took_ms >= 590 && took_ms < 900);
    bench_close();
    scripted_dns_close(&server);
}

static void test_unreachable_server(void) {
    struct scripted_dns server; /* closed at once: nobody listens on its port */
    CU_ASSERT_FATAL(scripted_dns_open(&server));
    scripted_dns_close(&server);
    char text[64];
    CU_ASSERT_FATAL(bench_open_on(text, sizeof text, server.port, 2000, 3));
    for (int i = 0; i < 20; i++) {
        struct resolution got = look_up("ok.test");
        CU_ASSERT_EQUAL(got.outcome, OUTCOME_DNS_ERROR);
        CU_ASSERT_PTR_NOT_NULL(strstr(got.error, "cannot be reached"));
        CU_ASSERT(got.finished_ns - got.started_ns < NS_PER_S);
    }
    bench_close();
}

/* Another server helps after SERVFAIL and the like, and after silence; the silent one is then asked
   last. */
static void test_second_server(void) {
    static const char *const failing[] = {"servfail", "refused", "notimp", "formerr", "silent"};
    for (size_t i = 0; i < ARRAY_COUNT(failing); i++) {
        struct scripted_dns bad, good;
        CU_ASSERT_FATAL(scripted_dns_open(&bad) && scripted_dns_open(&good));
        bad.always = failing[i];
        char text[64];
        snprintf(text, sizeof text, "127.0.0.1:%u, 127.0.0.1:%u", bad.port, good.port);
        const struct resolver_config config = {.servers = text,
                                               .timeout_ms = 100,
                                               .tries = 2,
                                               .in_flight_max = 8,
                                               .ipv4 = true,
                                               .ipv6 = true};
        CU_ASSERT_FATAL(bench_open(&config));
        bench.scripted[0] = &bad;
        bench.scripted[1] = &good;
        struct resolution got = look_up("ok.test");
        CU_ASSERT_EQUAL(got.outcome, OUTCOME_SUCCESS);
        CU_ASSERT_EQUAL(got.address_count, 2);
        uint32_t asked = bad.questions;
        CU_ASSERT_EQUAL(asked, 2);
        got = look_up("ok.test");
        CU_ASSERT_EQUAL(got.address_count, 2);
        CU_ASSERT_EQUAL(bad.questions, strcmp(failing[i], "silent") == 0 ? asked : 2 * asked);
        got = look_up("servfail.test");
        CU_ASSERT_EQUAL(got.outcome, OUTCOME_DNS_SERVFAIL);
        bench_close();
        scripted_dns_close(&bad);
        scripted_dns_close(&good);
    }
}

/* Cancelled ones are never delivered though the server answers; their memory is gone by then. */
static void test_cancel(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    struct scripted_dns server;
    CU_ASSERT_FATAL(scripted_dns_open(&server));
    char text[64];
    CU_ASSERT_FATAL(bench_open_on(text, sizeof text, server.port, 30, 2));
    uint32_t delivered = 0, kept = 0;
    for (uint32_t round = 0; round < 30; round++) {
        struct resolution *all[64];
        for (uint32_t i = 0; i < 64; i++) {
            all[i] = malloc(sizeof *all[i]);
            memset(all[i], 0xA5, sizeof *all[i]);
            resolver_start(bench.resolver, all[i], rng_below(&rng, 8) == 0 ? "silent.t" : "ok.t");
        }
        bench.scripted[0] = rng_below(&rng, 2) == 0 ? &server : NULL;
        bench_tick(0);
        for (uint32_t i = 0; i < 64; i++) {
            if (rng_below(&rng, 3) != 0) { /* in flight, or finished and not yet taken */
                resolver_cancel(bench.resolver, all[i]);
                free(all[i]);
                all[i] = NULL;
            } else {
                kept++;
            }
        }
        bench.scripted[0] = &server;
        uint64_t end_ns = clock_mono_ns(&clock_system) + 20 * NS_PER_S;
        for (;;) {
            struct resolution *done = resolver_next_finished(bench.resolver);
            if (done == NULL && resolver_in_flight(bench.resolver) == 0) {
                break;
            }
            CU_ASSERT_FATAL(clock_mono_ns(&clock_system) < end_ns);
            if (done == NULL) {
                bench_tick(NS_PER_MS);
                continue;
            }
            bool ours = false;
            for (uint32_t i = 0; i < 64 && !ours; i++) {
                ours = done == all[i];
                all[i] = ours ? NULL : all[i];
            }
            CU_ASSERT_FATAL(ours);
            delivered++;
            free(done);
        }
        while (!resolver_has_room(bench.resolver)) {
            bench_tick(NS_PER_MS);
        }
    }
    CU_ASSERT_EQUAL(delivered, kept);
    bench_close();
    scripted_dns_close(&server);
}

static void test_room(void) {
    struct scripted_dns server;
    CU_ASSERT_FATAL(scripted_dns_open(&server));
    char text[64];
    snprintf(text, sizeof text, "127.0.0.1:%u", server.port);
    const struct resolver_config config = {
        .servers = text, .timeout_ms = 80, .tries = 2, .in_flight_max = 2, .ipv6 = true};
    CU_ASSERT_FATAL(bench_open(&config));
    struct resolution a = {0}, b = {0};
    resolver_start(bench.resolver, &a, "silent.test");
    resolver_start(bench.resolver, &b, "silent.test");
    CU_ASSERT(!resolver_has_room(bench.resolver));
    CU_ASSERT_EQUAL(resolver_in_flight(bench.resolver), 2);
    CU_ASSERT(resolver_next_ns(bench.resolver, UINT64_MAX) <= 81 * NS_PER_MS);
    resolver_cancel(bench.resolver, &a);
    resolver_cancel(bench.resolver, &b);
    CU_ASSERT_EQUAL(resolver_in_flight(bench.resolver), 0);
    uint64_t end_ns = clock_mono_ns(&clock_system) + 2 * NS_PER_S;
    while (!resolver_has_room(bench.resolver) && clock_mono_ns(&clock_system) < end_ns) {
        bench_tick(10 * NS_PER_MS);
    }
    CU_ASSERT(resolver_has_room(bench.resolver));
    for (int i = 0; i < 20; i++) {
        bench_tick(10 * NS_PER_MS);
    }
    CU_ASSERT_EQUAL(resolver_next_ns(bench.resolver, 12345), 12345);
    CU_ASSERT_PTR_NULL(resolver_next_finished(bench.resolver));
    bench_close();
    scripted_dns_close(&server);
}

static void test_free_in_flight(void) {
    for (int waited = 0; waited < 3; waited++) {
        struct scripted_dns server;
        CU_ASSERT_FATAL(scripted_dns_open(&server));
        char text[64];
        CU_ASSERT_FATAL(bench_open_on(text, sizeof text, server.port, 2000, 3));
        struct resolution *all = calloc(100, sizeof *all);
        for (uint32_t i = 0; i < 100; i++) {
            resolver_start(bench.resolver, &all[i], i % 2 == 0 ? "ok.test" : "silent.test");
        }
        if (waited > 0) {
            bench.scripted[0] = waited > 1 ? &server : NULL;
            bench_tick(NS_PER_MS);
            bench_tick(NS_PER_MS);
        }
        bench_close();
        free(all);
        scripted_dns_close(&server);
    }
}

static void test_server_list(void) {
    struct resolver_server servers[RESOLVER_SERVERS_MAX];
    struct err_note note = {0};
    uint32_t count = 0;
    CU_ASSERT_EQUAL(resolver_servers_parse("127.0.0.1:5353, [::1]:54,192.0.2.1,2001:db8::1,[::2]",
                                           servers, &count, &note),
                    ERR_NONE);
    CU_ASSERT_EQUAL_FATAL(count, 5);
    static const uint16_t ports[] = {5353, 54, 53, 53, 53};
    for (uint32_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(servers[i].port, ports[i]);
        CU_ASSERT_EQUAL(servers[i].address.family, i == 0 || i == 2 ? 4 : 6);
    }
    static const char *const bad[][2] = {
        {"", "empty"},
        {"127.0.0.1,,::1", "empty"},
        {"127.0.0.1,", "empty"},
        {"127.0.0.1,dns.example", "\"dns.example\""},
        {"127.0.0.1:0", "\"127.0.0.1:0\""},
        {"127.0.0.1:65536", "\"127.0.0.1:65536\""},
        {"[::1", "\"[::1\""},
        {"1.2.3", "\"1.2.3\""},
        {"https://1.1.1.1/", "\"https://1.1.1.1/\""},
        {"1.1.1.0/24", "\"1.1.1.0/24\""},
        {"::1,::1,::1,::1,::1,::1,::1,::1,::1", "more than"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        note.text[0] = '\0';
        count = 77;
        CU_ASSERT_EQUAL(resolver_servers_parse(bad[i][0], servers, &count, &note), ERR_USAGE);
        CU_ASSERT_EQUAL(count, 77);
        CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "--dns-servers"));
        CU_ASSERT_PTR_NOT_NULL(strstr(note.text, bad[i][1]));
    }
    CU_ASSERT_EQUAL(resolver_servers_system(servers, &count, &note), ERR_NONE);
    CU_ASSERT(count > 0 && servers[0].port != 0 && servers[0].address.family != 0);
}

SUITE_MAIN("resolver", {"answers of dnsmasq", test_dnsmasq_answers},
           {"many addresses, truncated, over TCP", test_many_addresses_over_tcp},
           {"one family only", test_one_family_only},
           {"thousands of names", test_thousands_of_names}, {"failures", test_failures},
           {"silence ends", test_silence_ends}, {"unreachable server", test_unreachable_server},
           {"second server", test_second_server}, {"cancel in flight", test_cancel},
           {"room", test_room}, {"free in flight", test_free_in_flight},
           {"server list", test_server_list})
