#include "broker/authority.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Input: a topic of 8 bytes, then a list; few letters, and beginnings of the topic, so
 * that much of it fits. */
enum { TOPIC = 8, INPUT_MAX = 100, LIST_MAX = INPUT_MAX * TOPIC, LEVELS = 16 };

static void s_must(bool holds)
{
    if (!holds)
        abort();
}

static void s_make_topic(const uint8_t *data, size_t size, char *out)
{
    for (size_t at = 0; at < size; at++)
        out[at] = "ab/*"[data[at] % 4];
    out[size] = 0;
}

static void s_make_list(const uint8_t *data, size_t size, const char *topic, char *out)
{
    size_t used = 0;
    for (size_t at = 0; at < size; at++) {
        if (data[at] < 0x80) {
            out[used++] = "ab/* */ "[data[at] % 8];
            continue;
        }
        size_t part = data[at] % (strlen(topic) + 1);
        memcpy(out + used, topic, part);
        used += part;
    }
    out[used] = 0;
}

/* ---- a second opinion: level by level ---- */

struct levels {
    const char *text[LEVELS];
    size_t size[LEVELS];
    size_t count;
};

static void s_split(const char *text, size_t size, struct levels *out)
{
    out->count = 0;
    for (size_t start = 0, at = 0; at <= size && out->count < LEVELS; at++) {
        if (at < size && text[at] != '/')
            continue;
        out->text[out->count] = text + start;
        out->size[out->count++] = at - start;
        start = at + 1;
    }
}

static bool s_level_is(const struct levels *levels, size_t at, const char *text)
{
    return levels->size[at] == strlen(text) &&
           memcmp(levels->text[at], text, levels->size[at]) == 0;
}

/* Do the levels before `count` agree? */
static bool s_begin_alike(const struct levels *one, const struct levels *other,
                          size_t count)
{
    for (size_t at = 0; at < count; at++)
        if (one->size[at] != other->size[at] ||
            memcmp(one->text[at], other->text[at], one->size[at]) != 0)
            return false;
    return true;
}

static bool s_covers(const struct levels *pattern, const struct levels *topic)
{
    size_t last = pattern->count - 1;
    if (last == 0 && s_level_is(pattern, 0, "*"))
        return true;
    bool below = last && s_level_is(pattern, last, "**");
    bool level = last && s_level_is(pattern, last, "*");
    if (!below && !level)
        return pattern->count == topic->count &&
               s_begin_alike(pattern, topic, topic->count);
    if (topic->count <= last || !s_begin_alike(pattern, topic, last))
        return false;
    /* Nothing at all is no level. */
    if (topic->count == last + 1 && topic->size[last] == 0)
        return false;
    return below || (topic->count == last + 1 && !s_level_is(topic, last, "**"));
}

static bool s_list_covers(const char *list, const char *topic)
{
    struct levels wanted, pattern;
    s_split(topic, strlen(topic), &wanted);
    for (const char *at = list; *at;) {
        size_t size = strcspn(at, " ");
        if (size) {
            s_split(at, size, &pattern);
            if (s_covers(&pattern, &wanted))
                return true;
        }
        at += size + (at[size] == ' ');
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char topic[TOPIC + 1], list[LIST_MAX + 1];
    struct authority app = {.kind = AUTHORITY_NONE}, edge = {.kind = AUTHORITY_NONE};
    if (size <= TOPIC || size > INPUT_MAX)
        return 0;
    s_make_topic(data, 1 + data[0] % TOPIC, topic);
    s_make_list(data + TOPIC, size - TOPIC, topic, list);
    struct wire_text text = {topic, strlen(topic)};
    /* A list that is refused sets nothing; what is left of it may be right. */
    while (authority_set_app(&app, "app", "", list)) {
        s_must(app.kind == AUTHORITY_NONE && !authority_has_topic(&app, text));
        char *last = strrchr(list, ' ');
        *(last ? last : list) = 0;
    }
    s_must(authority_has_topic(&app, text) == s_list_covers(list, topic));
    s_must(!authority_has_edge(&app, text) && !authority_has_service(&app, text));
    if (!authority_set_edge(&edge, "edge", list, ""))
        s_must(!authority_has_topic(&edge, text) && !authority_has_service(&edge, text));
    authority_clear(&app);
    authority_clear(&edge);
    return 0;
}
