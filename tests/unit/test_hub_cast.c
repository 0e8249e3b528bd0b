#include "gateway/follower.h"
#include "tests/unit/hub_rig.h"

/* What every follower of these topics hears, with a space between them. */
static void s_cast(const char *topics, const char *text, const char *position)
{
    char *copy = mem_strdup(topics);
    struct cursor at = s_at(position);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
        struct message message = s_message(word, text);
        hub_cast_publish(s_hub, &message, &at);
        message_clear(&message);
    }
    free(copy);
}

START_TEST(who_follows_several_topics_of_a_set_or_is_named_besides_gets_it_once)
{
    s_begin();
    struct channel one = s_channel(1), two = s_channel(2);
    s_sub(&one, "a", E "0");
    s_sub(&one, "b", E "0");
    s_sub(&one, "b/*", E "0");
    s_heard[0] = 0;
    hub_cast_begin(s_hub);
    s_cast("a b b/1", "x", E "1");
    s_expect("1:x ");
    ck_assert(!hub_cast_is_due(s_hub, &one));
    ck_assert(hub_cast_is_due(s_hub, &two));
    hub_cast_begin(s_hub);
    ck_assert(hub_cast_is_due(s_hub, &one)); // the next set is another one
    s_finish(&one, &two);
}
END_TEST

START_TEST(who_is_excepted_by_a_topic_or_as_a_channel_gets_nothing_and_passes_it)
{
    s_begin();
    struct channel one = s_channel(1), two = s_channel(2), three = s_channel(3);
    s_sub(&one, "a", E "0");
    s_sub(&two, "a", E "0");
    s_sub(&two, "c/*", E "0");
    s_sub(&three, "a", E "0");
    s_heard[0] = 0;
    hub_cast_begin(s_hub);
    hub_cast_except_topic(s_hub, "c/1");
    hub_cast_except(s_hub, &three);
    s_cast("a", "x", E "1");
    s_expect("1:x ");
    ck_assert(!hub_cast_is_due(s_hub, &two));
    ck_assert(!hub_cast_is_due(s_hub, &three));
    ck_assert_uint_eq(three.follower->cursor.number, 1);
    s_say("a", "y", E "2");
    s_expect("3:y 2:y 1:y ");
    hub_leave_all(s_hub, &three);
    s_finish(&one, &two);
}
END_TEST

START_TEST(who_is_not_live_is_left_to_what_it_asks_for)
{
    s_begin();
    struct channel one = s_channel(1);
    s_join(&one, "a", NULL);
    hub_cast_begin(s_hub);
    s_cast("a", "x", E "1");
    s_expect("");
    ck_assert(!hub_cast_is_due(s_hub, &one));
    s_finish(&one, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub_cast");
    TCase *all = tcase_create("all");
    tcase_add_test(all,
                   who_follows_several_topics_of_a_set_or_is_named_besides_gets_it_once);
    tcase_add_test(all,
                   who_is_excepted_by_a_topic_or_as_a_channel_gets_nothing_and_passes_it);
    tcase_add_test(all, who_is_not_live_is_left_to_what_it_asks_for);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
