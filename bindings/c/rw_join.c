#include "bindings/c/rw_private.h"
#include "common/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void rw_look_at_pause(struct rw_app *app)
{
    int64_t now_ms = clock_now_ms();
    int64_t pause_ms = now_ms - app->alive_ms;
    app->alive_ms = now_ms;
    if (pause_ms <= RW_PAUSE_MS || app->state != RW_RUNNING)
        return;
    /* The broker may have given our channels away: ask before anything that came is
     * believed. */
    rw_log(app, "paused for %" PRId64 " ms: joining again", pause_ms);
    rw_join(app);
}

static int s_send_header(struct rw_app *app, const struct wire_header *header)
{
    if (header->overflow)
        return -EINVAL;
    return rw_connection_send(&app->connection, header->text, header->size);
}

/* JOIN with an id; until its answer is here, deliveries are held. */
void rw_join(struct rw_app *app)
{
    app->joining = ++app->commands.last;
    app->said_ms = clock_now_ms();
    rw_say(app);
}

void rw_say(struct rw_app *app)
{
    struct wire_header header;
    bool is_leaving = app->state == RW_LEAVING;
    wire_begin(&header, is_leaving ? "LEAVE" : "JOIN");
    wire_add(&header, app->service);
    if (!is_leaving) {
        wire_add_option_u64(&header, "window", (uint64_t)app->options.window);
        if (app->name)
            wire_add_option(&header, "name", app->name);
        wire_add_option(&header, "pressure", "1");
        wire_add_option(&header, "batch", "1");
        if (app->handlers.on_attached || app->handlers.on_detached)
            wire_add_option(&header, "sessions", "1");
        wire_add_option(&header, "proto", "RW/1");
    }
    if (!is_leaving && app->joining) {
        char id[RW_TEXT_ROOM];
        rw_commands_id(&app->commands, app->joining, id, sizeof id);
        wire_add_option(&header, "id", id);
    }
    (void)s_send_header(app, &header); // said again in a second
}

/* Copies an option's value; false when it is what was there before. */
static bool s_renew(char *text, struct wire_text value)
{
    if (!value.data || value.size >= RW_TEXT_ROOM || wire_is(value, text))
        return false;
    memcpy(text, value.data, value.size);
    text[value.size] = 0;
    return true;
}

static void s_new_incarnation(struct rw_app *app)
{
    /* What was delivered before it is not ours to handle. */
    rw_release_held(app, false);
    app->ack[0] = 0;
    rw_check_all(app);
}

void rw_joined(struct rw_app *app, const struct wire_record *record)
{
    bool had_boot = app->boot[0] != 0;
    bool is_new_boot = s_renew(app->boot, wire_option(record, 4, "boot"));
    bool is_new = s_renew(app->incarnation, wire_option(record, 4, "inc"));
    if (is_new || (is_new_boot && had_boot))
        s_new_incarnation(app);
    if (is_new_boot && had_boot) {
        rw_log(app, "the broker was started again");
        if (app->handlers.on_restart)
            app->handlers.on_restart(app->context, app);
    }
    char id[RW_TEXT_ROOM];
    rw_commands_id(&app->commands, app->joining, id, sizeof id);
    if (!app->joining || !wire_is(record->token[3], id))
        return;
    app->joining = 0;
    if (!app->was_joined && app->handlers.on_ready)
        app->handlers.on_ready(app->context, app);
    app->was_joined = true;
    rw_release_held(app, true);
}

static bool s_has_sized_body(const struct rw_app *app)
{
    for (const struct rw_channel *at = app->channels; at; at = at->hh.next)
        for (const struct rw_link *link = at->queue.first; link; link = link->next) {
            const struct rw_body *body = ((const struct rw_item *)link)->body;
            if (body && body->is_sized)
                return true;
        }
    return false;
}

/* LEAVE gives our channels to other workers, and the gateway cuts an answer of known size
 * that is not complete then: those are finished first, for half of the grace. */
void rw_leave(struct rw_app *app)
{
    int64_t now_ms = clock_now_ms();
    if (app->state != RW_RUNNING)
        return;
    if (!app->leave_by_ms)
        app->leave_by_ms = now_ms + app->options.grace_ms;
    if (now_ms < app->leave_by_ms - app->options.grace_ms / 2 && s_has_sized_body(app))
        return;
    rw_flush_ack(app);
    app->state = RW_LEAVING;
    app->has_left = false;
    app->said_ms = now_ms;
    rw_say(app);
}

/* Which channels have ended while nobody could tell us? */
void rw_check_all(struct rw_app *app)
{
    struct rw_channel *channel, *next;
    int64_t now_ms = clock_now_ms();
    HASH_ITER(hh, app->channels, channel, next)
    {
        channel->check_ms = channel->is_finishing ? 0 : now_ms;
        channel->later_ms = 0;
    }
    rw_ask_checks(app, now_ms);
}

void rw_ask_checks(struct rw_app *app, int64_t now_ms)
{
    struct rw_channel *channel, *next;
    struct wire_header header;
    unsigned count = 0;
    HASH_ITER(hh, app->channels, channel, next)
    {
        if (!channel->check_ms || channel->check_ms > now_ms)
            continue;
        if (count++ == 0)
            wire_begin(&header, "CHECK");
        wire_add(&header, channel->id);
        channel->check_ms = now_ms + RW_ASK_AGAIN_MS;
        /* 63 ids of at most 127 bytes fit a header. */
        if (count == 60) {
            (void)s_send_header(app, &header);
            count = 0;
        }
    }
    if (count)
        (void)s_send_header(app, &header); // asked again in RW_ASK_AGAIN_MS
}

void rw_flush_ack(struct rw_app *app)
{
    if (!app->ack[0])
        return;
    struct wire_header header;
    wire_begin(&header, "ACK");
    wire_add(&header, app->ack);
    if (s_send_header(app, &header) < 0)
        return;
    app->ack[0] = 0;
    app->acked_ms = app->said_ms = clock_now_ms();
}
