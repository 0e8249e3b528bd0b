#include "tests/unit/core_rig.h"

#include <stdarg.h>

/* A store that writes down what it is asked for. */
struct recorder {
    char said[8192];
    int keep; // what it answers
};

static struct rig *s_rig;
static struct recorder s_store;

static void s_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void s_note(const char *format, ...)
{
    size_t size = strlen(s_store.said);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s_store.said + size, sizeof s_store.said - size, format, arguments);
    va_end(arguments);
}

static int s_keep(void *context, const struct kept *kept)
{
    (void)context;
    s_note("keep %d %.*s%s%.*s|", (int)kept->g, (int)kept->topic.size, kept->topic.data,
           kept->durable ? " durable " : " ", (int)kept->payload.size,
           kept->payload.data);
    return s_store.keep;
}

static void s_trim(void *context, struct wire_text topic, uint64_t g)
{
    (void)context;
    s_note("trim %.*s %d|", (int)topic.size, topic.data, (int)g);
}

static void s_lose(void *context, struct wire_text topic, uint64_t g)
{
    (void)context;
    s_note("lose %.*s %d|", (int)topic.size, topic.data, (int)g);
}

static void s_forget(void *context, struct wire_text topic)
{
    (void)context;
    s_note("forget %.*s|", (int)topic.size, topic.data);
}

static void s_lease(void *context, uint64_t to)
{
    (void)context;
    s_note("lease %d|", (int)to);
}

/* A store whose newest lease goes so far beyond the next position. */
static void s_open_store(uint64_t next, uint64_t leased)
{
    const struct keeper keeper = {NULL, s_keep, s_trim, s_lose, s_forget, s_lease};
    const struct keeper_start start = {
        .epoch = 0xee, .next = next, .leased_to = leased, .forgotten = next - 1};
    memset(&s_store, 0, sizeof s_store);
    core_set_keeper(s_rig->core, &keeper);
    core_restore_start(s_rig->core, &start);
}

#define EE "00000000000000ee"

static void s_set_up(void)
{
    s_rig = rig_new();
    s_open_store(1, 100000);
    rig_join_edge(s_rig, 1);
    rig_edge(s_rig, 8, "TSUB a");
    rig_forget(s_rig);
}

static void s_tear_down(void)
{
    rig_destroy(s_rig);
}

static void s_said(const char *expected)
{
    ck_assert_str_eq(s_store.said, expected);
    s_store.said[0] = 0;
}

START_TEST(what_history_holds_is_given_to_the_store)
{
    rig_app(s_rig, 3, "PUB a id=1\nx");
    rig_expect(s_rig, "edge 8 PUB * a " EE ":1|x");
    rig_expect(s_rig, "app 3 OK a - 1 pos=" EE ":1");
    s_said("keep 1 a x|");
    rig_app(s_rig, 3, "PUB a hist=0\ny");
    s_said("lose a 2|"); // the store knows the topic
    rig_app(s_rig, 3, "PUB b hist=0\ny");
    s_said("");
    rig_wait(s_rig, 302, "1");
    s_said("trim a 1|");
}
END_TEST

START_TEST(a_durable_publication_is_delivered_and_answered_when_it_is_stored)
{
    rig_app(s_rig, 3, "PUB a durable=1 id=1\nx");
    rig_app(s_rig, 3, "PUB a id=2 collapse=k ttl=60\ny");
    rig_app(s_rig, 3, "PUB a hist=0\nz");
    rig_expect_no(s_rig, "* *");
    s_said("keep 1 a durable x|keep 2 a y|");
    core_stored(s_rig->core, 1, 0);
    rig_expect(s_rig, "edge 8 PUB * a " EE ":1|x");
    rig_expect(s_rig, "app 3 OK a - 1 pos=" EE ":1");
    rig_expect(s_rig, "edge 8 PUB * a " EE ":2 collapse=k|y");
    rig_expect(s_rig, "app 3 OK a - 2 pos=" EE ":2");
    rig_expect(s_rig, "edge 8 PUB * a " EE ":3|z");
    rig_app(s_rig, 3, "PUB a\nw");
    rig_expect(s_rig, "edge 8 PUB * a " EE ":4|w");
}
END_TEST

START_TEST(a_channel_is_live_from_what_was_delivered_not_from_what_waits)
{
    rig_app(s_rig, 3, "PUB a durable=1\nx");
    rig_edge(s_rig, 8, "HGET " CH("1") " " EE ":0 9\na\n");
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 LIVE * " EE ":0");
    rig_expect_no(s_rig, "edge 8 HIST *");
    core_stored(s_rig->core, 1, 0);
    rig_expect(s_rig, "edge 8 PUB * a " EE ":1|x");
}
END_TEST

START_TEST(a_durable_publication_that_is_not_stored_is_not_delivered_and_may_come_again)
{
    rig_app(s_rig, 3, "PUB a durable=1 key=k id=0123456789abcdef.1\nx");
    rig_app(s_rig, 3, "PUB a\ny");
    core_stored(s_rig->core, 2, -ENOSPC);
    rig_expect(s_rig, "app 3 ERR a - 0123456789abcdef.1 store|not delivered*");
    rig_expect(s_rig, "edge 8 PUB * a " EE ":2|y");
    rig_expect_no(s_rig, "*|x");
    rig_app(s_rig, 3, "PUB a durable=1 key=k id=0123456789abcdef.1\nx");
    core_stored(s_rig->core, 3, 0);
    rig_expect(s_rig, "edge 8 PUB * a " EE ":3|x");
    rig_expect(s_rig, "app 3 OK a - * pos=" EE ":3");
}
END_TEST

START_TEST(a_full_disk_leaves_live_delivery_and_says_so)
{
    s_store.keep = -ENOSPC;
    rig_app(s_rig, 3, "PUB a id=1\nx");
    rig_expect(s_rig, "edge 8 PUB * a " EE ":1|x");
    rig_expect(s_rig, "app 3 ERR a - 1 store|delivered*");
    rig_app(s_rig, 3, "PUB a durable=1 id=2\ny");
    rig_expect(s_rig, "app 3 ERR a - 2 store|not delivered*");
    rig_app(s_rig, 3, "PUB a hist=0 id=3\nz");
    rig_expect(s_rig, "edge 8 PUB * a " EE ":3|z");
    rig_expect(s_rig, "app 3 OK a - 3 pos=" EE ":3");
    rig_edge(s_rig, 8, "HGET " CH("1") " " EE ":0 9\na\n");
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 GAP * " EE ":0 " EE ":3 history topic=a");
    s_store.keep = 0; // there is room again
    rig_app(s_rig, 3, "PUB a id=4\nw");
    rig_expect(s_rig, "app 3 OK a - 4 pos=" EE ":4");
}
END_TEST

START_TEST(without_a_store_nothing_is_durable)
{
    rig_destroy(s_rig);
    s_rig = rig_new();
    rig_app(s_rig, 3, "PUB a durable=1 id=1\nx");
    rig_expect(s_rig, "app 3 ERR a - 1 unsupported|*");
    rig_app(s_rig, 3, "PUB a durable=1 hist=0 id=2\nx");
    rig_expect(s_rig, "app 3 ERR a - 2 value|durable*");
}
END_TEST

START_TEST(what_waits_for_the_store_is_bounded)
{
    static char record[300000];
    int head = snprintf(record, sizeof record, "PUB a durable=1 id=1\n");
    memset(record + head, 'x', sizeof record - (size_t)head - 1);
    for (int n = 0; n < 3; n++) {
        record[head - 2] = (char)('1' + n);
        rig_app(s_rig, 3, record);
    }
    rig_expect_no(s_rig, "app 3 *");
    rig_app(s_rig, 3, record);
    rig_app(s_rig, 3, "PUB a hist=0 id=small\nx");
    record[head - 2] = '9';
    rig_app(s_rig, 3, record);
    rig_expect(s_rig, "app 3 ERR a - 9 full|*");
    core_stored(s_rig->core, 3, 0);
    rig_expect(s_rig, "app 3 OK a - small pos=" EE ":4");
    ck_assert_uint_eq(core_measure(s_rig->core)->pending_bytes, 0);
}
END_TEST

START_TEST(a_position_is_used_only_when_it_is_leased)
{
    rig_destroy(s_rig);
    s_rig = rig_new();
    s_open_store(1, 2);
    rig_join_edge(s_rig, 1);
    rig_edge(s_rig, 8, "TSUB a");
    rig_forget(s_rig);
    rig_app(s_rig, 3, "PUB a hist=0\n1");
    s_said("lease 10002|");
    rig_app(s_rig, 3, "PUB a hist=0\n2");
    rig_app(s_rig, 3, "PUB a hist=0 id=3\n3");
    rig_expect(s_rig, "edge 8 PUB * a " EE ":2|2");
    rig_expect_no(s_rig, "*|3");
    core_leased(s_rig->core, 10002, -EIO);
    rig_expect_no(s_rig, "*|3");
    core_leased(s_rig->core, 10002, 0);
    rig_expect(s_rig, "edge 8 PUB * a " EE ":3|3");
    rig_expect(s_rig, "app 3 OK a - 3 pos=" EE ":3");
    ck_assert_uint_eq(core_next_position(s_rig->core), 4);
}
END_TEST

START_TEST(the_next_block_is_asked_for_at_half_and_once)
{
    rig_destroy(s_rig);
    s_rig = rig_new();
    s_open_store(1, 10000);
    for (int n = 1; n < 5000; n++)
        rig_app(s_rig, 3, "PUB a hist=0\n");
    s_said("");
    for (int n = 0; n < 100; n++)
        rig_app(s_rig, 3, "PUB a hist=0\n");
    s_said("lease 20000|");
    core_leased(s_rig->core, 20000, 0);
}
END_TEST

START_TEST(a_key_is_carried_out_once_and_answered_with_the_first_position)
{
    rig_app(s_rig, 3, "PUB a key=order-7 id=1\nx");
    rig_app(s_rig, 4, "PUB a key=order-7 id=2\nx");
    rig_expect(s_rig, "app 3 OK a - 1 pos=" EE ":1");
    rig_expect(s_rig, "app 4 OK a - 2 pos=" EE ":1");
    ck_assert_int_eq(rig_count(s_rig, "edge 8 PUB*"), 0);
    rig_app(s_rig, 4, "PUB b key=order-7 id=3\nx");
    rig_expect(s_rig, "app 4 OK b - 3 pos=" EE ":2");
    rig_wait(s_rig, 601, "1");
    rig_app(s_rig, 4, "PUB a key=order-7 id=4\nx");
    rig_expect(s_rig, "app 4 OK a - 4 pos=" EE ":3");
}
END_TEST

START_TEST(a_repetition_of_what_waits_is_answered_with_it)
{
    rig_app(s_rig, 3, "PUB a durable=1 key=k id=1\nx");
    rig_app(s_rig, 4, "PUB a durable=1 key=k id=2\nx");
    rig_expect_no(s_rig, "app 4 *");
    core_stored(s_rig->core, 1, 0);
    rig_expect(s_rig, "app 3 OK a - 1 pos=" EE ":1");
    rig_expect(s_rig, "app 4 OK a - 2 pos=" EE ":1");
    rig_app(s_rig, 3, "PUB a durable=1 key=m id=3\nx");
    rig_app(s_rig, 4, "PUB a durable=1 key=m id=4\nx");
    core_stored(s_rig->core, 2, -EIO);
    rig_expect(s_rig, "app 3 ERR a - 3 store|*");
    rig_expect(s_rig, "app 4 ERR a - 4 store|*");
}
END_TEST

START_TEST(options_between_sender_and_broker_do_not_reach_edges)
{
    rig_app(s_rig, 3, "PUB a key=k ttl=5 durable=0 hist=1 bin=1 id=1 new=2\nx");
    rig_expect(s_rig, "edge 8 PUB 2 a " EE ":1 bin=1 new=2|x");
}
END_TEST

START_TEST(a_bad_option_names_its_rule)
{
    static const char *const bad[][2] = {{"hist=2", "hist:*"},
                                         {"durable=x", "durable:*"},
                                         {"ttl=0", "ttl:*"},
                                         {"ttl=31536001", "ttl:*"},
                                         {"key=", "key:*"},
                                         {"collapse=", "collapse:*"},
                                         {"except=nobody", "except:*"}};
    char record[100], expected[100];
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++) {
        snprintf(record, sizeof record, "PUB a id=%zu %s\nx", at, bad[at][0]);
        snprintf(expected, sizeof expected, "app 3 ERR a - %zu value|%s", at, bad[at][1]);
        rig_app(s_rig, 3, record);
        rig_expect(s_rig, expected);
    }
    rig_app(s_rig, 3, "PUB a/* id=n\nx");
    rig_expect(s_rig, "app 3 ERR a/[*] - n value|topic:*");
    rig_app(s_rig, 3, "SUB " CH("1") " a*b id=s\n");
    rig_expect(s_rig, "app 3 ERR * - s value|topic:*");
    rig_app(s_rig, 3, "SUB " CH("1") " a since=7 id=t");
    rig_expect(s_rig, "app 3 ERR * - t value|since:*");
    rig_app(s_rig, 3, "SUB " CH("1") " a slow=never id=u");
    rig_expect(s_rig, "app 3 ERR * - u value|slow:*");
}
END_TEST

START_TEST(an_edge_gets_a_publication_once_however_many_of_its_interests_match)
{
    rig_edge(s_rig, 8, "TSUB r/1");
    rig_edge(s_rig, 8, "TSUB r/*");
    rig_edge(s_rig, 8, "TSUB r/**");
    rig_expect(s_rig, "edge 8 TOP * r/[*] " EE ":0");
    rig_join_edge(s_rig, 2);
    rig_edge(s_rig, 9, "TSUB r/**");
    rig_forget(s_rig);
    rig_app(s_rig, 3, "PUB r/1\nx");
    ck_assert_int_eq(rig_count(s_rig, "edge 8 PUB*"), 1);
    ck_assert_int_eq(rig_count(s_rig, "edge 9 PUB*"), 1);
    rig_app(s_rig, 3, "PUB r/1/2\ny");
    ck_assert_int_eq(rig_count(s_rig, "edge 8 PUB*"), 2);
    rig_edge(s_rig, 8, "TUNSUB r/** 99");
    rig_app(s_rig, 3, "PUB r/1/2\nz");
    ck_assert_int_eq(rig_count(s_rig, "edge 8 PUB*"), 2);
    rig_edge(s_rig, 8, "TSUB r/*");
    rig_expect(s_rig, "edge 8 TOP * r/[*] " EE ":1");
}
END_TEST

START_TEST(a_loss_is_told_for_every_interest_before_what_follows)
{
    rig_destroy(s_rig);
    s_rig = rig_new_with(16, 100);
    rig_join_edge(s_rig, 1);
    rig_edge(s_rig, 8, "TSUB r/1");
    rig_edge(s_rig, 8, "TSUB r/*");
    for (int n = 0; n < 16; n++)
        rig_app(s_rig, 3, "PUB r/1\nx");
    ck_assert_uint_eq(core_measure(s_rig->core)->lost_publications, 2);
    rig_forget(s_rig);
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 16 boot=" BOOT);
    rig_app(s_rig, 3, "PUB r/1\ny");
    rig_expect(s_rig, "edge 8 LOST 17 r/1 " BOOT ":15 " BOOT ":16");
    rig_expect(s_rig, "edge 8 LOST 18 r/[*] " BOOT ":15 " BOOT ":16");
    rig_expect(s_rig, "edge 8 PUB 19 r/1 " BOOT ":17|y");
}
END_TEST

START_TEST(a_sub_tells_the_edge_where_it_begins)
{
    rig_app(s_rig, 3, "PUB b\nx");
    rig_app(s_rig, 3, "SUB " CH("1") " r/** slow=latest since=" EE ":0 pos=7");
    rig_expect(s_rig, "edge 8 SUB * " CH("1") " r/[*][*] pos=" EE ":1 slow=latest *");
    rig_app(s_rig, 3, "PUB r/x/y\nz");
    rig_expect(s_rig, "edge 8 PUB * r/x/y " EE ":2|z");
}
END_TEST

START_TEST(a_start_with_a_store_goes_on_where_it_was)
{
    rig_destroy(s_rig);
    s_rig = rig_new();
    s_open_store(50, 10000);
    core_restore_hole(s_rig->core, 41, 49);
    core_restore_topic(s_rig->core, (struct wire_text){"a", 1}, 12);
    const struct kept old = {.g = 19, .age_ms = 300000, .topic = {"a", 1}};
    const struct kept kept = {.g = 20,
                              .age_ms = 10000,
                              .topic = {"a", 1},
                              .payload = {"x", 1},
                              .key = {"k", 1},
                              .collapse = {"c", 1}};
    core_restore_message(s_rig->core, &old);
    core_restore_message(s_rig->core, &kept);
    s_said("trim a 19|");
    rig_join_edge(s_rig, 1);
    rig_edge(s_rig, 8, "TSUB a");
    rig_expect(s_rig, "edge 8 TOP 1 a " EE ":49");
    rig_edge(s_rig, 8, "HGET " CH("1") " " EE ":15 9\na\n");
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 GAP * " EE ":15 " EE ":19 history topic=a");
    rig_expect(s_rig, "edge 8 HIST * " EE ":20 a collapse=c|x");
    rig_expect(s_rig, "edge 8 GAP * " EE ":40 " EE ":49 store");
    rig_expect(s_rig, "edge 8 LIVE * " EE ":49");
    rig_app(s_rig, 3, "PUB a key=k id=1\nx");
    rig_expect(s_rig, "app 3 OK a - 1 pos=" EE ":20");
    rig_app(s_rig, 3, "PUB a id=2\ny");
    rig_expect(s_rig, "app 3 OK a - 2 pos=" EE ":50");
    rig_edge(s_rig, 8, "TSUB never");
    rig_expect(s_rig, "edge 8 TOP * never " EE ":49");
}
END_TEST

START_TEST(many_holes_become_few)
{
    rig_destroy(s_rig);
    s_rig = rig_new();
    s_open_store(1000, 10000);
    for (uint64_t n = 1; n <= 20; n++)
        core_restore_hole(s_rig->core, n * 10 + (n == 20), n * 10 + 5);
    rig_join_edge(s_rig, 1);
    rig_edge(s_rig, 8, "HGET " CH("1") " " EE ":0 9\n");
    rig_turn(s_rig);
    ck_assert_int_eq(rig_count(s_rig, "edge 8 GAP * store"), 16);
    rig_expect(s_rig, "edge 8 GAP * " EE ":9 " EE ":*5 store");
    rig_expect(s_rig, "edge 8 GAP * " EE ":* " EE ":205 store");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("post");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, s_set_up, s_tear_down);
    tcase_add_test(all, what_history_holds_is_given_to_the_store);
    tcase_add_test(all,
                   a_durable_publication_is_delivered_and_answered_when_it_is_stored);
    tcase_add_test(all, a_channel_is_live_from_what_was_delivered_not_from_what_waits);
    tcase_add_test(
        all,
        a_durable_publication_that_is_not_stored_is_not_delivered_and_may_come_again);
    tcase_add_test(all, a_full_disk_leaves_live_delivery_and_says_so);
    tcase_add_test(all, without_a_store_nothing_is_durable);
    tcase_add_test(all, what_waits_for_the_store_is_bounded);
    tcase_add_test(all, a_position_is_used_only_when_it_is_leased);
    tcase_add_test(all, the_next_block_is_asked_for_at_half_and_once);
    tcase_add_test(all, a_key_is_carried_out_once_and_answered_with_the_first_position);
    tcase_add_test(all, a_repetition_of_what_waits_is_answered_with_it);
    tcase_add_test(all, options_between_sender_and_broker_do_not_reach_edges);
    tcase_add_test(all, a_bad_option_names_its_rule);
    tcase_add_test(all,
                   an_edge_gets_a_publication_once_however_many_of_its_interests_match);
    tcase_add_test(all, a_loss_is_told_for_every_interest_before_what_follows);
    tcase_add_test(all, a_sub_tells_the_edge_where_it_begins);
    tcase_add_test(all, a_start_with_a_store_goes_on_where_it_was);
    tcase_add_test(all, many_holes_become_few);
    suite_add_tcase(suite, all);
    return rig_run(suite);
}
