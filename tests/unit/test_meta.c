#include "gateway/meta.h"

#include "tests/support/vectors.h"

#include <errno.h>
#include <jansson.h>

enum { TEXTS_MOST = 32, ADOPT_FIXED = 5, OPEN_FIXED = 9 };

static bool s_is_websocket(const char *carrier)
{
    return strcmp(carrier, "ws") == 0;
}

/* open or session, carrier, body, peer, local, path of the route, method, target,
 * version, headers
 */
static int s_open(struct bytes *out, const char *const *texts, size_t count)
{
    struct http_header headers[TEXTS_MOST];
    const struct http_request request = {.method = texts[6],
                                         .target = texts[7],
                                         .version = texts[8],
                                         .headers = headers,
                                         .header_count = (count - OPEN_FIXED) / 2};
    const struct meta_peer peer = {.peer = texts[3],
                                   .local = texts[4],
                                   .scheme = "http",
                                   .is_websocket = s_is_websocket(texts[1]),
                                   .has_session = strcmp(texts[0], "session") == 0,
                                   .body = texts[2]};
    for (size_t at = 0; at < request.header_count; at++)
        headers[at] = (struct http_header){texts[OPEN_FIXED + 2 * at],
                                           texts[OPEN_FIXED + 1 + 2 * at]};
    const char *keys[] = {"path", "service"};
    const char *values[] = {texts[5], "s"};
    char *why = NULL;
    struct route_table *table = route_table_new();
    struct route_match match = {.count = 0};
    ck_assert_int_eq(route_table_add(table, "main", keys, values, 2, &why), 0);
    const char *path;
    const char *query;
    size_t path_size;
    size_t query_size;
    http_request_split(request.target, &path, &path_size, &query, &query_size);
    int status = route_table_match(table, path, path_size, &match);
    if (status != 0) // "*" has no route of a file
        ck_assert_int_eq(route_table_match(table, "/", 1, &match), 0);
    int result = meta_open(out, &request, &match, &peer);
    route_table_destroy(&table);
    return result;
}

/* adopt, carrier, route, protocol, peer, names and values of parameters */
static int s_adopt(struct bytes *out, const char *const *texts, size_t count)
{
    char params[2048];
    size_t size = 0;
    for (size_t at = ADOPT_FIXED; at < count; at++) {
        size_t more = strlen(texts[at]) + 1;
        ck_assert_uint_lt(size + more, sizeof params);
        memcpy(params + size, texts[at], more);
        size += more;
    }
    params[size] = 0;
    const char *protocol = *texts[3] ? texts[3] : NULL;
    return meta_adopt(out, s_is_websocket(texts[1]), texts[2], params, protocol,
                      texts[4]);
}

static void s_check(const struct vector *vector)
{
    char copy[4096];
    const char *texts[TEXTS_MOST];
    for (size_t at = 0; at < TEXTS_MOST; at++)
        texts[at] = "";
    struct bytes out;
    size_t count = vectors_split(vector, copy, sizeof copy, texts, TEXTS_MOST);
    bytes_init(&out, 4096);
    bool is_open = strcmp(texts[0], "adopt") != 0;
    ck_assert_int_eq(is_open ? s_open(&out, texts, count) : s_adopt(&out, texts, count),
                     0);
    ck_assert(is_open || out.size <= 512);
    ck_assert_int_eq(bytes_append(&out, "", 1), 0);
    vectors_same(vector, (const char *)out.data);
    json_t *json = json_loads((const char *)out.data, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_msg(json_is_object(json), "%s: no JSON", vector->name);
    json_decref(json);
    bytes_clear(&out);
}

START_TEST(writes_every_vector)
{
    vectors_each("meta", 14, s_check);
}
END_TEST

START_TEST(adopt_with_a_peer_that_leaves_no_room_is_refused)
{
    char peer[600];
    struct bytes out;
    memset(peer, 'p', sizeof peer - 1);
    peer[sizeof peer - 1] = 0;
    bytes_init(&out, 4096);
    ck_assert_int_eq(meta_adopt(&out, false, "main", NULL, NULL, peer), -EMSGSIZE);
    bytes_clear(&out);
}
END_TEST

START_TEST(adopt_follows_what_the_buffer_holds)
{
    struct bytes out;
    bytes_init(&out, 4096);
    ck_assert_int_eq(bytes_append(&out, "ADOPT\n", 6), 0);
    ck_assert_int_eq(meta_adopt(&out, true, "main", "a\0001\0", "p", "unix"), 0);
    static const char want[] =
        "ADOPT\n{\"carrier\":\"ws\",\"route\":\"main\","
        "\"params\":{\"a\":\"1\"},\"protocol\":\"p\",\"peer\":\"unix\"}";
    ck_assert_uint_eq(out.size, strlen(want));
    ck_assert_mem_eq(out.data, want, out.size);
    bytes_clear(&out);
}
END_TEST

START_TEST(a_limit_is_told_wherever_it_strikes)
{
    const char *texts[] = {"open", "ws", "none",     "unix", "unix", "/**",
                           "GET",  "/",  "HTTP/1.1", "a",    "b"};
    int result = -1;
    for (size_t limit = 0; result < 0; limit++) {
        struct bytes out;
        ck_assert_uint_lt(limit, 1000);
        bytes_init(&out, limit);
        result = s_open(&out, texts, 11);
        ck_assert(result == -EMSGSIZE || (result == 0 && out.size == limit));
        bytes_clear(&out);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("meta");
    TCase *write = tcase_create("write");
    tcase_add_test(write, writes_every_vector);
    tcase_add_test(write, adopt_with_a_peer_that_leaves_no_room_is_refused);
    tcase_add_test(write, adopt_follows_what_the_buffer_holds);
    tcase_add_test(write, a_limit_is_told_wherever_it_strikes);
    suite_add_tcase(suite, write);
    return vectors_run(suite);
}
