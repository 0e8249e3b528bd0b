#include "broker/session.h"

#include "common/mem.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char s_prefix[] = "session.";

static bool s_is_hex(const char *text)
{
    for (size_t at = 0; at < 16; at++)
        if (!isxdigit((unsigned char)text[at]))
            return false;
    return true;
}

bool session_id_is_valid(struct wire_text id)
{
    size_t prefix = sizeof s_prefix - 1;
    return id.size == SESSION_ID_SIZE && memcmp(id.data, s_prefix, prefix) == 0 &&
           s_is_hex(id.data + prefix) && id.data[prefix + 16] == '.' &&
           s_is_hex(id.data + prefix + 17);
}

void sessions_init(struct sessions *self)
{
    *self = (struct sessions){.count = 0};
    list_init(&self->expected);
    list_init(&self->away);
    list_init(&self->ended);
    list_init(&self->due);
    list_init(&self->stuck);
    list_init(&self->forgets);
    list_init(&self->stale);
    list_init(&self->unsaid);
    list_init(&self->unsure);
}

struct session *session_find(const struct sessions *self, struct wire_text id)
{
    struct table_entry *found = table_find(&self->by_id, id.data, id.size);
    return found ? table_item(found, struct session, by_id) : NULL;
}

struct session *session_new(struct sessions *self, struct wire_text id)
{
    struct session *session = mem_new(struct session);
    assert(id.size == SESSION_ID_SIZE);
    memcpy(session->id, id.data, id.size);
    session->gen = 1;
    list_init(&session->place);
    list_init(&session->carriers);
    list_init(&session->of_holder);
    list_init(&session->of_announcer);
    list_init(&session->of_stale);
    list_init(&session->of_unsure);
    list_init(&session->events);
    list_init(&session->receipts);
    list_init(&session->topics);
    session_ring_init(&session->ring, &self->rings);
    table_add(&self->by_id, &session->by_id, session->id, id.size);
    self->count++;
    return session;
}

static void s_free_event(struct session *self, struct session_event *event)
{
    bool message = event->verb == SESSION_SAYS_TEXT || event->verb == SESSION_SAYS_BIN;
    bool note = event->verb == SESSION_SAYS_LOST ||
                event->verb == SESSION_SAYS_ATTACHED ||
                event->verb == SESSION_SAYS_DETACHED;
    self->messages -= message;
    self->notes -= note;
    self->bytes -= message ? event->payload->size : 0;
    blob_unref(&event->payload);
    free(event);
}

static struct session_event *s_oldest(const struct session *self)
{
    return list_item(list_first(&self->events), struct session_event, order);
}

static struct session_event *s_pop(struct session *self)
{
    return list_item(list_pop(&self->events), struct session_event, order);
}

void session_destroy(struct sessions *sessions, struct session **self_p)
{
    struct session *self = *self_p;
    *self_p = NULL;
    assert(list_is_empty(&self->carriers) && list_is_empty(&self->receipts));
    while (!list_is_empty(&self->events))
        s_free_event(self, s_pop(self));
    while (!list_is_empty(&self->topics))
        free(list_item(list_pop(&self->topics), struct session_topic, order));
    session_ring_clear(&self->ring);
    sessions->ended_count -= self->state == SESSION_ENDED;
    list_remove(&self->place);
    list_remove(&self->of_holder);
    list_remove(&self->of_announcer);
    list_remove(&self->of_stale);
    list_remove(&self->of_unsure);
    table_remove(&sessions->by_id, &self->by_id);
    sessions->count--;
    blob_unref(&self->meta);
    free(self->as);
    free(self->former);
    free(self->reason);
    free(self->worker);
    free(self->closing);
    free(self);
}

const char *session_state_name(const struct session *self)
{
    static const char *const names[] = {
        [SESSION_EXPECTED] = "expected",
        [SESSION_OPEN] = "detached",
        [SESSION_CLOSING] = "closing",
        [SESSION_ENDED] = "ended",
    };
    return self->state == SESSION_OPEN && self->current ? "attached" : names[self->state];
}

void session_set(char **text_p, struct wire_text text)
{
    free(*text_p);
    *text_p = text.data ? mem_strndup(text.data, text.size) : NULL;
}

void session_set_meta(struct session *self, struct wire_text payload)
{
    blob_unref(&self->meta);
    if (payload.data)
        self->meta = blob_new(payload.data, payload.size);
}

bool session_has_room(const struct session *self, size_t size)
{
    return self->messages == 0 || (self->messages < SESSION_MESSAGES_MAX &&
                                   self->bytes + size <= SESSION_BYTES_MAX);
}

struct session_event *session_add(struct session *self, enum session_verb verb,
                                  uint64_t n, const char *words, struct wire_text payload)
{
    size_t size = strlen(words) + 1;
    struct blob *copy = NULL;
    if (payload.data && !(copy = blob_new(payload.data, payload.size)))
        return NULL;
    struct session_event *event = mem_alloc(sizeof *event + size);
    event->verb = verb;
    event->n = n;
    event->payload = copy;
    event->seq = ++self->last;
    memcpy(event->words, words, size);
    list_init(&event->order);
    list_append(&self->events, &event->order);
    if (verb == SESSION_SAYS_TEXT || verb == SESSION_SAYS_BIN) {
        self->messages++;
        self->bytes += payload.size;
        self->lost_told = false;
    } else if (verb != SESSION_SAYS_OPEN && verb != SESSION_SAYS_CLOSE) {
        self->notes++;
        self->lost_told |= verb == SESSION_SAYS_LOST;
    }
    return event;
}

bool session_acknowledge(struct session *self, uint64_t seq)
{
    bool closed = false;
    while (!list_is_empty(&self->events) && s_oldest(self)->seq <= seq) {
        struct session_event *event = s_pop(self);
        closed |= event->verb == SESSION_SAYS_CLOSE;
        if (event->n > self->up) {
            self->up = event->n;
            self->up_elsewhere |= event->elsewhere;
        }
        s_free_event(self, event);
    }
    if (seq > self->acked)
        self->acked = seq;
    return closed;
}

const struct session_event *session_event_of(const struct session *self, uint64_t n)
{
    for (struct link *at = list_first(&self->events); at;
         at = list_after(&self->events, at)) {
        const struct session_event *event = list_item(at, struct session_event, order);
        if (event->n == n)
            return event;
    }
    return NULL;
}

const char *session_verb_name(enum session_verb verb)
{
    static const char *const names[] = {
        [SESSION_SAYS_OPEN] = "OPEN",         [SESSION_SAYS_TEXT] = "TEXT",
        [SESSION_SAYS_BIN] = "BIN",           [SESSION_SAYS_LOST] = "LOST",
        [SESSION_SAYS_ATTACHED] = "ATTACHED", [SESSION_SAYS_DETACHED] = "DETACHED",
        [SESSION_SAYS_CLOSE] = "CLOSE",
    };
    return names[verb];
}

struct session_topic *session_topic_find(const struct session *self,
                                         struct wire_text name)
{
    for (struct link *at = list_first(&self->topics); at;
         at = list_after(&self->topics, at)) {
        struct session_topic *topic = list_item(at, struct session_topic, order);
        if (wire_is(name, topic->name))
            return topic;
    }
    return NULL;
}

struct session_topic *session_topic_get(struct session *self, struct wire_text name,
                                        struct wire_text position)
{
    struct session_topic *topic = session_topic_find(self, name);
    if (topic || self->topic_count == SESSION_TOPICS_MAX)
        return topic;
    topic = mem_alloc(sizeof *topic + name.size + 1);
    memcpy(topic->name, name.data, name.size);
    topic->name[name.size] = 0;
    assert(position.size <= POSITION_MAX);
    memcpy(topic->position, position.data, position.size);
    topic->position[position.size] = 0;
    list_init(&topic->order);
    list_append(&self->topics, &topic->order);
    self->topic_count++;
    return topic;
}

void session_topic_remove(struct session *self, struct session_topic **topic_p)
{
    struct session_topic *topic = *topic_p;
    *topic_p = NULL;
    list_remove(&topic->order);
    self->topic_count--;
    free(topic);
}

void session_set_slow(struct session *self, struct wire_text name)
{
    static const char *const names[] = {"close", "drop-oldest", "latest", "pause"};
    for (size_t at = 0; at < sizeof names / sizeof *names; at++)
        if (name.data && wire_is(name, names[at]))
            self->slow = names[at];
}
