#include "gateway/utf8.h"

#include "tests/support/vectors.h"

/* What the bytes are, one by one. */
static void s_describe(const struct vector *vector, char *text, size_t room)
{
    struct utf8 state;
    utf8_init(&state);
    for (size_t at = 0; at < vector->size; at++)
        if (!utf8_feed(&state, vector->data + at, 1)) {
            snprintf(text, room, "invalid=%zu", at);
            return;
        }
    snprintf(text, room, "%s", utf8_is_complete(&state) ? "valid" : "unfinished");
}

/* The first wrong byte is found in the part that has it, and not before. */
static void s_check_split(const struct vector *vector, size_t split)
{
    struct utf8 state;
    size_t wrong = SIZE_MAX;
    (void)sscanf(vector->want, "invalid=%zu", &wrong); // NOLINT(cert-err34-c)
    utf8_init(&state);
    bool first = utf8_feed(&state, vector->data, split);
    ck_assert_msg(first == (wrong >= split), "%s: split at %zu", vector->name, split);
    if (!first)
        return;
    bool second = utf8_feed(&state, vector->data + split, vector->size - split);
    ck_assert_msg(second == (wrong == SIZE_MAX), "%s: split at %zu", vector->name, split);
}

static void s_check(const struct vector *vector)
{
    char text[64];
    s_describe(vector, text, sizeof text);
    vectors_same(vector, text);
    for (size_t split = 0; split <= vector->size; split++)
        s_check_split(vector, split);
    ck_assert_int_eq(utf8_is_valid(vector->data, vector->size),
                     strcmp(vector->want, "valid") == 0);
}

START_TEST(judges_every_vector_whole_split_and_byte_by_byte)
{
    vectors_each("utf8", 38, s_check);
}
END_TEST

/* U+0000 to U+10FFFF without the surrogates, as RFC 3629 section 3 writes them. */
static size_t s_encode(uint32_t code, uint8_t out[4])
{
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t start[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t at = size; at-- > 1; code >>= 6)
        out[at] = (uint8_t)(0x80 | (code & 0x3F));
    out[0] = (uint8_t)(start[size] | code);
    return size;
}

START_TEST(takes_every_character_and_no_surrogate)
{
    uint8_t bytes[4];
    for (uint32_t code = 0; code < 0x110100; code++) {
        size_t size = s_encode(code, bytes);
        bool is_character = code < 0x110000 && (code < 0xD800 || code > 0xDFFF);
        if (utf8_is_valid(bytes, size) != is_character)
            ck_abort_msg("U+%04X", code);
    }
}
END_TEST

START_TEST(finds_a_wrong_byte_at_every_place_of_a_word)
{
    for (size_t size = 1; size < 40; size++)
        for (size_t at = 0; at < size; at++) {
            uint8_t bytes[40];
            memset(bytes, 'a', sizeof bytes);
            ck_assert(utf8_is_valid(bytes, size));
            bytes[at] = 0xFF;
            ck_assert(!utf8_is_valid(bytes, size));
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("utf8");
    TCase *feed = tcase_create("feed");
    tcase_add_test(feed, judges_every_vector_whole_split_and_byte_by_byte);
    tcase_add_test(feed, takes_every_character_and_no_surrogate);
    tcase_add_test(feed, finds_a_wrong_byte_at_every_place_of_a_word);
    suite_add_tcase(suite, feed);
    return vectors_run(suite);
}
