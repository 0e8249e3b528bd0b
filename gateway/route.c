#include "gateway/route.h"

#include "common/mem.h"
#include "gateway/http_request.h"
#include "gateway/route_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct route_table {
    struct route **routes; // in the order of the file
    size_t count;
    bool takes_all; // the default route: every target, "*" and authorities too
};

struct route_table *route_table_new(void)
{
    return mem_new(struct route_table);
}

static void s_route_destroy(struct route *route)
{
    for (size_t at = 0; at < route->origin_count; at++)
        free(route->origins[at]);
    for (size_t at = 0; at < route->param_count; at++)
        free(route->params[at]);
    free(route->origins);
    free(route->name);
    free(route->path);
    free(route->service);
    for (size_t at = 0; at < route->topic_count; at++)
        free(route->topics[at]);
    free(route->topics);
    free(route->session_subject);
    free(route->label);
    free(route->label_header);
    free(route);
}

void route_table_destroy(struct route_table **self_p)
{
    struct route_table *self = *self_p;
    if (!self)
        return;
    for (size_t at = 0; at < self->count; at++)
        s_route_destroy(self->routes[at]);
    free(self->routes);
    free(self);
    *self_p = NULL;
}

static void s_push(struct route_table *self, struct route *route)
{
    self->routes = mem_realloc(self->routes, (self->count + 1) * sizeof(struct route *));
    self->routes[self->count++] = route;
}

static struct route *s_route_new(const char *name)
{
    struct route *route = mem_new(struct route);
    route->name = mem_strdup(name);
    route->open_timeout_ms = -1;
    route->answer_timeout_ms = -1;
    return route;
}

void route_table_add_default(struct route_table *self)
{
    struct route *route = s_route_new("default");
    route->path = mem_strdup("/**");
    route->service = mem_strdup("default");
    s_push(self, route);
    self->takes_all = true;
}

size_t route_table_size(const struct route_table *self)
{
    return self->count;
}

const struct route *route_table_at(const struct route_table *self, size_t at)
{
    return self->routes[at];
}

static const char *s_judge_name(const struct route_table *self, const char *name)
{
    size_t size =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    if (size == 0 || name[size] || size > ROUTE_NAME_MAX)
        return "a name has 1 to 64 letters, digits, \"-\", \"_\" and \".\"";
    for (size_t at = 0; at < self->count; at++)
        if (strcmp(self->routes[at]->name, name) == 0)
            return "another route has this name";
    return NULL;
}

static int s_refuse(struct route *route, char **why, const char *key, const char *value,
                    const char *rule)
{
    if (asprintf(why, "route %s: %s = %s: %s", route->name, key, value, rule) < 0)
        *why = mem_strdup("out of memory");
    s_route_destroy(route);
    return -EINVAL;
}

/* Where the key stands among the first `count`; `count` if it does not. */
static size_t s_index(const char *key, const char *const *keys, size_t count)
{
    size_t at = 0;
    while (at < count && strcmp(keys[at], key) != 0)
        at++;
    return at;
}

static const char *s_read_option(struct route *route, const char *const *keys,
                                 const char *const *values, size_t at)
{
    bool may_repeat = strcmp(keys[at], "origin") == 0 || strcmp(keys[at], "topic") == 0;
    if (!may_repeat && s_index(keys[at], keys, at) < at)
        return "this key stands twice";
    return route_option_read(route, keys[at], values[at]);
}

// NOLINTNEXTLINE(readability-function-size): a section of the file has these parts
int route_table_add(struct route_table *self, const char *name, const char *const *keys,
                    const char *const *values, size_t count, char **why)
{
    struct route *route = s_route_new(name);
    const char *rule = s_judge_name(self, name);
    if (rule)
        return s_refuse(route, why, "name", name, rule);
    for (size_t at = 0; at < count; at++) {
        rule = s_read_option(route, keys, values, at);
        if (rule)
            return s_refuse(route, why, keys[at], values[at], rule);
    }
    const char *key = NULL;
    rule = route_option_judge(route, &key);
    if (rule) {
        size_t at = s_index(key, keys, count);
        return s_refuse(route, why, key, at < count ? values[at] : "(none)", rule);
    }
    s_push(self, route);
    return 0;
}

/* ---- matching ---- */

bool route_segment_next(const char **pattern, struct route_segment *segment)
{
    if (!**pattern || strcmp(*pattern, "/**") == 0)
        return false;
    const char *text = *pattern + 1;
    size_t size = strcspn(text, "/");
    *pattern = text + size;
    segment->is_param = text[0] == '{';
    segment->text = segment->is_param ? text + 1 : text;
    segment->size = segment->is_param ? size - 2 : size;
    return true;
}

/* A text of the request that was not decoded yet. */
struct s_span {
    const char *text;
    size_t size;
};

static bool s_next_span(const char **path, const char *end, struct s_span *span)
{
    if (*path == end || **path != '/')
        return false;
    span->text = *path + 1;
    const char *slash = memchr(span->text, '/', (size_t)(end - span->text));
    *path = slash ? slash : end;
    span->size = (size_t)(*path - span->text);
    return true;
}

/* Is the span, decoded, this text?  An escape that is none equals nothing. */
static bool s_is_text(const struct s_span *span, const struct route_segment *segment)
{
    const char *at = span->text;
    const char *end = at + span->size;
    for (size_t byte = 0; byte < segment->size; byte++) {
        if (at == end)
            return false;
        size_t used = *at == '%' ? 3 : 1;
        char decoded;
        if ((size_t)(end - at) < used ||
            http_unescape(at, used, false, &decoded, 1) < 0 ||
            decoded != segment->text[byte])
            return false;
        at += used;
    }
    return at == end;
}

/* The spans of a path's parameters; true if the path has the pattern's form. */
static bool s_has_form(const struct route *route, const char *path, const char *end,
                       struct s_span *params)
{
    const char *pattern = route->path;
    struct route_segment segment;
    struct s_span span;
    while (route_segment_next(&pattern, &segment)) {
        if (!s_next_span(&path, end, &span))
            return false;
        if (segment.is_param && span.size == 0)
            return false;
        if (!segment.is_param && !s_is_text(&span, &segment))
            return false;
        if (segment.is_param)
            *params++ = span;
    }
    return path == end || (*pattern && *path == '/');
}

/* A parameter may become a level of a topic: nothing that means something there. */
static int s_decode(const struct s_span *span, char out[ROUTE_PARAM_ROOM])
{
    int size = http_unescape(span->text, span->size, false, out, ROUTE_PARAM_ROOM - 1);
    if (size < 0)
        return 400;
    for (int at = 0; at < size; at++)
        if (out[at] <= 0x20 || out[at] > 0x7E || out[at] == '/' || out[at] == '*')
            return 400;
    out[size] = 0;
    return 0;
}

/* Names and values of the parameters. */
static int s_fill(const struct route *route, const struct s_span *params,
                  struct route_match *match)
{
    match->route = route;
    match->count = route->param_count;
    for (size_t at = 0; at < route->param_count; at++) {
        int status = s_decode(&params[at], match->value[at]);
        if (status != 0)
            return status;
        match->name[at] = route->params[at];
    }
    return 0;
}

int route_table_match(const struct route_table *self, const char *path, size_t path_size,
                      struct route_match *match)
{
    struct s_span params[ROUTE_PARAMS_MAX] = {{.size = 0}};
    for (size_t at = 0; at < self->count; at++)
        if (self->takes_all ||
            s_has_form(self->routes[at], path, path + path_size, params))
            return s_fill(self->routes[at], params, match);
    return 404;
}

/* The value of {name}, which the table made sure of. */
static const char *s_param(const struct route_match *match, const char *name, size_t size)
{
    for (size_t at = 0; at < match->count; at++)
        if (strlen(match->name[at]) == size && memcmp(match->name[at], name, size) == 0)
            return match->value[at];
    return "";
}

/* A text with its {x} filled in: size below `most`, or -EMSGSIZE. */
static int s_fill_in(const struct route_match *match, const char *text_with, char *out,
                     size_t most)
{
    size_t filled = 0;
    for (const char *at = text_with; *at;) {
        bool is_param = *at == '{';
        size_t size = is_param ? strcspn(at, "}") : strcspn(at, "{");
        const char *text = is_param ? s_param(match, at + 1, size - 1) : at;
        size_t text_size = is_param ? strlen(text) : size;
        if (text_size >= most - filled)
            return -EMSGSIZE;
        memcpy(out + filled, text, text_size);
        filled += text_size;
        at += size + is_param;
    }
    out[filled] = 0;
    return (int)filled;
}

static size_t s_least(size_t room, size_t most)
{
    return room <= most ? room : most + 1;
}

int route_match_topic(const struct route_match *match, size_t index, char *out,
                      size_t room)
{
    return s_fill_in(match, match->route->topics[index], out,
                     s_least(room, ROUTE_TOPIC_MAX));
}

int route_match_label(const struct route_match *match, char *out, size_t room)
{
    return s_fill_in(match, match->route->label, out, s_least(room, ROUTE_LABEL_MAX));
}
