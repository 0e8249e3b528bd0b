#include "common/conf.h"
#include "common/mem.h"
#include "common/topic_pattern.h"
#include "gateway/http_request.h"
#include "gateway/route_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

/* Is the text made of these characters only, and not empty? */
static bool s_is_made_of(const char *text, size_t size, const char *set)
{
    for (size_t at = 0; at < size; at++)
        if (!text[at] || !strchr(set, text[at]))
            return false;
    return size > 0;
}

static bool s_is_visible(const char *text)
{
    for (; *text; text++)
        if (*text <= 0x20 || *text > 0x7E)
            return false;
    return true;
}

/* ---- path ---- */

static const char *s_judge_param(const struct route *route,
                                 const struct route_segment *segment)
{
    if (!s_is_made_of(segment->text, segment->size, LETTERS DIGITS "_-"))
        return "the name in {} has letters, digits, \"_\" and \"-\"";
    if (route->param_count == ROUTE_PARAMS_MAX)
        return "a path has at most 16 parameters";
    for (size_t at = 0; at < route->param_count; at++)
        if (strlen(route->params[at]) == segment->size &&
            memcmp(route->params[at], segment->text, segment->size) == 0)
            return "a parameter stands twice";
    return NULL;
}

static const char *s_read_segment(struct route *route, const char *text, size_t size)
{
    bool is_param = size >= 2 && text[0] == '{' && text[size - 1] == '}';
    struct route_segment segment = {.text = text + 1, .size = size - 2, .is_param = true};
    const char *rule = is_param ? s_judge_param(route, &segment) : NULL;
    if (rule)
        return rule;
    if (is_param) {
        route->params[route->param_count++] = mem_strndup(segment.text, segment.size);
        return NULL;
    }
    if (memchr(text, '{', size) || memchr(text, '}', size))
        return "a parameter is a whole segment: /{name}";
    if (memchr(text, '*', size))
        return "\"*\" stands in a final /** only";
    if (memchr(text, '?', size) || memchr(text, '#', size) || memchr(text, '%', size))
        return "a path has no query, no fragment and no escapes";
    return NULL;
}

static const char *s_read_path(struct route *route, const char *value)
{
    if (value[0] != '/')
        return "a path starts with /";
    if (!s_is_visible(value))
        return "a path has visible ASCII characters only";
    const char *at = value;
    while (*at && strcmp(at, "/**") != 0) {
        size_t size = strcspn(at + 1, "/");
        const char *rule = s_read_segment(route, at + 1, size);
        if (rule)
            return rule;
        at += 1 + size;
    }
    route->path = mem_strdup(value);
    return NULL;
}

/* ---- where to ---- */

static const char *s_read_service(struct route *route, const char *value)
{
    size_t size = strlen(value);
    if (size > ROUTE_NAME_MAX || !s_is_made_of(value, size, LETTERS DIGITS "-_."))
        return "a service has 1 to 64 letters, digits, \"-\", \"_\" and \".\"";
    route->kind = ROUTE_SERVICE;
    route->service = mem_strdup(value);
    return NULL;
}

/* Has each brace its other one? */
static const char *s_judge_braces(const char *value)
{
    for (const char *at = value; *at;) {
        size_t size = strcspn(at, "{}");
        if (at[size] == '}')
            return "a \"}\" without its \"{\"";
        at += size;
        if (!*at)
            break;
        size = strcspn(at + 1, "{}");
        if (at[1 + size] != '}')
            return "a \"{\" without its \"}\"";
        at += size + 2;
    }
    return NULL;
}

static const char *s_read_topic(struct route *route, const char *value)
{
    if (!*value || strlen(value) > ROUTE_TOPIC_MAX || !s_is_visible(value))
        return "a topic has 1 to 255 visible ASCII characters";
    if (topic_kind(value, strlen(value)) == TOPIC_INVALID)
        return "\"*\" stands in a final /* or /** only";
    if (route->topic_count == ROUTE_TOPICS_MAX)
        return "a route has at most 64 topics";
    const char *rule = s_judge_braces(value);
    if (rule)
        return rule;
    route->kind = ROUTE_TOPIC;
    size_t room = (route->topic_count + 1) * sizeof *route->topics;
    route->topics = mem_realloc(route->topics, room);
    route->topics[route->topic_count++] = mem_strdup(value);
    return NULL;
}

/* ---- how ---- */

static const char *s_read_accept(struct route *route, const char *value)
{
    route->accept_by_backend = strcmp(value, "backend") == 0;
    return route->accept_by_backend || strcmp(value, "gateway") == 0
               ? NULL
               : "gateway or backend";
}

static const char *s_read_slow(struct route *route, const char *value)
{
    return slow_policy_read(value, strlen(value), &route->slow) < 0
               ? "close, pause, drop-oldest or latest"
               : NULL;
}

static const char *s_read_redeliver(struct route *route, const char *value)
{
    route->redeliver_all = strcmp(value, "all") == 0;
    return route->redeliver_all || strcmp(value, "safe") == 0 ? NULL : "safe or all";
}

static const char *s_read_presence(struct route *route, const char *value)
{
    route->presence = strcmp(value, "on") == 0;
    return route->presence || strcmp(value, "off") == 0 ? NULL : "on or off";
}

static bool s_is_origin(const char *value)
{
    size_t scheme = strspn(value, LETTERS DIGITS "+-.");
    if (scheme == 0 || strncmp(value + scheme, "://", 3) != 0)
        return false;
    const char *host = value + scheme + 3;
    if (host[0] == '*' && host[1] == '.')
        host += 2;
    return s_is_made_of(host, strlen(host), LETTERS DIGITS "-_.:[]~");
}

static const char *s_read_origin(struct route *route, const char *value)
{
    if (strcmp(value, "*") != 0 && strcmp(value, "null") != 0 && !s_is_origin(value))
        return "\"*\", \"null\", https://a.example or https://*.a.example, without a "
               "path";
    size_t size = (route->origin_count + 1) * sizeof *route->origins;
    route->origins = mem_realloc(route->origins, size);
    route->origins[route->origin_count++] = mem_strdup(value);
    return NULL;
}

static const char *s_read_duration(int64_t *ms_out, const char *value)
{
    if (conf_parse_duration(value, ms_out) < 0 || *ms_out < 0)
        return "a duration such as 500ms, 10s, 5m or 1h; 0 for none";
    return NULL;
}

static const char *s_read_open_timeout(struct route *route, const char *value)
{
    return s_read_duration(&route->open_timeout_ms, value);
}

static const char *s_read_answer_timeout(struct route *route, const char *value)
{
    return s_read_duration(&route->answer_timeout_ms, value);
}

static const char *s_read_session(struct route *route, const char *value)
{
    route->has_sessions = strcmp(value, "on") == 0;
    return route->has_sessions || strcmp(value, "off") == 0 ? NULL : "on or off";
}

static const char *s_read_label(struct route *route, const char *value)
{
    if (!*value || strlen(value) > ROUTE_LABEL_MAX || !s_is_visible(value))
        return "a label has 1 to 128 visible ASCII characters";
    const char *rule = s_judge_braces(value);
    if (!rule)
        route->label = mem_strdup(value);
    return rule;
}

static const char *s_read_label_header(struct route *route, const char *value)
{
    if (strlen(value) > ROUTE_NAME_MAX || !http_is_token(value, strlen(value)))
        return "the name of a header, of at most 64 characters";
    route->label_header = mem_strdup(value);
    return NULL;
}

static const char *s_read_session_subject(struct route *route, const char *value)
{
    if (strlen(value) > ROUTE_NAME_MAX || !http_is_token(value, strlen(value)))
        return "the name of a header, of at most 64 characters";
    route->session_subject = mem_strdup(value);
    return NULL;
}

const char *route_option_read(struct route *route, const char *key, const char *value)
{
    static const struct {
        const char *key;
        const char *(*read)(struct route *route, const char *value);
    } options[] = {
        {"path", s_read_path},
        {"service", s_read_service},
        {"slow", s_read_slow},
        {"topic", s_read_topic},
        {"accept", s_read_accept},
        {"redeliver", s_read_redeliver},
        {"presence", s_read_presence},
        {"label", s_read_label},
        {"label-header", s_read_label_header},
        {"origin", s_read_origin},
        {"open-timeout", s_read_open_timeout},
        {"answer-timeout", s_read_answer_timeout},
        {"session", s_read_session},
        {"session-subject", s_read_session_subject},
    };
    for (size_t at = 0; at < sizeof options / sizeof *options; at++)
        if (strcmp(key, options[at].key) == 0)
            return options[at].read(route, value);
    return "unknown key; known are path, service, topic, slow, accept, redeliver, "
           "presence, label, label-header, session, session-subject, origin, "
           "open-timeout and answer-timeout";
}

/* ---- together ---- */

static bool s_has_param(const struct route *route, const char *name, size_t size)
{
    for (size_t at = 0; at < route->param_count; at++)
        if (strlen(route->params[at]) == size &&
            memcmp(route->params[at], name, size) == 0)
            return true;
    return false;
}

static bool s_topic_is_filled(const struct route *route, const char *topic)
{
    for (const char *at = strchr(topic, '{'); at; at = strchr(at + 1, '{'))
        if (!s_has_param(route, at + 1, strcspn(at + 1, "}")))
            return false;
    return true;
}

static bool s_topics_are_filled(const struct route *route)
{
    for (size_t at = 0; at < route->topic_count; at++)
        if (!s_topic_is_filled(route, route->topics[at]))
            return false;
    return true;
}

static const char *s_judge_label(const struct route *route, const char **key_out)
{
    *key_out = route->label ? "label" : "label-header";
    if (!route->label && !route->label_header)
        return NULL;
    if (!route->presence)
        return "presence shows it: needs presence = on";
    if (route->label && route->label_header)
        return "label or label-header, not both";
    if (route->label && !s_topic_is_filled(route, route->label))
        return "the path has no such parameter";
    return NULL;
}

static const char *s_judge_session(const struct route *route, const char **key_out)
{
    *key_out = "session";
    if (route->has_sessions && route->topic_count > 0)
        return "a session belongs to a service; a topic has none";
    if (route->has_sessions && route->accept_by_backend)
        return "the gateway accepts the carriers of a session: not with accept = backend";
    *key_out = "session-subject";
    if (route->session_subject && !route->has_sessions)
        return "needs session = on";
    return NULL;
}

const char *route_option_judge(const struct route *route, const char **key_out)
{
    *key_out = "path";
    if (!route->path)
        return "a route has a path";
    *key_out = "service";
    if (!route->service && !route->topics)
        return "a route has a service or a topic";
    *key_out = "topic";
    if (route->service && route->topics)
        return "a route has a service or a topic, not both";
    if (route->topics && !s_topics_are_filled(route))
        return "the path has no such parameter";
    *key_out = "accept";
    if (route->topics && route->accept_by_backend)
        return "nobody accepts for a topic";
    *key_out = "slow";
    if (route->service && route->slow != SLOW_CLOSE)
        return "a route to a service has no topics; see slow= of SUB";
    *key_out = "presence";
    if (route->service && route->presence)
        return "a service says it with SUB presence=1";
    const char *rule = s_judge_label(route, key_out);
    return rule ? rule : s_judge_session(route, key_out);
}
