#include "gateway/http_head.h"

#include "tests/support/vectors.h"

#include <errno.h>

static void s_add_text(struct vectors_text *out, const char *text)
{
    for (; *text; text++)
        vectors_add(out, *text < 0x20 || *text > 0x7E ? "\\x%02x" : "%c", (uint8_t)*text);
}

static void s_describe(const struct http_head *head, int64_t used,
                       struct vectors_text *out)
{
    vectors_add(out, "used=%lld", (long long)used);
    vectors_add(out, "%s", head->has_connection_close ? " close" : "");
    vectors_add(out, "%s", head->has_cache_control ? " has=cache" : "");
    vectors_add(out, "%s", head->has_accel_buffering ? " has=accel" : "");
    vectors_add(out, "%s", head->has_content_type ? " has=type" : "");
    vectors_add(out, "%s", head->has_date ? " has=date" : "");
    vectors_add(out, "%s", head->has_server ? " has=server" : "");
    if (head->content_length >= 0)
        vectors_add(out, " length=%lld", (long long)head->content_length);
    for (size_t at = 0; at < head->count; at++) {
        vectors_add(out, " ");
        s_add_text(out, head->fields[at].name);
        vectors_add(out, ":");
        s_add_text(out, head->fields[at].value);
    }
}

static void s_check(const struct vector *vector)
{
    struct http_head head;
    const char *why = NULL;
    struct vectors_text got = {.size = 0};
    bool as_protocol = strncmp(vector->name, "protocol_", 9) == 0;
    int64_t used = http_head_read(vector->data, vector->size, as_protocol, &head, &why);
    if (used == -EPROTO)
        vectors_add(&got, "error=EPROTO %s", why);
    else
        s_describe(&head, used, &got);
    http_head_clear(&head);
    vectors_same(vector, got.text);
}

START_TEST(reads_every_vector)
{
    vectors_each("http_head", 50, s_check);
}
END_TEST

START_TEST(a_head_that_was_cleared_is_empty)
{
    struct http_head head;
    const char *why;
    ck_assert_int_eq(http_head_read("A: b\n\n", 6, false, &head, &why), 6);
    ck_assert_uint_eq(head.count, 1);
    http_head_clear(&head);
    ck_assert_uint_eq(head.count, 0);
    ck_assert_ptr_null(head.fields);
    http_head_clear(&head);
}
END_TEST

START_TEST(forty_fields_keep_their_order)
{
    char payload[1024];
    size_t size = 0;
    struct http_head head;
    const char *why;
    for (int at = 0; at < 40; at++)
        size += (size_t)sprintf(payload + size, "X-%d: %d\n", at, at);
    payload[size++] = '\n';
    ck_assert_int_eq(http_head_read(payload, size, false, &head, &why), (int64_t)size);
    ck_assert_uint_eq(head.count, 40);
    for (int at = 0; at < 40; at++) {
        char want[16];
        snprintf(want, sizeof want, "%d", at);
        ck_assert_str_eq(head.fields[at].value, want);
        ck_assert_str_eq(head.fields[at].name + 2, want);
    }
    http_head_clear(&head);
}
END_TEST

START_TEST(some_answers_have_no_body)
{
    static const int without[] = {100, 101, 199, 204, 205, 304};
    static const int with[] = {200, 201, 206, 300, 301, 303, 305, 400, 404, 500, 599};
    for (size_t at = 0; at < sizeof without / sizeof *without; at++)
        ck_assert(!http_status_has_body(without[at], false));
    for (size_t at = 0; at < sizeof with / sizeof *with; at++) {
        ck_assert(http_status_has_body(with[at], false));
        ck_assert(!http_status_has_body(with[at], true));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_head");
    TCase *read = tcase_create("read");
    tcase_add_test(read, reads_every_vector);
    tcase_add_test(read, a_head_that_was_cleared_is_empty);
    tcase_add_test(read, forty_fields_keep_their_order);
    suite_add_tcase(suite, read);
    TCase *status = tcase_create("status");
    tcase_add_test(status, some_answers_have_no_body);
    suite_add_tcase(suite, status);
    return vectors_run(suite);
}
