#include "gateway/ws_message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 100 }; // bytes of a message, as in the vectors

struct history {
    uint64_t sum; // of everything that the events say
    size_t events;
    bool ended; // CLOSE or FAILED came
};

static void s_must(bool holds)
{
    if (!holds)
        abort();
}

static void s_note(struct history *history, const struct ws_event *event)
{
    s_must(!history->ended);
    uint64_t sum = history->sum * 31 + (uint64_t)event->kind * 7 + event->code;
    for (size_t at = 0; at < event->size; at++)
        sum = sum * 131 + event->data[at];
    history->sum = sum * 131 + event->size;
    history->events++;
    history->ended = event->kind == WS_EVENT_CLOSE || event->kind == WS_EVENT_FAILED;
    bool is_message = event->kind == WS_EVENT_TEXT || event->kind == WS_EVENT_BINARY;
    s_must(event->size <= (is_message ? LIMIT : 125));
    s_must(event->kind != WS_EVENT_TEXT || utf8_is_valid(event->data, event->size));
    s_must(event->kind != WS_EVENT_FAILED || event->reason);
}

/* One read of a copy that is exactly as large, so that reads past the end are seen. */
static void s_feed(struct ws_message *reader, const uint8_t *data, size_t size,
                   struct history *history)
{
    struct ws_event event = {.kind = WS_EVENT_PONG};
    uint8_t *copy = malloc(size ? size : 1);
    s_must(copy != NULL);
    memcpy(copy, data, size);
    size_t used = 0;
    while (event.kind != WS_EVENT_NONE) {
        size_t took = ws_message_read(reader, copy + used, size - used, &event);
        s_must(took <= size - used);
        used += took;
        if (event.kind != WS_EVENT_NONE)
            s_note(history, &event);
    }
    s_must(used == size);
    free(copy);
}

/* The input in pieces of 1 to `most` bytes. */
static struct history s_read(const uint8_t *data, size_t size, size_t most)
{
    struct history history = {0};
    struct ws_message *reader = ws_message_new(LIMIT);
    uint32_t random = (uint32_t)size;
    for (size_t at = 0; at < size;) {
        random = random * 1103515245 + 12345 + data[at];
        size_t piece = 1 + (random >> 16) % most;
        piece = piece < size - at ? piece : size - at;
        s_feed(reader, data + at, piece, &history);
        at += piece;
    }
    ws_message_destroy(&reader);
    return history;
}

static struct history s_read_whole(const uint8_t *data, size_t size)
{
    struct history history = {0};
    struct ws_message *reader = ws_message_new(LIMIT);
    s_feed(reader, data, size, &history);
    ws_message_destroy(&reader);
    return history;
}

/* The same bytes give the same events, however they arrive. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct history whole = s_read_whole(data, size);
    static const size_t pieces[] = {1, 3, 17, 200};
    for (size_t at = 0; at < sizeof pieces / sizeof *pieces; at++) {
        struct history parts = s_read(data, size, pieces[at]);
        s_must(parts.sum == whole.sum && parts.events == whole.events);
    }
    return 0;
}
