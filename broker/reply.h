/* reply: commands whose sender wants an answer: what edges still owe, and the answers
 * that were given, so that a command that is sent again is not carried out again.  Pure.
 */
#pragma once

#include "broker/edge.h"
#include "broker/list.h"
#include "broker/output.h"
#include "common/table.h"

#include <stdbool.h>

enum {
    REPLY_ID_MAX = 128,         // bytes of an id=
    REPLY_REMEMBER_MS = 600000, // for how long
    REPLY_CODE_MAX = 32,
    REPLY_WHY_MAX = 256, // bytes of an explanation that are passed on
};

struct question {
    struct table_entry by_key;
    struct link order;     // among the remembered, oldest first
    uint64_t peer;         // who asks
    struct blob *envelope; // of who asks; NULL: none
    bool of_edge;          // who asks is an edge
    char *subject;         // key of the answer
    char *id;              // as the sender wrote it; "-" if it did not
    char *key;             // what it is remembered by; NULL: not at all
    size_t key_size;
    unsigned waiting; // edges that owe an answer
    struct link asks; // what they owe
    bool several;     // to several channels: answered with counts
    char *position;   // of a set with topics: it was published; else NULL
    bool answered;
    uint32_t sent, gone;           // channels
    char code[REPLY_CODE_MAX + 1]; // of a refusal; "" when it was taken
    char *extra;                   // an option of OK, or why it was refused; or NULL
    int64_t answered_ms;
};

/* A command on its way to an edge whose answer is awaited. */
struct ask {
    struct table_entry by_c;
    uint64_t c;
    struct edge *edge;
    struct question *question;
    struct link of_question;
    uint32_t channels; // that the command names
};

struct replies {
    struct table by_key;
    struct link remembered;
    size_t count; // of the remembered
    size_t limit; // of them; the oldest is forgotten beyond
};

void replies_init(struct replies *self, size_t limit);
void replies_clear(struct replies *self);
void replies_expire(struct replies *self, int64_t now_ms);

/* Is it of the form <16 hexadecimal digits>.<number>, which is the same from whatever
 * connection? */
bool reply_id_is_global(struct wire_text id);
/* The question of this id from this peer, open or answered; NULL when it is new.  An id
 * of the form <16 hexadecimal digits>.<number> is the same from whatever connection. */
struct question *question_find(const struct replies *self, uint64_t peer,
                               struct wire_text id);
/* id.data may be NULL.  The question must not be known. */
struct question *question_new(struct replies *self, const struct address *asker,
                              struct wire_text id, struct wire_text subject);
/* The same command came again: the answer goes there. */
void question_readdress(struct question *self, const struct address *asker);
struct address question_address(const struct question *self);
/* An edge took it for so many channels, or not. */
void question_took(struct question *self, uint32_t sent, uint32_t gone);
void question_refused(struct question *self, uint32_t channels, struct wire_text code,
                      struct wire_text why);
void question_set_extra(struct question *self, struct wire_text extra);
/* It was answered: remembered or freed. */
void question_close(struct replies *self, struct question **self_p, int64_t now_ms);
/* Forget it altogether: nothing was carried out. */
void question_drop(struct replies *self, struct question **self_p);

/* Expect an answer of this edge to command c.  -ENOBUFS at EDGE_ASKS_MAX. */
int ask_add(struct edge *edge, uint64_t c, struct question *question, uint32_t channels)
    __attribute__((warn_unused_result));
/* NULL when none is expected. */
struct ask *ask_find(const struct edge *edge, uint64_t c);
struct ask *ask_first(const struct edge *edge);
struct ask *ask_after(const struct ask *self);
void ask_remove(struct ask **self_p);
/* May the answer have been lost with a connection of the edge? */
bool ask_is_unsure(const struct ask *self);
/* The same of any that the question waits for. */
bool question_is_unsure(const struct question *self);
/* Nobody is waited for any more. */
void question_give_up(struct question *self);
