/* A name server for measurements, on one UDP port of 127.0.0.1: every name whose first label is a
   letter and a number, such as h17.fleet.test, has the address of fleetsim's identity of that
   number (127.x.y.z), and no IPv6 address; every other name does not exist. Answers as they come,
   in batches, without looking at anything twice: a bench must measure the one who asks.

     dnssim READY_FILE      writes "ready PORT" there once it listens; ends with its parent */
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define BATCH 64
#define MESSAGE_MAX 512 /* RFC 1035 section 4.2.1 */
#define HEADER_LEN 12
#define ANSWER_LEN 16
#define TYPE_A 1
#define NXDOMAIN 3

struct batch {
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_in peers[BATCH];
    uint8_t bytes[BATCH][MESSAGE_MAX + ANSWER_LEN];
};

/* The number behind the first letter of the first label; 0: none. */
static uint32_t identity_of(const uint8_t *label) {
    uint32_t number = 0;
    for (uint8_t i = 2; i <= label[0]; i++) {
        if (label[i] < '0' || label[i] > '9' || number >= 1u << 24) {
            return 0;
        }
        number = number * 10 + (label[i] - '0');
    }
    return number < 1u << 24 ? number : 0;
}

/* Turns a query into its answer in place; returns its length, 0 if it is no query of one question.
 */
static size_t answer(uint8_t *message, size_t len) {
    size_t at = HEADER_LEN;
    if (len < HEADER_LEN || (message[2] & 0x80) != 0 || message[5] != 1) {
        return 0;
    }
    while (at < len && message[at] != 0) { /* every turn takes a label */
        at += 1u + message[at];
    }
    if (at + 5 > len) {
        return 0;
    }
    uint32_t identity = message[HEADER_LEN] != 0 ? identity_of(message + HEADER_LEN) : 0;
    bool is_a = message[at + 2] == TYPE_A;
    at += 5;
    message[2] = (uint8_t)(0x80 | (message[2] & 1)); /* a response; recursion as asked for */
    message[3] = identity != 0 ? 0x80 : 0x80 | NXDOMAIN;
    memset(message + 6, 0, 6); /* no other records: EDNS goes too */
    if (identity == 0 || !is_a) {
        return at;
    }
    message[7] = 1;
    const uint8_t record[ANSWER_LEN] = {0xc0,
                                        HEADER_LEN,
                                        0,
                                        TYPE_A,
                                        0,
                                        1,
                                        0,
                                        0,
                                        0,
                                        60,
                                        0,
                                        4,
                                        127,
                                        (uint8_t)(identity >> 16),
                                        (uint8_t)(identity >> 8),
                                        (uint8_t)identity};
    memcpy(message + at, record, sizeof record);
    return at + sizeof record;
}

static void serve(int fd) {
    static struct batch batch;
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            batch.vectors[i] = (struct iovec){batch.bytes[i], MESSAGE_MAX};
            batch.messages[i].msg_hdr = (struct msghdr){.msg_name = &batch.peers[i],
                                                        .msg_namelen = sizeof batch.peers[i],
                                                        .msg_iov = &batch.vectors[i],
                                                        .msg_iovlen = 1};
        }
        int count = recvmmsg(fd, batch.messages, BATCH, MSG_WAITFORONE, NULL);
        unsigned answers = 0;
        for (int i = 0; i < count; i++) {
            size_t len = answer(batch.bytes[i], batch.messages[i].msg_len);
            if (len > 0) {
                batch.vectors[i].iov_len = len;
                batch.messages[answers++] = batch.messages[i];
            }
        }
        for (unsigned sent = 0; sent < answers;) {
            int result = sendmmsg(fd, batch.messages + sent, answers - sent, 0);
            if (result <= 0) {
                break; /* lost, as answers may be */
            }
            sent += (unsigned)result;
        }
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int room = 8 << 20, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    FILE *ready = argc == 2 ? fopen(argv[1], "we") : NULL;
    if (ready == NULL || fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        fputs("usage: dnssim READY_FILE\n", stderr);
        return 2;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    fprintf(ready, "ready %u\n", ntohs(address.sin_port));
    fclose(ready);
    serve(fd);
}
