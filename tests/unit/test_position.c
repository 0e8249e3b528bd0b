#include "broker/position.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int s_read(const char *text, uint64_t *number)
{
    return position_read((struct wire_text){text, strlen(text)}, "00000000000000aa",
                         number);
}

START_TEST(what_is_written_is_read_again)
{
    char text[POSITION_MAX + 1];
    uint64_t number;
    position_write("00000000000000aa", UINT64_MAX, text);
    ck_assert_str_eq(text, "00000000000000aa:18446744073709551615");
    ck_assert_int_eq(s_read(text, &number), 0);
    ck_assert(number == UINT64_MAX);
}
END_TEST

START_TEST(another_epoch_is_told_apart)
{
    uint64_t number = 0;
    ck_assert_int_eq(s_read("00000000000000ab:7", &number), -ESTALE);
    ck_assert_uint_eq(number, 7);
    ck_assert_int_eq(s_read("000000aa:7", &number), -ESTALE);
}
END_TEST

START_TEST(what_is_no_position_is_refused)
{
    static const char *const bad[] = {"",
                                      "7",
                                      "00000000000000aa",
                                      "00000000000000aa:",
                                      ":7",
                                      "-",
                                      "00000000000000aa:x",
                                      "0000000000000000a:7",
                                      "aa:7",
                                      "gggggggggggggggg:7"};
    uint64_t number;
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++)
        ck_assert_msg(s_read(bad[at], &number) == -EPROTO, "%s", bad[at]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("position");
    TCase *tcase = tcase_create("position");
    tcase_add_test(tcase, what_is_written_is_read_again);
    tcase_add_test(tcase, another_epoch_is_told_apart);
    tcase_add_test(tcase, what_is_no_position_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
