/* The figures of a sweep for Prometheus' node_exporter (its textfile collector): text exposition
   format 0.0.4, gauges named pinsweep_*. The names and labels are stable: alerts hang on them. */
#ifndef PINSWEEP_SWEEP_PROMETHEUS_H
#define PINSWEEP_SWEEP_PROMETHEUS_H

#include "engine/sweep/sweep.h"

#define PROMETHEUS_BYTES_MAX (64u << 10) /* all metrics of all states are about 8 KB */

/* Composes the text; returns its length, 0 if it does not fit. */
size_t prometheus_compose(const struct sweep_config *config, const struct sweep_result *result,
                          char *buffer, size_t capacity);
/* Replaces the file as a whole. */
enum err prometheus_write(const char *file, const struct sweep_config *config,
                          const struct sweep_result *result, struct err_note *note) MUST_USE;

#endif
