#include "gateway/sse_event.h"

#include "tests/support/vectors.h"

#include <errno.h>

/* id, event and data of a vector; an empty id or event is none. */
struct s_event {
    const char *id, *event;
    const uint8_t *data;
    size_t size;
};

static struct s_event s_event(const struct vector *vector)
{
    const char *id = (const char *)vector->data;
    const char *event = id + strlen(id) + 1;
    const char *data = event + strlen(event) + 1;
    struct s_event result = {.id = *id ? id : NULL, .event = *event ? event : NULL};
    result.data = (const uint8_t *)data;
    result.size = vector->size - (size_t)(data - id);
    return result;
}

static void s_check(const struct vector *vector)
{
    struct s_event event = s_event(vector);
    struct vectors_text text = {.size = 0};
    struct bytes out;
    bytes_init(&out, 4096);
    ck_assert_int_eq(sse_event_write(&out, event.id, event.event, event.data, event.size),
                     0);
    for (size_t at = 0; at < out.size; at++) {
        if (out.data[at] == '\n')
            vectors_add(&text, "\\n");
        else
            vectors_add(&text, out.data[at] < 0x20 ? "\\x%02x" : "%c", out.data[at]);
    }
    bytes_clear(&out);
    vectors_same(vector, text.text);
}

START_TEST(writes_every_vector)
{
    vectors_each("sse_event", 15, s_check);
}
END_TEST

START_TEST(a_limit_is_told_wherever_it_strikes)
{
    struct bytes out;
    int result = -1;
    size_t limit = 0;
    for (; result < 0; limit++) {
        bytes_init(&out, limit);
        result = sse_event_write(&out, "1", "gap", "a\nb", 3);
        ck_assert(result == 0 || result == -EMSGSIZE);
        bytes_clear(&out);
    }
    ck_assert_uint_eq(limit - 1, strlen("id: 1\nevent: gap\ndata: a\ndata: b\n\n"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sse_event");
    TCase *write = tcase_create("write");
    tcase_add_test(write, writes_every_vector);
    tcase_add_test(write, a_limit_is_told_wherever_it_strikes);
    suite_add_tcase(suite, write);
    return vectors_run(suite);
}
