#include "gateway/bus_answers.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct s_entry {
    uint64_t c;        // under which the parts answer
    uint64_t newest_c; // under which it came last
    char *id;          // NULL: not remembered
    unsigned left;
    struct bus_answer answer;
    int64_t until_ms;
    UT_hash_handle by_c;  // while parts are open
    UT_hash_handle by_id; // insertion order is age
};

struct bus_answers {
    size_t limit;
    int64_t keep_ms;
    struct s_entry *open, *known;
};

struct bus_answers *bus_answers_new(size_t limit, int64_t keep_ms)
{
    struct bus_answers *self = mem_new(struct bus_answers);
    self->limit = limit;
    self->keep_ms = keep_ms;
    return self;
}

static void s_free(struct s_entry *entry)
{
    free(entry->id);
    free(entry);
}

static void s_forget(struct bus_answers *self, struct s_entry *entry)
{
    HASH_DELETE(by_id, self->known, entry);
    if (entry->left == 0) {
        s_free(entry);
        return;
    }
    free(entry->id);
    entry->id = NULL;
}

void bus_answers_destroy(struct bus_answers **self_p)
{
    struct bus_answers *self = *self_p;
    if (!self)
        return;
    struct s_entry *at, *next;
    HASH_ITER(by_id, self->known, at, next) s_forget(self, at);
    HASH_ITER(by_c, self->open, at, next)
    {
        HASH_DELETE(by_c, self->open, at);
        s_free(at);
    }
    free(self);
    *self_p = NULL;
}

static void s_trim(struct bus_answers *self, int64_t now_ms)
{
    while (self->known && (HASH_CNT(by_id, self->known) >= self->limit ||
                           (self->known->left == 0 && self->known->until_ms <= now_ms)))
        s_forget(self, self->known);
}

static struct s_entry *s_find_id(struct bus_answers *self, const char *id, size_t size)
{
    struct s_entry *entry;
    HASH_FIND(by_id, self->known, id, size, entry);
    return entry;
}

enum bus_answers_verdict bus_answers_begin(struct bus_answers *self, uint64_t c, const char *id,
                                           size_t size, unsigned parts, int64_t now_ms,
                                           struct bus_answer *answer)
{
    s_trim(self, now_ms);
    struct s_entry *entry = id ? s_find_id(self, id, size) : NULL;
    if (entry && entry->left == 0) {
        *answer = entry->answer;
        return BUS_ANSWERS_KNOWN;
    }
    if (entry) {
        entry->newest_c = c;
        return BUS_ANSWERS_REPEAT;
    }
    entry = mem_new(struct s_entry);
    entry->c = entry->newest_c = c;
    entry->left = parts;
    entry->until_ms = now_ms + self->keep_ms;
    HASH_ADD(by_c, self->open, c, sizeof entry->c, entry);
    if (id) {
        entry->id = mem_strndup(id, size);
        HASH_ADD_KEYPTR(by_id, self->known, entry->id, size, entry);
    }
    return BUS_ANSWERS_NEW;
}

bool bus_answers_end(struct bus_answers *self, uint64_t c, const char *error,
                     struct bus_answer *answer, uint64_t *c_out)
{
    struct s_entry *entry;
    HASH_FIND(by_c, self->open, &c, sizeof c, entry);
    if (!entry)
        return false;
    if (error) {
        entry->answer.failed++;
        entry->answer.error = error;
    } else {
        entry->answer.sent++;
    }
    if (--entry->left > 0)
        return false;
    *answer = entry->answer;
    *c_out = entry->newest_c;
    HASH_DELETE(by_c, self->open, entry);
    if (!entry->id)
        s_free(entry);
    return true;
}
