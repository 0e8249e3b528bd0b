/* Topics, patterns and positions of any bytes: the walk gives exactly the names that
 * match, and a position is written as it was read. */
#include "common/topic_pattern.h"
#include "gateway/cursor.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void s_must(bool holds)
{
    if (!holds)
        abort();
}

static void s_check_pair(const char *pattern, size_t pattern_size, const char *topic,
                         size_t size)
{
    struct topic_walk walk;
    bool found = false;
    size_t count = 0;
    if (topic_kind(pattern, pattern_size) == TOPIC_INVALID ||
        topic_kind(topic, size) != TOPIC_NAME)
        return;
    topic_walk_begin(&walk, topic, size);
    while (topic_walk_next(&walk)) {
        s_must(topic_pattern_matches(walk.name, walk.name_size, topic, size));
        found |= walk.name_size == pattern_size &&
                 memcmp(walk.name, pattern, pattern_size) == 0;
        count++;
    }
    s_must(count <= TOPIC_MAX + 2);
    s_must(found == topic_pattern_matches(pattern, pattern_size, topic, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct cursor position;
    char out[CURSOR_ROOM];
    if (cursor_read(text, size, &position) == 0) {
        struct cursor again;
        cursor_write(&position, out);
        s_must(cursor_read(out, strlen(out), &again) == 0);
        s_must(!cursor_is_after(&again, &position));
        s_must(!cursor_is_after(&position, &again));
    }
    const char *line = memchr(text, '\n', size);
    if (line) {
        size_t first = (size_t)(line - text);
        s_check_pair(text, first, line + 1, size - first - 1);
    }
    return 0;
}
