/* An application: it handles what it gets, once, acknowledges late, and asks again. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void s_join(struct sim *self, int at)
{
    struct sim_app *app = &self->app[at];
    char name[16] = "";
    if (app->name[0])
        snprintf(name, sizeof name, " name=%s", app->name);
    sim_say(self, app->peer, "JOIN s%d window=%u%s id=j%s", app->service, app->window,
            name, app->pressure ? " pressure=1" : "");
    app->said_ms = self->now_ms;
    app->must_join = false;
}

void sim_app_start(struct sim *self, int at)
{
    struct sim_app *app = &self->app[at];
    unsigned process = app->process + 1;
    *app = (struct sim_app){.process = process, .service = at % 2, .question = -1};
    app->window = sim_chance(self, 2) ? 64 : 1 + sim_draw(self, 8);
    app->pressure = sim_chance(self, 3);
    if (at == 1 || at == 2)
        snprintf(app->name, sizeof app->name, "w%d", at);
}

void sim_app_die(struct sim *self, int at)
{
    sim_trace(self, "app %d dies", at);
    sim_cut(self, self->app[at].peer);
    sim_app_start(self, at);
}

void sim_app_leave(struct sim *self, int at)
{
    struct sim_app *app = &self->app[at];
    if (app->leaving)
        return;
    app->leaving = true;
    app->leave_ms = self->now_ms + 10000;
    sim_say(self, app->peer, "LEAVE s%d", app->service);
}

static int s_index(struct sim *self, struct wire_text id)
{
    struct sim_channel *channel = sim_channel_find(self, id);
    if (!channel)
        sim_fail(self, "an application hears of %.*s", (int)id.size, id.data);
    return (int)(channel - self->channel);
}

/* The broker answers CHECK: the channel is over. */
static void s_close_by_check(struct sim *self, int at, int index)
{
    struct sim_seen *seen = &self->app[at].seen[index];
    if (seen->open && !seen->closed)
        self->channel[index].closes++;
    seen->closed = true;
    seen->open = false;
}

static void s_event(struct sim *self, int at, const struct wire_record *record)
{
    struct sim_app *app = &self->app[at];
    int index = s_index(self, record->token[1]);
    struct sim_seen *seen = &app->seen[index];
    uint64_t seq;
    if (wire_is(record->token[2], "-")) {
        s_close_by_check(self, at, index);
        return;
    }
    if (wire_u64(record->token[2], &seq) < 0 || app->debts == 1024)
        sim_fail(self, "a bad event");
    struct sim_debt *debt = &app->debt[app->debts++];
    *debt = (struct sim_debt){.channel = index, .seq = seq};
    snprintf(debt->tag, sizeof debt->tag, "%.*s", (int)record->token[3].size,
             record->token[3].data);
    seen->open = seen->was = true;
    if (wire_is(record->token[0], "ADOPT")) {
        seen->seq = seq > seen->seq ? seq : seen->seq;
        return;
    }
    if (seq <= seen->seq)
        return;
    seen->seq = seq;
    if (wire_is(record->token[0], "CLOSE")) {
        seen->open = false;
        seen->closed = true;
        self->channel[index].closes++;
    }
    if (wire_is(wire_option(record, 5, "cause"), "edge-lost"))
        self->channel[index].opened =
            true; // made by the broker, it is none of the edge's
    else
        sim_check_handled(self, at, index, seq);
}

static void s_answer(struct sim *self, int at, const struct wire_record *record)
{
    struct sim_app *app = &self->app[at];
    char id[32];
    bool ok = wire_is(record->token[0], "OK");
    if (wire_is(record->token[3], "-"))
        return;
    if (wire_is(record->token[3], "check"))
        return; // it is ours
    snprintf(id, sizeof id, "%.*s", (int)record->token[3].size, record->token[3].data);
    const char *dot = strchr(id, '.');
    if (!dot || app->question != atoi(dot + 1))
        return;
    self->send[app->question].answered = ok;
    if (ok && self->send[app->question].times == 0)
        sim_fail(self, "SEND %d is answered OK and was not carried out", app->question);
    app->question = -1;
}

static void s_joined(struct sim *self, int at, const struct wire_record *record)
{
    struct sim_app *app = &self->app[at];
    struct wire_text boot = wire_option(record, 4, "boot");
    if (app->boot[0] && !wire_is(boot, app->boot))
        app->check_ms = self->now_ms;
    snprintf(app->boot, sizeof app->boot, "%.*s", (int)boot.size, boot.data);
}

static void s_take(struct sim *self, int at, const struct sim_message *message)
{
    struct sim_app *app = &self->app[at];
    struct wire_record record;
    if (wire_read(message->data, message->size, &record) < 0 || record.count < 4)
        sim_fail(self, "an application cannot read %.*s", (int)message->size,
                 message->data);
    struct wire_text verb = record.token[0];
    if (wire_is(verb, "JOINED")) {
        s_joined(self, at, &record);
    } else if (wire_is(verb, "WHO")) {
        app->must_join = true;
        app->debts = 0;
    } else if (wire_is(verb, "MOVED")) {
        app->seen[s_index(self, record.token[1])].open = false;
    } else if (wire_is(verb, "LATER")) {
        app->check_ms = self->now_ms + 1000;
    } else if (wire_is(verb, "LEFT")) {
        app->leave_ms = self->now_ms;
    } else if (wire_is(verb, "OK") || wire_is(verb, "ERR")) {
        s_answer(self, at, &record);
    } else if (!wire_is(verb, "HB")) {
        s_event(self, at, &record);
    }
}

static void s_forget_debts(struct sim_app *app, size_t first, size_t count)
{
    memmove(app->debt + first, app->debt + first + count,
            (app->debts - first - count) * sizeof *app->debt);
    app->debts -= count;
}

static void s_acknowledge(struct sim *self, struct sim_app *app)
{
    if (app->debts == 0 || app->hung)
        return;
    size_t at = sim_draw(self, (unsigned)app->debts);
    unsigned how = sim_draw(self, self->calm ? 10 : 60);
    if (how == 11) {
        sim_say(self, app->peer, "NACK %s", app->debt[at].tag);
        s_forget_debts(app, at, 1);
    } else if (how % 2) {
        sim_say(self, app->peer, "DONE %s", app->debt[at].tag);
        s_forget_debts(app, at, 1);
    } else {
        at = self->calm ? app->debts - 1 : at;
        sim_say(self, app->peer, "ACK %s", app->debt[at].tag);
        s_forget_debts(app, 0, at + 1);
    }
    app->said_ms = self->now_ms;
}

static void s_check_all(struct sim *self, struct sim_app *app)
{
    app->check_ms = 0;
    for (int index = 0; index < self->channels; index++)
        if (app->seen[index].open)
            sim_say(self, app->peer, "CHECK %s id=check", self->channel[index].id);
}

static void s_say_send(struct sim *self, int at, int index)
{
    const struct sim_send *send = &self->send[index];
    char id[40] = "";
    if (send->asks)
        snprintf(id, sizeof id, " id=%08x%08x.%d", at, self->app[at].process, index);
    sim_say(self, self->app[at].peer, "SEND %s%s\n%d", self->channel[send->channel].id,
            id, index);
}

void sim_app_send(struct sim *self, int at)
{
    struct sim_app *app = &self->app[at];
    if (self->channels == 0 || self->sends == SIM_SENDS || sim_is_cut(self, app->peer))
        return;
    int index = self->sends;
    struct sim_send *send = &self->send[self->sends++];
    *send = (struct sim_send){.app = at, .process = app->process, .peer = app->peer};
    send->channel = (int)sim_draw(self, (unsigned)self->channels);
    if (app->question < 0 && sim_chance(self, 3)) {
        send->asks = true;
        app->question = index;
        app->asked_ms = app->question_ms = self->now_ms;
    }
    s_say_send(self, at, index);
}

static void s_connect(struct sim *self, int at)
{
    struct sim_app *app = &self->app[at];
    sim_cut(self, app->peer);
    app->peer = sim_connect(self, false);
    app->debts = 0;
    s_join(self, at);
    if (app->question >= 0)
        s_say_send(self, at, app->question);
    if (app->leaving)
        sim_say(self, app->peer, "LEAVE s%d", app->service);
}

void sim_app_turn(struct sim *self, int at)
{
    struct sim_app *app = &self->app[at];
    if (app->stopped_ms > self->now_ms || !self->core)
        return;
    if (sim_is_cut(self, app->peer))
        s_connect(self, at);
    for (unsigned most = sim_draw(self, 12), count = 0; count < most; count++) {
        struct sim_message *message = sim_hear(self, app->peer);
        if (!message)
            break;
        s_take(self, at, message);
        free(message);
    }
    if (app->leaving && app->leave_ms <= self->now_ms) {
        sim_app_die(self, at);
        return;
    }
    s_acknowledge(self, app);
    if ((app->must_join || self->now_ms - app->said_ms > 1500) && !app->leaving)
        s_join(self, at);
    if (app->check_ms && app->check_ms <= self->now_ms)
        s_check_all(self, app);
    if (app->question >= 0 && self->now_ms - app->asked_ms > 3000) {
        app->asked_ms = self->now_ms;
        s_say_send(self, at, app->question);
    }
}
