/* Base64 (RFC 4648 section 4), padded and strict: a foreign character, a wrong or missing padding
   or an unused bit that is set is false. Pure. Long texts go to a kernel that takes 64 characters a
   step, chosen once at run time from the CPU's features. */
#ifndef PINSWEEP_CODEC_BASE64_H
#define PINSWEEP_CODEC_BASE64_H

#include "engine/base/span.h"

#define BASE64_LEN(n) ((((n) + 2) / 3) * 4) /* characters for n bytes, padded, no NUL */
#define BASE64_SHA256_LEN 44
/* Bytes that `n` characters can become at most. */
#define BASE64_BYTES_MAX(n) ((n) / 4 * 3 + 3)

/* Padded, no NUL; writes exactly BASE64_LEN(in.len) characters and returns that count. */
size_t base64_encode(char *out, struct span in);

/* In one piece: no white space. Outputs untouched on false. For short texts. */
bool base64_decode(struct span text, uint8_t *out, size_t out_cap, size_t *out_len);

/* In lines of any length, as PEM has them (RFC 7468), or in one piece: LF or CR LF ends a line,
   blanks and tabs may stand before and after it, never inside. For long texts: one pass, so that on
   false the bytes of `out` are undefined (`*out_len` is untouched). Also false if `out_cap` is
   below BASE64_BYTES_MAX(text.len). */
bool base64_decode_lines(struct span text, uint8_t *out, size_t out_cap, size_t *out_len);

/* The kernel in use: "vbmi" (AVX-512 VBMI), "avx2" or "scalar"; and those this CPU could use, best
   first. */
#define BASE64_KERNELS_MAX 3
const char *base64_kernel(void);
size_t base64_kernels_available(const char *out_names[BASE64_KERNELS_MAX]);
/* Forces a kernel (tests, benches; also PINSWEEP_BASE64=name in the environment, read at first
   use); false if this CPU lacks it. Call before other threads decode. */
bool base64_force_kernel(const char *name);

#endif
