#include "gateway/bus_topics.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static size_t s_seen;

static void s_count(void *context, const char *topic)
{
    (void)context;
    (void)topic;
    s_seen++;
}

START_TEST(counts_each_workers_subscriptions)
{
    struct bus_topics *topics = bus_topics_new(3);
    ck_assert_uint_eq(bus_topics_add(topics, "a/b", 3, 0), 1);
    ck_assert_uint_eq(bus_topics_add(topics, "a/b", 3, 2), 1);
    ck_assert_uint_eq(bus_topics_add(topics, "a/b", 3, 2), 2);
    ck_assert_uint_eq(bus_topics_workers(topics, "a/b", 3), 5);
    ck_assert_uint_eq(bus_topics_remove(topics, "a/b", 3, 2), 2);
    ck_assert_uint_eq(bus_topics_workers(topics, "a/b", 3), 5);
    ck_assert_uint_eq(bus_topics_remove(topics, "a/b", 3, 2), 1);
    ck_assert_uint_eq(bus_topics_workers(topics, "a/b", 3), 1);
    ck_assert_uint_eq(bus_topics_remove(topics, "a/b", 3, 0), 0);
    ck_assert_uint_eq(bus_topics_workers(topics, "a/b", 3), 0);
    bus_topics_destroy(&topics);
}
END_TEST

START_TEST(a_pattern_is_wanted_by_its_workers)
{
    struct bus_topics *topics = bus_topics_new(3);
    bus_topics_add(topics, "a/**", 4, 0);
    bus_topics_add(topics, "a/*", 3, 1);
    bus_topics_add(topics, "a/b", 3, 2);
    ck_assert_uint_eq(bus_topics_workers(topics, "a/b", 3), 7);
    ck_assert_uint_eq(bus_topics_workers(topics, "a/c", 3), 3);
    ck_assert_uint_eq(bus_topics_workers(topics, "a/b/c", 5), 1);
    ck_assert_uint_eq(bus_topics_workers(topics, "a", 1), 0);
    ck_assert_uint_eq(bus_topics_remove(topics, "a/**", 4, 0), 0);
    ck_assert_uint_eq(bus_topics_remove(topics, "a/*", 3, 1), 0);
    ck_assert_uint_eq(bus_topics_workers(topics, "a/b", 3), 4);
    bus_topics_destroy(&topics);
}
END_TEST

START_TEST(a_removal_too_many_takes_nothing_from_others)
{
    struct bus_topics *topics = bus_topics_new(2);
    bus_topics_add(topics, "t", 1, 1);
    ck_assert_uint_eq(bus_topics_remove(topics, "t", 1, 0), 1);
    ck_assert_uint_eq(bus_topics_remove(topics, "unknown", 7, 0), 0);
    ck_assert_uint_eq(bus_topics_workers(topics, "t", 1), 2);
    bus_topics_destroy(&topics);
}
END_TEST

START_TEST(every_topic_is_visited_once)
{
    struct bus_topics *topics = bus_topics_new(1);
    bus_topics_add(topics, "one", 3, 0);
    bus_topics_add(topics, "two", 3, 0);
    bus_topics_add(topics, "two", 3, 0);
    s_seen = 0;
    bus_topics_each(topics, s_count, NULL);
    ck_assert_uint_eq(s_seen, 2);
    bus_topics_destroy(&topics);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bus_topics");
    TCase *tests = tcase_create("bus_topics");
    tcase_add_test(tests, counts_each_workers_subscriptions);
    tcase_add_test(tests, a_pattern_is_wanted_by_its_workers);
    tcase_add_test(tests, a_removal_too_many_takes_nothing_from_others);
    tcase_add_test(tests, every_topic_is_visited_once);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
