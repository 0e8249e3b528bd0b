#include "common/blob.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 20000, THREADS = 4 };

START_TEST(copies_the_bytes)
{
    char text[] = "hello";
    struct blob *blob = blob_new(text, 5);
    text[0] = 'x';
    ck_assert_uint_eq(blob->size, 5);
    ck_assert_mem_eq(blob->data, "hello", 5);
    blob_unref(&blob);
    ck_assert_ptr_null(blob);
}
END_TEST

START_TEST(leaves_the_bytes_to_the_caller)
{
    struct blob *blob = blob_new(NULL, 100000);
    memset(blob->data, 'x', blob->size);
    ck_assert_uint_eq(blob->data[99999], 'x');
    blob_unref(&blob);
    blob = blob_new("", 0);
    ck_assert_uint_eq(blob->size, 0);
    blob_unref(&blob);
}
END_TEST

START_TEST(lives_until_the_last_reference_is_given_up)
{
    struct blob *first = blob_new("hello", 5);
    struct blob *second = blob_ref(first);
    ck_assert_ptr_eq(first, second);
    blob_unref(&first);
    ck_assert_mem_eq(second->data, "hello", 5);
    blob_unref(&second);
    blob_unref(&second); // NULL is allowed
}
END_TEST

START_TEST(refuses_a_size_that_it_cannot_tell)
{
    ck_assert_ptr_null(blob_new(NULL, (size_t)UINT32_MAX + 1));
}
END_TEST

static void *s_use(void *argument)
{
    struct blob *own = argument;
    for (int round = 0; round < ROUNDS; round++) {
        struct blob *more = blob_ref(own);
        if (more->data[0] != 'h')
            abort();
        blob_unref(&more);
    }
    blob_unref(&own);
    return NULL;
}

START_TEST(is_shared_by_threads)
{
    pthread_t thread[THREADS];
    struct blob *blob = blob_new("hello", 5);
    for (int at = 0; at < THREADS; at++)
        ck_assert_int_eq(pthread_create(&thread[at], NULL, s_use, blob_ref(blob)), 0);
    for (int at = 0; at < THREADS; at++)
        ck_assert_int_eq(pthread_join(thread[at], NULL), 0);
    ck_assert_uint_eq(atomic_load(&blob->refs), 1);
    blob_unref(&blob);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("blob");
    TCase *life = tcase_create("life");
    tcase_set_timeout(life, 60);
    tcase_add_test(life, copies_the_bytes);
    tcase_add_test(life, leaves_the_bytes_to_the_caller);
    tcase_add_test(life, lives_until_the_last_reference_is_given_up);
    tcase_add_test(life, refuses_a_size_that_it_cannot_tell);
    tcase_add_test(life, is_shared_by_threads);
    suite_add_tcase(suite, life);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
