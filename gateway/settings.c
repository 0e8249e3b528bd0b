#include "gateway/settings.h"

#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB  INT64_C(1024)
#define MIB  (1024 * KIB)
#define TIB  (INT64_C(1) << 40)
#define HOUR INT64_C(3600000) // milliseconds

enum { NAME_MAX_SIZE = 64, FDS_RESERVED = 256, TOKEN_LEAST = 16, TOKEN_MOST = 256 };

#define SIZE(setting, value, min, max, text)                                             \
    {                                                                                    \
        .name = (setting), .type = CONF_SIZE, .initial = (value), .least = (min),        \
        .most = (max), .help = (text)                                                    \
    }
#define COUNT(setting, value, min, max, text)                                            \
    {                                                                                    \
        .name = (setting), .type = CONF_COUNT, .initial = (value), .least = (min),       \
        .most = (max), .help = (text)                                                    \
    }
#define TIME(setting, value, min, max, text)                                             \
    {                                                                                    \
        .name = (setting), .type = CONF_DURATION, .initial = (value), .least = (min),    \
        .most = (max), .help = (text)                                                    \
    }
#define TEXT(setting, value, text)                                                       \
    {                                                                                    \
        .name = (setting), .type = CONF_TEXT, .initial = (value), .help = (text)         \
    }
#define LIST(setting, value, text)                                                       \
    {                                                                                    \
        .name = (setting), .type = CONF_LIST, .initial = (value), .help = (text)         \
    }

const struct conf_setting gateway_conf_table[] = {
    LIST(
        "listen", "127.0.0.1:8080",
        "Where clients connect: ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH; port 0: any."),
    TEXT("edge-name", NULL, "Name of this gateway on the bus; default: the host's name."),
    TIME("orphan", "60s", 1000, HOUR,
         "Without a broker for so long, all channels are closed."),
    TIME("heartbeat", "1s", 100, 10000,
         "How often the broker is told that this gateway lives: three times in its "
         "edge-lease, or oftener."),
    COUNT("workers", "0", 0, 64, "Worker threads; 0: one for each core."),
    TIME("worker-timeout", "5s", 3000, HOUR,
         "A worker thread that stands still for so long ends the process."),
    SIZE("worker-queue", "64MiB", MIB, TIB,
         "Bytes from the bus that wait for one worker thread; above it publications "
         "become "
         "gaps, and other commands are refused or close their channel."),
    COUNT("daemons", "16", 1, 256,
          "HTTP daemons of each worker; a held answer costs time in proportion to "
          "connections "
          "per daemon."),
    COUNT("max-connections", "0", 0, 10000000,
          "Client connections; 0: as many as the limit of descriptors allows."),
    COUNT("max-connections-per-ip", "0", 0, 10000000,
          "Client connections from one address (IPv6: one /64); 0: no limit."),
    LIST("trusted-proxies", NULL,
         "Addresses whose X-Forwarded-For is believed; \"*\": anybody's, \"unix\": local "
         "ones."),
    TEXT("server-header", "ringway", "Value of the Server header; empty: none."),
    SIZE("head-bytes", "16KiB", 2 * KIB, 256 * KIB,
         "Memory for one connection's request and response heads."),
    SIZE("body-limit", "8MiB", 0, 1024 * MIB, "Longest request body."),
    SIZE("message-limit", "4MiB", 1, 4 * MIB, "Longest WebSocket message from a client."),
    SIZE("out-queue", "4MiB", 4 * KIB, 1024 * MIB,
         "Bytes queued for one client before sends to it are refused."),
    SIZE("out-queue-total", "512MiB", MIB, TIB,
         "Bytes queued for all clients; above it, channels with more than 1 MiB are too "
         "slow."),
    SIZE("send-buffer", "0", 0, 64 * MIB,
         "Bytes that the kernel keeps for one client besides (SO_SNDBUF); 0: it decides, "
         "up to net.ipv4.tcp_wmem."),
    SIZE("slow-at", "1MiB", KIB, 1024 * MIB, "Queue length at which SLOW is sent."),
    SIZE("drained-at", "256KiB", 0, 1024 * MIB, "Queue length at which DRAINED follows."),
    COUNT("window-events", "32", 1, 10000,
          "Unacknowledged events of one channel before its client is not read."),
    SIZE("window-bytes", "1MiB", KIB, 1024 * MIB, "Bytes of these events."),
    COUNT("service-window-events", "5000", 1, 10000000,
          "Unacknowledged events of one service."),
    SIZE("service-window-bytes", "16MiB", KIB, TIB, "Bytes of these events."),
    COUNT("session-copies", "100000", 0, 10000000,
          "Sessions that each worker thread remembers when their client has left, until "
          "their grace is over, for a broker that starts anew."),
    TIME("head-timeout", "10s", 100, HOUR, "Time for the head of a request to arrive."),
    TIME("body-timeout", "30s", 100, HOUR, "Longest pause within a request body."),
    TIME("keep-alive", "75s", 100, HOUR, "Time between two requests of one connection."),
    TIME("user-timeout", "30s", 1000, HOUR,
         "A client whose TCP takes no bytes for so long is dead."),
    TIME("ping-interval", "25s", 100, HOUR,
         "Silence of a WebSocket before it is pinged."),
    TIME("ping-timeout", "8s", 100, HOUR, "Time for the pong."),
    TIME("close-timeout", "5s", 100, HOUR,
         "Time for a client's half of the closing handshake."),
    TIME("open-timeout", "5s", 100, HOUR,
         "Time to find a worker, or for it to accept: then 503."),
    TIME("answer-timeout", "60s", 0, 24 * HOUR,
         "Time for the first part of an answer: then 504; 0: no limit."),
    TIME("sse-comment", "25s", 0, HOUR,
         "Pause after which an event stream gets a comment; 0: never."),
    TIME("drain-grace", "10s", 0, HOUR,
         "Time for held requests to be answered when stopping."),
    TEXT("publish-token-file", NULL,
         "File with the token that allows POST /topics/NAME on ops-listen; empty: nobody "
         "may publish there."),
    {.name = NULL},
};

static unsigned s_cores(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > 64 ? 64 : (unsigned)cores;
}

/* Descriptors that clients may use: what the process may open, less its own. */
static size_t s_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return 1000000;
    if (limit.rlim_cur / 2 <= FDS_RESERVED)
        return (size_t)limit.rlim_cur / 2;
    return (size_t)limit.rlim_cur - FDS_RESERVED;
}

static const char *s_edge_name(const struct conf *conf)
{
    static char host[NAME_MAX_SIZE + 1];
    const char *name = conf_text(conf, "edge-name");
    if (!name || !*name) {
        if (gethostname(host, sizeof host) != 0)
            snprintf(host, sizeof host, "edge");
        host[NAME_MAX_SIZE] = 0;
        host[strcspn(host, ".")] = 0;
        name = host;
    }
    const char *allowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t size = strlen(name);
    if (size == 0 || size > NAME_MAX_SIZE || strspn(name, allowed) != size)
        conf_refuse("edge-name", name, "must be 1 to 64 letters, digits, '-' or '_'");
    return name;
}

static void s_read_sizes(struct gateway_settings *self, const struct conf *conf)
{
    self->head_bytes = (size_t)conf_number(conf, "head-bytes");
    self->body_limit = (size_t)conf_number(conf, "body-limit");
    self->message_limit = (size_t)conf_number(conf, "message-limit");
    self->out_queue = (size_t)conf_number(conf, "out-queue");
    self->send_buffer = (int)conf_number(conf, "send-buffer");
    self->out_queue_total = (size_t)conf_number(conf, "out-queue-total");
    self->slow_at = (size_t)conf_number(conf, "slow-at");
    self->drained_at = (size_t)conf_number(conf, "drained-at");
    self->window_events = (size_t)conf_number(conf, "window-events");
    self->window_bytes = (size_t)conf_number(conf, "window-bytes");
    self->session_copies = (size_t)conf_number(conf, "session-copies");
    self->worker_queue = (size_t)conf_number(conf, "worker-queue");
    /* The windows of a service are shared out among the workers. */
    self->service_events =
        (size_t)conf_number(conf, "service-window-events") / self->workers + 1;
    self->service_bytes =
        (size_t)conf_number(conf, "service-window-bytes") / self->workers + 1;
    if (self->drained_at >= self->slow_at)
        conf_refuse("drained-at", conf_text(conf, "drained-at"),
                    "must be less than slow-at");
}

static void s_read_times(struct gateway_settings *self, const struct conf *conf)
{
    self->head_timeout_ms = conf_number(conf, "head-timeout");
    self->body_timeout_ms = conf_number(conf, "body-timeout");
    self->keep_alive_ms = conf_number(conf, "keep-alive");
    self->user_timeout_ms = conf_number(conf, "user-timeout");
    self->ping_interval_ms = conf_number(conf, "ping-interval");
    self->ping_timeout_ms = conf_number(conf, "ping-timeout");
    self->close_timeout_ms = conf_number(conf, "close-timeout");
    self->open_timeout_ms = conf_number(conf, "open-timeout");
    self->answer_timeout_ms = conf_number(conf, "answer-timeout");
    self->sse_comment_ms = conf_number(conf, "sse-comment");
    self->drain_grace_ms = conf_number(conf, "drain-grace");
    self->orphan_ms = conf_number(conf, "orphan");
    self->heartbeat_ms = conf_number(conf, "heartbeat");
    self->worker_timeout_ms = conf_number(conf, "worker-timeout");
}

static void s_read_proxies(struct gateway_settings *self, const struct conf *conf)
{
    self->trusted_proxy_count = conf_list_size(conf, "trusted-proxies");
    self->trusted_proxies =
        mem_alloc((self->trusted_proxy_count + 1) * sizeof *self->trusted_proxies);
    for (size_t at = 0; at < self->trusted_proxy_count; at++)
        self->trusted_proxies[at] = conf_list_at(conf, "trusted-proxies", at);
}

/* The first line of a file, without the blanks around it; NULL with what is wrong. */
static char *s_read_token(const char *path, const char **why)
{
    char line[TOKEN_MOST + 8] = "";
    struct stat status;
    FILE *file = fopen(path, "re");
    *why = "cannot be read";
    if (!file)
        return NULL;
    bool open_to_all = fstat(fileno(file), &status) == 0 && (status.st_mode & S_IROTH);
    (void)!fgets(line, sizeof line, file);
    (void)fclose(file);
    size_t size = strcspn(line, " \t\r\n");
    bool right = size >= TOKEN_LEAST && size <= TOKEN_MOST &&
                 !line[size + strspn(line + size, " \t\r\n")];
    for (size_t at = 0; at < size; at++)
        right = right && line[at] > ' ' && line[at] <= '~';
    line[size] = 0;
    *why = open_to_all ? "everybody may read it (mode o+r)"
                       : "its first line is a token of 16 to 256 bytes, without blanks";
    char *token = right && !open_to_all ? mem_strdup(line) : NULL;
    explicit_bzero(line, sizeof line);
    return token;
}

static void s_read_publishing(struct gateway_settings *self, const struct conf *conf)
{
    const char *path = conf_text(conf, "publish-token-file"), *why;
    if (!path || !*path)
        return;
    self->publish_token = s_read_token(path, &why);
    if (!self->publish_token)
        conf_refuse("publish-token-file", path, why);
}

void gateway_settings_read(struct gateway_settings *self, const struct conf *conf)
{
    memset(self, 0, sizeof *self);
    self->edge_name = s_edge_name(conf);
    self->workers = (unsigned)conf_number(conf, "workers");
    if (self->workers == 0)
        self->workers = s_cores();
    self->daemons = (unsigned)conf_number(conf, "daemons");
    self->max_connections = (size_t)conf_number(conf, "max-connections");
    if (self->max_connections == 0)
        self->max_connections = s_descriptor_limit();
    self->max_connections_per_ip = (size_t)conf_number(conf, "max-connections-per-ip");
    self->server_header = conf_text(conf, "server-header");
    s_read_sizes(self, conf);
    s_read_times(self, conf);
    s_read_proxies(self, conf);
    s_read_publishing(self, conf);
}

void gateway_settings_clear(struct gateway_settings *self)
{
    free(self->trusted_proxies);
    self->trusted_proxies = NULL;
    if (self->publish_token)
        explicit_bzero(self->publish_token, strlen(self->publish_token));
    free(self->publish_token);
    self->publish_token = NULL;
}

const struct conf_setting gateway_program_conf_table[] = {
    LIST("broker", "tcp://127.0.0.1:7701",
         "Edge port of the broker; more: the next when it is silent."),
    TEXT("key", NULL, "File with this gateway's secret CURVE key; empty: an open bus."),
    TEXT("broker-key", NULL, "File with the broker's public CURVE key."),
    TEXT("ops-listen", "127.0.0.1:8081",
         "Address of /metrics, /healthz, /readyz and POST /topics/NAME; empty: none."),
    {.name = NULL},
};
