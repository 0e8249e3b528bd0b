/* batch: records for one peer that follow each other go as the frames of one message. The
 * ZeroMQ thread is woken and the peer looked up once for all of them.
 * docs/protocol/1-bus.md section 3. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

struct batch {
    void *socket;   // a ROUTER; borrowed
    zmq_msg_t last; // held back until it is known whether another one follows
    uint64_t peer;  // whose message is open; 0: none is
    unsigned frames;
    size_t bytes;
};

void batch_init(struct batch *self, void *socket);
/* One record for a peer.  Takes the frame, and leaves it empty: 0; or a negative errno,
 * and the frame is still the caller's. */
int batch_add(struct batch *self, uint64_t peer, zmq_msg_t *frame);
/* Ends the message that is open: before anything else is sent, and at the end of a turn.
 */
void batch_end(struct batch *self);
