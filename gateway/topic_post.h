/* topic_post: POST /topics/NAME on the operations port publishes, for those who have the
 * token.  docs/protocol/2-client.md section 8. */
#pragma once

#include "common/ops_server.h"
#include "gateway/bus.h"

#include <stdbool.h>

#define TOPIC_POST_PATH "/topics/"

/* What the callbacks of ops_server get; all borrowed. */
struct topic_post {
    struct bus *bus;
    const char *token; // NULL: nobody may publish
};

/* Does "Bearer TOKEN" show the token?  Takes as long whatever differs.  header may be
 * NULL.
 */
bool topic_post_shows(const char *header, const char *token);
/* The status that a code of the broker, or of bus_asks, becomes. */
unsigned topic_post_status(const char *code);

/* For ops_server. */
unsigned topic_post_check(const struct topic_post *self, const struct ops_post *post,
                          const char **why);
void topic_post_take(const struct topic_post *self, struct ops_post *post);
