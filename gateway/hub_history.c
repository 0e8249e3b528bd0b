/* hub_history: what a follower gets when: publications as they come, or what it missed.
 */
#include "common/bytes.h"
#include "common/topic_pattern.h"
#include "gateway/hub_private.h"

#include <string.h>

/* Calls of the carrier: any of them may end the channel, and its follower with it.  True:
 * it is still there. */

static bool s_tell_begin(struct hub *self, struct follower *follower)
{
    char cursor[CURSOR_ROOM];
    struct channel *channel = follower->channel;
    if (follower->has_begun)
        return true;
    follower->has_begun = true;
    if (!follower->by_route || !channel->carrier->subscribed)
        return true;
    cursor_write(&follower->cursor, cursor);
    self->current = follower;
    channel->carrier->subscribed(channel, cursor);
    return self->current == follower;
}

static bool s_tell_reached(struct hub *self, struct follower *follower)
{
    char cursor[CURSOR_ROOM];
    struct channel *channel = follower->channel;
    if (!channel->carrier->reached)
        return true;
    cursor_write(&follower->cursor, cursor);
    self->current = follower;
    channel->carrier->reached(channel, cursor);
    return self->current == follower;
}

void hub_note(struct hub *self, const struct cursor *position)
{
    if (cursor_is_after(position, &self->newest))
        self->newest = *position;
}

/* ---- asking ---- */

/* Room for what comes at once; the rest is asked for when it has drained. */
static size_t s_bytes(const struct channel *channel)
{
    return channel->host->settings->out_queue / 2;
}

/* One line of a HGET: the topic as a token, and where its subscription starts. */
static int s_add_line(struct bytes *out, const struct subscription *of)
{
    int result = 0;
    const struct cursor *cursor = &of->follower->cursor;
    for (const char *at = of->topic->name; *at && result >= 0; at++)
        result = *at == '%' ? bytes_append(out, "%25", 3) : bytes_append(out, at, 1);
    if (result >= 0 && of->start > cursor->number) {
        char text[CURSOR_ROOM];
        struct cursor start = *cursor;
        start.number = of->start;
        cursor_write(&start, text);
        result = bytes_printf(out, " %s", text);
    }
    return result < 0 ? result : bytes_append(out, "\n", 1);
}

static void s_post_ask(struct hub *self, struct follower *follower)
{
    struct wire_header header;
    struct bytes lines;
    char id[CHANNEL_ID_ROOM], cursor[CURSOR_ROOM];
    int result = 0;
    bytes_init(&lines, WIRE_PAYLOAD_MAX);
    const struct subscription *at = follower->is_session ? NULL : follower->subscriptions;
    for (; at && result >= 0; at = at->next_of_follower)
        result = s_add_line(&lines, at);
    channel_id_text(follower->channel, id);
    cursor_write(&follower->cursor, cursor);
    wire_begin(&header, "HGET");
    wire_add(&header, id);
    wire_add(&header, cursor);
    wire_add_u64(&header, follower->limit);
    wire_add_option_u64(&header, "bytes", s_bytes(follower->channel));
    wire_add_option_u64(&header, "n", follower_asks(follower));
    self->options.post(self->options.context, &header, lines.data, lines.size);
    bytes_clear(&lines);
}

void hub_ask(struct hub *self, struct follower *follower)
{
    struct channel *channel = follower->channel;
    channel->awaits_drain = !channel_has_drained(channel);
    if (channel->awaits_drain)
        follower_falls_behind(follower);
    else
        s_post_ask(self, follower);
}

void hub_drained(struct hub *self, struct channel *channel)
{
    struct follower *follower = channel->follower;
    channel->awaits_drain = false;
    if (follower && follower->state == FOLLOWER_BEHIND)
        hub_ask(self, follower);
}

/* Was nothing published in its topics since its cursor? */
static bool s_is_up_to_date(const struct hub *self, const struct follower *follower)
{
    const struct cursor *cursor = &follower->cursor;
    if (cursor_is_after(cursor, &self->newest))
        return false; // the broker says what that means
    for (const struct subscription *at = follower->subscriptions; at;
         at = at->next_of_follower)
        if (cursor_is_after(&at->topic->position, cursor))
            return false;
    return true;
}

void hub_ready(struct hub *self, struct follower *follower)
{
    bool is_new = follower->cursor.digits == 0;
    if (!is_new && (follower->is_session || !s_is_up_to_date(self, follower))) {
        hub_ask(self, follower);
        return;
    }
    follower_reaches(follower, is_new ? &self->newest : &follower->cursor, false);
    if (s_tell_begin(self, follower))
        (void)s_tell_reached(self, follower);
}

/* ---- answers ---- */

static struct follower *s_expecting(struct channel *channel, uint64_t asked)
{
    struct follower *follower = channel->follower;
    return follower && follower_expects(follower, asked) ? follower : NULL;
}

/* Is it still subscribed to this topic? */
static bool s_wants(const struct follower *follower, const char *topic)
{
    for (const struct subscription *at = follower->subscriptions; at;
         at = at->next_of_follower)
        if (topic_pattern_matches(at->topic->name, strlen(at->topic->name), topic,
                                  strlen(topic)))
            return true;
    return false;
}

/* Where subscriptions start is said in the epoch of the cursor. */
static void s_forget_starts(struct follower *follower, const struct cursor *next)
{
    if (cursor_is_of_epoch(&follower->cursor, next))
        return;
    for (struct subscription *at = follower->subscriptions; at; at = at->next_of_follower)
        at->start = 0;
}

void hub_history(struct hub *self, struct channel *channel, uint64_t asked,
                 struct message *message, const struct cursor *position)
{
    struct follower *follower = s_expecting(channel, asked);
    if (!follower || (message->topic && !s_wants(follower, message->topic)))
        return;
    if (!s_tell_begin(self, follower))
        return;
    if (channel_is_full(channel)) {
        hub_ask(self, follower); // the rest of this answer is ignored
        return;
    }
    s_forget_starts(follower, position);
    if (follower_takes_old(follower, position))
        (void)channel->carrier->publish(channel, message);
}

void hub_gap(struct hub *self, struct channel *channel, uint64_t asked,
             const struct gap *gap, const struct cursor *to)
{
    struct follower *follower = s_expecting(channel, asked);
    bool is_new_start =
        strcmp(gap->reason, "restart") == 0 || strcmp(gap->reason, "reset") == 0;
    if (!follower || !s_tell_begin(self, follower))
        return;
    if (is_new_start) {
        s_forget_starts(follower, to);
        follower->cursor = *to;
    }
    struct gap told = *gap;
    if (is_new_start)
        told.cursor = gap->to;
    bool is_told = channel->carrier->missed && channel->carrier->missed(channel, &told);
    if (!is_told && !is_new_start)
        channel->carrier->end(channel, "slow"); // it would see a hole
}

void hub_live(struct hub *self, struct channel *channel, uint64_t asked,
              const struct cursor *position, bool more)
{
    struct follower *follower = s_expecting(channel, asked);
    if (!follower || !s_tell_begin(self, follower))
        return;
    s_forget_starts(follower, position);
    follower_reaches(follower, position, more);
    if (!more)
        hub_note(self, position);
    if (s_tell_reached(self, follower) && more)
        hub_ask(self, follower);
}

/* ---- what comes now ---- */

static void s_deliver(struct hub *self, struct hub_topic *topic, struct message *message,
                      const struct cursor *position, uint64_t except)
{
    topic->position = *position;
    for (struct subscription *at = topic->first, *next; at; at = next) {
        struct follower *follower = at->follower;
        struct channel *channel = follower->channel;
        next = at->next; // a channel that ends here takes only its own subscription along
        if (self->is_casting && !hub_cast_takes(self, follower, position))
            continue;
        if (channel->id == except || follower->state != FOLLOWER_LIVE)
            continue;
        if (follower->slow == SLOW_PAUSE && channel_is_full(channel))
            hub_ask(self, follower);
        else if (follower_takes(follower, position))
            (void)channel->carrier->publish(channel, message);
    }
}

void hub_publish(struct hub *self, struct message *message, const struct cursor *position,
                 uint64_t except)
{
    struct topic_walk walk;
    hub_note(self, position);
    topic_walk_begin(&walk, message->topic, strlen(message->topic));
    while (topic_walk_next(&walk)) {
        struct hub_topic *topic = hub_find(self, walk.name, walk.name_size);
        if (topic)
            s_deliver(self, topic, message, position, except);
        if (self->patterns == 0)
            return;
    }
}

static void s_lose(struct hub *self, const struct hub_topic *topic, bool answers)
{
    for (struct subscription *at = topic->first; at; at = at->next) {
        struct follower *follower = at->follower;
        if (follower->state == FOLLOWER_LIVE ||
            (answers && follower->state == FOLLOWER_ASKED &&
             at == follower->subscriptions))
            hub_ask(self, follower);
    }
}

void hub_lost(struct hub *self, const char *name, const struct cursor *position)
{
    struct topic_walk walk;
    hub_note(self, position);
    topic_walk_begin(&walk, name, strlen(name));
    while (topic_walk_next(&walk)) {
        struct hub_topic *topic = hub_find(self, walk.name, walk.name_size);
        if (topic) {
            topic->position = *position;
            s_lose(self, topic, false);
        }
    }
}

void hub_lost_all(struct hub *self)
{
    for (struct table_entry *at = self->topics.first; at; at = table_after(at))
        s_lose(self, table_item(at, struct hub_topic, by_name), true);
    hub_ask_sessions(self, true);
}
