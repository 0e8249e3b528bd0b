/* branch: the levels of the names of topics, as a tree: which patterns match a topic, and
 * which topics match a pattern, without looking at all of them.  Pure.
 *
 *   rooms/1/news  is a topic of the branch rooms/1, which is below the branch rooms
 *   rooms/1/ and a star is the pattern `one` of rooms/1, with two stars `all` of it
 *
 * A branch is there as long as a topic, a pattern or another branch is on it. */
#pragma once

#include "broker/list.h"
#include "common/table.h"
#include "common/wire.h"

struct topic;

struct branch {
    struct table_entry by_name;
    struct branch *parent;   // NULL: this is the root, which has no name
    struct link of_parent;   // among the parent's branches
    struct link branches;    // one level below
    struct link topics;      // one level below; their field of_branch
    struct topic *one, *all; // patterns; NULL: not known
    uint8_t size;
    char name[];
};

struct branches {
    struct table by_name;
    struct branch *root;
    size_t count; // the root does not count
};

void branches_init(struct branches *self);
/* No topic may be left. */
void branches_clear(struct branches *self);
/* The branch of a topic or pattern; it is made if it is not there. */
struct branch *branch_get(struct branches *self, struct wire_text topic);
/* The branch with the most levels of the topic's that is there. */
struct branch *branch_nearest(const struct branches *self, struct wire_text topic);
/* Is the topic one level below it? */
bool branch_is_of(const struct branch *self, struct wire_text topic);
/* Takes it away, and those above it, if nothing is on it any more. */
void branch_release(struct branches *self, struct branch *branch);

/* All topics of a branch and of those below it. */
struct branch_walk {
    const struct branch *top, *branch;
    struct link *at;
    bool below; // those of the branches below too
};

void branch_walk_begin(struct branch_walk *self, const struct branch *branch, bool below);
/* The link of the next topic's of_branch; NULL after the last. */
struct link *branch_walk_next(struct branch_walk *self);
