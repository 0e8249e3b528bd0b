#include "common/bytes.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void s_holds(const struct bytes *bytes, const char *text)
{
    ck_assert_uint_eq(bytes->size, strlen(text));
    ck_assert(bytes->size == 0 || memcmp(bytes->data, text, bytes->size) == 0);
}

START_TEST(holds_what_was_appended_in_order)
{
    struct bytes bytes;
    bytes_init(&bytes, 100);
    ck_assert_ptr_null(bytes.data);
    ck_assert_int_eq(bytes_append(&bytes, "hello", 5), 0);
    ck_assert_int_eq(bytes_append(&bytes, " world", 6), 0);
    s_holds(&bytes, "hello world");
    bytes_clear(&bytes);
    ck_assert_ptr_null(bytes.data);
    ck_assert_uint_eq(bytes.room, 0);
    ck_assert_int_eq(bytes_append(&bytes, "again", 5), 0);
    s_holds(&bytes, "again");
    bytes_clear(&bytes);
}
END_TEST

START_TEST(refuses_the_first_byte_over_the_limit_and_appends_nothing)
{
    struct bytes bytes;
    bytes_init(&bytes, 5);
    ck_assert_int_eq(bytes_append(&bytes, "abc", 3), 0);
    ck_assert_int_eq(bytes_append(&bytes, "def", 3), -EMSGSIZE);
    s_holds(&bytes, "abc");
    ck_assert_int_eq(bytes_append(&bytes, "de", 2), 0);
    ck_assert_int_eq(bytes_append(&bytes, "", 0), 0);
    ck_assert_int_eq(bytes_append(&bytes, "f", SIZE_MAX), -EMSGSIZE);
    s_holds(&bytes, "abcde");
    bytes_clear(&bytes);
}
END_TEST

START_TEST(its_memory_follows_what_it_holds_not_the_limit)
{
    struct bytes bytes;
    char block[4096];
    memset(block, 'x', sizeof block);
    bytes_init(&bytes, SIZE_MAX);
    ck_assert_int_eq(bytes_append(&bytes, "a", 1), 0);
    ck_assert_uint_le(bytes.room, 1024);
    for (int at = 0; at < 256; at++)
        ck_assert_int_eq(bytes_append(&bytes, block, sizeof block), 0);
    ck_assert_uint_le(bytes.room, 2 * bytes.size);
    bytes_clear(&bytes);
}
END_TEST

START_TEST(prints_short_and_long_texts)
{
    struct bytes bytes;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    bytes_init(&bytes, 2010);
    ck_assert_int_eq(bytes_printf(&bytes, "%d-%s", 7, "a"), 0);
    s_holds(&bytes, "7-a");
    ck_assert_int_eq(bytes_printf(&bytes, "%s", text), 0);
    ck_assert_uint_eq(bytes.size, 3 + sizeof text - 1);
    ck_assert_int_eq(bytes_printf(&bytes, "%s", text), -EMSGSIZE);
    ck_assert_int_eq(bytes_printf(&bytes, "123456789"), -EMSGSIZE);
    ck_assert_uint_eq(bytes.size, 3 + sizeof text - 1);
    bytes_clear(&bytes);
}
END_TEST

START_TEST(what_is_taken_is_the_callers)
{
    struct bytes bytes;
    size_t size = 99;
    bytes_init(&bytes, 100);
    ck_assert_ptr_null(bytes_take(&bytes, &size));
    ck_assert_uint_eq(size, 0);
    ck_assert_int_eq(bytes_append(&bytes, "hello", 5), 0);
    uint8_t *data = bytes_take(&bytes, &size);
    ck_assert_uint_eq(size, 5);
    ck_assert_mem_eq(data, "hello", 5);
    ck_assert_uint_eq(bytes.size, 0);
    ck_assert_uint_eq(bytes.limit, 100);
    ck_assert_int_eq(bytes_append(&bytes, "again", 5), 0);
    ck_assert_mem_eq(data, "hello", 5);
    free(data);
    bytes_clear(&bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bytes");
    TCase *queue = tcase_create("queue");
    tcase_add_test(queue, holds_what_was_appended_in_order);
    tcase_add_test(queue, refuses_the_first_byte_over_the_limit_and_appends_nothing);
    tcase_add_test(queue, its_memory_follows_what_it_holds_not_the_limit);
    tcase_add_test(queue, prints_short_and_long_texts);
    tcase_add_test(queue, what_is_taken_is_the_callers);
    suite_add_tcase(suite, queue);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
