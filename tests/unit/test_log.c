#include "engine/base/log.h"

#include <string.h>
#include <unistd.h>

#include "tests/support/suite.h"

static bool becomes(const char *text, const char *expected) {
    char copy[64];
    strcpy(copy, text);
    log_make_harmless(copy);
    return strcmp(copy, expected) == 0;
}

static void test_harmless(void) {
    CU_ASSERT(becomes("", ""));
    CU_ASSERT(becomes("plain\nsecond line", "plain\nsecond line"));
    CU_ASSERT(becomes("\033[31mred\007\r\t\x7f", "?[31mred????"));
    CU_ASSERT(becomes("caf\xC3\xA9 \xC2\xA0 \xE2\x80\x94", "caf\xC3\xA9 \xC2\xA0 \xE2\x80\x94"));
    CU_ASSERT(becomes("\xC2\x9B"
                      "2J",
                      "??2J"));
    CU_ASSERT(becomes("moc.\xE2\x80\xAE"
                      "evil\xE2\x81\xA9",
                      "moc.???evil???"));
    /* cut in the middle of a character */
    CU_ASSERT(becomes("\xC2", "\xC2"));
    CU_ASSERT(becomes("\xE2\x80", "\xE2\x80"));
}

/* What a line of the log brings to standard error. */
static void test_line_on_standard_error(void) {
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    log_error("%s: no such file", "\033]0;title\007");
    log_complaint("%s:%d: bad", "x", 7);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    char got[256];
    ssize_t len = read(ends[0], got, sizeof got - 1);
    close(ends[0]);
    CU_ASSERT_FATAL(len > 0);
    got[len] = '\0';
    CU_ASSERT_STRING_EQUAL(got, "pinsweep: ?]0;title?: no such file\nx:7: bad\n");
}

SUITE_MAIN("log", {"harmless", test_harmless}, {"a line", test_line_on_standard_error})
