/* WATCH: applications that are told who comes and goes. */
#include "broker/presence.h"

#include "broker/core_state.h"
#include "common/mem.h"
#include "common/topic_pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 8 + TOPIC_MAX };

static size_t s_key(uint64_t peer, struct wire_text topic, char out[KEY_MAX])
{
    memcpy(out, &peer, sizeof peer);
    memcpy(out + sizeof peer, topic.data, topic.size);
    return sizeof peer + topic.size;
}

static struct watch *s_find(const struct presences *self, uint64_t peer,
                            struct wire_text topic)
{
    char key[KEY_MAX];
    struct table_entry *found = table_find(&self->watches, key, s_key(peer, topic, key));
    return found ? table_item(found, struct watch, by_key) : NULL;
}

void presence_drop_watch(struct presences *self, struct watch **self_p)
{
    struct watch *watch = *self_p;
    *self_p = NULL;
    table_remove(&self->watches, &watch->by_key);
    list_remove(&watch->of_topic);
    list_remove(&watch->due);
    self->watch_count--;
    free(watch);
}

static void s_drop(struct presences *self, struct watch *watch)
{
    struct presence *topic = watch->topic;
    presence_drop_watch(self, &watch);
    presence_release(self, topic);
}

static int s_say(struct core *core, struct watch *watch, const char *verb, const char *id,
                 struct wire_text payload)
{
    struct wire_header header;
    const struct address to = {.peer = watch->peer};
    wire_begin(&header, verb);
    wire_add(&header, watch->topic->name);
    wire_add_u64(&header, ++watch->n);
    wire_add(&header, id);
    return core->output.to_app(core->output.context, &to, &header, payload);
}

static void s_owe(struct core *core, struct watch *watch)
{
    if (!list_has(&watch->due))
        list_append(&core->presences.due, &watch->due);
}

/* A record that its connection does not take is made good by a PRESENT.  False: the watch
 * is over. */
static bool s_said(struct core *core, struct watch *watch, int result)
{
    if (result == -EAGAIN)
        s_owe(core, watch);
    return result == 0 || result == -EAGAIN;
}

void presence_tell(struct core *core, struct presence *topic, const struct present *who,
                   bool came)
{
    struct link *at = list_first(&topic->watches), *next;
    for (; at; at = next) {
        next = list_after(&topic->watches, at);
        struct watch *watch = list_item(at, struct watch, of_topic);
        if (list_has(&watch->due))
            continue;
        int result = s_say(core, watch, came ? "ENTER" : "EXIT", who->id,
                           came ? answer_key(who->label) : payload_none());
        if (!s_said(core, watch, result)) // the topic is still used by who calls
            presence_drop_watch(&core->presences, &watch);
    }
}

/* After our start nobody knows yet who is there: a snapshot waits for the edges. */
static bool s_knows(const struct core *core)
{
    return core->now_ms >= core->started_ms + core->settings.edge_lease_ms;
}

/* PRESENT, with all who are there. */
static void s_show(struct core *core, struct watch *watch)
{
    char *text = query_presence(watch->topic, core->settings.presence_members);
    list_remove(&watch->due);
    int result = text ? s_say(core, watch, "PRESENT", "-", answer_key(text)) : -EAGAIN;
    free(text);
    if (!s_said(core, watch, result))
        s_drop(&core->presences, watch);
}

static struct watch *s_new(struct core *core, uint64_t peer, struct wire_text name)
{
    char key[KEY_MAX];
    size_t size = s_key(peer, name, key);
    struct watch *watch = mem_alloc(sizeof *watch + size);
    memcpy(watch->key, key, size);
    watch->key_size = size;
    watch->peer = peer;
    watch->topic = presence_get(&core->presences, name);
    list_init(&watch->due);
    list_init(&watch->of_topic);
    list_append(&watch->topic->watches, &watch->of_topic);
    table_add(&core->presences.watches, &watch->by_key, watch->key, size);
    core->presences.watch_count++;
    return watch;
}

void presence_watch(struct request *request)
{
    struct core *core = request->core;
    struct wire_text name = request->record->token[1];
    if (request->from->envelope_size) { // a REQ socket takes one answer only
        core_dropped(core, CORE_DROP_VALUE);
        answer_error(request, name, "unsupported", "WATCH is for a DEALER socket");
        return;
    }
    bool right = topic_kind(name.data, name.size) == TOPIC_NAME;
    struct watch *watch =
        right ? s_find(&core->presences, request->from->peer, name) : NULL;
    bool full = !watch && core->presences.watch_count >= core->settings.watches;
    if (!right || full) {
        core_dropped(core, right ? CORE_DROP_TARGET : CORE_DROP_VALUE);
        answer_error(request, name, right ? "full" : "value",
                     right ? "too many watch" : "topic: 1 to 255 bytes without *");
        return;
    }
    bool fresh = !watch;
    if (fresh)
        watch = s_new(core, request->from->peer, name);
    watch->authority = request->from->authority;
    watch->until_ms = core->now_ms + core->settings.watch_lease_ms;
    answer_ok(request, name, NULL);
    if (fresh)
        s_owe(core, watch);
    if (fresh && s_knows(core))
        s_show(core, watch);
}

void presence_unwatch(struct request *request)
{
    struct core *core = request->core;
    struct wire_text name = request->record->token[1];
    struct watch *watch = name.size <= TOPIC_MAX
                              ? s_find(&core->presences, request->from->peer, name)
                              : NULL;
    if (watch)
        s_drop(&core->presences, watch);
    answer_ok(request, name, NULL);
}

static void s_expire(struct core *core)
{
    struct table_entry *at = core->presences.watches.first, *next;
    for (; at; at = next) {
        next = table_after(at);
        struct watch *watch = table_item(at, struct watch, by_key);
        if (watch->until_ms <= core->now_ms)
            s_drop(&core->presences, watch);
    }
}

void presence_tick(struct core *core)
{
    struct link due;
    s_expire(core);
    if (!s_knows(core))
        return;
    list_init(&due);
    while (!list_is_empty(&core->presences.due))
        list_append(&due, list_pop(&core->presences.due));
    while (!list_is_empty(&due))
        s_show(core, list_item(list_first(&due), struct watch, due));
}

void presence_judge(struct core *core)
{
    struct table_entry *at = core->presences.watches.first, *next;
    for (; at; at = next) {
        next = table_after(at);
        struct watch *watch = table_item(at, struct watch, by_key);
        struct wire_text name = {watch->topic->name, watch->topic->size};
        if (!authority_has_topic(watch->authority, name))
            s_drop(&core->presences, watch);
    }
}
