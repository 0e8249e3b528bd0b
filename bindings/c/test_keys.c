/* CURVE: files of keys, and a broker that asks for them. */
#include "bindings/c/test_broker.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

static char s_own[] = "test_keys_own.secret", s_broker[] = "test_keys_broker.key";

static void s_write(const char *path, const char *public_key, const char *secret_key)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "curve\n    public-key = \"%s\"\n", public_key);
    if (secret_key)
        fprintf(file, "    secret-key = \"%s\"\n", secret_key);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, 0600), 0);
}

static void s_remove(void)
{
    unlink(s_own);
    unlink(s_broker);
}

static const struct rw_options s_options = {
    .key_file = s_own, .broker_key_file = s_broker, .log = test_quiet};

START_TEST(with_its_keys_an_application_joins_a_broker_that_asks_for_them)
{
    char public_key[41], secret_key[41], own_public[41], own_secret[41];
    ck_assert_int_eq(zmq_curve_keypair(public_key, secret_key), 0);
    ck_assert_int_eq(zmq_curve_keypair(own_public, own_secret), 0);
    s_write(s_own, own_public, own_secret);
    s_write(s_broker, public_key, NULL);
    test_secure(secret_key);
    test_app = rw_app_new(test_broker.endpoint, "test", &s_options);
    ck_assert_ptr_nonnull(test_app);
    test_expect("JOIN test");
    s_remove();
}
END_TEST

START_TEST(without_keys_a_broker_that_asks_for_them_hears_nothing)
{
    char public_key[41], secret_key[41];
    const struct rw_options open = {.log = test_quiet};
    ck_assert_int_eq(zmq_curve_keypair(public_key, secret_key), 0);
    test_secure(secret_key);
    test_app = rw_app_new(test_broker.endpoint, "test", &open);
    int64_t until_ms = test_now_ms() + 500; // several attempts long
    while (test_now_ms() < until_ms)
        test_turn();
    ck_assert(!test_has_seen("JOIN"));
}
END_TEST

START_TEST(files_that_cannot_be_used_are_refused)
{
    char public_key[41], secret_key[41];
    const struct rw_options half = {.key_file = s_own, .log = test_quiet};
    ck_assert_int_eq(zmq_curve_keypair(public_key, secret_key), 0);
    ck_assert_ptr_null(rw_app_new(NULL, "test", &s_options));
    ck_assert_int_eq(errno, EINVAL);
    s_write(s_own, public_key, secret_key);
    s_write(s_broker, public_key, NULL);
    ck_assert_ptr_null(rw_app_new(NULL, "test", &half));
    ck_assert_int_eq(chmod(s_own, 0604), 0);
    ck_assert_ptr_null(rw_app_new(NULL, "test", &s_options));
    s_write(s_own, public_key, NULL);
    ck_assert_ptr_null(rw_app_new(NULL, "test", &s_options));
    s_write(s_own, public_key, secret_key);
    test_app = rw_app_new(NULL, "test", &s_options);
    ck_assert_ptr_nonnull(test_app);
    s_remove();
}
END_TEST

void test_add_keys(TCase *tests)
{
    tcase_add_test(tests, with_its_keys_an_application_joins_a_broker_that_asks_for_them);
    tcase_add_test(tests, without_keys_a_broker_that_asks_for_them_hears_nothing);
    tcase_add_test(tests, files_that_cannot_be_used_are_refused);
}
