#include "broker/sequence.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void sequence_init(struct sequence *self, uint64_t epoch, size_t limit)
{
    *self = (struct sequence){.next = 1, .limit = limit};
    snprintf(self->epoch, sizeof self->epoch, "%016" PRIx64, epoch);
    list_init(&self->queue);
}

void sequence_text(const struct sequence *self, uint64_t g, char out[SEQUENCE_POSITION])
{
    snprintf(out, SEQUENCE_POSITION, "%s:%" PRIu64, self->epoch, g);
}

/* Splits a position; false when it is none. */
static bool s_split(struct wire_text text, struct wire_text *epoch, uint64_t *g)
{
    const char *colon = text.data ? memchr(text.data, ':', text.size) : NULL;
    if (!colon)
        return false;
    *epoch = (struct wire_text){text.data, (size_t)(colon - text.data)};
    if (epoch->size < 8 || epoch->size > 16)
        return false;
    for (size_t at = 0; at < epoch->size; at++)
        if (!strchr("0123456789abcdefABCDEF", epoch->data[at]) || !epoch->data[at])
            return false;
    return wire_u64((struct wire_text){colon + 1, text.size - epoch->size - 1}, g) == 0;
}

bool sequence_is_position(struct wire_text text)
{
    struct wire_text epoch;
    uint64_t g;
    return s_split(text, &epoch, &g);
}

int sequence_read(const struct sequence *self, struct wire_text text, uint64_t *g_out)
{
    struct wire_text epoch;
    if (!s_split(text, &epoch, g_out))
        return -EPROTO;
    return wire_is(epoch, self->epoch) ? 0 : -ESTALE;
}

uint64_t sequence_take(struct sequence *self)
{
    uint64_t g = self->next++;
    if (self->keeper && self->next + SEQUENCE_LEASE / 2 > self->leased &&
        self->asked <= self->leased) {
        self->asked =
            (self->next > self->leased ? self->next : self->leased) + SEQUENCE_LEASE;
        self->keeper->lease(self->keeper->context, self->asked);
    }
    return g;
}

bool sequence_is_due(struct sequence *self, uint64_t g)
{
    if (!list_is_empty(&self->queue) || (self->keeper && g > self->leased))
        return false;
    self->delivered = g;
    return true;
}

void sequence_skip(struct sequence *self, uint64_t g)
{
    if (list_is_empty(&self->queue))
        self->delivered = g;
}

bool sequence_has_room(const struct sequence *self, size_t bytes)
{
    return list_is_empty(&self->queue) ||
           (bytes <= self->limit && self->bytes <= self->limit - bytes);
}

void sequence_wait(struct sequence *self, struct waiting *waiting)
{
    list_init(&waiting->order);
    list_append(&self->queue, &waiting->order);
    self->bytes += waiting->bytes;
}

void sequence_restore(struct sequence *self, const struct keeper_start *start)
{
    snprintf(self->epoch, sizeof self->epoch, "%016" PRIx64, start->epoch);
    self->next = start->next;
    self->delivered = self->stored = start->next - 1;
    self->leased = self->asked = start->leased_to;
}

/* The two holes with the fewest positions between them become one. */
static void s_join_nearest(struct sequence *self)
{
    size_t nearest = 1;
    for (size_t at = 1; at < self->holes; at++)
        if (self->hole[at].from - self->hole[at - 1].to <
            self->hole[nearest].from - self->hole[nearest - 1].to)
            nearest = at;
    self->hole[nearest - 1].to = self->hole[nearest].to;
    self->holes--;
    memmove(&self->hole[nearest], &self->hole[nearest + 1],
            (self->holes - nearest) * sizeof *self->hole);
}

void sequence_add_hole(struct sequence *self, uint64_t from, uint64_t to)
{
    if (self->holes == SEQUENCE_HOLES_MAX)
        s_join_nearest(self);
    size_t at = self->holes++;
    for (; at > 0 && self->hole[at - 1].from > from; at--)
        self->hole[at] = self->hole[at - 1];
    self->hole[at] = (struct hole){from, to};
}

static bool s_may_go(const struct sequence *self, const struct waiting *waiting)
{
    if (self->keeper && waiting->g > self->leased)
        return false;
    return !waiting->durable || waiting->result < 0 || waiting->g <= self->stored;
}

static void s_release(struct sequence *self, void *context)
{
    struct link *first;
    while ((first = list_first(&self->queue))) {
        struct waiting *waiting = list_item(first, struct waiting, order);
        if (!s_may_go(self, waiting))
            return;
        list_remove(first);
        self->bytes -= waiting->bytes;
        self->delivered = waiting->g;
        waiting->deliver(context, waiting);
    }
    /* What was given out behind it needs no turn of its own. */
    uint64_t last = self->next - 1;
    self->delivered = self->keeper && self->leased < last ? self->leased : last;
}

void sequence_stored(struct sequence *self, uint64_t g, int result, void *context)
{
    struct link *at = list_first(&self->queue);
    for (; result < 0 && at; at = list_after(&self->queue, at)) {
        struct waiting *waiting = list_item(at, struct waiting, order);
        if (waiting->durable && waiting->g <= g && waiting->g > self->stored)
            waiting->result = result;
    }
    if (result == 0 && g > self->stored)
        self->stored = g;
    s_release(self, context);
}

void sequence_leased(struct sequence *self, uint64_t to, void *context)
{
    if (to > self->leased)
        self->leased = to;
    s_release(self, context);
}

void sequence_give_up(struct sequence *self, int result, void *context)
{
    struct link *first;
    while ((first = list_first(&self->queue))) {
        struct waiting *waiting = list_item(first, struct waiting, order);
        list_remove(first);
        waiting->result = result;
        waiting->deliver(context, waiting);
    }
}
