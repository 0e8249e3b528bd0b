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

START_TEST(history_is_told_with_positions_as_text_or_base64)
{
    rig_app(s_rig, 3, "PUB rooms/1\nhello");
    rig_app(s_rig, 3, "PUB rooms/1 bin=1\nab");
    rig_app(s_rig, 3, "PUB rooms/1\n\xff!");
    rig_app(s_rig, 3, "PUB rooms/1 bin=1\nabc");
    rig_app(s_rig, 3, "GET history rooms/1 id=1");
    rig_expect(s_rig, "app 3 INFO rooms/1 - 1|{\"topic\":\"rooms/1\",\"position\":\"" BOOT
                      ":4\",\"lost\":\"" BOOT ":0\",\"more\":false,\"messages\":[[]"
                      "{\"pos\":\"" BOOT ":1\",\"data\":\"hello\"},"
                      "{\"pos\":\"" BOOT ":2\",\"base64\":\"YWI=\"},"
                      "{\"pos\":\"" BOOT ":3\",\"base64\":\"/yE=\"},"
                      "{\"pos\":\"" BOOT ":4\",\"base64\":\"YWJj\"}[]]}");
}
END_TEST

START_TEST(history_is_told_from_a_position_and_up_to_a_limit)
{
    for (int n = 0; n < 5; n++)
        rig_app(s_rig, 3, "PUB a\nx");
    rig_app(s_rig, 3, "PUB a hist=0\nx");
    rig_app(s_rig, 3, "GET history a since=" BOOT ":2 limit=2 id=1");
    rig_expect(s_rig,
               "app 3 INFO a - 1|*\"lost\":\"" BOOT ":6\",\"more\":true,"
               "\"messages\":[[]{\"pos\":\"" BOOT ":3\",*:4\",\"data\":\"x\"}[]]}");
    rig_app(s_rig, 3, "GET history a since=00000000000000bb:9 limit=1 id=2");
    rig_expect(s_rig, "app 3 INFO a - 2|*\"messages\":[[]{\"pos\":\"" BOOT ":1\",*");
    rig_app(s_rig, 3, "GET history nothing id=3");
    rig_expect(s_rig, "app 3 INFO nothing - 3|*\"messages\":[[][]]}");
    rig_app(s_rig, 3, "GET history a since=7 id=4");
    rig_expect(s_rig, "app 3 ERR a - 4 value|since:*");
    rig_app(s_rig, 3, "GET history a/* id=5");
    rig_expect(s_rig, "app 3 ERR a/[*] - 5 value|topic:*");
}
END_TEST

START_TEST(topics_are_told_by_prefix_and_up_to_a_limit)
{
    rig_edge(s_rig, 8, "TSUB rooms/1");
    rig_app(s_rig, 3, "PUB rooms/1\nhello");
    rig_app(s_rig, 3, "PUB rooms/20\nhello");
    rig_app(s_rig, 3, "PUB news\nhello");
    rig_app(s_rig, 3, "GET topics rooms/ id=1");
    rig_expect(s_rig,
               "app 3 INFO topics - 1|{\"more\":false,\"topics\":[[]{\"topic\":"
               "\"rooms/1\",\"position\":\"" BOOT ":1\",\"edges\":1,\"messages\":1,"
               "\"bytes\":133},{\"topic\":\"rooms/20\",*}[]]}");
    rig_app(s_rig, 3, "GET topics rooms/2 id=2");
    rig_expect(s_rig, "app 3 INFO topics - 2|*[[]{\"topic\":\"rooms/20\",*}[]]}");
    rig_app(s_rig, 3, "GET topics limit=2 id=3");
    rig_expect(s_rig, "app 3 INFO topics - 3|{\"more\":true,*news*rooms/*");
    rig_app(s_rig, 3, "GET topics nothing id=4");
    rig_expect(s_rig, "app 3 INFO topics - 4|{\"more\":false,\"topics\":[[][]]}");
}
END_TEST

START_TEST(a_key_sees_the_topics_that_it_has)
{
    struct authority key = {0};
    const struct address from = {.peer = 4, .authority = &key};
    static const char history[] = "GET history news id=1", topics[] = "GET topics id=2";
    static const char own[] = "GET history rooms/1 id=3";
    ck_assert_ptr_null(authority_set_app(&key, "app", "", "rooms/*"));
    rig_app(s_rig, 3, "PUB rooms/1\nx");
    rig_app(s_rig, 3, "PUB news\nx");
    core_from_app(s_rig->core, &from, (struct wire_text){history, strlen(history)});
    rig_expect(s_rig, "app 4 ERR news - 1 denied|*");
    core_from_app(s_rig->core, &from, (struct wire_text){topics, strlen(topics)});
    rig_expect(s_rig, "app 4 INFO topics - 2|*[[]{\"topic\":\"rooms/1\",*}[]]}");
    ck_assert_ptr_null(strstr(s_rig->last, "news"));
    core_from_app(s_rig->core, &from, (struct wire_text){own, strlen(own)});
    rig_expect(s_rig, "app 4 INFO rooms/1 - 3|*");
    authority_clear(&key);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query_topic");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, s_set_up, s_tear_down);
    tcase_add_test(all, history_is_told_with_positions_as_text_or_base64);
    tcase_add_test(all, history_is_told_from_a_position_and_up_to_a_limit);
    tcase_add_test(all, topics_are_told_by_prefix_and_up_to_a_limit);
    tcase_add_test(all, a_key_sees_the_topics_that_it_has);
    suite_add_tcase(suite, all);
    return rig_run(suite);
}
