#include "gateway/gateway.h"

#include "common/mem.h"
#include "gateway/acceptor.h"
#include "gateway/bus.h"
#include "gateway/gateway_metrics.h"
#include "gateway/route.h"
#include "gateway/topic_post.h"
#include "gateway/worker.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { ROUTE_KEYS_MAX = 64, LINE_MAX_SIZE = 512 };

struct gateway {
    struct gateway_settings settings;
    struct route_table *routes;
    struct admission *admission;
    struct listen_address *addresses;
    size_t address_count;
    int *wake_fds; // of the workers
    struct bus *bus;
    struct worker **workers;
    atomic_size_t out_total;
    atomic_bool draining;
};

/* ---- routes ---- */

static int s_add_route(void *context, const struct conf_section *section)
{
    const char *keys[ROUTE_KEYS_MAX], *values[ROUTE_KEYS_MAX];
    size_t count = conf_section_size(section);
    char *why = NULL;
    if (count > ROUTE_KEYS_MAX)
        conf_refuse("routes", conf_section_name(section),
                    "a route has at most 64 options");
    for (size_t at = 0; at < count; at++) {
        keys[at] = conf_section_key(section, at);
        values[at] = conf_section_value(section, at);
    }
    if (route_table_add(context, conf_section_name(section), keys, values, count, &why) ==
        0)
        return 0;
    conf_refuse("routes", conf_section_name(section), why ? why : "is wrong");
}

static struct route_table *s_read_routes(const struct conf *conf)
{
    struct route_table *routes = route_table_new();
    (void)conf_each(conf, "routes", s_add_route, routes);
    if (route_table_size(routes) == 0)
        route_table_add_default(routes);
    return routes;
}

void gateway_check(const struct conf *conf)
{
    struct gateway_settings settings;
    struct route_table *routes = s_read_routes(conf);
    gateway_settings_read(&settings, conf);
    gateway_settings_clear(&settings);
    route_table_destroy(&routes);
}

/* ---- birth ---- */

static bool s_bind(struct gateway *self, const struct conf *conf, char *why, size_t room)
{
    size_t count = conf_list_size(conf, "listen");
    self->addresses = mem_alloc((count + 1) * sizeof *self->addresses);
    for (size_t at = 0; at < count; at++) {
        const char *text = conf_list_at(conf, "listen", at), *reason;
        int result = listen_address_read(&self->addresses[at], text, &reason);
        if (result == -EINVAL)
            conf_refuse("listen", text, reason);
        if (result < 0) {
            snprintf(why, room, "cannot listen on %s: %s", text, reason);
            return false;
        }
        self->address_count++;
    }
    return true;
}

static void s_make_bus(struct gateway *self, const char *const *brokers, size_t count)
{
    self->wake_fds = mem_alloc(self->settings.workers * sizeof *self->wake_fds);
    for (unsigned at = 0; at < self->settings.workers; at++)
        self->wake_fds[at] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct bus_options options = {
        .endpoints = brokers,
        .endpoint_count = count,
        .edge_name = self->settings.edge_name,
        .orphan_ms = self->settings.orphan_ms,
        .heartbeat_ms = self->settings.heartbeat_ms,
        .workers = self->settings.workers,
        .wake_workers = self->wake_fds,
        .worker_queue = self->settings.worker_queue,
        .worker_timeout_ms = self->settings.worker_timeout_ms,
    };
    self->bus = bus_new(&options);
}

static bool s_make_worker(struct gateway *self, unsigned index, char *why, size_t room)
{
    const struct acceptor_options accept = {
        .user_timeout_ms = self->settings.user_timeout_ms,
        .send_buffer = self->settings.send_buffer,
    };
    struct worker_options options = {
        .settings = &self->settings,
        .routes = self->routes,
        .admission = self->admission,
        .acceptor = acceptor_new(self->addresses, self->address_count, &accept),
        .port = bus_port(self->bus, index),
        .prefix = bus_prefix(self->bus),
        .out_total = &self->out_total,
        .index = index,
        .wake_fd = self->wake_fds[index],
    };
    if (!options.acceptor) {
        snprintf(why, room, "cannot listen: %s", strerror(errno));
        return false;
    }
    self->workers[index] = worker_new(&options);
    if (!self->workers[index])
        snprintf(why, room, "cannot start a worker: %s", strerror(errno));
    return self->workers[index] != NULL;
}

struct gateway *gateway_new(const struct conf *conf, const char *const *brokers,
                            size_t count, char *why, size_t room)
{
    struct gateway *self = mem_new(struct gateway);
    gateway_settings_read(&self->settings, conf);
    self->routes = s_read_routes(conf);
    self->admission = admission_new(self->settings.max_connections,
                                    self->settings.max_connections_per_ip);
    self->workers = mem_alloc(self->settings.workers * sizeof(struct worker *));
    bool ok = s_bind(self, conf, why, room);
    if (ok)
        s_make_bus(self, brokers, count);
    for (unsigned at = 0; ok && at < self->settings.workers; at++)
        ok = s_make_worker(self, at, why, room);
    if (!ok)
        gateway_destroy(&self);
    return self;
}

void gateway_set_keys(struct gateway *self, const struct bus_keys *keys)
{
    bus_set_keys(self->bus, keys);
}

int gateway_start(struct gateway *self)
{
    int result = bus_start(self->bus);
    for (unsigned at = 0; result == 0 && at < self->settings.workers; at++)
        result = worker_start(self->workers[at]);
    return result;
}

void gateway_address(const struct gateway *self, size_t at, char *out, size_t room)
{
    listen_address_text(&self->addresses[at], out, room);
}

size_t gateway_address_count(const struct gateway *self)
{
    return self->address_count;
}

/* ---- death ---- */

void gateway_drain(struct gateway *self)
{
    atomic_store(&self->draining, true);
    for (unsigned at = 0; at < self->settings.workers; at++)
        worker_drain(self->workers[at]);
}

bool gateway_is_done(const struct gateway *self)
{
    for (unsigned at = 0; at < self->settings.workers; at++)
        if (!worker_is_done(self->workers[at]))
            return false;
    return true;
}

void gateway_destroy(struct gateway **self_p)
{
    struct gateway *self = *self_p;
    if (!self)
        return;
    for (unsigned at = 0; at < self->settings.workers; at++)
        if (self->workers[at])
            worker_stop(self->workers[at]);
    if (self->bus)
        bus_stop(self->bus);
    for (unsigned at = 0; at < self->settings.workers; at++)
        worker_destroy(&self->workers[at]);
    bus_destroy(&self->bus);
    for (unsigned at = 0; self->wake_fds && at < self->settings.workers; at++)
        close(self->wake_fds[at]);
    for (size_t at = 0; at < self->address_count; at++)
        listen_address_clear(&self->addresses[at]);
    free(self->addresses);
    free(self->wake_fds);
    free(self->workers);
    admission_destroy(&self->admission);
    route_table_destroy(&self->routes);
    gateway_settings_clear(&self->settings);
    free(self);
    *self_p = NULL;
}

/* ---- for the operations port ---- */

static bool s_is_ready(void *context, char *reason, size_t room)
{
    struct gateway *self = context;
    if (atomic_load(&self->draining))
        snprintf(reason, room, "stopping");
    else if (!bus_is_ready(self->bus))
        snprintf(reason, room, "no broker");
    else
        return true;
    return false;
}

static void s_set_gauges(void *context)
{
    struct gateway *self = context;
    gateway_metrics_gauges(admission_count(self->admission),
                           atomic_load(&self->out_total), bus_is_ready(self->bus));
}

static unsigned s_check_post(void *context, const struct ops_post *post, const char **why)
{
    const struct gateway *self = context;
    const struct topic_post topics = {self->bus, self->settings.publish_token};
    return topic_post_check(&topics, post, why);
}

static void s_take_post(void *context, struct ops_post *post)
{
    const struct gateway *self = context;
    const struct topic_post topics = {self->bus, self->settings.publish_token};
    topic_post_take(&topics, post);
}

struct ops_callbacks gateway_ops_callbacks(struct gateway *self)
{
    return (struct ops_callbacks){.is_ready = s_is_ready,
                                  .before_metrics = s_set_gauges,
                                  .post_path = TOPIC_POST_PATH,
                                  .check_post = s_check_post,
                                  .take_post = s_take_post,
                                  .context = self};
}

void gateway_end_posts(struct gateway *self)
{
    bus_end_asks(self->bus);
}
