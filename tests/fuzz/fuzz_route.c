#include "gateway/route.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct route_table *s_table(void)
{
    static struct route_table *table; // made once: only matching reads a peer's bytes
    static const char *const rows[][3] = {
        {"rooms", "/rooms/{room}", "rooms/{room}"},
        {"two", "/{a}/x/{b}", "t/{a}/{b}"},
        {"rest", "/files/**", "files"},
    };
    if (table)
        return table;
    table = route_table_new();
    for (size_t at = 0; at < sizeof rows / sizeof rows[0]; at++) {
        const char *keys[] = {"path", "topic"}, *values[] = {rows[at][1], rows[at][2]};
        char *why = NULL;
        if (route_table_add(table, rows[at][0], keys, values, 2, &why) != 0)
            abort();
    }
    return table;
}

/* A parameter that is let through has no byte that would mean something in a topic. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct route_match match;
    char topic[256];
    char *path = malloc(size + 1);
    memcpy(path, data, size);
    path[size] = 0;
    int status = route_table_match(s_table(), path, size, &match);
    free(path);
    if (status != 0 && status != 400 && status != 404)
        abort();
    if (status != 0)
        return 0;
    for (size_t at = 0; at < match.count; at++)
        for (const char *c = match.value[at]; *c; c++)
            if (*c == '*' || *c == '/' || *c <= ' ' || *c > '~')
                abort();
    int length = route_match_topic(&match, topic, sizeof topic);
    if (length >= (int)sizeof topic)
        abort();
    return 0;
}
