#include "bindings/c/rw_private.h"
#include "common/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { S_LIMIT = 100, S_LIMIT_MAX = 10000 };

int rw_history(struct rw_app *self, const char *topic, const struct rw_history *options)
{
    struct wire_header header;
    unsigned limit = options->limit ? options->limit : S_LIMIT;
    wire_begin(&header, "GET");
    wire_add(&header, "history");
    size_t before = header.size + 1;
    wire_add_escaped(&header, topic);
    if (!*topic || header.size - before > RW_TOPIC_MAX || limit > S_LIMIT_MAX)
        return -EINVAL;
    if (options->since && (!*options->since || strpbrk(options->since, " \n")))
        return -EINVAL;
    if (options->since)
        wire_add_option(&header, "since", options->since);
    wire_add_option_u64(&header, "limit", limit);
    struct rw_command *command = rw_command_new(self, &header, NULL, 0);
    if (!command)
        return -EINVAL;
    command->history = *options;
    return rw_command_post(self, &command);
}

/* ---- what comes ---- */

/* RFC 4648 section 4: the six bits of a digit; 64: it is none. */
static unsigned s_digit(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (unsigned)(at - digits) : 64;
}

/* Turns base64 into the bytes that it stands for, in its own place; returns how many. */
static size_t s_decode(char *text)
{
    size_t used = 0;
    unsigned bits = 0, count = 0;
    for (const char *at = text; s_digit(*at) < 64; at++) {
        bits = (bits << 6 | s_digit(*at)) & 0xffff;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        text[used++] = (char)(bits >> count & 0xff);
    }
    return used;
}

static void s_give(const struct rw_history *history, const json_t *message)
{
    const char *position = json_string_value(json_object_get(message, "pos"));
    const json_t *text = json_object_get(message, "data");
    const char *coded = json_string_value(json_object_get(message, "base64"));
    if (!position || (!text && !coded) || !history->on_message)
        return;
    if (text) {
        history->on_message(history->context, position, json_string_value(text),
                            json_string_length(text));
        return;
    }
    char *data = mem_strdup(coded);
    size_t size = s_decode(data);
    history->on_message(history->context, position, data, size);
    free(data);
}

void rw_history_answered(const struct rw_history *history,
                         const struct wire_record *record)
{
    json_t *value = json_loadb(record->payload ? (const char *)record->payload : "",
                               record->payload_size, JSON_ALLOW_NUL, NULL);
    const json_t *list = json_object_get(value, "messages");
    size_t at;
    json_t *message;
    json_array_foreach(list, at, message)
    {
        s_give(history, message);
    }
    if (history->done)
        history->done(history->context, json_is_true(json_object_get(value, "more")),
                      json_is_array(list) ? NULL : "syntax");
    json_decref(value);
}
