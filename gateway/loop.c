#include "gateway/loop.h"

#include "common/clock.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_MAX = 512 }; // of one epoll_wait

int loop_init(struct loop *self)
{
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll_fd < 0)
        return -errno;
    self->now_ms = clock_now_ms();
    self->tasks = NULL;
    self->again = false;
    timer_wheel_init(&self->timers, self->now_ms);
    return 0;
}

void loop_clear(struct loop *self)
{
    close(self->epoll_fd);
    self->epoll_fd = -1;
}

static int s_control(struct loop *self, int operation, int fd, uint32_t events,
                     struct loop_watch *watch)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    return epoll_ctl(self->epoll_fd, operation, fd, &event) == 0 ? 0 : -errno;
}

int loop_watch(struct loop *self, int fd, uint32_t events, struct loop_watch *watch)
{
    return s_control(self, EPOLL_CTL_ADD, fd, events, watch);
}

int loop_rewatch(struct loop *self, int fd, uint32_t events, struct loop_watch *watch)
{
    return s_control(self, EPOLL_CTL_MOD, fd, events, watch);
}

void loop_unwatch(struct loop *self, int fd)
{
    (void)s_control(self, EPOLL_CTL_DEL, fd, 0, NULL);
}

void loop_defer(struct loop *self, struct loop_task *task)
{
    task->next = self->tasks;
    self->tasks = task;
}

void loop_turn(struct loop *self)
{
    struct epoll_event events[EVENTS_MAX];
    int wait_ms = self->again ? 0 : timer_wheel_wait_ms(&self->timers, self->now_ms);
    self->again = false;
    int count = epoll_wait(self->epoll_fd, events, EVENTS_MAX, wait_ms);
    self->now_ms = clock_now_ms();
    for (int at = 0; at < count; at++) {
        struct loop_watch *watch = events[at].data.ptr;
        watch->on_ready(watch, events[at].events);
    }
    timer_wheel_run(&self->timers, self->now_ms);
}

void loop_end_turn(struct loop *self)
{
    while (self->tasks) {
        struct loop_task *task = self->tasks;
        self->tasks = task->next;
        task->run(task);
    }
}
