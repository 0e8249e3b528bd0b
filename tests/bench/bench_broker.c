/* bench_broker: CPU of ringway-broker for one event and for one echo, against a bare
 * relay.
 *
 *   played edge (DEALER) --- ringway-broker, or two ROUTERs and a loop --- worker
 * (DEALER)
 *
 * An event is a TEXT of 100 bytes from the edge that the worker acknowledges, each one by
 * itself as the smallest worker does; an echo is the same with a SEND back to the
 * channel.  So the broker takes two records for an event and passes on one, and an ACK
 * for all of a turn; for an echo it takes three and passes on two.  The relay carries
 * what no middleman can do without: the TEXT there, and for an echo the SEND back, in
 * records of the same form, without looking into them.
 *
 * WINDOW events are under way at a time, over CHANNELS channels.  CPU is that of the
 * whole process, ZeroMQ's thread included.  Both run at the same time and take turns, and
 * the median of the rounds of each counts.
 *
 * Two threads of a server cost half as much again on two cores as on one.  The broker
 * keeps to one by itself; the relay is where the kernel likes, and changes from round to
 * round.  So both are measured twice: as they are, and on one core, the same for both,
 * while the two ends have the others.  The limits are the same. */
#include "common/mem.h"
#include "common/wire.h"
#include "tests/bench/bench_support.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <zmq.h>

enum {
    CHANNELS = 100,
    WINDOW = 500,
    EVENTS = 20000, // of one round
    ROUNDS = 15,
    PAYLOAD = 100, // bytes
    RECORD_MAX = 512,
    REPORT = 4096, // commands after which an edge says what it has
    DRAIN_MAX = 1000,
    WAIT_MS = 20,
    PATIENCE = 500, // waits without progress
    ENDPOINT_ROOM = 128,
};

#define EDGE_ID "bench.00000000000000ff"

/* Times what the relay needs for one message. */
static const double s_event_most = 3.0, s_echo_most = 4.5;

/* ---- the relay ---- */

struct s_side {
    void *socket;
    char peer[256]; // routing id of the one peer that it has
    int peer_size;
};

static void s_bind(struct s_side *self, void *context, char *endpoint)
{
    size_t room = ENDPOINT_ROOM;
    int none = 0;
    self->socket = zmq_socket(context, ZMQ_ROUTER);
    (void)zmq_setsockopt(self->socket, ZMQ_RCVHWM, &none, sizeof none);
    (void)zmq_setsockopt(self->socket, ZMQ_SNDHWM, &none, sizeof none);
    if (zmq_bind(self->socket, "tcp://127.0.0.1:*") != 0 ||
        zmq_getsockopt(self->socket, ZMQ_LAST_ENDPOINT, endpoint, &room) != 0)
        bench_die("relay");
}

static void s_pass(struct s_side *from, const struct s_side *to, zmq_msg_t *frame)
{
    for (int taken = 0; taken < DRAIN_MAX; taken++) {
        int size = zmq_recv(from->socket, from->peer, sizeof from->peer, ZMQ_DONTWAIT);
        if (size < 0)
            return;
        from->peer_size = size;
        if (zmq_msg_recv(frame, from->socket, ZMQ_DONTWAIT) < 0)
            return;
        if (to->peer_size == 0)
            continue; // nobody is there yet
        (void)zmq_send(to->socket, to->peer, (size_t)to->peer_size, ZMQ_SNDMORE);
        (void)zmq_msg_send(frame, to->socket, 0);
    }
}

static void s_run_relay(int out)
{
    struct s_side edges = {.socket = NULL}, apps = {.socket = NULL};
    char text[2 * ENDPOINT_ROOM + 1], edge[ENDPOINT_ROOM], app[ENDPOINT_ROOM];
    void *context = zmq_ctx_new();
    zmq_msg_t frame;
    (void)zmq_msg_init(&frame);
    s_bind(&edges, context, edge);
    s_bind(&apps, context, app);
    int size = snprintf(text, sizeof text, "%s %s", edge, app);
    if (write(out, text, (size_t)size + 1) < 0)
        bench_die("relay");
    zmq_pollitem_t items[] = {{.socket = edges.socket, .events = ZMQ_POLLIN},
                              {.socket = apps.socket, .events = ZMQ_POLLIN}};
    while (zmq_poll(items, 2, -1) >= 0) {
        s_pass(&edges, &apps, &frame);
        s_pass(&apps, &edges, &frame);
    }
}

/* Returns its pid. */
static pid_t s_start_relay(char *edge, char *app)
{
    int ends[2];
    char text[2 * ENDPOINT_ROOM + 1];
    if (pipe(ends) != 0)
        bench_die("pipe");
    pid_t pid = fork();
    if (pid < 0)
        bench_die("fork");
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        s_run_relay(ends[1]);
        _exit(EXIT_FAILURE);
    }
    close(ends[1]);
    if (read(ends[0], text, sizeof text) <= 0)
        bench_die("relay");
    close(ends[0]);
    text[sizeof text - 1] = 0;
    if (sscanf(text, "%127s %127s", edge, app) != 2)
        bench_die("relay");
    return pid;
}

/* ---- the two ends ---- */

struct s_ends {
    void *edge, *app;
    pid_t server;
    bool is_relay;
    bool echoes;                    // the worker answers
    bool welcome, joined;           // the records that say so have come
    uint64_t seq[CHANNELS];         // last event of each channel
    uint64_t sent, taken, returned; // events, deliveries, SENDs since the start
    uint64_t acked;                 // sum of the acknowledged numbers of all channels
    uint64_t acked_seq[CHANNELS];
    uint64_t lastc, reported; // commands
    char boot[24];            // of the broker
};

static void *s_dealer(void *context, const char *endpoint)
{
    int none = 0;
    void *socket = zmq_socket(context, ZMQ_DEALER);
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    (void)zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none);
    (void)zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none);
    if (zmq_connect(socket, endpoint) != 0)
        bench_die("connect");
    return socket;
}

static void s_say(void *socket, const char *text, size_t size)
{
    if (zmq_send(socket, text, size, 0) < 0)
        bench_die("send");
}

static void s_say_text(void *socket, const char *text)
{
    s_say(socket, text, strlen(text));
}

static void s_report(struct s_ends *self)
{
    char text[RECORD_MAX];
    snprintf(text, sizeof text, "HB bench 00000000000000ff %llu boot=%s",
             (unsigned long long)self->lastc, self->boot);
    s_say_text(self->edge, text);
    self->reported = self->lastc;
}

static void s_send_event(struct s_ends *self)
{
    char text[RECORD_MAX];
    size_t channel = self->sent % CHANNELS;
    int size = snprintf(text, sizeof text, "TEXT " EDGE_ID ".%zx %llu\n%*s", channel + 1,
                        (unsigned long long)++self->seq[channel], PAYLOAD, "x");
    s_say(self->edge, text, (size_t)size);
    self->sent++;
}

static struct wire_text s_token(const struct wire_record *record, size_t at)
{
    return at < record->count ? record->token[at] : (struct wire_text){"-", 1};
}

/* What the worker does with one record. */
static void s_on_app(struct s_ends *self, const struct wire_record *record)
{
    char text[RECORD_MAX];
    struct wire_text verb = record->token[0], chan = s_token(record, 1);
    struct wire_text tag = s_token(record, 3);
    self->joined |= wire_is(verb, "JOINED") || wire_is(verb, "HELLO");
    bool event = wire_is(verb, "TEXT");
    if (event && self->echoes) {
        int size = snprintf(text, sizeof text, "SEND %.*s\n%.*s", (int)chan.size,
                            chan.data, (int)record->payload_size, record->payload);
        s_say(self->app, text, (size_t)size);
    }
    if (!self->is_relay && (event || wire_is(verb, "OPEN"))) {
        int size = snprintf(text, sizeof text, "ACK %.*s", (int)tag.size, tag.data);
        s_say(self->app, text, (size_t)size);
    }
    self->taken += event;
}

/* Lines "channel seq". */
static void s_take_acks(struct s_ends *self, const struct wire_record *record)
{
    const char *at = (const char *)record->payload, *end = at + record->payload_size;
    while (at && at < end) {
        unsigned channel;
        unsigned long long seq;
        if (sscanf(at, EDGE_ID ".%x %llu", &channel, &seq) == 2 && channel >= 1 &&
            channel <= CHANNELS) {
            self->acked += seq - self->acked_seq[channel - 1];
            self->acked_seq[channel - 1] = seq;
        }
        at = memchr(at, '\n', (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
}

static void s_on_edge(struct s_ends *self, const struct wire_record *record)
{
    uint64_t c;
    struct wire_text verb = record->token[0];
    self->welcome |= wire_is(verb, "WELCOME") || wire_is(verb, "JOIN");
    if (wire_is(verb, "WELCOME"))
        snprintf(self->boot, sizeof self->boot, "%.*s", (int)s_token(record, 2).size,
                 s_token(record, 2).data);
    if (wire_is(verb, "ACK"))
        s_take_acks(self, record);
    self->returned += wire_is(verb, "SEND");
    if (self->is_relay || wire_u64(s_token(record, 1), &c) < 0 || c == 0)
        return;
    self->lastc = c;
    if (self->lastc - self->reported >= REPORT)
        s_report(self);
}

static void s_drain(struct s_ends *self, void *socket,
                    void (*take)(struct s_ends *self, const struct wire_record *record))
{
    static struct wire_record record;
    zmq_msg_t frame;
    (void)zmq_msg_init(&frame);
    for (int taken = 0; taken < DRAIN_MAX; taken++) {
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0)
            break;
        if (wire_read(zmq_msg_data(&frame), zmq_msg_size(&frame), &record) == 0)
            take(self, &record);
    }
    (void)zmq_msg_close(&frame);
}

static bool s_turn(struct s_ends *self)
{
    zmq_pollitem_t items[] = {{.socket = self->edge, .events = ZMQ_POLLIN},
                              {.socket = self->app, .events = ZMQ_POLLIN}};
    bool any = zmq_poll(items, 2, WAIT_MS) > 0;
    s_drain(self, self->app, s_on_app);
    s_drain(self, self->edge, s_on_edge);
    return any;
}

/* Turns until *count has reached `goal`. */
static void s_await(struct s_ends *self, const uint64_t *count, uint64_t goal)
{
    int idle = 0;
    while (*count < goal && idle < PATIENCE)
        idle = s_turn(self) ? 0 : idle + 1;
    if (*count < goal) {
        fprintf(stderr, "%s: %llu of %llu came\n", self->is_relay ? "relay" : "broker",
                (unsigned long long)*count, (unsigned long long)goal);
        exit(EXIT_FAILURE);
    }
}

/* ---- starting ---- */

static void s_greet_relay(struct s_ends *self)
{
    for (int tries = 0; !(self->welcome && self->joined) && tries < PATIENCE; tries++) {
        s_say_text(self->app, "JOIN bench batch=1");
        s_say_text(self->edge, "HELLO bench");
        (void)s_turn(self);
    }
}

static void s_open_channels(struct s_ends *self)
{
    char text[RECORD_MAX];
    for (unsigned at = 0; at < CHANNELS; at++) {
        snprintf(text, sizeof text, "OPEN " EDGE_ID ".%x 1 bench 1 ws=1\n{}", at + 1);
        s_say_text(self->edge, text);
        self->seq[at] = 1;
    }
    s_await(self, &self->acked, CHANNELS);
}

static void s_greet_broker(struct s_ends *self)
{
    s_say_text(self->app, "JOIN bench window=10000 batch=1 id=a.1");
    s_say_text(self->edge, "HELLO bench 00000000000000ff - 0 proto=RW/1");
    for (int tries = 0; !(self->welcome && self->joined) && tries < PATIENCE; tries++)
        (void)s_turn(self);
    s_say_text(self->edge, "SYNCED");
    s_open_channels(self);
}

static struct s_ends *s_ends_new(void *context, const char *edge, const char *app)
{
    struct s_ends *self = mem_new(struct s_ends);
    self->edge = s_dealer(context, edge);
    self->app = s_dealer(context, app);
    return self;
}

static void s_ends_destroy(struct s_ends **self_p)
{
    (void)zmq_close((*self_p)->edge);
    (void)zmq_close((*self_p)->app);
    free(*self_p);
    *self_p = NULL;
}

/* ---- measuring ---- */

/* Seconds of CPU of the server for one event, or one echo. */
static double s_round(struct s_ends *self, bool echoes)
{
    const uint64_t *done = echoes ? &self->returned : &self->taken;
    uint64_t start = *done, begun = self->sent;
    double before = bench_process_seconds(self->server);
    self->echoes = echoes;
    while (self->sent - begun < EVENTS) {
        while (self->sent - begun < EVENTS &&
               self->sent - begun - (*done - start) < WINDOW)
            s_send_event(self);
        s_await(self, done, *done + 1);
    }
    s_await(self, done, start + EVENTS);
    if (!self->is_relay) // each channel began with the number of its OPEN
        s_await(self, &self->acked, self->sent + CHANNELS);
    return (bench_process_seconds(self->server) - before) / EVENTS;
}

static void s_print(const char *name, const char *where, double value)
{
    char line[64];
    snprintf(line, sizeof line, "%s%s", name, where);
    bench_line(line, value * 1e6, "us CPU");
}

/* Medians of [echoes][is the relay]. */
static void s_measure(struct s_ends *broker, struct s_ends *relay, double median[2][2],
                      const char *where)
{
    double seconds[4][ROUNDS];
    struct s_ends *ends[2] = {broker, relay};
    for (int round = 0; round < ROUNDS; round++)
        for (int at = 0; at < 4; at++)
            seconds[at][round] = s_round(ends[at % 2], at / 2);
    for (int at = 0; at < 4; at++)
        median[at / 2][at % 2] = bench_median(seconds[at], ROUNDS);
    s_print("relay, an event", where, median[0][1]);
    s_print("broker, an event", where, median[0][0]);
    s_print("relay, an echo", where, median[1][1]);
    s_print("broker, an echo", where, median[1][0]);
}

/* All threads of a process. */
static void s_place(pid_t pid, const cpu_set_t *cores)
{
    char path[64];
    struct dirent *entry;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    if (!folder)
        bench_die(path);
    while ((entry = readdir(folder))) {
        int thread = (int)strtol(entry->d_name, NULL, 10);
        if (thread > 0 && sched_setaffinity(thread, sizeof *cores, cores) != 0)
            bench_die("sched_setaffinity");
    }
    (void)closedir(folder);
}

/* Both servers on the first core, the ends on the others, if there are others. */
static void s_divide(const struct s_ends *broker, const struct s_ends *relay)
{
    cpu_set_t all, one;
    size_t first = 0;
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        bench_die("sched_getaffinity");
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    s_place(broker->server, &one);
    s_place(relay->server, &one);
    if (CPU_COUNT(&all) > 1)
        CPU_CLR(first, &all);
    s_place(getpid(), &all);
}

static void s_compare(struct s_ends *broker, struct s_ends *relay)
{
    double median[2][2];
    s_measure(broker, relay, median, ", as they are");
    bench_limit("broker, an event: ratio, as they are", median[0][0] / median[0][1], "",
                s_event_most);
    bench_limit("broker, an echo: ratio, as they are", median[1][0] / median[0][1], "",
                s_echo_most);
    s_divide(broker, relay);
    s_measure(broker, relay, median, "");
    bench_limit("broker, an event: ratio", median[0][0] / median[0][1], "", s_event_most);
    bench_limit("broker, an echo: ratio", median[1][0] / median[0][1], "", s_echo_most);
}

int main(void)
{
    static const char *const arguments[] = {"--bus-edges",
                                            "tcp://127.0.0.1:*",
                                            "--bus-apps",
                                            "tcp://127.0.0.1:*",
                                            "--bus-tap",
                                            "",
                                            "--bus-pull",
                                            "",
                                            "--bus-sub",
                                            "",
                                            "--ops-listen",
                                            "",
                                            "--edge-lease",
                                            "1h",
                                            "--worker-lease",
                                            "1h",
                                            "--log-level",
                                            "error",
                                            NULL};
    struct bench_daemon daemon;
    char edge[ENDPOINT_ROOM], app[ENDPOINT_ROOM];
    pid_t relay_pid = s_start_relay(edge, app); // before there are threads
    bench_start(&daemon, "ringway-broker", arguments);
    void *context = zmq_ctx_new();
    struct s_ends *relay = s_ends_new(context, edge, app);
    relay->server = relay_pid;
    relay->is_relay = true;
    s_greet_relay(relay);
    bench_ready_value(&daemon, "edges", edge, sizeof edge);
    bench_ready_value(&daemon, "apps", app, sizeof app);
    struct s_ends *broker = s_ends_new(context, edge, app);
    broker->server = daemon.pid;
    s_greet_broker(broker);
    s_compare(broker, relay);
    s_ends_destroy(&relay);
    s_ends_destroy(&broker);
    (void)zmq_ctx_term(context);
    bench_stop(&daemon);
    (void)kill(relay_pid, SIGTERM);
    return bench_finish();
}
