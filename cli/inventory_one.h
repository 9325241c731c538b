/* One endpoint as an inventory of one line, in memory: for inspect and `pins make --connect`. */
#ifndef PINSWEEP_CLI_INVENTORY_ONE_H
#define PINSWEEP_CLI_INVENTORY_ONE_H

#include <stdint.h>

#include "engine/base/err.h"

#define INVENTORY_ONE_MAX 64

/* `file` names it as long as `*out_fd` is open. ERR_USAGE if the text is no one endpoint. */
enum err inventory_one(const char *endpoint, uint16_t default_port, char file[INVENTORY_ONE_MAX],
                       int *out_fd, struct err_note *note) MUST_USE;

#endif
