#include "gateway/hub.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

enum { POSITION_ROOM = 48 };

struct subscription {
    struct subscription *next_of_channel;
    struct subscription *next, *prev; // of the topic
    struct channel *channel;
    struct hub_topic *topic;
    char *cursor;  // of a topic route, what the client showed, until it is told
    bool by_route; // the client is told positions and gaps
    bool is_ready; // ... and was told where it starts
};

struct hub_topic {
    char *name;
    char position[POSITION_ROOM]; // "" until the broker has told it
    struct subscription *first;
    struct table_entry by_name;
};

struct hub {
    struct table topics;
    void (*tell)(void *context, const char *topic, bool more);
    void *context;
};

struct hub *hub_new(void (*tell)(void *context, const char *topic, bool more),
                    void *context)
{
    struct hub *self = mem_new(struct hub);
    self->tell = tell;
    self->context = context;
    return self;
}

void hub_destroy(struct hub **self_p)
{
    free(*self_p); // the channels have left
    *self_p = NULL;
}

static struct hub_topic *s_find(struct hub *self, const char *name)
{
    struct table_entry *entry = table_find(&self->topics, name, strlen(name));
    return entry ? table_item(entry, struct hub_topic, by_name) : NULL;
}

static struct subscription *s_subscription(struct channel *channel,
                                           const struct hub_topic *topic)
{
    struct subscription *at = channel->subscriptions;
    while (at && at->topic != topic)
        at = at->next_of_channel;
    return at;
}

static struct hub_topic *s_topic(struct hub *self, const char *name)
{
    struct hub_topic *topic = s_find(self, name);
    if (!topic) {
        topic = mem_new(struct hub_topic);
        topic->name = mem_strdup(name);
        table_add(&self->topics, &topic->by_name, topic->name, strlen(name));
    }
    return topic;
}

static struct subscription *s_add(struct hub_topic *topic, struct channel *channel)
{
    struct subscription *self = mem_new(struct subscription);
    self->channel = channel;
    self->topic = topic;
    self->next_of_channel = channel->subscriptions;
    channel->subscriptions = self;
    self->next = topic->first;
    if (self->next)
        self->next->prev = self;
    topic->first = self;
    return self;
}

static void s_remove(struct hub *self, struct subscription *gone)
{
    struct hub_topic *topic = gone->topic;
    struct subscription **at = &gone->channel->subscriptions;
    while (*at != gone)
        at = &(*at)->next_of_channel;
    *at = gone->next_of_channel;
    if (gone->prev)
        gone->prev->next = gone->next;
    else
        topic->first = gone->next;
    if (gone->next)
        gone->next->prev = gone->prev;
    free(gone->cursor);
    free(gone);
    self->tell(self->context, topic->name, false);
    if (topic->first)
        return;
    table_remove(&self->topics, &topic->by_name);
    free(topic->name);
    free(topic);
}

/* Why a client that showed `cursor` has missed something, or NULL.  A position is
 * "epoch:number"; without history only the very last one leaves no gap. */
static const char *s_gap(const char *cursor, const char *position)
{
    const char *colon = strchr(position, ':');
    size_t epoch = colon ? (size_t)(colon - position) + 1 : 0;
    if (!cursor || strcmp(cursor, position) == 0)
        return NULL;
    if (strncmp(cursor, position, epoch) != 0)
        return "restart";
    unsigned long long shown = strtoull(cursor + epoch, NULL, 10);
    return shown > strtoull(position + epoch, NULL, 10) ? "reset" : "no-history";
}

static void s_begin(struct subscription *self)
{
    const char *position = self->topic->position;
    const char *gap = s_gap(self->cursor, position);
    self->is_ready = true;
    self->channel->carrier->subscribed(self->channel, self->topic->name, position, gap);
}

void hub_join(struct hub *self, struct channel *channel, const char *name,
              const char *cursor)
{
    struct hub_topic *topic = s_topic(self, name);
    if (s_subscription(channel, topic))
        return;
    struct subscription *subscription = s_add(topic, channel);
    subscription->by_route = true;
    subscription->cursor = cursor ? mem_strdup(cursor) : NULL;
    self->tell(self->context, name, true);
    if (topic->position[0])
        s_begin(subscription);
}

void hub_subscribe(struct hub *self, struct channel *channel, const char *name)
{
    struct hub_topic *topic = s_topic(self, name);
    if (s_subscription(channel, topic))
        self->tell(self->context, name, false); // the bus counted it once too often
    else
        s_add(topic, channel);
}

void hub_unsubscribe(struct hub *self, struct channel *channel, const char *name)
{
    struct hub_topic *topic = s_find(self, name);
    struct subscription *subscription = topic ? s_subscription(channel, topic) : NULL;
    if (subscription)
        s_remove(self, subscription);
}

void hub_leave_all(struct hub *self, struct channel *channel)
{
    for (struct subscription *at = channel->subscriptions, *next; at; at = next) {
        next = at->next_of_channel;
        s_remove(self, at);
    }
}

void hub_top(struct hub *self, const char *name, const char *position)
{
    struct hub_topic *topic = s_find(self, name);
    if (!topic)
        return;
    const char *gap = topic->position[0] ? s_gap(topic->position, position) : NULL;
    strncpy(topic->position, position, sizeof topic->position - 1);
    for (struct subscription *at = topic->first, *next; at; at = next) {
        next = at->next;
        if (!at->by_route)
            continue;
        if (!at->is_ready)
            s_begin(at);
        else if (gap)
            at->channel->carrier->subscribed(at->channel, name, position, gap);
    }
}

/* Channels that no gap can be told to: they are closed, when no topic is looked at any
 * more, because that may end subscriptions to others. */
struct s_doomed {
    struct channel **channel;
    size_t count, room;
};

static void s_doom(struct s_doomed *self, struct channel *channel)
{
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 16;
        self->channel = mem_realloc(self->channel, self->room * sizeof(struct channel *));
    }
    self->channel[self->count++] = channel;
}

static void s_end_doomed(struct s_doomed *self)
{
    for (size_t at = 0; at < self->count; at++)
        self->channel[at]->carrier->end(self->channel[at], "slow");
    free(self->channel);
}

static void s_lose(struct hub_topic *topic, struct s_doomed *doomed)
{
    for (struct subscription *at = topic->first, *next; at; at = next) {
        next = at->next;
        if (at->by_route && at->is_ready)
            at->channel->carrier->subscribed(at->channel, topic->name, topic->position,
                                             "overload");
        else if (!at->by_route)
            s_doom(doomed, at->channel);
    }
}

void hub_lost(struct hub *self, const char *name, const char *position)
{
    struct s_doomed doomed = {0};
    struct hub_topic *topic = s_find(self, name);
    if (!topic)
        return;
    strncpy(topic->position, position, sizeof topic->position - 1);
    s_lose(topic, &doomed);
    s_end_doomed(&doomed);
}

void hub_lost_all(struct hub *self)
{
    struct s_doomed doomed = {0};
    for (struct table_entry *at = self->topics.first; at; at = table_after(at))
        s_lose(table_item(at, struct hub_topic, by_name), &doomed);
    s_end_doomed(&doomed);
}

void hub_publish(struct hub *self, struct message *message, uint64_t except)
{
    struct hub_topic *topic = s_find(self, message->topic);
    if (!topic)
        return;
    strncpy(topic->position, message->cursor, sizeof topic->position - 1);
    for (struct subscription *at = topic->first, *next; at; at = next) {
        next = at->next; // a channel that ends here takes only its own subscription along
        if (at->channel->id == except || (at->by_route && !at->is_ready))
            continue;
        at->channel->carrier->publish(at->channel, message);
    }
}
