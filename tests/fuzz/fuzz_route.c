#include "gateway/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEGMENTS_MAX = 8 };

static void s_must(bool holds)
{
    if (!holds)
        abort();
}

/* The routes of the vectors; a segment "{}" is a parameter, "**" the rest. */
static const struct {
    const char *name, *path, *key, *value;
    const char *segments[SEGMENTS_MAX];
} s_routes[] = {
    {"root", "/", "service", "s", {""}},
    {"rooms", "/rooms", "service", "s", {"rooms"}},
    {"new", "/rooms/new", "service", "s", {"rooms", "new"}},
    {"room", "/rooms/{room}", "topic", "rooms/{room}", {"rooms", "{}"}},
    {"two", "/a/{x}/b/{y}", "topic", "{y}-{x}", {"a", "{}", "b", "{}"}},
    {"files", "/files/**", "service", "s", {"files", "**"}},
    {"user", "/u/{user}/**", "service", "s", {"u", "{}", "**"}},
};

enum { ROUTES = sizeof s_routes / sizeof *s_routes };

static struct route_table *s_table(void)
{
    static struct route_table *table; // made once
    for (size_t at = 0; !table || route_table_size(table) < ROUTES; at++) {
        const char *keys[] = {"path", s_routes[at].key};
        const char *values[] = {s_routes[at].path, s_routes[at].value};
        char *why = NULL;
        table = table ? table : route_table_new();
        s_must(route_table_add(table, s_routes[at].name, keys, values, 2, &why) == 0);
    }
    return table;
}

/* ---- a second opinion: decode every segment into a text of its own, then compare ----
 */

static int s_digit(uint8_t c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)((at - digits) % 16) : -1;
}

struct segment {
    uint8_t text[512];
    int size; // -1: a bad escape
};

/* The byte that "%XX" at the front stands for, or -1. */
static int s_escape(const uint8_t *data, size_t size)
{
    int high = size > 2 ? s_digit(data[1]) : -1;
    int low = size > 2 ? s_digit(data[2]) : -1;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static void s_decode(const uint8_t *data, size_t size, struct segment *out)
{
    out->size = 0;
    while (size > 0) {
        bool is_escape = *data == '%';
        int byte = is_escape ? s_escape(data, size) : *data;
        if (byte < 0) {
            out->size = -1;
            return;
        }
        out->text[out->size++] = (uint8_t)byte;
        data += is_escape ? 3 : 1;
        size -= is_escape ? 3 : 1;
    }
}

struct path {
    struct segment segments[SEGMENTS_MAX];
    bool is_blank[SEGMENTS_MAX];
    size_t count; // SEGMENTS_MAX: that many or more
};

static void s_split(const uint8_t *data, size_t size, struct path *out)
{
    for (size_t at = 0; at < size && data[at] == '/' && out->count < SEGMENTS_MAX;) {
        size_t end = at + 1;
        while (end < size && data[end] != '/')
            end++;
        out->is_blank[out->count] = end == at + 1;
        s_decode(data + at + 1, end - at - 1, &out->segments[out->count++]);
        at = end;
    }
}

static bool s_fits(const char *want, const struct path *path, size_t at)
{
    const struct segment *segment = &path->segments[at];
    if (strcmp(want, "{}") == 0)
        return !path->is_blank[at];
    return segment->size == (int)strlen(want) &&
           memcmp(segment->text, want, (size_t)segment->size) == 0;
}

static bool s_is_route(size_t route, const struct path *path)
{
    size_t at = 0;
    for (; at < SEGMENTS_MAX && s_routes[route].segments[at]; at++) {
        const char *want = s_routes[route].segments[at];
        if (strcmp(want, "**") == 0)
            return true;
        if (at >= path->count || !s_fits(want, path, at))
            return false;
    }
    return at == path->count;
}

static bool s_is_param(const struct segment *segment)
{
    bool is_fine = segment->size >= 0 && segment->size < ROUTE_PARAM_ROOM;
    for (int at = 0; is_fine && at < segment->size; at++)
        is_fine = segment->text[at] > ' ' && segment->text[at] < 0x7F &&
                  segment->text[at] != '/' && segment->text[at] != '*';
    return is_fine;
}

static int s_reference(const struct path *path, size_t *route)
{
    for (*route = 0; *route < ROUTES && !s_is_route(*route, path);)
        ++*route;
    if (*route == ROUTES)
        return 404;
    for (size_t at = 0; at < SEGMENTS_MAX && s_routes[*route].segments[at]; at++)
        if (strcmp(s_routes[*route].segments[at], "{}") == 0 &&
            !s_is_param(&path->segments[at]))
            return 400;
    return 0;
}

static void s_check_match(const uint8_t *data, size_t size)
{
    struct route_match match;
    struct path path = {.count = 0};
    size_t route;
    char topic[256];
    if (size >= sizeof path.segments[0].text)
        return;
    s_split(data, size, &path);
    int want = s_reference(&path, &route);
    s_must(route_table_match(s_table(), (const char *)data, size, &match) == want);
    if (want != 0)
        return;
    s_must(strcmp(match.route->name, s_routes[route].name) == 0);
    if (match.route->kind != ROUTE_TOPIC)
        return;
    int length = route_match_topic(&match, 0, topic, sizeof topic);
    s_must(length == -EMSGSIZE || strlen(topic) == (size_t)length);
}

/* ---- lines of the file: whatever they say, a route is taken or refused with a line ----
 */

static void s_check_option(const char *key, const char *value)
{
    struct route_table *table = route_table_new();
    const char *keys[] = {key, strcmp(key, "path") ? "path" : "service", "service"};
    const char *values[] = {value, strcmp(key, "path") ? "/{a}" : "s", "s"};
    size_t count = !strcmp(key, "path") || !strcmp(key, "topic") ? 2 : 3;
    char *why = NULL;
    int result = route_table_add(table, "r", keys, values, count, &why);
    s_must(result == 0 ? !why : result == -EINVAL && why && strstr(why, "route r: "));
    free(why);
    struct route_match match;
    if (result == 0 && !strcmp(key, "path") && !strchr(value, '{') && !strchr(value, '*'))
        s_must(route_table_match(table, value, strlen(value), &match) == 0);
    route_table_destroy(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"path",      "topic",  "service",     "accept",
                                       "redeliver", "origin", "open-timeout"};
    s_check_match(data, size);
    char *text = calloc(1, size + 1);
    s_must(text != NULL);
    memcpy(text, data, size);
    for (size_t at = 0; at < sizeof keys / sizeof *keys; at++)
        s_check_option(keys[at], text);
    free(text);
    return 0;
}
