/* service: who serves what, and the channels that wait for a worker.  Pure. */
#pragma once

#include "broker/channel.h"
#include "broker/list.h"
#include "broker/worker.h"
#include "common/table.h"

#include <stdbool.h>

enum {
    SERVICE_NAME_MAX = 64,
};

struct service {
    struct table_entry by_name;
    struct link members;  // workers, the leaving ones too
    struct link unbound;  // channels that wait, oldest first
    size_t channel_count; // all channels of the service
    size_t live;          // those of them that are LIVE
    size_t carrier_count; // those of them that are carriers of sessions
    size_t curious;       // members that want ATTACHED and DETACHED
    size_t active;        // members that are not leaving
    int64_t used_ms;      // when it last had a channel or a member
    char name[SERVICE_NAME_MAX + 1];
};

bool service_name_is_valid(struct wire_text name);
struct service *service_find(const struct table *services, struct wire_text name);
/* name must be valid and unknown. */
struct service *service_new(struct table *services, struct wire_text name);
/* Nothing may be in it. */
void service_destroy(struct table *services, struct service **self_p);
struct service *service_first(const struct table *services);
struct service *service_after(const struct service *self);

/* The member that should get this channel: one with room, and of those the one whose
 * worker has the fewest channels; never a worker that refused the channel just now.  NULL
 * when none has room. */
struct member *service_choose(const struct service *self, const struct channel *channel,
                              int64_t now_ms);
