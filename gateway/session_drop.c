#include "gateway/session_drop.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *name, *why;
    int status, code;
} s_drops[] = {
    [SESSION_DROP_SUPERSEDED] = {"superseded", "another carrier has the session now", 409,
                                 4409},
    [SESSION_DROP_UNKNOWN] = {"unknown", "there is no such session", 410, 4410},
    [SESSION_DROP_ENDED] = {"ended", "the session has ended", 410, 4410},
    [SESSION_DROP_IDENTITY] = {"identity", "the session is not of this route or client",
                               403, 4403},
    [SESSION_DROP_FULL] = {"full", "too many sessions", 503, 1013},
};

int session_drop_read(const char *text, size_t size, enum session_drop *reason)
{
    for (size_t at = 0; at < sizeof s_drops / sizeof *s_drops; at++) {
        if (strlen(s_drops[at].name) != size || memcmp(s_drops[at].name, text, size) != 0)
            continue;
        *reason = (enum session_drop)at;
        return 0;
    }
    return -EPROTO;
}

int session_drop_status(enum session_drop reason, bool is_post)
{
    return reason == SESSION_DROP_FULL && is_post ? 429 : s_drops[reason].status;
}

int session_drop_code(enum session_drop reason)
{
    return s_drops[reason].code;
}

const char *session_drop_why(enum session_drop reason)
{
    return s_drops[reason].why;
}
