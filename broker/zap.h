/* zap: the door where libzmq asks who may connect, one question for each connection (the
 * ZeroMQ authentication protocol, rfc.zeromq.org/spec/27).  It must be open before the
 * ports are. */
#pragma once

#include "broker/key_store.h"

#include <stdint.h>

struct zap;

/* Domains of the ports.  A watcher sees everything and so must be allowed everything. */
#define ZAP_EDGE "edge"
#define ZAP_APP  "app"
#define ZAP_TAP  "tap"

/* store: borrowed; NULL: no keys, everybody may connect who speaks ZMTP 3.  NULL with
 * errno set. */
struct zap *zap_new(void *context, const struct key_store *store);
void zap_destroy(struct zap **self_p);
void *zap_socket(const struct zap *self);
/* Answers what was asked, at most `budget` questions.  Returns how many. */
int zap_drain(struct zap *self, int budget);
/* Once a second: a line in the log about those that were refused. */
void zap_report(struct zap *self);
