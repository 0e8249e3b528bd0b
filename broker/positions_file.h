/* positions_file: which positions of which epoch may have been used, in a file of fixed
 * size that is overwritten in place: a full disk does not stop it.  Two slots take turns,
 * each with a checksum, so that a write that is cut off costs only the older one.
 *
 *   offset 0, 4096: "RWPOS001" serial epoch leased-to last clean checksum   8 bytes each,
 *                   the lowest first; checksum: FNV-1a of the 48 bytes before it
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    POSITIONS_FILE_SLOT = 56,   // bytes of a slot
    POSITIONS_FILE_STEP = 4096, // from one slot to the other: never in one sector
    POSITIONS_FILE_SIZE = 8192, // bytes of the file
    POSITIONS_FILE_WHY = 128,   // room for an explanation
};

struct positions {
    uint64_t serial;    // grows with each write
    uint64_t epoch;     // never 0
    uint64_t leased_to; // no position beyond was used
    uint64_t last;      // after a clean stop: the newest that was used
    bool clean;         // nothing was used since
};

struct positions_file;

/* Pure: a slot of POSITIONS_FILE_SLOT bytes. */
void positions_file_encode(const struct positions *positions, uint8_t *slot);
/* 0, or -EPROTO when the slot was not written whole. */
int positions_file_decode(const uint8_t *slot, struct positions *out);

/* Opens the file, which stays open.  0 and what it says; -ENOENT when there is none;
 * -EPROTO when it is no such file or neither slot is whole; or a negative errno.  `why`
 * is written on failure. */
int positions_file_open(const char *path, struct positions_file **out_p,
                        struct positions *out, char why[POSITIONS_FILE_WHY]);
/* Makes it, or replaces what is there, at once as a whole. */
int positions_file_create(const char *path, const struct positions *first,
                          struct positions_file **out_p, char why[POSITIONS_FILE_WHY]);
/* Overwrites the older slot and waits until the disk has it; serial is our own.  0 or a
 * negative errno: then the former value counts. */
int positions_file_write(struct positions_file *self, const struct positions *positions);
void positions_file_close(struct positions_file **self_p);
