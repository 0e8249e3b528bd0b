#include "bindings/c/rw_private.h"
#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rw_channel *rw_channel_new(struct rw_app *app, const char *id)
{
    struct rw_channel *self = mem_new(struct rw_channel);
    self->app = app;
    snprintf(self->id, sizeof self->id, "%s", id);
    self->is_open = true;
    return self;
}

static void s_item_destroy(struct rw_item *item, const char *error)
{
    rw_command_free(&item->command, error);
    rw_body_destroy(&item->body);
    free(item);
}

void rw_channel_drop(struct rw_channel *self, const char *error)
{
    self->is_open = false;
    self->is_gone = true;
    while (self->queue.first) {
        struct rw_item *first = (struct rw_item *)self->queue.first;
        rw_list_remove(&self->queue, first);
        s_item_destroy(first, error);
    }
    self->waiting = 0;
}

void rw_channel_destroy(struct rw_channel **self_p)
{
    if (!*self_p)
        return;
    rw_channel_drop(*self_p, "stopped");
    rw_request_clear(&(*self_p)->request);
    free((*self_p)->origins);
    free((*self_p)->end_reason);
    free(*self_p);
    *self_p = NULL;
}

void rw_channel_begin(struct rw_channel *self, struct wire_header *header,
                      const char *verb)
{
    wire_begin(header, verb);
    wire_add(header, self->id);
}

/* A command made of a header and perhaps a payload: goes to the queue. */
static int s_push(struct rw_channel *self, struct wire_header *header,
                  const struct iovec *payload, int parts)
{
    struct rw_command *command = rw_command_new(self->app, header, payload, parts);
    if (!command)
        return header->overflow ? -EINVAL : -EMSGSIZE;
    return rw_channel_push(self, &command, NULL);
}

int rw_channel_push(struct rw_channel *self, struct rw_command **command_p,
                    struct rw_body **body_p)
{
    struct rw_item *item = mem_new(struct rw_item);
    if (command_p) {
        item->command = *command_p;
        *command_p = NULL;
        snprintf(item->command->channel, RW_ID_ROOM, "%s", self->id);
    } else {
        item->body = *body_p;
        *body_p = NULL;
    }
    bool is_full =
        self->waiting >= RW_ITEMS_MAX || rw_commands_are_full(&self->app->commands);
    if (self->is_gone || is_full) {
        s_item_destroy(item, NULL);
        return self->is_gone ? -EPIPE : -ENOBUFS;
    }
    rw_list_append(&self->queue, item);
    if (self->waiting++ == 0)
        rw_channel_pump(self);
    return 0;
}

/* True when the item is done and may go. */
static bool s_advance(struct rw_channel *self, struct rw_item *item)
{
    if (item->body)
        return rw_body_step(self, item->body);
    bool has_receipt = item->command->receipt.done != NULL;
    int result = rw_command_post(self->app, &item->command);
    if (result < 0 && !has_receipt)
        rw_call_failed(self->app, self, result == -EPIPE ? "stopped" : "full",
                       "too many commands wait for their answer");
    return true;
}

void rw_channel_pump(struct rw_channel *self)
{
    while (self->queue.first) {
        struct rw_item *item = (struct rw_item *)self->queue.first;
        if (!s_advance(self, item))
            return;
        rw_list_remove(&self->queue, item);
        self->waiting--;
        s_item_destroy(item, NULL);
    }
}

void rw_channel_fail(struct rw_channel *self)
{
    bool was_gone = self->is_gone;
    rw_channel_drop(self, "gone");
    struct wire_header header;
    rw_channel_begin(self, &header, "CLOSE");
    wire_add_int(&header, 500);
    struct rw_command *command = rw_command_new(self->app, &header, NULL, 0);
    if (was_gone)
        rw_command_free(&command, NULL);
    else if (command)
        (void)rw_command_post(self->app, &command);
}

/* ---- What the application says ---- */

const char *rw_id(const struct rw_channel *self)
{
    return self->id;
}

struct rw_app *rw_channel_app(const struct rw_channel *self)
{
    return self->app;
}

void *rw_data(const struct rw_channel *self)
{
    return self->data;
}

void rw_set_data(struct rw_channel *self, void *data)
{
    self->data = data;
}

void rw_set_handlers(struct rw_channel *self, const struct rw_handlers *handlers,
                     void *context)
{
    self->handlers = *handlers;
    self->context = context;
}

bool rw_is_open(const struct rw_channel *self)
{
    return self->is_open;
}

bool rw_is_slow(const struct rw_channel *self)
{
    return self->is_slow;
}

unsigned rw_attempt(const struct rw_channel *self)
{
    return self->attempt;
}

void rw_on_send(struct rw_channel *self,
                int (*hook)(void *context, const struct iovec *data, struct iovec *out),
                void *context)
{
    self->hook = hook;
    self->hook_context = context;
}

int rw_close(struct rw_channel *self, int code, const char *reason)
{
    if (!self->is_open)
        return -EPIPE;
    struct wire_header header;
    rw_channel_begin(self, &header, "CLOSE");
    if (code)
        wire_add_int(&header, code);
    struct iovec payload = {(void *)(uintptr_t)reason, reason ? strlen(reason) : 0};
    int result = s_push(self, &header, &payload, payload.iov_len > 0);
    if (result == 0) {
        self->is_open = false;
        rw_channel_ended(self, code, reason);
    }
    return result;
}

void rw_channel_ended(struct rw_channel *self, int code, const char *reason)
{
    self->is_ended = true;
    self->end_code = code;
    free(self->end_reason);
    self->end_reason = reason ? mem_strdup(reason) : NULL;
}

void rw_channel_end_again(struct rw_channel *self)
{
    struct wire_header header;
    rw_channel_begin(self, &header, "CLOSE");
    if (self->end_code)
        wire_add_int(&header, self->end_code);
    struct iovec payload = {self->end_reason,
                            self->end_reason ? strlen(self->end_reason) : 0};
    struct rw_command *command =
        rw_command_new(self->app, &header, &payload, payload.iov_len > 0);
    if (!command)
        return;
    snprintf(command->channel, RW_ID_ROOM, "%s", self->id);
    (void)rw_command_post(self->app, &command);
}

static int s_topic(struct rw_channel *self, const char *verb, const char *topic,
                   bool is_present)
{
    if (!self->is_open)
        return -EPIPE;
    struct wire_header header;
    rw_channel_begin(self, &header, verb);
    size_t before = header.size;
    wire_add_escaped(&header, topic);
    if (!*topic || header.size - before > RW_TOPIC_MAX + 1)
        return -EINVAL;
    if (is_present)
        wire_add_option(&header, "presence", "1");
    return s_push(self, &header, NULL, 0);
}

int rw_subscribe_present(struct rw_channel *self, const char *topic)
{
    return s_topic(self, "SUB", topic, true);
}

int rw_label(struct rw_channel *self, const char *label)
{
    struct wire_header header;
    if (!self->is_open)
        return -EPIPE;
    rw_channel_begin(self, &header, "LABEL");
    size_t before = header.size + 1;
    wire_add_escaped(&header, label ? label : "-");
    if ((label && !*label) || header.size - before > RW_LABEL_MAX)
        return -EINVAL;
    return s_push(self, &header, NULL, 0);
}

int rw_subscribe(struct rw_channel *self, const char *topic)
{
    return s_topic(self, "SUB", topic, false);
}

int rw_unsubscribe(struct rw_channel *self, const char *topic)
{
    return s_topic(self, "UNSUB", topic, false);
}
