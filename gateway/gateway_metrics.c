#include "gateway/gateway_metrics.h"

#include "common/metric.h"

#include <string.h>

#define CAUSES(X)                                                                        \
    X(client, "client")                                                                  \
    X(server, "server")                                                                  \
    X(timeout, "timeout")                                                                \
    X(slow, "slow")                                                                      \
    X(limit, "limit")                                                                    \
    X(protocol, "protocol")                                                              \
    X(app_error, "app-error")                                                            \
    X(drain, "drain")                                                                    \
    X(bus_lost, "bus-lost") X(worker_lost, "worker-lost") X(poison, "poison")

enum { CAUSE_COUNT = 11, WS = 1 };

static const char *const s_cause_name[CAUSE_COUNT] = {
#define NAME(id, text) text,
    CAUSES(NAME)
#undef NAME
};

#define COUNTER(metric_name, metric_labels, metric_help)                                 \
    {                                                                                    \
        .name = (metric_name), .labels = (metric_labels), .help = (metric_help),         \
        .kind = METRIC_COUNTER                                                           \
    }
#define GAUGE(metric_name, metric_labels, metric_help)                                   \
    {                                                                                    \
        .name = (metric_name), .labels = (metric_labels), .help = (metric_help),         \
        .kind = METRIC_GAUGE                                                             \
    }

static struct metric s_opened[] = {
    COUNTER("ringway_channels_opened_total", "carrier=\"http\"", "Channels opened."),
    COUNTER("ringway_channels_opened_total", "carrier=\"ws\"", "Channels opened."),
};
static struct metric s_live[] = {
    GAUGE("ringway_channels_live", "carrier=\"http\"", "Channels open now."),
    GAUGE("ringway_channels_live", "carrier=\"ws\"", "Channels open now."),
};
static struct metric s_closed[2][CAUSE_COUNT] = {
    {
#define CLOSED(id, text)                                                                 \
    COUNTER("ringway_channels_closed_total", "carrier=\"http\",cause=\"" text "\"",      \
            "Channels closed, by cause."),
        CAUSES(CLOSED)
#undef CLOSED
    },
    {
#define CLOSED(id, text)                                                                 \
    COUNTER("ringway_channels_closed_total", "carrier=\"ws\",cause=\"" text "\"",        \
            "Channels closed, by cause."),
        CAUSES(CLOSED)
#undef CLOSED
    },
};
static struct metric s_events =
    COUNTER("ringway_events_total", NULL, "Events handed to the bus, repeats included.");
static struct metric s_event_bytes =
    COUNTER("ringway_event_bytes_total", NULL, "Payload bytes of these events.");
static struct metric s_delivered =
    COUNTER("ringway_deliveries_total", NULL, "Messages queued for a client.");
static struct metric s_delivered_bytes =
    COUNTER("ringway_delivery_bytes_total", NULL, "Encoded bytes of these messages.");
static struct metric s_writes =
    COUNTER("ringway_writes_total", NULL, "Write calls to clients.");
static struct metric s_commands =
    COUNTER("ringway_commands_total", NULL, "Commands from the bus.");
static struct metric s_queue_full =
    COUNTER("ringway_worker_queue_full_total", NULL,
            "Commands and publications that a worker thread had no room for.");
static struct metric s_dropped[] = {
    COUNTER("ringway_slow_drops_total", "policy=\"drop-oldest\"",
            "Publications that a slow client did not get, by its policy."),
    COUNTER("ringway_slow_drops_total", "policy=\"latest\"",
            "Publications that a slow client did not get, by its policy."),
};
static struct metric s_rejected =
    COUNTER("ringway_connections_rejected_total", NULL, "Connections over a limit.");
static struct metric s_connections =
    GAUGE("ringway_connections", NULL, "Client connections open now.");
static struct metric s_out_bytes =
    GAUGE("ringway_out_queue_bytes", NULL, "Bytes queued for clients now.");
static struct metric s_joined =
    GAUGE("ringway_bus_joined", NULL, "1 while the broker knows this gateway.");

#define ATTACHED(carrier)                                                                \
    COUNTER("ringway_session_attaches_total", "carrier=\"" carrier "\"",                 \
            "Carriers that a session was bound to.")
static struct metric s_attached[] = {
    [SESSION_WS] = ATTACHED("ws"),
    [SESSION_SSE] = ATTACHED("sse"),
    [SESSION_STREAM] = ATTACHED("stream"),
    [SESSION_POLL] = ATTACHED("poll"),
};
#define DROPPED(reason)                                                                  \
    COUNTER("ringway_session_drops_total", "reason=\"" reason "\"",                      \
            "Carriers and messages of sessions that the broker refused, or superseded.")
static struct metric s_session_drops[] = {
    [SESSION_DROP_SUPERSEDED] = DROPPED("superseded"),
    [SESSION_DROP_UNKNOWN] = DROPPED("unknown"),
    [SESSION_DROP_ENDED] = DROPPED("ended"),
    [SESSION_DROP_IDENTITY] = DROPPED("identity"),
    [SESSION_DROP_FULL] = DROPPED("full"),
};

static void s_register(struct metric *metrics, size_t count)
{
    for (size_t at = 0; at < count; at++)
        metric_register(&metrics[at]);
}

void gateway_metrics_register(void)
{
    s_register(s_attached, sizeof s_attached / sizeof *s_attached);
    s_register(s_session_drops, sizeof s_session_drops / sizeof *s_session_drops);
    struct metric *plain[] = {&s_events,          &s_event_bytes, &s_delivered,
                              &s_delivered_bytes, &s_writes,      &s_commands,
                              &s_queue_full,      &s_rejected,    &s_connections,
                              &s_out_bytes,       &s_joined};
    for (size_t ws = 0; ws <= WS; ws++)
        metric_register(&s_opened[ws]);
    for (size_t ws = 0; ws <= WS; ws++)
        for (size_t at = 0; at < CAUSE_COUNT; at++)
            metric_register(&s_closed[ws][at]);
    for (size_t ws = 0; ws <= WS; ws++)
        metric_register(&s_live[ws]);
    metric_register(&s_dropped[0]);
    metric_register(&s_dropped[1]);
    for (size_t at = 0; at < sizeof plain / sizeof plain[0]; at++)
        metric_register(plain[at]);
}

void gateway_metrics_opened(bool is_websocket)
{
    metric_add(&s_opened[is_websocket], 1);
    metric_add(&s_live[is_websocket], 1);
}

void gateway_metrics_closed(bool is_websocket, const char *cause)
{
    metric_add(&s_live[is_websocket], -1);
    for (size_t at = 0; at < CAUSE_COUNT; at++)
        if (strcmp(s_cause_name[at], cause) == 0)
            metric_add(&s_closed[is_websocket][at], 1);
}

void gateway_metrics_event(size_t bytes)
{
    metric_add(&s_events, 1);
    metric_add(&s_event_bytes, (int64_t)bytes);
}

void gateway_metrics_delivered(size_t messages, size_t bytes, size_t writes)
{
    metric_add(&s_delivered, (int64_t)messages);
    metric_add(&s_delivered_bytes, (int64_t)bytes);
    metric_add(&s_writes, (int64_t)writes);
}

void gateway_metrics_command(void)
{
    metric_add(&s_commands, 1);
}

void gateway_metrics_queue_full(void)
{
    metric_add(&s_queue_full, 1);
}

void gateway_metrics_dropped(enum slow_policy policy, size_t count)
{
    metric_add(&s_dropped[policy == SLOW_LATEST], (int64_t)count);
}

void gateway_metrics_rejected(void)
{
    metric_add(&s_rejected, 1);
}

void gateway_metrics_gauges(size_t connections, size_t out_bytes, bool joined)
{
    metric_set(&s_connections, (int64_t)connections);
    metric_set(&s_out_bytes, (int64_t)out_bytes);
    metric_set(&s_joined, joined);
}

void gateway_metrics_attached(enum session_carrier carrier)
{
    if (carrier < SESSION_POST)
        metric_add(&s_attached[carrier], 1);
}

void gateway_metrics_session_dropped(enum session_drop reason)
{
    metric_add(&s_session_drops[reason], 1);
}
