#include "common/metric.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS = 4, ROUNDS = 50000, ALL_ROUNDS = THREADS * ROUNDS };

static struct metric s_ws = {.name = "test_opened_total",
                             .labels = "carrier=\"ws\"",
                             .help = "Channels opened.",
                             .kind = METRIC_COUNTER};
static struct metric s_live = {
    .name = "test_live", .help = "Channels open now.", .kind = METRIC_GAUGE};
static struct metric s_http = {.name = "test_opened_total",
                               .labels = "carrier=\"http\"",
                               .help = "Channels opened.",
                               .kind = METRIC_COUNTER};

static char s_text[64 * 1024];

static const char *s_page(void)
{
    struct bytes page;
    bytes_init(&page, sizeof s_text - 1);
    ck_assert_int_eq(metric_page(&page), 0);
    memcpy(s_text, page.data, page.size);
    s_text[page.size] = 0;
    bytes_clear(&page);
    return s_text;
}

static double s_value(const char *line_start)
{
    const char *at = strstr(s_page(), line_start);
    ck_assert_msg(at != NULL, "no %s", line_start);
    return strtod(at + strlen(line_start), NULL);
}

START_TEST(metrics_of_one_name_stand_together_under_one_head)
{
    metric_register(&s_ws);
    metric_register(&s_live);
    metric_register(&s_http);
    metric_add(&s_ws, 3);
    metric_add(&s_http, 1);
    metric_set(&s_live, -2);
    const char *want = "# HELP test_opened_total Channels opened.\n"
                       "# TYPE test_opened_total counter\n"
                       "test_opened_total{carrier=\"ws\"} 3\n"
                       "test_opened_total{carrier=\"http\"} 1\n"
                       "# HELP test_live Channels open now.\n"
                       "# TYPE test_live gauge\n"
                       "test_live -2\n";
    ck_assert_int_eq(strncmp(s_page(), want, strlen(want)), 0);
}
END_TEST

START_TEST(a_metric_that_is_registered_twice_stands_once)
{
    metric_register(&s_live);
    metric_register(&s_live);
    const char *first = strstr(s_page(), "\ntest_live ");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(strstr(first + 1, "\ntest_live "));
}
END_TEST

START_TEST(tells_of_the_process)
{
    ck_assert(s_value("\nprocess_resident_memory_bytes ") > 100000);
    ck_assert(s_value("\nprocess_cpu_seconds_total ") > 0);
    double started = s_value("\nprocess_start_time_seconds ");
    double now = (double)time(NULL);
    ck_assert_msg(started > now - 600 && started <= now + 1, "%f, now %f", started, now);
    double before = s_value("\nprocess_open_fds ");
    FILE *file = fopen("/dev/null", "re");
    ck_assert_ptr_nonnull(file);
    ck_assert(s_value("\nprocess_open_fds ") == before + 1);
    fclose(file);
}
END_TEST

START_TEST(a_page_that_does_not_fit_is_refused)
{
    struct bytes page;
    bytes_init(&page, 100);
    metric_register(&s_live);
    ck_assert_int_eq(metric_page(&page), -EMSGSIZE);
    bytes_clear(&page);
}
END_TEST

static void *s_add(void *argument)
{
    for (int round = 0; round < ROUNDS; round++)
        metric_add(argument, 1);
    return NULL;
}

START_TEST(counts_what_several_threads_add_while_it_is_read)
{
    pthread_t thread[THREADS];
    metric_register(&s_ws);
    metric_set(&s_ws, 0);
    for (int at = 0; at < THREADS; at++)
        ck_assert_int_eq(pthread_create(&thread[at], NULL, s_add, &s_ws), 0);
    double seen = s_value("test_opened_total{carrier=\"ws\"} ");
    ck_assert(seen >= 0 && seen <= ALL_ROUNDS);
    for (int at = 0; at < THREADS; at++)
        ck_assert_int_eq(pthread_join(thread[at], NULL), 0);
    ck_assert_int_eq(metric_get(&s_ws), ALL_ROUNDS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metric");
    TCase *page = tcase_create("page");
    tcase_set_timeout(page, 60);
    tcase_add_test(page, metrics_of_one_name_stand_together_under_one_head);
    tcase_add_test(page, a_metric_that_is_registered_twice_stands_once);
    tcase_add_test(page, tells_of_the_process);
    tcase_add_test(page, a_page_that_does_not_fit_is_refused);
    tcase_add_test(page, counts_what_several_threads_add_while_it_is_read);
    suite_add_tcase(suite, page);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
