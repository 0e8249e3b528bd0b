/* session_rig: a core with two edges, a worker and a session, for the tests of sessions.
 */
#pragma once

#include "tests/unit/core_rig.h"

#define S1     "session.0f1e2d3c4b5a6978.8796a5b4c3d2e1f0"
#define POS(n) BOOT ":" n

static inline void s_open(struct rig *rig)
{
    rig_edge(rig, 8,
             "OPEN " CH("1") " 1 chat 1 sid=" S1
                             " mode=new as=r ws=1\n{\"carrier\":\"ws\"}");
}

static inline struct rig *s_rig(void)
{
    struct rig *rig = rig_new();
    rig_join_edge(rig, 1);
    rig_join_edge(rig, 2);
    rig_app(rig, 1, "JOIN chat id=j");
    rig_turn(rig);
    rig_forget(rig);
    return rig;
}

static inline void s_ack(struct rig *rig)
{
    rig_tagged(rig, 1, "ACK", rig->tag);
    rig_turn(rig);
}

/* A session with a WebSocket on edge e1, whose OPEN is processed. */
static inline struct rig *s_opened(void)
{
    struct rig *rig = s_rig();
    s_open(rig);
    rig_expect(rig, "app 1 OPEN " S1 " 1 *");
    s_ack(rig);
    rig_forget(rig);
    return rig;
}

/* Both edges and the worker live on. */
static inline void s_wait(struct rig *rig, int seconds)
{
    for (; seconds > 0; seconds--) {
        rig_app(rig, 1, "JOIN chat");
        rig_wait(rig, 1, "12");
    }
}

/* After a restart of the broker: edges that were here before greet it. */
static inline struct rig *s_restarted(void)
{
    struct rig *rig = rig_new();
    rig_app(rig, 1, "JOIN chat name=w1");
    rig_edge(rig, 8, "HELLO e1 " EPOCH " 1111111111111111 5 proto=RW/1");
    rig_edge(rig, 9, "HELLO e2 " EPOCH " 1111111111111111 5 proto=RW/1");
    rig_turn(rig);
    rig_forget(rig);
    return rig;
}
