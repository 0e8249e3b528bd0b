#include "gateway/json_text.h"

#include "tests/support/vectors.h"

#include <errno.h>
#include <jansson.h>

typedef int s_writer(struct bytes *out, const void *data, size_t size);

/* What a JSON reader makes of what was written; the size in bytes goes to *size_out. */
static char *s_read_back(s_writer *write, const void *data, size_t size, size_t *size_out)
{
    struct bytes out;
    bytes_init(&out, 1 << 20);
    ck_assert_int_eq(write(&out, data, size), 0);
    json_error_t error;
    json_t *value = json_loadb((const char *)out.data, out.size,
                               JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    ck_assert_msg(value && json_is_string(value), "%s", error.text);
    *size_out = json_string_length(value);
    char *copy = (char *)vectors_copy(json_string_value(value), *size_out);
    json_decref(value);
    bytes_clear(&out);
    return copy;
}

static void s_is_written_as(s_writer *write, const void *data, size_t size,
                            const char *want)
{
    struct bytes out;
    bytes_init(&out, 4096);
    ck_assert_int_eq(write(&out, data, size), 0);
    ck_assert_uint_eq(out.size, strlen(want));
    ck_assert_mem_eq(out.data, want, out.size);
    bytes_clear(&out);
}

START_TEST(every_ascii_byte_comes_back)
{
    char text[128];
    size_t size;
    for (int at = 0; at < 128; at++)
        text[at] = (char)at;
    char *got = s_read_back(json_text_write, text, sizeof text, &size);
    ck_assert_uint_eq(size, sizeof text);
    ck_assert_mem_eq(got, text, size);
    free(got);
}
END_TEST

START_TEST(control_characters_quotes_and_backslashes_are_escaped)
{
    s_is_written_as(json_text_write, "\b\t\n\f\r\"\\/\x01\x1f\x7f", 11,
                    "\"\\b\\t\\n\\f\\r\\\"\\\\/\\u0001\\u001f\\u007f\"");
    s_is_written_as(json_text_write, "", 0, "\"\"");
}
END_TEST

START_TEST(text_beyond_ascii_stays_as_it_is)
{
    s_is_written_as(json_text_write, "κ😀", 6, "\"κ😀\"");
}
END_TEST

START_TEST(every_latin1_byte_becomes_its_character)
{
    for (int byte = 0x80; byte < 0x100; byte++) {
        char in[] = {'a', (char)byte};
        const char want[] = {'a', (char)(0xC0 | byte >> 6), (char)(0x80 | (byte & 0x3F))};
        size_t size;
        char *got = s_read_back(json_text_write_latin1, in, sizeof in, &size);
        ck_assert_uint_eq(size, sizeof want);
        ck_assert_mem_eq(got, want, size);
        free(got);
    }
}
END_TEST

/* RFC 4648 section 10. */
START_TEST(base64_has_the_padding_of_the_standard)
{
    static const char *const pairs[][2] = {
        {"", "\"\""},
        {"f", "\"Zg==\""},
        {"fo", "\"Zm8=\""},
        {"foo", "\"Zm9v\""},
        {"foob", "\"Zm9vYg==\""},
        {"fooba", "\"Zm9vYmE=\""},
        {"foobar", "\"Zm9vYmFy\""},
        {"\xfb\xff\xbf", "\"+/+/\""},
    };
    for (size_t at = 0; at < sizeof pairs / sizeof *pairs; at++)
        s_is_written_as(json_text_write_base64, pairs[at][0], strlen(pairs[at][0]),
                        pairs[at][1]);
}
END_TEST

START_TEST(long_base64_has_no_seams)
{
    static uint8_t zeros[4000];
    for (size_t size = 700; size < sizeof zeros; size += 67) {
        struct bytes out;
        bytes_init(&out, 8192);
        ck_assert_int_eq(json_text_write_base64(&out, zeros, size), 0);
        ck_assert_uint_eq(out.size, 2 + (size + 2) / 3 * 4);
        size_t letters = (size * 8 + 5) / 6;
        for (size_t at = 1; at + 1 < out.size; at++)
            if (out.data[at] != (at <= letters ? 'A' : '='))
                ck_abort_msg("byte %zu of %zu", at, out.size);
        bytes_clear(&out);
    }
}
END_TEST

START_TEST(a_limit_is_told_wherever_it_strikes)
{
    struct bytes out;
    for (size_t limit = 0; limit < 8; limit++) {
        bytes_init(&out, limit);
        ck_assert_int_eq(json_text_write(&out, "ab\ncd", 5), -EMSGSIZE);
        bytes_clear(&out);
        bytes_init(&out, limit < 5 ? limit : 5);
        ck_assert_int_eq(json_text_write_base64(&out, "abc", 3), -EMSGSIZE);
        bytes_clear(&out);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_text");
    TCase *text = tcase_create("text");
    tcase_add_test(text, every_ascii_byte_comes_back);
    tcase_add_test(text, control_characters_quotes_and_backslashes_are_escaped);
    tcase_add_test(text, text_beyond_ascii_stays_as_it_is);
    tcase_add_test(text, every_latin1_byte_becomes_its_character);
    tcase_add_test(text, a_limit_is_told_wherever_it_strikes);
    suite_add_tcase(suite, text);
    TCase *base64 = tcase_create("base64");
    tcase_add_test(base64, base64_has_the_padding_of_the_standard);
    tcase_add_test(base64, long_base64_has_no_seams);
    suite_add_tcase(suite, base64);
    return vectors_run(suite);
}
