#include "broker/broker_store.h"

#include "common/log.h"
#include "common/mem.h"

#include <inttypes.h>
#include <stdlib.h>

struct broker_store {
    struct store *store;
    struct core *core; // NULL before the start
    struct keeper_events events;
    struct keeper keeper;
};

static void s_on_start(void *context, const struct keeper_start *start)
{
    core_restore_start(((struct broker_store *)context)->core, start);
}

static void s_on_hole(void *context, uint64_t from, uint64_t to)
{
    core_restore_hole(((struct broker_store *)context)->core, from, to);
}

static void s_on_topic(void *context, struct wire_text topic, uint64_t mark)
{
    core_restore_topic(((struct broker_store *)context)->core, topic, mark);
}

static void s_on_message(void *context, const struct kept *message)
{
    core_restore_message(((struct broker_store *)context)->core, message);
}

static void s_on_stored(void *context, uint64_t g, int result)
{
    core_stored(((struct broker_store *)context)->core, g, result);
}

static void s_on_leased(void *context, uint64_t to, int result)
{
    core_leased(((struct broker_store *)context)->core, to, result);
}

struct broker_store *broker_store_open(const struct conf *conf, int wake)
{
    char why[STORE_WHY];
    const char *folder = conf_text(conf, "data");
    if (!folder || !*folder)
        return NULL;
    struct broker_store *self = mem_new(struct broker_store);
    self->store = store_open(folder, (size_t)conf_number(conf, "data-queue"), wake, why);
    if (!self->store)
        conf_refuse("data", folder, why);
    self->events = (struct keeper_events){
        self, s_on_start, s_on_hole, s_on_topic, s_on_message, s_on_stored, s_on_leased};
    return self;
}

bool broker_store_start(struct broker_store *self, struct core *core, char why[STORE_WHY])
{
    if (!self)
        return true;
    self->core = core;
    self->keeper = store_keeper(self->store);
    core_set_keeper(core, &self->keeper);
    if (store_start(self->store, &self->events, why) < 0)
        return false;
    log_info("store_loaded", "next=%" PRIu64, core_next_position(core));
    return true;
}

void broker_store_drain(struct broker_store *self)
{
    if (self)
        store_drain(self->store, &self->events);
}

void broker_store_turn(struct broker_store *self)
{
    if (self)
        store_turn(self->store);
}

void broker_store_report(struct broker_store *self)
{
    if (self)
        store_report(self->store);
}

void broker_store_close(struct broker_store **self_p)
{
    struct broker_store *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    if (self->core) {
        store_stop(self->store);
        store_drain(self->store, &self->events);
        core_turn(self->core); // what was delivered goes out
        store_close(&self->store, core_next_position(self->core) - 1);
    }
    store_abandon(&self->store);
    free(self);
}
