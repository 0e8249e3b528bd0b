#include "broker/positions_file.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char s_folder[64], s_path[80];
static char s_why[POSITIONS_FILE_WHY];
static struct positions_file *s_file;
static struct positions s_found;

static const struct positions s_first = {
    .serial = 1, .epoch = 0xfedcba9876543210U, .leased_to = 10000};

static void s_make(void)
{
    snprintf(s_folder, sizeof s_folder, "/tmp/positions-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(s_folder));
    snprintf(s_path, sizeof s_path, "%s/positions", s_folder);
    s_why[0] = 0;
}

static void s_clear(void)
{
    positions_file_close(&s_file);
    (void)unlink(s_path);
    ck_assert_int_eq(rmdir(s_folder), 0);
}

static void s_create(void)
{
    ck_assert_int_eq(positions_file_create(s_path, &s_first, &s_file, s_why), 0);
}

static void s_write(uint64_t leased_to)
{
    struct positions next = s_first;
    next.leased_to = leased_to;
    ck_assert_int_eq(positions_file_write(s_file, &next), 0);
}

static int s_open(void)
{
    positions_file_close(&s_file);
    return positions_file_open(s_path, &s_file, &s_found, s_why);
}

/* One byte of the file becomes another. */
static void s_damage(off_t at)
{
    uint8_t byte;
    int file = open(s_path, O_RDWR);
    ck_assert_int_eq(pread(file, &byte, 1, at), 1);
    byte ^= 0x40;
    ck_assert_int_eq(pwrite(file, &byte, 1, at), 1);
    ck_assert_int_eq(close(file), 0);
}

START_TEST(a_slot_says_what_was_written)
{
    uint8_t slot[POSITIONS_FILE_SLOT];
    const struct positions all = {.serial = 7,
                                  .epoch = UINT64_MAX,
                                  .leased_to = 1ULL << 62,
                                  .last = 0x0102030405060708U,
                                  .clean = true};
    struct positions out;
    positions_file_encode(&all, slot);
    ck_assert_mem_eq(slot, "RWPOS001\7\0\0\0\0\0\0\0", 16);
    ck_assert_int_eq(positions_file_decode(slot, &out), 0);
    ck_assert_uint_eq(out.serial, all.serial);
    ck_assert_uint_eq(out.epoch, all.epoch);
    ck_assert_uint_eq(out.leased_to, all.leased_to);
    ck_assert_uint_eq(out.last, all.last);
    ck_assert(out.clean);
}
END_TEST

START_TEST(no_bit_of_a_slot_can_be_wrong)
{
    uint8_t slot[POSITIONS_FILE_SLOT];
    struct positions out;
    positions_file_encode(&s_first, slot);
    for (size_t bit = 0; bit < sizeof slot * 8; bit++) {
        slot[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_int_eq(positions_file_decode(slot, &out), -EPROTO);
        slot[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}
END_TEST

START_TEST(a_slot_without_an_epoch_is_none)
{
    uint8_t slot[POSITIONS_FILE_SLOT];
    struct positions out;
    positions_file_encode(&(struct positions){.serial = 1}, slot);
    ck_assert_int_eq(positions_file_decode(slot, &out), -EPROTO);
}
END_TEST

START_TEST(the_newest_write_counts)
{
    s_create();
    ck_assert_int_eq(s_open(), 0);
    ck_assert_uint_eq(s_found.leased_to, 10000);
    for (uint64_t leased = 20000; leased < 70000; leased += 10000) {
        s_write(leased);
        ck_assert_int_eq(s_open(), 0);
        ck_assert_uint_eq(s_found.leased_to, leased);
        ck_assert_uint_eq(s_found.epoch, s_first.epoch);
    }
}
END_TEST

START_TEST(the_file_never_grows)
{
    struct stat found;
    s_create();
    for (uint64_t leased = 1; leased < 100; leased++)
        s_write(leased);
    ck_assert_int_eq(stat(s_path, &found), 0);
    ck_assert_int_eq(found.st_size, POSITIONS_FILE_SIZE);
    ck_assert_int_eq(found.st_mode & 0777, 0600);
}
END_TEST

START_TEST(a_torn_write_leaves_the_one_before)
{
    s_create();                        // slot 0
    s_write(20000);                    // slot 1
    s_write(30000);                    // slot 0
    s_damage(POSITIONS_FILE_SLOT / 2); // as if half of it had been written
    ck_assert_int_eq(s_open(), 0);
    ck_assert_uint_eq(s_found.leased_to, 20000);
    s_write(40000); // over the torn one
    s_damage(POSITIONS_FILE_STEP + 20);
    ck_assert_int_eq(s_open(), 0);
    ck_assert_uint_eq(s_found.leased_to, 40000);
}
END_TEST

START_TEST(two_bad_slots_are_refused)
{
    s_create();
    s_write(20000);
    s_damage(30);
    s_damage(POSITIONS_FILE_STEP + 30);
    ck_assert_int_eq(s_open(), -EPROTO);
    ck_assert_ptr_null(s_file);
    ck_assert_str_eq(s_why, "positions: both slots of the file are damaged");
}
END_TEST

START_TEST(a_file_of_another_size_is_refused)
{
    s_create();
    ck_assert_int_eq(truncate(s_path, 100), 0);
    ck_assert_int_eq(s_open(), -EPROTO);
    ck_assert_str_eq(s_why, "positions: the file does not have 8192 bytes");
    ck_assert_int_eq(truncate(s_path, POSITIONS_FILE_SIZE + 1), 0);
    ck_assert_int_eq(s_open(), -EPROTO);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_not_made_by_opening_it)
{
    ck_assert_int_eq(s_open(), -ENOENT);
    ck_assert_int_eq(access(s_path, F_OK), -1);
}
END_TEST

START_TEST(a_file_is_made_whole_or_not_at_all)
{
    char new_path[100];
    struct rlimit none = {4096, RLIM_INFINITY};
    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    ck_assert_int_eq(positions_file_create(s_path, &s_first, &s_file, s_why), -EFBIG);
    ck_assert_ptr_nonnull(strstr(s_why, "cannot be made"));
    ck_assert_int_eq(access(s_path, F_OK), -1);
    snprintf(new_path, sizeof new_path, "%s.new", s_path);
    ck_assert_int_eq(unlink(new_path), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("positions_file");
    TCase *tests = tcase_create("positions_file");
    tcase_add_checked_fixture(tests, s_make, s_clear);
    tcase_add_test(tests, a_slot_says_what_was_written);
    tcase_add_test(tests, no_bit_of_a_slot_can_be_wrong);
    tcase_add_test(tests, a_slot_without_an_epoch_is_none);
    tcase_add_test(tests, the_newest_write_counts);
    tcase_add_test(tests, the_file_never_grows);
    tcase_add_test(tests, a_torn_write_leaves_the_one_before);
    tcase_add_test(tests, two_bad_slots_are_refused);
    tcase_add_test(tests, a_file_of_another_size_is_refused);
    tcase_add_test(tests, a_file_that_is_not_there_is_not_made_by_opening_it);
    tcase_add_test(tests, a_file_is_made_whole_or_not_at_all);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
