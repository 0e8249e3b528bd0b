#include "tests/unit/hub_rig.h"

/* ---- publications ---- */

START_TEST(a_publication_reaches_each_subscriber_once_but_not_the_exception)
{
    s_begin();
    struct channel one = s_channel(1), two = s_channel(2);
    s_sub(&one, "t", E "0");
    s_sub(&two, "t", E "0");
    s_sub(&two, "t", E "0"); // told as one too many
    ck_assert_str_eq(s_told, "-t ");
    s_heard[0] = 0;
    s_say("t", "a", E "1");
    s_expect("2:a 1:a ");
    s_say_except("t", "b", E "2", 1);
    s_expect("2:b ");
    s_finish(&one, &two);
}
END_TEST

START_TEST(a_publication_comes_once_however_many_subscriptions_match)
{
    s_begin();
    struct channel one = s_channel(1);
    s_join(&one, "a/b a/* a/** x/*", NULL);
    ck_assert_str_eq(s_told, "+a/b +a/* +a/** +x/* ");
    s_top("a/b", E "3");
    s_top("a/*", E "3");
    s_top("a/**", E "3");
    s_expect("");
    s_top("x/*", E "3");
    s_expect("1@aa:3 1=aa:3 ");
    s_say("a/b", "one", E "4");
    s_say("a/c", "two", E "5");
    s_say("a/b/c", "three", E "6");
    s_say("a", "none", E "7");
    s_say("y/a", "none", E "8");
    s_expect("1:one 1:two 1:three ");
    s_finish(&one, NULL);
    ck_assert_str_eq(strrchr(s_told, '+'), "+x/* -x/* -a/** -a/* -a/b ");
}
END_TEST

START_TEST(after_unsubscribing_nothing_is_heard)
{
    s_begin();
    struct channel one = s_channel(1);
    s_sub(&one, "t", E "0");
    s_sub(&one, "u", E "0");
    hub_unsubscribe(s_hub, &one, "t");
    hub_unsubscribe(s_hub, &one, "never");
    s_heard[0] = 0;
    s_say("t", "x", E "1");
    s_say("u", "y", E "2");
    s_expect("1:y ");
    s_finish(&one, NULL);
}
END_TEST

START_TEST(a_channel_has_so_many_topics_and_no_more)
{
    s_begin();
    char topic[16];
    struct channel one = s_channel(1);
    for (int at = 0; at < HUB_TOPICS_MAX; at++) {
        snprintf(topic, sizeof topic, "t%d", at);
        s_sub(&one, topic, E "0");
    }
    struct cursor top = s_at(E "0");
    s_told[0] = 0;
    ck_assert(!hub_subscribe(s_hub, &one, "more", &top, NULL));
    ck_assert_str_eq(s_told, "-more ");
    s_told[0] = 0;
    for (int at = HUB_TOPICS_MAX; at > 0; at--) { // so that s_told stays short
        snprintf(topic, sizeof topic, "t%d", at - 1);
        hub_unsubscribe(s_hub, &one, topic);
        s_told[0] = 0;
    }
    s_finish(&one, NULL);
}
END_TEST

/* ---- where a client begins ---- */

START_TEST(a_client_hears_nothing_before_all_its_topics_are_live)
{
    s_begin();
    struct channel one = s_channel(1);
    s_join(&one, "t u", NULL);
    s_top("t", E "1");
    s_say("t", "early", E "2");
    s_expect("");
    s_top("u", E "2");
    s_say("t", "live", E "3");
    s_expect("1@aa:2 1=aa:2 1:live ");
    s_finish(&one, NULL);
}
END_TEST

START_TEST(a_later_client_begins_at_once_at_the_newest_position)
{
    s_begin();
    struct channel one = s_channel(1), two = s_channel(2), three = s_channel(3);
    s_join(&one, "t", NULL);
    s_top("t", E "1");
    s_say("t", "x", E "9");
    s_heard[0] = 0;
    s_join(&two, "t", NULL);
    s_expect("2@aa:9 2=aa:9 ");
    s_join(&three, "t", E "9");
    s_expect("3@aa:9 3=aa:9 ");
    ck_assert_str_eq(s_asked, "");
    hub_leave_all(s_hub, &three);
    s_finish(&one, &two);
}
END_TEST

START_TEST(what_a_client_missed_comes_before_what_is_new)
{
    s_begin();
    struct channel one = s_channel(1);
    s_join(&one, "t u%", E "2");
    s_top("t", E "5");
    s_expect_ask("");
    s_top("u%", E "0");
    s_expect_ask("HGET edge.e.1 " E "2 50 bytes=500 n=1|u%25\nt\n");
    s_say("t", "6", E "6");
    s_history(&one, 1, "t", "3", E "3");
    s_history(&one, 1, "t", "5", E "5");
    s_history(&one, 1, "t", "6", E "6");
    s_live(&one, 1, E "6", false);
    s_say("t", "7", E "7");
    s_expect("1@aa:2 1:3 1:5 1:6 1=aa:6 1:7 ");
    s_finish(&one, NULL);
}
END_TEST

START_TEST(a_gap_stands_at_its_place_and_moves_the_cursor_at_a_new_start_only)
{
    s_begin();
    struct channel one = s_channel(1);
    s_join(&one, "t", E "2");
    s_top("t", E "9");
    s_gap(&one, 1, "history", E "8");
    s_history(&one, 1, "t", "3", E "3");
    s_live(&one, 1, E "9", false);
    s_expect("1@aa:2 1-history 1:3 1=aa:9 ");
    hub_linked(s_hub, true);
    s_top("t", F "4");
    s_gap(&one, 2, "restart", F "1");
    s_history(&one, 2, "t", "new", F "2");
    s_live(&one, 2, F "4", false);
    s_expect("1-restart 1:new 1=bb:4 ");
    s_finish(&one, NULL);
}
END_TEST

START_TEST(a_cursor_that_no_broker_gave_is_one_of_an_unknown_epoch)
{
    s_begin();
    struct channel one = s_channel(1);
    s_join(&one, "t", "junk");
    s_top("t", E "5");
    s_expect_ask("HGET edge.e.1 0000000000000000:0 50 bytes=500 n=1|t\n");
    s_finish(&one, NULL);
}
END_TEST

START_TEST(a_cursor_above_the_newest_position_is_a_matter_for_the_broker)
{
    s_begin();
    struct channel one = s_channel(1);
    s_join(&one, "t", E "6");
    s_top("t", E "5");
    s_expect_ask("HGET edge.e.1 " E "6 50 bytes=500 n=1|t\n");
    s_gap(&one, 1, "reset", E "5");
    s_live(&one, 1, E "5", false);
    s_say("t", "x", E "6");
    s_expect("1@aa:6 1-reset 1=aa:5 1:x ");
    s_finish(&one, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub");
    TCase *tests = tcase_create("hub");
    tcase_add_test(tests,
                   a_publication_reaches_each_subscriber_once_but_not_the_exception);
    tcase_add_test(tests, a_publication_comes_once_however_many_subscriptions_match);
    tcase_add_test(tests, after_unsubscribing_nothing_is_heard);
    tcase_add_test(tests, a_channel_has_so_many_topics_and_no_more);
    tcase_add_test(tests, a_client_hears_nothing_before_all_its_topics_are_live);
    tcase_add_test(tests, a_later_client_begins_at_once_at_the_newest_position);
    tcase_add_test(tests, what_a_client_missed_comes_before_what_is_new);
    tcase_add_test(tests,
                   a_gap_stands_at_its_place_and_moves_the_cursor_at_a_new_start_only);
    tcase_add_test(tests, a_cursor_that_no_broker_gave_is_one_of_an_unknown_epoch);
    tcase_add_test(tests, a_cursor_above_the_newest_position_is_a_matter_for_the_broker);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
