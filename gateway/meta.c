#include "gateway/meta.h"

#include "gateway/json_text.h"
#include "gateway/ws_handshake.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum { META_ADOPT_MAX = 512 }; // bytes

/* JSON under way.  The first failure stays, so that only the end has to look. */
struct s_json {
    struct bytes *out;
    int result;
    bool is_first; // of a list or an object
};

static void s_raw(struct s_json *self, const char *text)
{
    if (self->result == 0)
        self->result = bytes_append(self->out, text, strlen(text));
}

static void s_sized(struct s_json *self, const char *text, size_t size)
{
    if (self->result == 0)
        self->result = json_text_write_latin1(self->out, text, size);
}

static void s_text(struct s_json *self, const char *text)
{
    s_sized(self, text, strlen(text));
}

static void s_lower(struct s_json *self, const char *name)
{
    char copy[256];
    size_t size = strlen(name);
    if (size > sizeof copy) { // nobody needs such a name in any case
        s_sized(self, name, size);
        return;
    }
    for (size_t at = 0; at < size; at++)
        copy[at] =
            (char)(name[at] >= 'A' && name[at] <= 'Z' ? name[at] | 0x20 : name[at]);
    s_sized(self, copy, size);
}

static void s_separate(struct s_json *self)
{
    if (!self->is_first)
        s_raw(self, ",");
    self->is_first = false;
}

/* `,"key":"text"` */
static void s_member(struct s_json *self, const char *key, const char *text)
{
    s_separate(self);
    s_text(self, key);
    s_raw(self, ":");
    s_text(self, text);
}

static void s_begin(struct s_json *self, const char *text)
{
    s_raw(self, text);
    self->is_first = true;
}

static void s_end(struct s_json *self, const char *text)
{
    s_raw(self, text);
    self->is_first = false;
}

static void s_headers(struct s_json *self, const struct http_request *request,
                      bool has_session)
{
    s_begin(self, ",\"headers\":[");
    for (size_t at = 0; at < request->header_count; at++) {
        if (has_session && strcasecmp(request->headers[at].name, "Ringway-Session") == 0)
            continue;
        s_separate(self);
        s_raw(self, "[");
        s_lower(self, request->headers[at].name);
        s_raw(self, ",");
        s_text(self, request->headers[at].value);
        s_raw(self, "]");
    }
    s_end(self, "]");
}

static void s_params(struct s_json *self, const struct route_match *match)
{
    s_begin(self, ",\"params\":{");
    for (size_t at = 0; at < match->count; at++)
        s_member(self, match->name[at], match->value[at]);
    s_end(self, "}");
}

static void s_offer(void *context, const char *name, size_t size)
{
    struct s_json *self = context;
    s_separate(self);
    s_sized(self, name, size);
}

/* Is this parameter of a query called "session", however it is written? */
static bool s_names_session(const char *text, size_t size)
{
    char name[sizeof "session"];
    const char *sign = memchr(text, '=', size);
    int got = http_unescape(text, sign ? (size_t)(sign - text) : size, true, name,
                            sizeof name - 1);
    return got == sizeof name - 1 && memcmp(name, "session", sizeof name - 1) == 0;
}

/* The target without its parameters "session". */
static void s_target(struct s_json *self, const char *target)
{
    struct bytes kept;
    const char *at = strchr(target, '?');
    char before = '?';
    bytes_init(&kept, HTTP_TARGET_MAX + 1);
    int result = bytes_append(&kept, target, at ? (size_t)(at - target) : strlen(target));
    while (at && *at && result == 0) {
        size_t size = strcspn(++at, "&");
        if (!s_names_session(at, size)) {
            result = bytes_append(&kept, &before, 1);
            if (result == 0)
                result = bytes_append(&kept, at, size);
            before = '&';
        }
        at += size;
    }
    if (self->result == 0)
        self->result = result;
    s_separate(self);
    s_text(self, "target");
    s_raw(self, ":");
    s_sized(self, (const char *)kept.data, kept.size);
    bytes_clear(&kept);
}

static const char *s_carrier(bool is_websocket)
{
    return is_websocket ? "ws" : "http";
}

int meta_open(struct bytes *out, const struct http_request *request,
              const struct route_match *match, const struct meta_peer *peer)
{
    struct s_json json = {.out = out};
    const char *version = strchr(request->version, '/');
    s_begin(&json, "{");
    s_member(&json, "method", request->method);
    if (peer->has_session)
        s_target(&json, request->target);
    else
        s_member(&json, "target", request->target);
    s_member(&json, "version", version ? version + 1 : request->version);
    s_member(&json, "scheme", peer->scheme);
    s_headers(&json, request, peer->has_session);
    s_member(&json, "peer", peer->peer);
    s_member(&json, "local", peer->local);
    s_member(&json, "carrier", s_carrier(peer->is_websocket));
    s_member(&json, "route", match->route->name);
    s_params(&json, match);
    s_begin(&json, ",\"offers\":[");
    if (peer->is_websocket)
        ws_handshake_each_offer(request, s_offer, &json);
    s_end(&json, "]");
    s_member(&json, "body", peer->body);
    if (peer->has_session)
        s_raw(&json, ",\"session\":true");
    s_raw(&json, "}");
    return json.result;
}

/* ---- ADOPT ---- */

/* What follows the parameters. */
static void s_adopt_tail(struct s_json *self, const char *protocol, const char *peer)
{
    s_end(self, "}");
    s_member(self, "protocol", protocol);
    s_member(self, "peer", peer);
    s_raw(self, "}");
}

/* How long a part of the JSON is, so that it is known what fits. */
static size_t s_tail_size(const char *protocol, const char *peer)
{
    struct bytes bytes;
    bytes_init(&bytes, SIZE_MAX);
    struct s_json json = {.out = &bytes};
    s_adopt_tail(&json, protocol, peer);
    size_t size = bytes.size;
    bytes_clear(&bytes);
    return json.result < 0 ? SIZE_MAX / 2 : size;
}

/* The parameter, if it leaves `room` bytes or fewer used. */
static void s_adopt_param(struct s_json *self, const char *name, const char *value,
                          size_t room)
{
    struct bytes bytes;
    bytes_init(&bytes, SIZE_MAX);
    struct s_json json = {.out = &bytes, .is_first = self->is_first};
    s_member(&json, name, value);
    if (json.result < 0)
        self->result = json.result;
    if (self->result == 0 && self->out->size + bytes.size <= room) {
        self->result = bytes_append(self->out, bytes.data, bytes.size);
        self->is_first = false;
    }
    bytes_clear(&bytes);
}

static void s_adopt(struct s_json *json, bool is_websocket, const char *route)
{
    s_begin(json, "{");
    s_member(json, "carrier", s_carrier(is_websocket));
    s_member(json, "route", route);
    s_begin(json, ",\"params\":{");
}

// NOLINTNEXTLINE(readability-function-size): ADOPT has these parts
int meta_adopt(struct bytes *out, bool is_websocket, const char *route,
               const char *params, const char *protocol, const char *peer)
{
    struct s_json json = {.out = out};
    size_t most = out->size + META_ADOPT_MAX;
    s_adopt(&json, is_websocket, route);
    if (json.result < 0)
        return json.result;
    protocol = protocol ? protocol : "";
    peer = peer ? peer : "";
    if (out->size + s_tail_size(protocol, peer) > most)
        protocol = ""; // a name that long has no meaning anyone relies on
    size_t tail = s_tail_size(protocol, peer);
    if (out->size + tail > most)
        return -EMSGSIZE;
    while (params && *params) {
        const char *value = params + strlen(params) + 1;
        s_adopt_param(&json, params, value, most - tail);
        params = value + strlen(value) + 1;
    }
    s_adopt_tail(&json, protocol, peer);
    return json.result;
}
