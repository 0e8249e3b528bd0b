/* bus_topics: how many subscriptions each worker has to each topic.  Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct bus_topics;

struct bus_topics *bus_topics_new(unsigned workers);
void bus_topics_destroy(struct bus_topics **self_p);
/* One subscription more, to a topic or a pattern; returns how many this worker has now.
 */
size_t bus_topics_add(struct bus_topics *self, const char *topic, size_t size,
                      unsigned worker);
/* One less; returns how many are left. */
size_t bus_topics_remove(struct bus_topics *self, const char *topic, size_t size,
                         unsigned worker);
/* Bits of the workers that have one that matches the topic, or is it; 0: nobody. */
uint64_t bus_topics_workers(const struct bus_topics *self, const char *topic,
                            size_t size);
void bus_topics_each(const struct bus_topics *self,
                     void (*callback)(void *context, const char *topic), void *context);
