#include "common/mem.h"
#include "common/topic_pattern.h"
#include "gateway/hub_private.h"

#include <stdlib.h>
#include <string.h>

enum { LIMIT = 1000 }; // messages of one HGET of a channel that an application subscribed

struct hub *hub_new(const struct hub_options *options)
{
    struct hub *self = mem_new(struct hub);
    self->options = *options;
    return self;
}

void hub_destroy(struct hub **self_p)
{
    free(*self_p); // the channels have left
    *self_p = NULL;
}

struct hub_topic *hub_find(const struct hub *self, const char *name, size_t size)
{
    struct table_entry *entry = table_find(&self->topics, name, size);
    return entry ? table_item(entry, struct hub_topic, by_name) : NULL;
}

static struct subscription *s_subscription(const struct channel *channel,
                                           const struct hub_topic *topic)
{
    struct subscription *at = channel->follower ? channel->follower->subscriptions : NULL;
    while (at && at->topic != topic)
        at = at->next_of_follower;
    return at;
}

static struct hub_topic *s_topic(struct hub *self, const char *name)
{
    size_t size = strlen(name);
    struct hub_topic *topic = hub_find(self, name, size);
    if (topic)
        return topic;
    topic = mem_new(struct hub_topic);
    topic->name = mem_strdup(name);
    topic->is_pattern = topic_kind(name, size) == TOPIC_PATTERN;
    self->patterns += topic->is_pattern;
    table_add(&self->topics, &topic->by_name, topic->name, size);
    return topic;
}

static struct follower *s_follower(struct channel *channel)
{
    if (!channel->follower) {
        channel->follower = mem_new(struct follower);
        channel->follower->channel = channel;
        channel->follower->limit = LIMIT;
    }
    return channel->follower;
}

static struct subscription *s_add(struct hub_topic *topic, struct follower *follower)
{
    struct subscription *self = mem_new(struct subscription);
    self->follower = follower;
    self->topic = topic;
    self->next_of_follower = follower->subscriptions;
    follower->subscriptions = self;
    follower->count++;
    follower->not_live += !topic->is_live;
    self->next = topic->first;
    if (self->next)
        self->next->prev = self;
    topic->first = self;
    return self;
}

static void s_free_topic(struct hub *self, struct hub_topic *topic)
{
    self->patterns -= topic->is_pattern;
    table_remove(&self->topics, &topic->by_name);
    free(topic->name);
    free(topic);
}

static void s_unlink(struct hub_topic *topic, struct subscription *gone)
{
    if (gone->prev)
        gone->prev->next = gone->next;
    else
        topic->first = gone->next;
    if (gone->next)
        gone->next->prev = gone->prev;
}

static void s_free_follower(struct hub *self, struct follower *follower)
{
    follower->channel->follower = NULL;
    follower->channel->awaits_drain = false;
    if (follower->is_session)
        hub_unlink_session(follower);
    if (self->current == follower)
        self->current = NULL;
    free(follower);
}

static void s_remove(struct hub *self, struct subscription *gone)
{
    struct hub_topic *topic = gone->topic;
    struct follower *follower = gone->follower;
    struct subscription **at = &follower->subscriptions;
    while (*at != gone)
        at = &(*at)->next_of_follower;
    *at = gone->next_of_follower;
    follower->count--;
    follower->not_live -= !topic->is_live;
    s_unlink(topic, gone);
    free(gone);
    self->options.tell(self->options.context, topic->name, false);
    if (!topic->first)
        s_free_topic(self, topic);
}

void hub_join(struct hub *self, struct channel *channel, const struct hub_join *how)
{
    struct follower *follower = s_follower(channel);
    follower->by_route = true;
    follower->slow = how->slow;
    follower->limit = how->limit;
    if (how->cursor &&
        cursor_read(how->cursor, strlen(how->cursor), &follower->cursor) < 0)
        follower->cursor = cursor_unknown;
    for (size_t at = 0; at < how->count; at++) {
        struct hub_topic *topic = s_topic(self, how->topics[at]);
        if (s_subscription(channel, topic))
            continue;
        s_add(topic, follower);
        self->options.tell(self->options.context, topic->name, true);
    }
}

void hub_start(struct hub *self, struct channel *channel)
{
    struct follower *follower = channel->follower;
    if (follower && follower->not_live == 0)
        hub_ready(self, follower);
}

/* The topic is live at this position; whoever waited for it only is ready. */
static void s_live(struct hub *self, struct hub_topic *topic,
                   const struct cursor *position)
{
    topic->position = *position;
    if (topic->is_live)
        return;
    topic->is_live = true;
    for (struct subscription *at = topic->first, *next; at; at = next) {
        next = at->next; // a channel that ends here takes only its own subscription along
        struct follower *follower = at->follower;
        if (--follower->not_live == 0 && follower->state == FOLLOWER_WAITING)
            hub_ready(self, follower);
    }
}

/* It wants what came after `since` in this topic, and of its other topics what comes
 * after its cursor, as before. */
static void s_go_back(struct subscription *wants, const struct cursor *since)
{
    struct follower *follower = wants->follower;
    bool was_ahead = cursor_is_of_epoch(&follower->cursor, since);
    for (struct subscription *at = follower->subscriptions; at; at = at->next_of_follower)
        if (at != wants && was_ahead && at->start < follower->cursor.number)
            at->start = follower->cursor.number;
    wants->start = 0;
    follower->cursor = *since;
}

/* What the subscription begins with. */
static void s_begin(struct hub *self, struct subscription *subscription,
                    const struct cursor *since)
{
    struct follower *follower = subscription->follower;
    bool is_back = since && (follower->cursor.digits == 0 ||
                             cursor_is_after(&follower->cursor, since));
    if (is_back)
        s_go_back(subscription, since);
    else if (since)
        subscription->start = since->number;
    if (follower->not_live > 0)
        return;
    if (since || follower->state == FOLLOWER_ASKED)
        hub_ask(self, follower); // what is under way does not speak of this topic
    else if (follower->state == FOLLOWER_WAITING)
        hub_ready(self, follower);
}

bool hub_subscribe(struct hub *self, struct channel *channel, const char *name,
                   const struct cursor *position, const struct cursor *since)
{
    struct hub_topic *topic = s_topic(self, name);
    bool is_there = s_subscription(channel, topic) != NULL;
    bool is_full = channel->follower && channel->follower->count >= HUB_TOPICS_MAX;
    if (position)
        hub_note(self, position);
    else if (self->newest.digits == 0)
        self->newest = cursor_unknown; // the broker does not say where it stands
    struct subscription *added = NULL;
    bool is_new = !is_there && !is_full;
    if (is_new) {
        added = s_add(topic, s_follower(channel));
        added->start = self->newest.number;
    } else {
        self->options.tell(self->options.context, name, false); // counted once too often
    }
    if (topic->first)
        s_live(self, topic, &self->newest);
    else
        s_free_topic(self, topic);
    topic = hub_find(self, name, strlen(name)); // the channel may have ended meanwhile
    if (is_new && topic && (added = s_subscription(channel, topic)) != NULL)
        s_begin(self, added, since);
    return is_there || is_new;
}

void hub_set_slow(struct channel *channel, enum slow_policy policy)
{
    if (channel->follower)
        channel->follower->slow = policy;
}

void hub_unsubscribe(struct hub *self, struct channel *channel, const char *name)
{
    struct hub_topic *topic = hub_find(self, name, strlen(name));
    struct subscription *subscription = topic ? s_subscription(channel, topic) : NULL;
    if (!subscription)
        return;
    s_remove(self, subscription);
    struct follower *follower = channel->follower;
    if (!follower->subscriptions && !follower->stays)
        s_free_follower(self, follower);
}

void hub_leave_all(struct hub *self, struct channel *channel)
{
    struct follower *follower = channel->follower;
    if (!follower)
        return;
    for (struct subscription *at = follower->subscriptions, *next; at; at = next) {
        next = at->next_of_follower;
        s_remove(self, at);
    }
    s_free_follower(self, follower);
}

void hub_top(struct hub *self, const char *name, const struct cursor *position)
{
    struct hub_topic *topic = hub_find(self, name, strlen(name));
    hub_note(self, position);
    if (topic)
        s_live(self, topic, position);
}

void hub_linked(struct hub *self, bool forgot)
{
    for (struct table_entry *at = self->topics.first; at; at = table_after(at)) {
        struct hub_topic *topic = table_item(at, struct hub_topic, by_name);
        if (forgot)
            topic->is_live = false;
        for (struct subscription *of = topic->first; of; of = of->next) {
            struct follower *follower = of->follower;
            if (of != follower->subscriptions)
                continue; // its turn comes with another topic
            if (forgot)
                follower_waits(follower);
            else if (follower->state == FOLLOWER_ASKED)
                hub_ask(self, follower);
        }
    }
    if (forgot)
        hub_hold_sessions(self);
}
