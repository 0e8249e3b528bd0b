/* store: the door to what makes history durable: a folder with
 *
 *   lock         held while a broker runs
 *   history.db   SQLite: what history holds     (store_database.h)
 *   positions    which positions may be in use  (positions_file.h)
 *
 * One thread of its own waits for the disk (store_writer.h).  docs/store.md. */
#pragma once

#include "broker/keeper.h"

#include <stdbool.h>
#include <stddef.h>

struct store;

enum { STORE_WHY = 512 };

/* May the folder be used, or be made?  False: `why` has the rule that it breaks. */
bool store_check(const char *folder, char why[STORE_WHY]);

/*   folder       made if it does not exist
 *   queue_bytes  may wait for the disk
 *   wake         an eventfd that is set when store_drain has something to tell
 * NULL: `why` says what is wrong: another broker has the folder, a damaged file, an
 * unknown schema, ... */
struct store *store_open(const char *folder, size_t queue_bytes, int wake,
                         char why[STORE_WHY]);
/* Tells everything that was found, and begins to work.  0 or a negative errno with
 * `why`. */
int store_start(struct store *self, const struct keeper_events *events,
                char why[STORE_WHY]);
/* What the core speaks with; as long as the store lives. */
struct keeper store_keeper(struct store *self);
/* Once after the records of a turn: what was kept since goes to the disk. */
void store_turn(struct store *self);
/* Tells what was stored since, and what not. */
void store_drain(struct store *self, const struct keeper_events *events);
/* Once a second: a line in the log while the disk fails; metrics. */
void store_report(struct store *self);
/* Before anything of this file: metrics that are there without a store too. */
void store_register(void);
/* Stores what still waits; nothing may be kept any more.  To be drained once more. */
void store_stop(struct store *self);
/* After that; `last` is the newest position that was used. */
void store_close(struct store **self_p, uint64_t last);
/* As after a crash: the next start does not know what was used. */
void store_abandon(struct store **self_p);
