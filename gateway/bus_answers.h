/* bus_answers: commands that want an answer, until every channel they name has given its
 * own; and the answers given, so that a command that is sent again is answered again but
 * not carried out. Pure.  docs/protocol/1-bus.md 4.5 and 5.2 rule 11. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus_answers;

struct bus_answer {
    unsigned sent, failed; // channels
    const char *error;     // the last one's code, static; NULL: none failed
};

enum bus_answers_verdict {
    BUS_ANSWERS_NEW,    // carry it out
    BUS_ANSWERS_KNOWN,  // it was carried out: `answer` is what came of it
    BUS_ANSWERS_REPEAT, // it is being carried out: its answer will name this c
};

/* limit: ids remembered; keep_ms: how long. */
struct bus_answers *bus_answers_new(size_t limit, int64_t keep_ms);
void bus_answers_destroy(struct bus_answers **self_p);
/* A command came.
 *   id, size  the sender's id, or NULL
 *   parts     answers that it needs, at least 1 */
enum bus_answers_verdict bus_answers_begin(struct bus_answers *self, uint64_t c,
                                           const char *id, size_t size, unsigned parts,
                                           int64_t now_ms, struct bus_answer *answer);
/* One of its parts is answered.  True when that was the last: `answer` and `*c_out` (the
 * newest c under which it came) are set. */
bool bus_answers_end(struct bus_answers *self, uint64_t c, const char *error,
                     struct bus_answer *answer, uint64_t *c_out);
