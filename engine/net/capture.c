#include "engine/net/capture.h"

#include <openssl/curve25519.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "engine/net/capture_internal.h"
#include "engine/net/tls_internal.h"

/* --- key shares --- */

static struct capture_share *share_new(bool offers_mlkem, uint64_t now_ns) {
    struct capture_share *share = calloc(1, sizeof *share);
    if (share == NULL) {
        return NULL;
    }
    if (offers_mlkem && (share->mlkem = mlkem_new()) == NULL) {
        free(share);
        return NULL;
    }
    X25519_keypair(share->public_key, share->private_key);
    share->born_ns = now_ns;
    share->holders = 1;
    return share;
}

static void share_release(struct capture_share *share) {
    if (share != NULL && --share->holders == 0) {
        mlkem_free(share->mlkem);
        free(share);
    }
}

/* The share of one more handshake; NULL if memory is short. */
static struct capture_share *share_take(struct capture_context *context, uint64_t now_ns) {
    struct capture_share *share = context->share;
    if (share == NULL || share->uses >= CAPTURE_SHARE_USES_MAX ||
        now_ns - share->born_ns >= CAPTURE_SHARE_NS) {
        share_release(share);
        share = context->share = share_new(context->offers_mlkem, now_ns);
        if (share == NULL) {
            return NULL;
        }
    }
    share->uses++;
    share->holders++;
    return share;
}

/* --- context --- */

static bool learn_padding(struct tls_context *context, enum key_view view, struct hello *hello) {
    uint8_t output[SEND_BUFFER_BYTES];
    struct tls tls;
    char name[256];
    size_t name_len = hello_padding_name_len(hello);
    memset(name, 'a', name_len);
    name[name_len] = '\0';
    if (!tls_init(&tls, context, view, name, output)) {
        return false;
    }
    hello_learn_padding(hello, tls_output(&tls));
    tls_fini(&tls);
    return true;
}

/* What the SSL object of a view sends first, without a server name. */
static bool learn_view(struct tls_context *context, enum key_view view) {
    uint8_t output[SEND_BUFFER_BYTES];
    struct tls tls;
    if (!tls_init(&tls, context, view, NULL, output)) {
        return false;
    }
    struct hello *hello = &context->capture->hellos[view];
    context->capture->usable[view] = hello_learn(hello, tls_output(&tls));
    tls_fini(&tls);
    context->capture->offers_mlkem |= hello->mlkem_at != 0;
    return !context->capture->usable[view] || learn_padding(context, view, hello);
}

bool capture_context_init(struct tls_context *context) {
    context->capture = calloc(1, sizeof *context->capture);
    bool good = context->capture != NULL;
    for (size_t i = 0; i < KEY_VIEW_COUNT && good; i++) {
        good = learn_view(context, (enum key_view)i);
    }
    return good;
}

void capture_context_fini(struct tls_context *context) {
    if (context->capture != NULL) {
        share_release(context->capture->share);
        free(context->capture);
    }
}

bool capture_can(const struct tls_context *context, enum key_view view) {
    CHECK((unsigned)view < KEY_VIEW_COUNT);
    return context->capture->usable[view];
}

size_t capture_output_max(const struct tls_context *context) {
    size_t longest = 0;
    for (size_t i = 0; i < KEY_VIEW_COUNT; i++) {
        size_t len = context->capture->usable[i] ? hello_len_max(&context->capture->hellos[i]) : 0;
        longest = len > longest ? len : longest;
    }
    return longest;
}

/* --- one handshake --- */

void capture_free(struct capture *capture) {
    if (capture == NULL) {
        return;
    }
    for (size_t i = 0; i < capture->cert_count && i < CHAIN_CERTS_MAX; i++) {
        CRYPTO_BUFFER_free(capture->certs[i]);
    }
    records_fini(&capture->records);
    share_release(capture->share);
    free(capture);
}

static bool fail_init(struct tls *tls, const char *why) {
    tls_set_error(tls, "%s", why);
    tls_fini(tls);
    tls->state = TLS_FAILED;
    tls->outcome = OUTCOME_RESOURCE_ERROR;
    return false;
}

bool capture_init(struct tls *tls, struct tls_context *context, enum key_view view, const char *sni,
                  enum depth depth, uint8_t *output, uint64_t now_ns) {
    CHECK(capture_can(context, view) && depth != DEPTH_COMPLETE);
    *tls = (struct tls){.key_view = view, .output = output, .facts = {.alert = -1}};
    struct capture *capture = tls->capture = calloc(1, sizeof *capture);
    if (capture == NULL || (capture->share = share_take(context->capture, now_ns)) == NULL) {
        return fail_init(tls, "no memory for a TLS connection");
    }
    capture->depth = depth;
    capture->hello = &context->capture->hellos[view];
    records_init(&capture->records);
    struct hello_values values = {.sni = sni != NULL ? sni : ""};
    if (capture->share->mlkem != NULL) {
        values.mlkem = mlkem_public(capture->share->mlkem);
    }
    RAND_bytes(values.random, sizeof values.random);
    RAND_bytes(values.session_id, sizeof values.session_id);
    memcpy(values.share, capture->share->public_key, sizeof values.share);
    capture->hello_len = (uint32_t)hello_write(capture->hello, &values, output);
    if (capture->hello_len == 0) {
        return fail_init(tls, "the name does not fit into SNI");
    }
    tls->output_len = capture->hello_len;
    return true;
}

/* --- advancing --- */

static enum tls_state fall_back(struct tls *tls) {
    tls->fallback = true;
    tls_set_error(tls, "only the TLS library can tell what this server does");
    return tls_finish(tls, TLS_FAILED, OUTCOME_UNSUPPORTED);
}

static enum tls_state fail_bad_tag(struct tls *tls) {
    if (tls->capture->records.sequence == 0) {
        return fall_back(tls);
    }
    tls_set_error(tls, "decryption failed or bad record mac");
    return tls_finish(tls, TLS_FAILED, OUTCOME_PROTOCOL_ERROR);
}

static enum tls_state succeed(struct tls *tls) {
    struct capture *capture = tls->capture;
    capture->state = FLIGHT_OVER;
    tls->facts.depth = capture->depth;
    tls->facts.proof = capture->depth == DEPTH_PROVE ? PROOF_POSSESSION : PROOF_NONE;
    return tls_finish(tls, TLS_DONE, OUTCOME_SUCCESS);
}

/* TLS_WANTS_READ: the flight goes on. */
static enum tls_state after_step(struct tls *tls, enum flight_step step, enum outcome outcome) {
    switch (step) {
    case FLIGHT_ON:
        return TLS_WANTS_READ;
    case FLIGHT_END:
        return succeed(tls);
    case FLIGHT_UNUSUAL:
        return fall_back(tls);
    case FLIGHT_BAD:
        return tls_finish(tls, TLS_FAILED, outcome);
    }
    return fall_back(tls);
}

/* Takes messages until more bytes or the secret are wanted, or the handshake ends. */
static enum tls_state take_messages(struct tls *tls) {
    struct capture *capture = tls->capture;
    enum tls_state state = TLS_WANTS_READ;
    while (state == TLS_WANTS_READ) { /* every turn takes a message or ends */
        struct span message;
        enum flight_step step;
        enum outcome outcome = OUTCOME_PROTOCOL_ERROR;
        if (capture->state == FLIGHT_SECRET) {
            return tls->state = TLS_WANTS_SECRET;
        }
        switch (records_next(&capture->records, &message)) {
        case RECORDS_WAIT:
            return TLS_WANTS_READ;
        case RECORDS_MESSAGE:
            step = flight_take(tls, message, &outcome);
            state = after_step(tls, step, outcome);
            break;
        case RECORDS_ALERT:
            return tls_finish(tls, TLS_FAILED, tls_take_alert(tls, capture->records.alert));
        case RECORDS_UNUSUAL:
            return fall_back(tls);
        case RECORDS_BAD_TAG:
            return fail_bad_tag(tls);
        }
    }
    return state;
}

enum tls_state capture_advance(struct tls *tls) {
    if (!records_feed(&tls->capture->records, tls->input)) {
        tls_set_error(tls, "no memory for the server's flight");
        return tls_finish(tls, TLS_FAILED, OUTCOME_RESOURCE_ERROR);
    }
    tls->input = span_of(NULL, 0);
    return take_messages(tls);
}

static void go_on(struct tls *tls, bool usable, const uint8_t secret[X25519_LEN]) {
    CHECK(tls->state == TLS_WANTS_SECRET);
    tls->state = TLS_WANTS_READ;
    if (!usable || flight_take_secret(tls->capture, secret) != FLIGHT_ON) {
        fall_back(tls);
    } else {
        take_messages(tls);
    }
}

/* Those of the next eight that have the share of the first. */
static size_t gather(struct tls *const waiting[], size_t count, struct tls *out[X25519_BATCH_MAX]) {
    size_t gathered = 0;
    for (size_t i = 0; i < count && gathered < X25519_BATCH_MAX; i++) {
        if (waiting[i]->capture->share != waiting[0]->capture->share) {
            break;
        }
        out[gathered++] = waiting[i];
    }
    return gathered;
}

void capture_derive(struct tls *const waiting[], size_t count) {
    while (count > 0) { /* every turn takes one or more */
        struct tls *batch[X25519_BATCH_MAX];
        uint8_t points[X25519_BATCH_MAX][X25519_LEN];
        size_t gathered = gather(waiting, count, batch);
        for (size_t i = 0; i < gathered; i++) {
            memcpy(points[i], batch[i]->capture->peer_point, X25519_LEN);
        }
        uint32_t usable = x25519_batch(batch[0]->capture->share->private_key,
                                       (const uint8_t(*)[X25519_LEN])points, gathered, points);
        for (size_t i = 0; i < gathered; i++) {
            go_on(batch[i], (usable >> i & 1) != 0, points[i]);
        }
        waiting += gathered;
        count -= gathered;
    }
}
