/* core_rig: plays edges and applications for a core without sockets, with a clock of its
 * own.
 *
 * What the core says becomes lines that wait to be expected: "edge 7 WELCOME 0 ...",
 * "app 1 OPEN ...", "tap topic RECORD".  A LF in a record is written "|".  Patterns are
 * those of fnmatch(3). */
#pragma once

#include "broker/core.h"

#include <check.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOT   "00000000000000aa"
#define EPOCH  "0123456789abcdef"
#define CH(n)  "e1." EPOCH "." n
#define CH2(n) "e2." EPOCH "." n

enum { RIG_LINES = 4096, RIG_LINE = 1200 };

struct rig {
    struct core *core;
    int64_t now_ms;
    char (*line)[RIG_LINE];
    int count, read;       // lines written, lines expected
    char last[RIG_LINE];   // the newest expected one
    char tag[64];          // its tag
    uint64_t broken, full; // peers, one bit each
    size_t dropped_lines;  // beyond RIG_LINES
};

static inline void rig_note(struct rig *self, const char *who, const char *head,
                            size_t head_size, struct wire_text payload)
{
    if (self->count == RIG_LINES) {
        self->dropped_lines++;
        return;
    }
    int size = payload.data ? (int)payload.size : 0;
    if (size > 800)
        size = 800;
    char *line = self->line[self->count++];
    snprintf(line, RIG_LINE, "%s %.*s%s%.*s", who, (int)head_size, head,
             payload.data ? "|" : "", size, payload.data ? payload.data : "");
    for (char *at = line; *at; at++)
        if (*at == '\n')
            *at = '|';
}

static inline int rig_result(const struct rig *self, uint64_t peer)
{
    if (self->broken & 1ull << peer)
        return -EHOSTUNREACH;
    return self->full & 1ull << peer ? -EAGAIN : 0;
}

static inline int rig_to_edge(void *context, uint64_t peer, struct blob *record)
{
    struct rig *self = context;
    char who[32];
    if (rig_result(self, peer) < 0)
        return rig_result(self, peer);
    snprintf(who, sizeof who, "edge %d", (int)peer);
    rig_note(self, who, (const char *)record->data, record->size, payload_none());
    return 0;
}

static inline int rig_to_app(void *context, const struct address *to,
                             const struct wire_header *header, struct wire_text payload)
{
    struct rig *self = context;
    char who[64];
    ck_assert(!header->overflow);
    if (rig_result(self, to->peer) < 0)
        return rig_result(self, to->peer);
    snprintf(who, sizeof who, "app %d%s", (int)to->peer,
             to->envelope_size ? " enveloped" : "");
    rig_note(self, who, header->text, header->size, payload);
    return 0;
}

static inline void rig_to_tap(void *context, const char *topic,
                              const struct wire_header *header, struct wire_text payload)
{
    char who[400];
    snprintf(who, sizeof who, "tap %s", topic);
    rig_note(context, who, header->text, header->size, payload);
}

static inline struct core_settings rig_settings(void)
{
    return (struct core_settings){
        .edge_lease_ms = 5000,
        .worker_lease_ms = 5000,
        .ack_timeout_ms = 30000,
        .ring_records = 1000,
        .ring_bytes = 1 << 20,
        .topics = 1000,
        .edges = 10000,
        .workers = 100000,
        .services = 10000,
        .closes = 1000000,
        .answers = 100000,
        .history = {.limits = {.count = 100, .age_ms = 300000, .bytes = 1 << 20},
                    .total_bytes = 64 << 20},
        .pending_bytes = 1 << 20,
        .presence_members = 100,
        .presence_total = 1000,
        .watches = 100,
        .watch_lease_ms = 60000,
        .cast_lines = 100,
        .cast_channels = 100,
        .sessions = 1000,
        .session_grace_ms = 30000,
        .session_ring_age_ms = 60000,
        .session_ring_bytes = 65536,
        .session_rings_bytes = 1 << 20,
        .born_ms = 1,
        .boot = 0xAA};
}

static inline struct rig *rig_new_of(const struct core_settings *settings)
{
    struct rig *self = calloc(1, sizeof *self);
    const struct output output = {self, rig_to_edge, rig_to_app, rig_to_tap};
    self->line = calloc(RIG_LINES, RIG_LINE);
    self->now_ms = 1000;
    self->core = core_new(settings, &output, self->now_ms);
    return self;
}

static inline struct rig *rig_new_with(size_t ring_records, size_t topics)
{
    struct core_settings settings = rig_settings();
    settings.ring_records = ring_records;
    settings.topics = topics;
    return rig_new_of(&settings);
}

static inline struct rig *rig_new(void)
{
    return rig_new_with(1000, 1000);
}

static inline void rig_destroy(struct rig *self)
{
    core_destroy(&self->core);
    free(self->line);
    free(self);
}

static inline void rig_edge(struct rig *self, uint64_t peer, const char *record)
{
    const struct address from = {.peer = peer};
    core_from_edge(self->core, &from, (struct wire_text){record, strlen(record)});
}

static inline void rig_app(struct rig *self, uint64_t peer, const char *record)
{
    const struct address from = {.peer = peer};
    core_from_app(self->core, &from, (struct wire_text){record, strlen(record)});
}

/* A worker's "ACK tag" and the like, with the tag of the newest expected line. */
static inline void rig_tagged(struct rig *self, uint64_t peer, const char *verb,
                              const char *tag)
{
    char record[128];
    snprintf(record, sizeof record, "%s %s", verb, tag);
    rig_app(self, peer, record);
}

static inline void rig_turn(struct rig *self)
{
    core_turn(self->core);
}

/* Seconds go by; edges (peer 8 + n) of `alive` say that they live. */
static inline void rig_wait(struct rig *self, int seconds, const char *alive)
{
    for (; seconds > 0; seconds--) {
        self->now_ms += 1000;
        core_set_time(self->core, self->now_ms);
        for (const char *name = alive; *name; name++) {
            char record[64];
            snprintf(record, sizeof record, "HB e%c " EPOCH " 0", *name);
            rig_edge(self, 60, record);
        }
        core_tick(self->core);
        core_turn(self->core);
    }
}

/* The next line that matches; those before it are passed over. */
static inline void rig_expect(struct rig *self, const char *pattern)
{
    for (int at = self->read; at < self->count; at++) {
        if (fnmatch(pattern, self->line[at], 0) != 0)
            continue;
        self->read = at + 1;
        snprintf(self->last, sizeof self->last, "%s", self->line[at]);
        char who[16], peer[16], verb[20], key[120], seq[24];
        if (sscanf(self->last, "%15s %15s %19s %119s %23s %63[^ |]", who, peer, verb, key,
                   seq, self->tag) != 6)
            self->tag[0] = 0;
        return;
    }
    for (int at = self->read; at < self->count; at++)
        fprintf(stderr, "  got: %s\n", self->line[at]);
    ck_abort_msg("nothing matches: %s", pattern);
}

/* None of the lines that were not expected yet matches. */
static inline void rig_expect_no(struct rig *self, const char *pattern)
{
    for (int at = self->read; at < self->count; at++)
        ck_assert_msg(fnmatch(pattern, self->line[at], 0) != 0, "unexpected: %s",
                      self->line[at]);
}

/* How many of the lines that were not expected yet match. */
static inline int rig_count(const struct rig *self, const char *pattern)
{
    int count = 0;
    for (int at = self->read; at < self->count; at++)
        count += fnmatch(pattern, self->line[at], 0) == 0;
    return count;
}

/* All lines so far are of no interest. */
static inline void rig_forget(struct rig *self)
{
    self->count = self->read = 0;
}

/* Edge e1 or e2 on peer 8 or 9 is there, and has announced all it has. */
static inline void rig_join_edge(struct rig *self, int number)
{
    char record[80];
    snprintf(record, sizeof record, "HELLO e%d " EPOCH " - 0 proto=RW/1", number);
    rig_edge(self, 7 + (uint64_t)number, record);
    rig_edge(self, 7 + (uint64_t)number, "SYNCED");
}

static inline int rig_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
