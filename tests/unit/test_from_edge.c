#include "tests/unit/core_rig.h"

static struct rig *s_rig;

static void s_set_up(void)
{
    s_rig = rig_new();
    rig_join_edge(s_rig, 1);
    rig_forget(s_rig);
    rig_app(s_rig, 1, "JOIN echo");
}

static void s_tear_down(void)
{
    rig_destroy(s_rig);
}

static void s_hello(uint64_t peer, const char *boot, int lastc)
{
    char record[128];
    snprintf(record, sizeof record, "HELLO e1 " EPOCH " %s %d proto=RW/1", boot, lastc);
    rig_edge(s_rig, peer, record);
}

START_TEST(a_welcome_that_does_not_fit_comes_later_and_before_any_command)
{
    s_rig->full = 1 << 9;
    s_hello(9, BOOT, 0);
    rig_app(s_rig, 3, "SEND " CH("1") "\none");
    rig_expect_no(s_rig, "edge 9 *");
    ck_assert(core_is_behind(s_rig->core));
    s_rig->full = 0;
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 9 WELCOME 0 " BOOT " resume");
    rig_expect(s_rig, "edge 9 SEND * " CH("1") "|one");
    ck_assert(!core_is_behind(s_rig->core));
}
END_TEST

START_TEST(a_question_whose_answer_was_lost_is_asked_again_after_a_resume)
{
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    rig_expect(s_rig, "app 1 OPEN *");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_turn(s_rig);
    rig_app(s_rig, 2, "JOIN echo");
    rig_app(s_rig, 1, "LEAVE echo");
    rig_expect(s_rig, "edge 8 RESEND 2 " CH("1") " 1 tried=1");
    s_hello(9, BOOT, 2); // it took RESEND, and its ADOPT is lost
    rig_expect(s_rig, "edge 9 WELCOME 0 " BOOT " resume");
    rig_expect(s_rig, "edge 9 RESEND 3 " CH("1") " 1 tried=0");
    rig_edge(s_rig, 9, "ADOPT " CH("1") " 1 echo - 1 ws=1\n{}");
    rig_expect(s_rig, "app 2 ADOPT " CH("1") " 1 *");
}
END_TEST

START_TEST(a_question_that_is_still_on_its_way_is_not_asked_twice)
{
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    rig_expect(s_rig, "app 1 OPEN *");
    rig_app(s_rig, 2, "JOIN echo");
    rig_tagged(s_rig, 1, "NACK", s_rig->tag);
    rig_expect(s_rig, "edge 8 RESEND 1 " CH("1") " 1 tried=1");
    s_hello(9, BOOT, 0);
    rig_expect(s_rig, "edge 9 RESEND 1 " CH("1") " 1 tried=1");
    rig_expect_no(s_rig, "edge 9 RESEND*");
}
END_TEST

START_TEST(an_announcement_that_does_not_know_the_question_yet_is_no_answer)
{
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\nb");
    rig_expect(s_rig, "app 1 TEXT *");
    char tag[64];
    snprintf(tag, sizeof tag, "%s", s_rig->tag);
    s_hello(9, "-", 0); // announces all, from the beginning of our commands
    rig_expect(s_rig, "edge 9 WELCOME 0 " BOOT " sync c=0");
    rig_app(s_rig, 2, "JOIN echo");
    rig_app(s_rig, 1, "LEAVE echo");
    rig_tagged(s_rig, 1, "ACK", tag);
    rig_expect(s_rig, "edge 9 ACK 1 -|" CH("1") " 2|");
    rig_expect(s_rig, "edge 9 RESEND 2 " CH("1") " 1 tried=2");
    rig_edge(s_rig, 9, "OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    rig_edge(s_rig, 9, "TEXT " CH("1") " 2\nb");
    rig_edge(s_rig, 9, "SYNCED");
    rig_expect_no(s_rig, "app 2 OPEN*");
    rig_expect_no(s_rig, "app * CLOSE*");
    rig_edge(s_rig, 9, "ADOPT " CH("1") " 2 echo - 1 ws=1\n{}");
    rig_expect(s_rig, "app 2 ADOPT " CH("1") " 2 *");
    rig_expect_no(s_rig, "app 2 TEXT*");
}
END_TEST

START_TEST(an_announcement_that_is_broken_off_loses_no_command)
{
    s_hello(9, BOOT, 0);
    s_hello(9, "-", 0);
    rig_app(s_rig, 3, "SEND " CH("1") "\none");
    rig_forget(s_rig);
    s_hello(10, "-", 0); // it had WELCOME, or not
    rig_expect(s_rig, "edge 10 WELCOME 0 " BOOT " sync c=0");
    rig_expect(s_rig, "edge 10 SEND 1 " CH("1") "|one");
    s_hello(11, BOOT, 1);
    rig_expect(s_rig, "edge 11 WELCOME 0 " BOOT " sync c=1");
    rig_expect_no(s_rig, "edge 11 SEND*");
}
END_TEST

START_TEST(a_lastc_of_another_life_of_the_broker_frees_nothing)
{
    rig_app(s_rig, 3, "SEND " CH("1") "\none");
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 1 boot=00000000000000bb");
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 1");
    ck_assert_int_eq((int)core_measure(s_rig->core)->ring_records, 1);
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 1 boot=" BOOT);
    ck_assert_int_eq((int)core_measure(s_rig->core)->ring_records, 0);
}
END_TEST

START_TEST(a_hello_that_was_held_up_takes_nothing_out_of_the_ring)
{
    rig_app(s_rig, 3, "SEND " CH("1") "\none");
    rig_app(s_rig, 3, "SEND " CH("1") "\ntwo");
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 1 boot=" BOOT);
    s_rig->broken = 1 << 7;
    s_hello(7, BOOT, 0); // older than the heartbeat; its connection is gone
    rig_forget(s_rig);
    s_hello(9, BOOT, 1);
    rig_expect(s_rig, "edge 9 WELCOME 0 " BOOT " sync c=1");
    rig_expect(s_rig, "edge 9 SEND 2 " CH("1") "|two");
}
END_TEST

START_TEST(an_edge_publishes_and_asks_and_is_answered_by_reply)
{
    rig_edge(s_rig, 8, "TSUB news");
    rig_edge(s_rig, 8, "PUB news id=0123456789abcdef.1 bin=1\nhi");
    rig_expect(s_rig, "edge 8 PUB * news " BOOT ":1 bin=1|hi");
    rig_expect(s_rig, "edge 8 REPLY * 0123456789abcdef.1 -|pos=" BOOT ":1");
    rig_edge(s_rig, 8, "PUB news id=0123456789abcdef.1 bin=1\nhi"); // again
    rig_expect_no(s_rig, "edge 8 PUB *");
    rig_expect(s_rig, "edge 8 REPLY * 0123456789abcdef.1 -|pos=" BOOT ":1");
    rig_edge(s_rig, 8, "PUB news id=0123456789abcdef.2 bin=2\nhi");
    rig_expect(s_rig, "edge 8 REPLY * 0123456789abcdef.2 value|bin: 0 or 1");
    rig_edge(s_rig, 8, "GET list echo id=0123456789abcdef.3");
    rig_expect(s_rig, "edge 8 REPLY * 0123456789abcdef.3 -|{*\"service\":\"echo\"*");
    rig_edge(s_rig, 8, "GET list none id=0123456789abcdef.4");
    rig_expect(s_rig, "edge 8 REPLY * 0123456789abcdef.4 gone|no such service");
}
END_TEST

START_TEST(an_edge_that_asks_without_a_long_id_is_not_heard)
{
    rig_edge(s_rig, 8, "TSUB news");
    rig_expect(s_rig, "edge 8 TOP *");
    rig_edge(s_rig, 8, "PUB news\nhi");
    rig_edge(s_rig, 8, "PUB news id=7\nhi");
    rig_expect_no(s_rig, "edge 8 *");
    ck_assert_int_eq((int)core_measure(s_rig->core)->dropped[CORE_DROP_VALUE], 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("from_edge");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, s_set_up, s_tear_down);
    tcase_add_test(all, a_welcome_that_does_not_fit_comes_later_and_before_any_command);
    tcase_add_test(all, a_question_whose_answer_was_lost_is_asked_again_after_a_resume);
    tcase_add_test(all, a_question_that_is_still_on_its_way_is_not_asked_twice);
    tcase_add_test(all, an_announcement_that_does_not_know_the_question_yet_is_no_answer);
    tcase_add_test(all, an_announcement_that_is_broken_off_loses_no_command);
    tcase_add_test(all, a_lastc_of_another_life_of_the_broker_frees_nothing);
    tcase_add_test(all, a_hello_that_was_held_up_takes_nothing_out_of_the_ring);
    tcase_add_test(all, an_edge_publishes_and_asks_and_is_answered_by_reply);
    tcase_add_test(all, an_edge_that_asks_without_a_long_id_is_not_heard);
    suite_add_tcase(suite, all);
    return rig_run(suite);
}
