#include "gateway/bus_overflow.h"

#include <check.h>
#include <stdlib.h>

START_TEST(a_channel_is_told_once_until_all_was_taken)
{
    struct bus_overflow lost = {0};
    ck_assert(bus_overflow_channel(&lost, 1));
    ck_assert(bus_overflow_channel(&lost, 2));
    ck_assert(!bus_overflow_channel(&lost, 1));
    ck_assert(!bus_overflow_channel(&lost, 2));
    bus_overflow_clear(&lost);
    ck_assert(bus_overflow_channel(&lost, 1));
    bus_overflow_clear(&lost);
    ck_assert_ptr_null(lost.channels.first);
}
END_TEST

START_TEST(publications_that_are_lost_in_a_row_are_one_gap)
{
    struct bus_overflow lost = {0};
    ck_assert(bus_overflow_topics(&lost));
    ck_assert(!bus_overflow_topics(&lost));
    bus_overflow_passes(&lost);
    ck_assert(bus_overflow_topics(&lost)); // another gap, behind what has passed
    ck_assert(!bus_overflow_topics(&lost));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bus_overflow");
    TCase *tests = tcase_create("bus_overflow");
    tcase_add_test(tests, a_channel_is_told_once_until_all_was_taken);
    tcase_add_test(tests, publications_that_are_lost_in_a_row_are_one_gap);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
