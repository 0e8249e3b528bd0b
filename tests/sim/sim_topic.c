/* Clients that follow topics: they lose connections, change edges and subscriptions, come
 * back with their cursor.  What must hold: publications in order, none twice, and none
 * missing of which no gap was told. */
#include "tests/sim/sim.h"

#include "common/topic_pattern.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SIM_NAMES = 130 }; // topics r/0, r/1 and so on: more than the broker remembers

static const char *const s_lines[] = {"a",   "b",    "r/1", "r/2", "r/1/x",
                                      "r/*", "r/**", "s/*", "s/1", "r/1/*"};

static void s_ask_anew(struct sim_follower *follower)
{
    follower->state = SIM_ASKS;
    follower->asks++; // what comes for an earlier one does not count
}

/* Another connection, perhaps to another edge. */
static void s_reconnect(struct sim *self, struct sim_follower *follower, int edge)
{
    follower->edge = edge;
    follower->channel = 0x10000u + self->connections++;
    s_ask_anew(follower);
}

void sim_topic_start(struct sim *self)
{
    for (int at = 0; at < SIM_FOLLOWERS; at++) {
        struct sim_follower *follower = &self->follower[at];
        *follower = (struct sim_follower){.boot = self->boot};
        for (int line = 0; line < SIM_LINES; line++)
            follower->line[line] =
                s_lines[sim_draw(self, sizeof s_lines / sizeof *s_lines)];
        s_reconnect(self, follower, (int)sim_draw(self, SIM_EDGES));
    }
}

static bool s_matches(const char *line, const char *topic)
{
    return topic_pattern_matches(line, strlen(line), topic, strlen(topic));
}

static bool s_wants(const struct sim_follower *follower, const char *topic)
{
    for (int line = 0; line < SIM_LINES; line++)
        if (s_matches(follower->line[line], topic))
            return true;
    return false;
}

/* "epoch:g"; its life of the broker. */
static uint64_t s_position(const struct sim *self, struct wire_text text, unsigned *boot)
{
    uint64_t g = 0;
    const char *colon = memchr(text.data, ':', text.size);
    if (!colon || wire_u64((struct wire_text){colon + 1, text.size - 17}, &g) < 0)
        sim_fail(self, "no position: %.*s", (int)text.size, text.data);
    for (*boot = self->boot; *boot > 0; --*boot)
        if (memcmp(self->epoch[*boot], text.data, 16) == 0)
            return g;
    sim_fail(self, "a position of no epoch: %.*s", (int)text.size, text.data);
}

static void s_text(struct wire_text text, char out[12])
{
    snprintf(out, 12, "%.*s", (int)text.size, text.data);
}

void sim_topic_post(struct sim *self, const struct wire_header *header)
{
    struct wire_record record;
    if (wire_read(header->text, header->size, &record) < 0 || self->posts == SIM_POSTS)
        sim_fail(self, "a publication that cannot be written down");
    struct sim_post *post = &self->post[self->posts++];
    s_text(record.token[1], post->topic);
    post->g = s_position(self, record.token[2], &post->boot);
}

static bool s_is_told(const struct sim_follower *follower, const struct sim_post *post)
{
    for (int at = 0; at < follower->gaps; at++) {
        const struct sim_gap *gap = &follower->gap[at];
        if (post->g > gap->from && post->g <= gap->to &&
            (!gap->line[0] || s_matches(gap->line, post->topic)))
            return true;
    }
    return false;
}

/* Nothing that it wants stands after its cursor and before g, untold. */
static void s_check_hole(const struct sim *self, const struct sim_follower *follower,
                         uint64_t g)
{
    for (int at = self->posts - 1; at >= 0; at--) {
        const struct sim_post *post = &self->post[at];
        if (post->boot < follower->boot ||
            (post->boot == follower->boot && post->g <= follower->at))
            return;
        if (post->boot == follower->boot && post->g < g &&
            s_wants(follower, post->topic) && !s_is_told(follower, post))
            sim_fail(self,
                     "follower %d has all up to %" PRIu64 " and gets %" PRIu64
                     ": %" PRIu64 " of %s is missing",
                     (int)(follower - self->follower), follower->at, g, post->g,
                     post->topic);
    }
}

static void s_got(struct sim *self, struct sim_follower *follower,
                  struct wire_text position, struct wire_text name)
{
    char topic[12];
    unsigned boot;
    uint64_t g = s_position(self, position, &boot);
    s_text(name, topic);
    if (!s_wants(follower, topic))
        sim_fail(self, "a follower gets %s, which it does not want", topic);
    if (boot != follower->boot)
        sim_fail(self, "a new epoch, and nobody told the follower");
    if (g <= follower->at || g <= follower->got)
        sim_fail(self, "follower %d gets %" PRIu64 " of %s after %" PRIu64,
                 (int)(follower - self->follower), g, topic, follower->at);
    s_check_hole(self, follower, g);
    follower->at = follower->got = g;
    self->followed++;
}

static void s_live(struct sim *self, struct sim_follower *follower,
                   const struct wire_record *record)
{
    unsigned boot;
    uint64_t g = s_position(self, record->token[3], &boot);
    if (boot != follower->boot || g < follower->at)
        sim_fail(self, "LIVE goes back");
    s_check_hole(self, follower, g + 1);
    follower->at = g;
    if (wire_option(record, 4, "more").data)
        s_ask_anew(follower);
    else
        follower->state = SIM_LIVE;
}

static void s_gap(struct sim *self, struct sim_follower *follower,
                  const struct wire_record *record)
{
    struct sim_gap gap = {.line = ""};
    struct wire_text reason = record->token[5], topic = wire_option(record, 6, "topic");
    unsigned boot, to_boot;
    gap.from = s_position(self, record->token[3], &boot);
    gap.to = s_position(self, record->token[4], &to_boot);
    self->told++;
    if (wire_is(reason, "reset"))
        sim_fail(self, "a reset, and the cursor was right");
    if (wire_is(reason, "restart")) {
        if (to_boot <= follower->boot || boot != follower->boot)
            sim_fail(self, "a restart without a new epoch");
        follower->boot = to_boot;
        follower->at = follower->got = gap.to;
        follower->gaps = 0;
        return;
    }
    if (boot != follower->boot || to_boot != boot || gap.from < follower->at)
        sim_fail(self, "a gap before the cursor");
    if (follower->gaps == SIM_GAPS) // the older half is behind the cursor
        memmove(follower->gap, follower->gap + SIM_GAPS / 2,
                sizeof follower->gap - sizeof follower->gap / 2);
    follower->gaps -= follower->gaps == SIM_GAPS ? SIM_GAPS / 2 : 0;
    if (topic.data && wire_unescape(topic, gap.line, sizeof gap.line) < 0)
        sim_fail(self, "a gap of no topic");
    follower->gap[follower->gaps++] = gap;
}

static struct sim_follower *s_follower(struct sim *self, int edge, struct wire_text id)
{
    char own[SIM_ID];
    for (int at = 0; at < SIM_FOLLOWERS; at++) {
        struct sim_follower *follower = &self->follower[at];
        snprintf(own, sizeof own, "e%d.%s.%x", follower->edge,
                 self->edge[follower->edge].epoch, follower->channel);
        if (follower->edge == edge && wire_is(id, own))
            return follower;
    }
    return NULL;
}

/* An answer to HGET; one to an earlier HGET does not count. */
static void s_take_answer(struct sim *self, int edge, const struct wire_record *record)
{
    struct sim_follower *follower = s_follower(self, edge, record->token[2]);
    uint64_t number;
    if (!follower || follower->state != SIM_ASKED ||
        wire_u64(wire_option(record, 4, "n"), &number) < 0 || number != follower->asks)
        return;
    if (wire_is(record->token[0], "HIST"))
        s_got(self, follower, record->token[3], record->token[4]);
    else if (wire_is(record->token[0], "GAP"))
        s_gap(self, follower, record);
    else
        s_live(self, follower, record);
}

/* PUB reaches who is live; who is, and wants what was lost, asks for it. */
static void s_take_live(struct sim *self, struct sim_follower *follower,
                        const char *topic, const struct wire_record *record)
{
    if (wire_is(record->token[0], "PUB")) {
        if (s_wants(follower, topic))
            s_got(self, follower, record->token[3], record->token[2]);
        return;
    }
    for (int line = 0; line < SIM_LINES; line++)
        if (strcmp(follower->line[line], topic) == 0)
            follower->state = SIM_ASKS;
}

bool sim_topic_take(struct sim *self, int edge, const struct wire_record *record)
{
    struct wire_text verb = record->token[0];
    char topic[12];
    if (wire_is(verb, "HIST") || wire_is(verb, "GAP") || wire_is(verb, "LIVE")) {
        s_take_answer(self, edge, record);
        return true;
    }
    if (!wire_is(verb, "PUB") && !wire_is(verb, "LOST"))
        return wire_is(verb, "TOP");
    s_text(record->token[2], topic);
    for (int at = 0; at < SIM_FOLLOWERS; at++) {
        struct sim_follower *follower = &self->follower[at];
        if (follower->edge == edge && follower->state == SIM_LIVE)
            s_take_live(self, follower, topic, record);
    }
    return true;
}

void sim_topic_greet(struct sim *self, int edge, bool sync)
{
    for (size_t line = 0; sync && line < sizeof s_lines / sizeof *s_lines; line++)
        sim_say(self, self->edge[edge].records, "TSUB %s", s_lines[line]);
    for (int at = 0; at < SIM_FOLLOWERS; at++)
        if (self->follower[at].edge == edge &&
            (sync || self->follower[at].state == SIM_ASKED))
            s_ask_anew(&self->follower[at]);
}

void sim_topic_lose(struct sim *self, int edge)
{
    for (int at = 0; at < SIM_FOLLOWERS; at++)
        if (self->follower[at].edge == edge)
            s_reconnect(self, &self->follower[at], (int)sim_draw(self, SIM_EDGES));
}

static void s_ask(struct sim *self, struct sim_follower *follower)
{
    const struct sim_edge *edge = &self->edge[follower->edge];
    char lines[64] = "";
    for (int line = 0; line < SIM_LINES; line++) {
        size_t size = strlen(lines);
        snprintf(lines + size, sizeof lines - size, "%s\n", follower->line[line]);
    }
    follower->state = SIM_ASKED;
    sim_say(self, edge->records, "HGET e%d.%s.%x %s:%" PRIu64 " %u n=%u%s\n%s",
            follower->edge, edge->epoch, follower->channel, self->epoch[follower->boot],
            follower->at, 1 + sim_draw(self, 20), ++follower->asks,
            sim_chance(self, 4) ? " bytes=10" : "", lines);
}

void sim_topic_turn(struct sim *self, int edge)
{
    for (int at = 0; at < SIM_FOLLOWERS; at++) {
        struct sim_follower *follower = &self->follower[at];
        if (follower->edge == edge && follower->state == SIM_ASKS &&
            self->edge[edge].state == SIM_JOINED && sim_chance(self, 2))
            s_ask(self, follower);
    }
}

/* It takes another subscription in place of one: that begins at its cursor. */
static void s_change_line(struct sim *self, struct sim_follower *follower)
{
    follower->line[sim_draw(self, SIM_LINES)] =
        s_lines[sim_draw(self, sizeof s_lines / sizeof *s_lines)];
    follower->gaps = 0; // those after its cursor are told again
    s_ask_anew(follower);
}

void sim_topic_traffic(struct sim *self)
{
    static const char *const names[] = {"a", "b", "r/1", "r/2", "r/1/x", "s/1", "s/2"};
    char name[12];
    for (unsigned count = sim_draw(self, 4); count > 0; count--) {
        snprintf(name, sizeof name, "%s", names[sim_draw(self, 7)]);
        if (sim_chance(self, 3))
            snprintf(name, sizeof name, "r/%u", sim_draw(self, SIM_NAMES));
        sim_say(self, self->app[sim_draw(self, SIM_APPS)].peer, "PUB %s%s%s\n%d", name,
                sim_chance(self, 6) ? " hist=0" : "", sim_chance(self, 6) ? " ttl=2" : "",
                self->posts);
    }
    if (sim_chance(self, 12))
        s_reconnect(self, &self->follower[sim_draw(self, SIM_FOLLOWERS)],
                    (int)sim_draw(self, SIM_EDGES));
    if (sim_chance(self, 20))
        s_change_line(self, &self->follower[sim_draw(self, SIM_FOLLOWERS)]);
}

bool sim_topic_is_over(const struct sim *self)
{
    for (int at = 0; at < SIM_FOLLOWERS; at++)
        if (self->follower[at].state != SIM_LIVE)
            return false;
    return true;
}
