#include "broker/tap_record.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static char *s_redact(const char *payload, size_t *size)
{
    return tap_record_redact((struct wire_text){payload, strlen(payload)}, size);
}

START_TEST(leaves_out_secrets_in_any_case_and_each_time)
{
    size_t size;
    char *shown =
        s_redact("{\"headers\":[[\"Cookie\",\"a\"],[\"host\",\"h\"],[\"cookie\","
                 "\"b\"],[\"authorization\",\"c\"],[\"proxy-authorization\","
                 "\"d\"]],\"peer\":\"p\"}\nthe body",
                 &size);
    ck_assert_str_eq(shown, "{\"headers\":[[\"host\",\"h\"]],\"peer\":\"p\"}\nthe body");
    ck_assert_uint_eq(size, strlen(shown));
    free(shown);
}
END_TEST

START_TEST(shows_nothing_that_it_could_not_read)
{
    static const char *const bad[] = {"", "{", "[]", "not json", "\"cookie\"", "\n{}"};
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++) {
        size_t size;
        ck_assert_ptr_null(s_redact(bad[at], &size));
    }
}
END_TEST

START_TEST(takes_headers_of_a_strange_form)
{
    static const char *const strange[] = {"{}", "{\"headers\":null}", "{\"headers\":[]}",
                                          "{\"headers\":[1,[],[2],{}]}",
                                          "{\"headers\":{\"cookie\":\"x\"}}"};
    for (size_t at = 0; at < sizeof strange / sizeof *strange; at++) {
        size_t size;
        char *shown = s_redact(strange[at], &size);
        ck_assert_ptr_nonnull(shown);
        free(shown);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tap_record");
    TCase *all = tcase_create("all");
    tcase_add_test(all, leaves_out_secrets_in_any_case_and_each_time);
    tcase_add_test(all, shows_nothing_that_it_could_not_read);
    tcase_add_test(all, takes_headers_of_a_strange_form);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
