#include "bindings/c/rw_private.h"
#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>

void rw_list_append(struct rw_list *self, void *item)
{
    struct rw_link *link = item;
    link->next = NULL;
    link->prev = self->last;
    if (self->last)
        self->last->next = link;
    else
        self->first = link;
    self->last = link;
}

void rw_list_remove(struct rw_list *self, void *item)
{
    struct rw_link *link = item;
    if (link->prev)
        link->prev->next = link->next;
    else
        self->first = link->next;
    if (link->next)
        link->next->prev = link->prev;
    else
        self->last = link->prev;
    link->prev = link->next = NULL;
}

void rw_list_free(struct rw_list *self)
{
    struct rw_link *at = self->first;
    self->first = self->last = NULL;
    while (at) {
        struct rw_link *next = at->next;
        free(at);
        at = next;
    }
}

/* The macros of uthash count as the complexity of the function that uses them.
 * NOLINTBEGIN(readability-function-size,readability-function-cognitive-complexity) */

struct rw_channel *rw_channels_find_any(const struct rw_app *app, const char *id)
{
    struct rw_channel *channel;
    HASH_FIND_STR(app->channels, id, channel);
    return channel;
}

struct rw_channel *rw_channels_find(const struct rw_app *app, const char *id)
{
    struct rw_channel *channel = rw_channels_find_any(app, id);
    return channel && !channel->is_finishing ? channel : NULL;
}

void rw_channels_destroy(struct rw_app *app, struct rw_channel *channel)
{
    rw_channels_remove(app, channel);
    rw_channel_destroy(&channel);
}

void rw_channels_add(struct rw_app *app, struct rw_channel *channel)
{
    HASH_ADD_STR(app->channels, id, channel);
}

void rw_channels_remove(struct rw_app *app, struct rw_channel *channel)
{
    HASH_DEL(app->channels, channel);
}

bool rw_closed_has(const struct rw_app *app, const char *id)
{
    struct rw_closed *closed;
    HASH_FIND_STR(app->closed, id, closed);
    return closed;
}

void rw_closed_add(struct rw_app *app, const char *id)
{
    struct rw_closed *closed = mem_new(struct rw_closed);
    snprintf(closed->id, sizeof closed->id, "%s", id);
    HASH_ADD_STR(app->closed, id, closed);
    if (HASH_COUNT(app->closed) <= RW_CLOSED_MAX)
        return;
    struct rw_closed *oldest = app->closed; // a table keeps the order of additions
    HASH_DEL(app->closed, oldest);
    free(oldest);
}

void rw_closed_clear(struct rw_app *app)
{
    struct rw_closed *at = app->closed;
    HASH_CLEAR(hh, app->closed);
    while (at) {
        struct rw_closed *next = at->hh.next;
        free(at);
        at = next;
    }
}

struct rw_command *rw_commands_find(const struct rw_commands *self, uint64_t number)
{
    struct rw_command *command;
    HASH_FIND(hh, self->table, &number, sizeof number, command);
    return command;
}

void rw_commands_add(struct rw_commands *self, struct rw_command *command)
{
    HASH_ADD(hh, self->table, number, sizeof command->number, command);
    rw_list_append(&self->list, command);
    self->count++;
    self->bytes += command->size;
}

void rw_commands_remove(struct rw_commands *self, struct rw_command *command)
{
    HASH_DEL(self->table, command);
    rw_list_remove(&self->list, command);
    self->count--;
    self->bytes -= command->size;
}

/* NOLINTEND(readability-function-size,readability-function-cognitive-complexity) */
