/* Joining, and what comes. */
#include "bindings/c/test_broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(it_joins_with_window_name_and_an_id)
{
    test_start(0, NULL);
    struct record join =
        test_expect("JOIN test window=7 name=worker%201 pressure=1 batch=1 proto=RW/1");
    ck_assert_ptr_nonnull(strstr(join.head, " id="));
    join = test_expect("JOIN test");
    ck_assert_ptr_null(strstr(join.head, " id="));
}
END_TEST

START_TEST(what_is_not_allowed_is_refused_at_once)
{
    struct rw_options options = {.window = 10001};
    ck_assert_ptr_null(rw_app_new(NULL, "a b", NULL));
    ck_assert_ptr_null(rw_app_new(NULL, "", NULL));
    ck_assert_ptr_null(rw_app_new("nonsense", "test", NULL));
    ck_assert_ptr_null(rw_app_new(NULL, "test", &options));
    static const char *const names[] = {
        "", "-",
        "a name of more than sixty-four bytes is refused by the broker, so here"};
    for (size_t at = 0; at < 3; at++) {
        struct rw_options named = {.name = names[at]};
        ck_assert_ptr_null(rw_app_new(NULL, "test", &named));
    }
    ck_assert_ptr_null(rw_app_new(NULL, NULL, NULL));
}
END_TEST

START_TEST(the_request_is_handed_over_as_it_came)
{
    test_start(0, NULL);
    struct rw_channel *channel = test_open(
        CHANNEL, "{\"method\":\"POST\",\"target\":\"/a%20b?x=1&y=%C3%BC+z&e\","
                 "\"headers\":[[\"cookie\",\"a=1\"],[\"cookie\",\"b=2\"]],"
                 "\"params\":{\"room\":\"r\"},\"peer\":\"192.0.2.1:5\","
                 "\"carrier\":\"http\",\"route\":\"all\",\"body\":\"whole\"}\nbo\ndy");
    size_t size;
    ck_assert_str_eq(rw_request_method(channel), "POST");
    ck_assert_str_eq(rw_request_path(channel), "/a b");
    ck_assert_str_eq(rw_request_query(channel, "y"), "ü z");
    ck_assert_str_eq(rw_request_query(channel, "e"), "");
    ck_assert_ptr_null(rw_request_query(channel, "z"));
    ck_assert_str_eq(rw_request_header(channel, "Cookie"), "a=1");
    ck_assert_ptr_null(rw_request_header(channel, "host"));
    ck_assert_str_eq(rw_request_param(channel, "room"), "r");
    ck_assert_str_eq(rw_request_peer(channel), "192.0.2.1:5");
    ck_assert_str_eq(rw_request_route(channel), "all");
    ck_assert_mem_eq(rw_request_body(channel, &size), "bo\ndy", 5);
    ck_assert_uint_eq(size, 5);
    ck_assert(!rw_is_websocket(channel));
}
END_TEST

START_TEST(metadata_that_cannot_be_read_ends_the_channel_and_nothing_else)
{
    test_start(0, NULL);
    test_open(CHANNEL, "{no");
    test_expect("CLOSE " CHANNEL " 500");
    ck_assert_ptr_nonnull(test_open(OTHER, WS));
    ck_assert_ptr_null(strstr(test_notes, "open " CHANNEL));
}
END_TEST

START_TEST(messages_come_as_text_and_bytes_in_order)
{
    test_start(0, NULL);
    test_open(CHANNEL, WS);
    test_event("TEXT", CHANNEL, 2, "\none");
    test_event("BIN", CHANNEL, 3, "\ntwo");
    test_expect(test_event("TEXT", CHANNEL, 4, "\n"));
    ck_assert_ptr_nonnull(strstr(test_notes, "text one\nbin two\ntext \n"));
}
END_TEST

START_TEST(an_event_that_comes_twice_is_handled_once_and_acknowledged_twice)
{
    test_start(0, NULL);
    test_open(CHANNEL, WS);
    test_expect(test_event("TEXT", CHANNEL, 2, "\nonce"));
    test_expect(test_event("TEXT", CHANNEL, 2, "\ntwice"));
    test_open(CHANNEL, WS);
    ck_assert_str_eq(test_notes, "ready\nopen " CHANNEL "\ntext once\n");
}
END_TEST

static int s_look_for_ack(void *context, struct rw_channel *channel,
                          const struct rw_message *message)
{
    (void)context;
    (void)channel;
    (void)message;
    usleep(100000); // longer than an acknowledgement is held back
    test_pump();
    test_note("acknowledged early: %d\n", test_has_seen("ACK i1.2"));
    return 0;
}

static void s_set_slow(struct rw_channel *channel)
{
    const struct rw_handlers own = {.on_message = s_look_for_ack};
    rw_set_handlers(channel, &own, NULL);
}

START_TEST(an_event_is_acknowledged_after_its_callback_has_returned)
{
    test_start(0, s_set_slow);
    test_open(CHANNEL, WS);
    const char *ack = test_event("TEXT", CHANNEL, 2, "\nx");
    ck_assert_str_eq(ack, "ACK i1.2");
    test_expect(ack);
    ck_assert_ptr_nonnull(strstr(test_notes, "acknowledged early: 0\n"));
}
END_TEST

static int s_note_attempt(void *context, struct rw_channel *channel,
                          const struct rw_message *message)
{
    (void)context;
    (void)message;
    test_note("attempt %u\n", rw_attempt(channel));
    return 0;
}

static void s_set_attempt(struct rw_channel *channel)
{
    const struct rw_handlers own = {.on_message = s_note_attempt};
    rw_set_handlers(channel, &own, NULL);
}

START_TEST(it_is_known_how_often_an_event_was_delivered)
{
    test_start(0, s_set_attempt);
    test_open(CHANNEL, WS);
    test_event("TEXT", CHANNEL, 2, "\nx");
    test_expect(test_event("TEXT", CHANNEL, 3, " try=2\nx"));
    ck_assert_ptr_nonnull(strstr(test_notes, "attempt 1\nattempt 2\n"));
}
END_TEST

START_TEST(several_events_are_acknowledged_by_the_last)
{
    test_start(0, NULL);
    test_open(CHANNEL, WS);
    for (int seq = 2; seq < 40; seq++)
        test_event("TEXT", CHANNEL, seq, "\nx");
    test_expect(test_event("TEXT", CHANNEL, 40, "\nlast"));
    ck_assert_ptr_nonnull(strstr(test_notes, "text last\n"));
}
END_TEST

static int s_on_message_own(void *context, struct rw_channel *channel,
                            const struct rw_message *message)
{
    (void)channel;
    test_note("own %s %.*s\n", (const char *)context, (int)message->size,
              (const char *)message->data);
    return 0;
}

static void s_set_own(struct rw_channel *channel)
{
    static char name[] = "context";
    struct rw_handlers own = {.on_message = s_on_message_own};
    rw_set_handlers(channel, &own, name);
    rw_set_data(channel, name);
}

START_TEST(a_channel_may_have_handlers_and_data_of_its_own)
{
    test_start(0, s_set_own);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    ck_assert_str_eq(rw_data(channel), "context");
    test_expect(test_event("TEXT", CHANNEL, 2, "\nx"));
    test_expect(test_event("CLOSE", CHANNEL, 3, " 1000 cause=client\n"));
    ck_assert_ptr_nonnull(
        strstr(test_notes, "own context x\nclose " CHANNEL " 1000 client \n"));
}
END_TEST

START_TEST(a_close_is_told_once_with_status_cause_and_reason)
{
    test_start(0, NULL);
    test_open(CHANNEL, WS);
    for (int count = 0; count < 2; count++)
        test_expect(test_event("CLOSE", CHANNEL, 2, " 1001 cause=client\nbye"));
    test_open(CHANNEL, WS);
    ck_assert_str_eq(test_notes,
                     "ready\nopen " CHANNEL "\nclose " CHANNEL " 1001 client bye\n");
    ck_assert_ptr_null(rw_app_channel(test_app, CHANNEL));
}
END_TEST

START_TEST(events_of_a_channel_that_is_not_known_are_acknowledged_only)
{
    test_start(0, NULL);
    test_expect(test_event("TEXT", CHANNEL, 2, "\nx"));
    test_expect(test_event("CLOSE", CHANNEL, 3, " 1006 cause=client\n"));
    ck_assert_str_eq(test_notes, "ready\n");
}
END_TEST

START_TEST(a_handler_that_fails_ends_its_channel_and_the_event_is_acknowledged)
{
    test_start(0, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    test_result = -5;
    const char *ack = test_event("TEXT", CHANNEL, 2, "\nx");
    test_expect("CLOSE " CHANNEL " 500");
    test_expect(ack);
    ck_assert(!rw_is_open(channel));
    ck_assert_int_eq(rw_send_text(channel, "x", 0), -EPIPE);
    test_expect(test_event("CLOSE", CHANNEL, 3, " 0 cause=app-error\n"));
    test_until("close " CHANNEL " 0 app-error");
}
END_TEST

START_TEST(a_channel_that_is_refused_goes_back)
{
    test_start(0, NULL);
    test_result = RW_REFUSE;
    char nack[64];
    snprintf(nack, sizeof nack, "N%s", test_event("OPEN", CHANNEL, 1, "\n" WS));
    test_expect(nack);
    ck_assert_ptr_null(rw_app_channel(test_app, CHANNEL));
}
END_TEST

START_TEST(a_body_that_follows_is_handed_over_in_parts)
{
    test_start(0, NULL);
    struct rw_channel *channel =
        test_open(CHANNEL, "{\"carrier\":\"http\",\"body\":\"follows\"}");
    ck_assert(rw_request_body_follows(channel));
    test_event("BODY", CHANNEL, 2, "\none");
    test_expect(test_event("BODY", CHANNEL, 3, " end=1\ntwo"));
    ck_assert_ptr_nonnull(strstr(test_notes, "body one\nbody two last\n"));
}
END_TEST

START_TEST(a_client_that_is_slow_is_told_and_so_is_the_end_of_it)
{
    test_start(0, NULL);
    test_open(CHANNEL, WS);
    test_event("SLOW", CHANNEL, 2, " 1048576");
    test_expect(test_event("DRAINED", CHANNEL, 3, ""));
    ck_assert_ptr_nonnull(strstr(test_notes, "slow 1048576\ndrain\n"));
    ck_assert(!rw_is_slow(rw_app_channel(test_app, CHANNEL)));
    test_expect(test_event("SLOW", CHANNEL, 4, " 1048576"));
    ck_assert(rw_is_slow(rw_app_channel(test_app, CHANNEL)));
}
END_TEST

static int s_on_word(void *context, struct rw_channel *channel, const char *word)
{
    (void)channel;
    test_note("%s %s\n", (const char *)context, word);
    return 0;
}

static void s_handle_session(struct rw_channel *channel)
{
    static char name[] = "session";
    const struct rw_handlers handlers = {.on_lost = s_on_word, .on_detached = s_on_word};
    rw_set_handlers(channel, &handlers, name);
}

#define SESSION "session.0123456789abcdef.fedcba9876543210"

START_TEST(a_session_tells_who_carries_it_and_what_is_lost)
{
    test_start(0, s_handle_session);
    struct rw_channel *session = test_open(SESSION, HTTP);
    ck_assert(rw_is_session(session));
    ck_assert_int_eq(rw_send_text(session, "hi", 0), 0);
    struct record send = test_expect("SEND " SESSION);
    ck_assert_str_eq(send.payload, "hi");
    ck_assert_ptr_null(strstr(send.head, "status="));
    test_expect(test_event("DETACHED", SESSION, 2, " " CHANNEL));
    test_expect(test_event("ATTACHED", SESSION, 3, " " CHANNEL)); // nobody wants to know
    test_expect(test_event("LOST", SESSION, 4, " edge-lost"));
    ck_assert_ptr_nonnull(strstr(test_notes, "session " CHANNEL "\nsession edge-lost\n"));
    const struct rw_handlers handlers = {.on_attached = s_on_word};
    rw_app_handlers(test_app, &handlers, NULL);
    char asked[4];
    while (!test_option(test_expect("JOIN").head, "sessions=", asked, sizeof asked))
        continue; // it has a deadline
    ck_assert_str_eq(asked, "1");
}
END_TEST

START_TEST(a_session_that_the_broker_knows_again_is_open_again)
{
    test_start(0, NULL);
    struct rw_channel *session = test_open(SESSION, HTTP);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    test_broker.error = "gone";
    ck_assert_int_eq(rw_send_text(session, "x", 0), 0);
    test_until("failed " SESSION " gone why\n");
    ck_assert_int_eq(rw_send_text(channel, "x", 0), 0);
    test_until("failed " CHANNEL " gone why\n");
    ck_assert(!rw_is_open(session) && !rw_is_open(channel));
    test_broker.error = NULL;
    test_say("OK " CHANNEL " - -");
    test_say("OK " SESSION " - -");
    test_expect(test_event("TEXT", SESSION, 2, " o=1\none")); // behind the answers
    ck_assert(rw_is_open(session) && !rw_is_open(channel));
    ck_assert_int_eq(rw_send_text(session, "again", 0), 0);
}
END_TEST

START_TEST(the_end_of_a_session_that_was_lost_with_the_broker_is_said_again)
{
    test_start(0, NULL);
    struct rw_channel *session = test_open(SESSION, HTTP);
    ck_assert_int_eq(rw_close(session, 4001, "bye"), 0);
    ck_assert_str_eq(test_expect("CLOSE " SESSION " 4001").payload, "bye");
    test_broker.error = "gone";
    test_say("OK " SESSION " - -"); // to CHECK: the next broker knows no end of it
    ck_assert_str_eq(test_expect("CLOSE " SESSION " 4001").payload, "bye");
    test_until("failed " SESSION " gone why\n");
    ck_assert(!rw_is_open(session));
}
END_TEST

START_TEST(a_message_of_a_session_that_comes_again_after_a_restart_is_handled_once)
{
    test_start(0, NULL);
    ck_assert_ptr_nonnull(test_open(SESSION, HTTP));
    test_expect(test_event("TEXT", SESSION, 2, " o=1\none"));
    test_expect(test_event("TEXT", SESSION, 3, " o=" CHANNEL ":2\ntwo"));
    test_expect(test_event("TEXT", SESSION, 4096, " o=1\none"));
    test_expect(test_event("TEXT", SESSION, 4097, " o=" CHANNEL ":2\ntwo"));
    test_expect(test_event("TEXT", SESSION, 4098, " o=" CHANNEL ":3\ntwo"));
    test_expect(test_event("TEXT", SESSION, 4099, " o=2\nthree"));
    ck_assert_ptr_nonnull(
        strstr(test_notes, "text one\ntext two\ntext two\ntext three\n"));
}
END_TEST

START_TEST(a_channel_of_another_worker_is_adopted_with_its_sequence)
{
    test_start(0, NULL);
    test_expect(test_event("ADOPT", CHANNEL, 5, "\n" WS));
    test_expect(test_event("TEXT", CHANNEL, 5, "\nold"));
    test_expect(test_event("TEXT", CHANNEL, 6, "\nnew"));
    ck_assert_str_eq(test_notes, "ready\nopen " CHANNEL " adopted\ntext new\n");
}
END_TEST

START_TEST(bytes_that_are_no_record_are_dropped)
{
    static const char *const junk[] = {"",          "text c 1 t", "\xff\xff",
                                       "OPEN",      "TEXT a b",   "ERR",
                                       "ERR a b c", "OK",         "X a b c"};
    test_start(0, NULL);
    for (size_t at = 0; at < sizeof junk / sizeof *junk; at++)
        test_send_raw(junk[at], strlen(junk[at]));
    ck_assert_ptr_nonnull(test_open(CHANNEL, WS));
}
END_TEST

void test_add_events(TCase *tests)
{
    tcase_add_test(tests, it_joins_with_window_name_and_an_id);
    tcase_add_test(tests, what_is_not_allowed_is_refused_at_once);
    tcase_add_test(tests, the_request_is_handed_over_as_it_came);
    tcase_add_test(tests, metadata_that_cannot_be_read_ends_the_channel_and_nothing_else);
    tcase_add_test(tests, messages_come_as_text_and_bytes_in_order);
    tcase_add_test(tests,
                   an_event_that_comes_twice_is_handled_once_and_acknowledged_twice);
    tcase_add_test(tests, an_event_is_acknowledged_after_its_callback_has_returned);
    tcase_add_test(tests, it_is_known_how_often_an_event_was_delivered);
    tcase_add_test(tests, several_events_are_acknowledged_by_the_last);
    tcase_add_test(tests, a_channel_may_have_handlers_and_data_of_its_own);
    tcase_add_test(tests, a_close_is_told_once_with_status_cause_and_reason);
    tcase_add_test(tests, events_of_a_channel_that_is_not_known_are_acknowledged_only);
    tcase_add_test(tests,
                   a_handler_that_fails_ends_its_channel_and_the_event_is_acknowledged);
    tcase_add_test(tests, a_channel_that_is_refused_goes_back);
    tcase_add_test(tests, a_body_that_follows_is_handed_over_in_parts);
    tcase_add_test(tests, a_client_that_is_slow_is_told_and_so_is_the_end_of_it);
    tcase_add_test(tests, a_session_tells_who_carries_it_and_what_is_lost);
    tcase_add_test(tests, a_session_that_the_broker_knows_again_is_open_again);
    tcase_add_test(tests,
                   the_end_of_a_session_that_was_lost_with_the_broker_is_said_again);
    tcase_add_test(
        tests, a_message_of_a_session_that_comes_again_after_a_restart_is_handled_once);
    tcase_add_test(tests, a_channel_of_another_worker_is_adopted_with_its_sequence);
    tcase_add_test(tests, bytes_that_are_no_record_are_dropped);
}
