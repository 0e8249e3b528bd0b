#include "broker/store.h"

#include "broker/store_writer.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metric.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    BLOCK = 10000, // positions that are leased at the start
    FOLDER_MODE = 0700,
    FILE_MODE = 0600,
    PATH_ROOM = 4096,
};

struct store {
    char folder[PATH_ROOM];
    int lock;
    struct store_database *database;
    struct positions_file *file;
    struct store_writer *writer;
    struct store_state state;
    struct keeper_start start;
    uint64_t hole_from, hole_to;    // both included; to 0: none
    bool stored;                    // everything, at the end
    struct store_writer_stats seen; // at the last report
};

static struct metric s_commits = {.name = "ringway_broker_store_commits_total",
                                  .help = "Transactions of the store.",
                                  .kind = METRIC_COUNTER};
static struct metric s_messages = {.name = "ringway_broker_store_messages_total",
                                   .help = "Messages that were stored.",
                                   .kind = METRIC_COUNTER};
static struct metric s_failures = {.name = "ringway_broker_store_failures_total",
                                   .help = "Attempts to store that failed.",
                                   .kind = METRIC_COUNTER};
static struct metric s_refused = {
    .name = "ringway_broker_store_refused_total",
    .help = "Messages that history did not take because the store failed or was full.",
    .kind = METRIC_COUNTER};
static struct metric s_failing = {.name = "ringway_broker_store_failing",
                                  .help = "1 while nothing can be stored.",
                                  .kind = METRIC_GAUGE};
static struct metric s_waiting = {.name = "ringway_broker_store_waiting_bytes",
                                  .help = "Bytes that wait for the disk.",
                                  .kind = METRIC_GAUGE};
static struct metric s_longest = {.name = "ringway_broker_store_longest_ms",
                                  .help = "Longest time that a transaction took.",
                                  .kind = METRIC_GAUGE};

void store_register(void)
{
    metric_register(&s_commits);
    metric_register(&s_messages);
    metric_register(&s_failures);
    metric_register(&s_refused);
    metric_register(&s_failing);
    metric_register(&s_waiting);
    metric_register(&s_longest);
}

static bool s_say(char why[STORE_WHY], const char *what, const char *detail)
{
    snprintf(why, STORE_WHY, "%s%s%s", what, detail ? ": " : "", detail ? detail : "");
    return false;
}

/* The folder above, for one that does not exist. */
static void s_parent(const char *folder, char out[PATH_ROOM])
{
    size_t size = strnlen(folder, PATH_ROOM - 1);
    while (size > 1 && folder[size - 1] == '/')
        size--;
    while (size > 0 && folder[size - 1] != '/')
        size--;
    while (size > 1 && folder[size - 1] == '/')
        size--;
    snprintf(out, PATH_ROOM, "%.*s", size ? (int)size : 1, size ? folder : ".");
}

bool store_check(const char *folder, char why[STORE_WHY])
{
    char parent[PATH_ROOM];
    struct stat found;
    /* Room for the names of the files in it. */
    if (strlen(folder) > PATH_ROOM - 64)
        return s_say(why, "the path is too long", NULL);
    if (stat(folder, &found) == 0) {
        if (!S_ISDIR(found.st_mode))
            return s_say(why, "a folder is needed", NULL);
        return access(folder, W_OK | X_OK) == 0 ||
               s_say(why, "the folder must be writable", NULL);
    }
    if (errno != ENOENT)
        return s_say(why, "cannot be used", strerror(errno));
    s_parent(folder, parent);
    return access(parent, W_OK | X_OK) == 0 ||
           s_say(why, "neither is there nor can be made", strerror(errno));
}

static void s_path(const struct store *self, const char *name, char out[PATH_ROOM])
{
    snprintf(out, PATH_ROOM, "%.4000s/%s", self->folder, name);
}

/* The lock goes with the process, however that ends. */
static bool s_lock(struct store *self, char why[STORE_WHY])
{
    char path[PATH_ROOM];
    if (mkdir(self->folder, FOLDER_MODE) < 0 && errno != EEXIST)
        return s_say(why, "cannot be made", strerror(errno));
    s_path(self, "lock", path);
    self->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (self->lock < 0)
        return s_say(why, "lock cannot be opened", strerror(errno));
    if (flock(self->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno == EWOULDBLOCK)
        return s_say(why, "another broker is using it", NULL);
    return s_say(why, "cannot be locked", strerror(errno));
}

/* Both files speak of the same epoch: where does it go on? */
static void s_go_on(struct store *self, const struct positions *positions)
{
    bool clean = positions->clean && self->state.last == positions->last;
    self->start.epoch = positions->epoch;
    if (clean) {
        self->start.next = positions->last + 1;
        return;
    }
    self->start.next = positions->leased_to + 1;
    if (self->start.next <= self->state.last)
        self->start.next = self->state.last + 1;
    self->hole_from = self->state.last + 1;
    self->hole_to = self->start.next - 1;
    if (self->hole_to < self->hole_from)
        self->hole_to = 0;
    log_warn("store_unclean", "from=%" PRIu64 " to=%" PRIu64, self->hole_from,
             self->hole_to);
}

/* A new epoch; what is held stays, every cursor of before meets a restart. */
static int s_begin_epoch(struct store *self)
{
    self->start.epoch = clock_random_u64() | 1;
    self->start.next = self->state.last + 1;
    int result = store_database_begin(self->database);
    if (result == 0)
        result = store_database_set_epoch(self->database, self->start.epoch);
    if (result == 0)
        result = store_database_commit(self->database, 0);
    log_info("store_epoch", "epoch=%016" PRIx64 " last=%" PRIu64, self->start.epoch,
             self->state.last);
    return result;
}

/* The first block of this life, before any of it is used. */
static bool s_take_positions(struct store *self, const char *path, bool is_there,
                             char why[STORE_WHY])
{
    char detail[POSITIONS_FILE_WHY];
    self->start.leased_to = self->start.next - 1 + BLOCK;
    const struct positions first = {
        .serial = 1, .epoch = self->start.epoch, .leased_to = self->start.leased_to};
    if (is_there) {
        int result = positions_file_write(self->file, &first);
        return result == 0 ||
               s_say(why, "positions cannot be written", strerror(-result));
    }
    return positions_file_create(path, &first, &self->file, detail) == 0 ||
           s_say(why, detail, NULL);
}

static bool s_find_positions(struct store *self, char why[STORE_WHY])
{
    char path[PATH_ROOM], detail[POSITIONS_FILE_WHY];
    struct positions found = {0};
    s_path(self, "positions", path);
    int result = positions_file_open(path, &self->file, &found, detail);
    if (result < 0 && result != -ENOENT)
        return s_say(why, detail, NULL);
    bool goes_on = result == 0 && found.epoch == self->state.epoch;
    if (goes_on)
        s_go_on(self, &found);
    else if (s_begin_epoch(self) < 0)
        return s_say(why, "history.db", store_database_why(self->database));
    return s_take_positions(self, path, result == 0, why);
}

static bool s_open_all(struct store *self, char why[STORE_WHY])
{
    char path[PATH_ROOM], detail[STORE_DATABASE_WHY];
    if (!store_check(self->folder, why) || !s_lock(self, why))
        return false;
    s_path(self, "history.db", path);
    if (store_database_open(path, &self->database, detail) < 0)
        return s_say(why, "history.db", detail);
    if (store_database_read_state(self->database, &self->state) < 0)
        return s_say(why, "history.db", store_database_why(self->database));
    if (!s_find_positions(self, why))
        return false;
    self->start.forgotten = self->state.forgotten;
    return true;
}

struct store *store_open(const char *folder, size_t queue_bytes, int wake,
                         char why[STORE_WHY])
{
    struct store *self = mem_new(struct store);
    self->lock = -1;
    snprintf(self->folder, sizeof self->folder, "%s", folder);
    if (!s_open_all(self, why)) {
        store_abandon(&self);
        return NULL;
    }
    const struct store_writer_settings settings = {
        .database = self->database,
        .positions = self->file,
        .first = {.epoch = self->start.epoch, .leased_to = self->start.leased_to},
        .folder = self->folder,
        .queue_bytes = queue_bytes,
        .wake = wake,
    };
    self->writer = store_writer_new(&settings);
    return self;
}

static int64_t s_wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int store_start(struct store *self, const struct keeper_events *events,
                char why[STORE_WHY])
{
    events->start(events->context, &self->start);
    if (self->hole_to) {
        events->hole(events->context, self->hole_from, self->hole_to);
        store_writer_put_hole(self->writer, self->hole_from, self->hole_to);
    }
    int result = store_database_load(self->database, s_wall_ms(), events);
    if (result < 0)
        (void)s_say(why, "history.db", store_database_why(self->database));
    else if ((result = store_writer_start(self->writer)) < 0)
        (void)s_say(why, "no thread", strerror(-result));
    return result;
}

static int s_keep(void *context, const struct kept *message)
{
    struct store *self = context;
    return store_writer_put(self->writer, STORE_KEEP, message);
}

static void s_mark(struct store *self, enum store_kind kind, struct wire_text topic,
                   uint64_t g)
{
    const struct kept mark = {.g = g, .topic = topic};
    (void)store_writer_put(self->writer, kind, &mark);
}

static void s_trim(void *context, struct wire_text topic, uint64_t g)
{
    s_mark(context, STORE_TRIM, topic, g);
}

static void s_lose(void *context, struct wire_text topic, uint64_t g)
{
    s_mark(context, STORE_LOSE, topic, g);
}

static void s_forget(void *context, struct wire_text topic)
{
    s_mark(context, STORE_FORGET, topic, 0);
}

static void s_lease(void *context, uint64_t to)
{
    struct store *self = context;
    store_writer_lease(self->writer, to);
}

struct keeper store_keeper(struct store *self)
{
    return (struct keeper){self, s_keep, s_trim, s_lose, s_forget, s_lease};
}

void store_turn(struct store *self)
{
    store_writer_turn(self->writer);
}

void store_drain(struct store *self, const struct keeper_events *events)
{
    store_writer_drain(self->writer, events);
}

void store_report(struct store *self)
{
    struct store_writer_stats now;
    char why[2 * STORE_DATABASE_WHY];
    store_writer_measure(self->writer, &now);
    metric_set(&s_commits, (int64_t)now.commits);
    metric_set(&s_messages, (int64_t)now.messages);
    metric_set(&s_failures, (int64_t)now.failures);
    metric_set(&s_refused, (int64_t)now.refused);
    metric_set(&s_failing, now.failing < 0);
    metric_set(&s_waiting, (int64_t)now.waiting);
    metric_set(&s_longest, now.longest_ms);
    if (now.failures != self->seen.failures)
        log_error("store_failing",
                  "failures=%" PRIu64 " refused=%" PRIu64 " waiting_bytes=%zu reason=%s",
                  now.failures - self->seen.failures, now.refused - self->seen.refused,
                  now.waiting,
                  log_quote(now.why, (unsigned)strlen(now.why), why, sizeof why));
    else if (self->seen.failing < 0 && now.failing == 0)
        log_info("store_recovered", "waiting_bytes=%zu", now.waiting);
    self->seen = now;
}

void store_stop(struct store *self)
{
    self->stored = store_writer_stop(self->writer) == 0;
}

/* The exact position, so that the next start has no hole. */
static int s_close_clean(struct store *self, uint64_t last)
{
    struct positions positions = *store_writer_positions(self->writer);
    int result = store_database_begin(self->database);
    if (result == 0)
        result = store_database_commit(self->database, last);
    if (result < 0)
        return result;
    positions.clean = true;
    positions.last = last;
    return positions_file_write(self->file, &positions);
}

void store_close(struct store **self_p, uint64_t last)
{
    struct store *self = *self_p;
    if (self && self->stored && s_close_clean(self, last) < 0)
        log_warn("store_unclean_stop", "last=%" PRIu64, last);
    store_abandon(self_p);
}

void store_abandon(struct store **self_p)
{
    struct store *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    store_writer_destroy(&self->writer);
    store_database_close(&self->database);
    positions_file_close(&self->file);
    if (self->lock >= 0)
        close(self->lock);
    free(self);
}
