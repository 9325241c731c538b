/* SHA-256 (FIPS 180-4) of many short messages at once.

   Contract of a batch: init, any number of adds, flush. A message's bytes and its 32-byte output
   must stay valid and untouched from add until the flush (or the add that fills the batch: it
   flushes by itself) that computes it; outputs are written in no particular order. A partial batch
   flushes cheaply: messages are grouped by block count, full lanes go to the widest kernel and
   small remainders to the cheapest one. The kernel is chosen once at run time from the CPU's
   features. Not thread-safe per batch; batches are independent. Nothing here needs to be
   constant-time: certificates are public. */
#ifndef PINSWEEP_CODEC_SHA256_H
#define PINSWEEP_CODEC_SHA256_H

#include "engine/base/span.h"

#define SHA256_LEN 32
#define SHA256_BATCH_MAX 256 /* messages held before a batch flushes by itself */

struct sha256_message {
    const uint8_t *data;
    size_t len;
    uint8_t *out; /* SHA256_LEN bytes */
};

struct sha256_batch {
    uint32_t count;
    struct sha256_message messages[SHA256_BATCH_MAX];
};

void sha256_batch_init(struct sha256_batch *batch);
void sha256_batch_add(struct sha256_batch *batch, struct span message, uint8_t out[SHA256_LEN]);
void sha256_batch_flush(struct sha256_batch *batch);

/* One message, by the cheapest kernel for one. */
void sha256_once(struct span message, uint8_t out[SHA256_LEN]);

/* Incremental, for input digests: BoringSSL's. */
struct sha256_stream {
    _Alignas(8) uint8_t opaque[128];
};
void sha256_stream_init(struct sha256_stream *stream);
void sha256_stream_add(struct sha256_stream *stream, struct span bytes);
void sha256_stream_finish(struct sha256_stream *stream, uint8_t out[SHA256_LEN]);

/* The kernel in use: "avx512", "shani", "avx2" or "scalar"; and those this CPU could use, best
 * first. */
const char *sha256_kernel(void);
size_t sha256_kernels_available(const char *out_names[4]);
/* Forces a kernel for all later batches (tests, benches; also PINSWEEP_SHA256=name in the
   environment, read at first use); false if this CPU lacks it. Call before other threads hash. */
bool sha256_force_kernel(const char *name);

#endif
