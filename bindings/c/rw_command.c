#include "bindings/c/rw_private.h"
#include "common/clock.h"
#include "common/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rw_commands_init(struct rw_commands *self)
{
    snprintf(self->prefix, sizeof self->prefix, "%016" PRIx64, clock_random_u64());
}

void rw_command_free(struct rw_command **self_p, const char *error)
{
    struct rw_command *self = *self_p;
    *self_p = NULL;
    if (self && self->receipt.done && error)
        self->receipt.done(self->receipt.context, error);
    if (self && self->placed && error)
        self->placed(self->placed_context, NULL, error);
    if (self && self->history.done && error)
        self->history.done(self->history.context, false, error);
    free(self);
}

void rw_commands_clear(struct rw_commands *self, const char *error)
{
    while (self->list.first) {
        struct rw_command *first = (struct rw_command *)self->list.first;
        rw_commands_remove(self, first);
        rw_command_free(&first, error);
    }
}

bool rw_commands_are_full(const struct rw_commands *self)
{
    return self->count >= RW_COMMANDS_MAX || self->bytes >= RW_COMMAND_BYTES_MAX;
}

void rw_commands_id(const struct rw_commands *self, uint64_t number, char *out,
                    size_t room)
{
    snprintf(out, room, "%s.%" PRIu64, self->prefix, number);
}

static size_t s_size(const struct iovec *payload, int parts)
{
    size_t size = 0;
    for (int at = 0; at < parts; at++)
        size += payload[at].iov_len;
    return size;
}

struct rw_command *rw_command_new(struct rw_app *app, struct wire_header *header,
                                  const struct iovec *payload, int parts)
{
    uint64_t number = ++app->commands.last;
    char id[RW_TEXT_ROOM];
    rw_commands_id(&app->commands, number, id, sizeof id);
    wire_add_option(header, "id", id);
    size_t size = s_size(payload, parts);
    if (header->overflow || size > WIRE_PAYLOAD_MAX)
        return NULL;
    size_t frame = header->size + (parts > 0) + size;
    struct rw_command *self = mem_alloc(sizeof *self + frame);
    self->number = number;
    self->wait_ms = app->options.retry_ms;
    self->size = frame;
    uint8_t *at = self->frame;
    memcpy(at, header->text, header->size);
    at += header->size;
    if (parts > 0)
        *at++ = '\n';
    for (int part = 0; part < parts; part++) {
        if (payload[part].iov_len > 0)
            memcpy(at, payload[part].iov_base, payload[part].iov_len);
        at += payload[part].iov_len;
    }
    return self;
}

/* Sends what was not sent, in order, as far as it goes. */
static void s_flush(struct rw_app *app, struct rw_link *from, int64_t now_ms)
{
    for (struct rw_link *link = from; link; link = link->next) {
        struct rw_command *at = (struct rw_command *)link;
        if (at->is_sent)
            continue;
        if (rw_connection_send(&app->connection, at->frame, at->size) < 0)
            return;
        at->is_sent = true;
        at->due_ms = now_ms + at->wait_ms;
    }
}

int rw_command_post(struct rw_app *app, struct rw_command **command_p)
{
    struct rw_command *command = *command_p;
    *command_p = NULL;
    struct rw_commands *self = &app->commands;
    int result = app->state == RW_STOPPED     ? -EPIPE
                 : rw_commands_are_full(self) ? -ENOBUFS
                                              : 0;
    if (result < 0) {
        rw_command_free(&command, result == -EPIPE ? "stopped" : "full");
        return result;
    }
    struct rw_command *before = (struct rw_command *)self->list.last;
    rw_commands_add(self, command);
    /* Nothing overtakes a command that could not leave. */
    if (!before || before->is_sent)
        s_flush(app, &command->link, clock_now_ms());
    return 0;
}

struct rw_command *rw_commands_take(struct rw_commands *self, struct wire_text id)
{
    size_t prefix = strlen(self->prefix);
    uint64_t number;
    if (id.size <= prefix + 1 || memcmp(id.data, self->prefix, prefix) != 0 ||
        wire_u64((struct wire_text){id.data + prefix + 1, id.size - prefix - 1},
                 &number) < 0)
        return NULL;
    struct rw_command *command = rw_commands_find(self, number);
    if (command)
        rw_commands_remove(self, command);
    return command;
}

void rw_commands_renewed(struct rw_app *app)
{
    /* The broker may never have got what it did not answer: all of it again. */
    for (struct rw_link *at = app->commands.list.first; at; at = at->next)
        ((struct rw_command *)at)->is_sent = false;
    s_flush(app, app->commands.list.first, clock_now_ms());
}

void rw_commands_tick(struct rw_app *app, int64_t now_ms)
{
    for (struct rw_link *link = app->commands.list.first; link; link = link->next) {
        struct rw_command *at = (struct rw_command *)link;
        if (!at->is_sent || at->due_ms > now_ms)
            continue;
        at->wait_ms =
            at->wait_ms * 2 < RW_RETRY_MAX_MS ? at->wait_ms * 2 : RW_RETRY_MAX_MS;
        at->is_sent = false;
    }
    s_flush(app, app->commands.list.first, now_ms);
}
