#include "common/log.h"

#include "common/clock.h"

#include <check.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, NAMES = 8, LINES = 80, DEADLINE_MS = 10000 }; // LINES of each thread
enum { ALL_LINES = THREADS * LINES };

static int s_caught = -1; // stderr goes there
static int s_stderr = -1; // the real one
static char s_output[256 * 1024];

static void s_catch(void)
{
    s_stderr = dup(STDERR_FILENO);
    s_caught = memfd_create("stderr", MFD_CLOEXEC);
    ck_assert_int_ge(dup2(s_caught, STDERR_FILENO), 0);
}

static void s_release(void)
{
    dup2(s_stderr, STDERR_FILENO);
    close(s_stderr);
    close(s_caught);
}

/* Everything logged so far. */
static const char *s_read(void)
{
    ssize_t size = pread(s_caught, s_output, sizeof s_output - 1, 0);
    ck_assert_int_ge(size, 0);
    s_output[size] = 0;
    return s_output;
}

static unsigned s_count(const char *what)
{
    unsigned count = 0;
    for (const char *at = strstr(s_read(), what); at; at = strstr(at + 1, what))
        count++;
    return count;
}

START_TEST(writes_one_line_of_pairs)
{
    log_set(LOG_INFO, false, "tester");
    log_info("channel_closed", "channel=%s code=%d", "e.1.a", 1009);
    const char *line = s_read();
    ck_assert_int_eq(strncmp(line, "time=20", 7), 0);
    ck_assert_ptr_nonnull(strstr(line, " level=info program=tester event=channel_closed "
                                       "channel=e.1.a code=1009\n"));
    ck_assert_uint_eq(s_count("\n"), 1);
}
END_TEST

START_TEST(leaves_out_what_is_below_its_level)
{
    log_set(LOG_WARN, false, "tester");
    log_error("one", "a=1");
    log_warn("two", "a=1");
    log_info("three", "a=1");
    log_debug("four", "a=1");
    ck_assert_uint_eq(s_count("\n"), 2);
    log_set(LOG_DEBUG, false, "tester");
    log_debug("four", "a=1");
    ck_assert_uint_eq(s_count("level=debug"), 1);
}
END_TEST

START_TEST(a_text_with_line_feeds_is_still_one_line)
{
    log_set(LOG_INFO, false, "tester");
    log_info("forged", "text=a\nlevel=error\r\x1b[2J");
    ck_assert_uint_eq(s_count("\n"), 1);
    ck_assert_ptr_null(strpbrk(s_read(), "\r\x1b"));
}
END_TEST

START_TEST(quotes_what_a_peer_sent)
{
    char out[64];
    ck_assert_str_eq(log_quote("a b", 3, out, sizeof out), "\"a b\"");
    ck_assert_str_eq(log_quote("\"\\\n\0\xff", 5, out, sizeof out),
                     "\"\\\"\\\\\\u000a\\u0000\\u00ff\"");
    ck_assert_str_eq(log_quote("", 0, out, sizeof out), "\"\"");
    ck_assert_str_eq(log_quote("abcdef", 6, out, 6), "\"abc\"");
    ck_assert_str_eq(log_quote("abcdef", 6, out, 3), "\"\"");
    ck_assert_msg(strcmp(log_quote("a\n", 2, out, 8), "\"a\"") == 0,
                  "an escape is not cut in two");
}
END_TEST

/* Parses the last line as JSON, and compares one of its texts. */
static void s_has(const char *key, const char *want)
{
    const char *text = s_read();
    const char *line = text;
    for (const char *at = text; *at; at++)
        if (*at == '\n' && at[1])
            line = at + 1;
    json_error_t error;
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(object != NULL, "%s in %s", error.text, line);
    char *got = json_dumps(json_object_get(object, key), JSON_ENCODE_ANY);
    ck_assert_msg(got && strcmp(got, want) == 0, "%s: want %s, got %s", key, want, got);
    free(got);
    json_decref(object);
}

START_TEST(writes_json_whatever_the_pairs_are)
{
    char quoted[64];
    log_set(LOG_INFO, true, "tester");
    log_info("first", "channel=e.1.a code=1009 from=%s left=-1 id=007 empty= last=x",
             log_quote("a \"b\" code=2\n", 13, quoted, sizeof quoted));
    s_has("level", "\"info\"");
    s_has("program", "\"tester\"");
    s_has("event", "\"first\"");
    s_has("channel", "\"e.1.a\"");
    s_has("code", "1009");
    s_has("left", "-1");
    s_has("id", "\"007\"");
    s_has("empty", "\"\"");
    s_has("last", "\"x\"");
    s_has("from", "\"a \\\"b\\\" code=2\\n\"");
    log_info("second", "reason=No such file or directory path=/a b\xff n=5");
    s_has("reason", "\"No such file or directory\"");
    s_has("path", "\"/a b\xC3\xBF\"");
    s_has("n", "5");
    log_info("third", "text=\"not closed \x01 \\q");
    s_has("event", "\"third\"");
    log_info("fourth", "no pairs at all");
    s_has("text", "\"no pairs at all\"");
    log_info("fifth", "%s", "");
    s_has("event", "\"fifth\"");
}
END_TEST

START_TEST(a_long_text_is_cut_and_the_line_stays_whole)
{
    char text[10000];
    memset(text, '\x01', sizeof text - 1);
    text[sizeof text - 1] = 0;
    log_set(LOG_INFO, true, "tester");
    log_info("long", "before=1 text=%s", text);
    s_has("before", "1");
    log_set(LOG_INFO, false, "tester");
    memset(text, 'x', sizeof text - 1);
    log_info("long", "text=%s", text);
    ck_assert_uint_eq(s_count("\n"), 2);
    ck_assert_int_eq(s_read()[strlen(s_read()) - 1], '\n');
}
END_TEST

START_TEST(counts_an_event_that_is_repeated_and_sums_it_up)
{
    log_set(LOG_INFO, false, "tester");
    for (int at = 0; at < 25; at++)
        log_warn("flood", "n=%d", at);
    ck_assert_uint_eq(s_count("event=flood"), 10);
    log_info("other", "a=1");
    ck_assert_msg(s_count("event=other") == 1, "another event is not held back");
    int64_t deadline = clock_now_ms() + DEADLINE_MS;
    while (s_count("event=repeated") == 0) {
        ck_assert_msg(clock_now_ms() < deadline, "no sum after a second");
        const struct timespec pause = {.tv_nsec = 20000000};
        nanosleep(&pause, NULL);
        log_debug("nothing", "a=1"); // below the level: no call that counts
        log_info("tick", "a=1");
    }
    ck_assert_uint_eq(
        s_count("level=warn program=tester event=repeated of=flood count=15\n"), 1);
    log_warn("flood", "n=26");
    ck_assert_msg(s_count("event=flood") == 11, "a new second, a new start");
}
END_TEST

START_TEST(flush_writes_the_sums_that_are_held)
{
    log_set(LOG_INFO, false, "tester");
    for (int at = 0; at < 12; at++)
        log_info("flood", "n=%d", at);
    log_flush();
    log_flush();
    ck_assert_uint_eq(s_count("event=repeated of=flood count=2\n"), 1);
}
END_TEST

START_TEST(more_events_than_it_watches_are_all_written)
{
    char name[32];
    log_set(LOG_INFO, false, "tester");
    for (int at = 0; at < 500; at++) {
        snprintf(name, sizeof name, "event_%d", at);
        log_info(name, "a=1");
    }
    ck_assert_uint_eq(s_count("\n"), 500);
}
END_TEST

static void *s_log(void *argument)
{
    char name[32];
    for (int at = 0; at < LINES; at++) {
        snprintf(name, sizeof name, "t%d_%d", *(int *)argument, at % NAMES);
        log_info(name, "n=%d end=here", at);
    }
    return NULL;
}

START_TEST(lines_of_several_threads_stay_whole)
{
    pthread_t thread[THREADS];
    int number[THREADS];
    log_set(LOG_INFO, false, "tester");
    for (int at = 0; at < THREADS; at++) {
        number[at] = at;
        ck_assert_int_eq(pthread_create(&thread[at], NULL, s_log, &number[at]), 0);
    }
    for (int at = 0; at < THREADS; at++)
        ck_assert_int_eq(pthread_join(thread[at], NULL), 0);
    ck_assert_uint_eq(s_count("time="), ALL_LINES);
    ck_assert_uint_eq(s_count(" end=here\n"), ALL_LINES);
    ck_assert_uint_eq(s_count("\n"), ALL_LINES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *lines = tcase_create("line");
    tcase_add_checked_fixture(lines, s_catch, s_release);
    tcase_set_timeout(lines, 60);
    tcase_add_test(lines, writes_one_line_of_pairs);
    tcase_add_test(lines, leaves_out_what_is_below_its_level);
    tcase_add_test(lines, a_text_with_line_feeds_is_still_one_line);
    tcase_add_test(lines, quotes_what_a_peer_sent);
    tcase_add_test(lines, writes_json_whatever_the_pairs_are);
    tcase_add_test(lines, a_long_text_is_cut_and_the_line_stays_whole);
    tcase_add_test(lines, counts_an_event_that_is_repeated_and_sums_it_up);
    tcase_add_test(lines, flush_writes_the_sums_that_are_held);
    tcase_add_test(lines, more_events_than_it_watches_are_all_written);
    tcase_add_test(lines, lines_of_several_threads_stay_whole);
    suite_add_tcase(suite, lines);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
