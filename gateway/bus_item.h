/* bus_item: what travels between the bus thread and the workers, through rings. */
#pragma once

#include "common/blob.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bus_item_kind {
    /* worker to bus */
    BUS_RECORD,    // data is a record for the broker
    BUS_ANSWER,    // one channel's answer to command c: error is NULL or a code
    BUS_SUB,       // data is a topic: one more subscription
    BUS_UNSUB,     // one less
    BUS_ANNOUNCED, // all channels were announced
    BUS_ENDED,     // all channels of the old epoch are gone
    /* bus to worker */
    BUS_COMMAND,   // blob is a record from the broker
    BUS_LINK_DOWN, // emit nothing: it will be announced
    BUS_ANNOUNCE,  // announce every channel (full) or what is unacknowledged, then emit
    BUS_LOST,      // publications were dropped here: the worker was too far behind
    BUS_SLOW,      // so was a command for the channel whose id is data
    BUS_EPOCH,     // end every channel; data is the new prefix of ids
};

struct bus_item {
    struct bus_item *next;
    enum bus_item_kind kind;
    bool full;  // BUS_ANNOUNCE: ADOPT too; BUS_ANNOUNCED: PRESENT is due
    uint64_t c; // BUS_ANSWER
    const char *error;
    struct blob *blob;
    size_t size; // of data, without the NUL that follows it
    char data[];
};

/* size bytes of data (copied unless NULL) and a NUL after them. */
struct bus_item *bus_item_new(enum bus_item_kind kind, const void *data, size_t size);
void bus_item_destroy(struct bus_item **self_p);
