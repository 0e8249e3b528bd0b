#include "gateway/follower.h"

bool follower_takes(struct follower *self, const struct cursor *position)
{
    if (self->state != FOLLOWER_LIVE || !cursor_is_after(position, &self->cursor))
        return false;
    self->before = self->cursor;
    self->cursor = *position;
    return true;
}

uint32_t follower_asks(struct follower *self)
{
    self->state = FOLLOWER_ASKED;
    if (++self->asked == 0)
        self->asked = 1;
    return self->asked;
}

bool follower_expects(const struct follower *self, uint64_t asked)
{
    return self->state == FOLLOWER_ASKED && asked == self->asked;
}

bool follower_takes_old(struct follower *self, const struct cursor *position)
{
    if (!cursor_is_after(position, &self->cursor))
        return false;
    self->before = self->cursor;
    self->cursor = *position;
    return true;
}

void follower_reaches(struct follower *self, const struct cursor *position, bool more)
{
    self->cursor = *position;
    self->state = more ? FOLLOWER_BEHIND : FOLLOWER_LIVE;
}

void follower_falls_behind(struct follower *self)
{
    self->state = FOLLOWER_BEHIND;
}

void follower_waits(struct follower *self)
{
    self->state = FOLLOWER_WAITING;
    self->not_live = self->count;
}
