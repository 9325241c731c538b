#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/bench.h"
#include "engine/codec/json.h"
#include "engine/codec/sha256.h"
#include "engine/net/x25519.h"

/* data/bench.schema.json describes the document. */

static void key_number(struct json *json, const char *key, double value) {
    json_key(json, key);
    json_milli(json, (int64_t)(value * 1000 + (value < 0 ? -0.5 : 0.5)));
}

static void key_series(struct json *json, const char *key, const struct bench_series *series) {
    struct bench_spread spread = bench_series_spread(series);
    json_key(json, key);
    if (series->count == 0) {
        json_null(json);
        return;
    }
    json_object_begin(json);
    key_number(json, "median", spread.median);
    key_number(json, "low", spread.low);
    key_number(json, "high", spread.high);
    json_object_end(json);
}

static void write_machine(struct json *json, const struct bench_result *result) {
    const struct measure_machine *machine = &result->machine;
    json_key(json, "machine");
    json_object_begin(json);
    json_key_text(json, "cpu", machine->cpu);
    json_key_u64(json, "cores", machine->cores);
    json_key_text(json, "kernel", machine->kernel);
    json_key_u64(json, "memory_bytes", machine->memory_bytes);
    json_key_u64(json, "descriptors_hard",
                 machine->descriptors_hard < INT64_MAX ? machine->descriptors_hard : INT64_MAX);
    json_key_u64(json, "somaxconn", machine->somaxconn);
    json_key_u64(json, "ports", machine->ports);
    json_key_text(json, "x25519", x25519_kernel());
    json_key_text(json, "sha256", sha256_kernel());
    json_object_end(json);
    json_key(json, "load_average");
    json_array_begin(json);
    for (int i = 0; i < 3; i++) {
        json_milli(json, (int64_t)(result->load[i] * 1000));
    }
    json_array_end(json);
}

static void write_server(struct json *json, const struct bench_result *result) {
    json_key(json, "server");
    json_object_begin(json);
    json_key_text(json, "program", "fleetsim --fast");
    json_key_bool(json, "shares_machine", true);
    json_key_bool(json, "shares_core", result->shares_core);
    json_key_text(json, "short_cuts",
                  "one key share of its own whose shared secrets it remembers; signing by short "
                  "cuts; certificates, encryption and signatures are real");
    json_object_end(json);
}

static void write_primitives(struct json *json, const struct bench_result *result) {
    json_key(json, "primitives");
    json_array_begin(json);
    for (int i = 0; i < BENCH_PRIMITIVE_COUNT; i++) {
        json_object_begin(json);
        json_key_text(json, "name", bench_primitive_text((enum bench_primitive)i));
        key_series(json, "us", &result->primitives[i]);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_sizes(struct json *json, const char *key, const size_t *sizes, size_t count) {
    json_key(json, key);
    json_array_begin(json);
    for (size_t i = 0; i < count; i++) {
        json_u64(json, sizes[i]);
    }
    json_array_end(json);
}

static void key_fleet(struct json *json, const struct bench_fleet *fleet) {
    json_key_text(json, "tls", bench_tls_text(fleet->tls));
    json_key_text(json, "key", measure_key_text(fleet->key));
}

static void write_floors(struct json *json, const struct bench_result *result) {
    json_key(json, "in_memory");
    json_array_begin(json);
    for (uint32_t i = 0; i < result->fleet_count; i++) {
        const struct bench_fleet *fleet = &result->fleets[i];
        json_object_begin(json);
        key_fleet(json, fleet);
        write_sizes(json, "bytes_out", fleet->bytes.out, ARRAY_COUNT(fleet->bytes.out));
        write_sizes(json, "bytes_in", fleet->bytes.in, ARRAY_COUNT(fleet->bytes.in));
        key_series(json, "us", &fleet->in_memory);
        json_object_end(json);
    }
    json_array_end(json);
    json_key(json, "floors");
    json_array_begin(json);
    for (uint32_t i = 0; i < result->floor_count; i++) {
        const struct bench_floor *floor = &result->floors[i];
        json_object_begin(json);
        key_fleet(json, &result->fleets[floor->fleet_idx]);
        json_key_u64(json, "in_flight", floor->in_flight);
        json_key_text(json, "exchange", floor->whole ? "whole" : "flight");
        key_series(json, "cpu_us", &floor->cpu);
        key_series(json, "user_us", &floor->user);
        key_series(json, "system_us", &floor->system);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_counts(struct json *json, const struct measure_counts *counts) {
    static const char *const versions[] = {"other", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
    json_key_u64(json, "targets", counts->targets);
    json_key_u64(json, "succeeded", counts->succeeded);
    json_key_u64(json, "failed", counts->targets - counts->succeeded);
    json_key_u64(json, "attempts", counts->attempts);
    json_key_u64(json, "connected", counts->connected);
    json_key_u64(json, "completed", counts->completed);
    json_key_u64(json, "proven", counts->proven);
    json_key_u64(json, "captured", counts->captured);
    json_key_u64(json, "fallbacks", counts->fallbacks);
    json_key(json, "versions");
    json_object_begin(json);
    for (size_t i = 0; i < ARRAY_COUNT(versions); i++) {
        if (counts->versions[i] > 0) {
            json_key_u64(json, versions[i], counts->versions[i]);
        }
    }
    json_object_end(json);
}

static void write_cells(struct json *json, const struct bench_result *result) {
    json_key(json, "cells");
    json_array_begin(json);
    for (uint32_t i = 0; i < result->cell_count; i++) {
        const struct bench_cell *cell = &result->cells[i];
        char name[BENCH_NAME_MAX];
        struct bench_spread cpu = bench_series_spread(&cell->cpu);
        bench_cell_name(result, cell, name);
        json_object_begin(json);
        json_key_text(json, "name", name);
        key_fleet(json, &result->fleets[cell->fleet_idx]);
        json_key_text(json, "depth", depth_text(cell->depth));
        json_key_u64(json, "in_flight", cell->in_flight);
        json_key_u64(json, "threads", cell->threads);
        json_key_u64(json, "handshakes_each_round", cell->count);
        write_counts(json, &cell->counts);
        key_series(json, "cpu_us", &cell->cpu);
        key_series(json, "user_us", &cell->user);
        key_series(json, "system_us", &cell->system);
        key_series(json, "by_floor", &cell->by_floor);
        key_series(json, "by_parts", &cell->by_parts);
        key_series(json, "cpu_by_fewest_threads", &cell->cpu_by_fewest);
        key_series(json, "wall_by_fewest_threads", &cell->wall_by_fewest);
        json_key_u64(json, "per_minute_and_core",
                     cpu.median > 0 ? (uint64_t)(60e6 / cpu.median) : 0);
        key_series(json, "per_second_wall", &cell->per_second);
        key_series(json, "busy", &cell->busy);
        key_series(json, "max_rss_bytes", &cell->max_rss);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_memories(struct json *json, const struct bench_result *result) {
    json_key(json, "memory");
    json_array_begin(json);
    for (uint32_t i = 0; i < result->memory_count; i++) {
        const struct bench_memory *memory = &result->memories[i];
        json_object_begin(json);
        key_fleet(json, &result->fleets[memory->fleet_idx]);
        json_key_text(json, "depth", depth_text(memory->depth));
        json_key_u64(json, "low_in_flight", memory->low_in_flight);
        json_key_u64(json, "high_in_flight", memory->high_in_flight);
        key_series(json, "bytes_per_connection", &memory->bytes);
        json_object_end(json);
    }
    json_array_end(json);
}

static size_t compose(char *buffer, const struct bench_result *result, int argc,
                      char *const *argv) {
    struct json json;
    json_init(&json, buffer, BENCH_FILE_BYTES_MAX);
    json_object_begin(&json);
    json_key_i64(&json, "schema", 1);
    json_key_text(&json, "type", "bench");
    json_key_text(&json, "version", PINSWEEP_VERSION);
    json_key_text(&json, "boringssl", PINSWEEP_BORINGSSL);
    json_key(&json, "arguments");
    json_array_begin(&json);
    for (int i = 0; i < argc; i++) {
        json_text(&json, argv[i]);
    }
    json_array_end(&json);
    json_key(&json, "started");
    json_time_ms(&json, result->started_ms);
    json_key(&json, "ended");
    json_time_ms(&json, result->ended_ms);
    json_key_u64(&json, "rounds", result->options->rounds);
    write_machine(&json, result);
    write_server(&json, result);
    write_primitives(&json, result);
    write_floors(&json, result);
    write_cells(&json, result);
    write_memories(&json, result);
    json_key(&json, "notes");
    json_array_begin(&json);
    for (uint32_t i = 0; i < result->note_count; i++) {
        json_text(&json, result->notes[i]);
    }
    json_array_end(&json);
    json_object_end(&json);
    return json_finish_line(&json);
}

enum err bench_json_write(const struct bench_result *result, int argc, char *const *argv,
                          struct err_note *note) {
    const char *file = result->options->json_file;
    char *buffer = malloc(BENCH_FILE_BYTES_MAX);
    size_t len = buffer != NULL ? compose(buffer, result, argc, argv) : 0;
    if (len == 0) {
        free(buffer);
        return err_note(note, ERR_RESOURCE, "%s: not enough memory for the result", file);
    }
    FILE *out = fopen(file, "we");
    bool good = out != NULL && fwrite(buffer, 1, len, out) == len;
    int error = errno;
    if (out != NULL && fclose(out) != 0 && good) {
        good = false;
        error = errno;
    }
    free(buffer);
    return good ? ERR_NONE : err_note(note, ERR_IO, "%s: cannot write: %s", file, strerror(error));
}
