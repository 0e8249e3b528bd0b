#include "broker/worker.h"

#include "broker/service.h"
#include "common/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct worker *worker_find(struct workers *workers, uint64_t peer)
{
    if (workers->recent && workers->recent->peer == peer)
        return workers->recent;
    struct table_entry *found = table_find(&workers->by_peer, &peer, sizeof peer);
    if (!found)
        return NULL;
    workers->recent = table_item(found, struct worker, by_peer);
    return workers->recent;
}

struct worker *worker_first(const struct workers *workers)
{
    struct table_entry *first = workers->by_peer.first;
    return first ? table_item(first, struct worker, by_peer) : NULL;
}

struct worker *worker_after(const struct worker *self)
{
    struct table_entry *after = table_after(&self->by_peer);
    return after ? table_item(after, struct worker, by_peer) : NULL;
}

struct worker *worker_new(struct workers *workers, uint64_t peer, int64_t now_ms)
{
    struct worker *self = mem_new(struct worker);
    self->peer = peer;
    self->incarnation = ++workers->incarnation;
    snprintf(self->prefix, sizeof self->prefix, "%08x", self->incarnation);
    self->window = WORKER_WINDOW;
    self->heard_ms = self->acked_ms = now_ms;
    deliveries_init(&self->out);
    list_init(&self->members);
    list_init(&self->parked);
    list_init(&self->failed);
    table_add(&workers->by_peer, &self->by_peer, &self->peer, sizeof self->peer);
    workers->count++;
    return self;
}

void worker_destroy(struct workers *workers, struct worker **self_p)
{
    struct worker *self = *self_p;
    *self_p = NULL;
    assert(list_is_empty(&self->members));
    if (workers->recent == self)
        workers->recent = NULL;
    if (self->name) {
        self->name->holder = NULL;
        worker_name_release(workers, &self->name);
    }
    list_remove(&self->failed);
    deliveries_clear(&self->out);
    table_remove(&workers->by_peer, &self->by_peer);
    workers->count--;
    free(self);
}

static bool s_is_usable(const struct worker *self)
{
    return !list_has(&self->failed) && !deliveries_is_full(&self->out);
}

bool worker_has_room(const struct worker *self)
{
    return s_is_usable(self) &&
           (self->window == 0 || self->outstanding + self->asked < self->window);
}

bool worker_has_much_room(const struct worker *self)
{
    return worker_has_room(self) &&
           (self->outstanding + self->asked) * 4 <= self->window * 3;
}

size_t worker_tag(const struct worker *self, uint64_t number, char out[WORKER_TAG_MAX])
{
    char digits[20];
    size_t count = 0, size = sizeof self->prefix - 1;
    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    memcpy(out, self->prefix, size);
    out[size++] = '.';
    while (count)
        out[size++] = digits[--count];
    out[size] = 0;
    return size;
}

uint64_t worker_tag_number(const struct worker *self, struct wire_text tag)
{
    size_t prefix = sizeof self->prefix - 1;
    uint64_t number;
    if (tag.size <= prefix + 1 || memcmp(tag.data, self->prefix, prefix) != 0 ||
        tag.data[prefix] != '.')
        return 0;
    struct wire_text digits = {tag.data + prefix + 1, tag.size - prefix - 1};
    return wire_u64(digits, &number) < 0 ? 0 : number;
}

struct member *worker_member(const struct worker *self, const struct service *service)
{
    for (struct link *at = list_first(&self->members); at;
         at = list_after(&self->members, at)) {
        struct member *member = list_item(at, struct member, of_worker);
        if (member->service == service)
            return member;
    }
    return NULL;
}

struct member *member_new(struct worker *worker, struct service *service,
                          struct link *of_service)
{
    struct member *self = mem_new(struct member);
    self->worker = worker;
    self->service = service;
    list_init(&self->of_worker);
    list_init(&self->of_service);
    list_init(&self->channels);
    list_append(&worker->members, &self->of_worker);
    list_append(of_service, &self->of_service);
    worker->member_count++;
    return self;
}

void member_set_curious(struct member *self, bool curious)
{
    self->service->curious += curious;
    self->service->curious -= self->curious;
    self->curious = curious;
}

void member_destroy(struct member **self_p)
{
    struct member *self = *self_p;
    *self_p = NULL;
    assert(list_is_empty(&self->channels));
    self->worker->member_count--;
    list_remove(&self->of_worker);
    list_remove(&self->of_service);
    member_set_curious(self, false);
    free(self);
}

struct worker_name *worker_name_get(struct workers *workers, struct wire_text text)
{
    assert(text.size >= 1 && text.size <= WORKER_NAME_MAX);
    struct table_entry *found = table_find(&workers->names, text.data, text.size);
    if (found)
        return table_item(found, struct worker_name, by_name);
    struct worker_name *self = mem_new(struct worker_name);
    memcpy(self->text, text.data, text.size);
    self->size = (uint8_t)text.size;
    list_init(&self->waiting);
    table_add(&workers->names, &self->by_name, self->text, text.size);
    return self;
}

void worker_name_release(struct workers *workers, struct worker_name **self_p)
{
    struct worker_name *self = *self_p;
    *self_p = NULL;
    if (!self || self->holder || !list_is_empty(&self->waiting))
        return;
    table_remove(&workers->names, &self->by_name);
    free(self);
}
