#include "gateway/session_token.h"

#include "tests/support/vectors.h"

#include <errno.h>

static void s_check_write(const uint8_t *data, size_t size, struct vectors_text *got)
{
    char token[SESSION_TOKEN_ROOM], id[SESSION_ID_ROOM];
    ck_assert_uint_eq(size, SESSION_RANDOM_SIZE);
    session_token_write(data, token);
    session_token_id(token, id);
    vectors_add(got, "%s %s", token, id);
}

static void s_check_read(const uint8_t *data, size_t size, struct vectors_text *got)
{
    char token[SESSION_TOKEN_ROOM], id[SESSION_ID_ROOM];
    int result = session_token_read((const char *)data, size, token);
    if (result == 0)
        session_token_id(token, id);
    else
        ck_assert_str_eq(token, "");
    vectors_add(got, "%s", result == 0 ? id : result == -EPROTO ? "EPROTO" : "other");
}

static void s_check_as(const char *text, size_t size, struct vectors_text *got)
{
    char as[SESSION_AS_ROOM];
    size_t route = strlen(text);
    session_token_as(text, route < size ? text + route + 1 : NULL, as);
    vectors_add(got, "%s", as);
}

/* kind, 00, what is given */
static void s_check(const struct vector *vector)
{
    struct vectors_text got = {.size = 0};
    char *copy = calloc(vector->size + 1, 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, vector->data, vector->size);
    size_t kind = strlen(copy) + 1;
    const char *data = copy + kind;
    size_t size = vector->size - kind;
    if (strcmp(copy, "write") == 0)
        s_check_write((const uint8_t *)data, size, &got);
    else if (strcmp(copy, "read") == 0)
        s_check_read((const uint8_t *)data, size, &got);
    else
        s_check_as(data, size, &got);
    free(copy);
    vectors_same(vector, got.text);
}

START_TEST(matches_every_vector)
{
    vectors_each("session_token", 20, s_check);
}
END_TEST

START_TEST(every_bit_of_the_random_bytes_makes_another_token)
{
    uint8_t random[SESSION_RANDOM_SIZE] = {0};
    char base[SESSION_TOKEN_ROOM], token[SESSION_TOKEN_ROOM], again[SESSION_TOKEN_ROOM];
    session_token_write(random, base);
    for (size_t bit = 0; bit < sizeof random * 8; bit++) {
        random[bit / 8] ^= (uint8_t)(1 << bit % 8);
        session_token_write(random, token);
        random[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_str_ne(token, base);
        ck_assert_int_eq(session_token_read(token, strlen(token), again), 0);
        ck_assert_str_eq(again, token);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_token");
    TCase *tests = tcase_create("session_token");
    tcase_add_test(tests, matches_every_vector);
    tcase_add_test(tests, every_bit_of_the_random_bytes_makes_another_token);
    suite_add_tcase(suite, tests);
    return vectors_run(suite);
}
