#include "broker/tap.h"

#include "broker/list.h"
#include "broker/zap.h"
#include "common/mem.h"
#include "common/table.h"

#include <stdlib.h>
#include <string.h>

enum {
    TAP_MESSAGE_MAX = 1024, // bytes of a subscription; a long one costs 32 times its size
    TAP_PREFIXES_MAX = 1000, // different ones that are looked at; beyond, all is sent
    TAP_QUEUE = 1000,        // messages for each watcher
};

struct prefix {
    struct table_entry by_text;
    size_t size;
    char text[];
};

struct tap {
    void *socket;
    zmq_msg_t frame;
    struct table prefixes;
    size_t beyond; // subscriptions that are not in the table
    char endpoint[SOCKET_ENDPOINT_MAX];
};

struct tap *tap_new(const struct socket_place *place)
{
    const struct socket_options options = {ZMQ_XPUB, 1000, TAP_QUEUE, TAP_MESSAGE_MAX,
                                           ZAP_TAP};
    struct tap *self = mem_new(struct tap);
    self->socket = socket_new(place, &options, self->endpoint);
    (void)zmq_msg_init(&self->frame);
    if (!self->socket)
        tap_destroy(&self);
    return self;
}

static void s_forget(struct tap *self, struct table_entry *entry)
{
    table_remove(&self->prefixes, entry);
    free(table_item(entry, struct prefix, by_text));
}

void tap_destroy(struct tap **self_p)
{
    struct tap *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    while (self->prefixes.first)
        s_forget(self, self->prefixes.first);
    (void)zmq_msg_close(&self->frame);
    socket_destroy(&self->socket);
    free(self);
}

const char *tap_endpoint(const struct tap *self)
{
    return self->endpoint;
}

void *tap_socket(const struct tap *self)
{
    return self->socket;
}

static void s_add(struct tap *self, struct wire_text text)
{
    if (table_count(&self->prefixes) >= TAP_PREFIXES_MAX) {
        self->beyond++;
        return;
    }
    struct prefix *added = mem_alloc(sizeof *added + text.size);
    memcpy(added->text, text.data, text.size);
    added->size = text.size;
    table_add(&self->prefixes, &added->by_text, added->text, text.size);
}

/* libzmq passes on the first subscription to a prefix and the end of the last one. */
static void s_take(struct tap *self, struct wire_text frame)
{
    if (frame.size == 0 || (frame.data[0] != 0 && frame.data[0] != 1))
        return;
    struct wire_text text = {frame.data + 1, frame.size - 1};
    struct table_entry *known = table_find(&self->prefixes, text.data, text.size);
    if (frame.data[0] == 1 && !known)
        s_add(self, text);
    else if (frame.data[0] == 0 && known)
        s_forget(self, known);
    else if (frame.data[0] == 0 && self->beyond)
        self->beyond--;
}

int tap_drain(struct tap *self, struct core *core, int budget)
{
    int taken = 0;
    for (; taken < budget && socket_receive(self->socket, &self->frame) == 0; taken++) {
        s_take(self, socket_text(&self->frame));
        socket_skip(self->socket, &self->frame);
    }
    if (taken)
        core_set_tap(core, self->beyond || self->prefixes.first);
    return taken;
}

static bool s_is_watched(const struct tap *self, const char *topic)
{
    size_t size = strlen(topic);
    if (self->beyond)
        return true;
    for (struct table_entry *at = self->prefixes.first; at; at = table_after(at)) {
        const struct prefix *prefix = table_item(at, struct prefix, by_text);
        if (prefix->size <= size && memcmp(prefix->text, topic, prefix->size) == 0)
            return true;
    }
    return false;
}

void tap_send_record(struct tap *self, const char *topic,
                     const struct wire_header *header, struct wire_text payload)
{
    if (!s_is_watched(self, topic))
        return;
    if (zmq_send(self->socket, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        (void)socket_send_record(self->socket, header, payload);
}
