#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/measure/measure.h"
#include "engine/base/attributes.h"

uint64_t measure_thread_cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What this process was started with; its own affinity is never changed. */
static void cores_allowed(cpu_set_t *out) {
    CHECK(sched_getaffinity(0, sizeof *out, out) == 0);
}

void measure_cores_split(struct measure_cores *out, uint32_t threads) {
    cpu_set_t allowed;
    cores_allowed(&allowed);
    uint32_t taken = 0;
    *out = (struct measure_cores){.count = (uint32_t)CPU_COUNT(&allowed)};
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed)) {
            if (taken < threads) {
                CPU_SET(cpu, &out->client);
            } else {
                CPU_SET(cpu, &out->server);
            }
            taken++;
        }
    }
    out->shared = CPU_COUNT(&out->server) == 0;
    if (out->shared) {
        out->server = allowed;
    }
}

void measure_cores_keep(pid_t process, const cpu_set_t *cores) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", process != 0 ? process : getpid());
    DIR *tasks = opendir(path);
    struct dirent *task;
    while (tasks != NULL && (task = readdir(tasks)) != NULL) {
        int id = atoi(task->d_name);
        if (id > 0) {
            sched_setaffinity(id, sizeof *cores, cores); /* a thread may have ended meanwhile */
        }
    }
    if (tasks != NULL) {
        closedir(tasks);
    }
}

void measure_child_begin(pid_t parent, const cpu_set_t *cores) {
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        _exit(126);
    }
    sched_setaffinity(0, sizeof *cores, cores);
}

static bool read_all(int fd, void *out, size_t len) {
    size_t at = 0;
    while (at < len) {
        ssize_t got = read(fd, (char *)out + at, len - at);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return false;
        }
        at += got > 0 ? (size_t)got : 0;
    }
    return true;
}

enum err measure_in_child(const cpu_set_t *cores, void (*body)(void *out, const void *context),
                          const void *context, void *out, size_t len, struct err_note *note) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return err_note(note, ERR_RESOURCE, "cannot make a pipe: %s", strerror(errno));
    }
    pid_t parent = getpid(), child = fork();
    if (child < 0) {
        close(fds[0]);
        close(fds[1]);
        return err_note(note, ERR_RESOURCE, "cannot start a process: %s", strerror(errno));
    }
    if (child == 0) {
        measure_child_begin(parent, cores);
        body(out, context);
        _exit(write(fds[1], out, len) == (ssize_t)len ? 0 : 1);
    }
    close(fds[1]);
    bool good = read_all(fds[0], out, len);
    close(fds[0]);
    int status;
    good = waitpid(child, &status, 0) == child && good && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
    return good ? ERR_NONE : err_note(note, ERR_RESOURCE, "a measurement ended early");
}

enum err measure_spawn(const char *const arguments[], const cpu_set_t *cores, int kept_fd,
                       pid_t *out, struct err_note *note) {
    pid_t parent = getpid(), child = fork();
    if (child < 0) {
        return err_note(note, ERR_RESOURCE, "cannot start %s: %s", arguments[0], strerror(errno));
    }
    if (child == 0) {
        measure_child_begin(parent, cores);
        if (kept_fd >= 0) {
            fcntl(kept_fd, F_SETFD, 0);
        }
        execv(arguments[0], (char *const *)(uintptr_t)arguments);
        fprintf(stderr, "pinsweep: cannot run %s: %s\n", arguments[0], strerror(errno));
        _exit(127);
    }
    *out = child;
    return ERR_NONE;
}

void measure_stop(pid_t process) {
    if (process > 0) {
        kill(process, SIGTERM);
        waitpid(process, NULL, 0);
    }
}
