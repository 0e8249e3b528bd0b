#include "broker/history.h"

#include "common/mem.h"
#include "common/topic_pattern.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { HISTORY_SECOND = 1000, SHELF_FIRST_ROOM = 4, SHELF_SLOT = sizeof(void *) };

void history_init(struct history *self, const struct history_settings *settings,
                  int64_t now_ms)
{
    *self = (struct history){.settings = *settings, .looked_s = now_ms / HISTORY_SECOND};
    list_init(&self->order);
    for (size_t at = 0; at < HISTORY_WHEEL; at++)
        list_init(&self->wheel[at]);
    if (!settings->rule_count)
        return;
    self->rules = mem_alloc(settings->rule_count * sizeof *self->rules);
    for (size_t at = 0; at < settings->rule_count; at++) {
        const struct history_rule *rule = &settings->rules[at];
        size_t size = strlen(rule->pattern) + 1;
        char *pattern = mem_alloc(size);
        memcpy(pattern, rule->pattern, size);
        self->rules[at] = (struct history_rule){pattern, rule->limits};
    }
    self->settings.rules = self->rules;
}

void history_clear(struct history *self)
{
    assert(list_is_empty(&self->order));
    for (size_t at = 0; at < self->settings.rule_count; at++)
        free((void *)(uintptr_t)self->rules[at].pattern);
    free(self->rules);
    self->rules = NULL;
    self->settings.rule_count = 0;
}

const struct history_limits *history_limits_of(const struct history *self,
                                               const char *topic, size_t size)
{
    for (size_t at = 0; at < self->settings.rule_count; at++) {
        const struct history_rule *rule = &self->rules[at];
        if (topic_pattern_matches(rule->pattern, strlen(rule->pattern), topic, size))
            return &rule->limits;
    }
    return &self->settings.limits;
}

bool history_takes(const struct history *self, const struct history_limits *limits,
                   size_t payload_size)
{
    size_t cost = HISTORY_COST + payload_size;
    return limits->count > 0 && cost <= limits->bytes &&
           cost <= self->settings.total_bytes;
}

static size_t s_cost(const struct publication *publication)
{
    return HISTORY_COST + publication->payload->size;
}

uint32_t shelf_after(const struct shelf *self, uint64_t g)
{
    uint32_t low = 0, high = self->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (shelf_at(self, middle)->g > g)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void s_make_room(struct shelf *shelf)
{
    if (shelf->first + shelf->count < shelf->room)
        return;
    if (shelf->first > shelf->room / 2) {
        memmove(shelf->slot, shelf->slot + shelf->first,
                (size_t)shelf->count * SHELF_SLOT);
        shelf->first = 0;
        return;
    }
    shelf->room = shelf->room ? 2 * shelf->room : SHELF_FIRST_ROOM;
    shelf->slot = mem_realloc(shelf->slot, (size_t)shelf->room * SHELF_SLOT);
}

/* Out of its shelf and of everything else. */
static void s_remove(struct history *self, struct publication *publication)
{
    struct shelf *shelf = publication->shelf;
    uint32_t index = shelf_after(shelf, publication->g) - 1;
    assert(shelf_at(shelf, index) == publication);
    /* Mostly it is one of the first. */
    memmove(shelf->slot + shelf->first + 1, shelf->slot + shelf->first,
            (size_t)index * SHELF_SLOT);
    shelf->first++;
    shelf->count--;
    shelf->bytes -= s_cost(publication);
    self->bytes -= s_cost(publication);
    self->count--;
    shelf_lose(shelf, publication->g);
    if (self->removed)
        self->removed(self->context, publication);
    list_remove(&publication->order);
    list_remove(&publication->due);
    blob_unref(&publication->payload);
    free(publication);
    if (shelf->count > 0)
        return;
    free(shelf->slot);
    shelf->slot = NULL;
    shelf->room = shelf->first = 0;
}

static void s_evict(struct history *self, struct publication *publication)
{
    self->evictions++;
    s_remove(self, publication);
}

/* What is too much, the oldest first.  The newest may be among it. */
static void s_trim(struct history *self, struct shelf *shelf,
                   const struct history_limits *limits)
{
    while (shelf->slot && (shelf->count > limits->count || shelf->bytes > limits->bytes))
        s_evict(self, shelf->slot[shelf->first]);
    while (self->bytes > self->settings.total_bytes)
        s_evict(self, list_item(list_pop(&self->order), struct publication, order));
}

static struct publication *s_new(struct shelf *shelf, const struct history_entry *entry)
{
    size_t text = entry->collapse.size + entry->except.size;
    struct publication *self = mem_alloc(sizeof *self + text);
    *self = (struct publication){.shelf = shelf,
                                 .payload = blob_ref(entry->payload),
                                 .g = entry->g,
                                 .binary = entry->binary,
                                 .collapse_size = (uint16_t)entry->collapse.size,
                                 .except_size = (uint16_t)entry->except.size};
    if (entry->collapse.size)
        memcpy(self->text, entry->collapse.data, entry->collapse.size);
    if (entry->except.size)
        memcpy(self->text + entry->collapse.size, entry->except.data, entry->except.size);
    list_init(&self->order);
    list_init(&self->due);
    return self;
}

/* As the newest, wherever it has to stand. */
static void s_put(struct history *self, struct publication *publication)
{
    struct shelf *shelf = publication->shelf;
    size_t second = (size_t)(publication->expires_ms / HISTORY_SECOND + 1);
    assert(shelf->count == 0 || shelf_at(shelf, shelf->count - 1)->g < publication->g);
    s_make_room(shelf);
    assert(shelf->slot);
    shelf->slot[shelf->first + shelf->count++] = publication;
    shelf->bytes += s_cost(publication);
    self->bytes += s_cost(publication);
    self->count++;
    list_append(&self->order, &publication->order);
    list_append(&self->wheel[second % HISTORY_WHEEL], &publication->due);
}

bool history_add(struct history *self, struct shelf *shelf,
                 const struct history_entry *entry, int64_t now_ms)
{
    int64_t life_ms = entry->limits->age_ms;
    if (entry->ttl_ms && entry->ttl_ms < life_ms)
        life_ms = entry->ttl_ms;
    if (!history_takes(self, entry->limits, entry->payload->size) ||
        entry->age_ms >= life_ms ||
        entry->collapse.size + entry->except.size > HISTORY_TEXT_MAX) {
        shelf_lose(shelf, entry->g);
        return false;
    }
    struct publication *publication = s_new(shelf, entry);
    publication->expires_ms = now_ms + life_ms - entry->age_ms;
    s_put(self, publication);
    s_trim(self, shelf, entry->limits);
    return true;
}

static void s_look_at(struct history *self, struct link *due, int64_t now_ms)
{
    struct link *at = list_first(due), *next;
    for (; at; at = next) {
        next = list_after(due, at);
        struct publication *publication = list_item(at, struct publication, due);
        if (publication->expires_ms <= now_ms)
            s_remove(self, publication);
    }
}

void history_expire(struct history *self, int64_t now_ms)
{
    int64_t now_s = now_ms / HISTORY_SECOND;
    if (now_s - self->looked_s > HISTORY_WHEEL)
        self->looked_s = now_s - HISTORY_WHEEL;
    while (self->looked_s < now_s) {
        self->looked_s++;
        s_look_at(self, &self->wheel[self->looked_s % HISTORY_WHEEL], now_ms);
    }
}

void history_empty(struct history *self, struct shelf *shelf)
{
    while (shelf->slot)
        s_evict(self, shelf->slot[shelf->first]);
}
