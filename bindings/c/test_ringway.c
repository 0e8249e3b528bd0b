/* Tests of the C binding. */
#include "bindings/c/test_broker.h"

#include <stdio.h>

int main(void)
{
    Suite *suite = suite_create("binding for C");
    TCase *tests = tcase_create("against a broker in the test");
    tcase_add_checked_fixture(tests, test_set_up, test_tear_down);
    tcase_set_timeout(tests, 60);
    test_add_events(tests);
    test_add_sending(tests);
    test_add_history(tests);
    test_add_faults(tests);
    test_add_keys(tests);
    test_add_leaving(tests);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    printf("%d passed, %d failed\n", srunner_ntests_run(runner) - failed, failed);
    srunner_free(runner);
    return failed ? 1 : 0;
}
