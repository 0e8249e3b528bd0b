#include "gateway/session_drop.h"

#include "tests/support/vectors.h"

#include <errno.h>

START_TEST(each_reason_of_a_drop_has_its_status_and_code)
{
    static const struct {
        const char *name;
        int status, of_post, code;
    } want[] = {{"superseded", 409, 409, 4409},
                {"unknown", 410, 410, 4410},
                {"ended", 410, 410, 4410},
                {"identity", 403, 403, 4403},
                {"full", 503, 429, 1013}};
    enum session_drop reason;
    for (size_t at = 0; at < sizeof want / sizeof *want; at++) {
        const char *name = want[at].name;
        ck_assert_int_eq(session_drop_read(name, strlen(name), &reason), 0);
        ck_assert_int_eq(session_drop_status(reason, false), want[at].status);
        ck_assert_int_eq(session_drop_status(reason, true), want[at].of_post);
        ck_assert_int_eq(session_drop_code(reason), want[at].code);
        ck_assert_uint_gt(strlen(session_drop_why(reason)), 0);
    }
    ck_assert_int_eq(session_drop_read("full", 3, &reason), -EPROTO);
    ck_assert_int_eq(session_drop_read("fuller", 6, &reason), -EPROTO);
    ck_assert_int_eq(session_drop_read("", 0, &reason), -EPROTO);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_drop");
    TCase *tests = tcase_create("session_drop");
    tcase_add_test(tests, each_reason_of_a_drop_has_its_status_and_code);
    suite_add_tcase(suite, tests);
    return vectors_run(suite);
}
