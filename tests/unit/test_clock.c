#include "common/clock.h"

#include <check.h>
#include <stdlib.h>

enum { DEADLINE_MS = 5000, NUMBERS = 64 };

START_TEST(goes_on_and_never_back)
{
    int64_t start = clock_now_ms();
    int64_t before = start;
    while (before < start + 20) {
        int64_t now = clock_now_ms();
        ck_assert_int_ge(now, before);
        before = now;
    }
    ck_assert_int_lt(before - start, DEADLINE_MS);
}
END_TEST

START_TEST(random_numbers_differ_and_use_every_bit)
{
    uint64_t numbers[NUMBERS];
    uint64_t ever = 0;
    uint64_t always = UINT64_MAX;
    for (int at = 0; at < NUMBERS; at++) {
        numbers[at] = clock_random_u64();
        ever |= numbers[at];
        always &= numbers[at];
        for (int other = 0; other < at; other++)
            ck_assert_uint_ne(numbers[other], numbers[at]);
    }
    ck_assert(ever == UINT64_MAX);
    ck_assert(always == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("clock");
    TCase *time = tcase_create("time");
    tcase_add_test(time, goes_on_and_never_back);
    tcase_add_test(time, random_numbers_differ_and_use_every_bit);
    suite_add_tcase(suite, time);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
