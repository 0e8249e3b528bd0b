/* topic_message: publications as the clients of topic routes see them.  Pure (JSON by
 * jansson). docs/protocol/2-client.md section 3. */
#pragma once

#include "common/bytes.h"
#include "gateway/message.h"

#include <stdbool.h>

/* {"cursor":…,"topic":…,"data":…} or with base64 when is_binary or the data is not UTF-8;
 * without topic where it is NULL. */
int topic_message_json(struct bytes *out, const char *cursor, const char *topic,
                       const void *data, size_t size, bool is_binary);
/* {"cursor":…} */
int topic_message_ready_json(struct bytes *out, const char *cursor);
/* {"gap":{"topic":…,"from":…,"to":…,"reason":…,"count":…}} ; without topic where it is
 * NULL, without count where it is 0. */
int topic_message_gap_json(struct bytes *out, const struct gap *gap);
