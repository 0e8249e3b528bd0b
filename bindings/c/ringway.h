/* ringway: applications with web clients on WebSockets, streams and long polls.
 *
 * A worker of a service: it joins, gets channels, is called back with what happens to
 * them, and sends.  A channel is one client's open conversation, whatever carries it.
 *
 * Threads.  One thread runs an application and every callback; its functions and those of
 * its channels are for that thread.  Only rw_app_call and rw_app_stop may be used from
 * others, and rw_app_stop from a signal handler too.  Several applications may run in
 * threads of their own.
 *
 * Events.  An event is acknowledged when its callback has returned: until then the
 * gateway keeps it, and another worker gets it if this one dies.  A callback must take
 * less than 30 s, or the channel moves to another worker; a timer or call less than 5 s.
 *
 * Ownership.  What is given is copied during the call, unless something else is said.
 * What is returned as `const`, and what a callback gets, is borrowed: texts of a channel
 * live as long as it does, a message until the callback returns.  A channel lives from
 * on_open or on_adopt until on_close or on_moved has returned; nobody frees it but the
 * application it belongs to.  A callback must not call rw_app_run, rw_app_poll or
 * rw_app_destroy.
 *
 * Errors.  Results are >= 0, or a negative errno: -EPIPE the channel is closed or the
 * application has ended, -EMSGSIZE too large, -ENOBUFS 10,000 sends wait on the channel,
 * or 100,000 commands or 64 MiB in all, -EINVAL an argument that nobody could be sent.
 * After an error nothing was sent, and the channel is as it was.  What the broker or the
 * gateway refuses later is told by on_failed, or by a receipt.  Memory that cannot be had
 * ends the process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RW_ENDPOINT "tcp://127.0.0.1:7702"

enum {
    RW_MESSAGE_MAX = 4 * 1024 * 1024, // bytes of a WebSocket message
    RW_PART_MAX = 256 * 1024,         // bytes of a part of an HTTP body
    RW_TOPIC_MAX = 255,               // bytes, with what is escaped as %XX
    RW_LABEL_MAX = 128,               // bytes, with what is escaped
    RW_REFUSE = 1,                    // result of a callback: give it to another worker
};

enum rw_flags {
    RW_CLOSE = 1,  // that was all: close after sending
    RW_BINARY = 2, // a binary WebSocket message instead of a text
    RW_SSE = 4,    // HTTP, first send: each send is an event of a text/event-stream
};

struct rw_app;
struct rw_channel;

struct rw_message {
    const void *data; // borrowed during the callback
    size_t size;
    bool is_binary; // of a WebSocket message
    bool is_last;   // of a part of a request body
};

struct rw_close {
    /* 0 closed by gateway or application, -1 an HTTP client went away, else the WebSocket
     * close code. */
    int status;
    const char *cause;  // "client", "server", "timeout", ...
    const char *reason; // what the client said; perhaps ""
};

/* What an application is called back with; each may be NULL.  Those that return int
 * return 0; RW_REFUSE to give the channel to another worker; or a negative errno: the
 * application failed, the client gets 500 without detail, a WebSocket 1011, a stream that
 * has begun is cut. */
struct rw_handlers {
    int (*on_open)(void *context, struct rw_channel *channel);
    /* A channel that another worker had; on_open if NULL. */
    int (*on_adopt)(void *context, struct rw_channel *channel);
    /* One whole WebSocket message. */
    int (*on_message)(void *context, struct rw_channel *channel,
                      const struct rw_message *message);
    /* A part of a request body that follows, see rw_request_body. */
    int (*on_body)(void *context, struct rw_channel *channel,
                   const struct rw_message *part);
    /* Once, after everything else; the channel is gone when it returns. */
    void (*on_close)(void *context, struct rw_channel *channel,
                     const struct rw_close *close);
    /* Another worker has the channel now, or this application ends: the channel lives on,
     * but is gone here when it returns. */
    void (*on_moved)(void *context, struct rw_channel *channel);
    /* The client reads more slowly than we send; it has caught up. */
    int (*on_slow)(void *context, struct rw_channel *channel, size_t queued_bytes);
    int (*on_drain)(void *context, struct rw_channel *channel);
    /* Of a session, docs/protocol/2-client.md section 7: what the client sent meanwhile
     * may be missing; it is there again, or is not, by this carrier.  The broker is asked
     * for the last two where the application has one of them. */
    int (*on_lost)(void *context, struct rw_channel *channel, const char *why);
    int (*on_attached)(void *context, struct rw_channel *channel, const char *carrier);
    int (*on_detached)(void *context, struct rw_channel *channel, const char *carrier);
    /* A command was answered with an error, docs/protocol/1-bus.md section 4.5; channel
     * is NULL where it was for none of ours. */
    void (*on_failed)(void *context, struct rw_channel *channel, const char *code,
                      const char *why);
    void (*on_ready)(void *context, struct rw_app *app);   // joined for the first time
    void (*on_restart)(void *context, struct rw_app *app); // the broker was started again
};

/* Zero or NULL means the default. */
struct rw_options {
    const char *name; // outlives the process, 1 to 64 bytes: its channels come back to it
    int window;       // unacknowledged events that it takes, 1 to 10000; default 64
    int64_t grace_ms; // that a graceful end may take; default 10000
    int64_t retry_ms; // until an unanswered command is repeated; default 5000
    /* rw_app_run ends gracefully on the first SIGTERM or SIGINT, which may interrupt a
     * call in a callback (EINTR); the second one does what it did before, which ends the
     * process at once. For one application at a time. */
    bool catch_signals;
    /* CURVE, where the broker has keys: files of `ringwayctl keys`, our own secret one
     * and the broker's public one; read by rw_app_new. */
    const char *key_file, *broker_key_file;
    /* Default: to stderr.  context is that of rw_app_handlers, line without LF. */
    void (*log)(void *context, const char *line);
};

/* ---- The application ---- */

/* Connects and joins when it is run.  endpoint NULL: RW_ENDPOINT; options may be NULL.
 * Owned by the caller.  NULL and errno EINVAL when service (1 to 64 of A-Z a-z 0-9 - _
 * .), name, window or endpoint is not allowed, or a file of keys (it is logged why). */
struct rw_app *rw_app_new(const char *endpoint, const char *service,
                          const struct rw_options *options);
/* Before it is run.  context is passed to the handlers. */
void rw_app_handlers(struct rw_app *self, const struct rw_handlers *handlers,
                     void *context);
/* At once, without LEAVE: what is unanswered is told as "stopped".  Calls on_moved for
 * each channel that is left.  Takes NULL, and nulls the pointer. */
void rw_app_destroy(struct rw_app **self_p);

/* Serves until rw_app_stop.  0, or -EPROTO when the broker refuses to have us (it is
 * logged). */
int rw_app_run(struct rw_app *self);
/* Ends gracefully, within grace_ms: answers of known size are sent to their end, for half
 * of it; then LEAVE: no new events, and what was sent is answered.  A second time: at the
 * end of this turn. */
void rw_app_stop(struct rw_app *self);
/* One turn, for a loop of your own: waits for at most timeout_ms, does what is due.
 * 0; 1 when the application has ended; -EPROTO as above. */
int rw_app_poll(struct rw_app *self, int64_t timeout_ms);
/* A descriptor that becomes readable (owned by self), and how long to wait for it at
 * most; then call rw_app_poll(self, 0). */
int rw_app_fd(struct rw_app *self);
int64_t rw_app_timeout_ms(const struct rw_app *self);

/* Calls function(context) on the application's thread, soon. */
void rw_app_call(struct rw_app *self, void (*function)(void *context), void *context);
/* Calls function(context) after delay_ms, then each every_ms unless that is 0.  Returns a
 * number for rw_app_cancel. */
uint64_t rw_app_timer(struct rw_app *self, int64_t delay_ms, int64_t every_ms,
                      void (*function)(void *context), void *context);
void rw_app_cancel(struct rw_app *self, uint64_t timer);

/* To every subscriber of the topic, at most RW_MESSAGE_MAX bytes; rw_publish_others
 * leaves this channel out.  Flags: RW_BINARY. */
int rw_publish(struct rw_app *self, const char *topic, const void *data, size_t size,
               unsigned flags);
int rw_publish_others(struct rw_channel *but, const char *topic, const void *data,
                      size_t size, unsigned flags);
/* What a publication may say; zero or NULL: nothing. */
struct rw_publication {
    const struct rw_channel *but; // it does not get it
    bool live_only;               // who is away does not get it later
    unsigned ttl_s;               // it is not held any longer; at most a year
    const char *key;      // within ten minutes the same key is the same publication
    const char *collapse; // publications with the same one replace each other
    bool is_durable;      // delivered and answered only when it is stored
    /* Called once with the position, or with an error as in rw_receipt.  May be NULL. */
    void (*done)(void *context, const char *position, const char *error);
    void *context;
};
/* rw_publish with options.  key and collapse: at most RW_LABEL_MAX bytes. */
int rw_publish_with(struct rw_app *self, const char *topic, const struct iovec *data,
                    unsigned flags, const struct rw_publication *options);
/* What the broker holds of a topic. */
struct rw_history {
    const char *since; // after this position; NULL: from the oldest on
    unsigned limit;    // messages, at most 10,000; 0: 100
    /* Called for each, the oldest first.  May be NULL. */
    void (*on_message)(void *context, const char *position, const void *data,
                       size_t size);
    /* Called once behind them; more: there are others after the last one.  error as in
     * rw_receipt.  May be NULL. */
    void (*done)(void *context, bool more, const char *error);
    void *context;
};
/* Asks for it; the callbacks are called when the answer is there.  -EINVAL: topic, since
 * or limit is none. */
int rw_history(struct rw_app *self, const char *topic, const struct rw_history *options);
/* To the channels with these ids, separated by commas, at most 64; they need not be ours.
 * Flags: RW_BINARY, RW_CLOSE.  on_failed is told "gone" where none of them is open. */
int rw_send_to(struct rw_app *self, const char *ids, const void *data, size_t size,
               unsigned flags);
/* To a set: lines "c:ID", "u:LABEL" and "t:TOPIC" (all who are subscribed), and with "-"
 * before them exceptions, each ended by a line feed.  Each channel gets it once.  With
 * topics it is a publication, too.  Flags as above, RW_CLOSE not with topics; -EINVAL for
 * a line of another form. */
int rw_cast(struct rw_app *self, const char *set, const void *data, size_t size,
            unsigned flags);

/* Who is in a topic: called for each who comes, those included who are there at first,
 * and when a label has changed; and for each who goes.  label NULL: none.  Both may be
 * NULL. */
struct rw_watcher {
    void (*on_enter)(void *context, const char *topic, const char *id, const char *label);
    void (*on_exit)(void *context, const char *topic, const char *id, const char *label);
    void *context;
};
/* From now on, also after the broker was started again; then only what differs is told.
 * -EINVAL when the topic is watched already. */
int rw_watch(struct rw_app *self, const char *topic, const struct rw_watcher *watcher);
int rw_unwatch(struct rw_app *self, const char *topic); // -ENOENT: it was not watched
struct rw_channel *rw_app_channel(struct rw_app *self, const char *id); // NULL: not ours
/* Calls function for each channel that is ours. */
void rw_app_each(struct rw_app *self,
                 void (*function)(void *context, struct rw_channel *channel),
                 void *context);

/* ---- Channels ---- */

const char *rw_id(const struct rw_channel *self); // never used again for another client
struct rw_app *rw_channel_app(const struct rw_channel *self);
void *rw_data(const struct rw_channel *self); // yours; NULL at first
void rw_set_data(struct rw_channel *self, void *data);
/* Handlers of this channel before those of the application, where they are not NULL. */
void rw_set_handlers(struct rw_channel *self, const struct rw_handlers *handlers,
                     void *context);
/* True until either side has closed it; our own close counts at once. */
bool rw_is_open(const struct rw_channel *self);
/* True from on_slow to on_drain: more than the gateway likes waits for the client, better
 * send less. */
bool rw_is_slow(const struct rw_channel *self);
/* How often the event that is being handled was delivered: over 1, a worker may have
 * handled it before it died. */
unsigned rw_attempt(const struct rw_channel *self);

/* The head of an HTTP answer; for a first send, and to refuse a WebSocket. */
struct rw_head {
    int status;          // 0: 200
    const char *headers; // "Name: value\n" for each; NULL: none
};

/* WebSocket: one message.  HTTP, first send with RW_CLOSE: the whole answer; else a part
 * of a stream.  -EPIPE where the channel is closed; sending to a closed channel does no
 * harm. */
int rw_send(struct rw_channel *self, const void *data, size_t size, unsigned flags);
int rw_send_text(struct rw_channel *self, const char *text, unsigned flags);
int rw_send_response(struct rw_channel *self, const struct rw_head *head,
                     const void *body, size_t size, unsigned flags);
/* When a send is answered, and who is told. */
struct rw_receipt {
    /* "accepted" by the gateway, "written" to the kernel, "received" by a WebSocket's
     * client. */
    const char *want;
    /* Called once, on the application's thread: error is NULL, or a code of
     * docs/protocol/1-bus.md section 4.5, "moved", or "stopped" when the application has
     * ended.  Not called where rw_send_receipt returned a negative errno. */
    void (*done)(void *context, const char *error);
    void *context;
};
/* rw_send with an answer; over HTTP at most RW_PART_MAX bytes.  -EINVAL for another
 * `want`, -ENOTSUP for "received" where there is no WebSocket. */
int rw_send_receipt(struct rw_channel *self, const struct iovec *data, unsigned flags,
                    const struct rw_receipt *receipt);
/* The same of several pieces, which are put together. */
int rw_send_parts(struct rw_channel *self, const struct iovec *parts, size_t count,
                  unsigned flags);
/* A file: on a WebSocket one message; over HTTP parts of 256 KiB, as fast as the client
 * takes them, with a Content-Length when RW_CLOSE is set and nothing was sent before.
 * head may be NULL.  A negative errno too when it cannot be opened. */
int rw_send_file(struct rw_channel *self, const char *path, const struct rw_head *head,
                 unsigned flags);
struct rw_stream {
    /* Reads at most `size` bytes: how many, 0 at the end, or a negative errno, which cuts
     * the answer.  It runs on the application's thread. */
    ssize_t (*read)(void *context, void *data, size_t size);
    void (*done)(void *context); // called once, at the end; may be NULL
    void *context;
    int64_t size; // bytes in all, or -1
};
/* The same of anything that can be read.  done is called whatever the result is. */
int rw_send_stream(struct rw_channel *self, const struct rw_stream *stream,
                   const struct rw_head *head, unsigned flags);
/* code: a WebSocket close code, or an HTTP status where nothing was sent; 0: none. */
int rw_close(struct rw_channel *self, int code, const char *reason);
/* Says yes to a WebSocket on a route with accept=backend; both may be NULL.  To say no:
 * rw_send_response with a status and RW_CLOSE. */
int rw_accept(struct rw_channel *self, const char *protocol, const char *headers);
/* What is published to the topic goes to this client too, or no more. */
int rw_subscribe(struct rw_channel *self, const char *topic);
/* And those who watch the topic see the client in it. */
int rw_subscribe_present(struct rw_channel *self, const char *topic);
/* A name of the client, a user's for example, by which rw_cast and watchers know it; NULL
 * takes it away.  It outlives this worker, and the broker. */
int rw_label(struct rw_channel *self, const char *label);
int rw_unsubscribe(struct rw_channel *self, const char *topic);
/* A function that is applied to what rw_send, rw_send_text, rw_send_response and
 * rw_send_parts are given: out->iov_base is malloc()ed by it, and freed here.  Returns 0,
 * or a negative errno, which is the result of the send. */
void rw_on_send(struct rw_channel *self,
                int (*hook)(void *context, const struct iovec *data, struct iovec *out),
                void *context);

/* ---- What opened a channel ----
 * Texts are never NULL; "" where nothing is known, as it is for most of an adopted
 * channel. */

bool rw_is_websocket(const struct rw_channel *self);
/* One client over several connections: each send is a message, whatever carries it. */
bool rw_is_session(const struct rw_channel *self);
bool rw_is_adopted(const struct rw_channel *self);
const char *rw_request_method(const struct rw_channel *self);
const char *rw_request_target(const struct rw_channel *self); // as it was sent
const char *rw_request_path(const struct rw_channel *self);   // decoded
const char *rw_request_peer(const struct rw_channel *self);
const char *rw_request_route(const struct rw_channel *self);
/* NULL where there is none of that name; the first where there are several. */
const char *rw_request_header(const struct rw_channel *self, const char *name);
const char *rw_request_param(const struct rw_channel *self, const char *name);
const char *rw_request_offer(const struct rw_channel *self, size_t at); // subprotocol
/* Decoded; borrowed until the next call for this channel. */
const char *rw_request_query(struct rw_channel *self, const char *name);
/* The body if it came whole, up to 64 KiB; NULL and *size 0 if there is none or it
 * follows. */
const void *rw_request_body(const struct rw_channel *self, size_t *size);
bool rw_request_body_follows(const struct rw_channel *self); // in on_body

#ifdef __cplusplus
}
#endif
