#include "gateway/hub.h"

#include "common/mem.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char s_told[1024];  // what the bus was told
static char s_heard[1024]; // what the carriers were called with

static void s_tell(void *context, const char *topic, bool more)
{
    (void)context;
    size_t used = strlen(s_told);
    snprintf(s_told + used, sizeof s_told - used, "%c%s ", more ? '+' : '-', topic);
}

static const char *s_publish(struct channel *channel, struct message *message)
{
    size_t used = strlen(s_heard);
    snprintf(s_heard + used, sizeof s_heard - used, "%d:%.*s ", (int)channel->id,
             (int)message->size, (const char *)message->data);
    return NULL;
}

static void s_subscribed(struct channel *channel, const char *topic, const char *cursor,
                         const char *gap)
{
    size_t used = strlen(s_heard);
    snprintf(s_heard + used, sizeof s_heard - used, "%d@%s,%s,%s ", (int)channel->id,
             topic, cursor, gap ? gap : "-");
}

static const struct carrier s_carrier = {.publish = s_publish,
                                         .subscribed = s_subscribed};

static struct channel s_channel(uint64_t id)
{
    s_told[0] = s_heard[0] = 0;
    return (struct channel){.id = id, .carrier = &s_carrier};
}

static void s_say(struct hub *hub, const char *topic, const char *text,
                  const char *cursor, uint64_t except)
{
    struct message message = {.data = (const uint8_t *)text,
                              .size = strlen(text),
                              .topic = topic,
                              .cursor = cursor};
    hub_publish(hub, &message, except);
}

START_TEST(a_publication_reaches_each_subscriber_once_but_not_the_exception)
{
    struct hub *hub = hub_new(s_tell, NULL);
    struct channel one = s_channel(1), two = s_channel(2);
    hub_subscribe(hub, &one, "t");
    hub_subscribe(hub, &two, "t");
    hub_subscribe(hub, &two, "t"); // told as one too many
    ck_assert_str_eq(s_told, "-t ");
    s_say(hub, "t", "a", "e:1", 0);
    ck_assert_ptr_nonnull(strstr(s_heard, "1:a "));
    ck_assert_ptr_nonnull(strstr(s_heard, "2:a "));
    ck_assert_uint_eq(strlen(s_heard), 8);
    s_heard[0] = 0;
    s_say(hub, "t", "b", "e:2", 1);
    ck_assert_str_eq(s_heard, "2:b ");
    hub_leave_all(hub, &one);
    hub_leave_all(hub, &two);
    hub_destroy(&hub);
}
END_TEST

START_TEST(a_client_of_a_route_hears_nothing_before_it_knows_where_it_starts)
{
    struct hub *hub = hub_new(s_tell, NULL);
    struct channel one = s_channel(1);
    hub_join(hub, &one, "t", NULL);
    ck_assert_str_eq(s_told, "+t ");
    s_say(hub, "t", "early", "e:1", 0);
    ck_assert_str_eq(s_heard, "");
    hub_top(hub, "t", "e:1");
    s_say(hub, "t", "live", "e:2", 0);
    ck_assert_str_eq(s_heard, "1@t,e:1,- 1:live ");
    hub_leave_all(hub, &one);
    ck_assert_str_eq(s_told, "+t -t ");
    hub_destroy(&hub);
}
END_TEST

START_TEST(a_later_client_starts_at_once_where_the_topic_stands)
{
    struct hub *hub = hub_new(s_tell, NULL);
    struct channel one = s_channel(1), two = s_channel(2);
    hub_join(hub, &one, "t", NULL);
    hub_top(hub, "t", "e:1");
    s_say(hub, "t", "x", "e:9", 0);
    s_heard[0] = 0;
    hub_join(hub, &two, "t", NULL);
    ck_assert_str_eq(s_heard, "2@t,e:9,- ");
    hub_leave_all(hub, &one);
    hub_leave_all(hub, &two);
    hub_destroy(&hub);
}
END_TEST

START_TEST(a_cursor_that_is_not_the_newest_is_answered_with_a_gap)
{
    static const char *const rows[][2] = {{"e:5", "1@t,e:5,- "},
                                          {"e:4", "1@t,e:5,no-history "},
                                          {"e:6", "1@t,e:5,reset "},
                                          {"f:5", "1@t,e:5,restart "},
                                          {"junk", "1@t,e:5,restart "}};
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        struct hub *hub = hub_new(s_tell, NULL);
        struct channel one = s_channel(1);
        hub_join(hub, &one, "t", rows[row][0]);
        hub_top(hub, "t", "e:5");
        ck_assert_str_eq(s_heard, rows[row][1]);
        hub_leave_all(hub, &one);
        hub_destroy(&hub);
    }
}
END_TEST

START_TEST(a_new_epoch_of_the_broker_is_told_to_who_stayed)
{
    struct hub *hub = hub_new(s_tell, NULL);
    struct channel one = s_channel(1);
    hub_join(hub, &one, "t", NULL);
    hub_top(hub, "t", "e:5");
    s_heard[0] = 0;
    hub_top(hub, "t", "f:0");
    ck_assert_str_eq(s_heard, "1@t,f:0,restart ");
    hub_leave_all(hub, &one);
    hub_destroy(&hub);
}
END_TEST

START_TEST(lost_publications_are_told_and_delivery_goes_on)
{
    struct hub *hub = hub_new(s_tell, NULL);
    struct channel one = s_channel(1);
    hub_join(hub, &one, "t", NULL);
    hub_top(hub, "t", "e:5");
    s_heard[0] = 0;
    hub_lost(hub, "t", "e:8");
    s_say(hub, "t", "x", "e:9", 0);
    ck_assert_str_eq(s_heard, "1@t,e:8,overload 1:x ");
    hub_leave_all(hub, &one);
    hub_destroy(&hub);
}
END_TEST

static void s_end(struct channel *channel, const char *cause)
{
    size_t used = strlen(s_heard);
    snprintf(s_heard + used, sizeof s_heard - used, "%d!%s ", (int)channel->id, cause);
}

START_TEST(when_anything_may_be_lost_routes_are_told_and_others_are_closed)
{
    static const struct carrier carrier = {.subscribed = s_subscribed, .end = s_end};
    struct hub *hub = hub_new(s_tell, NULL);
    struct channel one = s_channel(1), two = s_channel(2);
    one.carrier = two.carrier = &carrier;
    hub_join(hub, &one, "t", NULL);
    hub_top(hub, "t", "e:5");
    hub_subscribe(hub, &two, "u");
    s_heard[0] = 0;
    hub_lost_all(hub);
    ck_assert_str_eq(s_heard, "1@t,e:5,overload 2!slow ");
    hub_leave_all(hub, &one);
    hub_leave_all(hub, &two);
    hub_destroy(&hub);
}
END_TEST

static struct hub *s_left;

/* What a stream does: its end is the end of all its subscriptions. */
static void s_end_and_leave(struct channel *channel, const char *cause)
{
    s_end(channel, cause);
    hub_leave_all(s_left, channel);
}

START_TEST(a_channel_that_is_closed_may_take_the_last_of_other_topics_along)
{
    static const struct carrier carrier = {.end = s_end_and_leave};
    struct hub *hub = s_left = hub_new(s_tell, NULL);
    struct channel one = s_channel(1), two = s_channel(2);
    one.carrier = two.carrier = &carrier;
    hub_subscribe(hub, &one, "t");
    hub_subscribe(hub, &one, "u");
    hub_subscribe(hub, &one, "v");
    hub_subscribe(hub, &two, "w");
    hub_lost_all(hub);
    ck_assert_str_eq(s_heard, "1!slow 1!slow 1!slow 2!slow ");
    ck_assert_ptr_null(one.subscriptions);
    ck_assert_ptr_null(two.subscriptions);
    hub_destroy(&hub);
}
END_TEST

START_TEST(a_loss_that_the_broker_tells_closes_who_cannot_be_told)
{
    static const struct carrier carrier = {.subscribed = s_subscribed, .end = s_end};
    struct hub *hub = hub_new(s_tell, NULL);
    struct channel one = s_channel(1), two = s_channel(2);
    one.carrier = two.carrier = &carrier;
    hub_subscribe(hub, &one, "t");
    hub_join(hub, &two, "t", NULL);
    hub_top(hub, "t", "e:5");
    s_heard[0] = 0;
    hub_lost(hub, "t", "e:8");
    ck_assert_str_eq(s_heard, "2@t,e:8,overload 1!slow ");
    hub_leave_all(hub, &one);
    hub_leave_all(hub, &two);
    hub_destroy(&hub);
}
END_TEST

START_TEST(after_unsubscribing_nothing_is_heard)
{
    struct hub *hub = hub_new(s_tell, NULL);
    struct channel one = s_channel(1);
    hub_subscribe(hub, &one, "t");
    hub_subscribe(hub, &one, "u");
    hub_unsubscribe(hub, &one, "t");
    hub_unsubscribe(hub, &one, "never");
    s_say(hub, "t", "x", "e:1", 0);
    s_say(hub, "u", "y", "e:2", 0);
    ck_assert_str_eq(s_heard, "1:y ");
    hub_leave_all(hub, &one);
    ck_assert_ptr_null(one.subscriptions);
    hub_destroy(&hub);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub");
    TCase *tests = tcase_create("hub");
    tcase_add_test(tests,
                   a_publication_reaches_each_subscriber_once_but_not_the_exception);
    tcase_add_test(tests,
                   a_client_of_a_route_hears_nothing_before_it_knows_where_it_starts);
    tcase_add_test(tests, a_later_client_starts_at_once_where_the_topic_stands);
    tcase_add_test(tests, a_cursor_that_is_not_the_newest_is_answered_with_a_gap);
    tcase_add_test(tests, a_new_epoch_of_the_broker_is_told_to_who_stayed);
    tcase_add_test(tests, lost_publications_are_told_and_delivery_goes_on);
    tcase_add_test(tests,
                   when_anything_may_be_lost_routes_are_told_and_others_are_closed);
    tcase_add_test(tests,
                   a_channel_that_is_closed_may_take_the_last_of_other_topics_along);
    tcase_add_test(tests, a_loss_that_the_broker_tells_closes_who_cannot_be_told);
    tcase_add_test(tests, after_unsubscribing_nothing_is_heard);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
