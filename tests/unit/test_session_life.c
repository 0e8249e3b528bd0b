/* Sessions in the core after a restart of the broker: what edges bring back. */
#include "tests/unit/session_rig.h"

START_TEST(an_edge_brings_a_session_back)
{
    struct rig *rig = s_restarted();
    rig_edge(rig, 8,
             "SESS " S1 " 3 chat w1 7 1111111111111111:5 as=r\nrooms/1 "
             "1111111111111111:2\n\n{\"carrier\":\"ws\"}");
    rig_expect(rig, "app 1 ADOPT " S1 " 4096 *");
    rig_edge(rig, 8,
             "ADOPT " CH("1") " 4 chat w1 1 sid=" S1 " mode=join as=r att=3 ws=1\n{}");
    rig_expect(rig, "edge 8 BIND * " CH(
                        "1") " " S1 " 3 7 1111111111111111:5 *worker=w1*|rooms/1 *");
    rig_edge(rig, 8, "TEXT " CH("1") " 5 n=8\nhello");
    rig_expect_no(rig, "app 1 TEXT *"); // an older carrier may still be announced
    rig_edge(rig, 8, "SYNCED");
    rig_expect(rig, "edge 8 RESEND * " CH("1") " 1 from=4");
    rig_edge(rig, 8, "TEXT " CH("1") " 5 n=8\nhello");
    rig_expect(rig, "app 1 TEXT " S1 " 4097 * o=8|hello");
    rig_edge(rig, 8, "SYNCED");
    rig_edge(rig, 9, "SYNCED");
    s_wait(rig, 40);
    rig_expect_no(rig, "app 1 CLOSE *");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_post_beyond_what_an_old_copy_knew_waits_for_the_lease_only)
{
    struct rig *rig = s_restarted();
    rig_edge(rig, 8, "SESS " S1 " 3 chat - 5 " POS("1") " as=r\n\n{}");
    rig_edge(rig, 8, "SYNCED");
    rig_edge(rig, 9, "SYNCED");
    s_wait(rig, 6);
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=post as=r\n{}");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2 n=9\nnine");
    rig_edge(rig, 9, "OPEN " CH2("2") " 1 chat 1 sid=" S1 " mode=post as=r\n{}");
    rig_edge(rig, 9, "TEXT " CH2("2") " 2 n=8\neight");
    s_wait(rig, 3);
    rig_expect_no(rig, "app 1 TEXT *");
    s_wait(rig, 3);
    rig_expect(rig, "app 1 LOST " S1 " * skipped");
    rig_expect(rig, "edge 9 RESEND * " CH2("2") " 1 from=1");
    rig_edge(rig, 9, "TEXT " CH2("2") " 2 n=8\neight");
    rig_expect(rig, "app 1 TEXT " S1 " * o=8|eight");
    rig_expect(rig, "edge 9 RESEND * " CH2("1") " 1 from=1");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2 n=9\nnine");
    rig_expect(rig, "app 1 TEXT " S1 " * o=9|nine");
    rig_forget(rig);
    rig_edge(rig, 9, "OPEN " CH2("3") " 1 chat 1 sid=" S1 " mode=post as=r\n{}");
    rig_edge(rig, 9,
             "TEXT " CH2("3") " 2 n=11\neleven"); // now it is known what was taken
    s_wait(rig, 12);
    rig_expect_no(rig, "app 1 LOST *");
    rig_destroy(rig);
}
END_TEST

START_TEST(the_newest_copy_says_what_a_session_is_subscribed_to)
{
    struct rig *rig = s_restarted();
    rig_edge(rig, 9,
             "SESS " S1 " 2 chat - 0 " POS("1") " as=r\nrooms/1 " POS("1") "\n\n{}");
    rig_edge(rig, 8,
             "SESS " S1 " 3 chat - 0 " POS("1") " as=r\nrooms/2 " POS("1") "\n\n{}");
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect(rig, "edge 9 BIND * " CH2("1") " " S1 " *|rooms/2 " POS("1") "|");
    rig_destroy(rig);
}
END_TEST

START_TEST(an_older_copy_takes_away_nothing_that_was_subscribed_meanwhile)
{
    struct rig *rig = s_restarted();
    rig_edge(rig, 9,
             "SESS " S1 " 2 chat - 0 " POS("1") " as=r\nrooms/1 " POS("1") "\n\n{}");
    rig_app(rig, 1, "SUB " S1 " rooms/3");
    rig_turn(rig);
    rig_edge(rig, 8,
             "SESS " S1 " 3 chat - 0 " POS("1") " as=r\nrooms/2 " POS("1") "\n\n{}");
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect(rig, "edge 9 BIND * " CH2("1") " " S1 " *rooms/3 *");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_join_waits_for_the_edge_that_knows_its_session)
{
    struct rig *rig = s_restarted();
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect_no(rig, "edge 9 DROP *");
    rig_edge(rig, 8, "SESS " S1 " 3 chat - 7 1111111111111111:5 as=r\n");
    rig_expect(rig, "edge 9 RESEND * " CH2("1") " 1 from=0");
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect(rig, "edge 9 BIND * " CH2("1") " " S1 " 4096 7 *");
    rig_edge(rig, 8,
             "ADOPT " CH("1") " 4 chat - 1 sid=" S1 " mode=join as=r att=3 ws=1\n{}");
    rig_expect(rig, "edge 8 DROP * " CH("1") " superseded");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_join_of_a_session_that_nobody_knows_is_told_so_in_time)
{
    struct rig *rig = s_restarted();
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_edge(rig, 9, "SYNCED");
    s_wait(rig, 4);
    rig_expect_no(rig, "edge 9 DROP *");
    s_wait(rig, 2);
    rig_expect(rig, "edge 9 DROP * " CH2("1") " unknown");
    rig_edge(rig, 9, "CLOSE " CH2("1") " 2 4410\n");
    rig_turn(rig);
    rig_expect(rig, "edge 9 ACK * -|" CH2("1") " 2|");
    rig_destroy(rig);
}
END_TEST

START_TEST(an_older_carrier_that_is_not_announced_yet_goes_first_all_the_same)
{
    struct rig *rig = s_restarted();
    rig_edge(rig, 9, "SESS " S1 " 3 chat - 0 1111111111111111:5 as=r older=1\n\n");
    rig_edge(rig, 9,
             "ADOPT " CH2("1") " 1 chat - 1 sid=" S1 " mode=join as=r att=3 ws=1\n{}");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2\nsecond");
    rig_expect_no(rig, "app 1 TEXT *");
    rig_edge(rig, 8,
             "ADOPT " CH("1") " 1 chat - 1 sid=" S1 " mode=join as=r att=2 ws=1\n{}");
    rig_edge(rig, 9, "SYNCED");
    rig_edge(rig, 8, "TEXT " CH("1") " 2\nfirst");
    rig_expect(rig, "app 1 TEXT " S1 " *|first");
    rig_edge(rig, 8, "CLOSE " CH("1") " 3 1001\n");
    rig_expect(rig, "edge 9 RESEND * " CH2("1") " 1 from=1");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2\nsecond");
    rig_expect(rig, "app 1 TEXT " S1 " *|second");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_carrier_that_served_is_none_of_those_that_were_older)
{
    struct rig *rig = s_restarted();
    rig_edge(rig, 9, "SESS " S1 " 3 chat - 0 1111111111111111:5 as=r older=1\n\n");
    rig_edge(rig, 9, "OPEN " CH2("2") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_edge(rig, 9,
             "ADOPT " CH2("1") " 1 chat - 1 sid=" S1 " mode=join as=r att=3 ws=1\n{}");
    rig_edge(rig, 9, "SYNCED");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2\nsecond");
    rig_expect_no(rig, "app 1 TEXT *"); // the older one is still to come
    rig_edge(rig, 8,
             "ADOPT " CH("1") " 1 chat - 1 sid=" S1 " mode=join as=r att=2 ws=1\n{}");
    rig_edge(rig, 8, "TEXT " CH("1") " 2\nfirst");
    rig_expect(rig, "app 1 TEXT " S1 " *|first");
    rig_edge(rig, 8, "CLOSE " CH("1") " 3 1001\n");
    rig_expect(rig, "edge 9 RESEND * " CH2("1") " 1 from=1");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_carrier_that_served_counts_as_older_before_it_is_announced)
{
    struct rig *rig = s_restarted();
    rig_edge(rig, 9, "SESS " S1 " 3 chat - 0 1111111111111111:5 as=r older=1\n\n");
    rig_edge(rig, 8, "OPEN " CH("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect(rig, "edge 8 BIND *older=2*");
    rig_edge(rig, 9, "SYNCED"); // it has none
    rig_turn(rig);
    rig_expect(rig, "edge 8 BIND *older=1*");
    rig_destroy(rig);
}
END_TEST

START_TEST(the_newest_carrier_serves_in_whatever_order_edges_announce_them)
{
    struct rig *rig = s_restarted();
    rig_edge(rig, 8, "SESS " S1 " 2 chat - 0 1111111111111111:5 as=r older=0\n\n");
    rig_edge(rig, 8,
             "ADOPT " CH("1") " 1 chat - 1 sid=" S1 " mode=join as=r att=2 ws=1\n{}");
    rig_edge(rig, 8, "SYNCED");
    rig_edge(rig, 9, "SESS " S1 " 3 chat - 0 1111111111111111:5 as=r older=1\n\n");
    rig_edge(rig, 9,
             "ADOPT " CH2("1") " 1 chat - 1 sid=" S1 " mode=join as=r att=3 ws=1\n{}");
    rig_edge(rig, 9, "SYNCED");
    rig_expect_no(rig, "edge 9 DROP *");
    rig_expect(rig, "edge 8 DROP * " CH("1") " superseded");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2\nsecond");
    rig_expect_no(rig, "app 1 TEXT *");
    rig_edge(rig, 8, "TEXT " CH("1") " 2\nfirst");
    rig_edge(rig, 8, "CLOSE " CH("1") " 3 4409\n");
    rig_expect(rig, "edge 9 RESEND * " CH2("1") " 1 from=1"); // no other is waited for
    rig_edge(rig, 9, "TEXT " CH2("1") " 2\nsecond");
    rig_expect(rig, "app 1 TEXT " S1 " *|second");
    rig_destroy(rig);
}
END_TEST

START_TEST(an_older_carrier_counts_until_what_it_said_is_acknowledged)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect(rig, "edge 9 BIND *older=1*");
    rig_edge(rig, 8, "TEXT " CH("1") " 2\nfirst");
    rig_expect(rig, "app 1 TEXT " S1 " 2 *|first");
    rig_edge(rig, 8, "CLOSE " CH("1") " 3 4409\n");
    rig_turn(rig);
    rig_expect_no(rig, "edge 9 BIND *"); // e1 would say it again after a restart
    s_ack(rig);
    rig_expect(rig, "edge 9 BIND *grace=*");
    ck_assert_ptr_null(strstr(rig->last, "older="));
    rig_destroy(rig);
}
END_TEST

START_TEST(no_number_is_given_up_while_a_message_waits_for_older_carriers)
{
    struct rig *rig = s_restarted();
    rig_edge(rig, 9, "SESS " S1 " 3 chat - 7 1111111111111111:5 as=r\n\n");
    rig_edge(rig, 9, "SYNCED");
    rig_edge(rig, 8, "SYNCED");
    rig_edge(rig, 8, "OPEN " CH("5") " 1 chat 1 sid=" S1 " mode=post as=r\n{}");
    rig_edge(rig, 8, "TEXT " CH("5") " 2 n=9\nnine");
    rig_edge(rig, 8, "OPEN " CH("6") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_edge(rig, 8, "OPEN " CH("7") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_edge(rig, 8, "OPEN " CH("8") " 1 chat 1 sid=" S1 " mode=post as=r\n{}");
    rig_edge(rig, 8, "TEXT " CH("8") " 2 n=8\neight"); // CH 6 may still say something
    s_wait(rig, 6);
    rig_expect_no(rig, "app 1 LOST *");
    rig_edge(rig, 8, "CLOSE " CH("6") " 2 4409\n");
    rig_expect(rig, "edge 8 RESEND * " CH("8") " 1 from=1");
    rig_edge(rig, 8, "TEXT " CH("8") " 2 n=8\neight");
    rig_expect(rig, "app 1 TEXT " S1 " * o=8|eight");
    rig_expect(rig, "edge 8 RESEND * " CH("5") " 1 from=1");
    rig_edge(rig, 8, "TEXT " CH("5") " 2 n=9\nnine");
    rig_expect(rig, "app 1 TEXT " S1 " * o=9|nine");
    rig_destroy(rig);
}
END_TEST

START_TEST(older_carriers_that_died_with_the_broker_are_told_of_as_lost)
{
    struct rig *rig = s_restarted();
    rig_edge(rig, 9, "SESS " S1 " 3 chat - 0 1111111111111111:5 as=r older=1\n\n");
    rig_edge(rig, 9,
             "ADOPT " CH2("1") " 1 chat - 1 sid=" S1 " mode=join as=r att=3 ws=1\n{}");
    rig_edge(rig, 9, "SYNCED");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2\nsecond");
    s_wait(rig, 6);
    rig_expect(rig, "app 1 LOST " S1 " * edge-lost");
    rig_expect(rig, "edge 9 RESEND * " CH2("1") " 1 from=1");
    rig_destroy(rig);
}
END_TEST

START_TEST(an_edge_that_dies_before_it_has_announced_all_may_have_had_messages)
{
    struct rig *rig = s_restarted();
    rig_edge(rig, 9, "SESS " S1 " 3 chat - 0 1111111111111111:5 as=r older=0\n\n");
    rig_edge(rig, 8, "OPEN " CH("5") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect_no(rig, "app 1 LOST *");
    rig_edge(rig, 9, "BYE"); // a carrier of it had what the client said meanwhile
    rig_expect(rig, "app 1 LOST " S1 " * edge-lost");
    rig_destroy(rig);
}
END_TEST

START_TEST(lost_stands_where_the_hole_is)
{
    struct rig *rig = s_opened();
    rig_join_edge(rig, 2);
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_edge(rig, 9, "BYE"); // its messages would have come after those of e1
    rig_expect_no(rig, "app 1 LOST *");
    rig_edge(rig, 8, "TEXT " CH("1") " 2\nfirst");
    rig_edge(rig, 8, "CLOSE " CH("1") " 3 4409\n");
    rig_expect(rig, "app 1 TEXT " S1 " *|first");
    rig_expect(rig, "app 1 LOST " S1 " * edge-lost");
    rig_destroy(rig);
}
END_TEST

START_TEST(what_a_refused_carrier_was_asked_to_wait_with_is_acknowledged)
{
    struct rig *rig = s_restarted();
    rig_edge(rig, 9,
             "ADOPT " CH2("1") " 1 chat - 1 sid=" S1 " mode=join as=r att=3 ws=1\n{}");
    rig_edge(rig, 9, "CLOSE " CH2("1") " 2 1001\n");
    rig_edge(rig, 9, "SYNCED");
    s_wait(rig, 6);
    rig_expect(rig, "edge 9 DROP * " CH2("1") " unknown");
    rig_expect(rig, "edge 9 RESEND * " CH2("1") " 1 from=1");
    rig_edge(rig, 9, "CLOSE " CH2("1") " 2 1001\n");
    rig_turn(rig);
    rig_expect(rig, "edge 9 ACK * -|" CH2("1") " 2|");
    rig_destroy(rig);
}
END_TEST

START_TEST(commands_for_a_session_wait_for_the_edge_that_knows_it)
{
    struct rig *rig = s_restarted();
    rig_app(rig, 2, "SEND " S1 " id=1\none");
    rig_app(rig, 2, "SEND " S1 " id=2\ntwo");
    rig_app(rig, 2, "CHECK " S1);
    rig_expect(rig, "app 2 LATER " S1 " *");
    rig_edge(rig, 8, "SESS " S1 " 3 chat - 7 1111111111111111:5 as=r\n");
    rig_turn(rig);
    rig_expect(rig, "app 2 OK " S1 " - 1 pos=" POS("1"));
    rig_expect(rig, "app 2 OK " S1 " - 2 pos=" POS("2"));
    rig_destroy(rig);
}
END_TEST

START_TEST(a_session_that_is_over_does_not_come_back)
{
    struct rig *rig = s_rig();
    rig_edge(rig, 8, "SESS " S1 " 3 chat - 7 1111111111111111:5 as=r\n");
    rig_expect(rig, "edge 8 FORGET * " S1);
    rig_expect_no(rig, "app *");
    rig_destroy(rig);
}
END_TEST

START_TEST(check_ends_a_session_that_no_edge_has_brought_back)
{
    struct rig *rig = s_restarted();
    rig_edge(rig, 9, "SYNCED");
    s_wait(rig, 6);
    rig_app(rig, 1, "CHECK " S1);
    rig_expect(rig, "app 1 CLOSE " S1 " - - 1006 cause=edge-lost|");
    rig_edge(rig, 8, "SESS " S1 " 3 chat - 7 1111111111111111:5 as=r\n");
    rig_expect(rig, "edge 8 FORGET * " S1);
    rig_destroy(rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_life");
    TCase *tcase = tcase_create("restart");
    tcase_add_test(tcase, an_edge_brings_a_session_back);
    tcase_add_test(tcase, a_post_beyond_what_an_old_copy_knew_waits_for_the_lease_only);
    tcase_add_test(tcase, the_newest_copy_says_what_a_session_is_subscribed_to);
    tcase_add_test(tcase, an_older_copy_takes_away_nothing_that_was_subscribed_meanwhile);
    tcase_add_test(tcase, a_join_waits_for_the_edge_that_knows_its_session);
    tcase_add_test(tcase, a_join_of_a_session_that_nobody_knows_is_told_so_in_time);
    tcase_add_test(tcase,
                   an_older_carrier_that_is_not_announced_yet_goes_first_all_the_same);
    tcase_add_test(tcase, a_carrier_that_served_is_none_of_those_that_were_older);
    tcase_add_test(tcase, a_carrier_that_served_counts_as_older_before_it_is_announced);
    tcase_add_test(tcase,
                   the_newest_carrier_serves_in_whatever_order_edges_announce_them);
    tcase_add_test(tcase, an_older_carrier_counts_until_what_it_said_is_acknowledged);
    tcase_add_test(tcase, no_number_is_given_up_while_a_message_waits_for_older_carriers);
    tcase_add_test(tcase, older_carriers_that_died_with_the_broker_are_told_of_as_lost);
    tcase_add_test(tcase,
                   an_edge_that_dies_before_it_has_announced_all_may_have_had_messages);
    tcase_add_test(tcase, lost_stands_where_the_hole_is);
    tcase_add_test(tcase, what_a_refused_carrier_was_asked_to_wait_with_is_acknowledged);
    tcase_add_test(tcase, commands_for_a_session_wait_for_the_edge_that_knows_it);
    tcase_add_test(tcase, a_session_that_is_over_does_not_come_back);
    tcase_add_test(tcase, check_ends_a_session_that_no_edge_has_brought_back);
    suite_add_tcase(suite, tcase);
    return rig_run(suite);
}
