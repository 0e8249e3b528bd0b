#include "broker/fence.h"
#include "broker/throttle.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(keeps_the_dead_out_until_their_time)
{
    struct fence fence;
    fence_init(&fence);
    fence_add(&fence, "a.1", 3, 1000);
    fence_add(&fence, "b.1", 3, 2000);
    fence_add(&fence, "a.1", 3, 9000); // the first word counts
    ck_assert(fence_has(&fence, "a.1", 3));
    ck_assert(!fence_has(&fence, "a.2", 3));
    ck_assert(!fence_has(&fence, "a.", 2));
    fence_expire(&fence, 999);
    ck_assert(fence_has(&fence, "a.1", 3));
    fence_expire(&fence, 1000);
    ck_assert(!fence_has(&fence, "a.1", 3));
    ck_assert(fence_has(&fence, "b.1", 3));
    fence_clear(&fence);
    ck_assert(!fence_has(&fence, "b.1", 3));
}
END_TEST

START_TEST(forgets_the_oldest_at_its_limit)
{
    struct fence fence;
    fence_init(&fence);
    for (int n = 0; n <= FENCE_MAX; n++) {
        char name[16];
        int size = snprintf(name, sizeof name, "%d", n);
        fence_add(&fence, name, (size_t)size, 1000);
    }
    ck_assert_uint_eq(fence.count, FENCE_MAX);
    ck_assert(!fence_has(&fence, "0", 1));
    ck_assert(fence_has(&fence, "1", 1));
    fence_clear(&fence);
}
END_TEST

START_TEST(a_throttle_passes_each_peer_once_in_an_interval)
{
    static struct throttle throttle;
    throttle_init(&throttle, 200);
    ck_assert(throttle_pass(&throttle, 7, 1000));
    ck_assert(!throttle_pass(&throttle, 7, 1199));
    ck_assert(throttle_pass(&throttle, 8, 1199));
    ck_assert(throttle_pass(&throttle, 7, 1200));
    ck_assert(!throttle_pass(&throttle, 7, 1399));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fence");
    TCase *all = tcase_create("all");
    tcase_add_test(all, keeps_the_dead_out_until_their_time);
    tcase_add_test(all, forgets_the_oldest_at_its_limit);
    tcase_add_test(all, a_throttle_passes_each_peer_once_in_an_interval);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
