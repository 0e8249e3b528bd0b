#include "broker/broker_settings.h"

#include "broker/key_store.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SETTINGS_HOST_MAX = 256 };

const struct conf_setting broker_settings[] = {
    {.name = "bus-edges",
     .type = CONF_TEXT,
     .initial = BROKER_EDGES_DEFAULT,
     .help = "Endpoint where gateways connect."},
    {.name = "bus-apps",
     .type = CONF_TEXT,
     .initial = BROKER_APPS_DEFAULT,
     .help = "Endpoint where applications connect."},
    {.name = "bus-tap",
     .type = CONF_TEXT,
     .initial = BROKER_TAP_DEFAULT,
     .help = "Endpoint where watchers subscribe; empty: none."},
    {.name = "bus-pull",
     .type = CONF_TEXT,
     .initial = BROKER_PULL_DEFAULT,
     .help = "Endpoint that takes records from PUSH sockets; empty: none."},
    {.name = "bus-sub",
     .type = CONF_TEXT,
     .initial = BROKER_SUB_DEFAULT,
     .help = "Endpoint that takes publications from PUB sockets; empty: none."},
    {.name = "keys",
     .type = CONF_TEXT,
     .help = "Folder of CURVE keys, made by ringwayctl: only who has one of them may "
             "connect; empty: everybody may."},
    {.name = "plain-bus",
     .type = CONF_BOOL,
     .initial = "no",
     .help = "Without keys, allow endpoints that are not on loopback: everybody who "
             "reaches them is trusted."},
    {.name = "edge-lease",
     .type = CONF_DURATION,
     .initial = "5s",
     .least = 500,
     .most = 3600000,
     .help = "A gateway that is silent for so long is dead; its channels are closed.  "
             "At least three times the heartbeat of the gateways."},
    {.name = "worker-lease",
     .type = CONF_DURATION,
     .initial = "5s",
     .least = 1000,
     .most = 3600000,
     .help = "A worker that owes nothing and is silent for so long is dead."},
    {.name = "ack-timeout",
     .type = CONF_DURATION,
     .initial = "30s",
     .least = 1000,
     .most = 86400000,
     .help = "An event that is not acknowledged for so long goes to another worker."},
    {.name = "ring-records",
     .type = CONF_COUNT,
     .initial = "100000",
     .least = 16,
     .most = 10000000,
     .help = "Commands that are kept for each gateway until it has them."},
    {.name = "ring-bytes",
     .type = CONF_SIZE,
     .initial = "64MiB",
     .least = 65536,
     .most = 1LL << 40,
     .help = "Bytes of these commands."},
    {.name = "max-topics",
     .type = CONF_COUNT,
     .initial = "1000000",
     .least = 1,
     .most = 100000000,
     .help = "Topics whose position is kept."},
    {.name = "max-edges",
     .type = CONF_COUNT,
     .initial = "10000",
     .least = 1,
     .most = 100000,
     .help = "Gateways at a time."},
    {.name = "max-workers",
     .type = CONF_COUNT,
     .initial = "100000",
     .least = 1,
     .most = 10000000,
     .help = "Workers at a time, of all services."},
    {.name = "max-services",
     .type = CONF_COUNT,
     .initial = "10000",
     .least = 1,
     .most = 1000000,
     .help = "Services at a time."},
    {.name = "max-waiting-closes",
     .type = CONF_COUNT,
     .initial = "1000000",
     .least = 1,
     .most = 100000000,
     .help = "Ends of channels of dead gateways that wait for a worker; the oldest is "
             "forgotten beyond."},
    {.name = "max-answers",
     .type = CONF_COUNT,
     .initial = "100000",
     .least = 1,
     .most = 10000000,
     .help = "Answers that are remembered for ten minutes, for repetitions."},
    {.name = "presence-members",
     .type = CONF_COUNT,
     .initial = "10000",
     .least = 1,
     .most = 15000,
     .help = "Channels whose presence in one topic is kept; more are not."},
    {.name = "presence-total",
     .type = CONF_COUNT,
     .initial = "1000000",
     .least = 1,
     .most = 100000000,
     .help = "The same in all topics together."},
    {.name = "max-watches",
     .type = CONF_COUNT,
     .initial = "10000",
     .least = 1,
     .most = 1000000,
     .help = "Topics that applications watch for presence, each peer and topic counts; "
             "more are refused."},
    {.name = "watch-lease",
     .type = CONF_DURATION,
     .initial = "60s",
     .least = 1000,
     .most = 3600000,
     .help = "A WATCH that is not said again in this time is over."},
    {.name = "cast-lines",
     .type = CONF_COUNT,
     .initial = "10000",
     .least = 1,
     .most = 1000000,
     .help = "Lines of one CAST; more are refused."},
    {.name = "cast-channels",
     .type = CONF_COUNT,
     .initial = "100000",
     .least = 1,
     .most = 10000000,
     .help = "Channels that one CAST names, by id or label, exceptions too; more are "
             "refused."},
    {.name = "max-sessions",
     .type = CONF_COUNT,
     .initial = "1000000",
     .least = 1,
     .most = 100000000,
     .help = "Sessions at a time; a new one is refused beyond."},
    {.name = "session-grace",
     .type = CONF_DURATION,
     .initial = "30s",
     .least = 1000,
     .most = 86400000,
     .help = "A session whose client is away for so long has ended."},
    {.name = "session-ring",
     .type = CONF_SIZE,
     .initial = "64KiB",
     .least = 1024,
     .most = 1LL << 30,
     .help = "Bytes of messages to a session that are kept until its client has them; "
             "the oldest is forgotten beyond, which its client is told."},
    {.name = "session-ring-age",
     .type = CONF_DURATION,
     .initial = "60s",
     .least = 1000,
     .most = 86400000,
     .help = "How long they are kept."},
    {.name = "session-ring-total",
     .type = CONF_SIZE,
     .initial = "64MiB",
     .least = 65536,
     .most = 1LL << 40,
     .help = "Bytes of these messages of all sessions."},
    {.name = NULL},
};

const struct conf_setting broker_program_settings[] = {
    {.name = "ops-listen",
     .type = CONF_TEXT,
     .initial = "127.0.0.1:8082",
     .help = "Address of /metrics, /healthz and /readyz; empty: none."},
    {.name = NULL},
};

static bool s_starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The host of tcp://HOST:PORT. */
static bool s_host(const char *endpoint, char host[SETTINGS_HOST_MAX])
{
    const char *start = endpoint + strlen("tcp://");
    const char *end = strrchr(start, ':');
    if (!end || (size_t)(end - start) >= SETTINGS_HOST_MAX)
        return false;
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = 0;
    return true;
}

static bool s_is_local(const char *endpoint)
{
    char host[SETTINGS_HOST_MAX];
    struct in_addr address;
    if (s_starts(endpoint, "ipc://") || s_starts(endpoint, "inproc://"))
        return true;
    if (!s_starts(endpoint, "tcp://") || !s_host(endpoint, host))
        return false;
    if (strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* A folder that cannot be read, or a bad file in it, is refused before anything starts.
 */
static void s_check_keys(const char *folder)
{
    char why[KEY_STORE_WHY];
    struct key_store *keys = key_store_new(folder);
    if (key_store_load(keys, why) < 0)
        conf_refuse("keys", folder, why);
    key_store_destroy(&keys);
}

void broker_settings_check(const struct conf *conf)
{
    const char *keys = conf_text(conf, "keys");
    bool open = !keys || !*keys;
    if (!open)
        s_check_keys(keys);
    static const char *const names[] = {"bus-edges", "bus-apps", "bus-tap", "bus-pull",
                                        "bus-sub"};
    for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
        const char *endpoint = conf_text(conf, names[at]);
        bool given = endpoint && *endpoint;
        if (!given && at < 2)
            conf_refuse(names[at], "", "an endpoint is needed");
        if (given && !s_starts(endpoint, "tcp://") && !s_starts(endpoint, "ipc://") &&
            !s_starts(endpoint, "inproc://"))
            conf_refuse(names[at], endpoint, "tcp://ADDRESS:PORT or ipc://PATH");
        if (given && open && !s_is_local(endpoint) && !conf_bool(conf, "plain-bus"))
            conf_refuse(names[at], endpoint,
                        "not on loopback, where everybody who reaches it is trusted: set "
                        "keys, or say plain-bus=yes if that is meant");
    }
}
