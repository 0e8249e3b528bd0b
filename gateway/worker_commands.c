#include "gateway/worker_commands.h"

#include "common/mem.h"
#include "common/wire.h"
#include "gateway/gateway_metrics.h"
#include "gateway/session_token.h"
#include "gateway/worker_cast.h"
#include "gateway/worker_presence.h"
#include "gateway/worker_sessions.h"
#include "gateway/worker_topics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXT_ROOM = WORKER_TEXT_ROOM,
    WORKER_NAME_MAX = 3 * 64,    // bytes of a name as a token, all escaped
    LABEL_MAX = 128,             // bytes of a label as a token
    ANNOUNCE_BYTES = 256 * 1024, // on the way to the bus thread; then it waits
};

/* ---- records to the bus ---- */

void worker_commands_post(struct worker_commands *self, const char *head,
                          size_t head_size, const void *payload, size_t size)
{
    struct bus_item *item = bus_item_new(BUS_RECORD, NULL, head_size + 1 + size);
    memcpy(item->data, head, head_size);
    item->data[head_size] = '\n';
    if (size > 0)
        memcpy(item->data + head_size + 1, payload, size);
    bus_lane_send(self->lane, item);
}

/* What the broker forgets with its life, as an option; LABEL_MAX + 8 bytes. */
static int s_label_option(const struct channel *channel, char *out, size_t room)
{
    return channel->label ? snprintf(out, room, " label=%s", channel->label) : 0;
}

static void s_emit(struct worker_commands *self, struct channel *channel,
                   const struct event *event)
{
    char head[1024], id[CHANNEL_ID_ROOM];
    const uint8_t *payload = event->data + event->head_size;
    channel_id_text(channel, id);
    int size = snprintf(head, sizeof head, "%s %s %llu", event_verb_name(event->verb), id,
                        (unsigned long long)event->seq);
    if (event->verb == EVENT_OPEN) {
        size += snprintf(head + size, sizeof head - (size_t)size, " %s %u%s%s",
                         channel->service->name, channel->gen,
                         channel->is_websocket ? " ws=1" : "",
                         channel->needs_accept ? " accept=1" : "");
        size += s_label_option(channel, head + size, sizeof head - (size_t)size);
    }
    size += snprintf(head + size, sizeof head - (size_t)size, "%.*s",
                     (int)event->head_size, (const char *)event->data);
    if (event->tries > 0)
        size += snprintf(head + size, sizeof head - (size_t)size, " try=%d",
                         event->tries + 1);
    gateway_metrics_event(event->size);
    worker_commands_post(self, head, (size_t)size, payload, event->size);
}

void worker_commands_emit(struct channel_host *host, struct channel *channel,
                          const struct event *event)
{
    if (host->commands->is_linked && channel_is_announced(channel))
        s_emit(host->commands, channel, event);
}

void worker_commands_answer(struct channel_host *host, uint64_t c, const char *error)
{
    if (c == 0)
        return;
    struct bus_item *item = bus_item_new(BUS_ANSWER, NULL, 0);
    item->c = c;
    item->error = error;
    bus_lane_send(host->commands->lane, item);
}

static void s_emit_after(struct worker_commands *self, struct channel *channel,
                         uint64_t seq)
{
    for (const struct event *at = channel->events.first; at; at = at->next)
        if (at->seq > seq)
            s_emit(self, channel, at);
}

/* OPEN while nobody has acknowledged it, else ADOPT; then what is unacknowledged. */
static void s_announce(struct worker_commands *self, struct channel *channel)
{
    const struct event *first = channel->events.first;
    if (!first || first->verb != EVENT_OPEN) {
        char head[1024], id[CHANNEL_ID_ROOM];
        const char *json = channel->adopt ? channel->adopt : "{}";
        channel_id_text(channel, id);
        int size = snprintf(head, sizeof head, "ADOPT %s %llu %s %s %u%s", id,
                            (unsigned long long)channel->events.acked,
                            channel->service->name, channel->bound ? channel->bound : "-",
                            channel->gen, channel->is_websocket ? " ws=1" : "");
        size += s_label_option(channel, head + size, sizeof head - (size_t)size);
        if (channel->session)
            attachment_adopt_options(channel->session, head + size,
                                     sizeof head - (size_t)size);
        worker_commands_post(self, head, strlen(head), json, strlen(json));
    }
    s_emit_after(self, channel, 0);
}

/* From here on a channel's events go out, once it has been announced. */
static void s_announce_all(struct worker_commands *self, const struct bus_item *item)
{
    self->is_linked = true;
    hub_linked(self->hub, item->full);
    channel_expect_flow(self->host);
    if (item->full)
        worker_sessions_announce(self);
    self->host->unannounced = channel_first(self->host);
    self->announces = true;
    self->announces_all = item->full;
    self->announcement = item->c;
}

static void s_announce_one(struct worker_commands *self, struct channel *channel)
{
    if (channel->service && self->announces_all)
        s_announce(self, channel);
    else if (channel->service)
        s_emit_after(self, channel, 0);
    worker_presence_relabel(self, channel);
}

void worker_commands_announce(struct worker_commands *self)
{
    struct channel *channel;
    while (self->announces && bus_lane_bytes(self->lane) < ANNOUNCE_BYTES) {
        if ((channel = self->host->unannounced) != NULL) {
            self->host->unannounced = channel_after(channel);
            s_announce_one(self, channel);
            continue;
        }
        hub_announced(self->hub);
        struct bus_item *done = bus_item_new(BUS_ANNOUNCED, NULL, 0);
        done->full = self->has_presence;
        done->c = self->announcement;
        bus_lane_send(self->lane, done);
        self->announces = false;
    }
}

/* It will be announced anew. */
static void s_unlink(struct worker_commands *self)
{
    self->is_linked = self->announces = false;
    self->host->unannounced = NULL;
}

/* A new life of the edge: the old channels end, and nobody is told over the bus, because
 * the broker closes what belonged to the old epoch. */
static void s_end_epoch(struct worker_commands *self, const struct bus_item *item)
{
    s_unlink(self);
    for (struct channel *at = channel_first(self->host), *next; at; at = next) {
        next = channel_after(at);
        if (!at->service)
            continue;
        channel_count(at, -(ssize_t)at->events.count, -(ssize_t)at->events.bytes);
        channel_unlink_blocked(at);
        event_queue_clear(&at->events);
        at->service = NULL;
        if (at->carried)
            at->carrier->end(at, "bus-lost");
        else
            channel_destroy(&at);
    }
    snprintf(self->host->prefix, sizeof self->host->prefix, "%s", item->data);
    bus_lane_send(self->lane, bus_item_new(BUS_ENDED, NULL, 0));
}

/* ---- commands ---- */

struct channel *worker_commands_channel(struct worker_commands *self, struct wire_text id)
{
    uint64_t number;
    if (channel_id_parse(self->host, id.data, id.size, &number) < 0)
        return NULL;
    return channel_find(self->host, number);
}

const char *worker_commands_text(struct wire_text text, char *out, size_t room)
{
    return wire_unescape(text, out, room) < 0 ? NULL : out;
}

static void s_gone(struct worker_commands *self, const struct worker_command *command,
                   struct wire_text id)
{
    char head[TEXT_ROOM];
    int size = snprintf(head, sizeof head, "GONE %.*s", (int)id.size, id.data);
    if (size > 0 && (size_t)size < sizeof head)
        worker_commands_post(self, head, (size_t)size, NULL, 0);
    worker_commands_answer(self->host, command->reply, "gone");
}

/* A positional status at index `at`, where the token is no option; 0 without. */
static int s_status_at(const struct wire_record *record, size_t at)
{
    int status = 0;
    if (record->count > at &&
        !memchr(record->token[at].data, '=', record->token[at].size) &&
        wire_int(record->token[at], &status) < 0)
        return -1;
    return status;
}

static int s_option_int(const struct wire_record *record, const char *key, int missing)
{
    struct wire_text text = wire_option(record, 3, key);
    int value = missing;
    if (text.data && wire_int(text, &value) < 0)
        return -1;
    return value;
}

void worker_commands_send_options(const struct worker_command *command,
                                  struct send_options *options)
{
    const struct wire_record *record = &command->record;
    struct wire_text length = wire_option(record, 3, "length");
    struct wire_text format = wire_option(record, 3, "format");
    struct wire_text want = wire_option(record, 3, "want");
    uint64_t size = 0;
    *options = (struct send_options){
        .status = s_option_int(record, "status", 0),
        .close = s_option_int(record, "close", 0),
        .length = length.data && wire_u64(length, &size) == 0 ? (int64_t)size : -1,
        .is_sse = format.data && wire_is(format, "sse"),
        .receipt = command->reply,
    };
    if (want.data && wire_is(want, "written"))
        options->want = WANT_WRITTEN;
    else if (want.data && wire_is(want, "received"))
        options->want = WANT_RECEIVED;
}

void worker_commands_send_to(struct worker_commands *self,
                             const struct worker_command *command,
                             const struct send_options *options, struct wire_text id,
                             struct message *message)
{
    uint64_t number;
    if (channel_id_parse(self->host, id.data, id.size, &number) < 0 ||
        number % self->host->workers != self->host->index)
        return; // another worker's
    struct channel *channel = channel_find(self->host, number);
    if (!channel) {
        s_gone(self, command, id);
        return;
    }
    const char *error = "gone";
    if (channel->carried && channel->session)
        error = worker_sessions_send(self, &command->record, channel, message, options);
    else if (channel->carried)
        error = channel->carrier->send(channel, message, options);
    if (error || options->want == WANT_ACCEPTED)
        worker_commands_answer(self->host, command->reply, error);
}

static void s_take_send(struct worker_commands *self, struct worker_command *command)
{
    const struct wire_record *record = &command->record;
    struct wire_text list = record->token[2];
    struct send_options options;
    struct message message = {.data = record->payload,
                              .size = record->payload_size,
                              .source = command->blob,
                              .is_binary = wire_option(record, 3, "bin").data != NULL};
    worker_commands_send_options(command, &options);
    if (!message.data)
        message.data = command->blob->data + command->blob->size;
    while (list.size > 0) {
        const char *comma = memchr(list.data, ',', list.size);
        struct wire_text id = {list.data,
                               comma ? (size_t)(comma - list.data) : list.size};
        size_t used = comma ? id.size + 1 : id.size;
        list.data += used;
        list.size -= used;
        worker_commands_send_to(self, command, &options, id, &message);
    }
    message_clear(&message);
}

static void s_take_close(struct worker_commands *self, struct worker_command *command,
                         struct channel *channel)
{
    const struct wire_record *record = &command->record;
    int status = s_status_at(record, 3);
    const char *error = "value";
    if (!channel->carried) {
        error = "gone";
    } else if (wire_is(wire_option(record, 3, "cause"), "slow")) {
        error = NULL;
        channel->carrier->end(channel, "slow"); // the broker had no room for a SEND
    } else if (status >= 0) {
        error = channel->carrier->close(channel, status, record->payload,
                                        record->payload_size);
    }
    worker_commands_answer(self->host, command->reply, error);
}

/* "-": none. */
static void s_set_label(struct worker_commands *self, struct channel *channel,
                        struct wire_text label)
{
    if (!label.data || label.size > LABEL_MAX)
        return;
    free(channel->label);
    channel->label = wire_is(label, "-") ? NULL : mem_strndup(label.data, label.size);
    worker_presence_relabel(self, channel);
}

static void s_take_label(struct worker_commands *self, struct worker_command *command,
                         struct channel *channel)
{
    const struct wire_record *record = &command->record;
    bool right = record->count > 3 && record->token[3].size <= LABEL_MAX;
    const char *error = channel->carried ? NULL : "gone";
    if (right)
        s_set_label(self, channel, record->token[3]);
    worker_commands_answer(self->host, command->reply, right ? error : "value");
}

static void s_take_accept(struct worker_commands *self, struct worker_command *command,
                          struct channel *channel)
{
    char text[TEXT_ROOM];
    const struct wire_record *record = &command->record;
    struct wire_text option = wire_option(record, 3, "protocol");
    const char *protocol =
        option.data ? worker_commands_text(option, text, sizeof text) : NULL;
    const char *error = channel->carried ? NULL : "gone";
    if (!error && option.data && !protocol)
        error = "value";
    s_set_label(self, channel, wire_option(record, 3, "label"));
    if (!error)
        error = channel->carrier->accept(channel, protocol, record->payload,
                                         record->payload_size);
    worker_commands_answer(self->host, command->reply, error);
}

/* The former worker died with events that it had been sent: docs/protocol/1-bus.md 5.2, 6
 * and 7. */
static void s_count_try(struct channel *channel, uint64_t tried)
{
    struct event_queue *events = &channel->events;
    const struct event *first = events->first;
    bool lost_open = first && first->verb == EVENT_OPEN && tried >= 1 &&
                     channel->is_unsafe && !channel->redeliver_all;
    bool poison = event_queue_tried(events, tried);
    if (!lost_open && !poison)
        return;
    if (channel->carried)
        channel->carrier->end(channel, poison ? "poison" : "worker-lost");
    /* Its CLOSE is never given up: a client that went may have had it behind the poison.
     */
    if (events->last->verb == EVENT_CLOSE && tried >= events->last->seq)
        tried = events->last->seq - 1;
    channel_acked(channel, lost_open && !poison ? 1 : tried);
}

/* The next worker cannot go on with it.  Parts of a body say nothing to who lacks the
 * first. */
static void s_end_unadoptable(struct channel *channel)
{
    uint64_t last = 0;
    if (!channel->carried || !channel->carrier->is_adoptable ||
        channel->carrier->is_adoptable(channel))
        return;
    for (const struct event *event = channel->events.first; event; event = event->next)
        if (event->verb == EVENT_BODY)
            last = event->seq;
    channel->carrier->end(channel, "worker-lost");
    if (last)
        channel_acked(channel, last);
}

static void s_take_resend(struct worker_commands *self, struct worker_command *command,
                          struct channel *channel)
{
    const struct wire_record *record = &command->record;
    struct wire_text from = wire_option(record, 4, "from");
    struct wire_text tried = wire_option(record, 4, "tried");
    uint64_t seq = 0, gen = 0;
    if (record->count < 4 || wire_u64(record->token[3], &gen) < 0 || !channel->service)
        return;
    if (from.data && wire_u64(from, &seq) == 0) {
        s_emit_after(self, channel, seq);
        return;
    }
    channel->gen = (uint32_t)gen;
    free(channel->bound);
    channel->bound = NULL;
    bool was_linked = self->is_linked;
    self->is_linked = false; // what s_count_try adds goes out with the announcement
    if (tried.data && wire_u64(tried, &seq) == 0)
        s_count_try(channel, seq);
    s_end_unadoptable(channel);
    self->is_linked = was_linked;
    s_announce(self, channel);
}

static void s_take_bound(struct worker_command *command, struct channel *channel)
{
    if (command->record.count < 4 || command->record.token[3].size > WORKER_NAME_MAX)
        return;
    free(channel->bound);
    channel->bound =
        mem_strndup(command->record.token[3].data, command->record.token[3].size);
}

static void s_for_channel(struct worker_commands *self, struct worker_command *command)
{
    const struct wire_record *record = &command->record;
    struct wire_text verb = record->token[0];
    struct channel *channel = worker_commands_channel(self, record->token[2]);
    if (session_token_is_id(record->token[2].data, record->token[2].size)) {
        worker_sessions_copy(self,
                             record); // a BIND: the bus has let no other one through
    } else if (!channel) {
        if (wire_is(verb, "SUB"))
            worker_topics_missed(self, record);
        if (wire_is(verb, "BIND"))
            worker_sessions_missed(self, record);
        s_gone(self, command, record->token[2]);
    } else if (wire_is(verb, "CLOSE")) {
        s_take_close(self, command, channel);
    } else if (wire_is(verb, "ACCEPT")) {
        s_take_accept(self, command, channel);
    } else if (wire_is(verb, "LABEL")) {
        s_take_label(self, command, channel);
    } else if (wire_is(verb, "SUB") || wire_is(verb, "UNSUB")) {
        worker_topics_subscription(self, command, channel);
    } else if (wire_is(verb, "RESEND")) {
        s_take_resend(self, command, channel);
    } else if (wire_is(verb, "BIND")) {
        worker_sessions_bind(self, command, channel);
    } else if (wire_is(verb, "DROP")) {
        worker_sessions_drop(command, channel);
    } else if (wire_is(verb, "BOUND")) {
        s_take_bound(command, channel);
    }
}

/* ---- records that name no channel of ours ---- */

static void s_take_acks(struct worker_commands *self, const struct wire_record *record)
{
    const char *at = (const char *)record->payload;
    const char *end = at + record->payload_size;
    while (at && at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((line_end ? line_end : end) - at);
        const char *space = memchr(at, ' ', size);
        uint64_t seq;
        if (space) {
            struct wire_text id = {at, (size_t)(space - at)};
            struct wire_text number = {space + 1, size - id.size - 1};
            struct channel *channel = worker_commands_channel(self, id);
            if (channel && wire_u64(number, &seq) == 0)
                channel_acked(channel, seq);
        }
        at += size + 1;
    }
}

static void s_take_flow(struct worker_commands *self, const struct wire_record *record)
{
    char name[TEXT_ROOM];
    if (record->count < 4 || !worker_commands_text(record->token[2], name, sizeof name))
        return;
    struct service *service = channel_find_service(self->host, name);
    if (service) // else no route leads there
        channel_flow(self->host, service, wire_is(record->token[3], "1"));
}

static void s_take_command(struct worker_commands *self, struct blob *blob)
{
    struct worker_command command = {.blob = blob};
    const struct wire_record *record = &command.record;
    if (wire_read(blob->data, blob->size, &command.record) < 0 || record->count < 3 ||
        wire_u64(record->token[1], &command.c) < 0)
        return;
    struct wire_text verb = record->token[0];
    gateway_metrics_command();
    if (wire_option(record, 3, "reply").data)
        command.reply = command.c;
    if (wire_is(verb, "SEND"))
        s_take_send(self, &command);
    else if (wire_is(verb, "CAST"))
        worker_cast_take(self, &command);
    else if (wire_is(verb, "ACK"))
        s_take_acks(self, record);
    else if (wire_is(verb, "UP"))
        worker_sessions_up(self, record);
    else if (wire_is(verb, "FORGET"))
        worker_sessions_forget(self, record);
    else if (wire_is(verb, "FLOW"))
        s_take_flow(self, record);
    else if (wire_is(verb, "PUB") || wire_is(verb, "TOP") || wire_is(verb, "LOST"))
        worker_topics_take(self, &command);
    else if (wire_is(verb, "HIST") || wire_is(verb, "GAP") || wire_is(verb, "LIVE"))
        worker_topics_answer(self, &command);
    else
        s_for_channel(self, &command);
}

/* A command for the channel was dropped: the client would see a hole. */
static void s_end_slow(struct worker_commands *self, const struct bus_item *item)
{
    struct wire_text id = {item->data, item->size};
    struct channel *channel = worker_commands_channel(self, id);
    if (channel && channel->carried)
        channel->carrier->end(channel, "slow");
}

void worker_commands_take(struct worker_commands *self, const struct bus_item *item)
{
    switch (item->kind) {
    case BUS_COMMAND:
        s_take_command(self, item->blob);
        break;
    case BUS_LINK_DOWN:
        s_unlink(self);
        break;
    case BUS_ANNOUNCE:
        s_announce_all(self, item);
        break;
    case BUS_LOST:
        worker_topics_lost(self);
        break;
    case BUS_SLOW:
        s_end_slow(self, item);
        break;
    case BUS_EPOCH:
        s_end_epoch(self, item);
        break;
    default:
        break;
    }
}
