/* What the simulations share: numbers drawn from a seed, messages under way, what they
 * print, and the doctor, who spoils what the broker says to show that a check sees it. */
#pragma once

#include "common/wire.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

struct sim_message {
    struct sim_message *next;
    size_t size;
    char data[]; // a zero follows
};

struct sim_queue {
    struct sim_message *first, *last;
    size_t count;
};

/* SIM_DOCTOR="drop TEXT": in each run the fifth message of this verb is dropped; or
 * "double", or "swap" with the next one for the same channel. */
struct sim_doctor {
    char what[8], verb[8]; // "": nothing
    size_t of;             // the token that names the channel
    unsigned before;       // so many are left as they are
    struct sim_message *kept;
    const void *place; // where it was going
    bool done;
};

/* Below `below`, which must not be 0; *state begins with the seed. */
unsigned sim_random(uint64_t *state, unsigned below);
/* The number in the environment, or `absent`. */
uint64_t sim_number(const char *name, uint64_t absent);

void sim_put(struct sim_queue *queue, const char *data, size_t size);
/* NULL: there is none; the caller frees it. */
struct sim_message *sim_take(struct sim_queue *queue);
void sim_empty(struct sim_queue *queue);

/* One line to stderr, if SIM_TRACE is set. */
void sim_print(uint64_t step, int64_t now_ms, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
/* The verdict, with the seed; ends the process.  program: its file in tests/sim. */
void sim_give_up(const char *program, uint64_t seed, const char *format,
                 va_list arguments) __attribute__((noreturn, format(printf, 3, 0)));

void sim_doctor_begin(struct sim_doctor *self);
void sim_doctor_end(struct sim_doctor *self);
/* A peer takes a message, which it has received as the next one: what it shall carry out
 * in its place, in this order; 0, 1 or 2 of out.  `place` is the peer.  The second may
 * be self->kept, which the doctor frees. */
size_t sim_doctor_take(struct sim_doctor *self, const void *place,
                       const struct sim_message *message,
                       const struct sim_message *out[2]);
