#include "engine/base/thread.h"

#include <signal.h>

int thread_start(pthread_t *out, void *(*run)(void *), void *context) {
    sigset_t blocked, previous;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGHUP);
    sigaddset(&blocked, SIGPIPE);
    /* A new thread inherits the mask: set in the thread itself it would come too late. */
    pthread_sigmask(SIG_BLOCK, &blocked, &previous);
    int error = pthread_create(out, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    return error;
}
