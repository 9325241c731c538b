#include "engine/base/replace.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/suite.h"

static void check_holds(const char *file, const char *expected) {
    char bytes[64] = "";
    FILE *in = fopen(file, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(in);
    bytes[fread(bytes, 1, sizeof bytes - 1, in)] = '\0';
    fclose(in);
    CU_ASSERT_STRING_EQUAL(bytes, expected);
}

static void test_replace(void) {
    char folder[] = "/tmp/pinsweep-replace-XXXXXX", file[64], temporary[80];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/f", folder);
    snprintf(temporary, sizeof temporary, "%s.new", file);
    CU_ASSERT(replace_file(file, span_str("first")));
    check_holds(file, "first");
    CU_ASSERT(replace_file(file, span_str("2nd")));
    check_holds(file, "2nd");
    CU_ASSERT(replace_file(file, span_of(NULL, 0)));
    check_holds(file, "");
    CU_ASSERT_NOT_EQUAL(access(temporary, F_OK), 0);
    unlink(file);
    rmdir(folder);
}

/* What cannot be written leaves no trace. */
static void test_failure(void) {
    char folder[] = "/tmp/pinsweep-replace-XXXXXX", file[64], temporary[80];
    char *name = malloc(2 * PATH_MAX);
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/d", folder);
    snprintf(temporary, sizeof temporary, "%s.new", file);
    CU_ASSERT_EQUAL(mkdir(file, 0700), 0);
    CU_ASSERT_FALSE(replace_file(file, span_str("x")));
    CU_ASSERT_EQUAL(errno, EISDIR);
    CU_ASSERT_NOT_EQUAL(access(temporary, F_OK), 0);
    rmdir(file);
    CU_ASSERT_FALSE(replace_file("/nowhere/at/all", span_str("x")));
    CU_ASSERT_EQUAL(errno, ENOENT);
    memset(name, 'x', 2 * PATH_MAX);
    name[2 * PATH_MAX - 1] = '\0';
    CU_ASSERT_FALSE(replace_file(name, span_str("x")));
    CU_ASSERT_EQUAL(errno, ENAMETOOLONG);
    free(name);
    rmdir(folder);
}

SUITE_MAIN("replace", {"a file", test_replace}, {"failures", test_failure})
