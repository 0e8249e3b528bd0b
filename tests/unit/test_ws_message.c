#include "gateway/ws_message.h"

#include "gateway/ws_frame.h"
#include "tests/support/vectors.h"

#include <malloc.h>

enum { LIMIT = 100 }; // bytes of a message in the vectors

static const uint8_t s_mask[4] = {0x37, 0xfa, 0x21, 0x3d};

static void s_describe(const struct ws_event *event, struct vectors_text *out)
{
    static const char *const names[] = {
        [WS_EVENT_TEXT] = "text",   [WS_EVENT_BINARY] = "binary",
        [WS_EVENT_PING] = "ping",   [WS_EVENT_PONG] = "pong",
        [WS_EVENT_CLOSE] = "close", [WS_EVENT_FAILED] = "failed"};
    vectors_add(out, "%s%s=", out->size ? " " : "", names[event->kind]);
    if (event->kind == WS_EVENT_CLOSE)
        vectors_add(out, "%u:", event->code);
    if (event->kind == WS_EVENT_FAILED) {
        ck_assert_uint_gt(strlen(event->reason), 0);
        vectors_add(out, "%u", event->code);
        return;
    }
    vectors_add_hex(out, event->data, event->size);
}

/* Feeds one read; every call but the last of a read gives an event. */
static void s_feed(struct ws_message *reader, const uint8_t *data, size_t size,
                   struct vectors_text *out)
{
    uint8_t *copy = vectors_copy(data, size); // unmasked in place
    struct ws_event event = {.kind = WS_EVENT_PING};
    size_t at = 0;
    while (event.kind != WS_EVENT_NONE) {
        size_t used = ws_message_read(reader, copy + at, size - at, &event);
        ck_assert_uint_le(used, size - at);
        at += used;
        if (event.kind != WS_EVENT_NONE)
            s_describe(&event, out);
    }
    ck_assert_uint_eq(at, size);
    free(copy);
}

/* Feeds two reads, or single bytes from `split` on. */
static void s_check_split(const struct vector *vector, size_t split, bool byte_by_byte)
{
    struct ws_message *reader = ws_message_new(LIMIT);
    struct vectors_text got = {.size = 0};
    size_t step = byte_by_byte ? 1 : vector->size - split;
    s_feed(reader, vector->data, split, &got);
    for (size_t at = split; at < vector->size; at += step)
        s_feed(reader, vector->data + at, step, &got);
    ws_message_destroy(&reader);
    ck_assert_ptr_null(reader);
    const char *text = got.size ? got.text : "none";
    ck_assert_msg(strcmp(vector->want, text) == 0, "%s at %zu: want %s, got %s",
                  vector->name, split, vector->want, text);
}

static void s_check(const struct vector *vector)
{
    for (size_t split = 0; split <= vector->size; split++)
        s_check_split(vector, split, false);
    s_check_split(vector, 0, true);
    s_check_split(vector, vector->size / 2, true);
}

START_TEST(gives_the_events_of_every_vector_at_every_split)
{
    vectors_each("ws_message", 110, s_check);
}
END_TEST

/* A client's frame; returns its size. */
static size_t s_frame(uint8_t *out, uint8_t opcode, const uint8_t *data, size_t size)
{
    int head = ws_frame_write(opcode, size, out);
    out[1] |= 0x80;
    memcpy(out + head, s_mask, 4);
    uint8_t *payload = out + head + 4;
    for (size_t at = 0; at < size; at++)
        payload[at] = data[at] ^ s_mask[at % 4];
    return (size_t)head + 4 + size;
}

START_TEST(every_length_is_unmasked_right_at_every_alignment)
{
    uint8_t data[64];
    uint8_t input[128];
    for (size_t at = 0; at < sizeof data; at++)
        data[at] = (uint8_t)(at * 7);
    for (size_t size = 0; size <= sizeof data; size++)
        for (size_t shift = 0; shift < 8; shift++) {
            struct ws_message *reader = ws_message_new(1000);
            struct ws_event event;
            size_t total = s_frame(input + shift, WS_BINARY, data, size);
            ck_assert_uint_eq(ws_message_read(reader, input + shift, total, &event),
                              total);
            ck_assert_int_eq(event.kind, WS_EVENT_BINARY);
            ck_assert_uint_eq(event.size, size);
            ck_assert(size == 0 || memcmp(event.data, data, size) == 0);
            ws_message_destroy(&reader);
        }
}
END_TEST

START_TEST(a_message_of_many_reads_is_whole)
{
    enum { SIZE = 300000 };
    uint8_t *data = malloc(SIZE);
    uint8_t *input = malloc(SIZE + WS_HEADER_MAX);
    struct ws_event event = {.kind = WS_EVENT_NONE};
    for (size_t at = 0; at < SIZE; at++)
        data[at] = (uint8_t)(at * 31 >> 3);
    size_t total = s_frame(input, WS_BINARY, data, SIZE);
    struct ws_message *reader = ws_message_new(SIZE);
    for (size_t at = 0; at < total;) {
        ck_assert_int_eq(event.kind, WS_EVENT_NONE);
        size_t part = 1 + at % 5003;
        part = part < total - at ? part : total - at;
        ck_assert_uint_eq(ws_message_read(reader, input + at, part, &event), part);
        at += part;
    }
    ck_assert_int_eq(event.kind, WS_EVENT_BINARY);
    ck_assert_uint_eq(event.size, SIZE);
    ck_assert_mem_eq(event.data, data, SIZE);
    ws_message_destroy(&reader);
    free(data);
    free(input);
}
END_TEST

START_TEST(a_message_that_lies_whole_in_the_input_is_not_copied)
{
    uint8_t input[64];
    struct ws_event event;
    struct ws_message *reader = ws_message_new(1000);
    size_t total = s_frame(input, WS_TEXT, (const uint8_t *)"hello", 5);
    ws_message_read(reader, input, total, &event);
    ck_assert_ptr_eq(event.data, input + total - 5);
    total = s_frame(input, WS_PING, (const uint8_t *)"hello", 5);
    ws_message_read(reader, input, total, &event);
    ck_assert_ptr_eq(event.data, input + total - 5);
    ws_message_destroy(&reader);
}
END_TEST

START_TEST(text_fails_at_the_first_byte_that_cannot_be_right)
{
    static const uint8_t text[] = {'o', 'k', 0xC3, 0xA9, 0xF4, 0x90, 'x', 'y'};
    uint8_t input[64];
    struct ws_event event;
    struct ws_message *reader = ws_message_new(1000);
    size_t total = s_frame(input, WS_TEXT, text, sizeof text);
    size_t wrong = total - 3; // 0x90 cannot follow 0xF4
    ck_assert_uint_eq(ws_message_read(reader, input, wrong, &event), wrong);
    ck_assert_int_eq(event.kind, WS_EVENT_NONE);
    ws_message_read(reader, input + wrong, 1, &event);
    ck_assert_int_eq(event.kind, WS_EVENT_FAILED);
    ck_assert_uint_eq(event.code, 1007);
    ws_message_destroy(&reader);
}
END_TEST

START_TEST(a_header_over_the_limit_fails_before_any_payload)
{
    const uint8_t bytes[] = {0x82, 0xFE, 0, 126, 1, 2, 3, 4};
    uint8_t input[sizeof bytes];
    struct ws_event event;
    struct ws_message *reader = ws_message_new(LIMIT);
    memcpy(input, bytes, sizeof input);
    ws_message_read(reader, input, sizeof input, &event);
    ck_assert_int_eq(event.kind, WS_EVENT_FAILED);
    ck_assert_uint_eq(event.code, 1009);
    ws_message_destroy(&reader);
}
END_TEST

static size_t s_heap(void)
{
    return mallinfo2().uordblks;
}

/* A sanitizer's allocator does not count for mallinfo2: then there is nothing to compare.
 */
START_TEST(memory_follows_the_bytes_that_came_and_goes_with_the_message)
{
    enum { ANNOUNCED = 4 << 20, CAME = 1000 };
    uint8_t input[CAME + WS_HEADER_MAX];
    struct ws_event event;
    struct ws_message *reader = ws_message_new(ANNOUNCED);
    ws_message_read(reader, NULL, 0, &event);
    size_t before = s_heap();
    int head = ws_frame_write(WS_BINARY, ANNOUNCED, input);
    input[1] |= 0x80;
    memset(input + head, 0, CAME);
    ws_message_read(reader, input, (size_t)head + CAME, &event);
    ck_assert_int_eq(event.kind, WS_EVENT_NONE);
    ck_assert_uint_le(s_heap() - before, (size_t)4 * CAME);
    ws_message_destroy(&reader);

    reader = ws_message_new(ANNOUNCED);
    for (int round = 0; round < 3; round++) {
        /* The allocator keeps what was freed at hand and counts it: the first round fills
         * that store. */
        if (round == 1)
            before = s_heap();
        size_t total = s_frame(input, WS_BINARY, (const uint8_t *)"hello", 5);
        ws_message_read(reader, input, 8, &event);
        ws_message_read(reader, input + 8, total - 8, &event);
        ck_assert_int_eq(event.kind, WS_EVENT_BINARY);
        ws_message_read(reader, NULL, 0, &event);
        ck_assert_int_eq(event.kind, WS_EVENT_NONE);
    }
    ck_assert_uint_eq(s_heap(), before);
    ws_message_destroy(&reader);
}
END_TEST

START_TEST(codes_that_may_be_sent_are_those_of_the_standard)
{
    for (int code = -1; code < 70000; code++) {
        bool named = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
        bool is_open = code >= 3000 && code <= 4999;
        if (ws_close_code_is_valid(code) != (named || is_open))
            ck_abort_msg("%d", code);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ws_message");
    TCase *reads = tcase_create("read");
    tcase_set_timeout(reads, 60);
    tcase_add_test(reads, gives_the_events_of_every_vector_at_every_split);
    tcase_add_test(reads, every_length_is_unmasked_right_at_every_alignment);
    tcase_add_test(reads, a_message_of_many_reads_is_whole);
    tcase_add_test(reads, text_fails_at_the_first_byte_that_cannot_be_right);
    tcase_add_test(reads, a_header_over_the_limit_fails_before_any_payload);
    suite_add_tcase(suite, reads);
    TCase *memory = tcase_create("memory");
    tcase_add_test(memory, a_message_that_lies_whole_in_the_input_is_not_copied);
    tcase_add_test(memory, memory_follows_the_bytes_that_came_and_goes_with_the_message);
    suite_add_tcase(suite, memory);
    TCase *codes = tcase_create("codes");
    tcase_add_test(codes, codes_that_may_be_sent_are_those_of_the_standard);
    suite_add_tcase(suite, codes);
    return vectors_run(suite);
}
