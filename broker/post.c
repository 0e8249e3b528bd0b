#include "broker/post.h"

#include "broker/command.h"
#include "broker/session_carrier.h"
#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    POST_TTL_MAX = 365 * 86400, // seconds
    POST_COLLAPSE_MAX = 128,    // bytes
};

/* ---- To edges ---- */

/* A session is left out where its carrier is: that is what the edge knows. */
static void s_add_option(const struct core *core, const struct edge *edge,
                         const struct post *post, struct wire_text option,
                         struct wire_header *header)
{
    const struct session *session =
        post->entry.except.data && session_id_is_valid(post->entry.except)
            ? session_find(&core->sessions, post->entry.except)
            : NULL;
    const struct channel *carrier =
        session && session->current ? session->current->channel : NULL;
    bool is_except = option.size > 7 && memcmp(option.data, "except=", 7) == 0;
    if (!is_except || !session_id_is_valid(post->entry.except))
        wire_add_text(header, option);
    else if (carrier && carrier->edge == edge)
        wire_add_option(header, "except", carrier->id);
}

static int s_to_edge(struct core *core, struct edge *edge, const struct post *post,
                     const char *position)
{
    struct wire_header header;
    /* Whatever of it was lost has to be told before. */
    if (!list_is_empty(&edge->lost)) {
        publish_catch_up(core, edge);
        if (!list_is_empty(&edge->lost))
            return -ENOBUFS;
    }
    edge_begin(edge, &header, "PUB");
    wire_add_text(&header, post->topic);
    wire_add(&header, position);
    for (size_t at = 0; at < post->options; at++)
        s_add_option(core, edge, post, post->option[at], &header);
    return edge_commit(edge, &header, post->payload, COMMAND_PLAIN);
}

/* To the edges that want this topic or pattern and have not got it yet. */
static void s_to_edges(struct core *core, const struct topic *topic,
                       const struct post *post, const char *position)
{
    for (struct link *at = list_first(&topic->interests); at;
         at = list_after(&topic->interests, at)) {
        struct interest *interest = list_item(at, struct interest, of_topic);
        struct edge *edge = interest->edge;
        if (edge->post != post->entry.g) {
            edge->post = post->entry.g;
            edge->posted = s_to_edge(core, edge, post, position) == 0;
            core->stats.lost_publications += !edge->posted;
        }
        if (!edge->posted)
            interest_lose(interest, post->entry.g);
    }
}

/* ---- History ---- */

static bool s_hold(struct core *core, struct topic *topic, const struct post *post)
{
    struct blob *blob = post->blob ? blob_ref(post->blob)
                                   : blob_new(post->payload.data, post->payload.size);
    struct history_entry entry = post->entry;
    entry.limits = topic->limits;
    entry.payload = blob;
    bool held = blob && history_add(&core->history, &topic->shelf, &entry, core->now_ms);
    blob_unref(&blob);
    return held;
}

void post_remember(struct core *core, struct topic *topic, const struct post *post,
                   struct topic *const *match, size_t matches)
{
    uint64_t g = post->entry.g;
    if (!topic) {
        core->topics.forgotten = g;
        for (size_t at = 0; at < matches; at++)
            shelf_lose(&match[at]->shelf, g);
        return;
    }
    topic->stored |= core->sequence.keeper && post->history && post->kept >= 0;
    if (post->history && post->kept >= 0 && s_hold(core, topic, post))
        return;
    shelf_lose(&topic->shelf, g);
    if (topic->stored && core->sequence.keeper)
        core->sequence.keeper->lose(core->sequence.keeper->context, post->topic, g);
}

static void s_tap(struct core *core, const struct post *post, const char *position)
{
    struct wire_header header;
    wire_begin(&header, "PUB");
    wire_add_text(&header, post->topic);
    wire_add(&header, position);
    for (size_t at = 0; at < post->options; at++)
        wire_add_text(&header, post->option[at]);
    tap_publication(core, post->topic, &header, post->payload);
}

void post_deliver(struct core *core, const struct post *post)
{
    struct topic *match[TOPIC_MATCHES_MAX];
    char position[SEQUENCE_POSITION];
    struct topic *topic = topic_get(&core->topics, post->topic);
    size_t matches = topics_match(&core->topics, topic, post->topic, match);
    sequence_text(&core->sequence, post->entry.g, position);
    core->stats.publications++;
    core->topics.top = post->entry.g;
    for (size_t at = 0; at < matches; at++) {
        topic_publish(&core->topics, match[at], post->entry.g);
        s_to_edges(core, match[at], post, position);
    }
    post_remember(core, topic, post, match, matches);
    if (core->tapped)
        s_tap(core, post, position);
}

/* ---- Answers ---- */

static void s_accept(struct core *core, struct question *question, uint64_t g)
{
    char position[SEQUENCE_POSITION], option[SEQUENCE_POSITION + 4];
    if (!question)
        return;
    sequence_text(&core->sequence, g, position);
    snprintf(option, sizeof option, "pos=%s", position);
    question_set_extra(question, answer_key(option));
    question_took(question, 1, 0);
    command_finish(core, question);
}

/* It was delivered, but nobody gets it later: a repetition is answered the same. */
static void s_only_live(struct core *core, struct question *question)
{
    if (!question)
        return;
    question_refused(question, 1, answer_key("store"),
                     answer_key("delivered, but nobody gets it later: the store does not "
                                "take it"));
    command_finish(core, question);
}

/* Nothing was carried out: a repetition may be. */
static void s_refuse(struct core *core, struct question *question)
{
    if (!question)
        return;
    question_refused(question, 1, answer_key("store"),
                     answer_key("not delivered: the store does not take it"));
    answer_question(core, question);
    question_drop(&core->replies, &question);
}

/* ---- What waits ---- */

/* A publication that waits for its turn, with all of it; or a repetition of one that
 * waits. */
struct held {
    struct waiting waiting;
    struct post post;
    struct question *question; // NULL: nobody asks
    bool repeats;
    struct wire_text option[WIRE_TOKENS_MAX];
    char text[]; // topic, key, collapse, except, options
};

static struct wire_text s_copy(struct wire_text text, char **room)
{
    struct wire_text copy = {text.data ? *room : NULL, text.size};
    if (text.data)
        memcpy(*room, text.data, text.size);
    *room += text.size;
    return copy;
}

static struct held *s_held_new(const struct post *post, struct question *question)
{
    struct post copy = *post;
    size_t size = post->topic.size + post->key.size + post->entry.collapse.size +
                  post->entry.except.size;
    for (size_t at = 0; at < post->options; at++)
        size += post->option[at].size;
    struct held *self = mem_alloc(sizeof *self + size);
    char *room = self->text;
    copy.topic = s_copy(post->topic, &room);
    copy.key = s_copy(post->key, &room);
    copy.entry.collapse = s_copy(post->entry.collapse, &room);
    copy.entry.except = s_copy(post->entry.except, &room);
    for (size_t at = 0; at < post->options; at++)
        self->option[at] = s_copy(post->option[at], &room);
    copy.option = self->option;
    copy.payload = (struct wire_text){(const char *)post->blob->data, post->blob->size};
    copy.blob = blob_ref(post->blob);
    self->post = copy;
    self->question = question;
    self->waiting.g = post->entry.g;
    self->waiting.bytes = sizeof *self + size + post->payload.size;
    return self;
}

static void s_deliver_repetition(struct core *core, struct held *held)
{
    uint64_t g = once_find(&core->once, held->post.topic, held->post.key);
    if (g && held->waiting.result == 0)
        s_accept(core, held->question, g);
    else
        s_refuse(core, held->question);
}

static void s_deliver_held(void *context, struct waiting *waiting)
{
    struct core *core = context;
    struct held *held =
        (struct held *)(void *)((char *)waiting - offsetof(struct held, waiting));
    struct post *post = &held->post;
    if (held->repeats) {
        s_deliver_repetition(core, held);
    } else if (waiting->result < 0) {
        if (post->key.data)
            once_remove(&core->once, post->topic, post->key);
        s_refuse(core, held->question);
    } else {
        post_deliver(core, post);
        if (post->kept < 0)
            s_only_live(core, held->question);
        else
            s_accept(core, held->question, waiting->g);
    }
    blob_unref(&post->blob);
    free(held);
}

static void s_wait(struct core *core, const struct post *post, struct question *question,
                   bool durable)
{
    struct held *held = s_held_new(post, question);
    held->waiting.durable = durable;
    held->waiting.deliver = s_deliver_held;
    sequence_wait(&core->sequence, &held->waiting);
}

/* ---- From an application ---- */

/* Does the header fit with what we add, number and position?  Else every edge would lose
 * it. */
static bool s_fits(const struct wire_record *record)
{
    size_t size = sizeof "PUB" + 20 + 40;
    for (size_t at = 1; at < record->count; at++)
        size += record->token[at].size + 1;
    return size <= WIRE_HEADER_MAX;
}

static bool s_is_flag(struct wire_text value)
{
    return !value.data || wire_is(value, "0") || wire_is(value, "1");
}

static bool s_is_short(struct wire_text value, size_t most)
{
    return !value.data || (value.size >= 1 && value.size <= most);
}

const char *post_bad_option(const struct request *request)
{
    const struct wire_record *record = request->record;
    struct wire_text except = wire_option(record, request->options, "except");
    struct wire_text durable = wire_option(record, request->options, "durable");
    struct wire_text hist = wire_option(record, request->options, "hist");
    struct wire_text ttl = wire_option(record, request->options, "ttl");
    uint64_t seconds = 1;
    if (except.data && !channel_id_is_valid(except))
        return "except: not the id of a channel";
    if (!s_is_flag(hist))
        return "hist: 0 or 1";
    if (!s_is_flag(durable) || (wire_is(durable, "1") && wire_is(hist, "0")))
        return "durable: 0 or 1, and not 1 with hist=0";
    if (ttl.data &&
        (wire_u64(ttl, &seconds) < 0 || seconds < 1 || seconds > POST_TTL_MAX))
        return "ttl: 1 to 31536000 seconds";
    if (!s_is_short(wire_option(record, request->options, "key"), ONCE_KEY_MAX))
        return "key: 1 to 128 bytes";
    if (!s_is_short(wire_option(record, request->options, "collapse"), POST_COLLAPSE_MAX))
        return "collapse: 1 to 128 bytes";
    return command_bad_option(request);
}

/* NULL, or what is wrong with a PUB. */
static const char *s_bad(const struct request *request)
{
    struct wire_text topic = request->record->token[1];
    if (topic_kind(topic.data, topic.size) != TOPIC_NAME)
        return "topic: 1 to 255 bytes, no *";
    if (!s_fits(request->record))
        return "header: too long to be passed on";
    return request->options < request->record->count ? post_bad_option(request) : NULL;
}

/* Is it an option that is between the sender and us? */
static bool s_is_ours(struct wire_text token)
{
    static const char *const ours[] = {
        "id=", "hist=", "ttl=", "key=", "durable=", "reply="};
    for (size_t at = 0; at < sizeof ours / sizeof *ours; at++) {
        size_t size = strlen(ours[at]);
        if (token.size >= size && memcmp(token.data, ours[at], size) == 0)
            return true;
    }
    return false;
}

void post_read(const struct request *request, struct post *post,
               struct wire_text option[WIRE_TOKENS_MAX])
{
    const struct wire_record *record = request->record;
    const struct history *history = &request->core->history;
    uint64_t ttl = 0;
    post->option = option;
    for (size_t at = request->options; at < record->count; at++)
        if (!s_is_ours(record->token[at]))
            option[post->options++] = record->token[at];
    if (request->options < record->count) {
        post->key = wire_option(record, request->options, "key");
        post->entry.collapse = wire_option(record, request->options, "collapse");
        post->entry.except = wire_option(record, request->options, "except");
        post->entry.binary = wire_is(wire_option(record, request->options, "bin"), "1");
        (void)wire_u64(wire_option(record, request->options, "ttl"), &ttl);
        post->entry.ttl_ms = (int64_t)ttl * 1000;
        if (wire_is(wire_option(record, request->options, "hist"), "0"))
            return;
    }
    post->history = history_takes(
        history, history_limits_of(history, post->topic.data, post->topic.size),
        post->payload.size);
}

/* The publication with this key was taken before: the answer is the same. */
static bool s_is_known(const struct request *request, struct post *post)
{
    struct core *core = request->core;
    uint64_t g = post->key.data ? once_find(&core->once, post->topic, post->key) : 0;
    if (!g)
        return false;
    struct question *question = command_question(request, post->topic);
    core_dropped(core, CORE_DROP_REPEAT);
    if (g <= core->sequence.delivered || !question) {
        s_accept(core, question, g);
        return true;
    }
    post->entry.g = core->sequence.next - 1;
    post->payload.size = 0;
    post->blob = blob_new("", 0);
    struct held *held = s_held_new(post, question);
    blob_unref(&post->blob);
    held->repeats = true;
    held->waiting.deliver = s_deliver_held;
    sequence_wait(&core->sequence, &held->waiting);
    return true;
}

/* NULL, or the code of an error; *why is the explanation. */
static const char *s_refusal(const struct core *core, const struct post *post,
                             bool durable, const char **why)
{
    *why = "durable: this broker has no store";
    if (durable && !core->sequence.keeper)
        return "unsupported";
    *why = "durable: the history of this topic does not take it";
    if (durable && !post->history)
        return "unsupported";
    *why = "too much waits for the store";
    return sequence_has_room(&core->sequence,
                             sizeof(struct held) + WIRE_HEADER_MAX + post->payload.size)
               ? NULL
               : "full";
}

int post_keep(const struct core *core, const struct post *post, bool durable)
{
    const struct keeper *keeper = core->sequence.keeper;
    const struct kept kept = {.g = post->entry.g,
                              .ttl_ms = post->entry.ttl_ms,
                              .binary = post->entry.binary,
                              .durable = durable,
                              .topic = post->topic,
                              .collapse = post->entry.collapse,
                              .except = post->entry.except,
                              .key = post->key,
                              .payload = post->payload};
    return keeper && post->history ? keeper->keep(keeper->context, &kept) : 0;
}

static void s_go(const struct request *request, struct post *post, bool durable)
{
    struct core *core = request->core;
    struct question *question = command_question(request, post->topic);
    post->entry.g = sequence_take(&core->sequence);
    post->kept = post_keep(core, post, durable);
    if (post->kept < 0 && durable) {
        sequence_skip(&core->sequence, post->entry.g);
        s_refuse(core, question);
        return;
    }
    if (post->key.data)
        once_add(&core->once, post->topic, post->key, post->entry.g, core->now_ms);
    if (!durable && sequence_is_due(&core->sequence, post->entry.g)) {
        post_deliver(core, post);
        if (post->kept < 0)
            s_only_live(core, question);
        else
            s_accept(core, question, post->entry.g);
        return;
    }
    post->blob = blob_new(post->payload.data, post->payload.size);
    if (!post->blob)
        abort(); // as everywhere when the machine has no memory
    s_wait(core, post, question, durable);
    blob_unref(&post->blob);
}

static void s_take(struct request *request)
{
    struct wire_text option[WIRE_TOKENS_MAX];
    struct post post = {.topic = request->record->token[1],
                        .payload = payload_of(request->record)};
    const char *why;
    post_read(request, &post, option);
    if (s_is_known(request, &post))
        return;
    bool durable =
        request->options < request->record->count &&
        wire_is(wire_option(request->record, request->options, "durable"), "1");
    const char *code = s_refusal(request->core, &post, durable, &why);
    if (code) {
        core_dropped(request->core, CORE_DROP_TARGET);
        answer_error(request, post.topic, code, why);
        return;
    }
    s_go(request, &post, durable);
}

void command_pub(struct request *request)
{
    struct wire_text name = request->record->token[1];
    const char *bad = s_bad(request);
    if (bad) {
        core_dropped(request->core, CORE_DROP_VALUE);
        answer_error(request, name, "value", bad);
    } else if (!request->record->has_payload) {
        core_dropped(request->core, CORE_DROP_SYNTAX);
        answer_error(request, name, "syntax", "no payload");
    } else if (!command_is_repeated(request)) {
        s_take(request);
    }
}
