#include "gateway/bus_private.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

enum {
    TURN_MS = 100,
    SILENCE_MS = 5000,
    HELLO_MS = 200,
    RECEIVE_MAX = 1000,    // records in one turn
    TAKE_MAX = 4000,       // items from one worker in one turn
    REPORT_RECORDS = 4096, // HB at least after so many commands
    REPORT_BYTES = 1024 * 1024,
    COPY_MAX = 2048, // bytes; longer records are handed to ZeroMQ without a copy
    ANSWERS_MAX = 100000,
    ANSWERS_MS = 10 * 60 * 1000,
    STOP_MS = 2000,
};

/* ---- sockets ---- */

static void s_open_sockets(struct bus *self)
{
    const char *endpoint = self->options.endpoints[self->endpoint];
    self->records = bus_socket_new(self->context, endpoint, &self->keys);
    self->beats = bus_socket_new(self->context, endpoint, &self->keys);
    bus_monitor_open(&self->monitor, self->context, self->records);
}

static void s_close_sockets(struct bus *self)
{
    bus_monitor_close(&self->monitor);
    zmq_close(self->records);
    zmq_close(self->beats);
}

static void s_free_item(void *data, void *hint)
{
    struct bus_item *item = hint;
    (void)data;
    bus_item_destroy(&item);
}

/* Takes the item when it was sent; false: no room now. */
static bool s_send(struct bus *self, struct bus_item *item)
{
    if (item->size <= COPY_MAX) {
        if (zmq_send(self->records, item->data, item->size, ZMQ_DONTWAIT) < 0)
            return false;
        bus_item_destroy(&item);
        return true;
    }
    zmq_msg_t message;
    zmq_msg_init_data(&message, item->data, item->size, s_free_item, item);
    if (zmq_msg_send(&message, self->records, ZMQ_DONTWAIT) >= 0)
        return true;
    /* Closing the message would free the item, which is still needed. */
    struct bus_item *copy = bus_item_new(item->kind, item->data, item->size);
    zmq_msg_close(&message);
    self->stuck = copy;
    return true;
}

/* ---- the connection ---- */

/* Answers are still owed after a reconnect; everything else is said anew. */
static void s_keep_answers(struct bus *self)
{
    struct bus_item *item = self->outbox, *next;
    self->outbox = self->outbox_last = NULL;
    for (; item; item = next) {
        next = item->next;
        item->next = NULL;
        if (strncmp(item->data, "OK ", 3) != 0 && strncmp(item->data, "ERR ", 4) != 0) {
            bus_item_destroy(&item);
            continue;
        }
        if (self->outbox_last)
            self->outbox_last->next = item;
        else
            self->outbox = item;
        self->outbox_last = item;
    }
}

void bus_set_state(struct bus *self, enum bus_state next)
{
    static const char *const names[] = {"away", "greeting", "joined"};
    if (self->state == next)
        return;
    if (self->state == BUS_JOINED) {
        self->away_ms = self->now_ms;
        atomic_store(&self->ready, false);
        bus_broadcast(self, BUS_LINK_DOWN, NULL, 0, false);
        bus_item_destroy(&self->stuck);
        s_keep_answers(self);
    }
    log_info("bus_state", "from=%s to=%s", names[self->state], names[next]);
    self->state = next;
    self->was_joined |= next == BUS_JOINED;
}

void bus_greet(struct bus *self)
{
    struct wire_header header;
    self->must_greet = true; // s_tick comes back to it
    if (self->ending > 0 || self->now_ms - self->hello_ms < HELLO_MS)
        return;
    wire_begin(&header, "HELLO");
    wire_add(&header, self->options.edge_name);
    wire_add(&header, self->epoch);
    wire_add(&header, self->boot);
    wire_add_u64(&header, self->lastc);
    wire_add_option(&header, "proto", "RW/1");
    if (zmq_send(self->records, header.text, header.size, ZMQ_DONTWAIT) < 0)
        return; // not connected yet
    self->must_greet = false;
    self->hello_ms = self->heard_ms = self->now_ms;
    bus_set_state(self, BUS_GREETING);
}

static void s_reconnect(struct bus *self)
{
    bus_set_state(self, BUS_AWAY);
    s_close_sockets(self);
    s_open_sockets(self);
    self->heard_ms = self->now_ms;
}

/* True when there are other keys than before. */
static bool s_take_keys(struct bus *self)
{
    if (!atomic_exchange(&self->has_new_keys, false))
        return false;
    pthread_mutex_lock(&self->keys_lock);
    bool differ = memcmp(&self->keys, &self->new_keys, sizeof self->keys) != 0;
    self->keys = self->new_keys;
    pthread_mutex_unlock(&self->keys_lock);
    return differ;
}

static void s_make_epoch(struct bus *self)
{
    snprintf(self->epoch, sizeof self->epoch, "%016" PRIx64, clock_random_u64());
    snprintf(self->prefix, sizeof self->prefix, "%s.%s.", self->options.edge_name,
             self->epoch);
}

void bus_new_epoch(struct bus *self)
{
    bus_set_state(self, BUS_AWAY);
    s_make_epoch(self);
    self->boot[0] = 0;
    self->lastc = 0;
    self->was_joined = false;
    self->away_ms = self->now_ms;
    self->ending = self->options.workers;
    log_warn("bus_epoch", "epoch=%s reason=\"the broker was away for too long\"",
             self->epoch);
    bus_broadcast(self, BUS_EPOCH, self->prefix, 0, false);
}

static void s_beat(struct bus *self)
{
    struct wire_header header;
    wire_begin(&header, "HB");
    wire_add(&header, self->options.edge_name);
    wire_add(&header, self->epoch);
    wire_add_u64(&header, self->lastc);
    if (self->boot[0])
        wire_add_option(&header, "boot", self->boot);
    (void)zmq_send(self->beats, header.text, header.size, ZMQ_DONTWAIT);
    self->has_beaten = true;
    if (self->state == BUS_JOINED)
        bus_post(self, &header);
    self->beat_ms = self->now_ms;
    self->unreported_records = self->unreported_bytes = 0;
}

/* A worker that stands still holds its clients and all they sent.  Nothing but a new
 * process helps them, and the core shows where it stood. */
static void s_watch_workers(struct bus *self)
{
    for (unsigned at = 0; at < self->options.workers; at++) {
        uint64_t turns =
            atomic_load_explicit(&self->ports[at].turns, memory_order_relaxed);
        if (!hang_look(&self->of_worker[at].hang, turns, self->now_ms,
                       self->options.worker_timeout_ms))
            continue;
        log_error("worker_hangs", "worker=%u standing_ms=%lld limit_ms=%lld", at,
                  (long long)self->of_worker[at].hang.standing_ms,
                  (long long)self->options.worker_timeout_ms);
        log_flush();
        abort();
    }
}

static void s_tick(struct bus *self)
{
    s_watch_workers(self);
    if (s_take_keys(self)) {
        s_reconnect(self);
    } else if (self->state != BUS_AWAY && self->now_ms - self->heard_ms > SILENCE_MS) {
        self->endpoint = (self->endpoint + 1) % self->options.endpoint_count;
        s_reconnect(self);
    }
    if (bus_monitor_look(&self->monitor, self->now_ms) || self->state == BUS_AWAY ||
        self->must_greet)
        bus_greet(self);
    if (self->state != BUS_JOINED && self->was_joined &&
        self->now_ms - self->away_ms > self->options.orphan_ms)
        bus_new_epoch(self);
    if (self->now_ms - self->beat_ms >= self->options.heartbeat_ms ||
        self->unreported_records >= REPORT_RECORDS ||
        self->unreported_bytes >= REPORT_BYTES)
        s_beat(self);
}

/* ---- from the workers ---- */

void bus_broadcast(struct bus *self, enum bus_item_kind kind, const char *text,
                   uint64_t number, bool full)
{
    for (unsigned at = 0; at < self->options.workers; at++) {
        struct bus_item *item = bus_item_new(kind, text, text ? strlen(text) : 0);
        item->c = number;
        item->full = full;
        bus_lane_send(&self->ports[at].to_worker, item);
    }
}

static void s_post(struct bus *self, struct bus_item *item)
{
    if (self->outbox_last)
        self->outbox_last->next = item;
    else
        self->outbox = item;
    self->outbox_last = item;
}

void bus_post(struct bus *self, const struct wire_header *header)
{
    s_post(self, bus_item_new(BUS_RECORD, header->text, header->size));
}

void bus_answer(struct bus *self, uint64_t c, const struct bus_answer *answer)
{
    struct wire_header header;
    bool failed = answer->sent == 0 && answer->error;
    wire_begin(&header, failed ? "ERR" : "OK");
    wire_add_u64(&header, c);
    if (failed)
        wire_add(&header, answer->error);
    if (answer->sent + answer->failed > 1) {
        wire_add_option_u64(&header, "sent", answer->sent);
        wire_add_option_u64(&header, "gone", answer->failed);
    }
    bus_post(self, &header);
}

static void s_topic_record(struct bus *self, const char *verb, const char *topic)
{
    struct wire_header header;
    wire_begin(&header, verb);
    wire_add_escaped(&header, topic);
    if (strcmp(verb, "TUNSUB") == 0)
        wire_add_u64(&header, self->lastc);
    if (self->state == BUS_JOINED)
        bus_post(self, &header);
    else
        self->topics_changed = true;
}

static void s_announce_topic(void *context, const char *topic)
{
    s_topic_record(context, "TSUB", topic);
}

void bus_announce_topics(struct bus *self)
{
    self->topics_changed = false;
    bus_topics_each(self->topics, s_announce_topic, self);
}

static void s_announced(struct bus *self, const struct bus_item *item)
{
    struct wire_header header;
    self->has_presence |= item->full;
    if (item->c != self->announce || self->announcing == 0 || --self->announcing > 0)
        return;
    if (self->announce_is_full) {
        wire_begin(&header, "SYNCED");
        bus_post(self, &header);
    }
    if (self->has_presence) {
        wire_begin(&header, "PRESENT");
        bus_post(self, &header);
    }
    atomic_store(&self->ready, true);
}

static void s_take_other(struct bus *self, unsigned worker, struct bus_item *item)
{
    struct bus_answer answer;
    uint64_t c;
    switch (item->kind) {
    case BUS_ANSWER:
        if (bus_answers_end(self->answers, item->c, item->error, &answer, &c))
            bus_answer(self, c, &answer);
        break;
    case BUS_SUB:
        if (bus_topics_add(self->topics, item->data, item->size, worker) == 1)
            s_topic_record(self, "TSUB", item->data);
        break;
    case BUS_UNSUB:
        if (bus_topics_remove(self->topics, item->data, item->size, worker) == 0)
            s_topic_record(self, "TUNSUB", item->data);
        break;
    case BUS_ANNOUNCED:
        s_announced(self, item);
        break;
    case BUS_ENDED:
        self->ending -= self->ending > 0;
        break;
    default:
        break;
    }
    bus_item_destroy(&item);
}

/* The bus thread's own records go before what the workers made later; SYNCED after all
 * they announced, because it is posted when their last item was taken. */
static bool s_flush_outbox(struct bus *self)
{
    if (self->stuck) {
        struct bus_item *item = self->stuck;
        self->stuck = NULL;
        if (!s_send(self, item))
            self->stuck = item;
        if (self->stuck)
            return false;
    }
    while (self->outbox && self->state == BUS_JOINED) {
        struct bus_item *item = self->outbox, *next = item->next;
        if (zmq_send(self->records, item->data, item->size, ZMQ_DONTWAIT) < 0)
            return false;
        bus_item_destroy(&item);
        self->outbox = next;
        if (!next)
            self->outbox_last = NULL;
    }
    return true;
}

static void s_take_worker(struct bus *self, unsigned worker)
{
    for (int taken = 0; taken < TAKE_MAX; taken++) {
        if (!s_flush_outbox(self))
            return;
        struct bus_item *item = bus_lane_receive(&self->ports[worker].to_bus);
        if (!item) {
            if (self->announcing > 0) // the worker goes on now that there is room
                bus_lane_nudge(&self->ports[worker].to_worker);
            return;
        }
        if (item->kind != BUS_RECORD)
            s_take_other(self, worker, item);
        else if (self->state != BUS_JOINED)
            bus_item_destroy(&item); // it will be announced
        else if (!s_send(self, item))
            self->stuck = item;
    }
}

static void s_take_asks(struct bus *self)
{
    struct bus_item *record;
    while (self->state == BUS_JOINED && (record = bus_asks_take(self->asks)))
        s_post(self, record);
    bus_asks_expire(self->asks, self->now_ms);
}

/* ---- the thread ---- */

static void s_receive(struct bus *self, void *socket)
{
    self->is_beside = socket == self->beats;
    for (int count = 0; count < RECEIVE_MAX; count++) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        int size = zmq_msg_recv(&message, socket, ZMQ_DONTWAIT);
        if (size >= 0) {
            if (self->state != BUS_GREETING) // then only WELCOME counts
                self->heard_ms = self->now_ms;
            bus_take_record(self, zmq_msg_data(&message), (size_t)size);
        }
        zmq_msg_close(&message);
        if (size < 0)
            return;
    }
}

static void s_turn(struct bus *self)
{
    bool blocked = self->stuck || (self->outbox && self->state == BUS_JOINED);
    zmq_pollitem_t items[] = {
        {.socket = self->records,
         .events = (short)(ZMQ_POLLIN | (blocked ? ZMQ_POLLOUT : 0))},
        {.socket = self->beats, .events = ZMQ_POLLIN},
        {.fd = self->wake_fd, .events = ZMQ_POLLIN},
    };
    zmq_poll(items, 3, TURN_MS);
    uint64_t woken;
    (void)!read(self->wake_fd, &woken, sizeof woken);
    self->now_ms = clock_now_ms();
    s_receive(self, self->records);
    s_receive(self, self->beats);
    for (unsigned at = 0; at < self->options.workers; at++)
        s_take_worker(self, at);
    s_tick(self);
    s_take_asks(self);
    (void)s_flush_outbox(self);
    for (unsigned at = 0; at < self->options.workers; at++) {
        struct bus_lane *lane = &self->ports[at].to_worker;
        if (bus_lane_bytes(lane) == 0)
            bus_overflow_clear(&self->of_worker[at].lost);
        bus_lane_wake(lane);
    }
}

static void s_say_bye(struct bus *self)
{
    struct wire_header header;
    int64_t until_ms = clock_now_ms() + STOP_MS;
    wire_begin(&header, "BYE");
    bus_post(self, &header);
    while (self->state == BUS_JOINED && (self->outbox || self->stuck) &&
           clock_now_ms() < until_ms)
        s_turn(self);
    int linger_ms = self->state == BUS_JOINED ? 500 : 0;
    zmq_setsockopt(self->records, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
}

static void *s_thread(void *context)
{
    struct bus *self = context;
    (void)pthread_setname_np(pthread_self(), "bus");
    self->context = bus_socket_context();
    (void)s_take_keys(self);
    s_open_sockets(self);
    self->now_ms = self->heard_ms = self->away_ms = clock_now_ms();
    while (!atomic_load(&self->stop))
        s_turn(self);
    for (unsigned at = 0; at < self->options.workers; at++)
        s_take_worker(self, at);
    s_say_bye(self);
    s_close_sockets(self);
    zmq_ctx_term(self->context);
    return NULL;
}

struct bus *bus_new(const struct bus_options *options)
{
    struct bus *self = mem_new(struct bus);
    self->options = *options;
    self->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&self->keys_lock, NULL);
    self->hello_ms = -HELLO_MS;
    self->topics = bus_topics_new(options->workers);
    self->asks = bus_asks_new(self->wake_fd);
    self->answers = bus_answers_new(ANSWERS_MAX, ANSWERS_MS);
    self->ports = mem_alloc(options->workers * sizeof *self->ports);
    self->of_worker = mem_alloc(options->workers * sizeof *self->of_worker);
    for (unsigned at = 0; at < options->workers; at++)
        bus_port_init(&self->ports[at], self->wake_fd, options->wake_workers[at]);
    s_make_epoch(self);
    return self;
}

void bus_set_keys(struct bus *self, const struct bus_keys *keys)
{
    pthread_mutex_lock(&self->keys_lock);
    self->new_keys = *keys;
    pthread_mutex_unlock(&self->keys_lock);
    atomic_store(&self->has_new_keys, true);
}

int bus_start(struct bus *self)
{
    int error = pthread_create(&self->thread, NULL, s_thread, self);
    self->started = error == 0;
    return -error;
}

void bus_stop(struct bus *self)
{
    uint64_t one = 1;
    if (!self->started)
        return;
    atomic_store(&self->stop, true);
    (void)!write(self->wake_fd, &one, sizeof one);
    pthread_join(self->thread, NULL);
    self->started = false;
}

void bus_destroy(struct bus **self_p)
{
    struct bus *self = *self_p;
    if (!self)
        return;
    bus_stop(self);
    for (unsigned at = 0; at < self->options.workers; at++) {
        bus_port_clear(&self->ports[at]);
        bus_overflow_clear(&self->of_worker[at].lost);
    }
    while (self->outbox) {
        struct bus_item *item = self->outbox;
        self->outbox = item->next;
        bus_item_destroy(&item);
    }
    bus_item_destroy(&self->stuck);
    bus_topics_destroy(&self->topics);
    bus_answers_destroy(&self->answers);
    bus_asks_destroy(&self->asks);
    close(self->wake_fd);
    pthread_mutex_destroy(&self->keys_lock);
    explicit_bzero(&self->keys, sizeof self->keys);
    explicit_bzero(&self->new_keys, sizeof self->new_keys);
    free(self->ports);
    free(self->of_worker);
    free(self);
    *self_p = NULL;
}

void bus_ask(struct bus *self, struct wire_header *header, const void *payload,
             size_t size, const struct bus_asker *asker)
{
    if (bus_is_ready(self))
        bus_asks_add(self->asks, header, payload, size, asker);
    else
        asker->answer(asker->context, "no-broker", (struct wire_text){"", 0});
}

void bus_end_asks(struct bus *self)
{
    bus_asks_close(self->asks);
}

struct bus_port *bus_port(struct bus *self, unsigned worker)
{
    return &self->ports[worker];
}

const char *bus_prefix(const struct bus *self)
{
    return self->prefix;
}

bool bus_is_ready(const struct bus *self)
{
    return atomic_load(&((struct bus *)self)->ready);
}
