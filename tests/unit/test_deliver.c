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

static void s_event(const char *record)
{
    rig_edge(s_rig, 8, record);
}

START_TEST(what_is_acknowledged_is_told_before_the_channel_is_asked_for_again)
{
    s_event("OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    s_event("TEXT " CH("1") " 2\nb");
    rig_expect(s_rig, "app 1 TEXT * 2 *");
    char tag[64];
    snprintf(tag, sizeof tag, "%s", s_rig->tag);
    rig_app(s_rig, 2, "JOIN echo");
    rig_app(s_rig, 1, "LEAVE echo");
    rig_tagged(s_rig, 1, "ACK", tag);
    rig_expect(s_rig, "edge 8 ACK 1 -|" CH("1") " 2|");
    rig_expect(s_rig, "edge 8 RESEND 2 " CH("1") " 1 tried=2");
}
END_TEST

START_TEST(a_closed_channel_is_not_opened_by_what_its_edge_repeats)
{
    s_event("OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    s_event("CLOSE " CH("1") " 2 1000\n");
    rig_expect(s_rig, "app 1 CLOSE *");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 ACK 1 -|" CH("1") " 2|");
    s_event("OPEN " CH("1") " 1 echo 0 ws=1\n{}"); // sent before it had the ACK
    s_event("CLOSE " CH("1") " 2 1000\n");
    rig_turn(s_rig);
    rig_expect_no(s_rig, "app 1 OPEN*");
    rig_expect_no(s_rig, "app 1 CLOSE*");
    rig_expect(s_rig, "edge 8 ACK 2 -|" CH("1") " 2|");
}
END_TEST

START_TEST(a_closed_channel_is_forgotten_when_the_edge_says_so_behind_its_events)
{
    s_event("OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    s_event("CLOSE " CH("1") " 2 1000\n");
    rig_expect(s_rig, "app 1 CLOSE *");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_turn(s_rig);
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 1 boot=" BOOT); // no word about the events
    s_event("OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    rig_expect_no(s_rig, "app 1 OPEN*");
    rig_turn(s_rig);
    s_event("HB e1 " EPOCH " 2 boot=" BOOT);
    s_event("TEXT " CH("1") " 3\nx");
    ck_assert_int_eq((int)core_measure(s_rig->core)->dropped[CORE_DROP_CHANNEL], 1);
}
END_TEST

START_TEST(the_brokers_own_close_is_beyond_all_that_another_worker_may_have_seen)
{
    s_event("OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    s_event("TEXT " CH("1") " 2\nb");
    rig_expect(s_rig, "app 1 OPEN *");
    rig_tagged(s_rig, 1, "NACK", s_rig->tag); // it has handled 2, and may get the CLOSE
    rig_wait(s_rig, 2, "1");
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 1 tried=2");
    s_event("OPEN " CH("1") " 1 echo 1 try=2 ws=1\n{}");
    s_event("BYE");
    rig_expect(s_rig, "app 1 CLOSE " CH("1") " 4294967297 * 1006 cause=edge-lost|");
}
END_TEST

START_TEST(a_websocket_that_an_earlier_broker_may_have_shown_is_closed_for_a_worker)
{
    rig_edge(s_rig, 9, "HELLO e2 " EPOCH " 00000000000000bb 7 proto=RW/1");
    rig_edge(s_rig, 9, "OPEN " CH2("1") " 1 none 1\n{}");
    rig_edge(s_rig, 9, "CLOSE " CH2("1") " 2 -1 cause=client\n");
    rig_edge(s_rig, 9, "SYNCED");
    rig_turn(s_rig);
    rig_expect_no(s_rig, "edge 9 ACK*");
    rig_app(s_rig, 2, "JOIN none");
    rig_expect(s_rig, "edge 9 RESEND * " CH2("1") "*");
}
END_TEST

START_TEST(an_upload_under_way_stays_with_the_worker_that_leaves_until_its_last_body)
{
    s_event("OPEN " CH("1") " 1 echo 0\n{}");
    rig_expect(s_rig, "app 1 OPEN *");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    s_event("BODY " CH("1") " 2\nfirst");
    rig_expect(s_rig, "app 1 BODY * 2 *|first");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_app(s_rig, 2, "JOIN echo");
    rig_app(s_rig, 1, "LEAVE echo");
    rig_expect_no(s_rig, "app 1 MOVED*");
    s_event("BODY " CH("1") " 3\nsecond");
    rig_expect(s_rig, "app 1 BODY * 3 *|second");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_expect_no(s_rig, "app 1 LEFT*");
    s_event("BODY " CH("1") " 4 end=1\nlast");
    rig_expect(s_rig, "app 1 BODY * 4 *|last");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_expect(s_rig, "app 1 LEFT echo - -");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("deliver");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, s_set_up, s_tear_down);
    tcase_add_test(all,
                   what_is_acknowledged_is_told_before_the_channel_is_asked_for_again);
    tcase_add_test(all, a_closed_channel_is_not_opened_by_what_its_edge_repeats);
    tcase_add_test(all,
                   a_closed_channel_is_forgotten_when_the_edge_says_so_behind_its_events);
    tcase_add_test(all,
                   the_brokers_own_close_is_beyond_all_that_another_worker_may_have_seen);
    tcase_add_test(
        all, a_websocket_that_an_earlier_broker_may_have_shown_is_closed_for_a_worker);
    tcase_add_test(
        all, an_upload_under_way_stays_with_the_worker_that_leaves_until_its_last_body);
    suite_add_tcase(suite, all);
    return rig_run(suite);
}
