/* What ends when: NDJSON, a table, a calendar. */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "engine/codec/json.h"
#include "engine/history/expiry.h"
#include "engine/sweep/progress.h"

#define DAY_S INT64_C(86400)
#define LINE_BYTES (256u << 10)
#define TEXT_BYTES_MAX 4096 /* of a text that was read from a file: longer ones are cut */

/* --- NDJSON --- */

static void write_text(struct json *json, const char *key, const char *text) {
    json_key_string(json, key, span_of(text, strnlen(text, TEXT_BYTES_MAX)));
}

/* Whole days, towards the past. */
static int64_t days_between(int64_t from_s, int64_t to_s) {
    int64_t seconds = to_s - from_s;
    return seconds >= 0 ? seconds / DAY_S : -((-seconds + DAY_S - 1) / DAY_S);
}

static void write_item(struct json *json, const struct expiry *expiry,
                       const struct expiry_item *item) {
    json_object_begin(json);
    json_key_i64(json, "schema", 1);
    json_key_text(json, "type", "expiry");
    json_key_text(json, "kind", expiry_kind_text(item->kind));
    json_key_text(json, "role", item->role);
    json_key_text(json, "state", expiry_state_text(item->state));
    write_text(json, "name", item->name);
    json_key(json, "ends");
    json_time_s(json, item->ends_s);
    json_key(json, "act_by");
    json_time_s(json, item->act_by_s);
    json_key_i64(json, "days_left", days_between(expiry->options.at_s, item->ends_s));
    json_key_i64(json, "lead_days", item->lead_days);
    json_key_u64(json, "endpoints", item->endpoints);
    write_text(json, "host", item->host);
    write_text(json, "pin_set", item->pin_set);
    write_text(json, "application", item->application);
    write_text(json, "owner", item->owner);
    write_text(json, "issuer", item->issuer);
    write_text(json, "reason", item->reason);
    json_key(json, "certificate");
    json_hex(json, span_of(item->cert_sha256, item->cert_sha256 != NULL ? SHA256_LEN : 0));
    json_key(json, "spki_sha256");
    json_base64(json, span_of(item->spki_sha256, item->spki_sha256 != NULL ? SHA256_LEN : 0));
    json_object_end(json);
}

static void write_summary(struct json *json, const struct expiry *expiry) {
    json_object_begin(json);
    json_key_i64(json, "schema", 1);
    json_key_text(json, "type", "expiry-summary");
    json_key(json, "at");
    json_time_s(json, expiry->options.at_s);
    json_key_i64(json, "within_days",
                 expiry->options.within_s == INT64_MAX ? -1 : expiry->options.within_s / DAY_S);
    json_key(json, "states");
    json_object_begin(json);
    for (int i = 0; i < EXPIRY_STATES; i++) {
        json_key_u64(json, expiry_state_text((enum expiry_state)i), expiry->counts[i]);
    }
    json_object_end(json);
    json_object_end(json);
}

bool expiry_write(const struct expiry *expiry, FILE *out) {
    struct json json;
    char *line = malloc(LINE_BYTES);
    bool good = line != NULL;
    for (uint32_t i = 0; good && i <= expiry->item_count; i++) {
        json_init(&json, line, LINE_BYTES);
        if (i < expiry->item_count) {
            write_item(&json, expiry, &expiry->items[i]);
        } else {
            write_summary(&json, expiry);
        }
        size_t len = json_finish_line(&json);
        CHECK(len > 0);
        good = fwrite(line, 1, len, out) == len;
    }
    free(line);
    return good && fflush(out) == 0;
}

/* --- for people --- */

const char *expiry_safe(char *out, size_t size, const char *text) {
    size_t len = strnlen(text, size - 4);
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        out[i] = byte < 0x20 || byte == 0x7f ? '?' : text[i];
    }
    strcpy(out + len, text[len] != '\0' ? "..." : "");
    return out;
}

static const char *date_text(char out[DATETIME_LEN_MAX], int64_t unix_s) {
    out[datetime_format_date(out, unix_s)] = '\0';
    return out;
}

/* "intermediate CN=R3 for 12 endpoints; pinned by app, lead 105 days" */
static void tell_item(const struct expiry_item *item, FILE *out) {
    char name[128], set[80], number[COUNT_TEXT_MAX];
    const char *what = item->kind == EXPIRY_CERTIFICATE ? item->role
                       : item->kind == EXPIRY_ANCHOR    ? "pinned anchor"
                       : item->kind == EXPIRY_PIN_SET   ? "pin set"
                                                        : "exception";
    fprintf(out, "%-13s ", what);
    if (item->name[0] != '\0') {
        fputs(expiry_safe(name, sizeof name, item->name), out);
    } else {
        for (int i = 0; item->cert_sha256 != NULL && i < 8; i++) {
            fprintf(out, "%02x", item->cert_sha256[i]);
        }
    }
    if (item->kind == EXPIRY_EXCEPTION) {
        fprintf(out, " of %s", expiry_safe(set, sizeof set, item->pin_set));
    } else if (item->kind != EXPIRY_PIN_SET && item->pin_set[0] != '\0') {
        fprintf(out, ", pinned by %s", expiry_safe(set, sizeof set, item->pin_set));
    }
    if (item->endpoints > 0) {
        fprintf(out, ", %s endpoint%s", count_text(number, item->endpoints),
                item->endpoints == 1 ? "" : "s");
    }
    if (item->kind == EXPIRY_CERTIFICATE && item->endpoints == 1 && item->host[0] != '\0') {
        fprintf(out, " (%s)", expiry_safe(name, sizeof name, item->host));
    }
    if (item->lead_days > 0) {
        fprintf(out, "; lead %d days", item->lead_days);
    }
    if (item->owner[0] != '\0') {
        fprintf(out, "; %s", expiry_safe(name, sizeof name, item->owner));
    }
    fputc('\n', out);
}

static void tell_head(const struct expiry *expiry, FILE *out) {
    char date[DATETIME_LEN_MAX], a[COUNT_TEXT_MAX], b[COUNT_TEXT_MAX], c[COUNT_TEXT_MAX],
        d[COUNT_TEXT_MAX];
    fprintf(out, "as of %s: %s expired, %s too late for their lead time, %s to be done",
            date_text(date, expiry->options.at_s), count_text(a, expiry->counts[EXPIRY_EXPIRED]),
            count_text(b, expiry->counts[EXPIRY_TOO_LATE]),
            count_text(c, expiry->counts[EXPIRY_DUE]));
    if (expiry->options.within_s != INT64_MAX) {
        fprintf(out, " within %" PRId64 " days, %s later", expiry->options.within_s / DAY_S,
                count_text(d, expiry->counts[EXPIRY_LATER]));
    }
    fputc('\n', out);
}

bool expiry_tell(const struct expiry *expiry, FILE *out, uint64_t limit) {
    char act_by[DATETIME_LEN_MAX], ends[DATETIME_LEN_MAX], number[COUNT_TEXT_MAX];
    tell_head(expiry, out);
    if (expiry->item_count > 0 && limit > 0) {
        fprintf(out, "\n%-10s %-11s %-11s what\n", "", "act by", "ends");
    }
    for (uint32_t i = 0; i < expiry->item_count && i < limit; i++) {
        const struct expiry_item *item = &expiry->items[i];
        fprintf(out, "%-10s %-11s %-11s ",
                item->state == EXPIRY_DUE ? "" : expiry_state_text(item->state),
                date_text(act_by, item->act_by_s), date_text(ends, item->ends_s));
        tell_item(item, out);
    }
    if (limit > 0 && expiry->item_count > limit) {
        fprintf(out, "%s more (--limit)\n", count_text(number, expiry->item_count - limit));
    }
    return fflush(out) == 0 && ferror(out) == 0;
}

/* --- calendar --- */

/* A thing of a day: an end, or the last day to act. */
struct entry {
    int64_t day; /* since 1970 */
    bool ends;
    const struct expiry_item *item;
};

static int compare_entries(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    if (x->day != y->day) {
        return x->day < y->day ? -1 : 1;
    }
    if (x->ends != y->ends) {
        return x->ends ? 1 : -1;
    }
    return (x->item > y->item) - (x->item < y->item);
}

static struct tm civil(int64_t day) {
    time_t unix_s = (time_t)(day * DAY_S);
    struct tm tm;
    gmtime_r(&unix_s, &tm);
    return tm;
}

static bool same_month(int64_t a, int64_t b) {
    struct tm x = civil(a), y = civil(b);
    return x.tm_year == y.tm_year && x.tm_mon == y.tm_mon;
}

/* Seven columns from Monday; days with an end or a last day to act are marked. */
static void tell_grid(const struct entry *entries, size_t count, int64_t today, FILE *out) {
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    struct tm first = civil(entries[0].day);
    int64_t day = entries[0].day - (first.tm_mday - 1);
    fprintf(out, "\n%s %d\n Mo  Tu  We  Th  Fr  Sa  Su\n", months[first.tm_mon],
            first.tm_year + 1900);
    int column = (civil(day).tm_wday + 6) % 7;
    fprintf(out, "%*s", 4 * column, "");
    size_t at = 0;
    for (int64_t month = day; same_month(month, day); day++) {
        char mark = day == today ? '<' : ' ';
        for (; at < count && entries[at].day == day; at++) {
            mark = entries[at].ends && mark != '!' ? '*' : '!';
        }
        fprintf(out, "%3d%c%s", civil(day).tm_mday, mark, ++column % 7 == 0 ? "\n" : "");
    }
    fputs(column % 7 == 0 ? "" : "\n", out);
}

static void tell_days(const struct entry *entries, size_t count, uint64_t limit, FILE *out) {
    char date[DATETIME_LEN_MAX], number[COUNT_TEXT_MAX];
    for (size_t i = 0, next; i < count; i = next) {
        uint64_t told = 0;
        for (next = i; next < count && entries[next].day == entries[i].day &&
                       entries[next].ends == entries[i].ends;
             next++) {
            if (told < limit) {
                fprintf(out, " %2d  %-6s ", civil(entries[next].day).tm_mday,
                        entries[next].ends ? "ends" : "act by");
                tell_item(entries[next].item, out);
                if (!entries[next].ends) {
                    fprintf(out, "            (ends %s)\n",
                            date_text(date, entries[next].item->ends_s));
                }
                told++;
            }
        }
        if (next - i > told) {
            fprintf(out, " %2d  %-6s %s more (--limit)\n", civil(entries[i].day).tm_mday,
                    entries[i].ends ? "ends" : "act by", count_text(number, next - i - told));
        }
    }
}

static int64_t day_of(int64_t unix_s) {
    return unix_s >= 0 ? unix_s / DAY_S : -((-unix_s + DAY_S - 1) / DAY_S);
}

bool expiry_tell_calendar(const struct expiry *expiry, FILE *out, uint64_t limit) {
    struct entry *entries = malloc((2 * (size_t)expiry->item_count + 1) * sizeof *entries);
    size_t count = 0;
    if (entries == NULL) {
        return false;
    }
    int64_t last_s = INT64_C(253402300799); /* the year 9999 */
    for (uint32_t i = 0; i < expiry->item_count; i++) {
        const struct expiry_item *item = &expiry->items[i];
        int64_t ends_s = item->ends_s < last_s ? item->ends_s : last_s;
        entries[count++] = (struct entry){.day = day_of(ends_s), .ends = true, .item = item};
        if (item->lead_days > 0) {
            entries[count++] = (struct entry){.day = day_of(item->act_by_s), .item = item};
        }
    }
    qsort(entries, count, sizeof *entries, compare_entries);
    tell_head(expiry, out);
    fputs("* something ends, ! last day to act for something, < today\n", out);
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i; next < count && same_month(entries[i].day, entries[next].day); next++) {
        }
        tell_grid(entries + i, next - i, day_of(expiry->options.at_s), out);
        tell_days(entries + i, next - i, limit, out);
    }
    free(entries);
    return fflush(out) == 0 && ferror(out) == 0;
}
