#include "gateway/bus_answers.h"

#include "common/mem.h"
#include "common/table.h"

#include <stdlib.h>

struct s_entry {
    uint64_t c;        // under which the parts answer
    uint64_t newest_c; // under which it came last
    char *id;          // NULL: not remembered
    unsigned left;
    struct bus_answer answer;
    int64_t until_ms;
    struct table_entry by_c;  // while parts are open
    struct table_entry by_id; // insertion order is age
};

struct bus_answers {
    size_t limit;
    int64_t keep_ms;
    struct table open, known;
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
    table_remove(&self->known, &entry->by_id);
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
    while (self->known.first)
        s_forget(self, table_item(self->known.first, struct s_entry, by_id));
    while (self->open.first) {
        struct s_entry *entry = table_item(self->open.first, struct s_entry, by_c);
        table_remove(&self->open, &entry->by_c);
        s_free(entry);
    }
    free(self);
    *self_p = NULL;
}

static void s_trim(struct bus_answers *self, int64_t now_ms)
{
    while (self->known.first) {
        struct s_entry *oldest = table_item(self->known.first, struct s_entry, by_id);
        bool is_over = oldest->left == 0 && oldest->until_ms <= now_ms;
        if (!is_over && table_count(&self->known) < self->limit)
            return;
        s_forget(self, oldest);
    }
}

static struct s_entry *s_find_id(struct bus_answers *self, const char *id, size_t size)
{
    struct table_entry *entry = table_find(&self->known, id, size);
    return entry ? table_item(entry, struct s_entry, by_id) : NULL;
}

/* NOLINTNEXTLINE(readability-function-size): six inputs and an output, once. */
enum bus_answers_verdict bus_answers_begin(struct bus_answers *self, uint64_t c,
                                           const char *id, size_t size, unsigned parts,
                                           int64_t now_ms, struct bus_answer *answer)
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
    table_add(&self->open, &entry->by_c, &entry->c, sizeof entry->c);
    if (id) {
        entry->id = mem_strndup(id, size);
        table_add(&self->known, &entry->by_id, entry->id, size);
    }
    return BUS_ANSWERS_NEW;
}

bool bus_answers_end(struct bus_answers *self, uint64_t c, const char *error,
                     struct bus_answer *answer, uint64_t *c_out)
{
    struct table_entry *found = table_find(&self->open, &c, sizeof c);
    if (!found)
        return false;
    struct s_entry *entry = table_item(found, struct s_entry, by_c);
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
    table_remove(&self->open, &entry->by_c);
    if (!entry->id)
        s_free(entry);
    return true;
}
