/* CAST with topics: the position that it takes, the edges whose clients are subscribed,
 * and what is held of it. */
#include "broker/cast.h"

#include "broker/session_core.h"
#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One that waits for its turn among the publications. */
struct held {
    struct waiting waiting;
    struct blob *frame; // the record as it came
    uint64_t peer;
    const struct authority *authority;
    struct question *question; // NULL: nobody asks
    int kept;
};

static bool s_fail(struct cast *self, const char *code, const char *why)
{
    self->code = code;
    snprintf(self->why, sizeof self->why, "%s", why);
    return false;
}

/* ---- What is allowed ---- */

/* The option that a publication to a set cannot have; NULL: none. */
static const char *s_unsuitable(const struct request *request)
{
    static const char *const options[] = {"status", "close",  "length", "format",
                                          "key",    "except", "durable"};
    for (size_t at = 0; at < sizeof options / sizeof *options; at++)
        if (wire_option(request->record, request->options, options[at]).data)
            return options[at];
    struct wire_text want = wire_option(request->record, request->options, "want");
    return want.data && !wire_is(want, "accepted") ? "want" : NULL;
}

/* Do topics and exceptions fit, with what is named, into one record for each edge? */
static bool s_fits(const struct cast *self)
{
    size_t size = self->data.size + self->exceptions * CAST_LINE_MAX;
    size_t most = 0;
    for (size_t at = 0; at < self->topics; at++)
        size += self->topic[at].name.size + sizeof "-t:\n";
    for (struct table_entry *at = self->parts.first; at; at = table_after(at)) {
        const struct part *part = table_item(at, struct part, by_edge);
        if (part->edge != self->request->core->sessions.edge && part->lines > most)
            most = part->lines;
    }
    return size + most * CAST_LINE_MAX <= WIRE_PAYLOAD_MAX;
}

bool cast_check(struct cast *self)
{
    const struct request *request = self->request;
    if (self->published > 0 && request->options < request->record->count) {
        char why[80];
        const char *option = s_unsuitable(request);
        const char *bad = post_bad_option(request);
        if (option) {
            snprintf(why, sizeof why, "%s: not with t: lines", option);
            return s_fail(self, "value", why);
        }
        if (bad)
            return s_fail(self, "value", bad);
    }
    return s_fits(self) || s_fail(self, "large",
                                  "lines for one edge and what is sent are longer than "
                                  "4 MiB, which with t: lines is not allowed");
}

/* ---- To edges ---- */

void cast_add_options(const struct cast *self, struct wire_header *header)
{
    char position[SEQUENCE_POSITION];
    sequence_text(&self->request->core->sequence, self->g, position);
    wire_add_option(header, "pos", position);
    for (size_t at = 0; at < self->post->options; at++)
        wire_add_text(header, self->post->option[at]);
}

uint32_t cast_add_lines(const struct cast *self, const struct part *part,
                        struct bytes *payload)
{
    uint32_t count = 0;
    for (size_t at = 0; at < self->topics; at++) {
        const struct cast_topic *topic = &self->topic[at];
        count += bytes_printf(payload, "%st:%.*s\n", topic->excepted ? "-" : "",
                              (int)topic->name.size, topic->name.data) >= 0;
    }
    for (struct link *at = list_first(&part->exceptions); at;
         at = list_after(&part->exceptions, at)) {
        const struct target *target = list_item(at, struct target, order);
        count += bytes_printf(payload, "-c:%.*s\n", (int)target->name.size,
                              target->name.data) >= 0;
    }
    return count;
}

bool cast_has_caught_up(const struct cast *self, struct edge *edge)
{
    if (!list_is_empty(&edge->lost))
        publish_catch_up(self->request->core, edge);
    return list_is_empty(&edge->lost);
}

void cast_lose(const struct cast *self, struct edge *edge)
{
    struct core *core = self->request->core;
    struct topic *match[TOPIC_MATCHES_MAX];
    if (self->g == 0)
        return;
    core->stats.lost_publications++;
    for (size_t at = 0; at < self->topics; at++) {
        struct wire_text name = self->topic[at].name;
        struct topic *topic = topic_find(&core->topics, name);
        size_t matches = self->topic[at].excepted
                             ? 0
                             : topics_match(&core->topics, topic, name, match);
        while (matches-- > 0) {
            struct interest *interest = interest_find(match[matches], edge);
            if (interest)
                interest_lose(interest, self->g);
        }
    }
}

static bool s_is_wanted(const struct session *session, struct wire_text topic)
{
    struct link *at = list_first(&session->topics);
    for (; at; at = list_after(&session->topics, at)) {
        const char *name = list_item(at, struct session_topic, order)->name;
        if (topic_pattern_matches(name, strlen(name), topic.data, topic.size))
            return true;
    }
    return false;
}

bool cast_is_for_session(const struct cast *self, struct wire_text id,
                         struct question *question)
{
    const struct session *session = session_find(&self->request->core->sessions, id);
    bool subscribed = false;
    for (size_t at = 0; session && at < self->topics; at++) {
        if (!s_is_wanted(session, self->topic[at].name))
            continue;
        if (self->topic[at].excepted)
            return false;
        subscribed = true;
    }
    if (subscribed && question)
        question_took(question, 1, 0);
    return !subscribed;
}

/* ---- Its turn ---- */

/* The topic has a publication with this position, and so have patterns that match: their
 * edges are told. */
static void s_publish_to(struct cast *self, struct wire_text name)
{
    struct core *core = self->request->core;
    struct topic *match[TOPIC_MATCHES_MAX];
    struct topic *topic = topic_get(&core->topics, name);
    size_t matches = topics_match(&core->topics, topic, name, match);
    for (size_t at = 0; at < matches; at++) {
        topic_publish(&core->topics, match[at], self->g);
        struct link *of = list_first(&match[at]->interests);
        for (; of; of = list_after(&match[at]->interests, of))
            (void)cast_part(self, list_item(of, struct interest, of_topic)->edge);
    }
}

/* Exceptions are for the edge to see to. */
static void s_place_exceptions(struct cast *self)
{
    const struct core *core = self->request->core;
    for (struct table_entry *at = self->targets.first; at; at = table_after(at)) {
        struct target *target = table_item(at, struct target, by_id);
        if (!target->excepted)
            continue;
        const struct session *session = session_find(&core->sessions, target->name);
        if (session && session->current) {
            const struct channel *carrier = session->current->channel;
            target->name = (struct wire_text){carrier->id, carrier->id_size};
        }
        const struct edge *edge = edge_of_channel(&core->edges, target->name);
        struct table_entry *found =
            edge ? table_find(&self->parts, edge->id, edge->id_size) : NULL;
        if (found)
            list_append(&table_item(found, struct part, by_edge)->exceptions,
                        &target->order);
    }
}

static void s_remember(const struct cast *self, struct wire_text name)
{
    struct core *core = self->request->core;
    struct topic *match[TOPIC_MATCHES_MAX];
    struct post post = *self->post;
    struct topic *topic = topic_get(&core->topics, name);
    size_t matches = topics_match(&core->topics, topic, name, match);
    post.topic = name;
    post_remember(core, topic, &post, match, matches);
    if (!core->tapped)
        return;
    struct wire_header header;
    wire_begin(&header, "PUB");
    wire_add_text(&header, name);
    cast_add_options(self, &header);
    tap_publication(core, name, &header, self->data);
}

static void s_deliver(struct cast *self, struct question *question)
{
    struct core *core = self->request->core;
    char position[SEQUENCE_POSITION], option[SEQUENCE_POSITION + 4];
    sequence_text(&core->sequence, self->g, position);
    snprintf(option, sizeof option, "pos=%s", position);
    core->stats.publications++;
    core->topics.top = self->g;
    for (size_t at = 0; at < self->topics; at++)
        if (!self->topic[at].excepted)
            s_publish_to(self, self->topic[at].name);
    s_place_exceptions(self);
    for (size_t at = 0; at < self->topics; at++)
        if (!self->topic[at].excepted)
            s_remember(self, self->topic[at].name);
    if (question && self->post->kept < 0)
        question_refused(question, 0, answer_key("store"),
                         answer_key("delivered, but nobody gets it later: the store "
                                    "does not take it"));
    else if (question)
        question->position = mem_strdup(option);
    cast_send(self, question);
}

/* The publication that it is.  It is held only where that can be right for everybody who
 * comes later: of one topic, and with one exception at most. */
static void s_read_post(const struct cast *self, struct post *post,
                        struct wire_text option[WIRE_TOKENS_MAX])
{
    *post = (struct post){.payload = self->data};
    for (size_t at = 0; at < self->topics; at++)
        if (!self->topic[at].excepted)
            post->topic = self->topic[at].name;
    post_read(self->request, post, option);
    post->history = post->history && self->topics == 1 && self->exceptions <= 1;
    for (const struct table_entry *at = self->targets.first; at && post->history;
         at = table_after(at)) {
        const struct target *target = table_item(at, struct target, by_id);
        if (target->excepted)
            post->entry.except = (struct wire_text){target->id, target->size};
    }
}

/* ---- Waiting ---- */

static void s_give_up(struct core *core, struct question *question)
{
    if (!question)
        return;
    question_refused(question, 1, answer_key("store"),
                     answer_key("not delivered: the broker ends"));
    answer_question(core, question);
    question_drop(&core->replies, &question);
}

/* The set is read again: labels stand for the channels that have them now. */
static void s_deliver_again(struct core *core, const struct held *held)
{
    struct wire_record record;
    struct wire_text option[WIRE_TOKENS_MAX];
    struct post post;
    struct address from = {.peer = held->peer, .authority = held->authority};
    struct request request = {
        .core = core, .from = &from, .record = &record, .options = 2};
    struct cast cast = {
        .request = &request, .g = held->waiting.g, .post = &post, .again = true};
    if (wire_read(held->frame->data, held->frame->size, &record) < 0)
        abort(); // it was read before
    request.id = wire_option(&record, request.options, "id");
    (void)cast_read(&cast); // all that may change since is left out
    s_read_post(&cast, &post, option);
    post.entry.g = cast.g;
    post.kept = held->kept;
    s_deliver(&cast, held->question);
    cast_clear(&cast);
}

static void s_deliver_held(void *context, struct waiting *waiting)
{
    struct core *core = context;
    struct held *held =
        (struct held *)(void *)((char *)waiting - offsetof(struct held, waiting));
    if (waiting->result < 0)
        s_give_up(core, held->question);
    else
        s_deliver_again(core, held);
    blob_unref(&held->frame);
    free(held);
}

static void s_wait(const struct cast *self, struct question *question)
{
    const struct request *request = self->request;
    struct held *held = mem_new(struct held);
    held->frame = hold_write(request->record);
    if (!held->frame)
        abort(); // as everywhere when the machine has no memory
    held->peer = request->from->peer;
    held->authority = request->from->authority;
    held->question = question;
    held->kept = self->post->kept;
    held->waiting.g = self->g;
    held->waiting.bytes = sizeof *held + held->frame->size;
    held->waiting.deliver = s_deliver_held;
    sequence_wait(&request->core->sequence, &held->waiting);
}

void cast_publish(struct cast *self)
{
    const struct request *request = self->request;
    struct core *core = request->core;
    struct wire_text option[WIRE_TOKENS_MAX], key = request->record->token[1];
    struct post post;
    s_read_post(self, &post, option);
    if (!sequence_has_room(&core->sequence, sizeof(struct held) + WIRE_HEADER_MAX +
                                                request->record->payload_size)) {
        core_dropped(core, CORE_DROP_TARGET);
        answer_error(request, key, "full", "too much waits for the store");
        return;
    }
    struct question *question = command_question(request, key);
    if (question)
        question->several = true;
    self->g = post.entry.g = sequence_take(&core->sequence);
    post.kept = post_keep(core, &post, false);
    self->post = &post;
    if (sequence_is_due(&core->sequence, self->g))
        s_deliver(self, question);
    else
        s_wait(self, question);
}
