#include "broker/query.h"

#include "broker/dispatch.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    QUERY_LIST = 1000,      // channels in a list when `limit=` does not say
    QUERY_LIST_MAX = 10000, // at most
};

void query_say(const struct request *request, struct wire_text key, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    if (text)
        answer_info(request, key, text);
    free(text);
}

static json_t *s_number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static void s_stats(const struct request *request)
{
    const struct core_stats *stats = core_measure(request->core);
    json_t *value = json_object();
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"edges", stats->edges},           {"workers", stats->workers},
        {"services", stats->services},     {"channels", stats->channels},
        {"parked", stats->parked},         {"topics", stats->topics},
        {"events", stats->events},         {"acks", stats->acks},
        {"commands", stats->commands},     {"publications", stats->publications},
        {"resends", stats->resends},       {"ring_records", stats->ring_records},
        {"ring_bytes", stats->ring_bytes},
    };
    json_object_set_new(value, "boot", json_string(request->core->boot));
    for (size_t at = 0; at < sizeof numbers / sizeof *numbers; at++)
        json_object_set_new(value, numbers[at].name, s_number(numbers[at].value));
    json_t *dropped = json_object();
    for (int why = 0; why < CORE_DROPS; why++)
        json_object_set_new(dropped, core_drop_name((enum core_drop)why),
                            s_number(stats->dropped[why]));
    json_object_set_new(value, "dropped", dropped);
    query_say(request, answer_key("stats"), value);
}

static json_t *s_worker(const struct member *member)
{
    if (!member)
        return json_null();
    const struct worker *worker = member->worker;
    json_t *value = json_object();
    json_object_set_new(value, "inc", json_string(worker->prefix));
    json_object_set_new(value, "name",
                        worker->name ? json_string(worker->name->text) : json_null());
    json_object_set_new(value, "window", json_integer(worker->window));
    json_object_set_new(value, "outstanding", json_integer(worker->outstanding));
    json_object_set_new(value, "channels", s_number(worker->channel_count));
    json_object_set_new(value, "leaving", json_boolean(member->leaving));
    return value;
}

static void s_channel(const struct request *request, struct wire_text id)
{
    const struct channel *channel = channel_find(&request->core->channels, id);
    if (!channel || channel->carrier) {
        answer_error_always(request, id, "gone", "no such channel");
        return;
    }
    json_t *value = json_object();
    json_object_set_new(value, "channel", json_string(channel->id));
    json_object_set_new(value, "service", json_string(channel->service->name));
    json_object_set_new(value, "carrier", json_string(channel->ws ? "ws" : "http"));
    json_object_set_new(value, "state", json_string(channel_state_name(channel->state)));
    json_object_set_new(value, "edge",
                        channel->edge ? json_string(channel->edge->id) : json_null());
    json_object_set_new(value, "worker", s_worker(channel->member));
    json_object_set_new(value, "label",
                        channel->label ? json_string(channel->label->name) : json_null());
    json_object_set_new(value, "last", s_number(channel->last));
    json_object_set_new(value, "acked", s_number(channel->acked));
    json_object_set_new(value, "gen", s_number(channel->gen));
    query_say(request, id, value);
}

/* Appends the ids of a list of channels, as long as the list of ids is below its limit.
 */
static void s_add_channels(json_t *ids, const struct link *list, size_t limit)
{
    const struct link *at = list_first(list);
    for (; at && json_array_size(ids) < limit; at = list_after(list, at)) {
        const struct channel *channel = list_item(at, struct channel, place);
        json_array_append_new(ids, json_string(channel->id));
    }
}

/* limit=, or what is usual. */
static size_t s_limit(const struct request *request)
{
    uint64_t limit;
    if (wire_u64(wire_option(request->record, 3, "limit"), &limit) < 0)
        return QUERY_LIST;
    return limit > QUERY_LIST_MAX ? QUERY_LIST_MAX : (size_t)limit;
}

static void s_list(const struct request *request, struct wire_text name)
{
    const struct service *service = service_find(&request->core->services, name);
    size_t limit = s_limit(request);
    if (!service) {
        answer_error_always(request, name, "gone", "no such service");
        return;
    }
    json_t *workers = json_array(), *ids = json_array(), *value = json_object();
    const struct link *at = list_first(&service->members);
    for (; at && json_array_size(workers) < limit;
         at = list_after(&service->members, at)) {
        const struct member *member = list_item(at, struct member, of_service);
        json_array_append_new(workers, s_worker(member));
        s_add_channels(ids, &member->channels, limit);
    }
    s_add_channels(ids, &service->unbound, limit);
    json_object_set_new(value, "service", json_string(service->name));
    json_object_set_new(value, "count",
                        s_number(service->channel_count - service->carrier_count));
    json_object_set_new(value, "workers", workers);
    json_object_set_new(value, "channels", ids);
    query_say(request, name, value);
}

static json_t *s_presence(const struct presence *topic, struct wire_text name,
                          size_t limit)
{
    json_t *value = json_object(), *list = json_array();
    struct table_entry *at = topic ? topic->present.first : NULL;
    for (; at && json_array_size(list) < limit; at = table_after(at)) {
        const struct present *who = table_item(at, struct present, by_id);
        json_t *one = json_object();
        json_object_set_new(one, "id", json_string(who->id));
        json_object_set_new(one, "label",
                            *who->label ? json_string(who->label) : json_null());
        json_array_append_new(list, one);
    }
    json_object_set_new(value, "topic", json_stringn(name.data, name.size));
    json_object_set_new(value, "count", s_number(topic ? topic->count : 0));
    json_object_set_new(value, "full", json_boolean(topic && topic->full));
    json_object_set_new(value, "present", list);
    return value;
}

char *query_presence(const struct presence *topic, size_t limit)
{
    struct wire_text name = {topic->name, topic->size};
    json_t *value = s_presence(topic, name, limit);
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    return text;
}

void query_get(struct request *request)
{
    const struct wire_record *record = request->record;
    struct wire_text what = record->token[1];
    struct wire_text of = record->count > 2 ? record->token[2] : payload_none();
    if (wire_is(what, "stats"))
        s_stats(request);
    else if (wire_is(what, "info") && of.data)
        s_channel(request, of);
    else if (wire_is(what, "session") && of.data)
        session_describe(request, of);
    else if (wire_is(what, "list") && of.data)
        s_list(request, of);
    else if (wire_is(what, "presence") && of.data)
        query_say(request, of,
                  s_presence(presence_find(&request->core->presences, of), of,
                             s_limit(request)));
    else if (wire_is(what, "history") && of.data)
        query_history(request, of);
    else if (wire_is(what, "topics"))
        query_topics(request, of);
    else
        answer_error_always(request, what, "value",
                            "stats, info CHANNEL, list SERVICE, presence TOPIC, history "
                            "TOPIC or topics PREFIX");
}

/* Is this channel's edge one that is still expected to announce it? */
static bool s_may_come(struct core *core, struct wire_text id)
{
    if (session_id_is_valid(id)) {
        if (session_may_come(core, id))
            return true;
        fence_add(&core->fence, id.data, id.size, core->now_ms + CORE_FENCE_MS);
        return false;
    }
    const struct edge *edge = edge_of_channel(&core->edges, id);
    const char *dot = memrchr(id.data, '.', id.size);
    if (edge)
        return !edge->synced;
    if (edge_life_may_come(core, id))
        return true;
    /* Whoever is told that the channel is gone must be right: the edge may not come back.
     */
    fence_add(&core->fence, id.data, (size_t)(dot - id.data),
              core->now_ms + CORE_FENCE_MS);
    return false;
}

static const char *s_check(struct core *core, uint64_t peer, struct wire_text id)
{
    const struct channel *channel = channel_find(&core->channels, id);
    if (channel && channel->carrier)
        channel = NULL;
    if (channel ? channel->finished : fence_has(&core->told, id.data, id.size))
        return channel && !channel->shared ? "CLOSE" : "MOVED";
    if (!channel)
        return s_may_come(core, id) ? "LATER" : "CLOSE";
    if (!channel->member)
        return "LATER";
    return channel->member->worker->peer == peer ? "OK" : "MOVED";
}

/* CHECK: for each channel OK, MOVED, LATER or CLOSE. */
void query_check(struct request *request)
{
    const struct wire_record *record = request->record;
    const struct output *output = &request->core->output;
    for (size_t at = 1; at < record->count; at++) {
        struct wire_text id = record->token[at];
        if (memchr(id.data, '=', id.size))
            continue;
        if (!channel_id_is_valid(id)) {
            answer_error(request, id, "value", "channel: not the id of one");
            continue;
        }
        if (!permit_channel(request->core, request->from->authority, id)) {
            permit_deny(request->core, request->from->authority, record->token[0], id);
            answer_error(request, id, "denied",
                         "channel: the key does not allow its service");
            continue;
        }
        const char *verb = s_check(request->core, request->from->peer, id);
        struct wire_header header;
        wire_begin(&header, verb);
        wire_add_text(&header, id);
        wire_add(&header, "-");
        wire_add_text(&header, request->id);
        if (strcmp(verb, "CLOSE") == 0) {
            wire_add(&header, "1006");
            wire_add_option(&header, "cause", "edge-lost");
        }
        if (!header.overflow && request->from->peer)
            (void)output->to_app(output->context, request->from, &header,
                                 strcmp(verb, "CLOSE") == 0 ? answer_key("")
                                                            : payload_none());
    }
}
