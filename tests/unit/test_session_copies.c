#include "gateway/session_copies.h"

#include "tests/support/vectors.h"

enum { GRACE = 30000, AFTER_ALL = GRACE + 60000 };

static struct session_copies *s_copies;

static void s_set_up(void)
{
    s_copies = session_copies_new(2);
}

static void s_tear_down(void)
{
    session_copies_destroy(&s_copies);
    ck_assert_ptr_null(s_copies);
}

/* A session that a channel serves. */
static struct session_copy *s_serve(const char *id, uint64_t channel)
{
    struct session_copy *copy = session_copies_make(s_copies, id);
    session_copies_serve(s_copies, copy, channel);
    copy->grace_ms = GRACE;
    return copy;
}

START_TEST(a_session_that_is_served_is_never_forgotten)
{
    for (char id[] = "a"; id[0] <= 'f'; id[0]++)
        s_serve(id, (uint64_t)id[0]);
    session_copies_expire(s_copies, INT64_MAX);
    ck_assert_uint_eq(session_copies_count(s_copies), 6);
}
END_TEST

START_TEST(one_that_was_left_stays_for_its_grace_and_a_minute)
{
    s_serve("a", 1);
    session_copies_leave(s_copies, "a", 1, 1000);
    session_copies_expire(s_copies, 1000 + AFTER_ALL - 1);
    ck_assert_ptr_nonnull(session_copies_find(s_copies, "a"));
    session_copies_expire(s_copies, 1000 + AFTER_ALL);
    ck_assert_ptr_null(session_copies_find(s_copies, "a"));
}
END_TEST

START_TEST(over_the_limit_the_one_that_was_left_first_goes)
{
    for (char id[] = "a"; id[0] <= 'c'; id[0]++)
        s_serve(id, (uint64_t)id[0]);
    session_copies_leave(s_copies, "b", 'b', 0);
    session_copies_leave(s_copies, "a", 'a', 0);
    ck_assert_uint_eq(session_copies_count(s_copies), 3);
    session_copies_leave(s_copies, "c", 'c', 0);
    ck_assert_uint_eq(session_copies_count(s_copies), 2);
    ck_assert_ptr_null(session_copies_find(s_copies, "b"));
}
END_TEST

START_TEST(an_older_channel_does_not_take_it_along)
{
    s_serve("a", 1);
    s_serve("a", 2);
    session_copies_leave(s_copies, "a", 1, 0);
    session_copies_expire(s_copies, INT64_MAX);
    ck_assert_uint_eq(session_copies_find(s_copies, "a")->channel, 2);
    session_copies_leave(s_copies, "b", 1, 0); // nothing there
}
END_TEST

START_TEST(one_that_is_served_again_is_left_again)
{
    s_serve("a", 1);
    session_copies_leave(s_copies, "a", 1, 0);
    s_serve("a", 2);
    session_copies_expire(s_copies, INT64_MAX);
    ck_assert_uint_eq(session_copies_count(s_copies), 1);
    session_copies_leave(s_copies, "a", 2, 5);
    session_copies_expire(s_copies, 5 + AFTER_ALL);
    ck_assert_uint_eq(session_copies_count(s_copies), 0);
}
END_TEST

START_TEST(what_is_forgotten_takes_its_texts_along)
{
    struct session_copy *copy = s_serve("a", 1);
    session_copy_set(&copy->worker, "w1 more", 2);
    ck_assert_str_eq(copy->worker, "w1");
    session_copy_set(&copy->worker, NULL, 0);
    ck_assert_ptr_null(copy->worker);
    session_copy_set(&copy->topics, "t a:1\n", 6);
    session_copy_set(&copy->label, "ann", 3);
    session_copies_forget(s_copies, "a");
    session_copies_forget(s_copies, "a");
    ck_assert_ptr_null(session_copies_next(s_copies, NULL));
}
END_TEST

START_TEST(what_is_subscribed_is_a_line_of_each_topic)
{
    struct session_copy *copy = s_serve("a", 1);
    session_copy_unfollow(copy, "t", 1); // there is none
    session_copy_follow(copy, &(struct session_follow){"t/1", 3, "e:1", 3, false});
    ck_assert_str_eq(copy->topics, "t/1 e:1\n");
    session_copy_follow(copy, &(struct session_follow){"t", 1, "e:2", 3, false});
    session_copy_follow(copy, &(struct session_follow){"t/11", 4, "e:3", 3, false});
    ck_assert_str_eq(copy->topics, "t/1 e:1\nt e:2\nt/11 e:3\n");
    session_copy_follow(copy, &(struct session_follow){"t/1", 3, "e:14", 4, true});
    ck_assert_str_eq(copy->topics, "t e:2\nt/11 e:3\nt/1 e:14 presence=1\n");
    ck_assert(session_copy_has(copy->topics, "t/1", 3));
    ck_assert(!session_copy_has(copy->topics, "t/", 2));
    ck_assert(!session_copy_has(NULL, "t", 1));
    session_copy_unfollow(copy, "t/11", 4);
    session_copy_unfollow(copy, "t/", 2);
    ck_assert_str_eq(copy->topics, "t e:2\nt/1 e:14 presence=1\n");
    session_copy_unfollow(copy, "t/1", 3);
    session_copy_unfollow(copy, "t", 1);
    ck_assert_str_eq(copy->topics, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_copies");
    TCase *tests = tcase_create("session_copies");
    tcase_add_checked_fixture(tests, s_set_up, s_tear_down);
    tcase_add_test(tests, a_session_that_is_served_is_never_forgotten);
    tcase_add_test(tests, one_that_was_left_stays_for_its_grace_and_a_minute);
    tcase_add_test(tests, over_the_limit_the_one_that_was_left_first_goes);
    tcase_add_test(tests, an_older_channel_does_not_take_it_along);
    tcase_add_test(tests, one_that_is_served_again_is_left_again);
    tcase_add_test(tests, what_is_forgotten_takes_its_texts_along);
    tcase_add_test(tests, what_is_subscribed_is_a_line_of_each_topic);
    suite_add_tcase(suite, tests);
    return vectors_run(suite);
}
