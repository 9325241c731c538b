// The C face of Google Benchmark: see bench.h.
#include <benchmark/benchmark.h>

#include <vector>

#include "bench/bench.h"

struct bench {
    benchmark::State *state;
    void *context;
};

extern "C" {

void bench_register(const char *name, bench_run run, void *context, const int64_t *args,
                    size_t arg_count) {
    benchmark::RegisterBenchmark(name, [run, context](benchmark::State &state) {
        bench one{&state, context};
        run(&one);
    })->Args(std::vector<int64_t>(args, args + arg_count));
}

int bench_main(int argc, char **argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 2;
    }
    return benchmark::RunSpecifiedBenchmarks() > 0 ? 0 : 1;
}

bool bench_next(struct bench *bench, int64_t iterations) {
    return bench->state->KeepRunningBatch(iterations);
}

int64_t bench_arg(const struct bench *bench, size_t idx) {
    return bench->state->range(idx);
}

void *bench_context(const struct bench *bench) {
    return bench->context;
}

void bench_set_items(struct bench *bench, int64_t items) {
    bench->state->SetItemsProcessed(bench->state->iterations() * items);
}

void bench_set_bytes(struct bench *bench, int64_t bytes) {
    bench->state->SetBytesProcessed(bench->state->iterations() * bytes);
}

void bench_counter(struct bench *bench, const char *name, double value) {
    bench->state->counters[name] = benchmark::Counter(value);
}

void bench_time_each(struct bench *bench, const char *name, int64_t per_iteration) {
    bench->state->counters[name] = benchmark::Counter(
        static_cast<double>(per_iteration),
        benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void bench_skip(struct bench *bench, const char *reason) {
    bench->state->SkipWithError(reason);
}
}
