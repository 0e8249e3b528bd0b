#include "broker/store_database.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MODE = 0600,
    BUSY_MS = 1000, // for somebody else who writes, and should not
    FLAG_BINARY = 1,
};

/* Statements that are prepared once.  In all of them ?1 is a position. */
enum statement {
    BEGIN,
    COMMIT,
    KEEP,
    TRIM,
    MARK,
    FORGET,
    UNMARK,
    ADD_HOLE,
    WIDEN_HOLE,
    DROP_HOLE,
    SET_EPOCH,
    SET_LAST,
    STATEMENTS,
};

#define SECOND_HOLE "holes ORDER BY first LIMIT 1 OFFSET 1)"
#define TOO_MANY    " AND (SELECT count(*) FROM holes) > ?1"

static const char *const s_sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [KEEP] = "INSERT OR REPLACE INTO messages(g, topic, published_ms, ttl_ms, flags,"
             " collapse, except_channel, idempotency_key, payload)"
             " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [TRIM] = "DELETE FROM messages WHERE g = ?1",
    [MARK] = "INSERT INTO topics(topic, mark) VALUES(?2, ?1) ON CONFLICT(topic)"
             " DO UPDATE SET mark = max(mark, excluded.mark)",
    [FORGET] = "UPDATE state SET forgotten = max(forgotten,"
               " coalesce((SELECT mark FROM topics WHERE topic = ?2), 0))",
    [UNMARK] = "DELETE FROM topics WHERE topic = ?2",
    [ADD_HOLE] = "INSERT OR REPLACE INTO holes(first, last) VALUES(?1, ?2)",
    [WIDEN_HOLE] = "UPDATE holes SET last = (SELECT last FROM " SECOND_HOLE
                   " WHERE first = (SELECT min(first) FROM holes)" TOO_MANY,
    [DROP_HOLE] =
        "DELETE FROM holes WHERE first = (SELECT first FROM " SECOND_HOLE TOO_MANY,
    [SET_EPOCH] = "UPDATE state SET epoch = ?1",
    [SET_LAST] = "UPDATE state SET last = max(last, ?1)",
};

/* docs/store.md explains the columns. */
static const char s_schema[] =
    "BEGIN;"
    "CREATE TABLE state(epoch INTEGER, last INTEGER, forgotten INTEGER);"
    "INSERT INTO state VALUES(0, 0, 0);"
    "CREATE TABLE messages(g INTEGER PRIMARY KEY, topic TEXT NOT NULL,"
    " published_ms INTEGER NOT NULL, ttl_ms INTEGER NOT NULL, flags INTEGER NOT NULL,"
    " collapse TEXT, except_channel TEXT, idempotency_key TEXT, payload BLOB NOT NULL);"
    "CREATE TABLE topics(topic TEXT PRIMARY KEY, mark INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE holes(first INTEGER PRIMARY KEY, last INTEGER NOT NULL);"
    "PRAGMA user_version = 1;"
    "COMMIT;";

static const char s_pragmas[] = "PRAGMA journal_mode = WAL;"
                                "PRAGMA synchronous = NORMAL;"
                                "PRAGMA temp_store = MEMORY;"
                                "PRAGMA cache_size = -8192;";

struct store_database {
    sqlite3 *database;
    sqlite3_stmt *prepared[STATEMENTS];
    char why[STORE_DATABASE_WHY];
};

static int s_errno(sqlite3 *database)
{
    int code = sqlite3_errcode(database) & 0xff;
    if (code == SQLITE_FULL ||
        (code == SQLITE_IOERR && sqlite3_system_errno(database) == ENOSPC))
        return -ENOSPC;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        return -EBUSY;
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        return -EPROTO;
    if (code == SQLITE_READONLY || code == SQLITE_PERM)
        return -EROFS;
    return code == SQLITE_NOMEM ? -ENOMEM : -EIO;
}

/* Something failed: remembers what SQLite says of it. */
static int s_failed(struct store_database *self)
{
    snprintf(self->why, sizeof self->why, "%s", sqlite3_errmsg(self->database));
    return s_errno(self->database);
}

static int s_execute(struct store_database *self, const char *sql)
{
    return sqlite3_exec(self->database, sql, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : s_failed(self);
}

static int s_prepare(struct store_database *self, const char *sql, sqlite3_stmt **out)
{
    return sqlite3_prepare_v3(self->database, sql, -1, SQLITE_PREPARE_PERSISTENT, out,
                              NULL) == SQLITE_OK
               ? 0
               : s_failed(self);
}

/* The one number that a question is answered with. */
static int s_ask(struct store_database *self, const char *sql, int64_t *out)
{
    sqlite3_stmt *query = NULL;
    int result = s_prepare(self, sql, &query);
    if (result == 0 && sqlite3_step(query) == SQLITE_ROW)
        *out = sqlite3_column_int64(query, 0);
    else if (result == 0)
        result = s_failed(self);
    (void)sqlite3_finalize(query);
    return result;
}

/* It is ours and of this schema; one without anything becomes that. */
static int s_check_schema(struct store_database *self)
{
    int64_t version = 0, tables = 0;
    int result = s_ask(self, "PRAGMA user_version", &version);
    if (result == 0)
        result = s_ask(self, "SELECT count(*) FROM sqlite_schema", &tables);
    if (result < 0 || version == STORE_DATABASE_SCHEMA)
        return result;
    if (version == 0 && tables == 0)
        return s_execute(self, s_schema);
    if (version == 0)
        snprintf(self->why, sizeof self->why, "not a history of Ringway");
    else
        snprintf(self->why, sizeof self->why,
                 "schema %lld is not known: this program knows schema %d",
                 (long long)version, STORE_DATABASE_SCHEMA);
    return -EPROTO;
}

static int s_open(struct store_database *self, const char *path)
{
    /* SQLite's other files have the mode of this one. */
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, MODE);
    if (file < 0) {
        snprintf(self->why, sizeof self->why, "%s", strerror(errno));
        return -errno;
    }
    close(file);
    if (sqlite3_open_v2(path, &self->database,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return s_failed(self);
    (void)sqlite3_busy_timeout(self->database, BUSY_MS);
    int result = s_execute(self, s_pragmas);
    if (result == 0)
        result = s_check_schema(self);
    for (int at = 0; result == 0 && at < STATEMENTS; at++)
        result = s_prepare(self, s_sql[at], &self->prepared[at]);
    return result;
}

int store_database_open(const char *path, struct store_database **out_p,
                        char why[STORE_DATABASE_WHY])
{
    struct store_database *self = mem_new(struct store_database);
    int result = s_open(self, path);
    if (result < 0) {
        memcpy(why, self->why, sizeof self->why);
        store_database_close(&self);
    }
    *out_p = self;
    return result;
}

void store_database_close(struct store_database **self_p)
{
    struct store_database *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    for (int at = 0; at < STATEMENTS; at++)
        (void)sqlite3_finalize(self->prepared[at]);
    (void)sqlite3_close(self->database);
    free(self);
}

const char *store_database_why(const struct store_database *self)
{
    return self->why;
}

int store_database_read_state(struct store_database *self, struct store_state *out)
{
    int64_t epoch = 0, last = 0, forgotten = 0;
    int result = s_ask(self, "SELECT epoch FROM state", &epoch);
    if (result == 0)
        result = s_ask(self, "SELECT last FROM state", &last);
    if (result == 0)
        result = s_ask(self, "SELECT forgotten FROM state", &forgotten);
    if (result == 0)
        *out = (struct store_state){(uint64_t)epoch, (uint64_t)last, (uint64_t)forgotten};
    return result;
}

static struct wire_text s_text(sqlite3_stmt *row, int column)
{
    const char *data = sqlite3_column_blob(row, column);
    struct wire_text text = {data ? data : "", (size_t)sqlite3_column_bytes(row, column)};
    if (sqlite3_column_type(row, column) == SQLITE_NULL)
        text.data = NULL;
    return text;
}

static void s_tell_hole(sqlite3_stmt *row, const struct keeper_events *events,
                        int64_t now)
{
    (void)now;
    events->hole(events->context, (uint64_t)sqlite3_column_int64(row, 0),
                 (uint64_t)sqlite3_column_int64(row, 1));
}

static void s_tell_topic(sqlite3_stmt *row, const struct keeper_events *events,
                         int64_t now)
{
    (void)now;
    events->topic(events->context, s_text(row, 0),
                  (uint64_t)sqlite3_column_int64(row, 1));
}

static void s_tell_message(sqlite3_stmt *row, const struct keeper_events *events,
                           int64_t now)
{
    int64_t age_ms = now - sqlite3_column_int64(row, 2);
    const struct kept message = {
        .g = (uint64_t)sqlite3_column_int64(row, 0),
        .topic = s_text(row, 1),
        .age_ms = age_ms > 0 ? age_ms : 0,
        .ttl_ms = sqlite3_column_int64(row, 3),
        .binary = sqlite3_column_int64(row, 4) & FLAG_BINARY,
        .collapse = s_text(row, 5),
        .except = s_text(row, 6),
        .key = s_text(row, 7),
        .payload = s_text(row, 8),
    };
    events->message(events->context, &message);
}

/* Tells each row. */
static int s_each(struct store_database *self, const char *sql,
                  void (*tell)(sqlite3_stmt *row, const struct keeper_events *events,
                               int64_t now_ms),
                  const struct keeper_events *events, int64_t now_ms)
{
    sqlite3_stmt *row = NULL;
    int result = s_prepare(self, sql, &row);
    int step = SQLITE_DONE;
    while (result == 0 && (step = sqlite3_step(row)) == SQLITE_ROW)
        tell(row, events, now_ms);
    if (result == 0 && step != SQLITE_DONE)
        result = s_failed(self);
    (void)sqlite3_finalize(row);
    return result;
}

int store_database_load(struct store_database *self, int64_t now_ms,
                        const struct keeper_events *events)
{
    int result = s_each(self, "SELECT first, last FROM holes ORDER BY first", s_tell_hole,
                        events, now_ms);
    if (result == 0)
        result =
            s_each(self, "SELECT topic, mark FROM topics", s_tell_topic, events, now_ms);
    if (result == 0)
        result = s_each(self,
                        "SELECT g, topic, published_ms, ttl_ms, flags, collapse,"
                        " except_channel, idempotency_key, payload"
                        " FROM messages ORDER BY g",
                        s_tell_message, events, now_ms);
    return result;
}

/* Runs a statement whose values are bound. */
static int s_run(struct store_database *self, enum statement which)
{
    sqlite3_stmt *statement = self->prepared[which];
    int result = sqlite3_step(statement) == SQLITE_DONE ? 0 : s_failed(self);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return result;
}

static void s_bind_number(struct store_database *self, enum statement which, int place,
                          uint64_t number)
{
    (void)sqlite3_bind_int64(self->prepared[which], place, (int64_t)number);
}

static void s_bind_text(struct store_database *self, enum statement which, int place,
                        struct wire_text text)
{
    if (text.data)
        (void)sqlite3_bind_text64(self->prepared[which], place, text.data, text.size,
                                  SQLITE_STATIC, SQLITE_UTF8);
}

int store_database_begin(struct store_database *self)
{
    return s_run(self, BEGIN);
}

int store_database_keep(struct store_database *self, const struct kept *message,
                        int64_t published_ms)
{
    s_bind_number(self, KEEP, 1, message->g);
    s_bind_text(self, KEEP, 2, message->topic);
    s_bind_number(self, KEEP, 3, (uint64_t)published_ms);
    s_bind_number(self, KEEP, 4, (uint64_t)message->ttl_ms);
    s_bind_number(self, KEEP, 5, message->binary ? FLAG_BINARY : 0);
    s_bind_text(self, KEEP, 6, message->collapse);
    s_bind_text(self, KEEP, 7, message->except);
    s_bind_text(self, KEEP, 8, message->key);
    (void)sqlite3_bind_blob64(self->prepared[KEEP], 9,
                              message->payload.data ? message->payload.data : "",
                              message->payload.size, SQLITE_STATIC);
    return s_run(self, KEEP);
}

/* A statement about a position and a topic. */
static int s_run_topic(struct store_database *self, enum statement which,
                       struct wire_text topic, uint64_t g)
{
    if (g)
        s_bind_number(self, which, 1, g);
    s_bind_text(self, which, 2, topic);
    return s_run(self, which);
}

int store_database_lose(struct store_database *self, struct wire_text topic, uint64_t g)
{
    return s_run_topic(self, MARK, topic, g);
}

int store_database_trim(struct store_database *self, struct wire_text topic, uint64_t g)
{
    s_bind_number(self, TRIM, 1, g);
    int result = s_run(self, TRIM);
    return result == 0 ? s_run_topic(self, MARK, topic, g) : result;
}

int store_database_forget(struct store_database *self, struct wire_text topic)
{
    int result = s_run_topic(self, FORGET, topic, 0);
    return result == 0 ? s_run_topic(self, UNMARK, topic, 0) : result;
}

int store_database_add_hole(struct store_database *self, uint64_t from, uint64_t to)
{
    s_bind_number(self, ADD_HOLE, 1, from);
    s_bind_number(self, ADD_HOLE, 2, to);
    int result = s_run(self, ADD_HOLE);
    s_bind_number(self, WIDEN_HOLE, 1, STORE_DATABASE_HOLES);
    s_bind_number(self, DROP_HOLE, 1, STORE_DATABASE_HOLES);
    if (result == 0)
        result = s_run(self, WIDEN_HOLE);
    return result == 0 ? s_run(self, DROP_HOLE) : result;
}

int store_database_set_epoch(struct store_database *self, uint64_t epoch)
{
    s_bind_number(self, SET_EPOCH, 1, epoch);
    int result = s_run(self, SET_EPOCH);
    return result == 0 ? s_execute(self, "DELETE FROM holes") : result;
}

int store_database_commit(struct store_database *self, uint64_t last)
{
    s_bind_number(self, SET_LAST, 1, last);
    int result = s_run(self, SET_LAST);
    return result == 0 ? s_run(self, COMMIT) : result;
}

void store_database_roll_back(struct store_database *self)
{
    if (!sqlite3_get_autocommit(self->database))
        (void)sqlite3_exec(self->database, "ROLLBACK", NULL, NULL, NULL);
    (void)sqlite3_wal_checkpoint_v2(self->database, NULL, SQLITE_CHECKPOINT_TRUNCATE,
                                    NULL, NULL);
}
