#include "common/conf_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first, as values are shown. */
static const struct unit s_durations[] = {
    {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit s_sizes[] = {
    {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}, {NULL, 0}};
static const struct unit s_counts[] = {{"", 1}, {NULL, 0}};

/* What a type is called, and how it is written. */
static const struct {
    const char *unit;
    const char *is_not;
    const char *use;
    const struct unit *units; // NULL: not a number
} s_types[] = {
    [CONF_TEXT] = {"TEXT", "", "", NULL},
    [CONF_LIST] = {"TEXT", "", "", NULL},
    [CONF_BOOL] = {"yes|no", "is not yes or no",
                   "use yes, no, true, false, 1, 0, on or off", NULL},
    [CONF_COUNT] = {"COUNT", "is not a count", "use a whole number", s_counts},
    [CONF_SIZE] = {"SIZE", "is not a size", "use bytes or a number with KiB, MiB or GiB",
                   s_sizes},
    [CONF_DURATION] = {"DURATION", "is not a duration", "use a number with ms, s, m or h",
                       s_durations},
    [CONF_CHOICE] = {"CHOICE", "is not one of the choices", "use", NULL},
};

/* Digits, then one of the units.  0, -EINVAL, or -ERANGE for what int64_t cannot hold. */
static int s_parse_number(const char *text, const struct unit *units, int64_t *out)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0)
        return -EINVAL;
    const struct unit *unit = units;
    while (unit->name && strcmp(text + digits, unit->name) != 0)
        unit++;
    int64_t factor = unit->factor;
    if (!unit->name && strcmp(text, "0") == 0)
        factor = 1; // nothing is nothing in every unit
    if (factor == 0)
        return -EINVAL;
    int64_t value = 0;
    for (size_t at = 0; at < digits; at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text[at] - '0', &value))
            return -ERANGE;
    if (__builtin_mul_overflow(value, factor, &value))
        return -ERANGE;
    *out = value;
    return 0;
}

int conf_parse_duration(const char *text, int64_t *ms_out)
{
    return s_parse_number(text, s_durations, ms_out) < 0 ? -EINVAL : 0;
}

int conf_parse_size(const char *text, int64_t *bytes_out)
{
    return s_parse_number(text, s_sizes, bytes_out) < 0 ? -EINVAL : 0;
}

static int s_parse_bool(const char *text, int64_t *out)
{
    static const char *const words[] = {"no", "yes", "false", "true",
                                        "0",  "1",   "off",   "on"};
    for (size_t at = 0; at < sizeof words / sizeof words[0]; at++) {
        if (strcasecmp(text, words[at]) == 0) {
            *out = (int64_t)(at % 2);
            return 0;
        }
    }
    return -EINVAL;
}

static int s_parse_choice(const char *choices, const char *text)
{
    size_t size = strcspn(text, "|");
    if (text[size])
        return -EINVAL;
    for (const char *at = choices; size && at; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, text, size) == 0 && (at[size] == '|' || at[size] == 0))
            return 0;
    }
    return -EINVAL;
}

static int64_t s_most(const struct conf_setting *setting)
{
    return setting->most ? setting->most : INT64_MAX;
}

int conf_value_parse(const struct conf_setting *setting, const char *text,
                     int64_t *number_out)
{
    *number_out = 0;
    if (setting->type == CONF_BOOL)
        return s_parse_bool(text, number_out);
    if (setting->type == CONF_CHOICE)
        return s_parse_choice(setting->choices, text);
    if (!s_types[setting->type].units)
        return 0;
    int64_t value = 0;
    int result = s_parse_number(text, s_types[setting->type].units, &value);
    if (result < 0)
        return result;
    if (value < setting->least || value > s_most(setting))
        return -ERANGE;
    *number_out = value;
    return 0;
}

/* In the largest unit that divides it. */
static void s_show(const struct conf_setting *setting, int64_t value, char *out,
                   size_t room)
{
    const struct unit *unit = s_types[setting->type].units;
    while (unit->factor > 1 && (value == 0 || value % unit->factor != 0))
        unit++;
    (void)snprintf(out, room, "%" PRId64 "%s", value / unit->factor, unit->name);
}

/* "least 100ms, most 1h", or empty for what has no range. */
static void s_bounds(const struct conf_setting *setting, char *out, size_t room)
{
    char least[32];
    char most[32];
    out[0] = 0;
    if (!s_types[setting->type].units)
        return;
    s_show(setting, setting->least, least, sizeof least);
    (void)snprintf(out, room, "least %s", least);
    if (setting->most) {
        s_show(setting, setting->most, most, sizeof most);
        (void)snprintf(out, room, "least %s, most %s", least, most);
    }
}

void conf_value_refusal(const struct conf_setting *setting, int result,
                        char out[CONF_VALUE_ROOM])
{
    char bounds[80];
    s_bounds(setting, bounds, sizeof bounds);
    if (result == -ERANGE)
        (void)snprintf(out, CONF_VALUE_ROOM, "is out of range; %s", bounds);
    else
        (void)snprintf(
            out, CONF_VALUE_ROOM, "%s; %s%s%s%s%s", s_types[setting->type].is_not,
            s_types[setting->type].use, setting->choices ? " " : "",
            setting->choices ? setting->choices : "", bounds[0] ? " (" : "", bounds);
    size_t size = strlen(out);
    if (result != -ERANGE && bounds[0] && size + 1 < CONF_VALUE_ROOM)
        memcpy(out + size, ")", 2);
}

void conf_value_range(const struct conf_setting *setting, char out[CONF_VALUE_ROOM])
{
    char bounds[80];
    s_bounds(setting, bounds, sizeof bounds);
    (void)snprintf(
        out, CONF_VALUE_ROOM, "%s%s%s%s", setting->initial ? "default " : "no default",
        setting->initial ? setting->initial : "", bounds[0] ? "; " : "", bounds);
}

const char *conf_value_unit(const struct conf_setting *setting)
{
    return setting->type == CONF_CHOICE ? setting->choices : s_types[setting->type].unit;
}
