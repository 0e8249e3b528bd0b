/* Chat: what a WebSocket client of a room says, everybody in the room hears.
 *
 *     path = /chat/{room}
 *     service = chat
 */
#include "../ringway.h" // <ringway.h> where it is installed

#include <stdio.h>
#include <stdlib.h>

/* Publishes "who: what" in the room of the channel; rw_data is the topic. */
static void s_tell(struct rw_channel *channel, const char *what, size_t size)
{
    char line[4096];
    int used = snprintf(line, sizeof line, "%s: %.*s", rw_request_peer(channel),
                        (int)size, what);
    if (used >= 0 && (size_t)used < sizeof line)
        rw_publish(rw_channel_app(channel), rw_data(channel), line, (size_t)used, 0);
}

static int s_opened(void *context, struct rw_channel *channel)
{
    (void)context;
    if (!rw_is_websocket(channel)) {
        const struct rw_head head = {.status = 426};
        return rw_send_response(channel, &head, "This is for WebSockets.\n", 24,
                                RW_CLOSE);
    }
    const char *room = rw_request_param(channel, "room");
    char *topic;
    if (asprintf(&topic, "rooms/%s", room ? room : "all") < 0)
        return -1;
    rw_set_data(channel, topic);
    rw_subscribe(channel, topic);
    s_tell(channel, "came in", 7);
    return 0;
}

static int s_said(void *context, struct rw_channel *channel,
                  const struct rw_message *message)
{
    (void)context;
    if (!message->is_binary && message->size <= 2000)
        s_tell(channel, message->data, message->size);
    return 0;
}

static void s_closed(void *context, struct rw_channel *channel,
                     const struct rw_close *close)
{
    (void)context;
    (void)close;
    if (rw_data(channel))
        s_tell(channel, "left", 4);
    free(rw_data(channel));
}

static void s_moved(void *context, struct rw_channel *channel)
{
    (void)context;
    free(rw_data(channel));
}

int main(int argc, char **argv)
{
    const struct rw_options options = {.catch_signals = true};
    const struct rw_handlers handlers = {.on_open = s_opened,
                                         .on_message = s_said,
                                         .on_close = s_closed,
                                         .on_moved = s_moved};
    struct rw_app *app = rw_app_new(argc > 1 ? argv[1] : NULL, "chat", &options);
    if (!app)
        return 1;
    rw_app_handlers(app, &handlers, NULL);
    int result = rw_app_run(app);
    rw_app_destroy(&app);
    return result < 0;
}
