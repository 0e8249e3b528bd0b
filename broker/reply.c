#include "broker/reply.h"

#include "common/mem.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void replies_init(struct replies *self, size_t limit)
{
    *self = (struct replies){.limit = limit};
    list_init(&self->remembered);
}

static void s_free(struct replies *self, struct question *question)
{
    if (question->key)
        table_remove(&self->by_key, &question->by_key);
    blob_unref(&question->envelope);
    free(question->subject);
    free(question->id);
    free(question->key);
    free(question->extra);
    free(question->position);
    free(question);
}

static struct question *s_oldest(const struct replies *self)
{
    struct link *first = list_first(&self->remembered);
    return first ? list_item(first, struct question, order) : NULL;
}

static void s_forget_oldest(struct replies *self)
{
    self->count--;
    s_free(self, list_item(list_pop(&self->remembered), struct question, order));
}

void replies_clear(struct replies *self)
{
    while (s_oldest(self))
        s_forget_oldest(self);
}

void replies_expire(struct replies *self, int64_t now_ms)
{
    for (struct question *oldest; (oldest = s_oldest(self));) {
        if (oldest->answered_ms + REPLY_REMEMBER_MS > now_ms)
            return;
        s_forget_oldest(self);
    }
}

bool reply_id_is_global(struct wire_text id)
{
    if (id.size < 18 || id.data[16] != '.')
        return false;
    for (size_t at = 0; at < id.size; at++)
        if (at != 16 && !isxdigit((unsigned char)id.data[at]))
            return false;
    return true;
}

/* The peer (0 for a global id), then the id. */
static size_t s_key(uint64_t peer, struct wire_text id, char *out)
{
    assert(id.size <= REPLY_ID_MAX);
    if (reply_id_is_global(id))
        peer = 0;
    memcpy(out, &peer, sizeof peer);
    memcpy(out + sizeof peer, id.data, id.size);
    return sizeof peer + id.size;
}

struct question *question_find(const struct replies *self, uint64_t peer,
                               struct wire_text id)
{
    char key[sizeof peer + REPLY_ID_MAX];
    struct table_entry *found = table_find(&self->by_key, key, s_key(peer, id, key));
    return found ? table_item(found, struct question, by_key) : NULL;
}

struct question *question_new(struct replies *self, const struct address *asker,
                              struct wire_text id, struct wire_text subject)
{
    struct question *question = mem_new(struct question);
    list_init(&question->order);
    list_init(&question->asks);
    question->subject = mem_strndup(subject.data, subject.size);
    question->id = id.data ? mem_strndup(id.data, id.size) : mem_strdup("-");
    question_readdress(question, asker);
    if (id.data) {
        question->key = mem_alloc(sizeof asker->peer + id.size);
        question->key_size = s_key(asker->peer, id, question->key);
        table_add(&self->by_key, &question->by_key, question->key, question->key_size);
    }
    return question;
}

void question_readdress(struct question *self, const struct address *asker)
{
    blob_unref(&self->envelope);
    self->peer = asker->peer;
    self->of_edge = asker->is_edge;
    if (asker->envelope_size)
        self->envelope = blob_new(asker->envelope, asker->envelope_size);
}

struct address question_address(const struct question *self)
{
    struct address address = {.peer = self->peer, .is_edge = self->of_edge};
    if (self->envelope) {
        address.envelope = self->envelope->data;
        address.envelope_size = self->envelope->size;
    }
    return address;
}

void question_took(struct question *self, uint32_t sent, uint32_t gone)
{
    self->sent += sent;
    self->gone += gone;
}

void question_refused(struct question *self, uint32_t channels, struct wire_text code,
                      struct wire_text why)
{
    self->gone += channels;
    if (code.size == 0 || code.size > REPLY_CODE_MAX)
        code = (struct wire_text){"gone", 4};
    memcpy(self->code, code.data, code.size);
    self->code[code.size] = 0;
    if (why.size > REPLY_WHY_MAX)
        why.size = REPLY_WHY_MAX;
    question_set_extra(self, why);
}

void question_set_extra(struct question *self, struct wire_text extra)
{
    free(self->extra);
    self->extra = extra.size ? mem_strndup(extra.data, extra.size) : NULL;
}

void question_close(struct replies *self, struct question **self_p, int64_t now_ms)
{
    struct question *question = *self_p;
    *self_p = NULL;
    if (!question->key) {
        s_free(self, question);
        return;
    }
    question->answered = true;
    question->answered_ms = now_ms;
    list_append(&self->remembered, &question->order);
    if (++self->count > self->limit)
        s_forget_oldest(self);
}

void question_drop(struct replies *self, struct question **self_p)
{
    s_free(self, *self_p);
    *self_p = NULL;
}

int ask_add(struct edge *edge, uint64_t c, struct question *question, uint32_t channels)
{
    if (edge->ask_count >= EDGE_ASKS_MAX)
        return -ENOBUFS;
    struct ask *ask = mem_new(struct ask);
    ask->c = c;
    ask->edge = edge;
    ask->question = question;
    list_init(&ask->of_question);
    list_append(&question->asks, &ask->of_question);
    ask->channels = channels;
    question->waiting++;
    edge->ask_count++;
    table_add(&edge->asks, &ask->by_c, &ask->c, sizeof ask->c);
    return 0;
}

struct ask *ask_find(const struct edge *edge, uint64_t c)
{
    struct table_entry *found = table_find(&edge->asks, &c, sizeof c);
    return found ? table_item(found, struct ask, by_c) : NULL;
}

struct ask *ask_first(const struct edge *edge)
{
    return edge->asks.first ? table_item(edge->asks.first, struct ask, by_c) : NULL;
}

struct ask *ask_after(const struct ask *self)
{
    struct table_entry *after = table_after(&self->by_c);
    return after ? table_item(after, struct ask, by_c) : NULL;
}

bool ask_is_unsure(const struct ask *self)
{
    return self->c <= self->edge->unsure_c;
}

bool question_is_unsure(const struct question *self)
{
    struct link *at = list_first(&self->asks);
    for (; at; at = list_after(&self->asks, at))
        if (ask_is_unsure(list_item(at, struct ask, of_question)))
            return true;
    return false;
}

void question_give_up(struct question *self)
{
    while (!list_is_empty(&self->asks)) {
        struct ask *ask = list_item(list_pop(&self->asks), struct ask, of_question);
        ask_remove(&ask);
    }
}

void ask_remove(struct ask **self_p)
{
    struct ask *ask = *self_p;
    *self_p = NULL;
    table_remove(&ask->edge->asks, &ask->by_c);
    list_remove(&ask->of_question);
    ask->edge->ask_count--;
    ask->question->waiting--;
    free(ask);
}
