#include "broker/positions_file.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define POSITIONS_FILE_MAGIC "RWPOS001"

enum {
    MAGIC_SIZE = 8,
    FIELD_COUNT = 5,
    SUM_AT = MAGIC_SIZE + 8 * FIELD_COUNT,
    MODE = 0600,
    PATH_ROOM = 4096,
};

struct positions_file {
    int file;
    uint64_t serial; // of the newest slot
    int newest;      // 0 or 1
};

static void s_put(uint8_t *at, uint64_t value)
{
    for (int byte = 0; byte < 8; byte++)
        at[byte] = (uint8_t)(value >> (8 * byte));
}

static uint64_t s_get(const uint8_t *at)
{
    uint64_t value = 0;
    for (int byte = 7; byte >= 0; byte--)
        value = value << 8 | at[byte];
    return value;
}

/* FNV-1a, 64 bits. */
static uint64_t s_sum(const uint8_t *data, size_t size)
{
    uint64_t sum = 0xcbf29ce484222325U;
    for (size_t at = 0; at < size; at++)
        sum = (sum ^ data[at]) * 0x100000001b3U;
    return sum;
}

void positions_file_encode(const struct positions *positions, uint8_t *slot)
{
    const uint64_t fields[FIELD_COUNT] = {positions->serial, positions->epoch,
                                          positions->leased_to, positions->last,
                                          positions->clean};
    memcpy(slot, POSITIONS_FILE_MAGIC, MAGIC_SIZE);
    for (size_t at = 0; at < FIELD_COUNT; at++)
        s_put(slot + MAGIC_SIZE + 8 * at, fields[at]);
    s_put(slot + SUM_AT, s_sum(slot, SUM_AT));
}

int positions_file_decode(const uint8_t *slot, struct positions *out)
{
    uint64_t fields[FIELD_COUNT];
    if (memcmp(slot, POSITIONS_FILE_MAGIC, MAGIC_SIZE) != 0 ||
        s_get(slot + SUM_AT) != s_sum(slot, SUM_AT))
        return -EPROTO;
    for (size_t at = 0; at < FIELD_COUNT; at++)
        fields[at] = s_get(slot + MAGIC_SIZE + 8 * at);
    if (fields[1] == 0 || fields[4] > 1)
        return -EPROTO;
    *out = (struct positions){fields[0], fields[1], fields[2], fields[3], fields[4] == 1};
    return 0;
}

static int s_explain(char why[POSITIONS_FILE_WHY], const char *what, int result)
{
    snprintf(why, POSITIONS_FILE_WHY, "positions: %s%s%s", what, result < 0 ? ": " : "",
             result < 0 ? strerror(-result) : "");
    return result < 0 ? result : -EPROTO;
}

/* All of it at this place: 0 or a negative errno. */
static int s_write_at(int file, const uint8_t *data, size_t size, off_t at)
{
    while (size > 0) {
        ssize_t written = pwrite(file, data, size, at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? -errno : -EIO;
        data += written;
        at += written;
        size -= (size_t)written;
    }
    return 0;
}

/* What the newest whole slot says. */
static int s_read(struct positions_file *self, struct positions *out,
                  char why[POSITIONS_FILE_WHY])
{
    uint8_t data[POSITIONS_FILE_SIZE + 1];
    ssize_t size = pread(self->file, data, sizeof data, 0);
    bool found = false;
    if (size < 0)
        return s_explain(why, "cannot be read", -errno);
    if (size != POSITIONS_FILE_SIZE)
        return s_explain(why, "the file does not have 8192 bytes", 0);
    for (int slot = 0; slot < 2; slot++) {
        struct positions positions;
        if (positions_file_decode(data + (size_t)slot * POSITIONS_FILE_STEP, &positions) <
                0 ||
            (found && positions.serial < self->serial))
            continue;
        found = true;
        self->newest = slot;
        self->serial = positions.serial;
        *out = positions;
    }
    return found ? 0 : s_explain(why, "both slots of the file are damaged", 0);
}

int positions_file_open(const char *path, struct positions_file **out_p,
                        struct positions *out, char why[POSITIONS_FILE_WHY])
{
    struct positions_file *self = mem_new(struct positions_file);
    self->file = open(path, O_RDWR | O_CLOEXEC);
    int result = self->file < 0 ? s_explain(why, "cannot be opened", -errno)
                                : s_read(self, out, why);
    if (result < 0)
        positions_file_close(&self);
    *out_p = self;
    return result;
}

/* The whole file under another name, so that a half-written one never has the right one.
 */
static int s_make(struct positions_file *self, const char *path,
                  const struct positions *first)
{
    uint8_t data[POSITIONS_FILE_SIZE] = {0};
    positions_file_encode(first, data);
    self->serial = first->serial;
    self->file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, MODE);
    if (self->file < 0)
        return -errno;
    int result = s_write_at(self->file, data, sizeof data, 0);
    return result == 0 && fsync(self->file) < 0 ? -errno : result;
}

int positions_file_create(const char *path, const struct positions *first,
                          struct positions_file **out_p, char why[POSITIONS_FILE_WHY])
{
    char new_path[PATH_ROOM];
    struct positions_file *self = mem_new(struct positions_file);
    self->file = -1;
    int size = snprintf(new_path, sizeof new_path, "%s.new", path);
    int result =
        size < (int)sizeof new_path ? s_make(self, new_path, first) : -ENAMETOOLONG;
    if (result == 0 && rename(new_path, path) < 0)
        result = -errno;
    if (result < 0) {
        (void)s_explain(why, "cannot be made", result);
        positions_file_close(&self);
    }
    *out_p = self;
    return result;
}

int positions_file_write(struct positions_file *self, const struct positions *positions)
{
    uint8_t slot[POSITIONS_FILE_SLOT];
    struct positions next = *positions;
    int place = 1 - self->newest;
    next.serial = self->serial + 1;
    positions_file_encode(&next, slot);
    int result =
        s_write_at(self->file, slot, sizeof slot, (off_t)place * POSITIONS_FILE_STEP);
    if (result == 0 && fdatasync(self->file) < 0)
        result = -errno;
    if (result < 0)
        return result;
    self->newest = place;
    self->serial = next.serial;
    return 0;
}

void positions_file_close(struct positions_file **self_p)
{
    struct positions_file *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    if (self->file >= 0)
        close(self->file);
    free(self);
}
