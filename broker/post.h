/* post: publications on their way: numbered, kept, in their turn delivered to every edge
 * that wants them, and answered. */
#pragma once

#include "broker/core_state.h"

/* A publication; all borrowed. */
struct post {
    struct wire_text topic;
    const struct wire_text *option; // what edges are told too
    size_t options;
    struct wire_text payload;
    struct wire_text key; // .data NULL: none
    struct history_entry entry;
    bool history;      // it is to be held
    int kept;          // negative: the store did not take it
    struct blob *blob; // the payload, if somebody holds it already; or NULL
};

/* The turn of its position has come: to the edges, into history, to the tap.  The
 * sequence has counted it as delivered. */
void post_deliver(struct core *core, const struct post *post);
