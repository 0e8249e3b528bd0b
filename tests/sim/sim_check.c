/* What must hold, whatever happens. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdarg.h>

void sim_fail(const struct sim *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("step %" PRIu64 ", at %.2f s, ", self->steps, (double)self->now_ms / 1000);
    sim_give_up("sim_core", self->seed, format, arguments);
}

/* No application needs to have handled it: it was for those who asked, or given up. */
static bool s_is_settled(const struct sim_event *event)
{
    return event->handled || event->discarded || event->verb == SIM_SLOW;
}

/* The newest event before seq that somebody must have handled. */
static bool s_is_next(const struct sim_channel *channel, uint64_t seq)
{
    for (uint64_t before = 1; before < seq; before++)
        if (!s_is_settled(&channel->event[before]))
            return false;
    return true;
}

void sim_check_handled(struct sim *self, int app, int index, uint64_t seq)
{
    struct sim_channel *channel = &self->channel[index];
    channel->opened = true;
    if (channel->returned)
        return;
    if (seq > channel->last)
        sim_fail(self, "app %d handles %s %" PRIu64 ", which never was", app, channel->id,
                 seq);
    if (!s_is_next(channel, seq))
        sim_fail(self, "app %d handles %s %" PRIu64 " before what is older", app,
                 channel->id, seq);
    channel->event[seq].handled = true;
}

void sim_check_acked(struct sim *self, struct sim_channel *channel, uint64_t seq)
{
    bool closed = channel->event[seq].verb == SIM_CLOSE && !channel->opened;
    for (uint64_t at = channel->acked + 1; at <= seq && !closed && !channel->returned;
         at++)
        if (!s_is_settled(&channel->event[at]))
            sim_fail(self, "%s %" PRIu64 " is acknowledged and nobody has handled it",
                     channel->id, at);
}

/* May this record be the next that an application gets of the channel? */
static void s_check_order(struct sim *self, uint64_t peer, struct sim_channel *channel,
                          const struct wire_record *record, uint64_t seq)
{
    struct wire_text verb = record->token[0];
    bool starts = wire_is(verb, "OPEN") || wire_is(verb, "ADOPT");
    bool made =
        wire_is(verb, "CLOSE") && wire_is(wire_option(record, 5, "cause"), "edge-lost");
    const struct worker *holder = worker_find(&self->core->workers, channel->holder);
    bool same = channel->holder == peer && channel->holder_boot == self->boot &&
                !channel->moving && !channel->moved && holder &&
                holder->incarnation == channel->holder_inc;
    if (!made && !wire_is(verb, "ADOPT") && seq <= channel->acked)
        sim_fail(self, "%s %" PRIu64 " is sent again after its acknowledgement",
                 channel->id, seq);
    if (!same && !starts && !made)
        sim_fail(self, "%s %" PRIu64 " goes to a worker that does not know it",
                 channel->id, seq);
    if (!same && channel->holder_boot == self->boot && channel->holder != peer &&
        holder && holder->incarnation == channel->holder_inc && !channel->moved)
        sim_fail(self, "%s %" PRIu64 " goes to another, and the first was not told",
                 channel->id, seq);
    if (same && starts)
        sim_fail(self, "%s starts again", channel->id);
    for (uint64_t at = channel->sent + 1; same && !made && at < seq; at++)
        if (channel->event[at].verb != SIM_SLOW)
            sim_fail(self, "%s %" PRIu64 " is sent before %" PRIu64, channel->id, seq,
                     at);
    if (same && seq <= channel->sent && !(made && seq == channel->sent))
        sim_fail(self, "%s %" PRIu64 " is sent twice to one worker", channel->id, seq);
}

void sim_check_delivery(struct sim *self, uint64_t peer, const struct wire_record *record)
{
    struct wire_text verb = record->token[0];
    struct sim_channel *channel = sim_channel_find(self, record->token[1]);
    uint64_t seq;
    if (channel && channel->boot_of_made && channel->boot_of_made != self->boot)
        channel->returned = true;
    if (wire_is(verb, "ERR") && self->sending >= 0)
        self->send[self->sending].refused = true;
    if (channel && wire_is(verb, "MOVED") && channel->holder == peer)
        channel->moved = true;
    if (!channel || channel->returned || wire_u64(record->token[2], &seq) < 0)
        return;
    s_check_order(self, peer, channel, record, seq);
    if (wire_is(verb, "CLOSE") && channel->close_done)
        sim_fail(self, "%s is closed again", channel->id);
    const struct worker *worker = worker_find(&self->core->workers, peer);
    channel->holder = peer;
    channel->holder_inc = worker ? worker->incarnation : 0;
    channel->holder_boot = self->boot;
    channel->sent = seq;
    channel->moving = channel->moved = false;
    if (wire_is(wire_option(record, 5, "cause"), "edge-lost"))
        channel->boot_of_made = self->boot;
    self->delivered++;
}

void sim_check_command(struct sim *self, const struct wire_record *record)
{
    if (!wire_is(record->token[0], "RESEND") || !wire_option(record, 4, "tried").data)
        return;
    struct sim_channel *channel = sim_channel_find(self, record->token[2]);
    uint64_t gen = 0;
    (void)wire_u64(record->token[3], &gen);
    if (channel && (gen > channel->asked_gen || channel->asked_boot != self->boot)) {
        channel->asked_boot = self->boot;
        channel->moving = true;
        channel->asked_gen = gen;
    }
}

static void s_check_worker(const struct sim *self, const struct worker *worker)
{
    unsigned outstanding = 0;
    for (uint64_t at = worker->out.first; at < worker->out.next; at++) {
        const struct delivery *delivery = deliveries_at(&worker->out, at);
        outstanding += delivery->counted && !delivery->done;
        if (delivery->channel && delivery->channel->member->worker != worker)
            sim_fail(self, "a delivery of a channel that another worker has");
    }
    if (outstanding != worker->outstanding)
        sim_fail(self, "%u deliveries are open and %u are counted", outstanding,
                 worker->outstanding);
}

void sim_check_core(const struct sim *self)
{
    const struct core *core = self->core;
    size_t orphans = 0, asked = 0, kept = 0;
    for (struct table_entry *at = core->channels.first; at; at = table_after(at)) {
        const struct channel *channel = table_item(at, struct channel, by_id);
        bool bound = channel->member != NULL;
        orphans += channel->edge == NULL;
        asked += channel->state == CHANNEL_ASKED || channel->state == CHANNEL_MOVING;
        if (bound == (channel->state == CHANNEL_UNBOUND))
            sim_fail(self, "%s is %s and %s", channel->id,
                     channel_state_name(channel->state), bound ? "bound" : "not bound");
        if (!channel->finished && !list_has(&channel->place))
            sim_fail(self, "%s is in no list", channel->id);
        if (channel->acked > channel->last)
            sim_fail(self, "%s is acknowledged beyond what was sent", channel->id);
    }
    for (const struct worker *at = worker_first(&core->workers); at;
         at = worker_after(at)) {
        kept += at->asked;
        s_check_worker(self, at);
    }
    if (orphans != core->orphans || asked != kept)
        sim_fail(self, "%zu orphans of %zu, %zu places kept for %zu", core->orphans,
                 orphans, kept, asked);
}

static void s_check_channel(const struct sim *self, const struct sim_channel *channel)
{
    bool remembered = channel->boot_at_death == self->boot;
    if (channel->returned)
        return;
    if (channel->boot_of_made && !channel->edge_died)
        sim_fail(self, "%s was closed for an edge that lives", channel->id);
    if (!channel->edge_died && !channel->forgotten)
        sim_fail(self, "%s is not over: last %" PRIu64 ", acknowledged %" PRIu64,
                 channel->id, channel->last, channel->acked);
    for (uint64_t seq = 1; seq <= channel->last && channel->forgotten && channel->opened;
         seq++)
        if (!s_is_settled(&channel->event[seq]))
            sim_fail(self, "%s %" PRIu64 " was lost", channel->id, seq);
    if (channel->opened && channel->closes == 0 && (!channel->edge_died || remembered))
        sim_fail(self, "%s was opened and not closed", channel->id);
}

void sim_check_end(const struct sim *self)
{
    for (int at = 0; at < SIM_APPS; at++)
        if (self->app[at].question >= 0 &&
            self->now_ms - self->app[at].question_ms > 30000)
            sim_fail(self, "SEND %d is never answered", self->app[at].question);
    for (int at = 0; at < self->channels; at++)
        s_check_channel(self, &self->channel[at]);
    for (int at = 0; at < self->sends; at++) {
        const struct sim_send *send = &self->send[at];
        const struct sim_channel *channel = &self->channel[send->channel];
        bool alive =
            channel->life == self->edge[channel->edge].life && !channel->edge_died;
        if (send->times > 1)
            sim_fail(self, "SEND %d was carried out %u times", at, send->times);
        if (send->taken && !send->refused && send->boot == self->boot && alive &&
            !send->arrived)
            sim_fail(self, "SEND %d was taken and never arrived", at);
    }
}
