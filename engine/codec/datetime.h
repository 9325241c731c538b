/* Dates and times: RFC 3339 text and ASN.1 times to Unix seconds and back. Proleptic Gregorian,
 * UTC, years 0 to 9999. */
#ifndef PINSWEEP_CODEC_DATETIME_H
#define PINSWEEP_CODEC_DATETIME_H

#include "engine/base/span.h"

#define DATETIME_LEN_MAX 32
#define DATETIME_NONE INT64_MIN /* "no time": formatted as "", written as null */

/* "2027-06-01" (start of day UTC), "2027-06-01T12:00:00Z", with fraction (dropped), with "+02:00";
 * else false. A leap second (23:59:60) is the second after it. */
bool datetime_parse(struct span text, int64_t *out_unix_s);
/* "2027-06-01T12:00:00Z"; returns the length (20) without the NUL, or 0 for DATETIME_NONE. All
 * formatters hold a time outside the years 0 to 9999 at the nearest one inside. */
size_t datetime_format(char out[DATETIME_LEN_MAX], int64_t unix_s);
/* "2027-06-01T12:00:00.123Z" */
size_t datetime_format_ms(char out[DATETIME_LEN_MAX], int64_t unix_ms);
/* "2027-06-01" */
size_t datetime_format_date(char out[DATETIME_LEN_MAX], int64_t unix_s);

/* DER UTCTime (RFC 5280 4.1.2.5.1: YYMMDDHHMMSSZ, 1950 to 2049) or GeneralizedTime
 * (YYYYMMDDHHMMSSZ) contents. */
bool datetime_parse_utc_time(struct span contents, int64_t *out_unix_s);
bool datetime_parse_generalized_time(struct span contents, int64_t *out_unix_s);

/* Days since 1970-01-01 of a civil date; the caller has checked the ranges. */
int64_t datetime_days(int year, int month, int day);

#endif
