#include "tests/unit/core_rig.h"

static struct rig *s_rig;

static void s_set_up(void)
{
    s_rig = rig_new_with(16, 3);
    rig_join_edge(s_rig, 1);
    rig_join_edge(s_rig, 2);
    rig_forget(s_rig);
}

static void s_tear_down(void)
{
    rig_destroy(s_rig);
}

START_TEST(a_publication_goes_to_the_edges_that_want_it_with_its_position)
{
    rig_edge(s_rig, 8, "TSUB rooms/1");
    rig_expect(s_rig, "edge 8 TOP 1 rooms/1 " BOOT ":0");
    rig_app(s_rig, 3, "PUB rooms/1 bin=1 except=" CH("1") " id=5\nhello");
    rig_expect(s_rig, "edge 8 PUB 2 rooms/1 " BOOT ":1 bin=1 except=" CH("1") "|hello");
    rig_expect_no(s_rig, "edge 9 PUB*");
    rig_expect(s_rig, "app 3 OK rooms/1 - 5 pos=" BOOT ":1");
    rig_app(s_rig, 3, "PUB rooms/2\nother");
    rig_expect_no(s_rig, "edge * PUB*");
}
END_TEST

START_TEST(names_are_exact)
{
    rig_edge(s_rig, 8, "TSUB rooms/1");
    rig_app(s_rig, 3, "PUB rooms/11\nx");
    rig_app(s_rig, 3, "PUB rooms\nx");
    rig_app(s_rig, 3, "PUB ROOMS/1\nx");
    rig_expect_no(s_rig, "edge 8 PUB*");
}
END_TEST

START_TEST(a_sub_then_a_pub_never_misses)
{
    rig_app(s_rig, 3, "SUB " CH("1") " rooms/1");
    rig_app(s_rig, 3, "PUB rooms/1\nhello");
    rig_expect(s_rig, "edge 8 SUB 1 " CH("1") " rooms/1 pos=" BOOT ":0");
    rig_expect(s_rig, "edge 8 PUB 2 rooms/1 *|hello");
    rig_app(s_rig, 3, "UNSUB " CH("1") " rooms/1");
    rig_expect(s_rig, "edge 8 UNSUB 3 " CH("1") " rooms/1");
}
END_TEST

START_TEST(an_end_of_interest_that_is_older_than_the_last_sub_is_ignored)
{
    rig_app(s_rig, 3, "SUB " CH("1") " rooms/1");
    rig_app(s_rig, 3, "SUB " CH("2") " rooms/1");
    rig_edge(s_rig, 8, "TUNSUB rooms/1 1");
    rig_app(s_rig, 3, "PUB rooms/1\none");
    rig_expect(s_rig, "edge 8 PUB 3 *|one");
    rig_edge(s_rig, 8, "TUNSUB rooms/1 3");
    rig_app(s_rig, 3, "PUB rooms/1\ntwo");
    rig_expect_no(s_rig, "edge 8 PUB*");
}
END_TEST

START_TEST(top_tells_the_newest_position_also_of_a_topic_that_was_forgotten)
{
    rig_app(s_rig, 3, "PUB a\nx");
    rig_app(s_rig, 3, "PUB b\nx");
    rig_app(s_rig, 3, "PUB c\nx");
    rig_app(s_rig, 3, "PUB a\nx");
    rig_app(s_rig, 3, "PUB d\nx"); // the fourth topic: b is the oldest
    rig_edge(s_rig, 8, "TSUB a");
    rig_expect(s_rig, "edge 8 TOP 1 a " BOOT ":4");
    rig_edge(s_rig, 8, "TSUB never");
    rig_expect(s_rig, "edge 8 TOP 2 never " BOOT ":3");
}
END_TEST

START_TEST(publications_for_which_there_is_no_room_become_one_lost)
{
    rig_edge(s_rig, 8, "TSUB a");
    for (int n = 0; n < 15; n++)
        rig_app(s_rig, 3, "PUB a\nx");
    ck_assert_int_eq(rig_count(s_rig, "edge 8 PUB *"), 15);
    rig_forget(s_rig);
    rig_app(s_rig, 3, "PUB a id=1\nx");
    rig_app(s_rig, 3, "PUB a\nx");
    rig_app(s_rig, 3, "PUB a\nx");
    rig_expect(s_rig, "app 3 OK a - 1 pos=" BOOT ":16");
    rig_turn(s_rig);
    rig_expect_no(s_rig, "edge 8 *");
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 16 boot=" BOOT);
    rig_app(s_rig, 3, "PUB a\nx");
    rig_expect(s_rig, "edge 8 LOST 17 a " BOOT ":16 " BOOT ":18");
    rig_expect(s_rig, "edge 8 PUB 18 a " BOOT ":19|x");
}
END_TEST

START_TEST(a_loss_is_told_even_if_nothing_follows)
{
    rig_edge(s_rig, 8, "TSUB a");
    for (int n = 0; n < 16; n++)
        rig_app(s_rig, 3, "PUB a\nx");
    rig_forget(s_rig);
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 16 boot=" BOOT);
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 LOST 17 a " BOOT ":16 " BOOT ":16");
}
END_TEST

START_TEST(topics_that_are_all_wanted_leave_no_room_for_another_sub)
{
    rig_edge(s_rig, 8, "TSUB a");
    rig_edge(s_rig, 8, "TSUB b");
    rig_edge(s_rig, 8, "TSUB c");
    rig_app(s_rig, 3, "SUB " CH("1") " d");
    rig_expect(s_rig, "app 3 ERR " CH("1") " - - full|*");
    rig_app(s_rig, 3, "PUB d id=1\nx");
    rig_expect(s_rig, "app 3 OK d - 1 pos=" BOOT ":1");
}
END_TEST

START_TEST(interest_outlives_a_sync_that_the_ring_goes_on_from)
{
    rig_edge(s_rig, 8, "TSUB a");
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " - 0 proto=RW/1");
    rig_app(s_rig, 3, "PUB a\nx");
    rig_expect(s_rig, "edge 8 WELCOME 0 " BOOT " sync c=0");
    rig_expect(s_rig, "edge 8 TOP 1 a " BOOT ":0");
    rig_expect(s_rig, "edge 8 PUB 2 a " BOOT ":1|x");
}
END_TEST

START_TEST(a_sync_from_anew_ends_all_interest)
{
    rig_edge(s_rig, 8, "TSUB a");
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " " BOOT " 7 proto=RW/1");
    rig_app(s_rig, 3, "PUB a\nx");
    rig_expect_no(s_rig, "edge 8 PUB*");
    rig_edge(s_rig, 8, "TSUB a");
    rig_expect(s_rig, "edge 8 TOP 2 a " BOOT ":1");
    rig_app(s_rig, 3, "PUB a\nx");
    rig_expect(s_rig, "edge 8 PUB 3 a " BOOT ":2|x");
}
END_TEST

START_TEST(a_death_ends_all_interest)
{
    rig_edge(s_rig, 8, "TSUB a");
    rig_edge(s_rig, 8, "BYE");
    rig_forget(s_rig);
    rig_app(s_rig, 3, "PUB a\nx");
    rig_expect_no(s_rig, "edge 8 *");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("publish");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, s_set_up, s_tear_down);
    tcase_add_test(all, a_publication_goes_to_the_edges_that_want_it_with_its_position);
    tcase_add_test(all, names_are_exact);
    tcase_add_test(all, a_sub_then_a_pub_never_misses);
    tcase_add_test(all, an_end_of_interest_that_is_older_than_the_last_sub_is_ignored);
    tcase_add_test(all, top_tells_the_newest_position_also_of_a_topic_that_was_forgotten);
    tcase_add_test(all, publications_for_which_there_is_no_room_become_one_lost);
    tcase_add_test(all, a_loss_is_told_even_if_nothing_follows);
    tcase_add_test(all, topics_that_are_all_wanted_leave_no_room_for_another_sub);
    tcase_add_test(all, interest_outlives_a_sync_that_the_ring_goes_on_from);
    tcase_add_test(all, a_sync_from_anew_ends_all_interest);
    tcase_add_test(all, a_death_ends_all_interest);
    suite_add_tcase(suite, all);
    return rig_run(suite);
}
