/* broker_settings: the settings of the broker, for ringway-broker and for ringway. */
#pragma once

#include "broker/history.h"
#include "common/conf.h"

#define BROKER_EDGES_DEFAULT "tcp://127.0.0.1:7701"
#define BROKER_APPS_DEFAULT  "tcp://127.0.0.1:7702"
#define BROKER_TAP_DEFAULT   "tcp://127.0.0.1:7703"
#define BROKER_PULL_DEFAULT  "tcp://127.0.0.1:7704"
#define BROKER_SUB_DEFAULT   "tcp://127.0.0.1:7705"

/* The bus and its limits. */
extern const struct conf_setting broker_settings[];
/* What ringway-broker has beside them: operations port and log. */
extern const struct conf_setting broker_program_settings[];

/* Checks what a table cannot say; refuses by conf_refuse. */
void broker_settings_check(const struct conf *conf);

/* The limits of history; refuses by conf_refuse.  Free it with the function below. */
void broker_settings_history(const struct conf *conf, struct history_settings *out);
void broker_settings_free_history(struct history_settings *settings);
