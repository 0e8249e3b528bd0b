/* conf_print: --help and --print-config on stdout; conf.c's own half. */
#pragma once

#include "common/conf.h"

void conf_print_help(const struct conf *self);
void conf_print_values(const struct conf *self);
