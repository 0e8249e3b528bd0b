#include "tests/bench/played_edges.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/wire.h"
#include "tests/bench/bench_support.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <zmq.h>

enum {
    WINDOW = 5000,      // unacknowledged events of the service on one edge
    RECEIVE_MAX = 1000, // records in one turn
    SEND_MAX = 1000,    // likewise
    BEAT_MS = 1000,
    HELLO_MS = 200,
    SILENCE_MS = 5000,
    REPORT_RECORDS = 4096, // HB after so many commands
    RECORD_ROOM = 1024,
    TURN_MS = 100,
};

/* What a gateway tells of a channel. */
static const char s_adopt_json[] =
    "{\"carrier\":\"ws\",\"route\":\"scale\",\"params\":{\"room\":\"lobby\"},"
    "\"protocol\":null,\"peer\":\"192.0.2.17:50000\"}";
static const char s_open_json[] =
    "{\"method\":\"GET\",\"target\":\"/scale/"
    "lobby\",\"version\":\"1.1\",\"scheme\":\"http\","
    "\"headers\":[[\"host\",\"www.example.org\"],[\"upgrade\",\"websocket\"],"
    "[\"connection\",\"Upgrade\"],[\"sec-websocket-version\",\"13\"],"
    "[\"sec-websocket-key\",\"dGhlIHNhbXBsZSBub25jZQ==\"]],"
    "\"peer\":\"192.0.2.17:50000\",\"local\":\"192.0.2.1:80\",\"carrier\":\"ws\","
    "\"route\":\"scale\",\"params\":{\"room\":\"lobby\"},\"offers\":[],\"body\":"
    "\"none\"}";

struct s_channel {
    uint32_t gen;
    bool acked;    // its OPEN is
    bool is_asked; // stands in the queue of those that are announced again
};

enum s_state { S_AWAY, S_GREETING, S_JOINED };

struct s_edge {
    struct s_house *house;
    unsigned number;
    char id[40]; // name.epoch
    void *records, *beats, *monitor;
    bool lost; // the connection; a new one is not there yet
    enum s_state state;
    char boot[24];
    uint64_t lastc, reported;
    int64_t heard_ms, hello_ms, beat_ms;
    bool must_greet;
    bool owes_beat; // on the records connection
    bool blocked;   // the records connection takes no more
    bool announcing, synced, told;
    unsigned opened;  // channels that there are: the first ones
    unsigned unacked; // those of them whose OPEN is not acknowledged
    unsigned cursor;  // of the announcement
    unsigned *asked;  // a ring of `channels`
    unsigned asked_first, asked_count;
    struct s_channel *channel;
};

struct s_house {
    void *context;
    const char *endpoint;
    unsigned edges, channels; // channels of each edge
    int64_t now_ms;
    struct played_report *report;
    struct s_edge edge[PLAYED_EDGES_MAX];
};

/* ---- sockets ---- */

static void *s_dealer(const struct s_house *house)
{
    static const int options[][2] = {
        {ZMQ_IMMEDIATE, 1},       {ZMQ_LINGER, 0},
        {ZMQ_RECONNECT_IVL, 100}, {ZMQ_RECONNECT_IVL_MAX, 1000},
        {ZMQ_RCVHWM, 0},          {ZMQ_SNDHWM, 100000},
    };
    void *socket = zmq_socket(house->context, ZMQ_DEALER);
    for (size_t at = 0; at < sizeof options / sizeof *options; at++)
        (void)zmq_setsockopt(socket, options[at][0], &options[at][1], sizeof(int));
    if (!socket || zmq_connect(socket, house->endpoint) != 0)
        bench_die("connect");
    return socket;
}

static void s_watch(struct s_edge *self)
{
    static unsigned opened;
    char name[64];
    snprintf(name, sizeof name, "inproc://monitor-%u", opened++);
    self->monitor = zmq_socket(self->house->context, ZMQ_PAIR);
    if (zmq_socket_monitor(self->records, name,
                           ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) != 0 ||
        zmq_connect(self->monitor, name) != 0)
        bench_die("monitor");
}

/* Is there a new connection in place of the first? */
static bool s_is_renewed(struct s_edge *self)
{
    bool renewed = false;
    uint8_t frame[128];
    while (zmq_recv(self->monitor, frame, sizeof frame, ZMQ_DONTWAIT) >= 2) {
        uint16_t event;
        memcpy(&event, frame, sizeof event);
        (void)zmq_recv(self->monitor, frame, sizeof frame, ZMQ_DONTWAIT);
        renewed |= event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED && self->lost;
        self->lost = event == ZMQ_EVENT_DISCONNECTED;
    }
    return renewed;
}

static void s_connect(struct s_edge *self)
{
    self->records = s_dealer(self->house);
    self->beats = s_dealer(self->house);
    s_watch(self);
    self->heard_ms = self->house->now_ms;
}

/* False when the connection takes no more now. */
static bool s_send(struct s_edge *self, const char *text, int size)
{
    if (zmq_send(self->records, text, (size_t)size, ZMQ_DONTWAIT) >= 0)
        return true;
    if (!self->blocked)
        atomic_fetch_add(&self->house->report->stalls, 1);
    self->blocked = true;
    return false;
}

/* ---- what an edge says ---- */

static void s_greet(struct s_edge *self)
{
    char text[RECORD_ROOM];
    struct s_house *house = self->house;
    self->must_greet = true; // s_tick comes back to it
    if (house->now_ms - self->hello_ms < HELLO_MS)
        return;
    unsigned name = (unsigned)strcspn(self->id, ".");
    int size = snprintf(text, sizeof text, "HELLO %.*s %s %s %" PRIu64 " proto=RW/1",
                        (int)name, self->id, self->id + name + 1,
                        self->boot[0] ? self->boot : "-", self->lastc);
    if (zmq_send(self->records, text, (size_t)size, ZMQ_DONTWAIT) < 0)
        return;
    self->must_greet = false;
    self->hello_ms = self->heard_ms = house->now_ms;
    self->state = S_GREETING;
}

static bool s_send_open(struct s_edge *self, unsigned at)
{
    char text[RECORD_ROOM];
    int size = snprintf(text, sizeof text,
                        "OPEN %s.%x 1 " PLAYED_SERVICE " %" PRIu32 " ws=1\n%s", self->id,
                        at + 1, self->channel[at].gen, s_open_json);
    return s_send(self, text, size);
}

static bool s_announce(struct s_edge *self, unsigned at)
{
    char text[RECORD_ROOM];
    if (!self->channel[at].acked)
        return s_send_open(self, at);
    int size = snprintf(text, sizeof text,
                        "ADOPT %s.%x 1 " PLAYED_SERVICE " - %" PRIu32 " ws=1\n%s",
                        self->id, at + 1, self->channel[at].gen, s_adopt_json);
    return s_send(self, text, size);
}

/* What the broker asked for goes before the announcement, which may be long. */
static void s_say_asked(struct s_edge *self)
{
    for (int sent = 0; self->asked_count && sent < SEND_MAX; sent++) {
        unsigned at = self->asked[self->asked_first];
        if (!s_announce(self, at))
            return;
        self->channel[at].is_asked = false;
        self->asked_first = (self->asked_first + 1) % self->house->channels;
        self->asked_count--;
        atomic_fetch_add(&self->house->report->resent, 1);
    }
}

static void s_ask(struct s_edge *self, unsigned at)
{
    if (self->channel[at].is_asked)
        return;
    self->channel[at].is_asked = true;
    self->asked[(self->asked_first + self->asked_count++) % self->house->channels] = at;
}

/* The answer to the TSUB, in the same pipe, shows that the SYNCED before it was taken. */
static void s_say_synced(struct s_edge *self)
{
    char text[RECORD_ROOM];
    if (!self->synced)
        self->synced = s_send(self, "SYNCED", 6);
    int size = snprintf(text, sizeof text, "TSUB taken/%u", self->number);
    if (self->synced && s_send(self, text, size))
        self->announcing = false;
}

static void s_go_on_announcing(struct s_edge *self)
{
    for (int sent = 0; self->cursor < self->opened && sent < SEND_MAX; sent++) {
        if (!s_announce(self, self->cursor))
            return;
        self->cursor++;
        atomic_fetch_add(&self->house->report->announced, 1);
    }
    if (self->cursor == self->opened)
        s_say_synced(self);
}

static void s_open_more(struct s_edge *self)
{
    struct s_house *house = self->house;
    if (!atomic_load(&house->report->open))
        return;
    for (int sent = 0; self->opened < house->channels && self->unacked < WINDOW &&
                       sent < SEND_MAX && s_send_open(self, self->opened);
         sent++) {
        self->opened++;
        self->unacked++;
    }
}

static void s_beat(struct s_edge *self)
{
    char text[RECORD_ROOM];
    unsigned name = (unsigned)strcspn(self->id, ".");
    int size =
        snprintf(text, sizeof text, "HB %.*s %s %" PRIu64 " boot=%s", (int)name, self->id,
                 self->id + name + 1, self->lastc, self->boot[0] ? self->boot : "-");
    if (self->house->now_ms - self->beat_ms >= BEAT_MS) {
        (void)zmq_send(self->beats, text, (size_t)size, ZMQ_DONTWAIT);
        self->beat_ms = self->house->now_ms;
        self->owes_beat = true;
    }
    self->owes_beat |= self->lastc - self->reported >= REPORT_RECORDS;
    if (self->owes_beat && self->state == S_JOINED && s_send(self, text, size)) {
        self->owes_beat = false;
        self->reported = self->lastc;
    }
}

/* ---- what an edge hears ---- */

static struct wire_text s_token(const struct wire_record *record, size_t at)
{
    return at < record->count ? record->token[at] : (struct wire_text){"-", 1};
}

/* Index of a channel of this edge, or -1. */
static long s_index(const struct s_edge *self, const char *id, size_t size)
{
    size_t prefix = strlen(self->id);
    if (size <= prefix + 1 || memcmp(id, self->id, prefix) != 0)
        return -1;
    unsigned long number = strtoul(id + prefix + 1, NULL, 16);
    return number >= 1 && number <= self->opened ? (long)number - 1 : -1;
}

/* Lines "channel seq". */
static void s_take_acks(struct s_edge *self, const struct wire_record *record)
{
    const char *at = (const char *)record->payload, *end = at + record->payload_size;
    while (at && at < end) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((line ? line : end) - at);
        const char *space = memchr(at, ' ', size);
        long index = space ? s_index(self, at, (size_t)(space - at)) : -1;
        if (index >= 0 && space[1] != '0' && !self->channel[index].acked) {
            self->channel[index].acked = true;
            self->unacked--;
            atomic_fetch_add(&self->house->report->acked, 1);
        }
        at = line ? line + 1 : NULL;
    }
}

static void s_take_resend(struct s_edge *self, const struct wire_record *record)
{
    struct wire_text id = s_token(record, 2), from = wire_option(record, 4, "from");
    uint64_t gen, seq;
    long index = s_index(self, id.data, id.size);
    if (index < 0 || wire_u64(s_token(record, 3), &gen) < 0)
        return;
    struct s_channel *channel = &self->channel[index];
    if (!from.data)
        channel->gen = (uint32_t)gen;
    else if (channel->acked || wire_u64(from, &seq) < 0 || seq > 0)
        return; // the OPEN is its only event
    s_ask(self, (unsigned)index);
}

static void s_welcome(struct s_edge *self, const struct wire_record *record)
{
    struct wire_text boot = s_token(record, 2), c = wire_option(record, 4, "c");
    self->state = S_JOINED;
    self->heard_ms = self->house->now_ms;
    snprintf(self->boot, sizeof self->boot, "%.*s", (int)boot.size, boot.data);
    if (wire_is(s_token(record, 3), "resume")) {
        for (unsigned at = 0; at < self->opened; at++)
            if (!self->channel[at].acked)
                s_ask(self, at);
        return;
    }
    (void)wire_u64(c, &self->lastc);
    self->reported = self->lastc;
    for (; self->asked_count; self->asked_count--) {
        self->channel[self->asked[self->asked_first]].is_asked = false;
        self->asked_first = (self->asked_first + 1) % self->house->channels;
    }
    self->cursor = 0;
    self->announcing = true;
    self->synced = self->told = false;
}

static void s_taken(struct s_edge *self)
{
    struct played_report *report = self->house->report;
    if (self->told)
        return;
    self->told = true;
    atomic_store(&report->synced_ns, bench_now_ns());
    atomic_fetch_add(&report->synced, 1);
    if (self->opened == 0)
        atomic_fetch_add(&report->joined, 1);
}

static void s_take_command(struct s_edge *self, const struct wire_record *record)
{
    struct wire_text verb = record->token[0];
    uint64_t c;
    if (wire_u64(s_token(record, 1), &c) < 0 || c <= self->lastc)
        return;
    if (c != self->lastc + 1) {
        s_greet(self);
        return;
    }
    self->lastc = c;
    if (wire_is(verb, "ACK"))
        s_take_acks(self, record);
    else if (wire_is(verb, "RESEND"))
        s_take_resend(self, record);
    else if (wire_is(verb, "TOP"))
        s_taken(self);
}

static void s_take(struct s_edge *self, const struct wire_record *record)
{
    struct wire_text verb = record->token[0];
    struct played_report *report = self->house->report;
    if (wire_is(verb, "WHO")) {
        if (self->state != S_GREETING)
            s_greet(self);
    } else if (wire_is(verb, "WELCOME")) {
        s_welcome(self, record);
    } else if (wire_is(verb, "REJECT")) {
        atomic_fetch_add(&report->refused, 1);
    } else if (!wire_is(s_token(record, 1), "0") && self->state == S_JOINED) {
        s_take_command(self, record);
    }
}

static void s_receive(struct s_edge *self, void *socket)
{
    static struct wire_record record;
    struct s_house *house = self->house;
    zmq_msg_t frame;
    (void)zmq_msg_init(&frame);
    for (int taken = 0; taken < RECEIVE_MAX; taken++) {
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0)
            break;
        int64_t silence_ms = house->now_ms - self->heard_ms;
        if (self->state == S_JOINED &&
            silence_ms > atomic_load(&house->report->silence_ms))
            atomic_store(&house->report->silence_ms, silence_ms);
        if (socket == self->records)
            self->heard_ms = house->now_ms;
        if (wire_read(zmq_msg_data(&frame), zmq_msg_size(&frame), &record) == 0)
            s_take(self, &record);
    }
    (void)zmq_msg_close(&frame);
}

/* ---- the process ---- */

static void s_tick(struct s_edge *self)
{
    if (self->state != S_AWAY && self->house->now_ms - self->heard_ms > SILENCE_MS) {
        (void)zmq_socket_monitor(self->records, NULL, 0);
        (void)zmq_close(self->monitor);
        (void)zmq_close(self->records);
        (void)zmq_close(self->beats);
        s_connect(self);
        self->state = S_AWAY;
    }
    if (s_is_renewed(self) || self->state == S_AWAY || self->must_greet)
        s_greet(self);
    s_beat(self);
}

/* True when it has more to say and may. */
static bool s_turn(struct s_edge *self)
{
    self->blocked = false;
    s_receive(self, self->records);
    s_receive(self, self->beats);
    s_tick(self);
    if (self->state != S_JOINED)
        return false;
    s_say_asked(self);
    if (!self->blocked && self->announcing)
        s_go_on_announcing(self);
    if (!self->blocked && !self->announcing)
        s_open_more(self);
    bool more = self->asked_count || self->announcing ||
                (self->opened < self->house->channels && self->unacked < WINDOW &&
                 atomic_load(&self->house->report->open));
    return more && !self->blocked;
}

static void s_wait(struct s_house *self, bool more)
{
    zmq_pollitem_t items[2 * PLAYED_EDGES_MAX];
    for (size_t at = 0; at < self->edges; at++) {
        const struct s_edge *edge = &self->edge[at];
        items[2 * at] = (zmq_pollitem_t){
            .socket = edge->records,
            .events = (short)(ZMQ_POLLIN | (edge->blocked ? ZMQ_POLLOUT : 0))};
        items[2 * at + 1] = (zmq_pollitem_t){.socket = edge->beats, .events = ZMQ_POLLIN};
    }
    (void)zmq_poll(items, (int)(2 * self->edges), more ? 0 : TURN_MS);
    self->now_ms = clock_now_ms();
}

static void s_found(struct s_house *self, unsigned number)
{
    struct s_edge *edge = &self->edge[number];
    edge->house = self;
    edge->number = number;
    snprintf(edge->id, sizeof edge->id, "edge-%u.%016" PRIx64, number,
             clock_random_u64());
    edge->channel = mem_alloc(self->channels * sizeof *edge->channel);
    edge->asked = mem_alloc(self->channels * sizeof *edge->asked);
    edge->hello_ms = -HELLO_MS;
    s_connect(edge);
}

static void s_live(struct s_house *self)
{
    self->context = zmq_ctx_new();
    self->now_ms = clock_now_ms();
    for (unsigned at = 0; at < self->edges; at++)
        s_found(self, at);
    for (;;) {
        bool more = false;
        for (unsigned at = 0; at < self->edges; at++)
            more |= s_turn(&self->edge[at]);
        s_wait(self, more);
    }
}

pid_t played_edges_start(const char *endpoint, unsigned edges, unsigned channels,
                         struct played_report *report)
{
    pid_t pid = fork();
    if (pid < 0)
        bench_die("fork");
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct s_house *house = mem_new(struct s_house);
    house->endpoint = endpoint;
    house->edges = edges;
    house->channels = channels;
    house->report = report;
    s_live(house);
    _exit(EXIT_FAILURE);
}

struct played_report *played_report_new(void)
{
    struct played_report *report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED)
        bench_die("mmap");
    return report;
}

void played_report_reset(struct played_report *report)
{
    atomic_store(&report->synced, 0);
    atomic_store(&report->announced, 0);
    atomic_store(&report->resent, 0);
    atomic_store(&report->stalls, 0);
    atomic_store(&report->silence_ms, 0);
}
