#include "broker/command.h"

#include "broker/dispatch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The channels of a command that are held by one edge. */
struct target {
    struct edge *edge;
    struct wire_text channels; // separated by commas
    uint32_t count;
};

/* A number of so many digits within limits; a missing option is right. */
static bool s_is_number(struct wire_text value, uint64_t least, uint64_t most)
{
    uint64_t number;
    return !value.data ||
           (wire_u64(value, &number) == 0 && number >= least && number <= most);
}

static bool s_is_one_of(struct wire_text value, const char *first, const char *second)
{
    return !value.data || wire_is(value, first) || wire_is(value, second);
}

/* NULL, or which option has a value that is not allowed, with the rule. */
const char *command_bad_option(const struct request *request)
{
    const struct wire_record *record = request->record;
    size_t first = request->options;
    if (first == record->count)
        return NULL;
    if (!s_is_one_of(wire_option(record, first, "bin"), "0", "1"))
        return "bin: 0 or 1";
    if (!s_is_number(wire_option(record, first, "status"), 200, 599))
        return "status: 200 to 599";
    if (!s_is_number(wire_option(record, first, "close"), 0, 4999))
        return "close: 0, 1, or a status up to 4999";
    if (!s_is_number(wire_option(record, first, "length"), 0, INT64_MAX))
        return "length: a number of bytes";
    struct wire_text since = wire_option(record, first, "since");
    if (since.data && !sequence_is_position(since))
        return "since: not a position";
    struct wire_text slow = wire_option(record, first, "slow");
    if (!s_is_one_of(slow, "close", "drop-oldest") &&
        !s_is_one_of(slow, "latest", "pause"))
        return "slow: close, drop-oldest, latest or pause";
    struct wire_text want = wire_option(record, first, "want");
    if (!s_is_one_of(want, "accepted", "written") && !wire_is(want, "received"))
        return "want: accepted, written or received";
    struct wire_text label = wire_option(record, first, "label");
    if (label.data && !label_is_valid(label))
        return "label: 1 to 128 bytes";
    return NULL;
}

/* The options but those that are between the sender and us. */
void command_add_options(const struct request *request, struct wire_header *header)
{
    const struct wire_record *record = request->record;
    for (size_t at = request->options; at < record->count; at++) {
        struct wire_text token = record->token[at];
        if ((token.size < 3 || memcmp(token.data, "id=", 3) != 0) &&
            (token.size < 6 || memcmp(token.data, "reply=", 6) != 0))
            wire_add_text(header, token);
    }
}

/* Was this command carried out before?  It is answered again, or when its edges have
 * answered. */
bool command_is_repeated(struct request *request)
{
    if (!request->id.data || !request->from->peer)
        return false;
    struct question *known =
        question_find(&request->core->replies, request->from->peer, request->id);
    if (!known)
        return false;
    core_dropped(request->core, CORE_DROP_REPEAT);
    if (!known->answered && reply_id_is_global(request->id) &&
        question_is_unsure(known)) {
        question_give_up(known); // the edge knows the id, and answers again
        question_drop(&request->core->replies, &known);
        return false;
    }
    question_readdress(known, request->from);
    if (known->answered)
        answer_question(request->core, known);
    return true;
}

/* Where the subscription begins; before the options, so that none of them counts. */
static void s_add_start(const struct core *core, struct wire_header *header)
{
    char position[SEQUENCE_POSITION];
    sequence_text(&core->sequence, core->sequence.delivered, position);
    wire_add_option(header, "pos", position);
}

/* One command to one edge: verb, c, channels, the other positional tokens, options.  0 or
 * a negative errno of edge_commit. */
static int s_forward(const struct request *request, const struct target *target,
                     struct question *question)
{
    struct edge *edge = target->edge;
    const struct wire_record *record = request->record;
    struct wire_header header;
    if (question && edge->ask_count >= EDGE_ASKS_MAX)
        return -ENOBUFS;
    edge_begin_text(edge, &header, record->token[0]);
    wire_add_text(&header, target->channels);
    for (size_t at = 2; at < request->options; at++)
        wire_add_text(&header, record->token[at]);
    if (wire_is(record->token[0], "SUB"))
        s_add_start(request->core, &header);
    command_add_options(request, &header);
    if (question && request->id.data && reply_id_is_global(request->id))
        wire_add_option(&header, "id", question->id); // outlives this life of the broker
    if (question)
        wire_add_option(&header, "reply", "1");
    uint64_t c = edge->ring.next;
    int result = edge_commit(edge, &header, payload_of(record), COMMAND_PLAIN);
    if (result == 0 && question)
        result = ask_add(edge, c, question, target->count);
    return result;
}

struct question *command_question(const struct request *request, struct wire_text subject)
{
    return answer_wanted(request) ? question_new(&request->core->replies, request->from,
                                                 request->id, subject)
                                  : NULL;
}

static void s_refuse(const struct request *request, struct wire_text key, int result)
{
    core_dropped(request->core, CORE_DROP_TARGET);
    if (result == -ENOBUFS)
        answer_error_always(request, key, "full", "the queue of the edge is full");
    else if (result == -EMSGSIZE)
        answer_error(request, key, "value", "header: too long to be passed on");
    else if (!edge_life_may_come(request->core, key))
        answer_error(request, key, "gone", "no such channel");
}

/* Was a SEND to this channel lost?  Then nothing may follow it. */
static bool s_is_cut(const struct core *core, const struct target *target)
{
    if (target->edge->cuts == 0)
        return false;
    const struct channel *channel = channel_find(&core->channels, target->channels);
    return channel && channel->cut;
}

/* A SEND was lost whose sender does not ask: its channels end, so that the client sees
 * it. */
static void s_cut(struct core *core, const struct request *request,
                  struct wire_text channels)
{
    if (answer_wanted(request) || !wire_is(request->record->token[0], "SEND"))
        return;
    while (channels.size > 0) {
        struct wire_text id = answer_first(channels);
        struct channel *channel = channel_find(&core->channels, id);
        if (channel)
            dispatch_cut(channel);
        size_t used = id.size < channels.size ? id.size + 1 : id.size;
        channels.data += used;
        channels.size -= used;
    }
}

/* A command for one channel. */
int command_one(struct request *request)
{
    struct core *core = request->core;
    struct wire_text channel = request->record->token[1];
    const char *bad = channel_id_is_valid(channel) ? command_bad_option(request)
                                                   : "channel: not the id of one";
    if (bad) {
        core_dropped(core, CORE_DROP_VALUE);
        answer_error(request, channel, "value", bad);
        return -EINVAL;
    }
    if (command_is_repeated(request))
        return -EALREADY;
    if (session_id_is_valid(channel))
        return session_command(request);
    struct target target = {permit_target(core, request->from->authority, channel),
                            channel, 1};
    if (!target.edge) {
        s_refuse(request, channel, -ENOENT);
        return -ENOENT;
    }
    core->stats.commands++;
    struct question *question = command_question(request, channel);
    int result =
        s_is_cut(core, &target) ? -ENOBUFS : s_forward(request, &target, question);
    if (result == -ENOBUFS)
        s_cut(core, request, channel);
    if (result < 0) {
        if (question)
            question_drop(&core->replies, &question);
        s_refuse(request, channel, result);
    }
    return result;
}

/* The channels of a SEND, as they were written. */
struct list_of_channels {
    struct wire_text channel[WIRE_CHANNELS_MAX];
    struct edge *edge[WIRE_CHANNELS_MAX];
    size_t count;
};

/* NULL, or what is wrong. */
static const char *s_split(const struct request *request, struct wire_text text,
                           struct list_of_channels *list)
{
    list->count = 0;
    while (text.data) {
        const char *comma = memchr(text.data, ',', text.size);
        size_t size = comma ? (size_t)(comma - text.data) : text.size;
        struct wire_text channel = {text.data, size};
        if (list->count == WIRE_CHANNELS_MAX)
            return "channels: at most 128";
        if (!channel_id_is_valid(channel))
            return "channels: not the id of one";
        list->edge[list->count] =
            permit_target(request->core, request->from->authority, channel);
        list->channel[list->count++] = channel;
        text.data = comma ? comma + 1 : NULL;
        text.size -= comma ? size + 1 : size;
    }
    return NULL;
}

/* Takes the channels of one edge out of the list. */
static struct target s_take_target(struct list_of_channels *list, struct edge *edge,
                                   char room[WIRE_HEADER_MAX])
{
    struct target target = {edge, {room, 0}, 0};
    for (size_t at = 0; at < list->count; at++) {
        if (list->edge[at] != edge)
            continue;
        if (target.count++)
            room[target.channels.size++] = ',';
        memcpy(room + target.channels.size, list->channel[at].data,
               list->channel[at].size);
        target.channels.size += list->channel[at].size;
        list->edge[at] = NULL;
    }
    return target;
}

void command_finish(struct core *core, struct question *question)
{
    if (question->waiting)
        return;
    answer_question(core, question);
    question_close(&core->replies, &question, core->now_ms);
}

static void s_send_to_several(struct request *request, struct list_of_channels *list)
{
    struct core *core = request->core;
    struct wire_text key = list->channel[0];
    struct question *question = command_question(request, key);
    char room[WIRE_HEADER_MAX];
    uint32_t gone = 0, refused = 0;
    if (question)
        question->several = true;
    for (size_t at = 0; at < list->count; at++)
        gone += list->edge[at] == NULL;
    for (size_t at = 0; at < list->count; at++) {
        if (!list->edge[at])
            continue;
        struct target target = s_take_target(list, list->edge[at], room);
        if (target.edge == core->sessions.edge) {
            gone += session_send_each(request, target.channels, question);
        } else if (s_forward(request, &target, question) < 0) {
            s_cut(core, request, target.channels);
            refused += target.count;
        }
    }
    core->stats.commands++;
    if (refused && !question)
        s_refuse(request, key, -ENOBUFS);
    if (!question)
        return;
    if (gone)
        question_refused(question, gone, answer_key("gone"), payload_none());
    if (refused)
        question_refused(question, refused, answer_key("full"), payload_none());
    command_finish(core, question);
}

void command_send(struct request *request)
{
    struct core *core = request->core;
    struct wire_text text = request->record->token[1];
    if (!memchr(text.data, ',', text.size)) {
        if (command_one(request) == 0 && core->tapped)
            tap_send(core, text, request);
        return;
    }
    struct list_of_channels list;
    const char *bad = s_split(request, text, &list);
    if (!bad)
        bad = command_bad_option(request);
    if (bad) {
        core_dropped(core, CORE_DROP_VALUE);
        answer_error(request, answer_first(text), "value", bad);
        return;
    }
    if (command_is_repeated(request))
        return;
    for (size_t at = 0; core->tapped && at < list.count; at++)
        tap_send(core, list.channel[at], request);
    s_send_to_several(request, &list);
}

/* The broker takes the label when the edge is to hear of it.  A channel that it does not
 * know yet gets it at the end of the announcement. */
static void s_set_label(struct core *core, struct wire_text id, struct wire_text name)
{
    struct channel *channel = channel_find(&core->channels, id);
    if (!channel || !channel->edge || !name.data)
        return;
    label_set(&core->labels, channel, name);
    if (channel->edge == core->sessions.edge)
        session_relabelled(core, id);
}

void command_accept(struct request *request)
{
    struct wire_text label = wire_option(request->record, request->options, "label");
    if (command_one(request) == 0)
        s_set_label(request->core, request->record->token[1], label);
}

void command_label(struct request *request)
{
    const struct wire_record *record = request->record;
    if (!label_is_valid(record->token[2])) {
        core_dropped(request->core, CORE_DROP_VALUE);
        answer_error(request, record->token[1], "value", "label: 1 to 128 bytes");
        return;
    }
    if (command_one(request) == 0)
        s_set_label(request->core, record->token[1], record->token[2]);
}

void command_relabel(struct core *core, const struct edge *edge)
{
    struct wire_record record;
    uint64_t c = edge->sync_c < edge->ring.first ? edge->ring.first : edge->sync_c + 1;
    for (; c < edge->ring.next; c++) {
        const struct blob *blob = command_ring_at(&edge->ring, c);
        if ((blob->data[0] != 'L' && blob->data[0] != 'A') ||
            wire_read(blob->data, blob->size, &record) < 0)
            continue;
        if (wire_is(record.token[0], "LABEL"))
            s_set_label(core, record.token[2], record.token[3]);
        else if (wire_is(record.token[0], "ACCEPT"))
            s_set_label(core, record.token[2], wire_option(&record, 3, "label"));
    }
}

void command_close(struct request *request)
{
    const struct wire_record *record = request->record;
    /* The status is optional; an option has a "=". */
    if (record->count > 2 && !memchr(record->token[2].data, '=', record->token[2].size)) {
        request->options = 3;
        if (!s_is_number(record->token[2], 0, 4999)) {
            core_dropped(request->core, CORE_DROP_VALUE);
            answer_error(request, record->token[1], "value", "status: 200 to 4999");
            return;
        }
    }
    (void)command_one(request);
}

void command_answered(struct core *core, struct edge *edge,
                      const struct wire_record *record)
{
    uint64_t c, sent, gone;
    if (wire_u64(record->token[1], &c) < 0) {
        core_dropped(core, CORE_DROP_VALUE);
        return;
    }
    struct ask *ask = ask_find(edge, c);
    if (!ask) {
        core_dropped(core, CORE_DROP_STALE);
        return;
    }
    struct question *question = ask->question;
    if (wire_is(record->token[0], "ERR")) {
        question_refused(question, ask->channels, record->token[2], payload_of(record));
    } else {
        if (wire_u64(wire_option(record, 2, "sent"), &sent) < 0 || sent > ask->channels)
            sent = ask->channels;
        if (wire_u64(wire_option(record, 2, "gone"), &gone) < 0 || gone > ask->channels)
            gone = ask->channels - sent;
        question_took(question, (uint32_t)sent, (uint32_t)gone);
    }
    ask_remove(&ask);
    command_finish(core, question);
}

static void s_give_up(struct core *core, struct ask *ask)
{
    struct question *question = ask->question;
    question_refused(question, ask->channels, answer_key("edge-lost"),
                     answer_key("whether it was carried out is not known"));
    ask_remove(&ask);
    command_finish(core, question);
}

void command_abandon(struct core *core, struct edge *edge)
{
    for (struct ask *ask; (ask = ask_first(edge));)
        s_give_up(core, ask);
}

void command_unsure(struct core *core, struct edge *edge, uint64_t lastc)
{
    edge->unsure_c = lastc;
    if (edge->ask_count > 0 && edge->unsure_ms == 0)
        edge->unsure_ms = core->now_ms + CORE_UNSURE_MS;
}

void command_expire(struct core *core, struct edge *edge)
{
    if (edge->unsure_ms == 0 || edge->unsure_ms > core->now_ms)
        return;
    edge->unsure_ms = 0;
    struct ask *ask = ask_first(edge), *next;
    for (; ask; ask = next) {
        next = ask_after(ask);
        if (ask_is_unsure(ask))
            s_give_up(core, ask);
    }
}
