/* conf_value: the text of one setting to its value and back.  Pure; conf.c's own half. */
#pragma once

#include "common/conf.h"

enum { CONF_VALUE_ROOM = 256 }; // bytes that any text below needs at most

/* Checks a text against type and range.
 *   number_out  count, bytes, milliseconds, 0 or 1; 0 for the types that are no number
 * Returns 0, -EINVAL if it is not of the type, -ERANGE if it is out of range. */
int conf_value_parse(const struct conf_setting *setting, const char *text,
                     int64_t *number_out);
/* Why conf_value_parse refused, in the words that follow the value in an error line. */
void conf_value_refusal(const struct conf_setting *setting, int result,
                        char out[CONF_VALUE_ROOM]);
/* "default 10s; least 100ms, most 1h", or empty. */
void conf_value_range(const struct conf_setting *setting, char out[CONF_VALUE_ROOM]);
/* What stands after the flag in --help: DURATION, text|json. */
const char *conf_value_unit(const struct conf_setting *setting);
