#include "engine/sweep/limiter.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"

#define WAIT_MIN_NS NS_PER_MS
#define WAIT_GUESS_NS (5 * NS_PER_MS) /* until one of a server's connections may have ended */

/* A rate as the generic cell rate algorithm keeps it (ITU-T I.371): one number, the time at which
   the next connection is due if all before it had come evenly. */
struct rate {
    uint64_t interval_ns; /* 0: no limit */
    uint64_t credit_ns;   /* how far the due time may lie in the past */
};

struct entry {
    _Atomic uint64_t due_ns;
    _Atomic uint32_t in_flight;
};

struct limiter {
    struct rate rate, server_rate;
    uint32_t server_concurrency;
    uint64_t seed;
    struct entry *entries; /* NULL without per-server limits */
    ALIGN_CACHE _Atomic uint64_t due_ns;
};

static struct rate rate_from(double per_second) {
    struct rate rate = {0};
    if (per_second > 0) {
        /* Rounded up: never faster than asked. */
        double interval = (double)NS_PER_S / per_second;
        rate.interval_ns = interval < 1e18 ? (uint64_t)interval : UINT64_C(1000000000000000000);
        rate.interval_ns += (double)rate.interval_ns < interval;
        uint64_t burst = LIMITER_BURST_NS / rate.interval_ns;
        rate.credit_ns = burst > 1 ? (burst - 1) * rate.interval_ns : 0;
    }
    return rate;
}

enum err limiter_new(const struct limiter_config *config, struct limiter **out,
                     struct err_note *note) {
    if (!isfinite(config->rate) || !isfinite(config->server_rate) || config->rate < 0 ||
        config->server_rate < 0) {
        return err_note(note, ERR_USAGE, "a rate must be a positive number (0: no limit)");
    }
    struct limiter *limiter = aligned_alloc(CACHE_LINE, sizeof *limiter);
    if (limiter == NULL) {
        return err_note(note, ERR_RESOURCE, "no memory for the rate limiter");
    }
    *limiter = (struct limiter){.rate = rate_from(config->rate),
                                .server_rate = rate_from(config->server_rate),
                                .server_concurrency = config->server_concurrency,
                                .seed = config->seed};
    if (config->server_rate > 0 || config->server_concurrency > 0) {
        limiter->entries = calloc(LIMITER_ENTRIES, sizeof *limiter->entries);
        if (limiter->entries == NULL) {
            free(limiter);
            return err_note(note, ERR_RESOURCE, "no memory for %u per-server limits",
                            LIMITER_ENTRIES);
        }
    }
    *out = limiter;
    return ERR_NONE;
}

void limiter_free(struct limiter *limiter) {
    if (limiter != NULL) {
        free(limiter->entries);
        free(limiter);
    }
}

static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* NULL without per-server limits. */
static struct entry *entry_of(const struct limiter *limiter, const struct netaddr *address) {
    if (limiter->entries == NULL) {
        return NULL;
    }
    struct netaddr plain = *address;
    netaddr_unmap(&plain);
    uint64_t high, low;
    memcpy(&high, plain.bytes, 8);
    memcpy(&low, plain.bytes + 8, 8);
    uint64_t hash = mix(limiter->seed ^ plain.family);
    hash = mix(hash + high);
    hash = mix(hash + low);
    return &limiter->entries[hash % LIMITER_ENTRIES];
}

static bool rate_take(const struct rate *rate, _Atomic uint64_t *due_ns, uint64_t now_ns,
                      uint64_t *out_wait_ns) {
    if (rate->interval_ns == 0) {
        return true;
    }
    uint64_t oldest = now_ns > rate->credit_ns ? now_ns - rate->credit_ns : 0;
    uint64_t due = atomic_load_explicit(due_ns, memory_order_relaxed);
    for (int i = 0; i < LIMITER_TRIES_MAX; i++) {
        uint64_t start = due > oldest ? due : oldest;
        if (start > now_ns) {
            *out_wait_ns = start - now_ns;
            return false;
        }
        if (atomic_compare_exchange_weak_explicit(due_ns, &due, start + rate->interval_ns,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
    *out_wait_ns = WAIT_MIN_NS;
    return false;
}

/* Undoes a rate_take: the due time only ever moved forward by one interval on its account. */
static void rate_give(const struct rate *rate, _Atomic uint64_t *due_ns) {
    if (rate->interval_ns != 0) {
        atomic_fetch_sub_explicit(due_ns, rate->interval_ns, memory_order_relaxed);
    }
}

static bool slot_take(const struct limiter *limiter, struct entry *entry, uint64_t *out_wait_ns) {
    uint32_t count = atomic_load_explicit(&entry->in_flight, memory_order_relaxed);
    for (int i = 0; i < LIMITER_TRIES_MAX; i++) {
        if (limiter->server_concurrency > 0 && count >= limiter->server_concurrency) {
            *out_wait_ns = WAIT_GUESS_NS;
            return false;
        }
        if (atomic_compare_exchange_weak_explicit(&entry->in_flight, &count, count + 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
    *out_wait_ns = WAIT_MIN_NS;
    return false;
}

static void slot_give(struct entry *entry) {
    uint32_t before = atomic_fetch_sub_explicit(&entry->in_flight, 1, memory_order_relaxed);
    CHECK(before > 0);
}

static bool try_all(struct limiter *limiter, struct entry *entry, uint64_t now_ns,
                    uint64_t *out_wait_ns) {
    if (entry != NULL) {
        if (!slot_take(limiter, entry, out_wait_ns)) {
            return false;
        }
        if (!rate_take(&limiter->server_rate, &entry->due_ns, now_ns, out_wait_ns)) {
            slot_give(entry);
            return false;
        }
    }
    if (!rate_take(&limiter->rate, &limiter->due_ns, now_ns, out_wait_ns)) {
        if (entry != NULL) {
            rate_give(&limiter->server_rate, &entry->due_ns);
            slot_give(entry);
        }
        return false;
    }
    return true;
}

bool limiter_try(struct limiter *limiter, const struct netaddr *address, uint64_t now_ns,
                 uint64_t *out_wait_ns) {
    uint64_t wait_ns = WAIT_MIN_NS;
    if (try_all(limiter, entry_of(limiter, address), now_ns, &wait_ns)) {
        return true;
    }
    *out_wait_ns = wait_ns > WAIT_MIN_NS ? wait_ns : WAIT_MIN_NS;
    return false;
}

void limiter_done(struct limiter *limiter, const struct netaddr *address) {
    struct entry *entry = entry_of(limiter, address);
    if (entry != NULL) {
        slot_give(entry);
    }
}

uint32_t limiter_in_flight(const struct limiter *limiter, const struct netaddr *address) {
    struct entry *entry = entry_of(limiter, address);
    return entry != NULL ? atomic_load_explicit(&entry->in_flight, memory_order_relaxed) : 0;
}

size_t limiter_bytes(const struct limiter *limiter) {
    return sizeof *limiter +
           (limiter->entries != NULL ? LIMITER_ENTRIES * sizeof(struct entry) : 0);
}
