/* event_queue: what happened to one channel and is not acknowledged yet.  Pure.
 * Numbers events from 1 and keeps each until an ACK covers it:
 * docs/protocol/1-bus.md 5.2. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum event_verb {
    EVENT_OPEN,
    EVENT_TEXT,
    EVENT_BIN,
    EVENT_BODY,
    EVENT_CLOSE,
    EVENT_SLOW,
    EVENT_DRAINED,
};

enum { EVENT_TRIES_MAX = 4 }; // deliveries of one event; then it is poison

struct event {
    struct event *next;
    uint64_t seq;
    uint32_t size;      // of the payload
    uint16_t head_size; // of the tokens and options that follow seq in the record
    uint8_t verb;       // enum event_verb
    uint8_t tries;      // workers that were sent it and did not acknowledge
    uint8_t data[];     // head, then payload
};

struct event_queue {
    struct event *first, *last;
    uint64_t acked; // everything up to here is done
    uint64_t last_seq;
    uint32_t count;  // events that are held and fill the window: not BODY, not CLOSE
    uint32_t bodies; // BODY events that are held; they have a window of their own
    size_t bytes;    // payload bytes of all that are held
};

const char *event_verb_name(enum event_verb verb);
/* Append; head and payload are copied.  NULL when the machine has no memory. */
struct event *event_queue_add(struct event_queue *self, enum event_verb verb,
                              const char *head, const struct iovec *payload, int parts);
struct event_queue_freed {
    size_t events, bytes; // that fill windows
    bool closed;          // the CLOSE was among them
};
/* Forget everything up to seq. */
struct event_queue_freed event_queue_ack(struct event_queue *self, uint64_t seq);
/* Count a failed try for everything up to seq.  True if an event has now used up its
 * tries. */
bool event_queue_tried(struct event_queue *self, uint64_t seq);
void event_queue_clear(struct event_queue *self);
