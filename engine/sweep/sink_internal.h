/* Private to sink*.c: the output files. sink.c is the writer thread and its queue, sink_output.c
   opens the files. */
#ifndef PINSWEEP_SWEEP_SINK_INTERNAL_H
#define PINSWEEP_SWEEP_SINK_INTERNAL_H

#include <sys/types.h>

#include "engine/sweep/chainset.h"
#include "engine/sweep/sink.h"

struct output {
    const char *file;
    int fd;           /* -1: stream not wanted */
    bool regular;     /* a file that can be cut back */
    off_t whole_len;  /* bytes up to the last whole line, when regular */
    uint64_t written; /* under the mutex */
};

/* Opens one output as the configuration says; `file` NULL: it is not wanted. */
enum err output_open(struct output *output, const char *file, const struct sink_config *config,
                     struct err_note *note) MUST_USE;
/* Opens those of a resumed sweep and cuts them back, once all are found good; learns the chains
   that are there. */
enum err output_resume_all(struct output outputs[SINK_STREAM_COUNT],
                           const struct sink_config *config, struct chainset *chains,
                           struct err_note *note) MUST_USE;

#endif
