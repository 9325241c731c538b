#include "cli/inventory_one.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/sweep/inventory.h"

enum err inventory_one(const char *endpoint, uint16_t default_port, char file[INVENTORY_ONE_MAX],
                       int *out_fd, struct err_note *note) {
    struct inventory_target entry;
    uint64_t range_count = 0;
    const char *why = "";
    bool good = inventory_parse_plain(span_str(endpoint), default_port, &entry, &range_count, &why);
    if (!good || range_count > 1) {
        return err_note(note, ERR_USAGE, "'%.300s': %s", endpoint,
                        good ? "a range is for sweep; give one endpoint" : why);
    }
    int fd = memfd_create("pinsweep-endpoint", MFD_CLOEXEC);
    size_t len = strlen(endpoint);
    if (fd < 0 || write(fd, endpoint, len) != (ssize_t)len || write(fd, "\n", 1) != 1) {
        if (fd >= 0) {
            close(fd);
        }
        return err_note(note, ERR_RESOURCE, "cannot make a file in memory: %s", strerror(errno));
    }
    snprintf(file, INVENTORY_ONE_MAX, "/proc/self/fd/%d", fd);
    *out_fd = fd;
    return ERR_NONE;
}
