/* route_private: what route.c (matching) and route_option.c (the lines of the file)
 * share. */
#pragma once

#include "gateway/route.h"

enum { ROUTE_NAME_MAX = 64, ROUTE_TOPIC_MAX = 255, ROUTE_LABEL_MAX = 128 }; // bytes

/* One segment of a pattern: a text, or {name}. */
struct route_segment {
    const char *text; // within the braces for a parameter; not NUL-terminated
    size_t size;
    bool is_param;
};

/* The next segment of a pattern; *pattern stands at its "/" before and at the next one's
 * after. False at the end, and before a final "/ **". */
bool route_segment_next(const char **pattern, struct route_segment *segment);
/* Reads one option into the route.  Returns NULL, or the rule that the value breaks
 * (static). */
const char *route_option_read(struct route *route, const char *key, const char *value);
/* What the options break together: NULL, or a rule; *key_out gets the key that it is
 * about. */
const char *route_option_judge(const struct route *route, const char **key_out);
