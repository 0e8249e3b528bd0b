#include "gateway/worker_topics.h"

#include "gateway/worker_presence.h"

#include <string.h>

enum { TEXT_ROOM = WORKER_TEXT_ROOM };

static const char *s_topic(const struct wire_record *record, char *out)
{
    if (record->count <= 3)
        return NULL;
    return worker_commands_text(record->token[3], out, TEXT_ROOM);
}

void worker_topics_missed(struct worker_commands *self, const struct wire_record *record)
{
    char topic[TEXT_ROOM];
    const char *name = s_topic(record, topic);
    if (name)
        bus_lane_send(self->lane, bus_item_new(BUS_UNSUB, name, strlen(name)));
}

void worker_topics_subscription(struct worker_commands *self,
                                struct worker_command *command, struct channel *channel)
{
    char topic[TEXT_ROOM];
    const struct wire_record *record = &command->record;
    bool more = wire_is(record->token[0], "SUB");
    const char *name = s_topic(record, topic);
    if (more && !channel_is_open(channel))
        worker_topics_missed(self, record);
    if (!name || !channel_is_open(channel)) {
        worker_commands_answer(self->host, command->reply, name ? "gone" : "value");
        return;
    }
    if (more)
        hub_subscribe(self->hub, channel, name);
    else
        hub_unsubscribe(self->hub, channel, name);
    if (more && wire_is(wire_option(record, 4, "presence"), "1"))
        worker_presence_enter(self, channel, name);
    else if (!more)
        worker_presence_exit(self, channel, name);
    worker_commands_answer(self->host, command->reply, NULL);
}

static uint64_t s_except(struct worker_commands *self, const struct wire_record *record)
{
    struct wire_text text = wire_option(record, 4, "except");
    uint64_t id = 0;
    if (text.data && channel_id_parse(self->host, text.data, text.size, &id) < 0)
        return 0;
    return id;
}

void worker_topics_take(struct worker_commands *self, struct worker_command *command)
{
    char topic[TEXT_ROOM], position[TEXT_ROOM];
    const struct wire_record *record = &command->record;
    bool is_lost = wire_is(record->token[0], "LOST");
    size_t at = is_lost ? 4 : 3;
    if (record->count <= at ||
        !worker_commands_text(record->token[2], topic, sizeof topic) ||
        !worker_commands_text(record->token[at], position, sizeof position))
        return;
    struct message message = {.data = record->payload,
                              .size = record->payload_size,
                              .source = command->blob,
                              .is_binary = wire_option(record, 4, "bin").data != NULL,
                              .topic = topic,
                              .cursor = position};
    if (is_lost)
        hub_lost(self->hub, topic, position);
    else if (wire_is(record->token[0], "TOP"))
        hub_top(self->hub, topic, position);
    else
        hub_publish(self->hub, &message, s_except(self, record));
    message_clear(&message);
}

void worker_topics_lost(struct worker_commands *self)
{
    hub_lost_all(self->hub);
}
