/* topic_message: publications as the clients of topic routes see them.  Pure (JSON by
 * jansson). docs/protocol/2-client.md section 3. */
#pragma once

#include "common/bytes.h"

#include <stdbool.h>

/* {"cursor":…,"topic":…,"data":…} or with base64 when is_binary or the data is not UTF-8.
 */
int topic_message_json(struct bytes *out, const char *cursor, const char *topic,
                       const void *data, size_t size, bool is_binary);
/* {"cursor":…} */
int topic_message_ready_json(struct bytes *out, const char *cursor);
/* {"gap":{"topic":…,"from":…,"to":…,"reason":…}} ; from may be NULL: left out */
int topic_message_gap_json(struct bytes *out, const char *topic, const char *from,
                           const char *to, const char *reason);
