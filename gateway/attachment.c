#include "gateway/attachment.h"

#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct attachment *attachment_new(const struct session_request *request,
                                  const char *route, const char *subject,
                                  const uint8_t random[SESSION_RANDOM_SIZE])
{
    struct attachment *self = mem_new(struct attachment);
    self->request = *request;
    self->is_new = !request->token[0];
    if (self->is_new) {
        session_token_write(random, self->request.token);
        self->request.cursor[0] = 0; // of another session
    }
    session_token_id(self->request.token, self->id);
    session_token_as(route, subject, self->as);
    self->next_n = request->n;
    return self;
}

const char *attachment_mode(const struct attachment *self)
{
    if (self->request.carrier >= SESSION_POST)
        return "post";
    return self->is_new ? "new" : "join";
}

void attachment_open_options(const struct attachment *self, char *out, size_t room)
{
    bool shows = self->request.cursor[0] && self->request.carrier < SESSION_POST;
    snprintf(out, room, " sid=%s mode=%s as=%s%s%s", self->id, attachment_mode(self),
             self->as, shows ? " cursor=" : "", shows ? self->request.cursor : "");
}

void attachment_adopt_options(const struct attachment *self, char *out, size_t room)
{
    snprintf(out, room, " sid=%s mode=%s as=%s att=%llu", self->id, attachment_mode(self),
             self->as, (unsigned long long)self->att);
}

int attachment_members_json(const struct attachment *self, struct bytes *out)
{
    return bytes_printf(out, "\"session\":\"%s\",\"up\":%llu,", self->request.token,
                        (unsigned long long)self->up);
}

int attachment_hello_json(const struct attachment *self, struct bytes *out)
{
    int result = bytes_append(out, "{", 1);
    if (result >= 0)
        result = attachment_members_json(self, out);
    return result < 0 ? result : bytes_printf(out, "\"cursor\":\"%s\"}", self->position);
}
