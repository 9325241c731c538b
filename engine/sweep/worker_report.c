#include "engine/sweep/worker_report.h"

void worker_get_counts(const struct worker *worker, struct sweep_counts *out) {
    *out = (struct sweep_counts){.targets = stats_get(&worker->stats.targets),
                                 .unknown = stats_get(&worker->stats.unknown),
                                 .first_expiry_s = stats_get(&worker->stats.first_expiry_s),
                                 .conns = worker->conns_stats,
                                 .intern = worker->intern_stats,
                                 .path = worker->path_stats};
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        out->statuses[i] = stats_get(&worker->stats.statuses[i]);
    }
    for (int i = 0; i < VERDICT_COUNT; i++) {
        out->verdicts[i] = stats_get(&worker->stats.verdicts[i]);
    }
    for (int i = 0; i < PKIX_COUNT; i++) {
        out->pkix[i] = stats_get(&worker->stats.pkix[i]);
    }
}

/* Brings the copies of its parts' counts up to date. */
static void update_counts(struct worker *worker) {
    conns_get_stats(worker->conns, &worker->conns_stats);
    path_get_stats(worker->judge.paths, &worker->path_stats);
    intern_get_stats(worker->intern, &worker->intern_stats);
}

static void block_give(struct worker *worker, enum sink_stream stream) {
    struct sink_block *block = worker->blocks[stream];
    if (block == NULL) {
        return;
    }
    if (worker->config->keeper != NULL && stream == SINK_RECORDS) {
        block_give(worker, SINK_CHAINS); /* no commit knows a chain that the file does not have */
        update_counts(worker);
        block->giver = worker->idx;
        worker_get_counts(worker, &block->counts);
    }
    sink_give(worker->shared->sink, block);
    worker->blocks[stream] = NULL;
}

/* The block that lines of the stream go to; NULL if the writer is behind. */
static struct sink_block *block_get(struct worker *worker, enum sink_stream stream,
                                    size_t capacity) {
    if (worker->blocks[stream] == NULL) {
        worker->blocks[stream] = sink_take(worker->shared->sink, stream, capacity);
        worker->block_since_ns[stream] = worker->now_ns;
    }
    return worker->blocks[stream];
}

/* Hands the open block over for a new one. */
static struct sink_block *block_renew(struct worker *worker, enum sink_stream stream,
                                      size_t capacity) {
    block_give(worker, stream);
    return block_get(worker, stream, capacity);
}

/* Appends the record of a target: in the open block, else a new one, else a new one of the largest
   size, with as much detail as that holds. False if the writer is behind: nothing was written. */
static bool write_line(struct worker *worker, const struct judgement *judgement) {
    enum report_detail wanted =
        worker->config->chain_detail == CHAIN_DETAIL_FULL ? REPORT_FULL : REPORT_IDS;
    struct sink_block *block = block_get(worker, SINK_RECORDS, BLOCK_BYTES);
    if (block == NULL) {
        return false;
    }
    size_t len =
        report_write(judgement, wanted, block->bytes + block->len, block->capacity - block->len);
    if (len == 0 && block->len > 0) {
        block = block_renew(worker, SINK_RECORDS, BLOCK_BYTES);
        if (block == NULL) {
            return false;
        }
        len = report_write(judgement, wanted, block->bytes, block->capacity);
    }
    if (len == 0) {
        block = block_renew(worker, SINK_RECORDS, RECORD_BYTES_MAX);
        if (block == NULL) {
            return false;
        }
        len = report_write_fitting(judgement, wanted, block->bytes, block->capacity);
        CHECK(len > 0); /* an inventory's texts and VIEWS_MAX bare views are far smaller */
    }
    block->len += len;
    return true;
}

/* The record, its rows for the keeper, or both: then in the same block. False if the writer is
   behind: nothing was written. */
static bool write_record(struct worker *worker, const struct judgement *judgement) {
    struct sink_block *block = worker->blocks[SINK_RECORDS];
    if (block != NULL && block->rows.len >= BLOCK_BYTES) {
        block_give(worker, SINK_RECORDS);
    }
    if (worker->shared->writes_records ? !write_line(worker, judgement)
                                       : block_get(worker, SINK_RECORDS, BLOCK_BYTES) == NULL) {
        return false;
    }
    if (worker->config->keeper != NULL) {
        keeper_rows_add(&worker->blocks[SINK_RECORDS]->rows, judgement);
    }
    return true;
}

/* The chain's own line, once per stay in the intern table (the writer drops repeats). False if the
 * writer is behind. */
static bool write_chain(struct worker *worker, struct chain *chain) {
    struct sink_block *block = block_get(worker, SINK_CHAINS, BLOCK_BYTES);
    bool pem = worker->config->chains_pem;
    size_t len = 0;
    if (block != NULL && block->chain_count < SINK_CHAINS_PER_BLOCK) {
        len =
            report_write_chain(chain, pem, block->bytes + block->len, block->capacity - block->len);
    }
    if (block != NULL && len == 0 && block->len > 0) {
        block = block_renew(worker, SINK_CHAINS, BLOCK_BYTES);
        len = block != NULL ? report_write_chain(chain, pem, block->bytes, block->capacity) : 0;
    }
    if (block != NULL && len == 0) {
        /* CHAIN_BYTES_MAX of certificates: a name's byte becomes six at most, PEM adds 11/8 */
        block = block_renew(worker, SINK_CHAINS, 2 * RECORD_BYTES_MAX);
        len = block != NULL ? report_write_chain(chain, pem, block->bytes, block->capacity) : 0;
        CHECK(block == NULL || len > 0);
    }
    if (block == NULL) {
        return false;
    }
    block->chain_offset[block->chain_count] = (uint32_t)block->len;
    memcpy(block->chain_id[block->chain_count++], chain->id, SHA256_LEN);
    block->len += len;
    chain->written = true;
    return true;
}

static bool write_chains(struct worker *worker, const struct target *target) {
    for (uint32_t i = 0; worker->config->chains_file != NULL && i < target->probe_count; i++) {
        struct chain *chain = target->probes[i].chain;
        if (chain != NULL && !chain->written && !write_chain(worker, chain)) {
            return false;
        }
    }
    return true;
}

bool worker_write(struct worker *worker, const struct judgement *judgement) {
    return write_chains(worker, judgement->target) && write_record(worker, judgement);
}

void worker_flush(struct worker *worker, bool all) {
    uint64_t age_ns = worker->config->keeper != NULL ? STORE_COMMIT_NS : FLUSH_NS;
    for (int i = 0; i < SINK_STREAM_COUNT; i++) {
        if (worker->blocks[i] != NULL &&
            (all || worker->now_ns - worker->block_since_ns[i] >= age_ns)) {
            block_give(worker, (enum sink_stream)i);
        }
    }
}
