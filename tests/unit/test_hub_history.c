#include "tests/unit/hub_rig.h"

/* ---- answers ---- */

START_TEST(answers_to_an_earlier_question_are_ignored)
{
    s_begin();
    struct channel one = s_channel(1);
    s_join(&one, "t", E "2");
    s_top("t", E "5");
    hub_linked(s_hub, false); // the connection broke, and the pipe goes on
    s_expect_ask("HGET edge.e.1 " E "2 50 bytes=500 n=2|t\n");
    s_history(&one, 1, "t", "3", E "3");
    s_gap(&one, 1, "history", E "4");
    s_live(&one, 1, E "5", false);
    s_expect("");
    s_history(&one, 2, "t", "3", E "3");
    s_live(&one, 2, E "5", false);
    s_expect("1@aa:2 1:3 1=aa:5 ");
    s_finish(&one, NULL);
}
END_TEST

START_TEST(a_subscription_has_nothing_from_before_its_start)
{
    s_begin();
    struct channel one = s_channel(1);
    s_sub(&one, "t", E "5");
    s_say("t", "6", E "6");
    s_sub(&one, "u", E "8");
    hub_linked(s_hub, true);
    s_top("t", E "9");
    s_top("u", E "9");
    s_expect_ask("HGET edge.e.1 " E "6 1000 bytes=500 n=1|u " E "8\nt\n");
    s_sub(&one, "v", E "9");
    s_expect_ask("HGET edge.e.1 " E "6 1000 bytes=500 n=2|v " E "9\nu " E "8\nt\n");
    s_finish(&one, NULL);
}
END_TEST

START_TEST(a_subscription_since_a_position_repeats_nothing_of_others)
{
    s_begin();
    struct channel one = s_channel(1);
    s_sub(&one, "t", E "5");
    s_say("t", "6", E "6");
    struct cursor top = s_at(E "7"), since = s_at(E "3");
    ck_assert(hub_subscribe(s_hub, &one, "u", &top, &since));
    s_expect_ask("HGET edge.e.1 " E "3 1000 bytes=500 n=1|u\nt " E "6\n");
    s_history(&one, 1, "u", "4", E "4");
    s_live(&one, 1, E "7", false);
    s_expect("1=aa:5 1:6 1:4 1=aa:7 ");
    s_finish(&one, NULL);
}
END_TEST

START_TEST(history_of_a_topic_that_was_left_is_not_delivered)
{
    s_begin();
    struct channel one = s_channel(1);
    s_join(&one, "t u", E "2");
    s_top("t", E "5");
    s_top("u", E "5");
    hub_unsubscribe(s_hub, &one, "t");
    s_history(&one, 1, "t", "3", E "3");
    s_history(&one, 1, "u", "4", E "4");
    s_expect("1@aa:2 1:4 ");
    s_finish(&one, NULL);
}
END_TEST

START_TEST(more_is_asked_for_when_the_queue_has_drained)
{
    s_begin();
    struct channel one = s_channel(1);
    s_join(&one, "t", E "2");
    s_top("t", E "9");
    s_history(&one, 1, "t", "3", E "3");
    s_asked[0] = 0;
    one.out.bytes = OUT_QUEUE / 2;
    s_live(&one, 1, E "3", true);
    s_expect_ask("");
    s_say("t", "10", E "10");
    ck_assert(one.awaits_drain);
    one.out.bytes = OUT_QUEUE / 2 - 1;
    hub_drained(s_hub, &one);
    s_expect_ask("HGET edge.e.1 " E "3 50 bytes=500 n=2|t\n");
    s_expect("1@aa:2 1:3 1=aa:3 ");
    s_finish(&one, NULL);
}
END_TEST

START_TEST(history_that_finds_a_full_queue_comes_later)
{
    s_begin();
    struct channel one = s_channel(1);
    s_join(&one, "t", E "2");
    s_top("t", E "9");
    s_history(&one, 1, "t", "3", E "3");
    one.out.bytes = OUT_QUEUE;
    s_history(&one, 1, "t", "4", E "4");
    one.out.bytes = 0;
    s_history(&one, 1, "t", "5", E "5");
    s_live(&one, 1, E "9", false);
    s_expect("1@aa:2 1:3 ");
    hub_drained(s_hub, &one);
    s_expect_ask("HGET edge.e.1 " E "3 50 bytes=500 n=2|t\n");
    s_finish(&one, NULL);
}
END_TEST

START_TEST(one_that_pauses_gets_what_its_queue_had_no_room_for_later)
{
    s_begin();
    struct channel one = s_channel(1);
    const char *topics[] = {"t"};
    hub_join(
        s_hub, &one,
        &(struct hub_join){.topics = topics, .count = 1, .limit = 7, .slow = SLOW_PAUSE});
    hub_start(s_hub, &one);
    s_top("t", E "1");
    s_say("t", "2", E "2");
    one.out.bytes = OUT_QUEUE;
    s_say("t", "3", E "3");
    one.out.bytes = 0;
    s_say("t", "4", E "4");
    s_expect("1@aa:1 1=aa:1 1:2 ");
    hub_drained(s_hub, &one);
    s_expect_ask("HGET edge.e.1 " E "2 7 bytes=500 n=1|t\n");
    s_finish(&one, NULL);
}
END_TEST

/* ---- losses ---- */

START_TEST(what_did_not_fit_on_the_way_is_asked_for)
{
    s_begin();
    struct channel one = s_channel(1), two = s_channel(2);
    s_join(&one, "t", NULL);
    s_join(&two, "u", NULL);
    s_top("t", E "5");
    s_top("u", E "5");
    s_heard[0] = 0;
    struct cursor lost = s_at(E "8");
    hub_lost(s_hub, "t", &lost);
    s_expect_ask("HGET edge.e.1 " E "5 50 bytes=500 n=1|t\n");
    s_say("u", "x", E "9");
    s_expect("2:x ");
    hub_leave_all(s_hub, &two);
    hub_lost_all(s_hub); // an answer may have been among it
    s_expect_ask("HGET edge.e.1 " E "5 50 bytes=500 n=2|t\n");
    s_finish(&one, NULL);
}
END_TEST

START_TEST(a_hole_that_cannot_be_told_ends_the_channel_but_not_a_new_start)
{
    s_begin();
    s_can_tell = false;
    struct channel one = s_channel(1);
    s_sub(&one, "t", E "5");
    hub_linked(s_hub, true);
    s_top("t", F "1");
    s_heard[0] = 0;
    s_gap(&one, 1, "restart", F "0");
    s_expect("");
    s_gap(&one, 1, "history", F "1");
    s_expect("1!slow ");
    s_finish(&one, NULL);
}
END_TEST

START_TEST(a_channel_may_end_in_any_call)
{
    static const char *const calls[] = {"subscribed", "publish", "reached"};
    for (size_t at = 0; at < sizeof calls / sizeof *calls; at++) {
        s_begin();
        s_ends = calls[at];
        struct channel one = s_channel(1), two = s_channel(2);
        s_join(&one, "t u v", E "1");
        s_join(&two, "t u v", NULL);
        s_top("t", E "5");
        s_top("u", E "5");
        s_top("v", E "5");
        s_history(&one, 1, "t", "2", E "2");
        s_live(&one, 1, E "5", true);
        s_live(&one, 2, E "5", false);
        s_say("t", "6", E "6");
        ck_assert_ptr_null(one.follower);
        ck_assert_ptr_null(two.follower);
        s_finish(&one, &two);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub_history");
    TCase *tests = tcase_create("hub_history");
    tcase_add_test(tests, answers_to_an_earlier_question_are_ignored);
    tcase_add_test(tests, a_subscription_has_nothing_from_before_its_start);
    tcase_add_test(tests, a_subscription_since_a_position_repeats_nothing_of_others);
    tcase_add_test(tests, history_of_a_topic_that_was_left_is_not_delivered);
    tcase_add_test(tests, more_is_asked_for_when_the_queue_has_drained);
    tcase_add_test(tests, history_that_finds_a_full_queue_comes_later);
    tcase_add_test(tests, one_that_pauses_gets_what_its_queue_had_no_room_for_later);
    tcase_add_test(tests, what_did_not_fit_on_the_way_is_asked_for);
    tcase_add_test(tests,
                   a_hole_that_cannot_be_told_ends_the_channel_but_not_a_new_start);
    tcase_add_test(tests, a_channel_may_end_in_any_call);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
