#include "broker/broker_settings.h"

#include "broker/key_store.h"
#include "broker/store.h"
#include "common/conf_value.h"
#include "common/mem.h"
#include "common/topic_pattern.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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
    {.name = "cores",
     .type = CONF_TEXT,
     .initial = "auto",
     .help =
         "Where the broker's thread and that of ZeroMQ run: one: both on one core, a "
         "third less work; any: where the kernel likes, which carries more; auto: one, "
         "but any with keys, since encryption is much work."},
    {.name = "data",
     .type = CONF_TEXT,
     .help = "Folder where history is stored, so that it outlives the broker; empty: "
             "history is in memory only."},
    {.name = "data-queue",
     .type = CONF_SIZE,
     .initial = "64MiB",
     .least = 65536,
     .most = 1LL << 40,
     .help = "Bytes of publications that may wait for the disk; history takes none "
             "beyond."},
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
     .help = "Topics whose position is kept, with patterns and levels of names."},
    {.name = "history-count",
     .type = CONF_COUNT,
     .initial = "100",
     .least = 0,
     .most = 1000000,
     .help = "Publications that are held of each topic, for who missed them; 0: none."},
    {.name = "history-age",
     .type = CONF_DURATION,
     .initial = "5m",
     .least = 1000,
     .most = 365LL * 86400 * 1000,
     .help = "How long a publication is held."},
    {.name = "history-bytes",
     .type = CONF_SIZE,
     .initial = "1MiB",
     .least = 1024,
     .most = 1LL << 40,
     .help = "Bytes that are held of each topic; a publication counts with 128 more."},
    {.name = "history-total",
     .type = CONF_SIZE,
     .initial = "64MiB",
     .least = 1024,
     .most = 1LL << 40,
     .help = "Bytes that are held of all topics; the oldest go beyond."},
    {.name = "history",
     .type = CONF_LIST,
     .help = "Other limits for some topics: \"PATTERN count=N age=DURATION bytes=SIZE\", "
             "each of them if wanted; the first pattern that matches counts."},
    {.name = "pending-bytes",
     .type = CONF_SIZE,
     .initial = "16MiB",
     .least = 65536,
     .most = 1LL << 40,
     .help = "Bytes of publications that wait until the store has them."},
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

/* The next word of a text; false after the last. */
static bool s_word(const char **text, char *out, size_t room)
{
    size_t size = strcspn(*text += strspn(*text, " "), " ");
    if (size == 0)
        return false;
    snprintf(out, room, "%.*s", (int)(size < room ? size : room - 1), *text);
    *text += size;
    return true;
}

static const struct conf_setting *s_setting(const char *name)
{
    const struct conf_setting *at = broker_settings;
    while (strcmp(at->name, name) != 0)
        at++;
    return at;
}

/* "count=10" and the like; NULL, or why not. */
static const char *s_limit(const char *word, struct history_limits *limits)
{
    static char why[CONF_VALUE_ROOM + 32];
    static const char *const names[] = {"history-count", "history-age", "history-bytes"};
    for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
        const char *name = names[at] + strlen("history-");
        size_t size = strlen(name);
        char rule[CONF_VALUE_ROOM];
        int64_t value;
        if (strncmp(word, name, size) != 0 || word[size] != '=')
            continue;
        int result = conf_value_parse(s_setting(names[at]), word + size + 1, &value);
        if (result < 0) {
            conf_value_refusal(s_setting(names[at]), result, rule);
            snprintf(why, sizeof why, "%s: %s", name, rule);
            return why;
        }
        if (at == 0)
            limits->count = (size_t)value;
        else if (at == 1)
            limits->age_ms = value;
        else
            limits->bytes = (size_t)value;
        return NULL;
    }
    return "a topic or pattern, then count=, age= or bytes=";
}

/* Reads one exception.  NULL, or why not. */
static const char *s_rule(const char *text, struct history_rule *rule)
{
    char word[CONF_VALUE_ROOM + TOPIC_MAX];
    if (!s_word(&text, word, sizeof word) ||
        topic_kind(word, strlen(word)) == TOPIC_INVALID)
        return "begins with a topic, or a pattern that ends in /* or /**";
    rule->pattern = mem_strdup(word);
    const char *why = NULL;
    while (!why && s_word(&text, word, sizeof word))
        why = s_limit(word, &rule->limits);
    return why;
}

void broker_settings_history(const struct conf *conf, struct history_settings *out)
{
    size_t count = conf_list_size(conf, "history");
    struct history_rule *rules = mem_alloc((count + 1) * sizeof *rules);
    *out = (struct history_settings){
        .limits = {.count = (size_t)conf_number(conf, "history-count"),
                   .age_ms = conf_number(conf, "history-age"),
                   .bytes = (size_t)conf_number(conf, "history-bytes")},
        .total_bytes = (size_t)conf_number(conf, "history-total"),
        .rules = rules,
        .rule_count = count};
    for (size_t at = 0; at < count; at++) {
        rules[at].limits = out->limits;
        const char *text = conf_list_at(conf, "history", at);
        const char *why = s_rule(text, &rules[at]);
        if (why)
            conf_refuse("history", text, why);
    }
}

void broker_settings_free_history(struct history_settings *settings)
{
    for (size_t at = 0; at < settings->rule_count; at++)
        free((void *)(uintptr_t)settings->rules[at].pattern);
    free((void *)(uintptr_t)settings->rules);
    *settings = (struct history_settings){.rules = NULL};
}

static void s_check_data(const char *folder)
{
    char why[STORE_WHY];
    if (folder && *folder && !store_check(folder, why))
        conf_refuse("data", folder, why);
}

static void s_check_cores(const char *wish)
{
    static const char *const known[] = {"auto", "one", "any"};
    for (size_t at = 0; at < sizeof known / sizeof *known; at++)
        if (strcmp(wish, known[at]) == 0)
            return;
    conf_refuse("cores", wish, "one of auto, one, any");
}

void broker_settings_check(const struct conf *conf)
{
    struct history_settings history;
    broker_settings_history(conf, &history);
    broker_settings_free_history(&history);
    const char *keys = conf_text(conf, "keys");
    bool open = !keys || !*keys;
    if (!open)
        s_check_keys(keys);
    s_check_data(conf_text(conf, "data"));
    s_check_cores(conf_text(conf, "cores"));
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
