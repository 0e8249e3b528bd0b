/* session: one client whatever carries it, as the broker has it: what it said and no
 * worker has acknowledged, what it was sent and has not seen, what it is subscribed to.
 * Pure.  docs/protocol/1-bus.md section 5.4.
 *
 *   EXPECTED --SESS--> OPEN --CLOSE of the application--> CLOSING
 *   (a join after our start)  `--the client ends it, or its time is over--> ENDED <--'
 *
 * An OPEN or CLOSING one is attached while it has a carrier that serves it. */
#pragma once

#include "broker/list.h"
#include "broker/position.h"
#include "broker/session_ring.h"
#include "common/table.h"

#include <stdbool.h>

struct carrier;
struct channel;
struct edge;
struct service;

enum {
    SESSION_ID_SIZE = 8 + 16 + 1 + 16, // session.<16 hexadecimal digits>.<16 more>
    SESSION_AS_MAX = 128,
    SESSION_MESSAGES_MAX = 64,       // that no worker has acknowledged
    SESSION_BYTES_MAX = 1024 * 1024, // of them; one is always allowed
    SESSION_NOTES_MAX = 64,          // LOST, ATTACHED and DETACHED likewise
    SESSION_TOPICS_MAX = 1000,       // subscriptions
    SESSION_RECEIPTS_MAX = 1000,     // want=received that are not answered
    SESSION_TRIES_MAX = 4,           // then an event is poison
};

enum session_state {
    SESSION_EXPECTED, // its carriers wait for an edge that knows it
    SESSION_OPEN,
    SESSION_CLOSING, // the application has closed it; the client may fetch the rest
    SESSION_ENDED,   // its CLOSE waits until it is processed
};

enum session_verb {
    SESSION_SAYS_OPEN,
    SESSION_SAYS_TEXT,
    SESSION_SAYS_BIN,
    SESSION_SAYS_LOST,
    SESSION_SAYS_ATTACHED,
    SESSION_SAYS_DETACHED,
    SESSION_SAYS_CLOSE,
};

/* Something that happened to the session and is not acknowledged. */
struct session_event {
    struct link order;
    uint64_t seq;
    uint64_t n; // the client's number of a message, 0: none
    struct blob *payload;
    enum session_verb verb;
    unsigned tries;
    bool elsewhere; // brought by a carrier that does not serve
    char words[];   // tokens after the seq; "": none
};

/* A topic or pattern that the session is subscribed to. */
struct session_topic {
    struct link order;
    bool present;                    // the session is in it
    char position[POSITION_MAX + 1]; // since when
    char name[];
};

struct sessions {
    struct table by_id;
    size_t count, attached, ended_count;
    size_t carriers;      // that are not over
    struct link expected; // sessions in that state
    struct link away;     // sessions without a carrier, by deadline
    struct link ended;    // sessions whose CLOSE is not processed, oldest first
    struct session_rings rings;
    struct edge *edge;   // the edge that they are channels of; it has no connection
    struct link due;     // carriers that something is to be sent for
    struct link stuck;   // those of them whose edge had no room
    struct link forgets; // FORGETs for which there was no room
    struct link stale;   // sessions without a carrier, whose copy lacks something
    struct link unsaid;  // those of them whose edge had no room
    struct link
        unsure; // sessions that messages with a number wait for too long, by skip_ms
    bool found; // one was taken from SESS since commands were held last
    bool grown; // the time in which edges may announce them is over
};

struct session {
    struct table_entry by_id;
    struct channel *channel; // its face to workers; NULL when EXPECTED
    struct service *service; // likewise
    struct link place;       // in expected, away or ended
    struct link carriers;    // the oldest first
    struct carrier *current; // of them, that which serves; NULL: detached
    struct edge *holder;     // whose copy is the newest; NULL: nobody's
    struct link of_holder;
    struct link of_announcer; // of an edge that may still announce its carrier
    struct link of_stale;     // in stale or unsaid
    struct link of_unsure;
    struct link events; // that are not acknowledged
    size_t messages, notes, bytes;
    uint64_t last, acked;  // seq of events
    uint64_t taken, up;    // newest n that was taken, and that was acknowledged
    uint64_t att;          // newest
    int64_t until_ms;      // end of its grace; when it ended
    int64_t skip_ms;       // when what lies before a number that waits is given up
    int64_t hold_until_ms; // older carriers may still be announced until then
    uint64_t older;        // so many of them,
    uint64_t older_than;   // all with a lower att than this
    struct session_ring ring;
    uint64_t behind; // its carrier lacks what was sent after this position
    struct link receipts;
    size_t receipt_count;
    struct link topics;
    size_t topic_count;
    struct blob *meta; // what ADOPT carries
    char *as;          // of its opener
    char *former;      // id of its newest carrier
    char *worker;      // name of its worker, or NULL
    const char *slow;  // policy for its carriers, as in SUB; NULL: none was chosen
    char *closing;     // words of the application's CLOSE, after the channel; or NULL
    char *reason;      // its payload, or NULL
    uint64_t seen; // position that the client has for sure, of this life of the broker
    char position[POSITION_MAX + 1]; // the same, perhaps of an earlier life
    uint32_t gen;                    // of its channel
    enum session_state state : 8;
    bool told_attached : 1; // to workers that ask
    bool lost_told : 1;     // LOST, and no message since
    bool up_elsewhere : 1;  // `up` has grown by what another carrier brought
    bool taken_unsure : 1;  // a client may have been told a higher one, by another life
    bool topics_ours : 1;   // subscribed, or not any more, in this life of the broker
    bool copy_behind : 1;   // no BIND has told what was subscribed or labelled last
    char id[SESSION_ID_SIZE + 1];
};

/* Is this the id of a session? */
bool session_id_is_valid(struct wire_text id);
void sessions_init(struct sessions *self);

struct session *session_find(const struct sessions *self, struct wire_text id);
/* EXPECTED; id must be valid and unknown. */
struct session *session_new(struct sessions *self, struct wire_text id);
/* Carriers and receipts must have been taken away before. */
void session_destroy(struct sessions *sessions, struct session **self_p);
const char *session_state_name(const struct session *self);
/* Replaces a text of the session; text.data NULL: there is none. */
void session_set(char **text_p, struct wire_text text);

/* Keeps the payload of an announcement; .data NULL: nothing. */
void session_set_meta(struct session *self, struct wire_text payload);

/* Is there room for another message of so many bytes? */
bool session_has_room(const struct session *self, size_t size);
/* The next event, with seq last + 1.  Borrowed; NULL when the machine has no memory for
 * the payload.  payload.data may be NULL. */
struct session_event *session_add(struct session *self, enum session_verb verb,
                                  uint64_t n, const char *words,
                                  struct wire_text payload);
/* Everything up to seq is processed.  True if the CLOSE was. */
bool session_acknowledge(struct session *self, uint64_t seq);
/* The event that brought this n and is not acknowledged; NULL when there is none. */
const struct session_event *session_event_of(const struct session *self, uint64_t n);
const char *session_verb_name(enum session_verb verb);

struct session_topic *session_topic_find(const struct session *self,
                                         struct wire_text name);
/* Finds or makes it; NULL when there are too many. */
struct session_topic *session_topic_get(struct session *self, struct wire_text name,
                                        struct wire_text position);
void session_topic_remove(struct session *self, struct session_topic **topic_p);
/* Chooses the policy that has this name; .data NULL, or a name that none has: nothing. */
void session_set_slow(struct session *self, struct wire_text name);
