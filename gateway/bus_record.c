/* bus_record: records from the broker: taken in order, and handed to the workers
 * concerned. */
#include "gateway/bus_private.h"

#include "common/log.h"
#include "common/topic_pattern.h"
#include "gateway/gateway_metrics.h"
#include "gateway/session_token.h"

#include <stdio.h>
#include <string.h>

enum { REJECTED_MS = 800 }; // more than usual between two greetings

/* ---- to workers ---- */

/* The bus thread waits for nobody.  What a worker that is too far behind has no room for
 * is a gap, where it is a publication; else its sender is told, where it asked, or the
 * channel is closed.  Acknowledgements and the like are bounded by the windows. */

static void s_give(struct bus *self, unsigned worker, struct blob *blob)
{
    struct bus_item *item = bus_item_new(BUS_COMMAND, NULL, 0);
    item->blob = blob_ref(blob);
    bus_lane_send(&self->ports[worker].to_worker, item);
}

static bool s_has_room(const struct bus *self, unsigned worker)
{
    return bus_lane_bytes(&self->ports[worker].to_worker) <= self->options.worker_queue;
}

static void s_give_bits(struct bus *self, uint64_t workers, const void *data, size_t size)
{
    if (workers == 0)
        return;
    struct blob *blob = blob_new(data, size);
    for (unsigned at = 0; blob && at < self->options.workers; at++)
        if (workers >> at & 1)
            s_give(self, at, blob);
    blob_unref(&blob);
}

static uint64_t s_all(const struct bus *self)
{
    return self->options.workers >= 64 ? UINT64_MAX
                                       : (UINT64_C(1) << self->options.workers) - 1;
}

/* The worker that has a channel, or -1 when the id is not of this edge's life. */
static int s_worker_of(const struct bus *self, struct wire_text id, uint64_t *number_out)
{
    size_t prefix = strlen(self->prefix);
    uint64_t number = 0;
    if (id.size <= prefix || id.size > prefix + 16 ||
        memcmp(id.data, self->prefix, prefix) != 0)
        return -1;
    for (size_t at = prefix; at < id.size; at++) {
        char c = id.data[at];
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'f'))
            return -1;
        number = number << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
    }
    *number_out = number;
    return (int)(number % self->options.workers);
}

/* ---- answers ---- */

/* Books a command that wants an answer from `parts` channels.  False: it must not be
 * carried out. */
static bool s_book(struct bus *self, const struct wire_record *record, size_t options,
                   uint64_t c, unsigned parts)
{
    struct wire_text id = wire_option(record, options, "id");
    struct bus_answer answer;
    if (!wire_option(record, options, "reply").data)
        return true;
    switch (bus_answers_begin(self->answers, c, id.data, id.size, parts, self->now_ms,
                              &answer)) {
    case BUS_ANSWERS_NEW:
        return true;
    case BUS_ANSWERS_KNOWN:
        bus_answer(self, c, &answer);
        return false;
    case BUS_ANSWERS_REPEAT:
        return false;
    }
    return false;
}

static void s_miss(struct bus *self, struct wire_text id, uint64_t c)
{
    struct wire_header header;
    struct bus_answer answer;
    uint64_t newest;
    wire_begin(&header, "GONE");
    wire_add_text(&header, id);
    bus_post(self, &header);
    if (bus_answers_end(self->answers, c, "gone", &answer, &newest))
        bus_answer(self, newest, &answer);
}

/* A channel as a command names it. */
struct s_target {
    struct wire_text id;
    uint64_t number;
    int worker; // -1: not of this edge's life
};

static struct s_target s_target(const struct bus *self, struct wire_text id)
{
    struct s_target target = {.id = id};
    target.worker = s_worker_of(self, id, &target.number);
    return target;
}

/* Command c does not fit for one of its channels.  asked: its sender wants an answer. */
static void s_refuse(struct bus *self, const struct s_target *target, uint64_t c,
                     bool asked)
{
    struct bus_answer answer;
    uint64_t newest;
    struct bus_of_worker *worker = &self->of_worker[target->worker];
    gateway_metrics_queue_full();
    log_warn("worker_queue_full", "worker=%d c=%llu", target->worker,
             (unsigned long long)c);
    if (!asked && bus_overflow_channel(&worker->lost, target->number))
        bus_lane_send(&self->ports[target->worker].to_worker,
                      bus_item_new(BUS_SLOW, target->id.data, target->id.size));
    if (asked && bus_answers_end(self->answers, c, "full", &answer, &newest))
        bus_answer(self, newest, &answer);
}

/* ---- commands for channels ---- */

static struct wire_text s_next_channel(struct wire_text *list)
{
    const char *comma = memchr(list->data, ',', list->size);
    struct wire_text first = {list->data,
                              comma ? (size_t)(comma - list->data) : list->size};
    size_t used = comma ? first.size + 1 : first.size;
    list->data += used;
    list->size -= used;
    return first;
}

/* Where a channel of a command goes. */
static void s_reach(struct bus *self, const struct s_target *target, uint64_t c,
                    bool asked, uint64_t *workers)
{
    if (target->worker < 0)
        s_miss(self, target->id, c);
    else if (!s_has_room(self, (unsigned)target->worker))
        s_refuse(self, target, c, asked);
    else
        *workers |= UINT64_C(1) << target->worker;
}

static void s_for_channels(struct bus *self, const struct wire_record *record, uint64_t c,
                           const void *data, size_t size)
{
    uint64_t workers = 0;
    unsigned parts = 0;
    bool asked = wire_option(record, 3, "reply").data != NULL;
    if (asked)
        for (struct wire_text list = record->token[2]; list.size > 0; parts++)
            (void)s_next_channel(&list);
    if (!s_book(self, record, 3, c, parts))
        return;
    for (struct wire_text list = record->token[2]; list.size > 0;) {
        struct s_target target = s_target(self, s_next_channel(&list));
        s_reach(self, &target, c, asked, &workers);
    }
    s_give_bits(self, workers, data, size);
}

/* A topic as text; its size, or negative. */
static int s_topic(struct wire_text token, char out[TOPIC_MAX + 1])
{
    return wire_unescape(token, out, TOPIC_MAX + 1);
}

static void s_count_topic(struct bus *self, struct wire_text token, unsigned worker)
{
    char topic[TOPIC_MAX + 1];
    int size = s_topic(token, topic);
    if (size > 0)
        bus_topics_add(self->topics, topic, (size_t)size, worker);
}

/* The lines of a BIND are subscriptions: from here on this edge gets their topics. */
static void s_count_topics(struct bus *self, const struct wire_record *record,
                           unsigned worker)
{
    const char *at = (const char *)record->payload;
    const char *end = at + record->payload_size;
    while (at && at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((line_end ? line_end : end) - at);
        const char *space = memchr(at, ' ', size);
        size_t topic = space ? (size_t)(space - at) : size;
        struct wire_text token = {at, topic};
        s_count_topic(self, token, worker);
        at += size + 1;
    }
}

static void s_for_channel(struct bus *self, const struct wire_record *record, uint64_t c,
                          const void *data, size_t size)
{
    struct s_target target = s_target(self, record->token[2]);
    bool is_bind = wire_is(record->token[0], "BIND");
    bool is_ours = is_bind || wire_is(record->token[0], "RESEND") ||
                   wire_is(record->token[0], "BOUND") ||
                   wire_is(record->token[0], "DROP");
    if (!s_book(self, record, 3, c, 1))
        return;
    if (target.worker < 0) {
        s_miss(self, target.id, c);
        return;
    }
    if (!is_ours && !s_has_room(self, (unsigned)target.worker)) {
        s_refuse(self, &target, c, wire_option(record, 3, "reply").data != NULL);
        return;
    }
    if (wire_is(record->token[0], "SUB") && record->count > 3)
        s_count_topic(self, record->token[3], (unsigned)target.worker);
    if (is_bind)
        s_count_topics(self, record, (unsigned)target.worker);
    s_give_bits(self, UINT64_C(1) << target.worker, data, size);
}

/* Nobody here wants it any more: the broker missed an earlier TUNSUB, of the topic or of
 * a pattern. */
static void s_decline(struct bus *self, const char *topic, size_t size)
{
    struct topic_walk walk;
    topic_walk_begin(&walk, topic, size);
    while (topic_walk_next(&walk)) {
        struct wire_header header;
        wire_begin(&header, "TUNSUB");
        wire_add_escaped(&header, walk.name);
        wire_add_u64(&header, self->lastc);
        bus_post(self, &header);
    }
}

/* Those of these workers that have room; the others are told of a gap, at its place. */
static uint64_t s_with_room(struct bus *self, uint64_t workers)
{
    for (unsigned at = 0; at < self->options.workers; at++) {
        struct bus_overflow *lost = &self->of_worker[at].lost;
        if (!(workers >> at & 1))
            continue;
        if (s_has_room(self, at)) {
            bus_overflow_passes(lost);
            continue;
        }
        workers &= ~(UINT64_C(1) << at);
        gateway_metrics_queue_full();
        if (bus_overflow_topics(lost))
            bus_lane_send(&self->ports[at].to_worker, bus_item_new(BUS_LOST, NULL, 0));
    }
    return workers;
}

static struct wire_text s_payload(const struct wire_record *record)
{
    return (struct wire_text){(const char *)record->payload, record->payload_size};
}

/* The next line of a CAST, without "-" for an exception, which is no channel then. */
static bool s_next_line(struct wire_text *lines, uint64_t *left, char *kind,
                        struct wire_text *name)
{
    if (*left == 0 || !wire_next_line(lines, name) || name->size < 2)
        return false;
    --*left;
    *kind = name->data[0]; // "-": the worker sees to it
    name->data += 2;
    name->size -= 2;
    return true;
}

/* Workers with subscribers of the topics that are named; nobody: the broker missed a
 * TUNSUB.  parts: how many channels are named. */
static uint64_t s_workers_of_set(struct bus *self, const struct wire_record *record,
                                 uint64_t count, unsigned *parts)
{
    uint64_t workers = 0;
    char kind, topic[TOPIC_MAX + 1];
    struct wire_text lines = s_payload(record), name;
    for (uint64_t left = count; s_next_line(&lines, &left, &kind, &name);) {
        int size = kind == 't' ? s_topic(name, topic) : 0;
        *parts += kind == 'c';
        if (size > 0)
            workers |= bus_topics_workers(self->topics, topic, (size_t)size);
    }
    lines = s_payload(record);
    if (workers > 0 || *parts > 0)
        return workers;
    for (uint64_t left = count; s_next_line(&lines, &left, &kind, &name);) {
        int size = kind == 't' ? s_topic(name, topic) : 0;
        if (size > 0)
            s_decline(self, topic, (size_t)size);
    }
    return 0;
}

static void s_for_set(struct bus *self, const struct wire_record *record, uint64_t c,
                      const void *data, size_t size)
{
    uint64_t count;
    unsigned parts = 0;
    char kind;
    struct wire_text lines = s_payload(record), id;
    bool asked = wire_option(record, 3, "reply").data != NULL;
    if (wire_u64(record->token[2], &count) < 0 || count == 0 || count > UINT32_MAX)
        return;
    uint64_t wanted = s_workers_of_set(self, record, count, &parts);
    if (!s_book(self, record, 3, c, parts))
        return;
    uint64_t workers = s_with_room(self, wanted);
    for (uint64_t left = count; s_next_line(&lines, &left, &kind, &id);) {
        if (kind != 'c')
            continue;
        struct s_target target = s_target(self, id);
        uint64_t bit = target.worker < 0 ? 0 : UINT64_C(1) << target.worker;
        if (bit & wanted & ~workers)
            s_refuse(self, &target, c, asked); // there was no room, and it was told so
        else if (!(bit & workers))
            s_reach(self, &target, c, asked, &workers);
    }
    s_give_bits(self, workers, data, size);
}

static void s_publish(struct bus *self, const struct wire_record *record,
                      const void *data, size_t size)
{
    char topic[TOPIC_MAX + 1];
    bool is_pub = wire_is(record->token[0], "PUB");
    int length = s_topic(record->token[2], topic);
    if (length <= 0)
        return;
    uint64_t workers = bus_topics_workers(self->topics, topic, (size_t)length);
    if (workers == 0 && is_pub)
        s_decline(self, topic, (size_t)length);
    s_give_bits(self, is_pub ? s_with_room(self, workers) : workers, data, size);
}

/* To the worker of its channel.  A message that it has no room for is asked for again;
 * gaps and ends are few. */
static void s_answer(struct bus *self, const struct wire_record *record, const void *data,
                     size_t size)
{
    uint64_t number;
    int worker = s_worker_of(self, record->token[2], &number);
    if (worker < 0)
        return; // its channel is of an earlier life, and nobody waits
    uint64_t bits = UINT64_C(1) << worker;
    s_give_bits(self, wire_is(record->token[0], "HIST") ? s_with_room(self, bits) : bits,
                data, size);
}

static void s_command(struct bus *self, const struct wire_record *record, uint64_t c,
                      const void *data, size_t size)
{
    struct wire_text verb = record->token[0];
    if (record->count < 3)
        return;
    if (wire_is(verb, "SEND"))
        s_for_channels(self, record, c, data, size);
    else if (wire_is(verb, "CAST"))
        s_for_set(self, record, c, data, size);
    else if (wire_is(verb, "REPLY") && record->count > 3)
        bus_asks_reply(self->asks, record->token[2], record->token[3], s_payload(record));
    else if (wire_is(verb, "ACK") || wire_is(verb, "FORGET") || wire_is(verb, "UP") ||
             (wire_is(verb, "BIND") &&
              session_token_is_id(record->token[2].data, record->token[2].size)))
        s_give_bits(self, s_all(self), data, size);
    else if (wire_is(verb, "PUB") || wire_is(verb, "TOP") || wire_is(verb, "LOST"))
        s_publish(self, record, data, size);
    else if (wire_is(verb, "HIST") || wire_is(verb, "GAP") || wire_is(verb, "LIVE"))
        s_answer(self, record, data, size);
    else
        s_for_channel(self, record, c, data, size);
}

/* ---- c = 0: about the connection ---- */

static void s_copy(struct wire_text text, char *out, size_t room)
{
    snprintf(out, room, "%.*s", (int)text.size, text.data);
}

static void s_welcome(struct bus *self, const struct wire_record *record)
{
    if (record->count < 4 || self->state != BUS_GREETING)
        return;
    bool sync = wire_is(record->token[3], "sync");
    struct wire_text c = wire_option(record, 4, "c");
    s_copy(record->token[2], self->boot, sizeof self->boot);
    if (sync && (!c.data || wire_u64(c, &self->lastc) < 0))
        self->lastc = 0;
    self->told_c = 0;
    self->has_beaten = false;
    self->announcing = self->options.workers;
    self->announce_is_full = sync;
    bus_set_state(self, BUS_JOINED);
    self->heard_ms = self->now_ms;
    if (sync || self->topics_changed)
        bus_announce_topics(self); // before the workers ask what they missed in them
    bus_broadcast(self, BUS_ANNOUNCE, NULL, ++self->announce, sync);
}

static void s_reject(struct bus *self, const struct wire_record *record)
{
    if (record->count < 3)
        return;
    char code[32];
    s_copy(record->token[2], code, sizeof code);
    log_error("bus_reject", "code=%s", code);
    if (wire_is(record->token[2], "epoch"))
        bus_new_epoch(self);
    else
        bus_set_state(self, BUS_AWAY);
    if (!wire_is(record->token[2], "epoch"))
        self->hello_ms = self->now_ms + REJECTED_MS; // it will say so again
}

/* What was sent before one heartbeat among the commands, and has not come when the next
 * one does, is lost. */
static void s_beat(struct bus *self, const struct wire_record *record)
{
    struct wire_text c = wire_option(record, 3, "c");
    uint64_t told = 0;
    if (self->is_beside || self->state != BUS_JOINED || !c.data || wire_u64(c, &told) < 0)
        return;
    bool is_lost = self->lastc < self->told_c;
    self->told_c = is_lost ? 0 : told;
    if (is_lost)
        bus_greet(self);
}

/* The broker does not know us.  Beside the commands it may have said so to a heartbeat
 * that came before our HELLO: another one would wait behind what has been sent since. */
static void s_who(struct bus *self)
{
    bool is_old = self->is_beside && self->state == BUS_JOINED && !self->has_beaten;
    if (self->state != BUS_GREETING && !is_old)
        bus_greet(self);
}

static void s_connection(struct bus *self, const struct wire_record *record,
                         const void *data, size_t size)
{
    struct wire_text verb = record->token[0];
    if (wire_is(verb, "WELCOME"))
        s_welcome(self, record);
    else if (wire_is(verb, "REJECT"))
        s_reject(self, record);
    else if (wire_is(verb, "WHO"))
        s_who(self);
    else if (wire_is(verb, "HB"))
        s_beat(self, record);
    else if (wire_is(verb, "FLOW"))
        s_give_bits(self, s_all(self), data, size);
    else if (wire_is(verb, "TOP") || wire_is(verb, "LOST"))
        s_publish(self, record, data, size);
}

/* Commands are taken in the order of c; a gap means that the connection broke: greet
 * again, and the broker repeats what is missing. */
void bus_take_record(struct bus *self, const void *data, size_t size)
{
    struct wire_record record;
    uint64_t c;
    if (wire_read(data, size, &record) < 0 || record.count < 2 ||
        wire_u64(record.token[1], &c) < 0) {
        log_warn("bus_garbage", "bytes=%zu", size);
        return;
    }
    if (c == 0) {
        s_connection(self, &record, data, size);
        return;
    }
    if (self->state != BUS_JOINED || c <= self->lastc)
        return;
    if (c != self->lastc + 1) {
        bus_greet(self);
        return;
    }
    self->lastc = c;
    self->unreported_records++;
    self->unreported_bytes += size;
    s_command(self, &record, c, data, size);
}
