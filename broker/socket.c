#include "broker/socket.h"

#include "broker/cores.h"
#include "common/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SOCKET_ZERO_COPY = 10,  // ZMQ_ZERO_COPY_RECV, which zmq.h hides as a draft
    SOCKET_LINGER_MS = 200, // for acknowledgements on their way when we stop
    SOCKETS_MAX = 8,
    SOCKET_DECIMAL = 10,
    SOCKET_ZAP_ENFORCE_DOMAIN = 93, // ZMQ_ZAP_ENFORCE_DOMAIN, hidden likewise
};

void *socket_context_new(int core)
{
    /* libzmq numbers anonymous peers from rand(): who can guess the next number can claim
     * it, and then the next anonymous peer ends this process. */
    srand((unsigned)clock_random_u64());
    void *context = zmq_ctx_new();
    if (!context)
        return NULL;
    /* Without it each message that is kept keeps a read buffer of 8 KiB. */
    (void)zmq_ctx_set(context, SOCKET_ZERO_COPY, 0);
    if (core != CORES_ANY)
        (void)zmq_ctx_set(context, ZMQ_THREAD_AFFINITY_CPU_ADD, core);
    return context;
}

void socket_context_destroy(void **context_p)
{
    if (*context_p)
        (void)zmq_ctx_term(*context_p);
    *context_p = NULL;
}

static void s_set(void *socket, int option, int value)
{
    int result = zmq_setsockopt(socket, option, &value, sizeof value);
    assert(result == 0);
    (void)result;
}

static void s_configure(void *socket, const struct socket_options *options)
{
    const int common[][2] = {
        {ZMQ_LINGER, 0},
        {ZMQ_BACKLOG, 1024},
        {ZMQ_HANDSHAKE_IVL, 5000},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, 2},
        {ZMQ_TCP_KEEPALIVE_INTVL, 1},
        {ZMQ_TCP_KEEPALIVE_CNT, 3},
        {ZMQ_TCP_MAXRT, 4000},
        {ZMQ_RCVHWM, options->receive_high_water},
        {ZMQ_SNDHWM, options->send_high_water},
    };
    for (size_t at = 0; at < sizeof common / sizeof *common; at++)
        s_set(socket, common[at][0], common[at][1]);
    if (options->type == ZMQ_ROUTER)
        s_set(socket, ZMQ_ROUTER_MANDATORY, 1);
    int result = zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &options->message_max,
                                sizeof options->message_max);
    assert(result == 0);
    if (options->type == ZMQ_SUB)
        result = zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    assert(result == 0);
    (void)result;
}

/* False with errno set. */
static bool s_secure(void *socket, const char *domain, const struct key_store *keys)
{
    /* A port with a domain takes nobody whom zap.c did not admit, and nobody who speaks a
     * ZMTP before 3: their random bytes would become frames. */
    s_set(socket, SOCKET_ZAP_ENFORCE_DOMAIN, 1);
    if (zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain)) < 0)
        return false;
    if (!keys)
        return true;
    s_set(socket, ZMQ_CURVE_SERVER, 1);
    return zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, key_store_secret(keys),
                          KEY_TEXT + 1) == 0;
}

void *socket_new(const struct socket_place *place, const struct socket_options *options,
                 char real[SOCKET_ENDPOINT_MAX])
{
    size_t size = SOCKET_ENDPOINT_MAX;
    void *socket = zmq_socket(place->context, options->type);
    if (!socket)
        return NULL;
    s_configure(socket, options);
    s_set(socket, ZMQ_IPV6, strchr(place->endpoint, '[') != NULL);
    if (!s_secure(socket, options->domain, place->keys) ||
        zmq_bind(socket, place->endpoint) < 0 ||
        zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, real, &size) < 0) {
        int error = errno;
        socket_destroy(&socket);
        errno = error;
    }
    return socket;
}

void socket_destroy(void **socket_p)
{
    if (*socket_p) {
        s_set(*socket_p, ZMQ_LINGER, SOCKET_LINGER_MS);
        (void)zmq_close(*socket_p);
    }
    *socket_p = NULL;
}

const struct authority *socket_authority(const struct key_store *keys, zmq_msg_t *frame)
{
    if (!keys)
        return NULL;
    /* The user id is the number that zap.c answered with. */
    const char *user = zmq_msg_gets(frame, "User-Id");
    unsigned long number = user ? strtoul(user, NULL, SOCKET_DECIMAL) : 0;
    return key_store_authority(keys, (uint32_t)number);
}

uint64_t socket_peer(const void *id, size_t size)
{
    uint64_t peer = 0;
    if (size == 0 || size > SOCKET_PEER_MAX)
        return 0;
    memcpy(&peer, id, size);
    return peer | (uint64_t)size << 56;
}

int socket_send_peer(void *socket, uint64_t peer)
{
    size_t size = (size_t)(peer >> 56);
    return zmq_send(socket, &peer, size, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ? -zmq_errno()
                                                                         : 0;
}

int socket_make_record(zmq_msg_t *frame, const struct wire_header *header,
                       struct wire_text payload)
{
    size_t size = header->size + (payload.data ? 1 + payload.size : 0);
    if (zmq_msg_init_size(frame, size) < 0)
        return -ENOMEM;
    char *data = zmq_msg_data(frame);
    memcpy(data, header->text, header->size);
    if (payload.data) {
        data[header->size] = '\n';
        memcpy(data + header->size + 1, payload.data, payload.size);
    }
    return 0;
}

int socket_send_record(void *socket, const struct wire_header *header,
                       struct wire_text payload)
{
    zmq_msg_t frame;
    int result = socket_make_record(&frame, header, payload);
    if (result < 0)
        return result;
    if (zmq_msg_send(&frame, socket, ZMQ_DONTWAIT) >= 0)
        return 0;
    int error = zmq_errno();
    (void)zmq_msg_close(&frame);
    return -error;
}

int socket_receive(void *socket, zmq_msg_t *frame)
{
    return zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0 ? -zmq_errno() : 0;
}

void socket_skip(void *socket, zmq_msg_t *frame)
{
    while (zmq_msg_more(frame) && socket_receive(socket, frame) == 0)
        ;
}

bool socket_wait(void *const *sockets, size_t count, int descriptor, int timeout_ms)
{
    zmq_pollitem_t items[SOCKETS_MAX + 1] = {{.fd = descriptor, .events = ZMQ_POLLIN}};
    int used = 1;
    assert(count <= SOCKETS_MAX);
    for (size_t at = 0; at < count; at++)
        if (sockets[at])
            items[used++] = (zmq_pollitem_t){.socket = sockets[at], .events = ZMQ_POLLIN};
    /* zmq_poll asks each socket for its events before it sleeps, so no wake-up is lost.
     */
    if (zmq_poll(items, used, timeout_ms) <= 0)
        return false;
    return items[0].revents & ZMQ_POLLIN;
}
