/* Commands of limited keys for an edge that has not announced its channels: the broker
 * does not know yet which service they are of, so they wait, in their order. */
#include "broker/core_state.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    HOLD_COMMANDS = 10000,         // of each edge
    HOLD_BYTES = 16 * 1024 * 1024, // of them
};

struct held {
    struct link order;
    uint64_t peer;
    const struct authority *authority;
    struct blob *envelope, *frame; // envelope may be NULL
};

struct blob *hold_write(const struct wire_record *record)
{
    struct wire_header header;
    wire_begin(&header, "");
    header.size = 0;
    for (size_t at = 0; at < record->count; at++) {
        if (at)
            header.text[header.size++] = ' ';
        memcpy(header.text + header.size, record->token[at].data, record->token[at].size);
        header.size += record->token[at].size;
    }
    size_t size = header.size + (record->has_payload ? 1 + record->payload_size : 0);
    struct blob *blob = blob_new(NULL, size);
    if (!blob)
        return NULL;
    memcpy(blob->data, header.text, header.size);
    if (record->has_payload) {
        blob->data[header.size] = '\n';
        memcpy(blob->data + header.size + 1, record->payload, record->payload_size);
    }
    return blob;
}

static void s_free(struct held *held)
{
    blob_unref(&held->envelope);
    blob_unref(&held->frame);
    free(held);
}

/* The first edge of a command's channels that has yet to announce them. */
static struct edge *s_edge(const struct request *request)
{
    struct wire_text list = request->record->token[1];
    for (bool more = true; more;) {
        struct wire_text id = answer_first(list);
        struct edge *edge =
            channel_id_is_valid(id) ? edge_life_expect(request->core, id) : NULL;
        if (edge && !edge->synced)
            return edge;
        more = id.size < list.size;
        list.data += id.size + more;
        list.size -= id.size + more;
    }
    return NULL;
}

static void s_keep(struct edge *edge, const struct request *request, struct blob *frame)
{
    const struct address *from = request->from;
    struct held *held = mem_new(struct held);
    list_init(&held->order);
    held->peer = from->peer;
    held->authority = from->authority;
    held->frame = frame;
    if (from->envelope_size)
        held->envelope = blob_new(from->envelope, from->envelope_size);
    list_append(&edge->held, &held->order);
    edge->held_count++;
    edge->held_bytes += frame->size;
}

/* Is there a session among the channels that an edge may still announce?  Once something
 * waits for such a one, what comes after it does too. */
static bool s_waits_for_session(const struct request *request)
{
    const struct core *core = request->core;
    struct wire_text list = request->record->token[1];
    if (core->sessions.grown)
        return false;
    for (bool more = true; more;) {
        struct wire_text id = answer_first(list);
        if (session_id_is_valid(id) &&
            (core->sessions.edge->held_count > 0 ||
             (!channel_find(&core->channels, id) && session_may_come(core, id))))
            return true;
        more = id.size < list.size;
        list.data += id.size + more;
        list.size -= id.size + more;
    }
    return false;
}

/* The edge whose announcements the command has to wait for; NULL: none. */
static struct edge *s_awaited(const struct request *request)
{
    if (s_waits_for_session(request))
        return request->core->sessions.edge;
    return authority_has_every_service(request->from->authority) ? NULL : s_edge(request);
}

bool hold_request(const struct request *request)
{
    struct edge *edge = s_awaited(request);
    if (!edge)
        return false;
    struct blob *frame =
        edge->held_count < HOLD_COMMANDS &&
                edge->held_bytes + request->record->payload_size < HOLD_BYTES
            ? hold_write(request->record)
            : NULL;
    if (frame) {
        s_keep(edge, request, frame);
        return true;
    }
    core_dropped(request->core, CORE_DROP_TARGET);
    answer_error_always(request, answer_first(request->record->token[1]), "full",
                        "too many commands wait for the edge");
    return true;
}

void hold_take(struct edge *edge, struct link *out)
{
    list_init(out);
    while (!list_is_empty(&edge->held))
        list_append(out, list_pop(&edge->held));
    edge->held_count = edge->held_bytes = 0;
}

void hold_drop(struct link *held)
{
    while (!list_is_empty(held))
        s_free(list_item(list_pop(held), struct held, order));
}

void hold_release(struct core *core, struct link *held)
{
    while (!list_is_empty(held)) {
        struct held *next = list_item(list_pop(held), struct held, order);
        struct address from = {.peer = next->peer, .authority = next->authority};
        struct wire_record record;
        if (next->envelope) {
            from.envelope = next->envelope->data;
            from.envelope_size = next->envelope->size;
        }
        int result = wire_read(next->frame->data, next->frame->size, &record);
        from_app(core, &from, &record, result);
        s_free(next);
    }
}
