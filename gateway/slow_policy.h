/* slow_policy: what becomes of publications for a client that does not read fast enough.
 * Pure.  docs/protocol/2-client.md section 3. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum slow_policy {
    SLOW_CLOSE,       // it is closed; it may come back with its cursor
    SLOW_PAUSE,       // it gets nothing for now, and later what it missed
    SLOW_DROP_OLDEST, // the oldest are dropped
    SLOW_LATEST,      // a newer one takes the place of an older one of the same key
    SLOW_POLICIES,
};

/* "close", "pause", "drop-oldest" or "latest". */
const char *slow_policy_name(enum slow_policy self);
/* 0, or -EINVAL: no policy has this name. */
int slow_policy_read(const char *text, size_t size, enum slow_policy *out);
/* Are publications dropped on purpose? */
bool slow_policy_drops(enum slow_policy self);
