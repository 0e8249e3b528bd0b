/* attachment: what a channel that brings a client to a session knows of it.  The session
 * itself is the broker's.  Pure.  docs/protocol/1-bus.md
 * section 5.4, docs/protocol/2-client.md section 7. */
#pragma once

#include "common/bytes.h"
#include "gateway/session_request.h"

enum { SESSION_POSITION_ROOM = 48 };

struct attachment {
    struct session_request request; // its token is that of the session, a new one too
    char id[SESSION_ID_ROOM], as[SESSION_AS_ROOM];
    char position[SESSION_POSITION_ROOM]; // newest that was queued for the client
    char pinged[SESSION_POSITION_ROOM];   // that of the ping under way
    uint64_t att;                         // 0 until the broker has bound it
    uint64_t up;                          // newest message of the client that was taken
    uint64_t told_up;                     // that the client of a WebSocket was told
    uint64_t next_n;                      // of the next one; 0: they are not counted
    bool is_new;                          // its client showed no token
};

/* random: for the token of a client that showed none.  subject: NULL: none.  Freed by
 * free(). */
struct attachment *attachment_new(const struct session_request *request,
                                  const char *route, const char *subject,
                                  const uint8_t random[SESSION_RANDOM_SIZE]);
/* "new", "join" or "post". */
const char *attachment_mode(const struct attachment *self);
/* What OPEN says of it after its other options, with a space before each. */
void attachment_open_options(const struct attachment *self, char *out, size_t room);
/* The same for ADOPT. */
void attachment_adopt_options(const struct attachment *self, char *out, size_t room);
/* "session":…,"up":…, */
int attachment_members_json(const struct attachment *self, struct bytes *out);
/* {"session":…,"up":…,"cursor":…} */
int attachment_hello_json(const struct attachment *self, struct bytes *out);
