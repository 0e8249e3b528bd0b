#include "gateway/worker_cast.h"

#include "gateway/worker_topics.h"

#include <string.h>

/* CAST n: lines "c:CHANNEL" and "t:TOPIC", with "-" before them exceptions; then what is
 * sent.  With topics it is a publication: docs/protocol/1-bus.md section 5.2, rule 21. */
struct cast {
    struct worker_commands *self;
    struct worker_command *command;
    struct wire_text lines, data;
    uint64_t count;
    struct cursor position; // of the publication
    bool is_published;
};

struct line {
    bool excepted;
    char kind;
    struct wire_text name;
};

static bool s_next(struct wire_text *rest, uint64_t *left, struct line *line)
{
    struct wire_text text;
    if (*left == 0 || !wire_next_line(rest, &text))
        return false;
    --*left;
    line->excepted = text.size > 0 && text.data[0] == '-';
    text.data += line->excepted;
    text.size -= line->excepted;
    line->kind = 0;
    line->name = (struct wire_text){"", 0};
    if (text.size > 2) {
        line->kind = text.data[0];
        line->name = (struct wire_text){text.data + 2, text.size - 2};
    }
    return true;
}

/* Calls `take` for each line. */
static void s_each(struct cast *cast,
                   void (*take)(struct cast *cast, const struct line *line))
{
    struct wire_text rest = cast->lines;
    struct line line;
    for (uint64_t left = cast->count; s_next(&rest, &left, &line);)
        take(cast, &line);
}

static void s_except(struct cast *cast, const struct line *line)
{
    char topic[WORKER_TEXT_ROOM];
    struct channel *channel = NULL;
    if (!line->excepted)
        return;
    if (line->kind == 't' && worker_commands_text(line->name, topic, sizeof topic))
        hub_cast_except_topic(cast->self->hub, topic);
    else if (line->kind == 'c')
        channel = worker_commands_channel(cast->self, line->name);
    if (channel)
        hub_cast_except(cast->self->hub, channel);
}

static struct message s_message(const struct cast *cast, const char *topic,
                                const char *cursor)
{
    struct message message = worker_topics_message(cast->command, 3, topic, cursor);
    message.data = (const uint8_t *)cast->data.data;
    message.size = cast->data.size;
    return message;
}

static void s_publish(struct cast *cast, const struct line *line)
{
    char topic[WORKER_TEXT_ROOM], cursor[CURSOR_ROOM];
    if (line->excepted || line->kind != 't' || !cast->is_published ||
        !worker_commands_text(line->name, topic, sizeof topic))
        return;
    cursor_write(&cast->position, cursor);
    struct message message = s_message(cast, topic, cursor);
    hub_cast_publish(cast->self->hub, &message, &cast->position);
    message_clear(&message);
}

/* To the channels that are named, and have not got it as subscribers. */
static void s_send(struct cast *cast)
{
    struct worker_commands *self = cast->self;
    struct send_options options;
    struct wire_text rest = cast->lines;
    struct line line;
    struct message message = s_message(cast, NULL, NULL);
    worker_commands_send_options(cast->command, &options);
    for (uint64_t left = cast->count; s_next(&rest, &left, &line);) {
        if (line.excepted || line.kind != 'c')
            continue;
        const struct channel *channel = worker_commands_channel(self, line.name);
        if (!channel || hub_cast_is_due(self->hub, channel))
            worker_commands_send_to(self, cast->command, &options, line.name, &message);
        else
            worker_commands_answer(self->host, cast->command->reply, NULL);
    }
    message_clear(&message);
}

void worker_cast_take(struct worker_commands *self, struct worker_command *command)
{
    const struct wire_record *record = &command->record;
    struct wire_text position = wire_option(record, 3, "pos"), line;
    struct cast cast = {.self = self,
                        .command = command,
                        .lines = {(const char *)record->payload, record->payload_size}};
    if (wire_u64(record->token[2], &cast.count) < 0)
        return;
    cast.data = cast.lines;
    for (uint64_t left = cast.count; left > 0; left--)
        if (!wire_next_line(&cast.data, &line))
            return; // not of our broker
    cast.is_published =
        position.data && cursor_read(position.data, position.size, &cast.position) == 0;
    hub_cast_begin(self->hub);
    s_each(&cast, s_except);
    s_each(&cast, s_publish);
    s_send(&cast);
}
