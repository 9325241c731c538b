#include "engine/codec/datetime.h"

#include "engine/codec/text.h"

#define SECONDS_PER_DAY 86400
#define UNIX_S_MIN INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define UNIX_S_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

struct civil {
    int year, month, day, hour, minute, second;
};

/* Counts in years that begin on 1 March, so that the leap day is the last of its year, and in eras
   of 400 years (146,097 days), after which the calendar repeats. */
int64_t datetime_days(int year, int month, int day) {
    int64_t march_year = (int64_t)year - (month <= 2 ? 1 : 0);
    int64_t era = (march_year >= 0 ? march_year : march_year - 399) / 400;
    int64_t year_of_era = march_year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* The inverse of datetime_days for the years 0 to 9999, and the time of day. Day 0 here is
   -0400-03-01, one era early, so that nothing is negative. */
static struct civil civil_of(int64_t unix_s) {
    uint64_t since_min = (uint64_t)(unix_s - UNIX_S_MIN);
    uint32_t second_of_day = (uint32_t)(since_min % SECONDS_PER_DAY);
    uint32_t days = (uint32_t)(since_min / SECONDS_PER_DAY) + 146097 - 60;
    uint32_t era = days / 146097;
    uint32_t day_of_era = days % 146097;
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t march_month = (5 * day_of_year + 2) / 153;
    struct civil civil;
    civil.day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    civil.month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    civil.year = (int)(year_of_era + era * 400) - 400 + (civil.month <= 2 ? 1 : 0);
    civil.hour = (int)(second_of_day / 3600);
    civil.minute = (int)(second_of_day / 60 % 60);
    civil.second = (int)(second_of_day % 60);
    return civil;
}

static int month_days(int year, int month) {
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool civil_is_valid(const struct civil *civil, int second_max) {
    return civil->month >= 1 && civil->month <= 12 && civil->day >= 1 &&
           civil->day <= month_days(civil->year, civil->month) && civil->hour <= 23 &&
           civil->minute <= 59 && civil->second <= second_max;
}

static int64_t civil_unix_s(const struct civil *civil) {
    return datetime_days(civil->year, civil->month, civil->day) * SECONDS_PER_DAY +
           (int64_t)civil->hour * 3600 + (int64_t)civil->minute * 60 + civil->second;
}

/* `count` decimal digits off the front. */
static bool take_number(struct span *from, size_t count, int *out) {
    if (from->len < count) {
        return false;
    }
    int value = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned digit = (unsigned)from->data[i] - '0';
        if (digit > 9) {
            return false;
        }
        value = value * 10 + (int)digit;
    }
    span_take(from, count);
    *out = value;
    return true;
}

static bool take_byte(struct span *from, char wanted) {
    if (from->len == 0 || from->data[0] != (uint8_t)wanted) {
        return false;
    }
    span_take(from, 1);
    return true;
}

/* "Z" or "+02:00", as seconds to subtract. */
static bool take_zone(struct span *from, int64_t *out_offset_s) {
    if (take_byte(from, 'Z') || take_byte(from, 'z')) {
        *out_offset_s = 0;
        return true;
    }
    int sign = take_byte(from, '+') ? 1 : take_byte(from, '-') ? -1 : 0;
    int hours = 0, minutes = 0;
    if (sign == 0 || !take_number(from, 2, &hours) || !take_byte(from, ':') ||
        !take_number(from, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *out_offset_s = (int64_t)sign * (hours * 3600 + minutes * 60);
    return true;
}

/* RFC 3339 5.6: partial-time, its fraction dropped, and time-offset. */
static bool take_time(struct span *from, struct civil *civil, int64_t *out_offset_s) {
    if (!take_number(from, 2, &civil->hour) || !take_byte(from, ':') ||
        !take_number(from, 2, &civil->minute) || !take_byte(from, ':') ||
        !take_number(from, 2, &civil->second)) {
        return false;
    }
    if (take_byte(from, '.')) {
        int digit = 0;
        if (!take_number(from, 1, &digit)) {
            return false;
        }
        while (take_number(from, 1, &digit)) {
        }
    }
    return take_zone(from, out_offset_s);
}

bool datetime_parse(struct span text, int64_t *out_unix_s) {
    struct span rest = text;
    struct civil civil = {0};
    int64_t offset_s = 0;
    if (!take_number(&rest, 4, &civil.year) || !take_byte(&rest, '-') ||
        !take_number(&rest, 2, &civil.month) || !take_byte(&rest, '-') ||
        !take_number(&rest, 2, &civil.day)) {
        return false;
    }
    if (rest.len > 0 && ((!take_byte(&rest, 'T') && !take_byte(&rest, 't')) ||
                         !take_time(&rest, &civil, &offset_s))) {
        return false;
    }
    if (rest.len != 0 || !civil_is_valid(&civil, civil.minute == 59 ? 60 : 59)) {
        return false;
    }
    int64_t unix_s = civil_unix_s(&civil) - offset_s;
    /* A leap second is announced for the end of a UTC day only. */
    bool bad_leap = civil.second == 60 && (unix_s - UNIX_S_MIN) % SECONDS_PER_DAY != 0;
    if (bad_leap || unix_s < UNIX_S_MIN || unix_s > UNIX_S_MAX) {
        return false;
    }
    *out_unix_s = unix_s;
    return true;
}

/* MMDDHHMMSSZ and nothing after it. */
static bool parse_asn1_rest(struct span rest, struct civil *civil, int64_t *out_unix_s) {
    if (!take_number(&rest, 2, &civil->month) || !take_number(&rest, 2, &civil->day) ||
        !take_number(&rest, 2, &civil->hour) || !take_number(&rest, 2, &civil->minute) ||
        !take_number(&rest, 2, &civil->second) || !take_byte(&rest, 'Z') || rest.len != 0 ||
        !civil_is_valid(civil, 59)) {
        return false;
    }
    *out_unix_s = civil_unix_s(civil);
    return true;
}

bool datetime_parse_utc_time(struct span contents, int64_t *out_unix_s) {
    struct span rest = contents;
    struct civil civil = {0};
    if (!take_number(&rest, 2, &civil.year)) {
        return false;
    }
    civil.year += civil.year >= 50 ? 1900 : 2000;
    return parse_asn1_rest(rest, &civil, out_unix_s);
}

bool datetime_parse_generalized_time(struct span contents, int64_t *out_unix_s) {
    struct span rest = contents;
    struct civil civil = {0};
    return take_number(&rest, 4, &civil.year) && parse_asn1_rest(rest, &civil, out_unix_s);
}

static char *put_pair(char *at, int value) {
    memcpy(at, text_digit_pairs + 2 * (size_t)value, 2);
    return at + 2;
}

static char *put_date(char *at, const struct civil *civil) {
    at = put_pair(at, civil->year / 100);
    at = put_pair(at, civil->year % 100);
    *at++ = '-';
    at = put_pair(at, civil->month);
    *at++ = '-';
    return put_pair(at, civil->day);
}

static char *put_time(char *at, const struct civil *civil) {
    *at++ = 'T';
    at = put_pair(at, civil->hour);
    *at++ = ':';
    at = put_pair(at, civil->minute);
    *at++ = ':';
    return put_pair(at, civil->second);
}

static size_t finish(char out[DATETIME_LEN_MAX], char *at) {
    *at = '\0';
    return (size_t)(at - out);
}

static int64_t hold(int64_t value, int64_t min, int64_t max) {
    return value < min ? min : value > max ? max : value;
}

size_t datetime_format(char out[DATETIME_LEN_MAX], int64_t unix_s) {
    if (unix_s == DATETIME_NONE) {
        return finish(out, out);
    }
    struct civil civil = civil_of(hold(unix_s, UNIX_S_MIN, UNIX_S_MAX));
    char *at = put_time(put_date(out, &civil), &civil);
    *at++ = 'Z';
    return finish(out, at);
}

size_t datetime_format_ms(char out[DATETIME_LEN_MAX], int64_t unix_ms) {
    if (unix_ms == DATETIME_NONE) {
        return finish(out, out);
    }
    int64_t ms = hold(unix_ms, UNIX_S_MIN * 1000, UNIX_S_MAX * 1000 + 999) - UNIX_S_MIN * 1000;
    struct civil civil = civil_of(ms / 1000 + UNIX_S_MIN);
    int thousandths = (int)(ms % 1000);
    char *at = put_time(put_date(out, &civil), &civil);
    *at++ = '.';
    *at++ = (char)('0' + thousandths / 100);
    at = put_pair(at, thousandths % 100);
    *at++ = 'Z';
    return finish(out, at);
}

size_t datetime_format_date(char out[DATETIME_LEN_MAX], int64_t unix_s) {
    if (unix_s == DATETIME_NONE) {
        return finish(out, out);
    }
    struct civil civil = civil_of(hold(unix_s, UNIX_S_MIN, UNIX_S_MAX));
    return finish(out, put_date(out, &civil));
}
