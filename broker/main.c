/* ringway-broker: settings, signals, operations port, orderly stop. */
#include "broker/broker.h"
#include "broker/broker_settings.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/ops_server.h"
#include "common/program.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct broker *s_broker; // for the signal handler

static void s_on_signal(int number)
{
    (void)number;
    broker_stop(s_broker);
}

static void s_on_hangup(int number)
{
    (void)number;
    broker_reload(s_broker);
}

static void s_catch_signals(void)
{
    const struct sigaction hangup = {.sa_handler = s_on_hangup};
    const struct sigaction stop = {.sa_handler = s_on_signal};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGTERM, &stop, NULL);
    (void)sigaction(SIGINT, &stop, NULL);
    (void)sigaction(SIGHUP, &hangup, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

static bool s_is_ready(void *context, char *reason, size_t room)
{
    if (broker_is_running(context))
        return true;
    snprintf(reason, room, "not serving");
    return false;
}

/* False with a line on stderr. */
static bool s_open_ops(const struct conf *conf, struct ops_server **server_p)
{
    const char *address = conf_text(conf, "ops-listen");
    const struct ops_callbacks callbacks = {.is_ready = s_is_ready, .context = s_broker};
    if (!address || !*address)
        return true;
    *server_p = ops_server_new(address, &callbacks);
    if (!*server_p)
        fprintf(stderr, "ringway-broker: cannot listen on ops-listen %s: %s\n", address,
                strerror(errno));
    return *server_p != NULL;
}

static void s_say_ready(const struct ops_server *ops)
{
    printf("ready edges=%s apps=%s tap=%s pull=%s sub=%s ops=%s\n",
           broker_endpoint(s_broker, BROKER_EDGES),
           broker_endpoint(s_broker, BROKER_APPS), broker_endpoint(s_broker, BROKER_TAP),
           broker_endpoint(s_broker, BROKER_PULL), broker_endpoint(s_broker, BROKER_SUB),
           ops ? ops_server_address(ops) : "");
    (void)fflush(stdout);
}

/* ZeroMQ's thread allocates what arrives, ours frees it.  With one arena for both, what a
 * burst of records took is used again for channels; with two, memory for each channel
 * grows by half. */
static void s_share_memory(void)
{
    (void)mallopt(M_ARENA_MAX, 1);
}

int main(int argc, char **argv)
{
    static const struct conf_setting *const tables[] = {
        broker_settings, broker_program_settings, program_conf_table, NULL};
    struct ops_server *ops = NULL;
    char why[256];
    int status = EXIT_FAILURE;
    s_share_memory();
    conf_set_check(broker_settings_check);
    struct conf *conf = conf_load("ringway-broker", tables, argc, argv);
    program_start_log(conf, "ringway-broker");
    s_broker = broker_new(conf, why, sizeof why);
    if (!s_broker) {
        fprintf(stderr, "ringway-broker: %s\n", why);
        goto done;
    }
    s_catch_signals();
    if (!s_open_ops(conf, &ops))
        goto done;
    s_say_ready(ops);
    broker_run(s_broker);
    log_info("stopped", "by=signal");
    status = EXIT_SUCCESS;
done:
    ops_server_destroy(&ops);
    broker_destroy(&s_broker);
    log_flush();
    conf_destroy(&conf);
    return status;
}
