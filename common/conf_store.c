#include "common/conf_store.h"

#include "common/conf_value.h"
#include "common/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONF_EXIT_WRONG = 2 };

const char *conf_store_program = "ringway";

/* One line on stderr, whatever bytes a value has. */
static void s_complain(const char *format, va_list arguments)
{
    char line[1024];
    (void)vsnprintf(line, sizeof line, format, arguments);
    for (char *at = line; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = '?';
    (void)fprintf(stderr, "%s: %s\n", conf_store_program, line);
}

void conf_store_warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    s_complain(format, arguments);
    va_end(arguments);
}

void conf_store_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    s_complain(format, arguments);
    va_end(arguments);
    exit(CONF_EXIT_WRONG);
}

void conf_refuse(const char *name, const char *value, const char *rule)
{
    if (value)
        conf_store_die("%s: %s (%s)", name, rule, value);
    conf_store_die("%s: %s", name, rule);
}

struct conf_value *conf_store_find(const struct conf *self, const char *name)
{
    for (size_t at = 0; at < self->size; at++)
        if (strcmp(self->values[at].setting->name, name) == 0)
            return &self->values[at];
    return NULL;
}

void conf_store_add(struct conf *self, const struct conf_setting *table)
{
    for (; table->name; table++) {
        if (conf_store_find(self, table->name))
            continue;
        self->values = mem_realloc(self->values, (self->size + 1) * sizeof *self->values);
        self->values[self->size++] = (struct conf_value){.setting = table};
    }
}

static void s_clear(struct conf_value *value)
{
    for (size_t at = 0; at < value->size; at++)
        free(value->texts[at]);
    free(value->texts);
    value->texts = NULL;
    value->size = 0;
}

static bool s_is_printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            return false;
    return true;
}

void conf_store_set(struct conf_value *value, const char *text, enum conf_source source)
{
    const struct conf_setting *setting = value->setting;
    int64_t number;
    if (!s_is_printable(text))
        conf_store_die("%s: \"%s\" has a control character", setting->name, text);
    int result = conf_value_parse(setting, text, &number);
    if (result < 0) {
        char refusal[CONF_VALUE_ROOM];
        conf_value_refusal(setting, result, refusal);
        conf_store_die("%s: \"%s\" %s", setting->name, text, refusal);
    }
    if (source < value->source)
        return;
    if (source > value->source || setting->type != CONF_LIST)
        s_clear(value);
    value->source = source;
    value->number = number;
    if (setting->type == CONF_LIST && !*text)
        return; // an empty list hides what lower sources say
    value->texts = mem_realloc(value->texts, (value->size + 1) * sizeof *value->texts);
    value->texts[value->size++] = mem_strdup(text);
}

void conf_store_set_joined(struct conf_value *value, const char *text,
                           enum conf_source source)
{
    if (value->setting->type != CONF_LIST) {
        conf_store_set(value, text, source);
        return;
    }
    char *copy = mem_strdup(text);
    char *rest = NULL;
    for (char *part = strtok_r(copy, ",", &rest); part;
         part = strtok_r(NULL, ",", &rest)) {
        part += strspn(part, " ");
        size_t size = strlen(part);
        while (size && part[size - 1] == ' ')
            part[--size] = 0;
        if (size)
            conf_store_set(value, part, source);
    }
    free(copy);
}

void conf_destroy(struct conf **self_p)
{
    struct conf *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t at = 0; at < self->size; at++)
        s_clear(&self->values[at]);
    for (size_t at = 0; at < self->section_count; at++) {
        struct conf_section *section = &self->sections[at];
        for (size_t key = 0; key < section->size; key++) {
            free(section->keys[key]);
            free(section->values[key]);
        }
        free(section->keys);
        free(section->values);
        free(section->name);
    }
    free(self->values);
    free(self->sections);
    free(self->file);
    free(self);
}

/* A name that is in no table is our bug. */
static const struct conf_value *s_value(const struct conf *self, const char *name)
{
    const struct conf_value *value = conf_store_find(self, name);
    assert(value);
    return value;
}

const char *conf_text(const struct conf *self, const char *name)
{
    const struct conf_value *value = s_value(self, name);
    return value->size ? value->texts[0] : NULL;
}

int64_t conf_number(const struct conf *self, const char *name)
{
    return s_value(self, name)->number;
}

bool conf_bool(const struct conf *self, const char *name)
{
    return s_value(self, name)->number != 0;
}

size_t conf_list_size(const struct conf *self, const char *name)
{
    return s_value(self, name)->size;
}

const char *conf_list_at(const struct conf *self, const char *name, size_t at)
{
    const struct conf_value *value = s_value(self, name);
    return at < value->size ? value->texts[at] : NULL;
}

const char *conf_section_name(const struct conf_section *section)
{
    return section->name;
}

size_t conf_section_size(const struct conf_section *section)
{
    return section->size;
}

const char *conf_section_key(const struct conf_section *section, size_t at)
{
    return section->keys[at];
}

const char *conf_section_value(const struct conf_section *section, size_t at)
{
    return section->values[at];
}

int conf_each(const struct conf *self, const char *section,
              int (*callback)(void *context, const struct conf_section *section),
              void *context)
{
    int result = 0;
    for (size_t at = 0; at < self->section_count && result >= 0; at++)
        if (strcmp(self->sections[at].group, section) == 0)
            result = callback(context, &self->sections[at]);
    return result < 0 ? result : 0;
}
