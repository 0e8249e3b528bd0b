#include "gateway/topic_message.h"

#include "tests/support/vectors.h"

#include <errno.h>

#define CURSOR "4b1f0c9a77e2d310:17"

static void s_is(struct bytes *out, int result, const char *want)
{
    ck_assert_int_eq(result, 0);
    ck_assert_msg(out->size == strlen(want) && memcmp(out->data, want, out->size) == 0,
                  "want %s, got %.*s", want, (int)out->size, (const char *)out->data);
    bytes_clear(out);
}

START_TEST(text_travels_as_data)
{
    struct bytes out;
    bytes_init(&out, 4096);
    s_is(&out, topic_message_json(&out, CURSOR, "rooms/1", "hello", 5, false),
         "{\"cursor\":\"" CURSOR "\",\"topic\":\"rooms/1\",\"data\":\"hello\"}");
    s_is(&out, topic_message_json(&out, CURSOR, "a\"b", "\"\n", 2, false),
         "{\"cursor\":\"" CURSOR "\",\"topic\":\"a\\\"b\",\"data\":\"\\\"\\n\"}");
    s_is(&out, topic_message_json(&out, CURSOR, "t", "", 0, false),
         "{\"cursor\":\"" CURSOR "\",\"topic\":\"t\",\"data\":\"\"}");
}
END_TEST

START_TEST(binary_and_what_is_not_utf8_travels_as_base64)
{
    struct bytes out;
    bytes_init(&out, 4096);
    s_is(&out, topic_message_json(&out, CURSOR, "rooms/1", "\0\1\2", 3, true),
         "{\"cursor\":\"" CURSOR "\",\"topic\":\"rooms/1\",\"base64\":\"AAEC\"}");
    s_is(&out, topic_message_json(&out, CURSOR, "rooms/1", "abc", 3, true),
         "{\"cursor\":\"" CURSOR "\",\"topic\":\"rooms/1\",\"base64\":\"YWJj\"}");
    s_is(&out, topic_message_json(&out, CURSOR, "rooms/1", "\xff", 1, false),
         "{\"cursor\":\"" CURSOR "\",\"topic\":\"rooms/1\",\"base64\":\"/w==\"}");
}
END_TEST

START_TEST(the_first_frame_is_a_cursor_alone)
{
    struct bytes out;
    bytes_init(&out, 4096);
    s_is(&out, topic_message_ready_json(&out, CURSOR), "{\"cursor\":\"" CURSOR "\"}");
}
END_TEST

START_TEST(a_gap_tells_from_to_and_reason)
{
    struct bytes out;
    bytes_init(&out, 4096);
    struct gap gap = {.topic = "t", .from = "e:1", .to = "e:2", .reason = "history"};
    s_is(&out, topic_message_gap_json(&out, &gap),
         "{\"gap\":{\"topic\":\"t\",\"from\":\"e:1\",\"to\":\"e:2\","
         "\"reason\":\"history\"}}");
    gap = (struct gap){.from = "e:1", .to = "e:9", .reason = "slow", .count = 7};
    s_is(&out, topic_message_gap_json(&out, &gap),
         "{\"gap\":{\"from\":\"e:1\",\"to\":\"e:9\",\"reason\":\"slow\",\"count\":7}}");
}
END_TEST

START_TEST(what_was_sent_to_one_channel_has_no_topic)
{
    struct bytes out;
    bytes_init(&out, 4096);
    s_is(&out, topic_message_json(&out, CURSOR, NULL, "x", 1, false),
         "{\"cursor\":\"" CURSOR "\",\"data\":\"x\"}");
}
END_TEST

START_TEST(a_limit_is_told_wherever_it_strikes)
{
    struct bytes out;
    int result = -1;
    size_t limit = 0;
    for (; result < 0; limit++) {
        bytes_init(&out, limit);
        result = topic_message_json(&out, "c", "t", "d", 1, false);
        ck_assert(result == 0 || result == -EMSGSIZE);
        bytes_clear(&out);
    }
    ck_assert_uint_eq(limit - 1,
                      strlen("{\"cursor\":\"c\",\"topic\":\"t\",\"data\":\"d\"}"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("topic_message");
    TCase *json = tcase_create("json");
    tcase_add_test(json, text_travels_as_data);
    tcase_add_test(json, binary_and_what_is_not_utf8_travels_as_base64);
    tcase_add_test(json, the_first_frame_is_a_cursor_alone);
    tcase_add_test(json, a_gap_tells_from_to_and_reason);
    tcase_add_test(json, what_was_sent_to_one_channel_has_no_topic);
    tcase_add_test(json, a_limit_is_told_wherever_it_strikes);
    suite_add_tcase(suite, json);
    return vectors_run(suite);
}
