#include "broker/cast.h"

#include "broker/dispatch.h"
#include "common/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAST_LINES_BYTES = 64 * 1024 };

struct line {
    bool excepted;
    char kind; // 'c', 'u', 't'; 's' is as 'c'
    struct wire_text name;
};

static bool s_fail(struct cast *self, size_t number, const char *code, const char *rule)
{
    self->code = code;
    snprintf(self->why, sizeof self->why, "line %zu: %s", number, rule);
    return false;
}

/* NULL, or the rule that the line breaks. */
static const char *s_read_line(struct wire_text text, struct line *line)
{
    line->excepted = text.size > 0 && text.data[0] == '-';
    text.data += line->excepted;
    text.size -= line->excepted;
    if (text.size < 2 || text.data[1] != ':' || !strchr("csut", text.data[0]))
        return "c:CHANNEL, s:SESSION, u:LABEL or t:TOPIC, and - before it for an "
               "exception";
    line->kind = text.data[0];
    if (line->kind == 's')
        line->kind = 'c';
    line->name = (struct wire_text){text.data + 2, text.size - 2};
    if (line->kind == 't')
        return topic_kind(line->name.data, line->name.size) == TOPIC_NAME
                   ? NULL
                   : "t: a topic has 1 to 255 bytes, no *";
    if (line->kind == 'c' && !channel_id_is_valid(line->name))
        return "c:, s: not the id of a channel or session";
    return line->kind == 'u' && !label_is_valid(line->name) ? "u: 1 to 128 bytes" : NULL;
}

struct part *cast_part(struct cast *self, struct edge *edge)
{
    struct table_entry *found = table_find(&self->parts, edge->id, edge->id_size);
    if (found)
        return table_item(found, struct part, by_edge);
    struct part *part = mem_new(struct part);
    part->edge = edge;
    list_init(&part->targets);
    list_init(&part->exceptions);
    table_add(&self->parts, &part->by_edge, edge->id, edge->id_size);
    return part;
}

/* One channel more, unless it was named before.  False: there are too many. */
static bool s_add(struct cast *self, struct wire_text id, bool excepted)
{
    struct core *core = self->request->core;
    if (table_find(&self->targets, id.data, id.size))
        return true;
    if (self->count >= core->settings.cast_channels)
        return false;
    struct target *target = mem_new(struct target);
    list_init(&target->order);
    target->excepted = excepted;
    target->size = (uint8_t)id.size;
    memcpy(target->id, id.data, id.size);
    target->name = (struct wire_text){target->id, target->size};
    table_add(&self->targets, &target->by_id, target->id, id.size);
    self->count++;
    self->exceptions += excepted;
    if (excepted)
        return true;
    struct edge *edge = permit_target(core, self->request->from->authority, id);
    if (edge) {
        struct part *part = cast_part(self, edge);
        list_append(&part->targets, &target->order);
        part->lines++;
    } else {
        self->gone++;
    }
    return true;
}

/* A topic is named. */
static bool s_add_topic(struct cast *self, size_t number, const struct line *line)
{
    const struct request *request = self->request;
    if (!self->again && !authority_has_topic(request->from->authority, line->name)) {
        permit_deny(request->core, request->from->authority, request->record->token[0],
                    line->name);
        return s_fail(self, number, "denied", "the key does not allow the topic");
    }
    if (self->topics == CAST_TOPICS_MAX)
        return s_fail(self, number, "value", "more than 128 topics");
    for (size_t at = 0; at < self->topics; at++)
        if (cast_is_same(self->topic[at].name, line->name))
            return true; // as an exception, if it is one
    self->topic[self->topics++] = (struct cast_topic){line->name, line->excepted};
    self->published += !line->excepted;
    return true;
}

/* All channels with the label, of services that the key allows. */
static bool s_add_label(struct cast *self, const struct line *line)
{
    const struct core *core = self->request->core;
    struct label *label = label_find(&core->labels, line->name);
    struct link *at = label ? list_first(&label->channels) : NULL;
    for (; at; at = list_after(&label->channels, at)) {
        const struct channel *channel = list_item(at, struct channel, of_label);
        struct wire_text id = {channel->id, channel->id_size};
        if (channel->edge && !channel->finished &&
            permit_channel(core, self->request->from->authority, id) &&
            !s_add(self, id, line->excepted))
            return false;
    }
    return true;
}

static bool s_take_line(struct cast *self, size_t number, const struct line *line)
{
    struct core *core = self->request->core;
    bool fits = true;
    if (line->kind == 't') {
        return s_add_topic(self, number, line);
    } else if (line->kind == 'u') {
        fits = s_add_label(self, line);
    } else if (permit_channel(core, self->request->from->authority, line->name)) {
        fits = s_add(self, line->name, line->excepted);
    } else if (!self->again) {
        permit_deny(core, self->request->from->authority, self->request->record->token[0],
                    line->name);
        return s_fail(self, number, "denied", "the key does not allow its service");
    }
    return fits || self->again ||
           s_fail(self, number, "value", "more channels than cast-channels");
}

/* One pass over the lines: the exceptions first, then what they are taken from. */
static bool s_take_lines(struct cast *self, uint64_t count, bool excepted)
{
    struct wire_text rest = payload_of(self->request->record), text;
    struct line line;
    for (size_t number = 1; number <= count; number++) {
        if (!wire_next_line(&rest, &text))
            return s_fail(self, number, "value", "there are fewer lines");
        const char *rule = s_read_line(text, &line);
        if (rule)
            return s_fail(self, number, "value", rule);
        if (line.excepted == excepted && !s_take_line(self, number, &line))
            return false;
    }
    self->data = rest;
    return true;
}

bool cast_read(struct cast *self)
{
    const struct request *request = self->request;
    uint64_t count;
    const char *bad = command_bad_option(request);
    self->code = "value";
    snprintf(self->why, sizeof self->why, "%s", bad ? bad : "n: 1 to cast-lines");
    if (bad || wire_u64(request->record->token[1], &count) < 0 || count < 1 ||
        count > request->core->settings.cast_lines)
        return false;
    self->code = NULL;
    if (!s_take_lines(self, count, true) || !s_take_lines(self, count, false))
        return false;
    if (self->topics > 0 && !self->again && !cast_check(self))
        return false;
    if (self->data.size <= WIRE_PAYLOAD_MAX - CAST_LINES_BYTES)
        return true;
    self->code = "large";
    snprintf(self->why, sizeof self->why, "what is sent is longer than 4 MiB - 64 KiB");
    return false;
}

/* The lines that fit into one record; `targets` are moved to `sent`. */
static uint32_t s_fill(const struct cast *self, struct bytes *payload,
                       struct link *targets, struct link *sent)
{
    uint32_t count = 0;
    size_t data_size = self->data.size;
    list_init(sent);
    while (!list_is_empty(targets) &&
           payload->size + CAST_LINE_MAX + data_size <= WIRE_PAYLOAD_MAX) {
        struct target *target = list_item(list_pop(targets), struct target, order);
        if (bytes_printf(payload, "c:%.*s\n", (int)target->size, target->id) < 0)
            break; // there was room for it
        list_append(sent, &target->order);
        count++;
    }
    return count;
}

/* The edge had no room: what no sender hears of ends the channels, as for a SEND. */
static void s_refuse(struct cast *self, const struct link *targets, uint32_t count)
{
    struct core *core = self->request->core;
    self->refused += count;
    if (answer_wanted(self->request))
        return;
    for (struct link *at = list_first(targets); at; at = list_after(targets, at)) {
        const struct target *target = list_item(at, struct target, order);
        struct channel *channel =
            channel_find(&core->channels, (struct wire_text){target->id, target->size});
        if (channel)
            dispatch_cut(channel);
    }
}

static int s_forward(struct cast *self, struct edge *edge, struct question *question,
                     const struct bytes *payload, uint32_t count)
{
    const struct request *request = self->request;
    struct wire_header header;
    if (count == 0)
        question = NULL; // subscribers are not counted
    if (question && edge->ask_count >= EDGE_ASKS_MAX)
        return -ENOBUFS;
    if (self->g > 0 && !cast_has_caught_up(self, edge))
        return -ENOBUFS;
    edge_begin(edge, &header, "CAST");
    wire_add_u64(&header, self->lines + count);
    if (self->g > 0)
        cast_add_options(self, &header);
    else
        command_add_options(request, &header);
    if (question && request->id.data && reply_id_is_global(request->id))
        wire_add_option(&header, "id", question->id);
    if (question)
        wire_add_option(&header, "reply", "1");
    uint64_t c = edge->ring.next;
    struct wire_text text = {(const char *)payload->data, payload->size};
    int result = edge_commit(edge, &header, text, COMMAND_PLAIN);
    return result == 0 && question ? ask_add(edge, c, question, count) : result;
}

/* Sessions get it from the broker itself, each by a position of its own. */
static void s_send_to_sessions(struct cast *self, struct part *part,
                               struct question *question)
{
    while (!list_is_empty(&part->targets)) {
        const struct target *target =
            list_item(list_pop(&part->targets), struct target, order);
        struct wire_text id = {target->id, target->size};
        if (self->topics > 0 && !cast_is_for_session(self, id, question))
            continue;
        int result = session_give(self->request, id, self->data, question);
        self->refused += result == -ENOBUFS;
        self->gone += result < 0 && result != -ENOBUFS;
        if (result == 0 && self->request->core->tapped)
            tap_send(self->request->core, id, self->request);
    }
}

/* Usually one record; more where the lines alone are longer than one may be. */
static void s_send_part(struct cast *self, struct part *part, struct question *question)
{
    if (part->edge == self->request->core->sessions.edge) {
        s_send_to_sessions(self, part, question);
        return;
    }
    uint32_t count;
    do {
        struct bytes payload;
        struct link sent;
        bytes_init(&payload, WIRE_PAYLOAD_MAX);
        self->lines = self->topics > 0 ? cast_add_lines(self, part, &payload) : 0;
        count = s_fill(self, &payload, &part->targets, &sent);
        bool fits = bytes_append(&payload, self->data.data, self->data.size) == 0;
        if (!fits || s_forward(self, part->edge, question, &payload, count) < 0) {
            s_refuse(self, &sent, count);
            cast_lose(self, part->edge);
        }
        for (struct link *at; !list_is_empty(&sent);) {
            at = list_pop(&sent);
            struct target *target = list_item(at, struct target, order);
            if (self->request->core->tapped)
                tap_send(self->request->core,
                         (struct wire_text){target->id, target->size}, self->request);
        }
        bytes_clear(&payload);
    } while (count > 0 && !list_is_empty(&part->targets));
    self->refused += !list_is_empty(&part->targets); // no line had room
}

void cast_send(struct cast *self, struct question *question)
{
    struct request *request = self->request;
    struct core *core = request->core;
    struct wire_text key = request->record->token[1];
    core->stats.commands++;
    for (struct table_entry *at = self->parts.first; at; at = table_after(at))
        s_send_part(self, table_item(at, struct part, by_edge), question);
    if (self->refused) {
        core_dropped(core, CORE_DROP_TARGET);
        if (!question)
            answer_error_always(request, key, "full", "the queue of an edge is full");
    }
    if (!question)
        return;
    if (self->gone)
        question_refused(question, self->gone, answer_key("gone"), payload_none());
    if (self->refused)
        question_refused(question, self->refused, answer_key("full"), payload_none());
    command_finish(core, question);
}

void cast_clear(struct cast *self)
{
    while (self->parts.first) {
        struct part *part = table_item(self->parts.first, struct part, by_edge);
        while (!list_is_empty(&part->targets))
            (void)list_pop(&part->targets);
        while (!list_is_empty(&part->exceptions))
            (void)list_pop(&part->exceptions);
        table_remove(&self->parts, &part->by_edge);
        free(part);
    }
    while (self->targets.first) {
        struct target *target = table_item(self->targets.first, struct target, by_id);
        table_remove(&self->targets, &target->by_id);
        free(target);
    }
}

void command_cast(struct request *request)
{
    struct cast cast = {.request = request};
    struct wire_text key = request->record->token[1];
    if (!request->record->has_payload) {
        core_dropped(request->core, CORE_DROP_SYNTAX);
        answer_error(request, key, "syntax", "no payload");
        return;
    }
    if (command_is_repeated(request))
        return;
    if (cast_read(&cast) && cast.published > 0) {
        cast_publish(&cast);
    } else if (!cast.code) {
        struct question *question = command_question(request, key);
        if (question)
            question->several = true;
        cast_send(&cast, question);
    }
    if (cast.code) {
        if (strcmp(cast.code, "denied") != 0) // that was counted already
            core_dropped(request->core, CORE_DROP_VALUE);
        answer_error(request, key, cast.code, cast.why);
    }
    cast_clear(&cast);
}
