#include "engine/trust/pin_index.h"

#include <sys/mman.h>

#include "engine/trust/anchor.h"

#define HUGE_PAGE ((size_t)2 << 20)

void pin_index_init(struct pin_index *index, uint64_t seed) {
    *index = (struct pin_index){.seed = seed};
}

static void free_rules(struct pin_index *index) {
    if (index->slots != NULL) {
        CHECK(munmap(index->slots, index->map_len) == 0);
        index->slots = NULL;
    }
}

void pin_index_fini(struct pin_index *index) {
    free_rules(index);
    arena_fini(&index->arena);
    arena_fini(&index->pin_lists);
    *index = (struct pin_index){0};
}

/* --- pin sets by name --- */

static uint32_t *name_slot(const struct pin_index *index, const char *name) {
    uint32_t at = (uint32_t)hash_name(index, name, strlen(name)) & index->name_mask;
    while (index->names[at] != 0 && strcmp(index->sets[index->names[at] - 1]->name, name) != 0) {
        at = (at + 1) & index->name_mask;
    }
    return &index->names[at];
}

static void grow_sets(struct pin_index *index) {
    uint32_t capacity = index->set_capacity == 0 ? 64 : index->set_capacity * 2;
    CHECK(capacity > index->set_capacity);
    struct pin_set **sets = arena_alloc(&index->arena, capacity * sizeof(struct pin_set *));
    if (index->set_count > 0) {
        memcpy(sets, index->sets, index->set_count * sizeof(struct pin_set *));
    }
    index->sets = sets;
    index->set_capacity = capacity;
    index->names = arena_alloc(&index->arena, 2 * (size_t)capacity * sizeof(uint32_t));
    index->name_mask = 2 * capacity - 1;
    for (uint32_t i = 0; i < index->set_count; i++) {
        *name_slot(index, index->sets[i]->name) = i + 1;
    }
}

enum err pin_index_add(struct pin_index *index, struct pin_set *set, struct err_note *note) {
    CHECK(!index->bound);
    if (index->set_count == index->set_capacity) {
        grow_sets(index);
    }
    uint32_t *slot = name_slot(index, set->name);
    if (*slot != 0) {
        const struct pin_set *other = index->sets[*slot - 1];
        return err_note(
            note, ERR_CONFIG,
            "%s:%u:%u: name: a pin set \"%s\" is already at %s:%u, give each its own name",
            set->file, set->line, set->column, set->name, other->file, other->line);
    }
    set->idx = index->set_count;
    index->sets[index->set_count++] = set;
    *slot = index->set_count;
    return ERR_NONE;
}

/* --- building --- */

static uint32_t chain_len(const struct pin_index *index, uint32_t first) {
    uint32_t len = 0;
    for (uint32_t at = first; at != 0; at = rule_at(index, at)->next) {
        len++;
    }
    return len;
}

static size_t rule_size(size_t name_len) {
    size_t len = offsetof(struct pin_rule, name) + name_len;
    return (len + RULE_ALIGN - 1) / RULE_ALIGN * RULE_ALIGN;
}

static enum err too_many(const char *host, struct err_note *note) {
    return err_note(note, ERR_CONFIG,
                    "more than %d host patterns apply to %s: merge some of its pin sets",
                    PIN_RULES_PER_HOST_MAX, host);
}

static enum err add_rule(struct pin_index *index, struct pin_set *set, const struct pin_host *host,
                         uint32_t group, struct err_note *note) {
    size_t len = strlen(host->name);
    CHECK(len > 0 && len <= HOST_MAX);
    uint64_t hash = hash_name(index, host->name, len);
    struct pin_slot *slot = host_slot(index, host->name, len, hash);
    uint32_t chained = 0;
    for (uint32_t at = slot->first; at != 0; at = rule_at(index, at)->next) {
        const struct pin_rule *rule = rule_at(index, at);
        if (rule->set_idx == set->idx && rule->port == host->port &&
            rule->pattern == (unsigned)host->pattern) {
            return ERR_NONE;
        }
        if (++chained >= PIN_RULES_PER_HOST_MAX) {
            return too_many(host->name, note);
        }
    }
    uint32_t place = (uint32_t)(index->rules_len / RULE_ALIGN);
    struct pin_rule *rule = rule_at(index, place);
    *rule = (struct pin_rule){
        .set = set,
        .set_idx = set->idx,
        .next = slot->first,
        .group = group,
        .port = host->port,
        .name_len = (uint8_t)len,
        .pattern = (unsigned)host->pattern & 3u,
        .host_rule = (unsigned)set->host_rule & 3u,
        .include_subdomains = set->include_subdomains,
        .has_excluded = set->excluded_count > 0,
        .is_dane = set->client == PIN_CLIENT_DANE,
    };
    memcpy(rule->name, host->name, len);
    index->rules_len += rule_size(len);
    *slot = (struct pin_slot){.tag = (uint32_t)(hash >> 32), .first = place};
    return ERR_NONE;
}

/* The first set of the same client and application, by a table of set indices + 1. */
static uint32_t group_of(const struct pin_index *index, const struct pin_set *set, uint32_t *groups,
                         uint32_t mask) {
    const char *application =
        set->application[0] != '\0' || set->file == NULL ? set->application : set->file;
    uint32_t at =
        ((uint32_t)hash_name(index, application, strlen(application)) + set->client) & mask;
    while (groups[at] != 0) {
        const struct pin_set *first = index->sets[groups[at] - 1];
        if (pin_same_application(first, set)) {
            return first->idx;
        }
        at = (at + 1) & mask;
    }
    groups[at] = set->idx + 1;
    return set->idx;
}

/* The rules of a name and of its parents meet in one host: no host meets more than some name does.
 */
static enum err check_rules_per_host(const struct pin_index *index, struct err_note *note) {
    for (uint32_t i = 0; i <= index->slot_mask; i++) {
        if (index->slots[i].first == 0) {
            continue;
        }
        const struct pin_rule *rule = rule_at(index, index->slots[i].first);
        uint32_t met = 0;
        for (size_t start = 0; start < rule->name_len;) {
            const char *name = rule->name + start;
            size_t len = rule->name_len - start;
            met +=
                chain_len(index, host_slot(index, name, len, hash_name(index, name, len))->first);
            start += span_find(span_of(name, len), '.') + 1;
        }
        if (met > PIN_RULES_PER_HOST_MAX) {
            char host[HOST_MAX + 1] = "";
            memcpy(host, rule->name, rule->name_len);
            return too_many(host, note);
        }
    }
    return ERR_NONE;
}

static uint32_t mask_for(size_t count) {
    uint32_t size = 16;
    while (size < 2 * count) {
        CHECK(size < (1u << 31));
        size *= 2;
    }
    return size - 1;
}

/* Slots and rules in one mapping, on huge pages where it is large: look-ups are random. */
static enum err map_tables(struct pin_index *index, struct err_note *note) {
    size_t host_count = 0, rules_len = RULE_ALIGN;
    for (uint32_t i = 0; i < index->set_count; i++) {
        host_count += index->sets[i]->host_count;
        for (uint32_t j = 0; j < index->sets[i]->host_count; j++) {
            rules_len += rule_size(strlen(index->sets[i]->hosts[j].name));
        }
    }
    if (rules_len / RULE_ALIGN > UINT32_MAX || host_count > UINT32_MAX / 4) {
        return err_note(note, ERR_RESOURCE, "too many host patterns (%zu): split the policy",
                        host_count);
    }
    free_rules(index);
    index->slot_mask = mask_for(host_count);
    size_t slots_len = ((size_t)index->slot_mask + 1) * sizeof(struct pin_slot);
    index->map_len = (slots_len + rules_len + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *map =
        mmap(NULL, index->map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        return err_note(note, ERR_RESOURCE, "no memory for %zu host patterns", host_count);
    }
    if (slots_len + rules_len >= HUGE_PAGE) {
        (void)madvise(map, index->map_len, MADV_HUGEPAGE); /* only ever faster */
    }
    index->slots = map;
    index->rules = (uint8_t *)map + slots_len;
    index->rules_len = RULE_ALIGN;
    return ERR_NONE;
}

static enum err build_rules(struct pin_index *index, struct err_note *note) {
    enum err mapped = map_tables(index, note);
    if (mapped != ERR_NONE) {
        return mapped;
    }
    uint32_t group_mask = mask_for(index->set_count);
    struct arena scratch = {0};
    uint32_t *groups = arena_alloc(&scratch, ((size_t)group_mask + 1) * sizeof(uint32_t));
    enum err err = ERR_NONE;
    for (uint32_t i = 0; i < index->set_count && err == ERR_NONE; i++) {
        struct pin_set *set = index->sets[i];
        uint32_t group = group_of(index, set, groups, group_mask);
        for (uint32_t j = 0; j < set->host_count && err == ERR_NONE; j++) {
            err = add_rule(index, set, &set->hosts[j], group, note);
        }
    }
    arena_fini(&scratch);
    return err == ERR_NONE ? check_rules_per_host(index, note) : err;
}

static enum err bind_profiles(struct pin_set *set, const struct trust_store *store,
                              struct err_note *note) {
    CHECK(set->trust_none || (set->trust_count > 0 && set->trust_count <= TRUST_PROFILES_MAX));
    for (uint32_t i = 0; i < set->trust_count && !set->trust_none; i++) {
        int profile = trust_store_find(store, set->trust[i]);
        if (profile < 0) {
            return err_note(
                note, ERR_CONFIG,
                "%s:%u:%u: trust: pin set \"%s\" names the trust profile \"%s\", which is "
                "not known: add it under \"trust:\", or give --trust %s=FILE",
                set->file, set->line, set->column, set->name, set->trust[i], set->trust[i]);
        }
        set->trust_profiles[i] = (int16_t)profile;
    }
    return ERR_NONE;
}

enum err pin_index_bind(struct pin_index *index, const struct trust_store *store,
                        struct err_note *note) {
    CHECK(!index->bound);
    for (uint32_t i = 0; i < index->set_count; i++) {
        enum err err = bind_profiles(index->sets[i], store, note);
        if (err != ERR_NONE) {
            return err;
        }
    }
    enum err err = build_rules(index, note);
    index->bound = err == ERR_NONE;
    return err;
}
