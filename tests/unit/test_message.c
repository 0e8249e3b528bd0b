#include "gateway/message.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct message s_message(const char *text)
{
    return (struct message){.data = (const uint8_t *)text,
                            .size = strlen(text),
                            .topic = "rooms/1",
                            .cursor = "e:7"};
}

static void s_gives(struct message *message, enum message_form form, const char *want)
{
    struct blob *blob = message_form(message, form);
    ck_assert_ptr_nonnull(blob);
    ck_assert_msg(blob->size == strlen(want) && memcmp(blob->data, want, blob->size) == 0,
                  "form %d: %.*s", form, (int)blob->size, (const char *)blob->data);
    blob_unref(&blob);
}

START_TEST(encodes_each_form_as_its_carrier_needs_it)
{
    struct message message = s_message("hi");
    s_gives(&message, MESSAGE_RAW, "hi");
    s_gives(&message, MESSAGE_CHUNK, "2\r\nhi\r\n");
    s_gives(&message, MESSAGE_WS, "\x81\x02hi");
    s_gives(&message, MESSAGE_SSE, "data: hi\n\n");
    s_gives(&message, MESSAGE_SSE_CHUNK, "a\r\ndata: hi\n\n\r\n");
    s_gives(&message, MESSAGE_LINE, "hi\n");
    s_gives(&message, MESSAGE_LINE_CHUNK, "3\r\nhi\n\r\n");
    s_gives(&message, MESSAGE_TOPIC_JSON,
            "{\"cursor\":\"e:7\",\"topic\":\"rooms/1\",\"data\":\"hi\"}");
    s_gives(&message, MESSAGE_TOPIC_SSE, "id: e:7\ndata: hi\n\n");
    message_clear(&message);
}
END_TEST

START_TEST(a_form_is_made_once_and_shared)
{
    struct message message = s_message("hi");
    struct blob *first = message_form(&message, MESSAGE_WS);
    struct blob *second = message_form(&message, MESSAGE_WS);
    ck_assert_ptr_eq(first, second);
    message_clear(&message);
    ck_assert_uint_eq(first->refs, 2);
    blob_unref(&first);
    blob_unref(&second);
}
END_TEST

START_TEST(what_is_not_text_is_base64_where_only_text_can_be)
{
    struct message message = s_message("\xff\x01");
    ck_assert(!message_is_text(&message));
    s_gives(&message, MESSAGE_TOPIC_JSON,
            "{\"cursor\":\"e:7\",\"topic\":\"rooms/1\",\"base64\":\"/wE=\"}");
    s_gives(&message, MESSAGE_TOPIC_SSE, "id: e:7\nevent: binary\ndata: /wE=\n\n");
    message_clear(&message);
}
END_TEST

START_TEST(a_binary_message_is_a_binary_frame)
{
    struct message message = s_message("hi");
    message.is_binary = true;
    s_gives(&message, MESSAGE_WS, "\x82\x02hi");
    message_clear(&message);
}
END_TEST

START_TEST(a_part_begins_behind_its_offset)
{
    struct message whole = s_message("head body");
    struct message part = message_part(&whole, 5);
    s_gives(&part, MESSAGE_RAW, "body");
    message_clear(&part);
    message_clear(&whole);
}
END_TEST

START_TEST(an_empty_message_is_an_empty_frame)
{
    struct message message = s_message("");
    struct blob *blob = message_form(&message, MESSAGE_WS);
    ck_assert_uint_eq(blob->size, 2);
    ck_assert_mem_eq(blob->data, "\x81\x00", 2);
    blob_unref(&blob);
    message_clear(&message);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("message");
    TCase *tests = tcase_create("message");
    tcase_add_test(tests, encodes_each_form_as_its_carrier_needs_it);
    tcase_add_test(tests, a_form_is_made_once_and_shared);
    tcase_add_test(tests, what_is_not_text_is_base64_where_only_text_can_be);
    tcase_add_test(tests, a_binary_message_is_a_binary_frame);
    tcase_add_test(tests, a_part_begins_behind_its_offset);
    tcase_add_test(tests, an_empty_message_is_an_empty_frame);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
