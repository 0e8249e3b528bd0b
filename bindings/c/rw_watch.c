#include "bindings/c/rw_private.h"
#include "common/clock.h"
#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    S_AGAIN_MS = 20000, // the broker forgets a WATCH that is not said again
    S_RETRY_MS = 2000,  // until one without PRESENT is said again
};

/* Somebody who is there. */
struct s_present {
    UT_hash_handle hh;
    char *label;  // NULL: none
    bool is_seen; // in the PRESENT that is being read
    char id[RW_ID_ROOM];
};

struct rw_watch {
    struct rw_link link;
    struct rw_watcher watcher;
    char *topic, *token; // as it was given, and as it is written
    struct s_present *present;
    int64_t due_ms; // when WATCH is said
    bool is_busy;   // a record of it is being taken
    bool is_over;   // a callback ended it: freed after that
};

static struct rw_watch *s_find(const struct rw_app *app, const char *topic)
{
    for (struct rw_link *at = app->watches.first; at; at = at->next)
        if (!((struct rw_watch *)at)->is_over &&
            strcmp(((struct rw_watch *)at)->topic, topic) == 0)
            return (struct rw_watch *)at;
    return NULL;
}

static void s_say(struct rw_app *app, const char *verb, const struct rw_watch *watch)
{
    struct wire_header header;
    wire_begin(&header, verb);
    wire_add(&header, watch->token);
    (void)rw_connection_send(&app->connection, header.text, header.size);
}

static void s_forget(struct rw_watch *watch, struct s_present *who)
{
    HASH_DEL(watch->present, who);
    free(who->label);
    free(who);
}

static void s_free(struct rw_app *app, struct rw_watch *watch)
{
    struct s_present *who, *next;
    HASH_ITER(hh, watch->present, who, next)
    s_forget(watch, who);
    rw_list_remove(&app->watches, watch);
    free(watch->topic);
    free(watch->token);
    free(watch);
}

void rw_watches_clear(struct rw_app *app)
{
    while (app->watches.first)
        s_free(app, (struct rw_watch *)app->watches.first);
}

int rw_watch(struct rw_app *self, const char *topic, const struct rw_watcher *watcher)
{
    struct wire_header header;
    wire_begin(&header, "W");
    size_t before = header.size + 1;
    wire_add_escaped(&header, topic);
    if (!*topic || header.size - before > RW_TOPIC_MAX || s_find(self, topic))
        return -EINVAL;
    struct rw_watch *watch = mem_new(struct rw_watch);
    watch->watcher = *watcher;
    watch->topic = mem_strdup(topic);
    watch->token = mem_strdup(header.text + before);
    rw_list_append(&self->watches, watch);
    return 0;
}

int rw_unwatch(struct rw_app *self, const char *topic)
{
    struct rw_watch *watch = s_find(self, topic);
    if (!watch)
        return -ENOENT;
    s_say(self, "UNWATCH", watch);
    if (watch->is_busy)
        watch->is_over = true;
    else
        s_free(self, watch);
    return 0;
}

void rw_watches_renewed(struct rw_app *app)
{
    for (struct rw_link *at = app->watches.first; at; at = at->next)
        ((struct rw_watch *)at)->due_ms = 0;
}

void rw_watches_tick(struct rw_app *app, int64_t now_ms)
{
    for (struct rw_link *at = app->watches.first; at; at = at->next) {
        struct rw_watch *watch = (struct rw_watch *)at;
        if (watch->due_ms > now_ms)
            continue;
        s_say(app, "WATCH", watch);
        watch->due_ms = now_ms + S_RETRY_MS;
    }
}

/* ---- what comes ---- */

static struct s_present *s_who(const struct rw_watch *watch, const char *id)
{
    struct s_present *who;
    HASH_FIND_STR(watch->present, id, who);
    return who;
}

static void s_left(struct rw_watch *watch, struct s_present *who)
{
    const struct rw_watcher *watcher = &watch->watcher;
    HASH_DEL(watch->present, who);
    if (watcher->on_exit && !watch->is_over)
        watcher->on_exit(watcher->context, watch->topic, who->id, who->label);
    free(who->label);
    free(who);
}

/* label: as a token; empty: none. */
static void s_entered(struct rw_watch *watch, const char *id, struct wire_text label)
{
    char text[RW_LABEL_MAX + 1];
    const char *name =
        label.size && wire_unescape(label, text, sizeof text) >= 0 ? text : NULL;
    struct s_present *who = s_who(watch, id);
    bool is_new = !who;
    if (is_new) {
        who = mem_new(struct s_present);
        snprintf(who->id, sizeof who->id, "%s", id);
        HASH_ADD_STR(watch->present, id, who);
    }
    who->is_seen = true;
    bool is_same =
        name && who->label ? strcmp(name, who->label) == 0 : name == who->label;
    if (!is_new && is_same)
        return;
    free(who->label);
    who->label = name ? mem_strdup(name) : NULL;
    if (watch->watcher.on_enter && !watch->is_over)
        watch->watcher.on_enter(watch->watcher.context, watch->topic, who->id,
                                who->label);
}

/* A whole list takes the place of what was known. */
static void s_shown(struct rw_watch *watch, json_t *list)
{
    struct s_present *who, *next;
    size_t at;
    json_t *one;
    HASH_ITER(hh, watch->present, who, next)
    who->is_seen = false;
    json_array_foreach(list, at, one)
    {
        const char *id = json_string_value(json_object_get(one, "id"));
        const char *label = json_string_value(json_object_get(one, "label"));
        if (id && strlen(id) < RW_ID_ROOM)
            s_entered(watch, id,
                      (struct wire_text){label ? label : "", label ? strlen(label) : 0});
    }
    HASH_ITER(hh, watch->present, who, next)
    if (!who->is_seen)
        s_left(watch, who);
}

static void s_take(struct rw_watch *watch, const struct wire_record *record)
{
    char id[RW_ID_ROOM];
    snprintf(id, sizeof id, "%.*s", (int)record->token[3].size, record->token[3].data);
    struct s_present *who = s_who(watch, id);
    if (wire_is(record->token[0], "PRESENT")) {
        json_t *value =
            json_loadb((const char *)record->payload, record->payload_size, 0, NULL);
        json_t *list = json_object_get(value, "present");
        if (json_is_array(list))
            s_shown(watch, list);
        json_decref(value);
    } else if (wire_is(record->token[0], "ENTER")) {
        s_entered(
            watch, id,
            (struct wire_text){(const char *)record->payload, record->payload_size});
    } else if (who) {
        s_left(watch, who);
    }
}

void rw_watches_take(struct rw_app *app, const struct wire_record *record)
{
    for (struct rw_link *at = app->watches.first; at; at = at->next) {
        struct rw_watch *watch = (struct rw_watch *)at;
        if (watch->is_over || !wire_is(record->token[1], watch->token))
            continue;
        watch->due_ms = clock_now_ms() + S_AGAIN_MS;
        watch->is_busy = true;
        s_take(watch, record);
        watch->is_busy = false;
        if (watch->is_over)
            s_free(app, watch);
        return;
    }
}
