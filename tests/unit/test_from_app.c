#include "tests/unit/core_rig.h"

#define LONG_ID "0123456789abcdef."

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

/* A rig with small limits instead. */
static void s_limit(const struct core_settings *settings)
{
    rig_destroy(s_rig);
    s_rig = rig_new_of(settings);
    rig_join_edge(s_rig, 1);
    rig_forget(s_rig);
}

static void s_command(uint64_t peer, const char *format, int number)
{
    char record[160];
    snprintf(record, sizeof record, format, number);
    rig_app(s_rig, peer, record);
}

/* Workers. */

START_TEST(a_heartbeat_that_cannot_be_sent_is_the_death_of_its_worker)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_app(s_rig, 2, "JOIN echo");
    rig_app(s_rig, 3, "JOIN echo");
    s_rig->broken = 1 << 1;
    s_rig->full = 1 << 2;
    rig_wait(s_rig, 1, "1");
    ck_assert_int_eq((int)core_measure(s_rig->core)->workers, 1);
    ck_assert_int_eq((int)core_measure(s_rig->core)->lost_workers, 2);
}
END_TEST

START_TEST(who_left_in_order_is_not_counted_as_lost)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_app(s_rig, 1, "LEAVE echo");
    rig_expect(s_rig, "app 1 LEFT echo - -");
    s_rig->broken = 1 << 1;
    rig_wait(s_rig, 1, "1");
    rig_edge(s_rig, 8, "BYE");
    const struct core_stats *stats = core_measure(s_rig->core);
    ck_assert_int_eq((int)stats->left_workers, 1);
    ck_assert_int_eq((int)stats->lost_workers, 0);
    ck_assert_int_eq((int)stats->left_edges, 1);
    ck_assert_int_eq((int)stats->lost_edges, 0);
}
END_TEST

/* Answers. */

START_TEST(a_repetition_is_passed_on_when_the_answer_may_be_lost)
{
    rig_app(s_rig, 3, "SEND " CH("1") " id=" LONG_ID "1\nx");
    rig_expect(s_rig, "edge 8 SEND 1 " CH("1") " id=" LONG_ID "1 reply=1|x");
    rig_app(s_rig, 3, "SEND " CH("1") " id=" LONG_ID "1\nx");
    rig_expect_no(s_rig, "edge 8 SEND*"); // the answer is still to come
    rig_edge(s_rig, 9, "HELLO e1 " EPOCH " " BOOT " 1 proto=RW/1");
    rig_app(s_rig, 3, "SEND " CH("1") " id=" LONG_ID "1\nx");
    rig_expect(s_rig, "edge 9 SEND 2 " CH("1") " id=" LONG_ID "1 reply=1|x");
    rig_edge(s_rig, 9, "OK 1");
    rig_expect_no(s_rig, "app 3 OK*");
    rig_edge(s_rig, 9, "OK 2");
    rig_expect(s_rig, "app 3 OK " CH("1") " - " LONG_ID "1");
}
END_TEST

START_TEST(an_answer_that_may_be_lost_is_given_up_after_half_a_minute)
{
    rig_app(s_rig, 3, "SEND " CH("1") " id=short\nx");
    rig_edge(s_rig, 9, "HELLO e1 " EPOCH " " BOOT " 1 proto=RW/1");
    rig_app(s_rig, 3, "SEND " CH("1") " id=later\nx");
    rig_wait(s_rig, 29, "1");
    rig_expect_no(s_rig, "app 3 *");
    rig_wait(s_rig, 2, "1");
    rig_expect(s_rig, "app 3 ERR " CH("1") " - short edge-lost|*");
    rig_expect_no(s_rig, "app 3 ERR*");
    rig_edge(s_rig, 9, "OK 2");
    rig_expect(s_rig, "app 3 OK " CH("1") " - later");
}
END_TEST

START_TEST(a_hello_on_the_same_connection_makes_no_answer_unsure)
{
    rig_app(s_rig, 3, "SEND " CH("1") " id=" LONG_ID "1\nx");
    rig_expect(s_rig, "edge 8 SEND 1 *");
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " " BOOT " 1 proto=RW/1");
    rig_app(s_rig, 3, "SEND " CH("1") " id=" LONG_ID "1\nx");
    rig_expect_no(s_rig, "edge 8 SEND*");
    rig_edge(s_rig, 8, "OK 1");
    rig_expect(s_rig, "app 3 OK " CH("1") " - " LONG_ID "1");
}
END_TEST

/* A full ring. */

START_TEST(a_lost_send_that_nobody_asks_about_ends_its_channel_before_anything_follows)
{
    struct core_settings settings = rig_settings();
    settings.ring_records = 16;
    s_limit(&settings);
    rig_app(s_rig, 1, "JOIN echo");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    rig_edge(s_rig, 8, "OPEN " CH("2") " 1 echo 0 ws=1\n{}");
    for (int number = 1; number <= 16; number++)
        s_command(3, "SEND " CH("2") "\n%d", number);
    rig_app(s_rig, 3, "SEND " CH("1") "\nlost");
    rig_expect(s_rig, "app 3 ERR " CH("1") " - - full|*");
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 16 boot=" BOOT); // there is room again
    rig_app(s_rig, 3, "SEND " CH("1") "\nnext");
    rig_expect(s_rig, "app 3 ERR " CH("1") " - - full|*");
    rig_app(s_rig, 3, "SEND " CH("2") "\nelsewhere");
    rig_expect(s_rig, "edge 8 SEND 17 " CH("2") "|elsewhere");
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 CLOSE 18 " CH("1") " cause=slow");
    rig_turn(s_rig);
    rig_expect_no(s_rig, "edge 8 CLOSE*");
    rig_edge(s_rig, 8, "CLOSE " CH("1") " 2 1013 cause=slow\n");
    rig_expect(s_rig, "app 1 CLOSE " CH("1") " 2 * 1013 cause=slow|");
}
END_TEST

START_TEST(a_lost_send_with_an_id_is_its_senders_affair)
{
    struct core_settings settings = rig_settings();
    settings.ring_records = 16;
    s_limit(&settings);
    rig_app(s_rig, 1, "JOIN echo");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    for (int number = 1; number <= 16; number++)
        s_command(3, "SEND " CH("1") "\n%d", number);
    rig_app(s_rig, 3, "SEND " CH("1") " id=7\nlater");
    rig_expect(s_rig, "app 3 ERR " CH("1") " - 7 full|*");
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 16 boot=" BOOT);
    rig_app(s_rig, 3, "SEND " CH("1") " id=7\nlater");
    rig_expect(s_rig, "edge 8 SEND 17 " CH("1") " reply=1|later");
    rig_turn(s_rig);
    rig_expect_no(s_rig, "edge 8 CLOSE*");
}
END_TEST

/* Limits. */

START_TEST(too_many_edges_are_refused)
{
    struct core_settings settings = rig_settings();
    settings.edges = 1;
    s_limit(&settings);
    rig_edge(s_rig, 9, "HELLO e2 " EPOCH " - 0 proto=RW/1");
    rig_expect(s_rig, "edge 9 REJECT 0 full|too many edges");
    rig_edge(s_rig, 8, "BYE");
    rig_edge(s_rig, 9, "HELLO e2 " EPOCH " - 0 proto=RW/1");
    rig_expect(s_rig, "edge 9 WELCOME *");
}
END_TEST

START_TEST(too_many_workers_and_services_are_refused)
{
    struct core_settings settings = rig_settings();
    settings.workers = 2;
    settings.services = 3;
    s_limit(&settings);
    rig_app(s_rig, 1, "JOIN a");
    rig_app(s_rig, 2, "JOIN b");
    rig_app(s_rig, 3, "JOIN b id=1");
    rig_expect(s_rig, "app 3 ERR b - 1 value|workers: too many");
    rig_app(s_rig, 2, "JOIN c id=2");
    rig_expect(s_rig, "app 2 JOINED c - 2 *");
    rig_app(s_rig, 2, "JOIN d id=3");
    rig_expect(s_rig, "app 2 ERR d - 3 value|service: too many");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 d 0\n{}");
    ck_assert_int_eq((int)core_measure(s_rig->core)->channels, 0);
}
END_TEST

START_TEST(a_worker_serves_at_most_64_services)
{
    for (int number = 0; number < 64; number++)
        s_command(1, "JOIN s%d", number);
    rig_app(s_rig, 1, "JOIN s64 id=1");
    rig_expect(s_rig, "app 1 ERR s64 - 1 value|service: too many");
    rig_app(s_rig, 2, "JOIN s64 id=2");
    rig_expect(s_rig, "app 2 JOINED s64 - 2 *");
}
END_TEST

START_TEST(a_window_or_an_id_beyond_its_limit_is_refused)
{
    char id[240];
    rig_app(s_rig, 1, "JOIN echo window=10001 id=1");
    rig_expect(s_rig, "app 1 ERR echo - 1 value|window: 0 to 10000");
    snprintf(id, sizeof id, "SEND " CH("1") " id=%0129d\nx", 7);
    rig_app(s_rig, 1, id);
    rig_expect_no(s_rig, "edge 8 SEND*");
    ck_assert_int_eq((int)core_measure(s_rig->core)->dropped[CORE_DROP_VALUE], 2);
    snprintf(id, sizeof id, "SEND " CH("1") " id=%0128d\nx", 7);
    rig_app(s_rig, 1, id);
    rig_expect(s_rig, "edge 8 SEND *");
}
END_TEST

START_TEST(no_more_answers_are_remembered_than_the_limit)
{
    struct core_settings settings = rig_settings();
    settings.answers = 2;
    s_limit(&settings);
    for (int number = 1; number <= 3; number++)
        s_command(3, "PUB t id=" LONG_ID "%d\nx", number);
    rig_forget(s_rig);
    rig_app(s_rig, 3, "PUB t id=" LONG_ID "3\nx");
    rig_expect(s_rig, "app 3 OK t - " LONG_ID "3 pos=" BOOT ":3");
    rig_app(s_rig, 3, "PUB t id=" LONG_ID "1\nx"); // forgotten: carried out again
    rig_expect(s_rig, "app 3 OK t - " LONG_ID "1 pos=" BOOT ":4");
}
END_TEST

START_TEST(too_many_unanswered_ids_of_an_edge_are_full)
{
    struct core_settings settings = rig_settings();
    settings.ring_records = 200000;
    settings.ring_bytes = 64 << 20;
    s_limit(&settings);
    for (int number = 0; number < 100000; number++)
        s_command(3, "SEND " CH("1") " id=%d\nx", number);
    rig_forget(s_rig);
    rig_app(s_rig, 3, "SEND " CH("1") " id=more\nx");
    rig_expect(s_rig, "app 3 ERR " CH("1") " - more full|*");
    rig_app(s_rig, 3, "SEND " CH("1") "\nx");
    rig_expect(s_rig, "edge 8 SEND 100001 *");
}
END_TEST

START_TEST(closes_that_wait_beyond_the_limit_are_forgotten_oldest_first)
{
    struct core_settings settings = rig_settings();
    settings.closes = 2;
    s_limit(&settings);
    rig_app(s_rig, 1, "JOIN echo window=64");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    rig_edge(s_rig, 8, "OPEN " CH("2") " 1 echo 0 ws=1\n{}");
    rig_edge(s_rig, 8, "OPEN " CH("3") " 1 echo 0 ws=1\n{}");
    rig_app(s_rig, 2, "JOIN other");
    s_rig->broken = 1 << 1;
    rig_wait(s_rig, 1, "1");
    rig_join_edge(s_rig, 2); // one that lives waits too, before the others
    rig_edge(s_rig, 9, "OPEN " CH2("1") " 1 echo 0 ws=1\n{}");
    rig_edge(s_rig, 8, "BYE");
    rig_wait(s_rig, 1, "2");
    ck_assert_int_eq((int)core_measure(s_rig->core)->channels, 3);
    rig_app(s_rig, 3, "JOIN echo");
    rig_expect(s_rig, "app 3 CLOSE " CH("2") " *");
    rig_expect(s_rig, "app 3 CLOSE " CH("3") " *");
    rig_expect_no(s_rig, "app 3 CLOSE*");
}
END_TEST

START_TEST(a_close_that_nobody_fetches_for_a_day_is_forgotten)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 0 ws=1\n{}");
    s_rig->broken = 1 << 1;
    rig_wait(s_rig, 1, "1");
    rig_edge(s_rig, 8, "BYE");
    rig_wait(s_rig, 86399, "");
    ck_assert_int_eq((int)core_measure(s_rig->core)->channels, 1);
    rig_wait(s_rig, 3, "");
    ck_assert_int_eq((int)core_measure(s_rig->core)->channels, 0);
}
END_TEST

START_TEST(a_publication_that_cannot_be_passed_on_is_refused_and_lost_for_nobody)
{
    static char record[8300];
    rig_edge(s_rig, 8, "TSUB t");
    rig_forget(s_rig);
    snprintf(record, sizeof record, "PUB t id=1 x=%08170d\nx", 0);
    rig_app(s_rig, 3, record);
    rig_expect(s_rig, "app 3 ERR t - 1 value|header: too long to be passed on");
    rig_turn(s_rig);
    rig_expect_no(s_rig, "edge 8 *");
    snprintf(record, sizeof record, "PUB t id=2 x=%08050d\nx", 0);
    rig_app(s_rig, 3, record);
    rig_expect(s_rig, "edge 8 PUB 2 t *");
    rig_expect(s_rig, "app 3 OK t - 2 pos=" BOOT ":1");
}
END_TEST

START_TEST(a_command_that_cannot_be_passed_on_is_refused_and_uses_no_number)
{
    static char record[8300];
    snprintf(record, sizeof record, "SEND " CH("1") " id=1 x=%08157d\nx", 0);
    rig_app(s_rig, 3, record);
    rig_expect(s_rig, "app 3 ERR " CH("1") " - 1 value|header: too long to be passed on");
    rig_app(s_rig, 3, "SEND " CH("1") "\nx");
    rig_expect(s_rig, "edge 8 SEND 1 " CH("1") "|x");
}
END_TEST

START_TEST(a_list_names_no_more_channels_and_workers_than_its_limit)
{
    for (uint64_t peer = 1; peer <= 5; peer++)
        rig_app(s_rig, peer, "JOIN echo");
    for (int number = 1; number <= 5; number++) {
        char record[128];
        snprintf(record, sizeof record, "OPEN e1." EPOCH ".%d 1 echo 0\n{}", number);
        rig_edge(s_rig, 8, record);
    }
    rig_forget(s_rig);
    rig_app(s_rig, 6, "GET list echo limit=2 id=1");
    rig_expect(s_rig, "app 6 INFO echo - 1|*\"count\":5*");
    int workers = 0, channels = 0;
    for (const char *at = s_rig->last; (at = strstr(at, "\"inc\":")); at++)
        workers++;
    for (const char *at = s_rig->last; (at = strstr(at, EPOCH)); at++)
        channels++;
    ck_assert_int_eq(workers, 2);
    ck_assert_int_eq(channels, 2);
}
END_TEST

static TCase *s_case(Suite *suite, const char *name)
{
    TCase *made = tcase_create(name);
    tcase_add_checked_fixture(made, s_set_up, s_tear_down);
    tcase_set_timeout(made, 60);
    suite_add_tcase(suite, made);
    return made;
}

static void s_add_answers(TCase *made)
{
    tcase_add_test(made, a_heartbeat_that_cannot_be_sent_is_the_death_of_its_worker);
    tcase_add_test(made, who_left_in_order_is_not_counted_as_lost);
    tcase_add_test(made, a_repetition_is_passed_on_when_the_answer_may_be_lost);
    tcase_add_test(made, an_answer_that_may_be_lost_is_given_up_after_half_a_minute);
    tcase_add_test(made, a_hello_on_the_same_connection_makes_no_answer_unsure);
    tcase_add_test(
        made,
        a_lost_send_that_nobody_asks_about_ends_its_channel_before_anything_follows);
    tcase_add_test(made, a_lost_send_with_an_id_is_its_senders_affair);
}

static void s_add_limits(TCase *made)
{
    tcase_add_test(made, too_many_edges_are_refused);
    tcase_add_test(made, too_many_workers_and_services_are_refused);
    tcase_add_test(made, a_worker_serves_at_most_64_services);
    tcase_add_test(made, a_window_or_an_id_beyond_its_limit_is_refused);
    tcase_add_test(made, no_more_answers_are_remembered_than_the_limit);
    tcase_add_test(made, too_many_unanswered_ids_of_an_edge_are_full);
    tcase_add_test(made, closes_that_wait_beyond_the_limit_are_forgotten_oldest_first);
    tcase_add_test(made, a_close_that_nobody_fetches_for_a_day_is_forgotten);
    tcase_add_test(made,
                   a_publication_that_cannot_be_passed_on_is_refused_and_lost_for_nobody);
    tcase_add_test(made,
                   a_command_that_cannot_be_passed_on_is_refused_and_uses_no_number);
    tcase_add_test(made, a_list_names_no_more_channels_and_workers_than_its_limit);
}

int main(void)
{
    Suite *suite = suite_create("from_app");
    s_add_answers(s_case(suite, "answers"));
    s_add_limits(s_case(suite, "limits"));
    return rig_run(suite);
}
