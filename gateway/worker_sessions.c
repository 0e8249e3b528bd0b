#include "gateway/worker_sessions.h"

#include "common/mem.h"
#include "gateway/gateway_metrics.h"
#include "gateway/session_copies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BIND_OPTIONS = 7, SESS_ROOM = 1024 };

/* ---- BIND ---- */

struct s_bind {
    struct wire_text sid, position;
    uint64_t att, up, grace_ms;
    struct wire_text worker, label, slow; // without data: none
    uint64_t older;                       // carriers whose messages come first
};

static bool s_read_bind(const struct wire_record *record, struct s_bind *bind)
{
    if (record->count < BIND_OPTIONS || wire_u64(record->token[4], &bind->att) < 0 ||
        wire_u64(record->token[5], &bind->up) < 0 ||
        record->token[6].size >= SESSION_CURSOR_ROOM)
        return false;
    struct wire_text grace = wire_option(record, BIND_OPTIONS, "grace");
    bind->grace_ms = 0;
    if (grace.data && wire_u64(grace, &bind->grace_ms) < 0)
        return false;
    bind->sid = record->token[3];
    bind->position = record->token[6];
    bind->worker = wire_option(record, BIND_OPTIONS, "worker");
    bind->label = wire_option(record, BIND_OPTIONS, "label");
    bind->slow = wire_option(record, BIND_OPTIONS, "slow");
    struct wire_text older = wire_option(record, BIND_OPTIONS, "older");
    bind->older = 0;
    return !older.data || wire_u64(older, &bind->older) == 0;
}

static void s_copy_text(struct wire_text text, char *out, size_t room)
{
    snprintf(out, room, "%.*s", (int)text.size, text.data);
}

static void s_renew(struct session_copy *copy, const struct wire_record *record,
                    const struct s_bind *bind)
{
    copy->att = bind->att;
    copy->up = bind->up;
    copy->grace_ms = (int64_t)bind->grace_ms;
    copy->older = bind->older;
    session_copy_set(&copy->worker, bind->worker.data, bind->worker.size);
    session_copy_set(&copy->label, bind->label.data, bind->label.size);
    session_copy_set(&copy->slow, bind->slow.data, bind->slow.size);
    session_copy_set(&copy->topics, (const char *)record->payload, record->payload_size);
}

static void s_keep(struct worker_commands *self, const struct wire_record *record,
                   const struct s_bind *bind, const struct channel *channel)
{
    const struct attachment *session = channel->session;
    struct session_copy *copy = session_copies_make(self->sessions, session->id);
    session_copies_serve(self->sessions, copy, channel->id);
    memcpy(copy->as, session->as, sizeof copy->as);
    s_copy_text(bind->position, copy->position, sizeof copy->position);
    copy->service = channel->service->name;
    s_renew(copy, record, bind);
    session_copy_set(&copy->adopt, channel->adopt,
                     channel->adopt ? strlen(channel->adopt) : 0);
}

/* A line of a BIND: a topic, as it stands there and as it is, and from where on it is
 * wanted, which is the broker's to know. */
struct s_line {
    struct wire_text token;
    char topic[WORKER_TEXT_ROOM];
};

/* The next line; false at the end.  *at moves behind it.  One that cannot be read has no
 * topic. */
static bool s_next_line(const char **at, const char *end, struct s_line *line)
{
    if (*at >= end)
        return false;
    const char *line_end = memchr(*at, '\n', (size_t)(end - *at));
    size_t size = (size_t)((line_end ? line_end : end) - *at);
    const char *space = memchr(*at, ' ', size);
    line->token = (struct wire_text){*at, space ? (size_t)(space - *at) : size};
    if (!worker_commands_text(line->token, line->topic, sizeof line->topic))
        line->topic[0] = 0;
    *at += size + (line_end ? 1 : 0);
    return true;
}

static void s_subscribe(struct worker_commands *self, const struct wire_record *record,
                        struct channel *channel)
{
    struct s_line line;
    struct cursor delivered;
    struct wire_text position = wire_option(record, BIND_OPTIONS, "pos");
    bool is_told =
        position.data && cursor_read(position.data, position.size, &delivered) == 0;
    const char *at = (const char *)record->payload;
    const char *end = at + record->payload_size;
    while (at && channel->carried && s_next_line(&at, end, &line))
        if (line.topic[0])
            (void)hub_subscribe(self->hub, channel, line.topic,
                                is_told ? &delivered : NULL, NULL);
}

/* A BIND names all subscriptions: what the channel has besides has ended meanwhile. */
static void s_unsubscribe(struct worker_commands *self, const struct wire_record *record,
                          const struct session_copy *copy, struct channel *channel)
{
    struct s_line line;
    const char *at = copy && copy->channel == channel->id ? copy->topics : NULL;
    const char *end = at ? at + strlen(at) : NULL;
    char *lines = NULL;
    session_copy_set(&lines, (const char *)record->payload, record->payload_size);
    while (at && s_next_line(&at, end, &line))
        if (line.topic[0] && !session_copy_has(lines, line.token.data, line.token.size))
            hub_unsubscribe(self->hub, channel, line.topic);
    free(lines);
}

void worker_sessions_missed(struct worker_commands *self,
                            const struct wire_record *record)
{
    struct s_line line;
    const char *at = (const char *)record->payload;
    const char *end = at + record->payload_size;
    while (at && s_next_line(&at, end, &line))
        if (line.topic[0])
            bus_lane_send(self->lane,
                          bus_item_new(BUS_UNSUB, line.topic, strlen(line.topic)));
}

/* The policy that the application chose for the session's subscriptions; else it waits.
 */
static void s_choose_slow(struct channel *channel, const struct s_bind *bind)
{
    enum slow_policy policy = SLOW_PAUSE;
    if (bind->slow.data &&
        slow_policy_read(bind->slow.data, bind->slow.size, &policy) < 0)
        policy = SLOW_PAUSE; // of a later version
    hub_set_slow(channel, policy);
}

/* The first BIND of a carrier: its client is told where it begins. */
static void s_begin(struct worker_commands *self, const struct wire_record *record,
                    const struct s_bind *bind, struct channel *channel)
{
    struct attachment *session = channel->session;
    struct cursor from;
    const char *shown = session->request.cursor;
    bool is_live = session->is_new && !shown[0];
    if (shown[0])
        snprintf(session->position, sizeof session->position, "%.*s",
                 (int)sizeof session->position - 1, shown);
    if (cursor_read(session->position, strlen(session->position), &from) < 0)
        from = cursor_unknown;
    hub_attach(self->hub, channel, &from, is_live);
    s_choose_slow(channel, bind);
    s_subscribe(self, record, channel);
    channel->carrier->bound(channel);
    if (channel->carried)
        hub_begin(self->hub, channel);
}

void worker_sessions_bind(struct worker_commands *self,
                          const struct worker_command *command, struct channel *channel)
{
    const struct wire_record *record = &command->record;
    struct attachment *session = channel->session;
    struct s_bind bind;
    if (!session || !channel->carried || !channel->service ||
        !s_read_bind(record, &bind) || !wire_is(bind.sid, session->id)) {
        worker_sessions_missed(self, record);
        return;
    }
    bool is_first = session->att == 0;
    s_unsubscribe(self, record, session_copies_find(self->sessions, session->id),
                  channel);
    s_keep(self, record, &bind, channel);
    session->att = bind.att;
    session->up = bind.up;
    if (!is_first) {
        s_choose_slow(channel, &bind);
        s_subscribe(self, record, channel);
        return;
    }
    s_copy_text(bind.position, session->position, sizeof session->position);
    gateway_metrics_attached(session->request.carrier);
    s_begin(self, record, &bind, channel);
}

void worker_sessions_copy(struct worker_commands *self, const struct wire_record *record)
{
    char id[SESSION_ID_ROOM];
    struct s_bind bind;
    if (record->token[2].size >= sizeof id || !s_read_bind(record, &bind))
        return;
    s_copy_text(record->token[2], id, sizeof id);
    struct session_copy *copy = session_copies_find(self->sessions, id);
    if (!copy)
        return;
    struct channel *channel = channel_find(self->host, copy->channel);
    if (channel && channel->carried) // the BIND that it will get names what is new
        s_unsubscribe(self, record, copy, channel);
    s_renew(copy, record, &bind);
}

void worker_sessions_follow(struct worker_commands *self,
                            const struct wire_record *record,
                            const struct channel *channel)
{
    struct wire_text topic = record->token[3], position = wire_option(record, 4, "since");
    if (!position.data)
        position = wire_option(record, 4, "pos");
    struct session_copy *copy = session_copies_find(self->sessions, channel->session->id);
    if (!copy || copy->channel != channel->id)
        return;
    const struct session_follow follow = {
        .topic = topic.data,
        .size = topic.size,
        .position = position.data,
        .position_size = position.size,
        .is_present = wire_is(wire_option(record, 4, "presence"), "1")};
    struct wire_text slow = wire_option(record, 4, "slow");
    if (wire_is(record->token[0], "UNSUB"))
        session_copy_unfollow(copy, topic.data, topic.size);
    else if (position.data)
        session_copy_follow(copy, &follow);
    if (slow.data)
        session_copy_set(&copy->slow, slow.data, slow.size);
}

/* ---- DROP, FORGET ---- */

void worker_sessions_drop(const struct worker_command *command, struct channel *channel)
{
    const struct wire_record *record = &command->record;
    enum session_drop reason;
    if (!channel->session || !channel->carried || record->count < 4 ||
        session_drop_read(record->token[3].data, record->token[3].size, &reason) < 0)
        return;
    gateway_metrics_session_dropped(reason);
    channel->carrier->dropped(channel, reason);
}

void worker_sessions_up(struct worker_commands *self, const struct wire_record *record)
{
    char id[SESSION_ID_ROOM] = "";
    uint64_t up;
    const struct channel *channel = worker_commands_channel(self, record->token[2]);
    if (record->count < 4 || wire_u64(record->token[3], &up) < 0)
        return;
    if (channel && channel->session)
        memcpy(id, channel->session->id, sizeof id);
    else if (record->token[2].size < sizeof id)
        s_copy_text(record->token[2], id, sizeof id);
    struct session_copy *copy = session_copies_find(self->sessions, id);
    if (copy && up > copy->up)
        copy->up = up;
    if (channel && channel->session && up > channel->session->up)
        channel->session->up = up;
}

void worker_sessions_forget(struct worker_commands *self,
                            const struct wire_record *record)
{
    char id[SESSION_ID_ROOM];
    if (record->token[2].size >= sizeof id)
        return;
    s_copy_text(record->token[2], id, sizeof id);
    session_copies_forget(self->sessions, id);
}

/* ---- SEND ---- */

const char *worker_sessions_send(struct worker_commands *self,
                                 const struct wire_record *record,
                                 struct channel *channel, struct message *message,
                                 const struct send_options *options)
{
    char text[CURSOR_ROOM];
    struct cursor position;
    struct wire_text token = wire_option(record, 3, "pos");
    if (cursor_read(token.data, token.size, &position) < 0)
        return "value";
    cursor_write(&position, text);
    message->cursor = text;
    hub_send(self->hub, channel, message, &position);
    message->cursor = NULL;
    if (options->close && channel->carried)
        return channel->carrier->close(channel, options->close > 1 ? options->close : 0,
                                       NULL, 0);
    return NULL;
}

/* ---- to the broker ---- */

static void s_announce(struct worker_commands *self, const struct session_copy *copy)
{
    char head[SESS_ROOM], older[32] = "";
    struct bytes payload;
    bytes_init(&payload, WIRE_PAYLOAD_MAX);
    if (copy->older > 0)
        snprintf(older, sizeof older, " older=%llu", (unsigned long long)copy->older);
    int size = snprintf(head, sizeof head, "SESS %s %llu %s %s %llu %s as=%s%s%s%s%s%s",
                        copy->id, (unsigned long long)copy->att, copy->service,
                        copy->worker ? copy->worker : "-", (unsigned long long)copy->up,
                        copy->position, copy->as, older, copy->label ? " label=" : "",
                        copy->label ? copy->label : "", copy->slow ? " slow=" : "",
                        copy->slow ? copy->slow : "");
    int result = bytes_printf(&payload, "%s\n%s", copy->topics ? copy->topics : "",
                              copy->adopt ? copy->adopt : "{}");
    if (result >= 0 && size > 0 && (size_t)size < sizeof head)
        worker_commands_post(self, head, (size_t)size, payload.data, payload.size);
    bytes_clear(&payload);
}

/* Its OPEN, which comes again, begins it anew. */
static bool s_is_unopened(struct worker_commands *self, const struct session_copy *copy)
{
    struct channel *channel = channel_find(self->host, copy->channel);
    const struct event *first = channel ? channel->events.first : NULL;
    return first && first->verb == EVENT_OPEN && channel->session->is_new;
}

void worker_sessions_announce(struct worker_commands *self)
{
    for (const struct session_copy *at = session_copies_next(self->sessions, NULL); at;
         at = session_copies_next(self->sessions, at))
        if (!s_is_unopened(self, at))
            s_announce(self, at);
}

void worker_sessions_leave(struct channel_host *host, struct channel *channel)
{
    struct worker_commands *self = host->commands;
    struct session_copy *copy;
    if (!channel->session || channel->session->att == 0)
        return;
    copy = session_copies_find(self->sessions, channel->session->id);
    if (copy && copy->channel == channel->id)
        (void)hub_cursor(channel, copy->position);
    session_copies_leave(self->sessions, channel->session->id, channel->id,
                         host->loop->now_ms);
}

void worker_sessions_seen(struct channel_host *host, const struct channel *channel,
                          const char *position)
{
    char head[CHANNEL_ID_ROOM + SESSION_CURSOR_ROOM + 8], id[CHANNEL_ID_ROOM];
    if (!host->commands->is_linked)
        return; // it is announced by its next one
    channel_id_text(channel, id);
    int size = snprintf(head, sizeof head, "SEEN %s %s", id, position);
    worker_commands_post(host->commands, head, (size_t)size, NULL, 0);
}
