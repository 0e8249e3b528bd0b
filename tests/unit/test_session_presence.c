/* Presence of sessions, and the policy for their carriers: what outlives carriers. */
#include "tests/unit/session_rig.h"

/* The same, and another peer watches the topic in which it is. */
static struct rig *s_present(void)
{
    struct rig *rig = s_opened();
    s_wait(rig, 6); // edges have had their time
    rig_app(rig, 7, "WATCH lobby");
    rig_app(rig, 1, "LABEL " S1 " ann");
    rig_app(rig, 1, "SUB " S1 " lobby presence=1 slow=latest id=1");
    rig_expect(rig, "app 7 ENTER lobby * " S1 "|ann");
    rig_expect(rig, "app 1 OK " S1 " - 1");
    return rig;
}

START_TEST(a_session_is_present_whatever_carries_it_until_it_ends)
{
    struct rig *rig = s_present();
    rig_edge(rig, 8, "CLOSE " CH("1") " 2 1006");
    rig_turn(rig);
    s_wait(rig, 20);
    rig_edge(rig, 9, "OPEN " CH2("7") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect(rig,
               "edge 9 BIND * " CH2("7") " " S1 " * label=ann slow=latest|lobby " POS(
                   "0") " presence=1|");
    rig_edge(rig, 9, "BYE");
    s_wait(rig, 29);
    rig_app(rig, 1, "LABEL " S1 " bob");
    rig_expect(rig, "app 7 ENTER lobby * " S1 "|bob");
    rig_expect_no(rig, "app 7 EXIT *");
    rig_app(rig, 3, "GET presence lobby id=2");
    rig_expect(rig, "app 3 INFO lobby - 2|*" S1 "*bob*");
    s_wait(rig, 2);
    rig_expect(rig, "app 7 EXIT lobby * " S1);
    rig_destroy(rig);
}
END_TEST

START_TEST(a_session_leaves_with_its_subscription_and_is_in_no_pattern)
{
    struct rig *rig = s_present();
    rig_app(rig, 1, "SUB " S1 " lobby");
    rig_expect(rig, "edge 8 SUB * " CH("1") " lobby pos=* presence=1*");
    rig_app(rig, 1, "UNSUB " S1 " lobby");
    rig_expect(rig, "app 7 EXIT lobby * " S1);
    rig_app(rig, 1, "SUB " S1 " lobby/* presence=1 id=3");
    rig_expect(rig, "app 1 OK " S1 " - 3");
    rig_app(rig, 3, "GET presence lobby id=2");
    rig_expect(rig, "app 3 INFO lobby - 2|*\"count\":0*");
    rig_destroy(rig);
}
END_TEST

START_TEST(a_broker_that_starts_anew_knows_it_by_what_edges_say)
{
    struct rig *rig = s_restarted();
    rig_app(rig, 7, "WATCH lobby");
    rig_app(rig, 7, "WATCH left");
    rig_edge(rig, 8,
             "SESS " S1 " 2 chat w1 0 1111111111111111:5 as=r label=ann\nlobby "
             "1111111111111111:2 presence=1\nleft 1111111111111111:2 presence=1\n\n");
    rig_edge(rig, 9,
             "SESS " S1
             " 3 chat w1 0 1111111111111111:5 as=r label=ann slow=close\nlobby "
             "1111111111111111:2 presence=1\n\n");
    rig_edge(rig, 8, "SYNCED");
    rig_edge(rig, 9, "SYNCED");
    s_wait(rig, 6);
    rig_expect(rig, "app 7 PRESENT lobby *" S1 "*ann*");
    rig_expect(rig, "app 7 PRESENT left *\"count\":0*");
    rig_edge(rig, 9, "OPEN " CH2("7") " 1 chat 1 sid=" S1 " mode=join as=r ws=1\n{}");
    rig_expect(rig, "edge 9 BIND * " CH2("7") " " S1 " * slow=close|lobby *");
    rig_expect_no(rig, "app 7 E*");
    rig_destroy(rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_presence");
    TCase *all = tcase_create("all");
    tcase_add_test(all, a_session_is_present_whatever_carries_it_until_it_ends);
    tcase_add_test(all, a_session_leaves_with_its_subscription_and_is_in_no_pattern);
    tcase_add_test(all, a_broker_that_starts_anew_knows_it_by_what_edges_say);
    suite_add_tcase(suite, all);
    return rig_run(suite);
}
