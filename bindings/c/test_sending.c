/* What the application sends. */
#include "bindings/c/test_broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PART = RW_PART_MAX };
#define SKIP_TYPE                                                                        \
    "Content-Type: text/plain; charset=utf-8\nX-Content-Type-Options: nosniff\n\n"

START_TEST(a_message_goes_as_text_or_binary)
{
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    ck_assert_int_eq(rw_send_text(channel, "hello", 0), 0);
    struct record send = test_expect("SEND " CHANNEL);
    ck_assert_str_eq(send.payload, "hello");
    ck_assert_ptr_null(strstr(send.head, "bin=1"));
    ck_assert_int_eq(rw_send(channel, "\0", 1, RW_BINARY | RW_CLOSE), 0);
    send = test_expect("SEND " CHANNEL " bin=1 close=1");
    ck_assert_uint_eq(send.size, 1);
    ck_assert(!rw_is_open(channel));
    ck_assert_int_eq(rw_send_text(channel, "more", 0), -EPIPE);
}
END_TEST

START_TEST(pieces_are_put_together)
{
    test_start(0, NULL);
    char one[] = "one", two[] = "two";
    struct iovec parts[] = {{one, 3}, {NULL, 0}, {two, 3}};
    ck_assert_int_eq(rw_send_parts(test_open(CHANNEL, WS), parts, 3, 0), 0);
    ck_assert_str_eq(test_expect("SEND " CHANNEL).payload, "onetwo");
}
END_TEST

START_TEST(an_answer_has_a_head_and_always_a_type)
{
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, HTTP);
    struct rw_head head = {.status = 201, .headers = "X-A: b"};
    ck_assert_int_eq(rw_send_response(channel, &head, "hi", 2, RW_CLOSE), 0);
    ck_assert_str_eq(test_expect("SEND " CHANNEL " status=201 close=1").payload,
                     "X-A: b\n" SKIP_TYPE "hi");
    channel = test_open(OTHER, HTTP);
    head.headers = "content-type: a/b\n";
    ck_assert_int_eq(rw_send_response(channel, &head, "hi", 2, 0), 0);
    ck_assert_str_eq(test_expect("SEND " OTHER " status=201").payload,
                     "content-type: a/b\n\nhi");
    ck_assert_int_eq(rw_send_response(channel, &head, "more", 4, 0), 0);
    struct record later = test_expect("SEND " OTHER);
    ck_assert_str_eq(later.payload, "more");
    ck_assert_ptr_null(strstr(later.head, "status="));
}
END_TEST

START_TEST(a_bare_body_has_no_head)
{
    test_start(0, NULL);
    ck_assert_int_eq(rw_send_text(test_open(CHANNEL, HTTP), "hi", RW_CLOSE), 0);
    struct record send = test_expect("SEND " CHANNEL " close=1");
    ck_assert_str_eq(send.payload, "hi");
}
END_TEST

START_TEST(an_event_stream_is_asked_for_on_the_first_send)
{
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, HTTP);
    ck_assert_int_eq(rw_send_text(channel, "a", RW_SSE), 0);
    ck_assert_int_eq(rw_send_text(channel, "b", RW_SSE), 0);
    test_expect("SEND " CHANNEL " format=sse");
    ck_assert_ptr_null(strstr(test_expect("SEND " CHANNEL).head, "format"));
}
END_TEST

START_TEST(a_header_that_would_break_the_line_is_refused)
{
    static const char *const bad[] = {"X: a\rb\n", "no colon\n", "a b: c\n", ": c\n",
                                      "\nX: y"};
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, HTTP);
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++) {
        struct rw_head head = {.headers = bad[at]};
        ck_assert_int_eq(rw_send_response(channel, &head, "", 0, 0), -EINVAL);
    }
    ck_assert(rw_is_open(channel));
}
END_TEST

START_TEST(a_message_that_is_too_large_is_refused)
{
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    char *data = calloc(1, RW_MESSAGE_MAX + 1);
    ck_assert_int_eq(rw_send(channel, data, RW_MESSAGE_MAX + 1, 0), -EMSGSIZE);
    ck_assert_int_eq(rw_send(channel, data, RW_MESSAGE_MAX, 0), 0);
    ck_assert_uint_eq(test_expect("SEND " CHANNEL).size, RW_MESSAGE_MAX);
    free(data);
}
END_TEST

/* Collects an answer in parts up to its end; checks order by the pattern of s_fill. */
static void s_fill(char *data, size_t size)
{
    for (size_t at = 0; at < size; at++)
        data[at] = (char)('a' + at / 1000 % 26);
}

/* The body of a part; the head of the first is skipped. */
static size_t s_body_of(const struct record *part, const char **body)
{
    const char *end =
        strstr(part->head, "status=") ? strstr(part->payload, "\n\n") : NULL;
    *body = end ? end + 2 : part->payload;
    return part->size - (size_t)(*body - part->payload);
}

static void s_check_sized(const char *data, size_t size)
{
    char length[64];
    snprintf(length, sizeof length, "length=%zu", size);
    struct record part = test_expect("SEND " CHANNEL);
    ck_assert_ptr_nonnull(strstr(part.head, length));
    size_t got = 0;
    for (;;) {
        const char *body;
        size_t more = s_body_of(&part, &body);
        ck_assert_uint_le(got + more, size);
        ck_assert(memcmp(body, data + got, more) == 0);
        got += more;
        if (strstr(part.head, "close=1"))
            break;
        part = test_expect("SEND " CHANNEL);
    }
    ck_assert_uint_eq(got, size);
}

START_TEST(a_long_body_is_a_sized_answer_in_parts)
{
    static char data[3 * PART - 5];
    s_fill(data, sizeof data);
    test_start(0, NULL);
    struct rw_head head = {.status = 200};
    struct rw_channel *channel = test_open(CHANNEL, HTTP);
    ck_assert_int_eq(rw_send_response(channel, &head, data, sizeof data, RW_CLOSE), 0);
    s_check_sized(data, sizeof data);
}
END_TEST

START_TEST(a_file_is_a_sized_answer)
{
    static char data[7 * PART + 1];
    s_fill(data, sizeof data);
    char path[] = "/tmp/ringway-test-XXXXXX";
    int file = mkstemp(path);
    ck_assert_int_eq(write(file, data, sizeof data), (ssize_t)sizeof data);
    close(file);
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, HTTP);
    ck_assert_int_eq(rw_send_file(channel, path, NULL, RW_CLOSE), 0);
    s_check_sized(data, sizeof data);
    ck_assert_int_eq(rw_send_file(test_open(OTHER, HTTP), "/nowhere", NULL, 0), -ENOENT);
    unlink(path);
}
END_TEST

struct script {
    ssize_t sizes[8];
    size_t at;
};

static ssize_t s_script_read(void *context, void *data, size_t size)
{
    struct script *script = context;
    ssize_t next = script->sizes[script->at++];
    if (next > 0) {
        ck_assert_uint_ge(size, (size_t)next);
        memset(data, 'x', (size_t)next);
    }
    return next;
}

static void s_script_done(void *context)
{
    (void)context;
    test_note("done\n");
}

START_TEST(a_file_in_answer_to_head_is_its_size_alone)
{
    struct rw_stream stream = {.done = s_script_done, .size = 300000};
    test_start(0, NULL);
    struct rw_channel *channel =
        test_open(CHANNEL, "{\"carrier\":\"http\",\"method\":\"HEAD\"}");
    ck_assert_int_eq(rw_send_stream(channel, &stream, NULL, RW_CLOSE), 0);
    ck_assert_str_eq(test_expect("SEND " CHANNEL " status=200 close=1").payload,
                     "Content-Type: text/plain; charset=utf-8\n"
                     "X-Content-Type-Options: nosniff\nContent-Length: 300000\n\n");
    ck_assert_str_eq(test_notes + strlen(test_notes) - 5, "done\n");
}
END_TEST

static struct rw_stream s_stream(struct script *script, int64_t size)
{
    return (struct rw_stream){
        .read = s_script_read, .done = s_script_done, .context = script, .size = size};
}

START_TEST(a_stream_of_unknown_size_ends_with_a_close)
{
    struct script script = {.sizes = {3, 5, 0}};
    struct rw_stream stream = s_stream(&script, -1);
    test_start(0, NULL);
    ck_assert_int_eq(rw_send_stream(test_open(CHANNEL, HTTP), &stream, NULL, RW_CLOSE),
                     0);
    struct record part = test_expect("SEND " CHANNEL " want=written");
    ck_assert_uint_eq(part.size, 3);
    ck_assert_uint_eq(test_expect("SEND " CHANNEL).size, 5);
    test_expect("CLOSE " CHANNEL);
    test_until("done\n");
}
END_TEST

START_TEST(an_empty_stream_is_an_empty_answer)
{
    struct script script = {.sizes = {0}};
    struct rw_stream stream = s_stream(&script, -1);
    test_start(0, NULL);
    ck_assert_int_eq(rw_send_stream(test_open(CHANNEL, HTTP), &stream, NULL, RW_CLOSE),
                     0);
    struct record part = test_expect("SEND " CHANNEL);
    ck_assert_ptr_nonnull(strstr(part.head, "close=1"));
    ck_assert_uint_eq(part.size, 0);
}
END_TEST

START_TEST(a_stream_that_is_shorter_than_announced_is_cut)
{
    struct script script = {.sizes = {3, 0}};
    struct rw_stream stream = s_stream(&script, 10);
    test_start(0, NULL);
    ck_assert_int_eq(rw_send_stream(test_open(CHANNEL, HTTP), &stream, NULL, RW_CLOSE),
                     0);
    ck_assert_ptr_nonnull(strstr(test_expect("SEND " CHANNEL).head, "length=10"));
    test_expect("CLOSE " CHANNEL " 500");
}
END_TEST

START_TEST(a_stream_that_fails_is_cut)
{
    struct script script = {.sizes = {3, -EIO}};
    struct rw_stream stream = s_stream(&script, -1);
    test_start(0, NULL);
    ck_assert_int_eq(rw_send_stream(test_open(CHANNEL, HTTP), &stream, NULL, 0), 0);
    test_expect("SEND " CHANNEL);
    test_expect("CLOSE " CHANNEL " 500");
    ck_assert_ptr_nonnull(strstr(test_notes, "done\n"));
}
END_TEST

START_TEST(a_websocket_gets_a_stream_as_one_message)
{
    struct script script = {.sizes = {3, 5, 0}};
    struct rw_stream stream = s_stream(&script, -1);
    test_start(0, NULL);
    ck_assert_int_eq(rw_send_stream(test_open(CHANNEL, WS), &stream, NULL, 0), 0);
    ck_assert_uint_eq(test_expect("SEND " CHANNEL " bin=1").size, 8);
    ck_assert_ptr_nonnull(strstr(test_notes, "done\n"));
}
END_TEST

START_TEST(at_most_four_parts_are_under_way)
{
    struct script script = {.sizes = {1, 1, 1, 1, 1, 1, 0}};
    struct rw_stream stream = s_stream(&script, -1);
    char id[64];
    test_start(100000, NULL);
    test_broker.mute = "SEND";
    struct rw_channel *channel = test_open(CHANNEL, HTTP);
    ck_assert_int_eq(rw_send_stream(channel, &stream, NULL, 0), 0);
    ck_assert_int_eq(rw_send_text(channel, "after", 0), 0);
    test_option(test_expect("SEND " CHANNEL).head, " id=", id, sizeof id);
    for (int count = 0; count < 3; count++)
        test_expect("SEND " CHANNEL);
    test_expect(test_event("DRAINED", CHANNEL, 2, ""));
    ck_assert(!test_has_seen("SEND"));
    test_broker.mute = NULL;
    test_say("OK " CHANNEL " - %s", id);
    ck_assert_uint_eq(test_expect("SEND " CHANNEL).size, 1);
    ck_assert_uint_eq(test_expect("SEND " CHANNEL).size, 1);
    ck_assert_str_eq(test_expect("SEND " CHANNEL).payload, "after");
}
END_TEST

static int s_hook(void *context, const struct iovec *data, struct iovec *out)
{
    if (data->iov_len == 0)
        return -EINVAL;
    out->iov_base = malloc(64);
    out->iov_len = (size_t)snprintf(out->iov_base, 64, "%s%.*s", (const char *)context,
                                    (int)data->iov_len, (const char *)data->iov_base);
    return 0;
}

START_TEST(the_hook_is_applied_to_what_is_sent)
{
    static char prefix[] = "> ";
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    rw_on_send(channel, s_hook, prefix);
    ck_assert_int_eq(rw_send_text(channel, "x", 0), 0);
    ck_assert_str_eq(test_expect("SEND " CHANNEL).payload, "> x");
    ck_assert_int_eq(rw_send_text(channel, "", 0), -EINVAL);
}
END_TEST

START_TEST(closing_counts_at_once_and_a_second_time_does_nothing)
{
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    ck_assert_int_eq(rw_close(channel, 4000, "enough"), 0);
    ck_assert(!rw_is_open(channel));
    ck_assert_int_eq(rw_close(channel, 0, NULL), -EPIPE);
    ck_assert_str_eq(test_expect("CLOSE " CHANNEL " 4000").payload, "enough");
}
END_TEST

START_TEST(a_websocket_is_accepted_or_refused)
{
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    ck_assert_int_eq(rw_accept(channel, rw_request_offer(channel, 0), "X-A: b\n"), 0);
    ck_assert_str_eq(test_expect("ACCEPT " CHANNEL " protocol=chat.1").payload,
                     "X-A: b\n");
    ck_assert_ptr_null(rw_request_offer(channel, 1));
    channel = test_open(OTHER, WS);
    struct rw_head head = {.status = 403};
    ck_assert_int_eq(rw_send_response(channel, &head, "no", 2, RW_CLOSE), 0);
    test_expect("SEND " OTHER " status=403 close=1");
}
END_TEST

START_TEST(topics_are_subscribed_published_and_left)
{
    char long_topic[300];
    memset(long_topic, 'x', sizeof long_topic);
    long_topic[sizeof long_topic - 1] = 0;
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    ck_assert_int_eq(rw_subscribe(channel, "rooms/a b"), 0);
    ck_assert_int_eq(rw_publish(test_app, "rooms/a b", "hello", 5, RW_BINARY), 0);
    ck_assert_int_eq(rw_publish_others(channel, "rooms/a b", "hi", 2, 0), 0);
    ck_assert_int_eq(rw_unsubscribe(channel, "rooms/a b"), 0);
    ck_assert_int_eq(rw_publish(test_app, long_topic, "", 0, 0), -EINVAL);
    ck_assert_int_eq(rw_subscribe(channel, ""), -EINVAL);
    test_expect("SUB " CHANNEL " rooms/a%20b");
    ck_assert_str_eq(test_expect("PUB rooms/a%20b bin=1").payload, "hello");
    test_expect("PUB rooms/a%20b except=" CHANNEL);
    test_expect("UNSUB " CHANNEL " rooms/a%20b");
    ck_assert_int_eq(rw_send_to(test_app, CHANNEL "," OTHER, "all", 3, 0), 0);
    test_expect("SEND " CHANNEL "," OTHER);
}
END_TEST

static void s_placed(void *context, const char *position, const char *error)
{
    test_note("%s placed %s %s\n", (const char *)context, position ? position : "-",
              error ? error : "ok");
}

START_TEST(a_publication_has_options_and_its_position)
{
    static char name[] = "one";
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    struct rw_publication options = {.but = channel,
                                     .live_only = true,
                                     .ttl_s = 60,
                                     .key = "a b",
                                     .collapse = "c",
                                     .done = s_placed,
                                     .context = name};
    struct iovec data = {name, 3};
    ck_assert_int_eq(rw_publish_with(test_app, "t", &data, RW_BINARY, &options), 0);
    test_expect("PUB t key=a%20b collapse=c except=" CHANNEL " hist=0 ttl=60 bin=1");
    test_until("one placed 00000000000000e1:7 ok");
    options =
        (struct rw_publication){.is_durable = true, .done = s_placed, .context = name};
    test_broker.error = "store";
    ck_assert_int_eq(rw_publish_with(test_app, "t", &data, 0, &options), 0);
    test_expect("PUB t durable=1");
    test_until("one placed - store");
    options.ttl_s = 31536001;
    ck_assert_int_eq(rw_publish_with(test_app, "t", &data, 0, &options), -EINVAL);
    options = (struct rw_publication){.key = ""};
    ck_assert_int_eq(rw_publish_with(test_app, "t", &data, 0, &options), -EINVAL);
}
END_TEST

START_TEST(labels_are_given_and_sets_are_named)
{
    char long_label[200];
    memset(long_label, 'x', sizeof long_label);
    long_label[RW_LABEL_MAX + 1] = 0;
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    ck_assert_int_eq(rw_label(channel, "amy smith"), 0);
    test_expect("LABEL " CHANNEL " amy%20smith");
    ck_assert_int_eq(rw_label(channel, NULL), 0);
    test_expect("LABEL " CHANNEL " -");
    ck_assert_int_eq(rw_label(channel, ""), -EINVAL);
    ck_assert_int_eq(rw_label(channel, long_label), -EINVAL);
    ck_assert_int_eq(
        rw_cast(test_app, "c:" CHANNEL "\nu:amy smith\n-u:bob\n", "hi", 2, RW_BINARY), 0);
    ck_assert_str_eq(test_expect("CAST 3 bin=1").payload,
                     "c:" CHANNEL "\nu:amy%20smith\n-u:bob\nhi");
    ck_assert_int_eq(rw_cast(test_app, "t:a b/c\n-t:d\n", "hi", 2, 0), 0);
    ck_assert_str_eq(test_expect("CAST 2").payload, "t:a%20b/c\n-t:d\nhi");
    static const char *const bad[] = {"t:a/*\n", "",      "x:1\n", "u:\n",
                                      "-\n",     "u:amy", "\n",    "u"};
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++)
        ck_assert_int_eq(rw_cast(test_app, bad[at], "hi", 2, 0), -EINVAL);
}
END_TEST

static void s_enter(void *context, const char *topic, const char *id, const char *label)
{
    test_note("enter %s %s %s\n", topic, id, label ? label : "-");
    if (context && label && strcmp(label, "last") == 0)
        ck_assert_int_eq(rw_unwatch(test_app, topic), 0);
}

static void s_exit(void *context, const char *topic, const char *id, const char *label)
{
    (void)context;
    test_note("exit %s %s %s\n", topic, id, label ? label : "-");
}

#define SHOWN(n, list) "PRESENT rooms/a%%20b " n " -\n{\"present\":[" list "]}"

START_TEST(a_watched_topic_is_kept_up_to_date)
{
    test_start(0, NULL);
    const struct rw_watcher watcher = {s_enter, s_exit, test_app};
    ck_assert_int_eq(rw_watch(test_app, "rooms/a b", &watcher), 0);
    ck_assert_int_eq(rw_watch(test_app, "rooms/a b", &watcher), -EINVAL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    ck_assert_int_eq(rw_subscribe_present(channel, "rooms/a b"), 0);
    test_expect("SUB " CHANNEL " rooms/a%20b presence=1");
    test_expect("WATCH rooms/a%20b");
    test_say(SHOWN("1", "{\"id\":\"one\",\"label\":\"amy%%20s\"}"));
    test_until("enter rooms/a b one amy s");
    test_say("ENTER rooms/a%%20b 2 two\n");
    test_until("enter rooms/a b two -");
    test_say("EXIT rooms/a%%20b 3 one");
    test_until("exit rooms/a b one amy s");
    test_restart("00000000000000b2", "i2");
    test_expect("JOIN");
    test_expect("WATCH rooms/a%20b");
    test_say(SHOWN("1", "{\"id\":\"three\",\"label\":null}"));
    test_until("enter rooms/a b three -");
    test_until("exit rooms/a b two -");
    test_say("ENTER rooms/a%%20b 2 four\nlast"); // its callback ends the watch
    test_until("enter rooms/a b four last");
    test_expect("UNWATCH rooms/a%20b");
    ck_assert_int_eq(rw_unwatch(test_app, "rooms/a b"), -ENOENT);
}
END_TEST

static void s_note_receipt(void *context, const char *error)
{
    test_note("receipt %s %s\n", (const char *)context, error ? error : "ok");
}

static int s_send_receipt(struct rw_channel *channel, const char *want, size_t size)
{
    static char data[RW_PART_MAX + 1];
    static char name[16];
    snprintf(name, sizeof name, "%s", want);
    const struct rw_receipt receipt = {want, s_note_receipt, name};
    const struct iovec all = {data, size};
    return rw_send_receipt(channel, &all, 0, &receipt);
}

START_TEST(a_send_may_ask_to_be_answered_when_it_is_written_or_received)
{
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    ck_assert_int_eq(s_send_receipt(channel, "written", 1), 0);
    test_expect("SEND " CHANNEL " want=written");
    test_until("receipt written ok\n");
    ck_assert_int_eq(s_send_receipt(channel, "received", 1), 0);
    test_expect("SEND " CHANNEL " want=received");
    test_until("receipt received ok\n");
    test_broker.error = "full";
    ck_assert_int_eq(s_send_receipt(channel, "accepted", 1), 0);
    test_until("receipt accepted full\n");
    ck_assert_ptr_null(strstr(test_notes, "failed")); // who has a receipt needs no more
}
END_TEST

START_TEST(a_receipt_that_cannot_be_had_is_refused_at_once)
{
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, HTTP);
    ck_assert_int_eq(s_send_receipt(channel, "read", 1), -EINVAL);
    ck_assert_int_eq(s_send_receipt(channel, "received", 1), -ENOTSUP);
    ck_assert_int_eq(s_send_receipt(channel, "written", RW_PART_MAX + 1), -EMSGSIZE);
    ck_assert_int_eq(s_send_receipt(channel, "written", 1), 0);
    test_until("receipt written ok\n");
    ck_assert_int_eq(rw_close(channel, 0, NULL), 0);
    ck_assert_int_eq(s_send_receipt(channel, "written", 1), -EPIPE);
}
END_TEST

START_TEST(ids_that_are_none_are_not_sent)
{
    test_start(0, NULL);
    char ids[65 * 4];
    for (size_t at = 0; at < 65; at++)
        memcpy(ids + at * 4, "a.b,", 4);
    ids[sizeof ids - 1] = 0; // 65 ids
    ck_assert_int_eq(rw_send_to(test_app, ids, "x", 1, 0), -EINVAL);
    ck_assert_int_eq(rw_send_to(test_app, "", "x", 1, 0), -EINVAL);
    ck_assert_int_eq(rw_send_to(test_app, "a b", "x", 1, 0), -EINVAL);
    ck_assert_int_eq(rw_send_to(test_app, "a\nforged", "x", 1, 0), -EINVAL);
    ids[sizeof ids - 5] = 0; // 64
    ck_assert_int_eq(rw_send_to(test_app, ids, "x", 1, 0), 0);
    test_expect("SEND");
}
END_TEST

START_TEST(an_error_of_the_broker_is_told)
{
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    test_broker.error = "full";
    ck_assert_int_eq(rw_send_text(channel, "x", 0), 0);
    test_until("failed " CHANNEL " full why\n");
    ck_assert(rw_is_open(channel));
}
END_TEST

START_TEST(a_channel_that_is_gone_is_known_by_the_answer)
{
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    test_broker.error = "gone";
    ck_assert_int_eq(rw_send_text(channel, "x", 0), 0);
    test_until("failed " CHANNEL " gone why\n");
    ck_assert(!rw_is_open(channel));
    ck_assert_int_eq(rw_send_text(channel, "x", 0), -EPIPE);
    test_expect("CHECK " CHANNEL);
}
END_TEST

void test_add_sending(TCase *tests)
{
    tcase_add_test(tests, a_message_goes_as_text_or_binary);
    tcase_add_test(tests, pieces_are_put_together);
    tcase_add_test(tests, an_answer_has_a_head_and_always_a_type);
    tcase_add_test(tests, a_bare_body_has_no_head);
    tcase_add_test(tests, an_event_stream_is_asked_for_on_the_first_send);
    tcase_add_test(tests, a_header_that_would_break_the_line_is_refused);
    tcase_add_test(tests, a_message_that_is_too_large_is_refused);
    tcase_add_test(tests, a_long_body_is_a_sized_answer_in_parts);
    tcase_add_test(tests, a_file_is_a_sized_answer);
    tcase_add_test(tests, a_file_in_answer_to_head_is_its_size_alone);
    tcase_add_test(tests, a_stream_of_unknown_size_ends_with_a_close);
    tcase_add_test(tests, an_empty_stream_is_an_empty_answer);
    tcase_add_test(tests, a_stream_that_is_shorter_than_announced_is_cut);
    tcase_add_test(tests, a_stream_that_fails_is_cut);
    tcase_add_test(tests, a_websocket_gets_a_stream_as_one_message);
    tcase_add_test(tests, at_most_four_parts_are_under_way);
    tcase_add_test(tests, the_hook_is_applied_to_what_is_sent);
    tcase_add_test(tests, closing_counts_at_once_and_a_second_time_does_nothing);
    tcase_add_test(tests, a_websocket_is_accepted_or_refused);
    tcase_add_test(tests, topics_are_subscribed_published_and_left);
    tcase_add_test(tests, a_publication_has_options_and_its_position);
    tcase_add_test(tests, labels_are_given_and_sets_are_named);
    tcase_add_test(tests, a_watched_topic_is_kept_up_to_date);
    tcase_add_test(tests, a_send_may_ask_to_be_answered_when_it_is_written_or_received);
    tcase_add_test(tests, a_receipt_that_cannot_be_had_is_refused_at_once);
    tcase_add_test(tests, ids_that_are_none_are_not_sent);
    tcase_add_test(tests, an_error_of_the_broker_is_told);
    tcase_add_test(tests, a_channel_that_is_gone_is_known_by_the_answer);
}
