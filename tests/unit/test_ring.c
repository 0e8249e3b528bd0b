#include "common/ring.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>

enum { ITEMS = 300000 };

static int s_numbers[64];

START_TEST(gives_items_back_in_order)
{
    struct ring *ring = ring_new(4);
    ck_assert_ptr_null(ring_pop(ring));
    for (int round = 0; round < 100; round++) {
        for (int at = 0; at < 3; at++)
            ck_assert(ring_push(ring, &s_numbers[at]));
        for (int at = 0; at < 3; at++)
            ck_assert_ptr_eq(ring_pop(ring), &s_numbers[at]);
        ck_assert_ptr_null(ring_pop(ring));
    }
    ring_destroy(&ring);
    ck_assert_ptr_null(ring);
    ring_destroy(&ring);
}
END_TEST

START_TEST(is_full_at_a_power_of_two)
{
    static const size_t rooms[][2] = {{0, 1}, {1, 1}, {2, 2}, {3, 4}, {33, 64}};
    for (size_t row = 0; row < sizeof rooms / sizeof rooms[0]; row++) {
        struct ring *ring = ring_new(rooms[row][0]);
        for (size_t at = 0; at < rooms[row][1]; at++)
            ck_assert(ring_push(ring, &s_numbers[at]));
        ck_assert(!ring_push(ring, &s_numbers[0]));
        ck_assert_ptr_eq(ring_pop(ring), &s_numbers[0]);
        ck_assert_msg(ring_push(ring, &s_numbers[1]), "one place is free again");
        ck_assert(!ring_push(ring, &s_numbers[0]));
        ring_destroy(&ring);
    }
}
END_TEST

/* The number is written without atomics: only the ring orders it before the reader. */
static void *s_produce(void *argument)
{
    struct ring *ring = argument;
    for (unsigned number = 1; number <= ITEMS; number++) {
        unsigned *item = malloc(sizeof *item);
        if (!item)
            abort();
        *item = number;
        while (!ring_push(ring, item))
            sched_yield();
    }
    return NULL;
}

START_TEST(carries_every_item_once_and_in_order_between_two_threads)
{
    pthread_t producer;
    struct ring *ring = ring_new(64);
    ck_assert_int_eq(pthread_create(&producer, NULL, s_produce, ring), 0);
    for (unsigned number = 1; number <= ITEMS; number++) {
        unsigned *item;
        while ((item = ring_pop(ring)) == NULL)
            sched_yield();
        if (*item != number)
            ck_abort_msg("want %u, got %u", number, *item);
        free(item);
    }
    ck_assert_int_eq(pthread_join(producer, NULL), 0);
    ck_assert_ptr_null(ring_pop(ring));
    ring_destroy(&ring);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ring");
    TCase *one = tcase_create("one thread");
    tcase_add_test(one, gives_items_back_in_order);
    tcase_add_test(one, is_full_at_a_power_of_two);
    suite_add_tcase(suite, one);
    TCase *two = tcase_create("two threads");
    tcase_set_timeout(two, 60);
    tcase_add_test(two, carries_every_item_once_and_in_order_between_two_threads);
    suite_add_tcase(suite, two);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
