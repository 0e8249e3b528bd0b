/* Wait: GET is held until somebody POSTs; then everybody who waits gets what was posted.
 *
 *     path = /wait
 *     service = wait
 *     answer-timeout = 0
 */
#include "../ringway.h" // <ringway.h> where it is installed

#include <string.h>
#include <sys/uio.h>

static void s_tell(void *context, struct rw_channel *channel)
{
    const struct iovec *body = context;
    if (rw_is_open(channel) && strcmp(rw_request_method(channel), "GET") == 0)
        rw_send(channel, body->iov_base, body->iov_len, RW_CLOSE);
}

static int s_opened(void *context, struct rw_channel *channel)
{
    (void)context;
    if (strcmp(rw_request_method(channel), "POST") != 0)
        return 0;
    if (rw_request_body_follows(channel)) {
        const struct rw_head head = {.status = 413};
        return rw_send_response(channel, &head, "At most 64 KiB.\n", 16, RW_CLOSE);
    }
    struct iovec body;
    body.iov_base = (void *)(uintptr_t)rw_request_body(channel, &body.iov_len);
    rw_app_each(rw_channel_app(channel), s_tell, &body);
    return rw_send_text(channel, "done\n", RW_CLOSE);
}

int main(int argc, char **argv)
{
    const struct rw_options options = {.catch_signals = true};
    const struct rw_handlers handlers = {.on_open = s_opened};
    struct rw_app *app = rw_app_new(argc > 1 ? argv[1] : NULL, "wait", &options);
    if (!app)
        return 1;
    rw_app_handlers(app, &handlers, NULL);
    int result = rw_app_run(app);
    rw_app_destroy(&app);
    return result < 0;
}
