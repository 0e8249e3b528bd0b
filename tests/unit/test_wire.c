#include "common/wire.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t s_from_hex(const char *hex, uint8_t *out)
{
    size_t size = 0;
    unsigned byte;
    while (sscanf(hex + 2 * size, "%2x", &byte) == 1) // NOLINT(cert-err34-c)
        out[size++] = (uint8_t)byte;
    return size;
}

static int s_read(const char *text, struct wire_record *record)
{
    return wire_read(text, strlen(text), record);
}

static struct wire_text s_text(const char *text)
{
    return (struct wire_text){text, strlen(text)};
}

/* The last token without its escapes, in hex, or EPROTO. */
static void s_describe_last(const struct wire_record *record, char *text, size_t room)
{
    char last[512];
    int size = wire_unescape(record->token[record->count - 1], last, sizeof last);
    if (size < 0) {
        snprintf(text, room, "%s", size == -EPROTO ? "EPROTO" : "?");
        return;
    }
    text[0] = 0;
    for (size_t at = 0; at < (size_t)size; at++)
        snprintf(text + 2 * at, room - 2 * at, "%02x", (unsigned char)last[at]);
}

static void s_describe(int got, const struct wire_record *record, char *text, size_t room)
{
    if (got < 0) {
        snprintf(text, room, "error=%s", got == -EPROTO ? "EPROTO" : "?");
        return;
    }
    char last[1024];
    char payload[32] = "none";
    s_describe_last(record, last, sizeof last);
    if (record->has_payload)
        snprintf(payload, sizeof payload, "%zu", record->payload_size);
    snprintf(text, room, "verb=%.*s tokens=%zu payload=%s last=%s",
             (int)record->token[0].size, record->token[0].data, record->count, payload,
             last);
}

/* Tokens and payload, put together again, are the input. */
static void s_is_made_of(const char *name, const struct wire_record *record,
                         const uint8_t *bytes, size_t size)
{
    uint8_t copy[1024];
    size_t at = 0;
    for (size_t token = 0; token < record->count; token++) {
        if (token)
            copy[at++] = ' ';
        memcpy(copy + at, record->token[token].data, record->token[token].size);
        at += record->token[token].size;
    }
    if (record->has_payload) {
        copy[at++] = '\n';
        memcpy(copy + at, record->payload, record->payload_size);
        at += record->payload_size;
    }
    ck_assert_msg(at == size && memcmp(copy, bytes, size) == 0, "%s: not the input",
                  name);
}

START_TEST(reads_every_vector)
{
    char path[512];
    char line[2048];
    char text[2048];
    int count = 0;
    snprintf(path, sizeof path, "%s/wire.tsv", getenv("VECTORS"));
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file)) {
        char *hex = strchr(line, '\t');
        char *want = hex ? strchr(hex + 1, '\t') : NULL;
        if (line[0] == '#' || !want)
            continue;
        *hex++ = 0;
        *want++ = 0;
        want[strcspn(want, "\n")] = 0;
        uint8_t bytes[1024];
        struct wire_record record;
        size_t size = s_from_hex(hex, bytes);
        int got = wire_read(bytes, size, &record);
        s_describe(got, &record, text, sizeof text);
        ck_assert_msg(strcmp(text, want) == 0, "%s: want %s, got %s", line, want, text);
        if (got == 0)
            s_is_made_of(line, &record, bytes, size);
        count++;
    }
    fclose(file);
    ck_assert_int_ge(count, 90);
}
END_TEST

START_TEST(takes_a_header_of_the_limit_and_none_over_it)
{
    static char bytes[WIRE_HEADER_MAX + 16];
    struct wire_record record;
    memset(bytes, 'A', sizeof bytes);
    bytes[4] = ' ';
    ck_assert_int_eq(wire_read(bytes, WIRE_HEADER_MAX, &record), 0);
    ck_assert_uint_eq(record.token[1].size, WIRE_HEADER_MAX - strlen("AAAA "));
    ck_assert_int_eq(wire_read(bytes, WIRE_HEADER_MAX + 1, &record), -EMSGSIZE);
    bytes[WIRE_HEADER_MAX] = '\n';
    ck_assert_int_eq(wire_read(bytes, WIRE_HEADER_MAX + 3, &record), 0);
    ck_assert_uint_eq(record.payload_size, 2);
    bytes[WIRE_HEADER_MAX] = 'A';
    bytes[WIRE_HEADER_MAX + 1] = '\n';
    ck_assert_int_eq(wire_read(bytes, WIRE_HEADER_MAX + 3, &record), -EMSGSIZE);
}
END_TEST

START_TEST(takes_as_many_tokens_as_the_limit_and_none_over_it)
{
    char bytes[2 * WIRE_TOKENS_MAX + 1]; // "A A A ... A"
    struct wire_record record;
    for (size_t at = 0; at < sizeof bytes; at++)
        bytes[at] = at % 2 ? ' ' : 'A';
    ck_assert_int_eq(wire_read(bytes, sizeof bytes - 2, &record), 0);
    ck_assert_uint_eq(record.count, WIRE_TOKENS_MAX);
    ck_assert_int_eq(wire_read(bytes, sizeof bytes, &record), -EMSGSIZE);
    ck_assert_uint_eq(record.count, WIRE_TOKENS_MAX);
}
END_TEST

START_TEST(a_payload_over_the_limit_leaves_the_tokens_for_an_answer)
{
    static char bytes[sizeof "PUB t id=7\n" + WIRE_PAYLOAD_MAX] = "PUB t id=7\n";
    size_t size = sizeof bytes;
    struct wire_record record;
    ck_assert_int_eq(wire_read(bytes, size, &record), -EFBIG);
    ck_assert(wire_is(wire_option(&record, 2, "id"), "7"));
    ck_assert_int_eq(wire_read(bytes, size - 1, &record), 0);
    ck_assert_uint_eq(record.payload_size, WIRE_PAYLOAD_MAX);
}
END_TEST

START_TEST(a_broken_record_keeps_the_tokens_before_the_fault)
{
    struct wire_record record;
    ck_assert_int_eq(s_read("SUB c id=7 \x01 x=y\npayload", &record), -EPROTO);
    ck_assert_uint_eq(record.count, 3);
    ck_assert(wire_is(wire_option(&record, 1, "id"), "7"));
    ck_assert_ptr_null(wire_option(&record, 1, "x").data);
    ck_assert(!record.has_payload);
    ck_assert_int_eq(s_read("sub c id=7", &record), -EPROTO);
    ck_assert_uint_eq(record.count, 0);
}
END_TEST

START_TEST(finds_an_option_by_its_whole_key)
{
    struct wire_record record;
    ck_assert_int_eq(s_read("SEND id=0 idx=1 id id=2 id=3 e= x=a=b", &record), 0);
    ck_assert(wire_is(wire_option(&record, 1, "id"), "0"));
    ck_assert(wire_is(wire_option(&record, 2, "id"), "2"));
    ck_assert(wire_is(wire_option(&record, 2, "x"), "a=b"));
    ck_assert_ptr_null(wire_option(&record, 2, "i").data);
    ck_assert_ptr_null(wire_option(&record, 99, "id").data);
    struct wire_text empty = wire_option(&record, 2, "e");
    ck_assert_ptr_nonnull(empty.data);
    ck_assert_uint_eq(empty.size, 0);
}
END_TEST

START_TEST(compares_the_whole_word)
{
    ck_assert(wire_is(s_text("SEND"), "SEND"));
    ck_assert(!wire_is(s_text("SEND"), "SEN"));
    ck_assert(!wire_is(s_text("SEN"), "SEND"));
    ck_assert(!wire_is(s_text(""), "SEND"));
}
END_TEST

START_TEST(unescapes_into_no_more_than_the_room)
{
    char out[4];
    memset(out, 'x', sizeof out);
    ck_assert_int_eq(wire_unescape(s_text("a%20b"), out, 4), 3);
    ck_assert_str_eq(out, "a b");
    ck_assert_int_eq(wire_unescape(s_text("a%20b"), out, 3), -EMSGSIZE);
    ck_assert_int_eq(wire_unescape(s_text(""), out, 1), 0);
    ck_assert_str_eq(out, "");
    ck_assert_int_eq(wire_unescape(s_text(""), out, 0), -EMSGSIZE);
    ck_assert_int_eq(wire_unescape(s_text("%0"), out, 4), -EPROTO);
}
END_TEST

START_TEST(reads_decimals_of_64_bits_and_no_more)
{
    uint64_t value = 7;
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1a",
                                      "0x1",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "000000000000000000001"};
    ck_assert_int_eq(wire_u64(s_text("0"), &value), 0);
    ck_assert_uint_eq(value, 0);
    ck_assert_int_eq(wire_u64(s_text("007"), &value), 0);
    ck_assert_uint_eq(value, 7);
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++)
        ck_assert_msg(wire_u64(s_text(bad[at]), &value) == -EPROTO, "%s", bad[at]);
    ck_assert_uint_eq(value, 7);
    ck_assert_int_eq(wire_u64(s_text("18446744073709551615"), &value), 0);
    ck_assert(value == UINT64_MAX);
}
END_TEST

START_TEST(reads_integers_with_a_sign_and_no_more)
{
    int value = 7;
    static const char *const bad[] = {"",   "-",          "--1",        "+1",
                                      "1-", "2147483648", "-2147483649"};
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++)
        ck_assert_msg(wire_int(s_text(bad[at]), &value) == -EPROTO, "%s", bad[at]);
    ck_assert_int_eq(value, 7);
    ck_assert_int_eq(wire_int(s_text("-1"), &value), 0);
    ck_assert_int_eq(value, -1);
    ck_assert_int_eq(wire_int(s_text("-2147483648"), &value), 0);
    ck_assert_int_eq(value, INT_MIN);
    ck_assert_int_eq(wire_int(s_text("2147483647"), &value), 0);
    ck_assert_int_eq(value, INT_MAX);
}
END_TEST

START_TEST(what_is_built_is_read_back)
{
    struct wire_header header;
    struct wire_record record;
    char text[64];
    wire_begin(&header, "PUB");
    wire_add(&header, "");
    wire_add_escaped(&header, "a b%\n\xC3\xA9");
    wire_add_escaped(&header, "");
    wire_add_text(&header, s_text("token"));
    wire_add_u64(&header, UINT64_MAX);
    wire_add_int(&header, INT_MIN);
    wire_add_int(&header, 0);
    wire_add_option(&header, "k", "x y");
    wire_add_option(&header, "e", "");
    wire_add_option_u64(&header, "n", 0);
    ck_assert(!header.overflow);
    ck_assert_uint_eq(header.size, strlen(header.text));
    ck_assert_str_eq(header.text, "PUB - a%20b%25%0A%C3%A9 - token 18446744073709551615 "
                                  "-2147483648 0 k=x%20y e= n=0");
    ck_assert_int_eq(wire_read(header.text, header.size, &record), 0);
    ck_assert_int_eq(wire_unescape(record.token[2], text, sizeof text), 7);
    ck_assert_str_eq(text, "a b%\n\xC3\xA9");
}
END_TEST

START_TEST(a_header_that_does_not_fit_is_marked_and_stays_in_bounds)
{
    static struct wire_header header;
    static char token[WIRE_HEADER_MAX + 2];
    memset(token, 'a', sizeof token - 1);
    wire_begin(&header, "X");
    token[WIRE_HEADER_MAX - 2] = 0;
    wire_add(&header, token);
    ck_assert(!header.overflow);
    ck_assert_uint_eq(header.size, WIRE_HEADER_MAX);
    wire_add_option(&header, "k", "v");
    ck_assert(header.overflow);
    ck_assert_uint_eq(strlen(header.text), WIRE_HEADER_MAX);

    token[WIRE_HEADER_MAX - 2] = 'a';
    wire_begin(&header, "X");
    wire_add_escaped(&header, token);
    ck_assert(header.overflow);
    wire_begin(&header, "X");
    wire_add(&header, token);
    ck_assert(header.overflow);
    wire_add(&header, "b");
    ck_assert_msg(header.overflow, "stays marked");
    wire_begin(&header, "X");
    ck_assert_msg(!header.overflow, "begins anew");
}
END_TEST

START_TEST(a_token_that_would_forge_others_is_marked)
{
    struct wire_header header;
    static const char *const bad[] = {"a b", "a\nb", "a\r", "\x7f", "\xC3\xA9"};
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++) {
        wire_begin(&header, "X");
        wire_add(&header, bad[at]);
        wire_add(&header, "good");
        ck_assert_msg(header.overflow, "%zu", at);
    }
}
END_TEST

/* Bytes are looked at by eight: each value at each place, in tokens around that size. */
START_TEST(every_byte_is_judged_wherever_it_stands)
{
    char text[32];
    struct wire_header header;
    struct wire_record record;
    for (size_t size = 1; size <= 20; size++)
        for (size_t place = 0; place < size; place++)
            for (int byte = 0; byte < 256; byte++) {
                bool good = byte >= 0x21 && byte <= 0x7E;
                memset(text, 'A', sizeof text);
                text[place + 2] = (char)byte;
                wire_begin(&header, "X");
                wire_add_text(&header, (struct wire_text){text + 2, size});
                ck_assert_int_eq(header.overflow, !good);
                text[1] = ' ';
                bool token = wire_read(text, size + 2, &record) == 0 &&
                             record.count == 2 && record.token[1].size == size;
                ck_assert_int_eq(token, good);
            }
}
END_TEST

START_TEST(a_line_is_a_token_and_a_number)
{
    char out[64];
    struct wire_text token = {"e1.01234567.a", 13};
    ck_assert_uint_eq(wire_line(out, token, 0), 16);
    ck_assert_int_eq(memcmp(out, "e1.01234567.a 0\n", 16), 0);
    ck_assert_uint_eq(wire_line(out, token, UINT64_MAX), token.size + WIRE_LINE_MORE);
    ck_assert_int_eq(memcmp(out, "e1.01234567.a 18446744073709551615\n", 35), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wire");
    TCase *reads = tcase_create("read");
    tcase_add_test(reads, reads_every_vector);
    tcase_add_test(reads, takes_a_header_of_the_limit_and_none_over_it);
    tcase_add_test(reads, takes_as_many_tokens_as_the_limit_and_none_over_it);
    tcase_add_test(reads, a_payload_over_the_limit_leaves_the_tokens_for_an_answer);
    tcase_add_test(reads, a_broken_record_keeps_the_tokens_before_the_fault);
    suite_add_tcase(suite, reads);
    TCase *tokens = tcase_create("token");
    tcase_add_test(tokens, finds_an_option_by_its_whole_key);
    tcase_add_test(tokens, compares_the_whole_word);
    tcase_add_test(tokens, unescapes_into_no_more_than_the_room);
    tcase_add_test(tokens, reads_decimals_of_64_bits_and_no_more);
    tcase_add_test(tokens, reads_integers_with_a_sign_and_no_more);
    suite_add_tcase(suite, tokens);
    TCase *builds = tcase_create("build");
    tcase_add_test(builds, what_is_built_is_read_back);
    tcase_add_test(builds, a_header_that_does_not_fit_is_marked_and_stays_in_bounds);
    tcase_add_test(builds, a_token_that_would_forge_others_is_marked);
    tcase_add_test(builds, every_byte_is_judged_wherever_it_stands);
    tcase_add_test(builds, a_line_is_a_token_and_a_number);
    suite_add_tcase(suite, builds);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
