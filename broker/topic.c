#include "broker/topic.h"

#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void topics_init(struct topics *self, size_t limit, struct history *history)
{
    *self = (struct topics){.limit = limit, .history = history};
    list_init(&self->idle);
    branches_init(&self->branches);
}

/* What was of it is not held any more: the patterns that match it have to know. */
static void s_mark_patterns(const struct branch *branch, uint64_t g)
{
    if (branch->one)
        shelf_lose(&branch->one->shelf, g);
    for (; branch; branch = branch->parent)
        if (branch->all)
            shelf_lose(&branch->all->shelf, g);
}

static void s_leave_branch(struct topics *self, struct topic *topic)
{
    struct branch *branch = topic->branch;
    list_remove(&topic->of_branch);
    if (branch->one == topic)
        branch->one = NULL;
    if (branch->all == topic)
        branch->all = NULL;
    branch_release(&self->branches, branch);
}

static void s_forget(struct topics *self, struct topic *topic)
{
    assert(list_is_empty(&topic->interests));
    history_empty(self->history, &topic->shelf);
    if (topic_is_pattern(topic)) {
        self->patterns--;
    } else {
        if (topic->position > self->forgotten)
            self->forgotten = topic->position;
        s_mark_patterns(topic->branch, topic->position);
        if (self->on_forget)
            self->on_forget(self->context, topic);
    }
    s_leave_branch(self, topic);
    list_remove(&topic->idle);
    table_remove(&self->by_name, &topic->by_name);
    self->count--;
    free(topic);
}

void topics_clear(struct topics *self)
{
    while (!list_is_empty(&self->idle))
        s_forget(self, list_item(list_first(&self->idle), struct topic, idle));
    assert(self->count == 0);
    branches_clear(&self->branches);
}

bool topic_name_is_valid(struct wire_text name)
{
    return topic_kind(name.data, name.size) != TOPIC_INVALID;
}

struct topic *topic_find(const struct topics *self, struct wire_text name)
{
    struct table_entry *found = table_find(&self->by_name, name.data, name.size);
    return found ? table_item(found, struct topic, by_name) : NULL;
}

/* The levels of names count like topics: a name may have many. */
static bool s_make_room(struct topics *self)
{
    while (self->count + self->branches.count >= self->limit) {
        if (list_is_empty(&self->idle))
            return false;
        s_forget(self, list_item(list_first(&self->idle), struct topic, idle));
    }
    return true;
}

static void s_enter_branch(struct topics *self, struct topic *topic, bool pattern)
{
    struct wire_text name = {topic->name, topic->size};
    bool all = pattern && topic->size >= 2 && topic->name[topic->size - 2] == '*';
    topic->branch = branch_get(&self->branches, name);
    if (all)
        topic->branch->all = topic;
    else if (pattern)
        topic->branch->one = topic;
    else
        list_append(&topic->branch->topics, &topic->of_branch);
}

struct topic *topic_get(struct topics *self, struct wire_text name)
{
    assert(topic_name_is_valid(name));
    struct topic *topic = topic_find(self, name);
    if (topic)
        return topic;
    if (!s_make_room(self))
        return NULL;
    bool pattern = topic_kind(name.data, name.size) == TOPIC_PATTERN;
    topic = mem_alloc(sizeof *topic + name.size + 1);
    memcpy(topic->name, name.data, name.size);
    topic->size = (uint8_t)name.size;
    /* What was published before for a new pattern is not known: perhaps the newest. */
    topic->position = pattern ? self->top : self->forgotten;
    topic->shelf.lost = self->forgotten;
    if (!pattern)
        topic->limits = history_limits_of(self->history, topic->name, topic->size);
    list_init(&topic->interests);
    list_init(&topic->idle);
    list_init(&topic->of_branch);
    list_append(&self->idle, &topic->idle);
    table_add(&self->by_name, &topic->by_name, topic->name, name.size);
    s_enter_branch(self, topic, pattern);
    self->patterns += pattern;
    self->count++;
    return topic;
}

void topic_publish(struct topics *self, struct topic *topic, uint64_t g)
{
    topic->position = g;
    if (list_has(&topic->idle)) { // it is the newest of its list now
        list_remove(&topic->idle);
        list_append(&self->idle, &topic->idle);
    }
}

size_t topics_match(const struct topics *self, struct topic *topic, struct wire_text name,
                    struct topic *out[TOPIC_MATCHES_MAX])
{
    size_t count = 0;
    if (topic)
        out[count++] = topic;
    if (self->patterns == 0)
        return count;
    const struct branch *branch =
        topic ? topic->branch : branch_nearest(&self->branches, name);
    if (branch->one && branch_is_of(branch, name))
        out[count++] = branch->one;
    for (; branch; branch = branch->parent)
        if (branch->all)
            out[count++] = branch->all;
    return count;
}

struct interest *interest_find(const struct topic *topic, const struct edge *edge)
{
    for (struct link *at = list_first(&topic->interests); at;
         at = list_after(&topic->interests, at)) {
        struct interest *interest = list_item(at, struct interest, of_topic);
        if (interest->edge == edge)
            return interest;
    }
    return NULL;
}

struct interest *interest_get(struct topic *topic, struct edge *edge)
{
    struct interest *found = interest_find(topic, edge);
    if (found)
        return found;
    struct interest *interest = mem_new(struct interest);
    interest->topic = topic;
    interest->edge = edge;
    list_init(&interest->of_topic);
    list_init(&interest->of_edge);
    list_init(&interest->lost);
    list_append(&topic->interests, &interest->of_topic);
    list_append(&edge->interests, &interest->of_edge);
    list_remove(&topic->idle);
    return interest;
}

void interest_destroy(struct topics *self, struct interest **self_p)
{
    struct interest *interest = *self_p;
    *self_p = NULL;
    struct topic *topic = interest->topic;
    list_remove(&interest->of_topic);
    list_remove(&interest->of_edge);
    list_remove(&interest->lost);
    if (list_is_empty(&topic->interests))
        list_append(&self->idle, &topic->idle);
    free(interest);
}

void interest_lose(struct interest *self, uint64_t position)
{
    if (!list_has(&self->lost)) {
        self->lost_from = position;
        list_append(&self->edge->lost, &self->lost);
    }
    self->lost_to = position;
}
