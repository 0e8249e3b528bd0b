#include "gateway/cursor.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int s_read(const char *text, struct cursor *out)
{
    return cursor_read(text, strlen(text), out);
}

START_TEST(a_position_is_written_as_it_was_read)
{
    static const char *const texts[] = {"4b1f0c9a77e2d310:17", "00000000000000aa:0",
                                        "0000abcd:1",
                                        "ffffffffffffffff:18446744073709551615"};
    char out[CURSOR_ROOM];
    struct cursor position;
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
        ck_assert_int_eq(s_read(texts[at], &position), 0);
        cursor_write(&position, out);
        ck_assert_str_eq(out, texts[at]);
    }
}
END_TEST

START_TEST(what_no_broker_writes_is_refused)
{
    static const char *const texts[] = {"",
                                        "junk",
                                        ":",
                                        "e:5",
                                        "4b1f0c9a77e2d310",
                                        "4b1f0c9a77e2d310:",
                                        "4b1f0c9a77e2d310:-1",
                                        "4b1f0c9a77e2d310:1x",
                                        "4b1f0c9a77e2d3100:1",
                                        "4B1F0C9A77E2D310:1",
                                        "0000000:1",
                                        "4b1f0c9a77e2d310:18446744073709551616",
                                        "4b1f0c9a77e2d310:000000000000000000001"};
    struct cursor position = {.number = 7};
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++)
        ck_assert_msg(s_read(texts[at], &position) == -EINVAL, "%s", texts[at]);
    ck_assert_uint_eq(position.number, 7);
}
END_TEST

START_TEST(no_position_is_an_empty_text)
{
    char out[CURSOR_ROOM] = "x";
    struct cursor none = {.digits = 0};
    cursor_write(&none, out);
    ck_assert_str_eq(out, "");
    cursor_write(&cursor_unknown, out);
    ck_assert_str_eq(out, "0000000000000000:0");
}
END_TEST

START_TEST(a_position_of_another_epoch_is_after_every_other)
{
    struct cursor five, six, other, shorter;
    ck_assert_int_eq(s_read("00000000000000aa:5", &five), 0);
    ck_assert_int_eq(s_read("00000000000000aa:6", &six), 0);
    ck_assert_int_eq(s_read("00000000000000bb:1", &other), 0);
    ck_assert_int_eq(s_read("000000aa:1", &shorter), 0);
    ck_assert(cursor_is_after(&six, &five));
    ck_assert(!cursor_is_after(&five, &five));
    ck_assert(!cursor_is_after(&five, &six));
    ck_assert(cursor_is_after(&other, &six));
    ck_assert(cursor_is_of_epoch(&five, &six));
    ck_assert(!cursor_is_of_epoch(&five, &shorter));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cursor");
    TCase *tests = tcase_create("cursor");
    tcase_add_test(tests, a_position_is_written_as_it_was_read);
    tcase_add_test(tests, what_no_broker_writes_is_refused);
    tcase_add_test(tests, no_position_is_an_empty_text);
    tcase_add_test(tests, a_position_of_another_epoch_is_after_every_other);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
