#include "gateway/intake.h"

#include "common/clock.h"
#include "common/mem.h"
#include "gateway/channel_http_session.h"
#include "gateway/gateway_metrics.h"
#include "gateway/meta.h"
#include "gateway/peer_address.h"
#include "gateway/utf8.h"
#include "gateway/worker_presence.h"
#include "gateway/ws_handshake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    WHOLE_MAX = 64 * 1024, // a body up to here travels in the OPEN
    PART_MAX = 256 * 1024, // bytes of one BODY record
    META_MAX = 64 * 1024,  // bytes; a head is at most 14 KiB
    ADOPT_MAX = 512,
    STREAM_MESSAGES = 1000, // in one answer of the broker to a stream
    OPTIONS_ROOM = 256,     // of a session, in OPEN
    PARAMS_MAX = ROUTE_PARAMS_MAX * 2 * ROUTE_PARAM_ROOM,
};

/* ---- deciding ---- */

static bool s_is_safe(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
           strcmp(method, "OPTIONS") == 0 || strcmp(method, "TRACE") == 0;
}

static int s_match(const struct intake *self, const struct http_request *request,
                   struct route_match *match)
{
    const char *path, *query;
    size_t path_size, query_size;
    http_request_split(request->target, &path, &path_size, &query, &query_size);
    return route_table_match(self->routes, path, path_size, match);
}

/* A WebSocket: 0, or the status to refuse with. */
static int s_check_websocket(const struct http_request *request,
                             const struct route *route, const char **why)
{
    int status = ws_handshake_check(request, why);
    if (status != 0)
        return status;
    *why = "this Origin may not open a WebSocket here";
    return ws_handshake_origin_is_allowed(request, (const char *const *)route->origins,
                                          route->origin_count)
               ? 0
               : 403;
}

/* 0, or the status to refuse with. */
static int s_check(struct intake *self, const struct http_request *request,
                   struct route_match *match, const char **why)
{
    *why = "no route for this path";
    int status = s_match(self, request, match);
    if (status == 400)
        *why = "a route parameter contains a character that is not allowed";
    if (status != 0)
        return status;
    if (ws_handshake_is_wanted(request))
        return s_check_websocket(request, match->route, why);
    bool reads =
        strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    if (match->route->has_sessions)
        return 0; // session_request_read says what it thinks of it
    *why = "a topic can only be read";
    return match->route->kind == ROUTE_TOPIC && !reads ? 405 : 0;
}

/* Does the query say key=value? */
static bool s_asks_for(const struct http_request *request, const char *key,
                       const char *value)
{
    const char *path, *query;
    size_t path_size, query_size;
    char text[16];
    http_request_split(request->target, &path, &path_size, &query, &query_size);
    return http_request_query(query, query_size, key, text, sizeof text) > 0 &&
           strcmp(text, value) == 0;
}

static bool s_accepts_sse(const struct http_request *request)
{
    const char *accept = http_request_header(request, "Accept");
    return accept && strcasestr(accept, "text/event-stream");
}

static struct http_carried *s_carried_new(struct intake *self,
                                          struct http_exchange *exchange,
                                          const struct route *route)
{
    const struct http_request *request = http_exchange_request(exchange);
    struct http_carried *carried = mem_new(struct http_carried);
    carried->exchange = exchange;
    carried->host = self->host;
    carried->hub = self->hub;
    carried->admission = self->admission;
    carried->route = route;
    carried->timer.on_due = channel_http_on_due;
    carried->transport.fd = -1;
    carried->began_ms = self->host->loop->now_ms;
    carried->is_websocket = ws_handshake_is_wanted(request);
    carried->is_topic = route->kind == ROUTE_TOPIC;
    carried->has_cursors = carried->is_topic;
    carried->is_head = http_exchange_is_head(exchange);
    carried->is_http10 = http_exchange_is_http10(exchange);
    carried->wants_stream = carried->is_topic && s_asks_for(request, "carrier", "stream");
    carried->wants_json = carried->is_topic && s_asks_for(request, "format", "json");
    carried->is_sse =
        carried->is_topic && !carried->wants_stream && s_accepts_sse(request);
    carried->cursors = carried->is_topic && carried->is_websocket &&
                       ws_handshake_offers(request, "ringway.1");
    bytes_init(&carried->body, PART_MAX);
    return carried;
}

/* 0; or a status, when the request does not fit a session. */
static int s_read_session(struct http_carried *carried, const char **why)
{
    uint64_t random[SESSION_RANDOM_SIZE / sizeof(uint64_t)];
    struct session_request asked;
    const struct route *route = carried->route;
    const struct http_request *request = http_exchange_request(carried->exchange);
    if (!route->has_sessions)
        return 0;
    int status = session_request_read(request, &asked, why);
    if (status != 0)
        return status;
    for (size_t at = 0; at < sizeof random / sizeof *random; at++)
        random[at] = clock_random_u64();
    const char *subject = route->session_subject
                              ? http_request_header(request, route->session_subject)
                              : NULL;
    carried->session =
        attachment_new(&asked, route->name, subject, (const uint8_t *)random);
    carried->is_sse = asked.carrier == SESSION_SSE;
    carried->wants_stream = asked.carrier == SESSION_STREAM;
    carried->has_cursors = true;
    carried->wants_json = asked.as_json || carried->wants_stream;
    carried->cursors =
        asked.carrier == SESSION_WS && ws_handshake_offers(request, "ringway.1");
    bytes_init(&carried->body, carried->host->settings->message_limit);
    return 0;
}

static void *s_on_request(void *context, struct http_exchange *exchange)
{
    struct intake *self = context;
    const struct http_request *request = http_exchange_request(exchange);
    struct route_match match;
    const char *why = "the gateway is stopping";
    if (self->host->draining) {
        http_refuse(exchange, 503, why, true);
        return NULL;
    }
    int status = s_check(self, request, &match, &why);
    if (status != 0) {
        http_refuse(exchange, status, why, ws_handshake_is_wanted(request));
        return NULL;
    }
    struct http_carried *carried = s_carried_new(self, exchange, match.route);
    status = s_read_session(carried, &why);
    if (status == 0)
        return carried;
    free(carried);
    http_refuse(exchange, status, why, false);
    return NULL;
}

/* ---- OPEN ---- */

static void s_peer_texts(const struct http_carried *self, char *peer, char *local)
{
    const struct gateway_settings *settings = self->host->settings;
    const struct sockaddr *address = &http_exchange_peer(self->exchange)->any;
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    peer_address_text(address, peer);
    if (peer_address_is_trusted(address, settings->trusted_proxies,
                                settings->trusted_proxy_count))
        (void)peer_address_forwarded(http_exchange_request(self->exchange),
                                     settings->trusted_proxies,
                                     settings->trusted_proxy_count, peer);
    memset(&own, 0, sizeof own);
    if (getsockname(http_exchange_fd(self->exchange), (struct sockaddr *)&own, &size) !=
        0)
        own.ss_family = AF_UNSPEC;
    peer_address_text((struct sockaddr *)&own, local);
}

/* protocol: NULL while none is chosen. */
static void s_make_adopt(struct channel *channel, const struct route_match *match,
                         const char *peer, const char *protocol)
{
    char params[PARAMS_MAX + 1];
    size_t used = 0;
    for (size_t at = 0; at < match->count; at++) {
        const char *texts[] = {match->name[at], match->value[at]};
        for (size_t of = 0; of < 2; of++) {
            size_t size = strlen(texts[of]) + 1;
            if (used + size < sizeof params)
                memcpy(params + used, texts[of], size);
            used += size;
        }
    }
    params[used < sizeof params ? used : sizeof params - 1] = 0;
    struct bytes json;
    size_t size;
    bytes_init(&json, ADOPT_MAX + 1);
    if (meta_adopt(&json, channel->is_websocket, match->route->name, params, protocol,
                   peer) < 0 ||
        bytes_append(&json, "", 1) < 0)
        bytes_clear(&json);
    free(channel->adopt);
    channel->adopt = (char *)bytes_take(&json, &size);
}

void intake_chose(struct channel_host *host, struct channel *channel,
                  const char *protocol)
{
    const struct http_carried *carried = channel->carried;
    struct route_match match;
    char peer[PEER_ADDRESS_ROOM], local[PEER_ADDRESS_ROOM];
    if (s_match(host->context, http_exchange_request(carried->exchange), &match) != 0)
        return;
    s_peer_texts(carried, peer, local);
    s_make_adopt(channel, &match, peer, protocol);
}

static struct channel *s_channel(struct http_carried *self)
{
    const struct route *route = self->route;
    struct service *service =
        self->is_topic ? NULL : channel_find_service(self->host, route->service);
    struct channel *channel = channel_new(self->host, &channel_http, self, service);
    const struct http_request *request = http_exchange_request(self->exchange);
    channel->is_websocket = self->is_websocket;
    gateway_metrics_opened(self->is_websocket);
    channel->session = self->session;
    self->session = NULL;
    channel->is_unsafe =
        !self->is_websocket && !channel->session && !s_is_safe(request->method);
    channel->redeliver_all = route->redeliver_all;
    channel->needs_accept = self->is_websocket && route->accept_by_backend;
    self->channel = channel;
    return channel;
}

/* body: "none", "whole" or "follows". */
static bool s_open(struct http_carried *self, const struct intake *intake,
                   const char *body)
{
    struct route_match match;
    char peer[PEER_ADDRESS_ROOM], local[PEER_ADDRESS_ROOM];
    const struct http_request *request = http_exchange_request(self->exchange);
    struct bytes meta;
    bool opened = false;
    bytes_init(&meta, META_MAX);
    s_peer_texts(self, peer, local);
    struct meta_peer who = {.peer = peer,
                            .local = local,
                            .scheme = "http",
                            .is_websocket = self->is_websocket,
                            .has_session = self->session != NULL,
                            .body = body};
    if (s_match(intake, request, &match) == 0 &&
        meta_open(&meta, request, &match, &who) >= 0) {
        bool whole = strcmp(body, "whole") == 0;
        struct iovec parts[] = {
            {.iov_base = meta.data, .iov_len = meta.size},
            {.iov_base = (void *)"\n", .iov_len = 1},
            {.iov_base = self->body.data, .iov_len = self->body.size},
        };
        char options[OPTIONS_ROOM] = "";
        if (self->session)
            attachment_open_options(self->session, options, sizeof options);
        struct channel *channel = s_channel(self);
        s_make_adopt(channel, &match, peer, NULL);
        channel_event(channel, EVENT_OPEN, options, parts, whole ? 3 : 1);
        if (whole)
            bytes_clear(&self->body);
        opened = true;
    }
    bytes_clear(&meta);
    return opened;
}

/* ---- bodies ---- */

/* Small reads are gathered while a part is under way, so that a record is worth its cost.
 */
static void s_emit_due_body(struct http_carried *self)
{
    const struct channel *channel = self->channel;
    bool is_due = channel->events.bodies == 0 || self->body.size == PART_MAX;
    if (self->body.size > 0 && is_due && channel_has_room(channel))
        channel_http_emit_body(self, "");
}

static size_t s_take_part(struct http_carried *self, const uint8_t *data, size_t size)
{
    size_t taken = 0;
    while (taken < size) {
        s_emit_due_body(self);
        size_t room = PART_MAX - self->body.size;
        size_t more = size - taken < room ? size - taken : room;
        if (more == 0 || bytes_append(&self->body, data + taken, more) < 0) {
            channel_block(self->channel); // a part is full, and the window too
            return taken;
        }
        taken += more;
    }
    s_emit_due_body(self);
    return taken;
}

static void s_refuse_message(struct http_carried *self, int status, const char *why)
{
    http_refuse(self->exchange, status, why, true);
    self->stage = HTTP_DONE;
    bytes_clear(&self->body);
    self->host->posting -= self->posting;
    self->posting = 0;
}

/* The body of a POST is one message; nobody else's is looked at. */
static size_t s_take_message(struct http_carried *self, const uint8_t *data, size_t size)
{
    struct channel_host *host = self->host;
    if (self->session->request.carrier != SESSION_POST)
        return size;
    bool is_alone = host->posting == self->posting;
    if (!is_alone && host->posting + size > host->settings->service_bytes)
        s_refuse_message(self, 503, "too many messages are being posted");
    else if (bytes_append(&self->body, data, size) < 0)
        s_refuse_message(self, 413, "the message is longer than message-limit");
    else {
        self->posting += size;
        host->posting += size;
    }
    return size;
}

static size_t s_on_body(void *request, const uint8_t *data, size_t size)
{
    struct http_carried *self = request;
    if (self->stage == HTTP_DONE || (self->follows && !self->channel))
        return size; // answered already: the rest is swallowed
    if (self->session)
        return s_take_message(self, data, size);
    if (self->follows)
        return s_take_part(self, data, size);
    if (self->body.size + size <= WHOLE_MAX)
        return bytes_append(&self->body, data, size) < 0 ? 0 : size;
    self->follows = true;
    struct intake *intake = self->host->context;
    if (!s_open(self, intake, "follows")) {
        http_refuse(self->exchange, 431, "the head is too large", true);
        return size;
    }
    return s_take_part(self, data, size);
}

/* The cursor that the client shows, or NULL.  One that is too long is none that a broker
 * gave. */
static const char *s_shown_cursor(const struct http_request *request, char *out,
                                  size_t room)
{
    const char *path, *query;
    size_t path_size, query_size;
    const char *shown = http_request_header(request, "Last-Event-ID");
    if (shown)
        return *shown ? shown : NULL;
    http_request_split(request->target, &path, &path_size, &query, &query_size);
    int size = http_request_query(query, query_size, "cursor", out, room);
    if (size == -EMSGSIZE)
        return "?";
    return size > 0 ? out : NULL;
}

/* The topics of the match; false when one of them is too long. */
static bool s_fill_topics(const struct route_match *match, char (*room)[ROUTE_TOPIC_ROOM],
                          const char **topics)
{
    for (size_t at = 0; at < match->route->topic_count; at++) {
        if (route_match_topic(match, at, room[at], ROUTE_TOPIC_ROOM) < 0)
            return false;
        topics[at] = room[at];
    }
    return true;
}

/* Who the client is, as the route's path or a header says, with escapes; NULL: nobody
 * says.  False when it is too long for a label. */
static bool s_label(const struct http_request *request, const struct route_match *match,
                    char **label_out)
{
    char room[ROUTE_LABEL_ROOM];
    struct wire_header header;
    const char *text = NULL;
    *label_out = NULL;
    if (match->route->label_header)
        text = http_request_header(request, match->route->label_header);
    else if (match->route->label && route_match_label(match, room, sizeof room) < 0)
        return false;
    else if (match->route->label)
        text = room;
    if (!text || !*text)
        return true;
    wire_begin(&header, "");
    size_t before = header.size + 1;
    wire_add_escaped(&header, text);
    if (header.overflow || header.size - before >= sizeof room)
        return false;
    *label_out = mem_strndup(header.text + before, header.size - before);
    return true;
}

static void s_join_topics(struct http_carried *self, const struct intake *intake)
{
    struct route_match match;
    char room[ROUTE_TOPICS_MAX][ROUTE_TOPIC_ROOM], cursor[64];
    const char *topics[ROUTE_TOPICS_MAX];
    const struct http_request *request = http_exchange_request(self->exchange);
    if (s_match(intake, request, &match) != 0 || !s_fill_topics(&match, room, topics)) {
        http_refuse(self->exchange, 400,
                    "the topic of this path is longer than 255 bytes", false);
        return;
    }
    char *label;
    if (!s_label(request, &match, &label)) {
        http_refuse(self->exchange, 400,
                    "the label of the client is longer than 128 bytes", false);
        return;
    }
    bool polls = !self->is_websocket && !self->is_sse && !self->wants_stream;
    struct hub_join how = {.topics = topics,
                           .count = match.route->topic_count,
                           .cursor = s_shown_cursor(request, cursor, sizeof cursor),
                           .limit = polls ? HTTP_POLL_MESSAGES : STREAM_MESSAGES,
                           .slow = match.route->slow};
    struct channel *channel = s_channel(self);
    channel->label = label;
    self->stage = HTTP_HELD;
    channel_http_hold(self);
    hub_join(self->hub, channel, &how);
    for (size_t at = 0; self->route->presence && at < how.count; at++)
        worker_presence_enter(self->host->commands, channel, topics[at]);
    hub_start(self->hub, channel);
}

static void s_join_session(struct http_carried *self, const struct intake *intake)
{
    const struct session_request asked = self->session->request;
    bool is_text = asked.carrier == SESSION_POST && !asked.is_binary;
    if (self->stage == HTTP_DONE)
        return; // refused already
    if (is_text && !utf8_is_valid(self->body.data, self->body.size)) {
        http_refuse(self->exchange, 400, "the message is a text that is not UTF-8",
                    false);
        return;
    }
    if (!s_open(self, intake, "none")) {
        http_refuse(self->exchange, 431, "the head is too large", true);
        return;
    }
    self->stage = HTTP_HELD;
    if (asked.carrier == SESSION_POST)
        channel_http_session_send(self);
    if (!self->is_websocket)
        http_forget_head(self->exchange);
    channel_http_hold(self);
}

static void s_on_end(void *request)
{
    struct http_carried *self = request;
    struct intake *intake = self->host->context;
    if (self->is_topic) {
        s_join_topics(self, intake);
        return;
    }
    if (self->session) {
        s_join_session(self, intake);
        return;
    }
    if (self->follows) {
        if (!self->channel)
            return;
        channel_http_end_body(self);
    } else if (!s_open(self, intake, self->body.size > 0 ? "whole" : "none")) {
        http_refuse(self->exchange, 431, "the head is too large", true);
        return;
    }
    self->stage = HTTP_HELD;
    if (!self->is_websocket)
        http_forget_head(self->exchange);
    channel_http_hold(self);
}

struct http_callbacks intake_callbacks(struct intake *self)
{
    return (struct http_callbacks){
        .context = self,
        .on_request = s_on_request,
        .on_body = s_on_body,
        .on_end = s_on_end,
        .on_gone = channel_http_on_gone,
        .on_stream = channel_http_on_stream,
        .on_writable = channel_http_on_writable,
        .on_pull = channel_http_on_pull,
        .on_upgraded = channel_http_on_upgraded,
        .on_done = channel_http_on_done,
    };
}
