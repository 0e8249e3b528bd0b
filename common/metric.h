/* metric: counters and gauges and their page in the Prometheus text format.  A metric is
 * a static object; labels are part of its registration.  Any thread may add (relaxed
 * atomics). */
#pragma once

#include "common/bytes.h"

#include <stdatomic.h>
#include <stdint.h>

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric {
    const char *name;   // ringway_channels_opened_total
    const char *labels; // carrier="ws", or NULL
    const char *help;
    enum metric_kind kind;
    _Atomic int64_t value;
    struct metric *next; // private
};

/* Register once, before the page is read first; metrics of one name stand together. */
void metric_register(struct metric *metric);
void metric_add(struct metric *metric, int64_t amount);
void metric_set(struct metric *metric, int64_t value);
int64_t metric_get(const struct metric *metric);
/* Appends the page: HELP and TYPE once for each name, then its lines; process_* of the
 * machine too (resident memory, CPU seconds, open descriptors, start time). */
int metric_page(struct bytes *out);
