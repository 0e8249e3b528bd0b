#include "common/mem.h"

#include <check.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct thing {
    int number;
    void *pointer;
};

START_TEST(new_memory_is_zeroed)
{
    struct thing *thing = mem_new(struct thing);
    ck_assert_int_eq(thing->number, 0);
    ck_assert_ptr_null(thing->pointer);
    free(thing);
}
END_TEST

START_TEST(no_bytes_are_memory_too)
{
    void *memory = mem_alloc(0);
    ck_assert_ptr_nonnull(memory);
    memory = mem_realloc(memory, 0);
    ck_assert_ptr_nonnull(memory);
    free(memory);
}
END_TEST

START_TEST(growing_keeps_the_bytes)
{
    char *text = mem_strdup("hello");
    text = mem_realloc(text, 100000);
    ck_assert_str_eq(text, "hello");
    char *part = mem_strndup(text, 2);
    ck_assert_str_eq(part, "he");
    free(part);
    free(text);
}
END_TEST

START_TEST(ends_the_program_when_the_machine_has_none)
{
    close(STDERR_FILENO); // its line is expected
    volatile size_t most = SIZE_MAX / 4;
    free(mem_alloc(most));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mem");
    TCase *memory = tcase_create("memory");
    tcase_add_test(memory, new_memory_is_zeroed);
    tcase_add_test(memory, no_bytes_are_memory_too);
    tcase_add_test(memory, growing_keeps_the_bytes);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    /* Sanitizers end a program by themselves when it asks for so much. */
    tcase_add_test_raise_signal(memory, ends_the_program_when_the_machine_has_none,
                                SIGABRT);
#else
    (void)ends_the_program_when_the_machine_has_none;
#endif
    suite_add_tcase(suite, memory);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
