/* channel_http_answer: the first SEND: which head goes out, and what becomes of the
 * channel. */
#include "gateway/channel_http.h"

/* ---- heads ---- */

void http_fields_add(struct http_fields *self, const char *name, const char *value)
{
    self->field[self->count++] =
        (struct http_field){.name = (char *)name, .value = (char *)value};
}

void http_fields_add_head(struct http_fields *self, const struct http_head *head)
{
    for (size_t at = 0; head && at < head->count && self->count < HTTP_FIELDS_MAX; at++)
        self->field[self->count++] = head->fields[at];
}

static struct http_reply s_reply(int status, const struct http_fields *fields,
                                 const struct http_head *head)
{
    return (struct http_reply){.status = status,
                               .fields = fields->field,
                               .count = fields->count,
                               .close = head && head->has_connection_close};
}

static void s_add_defaults(struct http_fields *fields, const struct http_head *head)
{
    if (head)
        return; // the application wrote a head: it knows what it sends
    http_fields_add(fields, "Content-Type", "text/plain; charset=utf-8");
    http_fields_add(fields, "X-Content-Type-Options", "nosniff");
}

void channel_http_begin_stream(struct http_carried *self, int status,
                               struct http_head *head)
{
    struct http_fields fields = {.count = 0};
    http_fields_add_head(&fields, head);
    if (self->is_sse && !(head && head->has_content_type))
        http_fields_add(&fields, "Content-Type", "text/event-stream");
    else
        s_add_defaults(&fields, head);
    if (!(head && head->has_cache_control))
        http_fields_add(&fields, "Cache-Control", "no-store");
    if (!(head && head->has_accel_buffering))
        http_fields_add(&fields, "X-Accel-Buffering", "no");
    if (self->wants_json)
        http_fields_add(&fields, "Ringway-Format", "json");
    struct http_reply reply = s_reply(status, &fields, head);
    self->stage = HTTP_STREAM;
    self->end_code = status;
    if (self->channel->state == CHANNEL_OPENING)
        channel_set_state(self->channel, CHANNEL_OPEN);
    timer_stop(&self->host->loop->timers, &self->timer);
    if (self->is_sse && self->host->settings->sse_comment_ms > 0)
        timer_start(&self->host->loop->timers, &self->timer,
                    self->host->loop->now_ms + self->host->settings->sse_comment_ms);
    http_stream(self->exchange, &reply);
}

/* ---- the first SEND ---- */

/* What of the payload is the body. */
struct s_first {
    int status;
    struct http_head *head; // NULL: bare body
    size_t offset;          // of the body in the payload
    int64_t length;         // of the body, as announced; -1: not
};

static void s_complete(struct http_carried *self, struct message *message,
                       const struct s_first *first)
{
    struct http_fields fields = {.count = 0};
    http_fields_add_head(&fields, first->head);
    s_add_defaults(&fields, first->head);
    struct http_reply reply = s_reply(first->status, &fields, first->head);
    reply.close |= self->is_websocket;
    size_t size = message->size - first->offset;
    bool has_body = http_status_has_body(first->status, false) && size > 0;
    bool may_claim = self->is_head || first->status == 304;
    int64_t claimed =
        may_claim && first->head && size == 0 ? first->head->content_length : -1;
    if (first->status == 304 && first->head)
        claimed = first->head->content_length;
    if (first->length >= 0 && may_claim)
        claimed = first->length;
    struct blob *blob = has_body ? message->source : NULL;
    size_t offset = blob ? (size_t)(message->data - blob->data) + first->offset : 0;
    http_answer(self->exchange, &reply, blob, offset, claimed);
    channel_http_end(self, 0, first->status == 500 ? "app-error" : "server",
                     first->status);
}

static const char *s_begin_sized(struct http_carried *self, const struct s_first *first,
                                 uint64_t length)
{
    struct http_fields fields = {.count = 0};
    http_fields_add_head(&fields, first->head);
    s_add_defaults(&fields, first->head);
    struct http_reply reply = s_reply(first->status, &fields, first->head);
    self->stage = HTTP_SIZED;
    self->length_left = length;
    self->end_code = first->status;
    channel_set_state(self->channel, CHANNEL_OPEN);
    timer_stop(&self->host->loop->timers, &self->timer);
    http_sized(self->exchange, &reply, length);
    return NULL;
}

static const char *s_begin(struct http_carried *self, struct message *message,
                           const struct send_options *options,
                           const struct s_first *first)
{
    size_t size = message->size - first->offset;
    bool no_body = !http_status_has_body(first->status, self->is_head);
    bool whole = options->close || no_body ||
                 (options->length >= 0 && (uint64_t)options->length == size);
    if (options->length >= 0 && (uint64_t)options->length < size)
        return "length";
    if (whole &&
        !(options->length >= 0 && (uint64_t)options->length > size && !no_body)) {
        if (options->want == WANT_WRITTEN)
            self->receipt = options->receipt;
        s_complete(self, message, first);
        return NULL;
    }
    self->is_sse |= options->is_sse;
    if (options->length >= 0)
        s_begin_sized(self, first, (uint64_t)options->length);
    else
        channel_http_begin_stream(self, first->status, first->head);
    struct message rest = message_part(message, first->offset);
    const char *error = channel_http_queue(self, &rest, options);
    message_clear(&rest);
    return error;
}

const char *channel_http_first(struct http_carried *self, struct message *message,
                               const struct send_options *options)
{
    struct s_first first = {.status = options->status ? options->status : 200,
                            .length = options->length};
    struct http_head head;
    const char *why = NULL;
    if (self->is_websocket && (!options->status || !options->close))
        return "undecided";
    if (options->want == WANT_RECEIVED)
        return "unsupported";
    if (first.status < 200 || first.status > 599 || options->close > 599) {
        channel_http_fail(self);
        return "value";
    }
    if (options->status) {
        int64_t size = http_head_read(message->data, message->size, false, &head, &why);
        /* The HTTP library has head-bytes for the heads of request and response together.
         */
        if (size < 0 || (size_t)size > self->host->settings->head_bytes / 2) {
            if (size >= 0)
                http_head_clear(&head);
            channel_http_fail(self);
            return "header";
        }
        first.head = &head;
        first.offset = (size_t)size;
    }
    const char *error = s_begin(self, message, options, &first);
    if (first.head)
        http_head_clear(&head);
    return error;
}
