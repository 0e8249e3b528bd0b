#include "bindings/c/rw_private.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

static int s_read(const struct rw_app *app, const char *path, enum key_file_kind kind,
                  struct key_file *out)
{
    char why[KEY_FILE_WHY];
    int result = key_file_read(path, kind, out, why);
    if (result < 0)
        rw_log(app, "%s: %s", path, why);
    return result;
}

int rw_keys_read(struct rw_app *app)
{
    const char *key = app->options.key_file, *broker_key = app->options.broker_key_file;
    struct rw_keys *keys = &app->connection.keys;
    struct key_file own, broker;
    if (!key && !broker_key)
        return 0;
    if (!key || !broker_key) {
        rw_log(app, "key_file and broker_key_file go together");
        return -EINVAL;
    }
    int result = s_read(app, key, KEY_FILE_SECRET, &own);
    if (result == 0)
        result = s_read(app, broker_key, KEY_FILE_PUBLIC, &broker);
    if (result == 0) {
        memcpy(keys->broker, broker.public_key, sizeof keys->broker);
        memcpy(keys->own_public, own.public_key, sizeof keys->own_public);
        memcpy(keys->own_secret, own.secret_key, sizeof keys->own_secret);
    }
    explicit_bzero(&own, sizeof own);
    return result;
}

int rw_keys_show(const struct rw_keys *self, void *socket)
{
    if (!self->own_secret[0])
        return 0;
    return zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, self->broker, KEY_TEXT + 1) < 0 ||
                   zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, self->own_public,
                                  KEY_TEXT + 1) < 0 ||
                   zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, self->own_secret,
                                  KEY_TEXT + 1) < 0
               ? -1
               : 0;
}
