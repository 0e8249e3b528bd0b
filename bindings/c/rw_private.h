/* rw_private: what the files of the binding share.
 *
 *   rw_app         life, timers, calls       rw_join     JOIN, LEAVE, CHECK, incarnations
 *   rw_event       what comes                rw_channel  what the application says
 *   rw_body        bodies in parts           rw_command  commands until they are answered
 *   rw_connection  the socket                rw_request  metadata
 *   rw_table       lists and tables          rw_send     what is sent
 *   rw_publish     to others than a channel  rw_signals  SIGTERM and SIGINT
 *   rw_watch       who is in a topic
 */
#pragma once

#include "bindings/c/ringway.h"
#include "common/key_file.h"
#include "common/wire.h"

#include <jansson.h>
#include <pthread.h>
#include <uthash.h>

enum {
    RW_ID_ROOM = 128,       // bytes of a channel's id, with the NUL
    RW_TEXT_ROOM = 128,     // of tags, boot ids and ids of commands
    RW_NAME_MAX = 64,       // bytes of a name, escaped
    RW_TICK_MS = 250,       // the loop looks at its clocks at least so often
    RW_HEARTBEAT_MS = 1000, // JOIN when nothing else was said
    RW_PAUSE_MS = 2000,     // without a turn: the broker may have given us up
    RW_SILENCE_MS = 5000,   // without a record of the broker: a new connection
    RW_ASK_AGAIN_MS = 2000, // CHECK is repeated until it is answered
    RW_LATER_MS = 250,      // after LATER; twice as long each time
    RW_LATER_MAX_MS = 2000,
    RW_ACK_DELAY_MS = 100, // that an acknowledgement may wait for more of them
    RW_RETRY_MAX_MS = 60000,
    RW_BATCH_MAX = 64,     // messages taken in one turn
    RW_CLOSED_MAX = 10000, // ids of closed channels that are remembered
    RW_COMMANDS_MAX = 100000,
    RW_COMMAND_BYTES_MAX = 64 * 1024 * 1024,
    RW_ITEMS_MAX = 10000, // sends that may wait behind a body
    RW_UNDER_WAY_MAX = 4, // parts of one body that are not written yet
};

/* A list of what begins with a link. */
struct rw_link {
    struct rw_link *prev, *next;
};

struct rw_list {
    struct rw_link *first, *last;
};

enum rw_state { RW_NEW, RW_RUNNING, RW_LEAVING, RW_STOPPED };

struct rw_keys {
    char broker[KEY_TEXT + 1];                               // the broker's public key
    char own_public[KEY_TEXT + 1], own_secret[KEY_TEXT + 1]; // "": no CURVE
};

struct rw_connection {
    char *endpoint;
    struct rw_keys keys;
    void *context, *socket, *monitor;
    unsigned opened; // how often; names the monitor
    bool is_up;
    bool is_renewed; // a new handshake: what was lost goes first; the owner clears it
};

/* A command that is not answered yet, or that waits in a channel's queue. */
struct rw_command {
    struct rw_link link;
    UT_hash_handle hh;
    uint64_t number;
    int64_t due_ms, wait_ms;
    uint64_t body;            // number of the body that it is a part of; 0: none
    char channel[RW_ID_ROOM]; // "": of no channel
    bool is_sent;
    struct rw_receipt receipt;
    /* Of a publication; NULL: nobody is told. */
    void (*placed)(void *context, const char *position, const char *error);
    void *placed_context;
    struct rw_history history; // of a GET
    size_t size;
    uint8_t frame[];
};

struct rw_commands {
    char prefix[20]; // 64 random bits, ids are prefix.number
    uint64_t last;
    struct rw_list list;      // in the order in which they go out
    struct rw_command *table; // by number
    size_t count, bytes;
};

/* A body that is sent in parts. */
struct rw_body {
    uint64_t number;
    struct rw_stream stream;
    char *head; // in front of the first part; NULL: no status
    int status;
    unsigned flags;
    bool is_sized, is_begun;
    unsigned under_way;
    int64_t sent;
};

/* One thing in a channel's queue. */
struct rw_item {
    struct rw_link link;
    struct rw_command *command; // or
    struct rw_body *body;
};

struct rw_request {
    json_t *meta;
    char *path, *query;
    char *value; // of the last rw_request_query
    void *body;
    size_t body_size;
};

/* Where a session's newest messages came from, as hashes of `o=`: a broker that starts
 * anew says those again, under other seqs, whose acknowledgement was lost with it, at
 * most 64. */
enum { RW_ORIGINS = 128 };
struct rw_origins {
    uint64_t hash[RW_ORIGINS];
    unsigned next;
};

struct rw_channel {
    UT_hash_handle hh;
    struct rw_app *app;
    char id[RW_ID_ROOM];
    struct rw_request request;
    struct rw_handlers handlers; // its own
    void *context, *data;
    int (*hook)(void *context, const struct iovec *data, struct iovec *out);
    void *hook_context;
    uint64_t last_seq;
    struct rw_origins *origins; // of a session's newest messages; NULL: none yet
    int64_t check_ms;           // when to ask about it; 0: not
    int64_t later_ms;           // the pause after the next LATER
    unsigned attempt;           // of the event that is being handled
    bool is_websocket, is_adopted, is_accepted;
    bool is_open;     // neither side has closed it
    bool is_gone;     // nothing goes out any more
    bool is_doubted;  // it was open until a command of ours was answered "gone"
    bool is_ended;    // we have closed it, and nobody has answered "gone" to that
    int end_code;     // with which; 0: none
    char *end_reason; // NULL: none
    bool is_begun;    // something was sent
    bool is_slow;
    bool is_finishing; // another worker has it; what was sent before is still under way
    size_t waiting;
    struct rw_list queue; // struct rw_item
};

struct rw_closed {
    UT_hash_handle hh;
    char id[RW_ID_ROOM];
};

/* A delivery that came while a JOIN was unanswered. */
struct rw_held {
    struct rw_link link;
    size_t size;
    uint8_t frame[];
};

struct rw_timer {
    struct rw_link link;
    uint64_t number;
    int64_t due_ms, every_ms;
    void (*function)(void *context);
    void *context;
};

struct rw_call {
    struct rw_link link;
    void (*function)(void *context);
    void *context;
};

struct rw_app {
    char *service, *name;
    struct rw_options options;
    struct rw_handlers handlers;
    void *context;
    enum rw_state state;
    int failure;
    struct rw_connection connection;
    struct rw_commands commands;
    struct rw_channel *channels; // by id
    struct rw_closed *closed;    // by id, oldest first
    struct rw_list held, timers, watches;
    uint64_t last_timer, last_body;
    pthread_mutex_t lock; // guards calls
    struct rw_list calls;
    volatile int stops;    // how often rw_app_stop was called
    int wake_fd, epoll_fd; // -1: none
    unsigned epoll_opened; // the connection that epoll_fd watches
    char boot[RW_TEXT_ROOM], incarnation[RW_TEXT_ROOM];
    uint64_t joining; // number of the JOIN whose answer we wait for; 0: none
    bool was_joined, has_left, has_more;
    char ack[RW_TEXT_ROOM]; // tag of the last event that is done; "": none
    int64_t alive_ms, heard_ms, said_ms, acked_ms, ticked_ms, leave_by_ms;
};

/* rw_table */
void rw_list_append(struct rw_list *self, void *item);
void rw_list_remove(struct rw_list *self, void *item);
void rw_list_free(struct rw_list *self); // items that own nothing else
/* One that is ours; NULL for others. */
struct rw_channel *rw_channels_find(const struct rw_app *app, const char *id);
/* One that has moved, but has something under way, as well. */
struct rw_channel *rw_channels_find_any(const struct rw_app *app, const char *id);
void rw_channels_add(struct rw_app *app, struct rw_channel *channel);
void rw_channels_remove(struct rw_app *app, struct rw_channel *channel);
void rw_channels_destroy(struct rw_app *app, struct rw_channel *channel);
bool rw_closed_has(const struct rw_app *app, const char *id);
void rw_closed_add(struct rw_app *app, const char *id);
void rw_closed_clear(struct rw_app *app);
struct rw_command *rw_commands_find(const struct rw_commands *self, uint64_t number);
void rw_commands_add(struct rw_commands *self, struct rw_command *command);
void rw_commands_remove(struct rw_commands *self, struct rw_command *command);

/* rw_keys: reads the files of the options, if there are any: 0, or a negative errno after
 * a line in the log. */
int rw_keys_read(struct rw_app *app);
/* What the socket shows: 0 or -1. */
int rw_keys_show(const struct rw_keys *self, void *socket);

/* rw_connection: 0 or -EAGAIN when a frame cannot leave now. */
int rw_connection_open(struct rw_connection *self);
void rw_connection_close(struct rw_connection *self);
void rw_connection_watch(struct rw_connection *self);
int rw_connection_send(struct rw_connection *self, const void *frame, size_t size);

/* rw_command */
void rw_commands_init(struct rw_commands *self);
/* Tells those who wait for a receipt this error. */
void rw_commands_clear(struct rw_commands *self, const char *error);
bool rw_commands_are_full(const struct rw_commands *self);
/* error: what a receipt tells; NULL: none, it was told. */
void rw_command_free(struct rw_command **self_p, const char *error);
/* Starts a header with a verb; the id is added by rw_command_new. */
struct rw_command *rw_command_new(struct rw_app *app, struct wire_header *header,
                                  const struct iovec *payload, int parts);
int rw_command_post(struct rw_app *app, struct rw_command **command_p);
struct rw_command *rw_commands_take(struct rw_commands *self, struct wire_text id);
void rw_commands_renewed(struct rw_app *app);
void rw_commands_tick(struct rw_app *app, int64_t now_ms);
/* "prefix.number" */
void rw_commands_id(const struct rw_commands *self, uint64_t number, char *out,
                    size_t room);

/* rw_join */
void rw_join(struct rw_app *app);
void rw_say(struct rw_app *app); // JOIN or LEAVE as heartbeat
void rw_joined(struct rw_app *app, const struct wire_record *record);
void rw_leave(struct rw_app *app);
void rw_check_all(struct rw_app *app);
void rw_ask_checks(struct rw_app *app, int64_t now_ms);
void rw_look_at_pause(struct rw_app *app);
void rw_flush_ack(struct rw_app *app);

/* rw_event */
void rw_take(struct rw_app *app, const void *frame, size_t size);
void rw_deliver(struct rw_app *app, const struct wire_record *record);
void rw_release_held(struct rw_app *app, bool is_ours);
void rw_call_moved(struct rw_channel *channel);
/* on_failed; the channel may be NULL. */
void rw_call_failed(struct rw_app *app, struct rw_channel *channel, const char *code,
                    const char *why);

/* rw_channel, rw_body */
struct rw_channel *rw_channel_new(struct rw_app *app, const char *id);
void rw_channel_destroy(struct rw_channel **self_p);
void rw_channel_fail(struct rw_channel *self); // the application failed: 500
/* Nothing goes out any more; error is what receipts tell. */
void rw_channel_drop(struct rw_channel *self, const char *error);
/* We close it: the broker is told again should it have lost that.  reason: NULL: none. */
void rw_channel_ended(struct rw_channel *self, int code, const char *reason);
/* A session: says its end again. */
void rw_channel_end_again(struct rw_channel *self);
int rw_channel_push(struct rw_channel *self, struct rw_command **command_p,
                    struct rw_body **body_p);
void rw_channel_pump(struct rw_channel *self);
void rw_channel_begin(struct rw_channel *self, struct wire_header *header,
                      const char *verb);
void rw_body_destroy(struct rw_body **self_p);
bool rw_body_step(struct rw_channel *channel, struct rw_body *self);
void rw_body_answered(struct rw_channel *channel, uint64_t number, bool is_ok);

/* rw_watch */
void rw_watches_clear(struct rw_app *app);
/* A new connection knows nothing of them. */
void rw_watches_renewed(struct rw_app *app);
/* The answer to a GET history. */
void rw_history_answered(const struct rw_history *history,
                         const struct wire_record *record);

void rw_watches_tick(struct rw_app *app, int64_t now_ms);
/* ENTER, EXIT or PRESENT. */
void rw_watches_take(struct rw_app *app, const struct wire_record *record);

/* rw_signals */
void rw_signals_catch(struct rw_app *app);
void rw_signals_restore(void);

/* rw_request */
int rw_request_read(struct rw_channel *channel, const void *payload, size_t size);
void rw_request_clear(struct rw_request *self);

void rw_log(const struct rw_app *app, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
