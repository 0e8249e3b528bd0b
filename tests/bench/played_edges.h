/* played_edges: many edges in one process of their own: all that a gateway says on the
 * bus, without its clients.  They behave as docs/protocol/1-bus.md section 5 wants it:
 * events wait in a window, an announcement goes on at a cursor when the socket takes no
 * more. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PLAYED_SERVICE "scale"

enum { PLAYED_EDGES_MAX = 100 };

/* What the process of the edges tells, and is told; in memory that both share. */
struct played_report {
    atomic_bool open;                // may the clients come now?
    atomic_uint_least64_t joined;    // edges that were welcomed and announced nothing yet
    atomic_uint_least64_t acked;     // channels whose OPEN was acknowledged
    atomic_uint_least64_t synced;    // edges whose announcement was taken whole
    atomic_int_least64_t synced_ns;  // when the newest of them was, CLOCK_MONOTONIC
    atomic_uint_least64_t announced; // records of announcements
    atomic_uint_least64_t resent;    // announcements of one channel that were asked for
    atomic_uint_least64_t stalls;    // times that a socket took no more
    atomic_uint_least64_t refused;   // REJECT and GONE: there should be none
    atomic_int_least64_t silence_ms; // longest time without a word from the broker
};

/* Shared memory, zeroed, until the program ends. */
struct played_report *played_report_new(void);
/* Starts `edges` edges of `channels` channels each as one process; returns its pid. */
pid_t played_edges_start(const char *endpoint, unsigned edges, unsigned channels,
                         struct played_report *report);
/* Before the broker is taken away: what is counted is counted anew. */
void played_report_reset(struct played_report *report);
