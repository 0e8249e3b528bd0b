#include "gateway/message.h"

#include "common/bytes.h"
#include "gateway/json_text.h"
#include "gateway/sse_event.h"
#include "gateway/topic_message.h"
#include "gateway/utf8.h"
#include "gateway/ws_frame.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct message message_part(const struct message *self, size_t offset)
{
    return (struct message){.data = self->data + offset,
                            .size = self->size - offset,
                            .source = self->source,
                            .is_binary = self->is_binary};
}

void message_clear(struct message *self)
{
    for (size_t at = 0; at < MESSAGE_FORMS; at++)
        blob_unref(&self->form[at]);
}

bool message_is_text(struct message *self)
{
    if (self->text_state == 0)
        self->text_state = utf8_is_valid(self->data, self->size) ? 1 : -1;
    return self->text_state > 0;
}

struct blob *message_chunk(const void *data, size_t size)
{
    char head[24];
    int head_size = snprintf(head, sizeof head, "%zx\r\n", size);
    struct blob *blob = blob_new(NULL, (size_t)head_size + size + 2);
    if (!blob)
        return NULL;
    memcpy(blob->data, head, (size_t)head_size);
    memcpy(blob->data + head_size, data, size);
    memcpy(blob->data + head_size + size, "\r\n", 2);
    return blob;
}

struct blob *message_ws_frame(uint8_t opcode, const void *data, size_t size)
{
    uint8_t head[WS_HEADER_MAX];
    size_t head_size = (size_t)ws_frame_write(opcode, size, head);
    struct blob *blob = blob_new(NULL, head_size + size);
    if (!blob)
        return NULL;
    memcpy(blob->data, head, head_size);
    if (size > 0)
        memcpy(blob->data + head_size, data, size);
    return blob;
}

static struct blob *s_line(const void *data, size_t size)
{
    struct blob *blob = blob_new(NULL, size + 1);
    if (!blob)
        return NULL;
    if (size > 0)
        memcpy(blob->data, data, size);
    blob->data[size] = '\n';
    return blob;
}

static struct blob *s_from_bytes(struct bytes *bytes, int result)
{
    struct blob *blob = result < 0 ? NULL : blob_new(bytes->data, bytes->size);
    bytes_clear(bytes);
    return blob;
}

static struct blob *s_topic_json(struct message *self)
{
    struct bytes bytes;
    bytes_init(&bytes, SIZE_MAX);
    bool is_binary = self->is_binary || !message_is_text(self);
    int result = topic_message_json(&bytes, self->cursor, self->topic, self->data,
                                    self->size, is_binary);
    return s_from_bytes(&bytes, result);
}

/* EventSource knows text only: what is not UTF-8 travels as an event of its own name, in
 * base64. */
static struct blob *s_sse(struct message *self, const char *id)
{
    struct bytes bytes, text;
    bytes_init(&bytes, SIZE_MAX);
    bytes_init(&text, SIZE_MAX);
    if (!self->is_binary && message_is_text(self)) {
        int result = sse_event_write(&bytes, id, NULL, self->data, self->size);
        return s_from_bytes(&bytes, result);
    }
    int result = json_text_write_base64(&text, self->data, self->size);
    if (result >= 0) // without the quotes
        result = sse_event_write(&bytes, id, "binary", text.data + 1, text.size - 2);
    bytes_clear(&text);
    return s_from_bytes(&bytes, result);
}

static struct blob *s_wrapped(struct message *self, enum message_form inner,
                              uint8_t ws_opcode)
{
    struct blob *content = message_form(self, inner);
    if (!content)
        return NULL;
    struct blob *blob = ws_opcode
                            ? message_ws_frame(ws_opcode, content->data, content->size)
                            : message_chunk(content->data, content->size);
    blob_unref(&content);
    return blob;
}

static struct blob *s_sse_json(struct message *self)
{
    struct bytes bytes;
    struct blob *json = message_form(self, MESSAGE_TOPIC_JSON);
    bytes_init(&bytes, SIZE_MAX);
    int result = json
                     ? sse_event_write(&bytes, self->cursor, NULL, json->data, json->size)
                     : -ENOMEM;
    blob_unref(&json);
    return s_from_bytes(&bytes, result);
}

static struct blob *s_topic_line(struct message *self)
{
    struct blob *json = message_form(self, MESSAGE_TOPIC_JSON);
    struct blob *blob = json ? s_line(json->data, json->size) : NULL;
    blob_unref(&json);
    return blob;
}

static struct blob *s_make(struct message *self, enum message_form form)
{
    switch (form) {
    case MESSAGE_RAW:
        return blob_new(self->data, self->size);
    case MESSAGE_CHUNK:
        return message_chunk(self->data, self->size);
    case MESSAGE_WS:
        return message_ws_frame(self->is_binary ? WS_BINARY : WS_TEXT, self->data,
                                self->size);
    case MESSAGE_SSE:
        return s_sse(self, NULL);
    case MESSAGE_SSE_CHUNK:
        return s_wrapped(self, MESSAGE_SSE, 0);
    case MESSAGE_LINE:
        return s_line(self->data, self->size);
    case MESSAGE_LINE_CHUNK:
        return s_wrapped(self, MESSAGE_LINE, 0);
    case MESSAGE_TOPIC_JSON:
        return s_topic_json(self);
    case MESSAGE_TOPIC_WS:
        return s_wrapped(self, MESSAGE_TOPIC_JSON, WS_TEXT);
    case MESSAGE_TOPIC_LINE:
        return s_topic_line(self);
    case MESSAGE_TOPIC_LINE_CHUNK:
        return s_wrapped(self, MESSAGE_TOPIC_LINE, 0);
    case MESSAGE_TOPIC_SSE:
        return s_sse(self, self->cursor);
    case MESSAGE_TOPIC_SSE_CHUNK:
        return s_wrapped(self, MESSAGE_TOPIC_SSE, 0);
    case MESSAGE_TOPIC_SSE_JSON:
        return s_sse_json(self);
    case MESSAGE_TOPIC_SSE_JSON_CHUNK:
        return s_wrapped(self, MESSAGE_TOPIC_SSE_JSON, 0);
    case MESSAGE_FORMS:
        break;
    }
    return NULL;
}

struct blob *message_form(struct message *self, enum message_form form)
{
    if (!self->form[form])
        self->form[form] = s_make(self, form);
    return self->form[form] ? blob_ref(self->form[form]) : NULL;
}
