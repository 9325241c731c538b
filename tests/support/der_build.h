/* DER from pieces, for certificates that no tool would make. The pieces live in one static buffer
   until der_build_reset(). */
#ifndef PINSWEEP_TESTS_DER_BUILD_H
#define PINSWEEP_TESTS_DER_BUILD_H

#include "engine/base/attributes.h"
#include "engine/base/span.h"

void der_build_reset(void);
/* One element with this tag around the joined parts, with a minimal length. */
struct span der_build(uint8_t tag, const struct span *parts, size_t count);
#define TLV(tag, ...)                                                                              \
    der_build((tag), (const struct span[]){__VA_ARGS__},                                           \
              ARRAY_COUNT(((const struct span[]){__VA_ARGS__})))
/* The bytes of a string literal, NULs inside included. */
#define RAW(literal) span_of((literal), sizeof(literal) - 1)
#define NOTHING span_of(NULL, 0)

#endif
