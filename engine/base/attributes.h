/* Compiler attributes and the two assertion macros. Floor 0; includes nothing of ours. */
#ifndef PINSWEEP_BASE_ATTRIBUTES_H
#define PINSWEEP_BASE_ATTRIBUTES_H

#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_idx, first_arg_idx)                                                     \
    __attribute__((format(printf, format_idx, first_arg_idx)))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define ONE_BYTE __attribute__((packed)) /* of an enum */
#define NORETURN __attribute__((noreturn))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define CACHE_LINE 64
#define ALIGN_CACHE __attribute__((aligned(CACHE_LINE)))

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Prints "file:line: CHECK failed: expression" and aborts. */
NORETURN void check_failed(const char *file, int line, const char *expression);

/* CHECK guards against our own bugs, in release builds too. It is never used for what a peer or an
   input may cause. DCHECK is for hot loops: gone under NDEBUG. */
#define CHECK(x) (LIKELY(x) ? (void)0 : check_failed(__FILE__, __LINE__, #x))
#ifdef NDEBUG
#define DCHECK(x) ((void)sizeof(x))
#else
#define DCHECK(x) CHECK(x)
#endif

#endif
