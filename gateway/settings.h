/* settings: what an operator can choose for the gateway, in one place. */
#pragma once

#include "common/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gateway_settings {
    const char *edge_name;
    unsigned workers, daemons;
    size_t head_bytes, body_limit, message_limit;
    size_t out_queue, out_queue_total, slow_at, drained_at; // bytes
    int send_buffer;                      // bytes; 0: the kernel decides
    size_t window_events, window_bytes;   // of one channel
    size_t service_events, service_bytes; // of one service
    size_t session_copies;                // of each worker
    size_t worker_queue;                  // bytes for one worker
    int64_t head_timeout_ms, body_timeout_ms, keep_alive_ms, user_timeout_ms;
    int64_t ping_interval_ms, ping_timeout_ms, close_timeout_ms;
    int64_t open_timeout_ms, answer_timeout_ms, sse_comment_ms;
    int64_t drain_grace_ms, orphan_ms, heartbeat_ms, worker_timeout_ms;
    size_t max_connections, max_connections_per_ip;
    const char *server_header;
    char *publish_token; // NULL: nobody publishes on the operations port
    const char **trusted_proxies;
    size_t trusted_proxy_count;
};

extern const struct conf_setting gateway_conf_table[];
/* What only ringway-gateway has. */
extern const struct conf_setting gateway_program_conf_table[];

/* Reads the values; exits 2 when they do not fit together.  Texts are borrowed from conf.
 */
void gateway_settings_read(struct gateway_settings *self, const struct conf *conf);
void gateway_settings_clear(struct gateway_settings *self);
