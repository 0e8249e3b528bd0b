#include "broker/key_store.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET ".!5ra-aJ?M66!!q+J?IfO(6y/HG:eZ&0I3QZoQ-K"

static char s_folder[64];
static struct key_store *s_store;
static char s_why[KEY_STORE_WHY];

/* A key for each letter. */
static const char *s_key(char letter)
{
    static char key[KEY_TEXT + 1];
    memset(key, letter, KEY_TEXT);
    return key;
}

static void s_path(char *out, const char *name)
{
    snprintf(out, 256, "%s/%s", s_folder, name);
}

static void s_write(const char *name, const char *text)
{
    char path[256];
    s_path(path, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, 0600), 0);
}

static void s_write_key(const char *name, char letter, const char *metadata)
{
    char text[512];
    snprintf(text, sizeof text, "metadata\n    %s\ncurve\n    public-key = \"%s\"\n",
             metadata, s_key(letter));
    s_write(name, text);
}

static void s_remove(const char *name)
{
    char path[256];
    s_path(path, name);
    ck_assert_int_eq(unlink(path), 0);
}

static const struct authority *s_of(char letter)
{
    return key_store_authority(s_store, key_store_find(s_store, s_key(letter)));
}

static bool s_serves(char letter, const char *service)
{
    return authority_has_service(s_of(letter),
                                 (struct wire_text){service, strlen(service)});
}

static void s_make(void)
{
    char path[256], text[256];
    strcpy(s_folder, "key_store_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(s_folder));
    s_path(path, "edges");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    s_path(path, "apps");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(text, sizeof text,
             "curve\n public-key = \"%s\"\n secret-key = \"" SECRET "\"\n", s_key('b'));
    s_write("broker.secret", text);
    s_store = key_store_new(s_folder);
}

static void s_clear(void)
{
    char command[128];
    key_store_destroy(&s_store);
    snprintf(command, sizeof command, "rm -rf '%s'", s_folder);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(knows_who_may_connect_and_what_they_may_do)
{
    s_write_key("edges/e1.key", 'e', "names = \"\"");
    s_write_key("apps/chat.key", 'a', "services = \"chat\"");
    s_write("apps/chat.secret", "not looked at");
    s_write("apps/README", "not looked at");
    ck_assert_int_eq(key_store_load(s_store, s_why), 0);
    ck_assert_str_eq(key_store_secret(s_store), SECRET);
    ck_assert_uint_eq(key_store_count(s_store), 2);
    ck_assert_int_eq(s_of('e')->kind, AUTHORITY_EDGE);
    ck_assert(authority_has_edge(s_of('e'), (struct wire_text){"e1", 2}));
    ck_assert(s_serves('a', "chat") && !s_serves('a', "game"));
    ck_assert_str_eq(s_of('a')->name, "chat");
}
END_TEST

START_TEST(a_stranger_may_do_nothing)
{
    ck_assert_int_eq(key_store_load(s_store, s_why), 0);
    ck_assert_uint_eq(key_store_find(s_store, s_key('x')), 0);
    ck_assert_int_eq(s_of('x')->kind, AUTHORITY_NONE);
    ck_assert_int_eq(key_store_authority(s_store, 77)->kind, AUTHORITY_NONE);
}
END_TEST

START_TEST(a_key_that_is_gone_may_do_nothing_under_its_old_number)
{
    s_write_key("apps/chat.key", 'a', "services = \"chat\"");
    ck_assert_int_eq(key_store_load(s_store, s_why), 0);
    const struct authority *authority = s_of('a');
    uint64_t changes = key_store_changes(s_store);
    s_remove("apps/chat.key");
    ck_assert_int_eq(key_store_load(s_store, s_why), 0);
    ck_assert_ptr_eq(s_of('a'), authority);
    ck_assert_int_eq(authority->kind, AUTHORITY_NONE);
    ck_assert_uint_eq(key_store_changes(s_store), changes + 1);
    ck_assert_uint_eq(key_store_count(s_store), 0);
}
END_TEST

START_TEST(a_reload_changes_what_a_key_may_do)
{
    s_write_key("apps/chat.key", 'a', "services = \"chat\"");
    ck_assert_int_eq(key_store_load(s_store, s_why), 0);
    s_write_key("apps/chat.key", 'a', "services = \"game\"");
    s_write_key("apps/new.key", 'n', "services = \"*\"");
    uint64_t changes = key_store_changes(s_store);
    ck_assert_int_eq(key_store_load(s_store, s_why), 0);
    ck_assert(!s_serves('a', "chat") && s_serves('a', "game"));
    ck_assert(s_serves('n', "anything"));
    ck_assert_uint_eq(key_store_changes(s_store), changes + 1);
    ck_assert_int_eq(key_store_load(s_store, s_why), 0);
    ck_assert_uint_eq(key_store_changes(s_store), changes + 1);
}
END_TEST

START_TEST(one_bad_file_leaves_everything_as_it_was)
{
    static const char *const bad[][2] = {{"services = \"a*b\"", "services:"},
                                         {"topics = \"a/*/b\"", "topics:"}};
    s_write_key("apps/chat.key", 'a', "services = \"chat\"");
    ck_assert_int_eq(key_store_load(s_store, s_why), 0);
    s_write_key("apps/chat.key", 'a', "services = \"game\"");
    for (size_t at = 0; at < 2; at++) {
        s_write_key("apps/zz.key", 'z', bad[at][0]);
        ck_assert_int_lt(key_store_load(s_store, s_why), 0);
        ck_assert_ptr_nonnull(strstr(s_why, "/apps/zz.key: "));
        ck_assert_ptr_nonnull(strstr(s_why, bad[at][1]));
        ck_assert(s_serves('a', "chat") && !s_serves('a', "game"));
        ck_assert_int_eq(s_of('z')->kind, AUTHORITY_NONE);
    }
    s_write("apps/zz.key", "nonsense");
    ck_assert_int_lt(key_store_load(s_store, s_why), 0);
    s_remove("apps/zz.key");
    ck_assert_int_eq(key_store_load(s_store, s_why), 0);
    ck_assert(s_serves('a', "game"));
}
END_TEST

START_TEST(two_files_with_one_key_are_refused)
{
    s_write_key("apps/chat.key", 'a', "services = \"chat\"");
    s_write_key("edges/e1.key", 'a', "names = \"e1\"");
    ck_assert_int_eq(key_store_load(s_store, s_why), -EEXIST);
    ck_assert_ptr_nonnull(strstr(s_why, "another file"));
}
END_TEST

START_TEST(a_secret_among_the_public_keys_is_refused)
{
    char text[256];
    snprintf(text, sizeof text, "curve\n public-key=\"%s\"\n secret-key=\"" SECRET "\"\n",
             s_key('a'));
    s_write("apps/chat.key", text);
    ck_assert_int_lt(key_store_load(s_store, s_why), 0);
    ck_assert_ptr_nonnull(strstr(s_why, "secret"));
}
END_TEST

START_TEST(without_the_brokers_secret_nothing_is_read)
{
    s_remove("broker.secret");
    ck_assert_int_eq(key_store_load(s_store, s_why), -ENOENT);
    ck_assert_ptr_nonnull(strstr(s_why, "broker.secret: "));
}
END_TEST

START_TEST(the_gateway_in_this_process_outlives_a_reload)
{
    ck_assert_int_eq(key_store_load(s_store, s_why), 0);
    key_store_add_edge(s_store, s_key('o'));
    ck_assert_int_eq(key_store_load(s_store, s_why), 0);
    ck_assert(authority_has_edge(s_of('o'), (struct wire_text){"any", 3}));
    ck_assert_uint_eq(key_store_count(s_store), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("key_store");
    TCase *tests = tcase_create("key_store");
    tcase_add_checked_fixture(tests, s_make, s_clear);
    tcase_add_test(tests, knows_who_may_connect_and_what_they_may_do);
    tcase_add_test(tests, a_stranger_may_do_nothing);
    tcase_add_test(tests, a_key_that_is_gone_may_do_nothing_under_its_old_number);
    tcase_add_test(tests, a_reload_changes_what_a_key_may_do);
    tcase_add_test(tests, one_bad_file_leaves_everything_as_it_was);
    tcase_add_test(tests, two_files_with_one_key_are_refused);
    tcase_add_test(tests, a_secret_among_the_public_keys_is_refused);
    tcase_add_test(tests, without_the_brokers_secret_nothing_is_read);
    tcase_add_test(tests, the_gateway_in_this_process_outlives_a_reload);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
