#include "tests/unit/core_rig.h"

/* Edge e1 has the channels 1 of chat and 2 of game; the limited key may chat. */

static struct rig *s_rig;
static struct authority s_limited, s_whole, s_edge;

enum { LIMITED = 1, WHOLE = 2, CHATTER = 3, GAMER = 4 };

static struct wire_text s_text(const char *text)
{
    return (struct wire_text){text, strlen(text)};
}

static void s_say(uint64_t peer, const struct authority *authority, const char *record)
{
    const struct address from = {.peer = peer, .authority = authority};
    core_from_app(s_rig->core, &from, s_text(record));
}

static void s_edge_says(uint64_t peer, const char *record)
{
    const struct address from = {.peer = peer, .authority = &s_edge};
    core_from_edge(s_rig->core, &from, s_text(record));
}

static int s_denied(void)
{
    return (int)core_measure(s_rig->core)->dropped[CORE_DROP_DENIED];
}

static void s_make(void)
{
    s_rig = rig_new();
    ck_assert_ptr_null(authority_set_app(&s_limited, "limited", "chat", "rooms/*"));
    ck_assert_ptr_null(authority_set_app(&s_whole, "whole", "*", "*"));
    ck_assert_ptr_null(authority_set_edge(&s_edge, "e", "e1", "alerts/*"));
    s_say(CHATTER, &s_whole, "JOIN chat");
    s_say(GAMER, &s_whole, "JOIN game");
    rig_join_edge(s_rig, 1);
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 chat 0 ws=1\n{}");
    rig_edge(s_rig, 8, "OPEN " CH("2") " 1 game 0 ws=1\n{}");
    rig_expect(s_rig, "app 3 OPEN " CH("1") " 1 *");
    rig_expect(s_rig, "app 4 OPEN " CH("2") " 1 *");
    rig_forget(s_rig);
}

static void s_clear(void)
{
    rig_destroy(s_rig);
    authority_clear(&s_limited);
    authority_clear(&s_whole);
    authority_clear(&s_edge);
}

START_TEST(a_gateway_publishes_only_to_the_topics_of_its_key)
{
    const struct address from = {.peer = 9, .authority = &s_edge};
    static const char *const records[] = {
        "HELLO e1 fedcba9876543210 - 0 proto=RW/1", "SYNCED",
        "PUB alerts/1 id=0123456789abcdef.1\nhi", "PUB rooms/1 id=0123456789abcdef.2\nhi",
        "GET stats id=0123456789abcdef.3"};
    for (size_t at = 0; at < sizeof records / sizeof *records; at++)
        core_from_edge(s_rig->core, &from,
                       (struct wire_text){records[at], strlen(records[at])});
    rig_expect(s_rig, "edge 9 REPLY * 0123456789abcdef.1 -|pos=*");
    rig_expect(s_rig, "edge 9 REPLY * 0123456789abcdef.2 denied|topic: *");
    rig_expect(s_rig, "edge 9 REPLY * 0123456789abcdef.3 denied|*");
    ck_assert_int_eq(s_denied(), 2);
}
END_TEST

START_TEST(a_record_of_what_the_key_allows_is_carried_out)
{
    s_say(LIMITED, &s_limited, "JOIN chat id=1");
    rig_expect(s_rig, "app 1 JOINED chat - 1 *");
    s_say(LIMITED, &s_limited, "SEND " CH("1") "\nhi");
    rig_expect(s_rig, "edge 8 SEND * " CH("1") "|hi");
    s_say(LIMITED, &s_limited, "SUB " CH("1") " rooms/1");
    rig_expect(s_rig, "edge 8 SUB * " CH("1") " rooms/1 pos=*");
    s_say(LIMITED, &s_limited, "PUB rooms/1 id=2\nhi");
    rig_expect(s_rig, "app 1 OK rooms/1 - 2 *");
    s_say(LIMITED, &s_limited, "GET info " CH("1") " id=3");
    rig_expect(s_rig, "app 1 INFO " CH("1") " - 3|*");
    s_say(LIMITED, &s_limited, "GET list chat id=4");
    rig_expect(s_rig, "app 1 INFO chat - 4|*");
    s_say(LIMITED, &s_limited, "CHECK " CH("1") " id=5");
    rig_expect(s_rig, "app 1 MOVED " CH("1") " - 5");
    ck_assert_int_eq(s_denied(), 0);
}
END_TEST

START_TEST(a_record_of_anything_else_is_denied_counted_and_goes_nowhere)
{
    static const char *const records[][2] = {
        {"JOIN game id=1", "game - 1"},
        {"LEAVE game id=1", "game - 1"},
        {"SEND " CH("2") " id=1\nhi", CH("2") " - 1"},
        {"SEND " CH("1") "," CH("2") " id=1\nhi", CH("1") " - 1"},
        {"SEND " CH("2") "," CH("1") " id=1\nhi", CH("2") " - 1"},
        {"ACCEPT " CH("2") " id=1", CH("2") " - 1"},
        {"CLOSE " CH("2") " 1000 id=1", CH("2") " - 1"},
        {"SUB " CH("2") " rooms/1 id=1", CH("2") " - 1"},
        {"SUB " CH("1") " news id=1", "news - 1"},
        {"UNSUB " CH("1") " news id=1", "news - 1"},
        {"PUB rooms/1/2 id=1\nhi", "rooms/1/2 - 1"},
        {"GET stats id=1", "stats - 1"},
        {"GET info " CH("2") " id=1", CH("2") " - 1"},
        {"GET list game id=1", "game - 1"},
        {"CHECK " CH("2") " id=1", CH("2") " - 1"},
    };
    for (size_t at = 0; at < sizeof records / sizeof *records; at++) {
        char pattern[128];
        rig_forget(s_rig);
        snprintf(pattern, sizeof pattern, "app 1 ERR %s denied|*", records[at][1]);
        s_say(LIMITED, &s_limited, records[at][0]);
        rig_expect(s_rig, pattern);
        rig_expect_no(s_rig, "edge *");
        rig_expect_no(s_rig, "app *");
        ck_assert_int_eq(s_denied(), (int)at + 1);
    }
    ck_assert_int_eq((int)core_measure(s_rig->core)->publications, 0);
    ck_assert_int_eq((int)core_measure(s_rig->core)->workers, 2);
}
END_TEST

START_TEST(without_an_id_a_denied_record_has_no_answer)
{
    s_say(LIMITED, &s_limited, "SEND " CH("2") "\nhi");
    s_say(LIMITED, &s_limited, "JOIN game");
    rig_expect_no(s_rig, "*");
    ck_assert_int_eq(s_denied(), 2);
    const struct core_denied *denied = core_last_denied(s_rig->core);
    ck_assert_str_eq(denied->key, "limited");
    ck_assert_str_eq(denied->verb, "JOIN");
    ck_assert_str_eq(denied->subject, "game");
}
END_TEST

START_TEST(the_plain_ports_are_limited_like_the_other_ones)
{
    core_from_plain(s_rig->core, &s_limited, s_text("SEND " CH("2") "\nhi"));
    core_from_plain(s_rig->core, &s_limited, s_text("PUB news\nhi"));
    core_from_publisher(s_rig->core, &s_limited, s_text("channel/" CH("2") "/send"),
                        s_text("hi"));
    core_from_publisher(s_rig->core, &s_limited, s_text("news"), s_text("hi"));
    rig_expect_no(s_rig, "*");
    ck_assert_int_eq(s_denied(), 4);
    core_from_plain(s_rig->core, &s_limited, s_text("SEND " CH("1") "\none"));
    core_from_publisher(s_rig->core, &s_limited, s_text("channel/" CH("1") "/send"),
                        s_text("two"));
    core_from_publisher(s_rig->core, &s_limited, s_text("rooms/1"), s_text("three"));
    rig_expect(s_rig, "edge 8 SEND * " CH("1") "|one");
    rig_expect(s_rig, "edge 8 SEND * " CH("1") "|two");
    ck_assert_int_eq(s_denied(), 4);
    ck_assert_int_eq((int)core_measure(s_rig->core)->publications, 1);
}
END_TEST

START_TEST(a_channel_that_is_not_known_is_gone_for_a_limited_key)
{
    s_say(LIMITED, &s_limited, "SEND " CH("9") " id=1\nhi");
    rig_expect(s_rig, "app 1 ERR " CH("9") " - 1 gone*");
    s_say(LIMITED, &s_limited, "SEND " CH("1") "," CH("9") " id=2\nhi");
    rig_expect(s_rig, "edge 8 SEND * " CH("1") " *|hi");
    rig_expect_no(s_rig, "edge 8 *" CH("9") "*");
    /* The one with every service asks the edge. */
    s_say(WHOLE, &s_whole, "SEND " CH("9") "\nhi");
    rig_expect(s_rig, "edge 8 SEND * " CH("9") "|hi");
}
END_TEST

/* Edge e2 is there, and has not announced anything. */
static void s_greet_second_edge(void)
{
    rig_edge(s_rig, 9, "HELLO e2 " EPOCH " - 0 proto=RW/1");
    rig_forget(s_rig);
}

START_TEST(while_an_edge_announces_commands_of_a_limited_key_wait_in_their_order)
{
    static const uint8_t envelope[] = {1, 'x', 0};
    const struct address enveloped = {.peer = LIMITED,
                                      .envelope = envelope,
                                      .envelope_size = sizeof envelope,
                                      .authority = &s_limited};
    s_greet_second_edge();
    s_say(LIMITED, &s_limited, "SEND " CH2("1") " id=1\none\n1");
    core_from_app(s_rig->core, &enveloped, s_text("SEND " CH2("2") "\nsecret"));
    core_from_publisher(s_rig->core, &s_limited, s_text("channel/" CH2("1") "/send"),
                        s_text("two"));
    rig_edge(s_rig, 9, "ADOPT " CH2("1") " 1 chat - 0 ws=1\n{}");
    rig_edge(s_rig, 9, "ADOPT " CH2("2") " 1 game - 0 ws=1\n{}");
    s_say(LIMITED, &s_limited, "SEND " CH("1") "," CH2("1") " id=3\nthree");
    rig_expect_no(s_rig, "edge 9 SEND *");
    rig_expect_no(s_rig, "app 1 *");
    rig_edge(s_rig, 9, "SYNCED");
    rig_expect(s_rig, "edge 9 SEND * " CH2("1") " *|one|1");
    rig_expect(s_rig, "app 1 enveloped ERR " CH2("2") " - - denied|*");
    rig_expect(s_rig, "edge 9 SEND * " CH2("1") "|two");
    rig_expect(s_rig, "edge 9 SEND * " CH2("1") " *|three");
    ck_assert_int_eq(s_denied(), 1);
}
END_TEST

START_TEST(commands_that_waited_for_an_edge_that_dies_are_answered)
{
    s_greet_second_edge();
    s_say(LIMITED, &s_limited, "SEND " CH2("1") " id=1\nhi");
    rig_edge(s_rig, 9, "BYE");
    rig_expect(s_rig, "app 1 ERR " CH2("1") " - 1 gone*");
    rig_expect_no(s_rig, "edge 9 SEND *");
}
END_TEST

START_TEST(commands_wait_for_an_edge_that_did_not_come_yet)
{
    s_say(LIMITED, &s_limited, "SEND " CH2("1") " id=1\nhi");
    rig_expect_no(s_rig, "*");
    rig_edge(s_rig, 9, "HELLO e2 " EPOCH " - 0 proto=RW/1");
    rig_edge(s_rig, 9, "ADOPT " CH2("1") " 1 chat - 0 ws=1\n{}");
    rig_edge(s_rig, 9, "SYNCED");
    rig_expect(s_rig, "edge 9 SEND * " CH2("1") " *|hi");
}
END_TEST

START_TEST(so_many_commands_wait_and_no_more)
{
    static char big[4 * 1024 * 1024];
    int size = snprintf(big, sizeof big, "SEND " CH2("1") " id=9\n");
    memset(big + size, 'x', sizeof big - (size_t)size);
    s_greet_second_edge();
    for (int count = 0; count < 10000; count++)
        s_say(LIMITED, &s_limited, "CLOSE " CH2("1"));
    rig_expect_no(s_rig, "*");
    s_say(LIMITED, &s_limited, "CLOSE " CH2("1"));
    rig_expect(s_rig, "app 1 ERR " CH2("1") " - - full|*");
    rig_edge(s_rig, 9, "BYE");
    rig_edge(s_rig, 9, "HELLO e2 fedcba9876543210 - 0 proto=RW/1");
    rig_forget(s_rig);
    size = snprintf(big, sizeof big, "SEND e2.fedcba9876543210.1 id=9\n");
    big[size] = 'x';
    const struct address from = {.peer = LIMITED, .authority = &s_limited};
    for (int count = 0; count < 5; count++)
        core_from_app(s_rig->core, &from, (struct wire_text){big, sizeof big});
    rig_expect(s_rig, "app 1 ERR e2.fedcba9876543210.1 - 9 full|*");
    ck_assert_int_eq(rig_count(s_rig, "*"), 0);
}
END_TEST

START_TEST(an_application_has_no_right_by_the_key_of_an_edge)
{
    s_say(LIMITED, &s_edge, "JOIN chat id=1");
    rig_expect(s_rig, "app 1 ERR chat - 1 denied|*");
    s_say(LIMITED, &s_edge, "PUB rooms/1 id=2\nhi");
    rig_expect(s_rig, "app 1 ERR rooms/1 - 2 denied|*");
}
END_TEST

START_TEST(an_edge_may_have_the_names_of_its_key_only)
{
    s_edge_says(10, "HELLO e2 " EPOCH " - 0 proto=RW/1");
    rig_expect(s_rig, "edge 10 REJECT 0 denied|*");
    ck_assert_int_eq((int)core_measure(s_rig->core)->edges, 1);
    s_edge_says(10, "OPEN " CH2("1") " 1 chat 0\n{}");
    rig_expect(s_rig, "edge 10 WHO 0");
    rig_expect_no(s_rig, "app *");
    s_edge_says(10, "HELLO e1 fedcba9876543210 - 0 proto=RW/1");
    rig_expect(s_rig, "edge 10 WELCOME *");
    /* Nor channels of another life of its own. */
    s_edge_says(10, "SYNCED");
    s_edge_says(10, "OPEN " CH("5") " 1 chat 0\n{}");
    rig_expect_no(s_rig, "app * OPEN *");
}
END_TEST

START_TEST(an_application_is_no_edge)
{
    const struct address from = {.peer = 10, .authority = &s_whole};
    core_from_edge(s_rig->core, &from, s_text("HELLO e1 " EPOCH " - 0 proto=RW/1"));
    rig_expect(s_rig, "edge 10 REJECT 0 denied|*");
}
END_TEST

START_TEST(the_heartbeat_of_another_name_keeps_nobody_alive)
{
    rig_join_edge(s_rig, 2);
    for (int second = 0; second < 7; second++) {
        s_edge_says(61, "HB e2 " EPOCH " 0");
        rig_wait(s_rig, 1, "1");
    }
    ck_assert_int_eq((int)core_measure(s_rig->core)->edges, 1);
    ck_assert_int_eq(s_denied(), 7);
}
END_TEST

START_TEST(a_worker_whose_key_is_cut_goes_at_once_and_its_channels_move)
{
    s_say(LIMITED, &s_limited, "JOIN chat id=1");
    rig_edge(s_rig, 8, "OPEN " CH("3") " 1 chat 0 ws=1\n{}");
    rig_expect(s_rig, "app 1 OPEN " CH("3") " *");
    ck_assert_ptr_null(authority_set_app(&s_limited, "limited", "game", "*"));
    core_authority_changed(s_rig->core);
    ck_assert_int_eq((int)core_measure(s_rig->core)->workers, 2);
    rig_expect(s_rig, "edge 8 RESEND * " CH("3") " 1 tried=1");
    rig_edge(s_rig, 8, "OPEN " CH("3") " 1 chat 1 ws=1\n{}");
    rig_expect(s_rig, "app 3 OPEN " CH("3") " *");
    s_say(LIMITED, &s_limited, "JOIN chat id=2");
    rig_expect(s_rig, "app 1 ERR chat - 2 denied|*");
}
END_TEST

START_TEST(an_edge_whose_key_is_cut_goes_at_once)
{
    s_edge_says(10, "HELLO e1 fedcba9876543210 - 0 proto=RW/1");
    s_edge_says(10, "SYNCED");
    s_edge_says(10, "OPEN e1.fedcba9876543210.1 1 chat 0 ws=1\n{}");
    rig_expect(s_rig, "app 3 OPEN e1.fedcba9876543210.1 *");
    authority_clear(&s_edge);
    core_authority_changed(s_rig->core);
    rig_expect(s_rig, "app 3 CLOSE e1.fedcba9876543210.1 2 * 1006 cause=edge-lost*");
    s_edge_says(10, "HELLO e1 fedcba9876543210 - 0 proto=RW/1");
    rig_expect(s_rig, "edge 10 REJECT 0 denied|*");
    ck_assert_int_eq((int)core_measure(s_rig->core)->edges, 1);
}
END_TEST

START_TEST(a_change_that_cuts_nobody_moves_nothing)
{
    s_say(LIMITED, &s_limited, "JOIN chat");
    rig_expect(s_rig, "app 1 JOINED chat *");
    ck_assert_ptr_null(authority_set_app(&s_limited, "limited", "chat game", "*"));
    core_authority_changed(s_rig->core);
    ck_assert_int_eq((int)core_measure(s_rig->core)->workers, 3);
    ck_assert_int_eq((int)core_measure(s_rig->core)->edges, 1);
    rig_expect_no(s_rig, "*");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("permit");
    TCase *tests = tcase_create("permit");
    tcase_add_checked_fixture(tests, s_make, s_clear);
    tcase_add_test(tests, a_gateway_publishes_only_to_the_topics_of_its_key);
    tcase_add_test(tests, a_record_of_what_the_key_allows_is_carried_out);
    tcase_add_test(tests, a_record_of_anything_else_is_denied_counted_and_goes_nowhere);
    tcase_add_test(tests, without_an_id_a_denied_record_has_no_answer);
    tcase_add_test(tests, the_plain_ports_are_limited_like_the_other_ones);
    tcase_add_test(tests, a_channel_that_is_not_known_is_gone_for_a_limited_key);
    tcase_add_test(tests,
                   while_an_edge_announces_commands_of_a_limited_key_wait_in_their_order);
    tcase_add_test(tests, commands_that_waited_for_an_edge_that_dies_are_answered);
    tcase_add_test(tests, commands_wait_for_an_edge_that_did_not_come_yet);
    tcase_add_test(tests, so_many_commands_wait_and_no_more);
    tcase_add_test(tests, an_application_has_no_right_by_the_key_of_an_edge);
    tcase_add_test(tests, an_edge_may_have_the_names_of_its_key_only);
    tcase_add_test(tests, an_application_is_no_edge);
    tcase_add_test(tests, the_heartbeat_of_another_name_keeps_nobody_alive);
    tcase_add_test(tests, a_worker_whose_key_is_cut_goes_at_once_and_its_channels_move);
    tcase_add_test(tests, an_edge_whose_key_is_cut_goes_at_once);
    tcase_add_test(tests, a_change_that_cuts_nobody_moves_nothing);
    suite_add_tcase(suite, tests);
    return rig_run(suite);
}
