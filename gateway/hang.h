/* hang: does a thread stand still?  Pure: it is told how many turns the thread has made.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { HANG_LOOK_MAX_MS = 500 };

struct hang {
    uint64_t turns;      // as last seen
    int64_t looked_ms;   // when
    int64_t standing_ms; // for how long they have been the same
};

/* turns: of the thread's loop; 0: it does not run.  True when it has made none for longer
 * than limit_ms.  The time between two looks counts for at most HANG_LOOK_MAX_MS: who
 * looks later than that was stopped too, with the whole process, by a signal or a
 * debugger. */
bool hang_look(struct hang *self, uint64_t turns, int64_t now_ms, int64_t limit_ms);
