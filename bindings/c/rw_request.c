#include "bindings/c/rw_private.h"
#include "common/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int s_hex(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    int letter = digit | 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* Undoes %XX, and "+" in a query; a bad escape stays as it is, %00 ends nothing: it stays
 * too. */
static char *s_decode(const char *text, size_t size, bool is_query)
{
    char *out = mem_alloc(size + 1);
    size_t used = 0;
    for (size_t at = 0; at < size; at++) {
        int high = text[at] == '%' && at + 2 < size ? s_hex(text[at + 1]) : -1;
        int low = high >= 0 ? s_hex(text[at + 2]) : -1;
        if (low >= 0 && (high | low)) {
            out[used++] = (char)(high * 16 + low);
            at += 2;
        } else {
            out[used] = text[at];
            if (is_query && text[at] == '+')
                out[used] = ' ';
            used++;
        }
    }
    return out;
}

/* The path begins after the authority of an absolute form. */
static const char *s_skip_authority(const char *target)
{
    const char *found = *target == '/' ? NULL : strstr(target, "://");
    return found ? found + 3 + strcspn(found + 3, "/?") : target;
}

static void s_split_target(struct rw_request *self, const char *target)
{
    target = s_skip_authority(target);
    size_t path = strcspn(target, "?");
    self->path = s_decode(target, path, false);
    self->query = mem_strdup(target[path] ? target + path + 1 : "");
}

static const char *s_text(const struct rw_channel *self, const char *key)
{
    const char *text = json_string_value(json_object_get(self->request.meta, key));
    return text ? text : "";
}

int rw_request_read(struct rw_channel *channel, const void *payload, size_t size)
{
    struct rw_request *self = &channel->request;
    const char *end = size ? memchr(payload, '\n', size) : NULL;
    size_t line = end ? (size_t)(end - (const char *)payload) : size;
    self->meta = line ? json_loadb(payload, line, 0, NULL) : json_object();
    if (!json_is_object(self->meta))
        return -EPROTO;
    if (end && line + 1 < size) {
        self->body_size = size - line - 1;
        self->body = mem_alloc(self->body_size);
        memcpy(self->body, end + 1, self->body_size);
    }
    s_split_target(self, s_text(channel, "target"));
    channel->is_websocket = strcmp(s_text(channel, "carrier"), "ws") == 0;
    return 0;
}

void rw_request_clear(struct rw_request *self)
{
    json_decref(self->meta);
    free(self->path);
    free(self->query);
    free(self->value);
    free(self->body);
    *self = (struct rw_request){0};
}

bool rw_is_websocket(const struct rw_channel *self)
{
    return self->is_websocket;
}

bool rw_is_session(const struct rw_channel *self)
{
    return strncmp(self->id, "session.", sizeof "session." - 1) == 0;
}

bool rw_is_adopted(const struct rw_channel *self)
{
    return self->is_adopted;
}

const char *rw_request_method(const struct rw_channel *self)
{
    return s_text(self, "method");
}

const char *rw_request_target(const struct rw_channel *self)
{
    return s_text(self, "target");
}

const char *rw_request_path(const struct rw_channel *self)
{
    return self->request.path ? self->request.path : "";
}

const char *rw_request_peer(const struct rw_channel *self)
{
    return s_text(self, "peer");
}

const char *rw_request_route(const struct rw_channel *self)
{
    return s_text(self, "route");
}

const char *rw_request_header(const struct rw_channel *self, const char *name)
{
    size_t at;
    json_t *pair;
    json_array_foreach(json_object_get(self->request.meta, "headers"), at, pair)
    {
        const char *key = json_string_value(json_array_get(pair, 0));
        if (key && strcasecmp(key, name) == 0)
            return json_string_value(json_array_get(pair, 1));
    }
    return NULL;
}

const char *rw_request_param(const struct rw_channel *self, const char *name)
{
    return json_string_value(
        json_object_get(json_object_get(self->request.meta, "params"), name));
}

const char *rw_request_offer(const struct rw_channel *self, size_t at)
{
    return json_string_value(
        json_array_get(json_object_get(self->request.meta, "offers"), at));
}

const char *rw_request_query(struct rw_channel *self, const char *name)
{
    free(self->request.value);
    self->request.value = NULL;
    const char *at = self->request.query ? self->request.query : "";
    while (*at && !self->request.value) {
        size_t size = strcspn(at, "&");
        const char *equals = memchr(at, '=', size);
        size_t key_size = equals ? (size_t)(equals - at) : size;
        char *key = s_decode(at, key_size, true);
        size_t skip = equals ? key_size + 1 : size;
        if (strcmp(key, name) == 0)
            self->request.value = s_decode(at + skip, size - skip, true);
        free(key);
        at += size + (at[size] == '&');
    }
    return self->request.value;
}

const void *rw_request_body(const struct rw_channel *self, size_t *size)
{
    *size = self->request.body_size;
    return self->request.body;
}

bool rw_request_body_follows(const struct rw_channel *self)
{
    return strcmp(s_text(self, "body"), "follows") == 0;
}
