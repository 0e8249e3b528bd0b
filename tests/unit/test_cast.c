#include "tests/unit/core_rig.h"

#define META "\n{}"

static struct rig *s_rig;
static struct authority s_limited;

static void s_open(uint64_t peer, const char *id, const char *service)
{
    char record[160];
    snprintf(record, sizeof record, "OPEN %s 1 %s 0 ws=1" META, id, service);
    rig_edge(s_rig, peer, record);
}

static void s_set_up(void)
{
    s_rig = rig_new();
    rig_join_edge(s_rig, 1);
    rig_join_edge(s_rig, 2);
    rig_app(s_rig, 1, "JOIN chat");
    s_open(8, CH("1"), "chat");
    s_open(8, CH("2"), "chat");
    s_open(9, CH2("1"), "game");
    rig_app(s_rig, 1, "LABEL " CH("1") " amy");
    rig_app(s_rig, 1, "LABEL " CH2("1") " amy");
    rig_forget(s_rig);
}

static void s_tear_down(void)
{
    rig_destroy(s_rig);
    authority_clear(&s_limited);
}

START_TEST(each_edge_gets_one_record_and_each_channel_stands_in_it_once)
{
    rig_app(s_rig, 3,
            "CAST 4 bin=1 id=k\nu:amy\nc:" CH("1") "\ns:" CH("2") "\nu:amy\nhi");
    rig_expect(s_rig, "edge 8 CAST 2 2 bin=1 reply=1|c:" CH("1") "|c:" CH("2") "|hi");
    rig_expect(s_rig, "edge 9 CAST 2 1 bin=1 reply=1|c:" CH2("1") "|hi");
    rig_expect_no(s_rig, "edge *");
    rig_edge(s_rig, 8, "OK 2 sent=2 gone=0");
    rig_expect_no(s_rig, "app 3 *");
    rig_edge(s_rig, 9, "ERR 2 gone");
    rig_expect(s_rig, "app 3 OK 4 - k sent=2 gone=1");
}
END_TEST

START_TEST(exceptions_are_taken_away_wherever_they_stand)
{
    rig_app(s_rig, 3, "CAST 3\nu:amy\nc:" CH("2") "\n-c:" CH("1") "\nhi");
    rig_expect(s_rig, "edge 9 CAST * 1|c:" CH2("1") "|hi");
    rig_expect(s_rig, "edge 8 CAST * 1|c:" CH("2") "|hi");
    rig_app(s_rig, 3, "CAST 2\n-u:amy\nc:" CH("1") "\nhi");
    rig_expect_no(s_rig, "edge *");
}
END_TEST

START_TEST(channels_that_are_gone_are_counted)
{
    rig_wait(s_rig, 6, "12"); // an edge may not come any more
    rig_app(s_rig, 3, "CAST 2 id=k\nc:e3." EPOCH ".1\nc:" CH("2") "\nhi");
    rig_expect(s_rig, "edge 8 CAST * 1 reply=1|c:" CH("2") "|hi");
    rig_edge(s_rig, 8, "OK 2");
    rig_expect(s_rig, "app 3 OK 2 - k sent=1 gone=1");
    rig_app(s_rig, 3, "CAST 1 id=l\nc:e3." EPOCH ".1\nhi");
    rig_expect(s_rig, "app 3 ERR 1 - l gone*");
    rig_app(s_rig, 3, "CAST 1 id=m\nu:nobody\nhi");
    rig_expect(s_rig, "app 3 OK 1 - m sent=0 gone=0");
}
END_TEST

START_TEST(a_bad_line_is_named_with_its_rule_and_nobody_gets_anything)
{
    static const struct {
        const char *record, *answer;
    } bad[] = {
        {"CAST 2 id=k\nt:a\nt:a/*\nhi",
         "app 3 ERR 2 - k value|line 2: t: a topic has 1 to 255 bytes, no [*]"},
        {"CAST 1 id=k close=1\nt:a\nhi",
         "app 3 ERR 1 - k value|close: not with t: lines"},
        {"CAST 1 id=k want=written\nt:a\nhi",
         "app 3 ERR 1 - k value|want: not with t: lines"},
        {"CAST 1 id=k ttl=0\nt:a\nhi",
         "app 3 ERR 1 - k value|ttl: 1 to 31536000 seconds"},
        {"CAST 2 id=k\nc:" CH("1") "\nx:1\nhi",
         "app 3 ERR 2 - k value|line 2: c:CHANNEL*"},
        {"CAST 2 id=k\nc:" CH("1") "\nc:1\nhi",
         "app 3 ERR 2 - k value|line 2: c:, s: not*"},
        {"CAST 1 id=k\nu:\nhi", "app 3 ERR 1 - k value|line 1: u: 1 to 128 bytes"},
        {"CAST 3 id=k\nu:amy\nhi", "app 3 ERR 3 - k value|line 2: there are fewer lines"},
        {"CAST 0 id=k\nhi", "app 3 ERR 0 - k value|n: 1 to cast-lines"},
        {"CAST 101 id=k\nhi", "app 3 ERR 101 - k value|n: 1 to cast-lines"},
        {"CAST 1 bin=2 id=k\nu:amy\nhi", "app 3 ERR 1 - k value|bin: 0 or 1"},
        {"CAST 1 id=k", "app 3 ERR 1 - k syntax|no payload"},
    };
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++) {
        rig_app(s_rig, 3, bad[at].record);
        rig_expect_no(s_rig, "edge *");
        rig_expect(s_rig, bad[at].answer);
    }
}
END_TEST

START_TEST(one_cast_names_no_more_channels_than_its_limit)
{
    struct core_settings settings = rig_settings();
    settings.cast_channels = 1;
    rig_destroy(s_rig);
    s_rig = rig_new_of(&settings);
    rig_join_edge(s_rig, 1);
    rig_forget(s_rig);
    rig_app(s_rig, 3, "CAST 2 id=k\nc:" CH("1") "\nc:" CH("2") "\nhi");
    rig_expect(s_rig, "app 3 ERR 2 - k value|line 2: more channels than cast-channels");
    rig_expect_no(s_rig, "edge *");
}
END_TEST

START_TEST(each_line_is_judged_by_the_key)
{
    ck_assert_ptr_null(authority_set_app(&s_limited, "limited", "chat", ""));
    const struct address from = {.peer = 4, .authority = &s_limited};
    static const char denied[] = "CAST 2 id=k\nc:" CH("1") "\nc:" CH2("1") "\nhi";
    static const char label[] = "CAST 1 id=l\nu:amy\nhi";
    core_from_app(s_rig->core, &from, (struct wire_text){denied, sizeof denied - 1});
    rig_expect_no(s_rig, "edge *");
    rig_expect(s_rig,
               "app 4 ERR 2 - k denied|line 2: the key does not allow its service");
    core_from_app(s_rig->core, &from, (struct wire_text){label, sizeof label - 1});
    rig_expect(s_rig, "edge 8 CAST * 1 reply=1|c:" CH("1") "|hi");
    rig_expect_no(s_rig, "edge 9 *");
}
END_TEST

START_TEST(a_set_for_which_there_is_no_room_is_told_or_ends_its_channels)
{
    rig_destroy(s_rig);
    s_rig = rig_new_with(2, 1000);
    rig_join_edge(s_rig, 1);
    s_open(8, CH("1"), "chat");
    rig_app(s_rig, 3, "SEND " CH("1") "\none");
    rig_app(s_rig, 3, "SEND " CH("1") "\ntwo");
    rig_forget(s_rig);
    rig_app(s_rig, 3, "CAST 1 id=k\nc:" CH("1") "\nhi");
    rig_expect(s_rig, "app 3 ERR 1 - k full*");
    rig_app(s_rig, 3, "CAST 1\nc:" CH("1") "\nhi");
    rig_expect(s_rig, "app 3 ERR 1 - - full*");
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 2 boot=" BOOT);
    rig_wait(s_rig, 1, "1");
    rig_expect(s_rig, "edge 8 CLOSE * " CH("1") " cause=slow");
}
END_TEST

/* ---- topics ---- */

START_TEST(a_set_with_topics_is_one_record_with_a_position_for_each_edge_concerned)
{
    rig_edge(s_rig, 8, "TSUB a");
    rig_edge(s_rig, 8, "TSUB b/*");
    rig_forget(s_rig);
    rig_app(s_rig, 3,
            "CAST 5 bin=1 collapse=k ttl=9 id=k\nt:a\nc:" CH2("1") "\nt:b/1\n-c:" CH(
                "2") "\n-t:c\nhi");
    rig_expect(s_rig, "edge 9 CAST * 4 pos=" BOOT ":1 bin=1 collapse=k reply=1|-t:c|t:a|"
                      "t:b/1|c:" CH2("1") "|hi");
    rig_edge(s_rig, 9, "OK 2 sent=1 gone=0");
    rig_expect(s_rig, "app 3 OK 5 - k pos=" BOOT ":1 sent=1 gone=0");
    rig_destroy(s_rig);
    s_set_up();
    rig_edge(s_rig, 8, "TSUB a");
    rig_edge(s_rig, 8, "TSUB b/*");
    rig_forget(s_rig);
    rig_app(s_rig, 3, "CAST 3 id=k\nt:a\nt:b/1\n-c:" CH("2") "\nhi");
    rig_expect(s_rig, "edge 8 CAST * 3 pos=" BOOT ":1|t:a|t:b/1|-c:" CH("2") "|hi");
    rig_expect(s_rig, "app 3 OK 3 - k pos=" BOOT ":1 sent=0 gone=0");
    rig_expect_no(s_rig, "edge *");
}
END_TEST

/* What a channel that follows a and b gets after position 0. */
static void s_pull(void)
{
    rig_forget(s_rig);
    rig_edge(s_rig, 8, "HGET " CH("1") " " BOOT ":0 100 n=1\na\nb\n");
    rig_turn(s_rig);
}

START_TEST(a_set_of_one_topic_is_held_with_the_one_that_is_excepted)
{
    rig_edge(s_rig, 8, "TSUB a");
    rig_app(s_rig, 3, "CAST 1\nt:a\none");
    rig_app(s_rig, 3, "CAST 2\nt:a\n-c:" CH("1") "\ntwo");
    rig_app(s_rig, 3, "CAST 2\nt:a\n-c:" CH("2") "\nthree");
    rig_app(s_rig, 3, "PUB a\nfour");
    s_pull();
    rig_expect(s_rig, "edge 8 HIST * " CH("1") " " BOOT ":1 a n=1|one");
    rig_expect(s_rig, "edge 8 HIST * " CH("1") " " BOOT ":3 a n=1|three");
    rig_expect(s_rig, "edge 8 HIST * " CH("1") " " BOOT ":4 a n=1|four");
    rig_expect(s_rig, "edge 8 LIVE * " CH("1") " " BOOT ":4 n=1");
}
END_TEST

START_TEST(what_history_cannot_hold_of_a_set_is_a_gap_for_who_comes_later)
{
    static const char *const sets[] = {"CAST 2\nt:a\nt:b\nx", "CAST 2\nt:a\n-t:b\nx",
                                       "CAST 1 hist=0\nt:a\nx",
                                       "CAST 3\nt:a\n-c:" CH("1") "\n-c:" CH("2") "\nx"};
    for (size_t at = 0; at < sizeof sets / sizeof *sets; at++) {
        rig_destroy(s_rig);
        s_set_up();
        rig_edge(s_rig, 8, "TSUB a");
        rig_edge(s_rig, 8, "TSUB b");
        rig_app(s_rig, 3, sets[at]);
        s_pull();
        rig_expect(s_rig,
                   "edge 8 GAP * " CH("1") " " BOOT ":0 " BOOT ":1 history topic=a n=1");
        rig_expect(s_rig, "edge 8 LIVE * " CH("1") " " BOOT ":1 n=1");
        rig_expect_no(s_rig, "edge 8 HIST *");
    }
}
END_TEST

START_TEST(a_set_that_does_not_fit_is_lost_for_subscribers_and_refused_for_channels)
{
    struct core_settings settings = rig_settings();
    settings.ring_records = 4;
    rig_destroy(s_rig);
    s_rig = rig_new_of(&settings);
    rig_join_edge(s_rig, 1);
    rig_app(s_rig, 1, "JOIN chat");
    rig_edge(s_rig, 8, "TSUB a");
    s_open(8, CH("1"), "chat");
    for (int at = 0; at < 8; at++)
        rig_app(s_rig, 3, "PUB a\nx");
    rig_forget(s_rig);
    rig_app(s_rig, 3, "CAST 2 id=k\nt:a\nc:" CH("1") "\nhi");
    rig_expect(s_rig, "app 3 OK 2 - k pos=" BOOT ":9 sent=0 gone=1");
    rig_edge(s_rig, 60, "HB e1 " EPOCH " 4 boot=" BOOT);
    rig_turn(s_rig);
    rig_expect(s_rig, "edge 8 LOST * a * " BOOT ":9");
    rig_expect_no(s_rig, "edge 8 CAST *");
}
END_TEST

START_TEST(a_key_needs_each_topic_of_its_set)
{
    ck_assert_ptr_null(authority_set_app(&s_limited, "limited", "chat", "a"));
    const struct address from = {.peer = 4, .authority = &s_limited};
    static const char right[] = "CAST 1 id=k\nt:a\nhi";
    static const char denied[] = "CAST 2 id=l\nt:a\n-t:b\nhi";
    core_from_app(s_rig->core, &from, (struct wire_text){right, sizeof right - 1});
    rig_expect(s_rig, "app 4 OK 1 - k pos=" BOOT ":1 sent=0 gone=0");
    core_from_app(s_rig->core, &from, (struct wire_text){denied, sizeof denied - 1});
    rig_expect(s_rig, "app 4 ERR 2 - l denied|line 2: the key does not allow the topic");
}
END_TEST

static int s_kept(void *context, const struct kept *message)
{
    (void)context;
    (void)message;
    return 0;
}

static void s_marked(void *context, struct wire_text topic, uint64_t g)
{
    (void)context;
    (void)topic;
    (void)g;
}

static void s_forgotten(void *context, struct wire_text topic)
{
    (void)context;
    (void)topic;
}

static void s_lease(void *context, uint64_t to)
{
    (void)context;
    (void)to;
}

START_TEST(a_set_with_topics_waits_for_what_has_to_be_stored_before)
{
    static const struct keeper keeper = {NULL,     s_kept,      s_marked,
                                         s_marked, s_forgotten, s_lease};
    const struct keeper_start start = {.epoch = 0xee, .next = 1, .leased_to = 100000};
    core_set_keeper(s_rig->core, &keeper);
    core_restore_start(s_rig->core, &start);
    rig_edge(s_rig, 8, "TSUB a");
    rig_forget(s_rig);
    rig_app(s_rig, 3, "PUB a durable=1\nfirst");
    rig_app(s_rig, 3, "CAST 2 id=k\nt:a\nu:amy\nsecond");
    rig_app(s_rig, 1, "LABEL " CH("2") " amy");
    rig_expect_no(s_rig, "edge * CAST *");
    rig_expect_no(s_rig, "app 3 *");
    core_stored(s_rig->core, 1, 0);
    rig_expect(s_rig, "edge 8 PUB * a *:1|first");
    rig_expect(s_rig,
               "edge 8 CAST 5 3 pos=*:2 reply=1|t:a|c:" CH("1") "|c:" CH("2") "|second");
    rig_expect(s_rig, "edge 9 CAST 2 2 pos=*:2 reply=1|t:a|c:" CH2("1") "|second");
    rig_edge(s_rig, 9, "OK 2 sent=1 gone=0");
    rig_edge(s_rig, 8, "OK 5 sent=2 gone=0");
    rig_expect(s_rig, "app 3 OK 2 - k pos=*:2 sent=3 gone=0");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cast");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, s_set_up, s_tear_down);
    tcase_add_test(all, each_edge_gets_one_record_and_each_channel_stands_in_it_once);
    tcase_add_test(all, exceptions_are_taken_away_wherever_they_stand);
    tcase_add_test(all, channels_that_are_gone_are_counted);
    tcase_add_test(all, a_bad_line_is_named_with_its_rule_and_nobody_gets_anything);
    tcase_add_test(all, one_cast_names_no_more_channels_than_its_limit);
    tcase_add_test(all, each_line_is_judged_by_the_key);
    tcase_add_test(all, a_set_for_which_there_is_no_room_is_told_or_ends_its_channels);
    tcase_add_test(
        all, a_set_with_topics_is_one_record_with_a_position_for_each_edge_concerned);
    tcase_add_test(all, a_set_of_one_topic_is_held_with_the_one_that_is_excepted);
    tcase_add_test(all, what_history_cannot_hold_of_a_set_is_a_gap_for_who_comes_later);
    tcase_add_test(
        all, a_set_that_does_not_fit_is_lost_for_subscribers_and_refused_for_channels);
    tcase_add_test(all, a_key_needs_each_topic_of_its_set);
    tcase_add_test(all, a_set_with_topics_waits_for_what_has_to_be_stored_before);
    suite_add_tcase(suite, all);
    return rig_run(suite);
}
