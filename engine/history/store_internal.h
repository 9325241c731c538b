/* Private to store*.c. store.c opens; store_word.c knows the words of coded columns; store_find.c
   finds sweeps. */
#ifndef PINSWEEP_HISTORY_STORE_INTERNAL_H
#define PINSWEEP_HISTORY_STORE_INTERNAL_H

#include <sqlite3.h>

#include "engine/history/store.h"

#define STORE_CODES_MAX 256 /* of one kind: today's largest has 27 values */

struct store {
    char *file;
    sqlite3 *db;
    int fd; /* holds the flock; closed after the database, whose locks it would end */
    enum store_mode mode;
    int16_t values[STORE_KIND_COUNT][STORE_CODES_MAX]; /* by code: the value, -1 for none */
    int16_t codes[STORE_KIND_COUNT][STORE_CODES_MAX];  /* by value: the code, -1 for none */
};

/* data/store.sql, NUL-terminated (generated at configuration). */
extern const char store_schema[];

/* Reads the words; in STORE_WRITE mode adds those that are not there yet. */
enum err store_words_load(struct store *store, struct err_note *note) MUST_USE;

#endif
