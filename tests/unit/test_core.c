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

/* Names. */

START_TEST(channels_wait_for_their_named_worker_and_come_back_to_it)
{
    rig_app(s_rig, 1, "JOIN echo name=w1");
    s_open(CH("1"));
    rig_expect(s_rig, "edge 8 BOUND * " CH("1") " w1");
    rig_app(s_rig, 2, "JOIN echo");
    s_rig->broken = 1 << 1;
    rig_wait(s_rig, 2, "1");
    rig_expect_no(s_rig, "edge 8 RESEND*");
    rig_app(s_rig, 3, "JOIN echo name=w1");
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 1 tried=1");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 1 ws=1\n{}");
    rig_expect(s_rig, "app 3 OPEN " CH("1") " *");
}
END_TEST

START_TEST(channels_of_a_named_worker_that_stays_away_go_to_another)
{
    rig_app(s_rig, 1, "JOIN echo name=w1");
    s_open(CH("1"));
    rig_app(s_rig, 2, "JOIN echo");
    s_rig->broken = 1 << 1;
    for (int second = 0; second < 5; second++) {
        rig_wait(s_rig, 1, "1");
        rig_app(s_rig, 2, "JOIN echo");
    }
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 1 tried=1");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 1 ws=1\n{}");
    rig_expect(s_rig, "app 2 OPEN *");
}
END_TEST

START_TEST(a_name_whose_holder_is_connected_is_refused_and_else_taken_over)
{
    rig_app(s_rig, 1, "JOIN echo name=w1");
    rig_app(s_rig, 2, "JOIN echo name=w1");
    rig_expect(s_rig, "app 2 ERR echo - - name-in-use|*");
    s_rig->broken = 1 << 1;
    rig_app(s_rig, 2, "JOIN echo name=w1 id=7");
    rig_expect(s_rig, "app 2 JOINED echo - 7 boot=" BOOT " inc=* proto=RW/1");
}
END_TEST

START_TEST(a_new_member_is_told_so_without_asking_a_known_one_is_not)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_expect(s_rig, "app 1 JOINED echo - - boot=" BOOT " inc=* proto=RW/1");
    rig_app(s_rig, 1, "JOIN echo");
    rig_expect_no(s_rig, "app 1 JOINED *");
    rig_wait(s_rig, 7, "1"); // it is given up, and does not know
    rig_app(s_rig, 1, "JOIN echo");
    rig_expect(s_rig, "app 1 JOINED echo - - boot=" BOOT " inc=* proto=RW/1");
}
END_TEST

/* Liveness. */

START_TEST(a_worker_that_owes_nothing_lives_by_any_record)
{
    rig_app(s_rig, 1, "JOIN echo");
    for (int second = 0; second < 12; second += 3) {
        rig_wait(s_rig, 3, "1");
        rig_app(s_rig, 1, "JOIN echo");
    }
    ck_assert_int_eq((int)core_measure(s_rig->core)->workers, 1);
    rig_wait(s_rig, 7, "1");
    ck_assert_int_eq((int)core_measure(s_rig->core)->workers, 0);
}
END_TEST

START_TEST(a_worker_that_owes_acknowledgements_is_judged_by_them_alone)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_wait(s_rig, 28, "1");
    ck_assert_int_eq((int)core_measure(s_rig->core)->workers, 1);
    rig_app(s_rig, 1, "JOIN echo");
    rig_wait(s_rig, 4, "1");
    ck_assert_int_eq((int)core_measure(s_rig->core)->workers, 0);
}
END_TEST

START_TEST(channels_of_a_named_worker_that_hangs_do_not_wait_for_it)
{
    rig_app(s_rig, 1, "JOIN echo name=w1");
    s_open(CH("1"));
    rig_expect(s_rig, "app 1 OPEN " CH("1") " *");
    rig_app(s_rig, 2, "JOIN echo");
    for (int second = 0; second < 32; second++) {
        rig_wait(s_rig, 1, "1");
        rig_app(s_rig, 1, "JOIN echo name=w1");
        rig_app(s_rig, 2, "JOIN echo");
    }
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 1 tried=1");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 1 try=2 ws=1\n{}");
    rig_expect(s_rig, "app 2 OPEN " CH("1") " *");
}
END_TEST

START_TEST(one_overdue_channel_moves_while_its_worker_acknowledges_others)
{
    rig_app(s_rig, 1, "JOIN echo");
    rig_app(s_rig, 2, "JOIN other"); // nobody else for echo yet
    s_open(CH("1"));
    rig_expect(s_rig, "app 1 OPEN *");
    s_open(CH("2"));
    rig_expect(s_rig, "app 1 OPEN " CH("2") " *");
    rig_tagged(s_rig, 1, "DONE", s_rig->tag);
    for (int second = 2; second < 34; second++) {
        char record[128];
        rig_wait(s_rig, 1, "1");
        snprintf(record, sizeof record, "TEXT " CH("2") " %d\nx", second);
        rig_edge(s_rig, 8, record);
        rig_expect(s_rig, "app 1 TEXT " CH("2") " *");
        rig_tagged(s_rig, 1, "DONE", s_rig->tag);
    }
    ck_assert_int_eq((int)core_measure(s_rig->core)->workers, 1);
    rig_app(s_rig, 3, "JOIN echo");
    s_rig->read = 0;
    rig_expect(s_rig, "app 1 MOVED " CH("1") " - -");
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 1 tried=1");
}
END_TEST

START_TEST(a_pause_of_the_broker_kills_nobody)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    s_rig->now_ms += 60000;
    core_set_time(s_rig->core, s_rig->now_ms);
    core_tick(s_rig->core);
    ck_assert_int_eq((int)core_measure(s_rig->core)->workers, 1);
    ck_assert_int_eq((int)core_measure(s_rig->core)->edges, 1);
    rig_expect_no(s_rig, "app 1 CLOSE*");
}
END_TEST

START_TEST(a_worker_that_comes_back_gets_new_tags_and_its_old_ones_count_no_more)
{
    rig_app(s_rig, 1, "JOIN echo");
    s_open(CH("1"));
    rig_expect(s_rig, "app 1 OPEN *");
    char old[64], new[64];
    snprintf(old, sizeof old, "%s", s_rig->tag);
    rig_wait(s_rig, 33, "1"); // stopped; nobody else is there
    rig_app(s_rig, 1, "JOIN echo id=5");
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 1 tried=1");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 echo 1 ws=1\n{}");
    rig_expect(s_rig, "app 1 OPEN *");
    snprintf(new, sizeof new, "%s", s_rig->tag);
    ck_assert_str_ne(old, new);
    rig_tagged(s_rig, 1, "ACK", old);
    rig_turn(s_rig);
    rig_expect_no(s_rig, "edge 8 ACK*");
    rig_tagged(s_rig, 1, "ACK", new);
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 ACK * -|" CH("1") " 1|");
}
END_TEST

START_TEST(a_stranger_is_told_to_join_but_not_for_a_dash_and_not_often)
{
    rig_app(s_rig, 5, "ACK -");
    rig_expect_no(s_rig, "app 5 *");
    rig_app(s_rig, 5, "ACK 0000002a.7");
    rig_app(s_rig, 5, "ACK 0000002a.8");
    rig_expect(s_rig, "app 5 WHO - - -");
    rig_expect_no(s_rig, "app 5 *");
    s_rig->now_ms += 300;
    core_set_time(s_rig->core, s_rig->now_ms);
    rig_app(s_rig, 5, "ACK 0000002a.9");
    rig_expect(s_rig, "app 5 WHO - - -");
}
END_TEST

static TCase *s_case(Suite *suite, const char *name)
{
    TCase *made = tcase_create(name);
    tcase_add_checked_fixture(made, s_set_up, s_tear_down);
    suite_add_tcase(suite, made);
    return made;
}

static void s_add_names(TCase *made)
{
    tcase_add_test(made, channels_wait_for_their_named_worker_and_come_back_to_it);
    tcase_add_test(made, channels_of_a_named_worker_that_stays_away_go_to_another);
    tcase_add_test(made, a_name_whose_holder_is_connected_is_refused_and_else_taken_over);
    tcase_add_test(made, a_new_member_is_told_so_without_asking_a_known_one_is_not);
}

static void s_add_liveness(TCase *made)
{
    tcase_add_test(made, a_worker_that_owes_nothing_lives_by_any_record);
    tcase_add_test(made, a_worker_that_owes_acknowledgements_is_judged_by_them_alone);
    tcase_add_test(made, channels_of_a_named_worker_that_hangs_do_not_wait_for_it);
    tcase_add_test(made, one_overdue_channel_moves_while_its_worker_acknowledges_others);
    tcase_add_test(made, a_pause_of_the_broker_kills_nobody);
    tcase_add_test(made,
                   a_worker_that_comes_back_gets_new_tags_and_its_old_ones_count_no_more);
    tcase_add_test(made, a_stranger_is_told_to_join_but_not_for_a_dash_and_not_often);
}

int main(void)
{
    Suite *suite = suite_create("core");
    s_add_names(s_case(suite, "names"));
    s_add_liveness(s_case(suite, "liveness"));
    return rig_run(suite);
}
