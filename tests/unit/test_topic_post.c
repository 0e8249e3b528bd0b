#include "gateway/topic_post.h"

#include <check.h>
#include <stdlib.h>

START_TEST(only_the_whole_token_is_the_token)
{
    static const char token[] = "0123456789abcdef";
    ck_assert(topic_post_shows("Bearer 0123456789abcdef", token));
    ck_assert(topic_post_shows("bearer 0123456789abcdef", token));
    ck_assert(!topic_post_shows(NULL, token));
    ck_assert(!topic_post_shows("", token));
    ck_assert(!topic_post_shows("Bearer ", token));
    ck_assert(!topic_post_shows("Bearer 0123456789abcde", token));
    ck_assert(!topic_post_shows("Bearer 0123456789abcdef0", token));
    ck_assert(!topic_post_shows("Bearer 0123456789abcdeF", token));
    ck_assert(!topic_post_shows("Basic 0123456789abcdef", token));
    ck_assert(!topic_post_shows("0123456789abcdef", token));
}
END_TEST

START_TEST(each_refusal_has_a_status_and_what_may_pass_is_503)
{
    ck_assert_uint_eq(topic_post_status("-"), 200);
    ck_assert_uint_eq(topic_post_status("value"), 400);
    ck_assert_uint_eq(topic_post_status("unsupported"), 400);
    ck_assert_uint_eq(topic_post_status("denied"), 403);
    ck_assert_uint_eq(topic_post_status("large"), 413);
    ck_assert_uint_eq(topic_post_status("full"), 503);
    ck_assert_uint_eq(topic_post_status("unknown"), 503);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("topic_post");
    TCase *all = tcase_create("all");
    tcase_add_test(all, only_the_whole_token_is_the_token);
    tcase_add_test(all, each_refusal_has_a_status_and_what_may_pass_is_503);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
