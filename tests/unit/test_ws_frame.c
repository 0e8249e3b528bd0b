#include "gateway/ws_frame.h"

#include "tests/support/vectors.h"

#include <errno.h>

static void s_describe(int got, const struct ws_frame *frame, char *text, size_t room)
{
    if (got == -EPROTO)
        snprintf(text, room, "error=EPROTO");
    else if (got == 0)
        snprintf(text, room, "header=0");
    else
        snprintf(text, room, "header=%d fin=%d rsv=%d opcode=%d masked=%d length=%llu",
                 got, frame->fin, frame->rsv, frame->opcode, frame->masked,
                 (unsigned long long)frame->length);
}

/* What any part of the vector says is not undone by the bytes that follow. */
static void s_check(const struct vector *vector)
{
    struct ws_frame frame;
    char text[256];
    int got = 0;
    for (size_t size = 0; size <= vector->size && got == 0; size++) {
        uint8_t *part = vectors_copy(vector->data, size);
        got = ws_frame_read(part, size, &frame);
        free(part);
    }
    s_describe(got, &frame, text, sizeof text);
    vectors_same(vector, text);
    s_describe(ws_frame_read(vector->data, vector->size, &frame), &frame, text,
               sizeof text);
    vectors_same(vector, text);
}

START_TEST(reads_every_vector_whole_and_byte_by_byte)
{
    vectors_each("ws_frame", 28, s_check);
}
END_TEST

START_TEST(waits_for_every_byte_of_a_header)
{
    const uint8_t bytes[] = {0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4};
    struct ws_frame frame;
    for (size_t size = 0; size < sizeof bytes; size++)
        ck_assert_int_eq(ws_frame_read(bytes, size, &frame), 0);
    ck_assert_int_eq(ws_frame_read(bytes, sizeof bytes, &frame), WS_HEADER_MAX);
    ck_assert_mem_eq(frame.mask, bytes + 10, 4);
}
END_TEST

START_TEST(writes_what_it_reads)
{
    static const uint64_t lengths[] = {0,       1,        125,        126,
                                       127,     65535,    65536,      65537,
                                       1 << 24, 1u << 31, 1ull << 32, INT64_MAX};
    static const int sizes[] = {2, 2, 2, 4, 4, 4, 10, 10, 10, 10, 10, 10};
    for (size_t at = 0; at < sizeof lengths / sizeof *lengths; at++) {
        uint8_t bytes[WS_HEADER_MAX];
        struct ws_frame frame;
        int size = ws_frame_write(WS_BINARY, lengths[at], bytes);
        ck_assert_int_eq(size, sizes[at]);
        ck_assert_int_eq(ws_frame_read(bytes, (size_t)size, &frame), size);
        ck_assert_uint_eq(frame.length, lengths[at]);
        ck_assert_uint_eq(frame.opcode, WS_BINARY);
        ck_assert(frame.fin && !frame.masked && frame.rsv == 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ws_frame");
    TCase *reads = tcase_create("read");
    tcase_add_test(reads, reads_every_vector_whole_and_byte_by_byte);
    tcase_add_test(reads, waits_for_every_byte_of_a_header);
    suite_add_tcase(suite, reads);
    TCase *writes = tcase_create("write");
    tcase_add_test(writes, writes_what_it_reads);
    suite_add_tcase(suite, writes);
    return vectors_run(suite);
}
