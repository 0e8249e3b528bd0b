#include "gateway/timer.h"

#include <check.h>
#include <stdlib.h>

struct probe {
    struct timer timer;
    int64_t rung_ms; // -1: never
    int count;
    struct timer_wheel *wheel;
    int64_t again_ms; // start again so much later; 0: not
};

static void s_ring(struct timer *timer, int64_t now_ms)
{
    struct probe *probe = (struct probe *)timer;
    probe->rung_ms = now_ms;
    probe->count++;
    if (probe->again_ms > 0)
        timer_start(probe->wheel, timer, now_ms + probe->again_ms);
}

static struct probe s_probe(struct timer_wheel *wheel)
{
    return (struct probe){.timer.on_due = s_ring, .rung_ms = -1, .wheel = wheel};
}

static void s_run_until(struct timer_wheel *wheel, int64_t from_ms, int64_t to_ms)
{
    for (int64_t now_ms = from_ms; now_ms <= to_ms; now_ms++)
        timer_wheel_run(wheel, now_ms);
}

START_TEST(rings_within_a_tick_after_it_is_due_and_never_before)
{
    struct timer_wheel wheel;
    timer_wheel_init(&wheel, 1000);
    for (int64_t wait_ms = 0; wait_ms < 40000; wait_ms += 997) {
        struct probe probe = s_probe(&wheel);
        int64_t start_ms = 1000 + wait_ms * 100;
        timer_wheel_run(&wheel, start_ms);
        timer_start(&wheel, &probe.timer, start_ms + wait_ms);
        s_run_until(&wheel, start_ms, start_ms + wait_ms + (int64_t)2 * TIMER_TICK_MS);
        ck_assert_int_ge(probe.rung_ms, start_ms + wait_ms);
        ck_assert_int_le(probe.rung_ms, start_ms + wait_ms + (int64_t)2 * TIMER_TICK_MS);
        ck_assert_int_eq(probe.count, 1);
    }
}
END_TEST

START_TEST(a_stopped_timer_does_not_ring)
{
    struct timer_wheel wheel;
    timer_wheel_init(&wheel, 0);
    struct probe probe = s_probe(&wheel);
    timer_start(&wheel, &probe.timer, 100);
    ck_assert(timer_is_running(&probe.timer));
    timer_stop(&wheel, &probe.timer);
    timer_stop(&wheel, &probe.timer);
    s_run_until(&wheel, 0, 200);
    ck_assert(!timer_is_running(&probe.timer));
    ck_assert_int_eq(probe.count, 0);
}
END_TEST

START_TEST(a_timer_may_start_itself_again_when_it_rings)
{
    struct timer_wheel wheel;
    timer_wheel_init(&wheel, 0);
    struct probe probe = s_probe(&wheel);
    probe.again_ms = 100;
    timer_start(&wheel, &probe.timer, 100);
    s_run_until(&wheel, 0, 1000);
    ck_assert_int_ge(probe.count, 7);
    ck_assert_int_le(probe.count, 10);
    timer_stop(&wheel, &probe.timer);
}
END_TEST

START_TEST(starting_again_moves_the_deadline)
{
    struct timer_wheel wheel;
    timer_wheel_init(&wheel, 0);
    struct probe probe = s_probe(&wheel);
    timer_start(&wheel, &probe.timer, 100);
    timer_start(&wheel, &probe.timer, 5000);
    s_run_until(&wheel, 0, 4999);
    ck_assert_int_eq(probe.count, 0);
    s_run_until(&wheel, 5000, 5100);
    ck_assert_int_eq(probe.count, 1);
}
END_TEST

START_TEST(after_a_long_pause_everything_due_rings)
{
    struct timer_wheel wheel;
    timer_wheel_init(&wheel, 0);
    struct probe near = s_probe(&wheel), far = s_probe(&wheel);
    timer_start(&wheel, &near.timer, 50);
    timer_start(&wheel, &far.timer, 3600000);
    timer_wheel_run(&wheel, 7200000);
    ck_assert_int_eq(near.count, 1);
    ck_assert_int_eq(far.count, 1);
}
END_TEST

START_TEST(the_wait_ends_no_later_than_the_next_deadline_needs)
{
    struct timer_wheel wheel;
    timer_wheel_init(&wheel, 0);
    ck_assert_int_eq(timer_wheel_wait_ms(&wheel, 0), TIMER_WAIT_MAX_MS);
    struct probe probe = s_probe(&wheel);
    timer_start(&wheel, &probe.timer, 300);
    int wait_ms = timer_wheel_wait_ms(&wheel, 0);
    ck_assert_int_ge(wait_ms, 300);
    ck_assert_int_le(wait_ms, 300 + 2 * TIMER_TICK_MS);
    timer_stop(&wheel, &probe.timer);
}
END_TEST

START_TEST(expiring_rings_even_those_that_are_far_away)
{
    struct timer_wheel wheel;
    timer_wheel_init(&wheel, 0);
    struct probe probe = s_probe(&wheel);
    timer_start(&wheel, &probe.timer, 3600000);
    timer_wheel_expire(&wheel);
    ck_assert_int_eq(probe.count, 1);
    ck_assert_uint_eq(wheel.count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("timer");
    TCase *tests = tcase_create("timer");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, rings_within_a_tick_after_it_is_due_and_never_before);
    tcase_add_test(tests, a_stopped_timer_does_not_ring);
    tcase_add_test(tests, a_timer_may_start_itself_again_when_it_rings);
    tcase_add_test(tests, starting_again_moves_the_deadline);
    tcase_add_test(tests, after_a_long_pause_everything_due_rings);
    tcase_add_test(tests, the_wait_ends_no_later_than_the_next_deadline_needs);
    tcase_add_test(tests, expiring_rings_even_those_that_are_far_away);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
