/* What the store says to the core: docs/protocol/1-bus.md section 5.2, rule 14. */
#include "broker/core_state.h"

/* What history gives up is given up in the store, if it knows of the topic. */
static void s_removed(void *context, const struct publication *publication)
{
    struct core *core = context;
    const struct topic *topic = table_item(publication->shelf, struct topic, shelf);
    if (core->sequence.keeper && topic->stored)
        core->sequence.keeper->trim(core->sequence.keeper->context,
                                    (struct wire_text){topic->name, topic->size},
                                    publication->g);
}

static void s_forgotten(void *context, const struct topic *topic)
{
    struct core *core = context;
    if (core->sequence.keeper && topic->stored)
        core->sequence.keeper->forget(core->sequence.keeper->context,
                                      (struct wire_text){topic->name, topic->size});
}

void core_set_keeper(struct core *self, const struct keeper *keeper)
{
    self->keeper = *keeper;
    self->sequence.keeper = &self->keeper;
    self->history.removed = s_removed;
    self->topics.on_forget = s_forgotten;
    self->history.context = self->topics.context = self;
}

void core_restore_start(struct core *self, const struct keeper_start *start)
{
    sequence_restore(&self->sequence, start);
    self->topics.forgotten = start->forgotten;
    self->topics.top = self->sequence.delivered;
}

void core_restore_hole(struct core *self, uint64_t from, uint64_t to)
{
    sequence_add_hole(&self->sequence, from, to);
}

static struct topic *s_topic(struct core *self, struct wire_text name)
{
    if (topic_kind(name.data, name.size) != TOPIC_NAME)
        return NULL;
    struct topic *topic = topic_get(&self->topics, name);
    if (topic)
        topic->stored = true;
    return topic;
}

/* What the store says of a topic counts, not what may have been forgotten. */
void core_restore_topic(struct core *self, struct wire_text name, uint64_t mark)
{
    struct topic *topic = s_topic(self, name);
    if (!topic)
        return;
    topic->shelf.lost = mark;
    topic->position = mark;
}

void core_restore_message(struct core *self, const struct kept *message)
{
    struct history_entry entry = {.g = message->g,
                                  .age_ms = message->age_ms,
                                  .ttl_ms = message->ttl_ms,
                                  .binary = message->binary,
                                  .collapse = message->collapse,
                                  .except = message->except};
    struct topic *topic = s_topic(self, message->topic);
    struct blob *payload = blob_new(message->payload.data, message->payload.size);
    if (topic && payload) {
        entry.limits = topic->limits;
        entry.payload = payload;
        if (message->g > topic->position)
            topic->position = message->g;
        if (!history_add(&self->history, &topic->shelf, &entry, self->now_ms))
            self->keeper.trim(self->keeper.context, message->topic, message->g);
        if (message->key.data && message->age_ms < ONCE_REMEMBER_MS)
            once_add(&self->once, message->topic, message->key, message->g,
                     self->now_ms - message->age_ms);
    }
    blob_unref(&payload);
}

void core_stored(struct core *self, uint64_t g, int result)
{
    sequence_stored(&self->sequence, g, result, self);
}

void core_leased(struct core *self, uint64_t to, int result)
{
    if (result == 0)
        sequence_leased(&self->sequence, to, self);
    else
        self->sequence.asked = 0; // asked for again
}

uint64_t core_next_position(const struct core *self)
{
    return self->sequence.next;
}
