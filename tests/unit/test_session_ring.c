#include "broker/session_ring.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { COST = sizeof(struct session_entry), TWO = 2 * (COST + 10) };

static struct wire_text s_text(const char *text)
{
    return (struct wire_text){text, strlen(text)};
}

static int s_add(struct session_ring *ring, uint64_t number, int64_t now_ms)
{
    return session_ring_add(ring, number, s_text(" bin=1"), s_text("data"), now_ms);
}

START_TEST(what_is_added_is_found_in_order_until_it_is_seen)
{
    struct session_rings all;
    struct session_ring ring;
    session_rings_init(&all, 10000, 10000, 1000);
    session_ring_init(&ring, &all);
    ck_assert_int_eq(s_add(&ring, 3, 0), 0);
    ck_assert_int_eq(s_add(&ring, 7, 0), 0);
    const struct session_entry *entry = session_ring_after(&ring, 0);
    ck_assert_uint_eq(entry->number, 3);
    ck_assert_str_eq(entry->options, " bin=1");
    ck_assert_uint_eq(entry->payload->size, 4);
    ck_assert_uint_eq(session_ring_after(&ring, 3)->number, 7);
    ck_assert_ptr_null(session_ring_after(&ring, 7));
    ck_assert_uint_eq(ring.lost, 0);
    session_ring_seen(&ring, 6);
    ck_assert_uint_eq(session_ring_after(&ring, 0)->number, 7);
    ck_assert_uint_eq(ring.lost, 3);
    session_ring_seen(&ring, 7);
    ck_assert_uint_eq(all.bytes, 0);
    ck_assert_uint_eq(all.dropped, 0);
}
END_TEST

START_TEST(over_its_limit_a_ring_forgets_its_oldest)
{
    struct session_rings all;
    struct session_ring ring;
    session_rings_init(&all, TWO, 10000, 1000);
    session_ring_init(&ring, &all);
    for (uint64_t number = 1; number <= 3; number++)
        ck_assert_int_eq(s_add(&ring, number, 0), 0);
    ck_assert_uint_eq(ring.lost, 1);
    ck_assert_uint_eq(session_ring_after(&ring, 0)->number, 2);
    ck_assert_uint_eq(all.dropped, 1);
    session_ring_clear(&ring);
    ck_assert_uint_eq(all.bytes, 0);
}
END_TEST

START_TEST(over_the_limit_of_all_the_oldest_of_any_ring_goes)
{
    struct session_rings all;
    struct session_ring one, other;
    session_rings_init(&all, 10000, TWO, 1000);
    session_ring_init(&one, &all);
    session_ring_init(&other, &all);
    ck_assert_int_eq(s_add(&one, 1, 0), 0);
    ck_assert_int_eq(s_add(&other, 2, 0), 0);
    ck_assert_int_eq(s_add(&other, 3, 0), 0);
    ck_assert_ptr_null(session_ring_after(&one, 0));
    ck_assert_uint_eq(one.lost, 1);
    ck_assert_uint_eq(other.lost, 0);
    session_ring_clear(&other);
}
END_TEST

START_TEST(what_is_too_old_is_forgotten)
{
    struct session_rings all;
    struct session_ring ring;
    session_rings_init(&all, 10000, 10000, 1000);
    session_ring_init(&ring, &all);
    ck_assert_int_eq(s_add(&ring, 1, 0), 0);
    ck_assert_int_eq(s_add(&ring, 2, 500), 0);
    session_rings_expire(&all, 999);
    ck_assert_uint_eq(ring.lost, 0);
    session_rings_expire(&all, 1000);
    ck_assert_uint_eq(ring.lost, 1);
    ck_assert_uint_eq(session_ring_after(&ring, 0)->number, 2);
    session_ring_clear(&ring);
}
END_TEST

START_TEST(what_no_ring_can_hold_counts_as_lost)
{
    struct session_rings all;
    struct session_ring ring;
    session_rings_init(&all, COST + 9, 10000, 1000);
    session_ring_init(&ring, &all);
    ck_assert_int_eq(s_add(&ring, 5, 0), -EMSGSIZE);
    ck_assert_uint_eq(ring.lost, 5);
    ck_assert_uint_eq(all.bytes, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_ring");
    TCase *tcase = tcase_create("ring");
    tcase_add_test(tcase, what_is_added_is_found_in_order_until_it_is_seen);
    tcase_add_test(tcase, over_its_limit_a_ring_forgets_its_oldest);
    tcase_add_test(tcase, over_the_limit_of_all_the_oldest_of_any_ring_goes);
    tcase_add_test(tcase, what_is_too_old_is_forgotten);
    tcase_add_test(tcase, what_no_ring_can_hold_counts_as_lost);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
