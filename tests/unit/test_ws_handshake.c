#include "gateway/ws_handshake.h"

#include "tests/support/vectors.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ==" // RFC 6455 section 1.3

/* The order of the headers of s_right. */
enum { HOST, UPGRADE, CONNECTION, VERSION, KEY_AT, EXTRA, COUNT };

static struct http_header s_headers[COUNT];
static struct http_request s_request;

/* A right handshake, which each test changes. */
static void s_set_up(void)
{
    s_headers[HOST] = (struct http_header){"Host", "a.example"};
    s_headers[UPGRADE] = (struct http_header){"Upgrade", "websocket"};
    s_headers[CONNECTION] = (struct http_header){"Connection", "Upgrade"};
    s_headers[VERSION] = (struct http_header){"Sec-WebSocket-Version", "13"};
    s_headers[KEY_AT] = (struct http_header){"Sec-WebSocket-Key", KEY};
    s_headers[EXTRA] = (struct http_header){"X-Extra", "1"};
    s_request = (struct http_request){.method = "GET",
                                      .target = "/",
                                      .version = "HTTP/1.1",
                                      .headers = s_headers,
                                      .header_count = COUNT};
}

static void s_gives(int status)
{
    const char *why = NULL;
    ck_assert_int_eq(ws_handshake_check(&s_request, &why), status);
    ck_assert_int_eq(why != NULL, status != 0);
}

static void s_gives_with(int header, const char *value, int status)
{
    const char *old = s_headers[header].value;
    s_headers[header].value = value;
    s_gives(status);
    s_headers[header].value = old;
}

static void s_gives_without(int header, int status)
{
    const char *old = s_headers[header].name;
    s_headers[header].name = "X-Nothing";
    s_gives(status);
    s_headers[header].name = old;
}

START_TEST(a_right_handshake_is_right)
{
    s_gives(0);
    ck_assert(ws_handshake_is_wanted(&s_request));
    s_gives_with(UPGRADE, "WebSocket", 0);
    s_gives_with(UPGRADE, "other, websocket", 0);
    s_gives_with(CONNECTION, "keep-alive, UpGrAdE", 0);
}
END_TEST

START_TEST(without_the_token_websocket_none_is_wanted)
{
    s_headers[UPGRADE].value = "h2c";
    ck_assert(!ws_handshake_is_wanted(&s_request));
    s_gives(400);
    s_headers[UPGRADE].name = "X-Upgrade";
    ck_assert(!ws_handshake_is_wanted(&s_request));
    s_gives(400);
}
END_TEST

START_TEST(the_method_is_get_and_the_version_of_http_is_11)
{
    s_request.method = "POST";
    s_gives(400);
    s_request.method = "GET";
    s_request.version = "HTTP/1.0";
    s_gives(400);
}
END_TEST

START_TEST(connection_names_upgrade)
{
    s_gives_without(CONNECTION, 400);
    s_gives_with(CONNECTION, "keep-alive", 400);
    s_gives_with(CONNECTION, "upgraded", 400);
}
END_TEST

START_TEST(another_version_is_426)
{
    s_gives_without(VERSION, 426);
    s_gives_with(VERSION, "12", 426);
    s_gives_with(VERSION, "013", 426);
    s_gives_with(VERSION, "13, 8", 426);
    s_headers[EXTRA] = (struct http_header){"sec-websocket-version", "8"};
    s_gives(426);
}
END_TEST

START_TEST(the_key_is_16_bytes_in_base64)
{
    s_gives_without(KEY_AT, 400);
    s_gives_with(KEY_AT, "", 400);
    s_gives_with(KEY_AT, "dGhlIHNhbXBsZSBub25jZQ", 400);
    s_gives_with(KEY_AT, "dGhlIHNhbXBsZSBub25jZQ=", 400);
    s_gives_with(KEY_AT, "dGhlIHNhbXBsZSBub25jZQ===", 400);
    s_gives_with(KEY_AT, "dGhlIHNhbXBsZSBub25jZWU=", 400);
    s_gives_with(KEY_AT, "dGhlIHNhbXBsZSBub2==ZQ==", 400);
    s_gives_with(KEY_AT, "dGhlIHNhbXBsZSBub25j!Q==", 400);
    s_gives_with(KEY_AT, "dGhlIHNhbXBsZSBub25jZQ== ", 400);
    s_gives_with(KEY_AT, "AAAAAAAAAAAAAAAAAAAAAA==", 0);
    s_gives_with(KEY_AT, "+/+/+/+/+/+/+/+/+/+/+w==", 0);
    s_headers[EXTRA] = (struct http_header){"Sec-WebSocket-Key", KEY};
    s_gives(400);
}
END_TEST

START_TEST(a_handshake_has_no_body)
{
    s_headers[EXTRA] = (struct http_header){"Content-Length", "0"};
    s_gives(0);
    s_headers[EXTRA].value = "5";
    s_gives(400);
    s_headers[EXTRA] = (struct http_header){"Transfer-Encoding", "chunked"};
    s_gives(400);
}
END_TEST

START_TEST(the_answer_to_the_key_is_that_of_the_standard)
{
    char accept[WS_ACCEPT_SIZE];
    ws_handshake_accept(KEY, accept);
    ck_assert_str_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
END_TEST

static void s_join(void *context, const char *name, size_t size)
{
    vectors_add(context, "%.*s;", (int)size, name);
}

START_TEST(offers_of_several_lines_are_one_list)
{
    struct vectors_text got = {.size = 0};
    s_headers[HOST] = (struct http_header){"Sec-WebSocket-Protocol", "chat.1,  chat.2 ,"};
    s_headers[EXTRA] = (struct http_header){"sec-websocket-protocol", "a b, ringway.1"};
    ws_handshake_each_offer(&s_request, s_join, &got);
    ck_assert_str_eq(got.text, "chat.1;chat.2;ringway.1;");
    ck_assert(ws_handshake_offers(&s_request, "chat.2"));
    ck_assert(ws_handshake_offers(&s_request, "ringway.1"));
    ck_assert(!ws_handshake_offers(&s_request, "Chat.2"));
    ck_assert(!ws_handshake_offers(&s_request, "chat"));
    ck_assert(!ws_handshake_offers(&s_request, ""));
}
END_TEST

static const char *const s_lists[][2] = {
    {"https://a.example", "https://*.b.example"},
    {"https://*.c.example:8443", "null"},
    {"*", "https://a.example"},
    {NULL, NULL},
};

static const struct {
    const char *origin, *host;
    int list; // of s_lists
    bool is_allowed;
} s_origins[] = {
    {NULL, "a", 3, true},
    {"http://a.example", "a.example", 3, true},
    {"http://A.Example", "a.example", 3, true},
    {"http://a.example:8080", "a.example:8080", 3, true},
    {"https://a.example", "a.example:443", 3, true},
    {"http://a.example:80", "a.example", 3, true},
    {"http://a.example", "a.example:", 3, true},
    {"http://a.example", " a.example ", 3, true},
    {"http://[::1]:8080", "[::1]:8080", 3, true},
    {"http://[::1]", "[::1]", 3, true},
    {"http://a.example", "a.example:443", 3, false},
    {"http://a.example:8080", "a.example", 3, false},
    {"http://b.example", "a.example", 3, false},
    {"http://a.example.b", "a.example", 3, false},
    {"http://a.exampl", "a.example", 3, false},
    {"http://", "", 3, false},
    {"ftp://a.example", "a.example", 3, false},
    {"a.example", "a.example", 3, false},
    {"null", "a.example", 3, false},
    {"", "a.example", 3, false},
    {"http://a.example", NULL, 3, false},
    {"https://a.example", "z", 0, true},
    {"http://a.example", "z", 0, false},
    {"https://x.b.example", "z", 0, true},
    {"https://x.y.b.example", "z", 0, true},
    {"https://b.example", "z", 0, false},
    {"https://.b.example", "z", 0, false},
    {"https://xb.example", "z", 0, false},
    {"https://x.b.example:8443", "z", 0, false},
    {"https://x.b.example.z", "z", 0, false},
    {"http://x.b.example", "z", 0, false},
    {"https://evil/.b.example", "z", 0, false},
    {"https://evil:1.b.example", "z", 0, false},
    {"https://u@x.b.example", "z", 0, false},
    {"https://x.c.example:8443", "z", 1, true},
    {"https://x.c.example", "z", 1, false},
    {"null", "z", 1, true},
    {"null", "z", 2, true},
    {"anything", "z", 2, true},
};

START_TEST(an_origin_is_the_own_or_listed)
{
    const char *host = s_origins[_i].host;
    const char *origin = s_origins[_i].origin;
    const char *const *list = s_lists[s_origins[_i].list];
    s_headers[HOST] = (struct http_header){host ? "Host" : "X-Host", host ? host : ""};
    s_headers[EXTRA] =
        (struct http_header){origin ? "Origin" : "X-Origin", origin ? origin : ""};
    bool got = ws_handshake_origin_is_allowed(&s_request, list, list[0] ? 2 : 0);
    ck_assert_msg(got == s_origins[_i].is_allowed, "%s at %s", origin, host);
}
END_TEST

START_TEST(two_origins_are_allowed_only_where_any_is)
{
    s_headers[EXTRA] = (struct http_header){"Origin", "http://a.example"};
    s_headers[VERSION] = (struct http_header){"Origin", "https://a.example"};
    ck_assert(!ws_handshake_origin_is_allowed(&s_request, s_lists[0], 2));
    ck_assert(ws_handshake_origin_is_allowed(&s_request, s_lists[2], 2));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ws_handshake");
    TCase *check = tcase_create("check");
    tcase_add_checked_fixture(check, s_set_up, NULL);
    tcase_add_test(check, a_right_handshake_is_right);
    tcase_add_test(check, without_the_token_websocket_none_is_wanted);
    tcase_add_test(check, the_method_is_get_and_the_version_of_http_is_11);
    tcase_add_test(check, connection_names_upgrade);
    tcase_add_test(check, another_version_is_426);
    tcase_add_test(check, the_key_is_16_bytes_in_base64);
    tcase_add_test(check, a_handshake_has_no_body);
    suite_add_tcase(suite, check);
    TCase *answer = tcase_create("answer");
    tcase_add_checked_fixture(answer, s_set_up, NULL);
    tcase_add_test(answer, the_answer_to_the_key_is_that_of_the_standard);
    tcase_add_test(answer, offers_of_several_lines_are_one_list);
    suite_add_tcase(suite, answer);
    TCase *origin = tcase_create("origin");
    tcase_add_checked_fixture(origin, s_set_up, NULL);
    tcase_add_loop_test(origin, an_origin_is_the_own_or_listed, 0,
                        sizeof s_origins / sizeof *s_origins);
    tcase_add_test(origin, two_origins_are_allowed_only_where_any_is);
    suite_add_tcase(suite, origin);
    return vectors_run(suite);
}
