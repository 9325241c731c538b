/* One record of 421 bytes, as the writer of engine/codec/json.h, snprintf and cJSON make it. All
   three get the same values and write the same bytes (checked before the first turn); snprintf
   escapes nothing and is given the text of the time, the digests and the milliseconds: its figure
   is what formatting alone costs. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "engine/base/attributes.h"
#include "engine/codec/datetime.h"
#include "engine/codec/json.h"

#define RECORD_ROOM 1024
#define TURN 64

struct record {
    uint32_t line;
    const char *host, *cipher, *subject;
    int64_t time_ms;
    uint8_t chain_id[32], pin[32];
};

static struct record record_of(uint32_t line) {
    struct record record = {.line = line,
                            .host = "api.bank.example",
                            .cipher = "TLS_AES_128_GCM_SHA256",
                            .subject = "CN=api.bank.example,O=Bank",
                            .time_ms = INT64_C(1811851200123) + line};
    for (uint8_t i = 0; i < 32; i++) {
        record.chain_id[i] = (uint8_t)(i * 7 + line);
        record.pin[i] = (uint8_t)(i * 13 + line);
    }
    return record;
}

static size_t write_ours(char *out, const struct record *record) {
    struct json json;
    json_init(&json, out, RECORD_ROOM);
    json_object_begin(&json);
    json_key_u64(&json, "schema", 1);
    json_key_text(&json, "type", "verdict");
    json_key_u64(&json, "line", record->line);
    json_key_text(&json, "host", record->host);
    json_key_u64(&json, "port", 443);
    json_key_text(&json, "tag", "");
    json_key(&json, "time");
    json_time_ms(&json, record->time_ms);
    json_key_text(&json, "status", "success");
    json_key_text(&json, "verdict", "match");
    json_key_bool(&json, "complete", true);
    json_key_text(&json, "tls_version", "TLSv1.3");
    json_key_text(&json, "cipher", record->cipher);
    json_key(&json, "chain_id");
    json_hex(&json, span_of(record->chain_id, sizeof record->chain_id));
    json_key(&json, "pin");
    json_prefixed_base64(&json, "sha256/", span_of(record->pin, sizeof record->pin));
    json_key_text(&json, "subject", record->subject);
    json_key(&json, "tls_ms");
    json_milli(&json, 1900);
    json_object_end(&json);
    return json_finish_line(&json);
}

/* What the other two cannot write themselves. */
struct texts {
    char time[DATETIME_LEN_MAX], chain_id[65], pin[64];
};

static void texts_of(struct texts *texts, const struct record *record) {
    datetime_format_ms(texts->time, record->time_ms);
    texts->chain_id[hex_encode(texts->chain_id, span_of(record->chain_id, 32))] = '\0';
    memcpy(texts->pin, "sha256/", 7);
    texts->pin[7 + base64_encode(texts->pin + 7, span_of(record->pin, 32))] = '\0';
}

static size_t write_snprintf(char *out, const struct record *record, const struct texts *texts) {
    return (size_t)snprintf(
        out, RECORD_ROOM,
        "{\"schema\":%d,\"type\":\"%s\",\"line\":%u,\"host\":\"%s\",\"port\":%d,\"tag\":\"%s\","
        "\"time\":\"%s\",\"status\":\"%s\",\"verdict\":\"%s\",\"complete\":%s,"
        "\"tls_version\":\"%s\",\"cipher\":\"%s\",\"chain_id\":\"%s\",\"pin\":\"%s\","
        "\"subject\":\"%s\",\"tls_ms\":%s}\n",
        1, "verdict", record->line, record->host, 443, "", texts->time, "success", "match", "true",
        "TLSv1.3", record->cipher, texts->chain_id, texts->pin, record->subject, "1.9");
}

static size_t write_cjson(char *out, const struct record *record, const struct texts *texts) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "schema", 1);
    cJSON_AddStringToObject(object, "type", "verdict");
    cJSON_AddNumberToObject(object, "line", record->line);
    cJSON_AddStringToObject(object, "host", record->host);
    cJSON_AddNumberToObject(object, "port", 443);
    cJSON_AddStringToObject(object, "tag", "");
    cJSON_AddStringToObject(object, "time", texts->time);
    cJSON_AddStringToObject(object, "status", "success");
    cJSON_AddStringToObject(object, "verdict", "match");
    cJSON_AddBoolToObject(object, "complete", true);
    cJSON_AddStringToObject(object, "tls_version", "TLSv1.3");
    cJSON_AddStringToObject(object, "cipher", record->cipher);
    cJSON_AddStringToObject(object, "chain_id", texts->chain_id);
    cJSON_AddStringToObject(object, "pin", texts->pin);
    cJSON_AddStringToObject(object, "subject", record->subject);
    cJSON_AddNumberToObject(object, "tls_ms", 1.9);
    CHECK(cJSON_PrintPreallocated(object, out, RECORD_ROOM - 1, 0));
    cJSON_Delete(object);
    size_t len = strlen(out);
    out[len] = '\n';
    return len + 1;
}

static void check_same(void) {
    static char ours[RECORD_ROOM], theirs[RECORD_ROOM];
    struct record record = record_of(17);
    struct texts texts;
    texts_of(&texts, &record);
    size_t len = write_ours(ours, &record);
    CHECK(len > 400 && write_snprintf(theirs, &record, &texts) == len);
    CHECK(memcmp(ours, theirs, len) == 0);
    CHECK(write_cjson(theirs, &record, &texts) == len && memcmp(ours, theirs, len) == 0);
}

enum writer { OURS, SNPRINTF, CJSON };

static void bench_record(struct bench *bench) {
    static char out[RECORD_ROOM];
    enum writer writer = *(const enum writer *)bench_context(bench);
    struct record record = record_of(17);
    struct texts texts;
    size_t len = 0;
    texts_of(&texts, &record);
    while (bench_next(bench, TURN)) {
        for (uint32_t i = 0; i < TURN; i++) {
            record.line = 10 + i;
            len = writer == OURS       ? write_ours(out, &record)
                  : writer == SNPRINTF ? write_snprintf(out, &record, &texts)
                                       : write_cjson(out, &record, &texts);
            bench_use(out);
        }
    }
    bench_set_items(bench, 1);
    bench_set_bytes(bench, (int64_t)len);
}

/* A text of the given length alone: clean, with a quote in every 16 bytes, and broken UTF-8. */
static void bench_string(struct bench *bench) {
    static char out[8 * 4096];
    static uint8_t text[4096];
    size_t len = (size_t)bench_arg(bench, 0);
    memset(text, 'x', sizeof text);
    for (size_t i = 15; i < sizeof text; i += 16) {
        text[i] = *(const uint8_t *)bench_context(bench);
    }
    while (bench_next(bench, TURN)) {
        for (int i = 0; i < TURN; i++) {
            struct json json;
            json_init(&json, out, sizeof out);
            json_string(&json, span_of(text, len));
            CHECK(json_finish_line(&json) > len);
            bench_use(out);
        }
    }
    bench_set_bytes(bench, (int64_t)len);
}

int main(int argc, char **argv) {
    static enum writer writers[] = {OURS, SNPRINTF, CJSON};
    static char clean[] = "x", quote[] = "\"", broken[] = "\xFF";
    check_same();
    bench_register("record/pinsweep", bench_record, &writers[0], NULL, 0);
    bench_register("record/snprintf", bench_record, &writers[1], NULL, 0);
    bench_register("record/cjson", bench_record, &writers[2], NULL, 0);
    static const int64_t lens[] = {16, 64, 1024};
    for (size_t i = 0; i < ARRAY_COUNT(lens); i++) {
        bench_register("string/clean", bench_string, clean, &lens[i], 1);
        bench_register("string/quotes", bench_string, quote, &lens[i], 1);
        bench_register("string/broken", bench_string, broken, &lens[i], 1);
    }
    return bench_main(argc, argv);
}
