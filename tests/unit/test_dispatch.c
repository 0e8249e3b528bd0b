#include "tests/unit/core_rig.h"

static struct rig *s_rig;

static void s_set_up(void)
{
    s_rig = rig_new();
    rig_join_edge(s_rig, 1);
    rig_forget(s_rig);
}

static void s_tear_down(void)
{
    rig_destroy(s_rig);
}

static void s_open(const char *id)
{
    char record[128];
    snprintf(record, sizeof record, "OPEN %s 1 echo 0 ws=1\n{}", id);
    rig_edge(s_rig, 8, record);
}

/* Order and acknowledgements. */

START_TEST(passes_events_on_in_order_with_a_tag)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\nhello");
    rig_edge(s_rig, 8, "BIN " CH("1") " 3 try=2\nbytes");
    rig_edge(s_rig, 8, "CLOSE " CH("1") " 4 1000 cause=client code=1000\nbye");
    rig_expect(s_rig, "app 1 OPEN " CH("1") " 1 *.1|{}");
    rig_expect(s_rig, "app 1 TEXT " CH("1") " 2 *.2|hello");
    rig_expect(s_rig, "app 1 BIN " CH("1") " 3 *.3 try=2|bytes");
    rig_expect(s_rig, "app 1 CLOSE " CH("1") " 4 *.4 1000 cause=client code=1000|bye");
}
END_TEST

START_TEST(acknowledges_to_the_edge_only_what_the_worker_acknowledged)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\na");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 3\nb");
    rig_turn(s_rig);
    rig_expect_no(s_rig, "edge 8 ACK*");
    rig_expect(s_rig, "app 1 TEXT * 2 *");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 ACK 1 -|" CH("1") " 2|");
}
END_TEST

START_TEST(a_tag_that_was_never_sent_acknowledges_nothing)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_expect(s_rig, "app 1 OPEN *");
    char tag[64];
    snprintf(tag, sizeof tag, "%.9s2", s_rig->tag);
    rig_tagged(s_rig, 1, "ACK", tag);
    rig_tagged(s_rig, 1, "DONE", tag);
    rig_tagged(s_rig, 1, "NACK", tag);
    rig_turn(s_rig);
    rig_expect_no(s_rig, "edge 8 *");
    rig_expect_no(s_rig, "app 1 *");
}
END_TEST

START_TEST(passes_acknowledgements_of_one_turn_on_in_one_record)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    s_open(CH("2"));
    rig_expect(s_rig, "app 1 OPEN " CH("2") " *");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 ACK 1 -|" CH("1") " 1|" CH("2") " 1|");
}
END_TEST

START_TEST(drops_a_repeated_event_and_acknowledges_it_again_if_it_was)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_expect(s_rig, "app 1 OPEN *");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 ACK *");
    s_open(CH("1"));
    rig_turn(s_rig);
    rig_expect_no(s_rig, "app *");
    rig_expect(s_rig, "edge 8 ACK 2 -|" CH("1") " 1|");
}
END_TEST

START_TEST(asks_once_for_the_rest_after_a_gap)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_edge(s_rig, 8, "TEXT " CH("1") " 3\nc");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 4\nd");
    rig_expect(s_rig, "edge 8 RESEND 1 " CH("1") " 0 from=1");
    rig_expect_no(s_rig, "edge 8 RESEND*");
    rig_expect_no(s_rig, "app 1 TEXT*");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\nb");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 3\nc");
    rig_expect(s_rig, "app 1 TEXT * 2 *|b");
    rig_expect(s_rig, "app 1 TEXT * 3 *|c");
}
END_TEST

START_TEST(done_acknowledges_exactly_these_and_the_edge_hears_of_the_finished_prefix)
{
    char third[64];
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\nb");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 3\nc");
    rig_expect(s_rig, "app 1 OPEN *");
    char first[64], second[64];
    snprintf(first, sizeof first, "%s", s_rig->tag);
    rig_expect(s_rig, "app 1 TEXT * 2 *");
    snprintf(second, sizeof second, "%s", s_rig->tag);
    rig_expect(s_rig, "app 1 TEXT * 3 *");
    snprintf(third, sizeof third, "%s", s_rig->tag);
    rig_tagged(s_rig, 1, "DONE", third);
    rig_turn(s_rig);
    rig_expect_no(s_rig, "edge 8 ACK*");
    rig_tagged(s_rig, 1, "DONE", first);
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 ACK * -|" CH("1") " 1|");
    rig_tagged(s_rig, 1, "DONE", second);
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 ACK * -|" CH("1") " 3|");
}
END_TEST

START_TEST(a_window_of_none_is_acknowledged_by_the_broker)
{
    rig_app(s_rig, 1, "JOIN echo window=0");
    s_open(CH("1"));
    rig_expect(s_rig, "app 1 OPEN " CH("1") " 1 -|{}");
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 ACK 1 -|" CH("1") " 1|");
    for (int seq = 2; seq < 300; seq++) {
        char record[128];
        snprintf(record, sizeof record, "TEXT " CH("1") " %d\nx", seq);
        rig_edge(s_rig, 8, record);
    }
    ck_assert_int_eq(rig_count(s_rig, "app 1 TEXT *"), 298);
}
END_TEST

START_TEST(a_close_of_what_nobody_has_seen_is_acknowledged_by_the_broker)
{
    s_open(CH("1"));
    rig_edge(s_rig, 8, "CLOSE " CH("1") " 2 1006 cause=client\n");
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 ACK 1 -|" CH("1") " 2|");
    rig_app(s_rig, 1, "JOIN echo");
    rig_wait(s_rig, 2, "1");
    rig_expect_no(s_rig, "app 1 OPEN*");
    rig_expect_no(s_rig, "app 1 CLOSE*");
    ck_assert_int_eq((int)core_measure(s_rig->core)->channels, 0);
}
END_TEST

START_TEST(a_websocket_that_spoke_is_never_dropped_unseen)
{
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\nhello");
    rig_edge(s_rig, 8, "CLOSE " CH("1") " 3 1000\n");
    rig_turn(s_rig);
    rig_expect_no(s_rig, "edge 8 ACK *");
    rig_app(s_rig, 1, "JOIN echo");
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 0 from=0");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\nhello");
    rig_edge(s_rig, 8, "CLOSE " CH("1") " 3 1000\n");
    rig_expect(s_rig, "app 1 OPEN *");
    rig_expect(s_rig, "app 1 TEXT * 2 *|hello");
    rig_expect(s_rig, "app 1 CLOSE * 3 * 1000|");
}
END_TEST

START_TEST(a_websocket_of_a_resync_is_never_dropped_unseen)
{
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " - 0 proto=RW/1");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    rig_edge(s_rig, 8, "CLOSE " CH("1") " 2 1000\n");
    rig_edge(s_rig, 8, "SYNCED");
    rig_turn(s_rig);
    rig_expect_no(s_rig, "edge 8 ACK *");
    rig_app(s_rig, 1, "JOIN echo");
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 0 from=0");
}
END_TEST

START_TEST(forgets_a_channel_with_the_acknowledgement_of_its_close)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_edge(s_rig, 8, "CLOSE " CH("1") " 2 1000\n");
    rig_expect(s_rig, "app 1 CLOSE *");
    rig_turn(s_rig);
    ck_assert_int_eq((int)core_measure(s_rig->core)->channels, 1);
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 ACK * -|" CH("1") " 2|");
    ck_assert_int_eq((int)core_measure(s_rig->core)->channels, 0);
}
END_TEST

START_TEST(slow_and_drained_go_only_to_who_asked_and_are_no_hole_for_the_edge)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_edge(s_rig, 8, "SLOW " CH("1") " 2 1048576");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 3\nx");
    rig_expect_no(s_rig, "app 1 SLOW*");
    rig_expect(s_rig, "app 1 TEXT * 3 *|x");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 ACK * -|" CH("1") " 3|");
    rig_edge(s_rig, 8, "DRAINED " CH("1") " 4");
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 ACK * -|" CH("1") " 4|");
    rig_app(s_rig, 1, "JOIN echo pressure=1");
    rig_edge(s_rig, 8, "SLOW " CH("1") " 5 1048576");
    rig_expect(s_rig, "app 1 SLOW " CH("1") " 5 * 1048576");
    rig_edge(s_rig, 8, "DRAINED " CH("1") " 6");
    rig_expect(s_rig, "app 1 DRAINED " CH("1") " 6 *");
}
END_TEST

/* Choice of worker, windows, parking. */

START_TEST(a_channel_stays_with_its_worker_and_new_ones_go_where_the_fewest_are)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_app(s_rig, 2, "JOIN echo");
    s_open(CH("1"));
    s_open(CH("2"));
    s_open(CH("3"));
    rig_expect(s_rig, "app 1 OPEN " CH("1") " *");
    rig_expect(s_rig, "app 2 OPEN " CH("2") " *");
    rig_expect(s_rig, "app 1 OPEN " CH("3") " *");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\na");
    rig_edge(s_rig, 8, "TEXT " CH("2") " 2\nb");
    rig_expect(s_rig, "app 1 TEXT " CH("1") " *");
    rig_expect(s_rig, "app 2 TEXT " CH("2") " *");
}
END_TEST

START_TEST(a_worker_with_a_free_window_is_chosen_before_one_with_fewer_channels)
{
    rig_app(s_rig, 1, "JOIN echo window=1");
    rig_app(s_rig, 2, "JOIN echo");
    s_open(CH("1"));
    s_open(CH("2"));
    s_open(CH("3"));
    rig_expect(s_rig, "app 1 OPEN " CH("1") " *");
    rig_expect(s_rig, "app 2 OPEN " CH("2") " *");
    rig_expect(s_rig, "app 2 OPEN " CH("3") " *");
}
END_TEST

START_TEST(a_channel_without_a_worker_is_parked_and_asked_for_when_one_joins)
{
    s_open(CH("1"));
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\na");
    rig_expect(s_rig, "edge 8 FLOW 0 echo 0");
    rig_expect_no(s_rig, "app *");
    ck_assert_int_eq((int)core_measure(s_rig->core)->parked, 1);
    rig_app(s_rig, 1, "JOIN echo");
    rig_expect(s_rig, "edge 8 FLOW 0 echo 1");
    rig_expect(s_rig, "edge 8 RESEND 1 " CH("1") " 0 from=0");
    s_open(CH("1"));
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\na");
    rig_expect(s_rig, "app 1 OPEN " CH("1") " 1 *");
    rig_expect(s_rig, "app 1 TEXT " CH("1") " 2 *|a");
    ck_assert_int_eq((int)core_measure(s_rig->core)->parked, 0);
}
END_TEST

START_TEST(a_full_window_parks_and_room_asks_again)
{
    rig_app(s_rig, 1, "JOIN echo window=2");
    s_open(CH("1"));
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\nb");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 3\nc");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 4\nd");
    rig_expect(s_rig, "app 1 TEXT * 2 *");
    rig_expect_no(s_rig, "app 1 TEXT * 3 *");
    rig_expect_no(s_rig, "edge 8 RESEND*");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 0 from=2");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 3\nc");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 4\nd");
    rig_expect(s_rig, "app 1 TEXT * 3 *|c");
    rig_expect(s_rig, "app 1 TEXT * 4 *|d");
}
END_TEST

START_TEST(body_and_close_do_not_count_in_the_window)
{
    rig_app(s_rig, 1, "JOIN echo window=1");
    s_open(CH("1"));
    rig_edge(s_rig, 8, "BODY " CH("1") " 2\npart");
    rig_edge(s_rig, 8, "BODY " CH("1") " 3 end=1\nrest");
    rig_edge(s_rig, 8, "CLOSE " CH("1") " 4 -1 cause=client\n");
    rig_expect(s_rig, "app 1 BODY * 2 *|part");
    rig_expect(s_rig, "app 1 BODY * 3 * end=1|rest");
    rig_expect(s_rig, "app 1 CLOSE * 4 * -1 cause=client|");
}
END_TEST

START_TEST(bodies_leave_room_for_others)
{
    rig_app(s_rig, 1, "JOIN echo window=2");
    s_open(CH("1"));
    rig_edge(s_rig, 8, "BODY " CH("1") " 2\npart");
    rig_edge(s_rig, 8, "BODY " CH("1") " 3 end=1\nrest");
    s_open(CH("2"));
    rig_expect(s_rig, "app 1 OPEN " CH("2") " *");
}
END_TEST

START_TEST(room_that_is_kept_for_a_parked_channel_is_not_given_away)
{
    rig_app(s_rig, 1, "JOIN echo window=1");
    s_open(CH("1"));
    s_open(CH("2"));
    rig_expect(s_rig, "app 1 OPEN " CH("1") " *");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_expect(s_rig, "edge 8 RESEND * " CH("2") " 0 from=0");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\nx");
    rig_expect_no(s_rig, "app 1 TEXT*");
    s_open(CH("2"));
    rig_expect(s_rig, "app 1 OPEN " CH("2") " *");
}
END_TEST

/* Moves. */

START_TEST(a_dead_workers_channel_moves_under_a_new_gen_with_what_was_tried)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\nb");
    rig_app(s_rig, 2, "JOIN echo");
    s_rig->broken = 1 << 1;
    rig_wait(s_rig, 1, "1");
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 1 tried=2");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 3\nlate");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 0 ws=1\nstale");
    rig_expect_no(s_rig, "app 2 OPEN*");
    rig_expect_no(s_rig, "app 2 TEXT*");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 1 try=2 ws=1\n{}");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2 try=2\nb");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 3\nc");
    rig_expect(s_rig, "app 2 OPEN " CH("1") " 1 * try=2|{}");
    rig_expect(s_rig, "app 2 TEXT " CH("1") " 2 * try=2|b");
    rig_expect(s_rig, "app 2 TEXT " CH("1") " 3 *|c");
}
END_TEST

START_TEST(a_channel_whose_open_was_acknowledged_is_adopted)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_expect(s_rig, "app 1 OPEN *");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\nb");
    rig_app(s_rig, 2, "JOIN echo");
    s_rig->broken = 1 << 1;
    rig_wait(s_rig, 1, "1");
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 1 tried=2");
    rig_edge(s_rig, 8, "ADOPT " CH("1") " 1 echo - 1 ws=1\n{\"carrier\":\"ws\"}");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2 try=2\nb");
    rig_expect(s_rig, "app 2 ADOPT " CH("1") " 1 *|{\"carrier\":\"ws\"}");
    rig_expect(s_rig, "app 2 TEXT " CH("1") " 2 * try=2|b");
    rig_tagged(s_rig, 2, "ACK", s_rig->tag);
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 ACK * -|" CH("1") " 2|");
}
END_TEST

START_TEST(a_worker_that_dies_before_it_got_anything_counts_no_try)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_app(s_rig, 2, "JOIN echo");
    s_rig->broken = 1 << 1;
    rig_wait(s_rig, 1, "1");
    rig_expect(s_rig, "edge 8 RESEND * 1 tried=1");
    s_rig->broken = 1 << 2;
    rig_wait(s_rig, 1, "1");
    rig_app(s_rig, 3, "JOIN echo");
    rig_expect(s_rig, "edge 8 RESEND * 2 tried=0");
}
END_TEST

START_TEST(nack_moves_the_channel_away_for_a_second)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_expect(s_rig, "app 1 OPEN *");
    rig_tagged(s_rig, 1, "NACK", s_rig->tag);
    rig_expect(s_rig, "app 1 MOVED " CH("1") " - -");
    rig_expect_no(s_rig, "edge 8 RESEND*");
    rig_app(s_rig, 2, "JOIN echo");
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 1 tried=1");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 1 try=2 ws=1\n{}");
    rig_expect(s_rig, "app 2 OPEN " CH("1") " *");
}
END_TEST

START_TEST(a_channel_that_the_only_worker_refused_comes_back_to_it_later)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_expect(s_rig, "app 1 OPEN *");
    rig_tagged(s_rig, 1, "NACK", s_rig->tag);
    rig_wait(s_rig, 2, "1");
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 1 tried=1");
}
END_TEST

START_TEST(a_leaving_worker_finishes_what_it_holds_then_its_channels_move_and_it_has_left)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    s_open(CH("2"));
    rig_expect(s_rig, "app 1 OPEN " CH("1") " *");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_expect(s_rig, "app 1 OPEN " CH("2") " *");
    char second[64];
    snprintf(second, sizeof second, "%s", s_rig->tag);
    rig_app(s_rig, 2, "JOIN echo");
    rig_app(s_rig, 1, "LEAVE echo");
    rig_expect(s_rig, "app 1 MOVED " CH("1") " - -");
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 1 tried=1");
    rig_edge(s_rig, 8, "TEXT " CH("2") " 2\nnew");
    rig_expect_no(s_rig, "app 1 TEXT*");
    rig_expect_no(s_rig, "app 1 LEFT*");
    rig_tagged(s_rig, 1, "ACK", second);
    rig_expect(s_rig, "app 1 MOVED " CH("2") " - -");
    rig_expect(s_rig, "app 1 LEFT echo - -");
    rig_expect(s_rig, "edge 8 RESEND * " CH("2") " 1 tried=1");
}
END_TEST

START_TEST(a_worker_without_channels_leaves_at_once_and_the_edges_hear_of_it)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_expect(s_rig, "edge 8 FLOW 0 echo 1");
    rig_app(s_rig, 1, "LEAVE echo");
    rig_expect(s_rig, "edge 8 FLOW 0 echo 0");
    rig_expect(s_rig, "app 1 LEFT echo - -");
}
END_TEST

START_TEST(a_worker_is_not_told_of_the_move_of_what_it_has_never_seen)
{
    rig_app(s_rig, 1, "JOIN echo window=1");
    s_open(CH("1"));
    s_open(CH("2"));
    rig_expect(s_rig, "app 1 OPEN " CH("1") " *");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_expect(s_rig, "edge 8 RESEND * " CH("2") " 0 from=0");
    rig_app(s_rig, 1, "LEAVE echo");
    rig_expect_no(s_rig, "app 1 MOVED " CH("2") "*");
    rig_expect(s_rig, "app 1 MOVED " CH("1") "*");
    rig_expect(s_rig, "app 1 LEFT *");
}
END_TEST

START_TEST(body_and_close_still_come_to_a_worker_that_leaves)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_expect(s_rig, "app 1 OPEN *");
    char open[64];
    snprintf(open, sizeof open, "%s", s_rig->tag);
    rig_app(s_rig, 1, "LEAVE echo");
    rig_edge(s_rig, 8, "BODY " CH("1") " 2 end=1\nrest");
    rig_edge(s_rig, 8, "CLOSE " CH("1") " 3 -1 cause=client\n");
    rig_expect(s_rig, "app 1 BODY * 2 *|rest");
    rig_expect(s_rig, "app 1 CLOSE * 3 *");
    rig_expect_no(s_rig, "app 1 LEFT*");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_expect(s_rig, "app 1 LEFT echo - -");
    rig_tagged(s_rig, 1, "ACK", open);
}
END_TEST

START_TEST(a_worker_that_joins_again_while_it_leaves_stays)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_expect(s_rig, "app 1 OPEN *");
    rig_app(s_rig, 1, "LEAVE echo");
    rig_expect(s_rig, "edge 8 FLOW 0 echo 0");
    rig_app(s_rig, 1, "JOIN echo");
    rig_expect(s_rig, "edge 8 FLOW 0 echo 1");
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\nx");
    rig_expect(s_rig, "app 1 TEXT * 2 *");
    rig_tagged(s_rig, 1, "ACK", s_rig->tag);
    rig_expect_no(s_rig, "app 1 LEFT*");
    rig_expect_no(s_rig, "app 1 MOVED*");
}
END_TEST

START_TEST(an_event_whose_send_fails_is_not_passed_on_and_the_worker_is_dead)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_app(s_rig, 2, "JOIN echo");
    s_rig->full = 1 << 1;
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\nb");
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 1 tried=1");
    ck_assert_int_eq((int)core_measure(s_rig->core)->workers, 1);
}
END_TEST

static TCase *s_case(Suite *suite, const char *name)
{
    TCase *made = tcase_create(name);
    tcase_add_checked_fixture(made, s_set_up, s_tear_down);
    suite_add_tcase(suite, made);
    return made;
}

static void s_add_order(TCase *made)
{
    tcase_add_test(made, passes_events_on_in_order_with_a_tag);
    tcase_add_test(made, acknowledges_to_the_edge_only_what_the_worker_acknowledged);
    tcase_add_test(made, a_tag_that_was_never_sent_acknowledges_nothing);
    tcase_add_test(made, passes_acknowledgements_of_one_turn_on_in_one_record);
    tcase_add_test(made, drops_a_repeated_event_and_acknowledges_it_again_if_it_was);
    tcase_add_test(made, asks_once_for_the_rest_after_a_gap);
    tcase_add_test(
        made, done_acknowledges_exactly_these_and_the_edge_hears_of_the_finished_prefix);
    tcase_add_test(made, a_window_of_none_is_acknowledged_by_the_broker);
    tcase_add_test(made, a_close_of_what_nobody_has_seen_is_acknowledged_by_the_broker);
    tcase_add_test(made, a_websocket_that_spoke_is_never_dropped_unseen);
    tcase_add_test(made, a_websocket_of_a_resync_is_never_dropped_unseen);
    tcase_add_test(made, forgets_a_channel_with_the_acknowledgement_of_its_close);
    tcase_add_test(made,
                   slow_and_drained_go_only_to_who_asked_and_are_no_hole_for_the_edge);
}

static void s_add_choice(TCase *made)
{
    tcase_add_test(made,
                   a_channel_stays_with_its_worker_and_new_ones_go_where_the_fewest_are);
    tcase_add_test(made,
                   a_worker_with_a_free_window_is_chosen_before_one_with_fewer_channels);
    tcase_add_test(made,
                   a_channel_without_a_worker_is_parked_and_asked_for_when_one_joins);
    tcase_add_test(made, a_full_window_parks_and_room_asks_again);
    tcase_add_test(made, body_and_close_do_not_count_in_the_window);
    tcase_add_test(made, bodies_leave_room_for_others);
    tcase_add_test(made, room_that_is_kept_for_a_parked_channel_is_not_given_away);
}

static void s_add_moves(TCase *made)
{
    tcase_add_test(made,
                   a_dead_workers_channel_moves_under_a_new_gen_with_what_was_tried);
    tcase_add_test(made, a_channel_whose_open_was_acknowledged_is_adopted);
    tcase_add_test(made, a_worker_that_dies_before_it_got_anything_counts_no_try);
    tcase_add_test(made, nack_moves_the_channel_away_for_a_second);
    tcase_add_test(made, a_channel_that_the_only_worker_refused_comes_back_to_it_later);
    tcase_add_test(
        made,
        a_leaving_worker_finishes_what_it_holds_then_its_channels_move_and_it_has_left);
    tcase_add_test(made,
                   a_worker_without_channels_leaves_at_once_and_the_edges_hear_of_it);
    tcase_add_test(made, a_worker_is_not_told_of_the_move_of_what_it_has_never_seen);
    tcase_add_test(made, body_and_close_still_come_to_a_worker_that_leaves);
    tcase_add_test(made, a_worker_that_joins_again_while_it_leaves_stays);
    tcase_add_test(made,
                   an_event_whose_send_fails_is_not_passed_on_and_the_worker_is_dead);
}

int main(void)
{
    Suite *suite = suite_create("dispatch");
    s_add_order(s_case(suite, "order"));
    s_add_choice(s_case(suite, "choice"));
    s_add_moves(s_case(suite, "moves"));
    return rig_run(suite);
}
