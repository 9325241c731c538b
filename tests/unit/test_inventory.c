#include "engine/sweep/inventory.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/rng.h"
#include "tests/support/suite.h"

/* --- helpers: an inventory from text, by file or by pipe, and what it yields --- */

enum way { BY_FILE, BY_PIPE };

struct feed {
    pthread_t thread;
    int fd;
    struct span text;
    uint64_t repeat_lines; /* instead of text: so many numbered hosts */
};

static void write_all(int fd, const void *bytes, size_t len) {
    for (const uint8_t *at = bytes; len > 0;) {
        ssize_t put = write(fd, at, len);
        if (put < 0) {
            return; /* the reading end was closed */
        }
        at += put;
        len -= (size_t)put;
    }
}

static void write_numbered(int fd, uint64_t count) {
    char text[65536];
    size_t len = 0;
    for (uint64_t i = 1; i <= count; i++) {
        if (len > sizeof text - 64) {
            write_all(fd, text, len);
            len = 0;
        }
        len += (size_t)sprintf(text + len, "h%llu.example\n", (unsigned long long)i);
    }
    write_all(fd, text, len);
}

static void *feed_run(void *argument) {
    struct feed *feed = argument;
    if (feed->repeat_lines > 0) {
        write_numbered(feed->fd, feed->repeat_lines);
    } else {
        write_all(feed->fd, feed->text.data, feed->text.len);
    }
    close(feed->fd);
    return NULL;
}

struct source {
    enum way way;
    char path[64];
    int read_fd;
    struct feed feed;
};

static void source_begin(struct source *source, enum way way, struct span text, uint64_t lines) {
    *source = (struct source){.way = way, .feed = {.text = text, .repeat_lines = lines}};
    if (way == BY_FILE) {
        strcpy(source->path, "/tmp/pinsweep-inventory-XXXXXX");
        source->feed.fd = mkstemp(source->path);
        CU_ASSERT_FATAL(source->feed.fd >= 0);
        feed_run(&source->feed);
        return;
    }
    int fds[2];
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    source->read_fd = fds[0];
    source->feed.fd = fds[1];
    sprintf(source->path, "/dev/fd/%d", fds[0]);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&source->feed.thread, NULL, feed_run, &source->feed), 0);
}

static void source_end(struct source *source) {
    if (source->way == BY_FILE) {
        unlink(source->path);
    } else {
        close(source->read_fd);
        pthread_join(source->feed.thread, NULL);
    }
}

/* Standard error into a file while bad lines are told. */
static int saved_stderr = -1;
static FILE *captured;

static void capture_begin(void) {
    captured = tmpfile();
    saved_stderr = dup(STDERR_FILENO);
    dup2(fileno(captured), STDERR_FILENO);
}

static void capture_end(char *out, size_t out_len) {
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    rewind(captured);
    size_t len = fread(out, 1, out_len - 1, captured);
    out[len] = '\0';
    fclose(captured);
}

static struct inventory *open_source(struct source *source, struct inventory_config config) {
    struct inventory *inventory = NULL;
    struct err_note note = {""};
    config.file = source->path;
    enum err err = inventory_open(&config, &inventory, &note);
    if (err != ERR_NONE) {
        fprintf(stderr, "  %s\n", note.text);
    }
    CU_ASSERT_EQUAL_FATAL(err, ERR_NONE);
    return inventory;
}

/* One text a target. */
struct yield {
    char **rows;
    size_t count, capacity;
    enum inventory_result last;
};

static void yield_add(struct yield *yield, const struct inventory_target *target) {
    char connect[NETADDR_TEXT_MAX] = "-", row[2048];
    if (target->has_connect) {
        netaddr_format(connect, &target->connect);
    }
    snprintf(row, sizeof row, "%06llu %s%s %u sni=%s pin=%s to=%s %s|%s|%s",
             (unsigned long long)target->line, target->host, target->host_is_address ? "!" : "",
             target->port, target->sni, target->pin_host, connect, target->tag, target->owner,
             target->application);
    if (yield->count == yield->capacity) {
        yield->capacity = yield->capacity > 0 ? 2 * yield->capacity : 256;
        yield->rows = realloc(yield->rows, yield->capacity * sizeof *yield->rows);
    }
    yield->rows[yield->count++] = strdup(row);
}

static void yield_free(struct yield *yield) {
    for (size_t i = 0; i < yield->count; i++) {
        free(yield->rows[i]);
    }
    free(yield->rows);
    *yield = (struct yield){0};
}

static int compare_rows(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void yield_sort(struct yield *yield) {
    if (yield->count > 0) {
        qsort(yield->rows, yield->count, sizeof *yield->rows, compare_rows);
    }
}

static bool yield_equal(const struct yield *a, const struct yield *b) {
    for (size_t i = 0; a->count == b->count && i < a->count; i++) {
        if (strcmp(a->rows[i], b->rows[i]) != 0) {
            fprintf(stderr, "  \"%s\"\n  \"%s\"\n", a->rows[i], b->rows[i]);
            return false;
        }
    }
    return a->count == b->count;
}

static enum inventory_result next_or_end(struct inventory_reader *reader,
                                         struct inventory_target *target) {
    enum inventory_result result;
    while ((result = inventory_reader_next(reader, target)) == INVENTORY_WAIT) {
        usleep(200);
    }
    return result;
}

static void drain(struct inventory *inventory, struct yield *out) {
    struct inventory_reader *reader = inventory_reader_open(inventory);
    struct inventory_target target;
    while ((out->last = next_or_end(reader, &target)) == INVENTORY_TARGET) {
        yield_add(out, &target);
    }
    inventory_reader_close(reader);
}

static void yield_of(enum way way, struct span text, struct inventory_config config,
                     struct yield *out, struct inventory_counts *counts) {
    struct source source;
    *out = (struct yield){0};
    source_begin(&source, way, text, 0);
    struct inventory *inventory = open_source(&source, config);
    drain(inventory, out);
    CU_ASSERT_EQUAL(out->last, INVENTORY_END);
    inventory_get_counts(inventory, counts);
    CU_ASSERT_EQUAL(counts->lines, counts->accepted + counts->rejected + counts->skipped);
    CU_ASSERT_EQUAL(counts->targets, out->count);
    CU_ASSERT_EQUAL(inventory_is_counted(inventory), way == BY_FILE);
    inventory_close(inventory);
    source_end(&source);
}

/* The text yields exactly these rows, from a file and from a pipe. */
static void check_rows(const char *text, struct inventory_config config, const char *const *rows,
                       size_t count) {
    for (enum way way = BY_FILE; way <= BY_PIPE; way++) {
        struct yield yield;
        struct inventory_counts counts;
        yield_of(way, span_str(text), config, &yield, &counts);
        CU_ASSERT_EQUAL(yield.count, count);
        for (size_t i = 0; i < count && i < yield.count; i++) {
            if (strcmp(yield.rows[i], rows[i]) != 0) {
                fprintf(stderr, "  got  \"%s\"\n  want \"%s\"\n", yield.rows[i], rows[i]);
                CU_FAIL("row");
            }
        }
        CU_ASSERT_EQUAL(counts.rejected, 0);
        yield_free(&yield);
    }
}

#define CHECK_ROWS(text, config, ...)                                                              \
    do {                                                                                           \
        static const char *const rows[] = {__VA_ARGS__};                                           \
        check_rows(text, config, rows, ARRAY_COUNT(rows));                                         \
    } while (0)

static const struct inventory_config plain_config = {.default_port = 443};

/* --- formats --- */

static void test_plain(void) {
    CHECK_ROWS("# hosts\n\nApi.Bank.example\nmq.bank.example:8883 # the queue\n"
               "  [2001:DB8::1]:993\t\r\n2001:db8:0:0:0:0:0:2\nhttps://www.bank.example/login#a,b\n"
               "192.0.2.7\nbücher.example:1\n192.0.2.8/32\n::ffff:192.0.2.9\n192.0.2.10.",
               plain_config,
               "000003 api.bank.example 443 sni=api.bank.example "
               "pin=api.bank.example to=- ||",
               "000004 mq.bank.example 8883 sni=mq.bank.example pin=mq.bank.example to=- ||",
               "000005 2001:db8::1! 993 sni= pin=2001:db8::1 to=2001:db8::1 ||",
               "000006 2001:db8::2! 443 sni= pin=2001:db8::2 to=2001:db8::2 ||",
               "000007 www.bank.example 443 sni=www.bank.example pin=www.bank.example to=- ||",
               "000008 192.0.2.7! 443 sni= pin=192.0.2.7 to=192.0.2.7 ||",
               "000009 xn--bcher-kva.example 1 sni=xn--bcher-kva.example "
               "pin=xn--bcher-kva.example to=- ||",
               "000010 192.0.2.8! 443 sni= pin=192.0.2.8 to=192.0.2.8 ||",
               "000011 192.0.2.9! 443 sni= pin=192.0.2.9 to=192.0.2.9 ||",
               "000012 192.0.2.10! 443 sni= pin=192.0.2.10 to=192.0.2.10 ||");
}

static void test_ranges(void) {
    CHECK_ROWS("198.51.100.252/30\na.example\n2001:db8::fffe/127\n", plain_config,
               "000001 198.51.100.252! 443 sni= pin=198.51.100.252 to=198.51.100.252 ||",
               "000001 198.51.100.253! 443 sni= pin=198.51.100.253 to=198.51.100.253 ||",
               "000001 198.51.100.254! 443 sni= pin=198.51.100.254 to=198.51.100.254 ||",
               "000001 198.51.100.255! 443 sni= pin=198.51.100.255 to=198.51.100.255 ||",
               "000002 a.example 443 sni=a.example pin=a.example to=- ||",
               "000003 2001:db8::fffe! 443 sni= pin=2001:db8::fffe to=2001:db8::fffe ||",
               "000003 2001:db8::ffff! 443 sni= pin=2001:db8::ffff to=2001:db8::ffff ||");
}

static void test_csv(void) {
    CHECK_ROWS("# export\nid,Host,PORT,sni,pin_host,connect,tag,owner,application\n"
               "1,a.example,8443,,,,t,o,app\n"
               "2,a.example,,sni.example,pin.example,192.0.2.1,,,\n"
               "3, \"b.example\" ,,,,,\"say \"\"hi\"\", you\",\"a,b\"\n"
               "4,192.0.2.2,,sni.example\n"
               "5,c.example:99,99\n"
               "6,,,,,192.0.2.3,,,,\n"
               "7,192.0.2.4/31,1,S.example.,192.0.2.99,,x\n"
               "8,d.example,,,,192.0.2.6/31,\r\n"
               "9,192.0.2.1,,,,192.0.2.8/31\n",
               plain_config, "000003 a.example 8443 sni=a.example pin=a.example to=- t|o|app",
               "000004 a.example 443 sni=sni.example pin=pin.example to=192.0.2.1 ||",
               "000005 b.example 443 sni=b.example pin=b.example to=- say \"hi\", you|a,b|",
               "000006 192.0.2.2! 443 sni=sni.example pin=sni.example to=192.0.2.2 ||",
               "000007 c.example 99 sni=c.example pin=c.example to=- ||",
               "000008 192.0.2.3! 443 sni= pin=192.0.2.3 to=192.0.2.3 ||",
               "000009 192.0.2.4! 1 sni=s.example pin=192.0.2.99 to=192.0.2.4 x||",
               "000009 192.0.2.5! 1 sni=s.example pin=192.0.2.99 to=192.0.2.5 x||",
               "000010 d.example 443 sni=d.example pin=d.example to=192.0.2.6 ||",
               "000010 d.example 443 sni=d.example pin=d.example to=192.0.2.7 ||",
               "000011 192.0.2.1! 443 sni= pin=192.0.2.1 to=192.0.2.8 ||",
               "000011 192.0.2.1! 443 sni= pin=192.0.2.1 to=192.0.2.9 ||");
}

static void test_zgrab2(void) {
    CHECK_ROWS("192.0.2.1, a.example, web, 8443\n192.0.2.2\n,b.example\nc.example\n"
               "\"192.0.2.3\",\"d.example\"\n2001:db8::1,,,993\n192.0.2.4/31,e.example\n",
               plain_config, "000001 a.example 8443 sni=a.example pin=a.example to=192.0.2.1 web||",
               "000002 192.0.2.2! 443 sni= pin=192.0.2.2 to=192.0.2.2 ||",
               "000003 b.example 443 sni=b.example pin=b.example to=- ||",
               "000004 c.example 443 sni=c.example pin=c.example to=- ||",
               "000005 d.example 443 sni=d.example pin=d.example to=192.0.2.3 ||",
               "000006 2001:db8::1! 993 sni= pin=2001:db8::1 to=2001:db8::1 ||",
               "000007 e.example 443 sni=e.example pin=e.example to=192.0.2.4 ||",
               "000007 e.example 443 sni=e.example pin=e.example to=192.0.2.5 ||");
}

static void test_ndjson(void) {
    CHECK_ROWS(
        "{\"host\":\"a.example\",\"port\":8443,\"tag\":\"\\u00fc \\\"x\\\"\",\"more\":[1,{}]}\n"
        "# comment\n\n"
        "  {\"connect\":\"192.0.2.1\",\"host\":\"b.example\",\"port\":\"99\",\"owner\":null} \r\n"
        "{\"host\":\"192.0.2.2/31\",\"sni\":\"c.example\",\"pin_host\":\"d.example\","
        "\"owner\":\"o\",\"application\":\"app\"}",
        plain_config, "000001 a.example 8443 sni=a.example pin=a.example to=- ü \"x\"||",
        "000004 b.example 99 sni=b.example pin=b.example to=192.0.2.1 ||",
        "000005 192.0.2.2! 443 sni=c.example pin=d.example to=192.0.2.2 |o|app",
        "000005 192.0.2.3! 443 sni=c.example pin=d.example to=192.0.2.3 |o|app");
}

static enum inventory_format format_of(const char *text, enum way way) {
    struct source source;
    struct yield yield = {0};
    char told[4096];
    source_begin(&source, way, span_str(text), 0);
    capture_begin();
    struct inventory *inventory = open_source(&source, plain_config);
    drain(inventory, &yield);
    capture_end(told, sizeof told);
    enum inventory_format format = inventory_format(inventory);
    yield_free(&yield);
    inventory_close(inventory);
    source_end(&source);
    return format;
}

static void test_format(void) {
    static const struct {
        const char *text;
        enum inventory_format format;
    } cases[] = {{"", INVENTORY_PLAIN},
                 {"# only\n\n", INVENTORY_PLAIN},
                 {"a.example\n", INVENTORY_PLAIN},
                 {"https://a.example/b,c\n", INVENTORY_PLAIN},
                 {"host\na.example\n", INVENTORY_CSV},
                 {"\xef\xbb\xbfhost,port\n", INVENTORY_CSV},
                 {"\n# c\ntag,connect\n", INVENTORY_CSV},
                 {"192.0.2.1,a.example\n", INVENTORY_ZGRAB2},
                 {",a.example\n", INVENTORY_ZGRAB2},
                 {"\xef\xbb\xbf{}\n", INVENTORY_NDJSON}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        CU_ASSERT_EQUAL(format_of(cases[i].text, BY_FILE), cases[i].format);
        CU_ASSERT_EQUAL(format_of(cases[i].text, BY_PIPE), cases[i].format);
    }
    enum inventory_format format = INVENTORY_AUTO;
    CU_ASSERT_TRUE(inventory_format_from_text("zgrab2", &format));
    CU_ASSERT_EQUAL(format, INVENTORY_ZGRAB2);
    CU_ASSERT_TRUE(inventory_format_from_text("auto", &format));
    CU_ASSERT_EQUAL(format, INVENTORY_AUTO);
    CU_ASSERT_FALSE(inventory_format_from_text("xml", &format));
}

static void test_families(void) {
    struct inventory_config config = {.ipv6 = true};
    CHECK_ROWS("192.0.2.1\na.example\n192.0.2.0/24\n2001:db8::1\n::ffff:192.0.2.1\n", config,
               "000002 a.example 443 sni=a.example pin=a.example to=- ||",
               "000004 2001:db8::1! 443 sni= pin=2001:db8::1 to=2001:db8::1 ||");
}

/* --- bad input --- */

static void check_bad(const char *head, struct span line, enum inventory_format format,
                      const char *expected) {
    char text[4096], told[8192], wanted[512];
    size_t head_len = strlen(head);
    memcpy(text, head, head_len);
    memcpy(text + head_len, line.data, line.len);
    struct span whole = span_of(text, head_len + line.len);
    struct inventory_config config = {.format = format, .range_max = 256};
    for (enum way way = BY_FILE; way <= BY_PIPE; way++) {
        struct yield yield = {0};
        struct source source;
        struct inventory_counts counts;
        capture_begin();
        source_begin(&source, way, whole, 0);
        struct inventory *inventory = open_source(&source, config);
        drain(inventory, &yield);
        capture_end(told, sizeof told);
        inventory_get_counts(inventory, &counts);
        int line_number = head_len > 0 ? 2 : 1;
        snprintf(wanted, sizeof wanted, "%s:%d: ", source.path, line_number);
        if (counts.rejected != 1 || yield.count != 0 ||
            strncmp(told, wanted, strlen(wanted)) != 0 || strstr(told, expected) == NULL) {
            fprintf(stderr, "  \"%.*s\": told \"%s\", %zu targets; expected \"%s\"\n",
                    (int)line.len, (const char *)line.data, told, yield.count, expected);
            CU_FAIL("bad line");
        }
        yield_free(&yield);
        inventory_close(inventory);
        source_end(&source);
    }
}

static void test_bad_plain(void) {
    static const struct {
        const char *line, *expected;
    } cases[] = {{"http://a.example/", "only https:// URLs"},
                 {"imaps://a.example", "only https:// URLs"},
                 {"a.example/x", "write https://"},
                 {"a.example:0", "from 1 to 65535"},
                 {"a.example:65536", "from 1 to 65535"},
                 {"a.example:", "no port"},
                 {":443", "no host"},
                 {"1.2.3", "not a valid IPv4 address"},
                 {"300.1.1.1", "not a valid IPv4 address"},
                 {"192.0.2.1/24", "bits are set"},
                 {"192.0.2.0/33", "prefix length"},
                 {"192.0.0.0/16", "--max-range"},
                 {"::/0", "--max-range"},
                 {"a..example", "empty label"},
                 {"*.example", "wildcard"},
                 {"a.example b.example", "white space"},
                 {"\xff.example", "UTF-8"},
                 {"fe80::1%eth0", "zone"},
                 {"2001:db8::1::2", "IPv6"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        check_bad("", span_str(cases[i].line), INVENTORY_PLAIN, cases[i].expected);
    }
    check_bad("", span_of("a\0.example", 10), INVENTORY_PLAIN, "NUL byte");
    check_bad("", span_of("a\0", 2), INVENTORY_PLAIN, "UTF-16");
}

static void test_bad_csv(void) {
    static const struct {
        const char *line, *expected;
    } cases[] = {{"a.example,\"443", "quote is not closed"},
                 {"a.example,\"443\"x", "after a closing quote"},
                 {"a\"b,443", "quote inside"},
                 {"a.example,443,,,,,x", "more fields than the header"},
                 {",443", "no host"},
                 {"a.example,https", "from 1 to 65535"},
                 {"a.example:1,2", "another port"},
                 {"a.example,,192.0.2.1", "RFC 6066"},
                 {"a.example,,::1", "\":\" inside"},
                 {"a.example,,,b.example", "\"connect\" is not an IP address"},
                 {"192.0.2.0/30,,,192.0.2.1", "exclude each other"},
                 {"\"a\"\"b\",1", "a character that no host name has"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        check_bad("host,port,sni,connect,tag\n", span_str(cases[i].line), INVENTORY_AUTO,
                  cases[i].expected);
    }
    char line[400] = "a.example,,,,";
    memset(line + 13, 'x', 256);
    check_bad("host,port,sni,connect,tag\n", span_str(line), INVENTORY_AUTO, "255 bytes");
    check_bad("", span_str("a.example,b.example"), INVENTORY_ZGRAB2, "IP,DOMAIN,TAG,PORT");
    check_bad("", span_str("192.0.2.1,192.0.2.2"), INVENTORY_ZGRAB2, "it is a name");
    check_bad("", span_str("192.0.2.1,a,b,1,2"), INVENTORY_ZGRAB2, "more than the four fields");
    check_bad("", span_str("192.0.2.1,a.example,b,x"), INVENTORY_ZGRAB2, "from 1 to 65535");
}

static void test_bad_ndjson(void) {
    static const struct {
        const char *line, *expected;
    } cases[] = {{"[]", "not a JSON object"},
                 {"{", "not valid JSON"},
                 {"{\"host\":\"a\"", "not valid JSON"},
                 {"{\"host\":\"a\"} x", "after the JSON object"},
                 {"{}", "no host"},
                 {"{\"port\":1}", "no host"},
                 {"{\"host\":1}", "not a string"},
                 {"{\"host\":\"a\",\"host\":\"b\"}", "given twice"},
                 {"{\"host\":\"a\",\"port\":70000}", "from 1 to 65535"},
                 {"{\"host\":\"a\",\"port\":1.5}", "from 1 to 65535"},
                 {"{\"host\":\"a\",\"port\":-1}", "from 1 to 65535"},
                 {"{\"host\":\"a\",\"port\":0}", "from 1 to 65535"},
                 {"{\"host\":\"a.example\\u0000.evil\"}", "NUL"},
                 {"a.example", "not a JSON object"}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        check_bad("", span_str(cases[i].line), INVENTORY_NDJSON, cases[i].expected);
    }
}

static void test_bad_header(void) {
    static const struct {
        const char *text, *expected;
        enum inventory_format format;
    } cases[] = {{"name,port\n", "known columns are host, port", INVENTORY_CSV},
                 {"host,port,host\n", "twice", INVENTORY_AUTO},
                 {"host,\"port\n", "quote", INVENTORY_CSV}};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        for (enum way way = BY_FILE; way <= BY_PIPE; way++) {
            struct source source;
            source_begin(&source, way, span_str(cases[i].text), 0);
            struct inventory_config config = {.file = source.path, .format = cases[i].format};
            struct inventory *inventory = NULL;
            struct err_note note = {""};
            enum err err = inventory_open(&config, &inventory, &note);
            if (way == BY_PIPE) {
                struct yield yield = {0};
                CU_ASSERT_EQUAL_FATAL(err, ERR_NONE);
                drain(inventory, &yield);
                CU_ASSERT_EQUAL(yield.last, INVENTORY_FAILED);
                err = inventory_failure(inventory, &note);
                inventory_close(inventory);
            }
            CU_ASSERT_EQUAL(err, ERR_INPUT);
            CU_ASSERT_PTR_NOT_NULL(strstr(note.text, cases[i].expected));
            CU_ASSERT_PTR_NOT_NULL(strstr(note.text, ":1: "));
            source_end(&source);
        }
    }
}

static void test_unknown_columns(void) {
    char told[4096];
    struct yield yield;
    struct inventory_counts counts;
    capture_begin();
    yield_of(BY_FILE, span_str("asset,host,x\033y\n1,a.example,\n2,b.example,\n"), plain_config,
             &yield, &counts);
    capture_end(told, sizeof told);
    CU_ASSERT_EQUAL(yield.count, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(told, ":1: ignoring the columns asset, x?y; known are host,"));
    CU_ASSERT_PTR_EQUAL(strchr(told, '\n'), strrchr(told, '\n')); /* one notice */
    yield_free(&yield);
}

static void test_open_errors(void) {
    struct inventory *inventory = NULL;
    struct err_note note = {""};
    struct inventory_config config = {.file = "/nonexistent/inventory"};
    CU_ASSERT_EQUAL(inventory_open(&config, &inventory, &note), ERR_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "/nonexistent/inventory: cannot open"));
    config.file = "/tmp";
    CU_ASSERT_EQUAL(inventory_open(&config, &inventory, &note), ERR_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "folder"));
    config.shards = 4;
    config.shard = 4;
    CU_ASSERT_EQUAL(inventory_open(&config, &inventory, &note), ERR_USAGE);
    CU_ASSERT_PTR_NULL(inventory);
    inventory_close(NULL);
}

static void test_long_lines(void) {
    size_t len = 4 * LINE_BYTES_MAX;
    char *text = malloc(len + 100), told[4096];
    size_t at = (size_t)sprintf(text, "a.example\n");
    memset(text + at, 'x', 3 * LINE_BYTES_MAX);
    at += 3 * LINE_BYTES_MAX;
    at += (size_t)sprintf(text + at, "\nb.example\n#");
    memset(text + at, 'y', LINE_BYTES_MAX - 1); /* exactly the longest */
    at += LINE_BYTES_MAX - 1;
    at += (size_t)sprintf(text + at, "\n");
    size_t end_of_third = at;
    struct span cases[] = {span_of(text, end_of_third), {0}, {0}};
    char *more = malloc(end_of_third + LINE_BYTES_MAX + 1);
    memcpy(more, text, end_of_third);
    memset(more + end_of_third, 'z', LINE_BYTES_MAX + 1);
    cases[1] = span_of(more, end_of_third + LINE_BYTES_MAX + 1);
    cases[2] = span_of(more, end_of_third + LINE_BYTES_MAX);
    for (int i = 0; i < 6; i++) {
        struct yield yield;
        struct inventory_counts counts;
        struct inventory_config config = {.shuffle = i >= 3};
        for (enum way way = BY_FILE; way <= BY_PIPE; way++) {
            capture_begin();
            yield_of(way, cases[i % 3], config, &yield, &counts);
            capture_end(told, sizeof told);
            CU_ASSERT_EQUAL(yield.count, 2);
            CU_ASSERT_EQUAL(counts.lines, i % 3 == 0 ? 4 : 5);
            CU_ASSERT_EQUAL(counts.rejected, i % 3 == 0 ? 1 : 2);
            CU_ASSERT_PTR_NOT_NULL(strstr(told, ":2: line longer than 64 KB"));
            CU_ASSERT_EQUAL(strstr(told, ":5: line longer than 64 KB") != NULL, i % 3 == 1);
            yield_free(&yield);
        }
    }
    free(more);
    free(text);
}

static void test_odd_ends(void) {
    CHECK_ROWS("\xef\xbb\xbf"
               "a.example\r\n\r\nb.example",
               plain_config, "000001 a.example 443 sni=a.example pin=a.example to=- ||",
               "000003 b.example 443 sni=b.example pin=b.example to=- ||");
    for (enum way way = BY_FILE; way <= BY_PIPE; way++) {
        static const struct {
            const char *text;
            uint64_t lines;
        } cases[] = {{"", 0}, {"\n", 1}, {"\n\n", 2}, {"#", 1}, {" ", 1}, {"\xef\xbb\xbf", 1}};
        for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
            struct yield yield;
            struct inventory_counts counts;
            yield_of(way, span_str(cases[i].text), plain_config, &yield, &counts);
            CU_ASSERT_EQUAL(yield.count, 0);
            CU_ASSERT_EQUAL(counts.lines, cases[i].lines);
            CU_ASSERT_EQUAL(counts.skipped, cases[i].lines);
            yield_free(&yield);
        }
    }
}

static void test_strict(void) {
    static const char text[] = "a.example\n# fine\nb..example\nc..example\n";
    struct source source;
    struct err_note note = {""};
    source_begin(&source, BY_FILE, span_str(text), 0);
    struct inventory_config config = {.file = source.path, .strict = true};
    struct inventory *inventory = NULL;
    CU_ASSERT_EQUAL(inventory_open(&config, &inventory, &note), ERR_INPUT);
    CU_ASSERT_PTR_NULL(inventory);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, ":3: an empty label"));
    source_end(&source);

    source_begin(&source, BY_PIPE, span_str(text), 0);
    inventory = open_source(&source, config);
    struct yield yield = {0};
    drain(inventory, &yield);
    CU_ASSERT_EQUAL(yield.count, 1);
    CU_ASSERT_EQUAL(yield.last, INVENTORY_FAILED);
    CU_ASSERT_EQUAL(inventory_failure(inventory, &note), ERR_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, ":3: an empty label"));
    inventory_close(inventory);
    yield_free(&yield);
    source_end(&source);
}

static void test_complaints_end(void) {
    char *text = malloc(5 * 3000 + 1), *told = malloc(1 << 20);
    for (size_t i = 0; i < 3000; i++) {
        memcpy(text + 5 * i, "a..b\n", 5);
    }
    struct yield yield;
    struct inventory_counts counts;
    capture_begin();
    yield_of(BY_FILE, span_of(text, 5 * 3000), plain_config, &yield, &counts);
    capture_end(told, 1 << 20);
    CU_ASSERT_EQUAL(counts.rejected, 3000);
    size_t lines = 0;
    for (const char *at = told; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    CU_ASSERT_EQUAL(lines, COMPLAINTS_MAX + 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(told, "further bad lines are only counted"));
    free(text);
    free(told);
}

/* --- sharing, order, shards --- */

/* A mixed inventory of `count` lines of every kind, some bad. */
static char *mixed_text(struct rng *rng, unsigned count, size_t *out_len) {
    char *text = malloc(count * 80 + 1);
    size_t len = 0;
    for (unsigned i = 0; i < count; i++) {
        switch (rng_below(rng, 8)) {
        case 0:
            len += (size_t)sprintf(text + len, "# %u\n", i);
            break;
        case 1:
            len += (size_t)sprintf(text + len, "10.%u.%u.%u/30\n", rng_below(rng, 256),
                                   rng_below(rng, 256), rng_below(rng, 64) * 4);
            break;
        case 2:
            len += (size_t)sprintf(text + len, "bad..%u\r\n", i);
            break;
        default:
            len += (size_t)sprintf(text + len, "%.*sh%u.example:%u\n", (int)rng_below(rng, 40),
                                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", i,
                                   1 + rng_below(rng, 65535));
            break;
        }
    }
    *out_len = len;
    return text;
}

struct crowd_member {
    pthread_t thread;
    struct inventory *inventory;
    struct yield yield;
};

static void *crowd_run(void *argument) {
    struct crowd_member *member = argument;
    drain(member->inventory, &member->yield);
    return NULL;
}

#define CROWD 4

/* Everything that CROWD threads get together, sorted. */
static void crowd_drain(struct inventory *inventory, struct yield *out) {
    struct crowd_member members[CROWD] = {0};
    for (int i = 0; i < CROWD; i++) {
        members[i].inventory = inventory;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&members[i].thread, NULL, crowd_run, &members[i]), 0);
    }
    *out = (struct yield){0};
    for (int i = 0; i < CROWD; i++) {
        pthread_join(members[i].thread, NULL);
        struct yield *part = &members[i].yield;
        CU_ASSERT_EQUAL(part->last, INVENTORY_END);
        out->rows = realloc(out->rows, (out->count + part->count + 1) * sizeof *out->rows);
        if (part->count > 0) {
            memcpy(out->rows + out->count, part->rows, part->count * sizeof *out->rows);
        }
        out->count += part->count;
        free(part->rows);
    }
    yield_sort(out);
}

/* One reader or four, file or pipe, in order or shuffled: the same targets, counts and digest. */
static void test_exactly_once(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    size_t len;
    char *text = mixed_text(&rng, 20000, &len), *told = malloc(1 << 20);
    struct yield expected;
    struct inventory_counts expected_counts, counts;
    uint8_t expected_digest[SHA256_LEN], digest[SHA256_LEN];
    struct sha256_stream stream;
    sha256_stream_init(&stream);
    sha256_stream_add(&stream, span_of(text, len));
    sha256_stream_finish(&stream, expected_digest);
    capture_begin();
    yield_of(BY_FILE, span_of(text, len), plain_config, &expected, &expected_counts);
    yield_sort(&expected);
    for (int i = 0; i < 4; i++) {
        struct inventory_config config = {.shuffle = i & 2, .seed = rng_next(&rng)};
        struct source source;
        source_begin(&source, i & 1 ? BY_PIPE : BY_FILE, span_of(text, len), 0);
        struct inventory *inventory = open_source(&source, config);
        struct yield yield;
        crowd_drain(inventory, &yield);
        CU_ASSERT_TRUE(yield_equal(&yield, &expected));
        inventory_get_counts(inventory, &counts);
        CU_ASSERT_EQUAL(memcmp(&counts, &expected_counts, sizeof counts), 0);
        CU_ASSERT_TRUE(inventory_digest(inventory, digest));
        CU_ASSERT_EQUAL(memcmp(digest, expected_digest, SHA256_LEN), 0);
        yield_free(&yield);
        inventory_close(inventory);
        source_end(&source);
    }
    capture_end(told, 1 << 20);
    CU_ASSERT_EQUAL(expected_counts.lines, 20000);
    CU_ASSERT(expected_counts.rejected > 1000 && expected_counts.skipped > 1000);
    yield_free(&expected);
    free(text);
    free(told);
}

static void test_shuffle(void) {
    char *text = malloc(200 * 1000);
    size_t len = 0;
    for (int i = 1; i <= 5000; i++) {
        len += (size_t)sprintf(text + len, i == 2500 ? "10.0.0.0/22\n" : "h%d.example\n", i);
    }
    for (enum way way = BY_FILE; way <= BY_PIPE; way++) {
        struct yield a, again, b, plain;
        struct inventory_counts counts;
        struct inventory_config config = {.shuffle = true, .seed = 1};
        yield_of(way, span_of(text, len), config, &a, &counts);
        yield_of(way, span_of(text, len), config, &again, &counts);
        config.seed = 2;
        yield_of(way, span_of(text, len), config, &b, &counts);
        config.shuffle = false;
        yield_of(way, span_of(text, len), config, &plain, &counts);
        CU_ASSERT_EQUAL(a.count, 4999 + 1024);
        CU_ASSERT_TRUE(yield_equal(&a, &again));
        size_t same_place = 0, in_order = 0;
        for (size_t i = 0; i < a.count; i++) {
            same_place += strcmp(a.rows[i], b.rows[i]) == 0;
            in_order += i > 0 && strcmp(a.rows[i - 1], a.rows[i]) < 0;
        }
        CU_ASSERT(same_place < 100);
        CU_ASSERT(in_order > a.count / 3 && in_order < 2 * a.count / 3);
        yield_sort(&a);
        yield_sort(&plain);
        CU_ASSERT_TRUE(yield_equal(&a, &plain));
        yield_free(&a);
        yield_free(&again);
        yield_free(&b);
        yield_free(&plain);
    }
    free(text);
}

static void test_shards(void) {
    struct rng rng;
    rng_init(&rng, suite_seed());
    size_t len;
    char *text = mixed_text(&rng, 3000, &len), *told = malloc(1 << 20);
    capture_begin();
    for (enum way way = BY_FILE; way <= BY_PIPE; way++) {
        struct yield whole, together = {0};
        struct inventory_counts counts;
        yield_of(way, span_of(text, len), plain_config, &whole, &counts);
        const uint32_t shards = 7;
        for (uint32_t shard = 0; shard < shards; shard++) {
            struct yield part;
            struct inventory_config config = {.shards = shards,
                                              .shard = shard,
                                              .shuffle = shard % 2,
                                              .seed = shard}; /* whatever the order and seed */
            yield_of(way, span_of(text, len), config, &part, &counts);
            CU_ASSERT(part.count > whole.count / shards / 2);
            CU_ASSERT(part.count < whole.count / shards * 2);
            together.rows =
                realloc(together.rows, (together.count + part.count + 1) * sizeof *together.rows);
            memcpy(together.rows + together.count, part.rows, part.count * sizeof *part.rows);
            together.count += part.count;
            free(part.rows);
        }
        yield_sort(&whole);
        yield_sort(&together);
        CU_ASSERT_TRUE(yield_equal(&whole, &together));
        yield_free(&whole);
        yield_free(&together);
    }
    capture_end(told, 1 << 20);
    free(text);
    free(told);
}

/* --- size --- */

static long memory_high_kb(void) {
    char line[256];
    long kb = -1;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "VmHWM: %ld", &kb) == 1) {
            break;
        }
    }
    if (status != NULL) {
        fclose(status);
    }
    return kb;
}

/* More lines than the index has entries, so that it thins out: every line once, in any order, and
   no memory beyond the index (256 KB) and buffers. */
static void test_many_lines(void) {
    const uint64_t most = 30 * LINE_INDEX_ENTRIES + 100003;
    uint8_t *seen = malloc(most + 1);
    for (int i = 0; i < 4; i++) {
        struct inventory_config config = {.shuffle = i & 2, .seed = 5};
        struct source source;
        uint64_t count = i == 3 ? 3 * PIPE_SHUFFLE_LINES : most;
        memset(seen, 0, most + 1);
        long before_kb = memory_high_kb();
        source_begin(&source, i & 1 ? BY_PIPE : BY_FILE, (struct span){0}, count);
        struct inventory *inventory = open_source(&source, config);
        struct inventory_reader *reader = inventory_reader_open(inventory);
        struct inventory_target target;
        uint64_t given = 0;
        char host[64];
        while (next_or_end(reader, &target) == INVENTORY_TARGET) {
            sprintf(host, "h%llu.example", (unsigned long long)target.line);
            if (target.line > count || seen[target.line]++ != 0 || strcmp(host, target.host) != 0) {
                CU_FAIL_FATAL("a line twice, or with another number");
            }
            given++;
        }
        CU_ASSERT_EQUAL(given, count);
        long grown_kb = memory_high_kb() - before_kb;
        CU_ASSERT(grown_kb < (config.shuffle ? 40 : 24) * 1024);
        if (grown_kb >= (config.shuffle ? 40 : 24) * 1024) {
            fprintf(stderr, "  round %d grew by %ld KB\n", i, grown_kb);
        }
        inventory_reader_close(reader);
        inventory_close(inventory);
        source_end(&source);
    }
    free(seen);
}

/* --- trouble while running --- */

static void test_file_cut_short(void) {
    struct source source;
    source_begin(&source, BY_FILE, (struct span){0}, 10000);
    struct inventory *inventory = open_source(&source, plain_config);
    CU_ASSERT_EQUAL_FATAL(truncate(source.path, 1000), 0);
    struct yield yield = {0};
    drain(inventory, &yield);
    CU_ASSERT_EQUAL(yield.last, INVENTORY_FAILED);
    CU_ASSERT(yield.count < 100);
    struct err_note note = {""};
    CU_ASSERT_EQUAL(inventory_failure(inventory, &note), ERR_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "sweep a copy"));
    yield_free(&yield);
    inventory_close(inventory);
    source_end(&source);
}

static void test_slow_pipe(void) {
    int fds[2];
    char path[64];
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    sprintf(path, "/dev/fd/%d", fds[0]);
    struct inventory_config config = {.file = path};
    struct inventory *inventory = NULL;
    struct err_note note;
    CU_ASSERT_EQUAL_FATAL(inventory_open(&config, &inventory, &note), ERR_NONE);
    struct inventory_reader *reader = inventory_reader_open(inventory);
    struct inventory_target target;
    uint8_t digest[SHA256_LEN];
    CU_ASSERT_EQUAL(inventory_reader_next(reader, &target), INVENTORY_WAIT);
    CU_ASSERT_EQUAL(inventory_format(inventory), INVENTORY_AUTO);
    CU_ASSERT_FALSE(inventory_digest(inventory, digest));
    write_all(fds[1], "a.example\nb.exam", 16); /* a whole line goes out, the rest is waited for */
    CU_ASSERT_EQUAL(next_or_end(reader, &target), INVENTORY_TARGET);
    CU_ASSERT_STRING_EQUAL(target.host, "a.example");
    usleep(20000);
    CU_ASSERT_EQUAL(inventory_reader_next(reader, &target), INVENTORY_WAIT);
    write_all(fds[1], "ple\n", 4);
    CU_ASSERT_EQUAL(next_or_end(reader, &target), INVENTORY_TARGET);
    CU_ASSERT_STRING_EQUAL(target.host, "b.example");
    struct inventory_counts counts;
    CU_ASSERT_EQUAL(inventory_reader_next(reader, &target), INVENTORY_WAIT);
    inventory_get_counts(inventory, &counts);
    CU_ASSERT_EQUAL(counts.targets, 2);
    inventory_reader_close(reader);
    inventory_close(inventory); /* ends the thread although the pipe stays open */
    close(fds[0]);
    close(fds[1]);
}

/* The thread waits for room; closing ends it as well. */
static void test_close_full_pipe(void) {
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        struct source source;
        signal(SIGPIPE, SIG_IGN);
        source_begin(&source, BY_PIPE, (struct span){0}, 400000);
        struct inventory_config config = {.shuffle = shuffle};
        struct inventory *inventory = open_source(&source, config);
        usleep(50000);
        inventory_close(inventory);
        source_end(&source);
    }
}

static void test_redirected_file(void) {
    struct source source;
    source_begin(&source, BY_FILE, span_str("skipped.example\na.example\n"), 0);
    int saved = dup(STDIN_FILENO), fd = open(source.path, O_RDONLY);
    CU_ASSERT_EQUAL_FATAL(lseek(fd, 16, SEEK_SET), 16); /* another program took the first line */
    dup2(fd, STDIN_FILENO);
    struct inventory_config config = {.file = "-"};
    struct inventory *inventory = NULL;
    struct err_note note;
    CU_ASSERT_EQUAL_FATAL(inventory_open(&config, &inventory, &note), ERR_NONE);
    CU_ASSERT_TRUE(inventory_is_counted(inventory));
    CU_ASSERT_STRING_EQUAL(inventory_name(inventory), "standard input");
    struct yield yield = {0};
    drain(inventory, &yield);
    CU_ASSERT_EQUAL_FATAL(yield.count, 1);
    CU_ASSERT_STRING_EQUAL(yield.rows[0],
                           "000001 a.example 443 sni=a.example pin=a.example to=- ||");
    yield_free(&yield);
    inventory_close(inventory);
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(fd);
    source_end(&source);
}

static void test_parse_plain(void) {
    struct inventory_target target;
    uint64_t count = 0;
    const char *why = NULL;
    CU_ASSERT_TRUE(inventory_parse_plain(span_str("a.example"), 8443, &target, &count, &why));
    CU_ASSERT_STRING_EQUAL(target.sni, "a.example");
    CU_ASSERT_EQUAL(target.port, 8443);
    CU_ASSERT_EQUAL(count, 1);
    CU_ASSERT_TRUE(inventory_parse_plain(span_str("10.0.0.0/8"), 443, &target, &count, &why));
    CU_ASSERT_STRING_EQUAL(target.host, "10.0.0.0");
    CU_ASSERT_EQUAL(count, 1u << 24);
    CU_ASSERT_FALSE(inventory_parse_plain(span_str(""), 443, &target, &count, &why));
    CU_ASSERT_STRING_EQUAL(why, "no host");
    CU_ASSERT_FALSE(inventory_parse_plain(span_str("a..b"), 443, &target, &count, &why));
    CU_ASSERT_STRING_EQUAL(target.host, "10.0.0.0"); /* untouched */
}

SUITE_MAIN("inventory", {"plain", test_plain}, {"ranges", test_ranges}, {"CSV", test_csv},
           {"zgrab2", test_zgrab2}, {"NDJSON", test_ndjson}, {"format", test_format},
           {"families", test_families}, {"bad plain lines", test_bad_plain},
           {"bad CSV lines", test_bad_csv}, {"bad NDJSON lines", test_bad_ndjson},
           {"bad header", test_bad_header}, {"unknown columns", test_unknown_columns},
           {"open errors", test_open_errors}, {"long lines", test_long_lines},
           {"odd ends", test_odd_ends}, {"strict", test_strict},
           {"complaints end", test_complaints_end}, {"exactly once", test_exactly_once},
           {"shuffle", test_shuffle}, {"shards", test_shards}, {"many lines", test_many_lines},
           {"file cut short", test_file_cut_short}, {"slow pipe", test_slow_pipe},
           {"close a full pipe", test_close_full_pipe}, {"redirected file", test_redirected_file},
           {"parse plain", test_parse_plain})
