#include <openssl/bio.h>

#include "engine/net/tls_internal.h"

static int bio_read(BIO *bio, char *out, int max_len) {
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (max_len <= 0) {
        return 0;
    }
    if (tls->input.len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    struct span taken = span_take(&tls->input, (size_t)max_len);
    memcpy(out, taken.data, taken.len);
    return (int)taken.len;
}

static int bio_write(BIO *bio, const char *bytes, int len) {
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (len <= 0) {
        return 0;
    }
    if ((size_t)len > SEND_BUFFER_BYTES - tls->output_len) {
        tls->output_overflow = true;
        return -1;
    }
    memcpy(tls->output + tls->output_len, bytes, (size_t)len);
    tls->output_len += (uint32_t)len;
    return len;
}

static long bio_ctrl(BIO *bio, int command, long argument, void *pointer) {
    (void)bio;
    (void)argument;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio) {
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *tls_bio_method_new(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "pinsweep tls");
    if (method != NULL) {
        BIO_meth_set_create(method, bio_create);
        BIO_meth_set_read(method, bio_read);
        BIO_meth_set_write(method, bio_write);
        BIO_meth_set_ctrl(method, bio_ctrl);
    }
    return method;
}
