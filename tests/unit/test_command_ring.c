#include "broker/command_ring.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void s_push(struct command_ring *ring, const char *text)
{
    struct blob *record = blob_new(text, strlen(text));
    command_ring_push(ring, &record);
    ck_assert_ptr_null(record);
}

START_TEST(numbers_from_one_and_keeps_until_it_is_told)
{
    struct command_ring ring;
    command_ring_init(&ring, 1000, 1000000);
    for (int n = 1; n <= 500; n++) {
        char text[16];
        snprintf(text, sizeof text, "%d", n);
        s_push(&ring, text);
    }
    command_ring_trim(&ring, 100);
    ck_assert_uint_eq(ring.first, 101);
    ck_assert_uint_eq(ring.next, 501);
    for (uint64_t c = ring.first; c < ring.next; c++) {
        const struct blob *record = command_ring_at(&ring, c);
        char text[16];
        int size = snprintf(text, sizeof text, "%d", (int)c);
        ck_assert_int_eq((int)record->size, size);
        ck_assert_mem_eq(record->data, text, (size_t)size);
    }
    command_ring_clear(&ring);
    ck_assert_uint_eq(ring.bytes, 0);
    ck_assert_uint_eq(ring.first, 501);
}
END_TEST

START_TEST(a_number_that_was_never_given_out_frees_nothing)
{
    struct command_ring ring;
    command_ring_init(&ring, 10, 1000);
    s_push(&ring, "a");
    command_ring_trim(&ring, 2);
    ck_assert_uint_eq(ring.first, 1);
    command_ring_trim(&ring, UINT64_MAX);
    ck_assert_uint_eq(ring.first, 1);
    command_ring_trim(&ring, 1);
    command_ring_trim(&ring, 0);
    ck_assert_uint_eq(ring.first, 2);
    command_ring_clear(&ring);
}
END_TEST

START_TEST(covers_only_what_it_can_continue_without_a_hole)
{
    struct command_ring ring;
    command_ring_init(&ring, 10, 1000);
    ck_assert(command_ring_covers(&ring, 0));
    ck_assert(!command_ring_covers(&ring, 1));
    for (int n = 0; n < 5; n++)
        s_push(&ring, "x");
    command_ring_trim(&ring, 3);
    ck_assert(!command_ring_covers(&ring, 2));
    ck_assert(command_ring_covers(&ring, 3));
    ck_assert(command_ring_covers(&ring, 5));
    ck_assert(!command_ring_covers(&ring, 6));
    ck_assert(!command_ring_covers(&ring, UINT64_MAX));
    command_ring_clear(&ring);
}
END_TEST

START_TEST(control_records_have_a_share_that_others_do_not_use)
{
    struct command_ring ring;
    command_ring_init(&ring, 8, 1000);
    for (int n = 0; n < 8; n++)
        s_push(&ring, "x");
    ck_assert(!command_ring_has_room(&ring, 1, COMMAND_PLAIN));
    ck_assert(command_ring_has_room(&ring, 1, COMMAND_CONTROL));
    s_push(&ring, "x");
    s_push(&ring, "x");
    ck_assert(!command_ring_has_room(&ring, 1, COMMAND_CONTROL));
    command_ring_clear(&ring);
}
END_TEST

START_TEST(bytes_are_limited_as_records_are)
{
    struct command_ring ring;
    command_ring_init(&ring, 100, 80);
    ck_assert(command_ring_has_room(&ring, 80, COMMAND_PLAIN));
    ck_assert(!command_ring_has_room(&ring, 81, COMMAND_PLAIN));
    ck_assert(command_ring_has_room(&ring, 91, COMMAND_CONTROL));
    ck_assert(!command_ring_has_room(&ring, SIZE_MAX, COMMAND_CONTROL));
    s_push(&ring, "0123456789");
    ck_assert(!command_ring_has_room(&ring, 71, COMMAND_PLAIN));
    ck_assert(command_ring_has_room(&ring, 70, COMMAND_PLAIN));
    command_ring_clear(&ring);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("command_ring");
    TCase *all = tcase_create("all");
    tcase_add_test(all, numbers_from_one_and_keeps_until_it_is_told);
    tcase_add_test(all, a_number_that_was_never_given_out_frees_nothing);
    tcase_add_test(all, covers_only_what_it_can_continue_without_a_hole);
    tcase_add_test(all, control_records_have_a_share_that_others_do_not_use);
    tcase_add_test(all, bytes_are_limited_as_records_are);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
