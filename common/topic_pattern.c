#include "common/topic_pattern.h"

#include <string.h>

static bool s_ends_in(const char *text, size_t size, const char *end)
{
    size_t length = strlen(end);
    return size >= length && memcmp(text + size - length, end, length) == 0;
}

/* Bytes of the text before its stars, with the last "/"; size of the text where it has
 * none. */
static size_t s_plain(const char *text, size_t size)
{
    if (s_ends_in(text, size, "/**"))
        return size - 2;
    return s_ends_in(text, size, "/*") ? size - 1 : size;
}

enum topic_kind topic_kind(const char *text, size_t size)
{
    size_t plain = s_plain(text, size);
    if (size == 0 || size > TOPIC_MAX)
        return TOPIC_INVALID;
    for (size_t at = 0; at < plain; at++)
        if (text[at] <= 0x20 || text[at] > 0x7E || text[at] == '*')
            return TOPIC_INVALID;
    return plain < size ? TOPIC_PATTERN : TOPIC_NAME;
}

bool topic_pattern_matches(const char *pattern, size_t pattern_size, const char *topic,
                           size_t size)
{
    size_t plain = s_plain(pattern, pattern_size);
    if (plain == pattern_size)
        return size == pattern_size && memcmp(pattern, topic, size) == 0;
    if (size < plain || memcmp(pattern, topic, plain) != 0)
        return false;
    return pattern_size - plain == 2 || !memchr(topic + plain, '/', size - plain);
}

void topic_walk_begin(struct topic_walk *self, const char *topic, size_t size)
{
    self->topic = topic;
    self->size = size <= TOPIC_MAX ? size : 0;
    self->at = 0;
    self->one_level = true;
    self->name_size = 0;
}

/* The first `plain` bytes of the topic and stars. */
static bool s_give(struct topic_walk *self, size_t plain, size_t stars)
{
    memcpy(self->name, self->topic, plain);
    memset(self->name + plain, '*', stars);
    self->name_size = plain + stars;
    self->name[self->name_size] = 0;
    return true;
}

bool topic_walk_next(struct topic_walk *self)
{
    if (self->size == 0)
        return false;
    if (self->name_size == 0)
        return s_give(self, self->size, 0);
    const char *slash = memchr(self->topic + self->at, '/', self->size - self->at);
    if (slash) {
        self->at = (size_t)(slash - self->topic) + 1;
        return s_give(self, self->at, 2);
    }
    bool has_level = self->one_level && self->at > 0;
    self->one_level = false;
    return has_level && s_give(self, self->at, 1);
}
