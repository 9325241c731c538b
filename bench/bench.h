/* Google Benchmark for C (shim.cc is the only C++ of the project). A bench program registers its
   cases and calls bench_main(), which takes the usual --benchmark_* options:

     static void bench_walk(struct bench *bench) {
         while (bench_next(bench, 100)) {            // 100: iterations of one turn
             for (int i = 0; i < 100; i++) { ... bench_use(&result); }
         }
         bench_set_items(bench, 1);                   // per iteration
     }
     int main(int argc, char **argv) {
         bench_register("walk", bench_walk, NULL, (const int64_t[]){91, 16}, 2);
         return bench_main(argc, argv);
     }

   Single thread. CPU time counts. Comparators belong into the same program: figures of different
   runs do not compare. */
#ifndef PINSWEEP_BENCH_BENCH_H
#define PINSWEEP_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench;
typedef void (*bench_run)(struct bench *bench);

/* `name` and `context` must outlive bench_main(); up to 4 `args`, shown as name/arg/arg. */
void bench_register(const char *name, bench_run run, void *context, const int64_t *args,
                    size_t arg_count);
int bench_main(int argc, char **argv);

/* True as long as `iterations` more should run: batches keep the call's cost out of the figure. */
bool bench_next(struct bench *bench, int64_t iterations);
int64_t bench_arg(const struct bench *bench, size_t idx);
void *bench_context(const struct bench *bench);
/* After the loop: per iteration; shown per second. */
void bench_set_items(struct bench *bench, int64_t items);
void bench_set_bytes(struct bench *bench, int64_t bytes);
/* A figure shown as it is, and one shown as seconds per (value * iterations), e.g. "each=42ns". */
void bench_counter(struct bench *bench, const char *name, double value);
void bench_time_each(struct bench *bench, const char *name, int64_t per_iteration);
/* This case cannot run here; return right after. */
void bench_skip(struct bench *bench, const char *reason);

/* Keeps the compiler from dropping what `result` points to. */
static inline void bench_use(const void *result) {
    __asm__ volatile("" : : "r"(result) : "memory");
}

#ifdef __cplusplus
}
#endif

#endif
