#include "broker/service.h"

#include "common/mem.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool service_name_is_valid(struct wire_text name)
{
    if (name.size < 1 || name.size > SERVICE_NAME_MAX)
        return false;
    for (size_t at = 0; at < name.size; at++)
        if (!isalnum((unsigned char)name.data[at]) && !strchr("-_.", name.data[at]))
            return false;
    return true;
}

struct service *service_find(const struct table *services, struct wire_text name)
{
    struct table_entry *found = table_find(services, name.data, name.size);
    return found ? table_item(found, struct service, by_name) : NULL;
}

struct service *service_new(struct table *services, struct wire_text name)
{
    assert(name.size <= SERVICE_NAME_MAX);
    struct service *self = mem_new(struct service);
    memcpy(self->name, name.data, name.size);
    list_init(&self->members);
    list_init(&self->unbound);
    table_add(services, &self->by_name, self->name, name.size);
    return self;
}

void service_destroy(struct table *services, struct service **self_p)
{
    struct service *self = *self_p;
    *self_p = NULL;
    assert(list_is_empty(&self->members) && self->channel_count == 0);
    table_remove(services, &self->by_name);
    free(self);
}

struct service *service_first(const struct table *services)
{
    return services->first ? table_item(services->first, struct service, by_name) : NULL;
}

struct service *service_after(const struct service *self)
{
    struct table_entry *after = table_after(&self->by_name);
    return after ? table_item(after, struct service, by_name) : NULL;
}

static bool s_may_take(const struct member *member, const struct channel *channel,
                       int64_t now_ms)
{
    bool avoided =
        channel->avoid == member->worker->incarnation && now_ms < channel->until_ms;
    return !member->leaving && !avoided && worker_has_room(member->worker);
}

struct member *service_choose(const struct service *self, const struct channel *channel,
                              int64_t now_ms)
{
    struct member *best = NULL;
    for (struct link *at = list_first(&self->members); at;
         at = list_after(&self->members, at)) {
        struct member *member = list_item(at, struct member, of_service);
        if (!s_may_take(member, channel, now_ms))
            continue;
        if (!best || member->worker->channel_count < best->worker->channel_count)
            best = member;
    }
    return best;
}
