#include "engine/base/err.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/suite.h"

static void test_note(void) {
    struct err_note note;
    CU_ASSERT_EQUAL(err_note(&note, ERR_CONFIG, "%s:%d: pin is %d bytes", "p.yaml", 7, 31),
                    ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(note.text, "p.yaml:7: pin is 31 bytes");
    CU_ASSERT_EQUAL(err_note(NULL, ERR_IO, "%s", "ignored"), ERR_IO);
}

/* Lengths around the buffer: whole up to its size, then cut with dots, always ended. */
static void test_note_is_cut(void) {
    for (int len = ERR_NOTE_MAX - 3; len < ERR_NOTE_MAX + 3; len++) {
        struct err_note note;
        memset(&note, 'z', sizeof note);
        CU_ASSERT_EQUAL(err_note(&note, ERR_INPUT, "%0*d", len, 0), ERR_INPUT);
        size_t expected = len < ERR_NOTE_MAX ? (size_t)len : ERR_NOTE_MAX - 1;
        CU_ASSERT_EQUAL(strlen(note.text), expected);
        CU_ASSERT_EQUAL(strcmp(note.text + expected - 3, "...") == 0, len >= ERR_NOTE_MAX);
    }
}

static void test_exit_codes(void) {
    CU_ASSERT_EQUAL(err_exit_code(ERR_NONE), 0);
    CU_ASSERT_EQUAL(err_exit_code(ERR_USAGE), 2);
    CU_ASSERT_EQUAL(err_exit_code(ERR_CONFIG), 2);
    CU_ASSERT_EQUAL(err_exit_code(ERR_INPUT), 2);
    CU_ASSERT_EQUAL(err_exit_code(ERR_IO), 4);
    CU_ASSERT_EQUAL(err_exit_code(ERR_RESOURCE), 4);
    CU_ASSERT_EQUAL(err_exit_code(ERR_UNSUPPORTED), 4);
    CU_ASSERT_EQUAL(err_exit_code(ERR_INTERRUPTED), 130);
}

/* A failed CHECK says where and aborts, in every build. */
static void test_check(void) {
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        CHECK(ends[0] == ends[1]);
        _exit(0);
    }
    close(ends[1]);
    char said[256] = "";
    ssize_t len = read(ends[0], said, sizeof said - 1);
    int status = 0;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CU_ASSERT(len > 0 && strstr(said, "CHECK failed: ends[0] == ends[1]") != NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "test_err.c:"));
    close(ends[0]);
}

SUITE_MAIN("err", {"note", test_note}, {"note is cut", test_note_is_cut},
           {"exit codes", test_exit_codes}, {"check", test_check})
