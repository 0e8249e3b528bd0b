/* broker_metrics: what the core counts, as metrics. */
#pragma once

#include "broker/core.h"

/* Once for the process. */
void broker_metrics_register(void);
void broker_metrics_update(const struct core_stats *stats);
