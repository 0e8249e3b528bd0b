/* bus_asks: records for the broker that have an answer of their own, REPLY, and are put
 * by any thread: PUB for the operations port.  docs/protocol/1-bus.md section 5. */
#pragma once

#include "common/wire.h"
#include "gateway/bus_item.h"

#include <stddef.h>
#include <stdint.h>

enum {
    BUS_ASKS_MAX = 1000,  // that wait for their answer
    BUS_ASK_MS = 5000,    // for so long
    BUS_ASK_ID_ROOM = 40, // bytes of an id= and its end
};

struct bus_asks;

/* Who is told, once, in whatever thread, perhaps before bus_asks_add returns.  It must
 * not ask again from there. code   "-": done, and text is what came of it; "no-broker",
 * "full": nothing was done; "unknown": no answer in time, perhaps it was done; else the
 * broker's code, and text says why */
struct bus_asker {
    void (*answer)(void *context, const char *code, struct wire_text text);
    void *context;
};

/* wake_fd: eventfd of the bus thread; borrowed. */
struct bus_asks *bus_asks_new(int wake_fd);
void bus_asks_destroy(struct bus_asks **self_p);
/* Any thread.  The header, an id= is added to it, and the payload are copied. */
void bus_asks_add(struct bus_asks *self, struct wire_header *header, const void *payload,
                  size_t size, const struct bus_asker *asker);
/* Any thread: everybody who waits is answered, and all who still come, with "no-broker"
 * or "unknown". */
void bus_asks_close(struct bus_asks *self);

/* The bus thread: the next record that is to be sent, the caller's; NULL: none. */
struct bus_item *bus_asks_take(struct bus_asks *self);
/* REPLY came; one that nobody waits for any more is ignored. */
void bus_asks_reply(struct bus_asks *self, struct wire_text id, struct wire_text code,
                    struct wire_text text);
/* Those are answered that have waited for too long. */
void bus_asks_expire(struct bus_asks *self, int64_t now_ms);
