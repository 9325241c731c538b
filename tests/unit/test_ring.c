#include "engine/net/ring.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "tests/support/suite.h"

static const struct ring_config small = {
    .sq_entries = 8, .cq_entries = 64, .direct_count = 4, .buffer_count = 4};

/* Opens a ring, or marks the test as skipped where io_uring cannot be used. */
static bool ring_open(struct ring *ring) {
    struct err_note note;
    if (ring_probe(&note) != ERR_NONE) {
        suite_skip(note.text);
        return false;
    }
    CU_ASSERT_EQUAL_FATAL(ring_init(ring, &small, &note), ERR_NONE);
    return true;
}

static void test_tag(void) {
    uint64_t tag = ring_tag(RING_OP_CANCEL, 0x1ABCDEF, 0xFEDCBA98);
    CU_ASSERT_EQUAL(ring_tag_op(tag), RING_OP_CANCEL);
    CU_ASSERT_EQUAL(ring_tag_generation(tag), 0xABCDEF);
    CU_ASSERT_EQUAL(ring_tag_idx(tag), 0xFEDCBA98);
}

/* io_uring_setup fails with `error` in this process from now on. */
static void forbid_io_uring(int error) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = ARRAY_COUNT(filter), .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        _exit(77);
    }
}

static void lower_descriptors(int unused) {
    (void)unused;
    struct rlimit limit = {.rlim_cur = 3, .rlim_max = 3};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        _exit(77);
    }
}

/* What ring_probe answers in a child that was crippled first. False if the child could not be. */
static bool probe_in_child(void (*cripple)(int), int argument, enum err *out_err,
                           struct err_note *out_note) {
    struct {
        enum err err;
        struct err_note note;
    } answer = {0};
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        cripple(argument);
        answer.err = ring_probe(&answer.note);
        _exit(write(ends[1], &answer, sizeof answer) == (ssize_t)sizeof answer ? 0 : 1);
    }
    close(ends[1]);
    ssize_t len = read(ends[0], &answer, sizeof answer);
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        return false;
    }
    CU_ASSERT_EQUAL_FATAL(len, (ssize_t)sizeof answer);
    *out_err = answer.err;
    *out_note = answer.note;
    return true;
}

static void test_probe_names_the_cause(void) {
    struct err_note note;
    enum err err;
    if (ring_probe(&note) != ERR_NONE) {
        suite_skip(note.text);
        return;
    }
    if (!probe_in_child(forbid_io_uring, EPERM, &err, &note)) {
        suite_skip("no seccomp filters here");
        return;
    }
    CU_ASSERT_EQUAL(err, ERR_UNSUPPORTED);
    CU_ASSERT_EQUAL(err_exit_code(err), 4);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "seccomp"));
    CU_ASSERT_TRUE(probe_in_child(forbid_io_uring, ENOSYS, &err, &note));
    CU_ASSERT_EQUAL(err, ERR_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "Linux 6.1"));
    CU_ASSERT_TRUE(probe_in_child(forbid_io_uring, EINVAL, &err, &note));
    CU_ASSERT_EQUAL(err, ERR_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "Linux 6.1"));
    CU_ASSERT_TRUE(probe_in_child(forbid_io_uring, ENOMEM, &err, &note));
    CU_ASSERT_EQUAL(err, ERR_RESOURCE);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "ulimit -l"));
    CU_ASSERT_TRUE(probe_in_child(lower_descriptors, 0, &err, &note));
    CU_ASSERT_EQUAL(err, ERR_RESOURCE);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "ulimit -n"));
}

static void test_too_many_descriptors(void) {
    struct rlimit limit;
    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max > 1000000) {
        suite_skip("no hard limit of descriptors here");
        return;
    }
    struct ring ring;
    struct err_note note;
    struct ring_config config = small;
    config.direct_count = (uint32_t)limit.rlim_max + 1;
    if (ring_probe(&note) != ERR_NONE) {
        suite_skip(note.text);
        return;
    }
    CU_ASSERT_EQUAL(ring_init(&ring, &config, &note), ERR_RESOURCE);
    CU_ASSERT_PTR_NOT_NULL(strstr(note.text, "--concurrency"));
    ring_fini(&ring);
}

static unsigned reap(struct ring *ring, uint64_t *out_tags, int *out_results, uint32_t *out_flags) {
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&ring->uring, head, cqe) {
        if (out_tags != NULL) {
            out_tags[count] = cqe->user_data;
            out_results[count] = cqe->res;
            out_flags[count] = cqe->flags;
        }
        count++;
    }
    io_uring_cq_advance(&ring->uring, count);
    return count;
}

static void test_full_queue_submits(void) {
    struct ring ring;
    if (!ring_open(&ring)) {
        return;
    }
    for (int i = 0; i < 20; i++) {
        struct io_uring_sqe *sqe = ring_sqe(&ring);
        io_uring_prep_nop(sqe);
        io_uring_sqe_set_data64(sqe, ring_tag(RING_OP_NONE, 0, (uint32_t)i));
    }
    CU_ASSERT_TRUE(ring.submit_calls >= 2);
    ring_reserve(&ring, 8);
    CU_ASSERT_TRUE(io_uring_sq_space_left(&ring.uring) >= 8);
    ring_submit_and_wait(&ring, 20, NS_PER_S);
    CU_ASSERT_EQUAL(reap(&ring, NULL, NULL, NULL), 20);
    ring_fini(&ring);
    ring_fini(&ring);
}

static void test_wait_is_bounded(void) {
    struct ring ring;
    if (!ring_open(&ring)) {
        return;
    }
    uint64_t before = clock_mono_ns(&clock_system);
    ring_submit_and_wait(&ring, 1, 20 * NS_PER_MS);
    uint64_t waited = clock_mono_ns(&clock_system) - before;
    CU_ASSERT_TRUE(waited >= 19 * NS_PER_MS && waited < 5 * NS_PER_S);
    before = clock_mono_ns(&clock_system);
    ring_submit_and_wait(&ring, 1, 0);
    CU_ASSERT_TRUE(clock_mono_ns(&clock_system) - before < NS_PER_S);
    CU_ASSERT_TRUE(ring_bytes(&ring) > 4 * RECV_BUFFER_BYTES);
    ring_fini(&ring);
}

static void queue_recv(struct ring *ring, int fd, uint32_t idx) {
    struct io_uring_sqe *sqe = ring_sqe(ring);
    io_uring_prep_recv(sqe, fd, NULL, RECV_BUFFER_BYTES, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = RING_BUFFER_GROUP;
    io_uring_sqe_set_data64(sqe, ring_tag(RING_OP_RECV, 0, idx));
}

static void test_buffers(void) {
    struct ring ring;
    if (!ring_open(&ring)) {
        return;
    }
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    for (int i = 0; i < 5; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "packet %d", i);
        CU_ASSERT_EQUAL(write(ends[1], text, (size_t)len), len);
        queue_recv(&ring, ends[0], (uint32_t)i);
    }
    ring_submit_and_wait(&ring, 5, NS_PER_S);
    uint64_t tags[8];
    int results[8];
    uint32_t flags[8];
    CU_ASSERT_EQUAL_FATAL(reap(&ring, tags, results, flags), 5);
    unsigned held = 0, starved = 0;
    for (int i = 0; i < 5; i++) {
        if (results[i] == -ENOBUFS) {
            starved++;
            continue;
        }
        CU_ASSERT_TRUE_FATAL(flags[i] & IORING_CQE_F_BUFFER);
        uint16_t id = (uint16_t)(flags[i] >> IORING_CQE_BUFFER_SHIFT);
        struct span bytes = ring_buffer(&ring, id, (size_t)results[i]);
        CU_ASSERT_EQUAL(bytes.len, 8);
        CU_ASSERT_EQUAL(memcmp(bytes.data, "packet ", 7), 0);
        held++;
    }
    CU_ASSERT_EQUAL(held, 4);
    CU_ASSERT_EQUAL(starved, 1);
    /* One given back is enough to go on. */
    ring_buffer_give(&ring, 2);
    queue_recv(&ring, ends[0], 9);
    ring_submit_and_wait(&ring, 1, NS_PER_S);
    CU_ASSERT_EQUAL_FATAL(reap(&ring, tags, results, flags), 1);
    CU_ASSERT_EQUAL(results[0], 8);
    CU_ASSERT_EQUAL(flags[0] >> IORING_CQE_BUFFER_SHIFT, 2);
    close(ends[0]);
    close(ends[1]);
    ring_fini(&ring);
}

SUITE_MAIN("ring", {"tag", test_tag}, {"probe names the cause", test_probe_names_the_cause},
           {"too many descriptors", test_too_many_descriptors},
           {"full queue submits", test_full_queue_submits},
           {"wait is bounded", test_wait_is_bounded}, {"buffers", test_buffers})
