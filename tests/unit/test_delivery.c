#include "broker/delivery.h"

#include <check.h>
#include <stdlib.h>

START_TEST(numbers_from_one_and_finds_only_what_is_open)
{
    struct deliveries out;
    uint64_t number;
    deliveries_init(&out);
    for (uint64_t n = 1; n <= 1000; n++) {
        deliveries_add(&out, &number)->seq = n * 7;
        ck_assert_uint_eq(number, n);
    }
    for (uint64_t n = 1; n <= 1000; n++)
        ck_assert_uint_eq(deliveries_at(&out, n)->seq, n * 7);
    ck_assert_ptr_null(deliveries_at(&out, 0));
    ck_assert_ptr_null(deliveries_at(&out, 1001));
    ck_assert_ptr_null(deliveries_at(&out, UINT64_MAX));
    deliveries_clear(&out);
}
END_TEST

START_TEST(forgets_the_finished_front_but_not_what_is_behind_an_open_one)
{
    struct deliveries out;
    uint64_t number;
    deliveries_init(&out);
    for (int n = 0; n < 5; n++)
        (void)deliveries_add(&out, &number);
    deliveries_at(&out, 1)->done = true;
    deliveries_at(&out, 2)->done = true;
    deliveries_at(&out, 4)->done = true;
    deliveries_trim(&out);
    ck_assert_uint_eq(out.first, 3);
    ck_assert_ptr_nonnull(deliveries_at(&out, 4));
    deliveries_at(&out, 3)->done = true;
    deliveries_trim(&out);
    ck_assert_uint_eq(out.first, 5);
    deliveries_clear(&out);
}
END_TEST

START_TEST(a_new_one_in_a_used_slot_is_blank)
{
    struct deliveries out;
    uint64_t number;
    deliveries_init(&out);
    for (int n = 0; n < 300; n++) {
        struct delivery *added = deliveries_add(&out, &number);
        ck_assert(!added->done && added->after == 0 && added->channel == NULL);
        added->done = true;
        added->after = 9;
        deliveries_trim(&out);
    }
    deliveries_clear(&out);
}
END_TEST

START_TEST(is_full_at_its_span_however_few_are_open)
{
    struct deliveries out;
    uint64_t number;
    deliveries_init(&out);
    for (int n = 0; n < DELIVERIES_MAX; n++) {
        ck_assert(!deliveries_is_full(&out));
        deliveries_add(&out, &number)->done = n > 0;
    }
    ck_assert(deliveries_is_full(&out));
    deliveries_at(&out, 1)->done = true;
    deliveries_trim(&out);
    ck_assert(!deliveries_is_full(&out));
    ck_assert_uint_eq(out.first, out.next);
    deliveries_clear(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delivery");
    TCase *all = tcase_create("all");
    tcase_add_test(all, numbers_from_one_and_finds_only_what_is_open);
    tcase_add_test(all, forgets_the_finished_front_but_not_what_is_behind_an_open_one);
    tcase_add_test(all, a_new_one_in_a_used_slot_is_blank);
    tcase_add_test(all, is_full_at_its_span_however_few_are_open);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
