#include "gateway/topic_post.h"

#include "common/topic_pattern.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LINE_ROOM = 512 };

static const char s_text[] = "text/plain; charset=utf-8";
static const char s_json[] = "application/json";

bool topic_post_shows(const char *header, const char *token)
{
    static const char scheme[] = "Bearer ";
    if (!header || strncasecmp(header, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *shown = header + sizeof scheme - 1;
    size_t size = strlen(shown), wanted = strlen(token);
    unsigned differ = size != wanted;
    for (size_t at = 0; at < size; at++) // in a time that only the shown one decides
        differ |= (unsigned char)shown[at] ^ (unsigned char)token[at % (wanted + 1)];
    return differ == 0;
}

unsigned topic_post_status(const char *code)
{
    static const struct {
        const char *code;
        unsigned status;
    } known[] = {{"-", 200},           {"value", 400},  {"syntax", 400},
                 {"unsupported", 400}, {"denied", 403}, {"large", 413}};
    for (size_t at = 0; at < sizeof known / sizeof *known; at++)
        if (strcmp(known[at].code, code) == 0)
            return known[at].status;
    return 503; // "full", "store", "no-broker", "unknown": later it may be done
}

unsigned topic_post_check(const struct topic_post *self, const struct ops_post *post,
                          const char **why)
{
    const char *name = ops_post_name(post);
    *why = "publishing is off: publish-token-file is not set\n";
    if (!self->token)
        return 403;
    *why = "the header Authorization does not show the token: Bearer TOKEN\n";
    if (!topic_post_shows(ops_post_header(post, "Authorization"), self->token))
        return 401;
    *why = "topic: 1 to 255 bytes of printable ASCII, without blanks and '*'\n";
    return topic_kind(name, strlen(name)) == TOPIC_NAME ? 0 : 404;
}

static void s_answer(void *context, const char *code, struct wire_text text)
{
    struct ops_post *post = context;
    char line[LINE_ROOM];
    unsigned status = topic_post_status(code);
    const char *type = status == 200 ? s_json : s_text;
    if (status == 200) {
        static const char key[] = "pos=";
        bool has = text.size > sizeof key && memcmp(text.data, key, sizeof key - 1) == 0;
        size_t skip = has ? sizeof key - 1 : text.size;
        snprintf(line, sizeof line, "{\"position\":\"%.*s\"}\n", (int)(text.size - skip),
                 text.data + skip);
    } else if (strcmp(code, "no-broker") == 0) {
        snprintf(line, sizeof line, "no broker\n");
    } else if (strcmp(code, "unknown") == 0) {
        snprintf(line, sizeof line,
                 "no answer from the broker: whether it was published is not known\n");
    } else {
        snprintf(line, sizeof line, "%s%s%.*s\n", code, text.size ? ": " : "",
                 text.size < LINE_ROOM / 2 ? (int)text.size : LINE_ROOM / 2, text.data);
    }
    ops_post_answer(post, status, type, line);
}

/* The options of PUB that a query may have. */
static bool s_is_option(const char *key)
{
    static const char *const options[] = {"bin",      "except",  "hist", "ttl",
                                          "collapse", "durable", "key"};
    for (size_t at = 0; at < sizeof options / sizeof *options; at++)
        if (strcmp(options[at], key) == 0)
            return true;
    return false;
}

struct s_query {
    struct wire_header *header;
    char wrong[LINE_ROOM]; // "" while nothing is
};

static bool s_take_option(void *context, const char *key, const char *value)
{
    struct s_query *self = context;
    if (s_is_option(key))
        wire_add_option(self->header, key, value);
    else
        snprintf(self->wrong, sizeof self->wrong, "%.64s: no such option\n", key);
    return self->wrong[0] == 0;
}

void topic_post_take(const struct topic_post *self, struct ops_post *post)
{
    struct wire_header header;
    struct s_query query = {.header = &header};
    size_t size;
    const void *body = ops_post_body(post, &size);
    wire_begin(&header, "PUB");
    wire_add_escaped(&header, ops_post_name(post));
    ops_post_query(post, s_take_option, &query);
    if (!query.wrong[0] &&
        (header.overflow ||
         header.size + sizeof " id=" + BUS_ASK_ID_ROOM > WIRE_HEADER_MAX))
        snprintf(query.wrong, sizeof query.wrong, "the query is too long\n");
    if (query.wrong[0]) {
        ops_post_answer(post, 400, s_text, query.wrong);
        return;
    }
    const struct bus_asker asker = {s_answer, post};
    bus_ask(self->bus, &header, body, size, &asker);
}
