#include "gateway/bus_topics.h"

#include "common/mem.h"
#include "common/table.h"
#include "common/topic_pattern.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct s_topic {
    char *name;
    size_t total;
    bool is_pattern;
    struct table_entry by_name;
    uint32_t count[]; // of each worker
};

struct bus_topics {
    unsigned workers;
    size_t patterns; // among the topics
    struct table topics;
};

struct bus_topics *bus_topics_new(unsigned workers)
{
    struct bus_topics *self = mem_new(struct bus_topics);
    self->workers = workers;
    return self;
}

static void s_remove(struct bus_topics *self, struct s_topic *topic)
{
    self->patterns -= topic->is_pattern;
    table_remove(&self->topics, &topic->by_name);
    free(topic->name);
    free(topic);
}

void bus_topics_destroy(struct bus_topics **self_p)
{
    struct bus_topics *self = *self_p;
    if (!self)
        return;
    while (self->topics.first)
        s_remove(self, table_item(self->topics.first, struct s_topic, by_name));
    free(self);
    *self_p = NULL;
}

static struct s_topic *s_find(const struct bus_topics *self, const char *name,
                              size_t size)
{
    struct table_entry *entry = table_find(&self->topics, name, size);
    return entry ? table_item(entry, struct s_topic, by_name) : NULL;
}

size_t bus_topics_add(struct bus_topics *self, const char *name, size_t size,
                      unsigned worker)
{
    struct s_topic *topic = s_find(self, name, size);
    if (!topic) {
        topic = mem_alloc(sizeof *topic + self->workers * sizeof topic->count[0]);
        topic->name = mem_strndup(name, size);
        topic->is_pattern = topic_kind(name, size) == TOPIC_PATTERN;
        self->patterns += topic->is_pattern;
        table_add(&self->topics, &topic->by_name, topic->name, size);
    }
    topic->total++;
    return ++topic->count[worker];
}

size_t bus_topics_remove(struct bus_topics *self, const char *name, size_t size,
                         unsigned worker)
{
    struct s_topic *topic = s_find(self, name, size);
    if (!topic || topic->count[worker] == 0)
        return topic ? topic->total : 0;
    topic->count[worker]--;
    size_t left = --topic->total;
    if (left == 0)
        s_remove(self, topic);
    return left;
}

static uint64_t s_bits(const struct bus_topics *self, const struct s_topic *topic)
{
    uint64_t bits = 0;
    for (unsigned at = 0; topic && at < self->workers; at++)
        if (topic->count[at] > 0)
            bits |= UINT64_C(1) << at;
    return bits;
}

uint64_t bus_topics_workers(const struct bus_topics *self, const char *name, size_t size)
{
    struct topic_walk walk;
    if (self->patterns == 0)
        return s_bits(self, s_find(self, name, size));
    uint64_t bits = 0;
    topic_walk_begin(&walk, name, size);
    while (topic_walk_next(&walk))
        bits |= s_bits(self, s_find(self, walk.name, walk.name_size));
    return bits;
}

void bus_topics_each(const struct bus_topics *self,
                     void (*callback)(void *context, const char *topic), void *context)
{
    for (struct table_entry *at = self->topics.first; at; at = table_after(at))
        callback(context, table_item(at, struct s_topic, by_name)->name);
}
