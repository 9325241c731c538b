/* Threads that leave the signals to whoever started them. The kernel gives a signal sent to the
   process to any thread that does not block it, and a write to a closed pipe kills the process from
   any thread: one that was started without a mask undoes the care of all others. */
#ifndef PINSWEEP_BASE_THREAD_H
#define PINSWEEP_BASE_THREAD_H

#include <pthread.h>

/* pthread_create() with SIGINT, SIGTERM, SIGHUP and SIGPIPE blocked in the new thread. */
int thread_start(pthread_t *out, void *(*run)(void *), void *context);

#endif
