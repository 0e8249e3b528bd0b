/* query: questions of applications about the broker, answered with JSON. */
#pragma once

#include "broker/core_state.h"

#include <jansson.h>

/* INFO key - id LF json; takes the value. */
void query_say(const struct request *request, struct wire_text key, json_t *value);

/* query_topic.c */
void query_history(const struct request *request, struct wire_text name);
/* prefix.data NULL: all. */
void query_topics(const struct request *request, struct wire_text prefix);
