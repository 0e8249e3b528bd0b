#include "gateway/session_copies.h"

#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum { SLACK_MS = 60000 }; // beyond the grace: the broker may have been away

struct session_copies {
    struct table copies; // those that are served, and the others in the order of leaving
    size_t limit, left;  // of those that are not served
};

struct session_copies *session_copies_new(size_t limit)
{
    struct session_copies *self = mem_new(struct session_copies);
    self->limit = limit;
    return self;
}

static void s_remove(struct session_copies *self, struct session_copy *copy)
{
    if (!copy->channel)
        self->left--;
    table_remove(&self->copies, &copy->by_id);
    free(copy->worker);
    free(copy->label);
    free(copy->topics);
    free(copy->slow);
    free(copy->adopt);
    free(copy);
}

void session_copies_destroy(struct session_copies **self_p)
{
    struct session_copies *self = *self_p;
    if (!self)
        return;
    while (self->copies.first)
        s_remove(self, table_item(self->copies.first, struct session_copy, by_id));
    free(self);
    *self_p = NULL;
}

struct session_copy *session_copies_find(struct session_copies *self, const char *id)
{
    struct table_entry *entry = table_find(&self->copies, id, strlen(id));
    return entry ? table_item(entry, struct session_copy, by_id) : NULL;
}

struct session_copy *session_copies_make(struct session_copies *self, const char *id)
{
    struct session_copy *copy = session_copies_find(self, id);
    if (copy)
        return copy;
    copy = mem_new(struct session_copy);
    strncpy(copy->id, id, sizeof copy->id - 1);
    table_add(&self->copies, &copy->by_id, copy->id, strlen(copy->id));
    self->left++;
    return copy;
}

void session_copies_serve(struct session_copies *self, struct session_copy *copy,
                          uint64_t channel)
{
    self->left -= copy->channel == 0;
    copy->channel = channel;
}

void session_copy_set(char **text, const char *data, size_t size)
{
    free(*text);
    *text = data ? mem_strndup(data, size) : NULL;
}

/* Where the line of this topic begins among others; its size with the end.  -1: there is
 * none. */
static ssize_t s_line_of(const char *lines, const char *topic, size_t size,
                         size_t *line_size)
{
    for (const char *at = lines; at && *at; at += *line_size) {
        const char *end = strchr(at, '\n');
        *line_size = end ? (size_t)(end - at) + 1 : strlen(at);
        if (strncmp(at, topic, size) == 0 && (at[size] == ' ' || at[size] == '\n'))
            return at - lines;
    }
    return -1;
}

bool session_copy_has(const char *lines, const char *topic, size_t size)
{
    size_t line_size;
    return s_line_of(lines, topic, size, &line_size) >= 0;
}

void session_copy_unfollow(struct session_copy *copy, const char *topic, size_t size)
{
    size_t line_size;
    ssize_t at = s_line_of(copy->topics, topic, size, &line_size);
    if (at < 0)
        return;
    char *rest = copy->topics + at + line_size;
    memmove(copy->topics + at, rest, strlen(rest) + 1);
}

void session_copy_follow(struct session_copy *copy, const struct session_follow *follow)
{
    static const char present[] = " presence=1";
    size_t room = follow->size + follow->position_size + sizeof present + 2;
    session_copy_unfollow(copy, follow->topic, follow->size);
    size_t used = copy->topics ? strlen(copy->topics) : 0;
    copy->topics = mem_realloc(copy->topics, used + room);
    snprintf(copy->topics + used, room, "%.*s %.*s%s\n", (int)follow->size, follow->topic,
             (int)follow->position_size, follow->position,
             follow->is_present ? present : "");
}

/* The oldest one that is not served: who leaves goes behind all others. */
static void s_trim(struct session_copies *self)
{
    struct table_entry *at = self->copies.first;
    while (at && self->left > self->limit) {
        struct session_copy *copy = table_item(at, struct session_copy, by_id);
        at = table_after(at);
        if (!copy->channel)
            s_remove(self, copy);
    }
}

void session_copies_leave(struct session_copies *self, const char *id, uint64_t channel,
                          int64_t now_ms)
{
    struct session_copy *copy = session_copies_find(self, id);
    if (!copy || copy->channel != channel)
        return;
    copy->channel = 0;
    copy->until_ms = now_ms + copy->grace_ms + SLACK_MS;
    table_remove(&self->copies, &copy->by_id);
    table_add(&self->copies, &copy->by_id, copy->id, strlen(copy->id));
    self->left++;
    s_trim(self);
}

void session_copies_forget(struct session_copies *self, const char *id)
{
    struct session_copy *copy = session_copies_find(self, id);
    if (copy)
        s_remove(self, copy);
}

void session_copies_expire(struct session_copies *self, int64_t now_ms)
{
    struct session_copy *next;
    if (self->left == 0)
        return;
    for (struct session_copy *at = session_copies_next(self, NULL); at; at = next) {
        next = session_copies_next(self, at);
        if (!at->channel && at->until_ms <= now_ms)
            s_remove(self, at);
    }
}

struct session_copy *session_copies_next(const struct session_copies *self,
                                         const struct session_copy *after)
{
    struct table_entry *entry = after ? table_after(&after->by_id) : self->copies.first;
    return entry ? table_item(entry, struct session_copy, by_id) : NULL;
}

size_t session_copies_count(const struct session_copies *self)
{
    return table_count(&self->copies);
}
