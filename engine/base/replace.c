#include "engine/base/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static bool write_all(int fd, struct span bytes) {
    while (bytes.len > 0) {
        ssize_t wrote = write(fd, bytes.data, bytes.len);
        if (wrote < 0 && errno != EINTR) {
            return false;
        }
        if (wrote > 0) {
            span_take(&bytes, (size_t)wrote);
        }
    }
    return true;
}

bool replace_file(const char *file, struct span bytes) {
    char temporary[PATH_MAX];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.new", file) >= sizeof temporary) {
        errno = ENAMETOOLONG;
        return false;
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return false;
    }
    bool good = write_all(fd, bytes);
    int error = errno;
    if (close(fd) != 0 && good) {
        good = false;
        error = errno;
    }
    if (good && rename(temporary, file) != 0) {
        good = false;
        error = errno;
    }
    if (!good) {
        unlink(temporary);
        errno = error;
    }
    return good;
}
