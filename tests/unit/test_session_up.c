/* How far the count of a session's client has come, as edges are told. */
#include "tests/unit/core_rig.h"

#define S1 "session.0f1e2d3c4b5a6978.8796a5b4c3d2e1f0"

static void s_ack(struct rig *rig)
{
    rig_tagged(rig, 1, "ACK", rig->tag);
    rig_turn(rig);
}

/* A session with a long poll on edge e1, whose OPEN is processed. */
static struct rig *s_opened(void)
{
    struct rig *rig = rig_new();
    rig_join_edge(rig, 1);
    rig_join_edge(rig, 2);
    rig_app(rig, 1, "JOIN chat id=j");
    rig_turn(rig);
    rig_edge(rig, 8, "OPEN " CH("1") " 1 chat 1 sid=" S1 " mode=new as=r\n{}");
    rig_expect(rig, "app 1 OPEN " S1 " 1 *");
    s_ack(rig);
    rig_forget(rig);
    return rig;
}

START_TEST(the_edge_that_keeps_the_copy_hears_of_messages_while_nobody_is_there)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 8, "CLOSE " CH("1") " 2 0");
    rig_turn(rig);
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=post as=r\n{}");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2 n=1\nhello");
    rig_expect(rig, "app 1 TEXT " S1 " 2 * o=1|hello");
    s_ack(rig);
    rig_expect(rig, "edge 8 UP * " S1 " 1");
    rig_destroy(rig);
}
END_TEST

START_TEST(the_edge_of_a_carrier_that_serves_hears_it_by_the_carrier)
{
    struct rig *rig = s_opened();
    rig_edge(rig, 9, "OPEN " CH2("1") " 1 chat 1 sid=" S1 " mode=post as=r\n{}");
    rig_edge(rig, 9, "TEXT " CH2("1") " 2 n=1\nhello");
    rig_expect(rig, "app 1 TEXT " S1 " 2 * o=1|hello");
    s_ack(rig);
    rig_expect(rig, "edge 8 UP * " CH("1") " 1");
    rig_expect_no(rig, "edge 8 UP * " S1 " 1");
    rig_destroy(rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_up");
    TCase *tcase = tcase_create("session_up");
    tcase_add_test(tcase,
                   the_edge_that_keeps_the_copy_hears_of_messages_while_nobody_is_there);
    tcase_add_test(tcase, the_edge_of_a_carrier_that_serves_hears_it_by_the_carrier);
    suite_add_tcase(suite, tcase);
    return rig_run(suite);
}
