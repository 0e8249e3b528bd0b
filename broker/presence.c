#include "broker/presence.h"

#include "broker/core_state.h"
#include "common/mem.h"
#include "common/topic_pattern.h"

#include <stdlib.h>
#include <string.h>

void presence_init(struct presences *self)
{
    *self = (struct presences){.count = 0};
    list_init(&self->due);
}

struct presence *presence_find(const struct presences *self, struct wire_text name)
{
    struct table_entry *found = table_find(&self->topics, name.data, name.size);
    return found ? table_item(found, struct presence, by_name) : NULL;
}

struct presence *presence_get(struct presences *self, struct wire_text name)
{
    struct presence *topic = presence_find(self, name);
    if (topic)
        return topic;
    topic = mem_alloc(sizeof *topic + name.size + 1);
    memcpy(topic->name, name.data, name.size);
    topic->name[name.size] = 0;
    topic->size = (uint8_t)name.size;
    list_init(&topic->watches);
    table_add(&self->topics, &topic->by_name, topic->name, name.size);
    return topic;
}

void presence_release(struct presences *self, struct presence *topic)
{
    if (topic->count > 0 || !list_is_empty(&topic->watches))
        return;
    table_remove(&self->topics, &topic->by_name);
    free(topic);
}

static struct present *s_find(const struct presence *topic, struct wire_text id)
{
    struct table_entry *found = table_find(&topic->present, id.data, id.size);
    return found ? table_item(found, struct present, by_id) : NULL;
}

static void s_remove(struct presences *self, struct present *who)
{
    struct presence *topic = who->topic;
    table_remove(&topic->present, &who->by_id);
    list_remove(&who->of_edge);
    topic->count--;
    topic->full = false;
    self->count--;
    free(who->label);
    free(who);
}

void presence_clear(struct presences *self)
{
    while (self->topics.first) {
        struct presence *topic = table_item(self->topics.first, struct presence, by_name);
        struct table_entry *at = topic->present.first, *next;
        for (; at; at = next) {
            next = table_after(at);
            s_remove(self, table_item(at, struct present, by_id));
        }
        while (!list_is_empty(&topic->watches)) {
            struct watch *watch =
                list_item(list_first(&topic->watches), struct watch, of_topic);
            presence_drop_watch(self, &watch);
        }
        table_remove(&self->topics, &topic->by_name);
        free(topic);
    }
}

static void s_add(struct core *core, struct edge *edge, struct presence *topic,
                  struct wire_text id, struct wire_text label)
{
    struct presences *all = &core->presences;
    topic->full = topic->count >= core->settings.presence_members ||
                  all->count >= core->settings.presence_total;
    if (topic->full) {
        core_dropped(core, CORE_DROP_TARGET);
        return;
    }
    struct present *who = mem_alloc(sizeof *who + id.size + 1);
    memcpy(who->id, id.data, id.size);
    who->id[id.size] = 0;
    who->size = (uint8_t)id.size;
    who->topic = topic;
    who->label = mem_strndup(label.data ? label.data : "", label.size);
    list_init(&who->of_edge);
    list_append(&edge->presents, &who->of_edge);
    table_add(&topic->present, &who->by_id, who->id, id.size);
    topic->count++;
    all->count++;
    presence_tell(core, topic, who, true);
}

void presence_enter(struct core *core, struct edge *edge, struct wire_text name,
                    struct wire_text id, struct wire_text label)
{
    if (topic_kind(name.data, name.size) != TOPIC_NAME || id.size > CHANNEL_ID_MAX ||
        label.size > LABEL_MAX) {
        core_dropped(core, CORE_DROP_VALUE);
        return;
    }
    struct presence *topic = presence_get(&core->presences, name);
    struct present *who = s_find(topic, id);
    if (!who) {
        s_add(core, edge, topic, id, label);
    } else {
        who->unseen = false;
        if (label.size != strlen(who->label) ||
            memcmp(label.data ? label.data : "", who->label, label.size) != 0) {
            free(who->label);
            who->label = mem_strndup(label.data ? label.data : "", label.size);
            presence_tell(core, topic, who, true);
        }
    }
    presence_release(&core->presences, topic);
}

static void s_leave(struct core *core, struct present *who)
{
    struct presence *topic = who->topic;
    presence_tell(core, topic, who, false);
    s_remove(&core->presences, who);
    presence_release(&core->presences, topic);
}

void presence_exit(struct core *core, struct wire_text name, struct wire_text id)
{
    struct presence *topic = presence_find(&core->presences, name);
    struct present *who = topic ? s_find(topic, id) : NULL;
    if (who)
        s_leave(core, who);
}

void presence_begin(struct edge *edge)
{
    struct link *at = list_first(&edge->presents);
    for (; at; at = list_after(&edge->presents, at))
        list_item(at, struct present, of_edge)->unseen = true;
}

void presence_end(struct core *core, struct edge *edge)
{
    struct link *at = list_first(&edge->presents), *next;
    for (; at; at = next) {
        next = list_after(&edge->presents, at);
        struct present *who = list_item(at, struct present, of_edge);
        if (who->unseen)
            s_leave(core, who);
    }
}

void presence_abandon(struct core *core, struct edge *edge)
{
    presence_begin(edge);
    presence_end(core, edge);
}
