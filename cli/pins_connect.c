#include "cli/pins_connect.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/inventory_one.h"
#include "engine/sweep/judge.h"
#include "engine/trust/path.h"

struct connect {
    struct pins_keys *keys;
    struct pin_host *host;
    bool seen;
    char why[256]; /* what the network said, if nothing was seen */
};

static void add(struct connect *connect, const struct cert_record *cert, enum pins_place place,
                const char *origin) {
    struct pins_keys *keys = connect->keys;
    if (!cert->has_spki) {
        return;
    }
    pins_keys_add(keys, (struct pins_key){
                            .spki = arena_copy(&keys->arena, cert->fields.spki),
                            .certificate = arena_copy(&keys->arena, cert->der),
                            .place = place,
                            .what = pins_key_of_certificate(keys, cert->der),
                            .origin = origin,
                        });
    connect->seen = true;
}

/* On some valid path, or a leaf: an extra certificate is nothing to be pinned. */
static bool is_on_path(const struct path_set *paths, const struct cert_record *cert) {
    for (uint32_t p = 0; p < paths->profile_count; p++) {
        for (uint32_t i = 0; i < paths->profiles[p].ok_count; i++) {
            const struct path *path = &paths->profiles[p].paths[i];
            for (uint32_t k = 0; k < path->count; k++) {
                if (memcmp(path->certs[k]->cert_sha256, cert->cert_sha256, SHA256_LEN) == 0) {
                    return true;
                }
            }
        }
    }
    return false;
}

static void add_chain(struct connect *connect, const struct judgement *judgement,
                      const struct probe *probe, const char *origin) {
    const struct chain *chain = probe->chain;
    add(connect, chain->certs[0], PINS_LEAF, origin);
    for (uint32_t i = 1; i < chain->count; i++) {
        if (chain->paths != NULL && is_on_path(chain->paths, chain->certs[i])) {
            const struct cert_record *cert = chain->certs[i];
            bool root = cert->strict && span_equal(cert->fields.subject, cert->fields.issuer);
            add(connect, cert, root ? PINS_ROOT : PINS_ISSUER, origin);
        }
    }
    for (uint32_t p = 0; chain->paths != NULL && p < chain->paths->profile_count; p++) {
        const struct profile_paths *profile = &chain->paths->profiles[p];
        bool valid;
        int preferred = path_preferred(profile, judgement->judged_at_s, &valid);
        if (preferred >= 0 && profile->paths[preferred].count > 1) {
            const struct path *path = &profile->paths[preferred];
            add(connect, path->certs[path->count - 1], PINS_ROOT, "the anchor, not sent");
        }
    }
}

static void on_target(void *context, const struct judgement *judgement) {
    struct connect *connect = context;
    const struct target *target = judgement->target;
    struct arena *arena = &connect->keys->arena;
    connect->host->name = arena_copy_text(arena, span_str(target->pin_host));
    connect->host->port = target->port;
    snprintf(connect->why, sizeof connect->why, "%s%s%s", outcome_text(judgement->status),
             target->error[0] != '\0' ? ": " : "", target->error);
    for (uint32_t i = 0; i < target->probe_count; i++) {
        const struct probe *probe = &target->probes[i];
        char origin[NETADDR_TEXT_MAX];
        if (judge_view_counts(probe)) {
            size_t len = netaddr_format(origin, &target->addresses[probe->address_idx]);
            add_chain(connect, judgement, probe, arena_copy_text(arena, span_of(origin, len)));
        }
    }
}

enum err pins_connect(struct setup *setup, const char *endpoint, struct pins_keys *keys,
                      struct pin_host *out_host, bool *out_seen, struct err_note *note) {
    struct connect connect = {.keys = keys, .host = out_host};
    struct sweep_listener listener = {.on_target = on_target, .context = &connect};
    struct sweep_result result;
    setup->config.listener = &listener;
    setup->config.workers = 1;
    setup->config.concurrency = VIEWS_MAX;
    setup->config.all_addresses = true;
    setup->config.key_views[0] = KEY_VIEW_ANY;
    setup->config.key_views[1] = KEY_VIEW_RSA;
    setup->config.key_views[2] = KEY_VIEW_ECDSA;
    setup->config.key_view_count = 3;
    char file[INVENTORY_ONE_MAX];
    int fd = -1;
    enum err err = inventory_one(endpoint, setup->config.inventory.default_port, file, &fd, note);
    if (err == ERR_NONE) {
        err = setup_load(setup, note);
    }
    if (err == ERR_NONE) {
        setup->config.inventory.file = file;
        setup->config.inventory.format = INVENTORY_PLAIN;
        err = sweep_run(&setup->config, &result, note);
    }
    if (fd >= 0) {
        close(fd);
    }
    setup->config.listener = NULL;
    *out_seen = connect.seen;
    if (err == ERR_NONE && !connect.seen) {
        (void)err_note(note, ERR_INPUT, "--connect %.200s: no certificate was seen: %s", endpoint,
                       connect.why[0] != '\0' ? connect.why : "no such endpoint");
    }
    return err;
}
