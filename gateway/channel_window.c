/* channel_window: services, how much of each is unacknowledged, and the channels that
 * wait for room: docs/protocol/1-bus.md 5.2, rule 1. */
#include "gateway/channel.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

enum { BODY_WINDOW = 4, FLOW_MS = 3000 };

/* ---- services ---- */

struct service *channel_find_service(const struct channel_host *host, const char *name)
{
    struct table_entry *entry = table_find(&host->services, name, strlen(name));
    return entry ? table_item(entry, struct service, by_name) : NULL;
}

void channel_add_service(struct channel_host *host, const char *name)
{
    if (channel_find_service(host, name))
        return;
    struct service *service = mem_new(struct service);
    service->name = mem_strdup(name);
    table_add(&host->services, &service->by_name, service->name, strlen(name));
}

struct service *channel_first_service(const struct channel_host *host)
{
    struct table_entry *entry = host->services.first;
    return entry ? table_item(entry, struct service, by_name) : NULL;
}

struct service *channel_next_service(const struct service *self)
{
    struct table_entry *entry = table_after(&self->by_name);
    return entry ? table_item(entry, struct service, by_name) : NULL;
}

void channel_free_services(struct channel_host *host)
{
    struct service *service;
    while ((service = channel_first_service(host)) != NULL) {
        table_remove(&host->services, &service->by_name);
        free(service->name);
        free(service);
    }
}

/* ---- is there a worker? ---- */

static void s_set_flow(struct channel_host *host, struct service *service,
                       bool has_worker)
{
    if (service->has_worker == has_worker)
        return;
    service->has_worker = has_worker;
    for (struct channel *at = channel_first(host), *next; at; at = next) {
        next = channel_after(at);
        if (at->service == service && at->carried)
            at->carrier->flow(at);
    }
}

void channel_flow(struct channel_host *host, struct service *service, bool has_worker)
{
    service->told_ms = host->loop->now_ms;
    s_set_flow(host, service, has_worker);
}

void channel_expect_flow(struct channel_host *host)
{
    for (struct service *at = channel_first_service(host); at;
         at = channel_next_service(at))
        at->told_ms = host->loop->now_ms;
}

/* A broker that knew nothing of this service until our OPEN has time to tell. */
static void s_expect_flow(struct channel *self)
{
    self->service->told_ms = self->host->loop->now_ms;
}

void channel_forget_flow(struct channel_host *host)
{
    int64_t now_ms = host->loop->now_ms;
    for (struct service *at = channel_first_service(host); at;
         at = channel_next_service(at))
        if (!at->has_worker && at->events > 0 && now_ms - at->told_ms > FLOW_MS)
            s_set_flow(host, at, true);
}

/* ---- windows ---- */

void channel_count(struct channel *self, ssize_t events, ssize_t bytes)
{
    struct service *service = self->service;
    if (!service)
        return;
    if (events > 0 && service->events == 0)
        s_expect_flow(self);
    service->events += (size_t)events;
    service->bytes += (size_t)bytes;
    if (events >= 0 && bytes >= 0)
        return;
    if (!service->has_moved) {
        service->next_moved = self->host->moved;
        self->host->moved = service;
    }
    service->has_moved = true;
}

static bool s_service_has_room(const struct channel *self)
{
    const struct gateway_settings *settings = self->host->settings;
    const struct service *service = self->service;
    return service->events == 0 || (service->events < settings->service_events &&
                                    service->bytes < settings->service_bytes);
}

/* A handler that waits for the body cannot acknowledge the OPEN: one part is always
 * allowed, whatever the OPENs of others have filled. */
static bool s_body_has_room(const struct channel *self)
{
    const struct gateway_settings *settings = self->host->settings;
    const struct event_queue *events = &self->events;
    return events->bodies == 0 ||
           (events->bodies < BODY_WINDOW && events->bytes < settings->window_bytes &&
            self->service->bytes < settings->service_bytes);
}

bool channel_has_room(const struct channel *self)
{
    const struct gateway_settings *settings = self->host->settings;
    const struct event_queue *events = &self->events;
    if (!self->service)
        return true;
    if (!self->is_websocket)
        return s_body_has_room(self);
    bool room = events->count == 0 || (events->count < settings->window_events &&
                                       events->bytes < settings->window_bytes);
    return room && s_service_has_room(self);
}

/* ---- who waits for room ---- */

void channel_block(struct channel *self)
{
    struct service *service = self->service;
    if (self->is_blocked || !service)
        return;
    self->is_blocked = true;
    self->next_blocked = NULL;
    self->prev_blocked = service->last_blocked;
    if (service->last_blocked)
        service->last_blocked->next_blocked = self;
    else
        service->first_blocked = self;
    service->last_blocked = self;
}

void channel_unlink_blocked(struct channel *self)
{
    if (!self->is_blocked)
        return;
    self->is_blocked = false;
    if (self->prev_blocked)
        self->prev_blocked->next_blocked = self->next_blocked;
    else
        self->service->first_blocked = self->next_blocked;
    if (self->next_blocked)
        self->next_blocked->prev_blocked = self->prev_blocked;
    else
        self->service->last_blocked = self->prev_blocked;
}

/* Who has waited longest comes first; who blocks again waits behind the others. */
static void s_unblock(struct service *service)
{
    struct channel *last = service->last_blocked;
    for (struct channel *at = service->first_blocked, *next; at; at = next) {
        next = at == last ? NULL : at->next_blocked;
        if (!channel_has_room(at))
            continue;
        channel_unlink_blocked(at);
        if (at->carried)
            at->carrier->resume(at);
    }
}

void channel_unblock(struct channel_host *host)
{
    struct service *service;
    while ((service = host->moved) != NULL) {
        host->moved = service->next_moved;
        service->has_moved = false;
        s_unblock(service);
    }
}
