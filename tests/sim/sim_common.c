#include "tests/sim/sim_common.h"

#include "common/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIM_DOCTOR_BEFORE = 4 };

/* splitmix64, in our own words: a counter that is stirred. */
unsigned sim_random(uint64_t *state, unsigned below)
{
    uint64_t word = *state += 0x9E3779B97F4A7C15u;
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9u;
    word = (word ^ word >> 27) * 0x94D049BB133111EBu;
    return (unsigned)((word ^ word >> 31) % below);
}

uint64_t sim_number(const char *name, uint64_t absent)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : absent;
}

/* ---- Messages ---- */

static struct sim_message *s_new(const char *data, size_t size)
{
    struct sim_message *message = mem_alloc(sizeof *message + size + 1);
    message->next = NULL;
    message->size = size;
    memcpy(message->data, data, size);
    message->data[size] = 0;
    return message;
}

void sim_put(struct sim_queue *queue, const char *data, size_t size)
{
    struct sim_message *message = s_new(data, size);
    if (queue->last)
        queue->last->next = message;
    else
        queue->first = message;
    queue->last = message;
    queue->count++;
}

struct sim_message *sim_take(struct sim_queue *queue)
{
    struct sim_message *message = queue->first;
    if (!message)
        return NULL;
    queue->first = message->next;
    if (!queue->first)
        queue->last = NULL;
    queue->count--;
    return message;
}

void sim_empty(struct sim_queue *queue)
{
    for (struct sim_message *message; (message = sim_take(queue));)
        free(message);
}

/* ---- What is printed ---- */

void sim_print(uint64_t step, int64_t now_ms, const char *format, va_list arguments)
{
    static int on = -1;
    if (on < 0)
        on = getenv("SIM_TRACE") != NULL;
    if (!on)
        return;
    fprintf(stderr, "%5" PRIu64 " %7.2f ", step, (double)now_ms / 1000);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void sim_give_up(const char *program, uint64_t seed, const char *format,
                 va_list arguments)
{
    printf("seed %" PRIu64 ": ", seed);
    vprintf(format, arguments);
    printf("\nagain, with all that happens: SIM_SEED=%" PRIu64
           " SIM_RUNS=1 SIM_TRACE=1 tests/sim/%s\n0 passed, 1 failed\n",
           seed, program);
    exit(EXIT_FAILURE);
}

/* ---- The doctor ---- */

void sim_doctor_begin(struct sim_doctor *self)
{
    const char *order = getenv("SIM_DOCTOR");
    *self = (struct sim_doctor){.before = SIM_DOCTOR_BEFORE};
    if (order && sscanf(order, "%7s %7s", self->what, self->verb) != 2) {
        fprintf(stderr, "SIM_DOCTOR=%s: drop, double or swap, and a verb\n", order);
        exit(EXIT_FAILURE);
    }
    // "VERB c channel ..." to an edge, "VERB session seq ..." to a worker
    self->of = strcmp(self->verb, "TEXT") == 0 ? 1 : 2;
}

void sim_doctor_end(struct sim_doctor *self)
{
    free(self->kept);
    self->kept = NULL;
}

/* Is this the next one for the same channel or session? */
static bool s_follows(const struct sim_doctor *self, const void *place,
                      const struct wire_record *record)
{
    struct wire_record kept;
    size_t which = self->of;
    return self->kept && self->place == place &&
           wire_read(self->kept->data, self->kept->size, &kept) == 0 &&
           kept.token[which].size == record->token[which].size &&
           memcmp(kept.token[which].data, record->token[which].data,
                  kept.token[which].size) == 0;
}

size_t sim_doctor_take(struct sim_doctor *self, const void *place,
                       const struct sim_message *message,
                       const struct sim_message *out[2])
{
    struct wire_record record;
    out[0] = message;
    out[1] = NULL;
    if (self->done || !self->verb[0] ||
        wire_read(message->data, message->size, &record) < 0 ||
        !wire_is(record.token[0], self->verb))
        return 1;
    if (self->kept && !s_follows(self, place, &record))
        return 1;
    if (!self->kept && self->before-- > 0)
        return 1;
    if (strcmp(self->what, "swap") == 0 && !self->kept) {
        self->kept = s_new(message->data, message->size);
        self->place = place;
        return 0;
    }
    self->done = true;
    out[1] = self->kept ? self->kept : message;
    return strcmp(self->what, "drop") == 0 ? 0 : 2;
}
