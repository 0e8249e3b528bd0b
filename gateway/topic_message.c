#include "gateway/topic_message.h"

#include "gateway/json_text.h"
#include "gateway/utf8.h"

#include <string.h>

/* `before`, which is JSON, and then the text as a string. */
static int s_member(struct bytes *out, const char *before, const char *text)
{
    int result = bytes_append(out, before, strlen(before));
    return result < 0 ? result : json_text_write(out, text, strlen(text));
}

// NOLINTNEXTLINE(readability-function-size): a publication has these parts
int topic_message_json(struct bytes *out, const char *cursor, const char *topic,
                       const void *data, size_t size, bool is_binary)
{
    bool as_text = !is_binary && utf8_is_valid(data, size);
    const char *key = as_text ? ",\"data\":" : ",\"base64\":";
    int result = s_member(out, "{\"cursor\":", cursor);
    if (result == 0 && topic)
        result = s_member(out, ",\"topic\":", topic);
    if (result == 0)
        result = bytes_append(out, key, strlen(key));
    if (result == 0)
        result = as_text ? json_text_write(out, data, size)
                         : json_text_write_base64(out, data, size);
    return result < 0 ? result : bytes_append(out, "}", 1);
}

int topic_message_ready_json(struct bytes *out, const char *cursor)
{
    int result = s_member(out, "{\"cursor\":", cursor);
    return result < 0 ? result : bytes_append(out, "}", 1);
}

int topic_message_gap_json(struct bytes *out, const struct gap *gap)
{
    int result = bytes_append(out, "{\"gap\":{", 8);
    if (result == 0 && gap->topic)
        result = s_member(out, "\"topic\":", gap->topic);
    if (result == 0)
        result = s_member(out, gap->topic ? ",\"from\":" : "\"from\":", gap->from);
    if (result == 0)
        result = s_member(out, ",\"to\":", gap->to);
    if (result == 0)
        result = s_member(out, ",\"reason\":", gap->reason);
    if (result == 0 && gap->count > 0)
        result = bytes_printf(out, ",\"count\":%llu", (unsigned long long)gap->count);
    return result < 0 ? result : bytes_append(out, "}}", 2);
}
