/* watch: who could not connect, told by libzmq's monitors: without the right key, with
 * another mechanism or another protocol, or not in time.  A door; looked at once a
 * second. */
#pragma once

#include <stdbool.h>

struct watch;

struct watch *watch_new(void *context);
/* Before its sockets are closed. */
void watch_destroy(struct watch **self_p);
/* Look at this socket too; port is its name for the metric, a static text.  False with
 * errno set. */
bool watch_add(struct watch *self, const char *port, void *socket);
/* Before one socket is closed that was added. */
void watch_remove(struct watch *self, void *socket);
/* Count what happened since the last call, and say it in one line of the log. */
void watch_report(struct watch *self);
/* The metrics of all ports; once, before the first page. */
void watch_register(void);
