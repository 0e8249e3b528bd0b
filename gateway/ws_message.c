#include "gateway/ws_message.h"

#include "common/mem.h"
#include "gateway/ws_frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What was handed out by the last event and is freed by the next call. */
enum s_lent { LENT_NOTHING, LENT_MESSAGE, LENT_CONTROL };

struct ws_message {
    struct bytes whole; // payload of earlier frames and reads; its limit is the message's
    uint8_t *control;   // payload of a control frame that comes in pieces, or NULL
    uint64_t left;      // bytes of the frame under way still to come
    uint8_t header[WS_HEADER_MAX - 1]; // an unfinished header
    uint8_t header_size;
    uint8_t mask[4]; // of the frame under way, its next byte first
    struct utf8 text;
    uint8_t control_size; // bytes in control
    uint8_t opcode;       // of the frame under way
    uint8_t kind;         // WS_TEXT or WS_BINARY while a message is under way, else 0
    uint8_t lent;         // enum s_lent
    bool in_frame;        // a header was read, its payload is not complete
    bool fin;
    bool ended; // CLOSE or FAILED was reported
};

/* Ten thousand idle connections have one each. */
_Static_assert(sizeof(struct ws_message) <= 88, "ws_message is small");

struct ws_message *ws_message_new(size_t message_limit)
{
    struct ws_message *self = mem_new(struct ws_message);
    bytes_init(&self->whole, message_limit);
    return self;
}

static void s_free_control(struct ws_message *self)
{
    free(self->control);
    self->control = NULL;
    self->control_size = 0;
}

static void s_free_lent(struct ws_message *self)
{
    if (self->lent == LENT_MESSAGE)
        bytes_clear(&self->whole);
    if (self->lent == LENT_CONTROL)
        s_free_control(self);
    self->lent = LENT_NOTHING;
}

void ws_message_destroy(struct ws_message **self_p)
{
    struct ws_message *self = *self_p;
    if (!self)
        return;
    bytes_clear(&self->whole);
    s_free_control(self);
    free(self);
    *self_p = NULL;
}

static void s_fail(struct ws_message *self, uint16_t code, const char *reason,
                   struct ws_event *event)
{
    bytes_clear(&self->whole);
    s_free_control(self);
    self->ended = true;
    *event = (struct ws_event){.kind = WS_EVENT_FAILED, .code = code, .reason = reason};
}

/* ---- headers ---- */

/* Sections 5.1, 5.2 and 5.4: what the first two bytes of a header can break, or NULL. */
static const char *s_rule_of_start(const struct ws_message *self, const uint8_t *header)
{
    uint8_t opcode = header[0] & 15;
    if (header[0] & 0x70)
        return "a reserved bit is set";
    if (opcode > WS_PONG || (opcode > WS_BINARY && opcode < WS_CLOSE))
        return "reserved opcode";
    if (!(header[1] & 0x80))
        return "the frame is not masked";
    if (opcode == WS_CONTINUATION && !self->kind)
        return "a continuation of nothing";
    if ((opcode == WS_TEXT || opcode == WS_BINARY) && self->kind)
        return "a new message before the end of a fragmented one";
    if (opcode >= WS_CLOSE && !(header[0] & 0x80))
        return "a fragmented control frame";
    if (opcode >= WS_CLOSE && (header[1] & 0x7F) > WS_CONTROL_MAX)
        return "a control frame over 125 bytes";
    return NULL;
}

static void s_begin_frame(struct ws_message *self, const struct ws_frame *frame,
                          struct ws_event *event)
{
    bool is_control = frame->opcode >= WS_CLOSE;
    if (!is_control && frame->length > self->whole.limit - self->whole.size) {
        s_fail(self, 1009, "message over the limit", event);
        return;
    }
    if (frame->opcode == WS_TEXT)
        utf8_init(&self->text);
    if (frame->opcode == WS_TEXT || frame->opcode == WS_BINARY)
        self->kind = frame->opcode;
    self->opcode = frame->opcode;
    self->fin = frame->fin;
    self->left = frame->length;
    memcpy(self->mask, frame->mask, sizeof self->mask);
    self->in_frame = true;
}

/* `header` starts with what was kept of it.  Returns the header's size, or 0 when it is
 * not complete or wrong. */
static size_t s_judge_header(struct ws_message *self, const uint8_t *header, size_t size,
                             struct ws_event *event)
{
    if (size < 2)
        return 0;
    const char *rule = s_rule_of_start(self, header);
    if (rule) {
        s_fail(self, 1002, rule, event);
        return 0;
    }
    struct ws_frame frame;
    int got = ws_frame_read(header, size, &frame);
    if (got < 0)
        s_fail(self, 1002, "a length not in its shortest form", event);
    if (got <= 0)
        return 0;
    s_begin_frame(self, &frame, event);
    return (size_t)got;
}

/* Returns the number of bytes used. */
static size_t s_read_header(struct ws_message *self, const uint8_t *data, size_t size,
                            struct ws_event *event)
{
    uint8_t header[WS_HEADER_MAX];
    size_t kept = self->header_size;
    size_t more = size < sizeof header - kept ? size : sizeof header - kept;
    memcpy(header, self->header, kept);
    memcpy(header + kept, data, more);

    size_t got = s_judge_header(self, header, kept + more, event);
    if (got > 0) {
        self->header_size = 0;
        return got - kept;
    }
    if (self->ended)
        return size;
    memcpy(self->header + kept, data, more);
    self->header_size = (uint8_t)(kept + more);
    return more;
}

/* ---- payload ---- */

/* Eight bytes at a time; afterwards the mask begins with the next byte's. */
static void s_unmask(uint8_t mask[4], uint8_t *data, size_t size)
{
    uint64_t wide;
    uint64_t word;
    memcpy(&wide, mask, 4);
    memcpy((uint8_t *)&wide + 4, mask, 4);
    size_t at = 0;
    for (; at + sizeof word <= size; at += sizeof word) {
        memcpy(&word, data + at, sizeof word);
        word ^= wide;
        memcpy(data + at, &word, sizeof word);
    }
    for (size_t rest = 0; at + rest < size; rest++)
        data[at + rest] ^= mask[rest % 4];
    uint8_t old[4];
    memcpy(old, mask, 4);
    for (size_t byte = 0; byte < 4; byte++)
        mask[byte] = old[(byte + size) % 4];
}

static void s_end_message(struct ws_message *self, const uint8_t *data, size_t size,
                          struct ws_event *event)
{
    bool is_text = self->kind == WS_TEXT;
    self->kind = 0;
    if (is_text && !utf8_is_complete(&self->text)) {
        s_fail(self, 1007, "the text ends inside a character", event);
        return;
    }
    event->kind = is_text ? WS_EVENT_TEXT : WS_EVENT_BINARY;
    event->data = data;
    event->size = size;
}

/* A piece of a data frame, unmasked; `left` does not count it any more. */
static void s_take_data(struct ws_message *self, const uint8_t *data, size_t size,
                        struct ws_event *event)
{
    if (self->kind == WS_TEXT && !utf8_feed(&self->text, data, size)) {
        s_fail(self, 1007, "the text is not UTF-8", event);
        return;
    }
    bool is_end = self->left == 0 && self->fin;
    if (is_end && self->whole.size == 0) {
        s_end_message(self, data, size, event);
        return;
    }
    if (bytes_append(&self->whole, data, size) < 0) {
        s_fail(self, 1011, "no memory for the message", event);
        return;
    }
    if (!is_end)
        return;
    self->lent = LENT_MESSAGE;
    s_end_message(self, self->whole.data, self->whole.size, event);
}

bool ws_close_code_is_valid(int code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

/* Sections 5.5.1 and 7.4. */
static void s_end_close(struct ws_message *self, const uint8_t *data, size_t size,
                        struct ws_event *event)
{
    size_t head = size ? 2 : 0;
    if (size == 1) {
        s_fail(self, 1002, "a Close of one byte", event);
        return;
    }
    int code = size ? data[0] << 8 | data[1] : 1005;
    if (size && !ws_close_code_is_valid(code)) {
        s_fail(self, 1002, "a close code that may not be sent", event);
        return;
    }
    if (!utf8_is_valid(data + head, size - head)) {
        s_fail(self, 1007, "the reason of the Close is not UTF-8", event);
        return;
    }
    bytes_clear(&self->whole);
    self->ended = true;
    *event = (struct ws_event){.kind = WS_EVENT_CLOSE,
                               .data = data + head,
                               .size = size - head,
                               .code = (uint16_t)code};
}

static void s_end_control(struct ws_message *self, const uint8_t *data, size_t size,
                          struct ws_event *event)
{
    if (self->opcode == WS_CLOSE) {
        s_end_close(self, data, size, event);
        return;
    }
    event->kind = self->opcode == WS_PING ? WS_EVENT_PING : WS_EVENT_PONG;
    event->data = data;
    event->size = size;
}

/* A piece of a control frame, unmasked; `left` does not count it any more. */
static void s_take_control(struct ws_message *self, const uint8_t *data, size_t size,
                           struct ws_event *event)
{
    if (self->left == 0 && !self->control) {
        s_end_control(self, data, size, event);
        return;
    }
    if (!self->control)
        self->control = mem_alloc(self->left + size);
    memcpy(self->control + self->control_size, data, size);
    self->control_size = (uint8_t)(self->control_size + size);
    if (self->left > 0)
        return;
    self->lent = LENT_CONTROL;
    s_end_control(self, self->control, self->control_size, event);
}

/* Returns the number of bytes used. */
static size_t s_read_payload(struct ws_message *self, uint8_t *data, size_t size,
                             struct ws_event *event)
{
    size_t used = self->left < size ? (size_t)self->left : size;
    s_unmask(self->mask, data, used);
    self->left -= used;
    self->in_frame = self->left > 0;
    if (self->opcode >= WS_CLOSE)
        s_take_control(self, data, used, event);
    else
        s_take_data(self, data, used, event);
    return used;
}

size_t ws_message_read(struct ws_message *self, uint8_t *data, size_t size,
                       struct ws_event *event)
{
    size_t used = 0;
    *event = (struct ws_event){.kind = WS_EVENT_NONE};
    s_free_lent(self);
    while (event->kind == WS_EVENT_NONE) {
        if (self->ended)
            return size;
        bool waits = self->in_frame ? self->left > 0 : true;
        if (used == size && waits)
            break;
        if (self->in_frame)
            used += s_read_payload(self, data + used, size - used, event);
        else
            used += s_read_header(self, data + used, size - used, event);
    }
    return self->ended ? size : used;
}
