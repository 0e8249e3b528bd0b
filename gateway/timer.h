/* timer: many deadlines in a hashed wheel.  Pure: time is an argument.
 * Starting and stopping cost O(1); a deadline is met within TIMER_TICK_MS. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TIMER_TICK_MS = 16, TIMER_SLOTS = 1024, TIMER_WAIT_MAX_MS = 1000 };

struct timer {
    struct timer *next, *prev; // NULL when stopped
    int64_t due_ms;
    void (*on_due)(struct timer *self,
                   int64_t now_ms); // the timer is stopped when called
};

struct timer_wheel {
    struct timer slot[TIMER_SLOTS]; // heads of rings
    int64_t tick;                   // last tick that was run
    size_t count;                   // running timers
};

void timer_wheel_init(struct timer_wheel *self, int64_t now_ms);
/* (Re)start: due at due_ms, at the earliest with the next tick. */
void timer_start(struct timer_wheel *self, struct timer *timer, int64_t due_ms);
/* No effect on a timer that does not run. */
void timer_stop(struct timer_wheel *self, struct timer *timer);
bool timer_is_running(const struct timer *timer);
/* Calls every timer that is due.  Callbacks may start and stop any timer. */
void timer_wheel_run(struct timer_wheel *self, int64_t now_ms);
/* Calls every timer, due or not, and those that they start, until none runs: at the end
 * of the process, so that what waits for nothing but its timer is freed. */
void timer_wheel_expire(struct timer_wheel *self);
/* How long the loop may sleep: 0 to TIMER_WAIT_MAX_MS. */
int timer_wheel_wait_ms(const struct timer_wheel *self, int64_t now_ms);
