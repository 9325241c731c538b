/* Fields of a record: present and of the documented type, or the loader's fault. */
#include "engine/codec/text.h"
#include "engine/history/load_ndjson.h"

static void fault(struct loader *loader, const char *key) {
    if (loader->fault == NULL) {
        loader->fault = key;
    }
}

static const cJSON *field(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

bool load_has(const cJSON *object, const char *key) {
    return field(object, key) != NULL;
}

struct span load_text(struct loader *loader, const cJSON *object, const char *key) {
    const cJSON *item = field(object, key);
    if (!cJSON_IsString(item)) {
        fault(loader, key);
        return span_of(NULL, 0);
    }
    return span_str(item->valuestring);
}

const char *load_copy(struct loader *loader, const cJSON *object, const char *key) {
    return snapshot_text(loader->snapshot, load_text(loader, object, key));
}

uint64_t load_number(struct loader *loader, const cJSON *object, const char *key, uint64_t max) {
    const cJSON *item = field(object, key);
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) || item->valuedouble > (double)max) {
        fault(loader, key);
        return 0;
    }
    return (uint64_t)item->valuedouble;
}

bool load_bool(struct loader *loader, const cJSON *object, const char *key) {
    const cJSON *item = field(object, key);
    if (!cJSON_IsBool(item)) {
        fault(loader, key);
        return false;
    }
    return cJSON_IsTrue(item) != 0;
}

int64_t load_time(struct loader *loader, const cJSON *object, const char *key) {
    const cJSON *item = field(object, key);
    int64_t unix_s = DATETIME_NONE;
    if (!cJSON_IsNull(item) &&
        (!cJSON_IsString(item) || !datetime_parse(span_str(item->valuestring), &unix_s))) {
        fault(loader, key);
    }
    return unix_s;
}

const cJSON *load_array(struct loader *loader, const cJSON *object, const char *key) {
    const cJSON *item = field(object, key);
    if (!cJSON_IsArray(item)) {
        fault(loader, key);
        return NULL;
    }
    return item;
}

bool load_digest_text(struct loader *loader, const char *key, struct span text,
                      uint8_t out[SHA256_LEN]) {
    size_t len;
    if (text.len == 0) {
        return false;
    }
    if (text.len != 2 * SHA256_LEN || !hex_decode(text, out, SHA256_LEN, &len)) {
        fault(loader, key);
        return false;
    }
    return true;
}

bool load_digest(struct loader *loader, const cJSON *object, const char *key,
                 uint8_t out[SHA256_LEN]) {
    return load_digest_text(loader, key, load_text(loader, object, key), out);
}

bool load_key(struct loader *loader, const cJSON *object, const char *key,
              uint8_t out[SHA256_LEN]) {
    struct span text = load_text(loader, object, key);
    size_t len;
    if (text.len == 0) {
        return false;
    }
    if (!base64_decode(text, out, SHA256_LEN, &len) || len != SHA256_LEN) {
        fault(loader, key);
        return false;
    }
    return true;
}

void load_cert_fields(struct loader *loader, uint32_t cert_idx, const cJSON *object) {
    struct snapshot_cert *cert = &loader->snapshot->certs[cert_idx];
    if (cert->known) {
        return;
    }
    cert->has_spki = load_key(loader, object, "spki_sha256", cert->spki_sha256) || cert->has_spki;
    cert->strict = !load_has(object, "strict") || load_bool(loader, object, "strict");
    if (load_has(object, "subject")) {
        cert->subject = load_copy(loader, object, "subject");
        cert->issuer = load_copy(loader, object, "issuer");
        cert->serial = load_copy(loader, object, "serial");
        cert->not_before = load_time(loader, object, "not_before");
        cert->not_after = load_time(loader, object, "not_after");
        cert->known = true;
    }
}
