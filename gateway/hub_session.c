/* hub_session: what the carrier of a session gets when: the same as a subscriber, and
 * what the application sends to the session, which has positions too.  It is there
 * without subscriptions, and the broker knows them: docs/protocol/1-bus.md section 5.4.
 */
#include "common/mem.h"
#include "gateway/hub_private.h"

enum { LIMIT = 1000 }; // messages of one HGET

void hub_attach(struct hub *self, struct channel *channel, const struct cursor *from,
                bool is_live)
{
    struct follower *follower = mem_new(struct follower);
    channel->follower = follower;
    follower->channel = channel;
    follower->limit = LIMIT;
    follower->by_route = true;
    follower->has_begun = true;
    follower->stays = true;
    follower->slow = SLOW_PAUSE;
    follower->is_session = true;
    follower->cursor = *from;
    follower->not_live = 1; // until hub_begin
    follower->state = is_live ? FOLLOWER_LIVE : FOLLOWER_WAITING;
    follower->next_session = self->sessions;
    if (follower->next_session)
        follower->next_session->session_link = &follower->next_session;
    follower->session_link = &self->sessions;
    self->sessions = follower;
}

void hub_unlink_session(struct follower *follower)
{
    *follower->session_link = follower->next_session;
    if (follower->next_session)
        follower->next_session->session_link = follower->session_link;
}

void hub_begin(struct hub *self, struct channel *channel)
{
    struct follower *follower = channel->follower;
    follower->not_live--;
    if (follower->state == FOLLOWER_WAITING && follower->not_live == 0)
        hub_ask(self, follower);
}

void hub_send(struct hub *self, struct channel *channel, struct message *message,
              const struct cursor *position)
{
    struct follower *follower = channel->follower;
    hub_note(self, position);
    if (!follower || follower->state != FOLLOWER_LIVE)
        return; // the answer to HGET has it
    if (slow_policy_drops(follower->slow))
        channel_backlog_yield(channel);
    if (channel_is_full(channel))
        hub_ask(self, follower); // when the queue has drained
    else if (follower_takes(follower, position))
        (void)channel->carrier->publish(channel, message);
}

void hub_pause(struct hub *self, struct channel *channel)
{
    struct follower *follower = channel->follower;
    if (follower && follower->is_session && follower->state == FOLLOWER_LIVE)
        hub_ask(self, follower);
}

bool hub_cursor(const struct channel *channel, char out[CURSOR_ROOM])
{
    if (!channel->follower)
        return false;
    cursor_write(&channel->follower->cursor, out);
    return true;
}

void hub_hold_sessions(struct hub *self)
{
    for (struct follower *at = self->sessions; at; at = at->next_session)
        follower_waits(at);
}

void hub_announced(struct hub *self)
{
    for (struct follower *at = self->sessions; at; at = at->next_session)
        if (at->not_live == 0 &&
            (at->state == FOLLOWER_WAITING || at->state == FOLLOWER_ASKED))
            hub_ask(self, at);
}

/* The broker answers none of the HGETs that it has not got. */
void hub_ask_sessions(struct hub *self, bool all)
{
    for (struct follower *at = self->sessions; at; at = at->next_session) {
        bool asks = at->state == FOLLOWER_ASKED || (all && at->state != FOLLOWER_BEHIND);
        if (asks && at->not_live == 0)
            hub_ask(self, at);
    }
}
