#include "gateway/bus_keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool s_is_given(const char *path)
{
    return path && *path;
}

int bus_keys_read(struct bus_keys *self, const char *key, const char *broker_key,
                  const char **setting, char why[KEY_FILE_WHY])
{
    struct key_file own, broker;
    *setting = s_is_given(key) ? "broker-key" : "key";
    if (!s_is_given(key) && !s_is_given(broker_key)) {
        *self = (struct bus_keys){.broker = ""};
        return 0;
    }
    if (!s_is_given(key) || !s_is_given(broker_key)) {
        snprintf(why, KEY_FILE_WHY, "key and broker-key go together");
        return -EINVAL;
    }
    *setting = "key";
    int result = key_file_read(key, KEY_FILE_SECRET, &own, why);
    if (result < 0)
        return result;
    *setting = "broker-key";
    result = key_file_read(broker_key, KEY_FILE_PUBLIC, &broker, why);
    if (result == 0 && broker.secret_key[0]) {
        snprintf(why, KEY_FILE_WHY, "the broker's secret; its public key is meant");
        result = -EINVAL;
    }
    if (result == 0) {
        memcpy(self->broker, broker.public_key, sizeof self->broker);
        memcpy(self->own_public, own.public_key, sizeof self->own_public);
        memcpy(self->own_secret, own.secret_key, sizeof self->own_secret);
    }
    explicit_bzero(&own, sizeof own);
    return result;
}
