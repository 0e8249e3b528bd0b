#include "broker/broker_metrics.h"

#include "common/metric.h"

#include <stddef.h>
#include <stdio.h>

#define COUNTER(field_, name_, help_)                                                    \
    {                                                                                    \
        offsetof(struct core_stats, field_),                                             \
        {                                                                                \
            .name = "ringway_broker_" name_ "_total", .help = (help_),                   \
            .kind = METRIC_COUNTER                                                       \
        }                                                                                \
    }
#define GAUGE(field_, name_, help_)                                                      \
    {                                                                                    \
        offsetof(struct core_stats, field_),                                             \
        {                                                                                \
            .name = "ringway_broker_" name_, .help = (help_), .kind = METRIC_GAUGE       \
        }                                                                                \
    }

static struct {
    size_t offset; // in struct core_stats
    struct metric metric;
} s_metrics[] = {
    COUNTER(events, "events", "Events that were given to workers."),
    COUNTER(acks, "acks", "Deliveries that workers acknowledged."),
    COUNTER(commands, "commands", "Commands that were passed on to gateways."),
    COUNTER(publications, "publications", "Publications that were taken."),
    COUNTER(lost_publications, "lost_publications",
            "Publications that a gateway's full ring lost."),
    COUNTER(replays, "replays", "Publications that were given to who had missed them."),
    COUNTER(history_evictions, "history_evictions",
            "Publications that history gave up for its limits of number and bytes."),
    COUNTER(resends, "resends", "Events that were asked for again, by channel."),
    COUNTER(joins, "joins", "Workers that joined a service."),
    COUNTER(hellos, "hellos", "Greetings of gateways."),
    COUNTER(left_edges, "left_edges", "Gateways that left in order."),
    COUNTER(lost_edges, "lost_edges", "Gateways that died, or seemed to."),
    COUNTER(left_workers, "left_workers", "Workers that left in order."),
    COUNTER(lost_workers, "lost_workers", "Workers that died, or seemed to."),
    COUNTER(pauses, "pauses", "Times that the broker itself stood still."),
    COUNTER(sessions_opened, "sessions_opened", "Sessions that began."),
    COUNTER(sessions_ended, "sessions_ended", "Sessions that ended."),
    COUNTER(sessions_revived, "sessions_revived",
            "Sessions that gateways brought back after a restart of the broker."),
    COUNTER(sessions_lost, "session_losses",
            "Times that a worker was told of messages of a client that may be lost."),
    COUNTER(session_ring_dropped, "session_ring_dropped",
            "Messages to sessions that were forgotten before their client had them."),
    GAUGE(sessions, "sessions", "Sessions that are known."),
    GAUGE(sessions_attached, "sessions_attached", "Those of them with a client."),
    GAUGE(carriers, "session_carriers", "Channels that carry sessions."),
    GAUGE(session_ring_bytes, "session_ring_bytes",
          "Bytes of messages to sessions that are kept."),
    GAUGE(edges, "edges", "Gateways that are known."),
    GAUGE(workers, "workers", "Workers that have joined."),
    GAUGE(services, "services", "Services that are known."),
    GAUGE(channels, "channels", "Channels that are known."),
    GAUGE(parked, "parked", "Channels that wait for a worker with room."),
    GAUGE(topics, "topics", "Topics whose position is kept."),
    GAUGE(history_messages, "history_messages", "Publications that are held."),
    GAUGE(history_bytes, "history_bytes", "Bytes of these publications, as they count."),
    GAUGE(pending_bytes, "pending_bytes",
          "Bytes of publications that wait for the store."),
    GAUGE(answers, "answers", "Answers that are remembered."),
    GAUGE(ring_records, "ring_records", "Commands that gateways have not confirmed."),
    GAUGE(ring_bytes, "ring_bytes", "Bytes of these commands."),
};

static struct metric s_longest_turn = {
    .name = "ringway_broker_longest_turn_ms",
    .help = "Longest time that the broker was busy between two looks at its sockets.",
    .kind = METRIC_GAUGE};
static struct metric s_dropped[CORE_DROPS];
static char s_labels[CORE_DROPS][32];
static struct metric s_gaps[CORE_GAPS];
static char s_gap_labels[CORE_GAPS][32];

static void s_register_gaps(void)
{
    for (int why = 0; why < CORE_GAPS; why++) {
        snprintf(s_gap_labels[why], sizeof s_gap_labels[why], "reason=\"%s\"",
                 core_gap_name((enum core_gap)why));
        s_gaps[why] = (struct metric){.name = "ringway_broker_gaps_total",
                                      .labels = s_gap_labels[why],
                                      .help = "Gaps that channels were told of.",
                                      .kind = METRIC_COUNTER};
        metric_register(&s_gaps[why]);
    }
}

void broker_metrics_register(void)
{
    for (size_t at = 0; at < sizeof s_metrics / sizeof *s_metrics; at++)
        metric_register(&s_metrics[at].metric);
    metric_register(&s_longest_turn);
    s_register_gaps();
    for (int why = 0; why < CORE_DROPS; why++) {
        snprintf(s_labels[why], sizeof s_labels[why], "reason=\"%s\"",
                 core_drop_name((enum core_drop)why));
        s_dropped[why] = (struct metric){.name = "ringway_broker_dropped_total",
                                         .labels = s_labels[why],
                                         .help = "Records that were not carried out.",
                                         .kind = METRIC_COUNTER};
        metric_register(&s_dropped[why]);
    }
}

void broker_metrics_update(const struct core_stats *stats, int64_t longest_turn_ms)
{
    metric_set(&s_longest_turn, longest_turn_ms);
    for (size_t at = 0; at < sizeof s_metrics / sizeof *s_metrics; at++) {
        const uint64_t *value =
            (const void *)((const char *)stats + s_metrics[at].offset);
        metric_set(&s_metrics[at].metric, (int64_t)*value);
    }
    for (int why = 0; why < CORE_DROPS; why++)
        metric_set(&s_dropped[why], (int64_t)stats->dropped[why]);
    for (int why = 0; why < CORE_GAPS; why++)
        metric_set(&s_gaps[why], (int64_t)stats->gaps[why]);
}
