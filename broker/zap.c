#include "broker/zap.h"

#include "broker/socket.h"
#include "common/log.h"
#include "common/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_VERSION  "1.0"

/* The frames of a question. */
enum { ZAP_VERSION_AT, ZAP_ID, ZAP_DOMAIN, ZAP_ADDRESS, ZAP_ROUTING_ID, ZAP_MECHANISM };
enum {
    ZAP_FRAMES_MAX = ZAP_MECHANISM + 2, // and the one credential of CURVE: a key
    ZAP_KEY_BYTES = 32,
    ZAP_TEXT = 64,
};

struct zap {
    void *socket;
    const struct key_store *store;
    zmq_msg_t frame[ZAP_FRAMES_MAX];
    uint64_t refused; // since the last report
    struct {          // the newest of them
        const char *why;
        char domain[ZAP_TEXT], address[ZAP_TEXT];
        char key[KEY_TEXT + 1];
        char name[AUTHORITY_NAME_MAX + 1];
    } last;
};

struct zap *zap_new(void *context, const struct key_store *store)
{
    struct zap *self = mem_new(struct zap);
    self->store = store;
    for (int at = 0; at < ZAP_FRAMES_MAX; at++)
        (void)zmq_msg_init(&self->frame[at]);
    self->socket = zmq_socket(context, ZMQ_REP);
    int none = 0;
    if (!self->socket ||
        zmq_setsockopt(self->socket, ZMQ_LINGER, &none, sizeof none) < 0 ||
        zmq_bind(self->socket, ZAP_ENDPOINT) < 0)
        zap_destroy(&self);
    return self;
}

void zap_destroy(struct zap **self_p)
{
    struct zap *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    for (int at = 0; at < ZAP_FRAMES_MAX; at++)
        (void)zmq_msg_close(&self->frame[at]);
    if (self->socket)
        (void)zmq_close(self->socket);
    free(self);
}

void *zap_socket(const struct zap *self)
{
    return self->socket;
}

static bool s_is(struct zap *self, int at, const char *text)
{
    return wire_is(socket_text(&self->frame[at]), text);
}

static void s_copy(zmq_msg_t *frame, char out[ZAP_TEXT])
{
    struct wire_text text = socket_text(frame);
    (void)log_quote(text.data, (unsigned)text.size, out, ZAP_TEXT);
}

/* May the holder of this key use a port of the domain?  NULL, or why not. */
static const char *s_judge(struct zap *self, const struct authority *authority)
{
    if (authority->kind == AUTHORITY_NONE)
        return "unknown_key";
    if (s_is(self, ZAP_DOMAIN, ZAP_EDGE))
        return authority->kind == AUTHORITY_EDGE ? NULL : "not_an_edge";
    if (authority->kind != AUTHORITY_APP)
        return "not_an_application";
    if (s_is(self, ZAP_DOMAIN, ZAP_TAP) && !authority_has_everything(authority))
        return "not_allowed_everything";
    return NULL;
}

/* The number of the key that may connect, 0 where there are no keys; -1: refused. */
static int64_t s_check(struct zap *self, int frames)
{
    struct wire_text key = socket_text(&self->frame[ZAP_MECHANISM + 1]);
    char text[KEY_TEXT + 1] = "";
    const struct authority *authority = NULL;
    uint32_t number = 0;
    const char *why = NULL;
    if (!self->store && s_is(self, ZAP_MECHANISM, "NULL"))
        return 0;
    if (!self->store || frames != ZAP_FRAMES_MAX || !s_is(self, ZAP_MECHANISM, "CURVE") ||
        key.size != ZAP_KEY_BYTES ||
        !zmq_z85_encode(text, (const uint8_t *)key.data, key.size)) {
        why = "mechanism";
    } else {
        number = key_store_find(self->store, text);
        authority = key_store_authority(self->store, number);
        why = s_judge(self, authority);
    }
    if (!why)
        return number;
    self->refused++;
    self->last.why = why;
    memcpy(self->last.key, text, sizeof text);
    snprintf(self->last.name, sizeof self->last.name, "%s",
             authority && authority->name[0] ? authority->name : "-");
    s_copy(&self->frame[ZAP_DOMAIN], self->last.domain);
    s_copy(&self->frame[ZAP_ADDRESS], self->last.address);
    return -1;
}

/* Version, id, status code, status text, user id, metadata. */
static void s_answer(struct zap *self, int64_t number)
{
    char user[24];
    struct wire_text id = socket_text(&self->frame[ZAP_ID]);
    int size = snprintf(user, sizeof user, "%" PRId64, number > 0 ? number : 0);
    const struct wire_text parts[] = {
        {ZAP_VERSION, strlen(ZAP_VERSION)},
        id,
        {number < 0 ? "400" : "200", 3},
        {number < 0 ? "refused" : "OK", number < 0 ? 7 : 2},
        {user, (size_t)size},
        {"", 0},
    };
    int count = sizeof parts / sizeof *parts;
    for (int at = 0; at < count; at++)
        (void)zmq_send(self->socket, parts[at].data, parts[at].size,
                       at + 1 < count ? ZMQ_SNDMORE : 0);
}

int zap_drain(struct zap *self, int budget)
{
    int taken = 0;
    for (; taken < budget && socket_receive(self->socket, &self->frame[0]) == 0;
         taken++) {
        int frames = 1;
        while (frames < ZAP_FRAMES_MAX && zmq_msg_more(&self->frame[frames - 1]) &&
               socket_receive(self->socket, &self->frame[frames]) == 0)
            frames++;
        socket_skip(self->socket, &self->frame[frames - 1]);
        /* Only libzmq in this process asks; a short question would be its fault. */
        bool whole = frames > ZAP_MECHANISM && s_is(self, ZAP_VERSION_AT, ZAP_VERSION);
        s_answer(self, whole ? s_check(self, frames) : -1);
    }
    return taken;
}

void zap_report(struct zap *self)
{
    if (!self->refused)
        return;
    log_warn("key_refused",
             "count=%" PRIu64 " reason=%s domain=%s name=%s address=%s key=\"%s\"",
             self->refused, self->last.why, self->last.domain, self->last.name,
             self->last.address, self->last.key);
    self->refused = 0;
}
