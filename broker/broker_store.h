/* broker_store: joins the core with the store, if there is one.  Every function takes
 * NULL: history lives as long as the process then. */
#pragma once

#include "broker/core.h"
#include "broker/store.h"
#include "common/conf.h"

struct broker_store;

/* Opens what `data` names; NULL when it names nothing.  A folder that cannot be used is
 * refused like any wrong setting (conf_refuse).
 *   wake   an eventfd that is set when there is something to tell the core */
struct broker_store *broker_store_open(const struct conf *conf, int wake);
/* Gives the core what was stored.  Before any record.  False with the reason. */
bool broker_store_start(struct broker_store *self, struct core *core,
                        char why[STORE_WHY]);
/* Before the records of a turn: what became of those of earlier ones. */
void broker_store_drain(struct broker_store *self);
/* After them. */
void broker_store_turn(struct broker_store *self);
/* Once a second. */
void broker_store_report(struct broker_store *self);
/* The end, while the core can still answer: stores what waits. */
void broker_store_close(struct broker_store **self_p);
