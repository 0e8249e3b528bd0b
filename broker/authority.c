#include "broker/authority.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

enum { AUTHORITY_TOPIC_MAX = 255 };

/* The next word of a list, which is moved behind it; .data NULL at the end. */
static struct wire_text s_next(const char **list)
{
    const char *start = *list + strspn(*list, " \t");
    size_t size = strcspn(start, " \t");
    *list = start + size;
    return (struct wire_text){size ? start : NULL, size};
}

static bool s_has_name(const char *list, struct wire_text name)
{
    struct wire_text word;
    while ((word = s_next(&list)).data) {
        bool open = word.data[word.size - 1] == '*';
        size_t size = word.size - open;
        if ((open ? size <= name.size : size == name.size) &&
            memcmp(word.data, name.data, size) == 0)
            return true;
    }
    return false;
}

static bool s_ends(struct wire_text text, const char *with)
{
    size_t size = strlen(with);
    return text.size > size && memcmp(text.data + text.size - size, with, size) == 0;
}

/* A name that is a pattern itself is covered by one that reaches as far. */
static bool s_covers(struct wire_text pattern, struct wire_text topic)
{
    bool below = s_ends(pattern, "/**");
    bool level = !below && s_ends(pattern, "/*");
    if (!below && !level)
        return pattern.size == topic.size &&
               memcmp(pattern.data, topic.data, topic.size) == 0;
    size_t prefix = pattern.size - (below ? 2 : 1); // with its slash
    if (topic.size <= prefix || memcmp(pattern.data, topic.data, prefix) != 0)
        return false;
    return below || (!memchr(topic.data + prefix, '/', topic.size - prefix) &&
                     !s_ends(topic, "/**"));
}

static bool s_has_topic(const char *list, struct wire_text topic)
{
    struct wire_text word;
    while ((word = s_next(&list)).data)
        if (s_covers(word, topic))
            return true;
    return false;
}

static bool s_has_word(const char *list, const char *wanted)
{
    struct wire_text word;
    while ((word = s_next(&list)).data)
        if (wire_is(word, wanted))
            return true;
    return false;
}

static bool s_is_name(struct wire_text word, const char *allowed)
{
    size_t size = word.size - (word.data[word.size - 1] == '*');
    for (size_t at = 0; at < size; at++)
        if (!word.data[at] || !strchr(allowed, word.data[at]))
            return false;
    return size <= AUTHORITY_NAME_MAX;
}

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static bool s_are_names(const char *list, const char *allowed)
{
    struct wire_text word;
    while ((word = s_next(&list)).data)
        if (!s_is_name(word, allowed))
            return false;
    return true;
}

/* A star stands for something at the end only, where it is a level of its own. */
static bool s_is_topic(struct wire_text word)
{
    size_t size = word.size;
    if (size > AUTHORITY_TOPIC_MAX)
        return false;
    if (wire_is(word, "*"))
        return true;
    if (s_ends(word, "/**"))
        size -= 2;
    else if (s_ends(word, "/*"))
        size -= 1;
    for (size_t at = 0; at < size; at++)
        if (word.data[at] <= ' ' || word.data[at] > '~' || word.data[at] == '*')
            return false;
    return true;
}

static bool s_are_topics(const char *list)
{
    struct wire_text word;
    while ((word = s_next(&list)).data)
        if (!s_is_topic(word))
            return false;
    return true;
}

static const char s_bad_topics[] =
    "topics: 1 to 255 bytes; a name, or one that ends in /* or /**, or * alone";

static void s_begin(struct authority *self, enum authority_kind kind, const char *name,
                    const char *topics)
{
    authority_clear(self);
    self->kind = kind;
    strncpy(self->name, name, AUTHORITY_NAME_MAX);
    self->topics = mem_strdup(topics);
    self->every_topic = s_has_word(topics, "*");
}

const char *authority_set_edge(struct authority *self, const char *name,
                               const char *edges, const char *topics)
{
    if (!s_are_names(edges, LETTERS))
        return "names: 1 to 64 letters, digits, '-', '_'; '*' at the end stands for all "
               "that begin so";
    if (!s_are_topics(topics))
        return s_bad_topics;
    s_begin(self, AUTHORITY_EDGE, name, topics);
    self->edges = mem_strdup(edges);
    return NULL;
}

const char *authority_set_app(struct authority *self, const char *name,
                              const char *services, const char *topics)
{
    if (!s_are_names(services, LETTERS "."))
        return "services: 1 to 64 letters, digits, '-', '_', '.'; '*' at the end stands "
               "for all that begin so";
    if (!s_are_topics(topics))
        return s_bad_topics;
    s_begin(self, AUTHORITY_APP, name, topics);
    self->services = mem_strdup(services);
    self->every_service = s_has_word(services, "*");
    return NULL;
}

void authority_clear(struct authority *self)
{
    free(self->edges);
    free(self->services);
    free(self->topics);
    *self = (struct authority){.kind = AUTHORITY_NONE};
}

bool authority_has_edge(const struct authority *self, struct wire_text name)
{
    return !self || (self->kind == AUTHORITY_EDGE && s_has_name(self->edges, name));
}

bool authority_has_service(const struct authority *self, struct wire_text service)
{
    return authority_has_every_service(self) ||
           (self->kind == AUTHORITY_APP && s_has_name(self->services, service));
}

bool authority_has_topic(const struct authority *self, struct wire_text topic)
{
    return !self || self->every_topic ||
           (self->kind != AUTHORITY_NONE && s_has_topic(self->topics, topic));
}

bool authority_has_every_service(const struct authority *self)
{
    return !self || self->every_service;
}

bool authority_has_everything(const struct authority *self)
{
    return !self || (self->every_service && self->every_topic);
}
