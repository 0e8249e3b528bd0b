#include "broker/authority.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct authority s_edge, s_app;

static struct wire_text s_text(const char *text)
{
    return (struct wire_text){text, strlen(text)};
}

static void s_clear(void)
{
    authority_clear(&s_edge);
    authority_clear(&s_app);
}

static void s_topics(const char *topics)
{
    ck_assert_ptr_null(authority_set_app(&s_app, "a", "", topics));
}

static bool s_has_topic(const char *topic)
{
    return authority_has_topic(&s_app, s_text(topic));
}

START_TEST(a_port_without_keys_allows_everything)
{
    ck_assert(authority_has_edge(NULL, s_text("e1")));
    ck_assert(authority_has_service(NULL, s_text("chat")));
    ck_assert(authority_has_topic(NULL, s_text("rooms/1")));
    ck_assert(authority_has_every_service(NULL) && authority_has_everything(NULL));
}
END_TEST

START_TEST(a_key_that_was_taken_away_may_do_nothing)
{
    ck_assert_ptr_null(authority_set_app(&s_app, "a", "*", "*"));
    ck_assert(authority_has_everything(&s_app));
    authority_clear(&s_app);
    ck_assert(!authority_has_edge(&s_app, s_text("e1")));
    ck_assert(!authority_has_service(&s_app, s_text("chat")));
    ck_assert(!s_has_topic("rooms/1"));
    ck_assert(!authority_has_every_service(&s_app) && !authority_has_everything(&s_app));
}
END_TEST

START_TEST(an_edge_has_its_names_and_no_services_or_topics)
{
    ck_assert_ptr_null(authority_set_edge(&s_edge, "e", " e1  web-* ", ""));
    const char *yes[] = {"e1", "web-", "web-7"}, *no[] = {"e", "e12", "e2", "web", ""};
    for (size_t at = 0; at < sizeof yes / sizeof *yes; at++)
        ck_assert_msg(authority_has_edge(&s_edge, s_text(yes[at])), "%s", yes[at]);
    for (size_t at = 0; at < sizeof no / sizeof *no; at++)
        ck_assert_msg(!authority_has_edge(&s_edge, s_text(no[at])), "%s", no[at]);
    ck_assert(!authority_has_service(&s_edge, s_text("e1")));
    ck_assert(!authority_has_topic(&s_edge, s_text("e1")));
}
END_TEST

START_TEST(an_application_has_its_services_and_is_no_edge)
{
    ck_assert_ptr_null(authority_set_app(&s_app, "a", "chat game.*", ""));
    ck_assert(authority_has_service(&s_app, s_text("chat")));
    ck_assert(authority_has_service(&s_app, s_text("game.eu")));
    ck_assert(!authority_has_service(&s_app, s_text("chatter")));
    ck_assert(!authority_has_service(&s_app, s_text("game")));
    ck_assert(!authority_has_edge(&s_app, s_text("chat")));
    ck_assert(!s_has_topic("chat"));
    ck_assert(!authority_has_every_service(&s_app));
}
END_TEST

START_TEST(a_topic_is_exact_or_a_level_or_all_below)
{
    s_topics("news rooms/* users/**");
    const char *yes[] = {"news",     "rooms/1",       "rooms/*",
                         "users/1",  "users/1/inbox", "users/*",
                         "users/**", "users/1/**",    "users/a//b"};
    const char *no[] = {"new",      "news/1",   "rooms", "rooms/",  "rooms/1/2",
                        "rooms/**", "roomsx/1", "users", "users/",  "usersx/1",
                        "*",        "**",       "",      "rooms/1/"};
    for (size_t at = 0; at < sizeof yes / sizeof *yes; at++)
        ck_assert_msg(s_has_topic(yes[at]), "%s", yes[at]);
    for (size_t at = 0; at < sizeof no / sizeof *no; at++)
        ck_assert_msg(!s_has_topic(no[at]), "%s", no[at]);
}
END_TEST

START_TEST(a_star_alone_is_every_topic_and_every_service)
{
    ck_assert_ptr_null(authority_set_app(&s_app, "a", "x *", "*"));
    ck_assert(s_has_topic("a") && s_has_topic("a/b/c") && s_has_topic("a/**"));
    ck_assert(authority_has_service(&s_app, s_text("whatever")));
    ck_assert(authority_has_everything(&s_app));
    s_topics("*");
    ck_assert(!authority_has_everything(&s_app));
}
END_TEST

START_TEST(nothing_is_allowed_by_empty_lists)
{
    ck_assert_ptr_null(authority_set_app(&s_app, "a", "", ""));
    ck_assert_ptr_null(authority_set_edge(&s_edge, "e", "  ", ""));
    ck_assert(!authority_has_service(&s_app, s_text("")) && !s_has_topic(""));
    ck_assert(!authority_has_edge(&s_edge, s_text("")));
}
END_TEST

START_TEST(refuses_a_list_that_means_something_else_than_it_says)
{
    const char *topics[] = {"a/*/b", "a*",   "**",        "a/**/b",
                            "*/a",   "\x01", "t\xc3\xbc", "a b/*c"};
    for (size_t at = 0; at < sizeof topics / sizeof *topics; at++)
        ck_assert_msg(authority_set_app(&s_app, "a", "", topics[at]) != NULL, "%s",
                      topics[at]);
    ck_assert_ptr_nonnull(authority_set_app(&s_app, "a", "a*b", ""));
    ck_assert_ptr_nonnull(authority_set_app(&s_app, "a", "a,b", ""));
    ck_assert_ptr_nonnull(authority_set_edge(&s_edge, "e", "a.b", ""));
    char longest[300];
    memset(longest, 'x', sizeof longest - 1);
    longest[256] = 0;
    ck_assert_ptr_nonnull(authority_set_app(&s_app, "a", "", longest));
    longest[255] = 0;
    ck_assert_ptr_null(authority_set_app(&s_app, "a", "", longest));
    longest[65] = 0;
    ck_assert_ptr_nonnull(authority_set_edge(&s_edge, "e", longest, ""));
}
END_TEST

START_TEST(what_was_set_stays_when_new_lists_are_refused)
{
    s_topics("news");
    ck_assert_ptr_nonnull(authority_set_app(&s_app, "a", "", "a*"));
    ck_assert(s_has_topic("news"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("authority");
    TCase *tests = tcase_create("authority");
    tcase_add_checked_fixture(tests, NULL, s_clear);
    tcase_add_test(tests, a_port_without_keys_allows_everything);
    tcase_add_test(tests, a_key_that_was_taken_away_may_do_nothing);
    tcase_add_test(tests, an_edge_has_its_names_and_no_services_or_topics);
    tcase_add_test(tests, an_application_has_its_services_and_is_no_edge);
    tcase_add_test(tests, a_topic_is_exact_or_a_level_or_all_below);
    tcase_add_test(tests, a_star_alone_is_every_topic_and_every_service);
    tcase_add_test(tests, nothing_is_allowed_by_empty_lists);
    tcase_add_test(tests, refuses_a_list_that_means_something_else_than_it_says);
    tcase_add_test(tests, what_was_set_stays_when_new_lists_are_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
