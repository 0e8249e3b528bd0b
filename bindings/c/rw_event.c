#include "bindings/c/rw_private.h"
#include "common/clock.h"
#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One delivery while it is handled. */
struct s_event {
    const struct wire_record *record;
    char id[RW_ID_ROOM];
    uint64_t seq;
    struct rw_channel *channel; // NULL: not ours, or not yet
};

/* The function of the channel, or else of the application, with its context. */
#define CALL(channel, member, ...)                                                       \
    ((channel)->handlers.member                                                          \
         ? (channel)->handlers.member((channel)->context, channel, ##__VA_ARGS__)        \
     : (channel)->app->handlers.member                                                   \
         ? (channel)->app->handlers.member((channel)->app->context, channel,             \
                                           ##__VA_ARGS__)                                \
         : (void)0)

/* The same for those that return int; 0 without one. */
#define ASK(channel, member, ...)                                                        \
    ((channel)->handlers.member                                                          \
         ? (channel)->handlers.member((channel)->context, channel, ##__VA_ARGS__)        \
     : (channel)->app->handlers.member                                                   \
         ? (channel)->app->handlers.member((channel)->app->context, channel,             \
                                           ##__VA_ARGS__)                                \
         : 0)

/* Text as C string in a buffer, cut where it is too long. */
static void s_copy(char *out, size_t room, struct wire_text text)
{
    size_t size = text.size < room ? text.size : room - 1;
    if (size)
        memcpy(out, text.data, size);
    out[size] = 0;
}

static char *s_payload_text(const struct wire_record *record)
{
    char *text = mem_alloc(record->payload_size + 1);
    if (record->payload_size)
        memcpy(text, record->payload, record->payload_size);
    return text;
}

struct rw_channel *rw_app_channel(struct rw_app *self, const char *id)
{
    return rw_channels_find(self, id);
}

static int s_call_open(struct rw_channel *channel)
{
    const struct rw_handlers *handlers = &channel->app->handlers;
    void *context = channel->app->context;
    if (channel->is_adopted && handlers->on_adopt)
        return handlers->on_adopt(context, channel);
    if (handlers->on_open)
        return handlers->on_open(context, channel);
    if (rw_is_websocket(channel) || rw_is_session(channel))
        return 0;
    const struct rw_head head = {.status = 404};
    return rw_send_response(channel, &head, "Nothing is here.\n", 17, RW_CLOSE);
}

static unsigned s_attempt(const struct wire_record *record)
{
    uint64_t attempt;
    bool is_known = wire_u64(wire_option(record, 4, "try"), &attempt) == 0;
    return is_known && attempt < 1000 ? (unsigned)attempt : 1;
}

static int s_opened(struct rw_app *app, struct s_event *event)
{
    struct rw_channel *channel = rw_channel_new(app, event->id);
    channel->is_adopted = wire_is(event->record->token[0], "ADOPT");
    channel->is_begun = channel->is_accepted = channel->is_adopted;
    channel->last_seq = event->seq;
    channel->attempt = s_attempt(event->record);
    event->channel = channel;
    rw_channels_add(app, channel);
    if (rw_request_read(channel, event->record->payload, event->record->payload_size) <
        0) {
        rw_log(app, "channel %s: the metadata cannot be read", channel->id);
        rw_channel_fail(channel);
        return 0;
    }
    return s_call_open(channel);
}

static int s_text(struct rw_app *app, struct s_event *event)
{
    struct rw_channel *channel = event->channel;
    struct rw_message message = {.data = event->record->payload,
                                 .size = event->record->payload_size,
                                 .is_binary = wire_is(event->record->token[0], "BIN")};
    if (channel->handlers.on_message)
        return channel->handlers.on_message(channel->context, channel, &message);
    return app->handlers.on_message
               ? app->handlers.on_message(app->context, channel, &message)
               : 0;
}

static int s_body(struct rw_app *app, struct s_event *event)
{
    struct rw_channel *channel = event->channel;
    struct rw_message part = {.data = event->record->payload,
                              .size = event->record->payload_size,
                              .is_binary = true,
                              .is_last =
                                  wire_is(wire_option(event->record, 4, "end"), "1")};
    if (channel->handlers.on_body)
        return channel->handlers.on_body(channel->context, channel, &part);
    return app->handlers.on_body ? app->handlers.on_body(app->context, channel, &part)
                                 : 0;
}

static int s_slow(struct rw_app *app, struct s_event *event)
{
    struct rw_channel *channel = event->channel;
    channel->is_slow = true;
    uint64_t queued = 0;
    if (event->record->count > 4)
        (void)wire_u64(event->record->token[4], &queued);
    if (channel->handlers.on_slow)
        return channel->handlers.on_slow(channel->context, channel, (size_t)queued);
    return app->handlers.on_slow
               ? app->handlers.on_slow(app->context, channel, (size_t)queued)
               : 0;
}

static int s_drained(struct rw_app *app, struct s_event *event)
{
    struct rw_channel *channel = event->channel;
    channel->is_slow = false;
    if (channel->handlers.on_drain)
        return channel->handlers.on_drain(channel->context, channel);
    return app->handlers.on_drain ? app->handlers.on_drain(app->context, channel) : 0;
}

/* LOST, ATTACHED, DETACHED: a session, and a word about it. */
static int s_session(struct rw_app *app, struct s_event *event)
{
    struct rw_channel *channel = event->channel;
    char word[RW_ID_ROOM] = "";
    (void)app;
    if (event->record->count > 4)
        s_copy(word, sizeof word, event->record->token[4]);
    if (wire_is(event->record->token[0], "LOST"))
        return ASK(channel, on_lost, word);
    if (wire_is(event->record->token[0], "ATTACHED"))
        return ASK(channel, on_attached, word);
    return ASK(channel, on_detached, word);
}

static int s_closed(struct rw_app *app, struct s_event *event)
{
    struct rw_channel *channel = event->channel;
    rw_channels_remove(app, channel);
    rw_closed_add(app, channel->id);
    rw_channel_drop(channel, "gone");
    char cause[RW_TEXT_ROOM];
    s_copy(cause, sizeof cause, wire_option(event->record, 5, "cause"));
    char *reason = s_payload_text(event->record);
    struct rw_close close = {.cause = cause, .reason = reason};
    if (event->record->count > 4)
        (void)wire_int(event->record->token[4], &close.status);
    CALL(channel, on_close, &close);
    free(reason);
    rw_channel_destroy(&event->channel);
    return 0;
}

void rw_call_moved(struct rw_channel *channel)
{
    CALL(channel, on_moved);
}

static void s_moved(struct rw_channel *channel)
{
    struct rw_app *app = channel->app;
    /* What was sent before we left is finished. */
    bool is_finishing = app->state == RW_LEAVING && channel->queue.first;
    if (is_finishing) {
        channel->is_finishing = true;
        channel->is_open = false;
        channel->check_ms = 0;
        rw_call_moved(channel);
        return;
    }
    rw_channels_remove(app, channel);
    rw_channel_drop(channel, "moved");
    rw_call_moved(channel);
    rw_channel_destroy(&channel);
}

static const struct {
    const char *verb;
    int (*handle)(struct rw_app *app, struct s_event *event);
} s_deliveries[] = {
    {"TEXT", s_text},        {"OPEN", s_opened},      {"CLOSE", s_closed},
    {"BIN", s_text},         {"BODY", s_body},        {"SLOW", s_slow},
    {"DRAINED", s_drained},  {"ADOPT", s_opened},     {"LOST", s_session},
    {"ATTACHED", s_session}, {"DETACHED", s_session},
};
enum { S_DELIVERIES = sizeof s_deliveries / sizeof *s_deliveries };

static int s_which(struct wire_text verb)
{
    for (int at = 0; at < S_DELIVERIES; at++)
        if (wire_is(verb, s_deliveries[at].verb))
            return at;
    return -1;
}

/* FNV-1a, 64 bits: what it is made of are ids and numbers that no client chooses. */
static uint64_t s_hash(struct wire_text text)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t at = 0; at < text.size; at++)
        hash = (hash ^ (uint8_t)text.data[at]) * 0x100000001b3;
    return hash;
}

/* Did this message of a session come before under another seq?  Notes where it is from.
 */
static bool s_has_come(struct rw_channel *channel, const struct wire_record *record)
{
    struct wire_text origin = wire_option(record, 4, "o");
    if (!origin.data)
        return false;
    if (!channel->origins)
        channel->origins = mem_new(struct rw_origins);
    struct rw_origins *known = channel->origins;
    uint64_t hash = s_hash(origin);
    for (unsigned at = 0; at < RW_ORIGINS; at++)
        if (known->hash[at] == hash)
            return true;
    known->hash[known->next++ % RW_ORIGINS] = hash;
    return false;
}

/* Has this not been handled yet?  Notes the sequence number. */
static bool s_is_new(struct rw_app *app, struct s_event *event)
{
    struct wire_text verb = event->record->token[0];
    struct rw_channel *channel = event->channel;
    if (!channel) {
        bool opens = wire_is(verb, "OPEN") || wire_is(verb, "ADOPT");
        return opens && !rw_closed_has(app, event->id);
    }
    if (wire_is(verb, "CLOSE")) // a channel that is here has not been closed yet
        return true;
    if (wire_is(verb, "ADOPT") || event->seq <= channel->last_seq)
        return false;
    channel->last_seq = event->seq;
    return !(wire_is(verb, "TEXT") || wire_is(verb, "BIN")) ||
           !s_has_come(channel, event->record);
}

static void s_nack(struct rw_app *app, struct s_event *event)
{
    rw_flush_ack(app);
    struct wire_header header;
    wire_begin(&header, "NACK");
    wire_add_text(&header, event->record->token[3]);
    if (!header.overflow)
        (void)rw_connection_send(&app->connection, header.text, header.size);
    s_moved(event->channel);
}

/* What came of the callback. */
static void s_conclude(struct rw_app *app, struct s_event *event, int result)
{
    struct wire_text tag = event->record->token[3];
    bool has_tag = !wire_is(tag, "-");
    if (result == RW_REFUSE && has_tag) {
        s_nack(app, event);
        return;
    }
    if (result != 0 && event->channel) {
        rw_log(app, "channel %s: the application failed: %d", event->id, result);
        rw_channel_fail(event->channel);
    }
    if (!has_tag)
        return;
    s_copy(app->ack, sizeof app->ack, tag);
    if (clock_now_ms() - app->acked_ms > RW_ACK_DELAY_MS)
        rw_flush_ack(app);
}

/* One event; afterwards it is acknowledged, whatever came of it. */
void rw_deliver(struct rw_app *app, const struct wire_record *record)
{
    struct s_event event = {.record = record};
    int which = s_which(record->token[0]);
    if (which < 0 || record->token[1].size >= sizeof event.id)
        return;
    s_copy(event.id, sizeof event.id, record->token[1]);
    if (wire_u64(record->token[2], &event.seq) < 0)
        event.seq = 0;
    event.channel = rw_channels_find(app, event.id);
    if (event.channel)
        event.channel->attempt = s_attempt(record);
    int result = s_is_new(app, &event) ? s_deliveries[which].handle(app, &event) : 0;
    s_conclude(app, &event, result);
}

static void s_hold(struct rw_app *app, const void *frame, size_t size)
{
    struct rw_held *held = mem_alloc(sizeof *held + size);
    held->size = size;
    memcpy(held->frame, frame, size);
    rw_list_append(&app->held, held);
}

/* Handles what was held, or forgets it. */
void rw_release_held(struct rw_app *app, bool is_ours)
{
    while (app->held.first && (!is_ours || !app->joining)) {
        struct rw_held *first = (struct rw_held *)app->held.first;
        rw_list_remove(&app->held, first);
        struct wire_record record;
        if (is_ours && wire_read(first->frame, first->size, &record) == 0)
            rw_deliver(app, &record);
        free(first);
    }
}

/* When to ask about this channel again; 0: no more. */
static void s_set_check(struct rw_app *app, const struct wire_record *record,
                        int64_t pause_ms)
{
    char id[RW_ID_ROOM];
    s_copy(id, sizeof id, record->token[1]);
    struct rw_channel *channel = rw_channels_find(app, id);
    if (channel)
        channel->check_ms = pause_ms ? clock_now_ms() + pause_ms : 0;
}

/* The broker knows it, after all: a session that its edge announced late, after a
 * restart, is there again; one whose end was lost with the former broker is ended again.
 */
static void s_confirm(struct rw_app *app, const struct wire_record *record)
{
    char id[RW_ID_ROOM];
    s_copy(id, sizeof id, record->token[1]);
    struct rw_channel *channel = rw_channels_find(app, id);
    if (!channel || !rw_is_session(channel))
        return;
    if (channel->is_doubted) {
        channel->is_open = true;
        channel->is_gone = false;
    } else if (channel->is_ended) {
        rw_channel_end_again(channel);
    }
    channel->is_doubted = false;
}

static void s_take_ok(struct rw_app *app, const struct wire_record *record)
{
    if (wire_is(record->token[3], "-")) { // of CHECK
        s_set_check(app, record, 0);
        s_confirm(app, record);
        return;
    }
    struct rw_command *command = rw_commands_take(&app->commands, record->token[3]);
    if (!command)
        return;
    struct rw_channel *channel = rw_channels_find_any(app, command->channel);
    if (channel && command->body)
        rw_body_answered(channel, command->body, true);
    if (command->receipt.done)
        command->receipt.done(command->receipt.context, NULL);
    if (command->placed) {
        char position[RW_TEXT_ROOM];
        s_copy(position, sizeof position, wire_option(record, 4, "pos"));
        command->placed(command->placed_context, position, NULL);
    }
    rw_command_free(&command, NULL);
}

static void s_take_info(struct rw_app *app, const struct wire_record *record)
{
    struct rw_command *command = rw_commands_take(&app->commands, record->token[3]);
    if (command)
        rw_history_answered(&command->history, record);
    rw_command_free(&command, NULL);
}

void rw_call_failed(struct rw_app *app, struct rw_channel *channel, const char *code,
                    const char *why)
{
    if (channel && channel->is_finishing)
        channel = NULL;
    if (channel && channel->handlers.on_failed)
        channel->handlers.on_failed(channel->context, channel, code, why);
    else if (app->handlers.on_failed)
        app->handlers.on_failed(app->context, channel, code, why);
}

static void s_failed(struct rw_app *app, struct rw_command *command,
                     const struct wire_record *record)
{
    struct rw_channel *channel = rw_channels_find_any(app, command->channel);
    char code[RW_TEXT_ROOM];
    s_copy(code, sizeof code, record->token[4]);
    if (channel && strcmp(code, "gone") == 0) {
        /* Its CLOSE comes; should it not, the question brings it. */
        channel->is_doubted |= channel->is_open;
        channel->is_ended = false;
        rw_channel_drop(channel, "gone");
        if (!channel->is_finishing)
            channel->check_ms = clock_now_ms() + RW_ASK_AGAIN_MS;
    } else if (channel && command->body) {
        rw_body_answered(channel, command->body, false);
    }
    if (command->receipt.done || command->placed || command->history.done) {
        rw_command_free(&command, code);
        return;
    }
    char *why = s_payload_text(record);
    rw_call_failed(app, channel, code, why);
    free(why);
    rw_command_free(&command, NULL);
}

/* An answer to a JOIN, or to nothing that we know. */
static void s_join_failed(struct rw_app *app, const struct wire_record *record)
{
    char id[RW_TEXT_ROOM];
    rw_commands_id(&app->commands, app->joining, id, sizeof id);
    bool is_join = app->joining && wire_is(record->token[3], id);
    if (wire_is(record->token[4], "name-in-use")) {
        rw_log(app, "another worker has the name %s: trying again",
               app->name ? app->name : "-");
        app->joining = ++app->commands.last;
    } else if (is_join || wire_is(record->token[4], "proto")) {
        rw_log(app, "the broker refused: %.*s %.*s", (int)record->token[4].size,
               record->token[4].data, (int)record->payload_size,
               record->payload ? (const char *)record->payload : "");
        app->failure = -EPROTO;
        app->state = RW_STOPPED;
    }
}

static void s_take_err(struct rw_app *app, const struct wire_record *record)
{
    if (record->count < 5)
        return;
    struct rw_command *command = rw_commands_take(&app->commands, record->token[3]);
    if (command)
        s_failed(app, command, record);
    else
        s_join_failed(app, record);
}

static void s_take_channel(struct rw_app *app, const struct wire_record *record)
{
    char id[RW_ID_ROOM];
    s_copy(id, sizeof id, record->token[1]);
    struct rw_channel *channel = rw_channels_find(app, id);
    if (channel && wire_is(record->token[0], "MOVED")) {
        s_moved(channel);
    } else if (channel) {
        int64_t pause_ms = channel->later_ms ? channel->later_ms : RW_LATER_MS;
        channel->check_ms = clock_now_ms() + pause_ms;
        channel->later_ms =
            pause_ms * 2 < RW_LATER_MAX_MS ? pause_ms * 2 : RW_LATER_MAX_MS;
    }
}

static void s_take_who(struct rw_app *app, const struct wire_record *record)
{
    app->has_left = true;
    if (app->state == RW_RUNNING && wire_is(record->token[0], "WHO"))
        rw_join(app);
}

static const struct {
    const char *verb;
    void (*take)(struct rw_app *app, const struct wire_record *record);
} s_others[] = {
    {"OK", s_take_ok},         {"ERR", s_take_err},
    {"JOINED", rw_joined},     {"MOVED", s_take_channel},
    {"LATER", s_take_channel}, {"WHO", s_take_who},
    {"LEFT", s_take_who},      {"ENTER", rw_watches_take},
    {"EXIT", rw_watches_take}, {"PRESENT", rw_watches_take},
    {"INFO", s_take_info},
};

void rw_take(struct rw_app *app, const void *frame, size_t size)
{
    struct wire_record record;
    if (wire_read(frame, size, &record) < 0 || record.count < 4) {
        rw_log(app, "a record was dropped: it breaks the grammar");
        return;
    }
    app->heard_ms = app->alive_ms;
    if (s_which(record.token[0]) >= 0) {
        if (app->joining)
            s_hold(app, frame, size);
        else
            rw_deliver(app, &record);
        return;
    }
    for (size_t at = 0; at < sizeof s_others / sizeof *s_others; at++) {
        if (!wire_is(record.token[0], s_others[at].verb))
            continue;
        s_others[at].take(app, &record);
        return;
    }
}
