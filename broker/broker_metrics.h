/* broker_metrics: what the core counts, as metrics. */
#pragma once

#include "broker/core.h"

/* Once for the process. */
void broker_metrics_register(void);
/* longest_turn_ms: the longest time that the broker was busy between two looks at its
 * sockets. */
void broker_metrics_update(const struct core_stats *stats, int64_t longest_turn_ms);
