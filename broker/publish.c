#include "broker/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* SUB: the interest is there before the command, so that no publication after it is
 * missed. */
void command_sub(struct request *request)
{
    struct core *core = request->core;
    struct wire_text channel = request->record->token[1];
    struct edge *edge = channel_id_is_valid(channel) && !session_id_is_valid(channel)
                            ? permit_target(core, request->from->authority, channel)
                            : NULL;
    if (!topic_name_is_valid(request->record->token[2])) {
        core_dropped(core, CORE_DROP_VALUE);
        answer_error(request, channel, "value", "topic: 1 to 255 bytes");
        return;
    }
    if (!edge) {
        (void)command_one(request); // it says what is wrong
        return;
    }
    struct topic *topic = topic_get(&core->topics, request->record->token[2]);
    if (!topic) {
        answer_error_always(request, channel, "full", "too many topics");
        return;
    }
    struct interest *interest = interest_get(topic, edge);
    uint64_t c = edge->ring.next;
    if (command_one(request) == 0)
        interest->since_c = c;
    else if (interest->since_c == 0 && !interest->top_due)
        interest_destroy(&core->topics, &interest);
}

void publish_want(struct core *core, struct edge *edge, struct wire_text name, uint64_t c)
{
    struct topic *topic = topic_get(&core->topics, name);
    if (topic)
        interest_get(topic, edge)->since_c = c;
}

void command_unsub(struct request *request)
{
    (void)command_one(request);
}

static void s_position(const struct core *core, uint64_t position, char out[40])
{
    snprintf(out, 40, "%s:%" PRIu64, core->boot, position);
}

/* What the edge is owed for this topic before anything else of it: 0, or -ENOBUFS. */
static int s_settle(struct core *core, struct interest *interest)
{
    struct edge *edge = interest->edge;
    struct wire_header header;
    char from[40], to[40];
    s_position(core, interest->lost_from, from);
    s_position(core, interest->lost_to, to);
    edge_begin(edge, &header, interest->top_due ? "TOP" : "LOST");
    wire_add(&header, interest->topic->name);
    if (interest->top_due)
        s_position(core, interest->topic->position, from);
    wire_add(&header, from);
    if (!interest->top_due)
        wire_add(&header, to);
    uint64_t c = edge->ring.next;
    int result = edge_commit(edge, &header, payload_none(),
                             interest->top_due ? COMMAND_CONTROL : COMMAND_PLAIN);
    if (result < 0)
        return result;
    if (interest->top_due)
        interest->since_c = c;
    interest->top_due = false;
    list_remove(&interest->lost);
    return 0;
}

static int s_publish_to(struct core *core, struct interest *interest,
                        const struct request *request, const char *position)
{
    struct edge *edge = interest->edge;
    struct wire_header header;
    if (list_has(&interest->lost) && s_settle(core, interest) < 0)
        return -ENOBUFS;
    edge_begin(edge, &header, "PUB");
    wire_add_text(&header, request->record->token[1]);
    wire_add(&header, position);
    command_add_options(request, &header);
    return edge_commit(edge, &header, payload_of(request->record), COMMAND_PLAIN);
}

static void s_tap_publication(const struct request *request, const char *position)
{
    struct wire_header header;
    wire_begin(&header, "PUB");
    wire_add_text(&header, request->record->token[1]);
    wire_add(&header, position);
    command_add_options(request, &header);
    tap_publication(request->core, request->record->token[1], &header,
                    payload_of(request->record));
}

/* The publication is taken: its position is the answer. */
static void s_answer_publication(const struct request *request, const char *position)
{
    struct core *core = request->core;
    struct question *question = command_question(request, request->record->token[1]);
    char option[48];
    if (!question)
        return;
    snprintf(option, sizeof option, "pos=%s", position);
    question_set_extra(question, answer_key(option));
    question_took(question, 1, 0);
    command_finish(core, question);
}

/* Does the header fit with what we add, number and position?  Else every edge would lose
 * it. */
static bool s_fits(const struct wire_record *record)
{
    size_t size = sizeof "PUB" + 20 + 40;
    for (size_t at = 1; at < record->count; at++)
        size += record->token[at].size + 1;
    return size <= WIRE_HEADER_MAX;
}

/* NULL, or what is wrong with a PUB. */
static const char *s_bad_publication(const struct request *request)
{
    struct wire_text except = wire_option(request->record, request->options, "except");
    if (!topic_name_is_valid(request->record->token[1]))
        return "topic: 1 to 255 bytes";
    if (except.data && !channel_id_is_valid(except))
        return "except: not the id of a channel";
    if (!s_fits(request->record))
        return "header: too long to be passed on";
    return command_bad_option(request);
}

static void s_publish(const struct request *request)
{
    struct core *core = request->core;
    struct topic *topic = topic_get(&core->topics, request->record->token[1]);
    uint64_t number = topic_publish(&core->topics, topic);
    char position[40];
    s_position(core, number, position);
    core->stats.publications++;
    struct link *at = topic ? list_first(&topic->interests) : NULL;
    for (; at; at = list_after(&topic->interests, at)) {
        struct interest *interest = list_item(at, struct interest, of_topic);
        if (s_publish_to(core, interest, request, position) == 0)
            continue;
        interest_lose(interest, number);
        core->stats.lost_publications++;
    }
    if (core->tapped)
        s_tap_publication(request, position);
    s_answer_publication(request, position);
}

void command_pub(struct request *request)
{
    struct wire_text name = request->record->token[1];
    const char *bad = s_bad_publication(request);
    if (bad) {
        core_dropped(request->core, CORE_DROP_VALUE);
        answer_error(request, name, "value", bad);
    } else if (!request->record->has_payload) {
        core_dropped(request->core, CORE_DROP_SYNTAX);
        answer_error(request, name, "syntax", "no payload");
    } else if (!command_is_repeated(request)) {
        s_publish(request);
    }
}

void publish_tsub(struct core *core, struct edge *edge, struct wire_text name)
{
    struct topic *topic =
        topic_name_is_valid(name) ? topic_get(&core->topics, name) : NULL;
    if (!topic) {
        core_dropped(core, CORE_DROP_VALUE);
        return;
    }
    struct interest *interest = interest_get(topic, edge);
    interest->top_due = true;
    if (!list_has(&interest->lost))
        list_append(&edge->lost, &interest->lost);
    (void)s_settle(core, interest);
}

void publish_catch_up(struct core *core, struct edge *edge)
{
    struct link *first;
    while ((first = list_first(&edge->lost)))
        if (s_settle(core, list_item(first, struct interest, lost)) < 0)
            return;
}

/* TUNSUB topic lastc: rule 9. */
void publish_tunsub(struct core *core, struct edge *edge, struct wire_text name,
                    uint64_t lastc)
{
    struct topic *topic = topic_find(&core->topics, name);
    struct interest *interest = topic ? interest_find(topic, edge) : NULL;
    if (interest && interest->since_c <= lastc && !interest->top_due)
        interest_destroy(&core->topics, &interest);
}

void publish_abandon(struct core *core, struct edge *edge)
{
    struct link *first;
    while ((first = list_first(&edge->interests))) {
        struct interest *interest = list_item(first, struct interest, of_edge);
        interest_destroy(&core->topics, &interest);
    }
}
