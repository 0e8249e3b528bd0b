/* ringway: broker and gateway in one process, joined over the bus like anywhere else.  It
 * adds nothing of its own. */
#include "broker/broker.h"
#include "broker/broker_settings.h"
#include "common/log.h"
#include "common/ops_server.h"
#include "common/program.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/settings.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POLL_MS = 20, WHY_ROOM = 512, ADDRESS_ROOM = 160 };

static const struct conf_setting s_own_table[] = {
    {.name = "ops-listen",
     .type = CONF_TEXT,
     .initial = "127.0.0.1:8081",
     .help =
         "Address of /metrics, /healthz, /readyz and POST /topics/NAME; empty: none."},
    {.name = NULL},
};

struct s_process {
    struct broker *broker;
    struct gateway *gateway;
    struct ops_server *ops;
    pthread_t broker_thread;
    bool broker_started;
    const char *brokers[1]; // the gateway's list
};

static void s_check(const struct conf *conf)
{
    broker_settings_check(conf);
    gateway_check(conf);
}

static void *s_run_broker(void *context)
{
    broker_run(context);
    return NULL;
}

static bool s_open_ops(struct s_process *self, const struct conf *conf)
{
    const struct ops_callbacks callbacks = gateway_ops_callbacks(self->gateway);
    const char *address = conf_text(conf, "ops-listen");
    if (!address || !*address)
        return true;
    self->ops = ops_server_new(address, &callbacks);
    if (!self->ops)
        fprintf(stderr, "ringway: cannot listen on ops-listen %s: %s\n", address,
                strerror(errno));
    return self->ops != NULL;
}

static bool s_start(struct s_process *self, const struct conf *conf)
{
    char why[WHY_ROOM];
    if (!(self->broker = broker_new(conf, why, sizeof why))) {
        fprintf(stderr, "ringway: %s\n", why);
        return false;
    }
    self->brokers[0] = broker_endpoint(self->broker, BROKER_EDGES);
    if (!(self->gateway = gateway_new(conf, self->brokers, 1, why, sizeof why))) {
        fprintf(stderr, "ringway: %s\n", why);
        return false;
    }
    struct bus_keys keys;
    if (broker_make_edge_keys(self->broker, keys.own_public, keys.own_secret,
                              keys.broker))
        gateway_set_keys(self->gateway, &keys);
    explicit_bzero(&keys, sizeof keys);
    if (!s_open_ops(self, conf))
        return false;
    self->broker_started =
        pthread_create(&self->broker_thread, NULL, s_run_broker, self->broker) == 0;
    return self->broker_started && gateway_start(self->gateway) == 0;
}

static void s_on_hangup(void *context)
{
    broker_reload(context);
}

static void s_say_ready(const struct s_process *self)
{
    char address[ADDRESS_ROOM];
    printf("ready");
    for (size_t at = 0; at < gateway_address_count(self->gateway); at++) {
        gateway_address(self->gateway, at, address, sizeof address);
        printf(" %s", address);
    }
    printf(" edges=%s apps=%s tap=%s pull=%s sub=%s",
           broker_endpoint(self->broker, BROKER_EDGES),
           broker_endpoint(self->broker, BROKER_APPS),
           broker_endpoint(self->broker, BROKER_TAP),
           broker_endpoint(self->broker, BROKER_PULL),
           broker_endpoint(self->broker, BROKER_SUB));
    if (self->ops)
        printf(" ops=http://%s/", ops_server_address(self->ops));
    printf("\n");
    (void)fflush(stdout);
}

/* The gateway goes first: its closes still pass through the broker. */
static void s_serve(struct s_process *self)
{
    (void)program_wait(-1);
    log_info("drain", "reason=signal");
    gateway_drain(self->gateway);
    while (!gateway_is_done(self->gateway))
        if (program_wait(POLL_MS))
            return;
}

static void s_stop(struct s_process *self)
{
    if (self->gateway)
        gateway_end_posts(self->gateway);
    ops_server_destroy(&self->ops);
    gateway_destroy(&self->gateway);
    if (self->broker_started) {
        broker_stop(self->broker);
        pthread_join(self->broker_thread, NULL);
    }
    broker_destroy(&self->broker);
}

int main(int argc, char **argv)
{
    static const struct conf_setting *const tables[] = {
        gateway_conf_table, broker_settings, s_own_table, program_conf_table, NULL};
    struct s_process process = {0};
    conf_set_check(s_check);
    struct conf *conf = conf_load("ringway", tables, argc, argv);
    program_start_log(conf, "ringway");
    program_block_signals();
    gateway_metrics_register();
    bool started = s_start(&process, conf);
    if (started) {
        program_on_hangup(s_on_hangup, process.broker);
        s_say_ready(&process);
        s_serve(&process);
    }
    s_stop(&process);
    log_flush();
    conf_destroy(&conf);
    return started ? EXIT_SUCCESS : EXIT_FAILURE;
}
