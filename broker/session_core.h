/* session_core: sessions in the core; section 5.4 of the specification.  What the other
 * files of the core call, and what the files of sessions share.
 *
 *   edges ---> session_attach.c ---> session_up.c ---> the core, as an edge of its own
 *         <--- session_due.c    <--- session_down.c <--- applications
 *                   session_life.c: grace, ends, what SESS brings back */
#pragma once

#include "broker/core_state.h"
#include "broker/dispatch.h"
#include "broker/session.h"
#include "broker/session_carrier.h"

/* An OPEN, ADOPT or SESS of an edge. */
struct announcement {
    struct core *core;
    struct edge *edge;
    const struct wire_record *record;
    size_t options; // index of the first option
};

/* session_life.c */
/* May an edge still announce sessions that we do not know? */
bool session_is_early(const struct core *core);
/* SESS sid att service worker up position as= older= label=; false when a value is not
 * allowed. */
bool session_announced(const struct announcement *from, struct service *service);
/* It was announced, and the carrier that served it may still be. */
bool session_lacks_former(const struct session *session);
/* Its grace begins; it has no carrier. */
void session_detach(struct core *core, struct session *session);
/* Words of the CLOSE to a worker when the application has closed it. */
const char *session_closed_words(const struct session *session);
/* Seq and att of what an earlier life of the broker began are higher than all that it
 * gave out. */
uint64_t session_first_number(const struct core *core);
/* It is over: CLOSE to its worker with these words. */
void session_end(struct core *core, struct session *session, const char *words);
/* This edge keeps the newest copy; the former one may forget its own. */
void session_set_holder(struct core *core, struct session *session, struct edge *edge);

/* session_attach.c */
/* A new carrier, or an old one that is announced again.  False when what it says is not
 * allowed. */
bool session_open(const struct announcement *from, struct channel *channel);
bool session_adopt(const struct announcement *from, struct channel *channel,
                   uint64_t acked);
void session_drop(struct core *core, struct carrier *carrier, const char *reason);
/* The session is known now: so is what waited for it. */
void session_admit_waiting(struct core *core, struct session *session);

/* session_flow.c */
/* An older carrier has had its turn. */
void session_passed(struct core *core, struct session *session);
/* An event of a carrier. */
void session_carrier_event(struct core *core, struct channel *channel,
                           const struct event *event);
/* The next event of the carrier was taken; it is done when the session's event `needs`
 * is. */
void session_taken(struct core *core, struct carrier *carrier, uint64_t needs);
/* It is dropped, and asked for when its turn comes; or now. */
void session_park(struct core *core, struct carrier *carrier);
void session_ask(struct core *core, struct carrier *carrier);
/* What of the session is acknowledged, all up to seq, counts for its carriers. */
void session_pass_acks(struct core *core, struct session *session);
void session_pass_carrier_acks(struct core *core, struct carrier *carrier, uint64_t seq);
/* Carriers that wait may go on where they can. */
void session_wake(struct core *core, struct session *session);
/* Numbers that nobody said since the broker's start will not come any more. */
void session_skip(struct core *core, struct session *session);

/* session_up.c */
/* Something happened to the session: its worker hears of it. */
void session_say(struct core *core, struct session *session, enum session_verb verb,
                 const char *words, struct wire_text payload);
void session_message(struct core *core, struct session *session,
                     const struct session_event *event);
/* ATTACHED or DETACHED, if a worker asks for them. */
void session_tell_presence(struct core *core, struct session *session);
/* An edge died with what the client may have said: LOST, if it does not count. */
void session_tell_lost(struct core *core, struct session *session);
/* It goes on after a restart: ADOPT. */
void session_go_on(struct core *core, struct session *session);
/* Carries out what the core asks of the edge that sessions have. */
void session_run(struct core *core);

/* session_presence.c: who is in a topic, whatever carries it. */
/* It is in all its topics that say so, with the label that it has. */
void session_enter(struct core *core, const struct session *session);
void session_exit(struct core *core, const struct session *session,
                  const struct session_topic *topic);
/* It has left all of them. */
void session_leave(struct core *core, const struct session *session);

/* session_down.c */
/* The payload, with the options of the request: 0, or a negative errno. */
int session_send(const struct request *request, struct session *session,
                 struct wire_text payload, struct question *question);
/* SEEN channel position. */
void session_seen(struct core *core, struct channel *channel, struct wire_text position);
/* Its receipts are answered: up to this position the client has all. */
void session_answer_receipts(struct core *core, struct session *session, uint64_t number);
/* Nobody will know. */
void session_refuse_receipts(struct core *core, struct session *session);
/* The replay of the carrier has reached the present: LIVE without more=1 went out. */
void session_carrier_live(struct core *core, struct channel *channel);
/* The session that this carrier serves; NULL: none.  For replays: session->ring and
 * session->topics are what the client is owed. */
struct session *session_of_carrier(const struct channel *channel);

/* session_due.c */
/* Its edge is to be told: of enum carrier_due. */
void session_owe(struct core *core, struct carrier *carrier, unsigned due);
/* While no carrier serves: the edge that keeps the copy is told how far the client's
 * count has come by messages of other edges. */
void session_tell_holder(struct session *session);
/* What its edge keeps a copy of is not what it was: a topic, the label, the worker.  The
 * copy is told while no carrier serves, or when its carrier has gone. */
void session_changed(struct core *core, struct session *session);
/* Tells what fits. */
void session_pay(struct core *core);
/* What did not fit before. */
void session_pay_stuck(struct core *core);
/* FORGET to the edge. */
void session_forget_copy(struct core *core, struct edge *edge, struct wire_text id);
/* The edge is dead: it forgets by itself. */
void session_forget_forgets(struct core *core, const struct edge *edge);
