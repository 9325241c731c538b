/* fill_store FILE TARGETS CHAINS [DER_BYTES]: a store of two made-up nights, for measuring at the
   size of a real fleet: what `pinsweep diff FILE#previous FILE#latest` takes. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/store_fill.h"

int main(int argc, char **argv) {
    struct store_fill *fill;
    struct err_note note;
    if (argc < 4 || argc > 5) {
        fputs("usage: fill_store FILE TARGETS CHAINS [DER_BYTES]\n", stderr);
        return 2;
    }
    uint32_t targets = (uint32_t)strtoul(argv[2], NULL, 10);
    uint32_t chains = (uint32_t)strtoul(argv[3], NULL, 10);
    uint32_t der_len = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 900;
    const struct store_fill_night first = {.name = "20261123T020000Z-first",
                                           .started_ms = INT64_C(1795399200000),
                                           .target_count = targets,
                                           .silent = 5,
                                           .mismatched = 2};
    const struct store_fill_night second = {.name = "20261124T020000Z-second",
                                            .started_ms = INT64_C(1795485600000),
                                            .first_target = targets / 1000,
                                            .target_count = targets,
                                            .renewed = 10,
                                            .rotated = 10,
                                            .moved = 2,
                                            .silent = 5,
                                            .mismatched = 2};
    enum err err = ERR_USAGE;
    if (targets > 0 && chains > 0 && chains <= 50000000) {
        err = store_fill_new(argv[1], chains, der_len, &fill, &note);
    } else {
        err_note(&note, err, "fill_store: give numbers of targets and of chains");
    }
    if (err == ERR_NONE) {
        err = store_fill_add(fill, &first, &note);
        err = err == ERR_NONE ? store_fill_add(fill, &second, &note) : err;
        store_fill_free(fill);
    }
    if (err != ERR_NONE) {
        fprintf(stderr, "%s\n", note.text);
    }
    return err_exit_code(err);
}
