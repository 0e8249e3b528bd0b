/* hub_cast: sets in which topics are named.  The broker does not know who is subscribed:
 * here is seen to it that a channel which is named twice gets the message once.
 * docs/protocol/1-bus.md section 5.2, rule 21. */
#include "common/topic_pattern.h"
#include "gateway/hub_private.h"

#include <string.h>

void hub_cast_begin(struct hub *self)
{
    if (++self->cast == 0)
        self->cast = 1; // 0: of none
}

void hub_cast_except_topic(struct hub *self, const char *name)
{
    struct topic_walk walk;
    topic_walk_begin(&walk, name, strlen(name));
    while (topic_walk_next(&walk)) {
        struct hub_topic *topic = hub_find(self, walk.name, walk.name_size);
        struct subscription *at = topic ? topic->first : NULL;
        for (; at; at = at->next)
            at->follower->excepted = self->cast;
    }
}

void hub_cast_except(struct hub *self, struct channel *channel)
{
    if (channel->follower)
        channel->follower->excepted = self->cast;
}

bool hub_cast_takes(const struct hub *self, struct follower *follower,
                    const struct cursor *position)
{
    if (follower->excepted == self->cast) {
        (void)follower_takes(follower, position); // passed, so that it is not asked for
        return false;
    }
    follower->reached = self->cast;
    return true;
}

void hub_cast_publish(struct hub *self, struct message *message,
                      const struct cursor *position)
{
    self->is_casting = true;
    hub_publish(self, message, position, 0);
    self->is_casting = false;
}

bool hub_cast_is_due(const struct hub *self, const struct channel *channel)
{
    const struct follower *follower = channel->follower;
    return !follower ||
           (follower->excepted != self->cast && follower->reached != self->cast);
}
