/* The walk and its oracle say the same about some bytes, and only about those bytes. */
#ifndef PINSWEEP_TESTS_CERT_AGREE_H
#define PINSWEEP_TESTS_CERT_AGREE_H

#include "engine/codec/cert.h"

/* Same bytes of the same input: equality by place, not only by value. */
static inline bool span_same(struct span a, struct span b) {
    return a.len == b.len && (a.len == 0 || a.data == b.data);
}

static inline bool span_inside(struct span part, struct span whole) {
    return part.len == 0 || (part.data >= whole.data && part.len <= whole.len &&
                             (size_t)(part.data - whole.data) <= whole.len - part.len);
}

static inline bool cert_fields_same(const struct cert_fields *a, const struct cert_fields *b) {
    return span_same(a->der, b->der) && span_same(a->tbs, b->tbs) &&
           span_same(a->serial, b->serial) && span_same(a->signature_alg, b->signature_alg) &&
           span_same(a->issuer, b->issuer) && span_same(a->subject, b->subject) &&
           span_same(a->spki, b->spki) && span_same(a->sans, b->sans) &&
           span_same(a->ski, b->ski) && span_same(a->aki, b->aki) &&
           a->not_before == b->not_before && a->not_after == b->not_after && a->key == b->key &&
           a->key_bits == b->key_bits && a->signature == b->signature && a->version == b->version &&
           a->is_ca == b->is_ca && a->path_len == b->path_len &&
           a->has_name_constraints == b->has_name_constraints && a->has_scts == b->has_scts;
}

/* NULL if all is well, else what is not. */
static inline const char *cert_disagreement(struct span der) {
    struct cert_fields walked, told;
    struct span spki = {NULL, 0}, spki_told = {NULL, 0};
    bool ok = cert_walk(der, &walked), ok_told = cert_walk_cbs(der, &told);
    bool found = cert_spki(der, &spki), found_told = cert_spki_cbs(der, &spki_told);
    if (ok != ok_told) {
        return ok ? "cert_walk accepts, its oracle does not"
                  : "cert_walk refuses, its oracle does not";
    }
    if (found != found_told || !span_same(spki, spki_told)) {
        return "cert_spki and its oracle differ";
    }
    if (!span_inside(spki, der) || (!found && spki.data != NULL)) {
        return "cert_spki points outside, or wrote an output on false";
    }
    if (!ok) {
        return NULL;
    }
    if (!cert_fields_same(&walked, &told)) {
        return "cert_walk and its oracle find different fields";
    }
    if (!found || !span_same(spki, walked.spki)) {
        return "cert_spki and cert_walk differ";
    }
    const struct span parts[] = {walked.tbs,     walked.serial, walked.signature_alg,
                                 walked.issuer,  walked.spki,   walked.sans,
                                 walked.subject, walked.ski,    walked.aki};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!span_inside(parts[i], der)) {
            return "a field points outside the certificate";
        }
    }
    return NULL;
}

#endif
