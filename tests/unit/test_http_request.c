#include "gateway/http_request.h"

#include "tests/support/vectors.h"

#include <errno.h>

enum { HEADERS_MOST = 400 };

/* A request made of texts: method, target, version, and name and value of each header. */
struct s_made {
    struct http_header headers[HEADERS_MOST];
    struct http_request request;
};

static void s_make(struct s_made *made, const char *const *texts, size_t count)
{
    ck_assert_uint_ge(count, 3);
    ck_assert_uint_eq((count - 3) % 2, 0);
    made->request = (struct http_request){.method = texts[0],
                                          .target = texts[1],
                                          .version = texts[2],
                                          .headers = made->headers,
                                          .header_count = (count - 3) / 2};
    for (size_t at = 0; at < made->request.header_count; at++)
        made->headers[at] = (struct http_header){texts[3 + 2 * at], texts[4 + 2 * at]};
}

static void s_describe(const struct http_request *request, struct vectors_text *out)
{
    const char *why = NULL;
    struct http_body body = {.length = 7};
    int status = http_request_check(request, &body, &why);
    vectors_add(out, "%d ", status);
    if (status != 0)
        vectors_add(out, "%s", why);
    else if (body.chunked)
        vectors_add(out, "chunked");
    else if (body.has_length)
        vectors_add(out, "length=%llu", (unsigned long long)body.length);
    else
        vectors_add(out, "none");
}

static void s_check(const struct vector *vector)
{
    char copy[4096];
    const char *texts[32];
    struct s_made made;
    struct vectors_text got = {.size = 0};
    s_make(&made, texts, vectors_split(vector, copy, sizeof copy, texts, 32));
    s_describe(&made.request, &got);
    vectors_same(vector, got.text);
}

START_TEST(judges_every_vector)
{
    vectors_each("http_request", 130, s_check);
}
END_TEST

static int s_status_of(const char *target, size_t header_count,
                       const struct http_header *headers)
{
    const char *why;
    struct http_body body;
    const struct http_request request = {.method = "GET",
                                         .target = target,
                                         .version = "HTTP/1.1",
                                         .headers = headers,
                                         .header_count = header_count};
    return http_request_check(&request, &body, &why);
}

static const struct http_header s_host = {"Host", "a"};

/* The letter `c`, `size` times, behind `start`. */
static char *s_long(const char *start, char c, size_t size)
{
    char *text = malloc(strlen(start) + size + 1);
    ck_assert_ptr_nonnull(text);
    memcpy(text, start, strlen(start));
    memset(text + strlen(start), c, size);
    text[strlen(start) + size] = 0;
    return text;
}

START_TEST(a_target_of_8191_bytes_is_right_and_of_8192_is_414)
{
    char *target = s_long("/", 'a', HTTP_TARGET_MAX - 1);
    ck_assert_int_eq(s_status_of(target, 1, &s_host), 0);
    free(target);
    target = s_long("/", 'a', HTTP_TARGET_MAX);
    ck_assert_int_eq(s_status_of(target, 1, &s_host), 414);
    free(target);
}
END_TEST

START_TEST(a_header_line_of_8_kib_is_right_and_one_byte_more_is_431)
{
    size_t room = HTTP_HEADER_LINE_MAX - strlen("X: ");
    char *value = s_long("", 'v', room + 1);
    struct http_header headers[] = {s_host, {"X", value + 1}};
    ck_assert_int_eq(s_status_of("/", 2, headers), 0);
    headers[1].value = value;
    ck_assert_int_eq(s_status_of("/", 2, headers), 431);
    free(value);
}
END_TEST

/* "GET / HTTP/1.1", "Host: a", n times "X: " and a value, and the empty line; with line
 * ends. */
START_TEST(a_head_of_14_kib_is_right_and_one_byte_more_is_431)
{
    size_t left = HTTP_HEAD_MAX - strlen("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    size_t second = left - (strlen("X: \r\n") + 8000) - strlen("X: \r\n");
    char *values[] = {s_long("", 'v', 8000), s_long("", 'v', second + 1)};
    struct http_header headers[] = {s_host, {"X", values[0]}, {"X", values[1] + 1}};
    ck_assert_int_eq(s_status_of("/", 3, headers), 0);
    headers[2].value = values[1];
    ck_assert_int_eq(s_status_of("/", 3, headers), 431);
    free(values[0]);
    free(values[1]);
}
END_TEST

START_TEST(a_header_is_found_in_any_case_and_its_first_value_counts)
{
    const struct http_header headers[] = {{"a", "1"}, {"X-Y", "2"}, {"x-y", "3"}};
    const struct http_request request = {.headers = headers, .header_count = 3};
    ck_assert_str_eq(http_request_header(&request, "x-Y"), "2");
    ck_assert_ptr_null(http_request_header(&request, "x"));
    ck_assert_ptr_null(http_request_header(&request, "X-Y-Z"));
}
END_TEST

START_TEST(a_token_is_found_in_every_line_of_a_list)
{
    const struct http_header headers[] = {{"Connection", "keep-alive ,\tUpGrAdE"},
                                          {"connection", ",, close,"},
                                          {"Upgrade", "websockets"}};
    const struct http_request request = {.headers = headers, .header_count = 3};
    ck_assert(http_request_has_token(&request, "Connection", "upgrade"));
    ck_assert(http_request_has_token(&request, "Connection", "keep-alive"));
    ck_assert(http_request_has_token(&request, "Connection", "close"));
    ck_assert(!http_request_has_token(&request, "Connection", "keep"));
    ck_assert(!http_request_has_token(&request, "Connection", ""));
    ck_assert(!http_request_has_token(&request, "Upgrade", "websocket"));
}
END_TEST

START_TEST(a_target_is_split_into_path_and_query)
{
    static const char *const cases[][3] = {
        {"/", "/", NULL},
        {"/a/b?c=d&e", "/a/b", "c=d&e"},
        {"/a?", "/a", ""},
        {"/a?b?c", "/a", "b?c"},
        {"/a://b?c", "/a://b", "c"},
        {"http://h/p?q", "/p", "q"},
        {"http://h:80", "", NULL},
        {"http://h?q", "", "q"},
        {"*", "*", NULL},
        {"h:443", "h:443", NULL},
    };
    for (size_t at = 0; at < sizeof cases / sizeof *cases; at++) {
        const char *path;
        const char *query;
        size_t path_size;
        size_t query_size;
        http_request_split(cases[at][0], &path, &path_size, &query, &query_size);
        ck_assert_uint_eq(path_size, strlen(cases[at][1]));
        ck_assert_mem_eq(path, cases[at][1], path_size);
        ck_assert_int_eq(query == NULL, cases[at][2] == NULL);
        ck_assert_uint_eq(query_size, cases[at][2] ? strlen(cases[at][2]) : 0);
        ck_assert(!query || memcmp(query, cases[at][2], query_size) == 0);
    }
}
END_TEST

static int s_query(const char *query, const char *name, char out[8])
{
    return http_request_query(query, strlen(query), name, out, 8);
}

START_TEST(a_query_parameter_is_decoded)
{
    char out[8];
    ck_assert_int_eq(s_query("a=1&b=2", "b", out), 1);
    ck_assert_str_eq(out, "2");
    ck_assert_int_eq(s_query("a=1&a=2", "a", out), 1);
    ck_assert_str_eq(out, "1");
    ck_assert_int_eq(s_query("x&w%61it=a+b%2Bc&y", "wait", out), 5);
    ck_assert_str_eq(out, "a b+c");
    ck_assert_int_eq(s_query("a=1=2", "a", out), 3);
    ck_assert_str_eq(out, "1=2");
    ck_assert_int_eq(s_query("a", "a", out), 0);
    ck_assert_str_eq(out, "");
    ck_assert_int_eq(s_query("a=", "a", out), 0);
    ck_assert_int_eq(s_query("&&a=1234567", "a", out), 7);
}
END_TEST

START_TEST(a_query_parameter_that_is_missing_broken_or_too_long_is_told_apart)
{
    char out[8];
    ck_assert_int_eq(s_query("", "a", out), -ENOENT);
    ck_assert_int_eq(s_query("aa=1&b=a", "a", out), -ENOENT);
    ck_assert_int_eq(http_request_query(NULL, 0, "a", out, sizeof out), -ENOENT);
    ck_assert_int_eq(s_query("a=%", "a", out), -EPROTO);
    ck_assert_int_eq(s_query("a=%4", "a", out), -EPROTO);
    ck_assert_int_eq(s_query("a=%4&b=1", "a", out), -EPROTO);
    ck_assert_int_eq(s_query("a=%g0", "a", out), -EPROTO);
    ck_assert_int_eq(s_query("a=b%00c", "a", out), -EPROTO);
    ck_assert_int_eq(s_query("a=12345678", "a", out), -EMSGSIZE);
    ck_assert_int_eq(s_query("%=1&a=2", "a", out), 1);
}
END_TEST

START_TEST(a_token_has_the_characters_of_the_standard)
{
    static const char separators[] = "\"(),/:;<=>?@[\\]{} \t";
    for (int c = 0; c < 256; c++) {
        char text = (char)c;
        bool is_token = c > 0x20 && c < 0x7F && !strchr(separators, c);
        ck_assert_msg(http_is_token(&text, 1) == is_token, "0x%02x", c);
    }
    ck_assert(!http_is_token("", 0));
    ck_assert(!http_is_token("a b", 3));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_request");
    TCase *check = tcase_create("check");
    tcase_add_test(check, judges_every_vector);
    tcase_add_test(check, a_target_of_8191_bytes_is_right_and_of_8192_is_414);
    tcase_add_test(check, a_header_line_of_8_kib_is_right_and_one_byte_more_is_431);
    tcase_add_test(check, a_head_of_14_kib_is_right_and_one_byte_more_is_431);
    suite_add_tcase(suite, check);
    TCase *headers = tcase_create("headers");
    tcase_add_test(headers, a_header_is_found_in_any_case_and_its_first_value_counts);
    tcase_add_test(headers, a_token_is_found_in_every_line_of_a_list);
    tcase_add_test(headers, a_token_has_the_characters_of_the_standard);
    suite_add_tcase(suite, headers);
    TCase *target = tcase_create("target");
    tcase_add_test(target, a_target_is_split_into_path_and_query);
    tcase_add_test(target, a_query_parameter_is_decoded);
    tcase_add_test(target,
                   a_query_parameter_that_is_missing_broken_or_too_long_is_told_apart);
    suite_add_tcase(suite, target);
    return vectors_run(suite);
}
