#include "gateway/session_request.h"

#include "tests/support/vectors.h"

#define TOKEN "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static struct session_request s_got;
static const char *s_why;

/* Reads a request with one header or none. */
static int s_read(const char *method, const char *target, const char *name,
                  const char *value)
{
    const struct http_header header = {.name = name, .value = value};
    const struct http_request request = {.method = method,
                                         .target = target,
                                         .version = "HTTP/1.1",
                                         .headers = &header,
                                         .header_count = name ? 1 : 0};
    s_why = NULL;
    return session_request_read(&request, &s_got, &s_why);
}

static void s_is_carrier(const char *method, const char *target, const char *name,
                         const char *value, enum session_carrier want)
{
    ck_assert_int_eq(s_read(method, target, name, value), 0);
    ck_assert_int_eq(s_got.carrier, want);
}

START_TEST(the_carrier_follows_from_the_request)
{
    s_is_carrier("GET", "/", NULL, NULL, SESSION_POLL);
    s_is_carrier("GET", "/?carrier=stream", NULL, NULL, SESSION_STREAM);
    s_is_carrier("GET", "/?carrier=other", NULL, NULL, SESSION_POLL);
    s_is_carrier("GET", "/", "Accept", "text/event-stream", SESSION_SSE);
    s_is_carrier("GET", "/?carrier=stream", "Accept", "text/event-stream",
                 SESSION_STREAM);
    s_is_carrier("GET", "/", "Upgrade", "websocket", SESSION_WS);
    s_is_carrier("POST", "/?session=" TOKEN, NULL, NULL, SESSION_POST);
    s_is_carrier("DELETE", "/?session=" TOKEN, NULL, NULL, SESSION_DELETE);
    ck_assert_int_eq(s_read("PUT", "/?session=" TOKEN, NULL, NULL), 405);
    ck_assert_int_eq(s_read("HEAD", "/", NULL, NULL), 405);
    ck_assert_ptr_nonnull(s_why);
    ck_assert_str_eq(session_carrier_name(SESSION_DELETE), "post");
    ck_assert_str_eq(session_carrier_name(SESSION_POLL), "poll");
}
END_TEST

START_TEST(the_token_is_in_the_query_or_in_a_header)
{
    ck_assert_int_eq(s_read("GET", "/", NULL, NULL), 0);
    ck_assert_str_eq(s_got.token, "");
    ck_assert_int_eq(s_read("GET", "/", "Ringway-Session", TOKEN), 0);
    ck_assert_str_eq(s_got.token, TOKEN);
    ck_assert_int_eq(s_read("GET", "/?session=" TOKEN, "Ringway-Session", "x"), 0);
    ck_assert_str_eq(s_got.token, TOKEN);
}
END_TEST

START_TEST(what_is_no_token_is_refused)
{
    ck_assert_int_eq(s_read("GET", "/?session=", NULL, NULL), 400);
    ck_assert_int_eq(s_read("GET", "/?session=x", NULL, NULL), 400);
    ck_assert_int_eq(s_read("GET", "/?session=" TOKEN "A", NULL, NULL), 400);
    ck_assert_int_eq(s_read("GET", "/?session=%zz", NULL, NULL), 400);
    ck_assert_int_eq(s_read("GET", "/", "Ringway-Session", ""), 400);
    ck_assert_ptr_nonnull(strstr(s_why, "43"));
}
END_TEST

START_TEST(a_message_and_an_end_show_their_session)
{
    ck_assert_int_eq(s_read("POST", "/", NULL, NULL), 400);
    ck_assert_int_eq(s_read("DELETE", "/", NULL, NULL), 400);
    ck_assert_int_eq(s_read("POST", "/?session=" TOKEN "&end=1", NULL, NULL), 0);
    ck_assert(s_got.ends);
    ck_assert_int_eq(s_read("POST", "/?session=" TOKEN "&end=0", NULL, NULL), 0);
    ck_assert(!s_got.ends);
    ck_assert_int_eq(s_read("DELETE", "/?session=" TOKEN, NULL, NULL), 0);
    ck_assert(s_got.ends);
}
END_TEST

START_TEST(a_number_is_from_one_to_two_to_the_53)
{
    ck_assert_int_eq(s_read("GET", "/", NULL, NULL), 0);
    ck_assert_uint_eq(s_got.n, 0);
    ck_assert_int_eq(s_read("GET", "/?n=1", NULL, NULL), 0);
    ck_assert_uint_eq(s_got.n, 1);
    ck_assert_int_eq(s_read("GET", "/?n=9007199254740992", NULL, NULL), 0);
    ck_assert_uint_eq(s_got.n, SESSION_N_MAX);
    const char *bad[] = {"/?n=0",      "/?n=",
                         "/?n=-1",     "/?n=1x",
                         "/?n=0x1",    "/?n=+1",
                         "/?n=1%2000", "/?n=9007199254740993",
                         "/?n=%00",    "/?n=00000000000000001"};
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++)
        ck_assert_msg(s_read("GET", bad[at], NULL, NULL) == 400, "%s", bad[at]);
}
END_TEST

START_TEST(the_cursor_that_eventsource_shows_counts_first)
{
    ck_assert_int_eq(s_read("GET", "/?cursor=4b1f0c9a77e2d310:5", NULL, NULL), 0);
    ck_assert_str_eq(s_got.cursor, "4b1f0c9a77e2d310:5");
    ck_assert_int_eq(s_read("GET", "/?cursor=a:1", "Last-Event-ID", "a:2"), 0);
    ck_assert_str_eq(s_got.cursor, "a:2");
    ck_assert_int_eq(s_read("GET", "/?cursor=", NULL, NULL), 0);
    ck_assert_str_eq(s_got.cursor, "");
}
END_TEST

START_TEST(a_cursor_that_cannot_be_one_is_of_another_time)
{
    char target[256] = "/?cursor=";
    ck_assert_int_eq(s_read("GET", "/?cursor=a%20b", NULL, NULL), 0);
    ck_assert_str_eq(s_got.cursor, "0:0");
    ck_assert_int_eq(s_read("GET", "/?cursor=a%25", NULL, NULL), 0);
    ck_assert_str_eq(s_got.cursor, "0:0");
    memset(target + strlen(target), 'x', 100);
    ck_assert_int_eq(s_read("GET", target, NULL, NULL), 0);
    ck_assert_str_eq(s_got.cursor, "0:0");
}
END_TEST

START_TEST(a_poll_waits_as_long_as_it_asks_for)
{
    ck_assert_int_eq(s_read("GET", "/", NULL, NULL), 0);
    ck_assert_int_eq(s_got.wait_ms, 25000);
    ck_assert_int_eq(s_read("GET", "/?wait=3", NULL, NULL), 0);
    ck_assert_int_eq(s_got.wait_ms, 3000);
    ck_assert_int_eq(s_read("GET", "/?wait=0", NULL, NULL), 0);
    ck_assert_int_eq(s_got.wait_ms, 0);
    ck_assert_int_eq(s_read("GET", "/?wait=9999999999999999", NULL, NULL), 0);
    ck_assert_int_eq(s_got.wait_ms, SESSION_WAIT_MAX_MS);
    ck_assert_int_eq(s_read("GET", "/?wait=-1", NULL, NULL), 0);
    ck_assert_int_eq(s_got.wait_ms, 25000);
}
END_TEST

START_TEST(bytes_are_what_the_content_type_says)
{
    const char *post = "/?session=" TOKEN;
    ck_assert_int_eq(s_read("POST", post, NULL, NULL), 0);
    ck_assert(!s_got.is_binary);
    s_read("POST", post, "Content-Type", "Application/Octet-Stream");
    ck_assert(s_got.is_binary);
    s_read("POST", post, "Content-Type", "application/octet-stream; x=y");
    ck_assert(s_got.is_binary);
    s_read("POST", post, "Content-Type", "application/octet-streams");
    ck_assert(!s_got.is_binary);
    s_read("GET", "/?format=json", NULL, NULL);
    ck_assert(s_got.as_json);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_request");
    TCase *tests = tcase_create("session_request");
    tcase_add_test(tests, the_carrier_follows_from_the_request);
    tcase_add_test(tests, the_token_is_in_the_query_or_in_a_header);
    tcase_add_test(tests, what_is_no_token_is_refused);
    tcase_add_test(tests, a_message_and_an_end_show_their_session);
    tcase_add_test(tests, a_number_is_from_one_to_two_to_the_53);
    tcase_add_test(tests, the_cursor_that_eventsource_shows_counts_first);
    tcase_add_test(tests, a_cursor_that_cannot_be_one_is_of_another_time);
    tcase_add_test(tests, a_poll_waits_as_long_as_it_asks_for);
    tcase_add_test(tests, bytes_are_what_the_content_type_says);
    suite_add_tcase(suite, tests);
    return vectors_run(suite);
}
