#include "gateway/hang.h"

#include <check.h>
#include <stdlib.h>

START_TEST(a_thread_that_makes_turns_does_not_hang)
{
    struct hang hang = {0};
    for (int64_t now_ms = 0; now_ms < 60000; now_ms += 100)
        ck_assert(!hang_look(&hang, 1 + (uint64_t)now_ms / 1000, now_ms, 5000));
}
END_TEST

START_TEST(a_thread_that_makes_none_hangs_after_the_limit)
{
    struct hang hang = {0};
    int64_t now_ms = 7000;
    ck_assert(!hang_look(&hang, 9, now_ms, 5000));
    for (; now_ms < 12000; now_ms += 100)
        ck_assert(!hang_look(&hang, 9, now_ms, 5000));
    ck_assert(!hang_look(&hang, 9, 12000, 5000));
    ck_assert(hang_look(&hang, 9, 12001, 5000));
    ck_assert(!hang_look(&hang, 10, 12100, 5000));
}
END_TEST

START_TEST(a_pause_of_the_whole_process_is_not_a_hang)
{
    struct hang hang = {0};
    ck_assert(!hang_look(&hang, 9, 1000, 5000));
    ck_assert(!hang_look(&hang, 9, 3600000, 5000)); // stopped for an hour
    ck_assert(!hang_look(&hang, 9, 3600100, 5000));
    ck_assert(!hang_look(&hang, 10, 3600200, 5000));
}
END_TEST

START_TEST(a_thread_that_has_not_begun_or_has_ended_does_not_hang)
{
    struct hang hang = {0};
    for (int64_t now_ms = 0; now_ms < 60000; now_ms += 100)
        ck_assert(!hang_look(&hang, 0, now_ms, 5000));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hang");
    TCase *tests = tcase_create("hang");
    tcase_add_test(tests, a_thread_that_makes_turns_does_not_hang);
    tcase_add_test(tests, a_thread_that_makes_none_hangs_after_the_limit);
    tcase_add_test(tests, a_pause_of_the_whole_process_is_not_a_hang);
    tcase_add_test(tests, a_thread_that_has_not_begun_or_has_ended_does_not_hang);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
