#include "gateway/bus_asks.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/table.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CODE_ROOM = 33 };

struct s_ask {
    struct table_entry by_id;
    char id[BUS_ASK_ID_ROOM];
    struct bus_asker asker;
    struct bus_item *record; // until the bus thread has taken it
    int64_t until_ms;
};

struct bus_asks {
    pthread_mutex_t lock; // of all that follows; askers are answered under it
    struct table asks;    // by id, the oldest first
    size_t count;
    uint64_t random, next; // of the ids
    int wake_fd;
    bool closed;
};

struct bus_asks *bus_asks_new(int wake_fd)
{
    struct bus_asks *self = mem_new(struct bus_asks);
    pthread_mutex_init(&self->lock, NULL);
    self->random = clock_random_u64();
    self->wake_fd = wake_fd;
    return self;
}

void bus_asks_destroy(struct bus_asks **self_p)
{
    struct bus_asks *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    bus_asks_close(self);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

static struct s_ask *s_first(const struct bus_asks *self)
{
    return self->asks.first ? table_item(self->asks.first, struct s_ask, by_id) : NULL;
}

static void s_answer(struct bus_asks *self, struct s_ask *ask, const char *code,
                     struct wire_text text)
{
    table_remove(&self->asks, &ask->by_id);
    self->count--;
    ask->asker.answer(ask->asker.context, code, text);
    bus_item_destroy(&ask->record);
    free(ask);
}

/* Without an answer.  What was not sent yet was not done. */
static void s_give_up(struct bus_asks *self, struct s_ask *ask)
{
    s_answer(self, ask, ask->record ? "no-broker" : "unknown", (struct wire_text){"", 0});
}

static struct bus_item *s_record(const struct wire_header *header, const void *payload,
                                 size_t size)
{
    struct bus_item *item = bus_item_new(BUS_RECORD, NULL, header->size + 1 + size);
    memcpy(item->data, header->text, header->size);
    item->data[header->size] = '\n';
    if (size > 0)
        memcpy(item->data + header->size + 1, payload, size);
    return item;
}

void bus_asks_add(struct bus_asks *self, struct wire_header *header, const void *payload,
                  size_t size, const struct bus_asker *asker)
{
    uint64_t one = 1;
    pthread_mutex_lock(&self->lock);
    bool refused = self->closed || self->count == BUS_ASKS_MAX;
    if (refused) {
        asker->answer(asker->context, self->closed ? "no-broker" : "full",
                      (struct wire_text){"", 0});
    } else {
        struct s_ask *ask = mem_new(struct s_ask);
        snprintf(ask->id, sizeof ask->id, "%016" PRIx64 ".%" PRIu64, self->random,
                 ++self->next);
        wire_add_option(header, "id", ask->id);
        ask->asker = *asker;
        ask->record = s_record(header, payload, size);
        ask->until_ms = clock_now_ms() + BUS_ASK_MS;
        table_add(&self->asks, &ask->by_id, ask->id, strlen(ask->id));
        self->count++;
    }
    pthread_mutex_unlock(&self->lock);
    (void)!write(self->wake_fd, &one, sizeof one);
}

void bus_asks_close(struct bus_asks *self)
{
    pthread_mutex_lock(&self->lock);
    self->closed = true;
    for (struct s_ask *ask; (ask = s_first(self));)
        s_give_up(self, ask);
    pthread_mutex_unlock(&self->lock);
}

struct bus_item *bus_asks_take(struct bus_asks *self)
{
    struct bus_item *record = NULL;
    pthread_mutex_lock(&self->lock);
    for (struct table_entry *at = self->asks.first; at && !record; at = table_after(at)) {
        struct s_ask *ask = table_item(at, struct s_ask, by_id);
        record = ask->record;
        ask->record = NULL;
    }
    pthread_mutex_unlock(&self->lock);
    return record;
}

void bus_asks_reply(struct bus_asks *self, struct wire_text id, struct wire_text code,
                    struct wire_text text)
{
    char word[CODE_ROOM];
    snprintf(word, sizeof word, "%.*s", (int)code.size, code.data);
    pthread_mutex_lock(&self->lock);
    struct table_entry *found = table_find(&self->asks, id.data, id.size);
    if (found)
        s_answer(self, table_item(found, struct s_ask, by_id), word, text);
    pthread_mutex_unlock(&self->lock);
}

void bus_asks_expire(struct bus_asks *self, int64_t now_ms)
{
    pthread_mutex_lock(&self->lock);
    for (struct s_ask *ask; (ask = s_first(self)) && ask->until_ms <= now_ms;)
        s_give_up(self, ask);
    pthread_mutex_unlock(&self->lock);
}
