/* A scenario made ready for a world: every name resolved, what it does to the world done (each
   change marked with the number of its operation), what it does to single endpoints kept to be done
   when one comes by. Memory belongs to the plan until plan_fini(). */
#ifndef PINSWEEP_IMPACT_PLAN_H
#define PINSWEEP_IMPACT_PLAN_H

#include "engine/impact/endpoint.h"
#include "engine/trust/pin.h"

/* Symbolic certificates of one scenario: CAs that are re-keyed to and fro double what they signed.
 */
#define PLAN_CERTS_MAX (1u << 18)

/* A certificate that takes another's place in the lists that are sent. */
struct plan_swap {
    uint32_t old_cert, new_cert;
};

struct plan_step {
    const struct scenario_op *op;
    uint32_t from, to;         /* authorities; WORLD_NONE */
    struct world_cert **certs; /* what is sent from then on, or is added, or leaves */
    uint32_t cert_count;
    struct plan_swap *swaps; /* by old certificate */
    uint32_t swap_count, swap_capacity;
    const struct world_cert *sends; /* a new intermediate: sent where none of its CA is; or NULL */
    int64_t clock;                  /* when it happens, Unix seconds */
};

struct plan {
    struct world *world;
    struct arena arena;
    struct plan_step *steps;
    uint32_t count;
    int64_t today, end;    /* Unix seconds: before the first operation, after the last */
    struct pin_set **sets; /* of the index, as they are at the end; by set idx */
    uint32_t set_count;
};

/* Everything that can be wrong with a scenario is ERR_CONFIG with its place. `index` is bound;
   `scenario` and `index` must outlive the plan. */
enum err plan_init(struct plan *plan, struct world *world, const struct scenario *scenario,
                   const struct pin_index *index, int64_t today_unix_s,
                   struct err_note *note) MUST_USE;
void plan_fini(struct plan *plan);

/* Takes one endpoint of that host through all operations. */
void plan_apply(const struct plan *plan, struct span host, uint16_t port,
                struct endpoint *endpoint);
/* The next chain that the operations add to that host, from step *cursor (0 at first) on, taken
   through what follows; false if there is none. */
bool plan_next_added(const struct plan *plan, struct span host, uint16_t port, uint32_t *cursor,
                     struct endpoint *out, enum key_view *out_key_type);

#endif
