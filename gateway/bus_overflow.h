/* bus_overflow: what one worker has lost since it fell behind, so that it is told of each
 * loss once, at its place.  Pure. */
#pragma once

#include "common/table.h"

#include <stdbool.h>
#include <stdint.h>

struct bus_overflow {
    struct table channels; // that will be closed, by number
    bool has_lost_topics;  // no publication was passed on since one was lost
};

/* A command for this channel does not fit: true if the worker has to be told. */
bool bus_overflow_channel(struct bus_overflow *self, uint64_t number);
/* A publication does not fit: true if the worker has to be told. */
bool bus_overflow_topics(struct bus_overflow *self);
/* A publication fits. */
void bus_overflow_passes(struct bus_overflow *self);
/* The worker has taken everything, what it was told too. */
void bus_overflow_clear(struct bus_overflow *self);
