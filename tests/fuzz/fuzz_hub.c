/* The hub between a broker and carriers that do what the input says: no channel gets a
 * publication twice or out of order, whatever is subscribed, lost, answered late or ended
 * in the middle of it. */
#include "gateway/hub_private.h"

#include "common/topic_pattern.h"

#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 4, TOPICS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const s_topics[TOPICS] = {"a",    "a/b",   "a/b/c", "a/*",
                                             "a/**", "a/b/*", "d%",    "/"};

static struct hub *s_hub;
static struct channel s_channels[CHANNELS];
static struct cursor s_delivered[CHANNELS]; // the last that each one got
static unsigned s_ends;                     // bits: the channel ends in its next call

static void s_must(bool holds)
{
    if (!holds)
        abort();
}

static void s_tell(void *context, const char *topic, bool more)
{
    (void)context;
    (void)more;
    s_must(topic_kind(topic, strlen(topic)) != TOPIC_INVALID);
}

static void s_post(void *context, const struct wire_header *header, const void *payload,
                   size_t size)
{
    (void)context;
    (void)payload;
    s_must(strncmp(header->text, "HGET edge.e.", 12) == 0 && size > 0);
}

static bool s_end_now(struct channel *channel)
{
    bool ends = s_ends & 1u << channel->id;
    s_ends &= ~(1u << channel->id);
    if (ends)
        hub_leave_all(s_hub, channel);
    return ends;
}

static const char *s_publish(struct channel *channel, struct message *message)
{
    struct cursor *last = &s_delivered[channel->id], now;
    s_must(cursor_read(message->cursor, strlen(message->cursor), &now) == 0);
    s_must(!channel->follower || cursor_is_of_epoch(&channel->follower->cursor, &now));
    s_must(cursor_is_after(&now, last));
    *last = now;
    s_end_now(channel);
    return NULL;
}

static void s_subscribed(struct channel *channel, const char *cursor)
{
    struct cursor position;
    s_must(cursor_read(cursor, strlen(cursor), &position) == 0);
    s_end_now(channel);
}

static bool s_missed(struct channel *channel, const struct gap *gap)
{
    bool is_new_start = strcmp(gap->reason, "restart") == 0;
    if (is_new_start)
        s_delivered[channel->id] = (struct cursor){.digits = 0};
    return !(s_ends & 1u << channel->id);
}

static void s_reached(struct channel *channel, const char *cursor)
{
    (void)cursor;
    s_end_now(channel);
}

static void s_end(struct channel *channel, const char *cause)
{
    (void)cause;
    hub_leave_all(s_hub, channel);
}

static const struct carrier s_carrier = {.publish = s_publish,
                                         .subscribed = s_subscribed,
                                         .missed = s_missed,
                                         .reached = s_reached,
                                         .end = s_end};

static struct gateway_settings s_settings = {.out_queue = 100,
                                             .out_queue_total = SIZE_MAX};
static atomic_size_t s_total;
static struct channel_host s_host = {
    .settings = &s_settings, .out_total = &s_total, .prefix = "edge.e."};

/* One step of the input: what, who, which topic, where. */
struct s_step {
    uint8_t what, who, topic, number;
};

static void s_come(struct channel *channel, const struct s_step *step)
{
    char cursor[CURSOR_ROOM];
    struct cursor shown = {.epoch = 10, .number = step->number, .digits = 16};
    const char *topics[] = {s_topics[step->topic], s_topics[step->number % TOPICS]};
    cursor_write(&shown, cursor);
    hub_leave_all(s_hub, channel);
    s_delivered[channel->id] = (struct cursor){.digits = 0};
    struct hub_join how = {.topics = topics,
                           .count = 2,
                           .cursor = step->what & 0x80   ? NULL
                                     : step->what & 0x40 ? "junk"
                                                         : cursor,
                           .limit = 1,
                           .slow = step->what & 0x20 ? SLOW_PAUSE : SLOW_CLOSE};
    hub_join(s_hub, channel, &how);
    hub_start(s_hub, channel);
}

/* The broker numbers what it publishes, and the pipe keeps the order. */
static void s_publish_next(struct cursor *newest, const struct s_step *step)
{
    char cursor[CURSOR_ROOM];
    const char *topic = s_topics[step->topic];
    newest->number += 1 + step->number % 3;
    cursor_write(newest, cursor);
    struct message message = {
        .data = (const uint8_t *)"x", .size = 1, .topic = topic, .cursor = cursor};
    if (topic_kind(topic, strlen(topic)) == TOPIC_NAME)
        hub_publish(s_hub, &message, newest, step->who);
    message_clear(&message);
}

static void s_answer(struct channel *channel, const struct s_step *step,
                     const struct cursor *newest)
{
    char cursor[CURSOR_ROOM];
    struct cursor at = *newest;
    uint64_t asked = channel->follower ? channel->follower->asked : 0;
    uint64_t back = step->number % 4;
    at.number -= at.number < back ? at.number : back;
    cursor_write(&at, cursor);
    struct message message = {.data = (const uint8_t *)"x",
                              .size = 1,
                              .topic = s_topics[step->topic],
                              .cursor = cursor};
    struct gap gap = {.from = "0000000000000000:0",
                      .to = cursor,
                      .reason = step->what & 0x40 ? "restart" : "history"};
    if (step->what & 0x80)
        asked--; // an answer to the question before
    bool was_behind = channel->follower && channel->follower->cursor.number > at.number &&
                      cursor_is_of_epoch(&channel->follower->cursor, &at);
    switch (step->what >> 4 & 3) {
    case 0:
        hub_history(s_hub, channel, asked, &message, &at);
        break;
    case 1:
        if (!(gap.reason[0] == 'r' && channel->follower &&
              cursor_is_of_epoch(&channel->follower->cursor, &at)))
            hub_gap(s_hub, channel, asked, &gap, &at);
        break;
    default:
        if (!was_behind) // a broker never says less than it has given
            hub_live(s_hub, channel, asked, &at, step->what & 0x10);
    }
    message_clear(&message);
}

static void s_play(const struct s_step *step, struct cursor *newest)
{
    struct channel *channel = &s_channels[step->who % CHANNELS];
    const char *topic = s_topics[step->topic];
    switch (step->what & 15) {
    case 0:
    case 1:
        s_come(channel, step);
        break;
    case 2:
        (void)hub_subscribe(s_hub, channel, topic, step->what & 0x80 ? newest : NULL,
                            NULL);
        break;
    case 3:
        hub_unsubscribe(s_hub, channel, topic);
        break;
    case 4:
    case 5:
        hub_top(s_hub, topic, newest);
        break;
    case 6:
        hub_lost(s_hub, topic, newest);
        break;
    case 7:
        hub_lost_all(s_hub);
        break;
    case 8:
        if (step->what & 0x80) // a new broker begins anew
            *newest = (struct cursor){.epoch = newest->epoch + 1, .digits = 16};
        hub_linked(s_hub, step->what & 0x80);
        break;
    case 9:
        channel->out.bytes = step->number;
        if (channel->awaits_drain && channel_has_drained(channel))
            hub_drained(s_hub, channel);
        break;
    case 10:
        s_ends ^= 1u << channel->id;
        break;
    case 11:
    case 12:
        s_publish_next(newest, step);
        break;
    default:
        s_answer(channel, step, newest);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor newest = {.epoch = 10, .digits = 16};
    s_hub = hub_new(&(struct hub_options){.tell = s_tell, .post = s_post});
    s_ends = 0;
    for (size_t at = 0; at < CHANNELS; at++) {
        s_channels[at] =
            (struct channel){.id = at, .carrier = &s_carrier, .host = &s_host};
        s_delivered[at] = (struct cursor){.digits = 0};
    }
    for (size_t at = 0; at + 4 <= size && at < 4000; at += 4) {
        struct s_step step = {data[at], data[at + 1], data[at + 2] % TOPICS,
                              data[at + 3]};
        s_play(&step, &newest);
    }
    for (size_t at = 0; at < CHANNELS; at++)
        hub_leave_all(s_hub, &s_channels[at]);
    s_must(table_count(&s_hub->topics) == 0 && s_hub->patterns == 0);
    hub_destroy(&s_hub);
    return 0;
}
