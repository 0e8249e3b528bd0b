/* GET session. */
#include "broker/session_core.h"

#include <jansson.h>
#include <stdlib.h>

static json_t *s_number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *s_carriers(const struct session *session)
{
    json_t *list = json_array();
    const struct link *at = list_first(&session->carriers);
    for (; at; at = list_after(&session->carriers, at)) {
        const struct carrier *carrier = list_item(at, struct carrier, of_session);
        json_array_append_new(list, json_string(carrier->channel->id));
    }
    return list;
}

static json_t *s_topics(const struct session *session)
{
    json_t *list = json_array();
    const struct link *at = list_first(&session->topics);
    for (; at; at = list_after(&session->topics, at))
        json_array_append_new(
            list, json_string(list_item(at, struct session_topic, order)->name));
    return list;
}

static json_t *s_describe(const struct session *session)
{
    const struct label *label = session->channel ? session->channel->label : NULL;
    const struct carrier *current = session->current;
    json_t *value = json_object();
    json_object_set_new(value, "session", json_string(session->id));
    json_object_set_new(value, "state", json_string(session_state_name(session)));
    json_object_set_new(value, "service", json_string(session->service->name));
    json_object_set_new(value, "label", label ? json_string(label->name) : json_null());
    json_object_set_new(value, "carrier",
                        current ? json_string(current->channel->id) : json_null());
    json_object_set_new(value, "carriers", s_carriers(session));
    json_object_set_new(value, "att", s_number(session->att));
    json_object_set_new(value, "n", s_number(session->taken));
    json_object_set_new(value, "up", s_number(session->up));
    json_object_set_new(value, "unacknowledged", s_number(session->messages));
    json_object_set_new(value, "seen", json_string(session->position));
    json_object_set_new(value, "ring_bytes", s_number(session->ring.bytes));
    json_object_set_new(value, "topics", s_topics(session));
    return value;
}

void session_describe(const struct request *request, struct wire_text id)
{
    const struct session *session = session_find(&request->core->sessions, id);
    if (!session || session->state == SESSION_EXPECTED) {
        answer_error_always(request, id, "gone", "no such session");
        return;
    }
    json_t *value = s_describe(session);
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    if (text)
        answer_info(request, id, text);
    free(text);
}
