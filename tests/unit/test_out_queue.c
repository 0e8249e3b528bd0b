#include "gateway/out_queue.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void s_push(struct out_queue *queue, const char *text)
{
    out_queue_push(queue, blob_new(text, strlen(text)));
}

START_TEST(gives_what_was_pushed_in_order_whatever_the_writes_took)
{
    for (size_t step = 1; step < 12; step++) {
        struct out_queue queue = {0};
        char got[32];
        size_t size = 0;
        s_push(&queue, "hello ");
        s_push(&queue, "w");
        s_push(&queue, "orld");
        while (queue.bytes > 0) {
            struct iovec part;
            ck_assert_int_eq(out_queue_parts(&queue, &part, 1), 1);
            size_t take = part.iov_len < step ? part.iov_len : step;
            memcpy(got + size, part.iov_base, take);
            size += take;
            out_queue_consume(&queue, take);
        }
        ck_assert_uint_eq(size, 11);
        ck_assert_mem_eq(got, "hello world", 11);
        ck_assert_ptr_null(queue.first);
    }
}
END_TEST

START_TEST(one_write_may_take_several_blobs)
{
    struct out_queue queue = {0};
    struct iovec parts[4];
    s_push(&queue, "ab");
    s_push(&queue, "cd");
    s_push(&queue, "ef");
    out_queue_consume(&queue, 3);
    ck_assert_int_eq(out_queue_parts(&queue, parts, 4), 2);
    ck_assert_uint_eq(parts[0].iov_len, 1);
    ck_assert_mem_eq(parts[0].iov_base, "d", 1);
    ck_assert_uint_eq(queue.bytes, 3);
    out_queue_clear(&queue);
}
END_TEST

/* More than a node holds, with reads and writes that meet its ends in every way. */
START_TEST(keeps_the_order_of_many_whatever_is_taken_between)
{
    for (int step = 1; step < 20; step++) {
        struct out_queue queue = {0};
        struct iovec parts[32];
        char next = 'a', want = 'a';
        for (int round = 0; round < 40; round++) {
            for (int at = 0; at < step && next <= 'z'; at++)
                s_push(&queue, (char[]){next++, 0});
            int count = out_queue_parts(&queue, parts, 32);
            ck_assert_uint_eq(queue.bytes, (size_t)count);
            for (int at = 0; at < count; at++)
                ck_assert_int_eq(*(const char *)parts[at].iov_base, want + at);
            int take = count < step / 2 + 1 ? count : step / 2 + 1;
            out_queue_consume(&queue, (size_t)take);
            want = (char)(want + take);
        }
        ck_assert_int_eq(want, 'z' + 1);
        ck_assert_ptr_null(queue.first);
        ck_assert_ptr_null(queue.last);
    }
}
END_TEST

START_TEST(gives_no_more_parts_than_there_is_room_for)
{
    struct out_queue queue = {0};
    struct iovec parts[2];
    for (int at = 0; at < 5; at++)
        s_push(&queue, "x");
    ck_assert_int_eq(out_queue_parts(&queue, parts, 2), 2);
    out_queue_clear(&queue);
    ck_assert_int_eq(out_queue_parts(&queue, parts, 2), 0);
    ck_assert_uint_eq(queue.bytes, 0);
}
END_TEST

START_TEST(holds_a_reference_until_all_of_a_blob_is_written)
{
    struct out_queue queue = {0};
    struct blob *blob = blob_new("abc", 3);
    out_queue_push(&queue, blob_ref(blob));
    out_queue_consume(&queue, 2);
    ck_assert_uint_eq(blob->refs, 2);
    out_queue_consume(&queue, 1);
    ck_assert_uint_eq(blob->refs, 1);
    blob_unref(&blob);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("out_queue");
    TCase *tests = tcase_create("out_queue");
    tcase_add_test(tests, gives_what_was_pushed_in_order_whatever_the_writes_took);
    tcase_add_test(tests, one_write_may_take_several_blobs);
    tcase_add_test(tests, keeps_the_order_of_many_whatever_is_taken_between);
    tcase_add_test(tests, gives_no_more_parts_than_there_is_room_for);
    tcase_add_test(tests, holds_a_reference_until_all_of_a_blob_is_written);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
