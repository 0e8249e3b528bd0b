/* Echo: a WebSocket gets back what it sends; an HTTP request is answered with its body.
 *
 *     path = /echo
 *     service = echo
 */
#include "../ringway.h" // <ringway.h> where it is installed

static int s_opened(void *context, struct rw_channel *channel)
{
    (void)context;
    if (rw_is_websocket(channel))
        return 0;
    if (rw_request_body_follows(channel)) {
        const struct rw_head head = {.status = 413};
        return rw_send_response(channel, &head, "At most 64 KiB.\n", 16, RW_CLOSE);
    }
    size_t size;
    const void *body = rw_request_body(channel, &size);
    return rw_send(channel, body, size, RW_CLOSE);
}

static int s_said(void *context, struct rw_channel *channel,
                  const struct rw_message *message)
{
    (void)context;
    rw_send(channel, message->data, message->size, message->is_binary ? RW_BINARY : 0);
    return 0;
}

int main(int argc, char **argv)
{
    const struct rw_options options = {.catch_signals = true};
    const struct rw_handlers handlers = {.on_open = s_opened, .on_message = s_said};
    struct rw_app *app = rw_app_new(argc > 1 ? argv[1] : NULL, "echo", &options);
    if (!app)
        return 1;
    rw_app_handlers(app, &handlers, NULL);
    int result = rw_app_run(app);
    rw_app_destroy(&app);
    return result < 0;
}
