#include "engine/net/resolver.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "engine/base/pool.h"
#include "engine/net/resolver_servers.h"

/* The questions of one family. c-ares tries once for each call (its own retries double the time-out
   every round, and with response checks on it cannot tell SERVFAIL from a closed port), so that
   retries and the choice of the server are decided here. */
struct question {
    struct resolver_lookup *lookup;
    uint8_t family; /* 4 or 6 */
    bool waiting;   /* c-ares owes a callback */
    bool truncated;
    uint8_t server;
    uint8_t servers_asked; /* bit mask */
    uint32_t timeouts;
    int status; /* ARES_SUCCESS, or why there is no address */
    uint32_t address_count;
    struct netaddr addresses[ADDRESSES_MAX];
};

/* What c-ares points at: outlives a cancelled resolution. In the pool. */
struct resolver_lookup {
    struct list_node node; /* in `waiting`, oldest first, while a resolution waits */
    struct resolver *resolver;
    struct resolution *resolution; /* NULL once finished or cancelled */
    uint64_t deadline_ns;
    uint32_t waiting_count; /* questions that c-ares still owes an answer to */
    struct question questions[2];
    char name[HOST_MAX + 2]; /* a trailing dot is allowed */
};

struct resolver_socket {
    ares_channel channel;
    int fd;              /* -1: free */
    uint32_t generation; /* of the poll that is armed: stale completions are dropped */
    short wanted, armed; /* poll events; armed 0: no poll is out */
    short ready;         /* seen, not yet processed */
};

struct resolver_channel {
    struct resolver *resolver;
    ares_channel ares; /* knows one server */
};

struct resolver {
    struct ring *ring;
    const struct clock *clock;
    struct resolver_config config;
    uint32_t channel_count, preferred; /* the server asked first: moves on when it goes silent */
    uint8_t refused; /* bit mask: servers whose closed port was noticed by a send */
    bool closing;
    struct resolver_channel channels[RESOLVER_SERVERS_MAX];
    struct resolver_socket sockets[RESOLVER_SOCKETS_MAX];
    struct pool lookups;
    struct list waiting, finished;
    uint32_t in_flight;
    uint64_t ares_deadline_ns; /* no time-out of c-ares is earlier; 0: nothing is asked */
};

/* --- sockets on the ring --- */

static struct resolver_socket *socket_find(struct resolver *resolver, int fd) {
    for (uint32_t i = 0; i < RESOLVER_SOCKETS_MAX; i++) {
        if (resolver->sockets[i].fd == fd) {
            return &resolver->sockets[i];
        }
    }
    return NULL;
}

static uint64_t socket_tag(const struct resolver *resolver, const struct resolver_socket *slot) {
    return ring_tag(RING_OP_POLL, slot->generation, (uint32_t)(slot - resolver->sockets));
}

/* Takes the poll back; its completion, whichever it will be, is stale from here on. */
static void socket_disarm(struct resolver *resolver, struct resolver_socket *slot) {
    if (slot->armed != 0) {
        struct io_uring_sqe *sqe = ring_sqe(resolver->ring);
        io_uring_prep_cancel64(sqe, socket_tag(resolver, slot), 0);
        io_uring_sqe_set_data64(sqe, ring_tag(RING_OP_NONE, 0, 0));
    }
    slot->armed = 0;
    slot->generation = (slot->generation + 1) & 0xFFFFFFu;
}

static void sockets_arm(struct resolver *resolver) {
    for (uint32_t i = 0; i < RESOLVER_SOCKETS_MAX; i++) {
        struct resolver_socket *slot = &resolver->sockets[i];
        if (slot->fd < 0 || slot->ready != 0 || slot->armed == slot->wanted) {
            continue;
        }
        socket_disarm(resolver, slot);
        struct io_uring_sqe *sqe = ring_sqe(resolver->ring);
        io_uring_prep_poll_add(sqe, slot->fd, (unsigned)slot->wanted);
        io_uring_sqe_set_data64(sqe, socket_tag(resolver, slot));
        slot->armed = slot->wanted;
    }
}

/* c-ares' word on a socket; (0, 0) comes right before it closes it. */
static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable) {
    struct resolver_channel *channel = data;
    struct resolver *resolver = channel->resolver;
    struct resolver_socket *slot = socket_find(resolver, fd);
    if (!readable && !writable) {
        if (slot != NULL) {
            socket_disarm(resolver, slot);
            slot->fd = -1;
            slot->ready = 0;
        }
        return;
    }
    if (slot == NULL) {
        slot = socket_find(resolver, -1);
        CHECK(slot != NULL);
        slot->fd = fd;
        slot->channel = channel->ares;
    }
    slot->wanted = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
}

void resolver_on_completion(struct resolver *resolver, const struct io_uring_cqe *cqe) {
    uint32_t idx = ring_tag_idx(cqe->user_data);
    CHECK(idx < RESOLVER_SOCKETS_MAX);
    struct resolver_socket *slot = &resolver->sockets[idx];
    if (slot->fd < 0 || slot->armed == 0 ||
        slot->generation != ring_tag_generation(cqe->user_data)) {
        return;
    }
    slot->armed = 0;
    /* A poll that failed (no memory for it): let c-ares look at the socket, then arm again. */
    slot->ready = cqe->res > 0 ? (short)cqe->res : slot->wanted;
}

/* --- look-ups --- */

/* The outcomes of a family without addresses, the one that may change most on another attempt
   first. */
static const enum outcome outcome_ranks[] = {
    OUTCOME_DNS_TIMEOUT,    OUTCOME_DNS_SERVFAIL, OUTCOME_DNS_ERROR,
    OUTCOME_DNS_NO_ADDRESS, OUTCOME_DNS_NXDOMAIN,
};

static uint32_t outcome_rank(enum outcome outcome) {
    uint32_t rank = 0;
    while (rank < ARRAY_COUNT(outcome_ranks) && outcome_ranks[rank] != outcome) {
        rank++;
    }
    return rank;
}

static enum outcome status_outcome(int status) {
    switch (status) {
    case ARES_ENOTFOUND: /* NXDOMAIN */
        return OUTCOME_DNS_NXDOMAIN;
    case ARES_ESERVFAIL:
        return OUTCOME_DNS_SERVFAIL;
    case ARES_ETIMEOUT:
        return OUTCOME_DNS_TIMEOUT;
    case ARES_ENODATA: /* no record of the type; a chain of aliases without end */
        return OUTCOME_DNS_NO_ADDRESS;
    default:
        return OUTCOME_DNS_ERROR;
    }
}

static const char *status_text(int status) {
    switch (status) {
    case ARES_ENOTFOUND:
        return "the name does not exist (NXDOMAIN)";
    case ARES_ESERVFAIL:
        return "the name server failed (SERVFAIL)";
    case ARES_EREFUSED:
        return "the name server refused the question (REFUSED)";
    case ARES_ECONNREFUSED:
        return "the name server cannot be reached";
    case ARES_ETIMEOUT:
        return "the name server did not answer in time";
    case ARES_ENODATA:
        return "the name has no address";
    default:
        return ares_strerror(status);
    }
}

/* Gives the resolution its result and queues it; the look-up may live on until c-ares let it go. */
static void lookup_finish(struct resolver_lookup *lookup) {
    struct resolver *resolver = lookup->resolver;
    struct resolution *resolution = lookup->resolution;
    list_remove(&lookup->node);
    lookup->resolution = NULL;
    resolver->in_flight--;
    const struct question *worst = NULL;
    for (uint32_t i = 0; i < ARRAY_COUNT(lookup->questions); i++) {
        const struct question *question = &lookup->questions[i];
        if (question->family == 0) {
            continue;
        }
        if (worst == NULL || outcome_rank(status_outcome(question->status)) <
                                 outcome_rank(status_outcome(worst->status))) {
            worst = question;
        }
        for (uint32_t j = 0; j < question->address_count; j++) {
            if (resolution->address_count == ADDRESSES_MAX) {
                resolution->truncated = true;
                break;
            }
            resolution->addresses[resolution->address_count++] = question->addresses[j];
        }
        resolution->truncated = resolution->truncated || question->truncated;
        if (question->address_count == 0 &&
            outcome_rank(status_outcome(question->status)) < outcome_rank(OUTCOME_DNS_NO_ADDRESS)) {
            resolution->missing = status_text(question->status);
        }
    }
    CHECK(worst != NULL);
    resolution->outcome =
        resolution->address_count > 0 ? OUTCOME_SUCCESS : status_outcome(worst->status);
    if (resolution->outcome != OUTCOME_SUCCESS) {
        resolution->missing = NULL;
        snprintf(resolution->error, sizeof resolution->error, "%s", status_text(worst->status));
    }
    resolution->lookup = NULL;
    resolution->finished_ns = clock_mono_ns(resolver->clock);
    list_push_back(&resolver->finished, &resolution->node);
}

/* Copies the addresses out of an answer, in its order; ARES_ENODATA if there is none. */
static int question_parse(struct question *question, const unsigned char *answer, int answer_len) {
    int count = ADDRESSES_MAX + 1; /* one more, to know whether there were more */
    int status;
    if (question->family == 4) {
        struct ares_addrttl found[ADDRESSES_MAX + 1];
        status = ares_parse_a_reply(answer, answer_len, NULL, found, &count);
        for (int i = 0; status == ARES_SUCCESS && i < count && i < ADDRESSES_MAX; i++) {
            question->addresses[i] = (struct netaddr){.family = 4};
            memcpy(question->addresses[i].bytes, &found[i].ipaddr, 4);
        }
    } else {
        struct ares_addr6ttl found[ADDRESSES_MAX + 1];
        status = ares_parse_aaaa_reply(answer, answer_len, NULL, found, &count);
        for (int i = 0; status == ARES_SUCCESS && i < count && i < ADDRESSES_MAX; i++) {
            question->addresses[i] = (struct netaddr){.family = 6};
            memcpy(question->addresses[i].bytes, &found[i].ip6addr, 16);
        }
    }
    if (status != ARES_SUCCESS) {
        return status;
    }
    question->truncated = count > ADDRESSES_MAX;
    question->address_count = (uint32_t)(count > ADDRESSES_MAX ? ADDRESSES_MAX : count);
    return count > 0 ? ARES_SUCCESS : ARES_ENODATA;
}

static void question_on_answer(void *arg, int status, int timeouts, unsigned char *answer,
                               int answer_len);

static void question_ask(struct question *question, uint32_t server) {
    struct resolver_lookup *lookup = question->lookup;
    struct resolver *resolver = lookup->resolver;
    question->server = (uint8_t)server;
    question->servers_asked = (uint8_t)(question->servers_asked | 1u << server);
    question->waiting = true;
    if (resolver->ares_deadline_ns == 0) {
        resolver->ares_deadline_ns =
            clock_mono_ns(resolver->clock) + resolver->config.timeout_ms * NS_PER_MS;
    }
    ares_query(resolver->channels[server].ares, lookup->name, C_IN,
               question->family == 4 ? T_A : T_AAAA, question_on_answer, question);
}

/* Asks again if that may help: the next server after silence, an unasked one after a refusal. At
   most `tries` time-outs and one refusal for each server. */
static bool question_ask_again(struct question *question) {
    struct resolver *resolver = question->lookup->resolver;
    uint32_t next = (question->server + 1u) % resolver->channel_count;
    bool silent = question->status == ARES_ETIMEOUT;
    bool answered = question->status == ARES_SUCCESS || question->status == ARES_ENOTFOUND ||
                    question->status == ARES_ENODATA || question->status == ARES_EBADNAME ||
                    question->status == ARES_ENOMEM;
    if (resolver->closing || question->lookup->resolution == NULL || answered) {
        return false;
    }
    if ((silent || question->status == ARES_ECONNREFUSED) &&
        resolver->preferred == question->server) {
        resolver->preferred = next;
    }
    if (silent ? ++question->timeouts >= resolver->config.tries
               : (question->servers_asked & 1u << next) != 0) {
        return false;
    }
    question_ask(question, next);
    return true;
}

static void question_on_answer(void *arg, int status, int timeouts, unsigned char *answer,
                               int answer_len) {
    (void)timeouts;
    struct question *question = arg;
    struct resolver_lookup *lookup = question->lookup;
    question->waiting = false;
    question->status =
        status == ARES_SUCCESS ? question_parse(question, answer, answer_len) : status;
    if (status == ARES_ECONNREFUSED) {
        lookup->resolver->refused = (uint8_t)(lookup->resolver->refused | 1u << question->server);
    } else if (status == ARES_ECANCELLED) { /* by resolver_drop_refused() */
        question->status = ARES_ECONNREFUSED;
    }
    if (question_ask_again(question)) {
        return;
    }
    if (--lookup->waiting_count > 0) {
        return;
    }
    if (lookup->resolution != NULL) {
        lookup_finish(lookup);
    }
    pool_give(&lookup->resolver->lookups, lookup);
}

bool resolver_has_room(const struct resolver *resolver) {
    return resolver->lookups.taken_count < resolver->lookups.capacity;
}

void resolver_start(struct resolver *resolver, struct resolution *resolution, const char *name) {
    struct resolver_lookup *lookup = pool_take(&resolver->lookups);
    CHECK(lookup != NULL);
    uint64_t now_ns = clock_mono_ns(resolver->clock);
    *resolution =
        (struct resolution){.owner = resolution->owner, .lookup = lookup, .started_ns = now_ns};
    list_node_init(&resolution->node);
    lookup->resolver = resolver;
    lookup->resolution = resolution;
    lookup->deadline_ns =
        now_ns + (uint64_t)resolver->config.timeout_ms * resolver->config.tries * NS_PER_MS;
    int name_len = snprintf(lookup->name, sizeof lookup->name, "%s", name);
    CHECK(name_len >= 0 && (size_t)name_len < sizeof lookup->name);
    list_node_init(&lookup->node);
    list_push_back(&resolver->waiting, &lookup->node);
    resolver->in_flight++;
    const bool asked[2] = {resolver->config.ipv4, resolver->config.ipv6};
    for (uint32_t i = 0; i < 2; i++) {
        if (asked[i]) {
            lookup->questions[i] = (struct question){
                .lookup = lookup, .family = i == 0 ? 4 : 6, .status = ARES_ETIMEOUT};
            lookup->waiting_count++;
        }
    }
    /* The last callback may come from within ares_query and take the look-up with it. */
    for (uint32_t i = 0; i < 2; i++) {
        if (asked[i]) {
            question_ask(&lookup->questions[i], resolver->preferred);
        }
    }
    sockets_arm(resolver);
}

void resolver_cancel(struct resolver *resolver, struct resolution *resolution) {
    struct resolver_lookup *lookup = resolution->lookup;
    if (lookup == NULL) {
        list_remove(&resolution->node);
        return;
    }
    CHECK(lookup->resolver == resolver && lookup->resolution == resolution);
    list_remove(&lookup->node);
    lookup->resolution = NULL;
    resolution->lookup = NULL;
    resolver->in_flight--;
}

/* --- time --- */

static void resolver_expire(struct resolver *resolver, uint64_t now_ns) {
    if (resolver->ares_deadline_ns != 0 && now_ns >= resolver->ares_deadline_ns) {
        resolver->ares_deadline_ns = 0;
        for (uint32_t i = 0; i < resolver->channel_count; i++) {
            ares_process_fd(resolver->channels[i].ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        }
        uint64_t wait_ns = UINT64_MAX;
        for (uint32_t i = 0; i < resolver->channel_count; i++) {
            struct timeval left;
            if (ares_timeout(resolver->channels[i].ares, NULL, &left) != NULL) {
                uint64_t left_ns =
                    (uint64_t)left.tv_sec * NS_PER_S + (uint64_t)left.tv_usec * 1000 + NS_PER_MS;
                wait_ns = left_ns < wait_ns ? left_ns : wait_ns;
            }
        }
        resolver->ares_deadline_ns = wait_ns == UINT64_MAX ? 0 : now_ns + wait_ns;
    }
    /* All look-ups get the same time, so that the oldest is the first to run out of it. */
    for (struct list_node *node = list_first(&resolver->waiting); node != NULL;
         node = list_first(&resolver->waiting)) {
        struct resolver_lookup *lookup = CONTAINER_OF(node, struct resolver_lookup, node);
        if (now_ns < lookup->deadline_ns) {
            break;
        }
        lookup_finish(lookup);
    }
}

/* The kernel reports a closed port once for a socket: if a send hears of it, c-ares would wait in
   vain for the answers to what was sent before. */
static void resolver_drop_refused(struct resolver *resolver) {
    uint8_t refused = resolver->refused;
    resolver->refused = 0;
    for (uint32_t i = 0; refused != 0 && i < resolver->channel_count; i++) {
        if ((refused & 1u << i) != 0) {
            ares_cancel(resolver->channels[i].ares);
        }
    }
}

void resolver_step(struct resolver *resolver) {
    for (uint32_t i = 0; i < RESOLVER_SOCKETS_MAX; i++) {
        struct resolver_socket *slot = &resolver->sockets[i];
        short ready = slot->ready;
        if (slot->fd < 0 || ready == 0) {
            continue;
        }
        slot->ready = 0;
        bool broken = (ready & (POLLERR | POLLHUP)) != 0;
        ares_process_fd(slot->channel, (ready & POLLIN) != 0 || broken ? slot->fd : ARES_SOCKET_BAD,
                        (ready & POLLOUT) != 0 || (broken && (slot->wanted & POLLOUT) != 0)
                            ? slot->fd
                            : ARES_SOCKET_BAD);
    }
    resolver_drop_refused(resolver);
    resolver_expire(resolver, clock_mono_ns(resolver->clock));
    sockets_arm(resolver);
}

uint64_t resolver_next_ns(const struct resolver *resolver, uint64_t max_ns) {
    if (!list_is_empty(&resolver->finished) || resolver->refused != 0) {
        return 0;
    }
    uint64_t deadline_ns = UINT64_MAX;
    const struct list_node *node = list_first(&resolver->waiting);
    if (node != NULL) {
        deadline_ns = CONTAINER_OF(node, struct resolver_lookup, node)->deadline_ns;
    }
    if (resolver->ares_deadline_ns != 0 && resolver->ares_deadline_ns < deadline_ns) {
        deadline_ns = resolver->ares_deadline_ns;
    }
    if (deadline_ns == UINT64_MAX) {
        return max_ns;
    }
    uint64_t now_ns = clock_mono_ns(resolver->clock);
    uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    return left_ns < max_ns ? left_ns : max_ns;
}

struct resolution *resolver_next_finished(struct resolver *resolver) {
    struct list_node *node = list_pop_front(&resolver->finished);
    return node != NULL ? CONTAINER_OF(node, struct resolution, node) : NULL;
}

uint32_t resolver_in_flight(const struct resolver *resolver) {
    return resolver->in_flight;
}

/* --- life --- */

static enum err channel_open(struct resolver_channel *channel, const struct resolver_server *server,
                             struct err_note *note) {
    char lookups[] = "b"; /* DNS only */
    char no_file[] = "/dev/null";
    struct ares_options options = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP,
        .timeout = (int)channel->resolver->config.timeout_ms,
        .tries = 1,
        .lookups = lookups,
        .resolvconf_path = no_file,
        .socket_receive_buffer_size = 1 << 20, /* all answers may come at once */
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = channel,
    };
    int status =
        ares_init_options(&channel->ares, &options,
                          ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                              ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_RCVBUF | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) {
        channel->ares = NULL;
        return err_note(note, ERR_RESOURCE, "cannot set up name resolution: %s",
                        ares_strerror(status));
    }
    struct ares_addr_port_node node = {
        .family = server->address.family == 4 ? AF_INET : AF_INET6,
        .udp_port = server->port,
        .tcp_port = server->port,
    };
    memcpy(&node.addr, server->address.bytes, server->address.family == 4 ? 4 : 16);
    status = ares_set_servers_ports(channel->ares, &node);
    if (status != ARES_SUCCESS) {
        return err_note(note, ERR_RESOURCE, "cannot set up name resolution: %s",
                        ares_strerror(status));
    }
    return ERR_NONE;
}

enum err resolver_new(const struct resolver_config *config, struct ring *ring,
                      const struct clock *clock, struct resolver **out, struct err_note *note) {
    CHECK(config->timeout_ms > 0 && config->timeout_ms < INT32_MAX && config->tries > 0 &&
          config->in_flight_max > 0 && (config->ipv4 || config->ipv6));
    struct resolver_server servers[RESOLVER_SERVERS_MAX];
    uint32_t server_count = 0;
    enum err err = config->servers != NULL
                       ? resolver_servers_parse(config->servers, servers, &server_count, note)
                       : resolver_servers_system(servers, &server_count, note);
    if (err != ERR_NONE) {
        return err;
    }
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL) {
        return err_note(note, ERR_RESOURCE, "out of memory for name resolution");
    }
    resolver->ring = ring;
    resolver->clock = clock;
    resolver->config = *config;
    resolver->config.servers = NULL;
    list_init(&resolver->waiting);
    list_init(&resolver->finished);
    for (uint32_t i = 0; i < RESOLVER_SOCKETS_MAX; i++) {
        resolver->sockets[i].fd = -1;
    }
    err =
        pool_init(&resolver->lookups, sizeof(struct resolver_lookup), config->in_flight_max, note);
    for (uint32_t i = 0; err == ERR_NONE && i < server_count; i++) {
        struct resolver_channel *channel = &resolver->channels[i];
        channel->resolver = resolver;
        resolver->channel_count++;
        err = channel_open(channel, &servers[i], note);
    }
    if (err != ERR_NONE) {
        resolver_free(resolver);
        return err;
    }
    *out = resolver;
    return ERR_NONE;
}

void resolver_free(struct resolver *resolver) {
    if (resolver == NULL) {
        return;
    }
    resolver->closing = true;
    for (struct list_node *node = list_pop_front(&resolver->waiting); node != NULL;
         node = list_pop_front(&resolver->waiting)) {
        struct resolver_lookup *lookup = CONTAINER_OF(node, struct resolver_lookup, node);
        lookup->resolution->lookup = NULL;
        lookup->resolution = NULL;
    }
    while (resolver_next_finished(resolver) != NULL) {
    }
    for (uint32_t i = 0; i < resolver->channel_count; i++) {
        if (resolver->channels[i].ares != NULL) {
            ares_destroy(resolver->channels[i].ares);
        }
    }
    /* The cancels of the polls, so that the closed sockets do not live on in the ring. */
    ring_submit(resolver->ring);
    pool_fini(&resolver->lookups);
    free(resolver);
}
