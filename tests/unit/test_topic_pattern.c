#include "common/topic_pattern.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(stars_stand_at_the_end_of_a_pattern_only)
{
    static const struct {
        const char *text;
        enum topic_kind kind;
    } rows[] = {
        {"a", TOPIC_NAME},         {"a/b", TOPIC_NAME},      {"/", TOPIC_NAME},
        {"a/*", TOPIC_PATTERN},    {"a/**", TOPIC_PATTERN},  {"/*", TOPIC_PATTERN},
        {"a/b/**", TOPIC_PATTERN}, {"", TOPIC_INVALID},      {"*", TOPIC_INVALID},
        {"**", TOPIC_INVALID},     {"a*", TOPIC_INVALID},    {"a/***", TOPIC_INVALID},
        {"a/*/b", TOPIC_INVALID},  {"*/a", TOPIC_INVALID},   {"a/b*", TOPIC_INVALID},
        {"a b", TOPIC_INVALID},    {"a\x7f", TOPIC_INVALID}, {"\xc3\xa4", TOPIC_INVALID},
        {"a/*/**", TOPIC_INVALID},
    };
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++)
        ck_assert_msg(topic_kind(rows[row].text, strlen(rows[row].text)) ==
                          rows[row].kind,
                      "%s", rows[row].text);
}
END_TEST

START_TEST(a_topic_or_pattern_has_at_most_255_bytes)
{
    char text[257];
    memset(text, 'a', sizeof text);
    ck_assert_int_eq(topic_kind(text, 255), TOPIC_NAME);
    ck_assert_int_eq(topic_kind(text, 256), TOPIC_INVALID);
    memcpy(text + 252, (const char[]){'/', '*', '*'}, 3);
    ck_assert_int_eq(topic_kind(text, 255), TOPIC_PATTERN);
}
END_TEST

static const struct {
    const char *pattern, *topic;
    bool matches;
} s_rows[] = {
    {"a", "a", true},        {"a", "b", false},     {"a", "a/b", false},
    {"a/*", "a", false},     {"a/*", "a/b", true},  {"a/*", "a/b/c", false},
    {"a/*", "ab/c", false},  {"a/**", "a", false},  {"a/**", "a/b", true},
    {"a/**", "a/b/c", true}, {"a/**", "ab", false}, {"/*", "/a", true},
    {"/**", "/a/b", true},   {"/*", "a", false},    {"a/b/*", "a/b/c", true},
    {"a/b/*", "a/c", false}, {"a/*", "a/", true},   {"a/**", "a/", true},
    {"a/b/**", "a/", false}, {"a/*", "a/*", true},
};

START_TEST(a_star_is_one_level_and_two_are_all_below)
{
    for (size_t row = 0; row < sizeof s_rows / sizeof s_rows[0]; row++)
        ck_assert_msg(
            topic_pattern_matches(s_rows[row].pattern, strlen(s_rows[row].pattern),
                                  s_rows[row].topic,
                                  strlen(s_rows[row].topic)) == s_rows[row].matches,
            "%s %s", s_rows[row].pattern, s_rows[row].topic);
}
END_TEST

static bool s_walk_gives(const char *topic, const char *name)
{
    struct topic_walk walk;
    int found = 0;
    topic_walk_begin(&walk, topic, strlen(topic));
    while (topic_walk_next(&walk)) {
        ck_assert(topic_pattern_matches(walk.name, walk.name_size, topic, strlen(topic)));
        found += strcmp(walk.name, name) == 0;
    }
    ck_assert_int_le(found, 1);
    return found == 1;
}

START_TEST(the_walk_gives_each_name_that_matches_once_and_no_other)
{
    struct topic_walk walk;
    const char *expect[] = {"a/b/c", "a/**", "a/b/**", "a/b/*"};
    size_t count = 0;
    topic_walk_begin(&walk, "a/b/c", 5);
    for (; topic_walk_next(&walk); count++)
        ck_assert_str_eq(walk.name, expect[count]);
    ck_assert_uint_eq(count, 4);
    ck_assert(!topic_walk_next(&walk));
    for (size_t row = 0; row < sizeof s_rows / sizeof s_rows[0]; row++)
        if (!strchr(s_rows[row].topic, '*'))
            ck_assert_msg(s_walk_gives(s_rows[row].topic, s_rows[row].pattern) ==
                              s_rows[row].matches,
                          "%s %s", s_rows[row].pattern, s_rows[row].topic);
}
END_TEST

START_TEST(the_walk_of_the_longest_topic_stays_within_its_room)
{
    char topic[255];
    size_t count = 0;
    struct topic_walk walk;
    memset(topic, '/', sizeof topic);
    topic_walk_begin(&walk, topic, sizeof topic);
    while (topic_walk_next(&walk))
        count++;
    ck_assert_uint_eq(count, 257);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("topic_pattern");
    TCase *tests = tcase_create("topic_pattern");
    tcase_add_test(tests, stars_stand_at_the_end_of_a_pattern_only);
    tcase_add_test(tests, a_topic_or_pattern_has_at_most_255_bytes);
    tcase_add_test(tests, a_star_is_one_level_and_two_are_all_below);
    tcase_add_test(tests, the_walk_gives_each_name_that_matches_once_and_no_other);
    tcase_add_test(tests, the_walk_of_the_longest_topic_stays_within_its_room);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
