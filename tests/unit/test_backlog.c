#include "gateway/backlog.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Publication n, whose payload and cursor are its number; it follows n - 1. */
static size_t s_push(struct backlog **self, unsigned n, const char *key)
{
    char before[BACKLOG_CURSOR_ROOM], cursor[BACKLOG_CURSOR_ROOM];
    snprintf(before, sizeof before, "e:%u", n - 1);
    snprintf(cursor, sizeof cursor, "e:%u", n);
    struct backlog_item item = {before, cursor, key, key ? strlen(key) : 0};
    return backlog_push(self, blob_new(cursor, strlen(cursor)), &item);
}

static void s_expect(struct backlog **self, struct backlog_gap *gap, const char *cursor)
{
    struct blob *blob = backlog_pop(self, gap);
    ck_assert_ptr_nonnull(blob);
    ck_assert_uint_eq(blob->size, strlen(cursor));
    ck_assert_mem_eq(blob->data, cursor, blob->size);
    blob_unref(&blob);
}

START_TEST(publications_come_out_in_order_and_without_a_gap)
{
    struct backlog *self = NULL;
    struct backlog_gap gap;
    ck_assert_uint_eq(backlog_bytes(self), 0);
    for (unsigned n = 7; n < 10; n++)
        ck_assert_uint_eq(s_push(&self, n, NULL), 0);
    ck_assert_uint_gt(backlog_bytes(self), 9);
    s_expect(&self, &gap, "e:7");
    ck_assert_uint_eq(gap.count, 0);
    s_expect(&self, &gap, "e:8");
    s_expect(&self, &gap, "e:9");
    ck_assert_uint_eq(gap.count, 0);
    ck_assert_ptr_null(self);
    ck_assert_ptr_null(backlog_pop(&self, &gap));
}
END_TEST

START_TEST(what_was_dropped_is_one_gap_before_the_oldest_that_is_left)
{
    struct backlog *self = NULL;
    struct backlog_gap gap;
    for (unsigned n = 5; n < 10; n++)
        s_push(&self, n, NULL);
    ck_assert(backlog_drop(self));
    ck_assert(backlog_drop(self));
    s_expect(&self, &gap, "e:7");
    ck_assert_uint_eq(gap.count, 2);
    ck_assert_str_eq(gap.from, "e:4");
    ck_assert_str_eq(gap.to, "e:6");
    ck_assert_str_eq(gap.cursor, "e:6");
    ck_assert(backlog_drop(self));
    s_expect(&self, &gap, "e:9");
    ck_assert_uint_eq(gap.count, 1);
    ck_assert_str_eq(gap.from, "e:7");
    ck_assert_str_eq(gap.to, "e:8");
    ck_assert_ptr_null(self);
}
END_TEST

START_TEST(the_newest_is_never_dropped)
{
    struct backlog *self = NULL;
    ck_assert(!backlog_drop(self));
    s_push(&self, 1, NULL);
    ck_assert(!backlog_drop(self));
    s_push(&self, 2, NULL);
    ck_assert(backlog_drop(self));
    ck_assert(!backlog_drop(self));
    backlog_destroy(&self);
    ck_assert_ptr_null(self);
    backlog_destroy(&self);
}
END_TEST

START_TEST(a_newer_one_of_the_same_key_takes_the_place_at_the_end)
{
    struct backlog *self = NULL;
    struct backlog_gap gap;
    s_push(&self, 1, "a");
    s_push(&self, 2, "b");
    s_push(&self, 3, NULL);
    ck_assert_uint_eq(s_push(&self, 4, "a"), 1);
    ck_assert_uint_eq(s_push(&self, 5, "a"), 1);
    s_expect(&self, &gap, "e:2");
    ck_assert_uint_eq(gap.count, 2);
    ck_assert_str_eq(gap.from, "e:0");
    ck_assert_str_eq(gap.to, "e:4");
    s_expect(&self, &gap, "e:3");
    ck_assert_uint_eq(gap.count, 0);
    s_expect(&self, &gap, "e:5");
    ck_assert_uint_eq(gap.count, 0);
}
END_TEST

START_TEST(the_cursor_of_a_gap_never_leaves_out_what_is_still_to_come)
{
    struct backlog *self = NULL;
    struct backlog_gap gap;
    s_push(&self, 1, "a");
    s_push(&self, 2, "b");
    s_push(&self, 3, "b"); // 2 goes: 1 is older and still to come
    s_expect(&self, &gap, "e:1");
    ck_assert_str_eq(gap.to, "e:2");
    ck_assert_str_eq(gap.cursor, "e:0");
    s_push(&self, 4, "b");
    s_expect(&self, &gap, "e:4");
    ck_assert_str_eq(gap.from, "e:1");
    ck_assert_str_eq(gap.to, "e:3");
    ck_assert_str_eq(gap.cursor, "e:3");
}
END_TEST

START_TEST(the_end_of_a_gap_is_the_newest_that_went_whatever_the_order)
{
    struct backlog *self = NULL;
    struct backlog_gap gap;
    s_push(&self, 1, "a");
    s_push(&self, 2, "b");
    s_push(&self, 3, "b"); // 2 goes
    s_push(&self, 4, "a"); // then 1
    s_expect(&self, &gap, "e:3");
    ck_assert_uint_eq(gap.count, 2);
    ck_assert_str_eq(gap.to, "e:2");
    backlog_destroy(&self);
}
END_TEST

START_TEST(bytes_are_those_that_it_holds)
{
    struct backlog *self = NULL;
    struct backlog_gap gap;
    s_push(&self, 1, "k");
    size_t one = backlog_bytes(self);
    s_push(&self, 2, "l");
    ck_assert_uint_eq(backlog_bytes(self), 2 * one);
    s_push(&self, 3, "k");
    ck_assert_uint_eq(backlog_bytes(self), 2 * one);
    struct blob *blob = backlog_pop(&self, &gap);
    blob_unref(&blob);
    ck_assert_uint_eq(backlog_bytes(self), one);
    backlog_destroy(&self);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backlog");
    TCase *tests = tcase_create("backlog");
    tcase_add_test(tests, publications_come_out_in_order_and_without_a_gap);
    tcase_add_test(tests, what_was_dropped_is_one_gap_before_the_oldest_that_is_left);
    tcase_add_test(tests, the_newest_is_never_dropped);
    tcase_add_test(tests, a_newer_one_of_the_same_key_takes_the_place_at_the_end);
    tcase_add_test(tests, the_cursor_of_a_gap_never_leaves_out_what_is_still_to_come);
    tcase_add_test(tests, the_end_of_a_gap_is_the_newest_that_went_whatever_the_order);
    tcase_add_test(tests, bytes_are_those_that_it_holds);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
