#include "gateway/channel.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A host whose bus is a text, and a carrier that notes how it was called. */

static char s_bus[2048];
static unsigned s_resumed, s_flushed;
static char s_answers[256];
static atomic_size_t s_total;
static struct gateway_settings s_settings;
static struct loop s_loop;

static void s_emit(struct channel_host *host, struct channel *channel,
                   const struct event *event)
{
    size_t used = strlen(s_bus);
    (void)host;
    (void)channel;
    snprintf(s_bus + used, sizeof s_bus - used, "%s %d%.*s|%.*s\n",
             event_verb_name(event->verb), (int)event->seq, event->head_size,
             (const char *)event->data, (int)event->size,
             (const char *)event->data + event->head_size);
}

static void s_answer(struct channel_host *host, uint64_t c, const char *error)
{
    size_t used = strlen(s_answers);
    (void)host;
    snprintf(s_answers + used, sizeof s_answers - used, "%d=%s ", (int)c,
             error ? error : "ok");
}

static void s_unsubscribe(struct channel_host *host, struct channel *channel)
{
    (void)host;
    (void)channel;
}

static void s_resume(struct channel *channel)
{
    (void)channel;
    s_resumed++;
}

static void s_flush(struct channel *channel)
{
    (void)channel;
    s_flushed++;
}

static const struct carrier s_carrier = {.resume = s_resume, .flush = s_flush};

static struct channel_host s_host(void)
{
    s_bus[0] = s_answers[0] = 0;
    s_resumed = s_flushed = 0;
    s_total = 0;
    s_settings = (struct gateway_settings){.out_queue = 100,
                                           .out_queue_total = 1000,
                                           .slow_at = 50,
                                           .drained_at = 10,
                                           .window_events = 3,
                                           .window_bytes = 1000,
                                           .service_events = 5,
                                           .service_bytes = 10000};
    return (struct channel_host){.loop = &s_loop,
                                 .settings = &s_settings,
                                 .prefix = "edge.0123456789abcdef.",
                                 .out_total = &s_total,
                                 .workers = 4,
                                 .index = 3,
                                 .emit = s_emit,
                                 .answer = s_answer,
                                 .unsubscribe_all = s_unsubscribe};
}

static void s_free_services(struct channel_host *host)
{
    while (host->services.first) {
        struct service *service =
            table_item(host->services.first, struct service, by_name);
        table_remove(&host->services, &service->by_name);
        free(service->name);
        free(service);
    }
}

static struct channel *s_channel(struct channel_host *host)
{
    struct channel *channel =
        channel_new(host, &s_carrier, host, channel_service(host, "chat"));
    channel_set_state(channel, CHANNEL_OPEN);
    return channel;
}

static void s_text(struct channel *channel, const char *text)
{
    struct iovec part = {.iov_base = (void *)text, .iov_len = strlen(text)};
    channel_event(channel, EVENT_TEXT, "", &part, 1);
}

START_TEST(an_id_names_its_worker_and_finds_its_channel)
{
    struct channel_host host = s_host();
    struct channel *channel = s_channel(&host);
    char text[CHANNEL_ID_ROOM];
    uint64_t id;
    channel_id_text(channel, text);
    ck_assert_int_eq(channel_id_parse(&host, text, strlen(text), &id), 0);
    ck_assert_uint_eq(id, channel->id);
    ck_assert_uint_eq(id % host.workers, host.index);
    ck_assert_ptr_eq(channel_find(&host, id), channel);
    ck_assert_int_lt(channel_id_parse(&host, "edge.x.1", 8, &id), 0);
    ck_assert_int_lt(channel_id_parse(&host, "edge.0123456789abcdef.", 22, &id), 0);
    ck_assert_int_lt(channel_id_parse(&host, "edge.0123456789abcdef.1G", 24, &id), 0);
    channel_destroy(&channel);
    ck_assert_ptr_null(channel_find(&host, id));
    s_free_services(&host);
}
END_TEST

START_TEST(a_full_window_blocks_until_acks_make_room)
{
    struct channel_host host = s_host();
    struct channel *channel = s_channel(&host);
    for (int at = 0; at < 3; at++) {
        ck_assert(channel_has_room(channel));
        s_text(channel, "x");
    }
    ck_assert(!channel_has_room(channel));
    channel_block(channel);
    channel_unblock(&host);
    ck_assert_uint_eq(s_resumed, 0);
    channel_acked(channel, 1);
    channel_unblock(&host);
    ck_assert_uint_eq(s_resumed, 1);
    channel_unblock(&host);
    ck_assert_uint_eq(s_resumed, 1);
    channel_destroy(&channel);
    s_free_services(&host);
}
END_TEST

START_TEST(a_service_window_is_shared_but_one_event_is_always_allowed)
{
    struct channel_host host = s_host();
    struct channel *one = s_channel(&host), *two = s_channel(&host),
                   *three = s_channel(&host);
    for (int at = 0; at < 3; at++)
        s_text(one, "x");
    for (int at = 0; at < 2; at++)
        s_text(two, "x");
    ck_assert(!channel_has_room(two));
    ck_assert(channel_has_room(three));
    channel_destroy(&one);
    ck_assert(channel_has_room(two));
    channel_destroy(&two);
    channel_destroy(&three);
    ck_assert_uint_eq(channel_service(&host, "chat")->events, 0);
    s_free_services(&host);
}
END_TEST

START_TEST(the_close_is_the_last_event_and_its_ack_frees_the_channel)
{
    struct channel_host host = s_host();
    struct channel *channel = s_channel(&host);
    uint64_t id = channel->id;
    struct channel_end end = {
        .status = 1000, .cause = "client", .reason = "bye", .reason_size = 3};
    struct channel_end again = {.status = 1006, .cause = "client"};
    s_text(channel, "x");
    channel_ended(channel, &end);
    channel_ended(channel, &again);
    ck_assert_str_eq(s_bus, "TEXT 1|x\nCLOSE 2 1000 cause=client|bye\n");
    channel_acked(channel, 1);
    ck_assert_ptr_nonnull(channel_find(&host, id));
    channel_acked(channel, 2);
    ck_assert_ptr_null(channel_find(&host, id));
    s_free_services(&host);
}
END_TEST

START_TEST(a_send_is_taken_below_the_cap_and_refused_at_it)
{
    struct channel_host host = s_host();
    struct channel *channel = s_channel(&host);
    char big[99] = {0};
    ck_assert_ptr_null(channel_queue(channel, blob_new(big, sizeof big)));
    ck_assert_ptr_null(channel_queue(channel, blob_new(big, sizeof big)));
    ck_assert_str_eq(channel_queue(channel, blob_new(big, sizeof big)), "full");
    channel_flush(&host);
    ck_assert_uint_eq(s_flushed, 1);
    ck_assert_uint_eq(s_total, 198);
    channel_destroy(&channel);
    channel_flush(&host);
    ck_assert_uint_eq(s_total, 0);
    s_free_services(&host);
}
END_TEST

static void s_owe(struct channel *channel, uint64_t c, int want)
{
    struct send_options options = {.receipt = c, .want = (unsigned)want};
    channel_owe(channel, &options);
}

START_TEST(a_receipt_waits_until_everything_before_it_is_written)
{
    struct channel_host host = s_host();
    struct channel *channel = s_channel(&host);
    s_owe(channel, 1, WANT_WRITTEN);
    (void)channel_queue(channel, blob_new("abcd", 4));
    s_owe(channel, 2, WANT_WRITTEN);
    (void)channel_queue(channel, blob_new("efgh", 4));
    s_owe(channel, 3, WANT_WRITTEN);
    ck_assert_str_eq(s_answers, "1=ok ");
    channel_written(channel, 5);
    ck_assert_str_eq(s_answers, "1=ok 2=ok ");
    channel_destroy(&channel);
    ck_assert_str_eq(s_answers, "1=ok 2=ok 3=gone ");
    s_free_services(&host);
}
END_TEST

START_TEST(what_the_client_has_is_answered_by_the_mark_it_brings_back)
{
    struct channel_host host = s_host();
    struct channel *channel = s_channel(&host);
    (void)channel_queue(channel, blob_new("abcd", 4));
    s_owe(channel, 1, WANT_RECEIVED);
    ck_assert(channel_awaits_client(channel));
    uint64_t mark = channel->queued_total;
    (void)channel_queue(channel, blob_new("efgh", 4));
    s_owe(channel, 2, WANT_RECEIVED);
    s_owe(channel, 0, WANT_RECEIVED);
    s_owe(channel, 3, WANT_ACCEPTED);
    channel_written(channel, 8);
    ck_assert_str_eq(s_answers, "");
    channel_received(channel, mark);
    ck_assert_str_eq(s_answers, "1=ok ");
    ck_assert(channel_awaits_client(channel));
    channel_destroy(&channel);
    ck_assert_str_eq(s_answers, "1=ok 2=gone ");
    s_free_services(&host);
}
END_TEST

START_TEST(an_open_is_kept_until_the_application_has_decided)
{
    struct channel_host host = s_host();
    struct channel *channel =
        channel_new(&host, &s_carrier, &host, channel_service(&host, "chat"));
    channel->needs_accept = true;
    channel_event(channel, EVENT_OPEN, "", NULL, 0);
    channel_acked(channel, 1);
    ck_assert_ptr_nonnull(channel->events.first);
    channel_decided(channel);
    ck_assert_ptr_null(channel->events.first);
    channel_destroy(&channel);
    s_free_services(&host);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel");
    TCase *tests = tcase_create("channel");
    tcase_add_test(tests, an_id_names_its_worker_and_finds_its_channel);
    tcase_add_test(tests, a_full_window_blocks_until_acks_make_room);
    tcase_add_test(tests, a_service_window_is_shared_but_one_event_is_always_allowed);
    tcase_add_test(tests, the_close_is_the_last_event_and_its_ack_frees_the_channel);
    tcase_add_test(tests, a_send_is_taken_below_the_cap_and_refused_at_it);
    tcase_add_test(tests, a_receipt_waits_until_everything_before_it_is_written);
    tcase_add_test(tests, what_the_client_has_is_answered_by_the_mark_it_brings_back);
    tcase_add_test(tests, an_open_is_kept_until_the_application_has_decided);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
