#include "broker/reply.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { S_REMEMBERED = 1000 };

static struct wire_text s_text(const char *text)
{
    return (struct wire_text){text, strlen(text)};
}

static int s_to_edge(void *context, uint64_t peer, struct blob *record)
{
    (void)context, (void)peer, (void)record;
    return 0;
}

static const struct output s_output = {.to_edge = s_to_edge};

START_TEST(an_id_of_the_long_form_is_known_from_every_peer_and_a_short_one_is_not)
{
    struct replies replies;
    const struct address from = {.peer = 1};
    replies_init(&replies, S_REMEMBERED);
    struct question *global =
        question_new(&replies, &from, s_text("0123456789abcdef.1"), s_text("k"));
    struct question *local = question_new(&replies, &from, s_text("1"), s_text("k"));
    ck_assert_ptr_eq(question_find(&replies, 2, s_text("0123456789abcdef.1")), global);
    ck_assert_ptr_null(question_find(&replies, 1, s_text("0123456789abcdef.12")));
    ck_assert_ptr_null(question_find(&replies, 2, s_text("1")));
    ck_assert_ptr_eq(question_find(&replies, 1, s_text("1")), local);
    question_drop(&replies, &global);
    question_drop(&replies, &local);
    ck_assert_ptr_null(question_find(&replies, 1, s_text("1")));
}
END_TEST

START_TEST(remembers_answers_for_their_time_and_nameless_ones_not_at_all)
{
    struct replies replies;
    const struct address from = {.peer = 1};
    replies_init(&replies, S_REMEMBERED);
    struct question *named = question_new(&replies, &from, s_text("1"), s_text("k"));
    struct question *nameless =
        question_new(&replies, &from, (struct wire_text){NULL, 0}, s_text("k"));
    question_close(&replies, &named, 1000);
    question_close(&replies, &nameless, 1000);
    ck_assert_uint_eq(replies.count, 1);
    ck_assert(question_find(&replies, 1, s_text("1"))->answered);
    replies_expire(&replies, 1000 + REPLY_REMEMBER_MS - 1);
    ck_assert_ptr_nonnull(question_find(&replies, 1, s_text("1")));
    replies_expire(&replies, 1000 + REPLY_REMEMBER_MS);
    ck_assert_ptr_null(question_find(&replies, 1, s_text("1")));
    ck_assert_uint_eq(replies.count, 0);
}
END_TEST

START_TEST(forgets_the_oldest_answer_at_the_limit)
{
    struct replies replies;
    const struct address from = {.peer = 1};
    replies_init(&replies, S_REMEMBERED);
    for (int n = 0; n <= S_REMEMBERED; n++) {
        char id[16];
        snprintf(id, sizeof id, "%d", n);
        struct question *question =
            question_new(&replies, &from, s_text(id), s_text("k"));
        question_close(&replies, &question, 1000);
    }
    ck_assert_uint_eq(replies.count, S_REMEMBERED);
    ck_assert_ptr_null(question_find(&replies, 1, s_text("0")));
    ck_assert_ptr_nonnull(question_find(&replies, 1, s_text("1")));
    replies_clear(&replies);
}
END_TEST

START_TEST(adds_up_what_edges_answer_and_cuts_what_they_explain)
{
    struct replies replies;
    struct edges edges = {.output = &s_output};
    struct edge *one = edge_new(&edges, "a.01234567", 10);
    struct edge *two = edge_new(&edges, "b.01234567", 10);
    const struct address from = {.peer = 1};
    char text[2000];
    memset(text, 'x', sizeof text);
    replies_init(&replies, S_REMEMBERED);
    struct question *question = question_new(&replies, &from, s_text("1"), s_text("k"));
    ck_assert_int_eq(ask_add(one, 7, question, 3), 0);
    ck_assert_int_eq(ask_add(two, 7, question, 2), 0);
    ck_assert_uint_eq(question->waiting, 2);
    struct ask *ask = ask_find(one, 7);
    ck_assert_uint_eq(ask->channels, 3);
    ck_assert_ptr_null(ask_find(one, 8));
    question_took(question, 2, 1);
    ask_remove(&ask);
    question_refused(question, 2, (struct wire_text){text, 400},
                     (struct wire_text){text, sizeof text});
    ask = ask_first(two);
    ask_remove(&ask);
    ck_assert_uint_eq(question->waiting, 0);
    ck_assert_uint_eq(question->sent, 2);
    ck_assert_uint_eq(question->gone, 3);
    ck_assert_str_eq(question->code, "gone");
    ck_assert_uint_eq(strlen(question->extra), REPLY_WHY_MAX);
    question_drop(&replies, &question);
    edge_destroy(&one);
    edge_destroy(&two);
}
END_TEST

START_TEST(a_question_keeps_the_envelope_of_who_asked_last)
{
    struct replies replies;
    static const uint8_t envelope[] = {1, 'a', 0};
    const struct address first = {
        .peer = 1, .envelope = envelope, .envelope_size = sizeof envelope};
    const struct address second = {.peer = 2};
    replies_init(&replies, S_REMEMBERED);
    struct question *question = question_new(&replies, &first, s_text("1"), s_text("k"));
    struct address to = question_address(question);
    ck_assert_uint_eq(to.peer, 1);
    ck_assert_uint_eq(to.envelope_size, 3);
    ck_assert_mem_eq(to.envelope, envelope, 3);
    question_readdress(question, &second);
    to = question_address(question);
    ck_assert_uint_eq(to.peer, 2);
    ck_assert_uint_eq(to.envelope_size, 0);
    question_drop(&replies, &question);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reply");
    TCase *replies = tcase_create("reply");
    tcase_add_test(
        replies, an_id_of_the_long_form_is_known_from_every_peer_and_a_short_one_is_not);
    tcase_add_test(replies,
                   remembers_answers_for_their_time_and_nameless_ones_not_at_all);
    tcase_add_test(replies, forgets_the_oldest_answer_at_the_limit);
    tcase_add_test(replies, adds_up_what_edges_answer_and_cuts_what_they_explain);
    tcase_add_test(replies, a_question_keeps_the_envelope_of_who_asked_last);
    suite_add_tcase(suite, replies);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
