#include "bindings/c/rw_private.h"
#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

void rw_body_destroy(struct rw_body **self_p)
{
    struct rw_body *self = *self_p;
    if (!self)
        return;
    if (self->stream.done)
        self->stream.done(self->stream.context);
    free(self->head);
    free(self);
    *self_p = NULL;
}

static void s_add_first(const struct rw_body *self, struct wire_header *header)
{
    if (self->status)
        wire_add_option_u64(header, "status", (uint64_t)self->status);
    if (self->flags & RW_SSE)
        wire_add_option(header, "format", "sse");
    if (self->is_sized)
        wire_add_option_u64(header, "length", (uint64_t)self->stream.size);
}

/* One part; with the head in front of the first. */
static void s_send_part(struct rw_channel *channel, struct rw_body *self,
                        const struct iovec *data, bool is_last)
{
    struct wire_header header;
    rw_channel_begin(channel, &header, "SEND");
    struct iovec payload[2] = {{NULL, 0}, *data};
    if (!self->is_begun) {
        s_add_first(self, &header);
        if (self->head)
            payload[0] = (struct iovec){self->head, strlen(self->head)};
    }
    self->is_begun = true;
    wire_add_option(&header, "want", "written");
    if (is_last && (self->flags & RW_CLOSE))
        wire_add_option(&header, "close", "1");
    struct rw_command *command = rw_command_new(channel->app, &header, payload, 2);
    if (!command)
        return;
    memcpy(command->channel, channel->id, sizeof command->channel);
    command->body = self->number;
    self->under_way++;
    if (rw_command_post(channel->app, &command) < 0)
        rw_channel_fail(channel); // a body with a hole in it must not look whole
}

static void s_send_close(struct rw_channel *channel, int status)
{
    struct wire_header header;
    rw_channel_begin(channel, &header, "CLOSE");
    if (status)
        wire_add_int(&header, status);
    struct rw_command *command = rw_command_new(channel->app, &header, NULL, 0);
    if (command)
        (void)rw_command_post(channel->app, &command);
}

/* The stream has ended, and its size was unknown or a lie. */
static void s_finish(struct rw_channel *channel, struct rw_body *self)
{
    struct iovec nothing = {NULL, 0};
    bool is_cut = self->is_sized && self->sent < self->stream.size;
    if (!self->is_begun && !is_cut)
        s_send_part(channel, self, &nothing, true);
    else if (self->flags & RW_CLOSE)
        s_send_close(channel, is_cut ? 500 : 0); // shorter than announced
}

/* Reads and sends one part; true when it was the last. */
static bool s_read_part(struct rw_channel *channel, struct rw_body *self, uint8_t *buffer)
{
    ssize_t got = self->stream.read(self->stream.context, buffer, RW_PART_MAX);
    if (got < 0) {
        rw_log(channel->app, "channel %s: reading what is to be sent failed: %s",
               channel->id, strerror((int)-got));
        rw_channel_fail(channel);
        return true;
    }
    if (got == 0) {
        s_finish(channel, self);
        return true;
    }
    if (self->is_sized && got > self->stream.size - self->sent)
        got = self->stream.size - self->sent;
    self->sent += got;
    bool is_last = self->is_sized && self->sent == self->stream.size;
    struct iovec data = {buffer, (size_t)got};
    s_send_part(channel, self, &data, is_last);
    return is_last;
}

/* True when everything was read; false when it waits for answers, or the channel was
 * given up and this body with it. */
bool rw_body_step(struct rw_channel *channel, struct rw_body *self)
{
    uint8_t *buffer = mem_alloc(RW_PART_MAX);
    bool is_done = false;
    bool is_alive = true;
    while (!is_done && is_alive && self->under_way < RW_UNDER_WAY_MAX) {
        is_done = s_read_part(channel, self, buffer);
        is_alive = !channel->is_gone;
    }
    free(buffer);
    return is_done && is_alive;
}

void rw_body_answered(struct rw_channel *channel, uint64_t number, bool is_ok)
{
    if (!is_ok) {
        rw_channel_fail(channel);
        return;
    }
    struct rw_item *first = (struct rw_item *)channel->queue.first;
    struct rw_body *body = first ? first->body : NULL;
    if (body && body->number == number) {
        body->under_way--;
        rw_channel_pump(channel);
    }
}
