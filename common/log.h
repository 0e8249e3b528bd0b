/* log: one line per event on stderr, key=value, or JSON (`log-format`).  Only mains and
 * doors log. */
#pragma once

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set(enum log_level level, bool json, const char *program);
/* event is a fixed word; the rest is a printf format that makes `key=value` pairs
 * separated by spaces.  Values that come from a peer go through log_quote.  The same
 * event more than 10 times a second is counted and summed up once (event=repeated of=...
 * count=...).  Thread safe. */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define log_error(...) log_event(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_event(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_event(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_event(LOG_DEBUG, __VA_ARGS__)
/* Writes the sums of repeated events that are still held; for the end of a program. */
void log_flush(void);
/* Quotes and escapes a peer's bytes into `out` (room >= 3), cut to fit; returns out. */
const char *log_quote(const void *data, unsigned size, char *out, unsigned room);
