#include "engine/sweep/target.h"

#include <stdlib.h>

bool target_init(struct target *target, const struct inventory_target *entry,
                 const char *sni_override, bool use_sni) {
    const char *sni = !use_sni ? "" : sni_override != NULL ? sni_override : entry->sni;
    /* The pin host follows the name sent, unless the inventory says another. */
    const char *usual_pin_host = entry->sni[0] != '\0' ? entry->sni : entry->host;
    bool follows_sni =
        strcmp(entry->pin_host, usual_pin_host) == 0 && use_sni && sni_override != NULL;
    const char *pin_host = follows_sni ? sni : entry->pin_host;
    const char *texts[] = {entry->host, sni,          pin_host,
                           entry->tag,  entry->owner, entry->application};
    const char **fields[] = {&target->host, &target->sni,   &target->pin_host,
                             &target->tag,  &target->owner, &target->application};
    size_t total = 0;
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        total += strlen(texts[i]) + 1;
    }
    char *block = malloc(total);
    if (block == NULL) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        size_t len = strlen(texts[i]) + 1;
        memcpy(block, texts[i], len);
        *fields[i] = block;
        block += len;
    }
    list_node_init(&target->node);
    timer_init(&target->timer);
    target->line = entry->line;
    target->place = entry->place;
    target->port = entry->port;
    target->host_is_address = entry->host_is_address;
    if (entry->has_connect) {
        target->addresses = malloc(sizeof *target->addresses);
        if (target->addresses == NULL) {
            return false;
        }
        target->addresses[0] = entry->connect;
        target->address_count = 1;
    }
    return true;
}

void target_fini(struct target *target) {
    free((void *)(uintptr_t)target->host);
    free(target->resolution);
    free(target->addresses);
    free(target->probes);
    target->host = NULL;
    target->resolution = NULL;
    target->addresses = NULL;
    target->probes = NULL;
}

bool target_make_probes(struct target *target, const enum key_view *key_views,
                        uint32_t key_view_count, bool all_addresses) {
    uint32_t places = all_addresses ? target->address_count : 1;
    uint32_t count = places * key_view_count;
    CHECK(count > 0 && count <= VIEWS_MAX);
    target->probes = calloc(count, sizeof *target->probes);
    if (target->probes == NULL) {
        return false;
    }
    target->probe_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct probe *probe = &target->probes[i];
        list_node_init(&probe->node);
        timer_init(&probe->timer);
        probe->target = target;
        probe->key_view = key_views[i % key_view_count];
        probe->first_address_idx = (uint16_t)(all_addresses ? i / key_view_count : 0);
        probe->address_count = (uint16_t)(all_addresses ? 1 : target->address_count);
        probe->address_idx = probe->first_address_idx;
        probe->outcome = OUTCOME_CANCELLED;
        probe->facts.alert = -1;
    }
    return true;
}

enum outcome target_outcome(const struct target *target) {
    if (target->probe_count == 0) {
        return target->outcome;
    }
    /* not-offered and blocklisted are no failures, but they must not hide one: they count only
       where nothing failed, or an endpoint that nobody saw would pass for one without that key
       type. */
    enum outcome best_failure = OUTCOME_COUNT, best_other = OUTCOME_COUNT;
    for (uint32_t i = 0; i < target->probe_count; i++) {
        enum outcome outcome = target->probes[i].outcome;
        enum outcome *best = outcome_is_failure(outcome) ? &best_failure : &best_other;
        *best = *best == OUTCOME_COUNT ? outcome : outcome_better(*best, outcome);
    }
    return best_other == OUTCOME_SUCCESS || best_failure == OUTCOME_COUNT ? best_other
                                                                          : best_failure;
}
