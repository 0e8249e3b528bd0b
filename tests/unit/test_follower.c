#include "gateway/follower.h"

#include <check.h>
#include <stdlib.h>

static const struct cursor s_five = {.epoch = 10, .number = 5, .digits = 16};
static const struct cursor s_six = {.epoch = 10, .number = 6, .digits = 16};

START_TEST(a_live_one_takes_each_publication_once)
{
    struct follower self = {.cursor = s_five, .state = FOLLOWER_LIVE};
    ck_assert(!follower_takes(&self, &s_five));
    ck_assert(follower_takes(&self, &s_six));
    ck_assert(!follower_takes(&self, &s_six));
    ck_assert_uint_eq(self.cursor.number, 6);
}
END_TEST

START_TEST(one_that_is_not_live_takes_none)
{
    static const uint8_t states[] = {FOLLOWER_WAITING, FOLLOWER_ASKED, FOLLOWER_BEHIND};
    for (size_t at = 0; at < sizeof states; at++) {
        struct follower self = {.cursor = s_five, .state = states[at]};
        ck_assert(!follower_takes(&self, &s_six));
        ck_assert_uint_eq(self.cursor.number, 5);
    }
}
END_TEST

START_TEST(only_the_newest_question_expects_an_answer)
{
    struct follower self = {.cursor = s_five};
    uint32_t first = follower_asks(&self), second = follower_asks(&self);
    ck_assert(!follower_expects(&self, first));
    ck_assert(follower_expects(&self, second));
    follower_reaches(&self, &s_six, false);
    ck_assert(!follower_expects(&self, second));
    ck_assert_int_eq(self.state, FOLLOWER_LIVE);
}
END_TEST

START_TEST(the_number_of_a_question_is_never_0)
{
    struct follower self = {.asked = UINT32_MAX};
    ck_assert_uint_eq(follower_asks(&self), 1);
}
END_TEST

START_TEST(an_answer_that_was_cut_short_leaves_it_behind)
{
    struct follower self = {.cursor = s_five};
    uint32_t asked = follower_asks(&self);
    ck_assert(follower_takes_old(&self, &s_six));
    ck_assert(!follower_takes_old(&self, &s_five));
    follower_reaches(&self, &s_six, true);
    ck_assert_int_eq(self.state, FOLLOWER_BEHIND);
    ck_assert(!follower_expects(&self, asked));
}
END_TEST

START_TEST(when_the_broker_has_forgotten_it_waits_for_all_its_topics)
{
    struct follower self = {.cursor = s_five, .state = FOLLOWER_LIVE, .count = 3};
    follower_waits(&self);
    ck_assert_int_eq(self.state, FOLLOWER_WAITING);
    ck_assert_uint_eq(self.not_live, 3);
    ck_assert_uint_eq(self.cursor.number, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("follower");
    TCase *tests = tcase_create("follower");
    tcase_add_test(tests, a_live_one_takes_each_publication_once);
    tcase_add_test(tests, one_that_is_not_live_takes_none);
    tcase_add_test(tests, only_the_newest_question_expects_an_answer);
    tcase_add_test(tests, the_number_of_a_question_is_never_0);
    tcase_add_test(tests, an_answer_that_was_cut_short_leaves_it_behind);
    tcase_add_test(tests, when_the_broker_has_forgotten_it_waits_for_all_its_topics);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
