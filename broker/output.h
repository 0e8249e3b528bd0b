/* output: how the core speaks.  Doors fill the table; tests fill it with recorders. */
#pragma once

#include "broker/authority.h"
#include "common/blob.h"
#include "common/wire.h"

#include <stdbool.h>

#include <stdbool.h>

/* Where a record comes from, with what its sender may do, and where the answer goes: a
 * peer of a port and the envelope of its request. */
struct address {
    uint64_t peer;           // 0: nobody (pull and sub port)
    const uint8_t *envelope; // frames as size byte and bytes; borrowed
    size_t envelope_size;    // 0: no envelope
    bool takes_batches; // records may come as frames of one message; without envelope
    bool is_edge;       // the peer is one of the edge port
    const struct authority *authority; // outlives the core; NULL: everything
};

struct output {
    void *context;
    /* One record for an edge; borrowed, the door takes a reference if it needs one.
     * 0, -EAGAIN when its queue is full, -EHOSTUNREACH when it is gone. */
    int (*to_edge)(void *context, uint64_t peer, struct blob *record);
    /* One record for an application; results as above. */
    int (*to_app)(void *context, const struct address *to,
                  const struct wire_header *header, struct wire_text payload);
    /* What happened, for watchers; called only while core_set_tap said that there are
     * any. */
    void (*to_tap)(void *context, const char *topic, const struct wire_header *header,
                   struct wire_text payload);
};

/* A payload whose data is NULL means a record without LF. */
static inline struct wire_text payload_none(void)
{
    return (struct wire_text){NULL, 0};
}

static inline struct wire_text payload_of(const struct wire_record *record)
{
    return (struct wire_text){(const char *)record->payload, record->payload_size};
}
