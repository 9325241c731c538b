/* Private to world*.c and apply.c. */
#ifndef PINSWEEP_IMPACT_WORLD_INTERNAL_H
#define PINSWEEP_IMPACT_WORLD_INTERNAL_H

#include "engine/impact/world.h"

/* Room for one more item; aborts without memory (sizes are bounded by the snapshot and
   by PLAN_CERTS_MAX). */
void *world_grow(void *items, size_t item_len, uint32_t count, uint32_t *capacity);

/* An empty certificate of the authority. */
struct world_cert *world_new_cert(struct world *world, uint32_t authority);
/* The certificate of a record that outlives the world. */
struct world_cert *world_add_record(struct world *world, const struct cert_record *record);

/* world_find.c */
void world_files_free(struct world *world);

#endif
