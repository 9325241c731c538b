/* A file is replaced as a whole: who reads it sees the old bytes or the new ones, never a part. */
#ifndef PINSWEEP_BASE_REPLACE_H
#define PINSWEEP_BASE_REPLACE_H

#include "engine/base/attributes.h"
#include "engine/base/span.h"

/* Writes "FILE.new" beside it and renames that. False with errno set, and the file as it was. */
bool replace_file(const char *file, struct span bytes) MUST_USE;

#endif
