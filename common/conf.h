/* conf: the settings of a program: flag before environment before file before default.
 *
 * One table describes each setting; --help, --print-config, the check and
 * docs/settings.md come from it.  A wrong setting gives one line that names setting,
 * value and rule, and exit 2. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_type {
    CONF_TEXT,     // any text
    CONF_LIST,     // may be given several times
    CONF_BOOL,     // yes no true false 1 0 on off
    CONF_COUNT,    // 1000
    CONF_SIZE,     // bytes: 4096 16KiB 4MiB 1GiB
    CONF_DURATION, // 500ms 10s 5m 1h; kept in milliseconds
    CONF_CHOICE,   // one of `choices`, separated by "|"
};

struct conf_setting {
    const char *name; // long-name; the environment has RINGWAY_LONG_NAME
    enum conf_type type;
    const char *initial; // default as text; NULL: not set
    int64_t least, most; // for CONF_COUNT, CONF_SIZE, CONF_DURATION; most 0: no limit
    const char *choices;
    const char *help; // one sentence
};

struct conf; // values of one program

/* Parses argv, the environment and the ZPL file that --config or RINGWAY_CONFIG names.
 *   tables  NULL-terminated list of tables; each ends with a setting of name NULL; a
 *           setting that several tables have counts once
 * A list is a repeated flag, repeated keys of the file, or separated by commas in the
 * environment and in `initial`.  An empty variable is not set; an unknown RINGWAY_
 * variable is reported and ignored. Handles --help, --version, --print-config and
 * --check-config itself: prints and exits 0. On a wrong setting prints one line to stderr
 * and exits 2. */
struct conf *conf_load(const char *program, const struct conf_setting *const *tables,
                       int argc, char **argv);
void conf_destroy(struct conf **self_p);
/* Called by conf_load before it returns or prints, so that --check-config checks routes
 * and what else a table cannot say; refuses by conf_refuse.  Set before conf_load. */
void conf_set_check(void (*check)(const struct conf *self));

const char *conf_text(const struct conf *self, const char *name); // NULL if not set
int64_t conf_number(const struct conf *self, const char *name);   // count, bytes or ms
bool conf_bool(const struct conf *self, const char *name);
size_t conf_list_size(const struct conf *self, const char *name);
const char *conf_list_at(const struct conf *self, const char *name, size_t at);

/* Sections of the file that are not settings: `routes`.  Calls back for each child of the
 * section, in file order, with its own keys (repeated keys are allowed).  Returns 0 or
 * the first negative result of the callback. */
struct conf_section;
const char *conf_section_name(const struct conf_section *section);
size_t conf_section_size(const struct conf_section *section);
const char *conf_section_key(const struct conf_section *section, size_t at);
const char *conf_section_value(const struct conf_section *section, size_t at);
int conf_each(const struct conf *self, const char *section,
              int (*callback)(void *context, const struct conf_section *section),
              void *context);
/* Prints "program: setting: rule (value)" and exits 2; for checks beyond the table. */
void conf_refuse(const char *name, const char *value, const char *rule)
    __attribute__((noreturn));
/* "10s" and "16KiB" for route options and other texts: 0 or -EINVAL. */
int conf_parse_duration(const char *text, int64_t *ms_out);
int conf_parse_size(const char *text, int64_t *bytes_out);
