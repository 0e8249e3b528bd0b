#include "broker/command.h"

#include <errno.h>

/* Topics: what edges want, what they are owed.  Publications themselves: post.c. */

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
        answer_error(request, channel, "value",
                     "topic: 1 to 255 bytes, with * only in /* or /** at the end");
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

/* What a cursor must reach to have nothing missed: a hole may hold something of every
 * topic. */
static uint64_t s_top(const struct core *core, const struct topic *topic)
{
    const struct sequence *sequence = &core->sequence;
    uint64_t hole = sequence->holes ? sequence->hole[sequence->holes - 1].to : 0;
    return hole > topic->position ? hole : topic->position;
}

/* What the edge is owed for this topic before anything else of it: 0, or -ENOBUFS. */
static int s_settle(struct core *core, struct interest *interest)
{
    struct edge *edge = interest->edge;
    struct wire_header header;
    char from[SEQUENCE_POSITION], to[SEQUENCE_POSITION];
    sequence_text(&core->sequence, interest->lost_from, from);
    sequence_text(&core->sequence, interest->lost_to, to);
    edge_begin(edge, &header, interest->top_due ? "TOP" : "LOST");
    wire_add(&header, interest->topic->name);
    if (interest->top_due)
        sequence_text(&core->sequence, s_top(core, interest->topic), from);
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
