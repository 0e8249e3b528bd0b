#include "tests/unit/core_rig.h"

static struct rig *s_rig;

static void s_set_up(void)
{
    s_rig = rig_new();
    rig_join_edge(s_rig, 1);
    rig_join_edge(s_rig, 2);
    rig_wait(s_rig, 6, "12"); // past the time in which an unknown edge may still come
    rig_forget(s_rig);
}

static void s_tear_down(void)
{
    rig_destroy(s_rig);
}

START_TEST(passes_commands_on_numbered_and_without_what_is_ours)
{
    rig_app(s_rig, 3, "SEND " CH("1") " bin=1 id=7 close=1\nhello");
    rig_expect(s_rig, "edge 8 SEND 1 " CH("1") " bin=1 close=1 reply=1|hello");
    rig_app(s_rig, 3, "SEND " CH("1") " reply=1 new=thing\n");
    rig_expect(s_rig, "edge 8 SEND 2 " CH("1") " new=thing|");
    rig_app(s_rig, 3, "SEND " CH("1"));
    rig_expect(s_rig, "edge 8 SEND 3 " CH("1"));
    rig_app(s_rig, 3, "ACCEPT " CH("1") " protocol=chat\nset-cookie: a=b\n");
    rig_expect(s_rig, "edge 8 ACCEPT 4 " CH("1") " protocol=chat|set-cookie: a=b|");
    rig_app(s_rig, 3, "CLOSE " CH("1") " 4001 id=8\nbye");
    rig_expect(s_rig, "edge 8 CLOSE 5 " CH("1") " 4001 reply=1|bye");
    rig_app(s_rig, 3, "CLOSE " CH("1") " id=9");
    rig_expect(s_rig, "edge 8 CLOSE 6 " CH("1") " reply=1");
}
END_TEST

START_TEST(answers_when_the_edge_has_answered)
{
    rig_app(s_rig, 3, "SEND " CH("1") " id=a\nx");
    rig_app(s_rig, 4, "SEND " CH("1") " id=a\nx");
    rig_expect_no(s_rig, "app *");
    rig_edge(s_rig, 8, "ERR 2 undecided\nnot accepted yet");
    rig_expect(s_rig, "app 4 ERR " CH("1") " - a undecided|not accepted yet");
    rig_edge(s_rig, 8, "OK 1");
    rig_expect(s_rig, "app 3 OK " CH("1") " - a");
    rig_edge(s_rig, 8, "OK 1");
    rig_expect_no(s_rig, "app *");
}
END_TEST

START_TEST(says_nothing_without_an_id)
{
    rig_app(s_rig, 3, "SEND " CH("1") "\nx");
    rig_expect(s_rig, "edge 8 SEND 1 " CH("1") "|x");
    rig_app(s_rig, 3, "SEND e9." EPOCH ".1\nx");
    rig_app(s_rig, 3, "SEND nonsense\nx");
    rig_app(s_rig, 3, "NOSUCH verb");
    rig_app(s_rig, 3, "SUB " CH("1"));
    rig_expect_no(s_rig, "app *");
}
END_TEST

START_TEST(names_what_is_wrong_when_asked)
{
    static const char *const pairs[][2] = {
        {"SEND nonsense id=1\nx", "app 3 ERR nonsense - 1 value|channel*"},
        {"SEND e9." EPOCH ".1 id=2\nx", "app 3 ERR e9*.1 - 2 gone|*"},
        {"SEND " CH("1") " id=3 status=99\nx", "app 3 ERR * - 3 value|status*"},
        {"SEND " CH("1") " id=4 bin=maybe\nx", "app 3 ERR * - 4 value|bin*"},
        {"SEND " CH("1") " id=5 close=70000\nx", "app 3 ERR * - 5 value|close*"},
        {"SEND " CH("1") " id=6 want=seen\nx", "app 3 ERR * - 6 value|want*"},
        {"CLOSE " CH("1") " 70000 id=7", "app 3 ERR * - 7 value|status*"},
        {"NOSUCH " CH("1") " id=8", "app 3 ERR " CH("1") " - 8 verb|*"},
        {"SUB id=9", "app 3 ERR id=9 - 9 syntax|*"},
        {"PUB topic id=10", "app 3 ERR topic - 10 syntax|no payload"},
        {"PUB topic id=11 except=x\nx", "app 3 ERR topic - 11 value|except*"},
        {"GET weather id=12", "app 3 ERR weather - 12 value|*"},
        {"JOIN b*d id=13", "app 3 ERR b\\*d - 13 value|service*"},
        {"JOIN echo window=10001 id=14", "app 3 ERR echo - 14 value|window*"},
        {"SEND  two-spaces id=15", ""},
        {"SEND " CH("1") " id=16 \nx", "app 3 ERR " CH("1") " - 16 syntax|*"},
    };
    for (size_t at = 0; at < sizeof pairs / sizeof *pairs; at++) {
        rig_app(s_rig, 3, pairs[at][0]);
        if (*pairs[at][1])
            rig_expect(s_rig, pairs[at][1]);
        else
            rig_expect_no(s_rig, "app 3 *");
    }
    rig_expect_no(s_rig, "edge * SEND *");
}
END_TEST

START_TEST(a_version_that_is_not_ours_is_refused_even_without_an_id)
{
    rig_app(s_rig, 3, "JOIN echo proto=RW/2");
    rig_expect(s_rig, "app 3 ERR echo - - proto|*RW/1*RW/2");
    rig_app(s_rig, 3, "JOIN echo proto=RW/1 id=1");
    rig_expect(s_rig, "app 3 JOINED echo - 1 *");
}
END_TEST

START_TEST(a_payload_over_the_limit_is_answered_even_without_an_id)
{
    size_t size = WIRE_PAYLOAD_MAX + 100;
    char *record = malloc(size);
    memset(record, 'x', size);
    record[snprintf(record, size, "SEND " CH("1") "\n")] = 'x';
    const struct address from = {.peer = 3};
    core_from_app(s_rig->core, &from, (struct wire_text){record, size});
    rig_expect(s_rig, "app 3 ERR " CH("1") " - - large|*");
    rig_expect_no(s_rig, "edge *");
    free(record);
}
END_TEST

START_TEST(a_send_to_several_edges_is_one_answer_with_counts)
{
    rig_app(s_rig, 3,
            "SEND " CH("1") "," CH2("1") "," CH("2") ",e9." EPOCH ".1 id=k\nall");
    rig_expect(s_rig, "edge 8 SEND 1 " CH("1") "," CH("2") " reply=1|all");
    rig_expect(s_rig, "edge 9 SEND 1 " CH2("1") " reply=1|all");
    rig_edge(s_rig, 8, "OK 1 sent=1 gone=1");
    rig_expect_no(s_rig, "app *");
    rig_edge(s_rig, 9, "ERR 1 gone");
    rig_expect(s_rig, "app 3 OK " CH("1") " - k sent=1 gone=3");
}
END_TEST

START_TEST(a_send_to_several_that_nobody_took_is_gone)
{
    rig_app(s_rig, 3, "SEND " CH("1") "," CH2("1") " id=k\nall");
    rig_edge(s_rig, 8, "OK 1 sent=0 gone=1");
    rig_edge(s_rig, 9, "ERR 1 gone");
    rig_expect(s_rig, "app 3 ERR " CH("1") " - k gone|*");
    rig_app(s_rig, 3, "SEND e8." EPOCH ".1,e9." EPOCH ".1 id=l\nall");
    rig_expect(s_rig, "app 3 ERR e8." EPOCH ".1 - l gone|*");
}
END_TEST

START_TEST(more_than_128_channels_are_refused)
{
    char record[8192] = "SEND ";
    size_t size = strlen(record), last = size;
    for (int n = 0; n < 129; n++) {
        last = size;
        size += (size_t)snprintf(record + size, sizeof record - size, "%se1." EPOCH ".%x",
                                 n ? "," : "", (unsigned)n);
    }
    snprintf(record + size, sizeof record - size, " id=1\nx");
    rig_app(s_rig, 3, record);
    rig_expect(s_rig, "app 3 ERR " CH("0") " - 1 value|channels*128");
    snprintf(record + last, sizeof record - last, " id=2\nx");
    rig_app(s_rig, 3, record);
    rig_expect(s_rig, "edge 8 SEND 1 " CH("0") ",*");
}
END_TEST

START_TEST(the_same_id_is_carried_out_once_and_its_answer_repeated)
{
    const char *send = "SEND " CH("1") " id=00112233445566ff.1\nx";
    rig_app(s_rig, 3, send);
    rig_app(s_rig, 4, send); // the sender's connection is another one now
    ck_assert_int_eq(rig_count(s_rig, "edge 8 SEND *"), 1);
    rig_expect(s_rig, "edge 8 SEND 1 " CH("1") " id=00112233445566ff.1 reply=1|x");
    rig_edge(s_rig, 8, "OK 1");
    rig_expect(s_rig, "app 4 OK " CH("1") " - 00112233445566ff.1");
    rig_expect_no(s_rig, "app 3 *");
    rig_app(s_rig, 5, send);
    rig_expect(s_rig, "app 5 OK " CH("1") " - 00112233445566ff.1");
    rig_expect_no(s_rig, "edge 8 SEND*");
}
END_TEST

START_TEST(a_short_id_counts_for_its_connection_only)
{
    rig_app(s_rig, 3, "PUB t id=1\nx");
    rig_app(s_rig, 4, "PUB t id=1\nx");
    rig_app(s_rig, 3, "PUB t id=1\nx");
    rig_expect(s_rig, "app 3 OK t - 1 pos=" BOOT ":1");
    rig_expect(s_rig, "app 4 OK t - 1 pos=" BOOT ":2");
    rig_expect(s_rig, "app 3 OK t - 1 pos=" BOOT ":1");
}
END_TEST

START_TEST(answers_are_forgotten_after_ten_minutes)
{
    rig_app(s_rig, 3, "PUB t id=00112233445566ff.1\nx");
    rig_wait(s_rig, 602, "12");
    rig_forget(s_rig);
    rig_app(s_rig, 3, "PUB t id=00112233445566ff.1\nx");
    rig_expect(s_rig, "app 3 OK t - * pos=" BOOT ":2");
}
END_TEST

START_TEST(the_death_of_an_edge_answers_what_it_owed)
{
    rig_app(s_rig, 3, "SEND " CH("1") " id=1\nx");
    rig_app(s_rig, 3, "SEND " CH("1") "," CH2("1") " id=2\nx");
    rig_edge(s_rig, 9, "OK 1 sent=1 gone=0");
    rig_edge(s_rig, 8, "BYE");
    rig_expect(s_rig, "app 3 ERR " CH("1") " - 1 edge-lost|*");
    rig_expect(s_rig, "app 3 OK " CH("1") " - 2 sent=1 gone=1");
}
END_TEST

START_TEST(a_request_in_an_envelope_is_answered_in_it_without_an_id)
{
    static const uint8_t envelope[] = {4, 0, 0, 0, 1, 0};
    const struct address from = {
        .peer = 3, .envelope = envelope, .envelope_size = sizeof envelope};
    const char *send = "SEND " CH("1") "\nx", *wrong = "SEND nonsense\nx";
    core_from_app(s_rig->core, &from, (struct wire_text){wrong, strlen(wrong)});
    rig_expect(s_rig, "app 3 enveloped ERR nonsense - - value|*");
    core_from_app(s_rig->core, &from, (struct wire_text){send, strlen(send)});
    rig_expect(s_rig, "edge 8 SEND 1 " CH("1") " reply=1|x");
    rig_edge(s_rig, 8, "OK 1");
    rig_expect(s_rig, "app 3 enveloped OK " CH("1") " - -");
}
END_TEST

START_TEST(soon_after_the_start_commands_wait_for_an_edge_that_may_still_come)
{
    struct rig *fresh = rig_new();
    rig_app(fresh, 3, "SEND " CH("1") " id=1\nfirst");
    rig_app(fresh, 3, "SUB " CH("1") " news id=2");
    rig_app(fresh, 3, "SEND " CH("1") "," CH2("1") " id=3\nboth");
    rig_app(fresh, 3, "SEND " CH("1") " id=1\nfirst");
    rig_expect_no(fresh, "app 3 *");
    ck_assert_int_eq((int)core_measure(fresh->core)->edges, 0);
    rig_join_edge(fresh, 1);
    ck_assert_int_eq((int)core_measure(fresh->core)->edges, 1);
    rig_app(fresh, 3, "SEND " CH("1") " id=4\nlast");
    rig_expect(fresh, "edge 8 WELCOME 0 " BOOT " sync c=0");
    rig_expect(fresh, "edge 8 SEND 1 " CH("1") " *|first");
    rig_expect(fresh, "edge 8 SUB 2 " CH("1") " news *");
    rig_expect(fresh, "edge 8 SEND 3 " CH("1") " *|both");
    rig_expect(fresh, "edge 8 SEND 4 " CH("1") " *|last");
    rig_edge(fresh, 8, "OK 1");
    rig_expect(fresh, "app 3 OK " CH("1") " - 1");
    rig_destroy(fresh);
}
END_TEST

START_TEST(who_waits_for_an_edge_that_does_not_come_is_told_and_it_is_dead)
{
    struct rig *fresh = rig_new();
    rig_app(fresh, 3, "SEND " CH("1") " id=1\nx");
    rig_wait(fresh, 4, "");
    rig_expect_no(fresh, "app 3 ERR*");
    rig_wait(fresh, 2, "");
    rig_expect(fresh, "app 3 ERR " CH("1") " - 1 edge-lost|*");
    rig_join_edge(fresh, 1);
    rig_expect(fresh, "edge 8 REJECT 0 epoch|*");
    rig_app(fresh, 3, "SEND " CH2("1") " id=2\nx");
    rig_expect(fresh, "app 3 ERR " CH2("1") " - 2 gone|*");
    rig_destroy(fresh);
}
END_TEST

START_TEST(commands_wait_for_a_limited_number_of_edges)
{
    struct rig *fresh = rig_new();
    char record[80];
    for (int n = 0; n < 1001; n++) {
        snprintf(record, sizeof record, "SEND x%d." EPOCH ".1\nx", n);
        rig_app(fresh, 3, record);
    }
    ck_assert_int_eq((int)core_measure(fresh->core)->ring_records, 1000);
    rig_destroy(fresh);
}
END_TEST

START_TEST(a_full_ring_refuses_a_send_but_not_acknowledgements)
{
    struct rig *small = rig_new_with(16, 10);
    rig_join_edge(small, 1);
    rig_app(small, 1, "JOIN echo");
    rig_edge(small, 8, "OPEN " CH("1") " 1 echo 0\n{}");
    rig_expect(small, "app 1 OPEN *");
    char tag[64];
    snprintf(tag, sizeof tag, "%s", small->tag);
    for (int n = 0; n < 16; n++)
        rig_app(small, 3, "SEND " CH("1") "\nx");
    rig_expect_no(small, "app 3 *");
    rig_app(small, 3, "SEND " CH("2") "\nx");
    rig_expect(small, "app 3 ERR " CH("2") " - - full|*");
    rig_tagged(small, 1, "ACK", tag);
    rig_turn(small);
    rig_expect(small, "edge 8 ACK 17 -|" CH("1") " 1|");
    rig_edge(small, 60, "HB e1 " EPOCH " 17 boot=" BOOT);
    rig_app(small, 3, "SEND " CH("1") "\nx");
    rig_expect(small, "edge 8 SEND 18 *");
    rig_destroy(small);
}
END_TEST

START_TEST(acknowledgements_for_which_there_is_no_room_wait)
{
    struct rig *small = rig_new_with(16, 10);
    rig_join_edge(small, 1);
    rig_app(small, 1, "JOIN echo");
    rig_edge(small, 8, "OPEN " CH("1") " 1 echo 0\n{}");
    for (int seq = 2; seq < 30; seq++) {
        char record[128];
        snprintf(record, sizeof record, "TEXT " CH("1") " %d\nx", seq);
        rig_edge(small, 8, record);
        rig_expect(small, "app 1 TEXT *");
        rig_tagged(small, 1, "ACK", small->tag);
        rig_turn(small);
    }
    rig_edge(small, 60, "HB e1 " EPOCH " 10 boot=" BOOT);
    rig_turn(small);
    while (rig_count(small, "edge 8 ACK *") > 0)
        rig_expect(small, "edge 8 ACK *");
    ck_assert_int_eq(fnmatch("*|" CH("1") " 29|", small->last, 0), 0);
    rig_destroy(small);
}
END_TEST

START_TEST(the_pull_port_takes_commands_and_never_answers)
{
    const char *records[] = {"SEND " CH("1") " id=1\nx", "PUB t id=2\nx",
                             "JOIN echo id=3", "GET stats id=4", "SEND nonsense id=5"};
    for (size_t at = 0; at < 5; at++)
        core_from_plain(s_rig->core, NULL,
                        (struct wire_text){records[at], strlen(records[at])});
    rig_expect(s_rig, "edge 8 SEND 1 " CH("1") "|x");
    rig_expect_no(s_rig, "app *");
    ck_assert_int_eq((int)core_measure(s_rig->core)->workers, 0);
    ck_assert_int_eq((int)core_measure(s_rig->core)->publications, 1);
}
END_TEST

START_TEST(the_sub_port_makes_commands_of_topics)
{
    const char *topics[] = {"channel/" CH("1") "/send",
                            "channel/" CH("1") "/close",
                            "channel/nonsense/send",
                            "rooms/1",
                            "not a topic",
                            ""};
    for (size_t at = 0; at < 6; at++)
        core_from_publisher(s_rig->core, NULL,
                            (struct wire_text){topics[at], strlen(topics[at])},
                            (struct wire_text){"hi", 2});
    rig_expect(s_rig, "edge 8 SEND 1 " CH("1") "|hi");
    rig_expect(s_rig, "edge 8 CLOSE 2 " CH("1") "|hi");
    ck_assert_int_eq((int)core_measure(s_rig->core)->publications, 2);
    ck_assert_int_eq((int)core_measure(s_rig->core)->dropped[CORE_DROP_VALUE], 2);
}
END_TEST

START_TEST(options_follow_the_topic_on_the_sub_port)
{
    const char *topics[] = {"rooms/1 hist=0 collapse=a", "channel/" CH("1") "/send bin=1",
                            "rooms/1 bin=2", "rooms/1 colour", "rooms/1  hist=0"};
    rig_edge(s_rig, 8, "TSUB rooms/1");
    for (size_t at = 0; at < 5; at++)
        core_from_publisher(s_rig->core, NULL,
                            (struct wire_text){topics[at], strlen(topics[at])},
                            (struct wire_text){"hi", 2});
    rig_expect(s_rig, "edge 8 PUB * rooms/1 " BOOT ":1 *collapse=a*|hi");
    rig_expect(s_rig, "edge 8 SEND * " CH("1") " bin=1|hi");
    rig_expect_no(s_rig, "edge 8 *");
    ck_assert_int_eq((int)core_measure(s_rig->core)->dropped[CORE_DROP_VALUE], 3);
}
END_TEST

START_TEST(watchers_see_events_and_sends_without_secrets)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_edge(s_rig, 8, "OPEN " CH("0") " 1 echo 0\n{}");
    rig_expect_no(s_rig, "tap *");
    core_set_tap(s_rig->core, true);
    rig_edge(s_rig, 8,
             "OPEN " CH("1") " 1 echo 0\n{\"headers\":[[\"cookie\",\"s3cret\"],[\"host\","
                             "\"a\"]]}\nbody");
    rig_expect(s_rig, "tap channel/" CH("1") "/open OPEN " CH("1") " 1 *|{\"headers\":*");
    ck_assert_ptr_null(strstr(s_rig->last, "s3cret"));
    ck_assert_ptr_nonnull(strstr(s_rig->last, "host"));
    ck_assert_ptr_nonnull(strstr(s_rig->last, "|body"));
    rig_edge(s_rig, 8, "TEXT " CH("1") " 2\nhello");
    rig_expect(s_rig, "tap channel/" CH("1") "/text TEXT " CH("1") " 2 *|hello");
    rig_app(s_rig, 1, "SEND " CH("1") " bin=1\nbytes");
    rig_expect(s_rig, "tap channel/" CH("1") "/send SEND " CH("1") " bin=1|bytes");
    rig_app(s_rig, 1, "PUB rooms/1\nnews");
    rig_expect(s_rig, "tap topic/rooms/1 PUB rooms/1 " BOOT ":1|news");
}
END_TEST

START_TEST(get_answers_in_json)
{
    rig_app(s_rig, 1, "JOIN echo name=w1");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    rig_app(s_rig, 3, "GET stats id=1");
    rig_expect(s_rig, "app 3 INFO stats - 1|{*\"channels\":1*}");
    rig_app(s_rig, 3, "GET info " CH("1") " id=2");
    rig_expect(s_rig,
               "app 3 INFO " CH("1") " - 2|{*\"carrier\":\"ws\"*\"name\":\"w1\"*}");
    rig_app(s_rig, 3, "GET list echo id=3");
    rig_expect(s_rig, "app 3 INFO echo - 3|{*\"channels\":\\[\"" CH("1") "\"\\]*}");
    rig_app(s_rig, 3, "GET list nothing id=4");
    rig_expect(s_rig, "app 3 ERR nothing - 4 gone|*");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, s_set_up, s_tear_down);
    tcase_add_test(all, passes_commands_on_numbered_and_without_what_is_ours);
    tcase_add_test(all, answers_when_the_edge_has_answered);
    tcase_add_test(all, says_nothing_without_an_id);
    tcase_add_test(all, names_what_is_wrong_when_asked);
    tcase_add_test(all, a_version_that_is_not_ours_is_refused_even_without_an_id);
    tcase_add_test(all, a_payload_over_the_limit_is_answered_even_without_an_id);
    tcase_add_test(all, a_send_to_several_edges_is_one_answer_with_counts);
    tcase_add_test(all, a_send_to_several_that_nobody_took_is_gone);
    tcase_add_test(all, more_than_128_channels_are_refused);
    tcase_add_test(all, the_same_id_is_carried_out_once_and_its_answer_repeated);
    tcase_add_test(all, a_short_id_counts_for_its_connection_only);
    tcase_add_test(all, answers_are_forgotten_after_ten_minutes);
    tcase_add_test(all, the_death_of_an_edge_answers_what_it_owed);
    tcase_add_test(all, a_request_in_an_envelope_is_answered_in_it_without_an_id);
    tcase_add_test(all,
                   soon_after_the_start_commands_wait_for_an_edge_that_may_still_come);
    tcase_add_test(all, who_waits_for_an_edge_that_does_not_come_is_told_and_it_is_dead);
    tcase_add_test(all, commands_wait_for_a_limited_number_of_edges);
    tcase_add_test(all, a_full_ring_refuses_a_send_but_not_acknowledgements);
    tcase_add_test(all, acknowledgements_for_which_there_is_no_room_wait);
    tcase_add_test(all, the_pull_port_takes_commands_and_never_answers);
    tcase_add_test(all, the_sub_port_makes_commands_of_topics);
    tcase_add_test(all, options_follow_the_topic_on_the_sub_port);
    tcase_add_test(all, watchers_see_events_and_sends_without_secrets);
    tcase_add_test(all, get_answers_in_json);
    suite_add_tcase(suite, all);
    return rig_run(suite);
}
