/* Presence of sessions: the broker owns them, so it is its own word that they are there,
 * from their SUB until they UNSUB or are over, whatever carriers and edges do. */
#include "broker/session_core.h"

#include <string.h>

void session_enter(struct core *core, const struct session *session)
{
    const struct label *label = session->channel ? session->channel->label : NULL;
    struct link *at = list_first(&session->topics);
    if (session->state != SESSION_OPEN && session->state != SESSION_CLOSING)
        return;
    for (; at; at = list_after(&session->topics, at)) {
        const struct session_topic *topic = list_item(at, struct session_topic, order);
        if (topic->present)
            presence_enter(core, core->sessions.edge, answer_key(topic->name),
                           answer_key(session->id), answer_key(label ? label->name : ""));
    }
}

void session_exit(struct core *core, const struct session *session,
                  const struct session_topic *topic)
{
    if (topic->present)
        presence_exit(core, answer_key(topic->name), answer_key(session->id));
}

void session_leave(struct core *core, const struct session *session)
{
    struct link *at = list_first(&session->topics);
    for (; at; at = list_after(&session->topics, at))
        session_exit(core, session, list_item(at, struct session_topic, order));
}

void session_relabelled(struct core *core, struct wire_text id)
{
    const struct session *session = session_find(&core->sessions, id);
    if (session)
        session_enter(core, session);
}
