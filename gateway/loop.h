/* loop: one epoll, its watches and timers, and work to do at the end of a turn.  One
 * thread. */
#pragma once

#include "gateway/timer.h"

#include <stdbool.h>
#include <stdint.h>

/* Readiness of a descriptor.  Embedded in what owns the descriptor. */
struct loop_watch {
    void (*on_ready)(struct loop_watch *self,
                     uint32_t events); // EPOLLIN, EPOLLRDHUP, ...
};

/* Something to do once at the end of the turn; free() of objects that events may still
 * name. */
struct loop_task {
    struct loop_task *next;
    void (*run)(struct loop_task *self);
};

struct loop {
    int epoll_fd;
    int64_t now_ms; // time of this turn
    struct timer_wheel timers;
    struct loop_task *tasks; // of this turn
    bool again;              // do not sleep before the next turn
    unsigned refused;        // sockets that wait until their refusal is read
};

/* 0 or a negative errno. */
int loop_init(struct loop *self) __attribute__((warn_unused_result));
void loop_clear(struct loop *self);
/* Watch a descriptor for `events` (EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLET ...): 0 or
 * -errno. */
int loop_watch(struct loop *self, int fd, uint32_t events, struct loop_watch *watch);
int loop_rewatch(struct loop *self, int fd, uint32_t events, struct loop_watch *watch);
void loop_unwatch(struct loop *self, int fd);
/* Run `task` at the end of this turn; each task only once a turn. */
void loop_defer(struct loop *self, struct loop_task *task);
/* Sleep until something is ready or a timer is due (not at all when `again` is set), then
 * call back watches and timers. */
void loop_turn(struct loop *self);
/* The deferred tasks, those that they add included. */
void loop_end_turn(struct loop *self);
