/* test_worker: a worker for tests with real programs; bindings/python/tests/worker.py is
 * the same in Python, and says what it does.
 *
 *     test_worker ENDPOINT SERVICE [FILE]
 */
#include "bindings/c/ringway.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *s_file;

static void s_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void s_say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    fflush(stdout);
}

static void s_ready(void *context, struct rw_app *app)
{
    (void)context;
    (void)app;
    s_say("ready\n");
}

static void s_restart(void *context, struct rw_app *app)
{
    (void)context;
    (void)app;
    s_say("restart\n");
}

static int s_opened(void *context, struct rw_channel *channel)
{
    (void)context;
    s_say("open %s\n", rw_id(channel));
    if (rw_is_websocket(channel))
        return 0;
    if (strcmp(rw_request_path(channel), "/big") == 0)
        return rw_send_file(channel, s_file, NULL, RW_CLOSE);
    return rw_send_text(channel, "hello", RW_CLOSE);
}

static int s_adopted(void *context, struct rw_channel *channel)
{
    (void)context;
    s_say("adopt %s\n", rw_id(channel));
    return 0;
}

/* Numbers that are sent one after another. */
struct s_count {
    struct rw_app *app;
    char *id;
    int number, last;
    uint64_t timer;
};

static void s_step(void *context)
{
    struct s_count *self = context;
    char text[16];
    snprintf(text, sizeof text, "%d", ++self->number);
    struct rw_channel *channel = rw_app_channel(self->app, self->id);
    if (channel)
        rw_send_text(channel, text, 0);
    if (self->number < self->last)
        return;
    rw_app_cancel(self->app, self->timer);
    free(self->id);
    free(self);
}

static void s_count(struct rw_channel *channel, int last)
{
    struct s_count *self = calloc(1, sizeof *self);
    self->app = rw_channel_app(channel);
    self->id = strdup(rw_id(channel));
    self->last = last;
    self->timer = rw_app_timer(self->app, 5, 5, s_step, self);
}

static void s_flood(struct rw_channel *channel, int count)
{
    static char data[65536];
    memset(data, 'x', sizeof data);
    while (count-- > 0)
        rw_send(channel, data, sizeof data, 0);
}

static void s_receipt(void *context, const char *error)
{
    s_say("receipt %s %s\n", (char *)context, error ? error : "ok");
    free(context);
}

static void s_send_receipt(struct rw_channel *channel)
{
    char text[] = "receipt";
    const struct iovec data = {text, strlen(text)};
    const struct rw_receipt receipt = {"received", s_receipt, strdup(rw_id(channel))};
    if (rw_send_receipt(channel, &data, 0, &receipt) < 0)
        s_receipt(receipt.context, "refused");
}

static int s_be_busy(struct rw_channel *channel, unsigned seconds)
{
    while (seconds > 0)
        seconds = sleep(seconds); // a signal ends it early
    return rw_send_text(channel, "done", 0);
}

static int s_said(void *context, struct rw_channel *channel,
                  const struct rw_message *message)
{
    (void)context;
    char text[256];
    snprintf(text, sizeof text, "%.*s", (int)message->size, (const char *)message->data);
    s_say("text %s %s\n", rw_id(channel), text);
    if (strncmp(text, "count ", 6) == 0)
        s_count(channel, atoi(text + 6));
    else if (strncmp(text, "flood ", 6) == 0)
        s_flood(channel, atoi(text + 6));
    else if (strcmp(text, "receipt") == 0)
        s_send_receipt(channel);
    else if (strncmp(text, "busy ", 5) == 0)
        return s_be_busy(channel, (unsigned)atoi(text + 5));
    else
        return rw_send_text(channel, text, 0);
    return 0;
}

static int s_slow(void *context, struct rw_channel *channel, size_t queued)
{
    (void)context;
    (void)queued;
    s_say("slow %s %s\n", rw_id(channel), rw_is_slow(channel) ? "is_slow" : "");
    return 0;
}

static int s_drained(void *context, struct rw_channel *channel)
{
    (void)context;
    s_say("drain %s %s\n", rw_id(channel), rw_is_slow(channel) ? "is_slow" : "");
    return 0;
}

static void s_closed(void *context, struct rw_channel *channel,
                     const struct rw_close *close)
{
    (void)context;
    s_say("close %s %d %s\n", rw_id(channel), close->status, close->cause);
}

static void s_moved(void *context, struct rw_channel *channel)
{
    (void)context;
    s_say("moved %s\n", rw_id(channel));
}

int main(int argc, char **argv)
{
    const struct rw_options options = {.catch_signals = true};
    const struct rw_handlers handlers = {
        .on_open = s_opened,
        .on_adopt = s_adopted,
        .on_message = s_said,
        .on_slow = s_slow,
        .on_drain = s_drained,
        .on_close = s_closed,
        .on_moved = s_moved,
        .on_ready = s_ready,
        .on_restart = s_restart,
    };
    if (argc < 3)
        return 2;
    s_file = argc > 3 ? argv[3] : "";
    struct rw_app *app = rw_app_new(argv[1], argv[2], &options);
    if (!app)
        return 1;
    rw_app_handlers(app, &handlers, NULL);
    int result = rw_app_run(app);
    rw_app_destroy(&app);
    s_say("left\n");
    return result < 0;
}
