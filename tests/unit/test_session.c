/* Sessions in the core: one client over several carriers and edges. */
#include "tests/unit/session_rig.h"

START_TEST(the_open_of_a_carrier_is_acknowledged_when_a_worker_has_that_of_the_session)
{
    struct rig *rig = s_rig();
    s_open(rig);
    rig_expect(rig, "app 1 OPEN " S1 " 1 *");
    rig_turn(rig);
    rig_expect_no(rig, "edge 8 ACK *");
    s_ack(rig);
    rig_expect(rig, "edge 8 BIND * " CH("1") " " S1 " * 0 " POS(
                        "0") " grace=30000 pos=" POS("0") "|");
    rig_expect(rig, "edge 8 ACK * -|" CH("1") " 1|");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_message_is_acknowledged_end_to_end)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 8, "TEXT " CH("1") " 2\nhello");
    rig_expect(rig, "app 1 TEXT " S1 " 2 * o=" CH("1") ":2|hello");
    rig_turn(rig);
    rig_expect_no(rig, "edge 8 ACK *");
    s_ack(rig);
    rig_expect(rig, "edge 8 ACK * -|" CH("1") " 2|");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_newer_carrier_wins_and_the_older_one_is_dropped)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect(rig, "edge 8 FORGET * " S1);
    rig_expect(rig, "edge 8 DROP * " CH("1") " superseded");
    rig_expect(rig, "edge 9 BIND * " CH2("1") " " S1 " *");
    rig_expect_no(rig, "app *");
    rig_destroy(rig);
}
END_TEST

START_TEST(what_the_older_carrier_still_has_goes_first)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2\nsecond");
    rig_expect_no(rig, "app *");
    rig_edge(rig, 8, "TEXT " CH("1") " 2\nfirst");
    rig_expect(rig, "app 1 TEXT " S1 " 2 * o=" CH("1") ":2|first");
    rig_edge(rig, 8, "CLOSE " CH("1") " 3 4409\n");
    rig_expect(rig, "edge 9 RESEND * " CH2("1") " 1 from=1");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2\nsecond");
    rig_expect(rig, "app 1 TEXT " S1 " 3 * o=" CH2("1") ":2|second");
    rig_expect_no(rig, "app 1 CLOSE *");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_carrier_that_ends_begins_the_grace_and_the_end_of_it_is_the_close)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 8, "CLOSE " CH("1") " 2 1001 cause=client\n");
    rig_turn(rig);
    rig_expect(rig, "edge 8 ACK * -|" CH("1") " 2|");
    s_wait(rig, 29);
    rig_expect_no(rig, "app 1 CLOSE *");
    s_wait(rig, 2);
    rig_expect(rig, "app 1 CLOSE " S1 " 2 * 1006 cause=timeout|");
    rig_expect_no(rig, "edge 8 FORGET *");
    s_ack(rig);
    rig_turn(rig);
    rig_expect(rig, "edge 8 FORGET * " S1);
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect(rig, "edge 9 DROP * " CH2("1") " unknown");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_client_that_comes_back_in_time_goes_on)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 8, "CLOSE " CH("1") " 2 1001\n");
    s_wait(rig, 20);
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    s_wait(rig, 40);
    rig_edge(rig, 9, "TEXT " CH2("1") " 2\nagain");
    rig_expect(rig, "app 1 TEXT " S1 " 2 *|again");
    rig_expect_no(rig, "app 1 CLOSE *");
    rig_destroy(rig);
}
END_TEST

START_TEST(the_client_ends_the_session_with_1000_or_end)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 8, "CLOSE " CH("1") " 2 1000 cause=client\n");
    rig_expect(rig, "app 1 CLOSE " S1 " 2 * 1000 cause=client|");
    rig_turn(rig);
    rig_expect_no(rig, "edge 8 ACK *");
    s_ack(rig);
    rig_expect(rig, "edge 8 ACK * -|" CH("1") " 2|");
    rig_destroy(rig);

    rig = s_opened();
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=post as=r\n{}");
    rig_edge(rig, 9, "CLOSE " CH2("1") " 2 0 end=1\n");
    rig_expect(rig, "app 1 CLOSE " S1 " 2 * 1000 cause=client|");
    rig_expect(rig, "edge 8 DROP * " CH("1") " ended");
    rig_destroy(rig);
}
END_TEST

START_TEST(another_client_is_refused)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=other\n{}");
    rig_expect(rig, "edge 9 DROP * " CH2("1") " identity");
    rig_expect_no(rig, "edge 8 *");
    rig_edge(rig, 9, "CLOSE " CH2("1") " 2 0\n");
    rig_turn(rig);
    rig_expect(rig, "edge 9 ACK * -|" CH2("1") " 2|");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_post_is_a_message_and_acknowledged_when_it_is_processed)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=post as=r\n{}");
    rig_turn(rig);
    rig_expect(rig, "edge 9 ACK * -|" CH2("1") " 1|");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2 n=1\nhello");
    rig_expect(rig, "app 1 TEXT " S1 " 2 * o=1|hello");
    rig_turn(rig);
    rig_expect_no(rig, "edge 9 ACK *");
    s_ack(rig);
    rig_expect(rig, "edge 8 UP * " CH("1") " 1");
    rig_expect(rig, "edge 9 ACK * -|" CH2("1") " 2|");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_repetition_with_n_is_acknowledged_with_the_first_and_not_passed_on)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=post as=r\n{}");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2 n=1\nhello");
    rig_expect(rig, "app 1 TEXT " S1 " 2 * o=1|hello");
    rig_edge(rig, 8, "TEXT " CH("1") " 2 n=1\nhello");
    rig_expect_no(rig, "app 1 TEXT *");
    rig_turn(rig);
    rig_expect_no(rig, "edge 8 ACK *");
    s_ack(rig);
    rig_expect(rig, "edge 8 ACK * -|" CH("1") " 2|");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_post_with_a_higher_n_waits_for_its_turn)
{
    struct rig *rig = s_opened();
    s_wait(rig, 6); // edges have had their time
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=post as=r\n{}");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2 n=2\nsecond");
    rig_expect_no(rig, "app 1 TEXT *");
    rig_edge(rig, 9, "OPEN " CH2("2") " 1 chat 1 sid=" S1 " mode=post as=r\n{}");
    rig_edge(rig, 9, "TEXT " CH2("2") " 2 n=1\nfirst");
    rig_expect(rig, "app 1 TEXT " S1 " 2 * o=1|first");
    rig_expect(rig, "edge 9 RESEND * " CH2("1") " 1 from=1");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2 n=2\nsecond");
    rig_expect(rig, "app 1 TEXT " S1 " 3 * o=2|second");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_websocket_that_goes_on_beyond_the_next_n_has_given_up_what_is_missing)
{
    struct rig *rig = s_opened();
    s_wait(rig, 6);
    rig_edge(rig, 8, "TEXT " CH("1") " 2 n=3\nthird");
    rig_expect(rig, "app 1 LOST " S1 " 2 * skipped");
    rig_expect(rig, "app 1 TEXT " S1 " 3 * o=3|third");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_post_beyond_what_a_session_holds_is_refused)
{
    struct rig *rig = s_opened();
    char record[200];
    for (int at = 2; at < 66; at++) {
        snprintf(record, sizeof record, "TEXT " CH("1") " %d\nhello", at);
        rig_edge(rig, 8, record);
    }
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=post as=r\n{}");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2\nhello");
    rig_expect(rig, "edge 9 DROP * " CH2("1") " full");
    rig_edge(rig, 8, "TEXT " CH("1") " 66\nhello");
    rig_expect_no(rig, "edge 8 DROP *");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_worker_is_told_that_messages_may_be_lost_with_an_edge)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 8, "BYE");
    rig_expect(rig, "app 1 LOST " S1 " 2 * edge-lost");
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect(rig, "edge 9 BIND *");
    rig_expect_no(rig, "app 1 CLOSE *");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_client_that_counts_loses_nothing_with_an_edge)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 8, "TEXT " CH("1") " 2 n=1\none");
    rig_expect(rig, "app 1 TEXT *");
    rig_edge(rig, 8, "BYE");
    rig_expect_no(rig, "app 1 LOST *");
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2 n=1\none");
    rig_edge(rig, 9, "TEXT " CH2("1") " 3 n=2\ntwo");
    rig_expect(rig, "app 1 TEXT " S1 " 3 * o=2|two");
    rig_destroy(rig);
}
END_TEST

START_TEST(what_a_dead_worker_had_goes_to_the_next_one_in_order)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 8, "TEXT " CH("1") " 2\none");
    rig_edge(rig, 8, "TEXT " CH("1") " 3\ntwo");
    rig_app(rig, 2, "JOIN chat id=j");
    rig->broken |= 1 << 1;
    s_wait(rig, 1);
    rig_expect(rig, "app 2 ADOPT " S1 " 1 *");
    rig_expect(rig, "app 2 TEXT " S1 " 2 *try=2|one");
    rig_expect(rig, "app 2 TEXT " S1 " 3 *try=2|two");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_send_has_a_position_and_is_answered_when_it_is_in_the_ring)
{
    struct rig *rig = s_opened();
    rig_app(rig, 1, "SEND " S1 " id=7 bin=1\nhello");
    rig_expect(rig, "edge 8 SEND * " CH("1") " pos=" POS("1") " bin=1|hello");
    rig_expect(rig, "app 1 OK " S1 " - 7 pos=" POS("1"));
    rig_destroy(rig);
}
END_TEST

START_TEST(a_message_to_a_set_reaches_its_sessions_too)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 9, "OPEN " CH2("7") " 1 chat 1 ws=1\n{}");
    rig_app(rig, 1, "LABEL " S1 " ann");
    rig_app(rig, 1, "CAST 2 id=7\nu:ann\nc:" CH2("7") "\nhello");
    rig_expect(rig, "edge 8 SEND * " CH("1") " pos=" POS("1") "|hello");
    rig_expect(rig, "edge 9 CAST *|c:" CH2("7") "|hello");
    rig_forget(rig);
    rig_app(rig, 1, "SEND " S1 "," CH2("7") "\nboth");
    rig_expect(rig, "edge 8 SEND * " CH("1") " pos=" POS("2") "|both");
    rig_expect(rig, "edge 9 SEND * " CH2("7") "|both");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_publication_leaves_out_a_session_now_and_when_it_comes_later)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 8, "TSUB t");
    rig_edge(rig, 9, "TSUB t");
    rig_app(rig, 1, "SUB " S1 " t");
    rig_forget(rig);
    rig_app(rig, 1, "PUB t bin=1 except=" S1 "\nto others");
    rig_expect(rig, "edge 8 PUB * t " POS("1") " bin=1 except=" CH("1") "|to others");
    rig_expect(rig, "edge 9 PUB * t " POS("1") " bin=1|to others");
    rig_app(rig, 1, "PUB t\nto all");
    rig_edge(rig, 9, "OPEN " CH2("7") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_forget(rig);
    rig_edge(rig, 9, "HGET " CH2("7") " " POS("0") " 100 n=1\n");
    rig_turn(rig);
    rig_expect_no(rig, "edge 9 HIST *to others");
    rig_expect(rig, "edge 9 HIST * " CH2("7") " " POS("2") " t n=1|to all");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_receipt_is_answered_when_the_client_has_seen_it)
{
    struct rig *rig = s_opened();
    rig_app(rig, 1, "SEND " S1 " id=7 want=received\nhello");
    rig_expect(rig, "edge 8 SEND *");
    rig_expect_no(rig, "app 1 OK *");
    rig_edge(rig, 8, "SEEN " CH("1") " " POS("1"));
    rig_expect(rig, "app 1 OK " S1 " - 7 pos=" POS("1"));
    rig_app(rig, 1, "SEND " S1 " id=8 want=received\nhello");
    rig_edge(rig, 8, "CLOSE " CH("1") " 2 1000\n");
    rig_expect(rig, "app 1 ERR " S1 " - 8 gone|*");
    rig_destroy(rig);
}
END_TEST

START_TEST(what_a_session_cannot_do_is_refused)
{
    struct rig *rig = s_opened();
    rig_app(rig, 1, "SEND " S1 " id=1 status=200\n\nhello");
    rig_expect(rig, "app 1 ERR " S1 " - 1 unsupported|*");
    rig_app(rig, 1, "SEND " S1 " id=2 want=written\nhello");
    rig_expect(rig, "app 1 ERR " S1 " - 2 unsupported|*");
    rig_app(rig, 1, "ACCEPT " S1 " id=3");
    rig_expect(rig, "app 1 ERR " S1 " - 3 unsupported|*");
    rig_expect_no(rig, "edge *");
    rig_destroy(rig);
}
END_TEST

START_TEST(the_application_closes_and_the_carrier_gets_what_was_sent_before)
{
    struct rig *rig = s_opened();
    rig_app(rig, 1, "SEND " S1 "\nlast words");
    rig_app(rig, 1, "CLOSE " S1 " 4001 id=9\nbye");
    rig_expect(rig, "edge 8 SEND *|last words");
    rig_expect(rig, "edge 8 CLOSE * " CH("1") " 4001|bye");
    rig_app(rig, 1, "SEND " S1 " id=10\nlate");
    rig_expect(rig, "app 1 ERR " S1 " - 10 gone|*");
    rig_expect_no(rig, "app 1 CLOSE *");
    rig_edge(rig, 8, "CLOSE " CH("1") " 2 0 cause=server\n");
    rig_expect(rig, "app 1 CLOSE " S1 " 2 * 0 cause=server|");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_client_that_is_away_may_fetch_the_rest_of_a_closed_session)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 8, "CLOSE " CH("1") " 2 1001\n");
    rig_app(rig, 1, "SEND " S1 " close=4001\nlast words");
    rig_expect_no(rig, "app 1 CLOSE *");
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=post as=r\n{}");
    rig_expect(rig, "edge 9 DROP * " CH2("1") " ended");
    rig_edge(rig, 9, "OPEN " CH2("2") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect(rig, "edge 9 BIND *");
    rig_expect_no(rig, "edge 9 CLOSE *"); // not before it was repeated
    s_wait(rig, 5);
    rig_edge(rig, 9, "CLOSE " CH2("2") " 2 1001\n");
    rig_expect(rig, "app 1 CLOSE " S1 " 2 * 0 cause=server|");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_closed_session_without_client_and_rest_ends_at_once)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 8, "CLOSE " CH("1") " 2 1001\n");
    rig_app(rig, 1, "CLOSE " S1 " 1011");
    rig_expect(rig, "app 1 CLOSE " S1 " 2 * 0 cause=app-error|");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_subscription_goes_with_the_session_from_edge_to_edge)
{
    struct rig *rig = s_opened();
    rig_app(rig, 1, "PUB rooms/1\nzero");
    rig_app(rig, 1, "SUB " S1 " rooms/1 id=1");
    rig_expect(rig, "edge 8 SUB * " CH("1") " rooms/1 pos=" POS("1") " since=" POS("1"));
    rig_expect(rig, "app 1 OK " S1 " - 1");
    rig_app(rig, 1, "PUB rooms/1\none");
    rig_expect(rig, "edge 8 PUB * rooms/1 *|one");
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect(rig, "edge 9 BIND *|rooms/1 " POS("1") "|");
    rig_app(rig, 1, "PUB rooms/1\ntwo");
    rig_expect(rig, "edge 9 PUB * rooms/1 *|two");
    rig_app(rig, 1, "UNSUB " S1 " rooms/1");
    rig_expect(rig, "edge 9 UNSUB * " CH2("1") " rooms/1");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_post_that_comes_after_the_application_has_closed_is_told_so)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=post as=r\n{}");
    rig_app(rig, 1, "CLOSE " S1);
    rig_edge(rig, 9, "TEXT " CH2("1") " 2 n=1\ntoo late");
    rig_expect(rig, "edge 9 DROP * " CH2("1") " ended");
    rig_expect_no(rig, "app 1 TEXT *");
    rig_destroy(rig);
}
END_TEST

START_TEST(what_is_subscribed_while_nobody_is_attached_is_told_to_the_edge_with_the_copy)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 8, "CLOSE " CH("1") " 2 1006");
    rig_turn(rig);
    rig_forget(rig);
    rig_app(rig, 1, "SUB " S1 " rooms/1");
    rig_expect(rig, "edge 8 BIND * " S1 " " S1 " * grace=*|rooms/1 " POS("0") "|");
    rig_app(rig, 1, "LABEL " S1 " ann");
    rig_expect(rig, "edge 8 BIND * " S1 " " S1 " * label=ann*|rooms/1 " POS("0") "|");
    rig_app(rig, 1, "UNSUB " S1 " rooms/1");
    rig_expect(rig, "edge 8 BIND * " S1 " " S1 " * label=ann*|");
    rig_forget(rig);
    rig_app(rig, 1, "PUB rooms/1\none"); // a copy is no interest
    rig_turn(rig);
    rig_expect_no(rig, "edge 8 PUB *");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_subscription_that_may_have_missed_its_carrier_is_told_to_the_copy)
{
    struct rig *rig = s_opened();
    rig_app(rig, 1, "SUB " S1 " rooms/1");
    rig_expect(rig, "edge 8 SUB * " CH("1") " rooms/1 pos=" POS("0") " since=" POS("0"));
    rig_edge(rig, 8, "CLOSE " CH("1") " 2 1006");
    rig_expect(rig, "edge 8 BIND * " S1 " " S1 " *|rooms/1 " POS("0") "|");
    rig_edge(rig, 8, "OPEN " CH("2") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect(rig, "edge 8 BIND * " CH("2") " " S1 " *|rooms/1 " POS("0") "|");
    rig_forget(rig);
    rig_edge(rig, 8, "CLOSE " CH("2") " 2 1006"); // what BIND has said is known
    rig_turn(rig);
    rig_expect_no(rig, "edge 8 BIND *");
    rig_destroy(rig);
}
END_TEST

START_TEST(workers_that_ask_hear_of_carriers)
{
    struct rig *rig = s_opened();
    rig_app(rig, 1, "JOIN chat sessions=1");
    rig_edge(rig, 8, "CLOSE " CH("1") " 2 1001\n");
    rig_expect(rig, "app 1 DETACHED " S1 " 2 * " CH("1"));
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect(rig, "app 1 ATTACHED " S1 " 3 * " CH2("1"));
    rig_destroy(rig);
}
END_TEST

START_TEST(what_sessions_say_of_themselves)
{
    struct rig *rig = s_opened();
    rig_app(rig, 1, "SEND " S1 "\nhello");
    rig_app(rig, 1, "LABEL " S1 " ann");
    rig_app(rig, 1, "GET session " S1 " id=5");
    rig_expect(rig, "app 1 INFO " S1 " - 5|*\"state\":\"attached\"*\"label\":\"ann\"*");
    rig_app(rig, 1, "GET info " CH("1") " id=6");
    rig_expect(rig, "app 1 ERR * - 6 gone|*");
    ck_assert_uint_eq(core_measure(rig->core)->sessions, 1);
    ck_assert_uint_eq(core_measure(rig->core)->channels, 1);
    ck_assert_uint_eq(core_measure(rig->core)->carriers, 1);
    rig_destroy(rig);
}
END_TEST

START_TEST(no_edge_may_have_the_name_of_sessions)
{
    struct rig *rig = rig_new();
    rig_edge(rig, 8, "HELLO session 0f1e2d3c4b5a6978 - 0 proto=RW/1");
    rig_expect_no(rig, "edge 8 WELCOME *");
    rig_destroy(rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *tcase = tcase_create("sessions");
    suite_add_tcase(suite, tcase);
    tcase_add_test(
        tcase,
        the_open_of_a_carrier_is_acknowledged_when_a_worker_has_that_of_the_session);
    tcase_add_test(tcase, a_message_is_acknowledged_end_to_end);
    tcase_add_test(tcase, a_newer_carrier_wins_and_the_older_one_is_dropped);
    tcase_add_test(tcase, what_the_older_carrier_still_has_goes_first);
    tcase_add_test(tcase,
                   a_carrier_that_ends_begins_the_grace_and_the_end_of_it_is_the_close);
    tcase_add_test(tcase, a_client_that_comes_back_in_time_goes_on);
    tcase_add_test(tcase, the_client_ends_the_session_with_1000_or_end);
    tcase_add_test(tcase, another_client_is_refused);
    tcase_add_test(tcase, a_post_is_a_message_and_acknowledged_when_it_is_processed);
    tcase_add_test(tcase,
                   a_repetition_with_n_is_acknowledged_with_the_first_and_not_passed_on);
    tcase_add_test(tcase, a_post_with_a_higher_n_waits_for_its_turn);
    tcase_add_test(
        tcase, a_websocket_that_goes_on_beyond_the_next_n_has_given_up_what_is_missing);
    tcase_add_test(tcase, a_post_beyond_what_a_session_holds_is_refused);
    tcase_add_test(tcase, a_worker_is_told_that_messages_may_be_lost_with_an_edge);
    tcase_add_test(tcase, a_client_that_counts_loses_nothing_with_an_edge);
    tcase_add_test(tcase, what_a_dead_worker_had_goes_to_the_next_one_in_order);
    tcase_add_test(tcase, a_send_has_a_position_and_is_answered_when_it_is_in_the_ring);
    tcase_add_test(tcase, a_message_to_a_set_reaches_its_sessions_too);
    tcase_add_test(tcase, a_receipt_is_answered_when_the_client_has_seen_it);
    tcase_add_test(tcase, a_publication_leaves_out_a_session_now_and_when_it_comes_later);
    tcase_add_test(tcase, what_a_session_cannot_do_is_refused);
    tcase_add_test(tcase,
                   the_application_closes_and_the_carrier_gets_what_was_sent_before);
    tcase_add_test(tcase, a_client_that_is_away_may_fetch_the_rest_of_a_closed_session);
    tcase_add_test(tcase, a_closed_session_without_client_and_rest_ends_at_once);
    tcase_add_test(tcase, a_post_that_comes_after_the_application_has_closed_is_told_so);
    tcase_add_test(tcase, a_subscription_goes_with_the_session_from_edge_to_edge);
    tcase_add_test(
        tcase,
        what_is_subscribed_while_nobody_is_attached_is_told_to_the_edge_with_the_copy);
    tcase_add_test(tcase,
                   a_subscription_that_may_have_missed_its_carrier_is_told_to_the_copy);
    tcase_add_test(tcase, workers_that_ask_hear_of_carriers);
    tcase_add_test(tcase, what_sessions_say_of_themselves);
    tcase_add_test(tcase, no_edge_may_have_the_name_of_sessions);
    return rig_run(suite);
}
