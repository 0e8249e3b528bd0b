/* hub_rig: a hub between a played bus and played carriers. */
#pragma once

#include "gateway/hub.h"

#include "common/mem.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define E "00000000000000aa:" // the epoch of most tests
#define F "00000000000000bb:"

enum { OUT_QUEUE = 1000 };

static char s_told[1024];  // what the bus was told
static char s_heard[1024]; // what the carriers were called with
static char s_asked[1024]; // the newest HGET, as text
static struct hub *s_hub;
static bool s_can_tell;
static const char *s_ends; // the carrier ends its channel in this call

static struct gateway_settings s_settings = {.out_queue = OUT_QUEUE,
                                             .out_queue_total = SIZE_MAX};
static atomic_size_t s_total;
static struct channel_host s_host = {
    .settings = &s_settings, .out_total = &s_total, .prefix = "edge.e."};

__attribute__((format(printf, 2, 3))) static inline void s_add(char *to,
                                                               const char *format, ...)
{
    va_list list;
    size_t used = strlen(to);
    va_start(list, format);
    vsnprintf(to + used, sizeof s_heard - used, format, list);
    va_end(list);
}

static inline void s_tell(void *context, const char *topic, bool more)
{
    (void)context;
    s_add(s_told, "%c%s ", more ? '+' : '-', topic);
}

static inline void s_post(void *context, const struct wire_header *header,
                          const void *payload, size_t size)
{
    (void)context;
    s_asked[0] = 0;
    s_add(s_asked, "%.*s|%.*s", (int)header->size, header->text, (int)size,
          (const char *)payload);
}

/* What a stream does: its end is the end of all its subscriptions. */
static inline void s_end(struct channel *channel, const char *cause)
{
    s_add(s_heard, "%d!%s ", (int)channel->id, cause);
    hub_leave_all(s_hub, channel);
}

static inline void s_end_in(struct channel *channel, const char *call)
{
    if (s_ends && strcmp(s_ends, call) == 0)
        hub_leave_all(s_hub, channel);
}

static inline const char *s_publish(struct channel *channel, struct message *message)
{
    s_add(s_heard, "%d:%.*s ", (int)channel->id, (int)message->size,
          (const char *)message->data);
    s_end_in(channel, "publish");
    return NULL;
}

static inline void s_subscribed(struct channel *channel, const char *cursor)
{
    s_add(s_heard, "%d@%s ", (int)channel->id, cursor + 14);
    s_end_in(channel, "subscribed");
}

static inline bool s_missed(struct channel *channel, const struct gap *gap)
{
    if (s_can_tell)
        s_add(s_heard, "%d-%s ", (int)channel->id, gap->reason);
    return s_can_tell;
}

static inline void s_reached(struct channel *channel, const char *cursor)
{
    s_add(s_heard, "%d=%s ", (int)channel->id, cursor + 14);
    s_end_in(channel, "reached");
}

static const struct carrier s_carrier = {.publish = s_publish,
                                         .subscribed = s_subscribed,
                                         .missed = s_missed,
                                         .reached = s_reached,
                                         .end = s_end};

static inline void s_begin(void)
{
    s_told[0] = s_heard[0] = s_asked[0] = 0;
    s_can_tell = true;
    s_ends = NULL;
    s_hub = hub_new(&(struct hub_options){.tell = s_tell, .post = s_post});
}

static inline struct channel s_channel(uint64_t id)
{
    return (struct channel){.id = id, .carrier = &s_carrier, .host = &s_host};
}

static inline struct cursor s_at(const char *text)
{
    struct cursor position;
    ck_assert_int_eq(cursor_read(text, strlen(text), &position), 0);
    return position;
}

/* topics: words with a space between them. */
static inline void s_join(struct channel *channel, const char *topics, const char *cursor)
{
    char *copy = mem_strdup(topics);
    const char *list[4];
    struct hub_join how = {.topics = list, .cursor = cursor, .limit = 50};
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        list[how.count++] = word;
    hub_join(s_hub, channel, &how);
    hub_start(s_hub, channel);
    free(copy);
}

static inline void s_top(const char *topic, const char *position)
{
    struct cursor at = s_at(position);
    hub_top(s_hub, topic, &at);
}

static inline void s_sub(struct channel *channel, const char *topic, const char *position)
{
    struct cursor at = s_at(position);
    ck_assert(hub_subscribe(s_hub, channel, topic, &at, NULL));
}

static inline struct message s_message(const char *topic, const char *text)
{
    return (struct message){
        .data = (const uint8_t *)text, .size = strlen(text), .topic = topic};
}

static inline void s_say_except(const char *topic, const char *text, const char *position,
                                uint64_t except)
{
    struct message message = s_message(topic, text);
    struct cursor at = s_at(position);
    hub_publish(s_hub, &message, &at, except);
}

static inline void s_say(const char *topic, const char *text, const char *position)
{
    s_say_except(topic, text, position, 0);
}

static inline void s_history(struct channel *channel, uint64_t asked, const char *topic,
                             const char *text, const char *position)
{
    struct message message = s_message(topic, text);
    struct cursor at = s_at(position);
    hub_history(s_hub, channel, asked, &message, &at);
}

static inline void s_gap(struct channel *channel, uint64_t asked, const char *reason,
                         const char *to)
{
    struct cursor at = s_at(to);
    struct gap gap = {.from = E "0", .to = to, .reason = reason};
    hub_gap(s_hub, channel, asked, &gap, &at);
}

static inline void s_live(struct channel *channel, uint64_t asked, const char *position,
                          bool more)
{
    struct cursor at = s_at(position);
    hub_live(s_hub, channel, asked, &at, more);
}

/* What was heard since the last time. */
static inline void s_expect(const char *heard)
{
    ck_assert_str_eq(s_heard, heard);
    s_heard[0] = 0;
}

static inline void s_expect_ask(const char *asked)
{
    ck_assert_str_eq(s_asked, asked);
    s_asked[0] = 0;
}

static inline void s_finish(struct channel *one, struct channel *two)
{
    hub_leave_all(s_hub, one);
    if (two)
        hub_leave_all(s_hub, two);
    ck_assert_ptr_null(one->follower);
    hub_destroy(&s_hub);
}
