/* What is held of a topic, and which topics there are. */
#include "broker/query.h"

#include "common/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    QUERY_MESSAGES = 100,               // when `limit=` does not say
    QUERY_TOPICS = 1000,                // when `limit=` does not say
    QUERY_MOST = 10000,                 // of either
    QUERY_BYTES = WIRE_PAYLOAD_MAX / 4, // of payloads in one answer: as JSON, a byte
                                        // of them may take six
    QUERY_LOOKS = 100000,               // topics that are looked at for a prefix
};

static uint64_t s_limit(const struct request *request, size_t first, uint64_t absent)
{
    uint64_t limit;
    if (wire_u64(wire_option(request->record, first, "limit"), &limit) < 0)
        limit = absent;
    return limit < QUERY_MOST ? limit : QUERY_MOST;
}

/* RFC 4648 section 4. */
static json_t *s_base64(const struct blob *payload)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    char *text = mem_alloc(payload->size / 3 * 4 + 5), *out = text;
    for (size_t at = 0; at < payload->size; at += 3) {
        size_t left = payload->size - at;
        unsigned bits = (unsigned)payload->data[at] << 16;
        bits |= left > 1 ? (unsigned)payload->data[at + 1] << 8 : 0;
        bits |= left > 2 ? payload->data[at + 2] : 0;
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = digits[left > 1 ? bits >> 6 & 63 : 64];
        *out++ = digits[left > 2 ? bits & 63 : 64];
    }
    json_t *value = json_string(text);
    free(text);
    return value;
}

static json_t *s_position(const struct core *core, uint64_t g)
{
    char position[SEQUENCE_POSITION];
    sequence_text(&core->sequence, g, position);
    return json_string(position);
}

static json_t *s_message(const struct core *core, const struct publication *publication)
{
    const struct blob *payload = publication->payload;
    json_t *value = json_object();
    json_object_set_new(value, "pos", s_position(core, publication->g));
    json_t *text = publication->binary
                       ? NULL
                       : json_stringn((const char *)payload->data, payload->size);
    if (text)
        json_object_set_new(value, "data", text);
    else
        json_object_set_new(value, "base64", s_base64(payload));
    return value;
}

/* Appends what is after `since`; true when there is more. */
static bool s_add_messages(const struct core *core, const struct shelf *shelf,
                           uint64_t since, size_t limit, json_t *messages)
{
    size_t bytes = 0;
    for (uint32_t at = shelf_after(shelf, since); at < shelf->count; at++) {
        const struct publication *publication = shelf_at(shelf, at);
        size_t count = json_array_size(messages);
        bytes += publication->payload->size;
        if (count == limit || (count > 0 && bytes > QUERY_BYTES))
            return true;
        json_array_append_new(messages, s_message(core, publication));
    }
    return false;
}

void query_history(const struct request *request, struct wire_text name)
{
    const struct core *core = request->core;
    const struct wire_record *record = request->record;
    struct wire_text since_text = wire_option(record, 3, "since");
    uint64_t since = 0;
    const struct topic *topic = topic_find(&core->topics, name);
    if (topic_kind(name.data, name.size) != TOPIC_NAME) {
        answer_error_always(request, name, "value", "topic: 1 to 255 bytes, no *");
        return;
    }
    int result = since_text.data ? sequence_read(&core->sequence, since_text, &since) : 0;
    if (result == -EPROTO) {
        answer_error_always(request, name, "value", "since: not a position");
        return;
    }
    if (result == -ESTALE) // all that is held came after it
        since = 0;
    json_t *messages = json_array(), *value = json_object();
    bool more = topic && s_add_messages(core, &topic->shelf, since,
                                        s_limit(request, 3, QUERY_MESSAGES), messages);
    uint64_t forgotten = core->topics.forgotten;
    char text[TOPIC_MAX + 1];
    memcpy(text, name.data, name.size);
    text[name.size] = 0;
    json_object_set_new(value, "topic", json_string(text));
    json_object_set_new(value, "position",
                        s_position(core, topic ? topic->position : forgotten));
    json_object_set_new(value, "lost",
                        s_position(core, topic ? topic->shelf.lost : forgotten));
    json_object_set_new(value, "more", json_boolean(more));
    json_object_set_new(value, "messages", messages);
    query_say(request, name, value);
}

static size_t s_count(const struct link *list)
{
    size_t count = 0;
    for (const struct link *at = list_first(list); at; at = list_after(list, at))
        count++;
    return count;
}

static json_t *s_topic(const struct core *core, const struct topic *topic)
{
    json_t *value = json_object();
    json_object_set_new(value, "topic", json_string(topic->name));
    json_object_set_new(value, "position", s_position(core, topic->position));
    json_object_set_new(value, "edges",
                        json_integer((json_int_t)s_count(&topic->interests)));
    json_object_set_new(value, "messages", json_integer(topic->shelf.count));
    json_object_set_new(value, "bytes", json_integer((json_int_t)topic->shelf.bytes));
    return value;
}

static bool s_is_seen(const struct request *request, const struct topic *topic,
                      struct wire_text prefix)
{
    return topic->size >= prefix.size &&
           (!prefix.data || memcmp(topic->name, prefix.data, prefix.size) == 0) &&
           authority_has_topic(request->from->authority,
                               (struct wire_text){topic->name, topic->size});
}

void query_topics(const struct request *request, struct wire_text prefix)
{
    const struct core *core = request->core;
    uint64_t limit = s_limit(request, 2, QUERY_TOPICS);
    if (prefix.data && memchr(prefix.data, '=', prefix.size)) // an option
        prefix = payload_none();
    json_t *topics = json_array(), *value = json_object();
    struct branch_walk walk;
    struct link *at;
    size_t looks = 0;
    bool more = false;
    branch_walk_begin(&walk,
                      prefix.data ? branch_nearest(&core->topics.branches, prefix)
                                  : core->topics.branches.root,
                      true);
    while (!more && (at = branch_walk_next(&walk))) {
        const struct topic *topic = list_item(at, struct topic, of_branch);
        more = ++looks > QUERY_LOOKS;
        if (!s_is_seen(request, topic, prefix))
            continue;
        more |= json_array_size(topics) == limit;
        if (!more)
            json_array_append_new(topics, s_topic(core, topic));
    }
    json_object_set_new(value, "more", json_boolean(more));
    json_object_set_new(value, "topics", topics);
    query_say(request, answer_key("topics"), value);
}
