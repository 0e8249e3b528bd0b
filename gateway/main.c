/* ringway-gateway: settings, signals, operations port, orderly stop. */
#include "common/log.h"
#include "common/mem.h"
#include "common/ops_server.h"
#include "common/program.h"
#include "gateway/bus_keys.h"
#include "gateway/gateway.h"
#include "gateway/gateway_metrics.h"
#include "gateway/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POLL_MS = 20, WHY_ROOM = 512, ADDRESS_ROOM = 160 };

static struct ops_server *s_open_ops(const struct conf *conf, struct gateway *gateway)
{
    const struct ops_callbacks callbacks = gateway_ops_callbacks(gateway);
    return ops_server_new(conf_text(conf, "ops-listen"), &callbacks);
}

static void s_say_ready(const struct gateway *gateway, const struct ops_server *ops)
{
    char address[ADDRESS_ROOM];
    printf("ready");
    for (size_t at = 0; at < gateway_address_count(gateway); at++) {
        gateway_address(gateway, at, address, sizeof address);
        printf(" %s", address);
    }
    if (ops)
        printf(" ops=http://%s/", ops_server_address(ops));
    printf("\n");
    (void)fflush(stdout);
}

static int s_read_keys(const struct conf *conf, struct bus_keys *keys,
                       const char **setting, char why[KEY_FILE_WHY])
{
    return bus_keys_read(keys, conf_text(conf, "key"), conf_text(conf, "broker-key"),
                         setting, why);
}

static void s_check(const struct conf *conf)
{
    struct bus_keys keys;
    const char *setting;
    char why[KEY_FILE_WHY];
    gateway_check(conf);
    if (s_read_keys(conf, &keys, &setting, why) < 0)
        conf_refuse(setting, conf_text(conf, setting), why);
    explicit_bzero(&keys, sizeof keys);
}

struct s_reload {
    const struct conf *conf;
    struct gateway *gateway;
};

/* Bad files change nothing. */
static void s_load_keys(const struct s_reload *self)
{
    struct bus_keys keys;
    const char *setting;
    char why[KEY_FILE_WHY];
    if (s_read_keys(self->conf, &keys, &setting, why) < 0) {
        log_error("keys_kept", "setting=%s file=\"%s\" reason=\"%s\"", setting,
                  conf_text(self->conf, setting), why);
        return;
    }
    gateway_set_keys(self->gateway, &keys);
    explicit_bzero(&keys, sizeof keys);
}

static void s_on_hangup(void *context)
{
    log_info("keys_load", "by=SIGHUP");
    s_load_keys(context);
}

/* Serves until a signal, drains until done or a second signal. */
static void s_serve(struct gateway *gateway)
{
    (void)program_wait(-1);
    log_info("drain", "reason=signal");
    gateway_drain(gateway);
    while (!gateway_is_done(gateway))
        if (program_wait(POLL_MS))
            return;
}

static int s_run(const struct conf *conf, const char *const *brokers, size_t count)
{
    char why[WHY_ROOM];
    int status = EXIT_FAILURE;
    bool wants_ops = conf_text(conf, "ops-listen") && *conf_text(conf, "ops-listen");
    struct ops_server *ops = NULL;
    struct gateway *gateway = gateway_new(conf, brokers, count, why, sizeof why);
    if (!gateway) {
        fprintf(stderr, "ringway-gateway: %s\n", why);
        return status;
    }
    if (wants_ops && !(ops = s_open_ops(conf, gateway))) {
        fprintf(stderr, "ringway-gateway: cannot listen on ops-listen %s: %s\n",
                conf_text(conf, "ops-listen"), strerror(errno));
        goto done;
    }
    struct s_reload reload = {conf, gateway};
    s_load_keys(&reload);
    program_on_hangup(s_on_hangup, &reload);
    if (gateway_start(gateway) < 0) {
        fprintf(stderr, "ringway-gateway: cannot start threads\n");
        goto done;
    }
    s_say_ready(gateway, ops);
    s_serve(gateway);
    status = EXIT_SUCCESS;
done:
    gateway_end_posts(gateway);
    ops_server_destroy(&ops);
    gateway_destroy(&gateway);
    return status;
}

int main(int argc, char **argv)
{
    static const struct conf_setting *const tables[] = {
        gateway_conf_table, gateway_program_conf_table, program_conf_table, NULL};
    conf_set_check(s_check);
    struct conf *conf = conf_load("ringway-gateway", tables, argc, argv);
    program_start_log(conf, "ringway-gateway");
    program_block_signals();
    gateway_metrics_register();
    size_t count = conf_list_size(conf, "broker");
    const char **brokers = mem_alloc((count + 1) * sizeof *brokers);
    for (size_t at = 0; at < count; at++)
        brokers[at] = conf_list_at(conf, "broker", at);
    int status = s_run(conf, brokers, count);
    free(brokers);
    log_flush();
    conf_destroy(&conf);
    return status;
}
