/* store_writer: the thread that waits for the disk.  What came together goes to the disk
 * together, in its order; a failure is tried again until it is stored.
 *
 *   core's thread --put, turn--> queue --> transaction --> database
 *                 <--drain------ outcomes <--' */
#pragma once

#include "broker/keeper.h"
#include "broker/positions_file.h"
#include "broker/store_database.h"

#include <stddef.h>

struct store_writer;

enum store_kind { STORE_KEEP, STORE_TRIM, STORE_LOSE, STORE_FORGET };

struct store_writer_settings {
    struct store_database *database;  // borrowed, ours until store_writer_stop
    struct positions_file *positions; // likewise
    struct positions first;           // what it says
    const char *folder;               // where both are; borrowed
    size_t queue_bytes;               // that wait for the disk
    int wake;                         // an eventfd: outcomes are there
};

struct store_writer_stats {
    uint64_t commits, messages, failures, refused;
    int failing;                  // 0 or the negative errno
    size_t waiting;               // bytes
    int64_t longest_ms;           // transaction
    char why[STORE_DATABASE_WHY]; // of the newest failure
};

struct store_writer *store_writer_new(const struct store_writer_settings *settings);
/* 0 or a negative errno. */
int store_writer_start(struct store_writer *self);
/* Copied.  0; for a message that cannot be taken: -ENOBUFS, or the errno of the disk
 * while it fails.  Of the rest nothing that counts is lost. */
int store_writer_put(struct store_writer *self, enum store_kind kind,
                     const struct kept *message);
/* These positions, both included, are uncertain: stored before all that is not yet. */
void store_writer_put_hole(struct store_writer *self, uint64_t from, uint64_t to);
void store_writer_lease(struct store_writer *self, uint64_t to);
/* What was put since goes to the disk. */
void store_writer_turn(struct store_writer *self);
/* Tells what happened. */
void store_writer_drain(struct store_writer *self, const struct keeper_events *events);
void store_writer_measure(struct store_writer *self, struct store_writer_stats *out);
/* Ends the thread when it has tried to store everything.  0; negative when something is
 * not stored.  To be drained once more. */
int store_writer_stop(struct store_writer *self);
/* What positions the file allows; after store_writer_stop. */
const struct positions *store_writer_positions(const struct store_writer *self);
void store_writer_destroy(struct store_writer **self_p);
