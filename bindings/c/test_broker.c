#include "bindings/c/test_broker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

struct test_broker test_broker;
struct rw_app *test_app;
char test_notes[8192];
int test_result;

void test_note(const char *format, ...)
{
    size_t used = strlen(test_notes);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(test_notes + used, sizeof test_notes - used, format, arguments);
    va_end(arguments);
}

int64_t test_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- The broker ---- */

static void s_bind(void)
{
    test_broker.router = zmq_socket(test_broker.context, ZMQ_ROUTER);
    int linger = 0;
    zmq_setsockopt(test_broker.router, ZMQ_LINGER, &linger, sizeof linger);
    int one = 1;
    if (test_broker.secret) {
        zmq_setsockopt(test_broker.router, ZMQ_CURVE_SERVER, &one, sizeof one);
        zmq_setsockopt(test_broker.router, ZMQ_CURVE_SECRETKEY, test_broker.secret, 41);
    }
    int64_t deadline_ms = test_now_ms() + DEADLINE_MS;
    const char *where =
        *test_broker.endpoint ? test_broker.endpoint : "tcp://127.0.0.1:*";
    while (zmq_bind(test_broker.router, where) < 0) {
        ck_assert_int_lt(test_now_ms(), deadline_ms);
        usleep(1000); // the system has not yet closed the port of the broker before
    }
    size_t size = sizeof test_broker.endpoint;
    zmq_getsockopt(test_broker.router, ZMQ_LAST_ENDPOINT, test_broker.endpoint, &size);
}

static void s_forget(size_t at)
{
    free(test_broker.seen[at].head);
    free(test_broker.seen[at].payload);
    test_broker.count--;
    memmove(&test_broker.seen[at], &test_broker.seen[at + 1],
            (test_broker.count - at) * sizeof *test_broker.seen);
}

void test_forget_all(void)
{
    while (test_broker.count)
        s_forget(test_broker.count - 1);
}

void test_send_raw(const void *frame, size_t size)
{
    zmq_send(test_broker.router, test_broker.peer, test_broker.peer_size, ZMQ_SNDMORE);
    ck_assert_int_eq(zmq_send(test_broker.router, frame, size, 0), (int)size);
}

void test_say(const char *format, ...)
{
    char frame[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(frame, sizeof frame, format, arguments);
    va_end(arguments);
    test_send_raw(frame, strlen(frame));
}

const char *test_event(const char *verb, const char *channel, int seq, const char *rest)
{
    static char ack[64];
    snprintf(ack, sizeof ack, "ACK %s.%u", test_broker.incarnation, ++test_broker.tags);
    test_say("%s %s %d %s%s", verb, channel, seq, ack + 4, rest);
    return ack;
}

bool test_option(const char *head, const char *key, char *out, size_t room)
{
    const char *at = strstr(head, key);
    if (!at)
        return false;
    at += strlen(key);
    snprintf(out, room, "%.*s", (int)strcspn(at, " "), at);
    return true;
}

void test_joined(const char *id)
{
    test_say("JOINED test - %s boot=%s inc=%s", id, test_broker.boot,
             test_broker.incarnation);
}

static void s_answer(const char *head)
{
    char verb[32] = "", key[128] = "", id[64];
    sscanf(head, "%31s %127s", verb, key);
    if (test_broker.mute && strcmp(test_broker.mute, verb) == 0)
        return;
    bool has_id = test_option(head, " id=", id, sizeof id);
    if (strcmp(verb, "LEAVE") == 0)
        test_say("LEFT %s - -", key);
    else if (has_id && test_broker.join_error && strcmp(verb, "JOIN") == 0)
        test_say("ERR %s - %s %s", key, id, test_broker.join_error);
    else if (has_id && strcmp(verb, "JOIN") == 0)
        test_joined(id);
    else if (has_id && test_broker.error)
        test_say("ERR %s - %s %s\nwhy", key, id, test_broker.error);
    else if (has_id && test_broker.info && strcmp(verb, "GET") == 0)
        test_say("INFO %s - %s\n%s", key, id, test_broker.info);
    else if (has_id)
        test_say("OK %s - %s%s", key, id,
                 strcmp(verb, "PUB") == 0 ? " pos=00000000000000e1:7" : "");
}

static bool s_take(void)
{
    char peer[32];
    int peer_size = zmq_recv(test_broker.router, peer, sizeof peer, ZMQ_DONTWAIT);
    if (peer_size < 0)
        return false;
    memcpy(test_broker.peer, peer, (size_t)peer_size);
    test_broker.peer_size = (size_t)peer_size;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    ck_assert_int_ge(zmq_msg_recv(&frame, test_broker.router, 0), 0);
    const char *data = zmq_msg_data(&frame);
    size_t size = zmq_msg_size(&frame);
    const char *end = memchr(data, '\n', size);
    size_t head = end ? (size_t)(end - data) : size;
    ck_assert_uint_lt(test_broker.count, SEEN_MAX);
    struct record *record = &test_broker.seen[test_broker.count++];
    record->head = strndup(data, head);
    record->size = end ? size - head - 1 : 0;
    record->payload = calloc(1, record->size + 1);
    if (end)
        memcpy(record->payload, end + 1, record->size);
    zmq_msg_close(&frame);
    s_answer(record->head);
    return true;
}

void test_pump(void)
{
    while (s_take())
        continue;
}

int test_turn(void)
{
    int result = 0;
    if (test_app)
        result = rw_app_poll(test_app, 2);
    else
        usleep(1000); // the application is another process
    test_pump();
    return result;
}

static bool s_starts(const char *head, const char *prefix)
{
    size_t size = strlen(prefix);
    return strncmp(head, prefix, size) == 0 && (head[size] == ' ' || !head[size]);
}

bool test_has_seen(const char *prefix)
{
    for (size_t at = 0; at < test_broker.count; at++)
        if (s_starts(test_broker.seen[at].head, prefix))
            return true;
    return false;
}

struct record test_expect(const char *prefix)
{
    static struct record last;
    int64_t deadline_ms = test_now_ms() + DEADLINE_MS;
    while (!test_has_seen(prefix)) {
        ck_assert_msg(test_now_ms() < deadline_ms, "no %s", prefix);
        test_turn();
    }
    free(last.head);
    free(last.payload);
    size_t at = 0;
    while (!s_starts(test_broker.seen[at].head, prefix))
        at++;
    last = test_broker.seen[at];
    last.head = strdup(last.head);
    last.payload = memcpy(calloc(1, last.size + 1), last.payload, last.size);
    s_forget(at);
    return last;
}

void test_until(const char *line)
{
    int64_t deadline_ms = test_now_ms() + DEADLINE_MS;
    while (!strstr(test_notes, line)) {
        ck_assert_msg(test_now_ms() < deadline_ms, "waited in vain for \"%s\" in:\n%s",
                      line, test_notes);
        test_turn();
    }
}

/* ---- The application ---- */

static int s_on_open(void *context, struct rw_channel *channel)
{
    test_note("open %s%s\n", rw_id(channel), rw_is_adopted(channel) ? " adopted" : "");
    if (context)
        ((void (*)(struct rw_channel *))(uintptr_t)context)(channel);
    return test_result;
}

static int s_on_message(void *context, struct rw_channel *channel,
                        const struct rw_message *message)
{
    (void)context;
    (void)channel;
    test_note("%s %.*s\n", message->is_binary ? "bin" : "text", (int)message->size,
              (const char *)message->data);
    return test_result;
}

static int s_on_body(void *context, struct rw_channel *channel,
                     const struct rw_message *part)
{
    (void)context;
    (void)channel;
    test_note("body %.*s%s\n", (int)part->size, (const char *)part->data,
              part->is_last ? " last" : "");
    return 0;
}

static void s_on_close(void *context, struct rw_channel *channel,
                       const struct rw_close *close)
{
    (void)context;
    test_note("close %s %d %s %s\n", rw_id(channel), close->status, close->cause,
              close->reason);
}

static void s_on_moved(void *context, struct rw_channel *channel)
{
    (void)context;
    test_note("moved %s\n", rw_id(channel));
}

static int s_on_slow(void *context, struct rw_channel *channel, size_t queued)
{
    (void)context;
    (void)channel;
    test_note("slow %zu\n", queued);
    return 0;
}

static int s_on_drain(void *context, struct rw_channel *channel)
{
    (void)context;
    (void)channel;
    test_note("drain\n");
    return 0;
}

static void s_on_failed(void *context, struct rw_channel *channel, const char *code,
                        const char *why)
{
    (void)context;
    test_note("failed %s %s %s\n", channel ? rw_id(channel) : "-", code, why);
}

static void s_on_ready(void *context, struct rw_app *app)
{
    (void)context;
    (void)app;
    test_note("ready\n");
}

static void s_on_restart(void *context, struct rw_app *app)
{
    (void)context;
    (void)app;
    test_note("restart\n");
}

static const struct rw_handlers s_handlers = {
    .on_open = s_on_open,
    .on_message = s_on_message,
    .on_body = s_on_body,
    .on_close = s_on_close,
    .on_moved = s_on_moved,
    .on_slow = s_on_slow,
    .on_drain = s_on_drain,
    .on_failed = s_on_failed,
    .on_ready = s_on_ready,
    .on_restart = s_on_restart,
};

void test_quiet(void *context, const char *line)
{
    (void)context;
    test_note("log %s\n", line);
}

void test_start(int64_t retry_ms, void (*opened)(struct rw_channel *channel))
{
    struct rw_options options = {
        .retry_ms = retry_ms, .name = "worker 1", .window = 7, .log = test_quiet};
    test_app = rw_app_new(test_broker.endpoint, "test", &options);
    ck_assert_ptr_nonnull(test_app);
    rw_app_handlers(test_app, &s_handlers, (void *)(uintptr_t)opened);
    test_until("ready\n");
}

void test_set_up(void)
{
    test_notes[0] = 0;
    test_result = 0;
    test_broker.endpoint[0] = 0;
    test_broker.mute = test_broker.error = test_broker.join_error = NULL;
    test_broker.secret = NULL;
    test_broker.boot = "b1";
    test_broker.incarnation = "i1";
    test_broker.context = zmq_ctx_new();
    s_bind();
}

void test_tear_down(void)
{
    rw_app_destroy(&test_app);
    test_forget_all();
    zmq_close(test_broker.router);
    zmq_ctx_term(test_broker.context);
}

void test_secure(const char *secret)
{
    test_broker.secret = secret;
    test_restart(test_broker.boot, test_broker.incarnation);
}

void test_restart(const char *boot, const char *incarnation)
{
    zmq_close(test_broker.router);
    test_forget_all();
    test_broker.boot = boot;
    test_broker.incarnation = incarnation;
    s_bind();
}

struct rw_channel *test_open(const char *channel, const char *meta)
{
    char rest[1024];
    snprintf(rest, sizeof rest, "\n%s", meta);
    test_expect(test_event("OPEN", channel, 1, rest));
    return test_app ? rw_app_channel(test_app, channel) : NULL;
}
