#include "broker/topic.h"

#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void topics_init(struct topics *self, size_t limit)
{
    *self = (struct topics){.limit = limit};
    list_init(&self->idle);
}

static void s_forget(struct topics *self, struct topic *topic)
{
    assert(list_is_empty(&topic->interests));
    if (topic->position > self->forgotten)
        self->forgotten = topic->position;
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
}

bool topic_name_is_valid(struct wire_text name)
{
    return name.size >= 1 && name.size <= TOPIC_NAME_MAX;
}

struct topic *topic_find(const struct topics *self, struct wire_text name)
{
    struct table_entry *found = table_find(&self->by_name, name.data, name.size);
    return found ? table_item(found, struct topic, by_name) : NULL;
}

struct topic *topic_get(struct topics *self, struct wire_text name)
{
    assert(topic_name_is_valid(name));
    struct topic *topic = topic_find(self, name);
    if (topic)
        return topic;
    if (self->count >= self->limit) {
        if (list_is_empty(&self->idle))
            return NULL;
        s_forget(self, list_item(list_first(&self->idle), struct topic, idle));
    }
    topic = mem_alloc(sizeof *topic + name.size + 1);
    memcpy(topic->name, name.data, name.size);
    topic->size = (uint8_t)name.size;
    topic->position = self->forgotten;
    list_init(&topic->interests);
    list_init(&topic->idle);
    list_append(&self->idle, &topic->idle);
    table_add(&self->by_name, &topic->by_name, topic->name, name.size);
    self->count++;
    return topic;
}

uint64_t topic_publish(struct topics *self, struct topic *topic)
{
    uint64_t position = ++self->position;
    if (!topic) {
        self->forgotten = position;
        return position;
    }
    topic->position = position;
    if (list_has(&topic->idle)) { // it is the newest of its list now
        list_remove(&topic->idle);
        list_append(&self->idle, &topic->idle);
    }
    return position;
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
