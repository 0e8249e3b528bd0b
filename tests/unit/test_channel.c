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

static struct service *s_chat(struct channel_host *host)
{
    channel_add_service(host, "chat");
    return channel_find_service(host, "chat");
}

static struct channel *s_channel(struct channel_host *host)
{
    struct channel *channel = channel_new(host, &s_carrier, host, s_chat(host));
    channel->is_websocket = true;
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
    channel_free_services(&host);
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
    channel_free_services(&host);
}
END_TEST

START_TEST(a_service_window_is_shared_and_holds_for_channels_without_an_event_too)
{
    struct channel_host host = s_host();
    struct channel *one = s_channel(&host), *two = s_channel(&host),
                   *three = s_channel(&host);
    for (int at = 0; at < 3; at++)
        s_text(one, "x");
    for (int at = 0; at < 2; at++)
        s_text(two, "x");
    ck_assert(!channel_has_room(two));
    ck_assert(!channel_has_room(three));
    channel_destroy(&one);
    ck_assert(channel_has_room(two));
    ck_assert(channel_has_room(three));
    channel_destroy(&two);
    channel_destroy(&three);
    ck_assert_uint_eq(s_chat(&host)->events, 0);
    channel_free_services(&host);
}
END_TEST

START_TEST(the_window_of_one_service_is_not_that_of_another)
{
    struct channel_host host = s_host();
    channel_add_service(&host, "other");
    struct channel *one = s_channel(&host), *two = s_channel(&host);
    struct channel *other =
        channel_new(&host, &s_carrier, &host, channel_find_service(&host, "other"));
    other->is_websocket = true;
    for (int at = 0; at < 3; at++) {
        s_text(one, "x");
        s_text(two, "x");
    }
    ck_assert(!channel_has_room(one) && !channel_has_room(two));
    ck_assert(channel_has_room(other));
    channel_block(one);
    channel_block(two);
    channel_event(other, EVENT_TEXT, "", NULL, 0);
    channel_acked(other, 1);
    channel_unblock(&host); // room there is no room here
    ck_assert_uint_eq(s_resumed, 0);
    channel_destroy(&one);
    channel_destroy(&two);
    channel_destroy(&other);
    channel_free_services(&host);
}
END_TEST

START_TEST(an_event_of_any_size_is_allowed_to_a_service_that_has_none)
{
    struct channel_host host = s_host();
    struct channel *one = s_channel(&host), *two = s_channel(&host);
    char big[20000] = {0};
    struct iovec part = {.iov_base = big, .iov_len = sizeof big};
    ck_assert(channel_has_room(one));
    channel_event(one, EVENT_TEXT, "", &part, 1);
    ck_assert(!channel_has_room(one));
    ck_assert(!channel_has_room(two));
    channel_acked(one, 1);
    ck_assert(channel_has_room(one) && channel_has_room(two));
    channel_destroy(&one);
    channel_destroy(&two);
    channel_free_services(&host);
}
END_TEST

START_TEST(opens_that_fill_the_window_leave_one_body_part_to_each)
{
    struct channel_host host = s_host();
    struct channel *all[5];
    for (int at = 0; at < 5; at++) {
        all[at] = channel_new(&host, &s_carrier, &host, s_chat(&host));
        channel_event(all[at], EVENT_OPEN, "", NULL, 0);
    }
    for (int at = 0; at < 5; at++)
        ck_assert(channel_has_room(all[at]));
    for (int part = 0; part < 4; part++) {
        ck_assert(channel_has_room(all[0]));
        channel_event(all[0], EVENT_BODY, "", NULL, 0);
    }
    ck_assert(!channel_has_room(all[0]));
    ck_assert(channel_has_room(all[1]));
    for (int at = 0; at < 5; at++)
        channel_destroy(&all[at]);
    channel_free_services(&host);
}
END_TEST

static struct channel *s_last_resumed[3];

static void s_resume_and_fill(struct channel *channel)
{
    ck_assert_uint_lt(s_resumed, 3);
    s_last_resumed[s_resumed++] = channel;
    s_text(channel, "x");
    channel_block(channel);
}

START_TEST(who_has_waited_longest_reads_on_first)
{
    static const struct carrier carrier = {.resume = s_resume_and_fill};
    struct channel_host host = s_host();
    struct channel *first = s_channel(&host), *all[3];
    s_settings.service_events = 2;
    s_text(first, "x");
    s_text(first, "x");
    for (int at = 0; at < 3; at++) {
        all[at] = s_channel(&host);
        all[at]->carrier = &carrier;
        channel_block(all[at]);
    }
    channel_acked(first, 1);
    channel_unblock(&host); // room for one
    ck_assert_uint_eq(s_resumed, 1);
    ck_assert_ptr_eq(s_last_resumed[0], all[0]);
    channel_acked(first, 2);
    channel_unblock(&host);
    ck_assert_uint_eq(s_resumed, 2);
    ck_assert_ptr_eq(s_last_resumed[1], all[1]);
    for (int at = 0; at < 3; at++)
        channel_destroy(&all[at]);
    channel_destroy(&first);
    ck_assert_ptr_null(s_chat(&host)->first_blocked);
    channel_free_services(&host);
}
END_TEST

static unsigned s_flows;

static void s_note_flow(struct channel *channel)
{
    (void)channel;
    s_flows++;
}

START_TEST(a_service_of_which_nobody_says_that_it_has_no_worker_has_one)
{
    static const struct carrier carrier = {.flow = s_note_flow};
    struct channel_host host = s_host();
    struct service *service = s_chat(&host);
    s_flows = 0;
    s_loop.now_ms = 100000;
    struct channel *channel = channel_new(&host, &carrier, &host, service);
    channel_flow(&host, service, false);
    s_loop.now_ms += 10000;
    channel_forget_flow(&host); // nothing of it waits
    ck_assert(!service->has_worker);
    channel_event(channel, EVENT_OPEN, "", NULL, 0);
    s_loop.now_ms += 2000;
    channel_flow(&host, service, false);
    s_loop.now_ms += 2900;
    channel_forget_flow(&host);
    ck_assert(!service->has_worker);
    s_loop.now_ms += 200;
    channel_forget_flow(&host);
    ck_assert(service->has_worker);
    ck_assert_uint_eq(s_flows, 1);
    channel_destroy(&channel);
    channel_free_services(&host);
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
    channel_free_services(&host);
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
    channel_free_services(&host);
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
    channel_free_services(&host);
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
    channel_free_services(&host);
}
END_TEST

START_TEST(an_open_is_kept_until_the_application_has_decided)
{
    struct channel_host host = s_host();
    struct channel *channel = channel_new(&host, &s_carrier, &host, s_chat(&host));
    channel->needs_accept = true;
    channel_event(channel, EVENT_OPEN, "", NULL, 0);
    channel_acked(channel, 1);
    ck_assert_ptr_nonnull(channel->events.first);
    channel_decided(channel);
    ck_assert_ptr_null(channel->events.first);
    channel_destroy(&channel);
    channel_free_services(&host);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel");
    TCase *tests = tcase_create("channel");
    tcase_add_test(tests, an_id_names_its_worker_and_finds_its_channel);
    tcase_add_test(tests, a_full_window_blocks_until_acks_make_room);
    tcase_add_test(
        tests, a_service_window_is_shared_and_holds_for_channels_without_an_event_too);
    tcase_add_test(tests, the_window_of_one_service_is_not_that_of_another);
    tcase_add_test(tests, an_event_of_any_size_is_allowed_to_a_service_that_has_none);
    tcase_add_test(tests, opens_that_fill_the_window_leave_one_body_part_to_each);
    tcase_add_test(tests, who_has_waited_longest_reads_on_first);
    tcase_add_test(tests, a_service_of_which_nobody_says_that_it_has_no_worker_has_one);
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
