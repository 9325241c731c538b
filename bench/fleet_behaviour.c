#include "bench/fleet_behaviour.h"

#include <string.h>

#include "engine/base/attributes.h"

#define ANSWER(text) .answer = (text), .answer_len = sizeof(text) - 1

#define HTTP_ANSWER                                                                                \
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n"               \
    "Connection: close\r\n\r\nBad Request\n"

/* A record of type alert (21), version 3.3, two bytes: level fatal (2) and the description. */
#define ALERT(description) "\x15\x03\x03\x00\x02\x02" description

/* RFC 2246, 7.4.1.3: a record of 42 bytes with ServerHello (2) of 38: version 3.1, 32 random bytes,
   no session, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, no compression. */
#define OLD_SERVER_HELLO                                                                           \
    "\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01"                                                 \
    "0123456789abcdef0123456789abcdef"                                                             \
    "\x00\xc0\x13\x00"

static const struct fleet_behaviour behaviours[] = {
    {.name = "tls", .summary = "a plain TLS server"},
    {.name = "reset-on-accept", .summary = "RST once connected", .opening = OPENING_RESET},
    {.name = "close-on-accept", .summary = "FIN once connected", .opening = OPENING_CLOSE},
    {.name = "silent", .summary = "reads, says nothing", .opening = OPENING_SILENT},
    {.name = "slow-accept", .summary = "nothing for --slow-ms, then TLS", .opening = OPENING_LATE},
    {.name = "plain-http",
     .summary = "answers 400 in clear text",
     .opening = OPENING_ANSWER,
     ANSWER(HTTP_ANSWER)},
    {.name = "garbage",
     .summary = "answers bytes of no protocol",
     .opening = OPENING_ANSWER,
     ANSWER("\x00\xff\x81\x7f\x13\x37\xde\xad\xbe\xef\x00\x01\x02\x03\x04\x05")},
    {.name = "broken-record",
     .summary = "answers a handshake record whose message is nonsense",
     .opening = OPENING_ANSWER,
     ANSWER("\x16\x03\x03\x00\x08\x63\xff\xff\xff\x00\x00\x00\x00")},
    {.name = "alert-handshake-failure",
     .summary = "answers alert 40",
     .opening = OPENING_ANSWER,
     ANSWER(ALERT("\x28"))},
    {.name = "alert-unrecognized-name",
     .summary = "answers alert 112",
     .opening = OPENING_ANSWER,
     ANSWER(ALERT("\x70"))},
    {.name = "silent-after-hello",
     .summary = "sends its ServerHello, then nothing",
     .flight = FLIGHT_FIRST_RECORD},
    {.name = "drip", .summary = "its flight a byte per --drip-ms", .flight = FLIGHT_DRIP},
    {.name = "pieces", .summary = "its flight a byte per send", .flight = FLIGHT_PIECES},
    {.name = "reset-mid-flight",
     .summary = "half of its first flight, then RST",
     .flight = FLIGHT_HALF_RESET},
    {.name = "close-mid-flight",
     .summary = "half of its first flight, then FIN",
     .flight = FLIGHT_HALF_CLOSE},
    {.name = "small-records", .summary = "records of 512 bytes", .content = CONTENT_SMALL_RECORDS},
    {.name = "huge-chain", .summary = "a chain of over 256 KB", .content = CONTENT_HUGE_CHAIN},
    {.name = "many-certificates",
     .summary = "a chain of over 32 certificates",
     .content = CONTENT_MANY_CERTIFICATES},
    {.name = "malformed-leaf",
     .summary = "leaf with broken extensions",
     .content = CONTENT_MALFORMED_LEAF},
    {.name = "unparsable-leaf",
     .summary = "leaf that breaks before its key",
     .content = CONTENT_UNPARSABLE_LEAF},
    {.name = "malformed-intermediate",
     .summary = "intermediate with broken DER",
     .content = CONTENT_MALFORMED_INTERMEDIATE},
    {.name = "bad-signature",
     .summary = "handshake signature does not verify",
     .content = CONTENT_BAD_SIGNATURE},
    {.name = "client-cert-required",
     .summary = "ends the handshake without a client certificate",
     .content = CONTENT_CLIENT_CERT_REQUIRED},
    {.name = "client-cert-optional",
     .summary = "asks for a client certificate, goes on without",
     .content = CONTENT_CLIENT_CERT_OPTIONAL},
    {.name = "old-server-hello",
     .summary = "answers the ServerHello of a server that knows TLS 1.0 only",
     .opening = OPENING_ANSWER,
     ANSWER(OLD_SERVER_HELLO)},
    {.name = "old-version",
     .summary = "TLS 1.0 only: alert 70 to clients of today",
     .content = CONTENT_OLD_VERSION},
    {.name = "no-close", .summary = "never closes its side", .ignores_close = true},
};

const struct fleet_behaviour *const fleet_behaviour_tls = &behaviours[0];

const struct fleet_behaviour *fleet_behaviour_find(const char *name) {
    for (unsigned i = 0; i < ARRAY_COUNT(behaviours); i++) {
        if (strcmp(behaviours[i].name, name) == 0) {
            return &behaviours[i];
        }
    }
    return NULL;
}

const struct fleet_behaviour *fleet_behaviour_at(unsigned idx) {
    return idx < ARRAY_COUNT(behaviours) ? &behaviours[idx] : NULL;
}
