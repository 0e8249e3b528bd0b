#include "gateway/bus_answers.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP_MS = 1000 };

static enum bus_answers_verdict s_begin(struct bus_answers *answers, uint64_t c,
                                        const char *id, unsigned parts, int64_t now_ms)
{
    struct bus_answer answer;
    return bus_answers_begin(answers, c, id, id ? strlen(id) : 0, parts, now_ms, &answer);
}

START_TEST(a_command_is_answered_when_all_its_parts_are)
{
    struct bus_answers *answers = bus_answers_new(10, KEEP_MS);
    struct bus_answer answer;
    uint64_t c;
    ck_assert_int_eq(s_begin(answers, 7, NULL, 3, 0), BUS_ANSWERS_NEW);
    ck_assert(!bus_answers_end(answers, 7, NULL, &answer, &c));
    ck_assert(!bus_answers_end(answers, 7, "gone", &answer, &c));
    ck_assert(bus_answers_end(answers, 7, NULL, &answer, &c));
    ck_assert_uint_eq(c, 7);
    ck_assert_uint_eq(answer.sent, 2);
    ck_assert_uint_eq(answer.failed, 1);
    ck_assert_str_eq(answer.error, "gone");
    ck_assert(!bus_answers_end(answers, 7, NULL, &answer, &c));
    bus_answers_destroy(&answers);
}
END_TEST

START_TEST(a_repeated_id_gets_the_first_answer_again)
{
    struct bus_answers *answers = bus_answers_new(10, KEEP_MS);
    struct bus_answer answer;
    uint64_t c;
    s_begin(answers, 1, "abc.1", 1, 0);
    bus_answers_end(answers, 1, "full", &answer, &c);
    memset(&answer, 0, sizeof answer);
    ck_assert_int_eq(bus_answers_begin(answers, 2, "abc.1", 5, 1, 10, &answer),
                     BUS_ANSWERS_KNOWN);
    ck_assert_str_eq(answer.error, "full");
    bus_answers_destroy(&answers);
}
END_TEST

START_TEST(
    a_repeat_before_the_answer_is_not_carried_out_and_answered_under_its_own_number)
{
    struct bus_answers *answers = bus_answers_new(10, KEEP_MS);
    struct bus_answer answer;
    uint64_t c;
    s_begin(answers, 1, "abc.1", 1, 0);
    ck_assert_int_eq(s_begin(answers, 5, "abc.1", 1, 10), BUS_ANSWERS_REPEAT);
    ck_assert(bus_answers_end(answers, 1, NULL, &answer, &c));
    ck_assert_uint_eq(c, 5);
    bus_answers_destroy(&answers);
}
END_TEST

START_TEST(an_id_is_forgotten_after_its_time)
{
    struct bus_answers *answers = bus_answers_new(10, KEEP_MS);
    struct bus_answer answer;
    uint64_t c;
    s_begin(answers, 1, "old", 1, 0);
    bus_answers_end(answers, 1, NULL, &answer, &c);
    ck_assert_int_eq(s_begin(answers, 2, "old", 1, KEEP_MS - 1), BUS_ANSWERS_KNOWN);
    ck_assert_int_eq(s_begin(answers, 3, "old", 1, KEEP_MS + 1), BUS_ANSWERS_NEW);
    bus_answers_destroy(&answers);
}
END_TEST

START_TEST(no_more_ids_than_the_limit_are_remembered)
{
    struct bus_answers *answers = bus_answers_new(3, KEEP_MS);
    struct bus_answer answer;
    uint64_t c;
    char id[16];
    for (int at = 0; at < 5; at++) {
        snprintf(id, sizeof id, "id%d", at);
        s_begin(answers, (uint64_t)at + 1, id, 1, 0);
        bus_answers_end(answers, (uint64_t)at + 1, NULL, &answer, &c);
    }
    ck_assert_int_eq(s_begin(answers, 90, "id4", 1, 0), BUS_ANSWERS_KNOWN);
    ck_assert_int_eq(s_begin(answers, 91, "id0", 1, 0), BUS_ANSWERS_NEW);
    bus_answers_destroy(&answers);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bus_answers");
    TCase *tests = tcase_create("bus_answers");
    tcase_add_test(tests, a_command_is_answered_when_all_its_parts_are);
    tcase_add_test(tests, a_repeated_id_gets_the_first_answer_again);
    tcase_add_test(
        tests,
        a_repeat_before_the_answer_is_not_carried_out_and_answered_under_its_own_number);
    tcase_add_test(tests, an_id_is_forgotten_after_its_time);
    tcase_add_test(tests, no_more_ids_than_the_limit_are_remembered);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
