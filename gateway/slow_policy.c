#include "gateway/slow_policy.h"

#include <errno.h>
#include <string.h>

static const char *const s_names[SLOW_POLICIES] = {
    [SLOW_CLOSE] = "close",
    [SLOW_PAUSE] = "pause",
    [SLOW_DROP_OLDEST] = "drop-oldest",
    [SLOW_LATEST] = "latest",
};

const char *slow_policy_name(enum slow_policy self)
{
    return s_names[self];
}

int slow_policy_read(const char *text, size_t size, enum slow_policy *out)
{
    for (int at = 0; at < SLOW_POLICIES; at++) {
        if (strlen(s_names[at]) == size && memcmp(s_names[at], text, size) == 0) {
            *out = (enum slow_policy)at;
            return 0;
        }
    }
    return -EINVAL;
}

bool slow_policy_drops(enum slow_policy self)
{
    return self == SLOW_DROP_OLDEST || self == SLOW_LATEST;
}
