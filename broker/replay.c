#include "broker/replay.h"

#include "broker/session_core.h"
#include "common/bytes.h"
#include "common/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a topic has for the channel. */
struct source {
    struct topic *topic;
    uint64_t since; // what is after this is lacking
    uint32_t next;  // index on its shelf
};

/* One turn of one pull. */
struct replay {
    struct core *core;
    struct edge *edge;
    struct pull *pull;
    struct session *session; // that the channel carries; NULL: none
    size_t *budget;          // bytes of payload in this turn
    struct source *source;
    size_t count, room;
};

static uint64_t s_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* ---- Records ---- */

static void s_begin(const struct replay *self, struct wire_header *header,
                    const char *verb)
{
    edge_begin(self->edge, header, verb);
    wire_add_text(header, self->pull->channel);
}

static void s_add_position(const struct replay *self, struct wire_header *header,
                           uint64_t g)
{
    char position[SEQUENCE_POSITION];
    sequence_text(&self->core->sequence, g, position);
    wire_add(header, position);
}

/* 0, or negative while there is no room.  Nothing of a replay takes the last room. */
static int s_say(const struct replay *self, struct wire_header *header,
                 struct wire_text payload)
{
    if (self->pull->number)
        wire_add_option_u64(header, "n", self->pull->number);
    return edge_commit(self->edge, header, payload, COMMAND_REPLAY);
}

static int s_say_gap(const struct replay *self, struct wire_header *header,
                     enum core_gap reason, const struct wire_text *topic)
{
    char text[TOPIC_MAX + 1];
    wire_add(header, core_gap_name(reason));
    if (topic) {
        memcpy(text, topic->data, topic->size);
        text[topic->size] = 0;
        wire_add_option(header, "topic", text);
    }
    int result = s_say(self, header, payload_none());
    self->core->stats.gaps[reason] += result == 0;
    return result;
}

static int s_gap(const struct replay *self, uint64_t from, uint64_t to,
                 enum core_gap reason, const struct wire_text *topic)
{
    struct wire_header header;
    s_begin(self, &header, "GAP");
    s_add_position(self, &header, from);
    s_add_position(self, &header, to);
    return s_say_gap(self, &header, reason, topic);
}

/* The cursor is of no use: all after it may be lost. */
static int s_gap_of_cursor(const struct replay *self, uint64_t to, enum core_gap reason)
{
    struct wire_header header;
    s_begin(self, &header, "GAP");
    wire_add_text(&header, self->pull->cursor);
    s_add_position(self, &header, to);
    return s_say_gap(self, &header, reason, NULL);
}

/* The end of the answer: the pull is gone then. */
static int s_live(struct replay *self, uint64_t g, bool more)
{
    struct wire_header header;
    s_begin(self, &header, "LIVE");
    s_add_position(self, &header, g);
    if (more)
        wire_add_option(&header, "more", "1");
    int result = s_say(self, &header, payload_none());
    if (result < 0)
        return result;
    if (self->session && !more)
        session_carrier_live(self->core,
                             channel_find(&self->core->channels, self->pull->channel));
    pull_destroy(&self->edge->pulls, &self->pull);
    return 0;
}

static int s_hist(const struct replay *self, const struct topic *topic,
                  const struct publication *publication)
{
    struct wire_header header;
    char collapse[HISTORY_TEXT_MAX + 1];
    struct wire_text text = publication_collapse(publication);
    s_begin(self, &header, "HIST");
    s_add_position(self, &header, publication->g);
    wire_add(&header, topic->name);
    if (publication->binary)
        wire_add_option(&header, "bin", "1");
    if (text.data) {
        memcpy(collapse, text.data, text.size);
        collapse[text.size] = 0;
        wire_add_option(&header, "collapse", collapse);
    }
    const struct blob *payload = publication->payload;
    return s_say(self, &header,
                 (struct wire_text){(const char *)payload->data, payload->size});
}

/* A SEND to the session; its options as they were. */
static int s_hist_of_session(const struct replay *self, const struct session_entry *entry)
{
    struct wire_header header;
    s_begin(self, &header, "HIST");
    s_add_position(self, &header, entry->number);
    wire_add(&header, "-");
    for (const char *word = entry->options; *word;) {
        size_t size = strcspn(++word, " ");
        wire_add_text(&header, (struct wire_text){word, size});
        word += size;
    }
    return s_say(
        self, &header,
        (struct wire_text){(const char *)entry->payload->data, entry->payload->size});
}

/* ---- What there is ---- */

static const struct publication *s_next_of(const struct source *source)
{
    return shelf_at(&source->topic->shelf, source->next);
}

/* Once, however many lines it matches: then what any of them lacks. */
static void s_add_source(struct replay *self, struct topic *topic, uint64_t since)
{
    if (topic->replay == self->core->replays) {
        assert(topic->source < self->count && self->source);
        struct source *known = &self->source[topic->source];
        if (since < known->since)
            known->since = since;
        return;
    }
    if (self->count == self->room) {
        self->room = self->room ? 2 * self->room : 16;
        self->source = mem_realloc(self->source, self->room * sizeof *self->source);
    }
    topic->replay = self->core->replays;
    topic->source = (uint32_t)self->count;
    self->source[self->count++] = (struct source){.topic = topic, .since = since};
}

/* The topics that a pattern matches: the newest position of what is not held of them;
 * -EOVERFLOW in *result when there are too many. */
static uint64_t s_add_matches(struct replay *self, const struct topic *pattern,
                              uint64_t since, int *result)
{
    struct branch_walk walk;
    uint64_t lost = pattern->shelf.lost;
    size_t count = self->count, found = 0;
    branch_walk_begin(&walk, pattern->branch, pattern->branch->all == pattern);
    for (struct link *at; (at = branch_walk_next(&walk));) {
        if (++found > REPLAY_TOPICS_MAX) {
            while (self->count > count) // they are no sources after all
                self->source[--self->count].topic->replay = 0;
            *result = -EOVERFLOW;
            return 0;
        }
        struct topic *topic = list_item(at, struct topic, of_branch);
        lost = s_max(lost, topic->shelf.lost);
        s_add_source(self, topic, since);
    }
    *result = 0;
    return lost;
}

/* One subscription: its topics, and the gap before them.  0, or negative while there is
 * no room. */
static int s_add_line(struct replay *self, struct pull_line *line)
{
    struct topic *topic = topic_find(&self->core->topics, line->name);
    uint64_t since = s_max(self->pull->at, line->start), lost;
    enum core_gap reason = CORE_GAP_HISTORY;
    int result = 0;
    if (!topic || topic->position <= since || !interest_find(topic, self->edge))
        return 0; // nothing new, or the edge does not want it
    if (topic_is_pattern(topic)) {
        lost = s_add_matches(self, topic, since, &result);
    } else {
        lost = topic->shelf.lost;
        s_add_source(self, topic, since);
    }
    if (result < 0) {
        lost = topic->position;
        reason = CORE_GAP_PATTERN;
    }
    if (lost <= s_max(since, line->told))
        return 0;
    if (s_gap(self, since, lost, reason, &line->name) < 0)
        return -EAGAIN;
    line->told = lost;
    return 0;
}

/* ---- In order ---- */

static void s_sink(struct source *heap, size_t count, size_t at)
{
    for (;;) {
        size_t least = at, child = 2 * at + 1;
        for (size_t end = child + 2; child < end && child < count; child++)
            if (s_next_of(&heap[child])->g < s_next_of(&heap[least])->g)
                least = child;
        if (least == at)
            return;
        struct source moved = heap[at];
        heap[at] = heap[least];
        heap[least] = moved;
        at = least;
    }
}

/* The sources that have something become a heap, the one with the oldest first. */
static void s_order(struct replay *self)
{
    size_t count = 0;
    for (size_t at = 0; at < self->count; at++) {
        struct source source = self->source[at];
        source.next = shelf_after(&source.topic->shelf, source.since);
        if (source.next < source.topic->shelf.count)
            self->source[count++] = source;
    }
    self->count = count;
    for (size_t at = count / 2; at-- > 0;)
        s_sink(self->source, count, at);
}

static void s_advance(struct replay *self)
{
    struct source *first = &self->source[0];
    if (++first->next == first->topic->shelf.count)
        *first = self->source[--self->count];
    s_sink(self->source, self->count, 0);
}

/* Holes that begin before g, of all topics. */
static int s_holes(struct replay *self, uint64_t g)
{
    struct pull *pull = self->pull;
    const struct sequence *sequence = &self->core->sequence;
    for (size_t at = 0; at < sequence->holes; at++) {
        const struct hole *hole = &sequence->hole[at];
        if (hole->from > g || hole->to <= pull->at || hole->to <= pull->told_hole)
            continue;
        if (s_gap(self, s_max(pull->at, hole->from - 1), hole->to, CORE_GAP_STORE, NULL) <
            0)
            return -EAGAIN;
        pull->told_hole = hole->to;
    }
    return 0;
}

/* It is not for this channel, or not for its session. */
static bool s_is_excepted(const struct replay *self,
                          const struct publication *publication)
{
    const struct pull *pull = self->pull;
    struct wire_text except = publication_except(publication);
    if (!except.data)
        return false;
    if (self->session && wire_is(except, self->session->id))
        return true;
    return except.size == pull->channel.size &&
           memcmp(except.data, pull->channel.data, except.size) == 0;
}

/* The next SEND to the session that was delivered, and before g; NULL: none. */
static const struct session_entry *s_next_send(const struct replay *self, uint64_t g)
{
    const struct session_entry *entry =
        self->session ? session_ring_after(&self->session->ring, self->pull->at) : NULL;
    return entry && entry->number < g && entry->number <= self->core->sequence.delivered
               ? entry
               : NULL;
}

/* SENDs that the session does not have any more. */
static int s_lost_sends(struct replay *self)
{
    struct pull *pull = self->pull;
    uint64_t lost = self->session ? self->session->ring.lost : 0;
    if (lost <= pull->at || lost <= pull->told_ring)
        return 0;
    if (s_gap(self, pull->at, lost, CORE_GAP_HISTORY, NULL) < 0)
        return -EAGAIN;
    pull->told_ring = lost;
    return 0;
}

/* It can never go through this edge's ring. */
static int s_overload(struct replay *self, const struct topic *topic,
                      const struct publication *publication)
{
    const struct wire_text name = {topic->name, topic->size};
    return s_gap(self, self->pull->at, publication->g, CORE_GAP_OVERLOAD, &name);
}

/* It was passed, or left out. */
static void s_count(struct replay *self, uint64_t g, size_t size)
{
    struct pull *pull = self->pull;
    self->core->stats.replays++;
    pull->at = g;
    pull->limit--;
    pull->begun = true;
    pull->bytes -= size < pull->bytes ? size : pull->bytes;
    *self->budget -= size < *self->budget ? size + (size == 0) : *self->budget;
}

static bool s_fits_turn(const struct replay *self, size_t size)
{
    return size <= *self->budget || *self->budget == REPLAY_TURN_BYTES;
}

/* One SEND to the session; results as below. */
static int s_pass_send(struct replay *self, const struct session_entry *entry)
{
    size_t size = entry->payload->size;
    if (!s_fits_turn(self, size) || s_hist_of_session(self, entry) < 0)
        return -EAGAIN;
    s_count(self, entry->number, size);
    return 0;
}

/* One publication.  0; -EAGAIN: no room, or enough for this turn. */
static int s_pass(struct replay *self)
{
    const struct topic *topic = self->source[0].topic;
    const struct publication *publication = s_next_of(&self->source[0]);
    size_t size = publication->payload->size;
    int result = 0;
    if (s_is_excepted(self, publication))
        size = 0;
    else if (size + WIRE_HEADER_MAX / 8 > self->edge->ring.limit_bytes)
        result = s_overload(self, topic, publication);
    else if (!s_fits_turn(self, size))
        return -EAGAIN;
    else
        result = s_hist(self, topic, publication);
    if (result < 0)
        return -EAGAIN;
    s_count(self, publication->g, size);
    s_advance(self);
    return 0;
}

/* Is it what the channel takes at a time? */
static bool s_is_enough(const struct replay *self, size_t size)
{
    const struct pull *pull = self->pull;
    return pull->limit == 0 || (pull->begun && size > pull->bytes);
}

/* What comes next. */
struct next {
    uint64_t g; // UINT64_MAX: nothing
    size_t size;
    const struct session_entry *entry; // NULL: it is a publication
};

static struct next s_find_next(const struct replay *self)
{
    struct next next = {.g = UINT64_MAX};
    if (self->count > 0) {
        const struct publication *publication = s_next_of(&self->source[0]);
        next.g = publication->g;
        next.size = publication->payload->size;
    }
    next.entry = s_next_send(self, next.g);
    if (next.entry) {
        next.g = next.entry->number;
        next.size = next.entry->payload->size;
    }
    return next;
}

static int s_pass_next(struct replay *self, const struct next *next)
{
    if (s_holes(self, next->g) < 0)
        return -EAGAIN;
    return next->entry ? s_pass_send(self, next->entry) : s_pass(self);
}

static int s_pass_all(struct replay *self)
{
    struct next next;
    while ((next = s_find_next(self)).g != UINT64_MAX) {
        if (s_is_enough(self, next.size))
            return s_live(self, self->pull->at, true);
        if (s_pass_next(self, &next) < 0)
            return -EAGAIN;
    }
    if (s_holes(self, UINT64_MAX) < 0)
        return -EAGAIN;
    if (self->session && session_ring_after(&self->session->ring, self->pull->at))
        return -EAGAIN; // its turn comes with what waits for the store
    return s_live(self, self->core->sequence.delivered, false);
}

static int s_replay(struct replay *self)
{
    struct pull *pull = self->pull;
    self->core->replays++;
    if (s_lost_sends(self) < 0)
        return -EAGAIN;
    for (size_t at = 0; at < pull->line_count; at++)
        if (s_add_line(self, &pull->line[at]) < 0)
            return -EAGAIN;
    s_order(self);
    return s_pass_all(self);
}

/* ---- Pulls ---- */

/* 0 when the pull is answered, else there is no room. */
static int s_serve(struct replay *self)
{
    struct pull *pull = self->pull;
    uint64_t top = self->core->sequence.delivered;
    if (pull->from == PULL_FROM_TOP)
        return s_live(self, top, false);
    if (pull->from == PULL_FROM_BEFORE) {
        if (s_gap_of_cursor(self, 0, CORE_GAP_RESTART) < 0)
            return -EAGAIN;
        pull->from = PULL_FROM_CURSOR;
    }
    if (pull->at > top) {
        if (s_gap_of_cursor(self, top, CORE_GAP_RESET) < 0)
            return -EAGAIN;
        pull->at = top;
    }
    return s_replay(self);
}

static struct session *s_session(const struct core *core, struct wire_text id)
{
    const struct channel *channel = channel_find(&core->channels, id);
    return channel ? session_of_carrier(channel) : NULL;
}

/* What the session wants needs not be named. */
static void s_add_subscriptions(struct bytes *lines, const struct session *session)
{
    struct link *at = list_first(&session->topics);
    for (; at; at = list_after(&session->topics, at)) {
        const struct session_topic *topic = list_item(at, struct session_topic, order);
        (void)bytes_printf(lines, "%s %s\n", topic->name, topic->position);
    }
}

/* Result of pulls_add. */
static int s_ask_of_session(struct core *core, struct edge *edge,
                            const struct wire_record *record,
                            const struct session *session)
{
    struct wire_record longer = *record;
    struct bytes lines;
    bytes_init(&lines, 2 * (size_t)WIRE_PAYLOAD_MAX);
    s_add_subscriptions(&lines, session);
    if (bytes_append(&lines, record->payload, record->payload_size) < 0)
        abort(); // as everywhere when the machine has no memory
    longer.payload = lines.data;
    longer.payload_size = lines.size;
    int result = pulls_add(&edge->pulls, &core->sequence, &longer);
    bytes_clear(&lines);
    return result;
}

void replay_ask(struct core *core, struct edge *edge, const struct wire_record *record)
{
    const struct session *session = s_session(core, record->token[1]);
    int result = session ? s_ask_of_session(core, edge, record, session)
                         : pulls_add(&edge->pulls, &core->sequence, record);
    if (result < 0)
        core_dropped(core, result == -ENOBUFS ? CORE_DROP_TARGET : CORE_DROP_VALUE);
}

void replay_turn(struct core *core, struct edge *edge)
{
    size_t budget = REPLAY_TURN_BYTES;
    int result = 0;
    while (result == 0 && budget > 0 && replay_is_due(edge)) {
        struct replay replay = {.core = core,
                                .edge = edge,
                                .pull = pulls_first(&edge->pulls),
                                .budget = &budget};
        replay.session = s_session(core, replay.pull->channel);
        result = s_serve(&replay);
        free(replay.source);
    }
}

bool replay_is_due(const struct edge *edge)
{
    return edge->peer && edge->pulls.count > 0 &&
           command_ring_has_room(&edge->ring, 0, COMMAND_REPLAY);
}
