#include "gateway/event_queue.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct event *s_add(struct event_queue *queue, enum event_verb verb,
                           const char *text)
{
    struct iovec part = {.iov_base = (void *)text, .iov_len = strlen(text)};
    return event_queue_add(queue, verb, "", &part, 1);
}

START_TEST(numbers_events_from_1_and_keeps_head_and_payload)
{
    struct event_queue queue = {0};
    struct iovec parts[] = {{(void *)"one", 3}, {(void *)"", 0}, {(void *)"two", 3}};
    struct event *event =
        event_queue_add(&queue, EVENT_CLOSE, " 0 cause=server", parts, 3);
    ck_assert_uint_eq(event->seq, 1);
    ck_assert_mem_eq(event->data, " 0 cause=serveronetwo", 21);
    ck_assert_uint_eq(event->size, 6);
    ck_assert_uint_eq(s_add(&queue, EVENT_TEXT, "x")->seq, 2);
    event_queue_clear(&queue);
    ck_assert_uint_eq(queue.bytes, 0);
}
END_TEST

START_TEST(an_ack_frees_everything_up_to_it_and_only_that)
{
    struct event_queue queue = {0};
    for (int at = 0; at < 5; at++)
        s_add(&queue, EVENT_TEXT, "abcd");
    struct event_queue_freed freed = event_queue_ack(&queue, 3);
    ck_assert_uint_eq(freed.events, 3);
    ck_assert_uint_eq(freed.bytes, 12);
    ck_assert(!freed.closed);
    ck_assert_uint_eq(queue.first->seq, 4);
    ck_assert_uint_eq(queue.acked, 3);
    ck_assert_uint_eq(event_queue_ack(&queue, 2).events, 0);
    ck_assert_uint_eq(queue.acked, 3);
    event_queue_clear(&queue);
}
END_TEST

START_TEST(an_ack_beyond_the_last_event_counts_up_to_the_last)
{
    struct event_queue queue = {0};
    s_add(&queue, EVENT_TEXT, "a");
    event_queue_ack(&queue, 99);
    ck_assert_uint_eq(queue.acked, 1);
    ck_assert_uint_eq(s_add(&queue, EVENT_TEXT, "b")->seq, 2);
    event_queue_clear(&queue);
}
END_TEST

START_TEST(bodies_and_closes_do_not_fill_the_window_of_events)
{
    struct event_queue queue = {0};
    s_add(&queue, EVENT_OPEN, "meta");
    s_add(&queue, EVENT_BODY, "part");
    s_add(&queue, EVENT_CLOSE, "");
    ck_assert_uint_eq(queue.count, 1);
    ck_assert_uint_eq(queue.bodies, 1);
    ck_assert_uint_eq(queue.bytes, 8);
    struct event_queue_freed freed = event_queue_ack(&queue, 3);
    ck_assert_uint_eq(freed.events, 1);
    ck_assert(freed.closed);
    ck_assert_uint_eq(queue.bodies, 0);
}
END_TEST

START_TEST(the_fourth_try_uses_an_event_up_but_never_a_close)
{
    struct event_queue queue = {0};
    s_add(&queue, EVENT_TEXT, "poison");
    s_add(&queue, EVENT_TEXT, "later");
    for (int at = 1; at < EVENT_TRIES_MAX; at++)
        ck_assert(!event_queue_tried(&queue, 1));
    ck_assert(event_queue_tried(&queue, 1));
    ck_assert_uint_eq(queue.last->tries, 0);
    event_queue_clear(&queue);
    s_add(&queue, EVENT_CLOSE, "");
    for (int at = 0; at < 10; at++)
        ck_assert(!event_queue_tried(&queue, 99));
    event_queue_clear(&queue);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event_queue");
    TCase *tests = tcase_create("event_queue");
    tcase_add_test(tests, numbers_events_from_1_and_keeps_head_and_payload);
    tcase_add_test(tests, an_ack_frees_everything_up_to_it_and_only_that);
    tcase_add_test(tests, an_ack_beyond_the_last_event_counts_up_to_the_last);
    tcase_add_test(tests, bodies_and_closes_do_not_fill_the_window_of_events);
    tcase_add_test(tests, the_fourth_try_uses_an_event_up_but_never_a_close);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
