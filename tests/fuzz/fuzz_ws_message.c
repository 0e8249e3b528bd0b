#include "gateway/ws_message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 300, EVENTS_MAX = 4096 };

struct history {
    uint64_t sum; // of everything that an event says
    size_t events;
};

static void s_note(struct history *history, const struct ws_event *event)
{
    uint64_t sum = history->sum * 31 + (uint64_t)event->kind * 7 + event->code;
    for (size_t at = 0; at < event->size; at++)
        sum = sum * 131 + event->data[at];
    history->sum = sum;
    history->events++;
    if (event->size > LIMIT)
        abort();
}

/* Reads a copy of the input in pieces of `step` bytes. */
static struct history s_read(const uint8_t *data, size_t size, size_t step)
{
    struct history history = {0};
    struct ws_message *reader = ws_message_new(LIMIT);
    for (size_t at = 0; at < size && history.events < EVENTS_MAX; at += step) {
        size_t piece = size - at < step ? size - at : step;
        uint8_t *copy = malloc(piece); // exactly so large: reads past the end are seen
        memcpy(copy, data + at, piece);
        for (size_t used = 0; used < piece;) {
            struct ws_event event;
            size_t took = ws_message_read(reader, copy + used, piece - used, &event);
            used += took;
            if (event.kind != WS_EVENT_NONE)
                s_note(&history, &event);
            else if (took == 0)
                abort(); // neither progress nor an event
        }
        free(copy);
    }
    ws_message_destroy(&reader);
    return history;
}

/* The same bytes give the same events, however they arrive. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t step = (size_t)data[0] % 17 + 1;
    struct history whole = s_read(data + 1, size - 1, size);
    struct history pieces = s_read(data + 1, size - 1, step);
    if (whole.sum != pieces.sum || whole.events != pieces.events)
        abort();
    return 0;
}
