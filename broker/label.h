/* label: a name that applications give to channels, a user's for example: which channels
 * have it.  Pure.  A label lives as long as a channel has it. */
#pragma once

#include "broker/channel.h"
#include "broker/list.h"
#include "common/table.h"

#include <stdbool.h>

enum { LABEL_MAX = 128 }; // bytes, as it is written

struct label {
    struct table_entry by_name;
    struct table *all;
    struct link channels; // that have it, by their of_label, the oldest first
    uint8_t size;
    char name[];
};

bool label_is_valid(struct wire_text name);
/* NULL when no channel has it. */
struct label *label_find(const struct table *labels, struct wire_text name);
/* The channel has this label now and no other; "-" or no bytes: none at all.  The name
 * must be valid, or empty. */
void label_set(struct table *labels, struct channel *channel, struct wire_text name);
