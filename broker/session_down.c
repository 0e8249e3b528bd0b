/* What applications send to sessions: into the ring, and on to the carrier that serves.
 */
#include "broker/command.h"
#include "broker/session_core.h"

#include "common/bytes.h"
#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOWN_OPTIONS = WIRE_HEADER_MAX };

/* A want=received that waits for SEEN. */
struct receipt {
    struct link order;
    uint64_t number; // position of its message
    struct question *question;
};

struct session *session_of_carrier(const struct channel *channel)
{
    const struct carrier *carrier = channel->carrier;
    return carrier && carrier_is_serving(carrier) ? carrier->session : NULL;
}

/* ---- Receipts ---- */

static struct receipt *s_pop(struct session *session)
{
    session->receipt_count--;
    return list_item(list_pop(&session->receipts), struct receipt, order);
}

static void s_answer(struct core *core, struct receipt *receipt)
{
    receipt->question->waiting--;
    command_finish(core, receipt->question);
    free(receipt);
}

void session_answer_receipts(struct core *core, struct session *session, uint64_t number)
{
    while (!list_is_empty(&session->receipts) &&
           list_item(list_first(&session->receipts), struct receipt, order)->number <=
               number) {
        struct receipt *receipt = s_pop(session);
        question_took(receipt->question, 1, 0);
        s_answer(core, receipt);
    }
}

void session_refuse_receipts(struct core *core, struct session *session)
{
    while (!list_is_empty(&session->receipts)) {
        struct receipt *receipt = s_pop(session);
        question_refused(receipt->question, 1, answer_key("gone"),
                         answer_key("the session has ended"));
        s_answer(core, receipt);
    }
}

static void s_expect(struct session *session, uint64_t number, struct question *question)
{
    struct receipt *receipt = mem_new(struct receipt);
    list_init(&receipt->order);
    receipt->number = number;
    receipt->question = question;
    question->waiting++;
    list_append(&session->receipts, &receipt->order);
    session->receipt_count++;
}

void session_seen(struct core *core, struct channel *channel, struct wire_text position)
{
    const struct carrier *carrier = channel->carrier;
    struct session *session = carrier ? carrier->session : NULL;
    uint64_t number;
    if (!session || session->state == SESSION_EXPECTED || !position.data ||
        position_read(position, core_epoch(core), &number) < 0 ||
        number > core->sequence.delivered || number <= session->seen)
        return;
    session->seen = number;
    position_write(core_epoch(core), number, session->position);
    session_ring_seen(&session->ring, number);
    session_answer_receipts(core, session, number);
}

/* ---- SEND ---- */

/* NULL, or what a session cannot do. */
static const char *s_unsupported(const struct request *request)
{
    static const char *const options[] = {"status", "length", "format"};
    for (size_t at = 0; at < sizeof options / sizeof *options; at++)
        if (wire_option(request->record, request->options, options[at]).data)
            return "a session is a stream: no status, length or format";
    if (wire_is(wire_option(request->record, request->options, "want"), "written"))
        return "want: accepted or received";
    return NULL;
}

static bool s_is_ours(struct wire_text option)
{
    static const char *const keys[] = {"id=", "reply=", "want=", "close=", "pos="};
    for (size_t at = 0; at < sizeof keys / sizeof *keys; at++) {
        size_t size = strlen(keys[at]);
        if (option.size >= size && memcmp(option.data, keys[at], size) == 0)
            return true;
    }
    return false;
}

/* The options that are passed on, a space before each. */
static struct wire_text s_options(const struct request *request, char room[DOWN_OPTIONS])
{
    size_t size = 0;
    for (size_t at = request->options; at < request->record->count; at++) {
        struct wire_text token = request->record->token[at];
        if (s_is_ours(token))
            continue;
        room[size++] = ' ';
        memcpy(room + size, token.data, token.size);
        size += token.size;
    }
    return (struct wire_text){room, size};
}

/* To the carrier that serves, if it is not behind: 0, -EAGAIN when there is none, or
 * -ENOBUFS or -EMSGSIZE. */
static int s_pass_on(struct core *core, struct session *session, uint64_t number,
                     struct wire_text options, struct wire_text payload)
{
    struct carrier *carrier = session->current;
    char position[POSITION_MAX + 1];
    struct wire_header header;
    if (!carrier || carrier->state != CARRIER_LIVE)
        return -EAGAIN;
    if (carrier->due == 0 && number <= core->sequence.delivered) {
        position_write(core_epoch(core), number, position);
        edge_begin(carrier->channel->edge, &header, "SEND");
        wire_add(&header, carrier->channel->id);
        wire_add_option(&header, "pos", position);
        for (size_t at = 0; at < options.size;) {
            const char *word = options.data + at + 1;
            const char *end = memchr(word, ' ', options.size - at - 1);
            size_t size = end ? (size_t)(end - word) : options.size - at - 1;
            wire_add_text(&header, (struct wire_text){word, size});
            at += size + 1;
        }
        int result = edge_commit(carrier->channel->edge, &header, payload, COMMAND_PLAIN);
        if (result == 0)
            return 0;
    }
    carrier->state = CARRIER_BOUND;
    session->behind = number - 1;
    session_owe(core, carrier, CARRIER_DUE_MORE);
    return -ENOBUFS;
}

/* The application ends the session: what was sent before goes first. */
static void s_close(struct core *core, struct session *session, struct wire_text status,
                    struct wire_text reason)
{
    session->state = SESSION_CLOSING;
    session_set(&session->closing, status.data ? status : (struct wire_text){"", 0});
    session_set(&session->reason, reason);
    if (session->current)
        session_owe(core, session->current, CARRIER_DUE_CLOSE);
    else if (!session_ring_after(&session->ring, session->seen))
        session_end(core, session, session_closed_words(session));
}

/* close=1 is without a status. */
static void s_close_by_option(struct core *core, struct session *session,
                              struct wire_text close)
{
    if (!close.data || wire_is(close, "0"))
        return;
    s_close(core, session, wire_is(close, "1") ? payload_none() : close, payload_none());
}

/* Gives the message a number: 0, or -ENOBUFS when nobody can have it. */
static int s_deliver(const struct request *request, struct session *session,
                     struct wire_text payload, uint64_t *number_out)
{
    struct core *core = request->core;
    char room[DOWN_OPTIONS];
    struct wire_text options = s_options(request, room);
    *number_out = sequence_take(&core->sequence);
    (void)sequence_is_due(&core->sequence, *number_out); // else it waits for its turn
    int held =
        session_ring_add(&session->ring, *number_out, options, payload, core->now_ms);
    int passed = s_pass_on(core, session, *number_out, options,
                           payload.data ? payload : (struct wire_text){"", 0});
    return held < 0 && passed < 0 ? -ENOBUFS : 0;
}

int session_send(const struct request *request, struct session *session,
                 struct wire_text payload, struct question *question)
{
    struct core *core = request->core;
    const struct wire_record *record = request->record;
    struct wire_text close = wire_option(record, request->options, "close");
    bool received = wire_is(wire_option(record, request->options, "want"), "received");
    uint64_t number = core->sequence.delivered;
    if (!session || session->state != SESSION_OPEN)
        return -ENOENT;
    if (s_unsupported(request))
        return -EOPNOTSUPP;
    if (question && received && session->receipt_count >= SESSION_RECEIPTS_MAX)
        return -ENOBUFS;
    int result = 0;
    if (payload.size > 0 || !close.data)
        result = s_deliver(request, session, payload, &number);
    if (result == 0 && question && !question->several) {
        char extra[8 + POSITION_MAX], position[POSITION_MAX + 1];
        position_write(core_epoch(core), number, position);
        snprintf(extra, sizeof extra, "pos=%s", position);
        question_set_extra(question, answer_key(extra));
    }
    if (result == 0 && question && received)
        s_expect(session, number, question);
    else if (result == 0 && question)
        question_took(question, 1, 0);
    s_close_by_option(core, session, close);
    return result;
}

int session_give(const struct request *request, struct wire_text id,
                 struct wire_text data, struct question *question)
{
    struct session *session = session_find(&request->core->sessions, id);
    return session_send(request, session, data, question);
}

uint32_t session_send_each(const struct request *request, struct wire_text sids,
                           struct question *question)
{
    uint32_t failed = 0;
    for (bool more = true; more;) {
        struct wire_text id = answer_first(sids);
        failed += session_give(request, id, payload_of(request->record), question) < 0;
        more = id.size < sids.size;
        sids.data += id.size + more;
        sids.size -= id.size + more;
    }
    return failed;
}

/* ---- Commands ---- */

static bool s_wants_presence(const struct request *request)
{
    return wire_is(wire_option(request->record, request->options, "presence"), "1");
}

/* Nobody is in a pattern. */
static void s_be_present(const struct request *request, const struct session *session,
                         struct session_topic *topic)
{
    if (!s_wants_presence(request) ||
        topic_kind(topic->name, strlen(topic->name)) != TOPIC_NAME)
        return;
    topic->present = true;
    session_enter(request->core, session);
}

/* SUB sid topic: kept with where it begins; the edge that serves hears of it. */
static int s_sub(const struct request *request, struct session *session)
{
    struct core *core = request->core;
    struct wire_text name = request->record->token[2];
    struct wire_text since = wire_option(request->record, request->options, "since");
    struct carrier *carrier = session->current;
    char position[POSITION_MAX + 1];
    uint64_t number;
    if (since.data && position_read(since, core_epoch(core), &number) == -EPROTO)
        return -EINVAL;
    position_write(core_epoch(core), core->sequence.delivered, position);
    struct session_topic *topic =
        session_topic_get(session, name, since.data ? since : answer_key(position));
    if (!topic)
        return -ENOBUFS;
    session->topics_ours = true;
    session_set_slow(session, wire_option(request->record, request->options, "slow"));
    s_be_present(request, session, topic);
    session_changed(core, session);
    if (!carrier || carrier->due & CARRIER_DUE_BIND)
        return 0;
    struct edge *edge = carrier->channel->edge;
    struct wire_header header;
    publish_want(core, edge, name, edge->ring.next);
    edge_begin(edge, &header, "SUB");
    wire_add(&header, carrier->channel->id);
    wire_add_text(&header, name);
    wire_add_option(&header, "pos", position);
    wire_add_option(&header, "since", topic->position); // perhaps of an earlier SUB
    command_add_options(request, &header);
    if (topic->present && !s_wants_presence(request))
        wire_add_option(&header, "presence", "1"); // by an earlier SUB
    if (edge_commit(edge, &header, payload_none(), COMMAND_PLAIN) < 0)
        session_owe(core, carrier, CARRIER_DUE_BIND); // it says so too
    return 0;
}

static int s_unsub(const struct request *request, struct session *session)
{
    struct session_topic *topic = session_topic_find(session, request->record->token[2]);
    struct carrier *carrier = session->current;
    if (!topic)
        return 0;
    session_exit(request->core, session, topic);
    session_topic_remove(session, &topic);
    session->topics_ours = true;
    session_changed(request->core, session);
    if (!carrier || carrier->due & CARRIER_DUE_BIND) // which names those that are left
        return 0;
    struct edge *edge = carrier->channel->edge;
    struct wire_header header;
    edge_begin(edge, &header, "UNSUB");
    wire_add(&header, carrier->channel->id);
    wire_add_text(&header, request->record->token[2]);
    if (edge_commit(edge, &header, payload_none(), COMMAND_PLAIN) < 0)
        session_owe(request->core, carrier, CARRIER_DUE_BIND);
    return 0;
}

static int s_carry_out(const struct request *request, struct session *session,
                       struct question *question)
{
    const struct wire_record *record = request->record;
    struct wire_text verb = record->token[0];
    int result = 0;
    if (wire_is(verb, "SEND"))
        return session_send(request, session, payload_of(record), question);
    if (wire_is(verb, "ACCEPT"))
        return -EOPNOTSUPP;
    if (!session || session->state != SESSION_OPEN)
        return -ENOENT;
    if (wire_is(verb, "CLOSE"))
        s_close(request->core, session,
                request->options == 3 ? record->token[2] : payload_none(),
                payload_of(record));
    else if (wire_is(verb, "SUB"))
        result = s_sub(request, session);
    else if (wire_is(verb, "UNSUB"))
        result = s_unsub(request, session);
    else if (session->current) // a label: the copy has it too
        session_owe(request->core, session->current, CARRIER_DUE_BIND);
    else
        session_changed(request->core, session);
    if (result == 0 && question)
        question_took(question, 1, 0);
    return result;
}

static void s_refuse(const struct request *request, int result)
{
    struct wire_text key = request->record->token[1];
    core_dropped(request->core, CORE_DROP_TARGET);
    if (result == -EOPNOTSUPP)
        answer_error(request, key, "unsupported",
                     wire_is(request->record->token[0], "ACCEPT")
                         ? "a session is accepted already"
                         : s_unsupported(request));
    else if (result == -EINVAL)
        answer_error(request, key, "value", "since: not a position");
    else if (result == -ENOBUFS)
        answer_error_always(request, key, "full", "no room in the session");
    else
        answer_error(request, key, "gone", "no such session");
}

int session_command(struct request *request)
{
    struct core *core = request->core;
    struct wire_text id = request->record->token[1];
    struct session *session = session_find(&core->sessions, id);
    struct question *question = command_question(request, id);
    core->stats.commands++;
    int result = s_carry_out(request, session, question);
    if (result < 0) {
        if (question)
            question_drop(&core->replies, &question);
        s_refuse(request, result);
    } else if (question) {
        command_finish(core, question);
    }
    return result;
}

void session_carrier_live(struct core *core, struct channel *channel)
{
    struct carrier *carrier = channel->carrier;
    if (!carrier || carrier->state != CARRIER_BOUND)
        return;
    carrier->state = CARRIER_LIVE;
    carrier->due &= ~(unsigned)CARRIER_DUE_MORE; // the replay went beyond
    if (carrier->session->state == SESSION_CLOSING)
        session_owe(core, carrier, CARRIER_DUE_CLOSE);
}
