#include "gateway/receipts.h"

#include <check.h>
#include <stdlib.h>

START_TEST(answers_are_given_in_order_up_to_the_mark)
{
    struct receipts *owed = NULL;
    receipts_add(&owed, RECEIPT_WRITTEN, 10, 1);
    receipts_add(&owed, RECEIPT_WRITTEN, 10, 2);
    receipts_add(&owed, RECEIPT_WRITTEN, 20, 3);
    ck_assert_uint_eq(receipts_take(&owed, RECEIPT_WRITTEN, 9), 0);
    ck_assert_uint_eq(receipts_take(&owed, RECEIPT_WRITTEN, 19), 1);
    ck_assert_uint_eq(receipts_take(&owed, RECEIPT_WRITTEN, 19), 2);
    ck_assert_uint_eq(receipts_take(&owed, RECEIPT_WRITTEN, 19), 0);
    ck_assert_uint_eq(receipts_take(&owed, RECEIPT_WRITTEN, 20), 3);
    ck_assert_ptr_null(owed);
}
END_TEST

START_TEST(what_is_written_says_nothing_of_what_is_received)
{
    struct receipts *owed = NULL;
    receipts_add(&owed, RECEIPT_RECEIVED, 10, 1);
    receipts_add(&owed, RECEIPT_WRITTEN, 10, 2);
    ck_assert_uint_eq(receipts_take(&owed, RECEIPT_WRITTEN, 99), 2);
    ck_assert(!receipts_are_owed(owed, RECEIPT_WRITTEN));
    ck_assert(receipts_are_owed(owed, RECEIPT_RECEIVED));
    ck_assert_uint_eq(receipts_take(&owed, RECEIPT_RECEIVED, 99), 1);
    ck_assert_ptr_null(owed);
}
END_TEST

START_TEST(nothing_owed_is_nothing_kept)
{
    struct receipts *owed = NULL;
    ck_assert(!receipts_are_owed(owed, RECEIPT_RECEIVED));
    ck_assert_uint_eq(receipts_take(&owed, RECEIPT_RECEIVED, UINT64_MAX), 0);
    receipts_add(&owed, RECEIPT_RECEIVED, 0, 7);
    ck_assert_uint_eq(receipts_take(&owed, RECEIPT_RECEIVED, 0), 7);
    ck_assert_ptr_null(owed);
    receipts_add(&owed, RECEIPT_RECEIVED, 5, 8);
    ck_assert_uint_eq(receipts_take(&owed, RECEIPT_RECEIVED, 5), 8);
    ck_assert_ptr_null(owed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("receipts");
    TCase *tests = tcase_create("receipts");
    tcase_add_test(tests, answers_are_given_in_order_up_to_the_mark);
    tcase_add_test(tests, what_is_written_says_nothing_of_what_is_received);
    tcase_add_test(tests, nothing_owed_is_nothing_kept);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
