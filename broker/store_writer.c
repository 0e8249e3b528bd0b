#include "broker/store_writer.h"

#include "common/clock.h"
#include "common/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum {
    RETRY_MS = 250,        // after a failure
    ROOM_BYTES = 1 << 20,  // that must be free again on a disk that was full
    BATCH_ITEMS = 10000,   // in one transaction
    BATCH_BYTES = 4 << 20, // likewise
    MARK_SHARE = 2,        // marks may take so many times the limit
    BLOCK_LEAST = 10000,   // positions of a lease
    BLOCK_MOST = 10000000, // when they are used up fast
    BLOCK_MS = 1000,       // faster than this is fast
};

/* A change on its way. */
struct item {
    struct item *next;
    size_t bytes; // that it takes of the limit
    enum store_kind kind;
    int64_t published_ms; // wall clock
    struct kept message;  // its texts are in data
    char data[];
};

struct chain {
    struct item *first, **end;
};

/* What is to be told, in this order. */
struct outcome {
    struct outcome *next;
    uint64_t g;
    int result;
};

struct range {
    uint64_t from, to; // both included; to 0: none
};

struct store_writer {
    struct store_writer_settings settings;
    pthread_t thread;
    bool started;
    /* Of the core's thread. */
    struct chain turn;
    struct range turn_hole;
    uint64_t refused;
    /* Shared. */
    atomic_size_t bytes;
    atomic_int failing;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct chain queue; // by lock, like all to the next heading
    struct range hole;
    uint64_t lease; // wanted, 0: none
    struct outcome *outcomes, **outcome_end;
    uint64_t leased; // to be told, 0: nothing
    int lease_result;
    bool stopping;
    struct store_writer_stats stats;
    /* Of the thread. */
    struct chain pending;
    struct range pending_hole;
    uint64_t wanted; // lease
    struct positions positions;
    uint64_t block;
    int64_t leased_ms;
    bool ending;
};

static void s_empty(struct chain *chain)
{
    chain->first = NULL;
    chain->end = &chain->first;
}

static void s_append(struct chain *chain, struct item *item)
{
    item->next = NULL;
    *chain->end = item;
    chain->end = &item->next;
}

/* All of `from` behind what is there. */
static void s_splice(struct chain *chain, struct chain *from)
{
    if (!from->first)
        return;
    *chain->end = from->first;
    chain->end = from->end;
    s_empty(from);
}

static void s_widen(struct range *range, uint64_t from, uint64_t to)
{
    if (range->to == 0)
        *range = (struct range){from, to};
    if (from < range->from)
        range->from = from;
    if (to > range->to)
        range->to = to;
}

static void s_join(struct range *range, struct range *from)
{
    if (from->to)
        s_widen(range, from->from, from->to);
    from->to = 0;
}

struct store_writer *store_writer_new(const struct store_writer_settings *settings)
{
    struct store_writer *self = mem_new(struct store_writer);
    pthread_condattr_t by_clock;
    self->settings = *settings;
    self->positions = settings->first;
    self->block = BLOCK_LEAST;
    self->leased_ms = clock_now_ms();
    s_empty(&self->turn);
    s_empty(&self->queue);
    s_empty(&self->pending);
    self->outcome_end = &self->outcomes;
    (void)pthread_mutex_init(&self->lock, NULL);
    (void)pthread_condattr_init(&by_clock);
    (void)pthread_condattr_setclock(&by_clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&self->work, &by_clock);
    (void)pthread_condattr_destroy(&by_clock);
    return self;
}

static struct wire_text s_copy(char **at, struct wire_text text)
{
    struct wire_text copy = {text.data ? *at : NULL, text.size};
    if (text.data)
        memcpy(*at, text.data, text.size);
    *at += text.data ? text.size : 0;
    return copy;
}

static int64_t s_wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* NULL when the machine has no memory for it. */
static struct item *s_item(enum store_kind kind, const struct kept *message, size_t bytes)
{
    struct item *item = malloc(bytes);
    if (!item)
        return NULL;
    char *at = item->data;
    *item = (struct item){.bytes = bytes, .kind = kind, .message = *message};
    item->message.topic = s_copy(&at, message->topic);
    item->message.collapse = s_copy(&at, message->collapse);
    item->message.except = s_copy(&at, message->except);
    item->message.key = s_copy(&at, message->key);
    item->message.payload = s_copy(&at, message->payload);
    if (kind == STORE_KEEP)
        item->published_ms = s_wall_ms() - message->age_ms;
    return item;
}

/* Is there room?  Marks have more of it than messages; one is always allowed. */
static bool s_has_room(struct store_writer *self, enum store_kind kind, size_t bytes)
{
    size_t limit = self->settings.queue_bytes;
    size_t waiting = atomic_load_explicit(&self->bytes, memory_order_relaxed);
    if (kind != STORE_KEEP)
        limit *= MARK_SHARE;
    return waiting == 0 || waiting + bytes <= limit;
}

static int s_refuse(struct store_writer *self, enum store_kind kind, uint64_t g,
                    int result)
{
    if (kind == STORE_KEEP)
        self->refused++;
    /* What a mark would say of one topic the hole says of all.  Without a TRIM or a
     * FORGET more is stored than is held, and found again at the next start. */
    if (kind == STORE_LOSE)
        s_widen(&self->turn_hole, g, g);
    return result;
}

int store_writer_put(struct store_writer *self, enum store_kind kind,
                     const struct kept *message)
{
    size_t bytes = sizeof(struct item) + message->topic.size + message->collapse.size +
                   message->except.size + message->key.size + message->payload.size;
    int failing = atomic_load_explicit(&self->failing, memory_order_relaxed);
    if (kind == STORE_KEEP && failing < 0)
        return s_refuse(self, kind, message->g, failing);
    struct item *item =
        s_has_room(self, kind, bytes) ? s_item(kind, message, bytes) : NULL;
    if (!item)
        return s_refuse(self, kind, message->g, -ENOBUFS);
    atomic_fetch_add_explicit(&self->bytes, bytes, memory_order_relaxed);
    s_append(&self->turn, item);
    return 0;
}

void store_writer_put_hole(struct store_writer *self, uint64_t from, uint64_t to)
{
    s_widen(&self->turn_hole, from, to);
}

void store_writer_lease(struct store_writer *self, uint64_t to)
{
    (void)pthread_mutex_lock(&self->lock);
    self->lease = to;
    (void)pthread_cond_signal(&self->work);
    (void)pthread_mutex_unlock(&self->lock);
}

void store_writer_turn(struct store_writer *self)
{
    if (!self->turn.first && !self->turn_hole.to)
        return;
    (void)pthread_mutex_lock(&self->lock);
    s_splice(&self->queue, &self->turn);
    s_join(&self->hole, &self->turn_hole);
    (void)pthread_cond_signal(&self->work);
    (void)pthread_mutex_unlock(&self->lock);
}

void store_writer_drain(struct store_writer *self, const struct keeper_events *events)
{
    (void)pthread_mutex_lock(&self->lock);
    struct outcome *outcome = self->outcomes;
    uint64_t leased = self->leased;
    int lease_result = self->lease_result;
    self->outcomes = NULL;
    self->outcome_end = &self->outcomes;
    self->leased = 0;
    (void)pthread_mutex_unlock(&self->lock);
    if (leased)
        events->leased(events->context, leased, lease_result);
    for (struct outcome *next; outcome; outcome = next) {
        next = outcome->next;
        events->stored(events->context, outcome->g, outcome->result);
        free(outcome);
    }
}

void store_writer_measure(struct store_writer *self, struct store_writer_stats *out)
{
    (void)pthread_mutex_lock(&self->lock);
    *out = self->stats;
    (void)pthread_mutex_unlock(&self->lock);
    out->refused = self->refused;
    out->failing = atomic_load(&self->failing);
    out->waiting = atomic_load(&self->bytes);
}

/* From here on it is the thread that runs. */

static void s_wake(struct store_writer *self)
{
    uint64_t one = 1;
    ssize_t written = write(self->settings.wake, &one, sizeof one);
    (void)written; // it can only fail when it is set already
}

/* By lock. */
static void s_tell(struct store_writer *self, uint64_t g, int result)
{
    struct outcome *outcome = mem_new(struct outcome);
    outcome->g = g;
    outcome->result = result;
    *self->outcome_end = outcome;
    self->outcome_end = &outcome->next;
}

static void s_free_first(struct store_writer *self)
{
    struct item *item = self->pending.first;
    self->pending.first = item->next;
    if (!item->next)
        self->pending.end = &self->pending.first;
    atomic_fetch_sub_explicit(&self->bytes, item->bytes, memory_order_relaxed);
    free(item);
}

static bool s_is_due(const struct store_writer *self)
{
    return self->pending.first || self->pending_hole.to;
}

/* By lock: waits for work, or for the time to try again what failed. */
static void s_wait(struct store_writer *self)
{
    struct timespec until;
    bool failing = atomic_load(&self->failing) < 0 || self->wanted;
    if (self->stopping)
        return;
    if (!failing) {
        while (!self->stopping && !self->lease && !s_is_due(self) && !self->queue.first &&
               !self->hole.to)
            (void)pthread_cond_wait(&self->work, &self->lock);
        return;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += RETRY_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (!self->stopping && (!self->lease || self->wanted) &&
           pthread_cond_timedwait(&self->work, &self->lock, &until) == 0) {
    }
}

static void s_take(struct store_writer *self)
{
    (void)pthread_mutex_lock(&self->lock);
    s_wait(self);
    s_splice(&self->pending, &self->queue);
    s_join(&self->pending_hole, &self->hole);
    if (self->lease)
        self->wanted = self->lease;
    self->lease = 0;
    self->ending = self->stopping;
    (void)pthread_mutex_unlock(&self->lock);
}

/* Blocks grow when they are used up fast: what is leased must last longer than a slow
 * disk takes. */
static uint64_t s_size_block(struct store_writer *self)
{
    int64_t now_ms = clock_now_ms();
    bool fast = now_ms - self->leased_ms < BLOCK_MS;
    self->leased_ms = now_ms;
    if (fast && self->block < BLOCK_MOST)
        self->block *= 2;
    else if (!fast && self->block > BLOCK_LEAST)
        self->block /= 2;
    return self->block - BLOCK_LEAST;
}

static void s_lease(struct store_writer *self)
{
    struct positions next = self->positions;
    if (!self->wanted)
        return;
    if (self->wanted > next.leased_to)
        next.leased_to = self->wanted + s_size_block(self);
    next.clean = false;
    int result = positions_file_write(self->settings.positions, &next);
    if (result == 0) {
        self->positions = next;
        self->wanted = 0;
    }
    (void)pthread_mutex_lock(&self->lock);
    self->leased = next.leased_to;
    self->lease_result = result;
    self->stats.failures += result < 0;
    (void)pthread_mutex_unlock(&self->lock);
    s_wake(self);
}

static int s_apply(struct store_database *database, const struct item *item)
{
    const struct kept *message = &item->message;
    switch (item->kind) {
    case STORE_KEEP:
        return store_database_keep(database, message, item->published_ms);
    case STORE_TRIM:
        return store_database_trim(database, message->topic, message->g);
    case STORE_LOSE:
        return store_database_lose(database, message->topic, message->g);
    case STORE_FORGET:
        return store_database_forget(database, message->topic);
    }
    return 0;
}

/* What one transaction did. */
struct batch {
    size_t items, bytes, messages;
    uint64_t last; // newest position that it is about
    uint64_t kept; // newest message
};

static int s_fill(struct store_writer *self, struct batch *batch)
{
    struct store_database *database = self->settings.database;
    int result = store_database_begin(database);
    if (result == 0 && self->pending_hole.to)
        result = store_database_add_hole(database, self->pending_hole.from,
                                         self->pending_hole.to);
    for (struct item *item = self->pending.first;
         result == 0 && item && batch->items < BATCH_ITEMS && batch->bytes < BATCH_BYTES;
         item = item->next) {
        result = s_apply(database, item);
        batch->items++;
        batch->bytes += item->bytes;
        if (item->message.g > batch->last)
            batch->last = item->message.g;
        if (item->kind == STORE_KEEP) {
            batch->messages++;
            batch->kept = item->message.g;
        }
    }
    return result == 0 ? store_database_commit(database, batch->last) : result;
}

static void s_committed(struct store_writer *self, const struct batch *batch,
                        int64_t took_ms)
{
    self->pending_hole.to = 0;
    for (size_t at = 0; at < batch->items; at++)
        s_free_first(self);
    atomic_store(&self->failing, 0);
    (void)pthread_mutex_lock(&self->lock);
    self->stats.commits++;
    self->stats.messages += batch->messages;
    if (took_ms > self->stats.longest_ms)
        self->stats.longest_ms = took_ms;
    if (batch->kept)
        s_tell(self, batch->kept, 0);
    (void)pthread_mutex_unlock(&self->lock);
    if (batch->kept)
        s_wake(self);
}

/* Those whose senders wait are given up; the others are held in memory and can wait. */
static void s_drop_durable(struct store_writer *self, int result)
{
    struct chain rest;
    uint64_t newest = 0;
    s_empty(&rest);
    for (struct item *item = self->pending.first, *next; item; item = next) {
        next = item->next;
        if (item->kind != STORE_KEEP || !item->message.durable) {
            s_append(&rest, item);
            continue;
        }
        newest = item->message.g;
        atomic_fetch_sub_explicit(&self->bytes, item->bytes, memory_order_relaxed);
        free(item);
    }
    s_empty(&self->pending);
    s_splice(&self->pending, &rest);
    if (newest == 0)
        return;
    (void)pthread_mutex_lock(&self->lock);
    s_tell(self, newest, result);
    (void)pthread_mutex_unlock(&self->lock);
    s_wake(self);
}

/* A disk that was full takes a few bytes now and then: it counts as full until there is
 * room for more than that. */
static bool s_is_still_full(const struct store_writer *self, int failing)
{
    struct statvfs disk;
    return failing == -ENOSPC && statvfs(self->settings.folder, &disk) == 0 &&
           (uint64_t)disk.f_bavail * disk.f_frsize < ROOM_BYTES;
}

static void s_write(struct store_writer *self)
{
    struct batch batch = {0};
    int64_t began_ms = clock_now_ms();
    int failing = atomic_load(&self->failing);
    if (failing < 0)
        s_drop_durable(self, failing);
    else if (!s_is_due(self))
        return;
    int result = s_is_still_full(self, failing) ? failing : s_fill(self, &batch);
    if (result == 0) {
        s_committed(self, &batch, clock_now_ms() - began_ms);
        return;
    }
    store_database_roll_back(self->settings.database);
    atomic_store(&self->failing, result);
    (void)pthread_mutex_lock(&self->lock);
    self->stats.failures++;
    memcpy(self->stats.why, store_database_why(self->settings.database),
           sizeof self->stats.why);
    (void)pthread_mutex_unlock(&self->lock);
    s_drop_durable(self, result);
}

static void *s_run(void *context)
{
    struct store_writer *self = context;
    bool tried = false; // once more, whatever the disk said before
    while (!self->ending || !tried || self->pending.first) {
        s_take(self);
        s_lease(self);
        s_write(self);
        tried = self->ending;
        if (self->ending && atomic_load(&self->failing) < 0)
            break;
    }
    return NULL;
}

int store_writer_start(struct store_writer *self)
{
    int result = pthread_create(&self->thread, NULL, s_run, self);
    self->started = result == 0;
    return -result;
}

int store_writer_stop(struct store_writer *self)
{
    store_writer_turn(self);
    (void)pthread_mutex_lock(&self->lock);
    self->stopping = true;
    (void)pthread_cond_signal(&self->work);
    (void)pthread_mutex_unlock(&self->lock);
    if (self->started)
        (void)pthread_join(self->thread, NULL);
    self->started = false;
    return s_is_due(self) || self->queue.first || self->hole.to ? -EIO : 0;
}

const struct positions *store_writer_positions(const struct store_writer *self)
{
    return &self->positions;
}

static void s_free_chain(struct chain *chain)
{
    for (struct item *item = chain->first, *next; item; item = next) {
        next = item->next;
        free(item);
    }
    s_empty(chain);
}

void store_writer_destroy(struct store_writer **self_p)
{
    struct store_writer *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    if (self->started)
        (void)store_writer_stop(self);
    s_free_chain(&self->turn);
    s_free_chain(&self->queue);
    s_free_chain(&self->pending);
    for (struct outcome *outcome = self->outcomes, *next; outcome; outcome = next) {
        next = outcome->next;
        free(outcome);
    }
    (void)pthread_cond_destroy(&self->work);
    (void)pthread_mutex_destroy(&self->lock);
    free(self);
}
