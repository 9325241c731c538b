#include "engine/net/ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"

/* DEFER_TASKRUN runs completions only when we ask for them, on this thread; it needs SINGLE_ISSUER
   (both from 6.1) and makes COOP_TASKRUN superfluous. SUBMIT_ALL: one bad entry must not keep the
   rest of the batch back. */
#define RING_FLAGS                                                                                 \
    (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |           \
     IORING_SETUP_CQSIZE)

/* Times that a submission is tried again when the kernel is short of memory for requests. */
#define SUBMIT_TRIES_MAX 1000

/* What the connections use. The newest is IORING_OP_SOCKET (5.19). */
static const int needed_ops[] = {
    IORING_OP_SOCKET,   IORING_OP_CONNECT, IORING_OP_SEND,         IORING_OP_RECV,
    IORING_OP_SHUTDOWN, IORING_OP_CLOSE,   IORING_OP_ASYNC_CANCEL, IORING_OP_POLL_ADD,
};

static int sysctl_io_uring_disabled(void) {
    int value = -1;
    FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
    if (file != NULL) {
        if (fscanf(file, "%d", &value) != 1) {
            value = -1;
        }
        fclose(file);
    }
    return value;
}

static enum err explain_eperm(const char *step, struct err_note *note) {
    int disabled = sysctl_io_uring_disabled();
    if (disabled > 0) {
        return err_note(note, ERR_UNSUPPORTED,
                        "io_uring is forbidden here (%s): the sysctl kernel.io_uring_disabled is "
                        "%d; set it to 0 (sysctl kernel.io_uring_disabled=0)%s",
                        step, disabled,
                        disabled == 1 ? " or add this user to kernel.io_uring_group" : "");
    }
    return err_note(note, ERR_UNSUPPORTED,
                    "io_uring is forbidden here (%s: EPERM) although the sysctl allows it: a "
                    "seccomp filter does, as the default profile of Docker and Podman; run the "
                    "container with a profile that allows io_uring_setup, io_uring_enter and "
                    "io_uring_register (for example --security-opt seccomp=unconfined)",
                    step);
}

static enum err explain_too_old(const char *step, int error, struct err_note *note) {
    struct utsname name;
    if (uname(&name) != 0) {
        strcpy(name.release, "unknown");
    }
    return err_note(note, ERR_UNSUPPORTED,
                    "this kernel (%s) cannot do what is needed of io_uring (%s: %s); Linux 6.1 or "
                    "later is needed, with CONFIG_IO_URING",
                    name.release, step, strerrorname_np(error));
}

static enum err explain(const char *step, int error, struct err_note *note) {
    struct rlimit limit = {0};
    switch (error) {
    case EPERM:
    case EACCES:
        return explain_eperm(step, note);
    case ENOSYS:
    case EINVAL:
    case EOPNOTSUPP:
        return explain_too_old(step, error, note);
    case ENOMEM:
        getrlimit(RLIMIT_MEMLOCK, &limit);
        return err_note(note, ERR_RESOURCE,
                        "no memory for io_uring (%s: ENOMEM): the limit of locked memory is %llu "
                        "bytes (ulimit -l; raise it), or the machine or container is out of memory",
                        step, (unsigned long long)limit.rlim_cur);
    case EMFILE:
    case ENFILE:
        getrlimit(RLIMIT_NOFILE, &limit);
        return err_note(note, ERR_RESOURCE,
                        "not enough file descriptors (%s: %s): the limit is %llu, at most %llu "
                        "(ulimit -n; raise it, or lower --concurrency)",
                        step, strerrorname_np(error), (unsigned long long)limit.rlim_cur,
                        (unsigned long long)limit.rlim_max);
    default:
        return err_note(note, ERR_RESOURCE, "io_uring cannot be set up (%s): %s", step,
                        strerror(error));
    }
}

static enum err check_ops(struct ring *ring, struct err_note *note) {
    struct io_uring_probe *probe = io_uring_get_probe_ring(&ring->uring);
    if (probe == NULL) {
        return explain("probing operations", ENOSYS, note);
    }
    bool complete = true;
    for (size_t i = 0; i < ARRAY_COUNT(needed_ops); i++) {
        complete = complete && io_uring_opcode_supported(probe, needed_ops[i]);
    }
    io_uring_free_probe(probe);
    return complete ? ERR_NONE : explain("socket operations", ENOSYS, note);
}

static size_t buffers_header_len(uint32_t count) {
    return count * sizeof(struct io_uring_buf);
}

static size_t buffers_map_len(uint32_t count) {
    return buffers_header_len(count) + (size_t)count * RECV_BUFFER_BYTES;
}

/* The buffer ring is a page-aligned array of io_uring_buf, its tail hidden in the first entry; the
   buffers follow in the same mapping. (liburing has a helper for this only from 2.4.) */
static enum err buffers_init(struct ring *ring, struct err_note *note) {
    size_t map_len = buffers_map_len(ring->buffer_count);
    void *map = mmap(NULL, map_len, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        return err_note(note, ERR_RESOURCE, "cannot reserve %zu bytes for receive buffers",
                        map_len);
    }
    ring->buffers = map;
    ring->buffer_memory = (uint8_t *)map + buffers_header_len(ring->buffer_count);
    io_uring_buf_ring_init(ring->buffers);
    struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)(uintptr_t)map,
                                   .ring_entries = ring->buffer_count,
                                   .bgid = RING_BUFFER_GROUP};
    int result = io_uring_register_buf_ring(&ring->uring, &reg, 0);
    if (result < 0) {
        return explain("registering receive buffers", -result, note);
    }
    for (uint32_t i = 0; i < ring->buffer_count; i++) {
        io_uring_buf_ring_add(ring->buffers, ring->buffer_memory + (size_t)i * RECV_BUFFER_BYTES,
                              RECV_BUFFER_BYTES, (unsigned short)i,
                              io_uring_buf_ring_mask(ring->buffer_count), (int)i);
    }
    io_uring_buf_ring_advance(ring->buffers, (int)ring->buffer_count);
    return ERR_NONE;
}

static bool is_power_of_two(uint32_t value) {
    return value != 0 && (value & (value - 1)) == 0;
}

enum err ring_init(struct ring *ring, const struct ring_config *config, struct err_note *note) {
    CHECK(is_power_of_two(config->sq_entries) && is_power_of_two(config->cq_entries));
    CHECK(is_power_of_two(config->buffer_count) && config->buffer_count <= 32768);
    CHECK(config->direct_count > 0);
    *ring =
        (struct ring){.buffer_count = config->buffer_count, .direct_count = config->direct_count};
    struct io_uring_params params = {.flags = RING_FLAGS, .cq_entries = config->cq_entries};
    int result = io_uring_queue_init_params(config->sq_entries, &ring->uring, &params);
    if (result < 0) {
        *ring = (struct ring){0};
        return explain("io_uring_setup", -result, note);
    }
    ring->is_open = true;
    enum err err = check_ops(ring, note);
    if (err == ERR_NONE) {
        /* Raises the soft limit of descriptors itself, up to the hard one. */
        result = io_uring_register_files_sparse(&ring->uring, config->direct_count);
        if (result < 0) {
            err = explain("registering the table of direct descriptors", -result, note);
        }
    }
    if (err == ERR_NONE) {
        err = buffers_init(ring, note);
    }
    if (err != ERR_NONE) {
        ring_fini(ring);
    }
    return err;
}

void ring_fini(struct ring *ring) {
    if (ring->is_open) {
        io_uring_queue_exit(&ring->uring);
    }
    if (ring->buffers != NULL) {
        munmap(ring->buffers, buffers_map_len(ring->buffer_count));
    }
    *ring = (struct ring){0};
}

enum err ring_probe(struct err_note *note) {
    struct ring ring;
    struct ring_config config = {
        .sq_entries = 8, .cq_entries = 16, .direct_count = 1, .buffer_count = 2};
    enum err err = ring_init(&ring, &config, note);
    if (err == ERR_NONE) {
        ring_fini(&ring);
    }
    return err;
}

void ring_submit(struct ring *ring) {
    for (int tries = 0; tries < SUBMIT_TRIES_MAX; tries++) {
        int result = io_uring_submit(&ring->uring);
        ring->submit_calls++;
        if (result >= 0 && io_uring_sq_ready(&ring->uring) == 0) {
            return;
        }
        CHECK(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY);
        if (result < 0) {
            io_uring_get_events(&ring->uring); /* lets what is done free its requests */
        }
    }
    /* Still queued: the next submission takes it, unless somebody needs the room now. */
}

void ring_reserve(struct ring *ring, uint32_t count) {
    DCHECK(count <= ring->uring.sq.ring_entries);
    if (io_uring_sq_space_left(&ring->uring) < count) {
        ring_submit(ring);
        CHECK(io_uring_sq_space_left(&ring->uring) >= count);
    }
}

struct io_uring_sqe *ring_sqe(struct ring *ring) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
    if (UNLIKELY(sqe == NULL)) {
        ring_reserve(ring, 1);
        sqe = io_uring_get_sqe(&ring->uring);
        CHECK(sqe != NULL);
    }
    return sqe;
}

void ring_submit_and_wait(struct ring *ring, uint32_t min_completions, uint64_t timeout_ns) {
    ring->submit_calls++;
    int result;
    if (timeout_ns == 0 || min_completions == 0) {
        result = io_uring_submit_and_get_events(&ring->uring);
    } else {
        struct __kernel_timespec timeout = {.tv_sec = (long long)(timeout_ns / NS_PER_S),
                                            .tv_nsec = (long long)(timeout_ns % NS_PER_S)};
        struct io_uring_cqe *cqe = NULL;
        result =
            io_uring_submit_and_wait_timeout(&ring->uring, &cqe, min_completions, &timeout, NULL);
    }
    CHECK(result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
          result == -EBUSY);
}

void ring_catch_up(struct ring *ring, uint32_t count) {
    ring_submit_and_wait(ring, count, 1);
}

struct span ring_buffer(const struct ring *ring, uint16_t buffer_id, size_t len) {
    DCHECK(buffer_id < ring->buffer_count && len <= RECV_BUFFER_BYTES);
    return span_of(ring->buffer_memory + (size_t)buffer_id * RECV_BUFFER_BYTES, len);
}

void ring_buffer_give(struct ring *ring, uint16_t buffer_id) {
    DCHECK(buffer_id < ring->buffer_count);
    io_uring_buf_ring_add(
        ring->buffers, ring->buffer_memory + (size_t)buffer_id * RECV_BUFFER_BYTES,
        RECV_BUFFER_BYTES, buffer_id, io_uring_buf_ring_mask(ring->buffer_count), 0);
    io_uring_buf_ring_advance(ring->buffers, 1);
}

size_t ring_bytes(const struct ring *ring) {
    return ring->uring.sq.ring_sz + ring->uring.cq.ring_sz +
           ring->uring.sq.ring_entries * sizeof(struct io_uring_sqe) +
           buffers_map_len(ring->buffer_count) + ring->direct_count * sizeof(void *);
}
