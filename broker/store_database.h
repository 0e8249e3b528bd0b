/* store_database: the only file that knows SQLite: what of history is stored, and how.
 * Used by one thread at a time.  docs/store.md has the tables.
 *
 * All of a transaction is stored or nothing.  kill -9 at any moment loses no transaction
 * that store_database_commit said is stored (WAL, synchronous=NORMAL). */
#pragma once

#include "broker/keeper.h"

#include <stddef.h>

enum {
    STORE_DATABASE_SCHEMA = 1, // PRAGMA user_version
    STORE_DATABASE_WHY = 256,  // room for an explanation
    STORE_DATABASE_HOLES = 16, // the oldest two become one beyond
};

struct store_database;

/* What it knows beside messages; all 0 when it is new. */
struct store_state {
    uint64_t epoch;
    uint64_t last;      // the newest position of a transaction
    uint64_t forgotten; // the mark of topics without one
};

/* Opens or makes it.  0; -EPROTO when it is of another schema or not ours, else a
 * negative errno; `why` is written on failure. */
int store_database_open(const char *path, struct store_database **out_p,
                        char why[STORE_DATABASE_WHY]);
void store_database_close(struct store_database **self_p);
/* 0 or a negative errno; the newest explanation is store_database_why. */
int store_database_read_state(struct store_database *self, struct store_state *out);
/* Tells holes, topics and messages, these by position; `now_ms` is the wall clock. */
int store_database_load(struct store_database *self, int64_t now_ms,
                        const struct keeper_events *events);
const char *store_database_why(const struct store_database *self);

/* A transaction: begin, any of the changes, commit.  Once one of them fails the
 * transaction is gone, and the next call must be begin.  Each 0 or a negative errno:
 * -ENOSPC, -EIO, -EBUSY, ... */
int store_database_begin(struct store_database *self);
int store_database_keep(struct store_database *self, const struct kept *message,
                        int64_t published_ms);
int store_database_trim(struct store_database *self, struct wire_text topic, uint64_t g);
int store_database_lose(struct store_database *self, struct wire_text topic, uint64_t g);
int store_database_forget(struct store_database *self, struct wire_text topic);
/* Positions from..to, both included, are uncertain. */
int store_database_add_hole(struct store_database *self, uint64_t from, uint64_t to);
int store_database_set_epoch(struct store_database *self, uint64_t epoch);
/* `last`: the newest position that the transaction is about, 0: none. */
int store_database_commit(struct store_database *self, uint64_t last);
/* Gives up the transaction, if there is one, and the space of what was committed long
 * ago. */
void store_database_roll_back(struct store_database *self);
