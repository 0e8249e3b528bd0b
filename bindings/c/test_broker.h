/* test_broker: a broker for the tests of the binding, and an application that notes what
 * it is called back with.  Both run in turns on the test's own thread; what waits has a
 * deadline. */
#pragma once

#include "bindings/c/ringway.h"

#include <check.h>
#include <errno.h>

#define CHANNEL "edge-1.00000000000000e1.1f"
#define OTHER   "edge-1.00000000000000e1.20"
/* Metadata of a channel. */
#define WS   "{\"carrier\":\"ws\",\"offers\":[\"chat.1\"]}"
#define HTTP "{\"carrier\":\"http\",\"method\":\"GET\",\"target\":\"/\"}"

enum { SEEN_MAX = 400, DEADLINE_MS = 8000 };

struct record {
    char *head; // header as text
    char *payload;
    size_t size;
};

/* The broker: what it saw, and what it does by itself. */
struct test_broker {
    void *context, *router;
    char endpoint[64];
    char peer[32];
    size_t peer_size;
    struct record seen[SEEN_MAX]; // and nobody expected yet
    size_t count;
    const char *mute;  // verb whose commands are not answered
    const char *error; // code to answer commands with, but JOIN
    const char *join_error;
    const char *info; // what a GET is answered with; NULL: OK
    const char *boot, *incarnation;
    const char *secret; // key of CURVE; NULL: none
    unsigned tags;
};

extern struct test_broker test_broker;
extern struct rw_app *test_app;
extern char test_notes[8192]; // a line for each callback
extern int test_result;       // what on_open and on_message return

void test_set_up(void);
void test_tear_down(void);
/* A new application that has joined; on_open calls opened(channel) if it is not NULL. */
void test_start(int64_t retry_ms, void (*opened)(struct rw_channel *channel));
/* One turn of both; the result of rw_app_poll. */
int test_turn(void);
/* The broker alone: takes what has come. */
void test_pump(void);
void test_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void test_quiet(void *context, const char *line); // a log function
int64_t test_now_ms(void);

/* Sends a record to the application. */
void test_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void test_send_raw(const void *frame, size_t size);
/* Delivers an event; returns the ACK that is expected for it.  `rest` is what follows the
 * tag. */
const char *test_event(const char *verb, const char *channel, int seq, const char *rest);
/* Opens a channel and waits until that was handled. */
struct rw_channel *test_open(const char *channel, const char *meta);
/* Answers a JOIN with this id. */
void test_joined(const char *id);
/* The same at the same place, with this key from now on. */
void test_secure(const char *secret);
/* Killed and started again: knows nobody, and nothing of what it was sent. */
void test_restart(const char *boot, const char *incarnation);

/* The first record that begins with these tokens, removed from what was seen; waits for
 * it. Borrowed until the next call. */
struct record test_expect(const char *prefix);
bool test_has_seen(const char *prefix);
void test_forget_all(void);
/* Waits until the application has noted this. */
void test_until(const char *line);
/* The value of an option, " key=". */
bool test_option(const char *head, const char *key, char *out, size_t room);

void test_add_events(TCase *tests);
void test_add_sending(TCase *tests);
void test_add_history(TCase *tests);
void test_add_faults(TCase *tests);
void test_add_keys(TCase *tests);
void test_add_leaving(TCase *tests);
