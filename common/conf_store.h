/* conf_store: the values of a program and how they are set; conf.c fills it, conf_print.c
 * shows it.  Only common/conf*.c include this. */
#pragma once

#include "common/conf.h"

/* A source wins over those before it. */
enum conf_source { FROM_NOWHERE, FROM_TABLE, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG };

struct conf_value {
    const struct conf_setting *setting;
    char **texts; // one, or those of a list
    size_t size;
    int64_t number;
    enum conf_source source;
};

struct conf_section {
    const char *group; // "routes"
    char *name;
    char **keys;
    char **values;
    size_t size;
};

struct conf {
    struct conf_value *values;
    size_t size;
    struct conf_section *sections;
    size_t section_count;
    char *file; // NULL: none
};

/* The name in messages; borrowed. */
extern const char *conf_store_program;

/* One line "program: ..." on stderr; _die exits 2 then. */
void conf_store_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void conf_store_die(const char *format, ...)
    __attribute__((noreturn, format(printf, 1, 2)));

/* Programs of several tables share settings: the first of a name counts. */
void conf_store_add(struct conf *self, const struct conf_setting *table);
/* NULL if no table has it. */
struct conf_value *conf_store_find(const struct conf *self, const char *name);
/* Checks a text and keeps it unless a higher source has spoken; ends the program if it is
 * wrong.  A text that is hidden is checked too: --check-config finds them all. */
void conf_store_set(struct conf_value *value, const char *text, enum conf_source source);
/* The same for a text that may be a list, "a, b". */
void conf_store_set_joined(struct conf_value *value, const char *text,
                           enum conf_source source);
