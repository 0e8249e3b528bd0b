/* command_ring: the numbered commands of one edge until its lastc covers them.  Pure.
 * Numbers count from 1 and have no holes. */
#pragma once

#include "common/blob.h"

#include <stdbool.h>

struct command_ring {
    struct blob **slot;   // room of them, by c modulo room
    size_t room;          // a power of two, or 0
    uint64_t first, next; // held: first <= c < next
    size_t bytes;         // of all held records
    size_t limit_records, limit_bytes;
};

enum command_share {
    COMMAND_PLAIN,   // has the limits as they are set
    COMMAND_CONTROL, // acknowledgements and RESEND: an eighth more
    COMMAND_REPLAY,  // history: half of it, or all of an empty ring
};

void command_ring_init(struct command_ring *self, size_t records, size_t bytes);
/* Forgets the records; the numbers go on. */
void command_ring_clear(struct command_ring *self);
bool command_ring_has_room(const struct command_ring *self, size_t size,
                           enum command_share share);
/* Takes the record; its number is next before the call. */
void command_ring_push(struct command_ring *self, struct blob **record_p);
/* Borrowed; first <= c < next. */
struct blob *command_ring_at(const struct command_ring *self, uint64_t c);
/* Can the ring go on after lastc, without a hole? */
bool command_ring_covers(const struct command_ring *self, uint64_t lastc);
/* Forgets all up to lastc; a lastc that was never given out is ignored. */
void command_ring_trim(struct command_ring *self, uint64_t lastc);
