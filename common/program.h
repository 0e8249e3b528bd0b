/* program: what every main does the same way: log settings, signals. */
#pragma once

#include "common/conf.h"

#include <stdbool.h>

/* log-level and log-format, which every program has. */
extern const struct conf_setting program_conf_table[];

/* Sets the log up from log-level and log-format. */
void program_start_log(const struct conf *conf, const char *name);
/* Blocks SIGTERM, SIGINT and SIGHUP in this thread and those it starts later, for
 * program_wait; ignores SIGPIPE. */
void program_block_signals(void);
/* What program_wait does at SIGHUP; nothing without. */
void program_on_hangup(void (*function)(void *context), void *context);
/* Waits for SIGTERM or SIGINT: true when one came, false after timeout_ms (-1: no
 * timeout). */
bool program_wait(int64_t timeout_ms);
