#include "tests/unit/core_rig.h"

static struct rig *s_rig;

static void s_set_up(void)
{
    s_rig = rig_new();
    rig_join_edge(s_rig, 1);
    rig_join_edge(s_rig, 2);
    rig_edge(s_rig, 8, "TSUB a");
    rig_edge(s_rig, 8, "TSUB b");
    rig_forget(s_rig);
}

static void s_tear_down(void)
{
    rig_destroy(s_rig);
}

/* A publication with its position as the text; those of the pipe are passed over. */
static void s_publish(const char *topic, const char *options, const char *text)
{
    char record[200];
    snprintf(record, sizeof record, "PUB %s%s%s\n%s", topic, *options ? " " : "", options,
             text);
    rig_app(s_rig, 3, record);
    rig_forget(s_rig);
}

static void s_pull(const char *rest)
{
    char record[400];
    snprintf(record, sizeof record, "HGET " CH("1") " %s", rest);
    rig_edge(s_rig, 8, record);
    rig_turn(s_rig);
}

/* The next record on the edge's pipe is this one. */
static void s_next(const char *verb, const char *rest)
{
    char pattern[400];
    ck_assert_int_lt(s_rig->read, s_rig->count);
    snprintf(pattern, sizeof pattern, "edge 8 %s [0-9]* " CH("1") " %s", verb, rest);
    ck_assert_msg(fnmatch(pattern, s_rig->line[s_rig->read], 0) == 0, "%s, not %s",
                  s_rig->line[s_rig->read], pattern);
    s_rig->read++;
}

static void s_nothing_more(void)
{
    rig_expect_no(s_rig, "edge 8 *");
}

START_TEST(a_channel_gets_what_it_lacks_of_all_its_topics_in_order_and_is_live)
{
    s_publish("a", "", "1");
    s_publish("b", "", "2");
    s_publish("c", "", "3");
    s_publish("a", "bin=1 collapse=k", "4");
    s_pull(BOOT ":0 100 n=7\na\nb " BOOT ":0\nc\n");
    s_next("HIST", BOOT ":1 a n=7|1");
    s_next("HIST", BOOT ":2 b n=7|2");
    s_next("HIST", BOOT ":4 a bin=1 collapse=k n=7|4"); // nobody wants c here
    s_next("LIVE", BOOT ":4 n=7");
    s_nothing_more();
    rig_app(s_rig, 3, "PUB b\n5");
    rig_expect(s_rig, "edge 8 PUB * b " BOOT ":5|5");
}
END_TEST

START_TEST(only_what_is_after_the_cursor_and_the_start_of_a_subscription_comes)
{
    for (int n = 1; n <= 4; n++) {
        s_publish("a", "", "a");
        s_publish("b", "", "b");
    }
    s_pull(BOOT ":3 100\na\nb " BOOT ":6\n");
    s_next("HIST", BOOT ":5 a|a");
    s_next("HIST", BOOT ":7 a|a");
    s_next("HIST", BOOT ":8 b|b");
    s_next("LIVE", BOOT ":8");
    s_pull(BOOT ":8 100\na\nb\n");
    s_next("LIVE", BOOT ":8");
    s_pull("- 100\na\nb\n");
    s_next("LIVE", BOOT ":8");
    s_nothing_more();
}
END_TEST

START_TEST(a_limit_of_records_or_bytes_ends_with_more)
{
    for (int n = 1; n <= 4; n++)
        s_publish("a", "", "1234567890");
    s_pull(BOOT ":0 2\na\n");
    s_next("HIST", BOOT ":1 a|*");
    s_next("HIST", BOOT ":2 a|*");
    s_next("LIVE", BOOT ":2 more=1");
    s_pull(BOOT ":2 100 bytes=5\na\n"); // one is always allowed
    s_next("HIST", BOOT ":3 a|*");
    s_next("LIVE", BOOT ":3 more=1");
    s_pull(BOOT ":3 1\na\n");
    s_next("HIST", BOOT ":4 a|*");
    s_next("LIVE", BOOT ":4");
    s_nothing_more();
}
END_TEST

START_TEST(a_newer_hget_replaces_an_older_one)
{
    s_publish("a", "", "1");
    rig_edge(s_rig, 8, "HGET " CH("1") " " BOOT ":0 9 n=1\na\n");
    rig_edge(s_rig, 8, "HGET " CH("1") " " BOOT ":1 9 n=2\na\n");
    rig_turn(s_rig);
    s_next("LIVE", BOOT ":1 n=2");
    s_nothing_more();
}
END_TEST

START_TEST(a_cursor_of_another_epoch_is_a_gap_and_then_all_that_is_held)
{
    s_publish("a", "", "1");
    s_pull("00000000000000bb:99 100\na\n");
    s_next("GAP", "00000000000000bb:99 " BOOT ":0 restart");
    s_next("HIST", BOOT ":1 a|1");
    s_next("LIVE", BOOT ":1");
    s_nothing_more();
}
END_TEST

START_TEST(a_cursor_above_the_top_is_a_reset)
{
    s_publish("a", "", "1");
    s_pull(BOOT ":2 100\na\n");
    s_next("GAP", BOOT ":2 " BOOT ":1 reset");
    s_next("LIVE", BOOT ":1");
    s_nothing_more();
}
END_TEST

START_TEST(what_is_not_held_is_a_gap_before_everything_it_may_be_among)
{
    s_publish("b", "", "1");
    s_publish("a", "", "2");
    s_publish("a", "hist=0", "3");
    s_publish("a", "", "4");
    s_pull(BOOT ":0 100 n=3\na\nb\n");
    s_next("GAP", BOOT ":0 " BOOT ":3 history topic=a n=3");
    s_next("HIST", BOOT ":1 b n=3|1");
    s_next("HIST", BOOT ":2 a n=3|2");
    s_next("HIST", BOOT ":4 a n=3|4");
    s_next("LIVE", BOOT ":4 n=3");
    s_pull(BOOT ":3 100\na\nb\n");
    s_next("HIST", BOOT ":4 a|4");
    s_next("LIVE", BOOT ":4");
}
END_TEST

START_TEST(what_went_for_its_number_or_age_is_a_gap)
{
    for (int n = 0; n < 103; n++)
        s_publish("a", "", "x");
    s_pull(BOOT ":1 1\na\n");
    s_next("GAP", BOOT ":1 " BOOT ":3 history topic=a");
    s_next("HIST", BOOT ":4 a|x");
    rig_wait(s_rig, 302, "12");
    rig_forget(s_rig);
    s_pull(BOOT ":4 1\na\n");
    s_next("GAP", BOOT ":4 " BOOT ":103 history topic=a");
    s_next("LIVE", BOOT ":103");
}
END_TEST

START_TEST(a_pattern_gets_the_topics_that_match_each_record_once)
{
    rig_edge(s_rig, 8, "TSUB r/*");
    rig_edge(s_rig, 8, "TSUB r/**");
    rig_edge(s_rig, 8, "TSUB r/1");
    rig_forget(s_rig);
    s_publish("r/1", "", "1");
    s_publish("r/1/x", "", "2");
    s_publish("r/2", "", "3");
    s_publish("r", "", "4");
    s_pull(BOOT ":0 100\nr/*\nr/1\n");
    s_next("HIST", BOOT ":1 r/1|1");
    s_next("HIST", BOOT ":3 r/2|3");
    s_next("LIVE", BOOT ":4");
    s_pull(BOOT ":0 100\nr/* " BOOT ":1\nr/**\n");
    s_next("HIST", BOOT ":1 r/1|1");
    s_next("HIST", BOOT ":2 r/1/x|2");
    s_next("HIST", BOOT ":3 r/2|3");
    s_next("LIVE", BOOT ":4");
    s_nothing_more();
}
END_TEST

START_TEST(a_pattern_with_too_many_topics_is_a_gap_and_others_are_not)
{
    char topic[16];
    rig_edge(s_rig, 8, "TSUB r/*");
    for (int n = 1; n <= 257; n++) {
        snprintf(topic, sizeof topic, "r/%d", n);
        s_publish(topic, "", "x");
        if (n < 256)
            continue;
        s_publish("a", "", "y");
        char expected[100];
        s_pull(BOOT ":250 100 n=1\nr/*\na\n");
        if (n == 256) {
            s_next("HIST", BOOT ":251 r/251 n=1|x");
        } else {
            snprintf(expected, sizeof expected,
                     BOOT ":250 " BOOT ":258 pattern topic=r/%%2A n=1");
            s_next("GAP", "* pattern topic=r/[*] n=1");
            s_next("HIST", BOOT ":257 a n=1|y");
            s_next("HIST", BOOT ":259 a n=1|y");
            s_next("LIVE", BOOT ":259 n=1");
        }
        rig_forget(s_rig);
    }
    s_pull(BOOT ":259 100\nr/*\n"); // nothing was missed
    s_next("LIVE", BOOT ":259");
}
END_TEST

START_TEST(a_channel_does_not_get_what_excepts_it)
{
    s_publish("a", "except=" CH("1"), "1");
    s_publish("a", "except=" CH("2"), "2");
    s_pull(BOOT ":0 100\na\n");
    s_next("HIST", BOOT ":2 a|2");
    s_next("LIVE", BOOT ":2");
}
END_TEST

START_TEST(a_replay_leaves_room_for_live_records_and_goes_on_later)
{
    rig_destroy(s_rig);
    s_rig = rig_new_with(16, 100);
    rig_join_edge(s_rig, 1);
    rig_edge(s_rig, 8, "TSUB a"); // TOP 1
    for (int n = 0; n < 20; n++) {
        char record[64];
        snprintf(record, sizeof record, "HB e1 " EPOCH " %d boot=" BOOT, n + 1);
        rig_app(s_rig, 3, "PUB a\nx");
        rig_edge(s_rig, 60, record);
    }
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 21 boot=" BOOT);
    rig_forget(s_rig);
    s_pull(BOOT ":0 100\na\n");
    ck_assert_int_eq(rig_count(s_rig, "edge 8 HIST *"), 8);
    rig_forget(s_rig);
    rig_app(s_rig, 3, "PUB a\nlive");
    rig_expect(s_rig, "edge 8 PUB * a " BOOT ":21|live");
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 30 boot=" BOOT);
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 HIST * " BOOT ":9 a|x");
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 38 boot=" BOOT);
    rig_turn(s_rig);
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 46 boot=" BOOT);
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 HIST * " BOOT ":21 a|live");
    rig_expect(s_rig, "edge 8 LIVE * " BOOT ":21");
}
END_TEST

START_TEST(what_goes_while_a_replay_waits_is_a_gap)
{
    struct core_settings settings = rig_settings();
    rig_destroy(s_rig);
    settings.ring_records = 16;
    settings.history.limits.count = 12;
    s_rig = rig_new_of(&settings);
    rig_join_edge(s_rig, 1);
    rig_edge(s_rig, 8, "TSUB a");
    for (int n = 0; n < 12; n++)
        rig_app(s_rig, 3, "PUB a\nx");
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 13 boot=" BOOT);
    rig_forget(s_rig);
    s_pull(BOOT ":0 100\na\n"); // 8 of 12
    for (int n = 0; n < 8; n++)
        rig_app(s_rig, 3, "PUB a\ny"); // 13 to 20: up to 8 goes
    for (int n = 0; n < 2; n++)
        rig_app(s_rig, 3, "PUB a\nlost"); // no room in the ring; 9 and 10 go
    rig_forget(s_rig);
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 29 boot=" BOOT);
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 LOST * a " BOOT ":21 " BOOT ":22");
    rig_expect(s_rig, "edge 8 GAP * " BOOT ":8 " BOOT ":10 history topic=a");
    rig_expect(s_rig, "edge 8 HIST * " BOOT ":11 a|x");
}
END_TEST

START_TEST(a_publication_that_no_ring_takes_is_a_gap)
{
    static char record[70000];
    struct core_settings settings = rig_settings();
    rig_destroy(s_rig);
    settings.ring_bytes = 65536;
    s_rig = rig_new_of(&settings);
    rig_join_edge(s_rig, 1);
    rig_edge(s_rig, 8, "TSUB a");
    int head = snprintf(record, sizeof record, "PUB a\n");
    memset(record + head, 'x', 66000);
    rig_app(s_rig, 3, record);
    rig_app(s_rig, 3, "PUB a\ny");
    rig_forget(s_rig);
    s_pull(BOOT ":0 100\na\n");
    s_next("GAP", BOOT ":0 " BOOT ":1 overload topic=a");
    s_next("HIST", BOOT ":2 a|y");
    s_next("LIVE", BOOT ":2");
}
END_TEST

START_TEST(an_edge_cannot_ask_for_a_channel_or_a_topic_that_is_not_its_own)
{
    s_publish("a", "", "1");
    rig_edge(s_rig, 9, "HGET " CH("1") " " BOOT ":0 9\na\n");
    rig_edge(s_rig, 9, "HGET " CH2("1") " " BOOT ":0 9\na\n");
    rig_turn(s_rig);
    rig_expect_no(s_rig, "edge 9 HIST*");
    rig_expect(s_rig, "edge 9 LIVE * " CH2("1") " " BOOT ":1");
}
END_TEST

START_TEST(an_hget_with_a_bad_value_is_dropped)
{
    static const char *const bad[] = {"x 1\n",
                                      BOOT ":x 1\n",
                                      BOOT " 1\n",
                                      BOOT ":0 0\n",
                                      BOOT ":0 -1\n",
                                      BOOT ":0 1 n=0\n",
                                      BOOT ":0 1 n=4294967296\n",
                                      BOOT ":0 1 bytes=x\n",
                                      BOOT ":0 1\na*\n",
                                      BOOT ":0 1\na 7\n",
                                      BOOT ":0 1\n\n"};
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++) {
        uint64_t dropped = core_measure(s_rig->core)->dropped[CORE_DROP_VALUE];
        s_pull(bad[at]);
        ck_assert_msg(core_measure(s_rig->core)->dropped[CORE_DROP_VALUE] == dropped + 1,
                      "taken: %s", bad[at]);
    }
    s_nothing_more();
}
END_TEST

START_TEST(an_hget_has_at_most_1024_lines)
{
    static char record[4000];
    int size = snprintf(record, sizeof record, "HGET " CH("1") " " BOOT ":0 1\n");
    for (int n = 0; n < 1024; n++)
        size += snprintf(record + size, sizeof record - (size_t)size, "a\n");
    rig_edge(s_rig, 8, record);
    rig_turn(s_rig);
    s_next("LIVE", BOOT ":0");
    snprintf(record + size, sizeof record - (size_t)size, "a\n");
    rig_edge(s_rig, 8, record);
    rig_turn(s_rig);
    s_nothing_more();
}
END_TEST

START_TEST(a_sync_from_anew_ends_pulls_with_the_interest_they_need)
{
    s_publish("a", "", "1");
    rig_edge(s_rig, 8, "HGET " CH("1") " " BOOT ":0 9\na\n");
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " " BOOT " 70 proto=RW/1");
    rig_turn(s_rig);
    rig_expect_no(s_rig, "edge 8 LIVE*");
    rig_edge(s_rig, 8, "BYE");
    rig_turn(s_rig);
}
END_TEST

START_TEST(a_heartbeat_says_which_command_was_sent_last)
{
    rig_app(s_rig, 3, "PUB a\nx");
    rig_forget(s_rig);
    rig_wait(s_rig, 1, "12");
    rig_expect(s_rig, "edge 8 HB 0 " BOOT " c=3");
    s_rig->full = 1u << 8;
    rig_app(s_rig, 3, "PUB a\nx");
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 3 boot=" BOOT);
    rig_expect(s_rig, "edge 60 HB 0 " BOOT " c=3"); // the fourth was not sent
}
END_TEST

#define SID "session.0f1e2d3c4b5a6978.8796a5b4c3d2e1f0"

START_TEST(sends_to_a_session_stand_between_its_publications)
{
    rig_app(s_rig, 1, "JOIN chat");
    rig_edge(s_rig, 8,
             "OPEN " CH("1") " 1 chat 1 sid=" SID
                             " mode=new as=r ws=1\n{\"carrier\":\"ws\"}");
    rig_app(s_rig, 3, "SUB " SID " a");
    rig_edge(s_rig, 8, "CLOSE " CH("1") " 2 1006\n"); // the client is away
    rig_turn(s_rig);
    rig_app(s_rig, 3, "PUB a\n1");
    rig_app(s_rig, 3, "SEND " SID " bin=1\n2");
    rig_app(s_rig, 3, "PUB b\n3");
    rig_app(s_rig, 3, "PUB a\n4");
    rig_app(s_rig, 3, "SEND " SID "\n5");
    rig_edge(s_rig, 9,
             "OPEN " CH2("1") " 1 chat 1 sid=" SID
                              " mode=join as=r ws=1\n{\"carrier\":\"ws\"}");
    rig_edge(s_rig, 9, "TSUB a");
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 9 BIND * " CH2("1") " " SID " *");
    rig_edge(s_rig, 9, "HGET " CH2("1") " " BOOT ":0 3 n=1\n"); // its topics are known
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 9 HIST * " CH2("1") " " BOOT ":1 a n=1|1");
    rig_expect(s_rig, "edge 9 HIST * " CH2("1") " " BOOT ":2 - bin=1 n=1|2");
    rig_expect(s_rig, "edge 9 HIST * " CH2("1") " " BOOT ":4 a n=1|4");
    rig_expect(s_rig, "edge 9 LIVE * " CH2("1") " " BOOT ":4 more=1 n=1");
    rig_app(s_rig, 3, "SEND " SID "\n6");
    rig_expect_no(s_rig, "edge 9 SEND *"); // it is not live yet
    rig_edge(s_rig, 9, "HGET " CH2("1") " " BOOT ":4 9 n=2\n");
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 9 HIST * " CH2("1") " " BOOT ":5 - n=2|5");
    rig_expect(s_rig, "edge 9 HIST * " CH2("1") " " BOOT ":6 - n=2|6");
    rig_expect(s_rig, "edge 9 LIVE * " CH2("1") " " BOOT ":6 n=2");
    rig_app(s_rig, 3, "SEND " SID "\n7");
    rig_expect(s_rig, "edge 9 SEND * " CH2("1") " pos=" BOOT ":7|7");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("replay");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, s_set_up, s_tear_down);
    tcase_add_test(all,
                   a_channel_gets_what_it_lacks_of_all_its_topics_in_order_and_is_live);
    tcase_add_test(all,
                   only_what_is_after_the_cursor_and_the_start_of_a_subscription_comes);
    tcase_add_test(all, a_limit_of_records_or_bytes_ends_with_more);
    tcase_add_test(all, a_newer_hget_replaces_an_older_one);
    tcase_add_test(all, a_cursor_of_another_epoch_is_a_gap_and_then_all_that_is_held);
    tcase_add_test(all, a_cursor_above_the_top_is_a_reset);
    tcase_add_test(all, what_is_not_held_is_a_gap_before_everything_it_may_be_among);
    tcase_add_test(all, what_went_for_its_number_or_age_is_a_gap);
    tcase_add_test(all, a_pattern_gets_the_topics_that_match_each_record_once);
    tcase_add_test(all, a_pattern_with_too_many_topics_is_a_gap_and_others_are_not);
    tcase_add_test(all, a_channel_does_not_get_what_excepts_it);
    tcase_add_test(all, a_replay_leaves_room_for_live_records_and_goes_on_later);
    tcase_add_test(all, what_goes_while_a_replay_waits_is_a_gap);
    tcase_add_test(all, a_publication_that_no_ring_takes_is_a_gap);
    tcase_add_test(all, an_edge_cannot_ask_for_a_channel_or_a_topic_that_is_not_its_own);
    tcase_add_test(all, an_hget_with_a_bad_value_is_dropped);
    tcase_add_test(all, an_hget_has_at_most_1024_lines);
    tcase_add_test(all, a_sync_from_anew_ends_pulls_with_the_interest_they_need);
    tcase_add_test(all, a_heartbeat_says_which_command_was_sent_last);
    tcase_add_test(all, sends_to_a_session_stand_between_its_publications);
    suite_add_tcase(suite, all);
    return rig_run(suite);
}
