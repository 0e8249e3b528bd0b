#include "broker/label.h"

#include "tests/unit/core_rig.h"

#define META "\n{}"

static struct rig *s_rig;

static void s_set_up(void)
{
    s_rig = rig_new();
    rig_join_edge(s_rig, 1);
    rig_app(s_rig, 1, "JOIN chat");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 chat 0 ws=1" META);
    rig_forget(s_rig);
}

static void s_tear_down(void)
{
    rig_destroy(s_rig);
}

static void s_expect_label(const char *label)
{
    char pattern[160];
    snprintf(pattern, sizeof pattern, "app 2 INFO " CH("1") " - 9|*\"label\":%s,*",
             label);
    rig_app(s_rig, 2, "GET info " CH("1") " id=9");
    rig_expect(s_rig, pattern);
}

static size_t s_count(const struct label *label)
{
    size_t count = 0;
    struct link *at = list_first(&label->channels);
    for (; at; at = list_after(&label->channels, at))
        count++;
    return count;
}

START_TEST(a_label_lives_as_long_as_a_channel_has_it)
{
    struct table labels = {0}, channels = {0};
    struct wire_text amy = {"amy", 3}, bob = {"bob", 3};
    struct channel *first = channel_new(&channels, (struct wire_text){"a", 1});
    struct channel *second = channel_new(&channels, (struct wire_text){"b", 1});
    label_set(&labels, first, amy);
    label_set(&labels, second, amy);
    label_set(&labels, second, amy); // nothing new
    ck_assert_uint_eq(s_count(label_find(&labels, amy)), 2);
    label_set(&labels, second, bob);
    ck_assert_uint_eq(s_count(label_find(&labels, amy)), 1);
    label_set(&labels, first, (struct wire_text){"-", 1});
    ck_assert_ptr_null(label_find(&labels, amy));
    channel_destroy(&channels, &second);
    ck_assert_ptr_null(label_find(&labels, bob));
    ck_assert_ptr_null(labels.first);
    channel_destroy(&channels, &first);
}
END_TEST

START_TEST(a_label_is_passed_on_to_the_edge_and_shown)
{
    s_expect_label("null");
    rig_app(s_rig, 1, "LABEL " CH("1") " amy id=1");
    rig_expect(s_rig, "edge 8 LABEL * " CH("1") " amy reply=1");
    s_expect_label("\"amy\"");
    rig_app(s_rig, 1, "ACCEPT " CH("1") " label=bob");
    rig_expect(s_rig, "edge 8 ACCEPT * " CH("1") " label=bob");
    s_expect_label("\"bob\"");
    rig_app(s_rig, 1, "LABEL " CH("1") " -");
    s_expect_label("null");
}
END_TEST

START_TEST(a_label_over_128_bytes_is_refused)
{
    char record[400], label[130];
    memset(label, 'x', 129);
    label[129] = 0;
    snprintf(record, sizeof record, "LABEL " CH("1") " %s id=1", label);
    rig_app(s_rig, 1, record);
    rig_expect(s_rig, "app 1 ERR " CH("1") " - 1 value|label: 1 to 128 bytes");
    snprintf(record, sizeof record, "ACCEPT " CH("1") " label=%s id=2", label);
    rig_app(s_rig, 1, record);
    rig_expect(s_rig, "app 1 ERR " CH("1") " - 2 value|label: 1 to 128 bytes");
    snprintf(record, sizeof record, "LABEL " CH("1") " %s id=3", label + 1);
    rig_app(s_rig, 1, record);
    rig_expect(s_rig, "edge 8 LABEL *");
}
END_TEST

START_TEST(a_label_is_announced_again_after_a_restart_of_the_broker)
{
    rig_destroy(s_rig);
    s_rig = rig_new();
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " 00000000000000bb 5 proto=RW/1");
    rig_edge(s_rig, 8, "ADOPT " CH("1") " 4 chat - 0 ws=1 label=amy" META);
    rig_edge(s_rig, 8, "SYNCED");
    s_expect_label("\"amy\"");
}
END_TEST

START_TEST(a_label_that_came_before_the_announcement_is_the_newer_one)
{
    rig_destroy(s_rig);
    s_rig = rig_new();
    rig_app(s_rig, 1, "LABEL " CH("1") " new");
    rig_edge(s_rig, 8, "HELLO e1 " EPOCH " 00000000000000bb 5 proto=RW/1");
    rig_edge(s_rig, 8, "ADOPT " CH("1") " 4 chat - 0 ws=1 label=old" META);
    s_expect_label("\"old\"");
    rig_edge(s_rig, 8, "SYNCED");
    s_expect_label("\"new\"");
}
END_TEST

START_TEST(an_answer_to_resend_does_not_undo_a_label)
{
    rig_app(s_rig, 2, "JOIN chat");
    rig_app(s_rig, 1, "LABEL " CH("1") " amy");
    s_rig->broken = 1 << 1; // the channel moves to the other worker
    rig_wait(s_rig, 1, "1");
    rig_expect(s_rig, "edge 8 RESEND * " CH("1") " 1 *");
    rig_edge(s_rig, 8, "OPEN " CH("1") " 1 chat 1 ws=1 try=2" META);
    s_expect_label("\"amy\"");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("label");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, s_set_up, s_tear_down);
    tcase_add_test(all, a_label_lives_as_long_as_a_channel_has_it);
    tcase_add_test(all, a_label_is_passed_on_to_the_edge_and_shown);
    tcase_add_test(all, a_label_over_128_bytes_is_refused);
    tcase_add_test(all, a_label_is_announced_again_after_a_restart_of_the_broker);
    tcase_add_test(all, a_label_that_came_before_the_announcement_is_the_newer_one);
    tcase_add_test(all, an_answer_to_resend_does_not_undo_a_label);
    suite_add_tcase(suite, all);
    return rig_run(suite);
}
