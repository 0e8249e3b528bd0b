/* bus_port: a pair of rings between the bus thread and one worker.  Neither side ever
 * waits: what a full ring does not take waits on the sender's side, in order. */
#pragma once

#include "common/ring.h"
#include "gateway/bus_item.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One direction. */
struct bus_lane {
    struct ring *ring;
    int wake_fd; // eventfd of the receiver; written once a turn by bus_lane_wake
    struct bus_item *first, *last; // sender's side: what the ring did not take
    size_t sent;                   // bytes, since the beginning
    bool pushed;                   // since the last wake
    char apart[64];         // what the receiver writes is on a cache line of its own
    atomic_size_t received; // bytes, since the beginning
};

struct bus_port {
    struct bus_lane to_bus, to_worker;
    atomic_uint_fast64_t turns; // of the worker's loop; 0: it does not run
};

/* wake_bus, wake_worker: eventfds; borrowed. */
void bus_port_init(struct bus_port *self, int wake_bus, int wake_worker);
/* Frees what is under way; both threads must have ended. */
void bus_port_clear(struct bus_port *self);

/* Sender: takes the item. */
void bus_lane_send(struct bus_lane *self, struct bus_item *item);
/* Sender, once a turn: moves what waits and wakes the receiver if there is something for
 * it. */
void bus_lane_wake(struct bus_lane *self);
/* Sender: the receiver is woken at the end of the turn, though there is nothing for it.
 */
void bus_lane_nudge(struct bus_lane *self);
/* Sender: bytes that the receiver has not taken yet. */
size_t bus_lane_bytes(const struct bus_lane *self);
/* Receiver: the next item, the caller's; NULL when there is none. */
struct bus_item *bus_lane_receive(struct bus_lane *self);
