/* Clock: a stream of server-sent events, one each second.
 *
 *     path = /clock
 *     service = clock
 */
#include "../ringway.h" // <ringway.h> where it is installed

#include <stdio.h>
#include <time.h>

static size_t s_event(char *text, size_t room)
{
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    return strftime(text, room, "data: %H:%M:%S\n\n", &local);
}

static int s_opened(void *context, struct rw_channel *channel)
{
    (void)context;
    char text[64];
    const struct rw_head head = {.headers = "Content-Type: text/event-stream\n"};
    return rw_send_response(channel, &head, text, s_event(text, sizeof text), 0);
}

static void s_tell(void *context, struct rw_channel *channel)
{
    rw_send_text(channel, context, 0);
}

static void s_tick(void *context)
{
    char text[64];
    s_event(text, sizeof text);
    rw_app_each(context, s_tell, text);
}

int main(int argc, char **argv)
{
    const struct rw_options options = {.catch_signals = true};
    const struct rw_handlers handlers = {.on_open = s_opened};
    struct rw_app *app = rw_app_new(argc > 1 ? argv[1] : NULL, "clock", &options);
    if (!app)
        return 1;
    rw_app_handlers(app, &handlers, NULL);
    rw_app_timer(app, 1000, 1000, s_tick, app);
    int result = rw_app_run(app);
    rw_app_destroy(&app);
    return result < 0;
}
