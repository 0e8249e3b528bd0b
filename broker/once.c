#include "broker/once.h"

#include "common/mem.h"
#include "common/topic_pattern.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ONCE_NAME_MAX = TOPIC_MAX + 1 + ONCE_KEY_MAX };

struct taken {
    struct table_entry by_key;
    struct link order;
    uint64_t g;
    int64_t taken_ms;
    char name[];
};

void once_init(struct once *self, size_t limit)
{
    *self = (struct once){.limit = limit};
    list_init(&self->order);
}

static void s_remove(struct once *self, struct taken *taken)
{
    list_remove(&taken->order);
    table_remove(&self->by_key, &taken->by_key);
    self->count--;
    free(taken);
}

void once_clear(struct once *self)
{
    struct link *first;
    while ((first = list_first(&self->order)))
        s_remove(self, list_item(first, struct taken, order));
}

/* A topic has no space in it. */
static size_t s_name(struct wire_text topic, struct wire_text key,
                     char out[ONCE_NAME_MAX])
{
    assert(topic.size <= TOPIC_MAX && key.size <= ONCE_KEY_MAX);
    memcpy(out, topic.data, topic.size);
    out[topic.size] = ' ';
    memcpy(out + topic.size + 1, key.data, key.size);
    return topic.size + 1 + key.size;
}

static struct taken *s_find(const struct once *self, struct wire_text topic,
                            struct wire_text key)
{
    char name[ONCE_NAME_MAX];
    size_t size = s_name(topic, key, name);
    struct table_entry *found = table_find(&self->by_key, name, size);
    return found ? table_item(found, struct taken, by_key) : NULL;
}

uint64_t once_find(const struct once *self, struct wire_text topic, struct wire_text key)
{
    const struct taken *taken = s_find(self, topic, key);
    return taken ? taken->g : 0;
}

void once_add(struct once *self, struct wire_text topic, struct wire_text key, uint64_t g,
              int64_t now_ms)
{
    char name[ONCE_NAME_MAX];
    size_t size = s_name(topic, key, name);
    if (self->count >= self->limit)
        s_remove(self, list_item(list_first(&self->order), struct taken, order));
    struct taken *taken = mem_alloc(sizeof *taken + size);
    taken->g = g;
    taken->taken_ms = now_ms;
    memcpy(taken->name, name, size);
    list_init(&taken->order);
    list_append(&self->order, &taken->order);
    table_add(&self->by_key, &taken->by_key, taken->name, size);
    self->count++;
}

void once_remove(struct once *self, struct wire_text topic, struct wire_text key)
{
    struct taken *taken = s_find(self, topic, key);
    if (taken)
        s_remove(self, taken);
}

void once_expire(struct once *self, int64_t now_ms)
{
    struct link *first;
    while ((first = list_first(&self->order))) {
        struct taken *taken = list_item(first, struct taken, order);
        if (taken->taken_ms + ONCE_REMEMBER_MS > now_ms)
            return;
        s_remove(self, taken);
    }
}
