#include "gateway/admission.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>

static struct sockaddr_storage s_address(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        v4->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        v6->sin6_family = AF_INET6;
    return storage;
}

static struct admission_ticket *s_enter(struct admission *admission, const char *text)
{
    struct sockaddr_storage address = s_address(text);
    return admission_enter(admission, (struct sockaddr *)&address);
}

START_TEST(refuses_above_the_limit_and_admits_again_after_a_leave)
{
    struct admission *admission = admission_new(2, 0);
    struct admission_ticket *first = s_enter(admission, "192.0.2.1");
    struct admission_ticket *second = s_enter(admission, "192.0.2.2");
    ck_assert_ptr_nonnull(second);
    ck_assert_ptr_null(s_enter(admission, "192.0.2.3"));
    admission_leave(admission, &first);
    ck_assert_ptr_null(first);
    first = s_enter(admission, "192.0.2.3");
    ck_assert_ptr_nonnull(first);
    ck_assert_uint_eq(admission_count(admission), 2);
    admission_leave(admission, &first);
    admission_leave(admission, &second);
    admission_leave(admission, &second);
    ck_assert_uint_eq(admission_count(admission), 0);
    admission_destroy(&admission);
}
END_TEST

START_TEST(counts_an_address_apart_from_others)
{
    struct admission *admission = admission_new(0, 1);
    struct admission_ticket *one = s_enter(admission, "192.0.2.1");
    ck_assert_ptr_null(s_enter(admission, "192.0.2.1"));
    struct admission_ticket *other = s_enter(admission, "192.0.2.2");
    ck_assert_ptr_nonnull(other);
    admission_leave(admission, &one);
    admission_leave(admission, &other);
    admission_destroy(&admission);
}
END_TEST

START_TEST(an_ipv6_client_is_its_whole_64)
{
    struct admission *admission = admission_new(0, 1);
    struct admission_ticket *one = s_enter(admission, "2001:db8:0:1::1");
    ck_assert_ptr_null(s_enter(admission, "2001:db8:0:1:ffff::2"));
    struct admission_ticket *other = s_enter(admission, "2001:db8:0:2::1");
    ck_assert_ptr_nonnull(other);
    admission_leave(admission, &one);
    admission_leave(admission, &other);
    admission_destroy(&admission);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admission");
    TCase *tests = tcase_create("admission");
    tcase_add_test(tests, refuses_above_the_limit_and_admits_again_after_a_leave);
    tcase_add_test(tests, counts_an_address_apart_from_others);
    tcase_add_test(tests, an_ipv6_client_is_its_whole_64);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
