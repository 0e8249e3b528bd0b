#include "broker/cores.h"

#include <check.h>
#include <sched.h>
#include <stdlib.h>

static cpu_set_t s_allowed(void)
{
    cpu_set_t set;
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

START_TEST(a_thread_stays_on_the_core_that_was_chosen)
{
    cpu_set_t before = s_allowed();
    int core = cores_choose();
    ck_assert(core == CORES_ANY || CPU_ISSET((unsigned)core, &before));
    cores_stay(core);
    cpu_set_t after = s_allowed();
    ck_assert_int_eq(CPU_COUNT(&after), 1);
    ck_assert(core == CORES_ANY || CPU_ISSET((unsigned)core, &after));
}
END_TEST

START_TEST(who_has_one_core_has_nothing_to_choose)
{
    cores_stay(cores_choose());
    ck_assert_int_eq(cores_choose(), CORES_ANY);
}
END_TEST

START_TEST(any_changes_nothing)
{
    cpu_set_t before = s_allowed();
    cores_stay(CORES_ANY);
    cpu_set_t after = s_allowed();
    ck_assert(CPU_EQUAL(&before, &after));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cores");
    TCase *tests = tcase_create("cores");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, a_thread_stays_on_the_core_that_was_chosen);
    tcase_add_test(tests, who_has_one_core_has_nothing_to_choose);
    tcase_add_test(tests, any_changes_nothing);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
