#include "gateway/worker_presence.h"

#include "common/mem.h"
#include "common/topic_pattern.h"

#include <stdlib.h>
#include <string.h>

/* A topic that a channel is in. */
struct presence_mark {
    struct presence_mark *next;
    char topic[];
};

static void s_say(struct worker_commands *self, const struct channel *channel,
                  const char *topic, bool enter)
{
    struct wire_header header;
    char id[CHANNEL_ID_ROOM];
    const char *label = channel->label ? channel->label : "";
    if (!self->is_linked || !channel_is_announced(channel))
        return; // it will be announced
    channel_id_text(channel, id);
    wire_begin(&header, enter ? "ENTER" : "EXIT");
    wire_add_escaped(&header, topic);
    wire_add(&header, id);
    if (!header.overflow)
        worker_commands_post(self, header.text, header.size, label,
                             enter ? strlen(label) : 0);
}

static struct presence_mark **s_find(struct channel *channel, const char *topic)
{
    struct presence_mark **at = &channel->present_in;
    while (*at && strcmp((*at)->topic, topic) != 0)
        at = &(*at)->next;
    return at;
}

void worker_presence_enter(struct worker_commands *self, struct channel *channel,
                           const char *topic)
{
    size_t size = strlen(topic);
    if (topic_kind(topic, size) != TOPIC_NAME || *s_find(channel, topic))
        return;
    struct presence_mark *mark = mem_alloc(sizeof *mark + size + 1);
    memcpy(mark->topic, topic, size + 1);
    mark->next = channel->present_in;
    channel->present_in = mark;
    self->has_presence = true;
    s_say(self, channel, topic, true);
}

static void s_take_off(struct worker_commands *self, struct channel *channel,
                       struct presence_mark **at)
{
    struct presence_mark *mark = *at;
    *at = mark->next;
    s_say(self, channel, mark->topic, false);
    free(mark);
}

void worker_presence_exit(struct worker_commands *self, struct channel *channel,
                          const char *topic)
{
    struct presence_mark **at = s_find(channel, topic);
    if (*at)
        s_take_off(self, channel, at);
}

void worker_presence_leave_all(struct worker_commands *self, struct channel *channel)
{
    while (channel->present_in)
        s_take_off(self, channel, &channel->present_in);
}

void worker_presence_relabel(struct worker_commands *self, const struct channel *channel)
{
    const struct presence_mark *mark = channel->present_in;
    for (; mark; mark = mark->next)
        s_say(self, channel, mark->topic, true);
}
