/* worker: application peers that joined a service: windows, tags and names.  Pure. */
#pragma once

#include "broker/delivery.h"
#include "broker/list.h"
#include "broker/output.h"
#include "common/table.h"

#include <stdbool.h>

struct service;
struct worker;

enum {
    WORKER_SERVICES_MAX = 64,
    WORKER_WINDOW = 64,        // when JOIN does not say
    WORKER_WINDOW_MAX = 10000, // deliveries
    WORKER_TAG_MAX = 32,
    WORKER_NAME_MAX = 64,
};

/* One worker in one service. */
struct member {
    struct worker *worker;
    struct service *service;
    struct link of_worker;
    struct link of_service;
    struct link channels; // bound to it
    bool leaving;         // takes no new ones
    bool pressure;        // wants SLOW and DRAINED
    bool curious;         // wants ATTACHED and DETACHED
};

/* A name that outlives the process of its holder. */
struct worker_name {
    struct table_entry by_name;
    struct worker *holder; // NULL: nobody
    struct link waiting;   // channels that wait for it to come back
    int64_t until_ms;      // how long they do
    uint8_t size;
    char text[WORKER_NAME_MAX + 1];
};

struct worker {
    struct table_entry by_peer;
    uint64_t peer;
    const struct authority *authority; // of the key that it joined with
    uint32_t incarnation;
    char prefix[9];           // of its tags: the incarnation in hexadecimal
    struct worker_name *name; // or NULL
    bool takes_batches;       // several records in one message
    unsigned window;          // 0: it does not acknowledge
    unsigned outstanding;     // deliveries in the window
    unsigned asked;           // places kept for channels that are ASKED or MOVING
    struct deliveries out;
    struct link members;
    size_t member_count;
    size_t channel_count;
    struct link parked; // its channels that wait for room
    struct link failed; // workers to be taken away at the end of the record
    int64_t heard_ms;   // last record
    int64_t acked_ms;   // last acknowledgement, or when it began to owe one
};

struct workers {
    struct table by_peer;
    struct table names;
    struct worker *recent; // of the last lookup
    uint32_t incarnation;  // of the newest worker
    size_t count;
};

struct worker *worker_find(struct workers *workers, uint64_t peer);
struct worker *worker_first(const struct workers *workers);
struct worker *worker_after(const struct worker *self);
struct worker *worker_new(struct workers *workers, uint64_t peer, int64_t now_ms);
/* Its members must be gone. */
void worker_destroy(struct workers *workers, struct worker **self_p);

/* Is there room for another delivery? */
bool worker_has_room(const struct worker *self);
/* Room enough that asking a parked channel is worth the events that are sent again? */
bool worker_has_much_room(const struct worker *self);
/* "prefix.number"; returns its size. */
size_t worker_tag(const struct worker *self, uint64_t number, char out[WORKER_TAG_MAX]);
/* The number of a tag, or 0 if it is not of this incarnation. */
uint64_t worker_tag_number(const struct worker *self, struct wire_text tag);

struct member *worker_member(const struct worker *self, const struct service *service);
struct member *member_new(struct worker *worker, struct service *service,
                          struct link *of_service);
/* It wants to hear of carriers, or not. */
void member_set_curious(struct member *self, bool curious);
/* Its channels must be gone. */
void member_destroy(struct member **self_p);

/* The name, made if need be; size 1..WORKER_NAME_MAX. */
struct worker_name *worker_name_get(struct workers *workers, struct wire_text text);
/* Frees it if it has no holder and nobody waits. */
void worker_name_release(struct workers *workers, struct worker_name **self_p);
