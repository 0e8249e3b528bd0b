#include "common/key_file.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUBLIC "Wvk!sUt!U@ao/UQ7.3**cZEN-W}T5pa>FwPDLZ5&"
#define SECRET ".!5ra-aJ?M66!!q+J?IfO(6y/HG:eZ&0I3QZoQ-K"

static struct key_file s_file;
static const char *s_why;

static int s_parse(const char *text)
{
    return key_file_parse(text, strlen(text), &s_file, &s_why);
}

/* As zcert_save_secret of CZMQ 4.2.1 writes it. */
static const char s_saved[] = "#   ****  Generated on 2026-11-24 12:04:52 by CZMQ  ****\n"
                              "#   ZeroMQ CURVE **Secret** Certificate\n"
                              "\n"
                              "metadata\n"
                              "    name = \"chat\"\n"
                              "    topics = \"rooms/* news/** a#b\"\n"
                              "curve\n"
                              "    public-key = \"" PUBLIC "\"\n"
                              "    secret-key = \"" SECRET "\"\n";

START_TEST(reads_what_zcert_wrote)
{
    ck_assert_int_eq(s_parse(s_saved), 0);
    ck_assert_str_eq(s_file.public_key, PUBLIC);
    ck_assert_str_eq(s_file.secret_key, SECRET);
    ck_assert_str_eq(s_file.topics, "rooms/* news/** a#b");
    ck_assert_str_eq(s_file.services, "");
    ck_assert_str_eq(s_file.names, "");
}
END_TEST

START_TEST(reads_what_a_hand_wrote)
{
    ck_assert_int_eq(s_parse("metadata\r\n\tservices=chat  game # both\r\n"
                             "  names = 'e1'\n  # a comment\n"
                             "curve\n\n public-key='" PUBLIC "'"),
                     0);
    ck_assert_str_eq(s_file.services, "chat  game");
    ck_assert_str_eq(s_file.names, "e1");
    ck_assert_str_eq(s_file.secret_key, "");
}
END_TEST

START_TEST(a_line_counts_in_its_section_only)
{
    ck_assert_int_eq(s_parse("public-key = \"" PUBLIC "\"\n"), -EPROTO);
    ck_assert_int_eq(s_parse("other\n public-key = \"" PUBLIC "\"\n"), -EPROTO);
    ck_assert_int_eq(s_parse("curve\n services = x\n public-key = \"" PUBLIC "\"\n"), 0);
    ck_assert_str_eq(s_file.services, "");
}
END_TEST

START_TEST(says_what_is_wrong)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "it has no public-key"},
        {"curve\n", "it has no public-key"},
        {"GIF89a\1\2\3=", "it has no public-key"},
        {"curve\n public-key = \"" PUBLIC "\n", "a quote is not closed"},
        {"curve\n public-key = \"short\"\n", "a key is 40 characters of Z85"},
        {"curve\n public-key = \"" PUBLIC "1\"\n", "a key is 40 characters of Z85"},
        {"curve\n public-key = \"Wvk!sUt!U@ao/UQ7.3**cZEN-W}T5pa>FwPDLZ5~\"\n",
         "a key is 40 characters of Z85"},
        /* Five characters that are over 2^32 - 1. */
        {"curve\n public-key = \"#####Ut!U@ao/UQ7.3**cZEN-W}T5pa>FwPDLZ5&\"\n",
         "a key is 40 characters of Z85"},
    };
    for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
        s_file = (struct key_file){.services = "untouched"};
        ck_assert_int_eq(s_parse(rows[at].text), -EPROTO);
        ck_assert_str_eq(s_why, rows[at].why);
        ck_assert_str_eq(s_file.services, "untouched");
    }
}
END_TEST

START_TEST(a_list_has_a_limit)
{
    static char text[2 * KEY_LIST_MAX];
    int size = snprintf(text, sizeof text,
                        "curve\n public-key=\"" PUBLIC "\"\nmetadata\n services=");
    memset(text + size, 'x', KEY_LIST_MAX);
    ck_assert_int_eq(s_parse(text), 0);
    text[size + KEY_LIST_MAX] = 'x';
    ck_assert_int_eq(s_parse(text), -EPROTO);
    static const char nul[] =
        "metadata\n services = \"a\0b\"\ncurve\n public-key = \"" PUBLIC "\"";
    ck_assert_int_eq(key_file_parse(nul, sizeof nul - 1, &s_file, &s_why), -EPROTO);
}
END_TEST

START_TEST(survives_every_beginning_of_a_file_and_every_changed_byte)
{
    char text[sizeof s_saved];
    for (size_t size = 0; size < sizeof s_saved; size++) {
        char *copy = malloc(size + 1); // so that the sanitizer sees a byte too far
        memcpy(copy, s_saved, size);
        (void)key_file_parse(copy, size, &s_file, &s_why);
        free(copy);
    }
    for (size_t at = 0; at + 1 < sizeof s_saved; at++)
        for (int flip = 1; flip < 256; flip <<= 1) {
            memcpy(text, s_saved, sizeof text);
            text[at] = (char)(text[at] ^ flip);
            if (key_file_parse(text, sizeof text - 1, &s_file, &s_why) == 0)
                ck_assert_uint_eq(strlen(s_file.public_key), KEY_TEXT);
        }
}
END_TEST

static char s_path[] = "key_file_XXXXXX";

static void s_write(const char *text, mode_t mode)
{
    FILE *file = fopen(s_path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(s_path, mode), 0);
}

static void s_make(void)
{
    strcpy(s_path, "key_file_XXXXXX");
    int fd = mkstemp(s_path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void s_remove(void)
{
    unlink(s_path);
}

START_TEST(a_secret_that_everybody_may_read_is_refused)
{
    char why[KEY_FILE_WHY];
    s_write(s_saved, 0604);
    ck_assert_int_eq(key_file_read(s_path, KEY_FILE_SECRET, &s_file, why), -EACCES);
    ck_assert_ptr_nonnull(strstr(why, "chmod 600"));
    s_write(s_saved, 0640);
    ck_assert_int_eq(key_file_read(s_path, KEY_FILE_SECRET, &s_file, why), 0);
    ck_assert_str_eq(s_file.secret_key, SECRET);
    s_write(s_saved, 0644);
    ck_assert_int_eq(key_file_read(s_path, KEY_FILE_PUBLIC, &s_file, why), 0);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_says_why)
{
    char why[KEY_FILE_WHY];
    ck_assert_int_eq(key_file_read("no/such/file", KEY_FILE_PUBLIC, &s_file, why),
                     -ENOENT);
    ck_assert_str_eq(why, strerror(ENOENT));
    ck_assert_int_eq(key_file_read(".", KEY_FILE_PUBLIC, &s_file, why), -EISDIR);
    s_write("curve\n public-key = \"" PUBLIC "\"\n", 0600);
    ck_assert_int_eq(key_file_read(s_path, KEY_FILE_SECRET, &s_file, why), -EPROTO);
    ck_assert_str_eq(why, "it has no secret-key");
    ck_assert_int_eq(truncate(s_path, KEY_FILE_MAX + 1), 0);
    ck_assert_int_eq(key_file_read(s_path, KEY_FILE_PUBLIC, &s_file, why), -EFBIG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("key_file");
    TCase *tests = tcase_create("key_file");
    tcase_add_checked_fixture(tests, s_make, s_remove);
    tcase_add_test(tests, reads_what_zcert_wrote);
    tcase_add_test(tests, reads_what_a_hand_wrote);
    tcase_add_test(tests, a_line_counts_in_its_section_only);
    tcase_add_test(tests, says_what_is_wrong);
    tcase_add_test(tests, a_list_has_a_limit);
    tcase_add_test(tests, survives_every_beginning_of_a_file_and_every_changed_byte);
    tcase_add_test(tests, a_secret_that_everybody_may_read_is_refused);
    tcase_add_test(tests, a_file_that_cannot_be_read_says_why);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
