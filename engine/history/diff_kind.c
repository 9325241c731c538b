#include "engine/history/diff.h"

const struct diff_kind_info diff_kinds[DIFF_KIND_COUNT] = {
    [DIFF_VERDICT_WORSE] = {"verdict-worse", "the target's verdict got worse", true},
    [DIFF_PIN_SET_WORSE] = {"pin-set-worse", "a pin set's verdict got worse", true},
    [DIFF_UNREACHABLE] = {"unreachable", "answered before, does not now", true},
    [DIFF_ADDRESS_UNREACHABLE] = {"address-unreachable",
                                  "one of its addresses answered before, does not now", true},
    [DIFF_PKIX_WORSE] = {"pkix-worse", "its path was valid before, is not now", true},
    [DIFF_NAME_MISMATCH] = {"name-mismatch", "the certificate named the host before, not now",
                            true},
    [DIFF_EXPIRY_WINDOW] = {"expiry-window",
                            "a certificate or pin set came within a window of its end", true},
    [DIFF_GONE] = {"gone", "not in the second sweep", false},
    [DIFF_PIN_SET_GONE] = {"pin-set-gone", "a pin set does not apply any more", false},
    [DIFF_KEY_TYPE_LOST] = {"key-type-lost", "no certificate of this key type any more", false},
    [DIFF_ROOT_CHANGED] = {"root-changed", "the preferred path ends at another key", false},
    [DIFF_ISSUER_CHANGED] = {"issuer-changed", "the leaf has another issuer", false},
    [DIFF_KEY_ROTATED] = {"key-rotated", "the leaf has another key", false},
    [DIFF_PATH_CHANGED] = {"path-changed", "another path to the same root", false},
    [DIFF_CHAIN_CHANGED] = {"chain-changed", "other certificates sent with the same leaf", false},
    [DIFF_VERDICT_CHANGED] = {"verdict-changed", "from or to unpinned: the policy changed", false},
    [DIFF_PIN_SET_CHANGED] = {"pin-set-changed",
                              "its verdict stays, what it would be or its durability does not",
                              false},
    [DIFF_PKIX_CHANGED] = {"pkix-changed", "invalid before and now, for another reason", false},
    [DIFF_RENEWED] = {"renewed", "another certificate on the same key", false},
    [DIFF_NEW] = {"new", "not in the first sweep", false},
    [DIFF_PIN_SET_NEW] = {"pin-set-new", "a pin set applies that did not", false},
    [DIFF_KEY_TYPE_NEW] = {"key-type-new", "a certificate of this key type, as there was none",
                           false},
    [DIFF_VERDICT_BETTER] = {"verdict-better", "the target's verdict got better", false},
    [DIFF_PIN_SET_BETTER] = {"pin-set-better", "a pin set's verdict got better", false},
    [DIFF_REACHABLE] = {"reachable", "answers again", false},
    [DIFF_PKIX_BETTER] = {"pkix-better", "its path is valid again", false},
    [DIFF_NAME_MATCH] = {"name-match", "the certificate names the host again", false},
    [DIFF_ADDRESS_CHANGED] = {"address-changed", "other addresses were dialled", false},
};

bool diff_kind_from_text(struct span text, enum diff_kind *out) {
    for (int i = 0; i < DIFF_KIND_COUNT; i++) {
        if (span_equal_str(text, diff_kinds[i].name)) {
            *out = (enum diff_kind)i;
            return true;
        }
    }
    return false;
}

void diff_options_init(struct diff_options *options) {
    *options = (struct diff_options){.windows_days = {30, 14, 7, 1}, .window_count = 4};
    for (int i = 0; i < DIFF_KIND_COUNT; i++) {
        options->fail_on_kinds |= diff_kinds[i].regression ? UINT64_C(1) << i : 0;
    }
}
