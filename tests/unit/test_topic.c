#include "broker/topic.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static int s_to_edge(void *context, uint64_t peer, struct blob *record)
{
    (void)context, (void)peer, (void)record;
    return 0;
}

static const struct output s_output = {NULL, s_to_edge, NULL, NULL};
static struct history s_history;
static struct topics s_topics;

static struct wire_text s_text(const char *text)
{
    return (struct wire_text){text, strlen(text)};
}

static void s_begin(size_t limit)
{
    const struct history_settings settings = {
        .limits = {.count = 10, .age_ms = 60000, .bytes = 10000}, .total_bytes = 100000};
    history_init(&s_history, &settings, 0);
    topics_init(&s_topics, limit, &s_history);
}

static void s_end(void)
{
    topics_clear(&s_topics);
    history_clear(&s_history);
}

static bool s_matches(const char *name, const char *pattern)
{
    struct topic *match[TOPIC_MATCHES_MAX];
    struct topic *topic = topic_find(&s_topics, s_text(name));
    size_t count = topics_match(&s_topics, topic, s_text(name), match);
    for (size_t at = 0; at < count; at++)
        if (strcmp(match[at]->name, pattern) == 0)
            return true;
    return false;
}

START_TEST(a_topic_that_was_forgotten_leaves_its_position)
{
    s_begin(2);
    struct topic *a = topic_get(&s_topics, s_text("a"));
    topic_publish(&s_topics, a, 1);
    topic_publish(&s_topics, topic_get(&s_topics, s_text("b")), 2);
    topic_publish(&s_topics, a, 3);
    struct topic *c = topic_get(&s_topics, s_text("c")); // b was the oldest
    ck_assert_ptr_null(topic_find(&s_topics, s_text("b")));
    ck_assert_uint_eq(c->position, 2);
    ck_assert_uint_eq(c->shelf.lost, 2);
    ck_assert_uint_eq(a->position, 3);
    s_end();
}
END_TEST

START_TEST(a_topic_that_an_edge_wants_is_not_forgotten)
{
    struct edges edges = {.output = &s_output};
    struct edge *edge = edge_new(&edges, "a.01234567", 10);
    s_begin(1);
    struct topic *a = topic_get(&s_topics, s_text("a"));
    struct interest *interest = interest_get(a, edge);
    ck_assert_ptr_eq(interest_get(a, edge), interest);
    ck_assert_ptr_null(topic_get(&s_topics, s_text("b")));
    interest_lose(interest, 4);
    interest_lose(interest, 9);
    ck_assert_uint_eq(interest->lost_from, 4);
    ck_assert_uint_eq(interest->lost_to, 9);
    ck_assert(!list_is_empty(&edge->lost));
    interest_destroy(&s_topics, &interest);
    ck_assert(list_is_empty(&edge->lost));
    ck_assert_ptr_nonnull(topic_get(&s_topics, s_text("b")));
    edge_destroy(&edge);
    s_end();
}
END_TEST

START_TEST(a_pattern_matches_what_is_below_it_whoever_came_first)
{
    s_begin(100);
    (void)topic_get(&s_topics, s_text("a/b"));
    (void)topic_get(&s_topics, s_text("a/*"));
    (void)topic_get(&s_topics, s_text("a/**"));
    (void)topic_get(&s_topics, s_text("/*"));
    (void)topic_get(&s_topics, s_text("a/b/c"));
    (void)topic_get(&s_topics, s_text("a"));
    ck_assert(s_matches("a/b", "a/b") && s_matches("a/b", "a/*"));
    ck_assert(s_matches("a/b", "a/**") && s_matches("a/b/c", "a/**"));
    ck_assert(!s_matches("a/b/c", "a/*") && !s_matches("a", "a/**"));
    ck_assert(!s_matches("ab/c", "a/**") && s_matches("/x", "/*"));
    ck_assert(!s_matches("x", "/*"));
    /* Topics that are not known match the same. */
    ck_assert(s_matches("a/unknown", "a/*") && s_matches("a/unknown/far", "a/**"));
    ck_assert(!s_matches("a/unknown/far", "a/*"));
    s_end();
}
END_TEST

START_TEST(a_branch_goes_with_the_last_that_is_on_it)
{
    s_begin(4);
    (void)topic_get(&s_topics, s_text("a/b/c"));
    ck_assert_uint_eq(s_topics.branches.count, 2);
    (void)topic_get(&s_topics, s_text("a/x"));
    (void)topic_get(&s_topics, s_text("y")); // the levels count: the oldest goes
    ck_assert_ptr_null(topic_find(&s_topics, s_text("a/b/c")));
    ck_assert_uint_eq(s_topics.branches.count, 1);
    s_end();
    ck_assert_uint_eq(s_topics.branches.count, 0);
}
END_TEST

START_TEST(a_walk_gives_each_topic_of_a_pattern_once)
{
    static const char *const names[] = {"a/1",   "a/2", "a/b/3", "a/b/c/d/4",
                                        "a/e/5", "b/6", "a"};
    struct branch_walk walk;
    struct link *at;
    char found[64] = "";
    s_begin(100);
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        (void)topic_get(&s_topics, s_text(names[n]));
    const struct branch *branch = topic_get(&s_topics, s_text("a/**"))->branch;
    branch_walk_begin(&walk, branch, true);
    while ((at = branch_walk_next(&walk))) {
        const struct topic *topic = list_item(at, struct topic, of_branch);
        strncat(found, topic->name + topic->size - 1, 1);
    }
    ck_assert_uint_eq(strlen(found), 5);
    for (const char *digit = "12345"; *digit; digit++)
        ck_assert_ptr_nonnull(strchr(found, *digit));
    branch_walk_begin(&walk, branch, false);
    for (size_t n = 0; n < 2; n++)
        ck_assert_ptr_nonnull(branch_walk_next(&walk));
    ck_assert_ptr_null(branch_walk_next(&walk));
    s_end();
}
END_TEST

START_TEST(a_pattern_learns_what_was_forgotten_below_it)
{
    s_begin(5);
    struct topic *pattern = topic_get(&s_topics, s_text("a/*"));
    struct edges edges = {.output = &s_output};
    struct edge *edge = edge_new(&edges, "a.01234567", 10);
    struct interest *interest = interest_get(pattern, edge);
    topic_publish(&s_topics, topic_get(&s_topics, s_text("a/1")), 7);
    topic_publish(&s_topics, topic_get(&s_topics, s_text("b")), 8);
    (void)topic_get(&s_topics, s_text("c"));
    ck_assert_uint_eq(pattern->shelf.lost, 0);
    (void)topic_get(&s_topics, s_text("d")); // a/1 goes
    ck_assert_uint_eq(pattern->shelf.lost, 7);
    interest_destroy(&s_topics, &interest);
    edge_destroy(&edge);
    s_end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("topic");
    TCase *all = tcase_create("all");
    tcase_add_test(all, a_topic_that_was_forgotten_leaves_its_position);
    tcase_add_test(all, a_topic_that_an_edge_wants_is_not_forgotten);
    tcase_add_test(all, a_pattern_matches_what_is_below_it_whoever_came_first);
    tcase_add_test(all, a_branch_goes_with_the_last_that_is_on_it);
    tcase_add_test(all, a_walk_gives_each_topic_of_a_pattern_once);
    tcase_add_test(all, a_pattern_learns_what_was_forgotten_below_it);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
