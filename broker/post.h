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

/* NULL, or which option of a publication has a value that is not allowed, with the rule.
 */
const char *post_bad_option(const struct request *request);
/* Reads the options of a request whose topic and payload are set already; `history` says
 * then whether it is to be held.  option: what edges are told too, which the post
 * borrows. */
void post_read(const struct request *request, struct post *post,
               struct wire_text option[WIRE_TOKENS_MAX]);
/* Gives it to the store, if there is one and it is to be held: `kept`. */
int post_keep(const struct core *core, const struct post *post, bool durable);
/* Those that come later can have it, or are told that they cannot.  topic: what topic_get
 * gave, and what topics_match gave for it. */
void post_remember(struct core *core, struct topic *topic, const struct post *post,
                   struct topic *const *match, size_t matches);

/* The turn of its position has come: to the edges, into history, to the tap.  The
 * sequence has counted it as delivered. */
void post_deliver(struct core *core, const struct post *post);
