/* worker_sessions: what the bus says about sessions, and what it is told of them when the
 * broker starts anew.  docs/protocol/1-bus.md section 5.4. */
#pragma once

#include "gateway/worker_commands.h"

/* BIND for a channel that is there. */
void worker_sessions_bind(struct worker_commands *self,
                          const struct worker_command *command, struct channel *channel);
/* BIND that names the session itself: for the copy of one that is away. */
void worker_sessions_copy(struct worker_commands *self, const struct wire_record *record);
/* SUB or UNSUB for its carrier was carried out: the copy has it too. */
void worker_sessions_follow(struct worker_commands *self,
                            const struct wire_record *record,
                            const struct channel *channel);
/* BIND for one that is not: the bus has counted its topics. */
void worker_sessions_missed(struct worker_commands *self,
                            const struct wire_record *record);
void worker_sessions_drop(const struct worker_command *command, struct channel *channel);
/* UP, for a carrier or for a session by its id: how far the client's count has come. */
void worker_sessions_up(struct worker_commands *self, const struct wire_record *record);
void worker_sessions_forget(struct worker_commands *self,
                            const struct wire_record *record);
/* SEND with pos=. */
const char *worker_sessions_send(struct worker_commands *self,
                                 const struct wire_record *record,
                                 struct channel *channel, struct message *message,
                                 const struct send_options *options);
/* SESS for each session, before the channels are announced. */
void worker_sessions_announce(struct worker_commands *self);
/* For channel_host: the carrier has ended; the client has everything up to a position. */
void worker_sessions_leave(struct channel_host *host, struct channel *channel);
void worker_sessions_seen(struct channel_host *host, const struct channel *channel,
                          const char *position);
