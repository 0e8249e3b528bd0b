#include "tests/unit/core_rig.h"

static struct rig *s_rig;

static void s_set_up(void)
{
    s_rig = rig_new();
}

static void s_tear_down(void)
{
    rig_destroy(s_rig);
}

/* A channel that worker 1 has and has acknowledged. */
static void s_opened(const char *id, const char *options)
{
    char record[128];
    snprintf(record, sizeof record, "OPEN %s 1 echo 0%s\n{}", id, options);
    rig_edge(s_rig, 8, record);
    snprintf(record, sizeof record, "app 1 OPEN %s 1 *", id);
    rig_expect(s_rig, record);
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
}

START_TEST(a_new_edge_is_asked_to_announce_everything)
{
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " - 0 proto=RW/1");
    rig_expect(s_rig, "edge 8 WELCOME 0 " BOOT " sync c=0");
}
END_TEST

START_TEST(another_major_version_is_refused_with_both_named)
{
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " - 0 proto=RW/2");
    rig_expect(s_rig, "edge 8 REJECT 0 proto|*RW/1*RW/2");
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " - 0");
    rig_expect(s_rig, "edge 8 REJECT 0 proto|*RW/1*none");
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " - 0 proto=RW/10");
    rig_expect(s_rig, "edge 8 REJECT 0 proto|*");
    ck_assert_int_eq((int)core_measure(s_rig->core)->edges, 0);
}
END_TEST

START_TEST(a_stranger_is_asked_who_it_is_but_not_often)
{
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\nx");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 3\nx");
    rig_expect(s_rig, "edge 8 WHO 0");
    rig_expect_no(s_rig, "edge 8 *");
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 0");
    rig_expect(s_rig, "edge 60 WHO 0");
}
END_TEST

START_TEST(all_services_are_told_after_welcome_and_a_missing_one_each_second)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_app(s_rig, 1, "JOIN chat");
    rig_join_edge(s_rig, 1);
    rig_expect(s_rig, "edge 8 WELCOME *");
    ck_assert_int_eq(rig_count(s_rig, "edge 8 FLOW 0 * 1"), 2);
    rig_app(s_rig, 1, "LEAVE chat");
    rig_expect(s_rig, "edge 8 FLOW 0 chat 0");
    rig_wait(s_rig, 2, "1");
    ck_assert_int_eq(rig_count(s_rig, "edge 8 FLOW 0 chat 0"), 2);
}
END_TEST

START_TEST(heartbeats_go_to_edges_and_workers_each_second)
{
    rig_join_edge(s_rig, 1);
    rig_app(s_rig, 1, "JOIN echo");
    rig_forget(s_rig);
    rig_wait(s_rig, 2, "1");
    ck_assert_int_eq(rig_count(s_rig, "edge 8 HB 0 " BOOT " c=0"), 2);
    ck_assert_int_eq(rig_count(s_rig, "app 1 HB - - -"), 2);
}
END_TEST

START_TEST(a_heartbeat_is_answered_where_it_came_from)
{
    rig_join_edge(s_rig, 1);
    rig_forget(s_rig);
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 0");
    rig_expect(s_rig, "edge 60 HB 0 " BOOT " c=*");
    rig_edge(s_rig, 8, "HB e1 " EPOCH " 0"); // the other connection has its own beats
    rig_expect_no(s_rig, "edge * HB*");
}
END_TEST

START_TEST(a_large_record_in_the_way_is_no_death_while_heartbeats_take_another)
{
    rig_join_edge(s_rig, 1);
    s_rig->full = 1 << 8; // nothing comes through here, in either direction
    for (int second = 0; second < 20; second++) {
        rig_wait(s_rig, 1, "1");
        rig_expect(s_rig, "edge 60 HB 0 " BOOT " c=*");
    }
    ck_assert_int_eq((int)core_measure(s_rig->core)->edges, 1);
}
END_TEST

START_TEST(commands_that_a_broken_connection_lost_are_sent_again_from_lastc)
{
    rig_join_edge(s_rig, 1);
    rig_app(s_rig, 3, "SEND " CH("1") "\none");
    rig_app(s_rig, 3, "SEND " CH("1") "\ntwo");
    s_rig->broken = 1 << 8;
    rig_app(s_rig, 3, "SEND " CH("1") "\nthree");
    rig_forget(s_rig);
    rig_edge(s_rig, 9, "HELLO e1 " EPOCH " " BOOT " 1 proto=RW/1");
    rig_expect(s_rig, "edge 9 WELCOME 0 " BOOT " resume");
    rig_expect(s_rig, "edge 9 SEND 2 " CH("1") "|two");
    rig_expect(s_rig, "edge 9 SEND 3 " CH("1") "|three");
    rig_expect_no(s_rig, "edge 9 SEND*");
}
END_TEST

START_TEST(a_full_connection_gets_the_rest_in_order_when_it_has_room)
{
    rig_join_edge(s_rig, 1);
    s_rig->full = 1 << 8;
    rig_app(s_rig, 3, "SEND " CH("1") "\none");
    rig_app(s_rig, 3, "SEND " CH("1") "\ntwo");
    rig_forget(s_rig);
    ck_assert(core_is_behind(s_rig->core));
    s_rig->full = 0;
    rig_app(s_rig, 3, "SEND " CH("1") "\nthree");
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 SEND 1 *|one");
    rig_expect(s_rig, "edge 8 SEND 2 *|two");
    rig_expect(s_rig, "edge 8 SEND 3 *|three");
    ck_assert(!core_is_behind(s_rig->core));
}
END_TEST

START_TEST(a_heartbeat_frees_the_ring_and_an_unknown_lastc_is_a_sync)
{
    rig_join_edge(s_rig, 1);
    rig_app(s_rig, 3, "SEND " CH("1") "\none");
    rig_app(s_rig, 3, "SEND " CH("1") "\ntwo");
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 2 boot=" BOOT);
    ck_assert_int_eq((int)core_measure(s_rig->core)->ring_records, 0);
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " " BOOT " 1 proto=RW/1");
    rig_expect(s_rig, "edge 8 WELCOME 0 " BOOT " sync c=2");
    rig_edge(s_rig, 8, "SYNCED");
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " " BOOT " 7 proto=RW/1");
    rig_expect(s_rig, "edge 8 WELCOME 0 " BOOT " sync c=2");
}
END_TEST

START_TEST(an_edge_that_broke_off_its_announcement_begins_again)
{
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " - 0 proto=RW/1");
    rig_edge(s_rig, 9, "HELLO e1 " EPOCH " " BOOT " 0 proto=RW/1");
    rig_expect(s_rig, "edge 9 WELCOME 0 " BOOT " sync c=0");
}
END_TEST

START_TEST(a_silent_edge_is_dead_and_each_of_its_channels_is_closed_once)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_join_edge(s_rig, 1);
    s_opened(CH("1"), " ws=1");
    s_opened(CH("2"), "");
    for (int second = 0; second < 7; second++) {
        rig_wait(s_rig, 1, "");
        rig_app(s_rig, 1, "JOIN echo");
    }
    rig_expect(s_rig, "app 1 CLOSE " CH("1") " 2 * 1006 cause=edge-lost|");
    rig_expect(s_rig, "app 1 CLOSE " CH("2") " 2 * -1 cause=edge-lost|");
    rig_expect_no(s_rig, "app 1 CLOSE*");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    ck_assert_int_eq((int)core_measure(s_rig->core)->channels, 0);
    ck_assert_int_eq((int)core_measure(s_rig->core)->edges, 0);
}
END_TEST

START_TEST(a_dead_epoch_is_refused_and_a_new_one_of_the_same_name_is_not)
{
    rig_join_edge(s_rig, 1);
    rig_wait(s_rig, 7, "");
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " " BOOT " 0 proto=RW/1");
    rig_expect(s_rig, "edge 8 REJECT 0 epoch|*");
    rig_edge(s_rig, 8, "HELLO e1 fedcba9876543210 - 0 proto=RW/1");
    rig_expect(s_rig, "edge 8 WELCOME 0 " BOOT " sync *");
    for (int second = 0; second < 125; second++)
        rig_wait(s_rig, 1, "");
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " - 0 proto=RW/1");
    rig_expect(s_rig, "edge 8 WELCOME 0 *");
}
END_TEST

START_TEST(two_lives_of_one_name_do_not_touch_each_other)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_join_edge(s_rig, 1);
    s_opened(CH("1"), " ws=1");
    rig_edge(s_rig, 9, "HELLO e1 fedcba9876543210 - 0 proto=RW/1");
    rig_expect_no(s_rig, "app 1 CLOSE*");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\nstill here");
    rig_expect(s_rig, "app 1 TEXT " CH("1") " 2 *|still here");
}
END_TEST

START_TEST(bye_closes_at_once)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_join_edge(s_rig, 1);
    s_opened(CH("1"), " ws=1");
    rig_edge(s_rig, 8, "BYE");
    rig_expect(s_rig, "app 1 CLOSE " CH("1") " 2 * 1006 cause=edge-lost|");
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " " BOOT " 0 proto=RW/1");
    rig_expect(s_rig, "edge 8 REJECT 0 epoch|*");
}
END_TEST

START_TEST(what_was_never_delivered_dies_with_its_edge_without_a_word)
{
    rig_join_edge(s_rig, 1);
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 0\n{}");
    rig_edge(s_rig, 8, "BYE");
    rig_app(s_rig, 1, "JOIN echo");
    rig_wait(s_rig, 2, "");
    rig_expect_no(s_rig, "app 1 OPEN*");
    rig_expect_no(s_rig, "app 1 CLOSE*");
    ck_assert_int_eq((int)core_measure(s_rig->core)->channels, 0);
}
END_TEST

START_TEST(a_close_that_the_edge_sent_is_not_made_up_a_second_time)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_join_edge(s_rig, 1);
    s_opened(CH("1"), " ws=1");
    rig_edge(s_rig, 8, "CLOSE " CH("1") " 2 1000 cause=client\n");
    rig_expect(s_rig, "app 1 CLOSE " CH("1") " 2 * 1000 *");
    rig_edge(s_rig, 8, "BYE");
    rig_expect_no(s_rig, "app 1 CLOSE*");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    ck_assert_int_eq((int)core_measure(s_rig->core)->channels, 0);
}
END_TEST

START_TEST(a_close_that_is_owed_waits_for_a_worker_and_outlives_it)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_join_edge(s_rig, 1);
    s_opened(CH("1"), " ws=1");
    s_rig->broken = 1 << 1;
    rig_wait(s_rig, 1, "1");
    rig_edge(s_rig, 8, "BYE");
    rig_app(s_rig, 2, "JOIN echo");
    rig_expect(s_rig, "app 2 CLOSE " CH("1") " 4294967297 * 1006 cause=edge-lost|");
    s_rig->broken |= 1 << 2;
    rig_wait(s_rig, 1, "");
    rig_app(s_rig, 3, "JOIN echo");
    rig_expect(s_rig, "app 3 CLOSE " CH("1") " 4294967297 * 1006 cause=edge-lost|");
    rig_tagged(s_rig, 3, "ACK", s_rig->tag);
    ck_assert_int_eq((int)core_measure(s_rig->core)->channels, 0);
}
END_TEST

START_TEST(many_closes_at_once_stay_within_what_a_connection_takes)
{
    rig_app(s_rig, 1, "JOIN echo window=10000");
    rig_join_edge(s_rig, 1);
    for (int n = 0; n < 40000; n++) {
        char record[96];
        snprintf(record, sizeof record, "OPEN e1." EPOCH ".%x 1 echo 0\n{}", n);
        rig_edge(s_rig, 8, record);
        if (n % 500 == 499) {
            rig_expect(s_rig, "app 1 OPEN *");
            while (rig_count(s_rig, "app 1 OPEN *"))
                rig_expect(s_rig, "app 1 OPEN *");
            rig_tagged(s_rig, 1, "ACK", s_rig->tag);
            rig_forget(s_rig);
        }
    }
    rig_edge(s_rig, 8, "BYE");
    size_t closes = (size_t)s_rig->count + s_rig->dropped_lines;
    ck_assert_int_ge((int)closes, 30000);
    ck_assert_int_lt((int)closes, 33000);
}
END_TEST

START_TEST(gone_closes_what_was_delivered_and_frees_what_was_not)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_join_edge(s_rig, 1);
    s_opened(CH("1"), " ws=1");
    rig_edge(s_rig, 8, "OPEN " CH("2") " 1 other 0\n{}");
    rig_edge(s_rig, 8, "GONE " CH("2"));
    rig_edge(s_rig, 8, "GONE " CH("1"));
    rig_edge(s_rig, 8, "GONE " CH("1"));
    rig_expect(s_rig, "app 1 CLOSE " CH("1") " 2 * 1006 *");
    rig_expect_no(s_rig, "app 1 CLOSE*");
    ck_assert_int_eq((int)core_measure(s_rig->core)->channels, 1);
}
END_TEST

START_TEST(synced_closes_what_was_not_announced)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_join_edge(s_rig, 1);
    s_opened(CH("1"), " ws=1");
    s_opened(CH("2"), " ws=1");
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " - 0 proto=RW/1");
    rig_edge(s_rig, 8, "ADOPT " CH("2") " 1 echo - 0 ws=1\n{}");
    rig_expect_no(s_rig, "app 1 CLOSE*");
    rig_edge(s_rig, 8, "SYNCED");
    rig_expect(s_rig, "app 1 CLOSE " CH("1") " 2 * 1006 *");
    rig_expect_no(s_rig, "app 1 *");
    rig_edge(s_rig, 8, "TEXT " CH("2") " 2\nx");
    rig_expect(s_rig, "app 1 TEXT " CH("2") " 2 *");
}
END_TEST

START_TEST(after_a_restart_channels_are_adopted_and_go_on)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " 00000000000000bb 17 proto=RW/1");
    rig_expect(s_rig, "edge 8 WELCOME 0 " BOOT " sync c=0");
    rig_edge(s_rig, 8, "ADOPT " CH("1") " 4 echo - 2 ws=1\n{\"carrier\":\"ws\"}");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 5\nfive");
    rig_edge(s_rig, 8, "OPEN " CH("2") " 1 echo 1\n{}");
    rig_edge(s_rig, 8, "SYNCED");
    rig_expect(s_rig, "app 1 ADOPT " CH("1") " 4 *|{\"carrier\":\"ws\"}");
    rig_expect(s_rig, "app 1 TEXT " CH("1") " 5 *|five");
    rig_expect(s_rig, "app 1 OPEN " CH("2") " 1 *");
}
END_TEST

START_TEST(after_a_restart_a_channel_waits_for_its_named_worker)
{
    rig_app(s_rig, 2, "JOIN echo");
    rig_join_edge(s_rig, 1);
    rig_edge(s_rig, 8, "ADOPT " CH("1") " 4 echo w1 2 ws=1\n{}");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 5\nfive");
    rig_expect_no(s_rig, "app 2 * " CH("1") " *");
    rig_app(s_rig, 1, "JOIN echo name=w1");
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 3 tried=0");
    rig_edge(s_rig, 8, "ADOPT " CH("1") " 4 echo w1 3 ws=1\n{}");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 5\nfive");
    rig_expect(s_rig, "app 1 ADOPT " CH("1") " 4 *");
    rig_expect(s_rig, "app 1 TEXT " CH("1") " 5 *");
}
END_TEST

START_TEST(a_named_worker_that_is_there_gets_its_channels_back_at_once)
{
    rig_app(s_rig, 2, "JOIN echo");
    rig_app(s_rig, 1, "JOIN echo name=w1");
    rig_join_edge(s_rig, 1);
    rig_edge(s_rig, 8, "ADOPT " CH("1") " 4 echo w1 2 ws=1\n{}");
    rig_expect(s_rig, "app 1 ADOPT " CH("1") " 4 *");
}
END_TEST

START_TEST(an_edge_speaks_only_of_its_own_channels)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_join_edge(s_rig, 1);
    rig_edge(s_rig, 8, "OPEN " CH2("1") " 1 echo 0\n{}");
    rig_edge(s_rig, 8, "OPEN e1.fedcba9876543210.1 1 echo 0\n{}");
    rig_edge(s_rig, 8, "OPEN " CH("x") " 1 echo 0\n{}");
    rig_expect_no(s_rig, "app 1 OPEN*");
    ck_assert_int_eq((int)core_measure(s_rig->core)->channels, 0);
}
END_TEST

START_TEST(check_is_answered_by_what_is_known_and_later_while_it_is_not)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_app(s_rig, 2, "JOIN none");
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " - 0 proto=RW/1");
    rig_edge(s_rig, 8, "ADOPT " CH("1") " 1 echo - 0 ws=1\n{}");
    rig_app(s_rig, 1, "CHECK " CH("1") " " CH("2") " " CH2("1") " id=9");
    rig_expect(s_rig, "app 1 OK " CH("1") " - 9");
    rig_expect(s_rig, "app 1 LATER " CH("2") " - 9");
    rig_expect(s_rig, "app 1 LATER " CH2("1") " - 9");
    rig_app(s_rig, 2, "CHECK " CH("1"));
    rig_expect(s_rig, "app 2 MOVED " CH("1") " - -");
    rig_edge(s_rig, 8, "SYNCED");
    rig_wait(s_rig, 6, "1");
    rig_app(s_rig, 2, "CHECK " CH("2") " " CH2("1"));
    rig_expect(s_rig, "app 2 CLOSE " CH("2") " - - 1006 cause=edge-lost|");
    rig_expect(s_rig, "app 2 CLOSE " CH2("1") " - - 1006 cause=edge-lost|");
    rig_edge(s_rig, 9, "HELLO e2 " EPOCH " - 0 proto=RW/1");
    rig_expect(s_rig, "edge 9 REJECT 0 epoch|*");
}
END_TEST

START_TEST(a_worker_that_never_saw_the_channel_gets_adopt_before_the_close_of_a_dead_edge)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_join_edge(s_rig, 1);
    s_opened(CH("1"), " ws=1");
    rig_edge(s_rig, 8, "CLOSE " CH("1") " 2 1000\n");
    rig_expect(s_rig, "app 1 CLOSE " CH("1") " 2 *");
    rig_app(s_rig, 2, "JOIN echo");
    s_rig->broken = 1 << 1;
    rig_wait(s_rig, 2, "1"); // worker 1 is dead, the edge was asked
    rig_expect(s_rig, "edge 8 RESEND *");
    for (int second = 0; second < 6; second++) {
        rig_wait(s_rig, 1, "");
        rig_app(s_rig, 2, "JOIN echo");
    }
    rig_expect(s_rig,
               "app 2 ADOPT " CH("1") " 1 *|{\"carrier\":\"ws\",\"route\":\"\",*}");
    rig_tagged(s_rig, 2, "ACK", s_rig->tag);
    rig_expect(s_rig, "app 2 CLOSE " CH("1") " 2 * 1006 cause=edge-lost|");
    rig_tagged(s_rig, 2, "ACK", s_rig->tag);
    ck_assert_int_eq((int)core_measure(s_rig->core)->channels, 0);
}
END_TEST

START_TEST(check_says_moved_where_another_worker_has_closed)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_app(s_rig, 2, "JOIN none");
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " - 0 proto=RW/1");
    rig_edge(s_rig, 8, "ADOPT " CH("1") " 1 echo - 0 ws=1\n{}");
    rig_edge(s_rig, 8, "CLOSE " CH("1") " 2 1000\n");
    rig_edge(s_rig, 8, "SYNCED");
    rig_expect(s_rig, "app 1 CLOSE " CH("1") " 2 *");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_app(s_rig, 2, "CHECK " CH("1"));
    rig_expect(s_rig, "app 2 MOVED " CH("1") " - -");
    rig_turn(s_rig);
    rig_edge(s_rig, 8, "HB e1 " EPOCH " 1 boot=" BOOT);
    ck_assert_int_eq((int)core_measure(s_rig->core)->channels, 0);
    rig_app(s_rig, 2, "CHECK " CH("1"));
    rig_expect(s_rig, "app 2 MOVED " CH("1") " - -");
    rig_wait(s_rig, 601, "1");
    rig_forget(s_rig);
    rig_app(s_rig, 2, "JOIN none");
    rig_app(s_rig, 2, "CHECK " CH("1"));
    rig_expect(s_rig, "app 2 CLOSE " CH("1") " - - 1006 cause=edge-lost|");
}
END_TEST

START_TEST(a_heartbeat_of_an_edge_whose_connection_is_gone_is_asked_who_it_is)
{
    rig_join_edge(s_rig, 1);
    s_rig->broken = 1 << 8;
    rig_wait(s_rig, 1, "");
    rig_forget(s_rig);
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 0");
    rig_expect(s_rig, "edge 60 WHO 0");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("edge_life");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60); // seconds; a busy machine is slow
    tcase_add_checked_fixture(all, s_set_up, s_tear_down);
    tcase_add_test(all, a_new_edge_is_asked_to_announce_everything);
    tcase_add_test(all, another_major_version_is_refused_with_both_named);
    tcase_add_test(all, a_heartbeat_is_answered_where_it_came_from);
    tcase_add_test(all, a_stranger_is_asked_who_it_is_but_not_often);
    tcase_add_test(all,
                   all_services_are_told_after_welcome_and_a_missing_one_each_second);
    tcase_add_test(all, heartbeats_go_to_edges_and_workers_each_second);
    tcase_add_test(all,
                   a_large_record_in_the_way_is_no_death_while_heartbeats_take_another);
    tcase_add_test(all, commands_that_a_broken_connection_lost_are_sent_again_from_lastc);
    tcase_add_test(all, a_full_connection_gets_the_rest_in_order_when_it_has_room);
    tcase_add_test(all, a_heartbeat_frees_the_ring_and_an_unknown_lastc_is_a_sync);
    tcase_add_test(all, an_edge_that_broke_off_its_announcement_begins_again);
    tcase_add_test(all, a_silent_edge_is_dead_and_each_of_its_channels_is_closed_once);
    tcase_add_test(all, a_dead_epoch_is_refused_and_a_new_one_of_the_same_name_is_not);
    tcase_add_test(all, two_lives_of_one_name_do_not_touch_each_other);
    tcase_add_test(all, bye_closes_at_once);
    tcase_add_test(all, what_was_never_delivered_dies_with_its_edge_without_a_word);
    tcase_add_test(all, a_close_that_the_edge_sent_is_not_made_up_a_second_time);
    tcase_add_test(all, a_close_that_is_owed_waits_for_a_worker_and_outlives_it);
    tcase_add_test(all, many_closes_at_once_stay_within_what_a_connection_takes);
    tcase_add_test(all, gone_closes_what_was_delivered_and_frees_what_was_not);
    tcase_add_test(all, synced_closes_what_was_not_announced);
    tcase_add_test(all, after_a_restart_channels_are_adopted_and_go_on);
    tcase_add_test(all, after_a_restart_a_channel_waits_for_its_named_worker);
    tcase_add_test(all, a_named_worker_that_is_there_gets_its_channels_back_at_once);
    tcase_add_test(all, an_edge_speaks_only_of_its_own_channels);
    tcase_add_test(all, check_is_answered_by_what_is_known_and_later_while_it_is_not);
    tcase_add_test(
        all,
        a_worker_that_never_saw_the_channel_gets_adopt_before_the_close_of_a_dead_edge);
    tcase_add_test(all, check_says_moved_where_another_worker_has_closed);
    tcase_add_test(all,
                   a_heartbeat_of_an_edge_whose_connection_is_gone_is_asked_who_it_is);
    suite_add_tcase(suite, all);
    return rig_run(suite);
}
