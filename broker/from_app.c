#include "broker/dispatch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The value of a numeric option, or `absent`; false if it is out of bounds. */
static bool s_number(const struct request *request, const char *key, uint64_t most,
                     uint64_t *inout)
{
    struct wire_text value = wire_option(request->record, request->options, key);
    return !value.data || (wire_u64(value, inout) == 0 && *inout <= most);
}

/* A new member is told without asking too: one that was given up while it lived learns so
 * that nothing it holds counts any more. */
static void s_joined(const struct request *request, const struct worker *worker,
                     bool fresh)
{
    const struct output *output = &request->core->output;
    struct wire_header header;
    if (!request->from->peer || (!fresh && !answer_wanted(request)))
        return;
    wire_begin(&header, "JOINED");
    wire_add_text(&header, request->record->token[1]);
    wire_add(&header, "-");
    wire_add_text(&header, request->id);
    wire_add_option(&header, "boot", request->core->boot);
    wire_add_option(&header, "inc", worker->prefix);
    wire_add_option(&header, "proto", CORE_PROTOCOL);
    (void)output->to_app(output->context, request->from, &header, payload_none());
}

static bool s_speaks_our_version(struct wire_text proto)
{
    size_t major = strlen(CORE_PROTOCOL);
    return !proto.data ||
           (proto.size >= major && memcmp(proto.data, CORE_PROTOCOL, major) == 0 &&
            (proto.size == major || proto.data[major] == '.'));
}

/* Does another worker that is connected hold the name?  One that is not is buried. */
static bool s_is_in_use(struct core *core, const struct worker_name *name,
                        const struct worker *worker)
{
    struct worker *holder = name->holder;
    if (!holder || holder == worker)
        return false;
    if (!list_has(&holder->failed) && answer_say(core, holder->peer, "HB", "-") == 0)
        return true;
    dispatch_bury(core, holder);
    return false;
}

/* Channels that waited for the name and belong to the service. */
static void s_bring_back(struct member *member)
{
    struct worker_name *name = member->worker->name;
    struct link *at = name ? list_first(&name->waiting) : NULL, *next;
    for (; at; at = next) {
        next = list_after(&name->waiting, at);
        struct channel *channel = list_item(at, struct channel, place);
        if (channel->service != member->service)
            continue;
        list_remove(at);
        dispatch_bind_to(channel, member);
        dispatch_become(channel, CHANNEL_PARKED);
    }
}

/* What JOIN asks for is allowed: the limits of the worker and its name.  NULL, or the
 * code of the error; *why is the explanation. */
static const char *s_check_join(const struct request *request,
                                const struct worker *worker, struct wire_text name,
                                const char **why)
{
    struct core *core = request->core;
    uint64_t window = 0;
    *why = "";
    if (!service_name_is_valid(request->record->token[1]))
        *why = "service: 1 to 64 letters, digits, '-', '_', '.'";
    else if (!s_number(request, "window", WORKER_WINDOW_MAX, &window))
        *why = "window: 0 to 10000";
    else if (name.data &&
             (name.size < 1 || name.size > WORKER_NAME_MAX || wire_is(name, "-")))
        *why = "name: 1 to 64 bytes, not '-'";
    else if (name.data && worker && worker->name &&
             (worker->name->size != name.size ||
              memcmp(worker->name->text, name.data, name.size) != 0))
        *why = "name: this worker has another one";
    else if (!worker && core->workers.count >= core->settings.workers)
        *why = "workers: too many";
    if (**why)
        return "value";
    if (!name.data)
        return NULL;
    *why = "a worker of this name is connected";
    struct worker_name *holder = worker_name_get(&core->workers, name);
    bool in_use = s_is_in_use(core, holder, worker);
    /* Burying its holder may have freed the name. */
    return in_use ? "name-in-use" : NULL;
}

static void s_set_name(struct core *core, struct worker *worker, struct wire_text text)
{
    if (!text.data || worker->name)
        return;
    worker->name = worker_name_get(&core->workers, text);
    worker->name->holder = worker;
}

/* What it wants to be told, and how; what it does not say stays as it was. */
static void s_choose(const struct request *request, struct member *member)
{
    const struct wire_record *record = request->record;
    struct wire_text pressure = wire_option(record, request->options, "pressure");
    struct wire_text sessions = wire_option(record, request->options, "sessions");
    struct wire_text batch = wire_option(record, request->options, "batch");
    if (pressure.data)
        member->pressure = wire_is(pressure, "1");
    if (sessions.data)
        member_set_curious(member, wire_is(sessions, "1"));
    if (batch.data)
        member->worker->takes_batches = wire_is(batch, "1");
}

static void s_enter(const struct request *request, struct worker *worker,
                    struct service *service, struct member *member)
{
    struct core *core = request->core;
    bool fresh = !member || member->leaving;
    if (!member)
        member = member_new(worker, service, &service->members);
    member->leaving = false;
    s_choose(request, member);
    if (fresh && service->active++ == 0)
        dispatch_flow(core, service);
    if (fresh)
        core->stats.joins++;
    s_joined(request, worker, fresh);
    s_bring_back(member);
    dispatch_room(core, worker);
}

/* JOIN service window= name= id= proto= pressure= sessions= */
static void s_join(struct request *request)
{
    struct core *core = request->core;
    const struct wire_record *record = request->record;
    struct wire_text key = record->token[1];
    struct wire_text proto = wire_option(record, 2, "proto");
    struct wire_text name = wire_option(record, 2, "name");
    struct worker *worker = worker_find(&core->workers, request->from->peer);
    const char *why;
    if (!s_speaks_our_version(proto)) {
        char text[160];
        snprintf(text, sizeof text, "this broker speaks %s, the worker %.*s",
                 CORE_PROTOCOL, proto.size < 64 ? (int)proto.size : 64, proto.data);
        answer_error_always(request, key, "proto", text);
        return;
    }
    const char *code = s_check_join(request, worker, name, &why);
    struct service *service = code ? NULL : dispatch_get_service(core, key);
    struct member *member = worker && service ? worker_member(worker, service) : NULL;
    if (!code && (!service ||
                  (worker && !member && worker->member_count >= WORKER_SERVICES_MAX))) {
        code = "value";
        why = "service: too many";
    }
    if (code) {
        core_dropped(core, CORE_DROP_VALUE);
        if (strcmp(code, "name-in-use") == 0)
            answer_error_always(request, key, code, why);
        else
            answer_error(request, key, code, why);
        return;
    }
    if (!worker)
        worker = worker_new(&core->workers, request->from->peer, core->now_ms);
    worker->authority = request->from->authority;
    s_set_name(core, worker, name);
    uint64_t window = worker->window;
    (void)s_number(request, "window", WORKER_WINDOW_MAX, &window);
    worker->window = (unsigned)window;
    s_enter(request, worker, service, member);
}

/* The worker that a tag or LEAVE comes from; a stranger is told to JOIN. */
static struct worker *s_worker(struct request *request)
{
    struct core *core = request->core;
    struct worker *worker = worker_find(&core->workers, request->from->peer);
    if (worker)
        return worker;
    core_dropped(core, CORE_DROP_PEER);
    if (throttle_pass(&core->who, request->from->peer, core->now_ms))
        (void)answer_say(core, request->from->peer, "WHO", "-");
    return NULL;
}

static void s_after_acks(struct core *core, struct worker *worker)
{
    deliveries_trim(&worker->out);
    bool waits = !list_is_empty(&worker->parked);
    struct link *at = list_first(&worker->members);
    for (; at && !waits; at = list_after(&worker->members, at))
        waits =
            !list_is_empty(&list_item(at, struct member, of_worker)->service->unbound);
    if (waits && worker_has_much_room(worker))
        dispatch_room(core, worker);
}

static void s_ack(struct request *request)
{
    if (wire_is(request->record->token[1], "-"))
        return;
    struct worker *worker = s_worker(request);
    if (!worker)
        return;
    uint64_t number = worker_tag_number(worker, request->record->token[1]);
    if (number == 0 || number >= worker->out.next) {
        core_dropped(request->core, CORE_DROP_STALE);
        return;
    }
    worker->acked_ms = request->core->now_ms;
    for (uint64_t at = worker->out.first; at <= number; at++)
        dispatch_done(request->core, worker, at);
    s_after_acks(request->core, worker);
    answer_ok(request, request->record->token[1], NULL);
}

static void s_done(struct request *request)
{
    const struct wire_record *record = request->record;
    struct worker *worker = s_worker(request);
    for (size_t at = 1; worker && at < record->count; at++) {
        if (memchr(record->token[at].data, '=', record->token[at].size))
            break;
        uint64_t number = worker_tag_number(worker, record->token[at]);
        if (!deliveries_at(&worker->out, number))
            core_dropped(request->core, CORE_DROP_STALE);
        else
            dispatch_done(request->core, worker, number);
    }
    if (!worker)
        return;
    s_after_acks(request->core, worker);
    answer_ok(request, record->token[1], NULL);
}

/* NACK tag: the channel goes to another worker; this one does not get it for a second. */
static void s_nack(struct request *request)
{
    struct core *core = request->core;
    if (wire_is(request->record->token[1], "-"))
        return;
    struct worker *worker = s_worker(request);
    if (!worker)
        return;
    uint64_t number = worker_tag_number(worker, request->record->token[1]);
    struct delivery *delivery = deliveries_at(&worker->out, number);
    struct channel *channel = delivery && !delivery->done ? delivery->channel : NULL;
    worker->acked_ms = core->now_ms;
    if (!channel) {
        core_dropped(core, CORE_DROP_STALE);
        return;
    }
    channel->avoid = channel->edge ? worker->incarnation : 0;
    if (channel->edge)
        channel->until_ms = core->now_ms + CORE_AVOID_MS;
    dispatch_move(core, channel);
    s_after_acks(core, worker);
    answer_ok(request, request->record->token[1], NULL);
}

static void s_leave(struct request *request)
{
    struct core *core = request->core;
    struct worker *worker = s_worker(request);
    struct service *service = service_find(&core->services, request->record->token[1]);
    struct member *member = worker && service ? worker_member(worker, service) : NULL;
    if (!worker)
        return;
    answer_ok(request, request->record->token[1], NULL);
    if (member)
        dispatch_leave(core, member);
    else if (answer_say(core, worker->peer, "LEFT", service ? service->name : "-") < 0)
        dispatch_fail(core, worker);
}

static const struct verb {
    const char *name;
    size_t tokens; // positional ones, the verb included
    void (*take)(struct request *request);
    bool plain; // the pull port takes it too
    enum permit need;
} s_verbs[] = {
    {"ACK", 2, s_ack, false, PERMIT_WORKER},
    {"SEND", 2, command_send, true, PERMIT_CHANNELS},
    {"DONE", 2, s_done, false, PERMIT_WORKER},
    {"PUB", 2, command_pub, true, PERMIT_TOPIC},
    {"JOIN", 2, s_join, false, PERMIT_SERVICE},
    {"CLOSE", 2, command_close, true, PERMIT_CHANNELS},
    {"SUB", 3, command_sub, true, PERMIT_CHANNEL_AND_TOPIC},
    {"UNSUB", 3, command_unsub, true, PERMIT_CHANNEL_AND_TOPIC},
    {"ACCEPT", 2, command_accept, true, PERMIT_CHANNELS},
    {"LABEL", 3, command_label, true, PERMIT_CHANNELS},
    {"NACK", 2, s_nack, false, PERMIT_WORKER},
    {"LEAVE", 2, s_leave, false, PERMIT_SERVICE},
    {"GET", 2, query_get, false, PERMIT_QUESTION},
    {"WATCH", 2, presence_watch, false, PERMIT_TOPIC},
    {"UNWATCH", 2, presence_unwatch, false, PERMIT_TOPIC},
    {"CAST", 2, command_cast, true, PERMIT_EACH},
    {"CHECK", 2, query_check, false, PERMIT_EACH},
};

/* A record that cannot be taken; the key of the answer is its first token if there is
 * one. */
static void s_bad(struct request *request, enum core_drop why, const char *code,
                  const char *text)
{
    const struct wire_record *record = request->record;
    struct wire_text key =
        record->count > 1 ? record->token[1] : (struct wire_text){"-", 1};
    if (record->count > 1 && wire_is(record->token[0], "SEND"))
        key = answer_first(key);
    core_dropped(request->core, why);
    if (strcmp(code, "large") == 0)
        answer_error_always(request, key, code, text);
    else
        answer_error(request, key, code, text);
}

/* Is it not known yet what the sender may do to the channel? */
static bool s_waits(const struct request *request, enum permit need)
{
    return (need == PERMIT_CHANNELS || need == PERMIT_CHANNEL_AND_TOPIC) &&
           hold_request(request);
}

static void s_take(struct request *request)
{
    const struct wire_record *record = request->record;
    for (size_t at = 0; at < sizeof s_verbs / sizeof *s_verbs; at++) {
        const struct verb *verb = &s_verbs[at];
        if (record->token[0].data[0] != verb->name[0] ||
            !wire_is(record->token[0], verb->name))
            continue;
        request->options = verb->tokens;
        if (record->count < verb->tokens)
            s_bad(request, CORE_DROP_SYNTAX, "syntax", "a token is missing");
        else if (!verb->plain && !request->from->peer)
            core_dropped(request->core, CORE_DROP_VERB);
        else if (permit_request(request, verb->need) && !s_waits(request, verb->need))
            verb->take(request);
        return;
    }
    s_bad(request, CORE_DROP_VERB, "verb", "no such verb");
}

void from_app(struct core *core, const struct address *from,
              const struct wire_record *record, int result)
{
    struct request request = {core, from, record, payload_none(), 1};
    struct worker *worker = worker_find(&core->workers, from->peer);
    if (worker)
        worker->heard_ms = core->now_ms;
    if (record->count > 1)
        request.id = wire_option(record, 1, "id");
    if (request.id.data && (request.id.size < 1 || request.id.size > REPLY_ID_MAX)) {
        request.id = payload_none();
        s_bad(&request, CORE_DROP_VALUE, "value", "id: 1 to 128 bytes");
    } else if (result == -EFBIG) {
        s_bad(&request, CORE_DROP_SIZE, "large", "payload over 4 MiB");
    } else if (result == -EMSGSIZE) {
        s_bad(&request, CORE_DROP_SIZE, "syntax", "header over 8 KiB or 160 tokens");
    } else if (result < 0) {
        s_bad(&request, CORE_DROP_SYNTAX, "syntax", "not a record");
    } else {
        s_take(&request);
    }
}
