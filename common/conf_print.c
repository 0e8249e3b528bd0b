#include "common/conf_print.h"

#include "common/conf_store.h"
#include "common/conf_value.h"

#include <stdio.h>
#include <string.h>

void conf_print_help(const struct conf *self)
{
    char range[CONF_VALUE_ROOM];
    (void)printf(
        "Usage: %s [--SETTING VALUE]...\n\n"
        "A setting is a flag, RINGWAY_SETTING in the environment (capitals, \"_\" for "
        "\"-\"),\nor a line \"setting = value\" in the file; the first of these "
        "counts.\n\nSettings:\n",
        conf_store_program);
    for (size_t at = 0; at < self->size; at++) {
        const struct conf_setting *setting = self->values[at].setting;
        conf_value_range(setting, range);
        (void)printf("  --%s %s%s\n      %s\n      (%s)\n", setting->name,
                     conf_value_unit(setting),
                     setting->type == CONF_LIST ? " (may be repeated)" : "",
                     setting->help, range);
    }
    (void)printf(
        "\nOther flags:\n"
        "  --config FILE\n      Reads settings and routes from a ZPL file.\n"
        "  --print-config\n      Prints the values in effect as such a file.\n"
        "  --check-config\n      Checks all settings: exit 0 if they are good, else 2.\n"
        "  --version\n  --help\n");
}

/* ZPL has no escapes in quotes: the kind of quotes that the text lacks. */
static void s_print_pair(const char *indent, const char *key, const char *text)
{
    char quote = strchr(text, '"') ? '\'' : '"';
    (void)printf("%s%s = %c%s%c\n", indent, key, quote, text, quote);
}

void conf_print_values(const struct conf *self)
{
    for (size_t at = 0; at < self->size; at++) {
        const struct conf_value *value = &self->values[at];
        if (value->source == FROM_NOWHERE)
            (void)printf("# %s is not set\n", value->setting->name);
        else if (value->size == 0)
            s_print_pair("", value->setting->name, "");
        for (size_t text = 0; text < value->size; text++)
            s_print_pair("", value->setting->name, value->texts[text]);
    }
    const char *group = "";
    for (size_t at = 0; at < self->section_count; at++) {
        const struct conf_section *section = &self->sections[at];
        if (strcmp(group, section->group) != 0)
            (void)printf("%s\n", section->group);
        group = section->group;
        (void)printf("    %s\n", section->name);
        for (size_t key = 0; key < section->size; key++)
            s_print_pair("        ", section->keys[key], section->values[key]);
    }
}
