#include "gateway/attachment.h"

#include "tests/support/vectors.h"

static const uint8_t s_random[SESSION_RANDOM_SIZE] = {1, 2, 3};

static struct attachment *s_new(enum session_carrier carrier, const char *token,
                                const char *cursor)
{
    struct session_request request = {.carrier = carrier, .n = 4};
    snprintf(request.token, sizeof request.token, "%s", token);
    snprintf(request.cursor, sizeof request.cursor, "%s", cursor);
    return attachment_new(&request, "chat", NULL, s_random);
}

#define TOKEN "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

START_TEST(who_shows_no_token_gets_one_and_begins_anew)
{
    char options[256], want[SESSION_TOKEN_ROOM];
    struct attachment *session = s_new(SESSION_POLL, "", "a:5");
    session_token_write(s_random, want);
    ck_assert_str_eq(session->request.token, want);
    ck_assert(session->is_new);
    ck_assert_uint_eq(session->next_n, 4);
    attachment_open_options(session, options, sizeof options);
    ck_assert_ptr_nonnull(strstr(options, " mode=new as="));
    ck_assert_ptr_null(strstr(options, "cursor=")); // one of another session
    free(session);
}
END_TEST

START_TEST(who_shows_one_joins_with_the_cursor)
{
    char options[256];
    struct attachment *session = s_new(SESSION_SSE, TOKEN, "4b1f0c9a77e2d310:5");
    attachment_open_options(session, options, sizeof options);
    ck_assert_ptr_nonnull(strstr(options, " mode=join as="));
    ck_assert_ptr_nonnull(strstr(options, " cursor=4b1f0c9a77e2d310:5"));
    ck_assert_ptr_null(strstr(options, TOKEN));
    session->att = 7;
    attachment_adopt_options(session, options, sizeof options);
    ck_assert_ptr_nonnull(strstr(options, " att=7"));
    ck_assert_ptr_nonnull(strstr(options, session->id));
    free(session);
}
END_TEST

START_TEST(a_message_is_of_the_mode_post)
{
    char options[256];
    struct attachment *session = s_new(SESSION_POST, TOKEN, "4b1f0c9a77e2d310:5");
    attachment_open_options(session, options, sizeof options);
    ck_assert_ptr_nonnull(strstr(options, " mode=post as="));
    ck_assert_ptr_null(strstr(options, "cursor="));
    ck_assert_str_eq(attachment_mode(session), "post");
    free(session);
}
END_TEST

START_TEST(the_first_words_name_session_place_and_count)
{
    struct bytes json;
    struct attachment *session = s_new(SESSION_WS, TOKEN, "");
    memcpy(session->position, "a:9", sizeof "a:9");
    session->up = 12;
    bytes_init(&json, 4096);
    ck_assert_int_eq(attachment_hello_json(session, &json), 0);
    ck_assert_int_eq(bytes_append(&json, "", 1), 0);
    ck_assert_str_eq((char *)json.data,
                     "{\"session\":\"" TOKEN "\",\"up\":12,\"cursor\":\"a:9\"}");
    bytes_clear(&json);
    free(session);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("attachment");
    TCase *tests = tcase_create("attachment");
    tcase_add_test(tests, who_shows_no_token_gets_one_and_begins_anew);
    tcase_add_test(tests, who_shows_one_joins_with_the_cursor);
    tcase_add_test(tests, a_message_is_of_the_mode_post);
    tcase_add_test(tests, the_first_words_name_session_place_and_count);
    suite_add_tcase(suite, tests);
    return vectors_run(suite);
}
