#include "broker/presence.h"

#include "tests/unit/core_rig.h"

static struct rig *s_rig;
static struct authority s_limited;

/* Past the time in which edges may still come after the start. */
static void s_make(void)
{
    s_rig = rig_new();
    rig_join_edge(s_rig, 1);
    rig_join_edge(s_rig, 2);
    rig_wait(s_rig, 6, "12");
    rig_forget(s_rig);
}

static void s_clear(void)
{
    rig_destroy(s_rig);
    authority_clear(&s_limited);
}

static void s_limit(const struct core_settings *settings)
{
    rig_destroy(s_rig);
    s_rig = rig_new_of(settings);
    rig_join_edge(s_rig, 1);
    rig_wait(s_rig, 6, "1");
    rig_forget(s_rig);
}

#define NOBODY "{\"topic\":\"rooms/1\",\"count\":0,\"full\":false,\"present\":[[]]}"

START_TEST(a_watcher_is_told_who_is_there_and_who_comes_and_goes)
{
    rig_edge(s_rig, 8, "ENTER rooms/1 " CH("1") "\namy");
    rig_app(s_rig, 3, "WATCH rooms/1 id=1");
    rig_expect(s_rig, "app 3 OK rooms/1 - 1");
    rig_expect(
        s_rig,
        "app 3 PRESENT rooms/1 1 -|{\"topic\":\"rooms/1\",\"count\":1,\"full\":false,"
        "\"present\":[[]{\"id\":\"" CH("1") "\",\"label\":\"amy\"}]}");
    rig_edge(s_rig, 9, "ENTER rooms/1 " CH2("1") "\n");
    rig_expect(s_rig, "app 3 ENTER rooms/1 2 " CH2("1") "|");
    rig_edge(s_rig, 9, "ENTER rooms/1 " CH2("1") "\n"); // nothing new
    rig_edge(s_rig, 9, "ENTER rooms/1 " CH2("1") "\nbob");
    rig_expect(s_rig, "app 3 ENTER rooms/1 3 " CH2("1") "|bob");
    rig_edge(s_rig, 8, "EXIT rooms/1 " CH("1"));
    rig_expect(s_rig, "app 3 EXIT rooms/1 4 " CH("1"));
    rig_app(s_rig, 3, "UNWATCH rooms/1 id=2");
    rig_expect(s_rig, "app 3 OK rooms/1 - 2");
    rig_edge(s_rig, 9, "EXIT rooms/1 " CH2("1"));
    rig_expect_no(s_rig, "app 3 *");
}
END_TEST

START_TEST(the_death_of_an_edge_is_the_exit_of_all_its_channels)
{
    rig_edge(s_rig, 8, "ENTER rooms/1 " CH("1") "\n");
    rig_edge(s_rig, 9, "ENTER rooms/1 " CH2("1") "\n");
    rig_app(s_rig, 3, "WATCH rooms/1");
    rig_expect(s_rig, "app 3 PRESENT *");
    rig_wait(s_rig, 6, "2");
    rig_expect(s_rig, "app 3 EXIT rooms/1 * " CH("1"));
    rig_expect_no(s_rig, "app 3 EXIT*");
}
END_TEST

START_TEST(what_an_edge_does_not_name_again_is_gone_with_synced_and_not_before)
{
    rig_edge(s_rig, 8, "ENTER rooms/1 " CH("1") "\n");
    rig_edge(s_rig, 8, "ENTER rooms/1 " CH("2") "\n");
    rig_app(s_rig, 3, "WATCH rooms/1");
    rig_expect(s_rig, "app 3 PRESENT *");
    rig_edge(s_rig, 10, "HELLO e1 " EPOCH " - 0 proto=RW/1");
    rig_edge(s_rig, 10, "ENTER rooms/1 " CH("2") "\n");
    rig_expect_no(s_rig, "app 3 *");
    rig_edge(s_rig, 10, "SYNCED");
    rig_expect(s_rig, "app 3 EXIT rooms/1 2 " CH("1"));
    rig_expect_no(s_rig, "app 3 *");
    rig_edge(s_rig, 11, "HELLO e1 " EPOCH " " BOOT " 0 proto=RW/1");
    rig_expect(s_rig, "edge 11 WELCOME 0 " BOOT " resume");
    rig_edge(s_rig, 11, "PRESENT"); // an EXIT was lost with the connection
    rig_expect(s_rig, "app 3 EXIT rooms/1 3 " CH("2"));
}
END_TEST

START_TEST(after_the_brokers_start_a_snapshot_waits_for_the_edges)
{
    rig_destroy(s_rig);
    s_rig = rig_new();
    rig_app(s_rig, 3, "WATCH rooms/1");
    rig_join_edge(s_rig, 1);
    rig_edge(s_rig, 8, "ENTER rooms/1 " CH("1") "\n");
    rig_wait(s_rig, 4, "1");
    rig_expect_no(s_rig, "app 3 *");
    rig_wait(s_rig, 2, "1");
    rig_expect(s_rig, "app 3 PRESENT rooms/1 1 -|*" CH("1") "*");
    rig_expect_no(s_rig, "app 3 *");
}
END_TEST

START_TEST(a_watcher_that_is_behind_gets_a_snapshot_in_place_of_what_it_missed)
{
    rig_app(s_rig, 3, "WATCH rooms/1");
    rig_expect(s_rig, "app 3 PRESENT rooms/1 1 -|" NOBODY);
    s_rig->full = 1 << 3;
    rig_edge(s_rig, 8, "ENTER rooms/1 " CH("1") "\n");
    s_rig->full = 0;
    rig_edge(s_rig, 8, "ENTER rooms/1 " CH("2") "\n");
    rig_expect_no(s_rig, "app 3 *");
    rig_wait(s_rig, 1, "12");
    rig_expect(s_rig, "app 3 PRESENT rooms/1 3 -|*\"count\":2,*");
    s_rig->broken = 1 << 3; // it is gone
    rig_edge(s_rig, 8, "EXIT rooms/1 " CH("1"));
    s_rig->broken = 0;
    rig_edge(s_rig, 8, "EXIT rooms/1 " CH("2"));
    rig_expect_no(s_rig, "app 3 *");
}
END_TEST

START_TEST(a_watch_that_is_not_said_again_is_over)
{
    rig_app(s_rig, 3, "WATCH rooms/1");
    rig_app(s_rig, 4, "WATCH rooms/1");
    rig_wait(s_rig, 59, "12");
    rig_app(s_rig, 4, "WATCH rooms/1");
    rig_wait(s_rig, 2, "12");
    rig_forget(s_rig);
    rig_edge(s_rig, 8, "ENTER rooms/1 " CH("1") "\n");
    rig_expect(s_rig, "app 4 ENTER *");
    rig_expect_no(s_rig, "app 3 *");
}
END_TEST

START_TEST(presence_is_asked_for_with_a_limit)
{
    rig_edge(s_rig, 8, "ENTER rooms/1 " CH("1") "\n");
    rig_edge(s_rig, 8, "ENTER rooms/1 " CH("2") "\namy");
    rig_app(s_rig, 3, "GET presence rooms/1 limit=1 id=1");
    rig_expect(s_rig,
               "app 3 INFO rooms/1 - 1|{\"topic\":\"rooms/1\",\"count\":2,\"full\":false,"
               "\"present\":[[]{\"id\":\"" CH("1") "\",\"label\":null}]}");
    rig_app(s_rig, 3, "GET presence rooms/2 id=2");
    rig_expect(s_rig, "app 3 INFO rooms/2 - 2|*\"count\":0,*");
}
END_TEST

START_TEST(members_and_watches_have_limits)
{
    struct core_settings settings = rig_settings();
    settings.presence_members = 1;
    settings.watches = 1;
    s_limit(&settings);
    rig_edge(s_rig, 8, "ENTER rooms/1 " CH("1") "\n");
    rig_edge(s_rig, 8, "ENTER rooms/1 " CH("2") "\n");
    rig_app(s_rig, 3, "GET presence rooms/1 id=1");
    rig_expect(s_rig, "app 3 INFO rooms/1 - 1|*\"count\":1,\"full\":true,*");
    rig_app(s_rig, 3, "WATCH rooms/1");
    rig_app(s_rig, 3, "WATCH rooms/2 id=2");
    rig_expect(s_rig, "app 3 ERR rooms/2 - 2 full|too many watch");
    rig_app(s_rig, 3, "WATCH rooms/* id=3");
    rig_expect(s_rig, "app 3 ERR rooms/[*] - 3 value|topic: *");
    settings.presence_total = 1;
    settings.presence_members = 5;
    s_limit(&settings);
    rig_edge(s_rig, 8, "ENTER rooms/1 " CH("1") "\n");
    rig_edge(s_rig, 8, "ENTER rooms/2 " CH("1") "\n");
    rig_app(s_rig, 3, "GET presence rooms/2 id=1");
    rig_expect(s_rig, "app 3 INFO rooms/2 - 1|*\"count\":0,*");
}
END_TEST

START_TEST(an_edge_speaks_for_its_own_channels_only)
{
    rig_edge(s_rig, 8, "ENTER rooms/1 " CH2("1") "\n");
    rig_edge(s_rig, 9, "ENTER rooms/1 " CH2("1") "\n");
    rig_edge(s_rig, 8, "EXIT rooms/1 " CH2("1"));
    rig_app(s_rig, 3, "GET presence rooms/1 id=1");
    rig_expect(s_rig, "app 3 INFO rooms/1 - 1|*\"count\":1,*" CH2("1") "*");
}
END_TEST

START_TEST(a_watch_needs_the_topic_as_long_as_it_lasts)
{
    ck_assert_ptr_null(authority_set_app(&s_limited, "limited", "", "rooms/*"));
    const struct address from = {.peer = 3, .authority = &s_limited};
    static const char no[] = "WATCH halls/1 id=1", yes[] = "WATCH rooms/1",
                      ask[] = "GET presence halls/1 id=2";
    core_from_app(s_rig->core, &from, (struct wire_text){no, sizeof no - 1});
    rig_expect(s_rig, "app 3 ERR halls/1 - 1 denied|*");
    core_from_app(s_rig->core, &from, (struct wire_text){ask, sizeof ask - 1});
    rig_expect(s_rig, "app 3 ERR halls/1 - 2 denied|*");
    core_from_app(s_rig->core, &from, (struct wire_text){yes, sizeof yes - 1});
    rig_expect(s_rig, "app 3 PRESENT *");
    ck_assert_ptr_null(authority_set_app(&s_limited, "limited", "", "other"));
    core_authority_changed(s_rig->core);
    rig_edge(s_rig, 8, "ENTER rooms/1 " CH("1") "\n");
    rig_expect_no(s_rig, "app 3 *");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("presence");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, s_make, s_clear);
    tcase_add_test(all, a_watcher_is_told_who_is_there_and_who_comes_and_goes);
    tcase_add_test(all, the_death_of_an_edge_is_the_exit_of_all_its_channels);
    tcase_add_test(all,
                   what_an_edge_does_not_name_again_is_gone_with_synced_and_not_before);
    tcase_add_test(all, after_the_brokers_start_a_snapshot_waits_for_the_edges);
    tcase_add_test(all,
                   a_watcher_that_is_behind_gets_a_snapshot_in_place_of_what_it_missed);
    tcase_add_test(all, a_watch_that_is_not_said_again_is_over);
    tcase_add_test(all, presence_is_asked_for_with_a_limit);
    tcase_add_test(all, members_and_watches_have_limits);
    tcase_add_test(all, an_edge_speaks_for_its_own_channels_only);
    tcase_add_test(all, a_watch_needs_the_topic_as_long_as_it_lasts);
    suite_add_tcase(suite, all);
    return rig_run(suite);
}
