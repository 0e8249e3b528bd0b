#include "broker/pull.h"

#include "common/mem.h"
#include "common/topic_pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PULL_TOKENS = 4 }; // of HGET, the verb included

void pulls_init(struct pulls *self)
{
    *self = (struct pulls){.count = 0};
    list_init(&self->order);
}

void pulls_clear(struct pulls *self)
{
    for (struct pull *pull; (pull = pulls_first(self));)
        pull_destroy(self, &pull);
}

struct pull *pulls_first(const struct pulls *self)
{
    struct link *first = list_first(&self->order);
    return first ? list_item(first, struct pull, order) : NULL;
}

void pull_destroy(struct pulls *self, struct pull **self_p)
{
    struct pull *pull = *self_p;
    *self_p = NULL;
    list_remove(&pull->order);
    table_remove(&self->by_channel, &pull->by_channel);
    self->count--;
    free(pull->line);
    free(pull);
}

/* Takes the next line off the text; false after the last. */
static bool s_next_line(struct wire_text *text, struct wire_text *line)
{
    const char *end = text->size ? memchr(text->data, '\n', text->size) : NULL;
    if (!text->size)
        return false;
    *line = (struct wire_text){text->data, end ? (size_t)(end - text->data) : text->size};
    size_t used = line->size + (end != NULL);
    text->data += used;
    text->size -= used;
    return true;
}

/* "name" or "name position". */
static int s_read_line(const struct sequence *sequence, struct wire_text text,
                       struct pull_line *line)
{
    const char *space = memchr(text.data, ' ', text.size);
    size_t size = space ? (size_t)(space - text.data) : text.size;
    *line = (struct pull_line){.name = {text.data, size}};
    if (topic_kind(text.data, size) == TOPIC_INVALID)
        return -EPROTO;
    if (!space)
        return 0;
    int result = sequence_read(
        sequence, (struct wire_text){space + 1, text.size - size - 1}, &line->start);
    if (result == -ESTALE)
        line->start = 0;
    return result == -EPROTO ? result : 0;
}

static int s_read_lines(struct pull *self, const struct sequence *sequence,
                        struct wire_text text)
{
    struct wire_text line, rest = text;
    size_t count = 0;
    while (s_next_line(&rest, &line))
        count++;
    if (count > PULL_LINES_MAX)
        return -EPROTO;
    self->line = count ? mem_alloc(count * sizeof *self->line) : NULL;
    while (s_next_line(&text, &line))
        if (s_read_line(sequence, line, &self->line[self->line_count++]) < 0)
            return -EPROTO;
    return 0;
}

static int s_read_cursor(struct pull *self, const struct sequence *sequence)
{
    self->from = PULL_FROM_TOP;
    if (wire_is(self->cursor, "-"))
        return 0;
    int result = sequence_read(sequence, self->cursor, &self->at);
    self->from = result == -ESTALE ? PULL_FROM_BEFORE : PULL_FROM_CURSOR;
    if (result == -ESTALE)
        self->at = 0;
    return result == -EPROTO ? result : 0;
}

/* A number of an option within its limits; `absent` if there is none. */
static int s_option(const struct wire_record *record, const char *key, uint64_t absent,
                    uint64_t *out)
{
    struct wire_text value = wire_option(record, PULL_TOKENS, key);
    *out = absent;
    return value.data && (wire_u64(value, out) < 0 || *out == 0) ? -EPROTO : 0;
}

static int s_read(struct pull *self, const struct sequence *sequence,
                  const struct wire_record *record)
{
    if (wire_u64(record->token[3], &self->limit) < 0 || self->limit == 0 ||
        s_option(record, "bytes", UINT64_MAX, &self->bytes) < 0 ||
        s_option(record, "n", 0, &self->number) < 0 || self->number > UINT32_MAX ||
        s_read_cursor(self, sequence) < 0)
        return -EPROTO;
    char *lines = self->text + self->channel.size + self->cursor.size;
    return s_read_lines(self, sequence, (struct wire_text){lines, record->payload_size});
}

static struct pull *s_new(const struct wire_record *record)
{
    struct wire_text channel = record->token[1], cursor = record->token[2];
    struct pull *self =
        mem_alloc(sizeof *self + channel.size + cursor.size + record->payload_size);
    list_init(&self->order);
    memcpy(self->text, channel.data, channel.size);
    memcpy(self->text + channel.size, cursor.data, cursor.size);
    if (record->payload_size)
        memcpy(self->text + channel.size + cursor.size, record->payload,
               record->payload_size);
    self->channel = (struct wire_text){self->text, channel.size};
    self->cursor = (struct wire_text){self->text + channel.size, cursor.size};
    return self;
}

int pulls_add(struct pulls *self, const struct sequence *sequence,
              const struct wire_record *record)
{
    struct wire_text channel = record->token[1];
    struct table_entry *known = table_find(&self->by_channel, channel.data, channel.size);
    struct pull *former = known ? table_item(known, struct pull, by_channel) : NULL;
    if (!former && self->count >= PULLS_MAX)
        return -ENOBUFS;
    struct pull *pull = s_new(record);
    if (s_read(pull, sequence, record) < 0) {
        free(pull->line);
        free(pull);
        return -EPROTO;
    }
    if (former)
        pull_destroy(self, &former);
    list_append(&self->order, &pull->order);
    table_add(&self->by_channel, &pull->by_channel, pull->channel.data, channel.size);
    self->count++;
    return 0;
}
