/* gateway_metrics: what the gateway counts.  Names are part of the interface:
 * docs/metrics.md. */
#pragma once

#include "gateway/session_drop.h"
#include "gateway/session_request.h"
#include "gateway/slow_policy.h"

#include <stdbool.h>
#include <stddef.h>

void gateway_metrics_register(void);
void gateway_metrics_opened(bool is_websocket);
void gateway_metrics_closed(bool is_websocket, const char *cause);
void gateway_metrics_event(size_t bytes);
/* messages queued for clients, their encoded bytes, and write calls. */
void gateway_metrics_delivered(size_t messages, size_t bytes, size_t writes);
void gateway_metrics_command(void);
void gateway_metrics_queue_full(void);
/* publications that a policy for slow clients dropped. */
void gateway_metrics_dropped(enum slow_policy policy, size_t count);
/* A carrier of a session was bound, or refused by the broker. */
void gateway_metrics_attached(enum session_carrier carrier);
void gateway_metrics_session_dropped(enum session_drop reason);
void gateway_metrics_rejected(void); // a connection over the limits
/* Gauges, set before a page is made. */
void gateway_metrics_gauges(size_t connections, size_t out_bytes, bool joined);
