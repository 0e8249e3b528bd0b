/* The one check of every record against its sender's key: section 8 of the
 * specification. */
#include "broker/dispatch.h"

#include <stdio.h>
#include <string.h>

void permit_deny(struct core *core, const struct authority *authority,
                 struct wire_text verb, struct wire_text subject)
{
    struct core_denied *denied = &core->denied;
    size_t verb_size = verb.size < sizeof denied->verb ? verb.size : 0;
    size_t size =
        subject.size < sizeof denied->subject ? subject.size : sizeof denied->subject - 1;
    core_dropped(core, CORE_DROP_DENIED);
    *denied = (struct core_denied){.key = ""};
    snprintf(denied->key, sizeof denied->key, "%s",
             authority->kind == AUTHORITY_NONE ? "-" : authority->name);
    memcpy(denied->verb, verb.data, verb_size);
    memcpy(denied->subject, subject.data, size);
}

/* Denied: counted, remembered for the log, and answered if the sender asked. */
static bool s_deny(const struct request *request, struct wire_text key, const char *why)
{
    permit_deny(request->core, request->from->authority, request->record->token[0], key);
    answer_error(request, key, "denied", why);
    return false;
}

static bool s_service(const struct request *request, struct wire_text service)
{
    return authority_has_service(request->from->authority, service) ||
           s_deny(request, service, "service: the key does not allow it");
}

static bool s_topic(const struct request *request, struct wire_text topic)
{
    return authority_has_topic(request->from->authority, topic) ||
           s_deny(request, topic, "topic: the key does not allow it");
}

bool permit_channel(const struct core *core, const struct authority *authority,
                    struct wire_text id)
{
    if (authority_has_every_service(authority))
        return true;
    const struct channel *channel = channel_find(&core->channels, id);
    if (!channel)
        return true; // that is not for the key to say: see permit_target
    const char *service = channel->service->name;
    return authority_has_service(authority, (struct wire_text){service, strlen(service)});
}

/* One channel, or several with commas between them. */
static bool s_channels(const struct request *request, struct wire_text list)
{
    if (authority_has_every_service(request->from->authority))
        return true;
    for (bool more = true; more;) {
        struct wire_text id = answer_first(list);
        if (!permit_channel(request->core, request->from->authority, id))
            return s_deny(request, answer_first(request->record->token[1]),
                          "channel: the key does not allow its service");
        more = id.size < list.size;
        list.data += id.size + more;
        list.size -= id.size + more;
    }
    return true;
}

static bool s_question(const struct request *request)
{
    const struct wire_record *record = request->record;
    bool of = record->count > 2;
    if (of && (wire_is(record->token[1], "info") || wire_is(record->token[1], "session")))
        return permit_channel(request->core, request->from->authority,
                              record->token[2]) ||
               s_deny(request, record->token[2],
                      "channel: the key does not allow its service");
    if (of && wire_is(record->token[1], "list"))
        return s_service(request, record->token[2]);
    if (of && wire_is(record->token[1], "presence"))
        return s_topic(request, record->token[2]);
    if (of && wire_is(record->token[1], "history"))
        return s_topic(request, record->token[2]);
    if (wire_is(record->token[1], "topics"))
        return true; // it sees those that it has
    return authority_has_every_service(request->from->authority) ||
           s_deny(request, record->token[1], "the key does not allow every service");
}

bool permit_request(const struct request *request, enum permit need)
{
    struct wire_text first = request->record->token[1];
    switch (need) {
    case PERMIT_SERVICE:
        return s_service(request, first);
    case PERMIT_CHANNELS:
        return s_channels(request, first);
    case PERMIT_CHANNEL_AND_TOPIC:
        return s_channels(request, first) && s_topic(request, request->record->token[2]);
    case PERMIT_TOPIC:
        return s_topic(request, first);
    case PERMIT_QUESTION:
        return s_question(request);
    case PERMIT_WORKER: // its tags name only what it was given
    case PERMIT_EACH:
        break;
    }
    return true;
}

struct edge *permit_target(struct core *core, const struct authority *authority,
                           struct wire_text channel)
{
    if (session_id_is_valid(channel))
        return channel_find(&core->channels, channel) ? core->sessions.edge : NULL;
    if (authority_has_every_service(authority))
        return edge_life_expect(core, channel);
    return channel_find(&core->channels, channel) ? edge_of_channel(&core->edges, channel)
                                                  : NULL;
}

static bool s_may_stay(const struct worker *worker)
{
    struct link *at = list_first(&worker->members);
    for (; at; at = list_after(&worker->members, at)) {
        const char *name = list_item(at, struct member, of_worker)->service->name;
        if (!authority_has_service(worker->authority,
                                   (struct wire_text){name, strlen(name)}))
            return false;
    }
    return true;
}

static void s_check_edges(struct core *core)
{
    struct edge *edge = edge_first(&core->edges), *next;
    for (; edge; edge = next) {
        const char *dot = memchr(edge->id, '.', edge->id_size);
        struct wire_text name = {edge->id, (size_t)(dot - edge->id)};
        next = edge_after(edge);
        if (authority_has_edge(edge->authority, name))
            continue;
        permit_deny(core, edge->authority, answer_key("HELLO"), name);
        core->stats.lost_edges++;
        edge_life_bury(core, edge);
    }
}

void core_authority_changed(struct core *self)
{
    s_check_edges(self);
    presence_judge(self);
    struct worker *worker = worker_first(&self->workers);
    for (; worker; worker = worker_after(worker))
        if (!s_may_stay(worker) && !list_has(&worker->failed)) {
            permit_deny(self, worker->authority, answer_key("JOIN"), answer_key("-"));
            list_append(&self->failed, &worker->failed);
        }
    /* Together: none of them may get what another one leaves. */
    for (struct link *first; (first = list_first(&self->failed));)
        dispatch_bury(self, list_item(first, struct worker, failed));
}

const struct core_denied *core_last_denied(const struct core *self)
{
    return &self->denied;
}
