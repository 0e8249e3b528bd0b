#include "gateway/worker_topics.h"

#include "gateway/worker_presence.h"
#include "gateway/worker_sessions.h"

#include <string.h>

enum { TEXT_ROOM = WORKER_TEXT_ROOM };

static const char *s_topic(const struct wire_record *record, char *out)
{
    if (record->count <= 3)
        return NULL;
    return worker_commands_text(record->token[3], out, TEXT_ROOM);
}

static bool s_position(struct wire_text text, struct cursor *out)
{
    return text.data && cursor_read(text.data, text.size, out) == 0;
}

void worker_topics_missed(struct worker_commands *self, const struct wire_record *record)
{
    char topic[TEXT_ROOM];
    struct cursor position;
    const char *name = s_topic(record, topic);
    if (!name)
        return;
    /* Who joined it meanwhile was not announced, because this counted already. */
    if (s_position(wire_option(record, 4, "pos"), &position))
        hub_top(self->hub, name, &position);
    bus_lane_send(self->lane, bus_item_new(BUS_UNSUB, name, strlen(name)));
}

static const char *s_subscribe(struct worker_commands *self,
                               const struct wire_record *record, struct channel *channel,
                               const char *name)
{
    struct cursor position, since;
    bool is_told = s_position(wire_option(record, 4, "pos"), &position);
    bool goes_back = s_position(wire_option(record, 4, "since"), &since);
    struct wire_text slow = wire_option(record, 4, "slow");
    enum slow_policy policy = SLOW_CLOSE;
    if (slow.data && slow_policy_read(slow.data, slow.size, &policy) < 0) {
        worker_topics_missed(self, record);
        return "value";
    }
    if (channel->session)
        goes_back = false; // the broker knows from where on its session wants it
    if (!hub_subscribe(self->hub, channel, name, is_told ? &position : NULL,
                       goes_back ? &since : NULL))
        return "full";
    if (slow.data)
        hub_set_slow(channel, policy);
    return NULL;
}

void worker_topics_subscription(struct worker_commands *self,
                                struct worker_command *command, struct channel *channel)
{
    char topic[TEXT_ROOM];
    const char *error = NULL;
    const struct wire_record *record = &command->record;
    bool more = wire_is(record->token[0], "SUB");
    const char *name = s_topic(record, topic);
    if (more && !channel_is_open(channel))
        worker_topics_missed(self, record);
    if (!name || !channel_is_open(channel))
        error = name ? "gone" : "value";
    else if (more)
        error = s_subscribe(self, record, channel, name);
    else
        hub_unsubscribe(self->hub, channel, name);
    bool enters = wire_is(wire_option(record, 4, "presence"), "1");
    if (more && !error && enters && !channel->session) // those are the broker's to know
        worker_presence_enter(self, channel, name);
    else if (!more && name)
        worker_presence_exit(self, channel, name);
    if (!error && channel->session)
        worker_sessions_follow(self, record, channel);
    worker_commands_answer(self->host, command->reply, error);
}

static uint64_t s_except(struct worker_commands *self, const struct wire_record *record)
{
    struct wire_text text = wire_option(record, 4, "except");
    uint64_t id = 0;
    if (text.data && channel_id_parse(self->host, text.data, text.size, &id) < 0)
        return 0;
    return id;
}

struct message worker_topics_message(const struct worker_command *command, size_t options,
                                     const char *topic, const char *cursor)
{
    const struct wire_record *record = &command->record;
    struct wire_text collapse = wire_option(record, options, "collapse");
    return (struct message){.data = record->payload,
                            .size = record->payload_size,
                            .source = command->blob,
                            .is_binary = wire_option(record, options, "bin").data != NULL,
                            .topic = topic,
                            .cursor = cursor,
                            .collapse = collapse.data,
                            .collapse_size = collapse.size};
}

void worker_topics_take(struct worker_commands *self, struct worker_command *command)
{
    char topic[TEXT_ROOM], cursor[CURSOR_ROOM];
    struct cursor position;
    const struct wire_record *record = &command->record;
    bool is_lost = wire_is(record->token[0], "LOST");
    size_t at = is_lost ? 4 : 3;
    if (record->count <= at ||
        !worker_commands_text(record->token[2], topic, sizeof topic) ||
        !s_position(record->token[at], &position))
        return;
    cursor_write(&position, cursor);
    struct message message = worker_topics_message(command, 4, topic, cursor);
    if (is_lost)
        hub_lost(self->hub, topic, &position);
    else if (wire_is(record->token[0], "TOP"))
        hub_top(self->hub, topic, &position);
    else
        hub_publish(self->hub, &message, &position, s_except(self, record));
    message_clear(&message);
}

/* What the three answers have in common. */
struct s_answer {
    struct channel *channel;
    struct cursor position; // of GAP: where it ends
    uint64_t asked;
};

/* at: index of the position. */
static bool s_read_answer(struct worker_commands *self, const struct wire_record *record,
                          size_t at, struct s_answer *answer)
{
    struct wire_text asked = wire_option(record, at + 1, "n");
    answer->channel = worker_commands_channel(self, record->token[2]);
    return answer->channel && record->count > at &&
           s_position(record->token[at], &answer->position) && asked.data &&
           wire_u64(asked, &answer->asked) == 0;
}

static void s_take_history(struct worker_commands *self, struct worker_command *command)
{
    char topic[TEXT_ROOM], cursor[CURSOR_ROOM];
    struct s_answer answer;
    const struct wire_record *record = &command->record;
    if (record->count < 5 || !s_read_answer(self, record, 3, &answer) ||
        !worker_commands_text(record->token[4], topic, sizeof topic))
        return;
    cursor_write(&answer.position, cursor);
    bool is_send = strcmp(topic, "-") == 0;
    struct message message =
        worker_topics_message(command, 5, is_send ? NULL : topic, cursor);
    hub_history(self->hub, answer.channel, answer.asked, &message, &answer.position);
    message_clear(&message);
}

static void s_take_gap(struct worker_commands *self, const struct wire_record *record)
{
    char topic[TEXT_ROOM], reason[TEXT_ROOM], from[CURSOR_ROOM], to[CURSOR_ROOM];
    struct s_answer answer;
    struct cursor start;
    struct gap gap = {.from = from, .to = to, .reason = reason};
    struct wire_text name = wire_option(record, 6, "topic");
    struct wire_text count = wire_option(record, 6, "count");
    if (record->count < 6 || !s_read_answer(self, record, 4, &answer) ||
        !s_position(record->token[3], &start) ||
        !worker_commands_text(record->token[5], reason, sizeof reason))
        return;
    cursor_write(&start, from);
    cursor_write(&answer.position, to);
    if (name.data)
        gap.topic = worker_commands_text(name, topic, sizeof topic);
    if (count.data && wire_u64(count, &gap.count) < 0)
        gap.count = 0;
    hub_gap(self->hub, answer.channel, answer.asked, &gap, &answer.position);
}

static void s_take_live(struct worker_commands *self, const struct wire_record *record)
{
    struct s_answer answer;
    struct channel *channel = worker_commands_channel(self, record->token[2]);
    if (channel && !wire_option(record, 4, "n").data)
        hub_pause(self->hub, channel); // unasked: what a session is sent found no room
    else if (s_read_answer(self, record, 3, &answer))
        hub_live(self->hub, answer.channel, answer.asked, &answer.position,
                 wire_option(record, 4, "more").data != NULL);
}

void worker_topics_answer(struct worker_commands *self, struct worker_command *command)
{
    const struct wire_record *record = &command->record;
    if (wire_is(record->token[0], "HIST"))
        s_take_history(self, command);
    else if (wire_is(record->token[0], "GAP"))
        s_take_gap(self, record);
    else
        s_take_live(self, record);
}

void worker_topics_lost(struct worker_commands *self)
{
    hub_lost_all(self->hub);
}
