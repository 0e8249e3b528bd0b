/* bus_private: what bus.c (thread and sockets) and bus_record.c (records from the broker)
 * share. */
#pragma once

#include "common/wire.h"
#include "gateway/bus.h"
#include "gateway/bus_answers.h"
#include "gateway/bus_asks.h"
#include "gateway/bus_overflow.h"
#include "gateway/bus_socket.h"
#include "gateway/bus_topics.h"
#include "gateway/hang.h"

#include <pthread.h>
#include <stdatomic.h>

/*   AWAY --HELLO sent--> GREETING --WELCOME--> JOINED
 *     ^                    |  ^--WHO, a gap in c--|
 *     `---5 s of silence---'----------------------'      */
enum bus_state { BUS_AWAY, BUS_GREETING, BUS_JOINED };

enum { BUS_BOOT_ROOM = 24, BUS_EPOCH_ROOM = 20, BUS_PREFIX_ROOM = 96 };

struct bus {
    struct bus_options options;
    struct bus_port *ports;
    int wake_fd;
    pthread_t thread;
    bool started;
    atomic_bool stop, ready, has_new_keys;
    pthread_mutex_t keys_lock; // of new_keys
    struct bus_keys new_keys;

    /* The thread's own from here on. */
    void *context, *records, *beats; // ZeroMQ
    struct bus_monitor monitor;      // of records
    struct bus_keys keys;
    size_t endpoint; // index of the one in use
    enum bus_state state;
    char boot[BUS_BOOT_ROOM]; // of the broker that was joined last, "" none
    char epoch[BUS_EPOCH_ROOM];
    char prefix[BUS_PREFIX_ROOM];
    uint64_t lastc;
    uint64_t told_c; // newest command that was sent, as the last HB among them said
    bool is_beside;  // the record at hand came beside the commands, not among them
    int64_t now_ms, heard_ms, hello_ms, beat_ms, away_ms;
    bool has_beaten; // beside the commands, since WELCOME
    bool must_greet; // a HELLO is due as soon as the last one is old enough
    size_t unreported_records, unreported_bytes; // commands since the last HB
    struct bus_item *outbox, *outbox_last;       // own records that wait for room
    struct bus_item *stuck;                      // a worker's record that found no room
    uint64_t announce;                           // number of the announcement under way
    unsigned announcing;                         // workers that have not finished it
    bool announce_is_full;
    bool has_presence; // of some channel, once
    unsigned ending;   // workers that have not ended the old epoch
    bool was_joined;
    struct bus_of_worker {
        struct bus_overflow lost;
        struct hang hang;
    } * of_worker; // what this thread knows of each worker
    struct bus_topics *topics;
    bool topics_changed; // while no broker was there to be told
    struct bus_answers *answers;
    struct bus_asks *asks; // of the operations port
};

/* A record from the broker; the bytes are copied where a worker needs them. */
void bus_take_record(struct bus *self, const void *data, size_t size);
/* Queue a record of the bus thread's own. */
void bus_post(struct bus *self, const struct wire_header *header);
void bus_set_state(struct bus *self, enum bus_state next);
/* TSUB for each topic. */
void bus_announce_topics(struct bus *self);
/* Greet the broker again, at most once in 200 ms. */
void bus_greet(struct bus *self);
/* Start a new life: every channel ends. */
void bus_new_epoch(struct bus *self);
/* Tell every worker. */
void bus_broadcast(struct bus *self, enum bus_item_kind kind, const char *text,
                   uint64_t number, bool full);
/* Answer command c. */
void bus_answer(struct bus *self, uint64_t c, const struct bus_answer *answer);
