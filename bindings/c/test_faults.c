/* Broken connections, restarts of the broker, pauses, calls and timers. */
#include "bindings/c/rw_private.h"
#include "bindings/c/test_broker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

START_TEST(a_command_is_repeated_with_the_same_id_until_it_is_answered)
{
    char first[64], second[64];
    test_start(100, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    test_broker.mute = "SEND";
    ck_assert_int_eq(rw_send_text(channel, "x", 0), 0);
    test_option(test_expect("SEND " CHANNEL).head, " id=", first, sizeof first);
    test_option(test_expect("SEND " CHANNEL).head, " id=", second, sizeof second);
    ck_assert_str_eq(first, second);
    test_broker.mute = NULL;
    test_expect("SEND " CHANNEL);
    test_expect("JOIN test");
    test_expect("JOIN test");
    ck_assert(!test_has_seen("SEND"));
}
END_TEST

START_TEST(after_a_broken_connection_what_is_unanswered_comes_first_and_in_order)
{
    char text[2] = "0";
    test_start(100000, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    test_broker.mute = "SEND";
    for (; text[0] < '3'; text[0]++)
        ck_assert_int_eq(rw_send_text(channel, text, 0), 0);
    for (int count = 0; count < 3; count++)
        test_expect("SEND " CHANNEL);
    test_restart("b2", "i2");
    for (; text[0] < '6'; text[0]++)
        ck_assert_int_eq(rw_send_text(channel, text, 0), 0);
    for (text[0] = '0'; text[0] < '6'; text[0]++)
        ck_assert_str_eq(test_expect("SEND " CHANNEL).payload, text);
}
END_TEST

START_TEST(after_a_restart_of_the_broker_it_asks_for_its_channels)
{
    test_start(0, NULL);
    test_open(CHANNEL, WS);
    test_open(OTHER, WS);
    test_open(CHANNEL "a", WS);
    test_open(CHANNEL "b", WS);
    test_restart("b2", "i2");
    struct record check = test_expect("CHECK");
    ck_assert_ptr_nonnull(strstr(check.head, " " CHANNEL "a"));
    ck_assert_ptr_nonnull(strstr(check.head, " " OTHER));
    test_until("restart\n");
    test_say("OK " CHANNEL " - -");
    test_say("LATER " OTHER " - -");
    test_say("MOVED " CHANNEL "a - -");
    test_say("CLOSE " CHANNEL "b 0 - 1006 cause=edge-lost");
    check = test_expect("CHECK");
    ck_assert_str_eq(check.head, "CHECK " OTHER);
    test_until("moved " CHANNEL "a\nclose " CHANNEL "b 1006 edge-lost \n");
    ck_assert_ptr_nonnull(rw_app_channel(test_app, CHANNEL));
    ck_assert_ptr_null(rw_app_channel(test_app, CHANNEL "a"));
}
END_TEST

START_TEST(an_event_is_not_handled_again_after_a_restart_of_the_broker)
{
    test_start(0, NULL);
    test_open(CHANNEL, WS);
    test_expect(test_event("TEXT", CHANNEL, 2, "\none"));
    test_restart("b2", "i2");
    test_expect("CHECK " CHANNEL);
    test_expect(test_event("ADOPT", CHANNEL, 1, "\n{}"));
    test_expect(test_event("TEXT", CHANNEL, 2, "\none"));
    test_expect(test_event("TEXT", CHANNEL, 3, "\ntwo"));
    const char *first = strstr(test_notes, "text one\n");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(strstr(first + 1, "text one\n"));
    ck_assert_ptr_nonnull(strstr(test_notes, "text two\n"));
}
END_TEST

/* Stands still for longer than the binding allows itself, and returns the id of its new
 * JOIN. */
static void s_pause(char *id, size_t room)
{
    test_broker.mute = "JOIN";
    test_forget_all();
    sleep(3); // the pause itself is what is tested
    do
        test_option(test_expect("JOIN").head, " id=", id, room);
    while (!*id);
    test_broker.mute = NULL;
}

START_TEST(after_a_pause_events_of_an_older_incarnation_are_dropped)
{
    char id[64] = "";
    test_start(0, NULL);
    test_open(CHANNEL, WS);
    s_pause(id, sizeof id);
    test_event("TEXT", CHANNEL, 2, "\nold");
    test_broker.incarnation = "i2";
    test_joined(id);
    test_expect("CHECK " CHANNEL);
    test_expect(test_event("TEXT", CHANNEL, 2, "\nnew"));
    ck_assert_ptr_null(strstr(test_notes, "text old\n"));
    ck_assert_ptr_nonnull(strstr(test_notes, "text new\n"));
    ck_assert(!test_has_seen("ACK"));
}
END_TEST

START_TEST(given_up_without_a_pause_of_its_own_it_asks_for_its_channels)
{
    test_start(0, NULL);
    test_open(CHANNEL, WS);
    test_broker.incarnation = "i2";
    test_joined("-");
    test_expect("CHECK " CHANNEL);
    test_say("MOVED " CHANNEL " - -");
    test_until("moved " CHANNEL "\n");
}
END_TEST

START_TEST(after_a_pause_events_wait_until_the_broker_has_confirmed_us)
{
    char id[64] = "";
    test_start(0, NULL);
    test_open(CHANNEL, WS);
    s_pause(id, sizeof id);
    const char *ack = test_event("TEXT", CHANNEL, 2, "\nheld");
    for (int turn = 0; turn < 20; turn++)
        test_turn();
    ck_assert_ptr_null(strstr(test_notes, "text held\n"));
    test_joined(id);
    test_expect(ack);
    ck_assert_ptr_nonnull(strstr(test_notes, "text held\n"));
}
END_TEST

START_TEST(a_worker_that_is_not_known_joins_again)
{
    char id[64] = "";
    test_start(0, NULL);
    test_forget_all();
    test_say("WHO - - -");
    do
        test_option(test_expect("JOIN").head, " id=", id, sizeof id);
    while (!*id);
}
END_TEST

START_TEST(a_broker_of_another_version_ends_it)
{
    test_start(0, NULL);
    test_say("ERR - - - proto\nRW/2 here");
    int result = 0;
    int64_t deadline_ms = test_now_ms() + DEADLINE_MS;
    while (result == 0 && test_now_ms() < deadline_ms)
        result = test_turn();
    ck_assert_int_eq(result, -EPROTO);
}
END_TEST

START_TEST(the_answer_to_a_send_is_no_answer_to_check)
{
    test_start(100000, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    test_restart("b2", "i2");
    test_expect("CHECK " CHANNEL);
    ck_assert_int_eq(rw_send_text(channel, "x", 0), 0);
    test_expect("SEND " CHANNEL); // and it was answered OK
    test_expect("CHECK " CHANNEL);
    test_say("MOVED " CHANNEL " - -");
    test_until("moved " CHANNEL "\n");
}
END_TEST

START_TEST(a_silent_broker_gets_a_new_connection)
{
    char id[64] = "";
    test_start(0, NULL);
    test_open(CHANNEL, WS);
    test_forget_all();
    test_app->heard_ms -= 60000;
    do
        test_option(test_expect("JOIN").head, " id=", id, sizeof id);
    while (!*id);
    test_until("log the broker is silent");
}
END_TEST

START_TEST(a_name_in_use_is_asked_for_again_with_another_id)
{
    char first[64] = "", second[64] = "";
    test_broker.join_error = "name-in-use";
    const struct rw_options options = {.name = "n", .log = test_quiet};
    test_app = rw_app_new(test_broker.endpoint, "test", &options);
    test_option(test_expect("JOIN").head, " id=", first, sizeof first);
    test_option(test_expect("JOIN").head, " id=", second, sizeof second);
    ck_assert_str_ne(first, second);
    test_broker.join_error = NULL;
    while (strstr(test_expect("JOIN").head, " id="))
        continue; // until it is joined
    ck_assert_ptr_nonnull(test_open(CHANNEL, WS));
}
END_TEST

static void s_note_call(void *context)
{
    test_note("%s\n", (const char *)context);
}

START_TEST(timers_fire_once_or_again_and_again_until_cancelled)
{
    static char once[] = "once", again[] = "again", never[] = "never";
    test_start(0, NULL);
    rw_app_timer(test_app, 5, 0, s_note_call, once);
    uint64_t timer = rw_app_timer(test_app, 5, 5, s_note_call, again);
    rw_app_cancel(test_app, rw_app_timer(test_app, 20, 0, s_note_call, never));
    test_until("again\nagain\nagain\nagain\nagain\nagain\nagain\n");
    rw_app_cancel(test_app, timer);
    const char *found = strstr(test_notes, "once\n");
    ck_assert_ptr_nonnull(found);
    ck_assert_ptr_null(strstr(found + 1, "once\n"));
    ck_assert_ptr_null(strstr(test_notes, "never\n"));
}
END_TEST

static void *s_other_thread(void *context)
{
    static char text[] = "from another thread";
    rw_app_call(context, s_note_call, text);
    return NULL;
}

START_TEST(another_thread_may_call_into_the_application)
{
    pthread_t thread;
    test_start(0, NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, s_other_thread, test_app), 0);
    test_until("from another thread\n");
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(a_loop_of_another_kind_is_woken_by_the_descriptor)
{
    test_start(0, NULL);
    while (rw_app_timeout_ms(test_app) == 0)
        test_turn();
    test_event("OPEN", CHANNEL, 1, "\n" WS);
    int64_t deadline_ms = test_now_ms() + DEADLINE_MS;
    while (!rw_app_channel(test_app, CHANNEL)) {
        ck_assert_int_lt(test_now_ms(), deadline_ms);
        zmq_pollitem_t item = {.fd = rw_app_fd(test_app), .events = ZMQ_POLLIN};
        zmq_poll(&item, 1, (long)rw_app_timeout_ms(test_app));
        ck_assert_int_eq(rw_app_poll(test_app, 0), 0);
    }
}
END_TEST

void test_add_faults(TCase *tests)
{
    tcase_add_test(tests, a_command_is_repeated_with_the_same_id_until_it_is_answered);
    tcase_add_test(tests,
                   after_a_broken_connection_what_is_unanswered_comes_first_and_in_order);
    tcase_add_test(tests, after_a_restart_of_the_broker_it_asks_for_its_channels);
    tcase_add_test(tests, an_event_is_not_handled_again_after_a_restart_of_the_broker);
    tcase_add_test(tests, after_a_pause_events_of_an_older_incarnation_are_dropped);
    tcase_add_test(tests, given_up_without_a_pause_of_its_own_it_asks_for_its_channels);
    tcase_add_test(tests, after_a_pause_events_wait_until_the_broker_has_confirmed_us);
    tcase_add_test(tests, a_worker_that_is_not_known_joins_again);
    tcase_add_test(tests, a_broker_of_another_version_ends_it);
    tcase_add_test(tests, timers_fire_once_or_again_and_again_until_cancelled);
    tcase_add_test(tests, another_thread_may_call_into_the_application);
    tcase_add_test(tests, a_loop_of_another_kind_is_woken_by_the_descriptor);
    tcase_add_test(tests, the_answer_to_a_send_is_no_answer_to_check);
    tcase_add_test(tests, a_silent_broker_gets_a_new_connection);
    tcase_add_test(tests, a_name_in_use_is_asked_for_again_with_another_id);
}
