#include "gateway/slow_policy.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(each_policy_is_read_by_its_name)
{
    for (int at = 0; at < SLOW_POLICIES; at++) {
        enum slow_policy policy = SLOW_POLICIES;
        const char *name = slow_policy_name((enum slow_policy)at);
        ck_assert_int_eq(slow_policy_read(name, strlen(name), &policy), 0);
        ck_assert_int_eq(policy, at);
    }
}
END_TEST

START_TEST(another_word_is_no_policy)
{
    const char *const words[] = {"", "drop", "latest ", "Close", "drop-oldest1"};
    enum slow_policy policy = SLOW_LATEST;
    for (size_t at = 0; at < sizeof words / sizeof *words; at++)
        ck_assert_int_eq(slow_policy_read(words[at], strlen(words[at]), &policy),
                         -EINVAL);
    ck_assert_int_eq(policy, SLOW_LATEST);
}
END_TEST

START_TEST(two_policies_drop)
{
    ck_assert(slow_policy_drops(SLOW_DROP_OLDEST) && slow_policy_drops(SLOW_LATEST));
    ck_assert(!slow_policy_drops(SLOW_CLOSE) && !slow_policy_drops(SLOW_PAUSE));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slow_policy");
    TCase *tests = tcase_create("slow_policy");
    tcase_add_test(tests, each_policy_is_read_by_its_name);
    tcase_add_test(tests, another_word_is_no_policy);
    tcase_add_test(tests, two_policies_drop);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
