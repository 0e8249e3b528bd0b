#include "gateway/timer.h"

enum { TIMER_ROUNDS = 8 }; // of expiring timers that start again

void timer_wheel_init(struct timer_wheel *self, int64_t now_ms)
{
    for (size_t at = 0; at < TIMER_SLOTS; at++)
        self->slot[at].next = self->slot[at].prev = &self->slot[at];
    self->tick = now_ms / TIMER_TICK_MS;
    self->count = 0;
}

bool timer_is_running(const struct timer *timer)
{
    return timer->next != NULL;
}

static void s_link(struct timer *head, struct timer *timer)
{
    timer->prev = head->prev;
    timer->next = head;
    head->prev->next = timer;
    head->prev = timer;
}

static void s_unlink(struct timer *timer)
{
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->next = timer->prev = NULL;
}

void timer_start(struct timer_wheel *self, struct timer *timer, int64_t due_ms)
{
    timer_stop(self, timer);
    int64_t tick = due_ms / TIMER_TICK_MS + 1; // never early
    if (tick <= self->tick)
        tick = self->tick + 1;
    timer->due_ms = due_ms;
    s_link(&self->slot[(uint64_t)tick % TIMER_SLOTS], timer);
    self->count++;
}

void timer_stop(struct timer_wheel *self, struct timer *timer)
{
    if (!timer_is_running(timer))
        return;
    s_unlink(timer);
    self->count--;
}

/* Timers of later rounds of the wheel stay in their slot.  The due ones are moved to a
 * list of their own first, because callbacks may change the slot. */
static void s_run_slot(struct timer_wheel *self, struct timer *head, int64_t now_ms)
{
    struct timer due = {.next = &due, .prev = &due};
    for (struct timer *at = head->next, *next; at != head; at = next) {
        next = at->next;
        if (at->due_ms > now_ms)
            continue;
        s_unlink(at);
        s_link(&due, at);
    }
    while (due.next != &due) {
        struct timer *timer = due.next;
        s_unlink(timer);
        self->count--;
        timer->on_due(timer, now_ms);
    }
}

void timer_wheel_run(struct timer_wheel *self, int64_t now_ms)
{
    int64_t target = now_ms / TIMER_TICK_MS;
    if (target - self->tick > TIMER_SLOTS)
        self->tick = target - TIMER_SLOTS; // after a pause one round sees every slot
    while (self->tick < target) {
        self->tick++;
        s_run_slot(self, &self->slot[(uint64_t)self->tick % TIMER_SLOTS], now_ms);
    }
}

void timer_wheel_expire(struct timer_wheel *self)
{
    int64_t never_ms = INT64_MAX / 2;
    for (int round = 0; round < TIMER_ROUNDS && self->count > 0; round++) {
        for (size_t at = 0; at < TIMER_SLOTS; at++)
            s_run_slot(self, &self->slot[at], never_ms);
        never_ms += INT32_MAX; // beyond what a callback has started
    }
}

int timer_wheel_wait_ms(const struct timer_wheel *self, int64_t now_ms)
{
    if (self->count == 0)
        return TIMER_WAIT_MAX_MS;
    for (int64_t ahead = 1; ahead <= TIMER_WAIT_MAX_MS / TIMER_TICK_MS; ahead++) {
        const struct timer *head =
            &self->slot[(uint64_t)(self->tick + ahead) % TIMER_SLOTS];
        if (head->next == head)
            continue;
        int64_t wait = (self->tick + ahead) * TIMER_TICK_MS - now_ms;
        return wait > 0 ? (int)wait : 0;
    }
    return TIMER_WAIT_MAX_MS;
}
