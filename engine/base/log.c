#include "engine/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static bool log_quiet;
static bool progress_shown;

static void erase_progress(void) {
    if (progress_shown) {
        (void)!write(STDERR_FILENO, "\r\033[K", 4);
        progress_shown = false;
    }
}

/* The length of what steers a terminal at the front of `text`; 0 if nothing does. */
static size_t steering_len(const unsigned char *text) {
    if ((text[0] < 0x20 && text[0] != '\n') || text[0] == 0x7f) {
        return 1;
    }
    if (text[0] == 0xc2 && text[1] >= 0x80 && text[1] < 0xa0) {
        return 2;
    }
    if (text[0] == 0xe2 && text[1] == 0x80 && text[2] >= 0xaa && text[2] <= 0xae) {
        return 3; /* U+202A to U+202E */
    }
    return text[0] == 0xe2 && text[1] == 0x81 && text[2] >= 0xa6 && text[2] <= 0xa9 ? 3 : 0;
}

void log_make_harmless(char *text) {
    while (*text != '\0') {
        size_t len = steering_len((const unsigned char *)text);
        memset(text, '?', len);
        text += len > 0 ? len : 1;
    }
}

/* One write(2) for the whole line, so that lines of several threads or processes never mix. */
PRINTF_LIKE(2, 0)
static void write_line(const char *prefix, const char *format, va_list args) {
    char line[2048];
    size_t len = strlen(prefix);
    memcpy(line, prefix, len);
    int body = vsnprintf(line + len, sizeof line - len - 1, format, args);
    if (body < 0) {
        return;
    }
    log_make_harmless(line + len);
    len += (size_t)body < sizeof line - len - 1 ? (size_t)body : sizeof line - len - 2;
    line[len++] = '\n';
    pthread_mutex_lock(&log_mutex);
    erase_progress();
    (void)!write(STDERR_FILENO, line, len);
    pthread_mutex_unlock(&log_mutex);
}

void log_error(const char *format, ...) {
    va_list args;
    va_start(args, format);
    write_line("pinsweep: ", format, args);
    va_end(args);
}

void log_complaint(const char *format, ...) {
    va_list args;
    va_start(args, format);
    write_line("", format, args);
    va_end(args);
}

void log_info(const char *format, ...) {
    if (log_quiet) {
        return;
    }
    va_list args;
    va_start(args, format);
    write_line("pinsweep: ", format, args);
    va_end(args);
}

void log_set_quiet(bool quiet) {
    log_quiet = quiet;
}

/* Columns of the terminal, less the last: what is drawn there wraps, and one line is erased. */
static size_t progress_width(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79;
}

void log_progress(const char *text) {
    pthread_mutex_lock(&log_mutex);
    erase_progress();
    if (text != NULL) {
        (void)!write(STDERR_FILENO, text, strnlen(text, progress_width()));
        progress_shown = true;
    }
    pthread_mutex_unlock(&log_mutex);
}
