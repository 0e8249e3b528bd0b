#include "broker/history.h"
#include "broker/once.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct history s_history;
static struct shelf s_shelf, s_other;
static struct history_rule s_rule = {"rooms/*", {2, 1000, 500}};
static int s_removed_count;

static void s_removed(void *context, const struct publication *publication)
{
    (void)context, (void)publication;
    s_removed_count++;
}

static void s_set_up(void)
{
    const struct history_settings settings = {
        .limits = {.count = 4, .age_ms = 10000, .bytes = 4000},
        .total_bytes = (size_t)8 * (HISTORY_COST + 10),
        .rules = &s_rule,
        .rule_count = 1};
    history_init(&s_history, &settings, 0);
    s_history.removed = s_removed;
    s_removed_count = 0;
    memset(&s_shelf, 0, sizeof s_shelf);
    memset(&s_other, 0, sizeof s_other);
}

static void s_tear_down(void)
{
    history_empty(&s_history, &s_shelf);
    history_empty(&s_history, &s_other);
    history_clear(&s_history);
}

static bool s_add(struct shelf *shelf, uint64_t g, size_t size, int64_t ttl_ms,
                  int64_t now_ms)
{
    struct blob *payload = blob_new(NULL, size);
    const struct history_entry entry = {.limits = &s_history.settings.limits,
                                        .payload = payload,
                                        .g = g,
                                        .ttl_ms = ttl_ms};
    memset(payload->data, 'x', size);
    bool held = history_add(&s_history, shelf, &entry, now_ms);
    blob_unref(&payload);
    return held;
}

START_TEST(the_oldest_goes_beyond_the_count_and_leaves_its_mark)
{
    for (uint64_t g = 1; g <= 6; g++)
        ck_assert(s_add(&s_shelf, g, 10, 0, 0));
    ck_assert_uint_eq(s_shelf.count, 4);
    ck_assert_uint_eq(shelf_at(&s_shelf, 0)->g, 3);
    ck_assert_uint_eq(s_shelf.lost, 2);
    ck_assert_int_eq(s_removed_count, 2);
    ck_assert_uint_eq(s_history.evictions, 2);
}
END_TEST

START_TEST(the_bytes_of_a_topic_are_limited)
{
    ck_assert(!s_add(&s_shelf, 1, 4000, 0, 0)); // with what it costs, too much
    ck_assert_uint_eq(s_shelf.lost, 1);
    s_history.settings.total_bytes = 100000;
    ck_assert(s_add(&s_shelf, 2, 2000, 0, 0));
    ck_assert(s_add(&s_shelf, 3, 2000, 0, 0));
    ck_assert_uint_eq(s_shelf.count, 1);
    ck_assert_uint_eq(s_shelf.lost, 2);
}
END_TEST

START_TEST(beyond_the_limit_of_all_the_oldest_of_all_goes)
{
    for (uint64_t g = 1; g <= 4; g++)
        ck_assert(s_add(&s_shelf, g, 10, 0, 0));
    for (uint64_t g = 5; g <= 8; g++)
        ck_assert(s_add(&s_other, g, 10, 0, 0));
    ck_assert_uint_eq(s_history.count, 8);
    ck_assert(s_add(&s_other, 9, 10, 0, 0)); // 5 goes for the count
    ck_assert(s_add(&s_other, 10, 200, 0, 0));
    ck_assert_uint_eq(s_shelf.lost, 2);
    ck_assert_uint_le(s_history.bytes, s_history.settings.total_bytes);
}
END_TEST

START_TEST(what_is_too_old_goes_also_from_the_middle)
{
    ck_assert(s_add(&s_shelf, 1, 10, 0, 0));
    ck_assert(s_add(&s_shelf, 2, 10, 2000, 0));
    ck_assert(s_add(&s_shelf, 3, 10, 0, 0));
    history_expire(&s_history, 1999);
    ck_assert_uint_eq(s_shelf.count, 3);
    history_expire(&s_history, 3000);
    ck_assert_uint_eq(s_shelf.count, 2);
    ck_assert_uint_eq(shelf_at(&s_shelf, 0)->g, 1);
    ck_assert_uint_eq(shelf_at(&s_shelf, 1)->g, 3);
    ck_assert_uint_eq(s_shelf.lost, 2);
    history_expire(&s_history, 11000);
    ck_assert_uint_eq(s_shelf.count, 0);
    ck_assert_uint_eq(s_history.bytes, 0);
    ck_assert_uint_eq(s_history.evictions, 0);
}
END_TEST

START_TEST(what_lives_long_goes_in_its_time_and_a_long_pause_passes_over_nobody)
{
    s_history.settings.limits.age_ms = 100000000;
    ck_assert(s_add(&s_shelf, 1, 10, 700000, 0));
    ck_assert(s_add(&s_shelf, 2, 10, 90000000, 0));
    for (int64_t now_ms = 0; now_ms < 700000; now_ms += 1000)
        history_expire(&s_history, now_ms);
    ck_assert_uint_eq(s_shelf.count, 2);
    history_expire(&s_history, 702000);
    ck_assert_uint_eq(s_shelf.count, 1);
    history_expire(&s_history, 99000000);
    ck_assert_uint_eq(s_shelf.count, 0);
}
END_TEST

START_TEST(what_comes_after_a_position_is_found)
{
    s_history.settings.limits.count = 1000;
    s_history.settings.limits.bytes = s_history.settings.total_bytes = 1000000;
    ck_assert_uint_eq(shelf_after(&s_shelf, 0), 0);
    for (uint64_t g = 2; g <= 200; g += 2)
        ck_assert(s_add(&s_shelf, g, 1, 0, 0));
    ck_assert_uint_eq(shelf_after(&s_shelf, 0), 0);
    ck_assert_uint_eq(shelf_at(&s_shelf, shelf_after(&s_shelf, 2))->g, 4);
    ck_assert_uint_eq(shelf_at(&s_shelf, shelf_after(&s_shelf, 99))->g, 100);
    ck_assert_uint_eq(shelf_after(&s_shelf, 200), s_shelf.count);
}
END_TEST

START_TEST(a_shelf_that_is_used_for_long_stays_small)
{
    for (uint64_t g = 1; g <= 10000; g++)
        ck_assert(s_add(&s_shelf, g, 1, 0, 0));
    ck_assert_uint_le(s_shelf.room, 16);
    for (uint32_t at = 0; at < s_shelf.count; at++)
        ck_assert_uint_eq(shelf_at(&s_shelf, at)->g, 9997 + at);
}
END_TEST

START_TEST(a_topic_has_the_limits_of_the_first_rule_that_matches)
{
    ck_assert_uint_eq(history_limits_of(&s_history, "rooms/1", 7)->count, 2);
    ck_assert_uint_eq(history_limits_of(&s_history, "rooms/1/2", 9)->count, 4);
    ck_assert(
        !history_takes(&s_history, history_limits_of(&s_history, "rooms/1", 7), 400));
    ck_assert(history_takes(&s_history, history_limits_of(&s_history, "other", 5), 400));
}
END_TEST

START_TEST(collapse_and_except_are_kept_with_it)
{
    struct blob *payload = blob_new("x", 1);
    const struct history_entry entry = {.limits = &s_history.settings.limits,
                                        .payload = payload,
                                        .g = 1,
                                        .collapse = {"seat", 4},
                                        .except = {"e.01234567.1", 12}};
    ck_assert(history_add(&s_history, &s_shelf, &entry, 0));
    blob_unref(&payload);
    const struct publication *held = shelf_at(&s_shelf, 0);
    ck_assert(wire_is(publication_collapse(held), "seat"));
    ck_assert(wire_is(publication_except(held), "e.01234567.1"));
}
END_TEST

START_TEST(a_key_is_known_for_ten_minutes_in_its_topic)
{
    struct once once;
    struct wire_text a = {"a", 1}, b = {"b", 1}, key = {"k", 1};
    once_init(&once, 2);
    once_add(&once, a, key, 7, 0);
    ck_assert_uint_eq(once_find(&once, a, key), 7);
    ck_assert_uint_eq(once_find(&once, b, key), 0);
    once_add(&once, b, key, 8, 1000);
    once_add(&once, b, a, 9, 1000); // the third: the oldest goes
    ck_assert_uint_eq(once_find(&once, a, key), 0);
    once_remove(&once, b, a);
    ck_assert_uint_eq(once_find(&once, b, a), 0);
    once_expire(&once, 600999);
    ck_assert_uint_eq(once_find(&once, b, key), 8);
    once_expire(&once, 601000);
    ck_assert_uint_eq(once_find(&once, b, key), 0);
    once_clear(&once);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("history");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, s_set_up, s_tear_down);
    tcase_add_test(all, the_oldest_goes_beyond_the_count_and_leaves_its_mark);
    tcase_add_test(all, the_bytes_of_a_topic_are_limited);
    tcase_add_test(all, beyond_the_limit_of_all_the_oldest_of_all_goes);
    tcase_add_test(all, what_is_too_old_goes_also_from_the_middle);
    tcase_add_test(all,
                   what_lives_long_goes_in_its_time_and_a_long_pause_passes_over_nobody);
    tcase_add_test(all, what_comes_after_a_position_is_found);
    tcase_add_test(all, a_shelf_that_is_used_for_long_stays_small);
    tcase_add_test(all, a_topic_has_the_limits_of_the_first_rule_that_matches);
    tcase_add_test(all, collapse_and_except_are_kept_with_it);
    tcase_add_test(all, a_key_is_known_for_ten_minutes_in_its_topic);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
