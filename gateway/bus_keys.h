/* bus_keys: the CURVE keys that a gateway shows and expects on the bus. */
#pragma once

#include "common/key_file.h"

#include <stdbool.h>

struct bus_keys {
    char broker[KEY_TEXT + 1]; // the broker's public key
    char own_public[KEY_TEXT + 1], own_secret[KEY_TEXT + 1];
};

/* All zero: no CURVE. */
static inline bool bus_keys_are_set(const struct bus_keys *self)
{
    return self->own_secret[0] != 0;
}

/* Reads both files: 0, or a negative errno with why, and *setting, the one of the
 * settings `key` and `broker-key` that is wrong.  Written on success only. */
int bus_keys_read(struct bus_keys *self, const char *key, const char *broker_key,
                  const char **setting, char why[KEY_FILE_WHY]);
