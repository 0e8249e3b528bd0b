#include "gateway/hub.h"

#include "tests/support/vectors.h"

#define E "00000000000000aa:" // the epoch of the tests

static char s_heard[1024]; // what the carrier was called with
static char s_asked[1024]; // the HGETs, as text
static struct hub *s_hub;
static struct channel s_channel;
static bool s_ends; // the carrier ends with the next message

static struct gateway_settings s_settings = {.out_queue = 1000,
                                             .out_queue_total = SIZE_MAX};
static atomic_size_t s_total;
static struct channel_host s_host = {
    .settings = &s_settings, .out_total = &s_total, .prefix = "edge.e."};

static void s_tell(void *context, const char *topic, bool more)
{
    (void)context;
    (void)topic;
    (void)more;
}

static void s_post(void *context, const struct wire_header *header, const void *payload,
                   size_t size)
{
    size_t used = strlen(s_asked);
    (void)context;
    ck_assert_uint_eq(size, 0); // the broker knows the subscriptions of a session
    (void)payload;
    snprintf(s_asked + used, sizeof s_asked - used, "%.*s;", (int)header->size,
             header->text);
}

static const char *s_publish(struct channel *channel, struct message *message)
{
    size_t used = strlen(s_heard);
    snprintf(s_heard + used, sizeof s_heard - used, "%s%.*s ",
             message->topic ? message->topic : "", (int)message->size,
             (const char *)message->data);
    if (s_ends)
        hub_leave_all(s_hub, channel);
    return NULL;
}

static bool s_missed(struct channel *channel, const struct gap *gap)
{
    size_t used = strlen(s_heard);
    (void)channel;
    snprintf(s_heard + used, sizeof s_heard - used, "-%s ", gap->reason);
    return true;
}

static const struct carrier s_carrier = {.publish = s_publish, .missed = s_missed};

static void s_set_up(void)
{
    s_heard[0] = s_asked[0] = 0;
    s_ends = false;
    s_hub = hub_new(&(struct hub_options){.tell = s_tell, .post = s_post});
    s_channel = (struct channel){.id = 1, .carrier = &s_carrier, .host = &s_host};
}

static void s_tear_down(void)
{
    hub_leave_all(s_hub, &s_channel);
    ck_assert_ptr_null(s_channel.follower);
    hub_destroy(&s_hub);
}

static struct cursor s_at(const char *text)
{
    struct cursor position;
    ck_assert_int_eq(cursor_read(text, strlen(text), &position), 0);
    return position;
}

static void s_attach(const char *from, bool is_live)
{
    struct cursor position = s_at(from);
    hub_attach(s_hub, &s_channel, &position, is_live);
    hub_begin(s_hub, &s_channel);
}

static void s_send(const char *position, const char *data)
{
    struct cursor at = s_at(position);
    struct message message = {.data = (const uint8_t *)data, .size = strlen(data)};
    hub_send(s_hub, &s_channel, &message, &at);
    message_clear(&message);
}

static void s_replay(uint64_t asked, const char *position, const char *data)
{
    struct cursor at = s_at(position);
    struct message message = {.data = (const uint8_t *)data, .size = strlen(data)};
    hub_history(s_hub, &s_channel, asked, &message, &at);
    message_clear(&message);
}

static void s_live(uint64_t asked, const char *position, bool more)
{
    struct cursor at = s_at(position);
    hub_live(s_hub, &s_channel, asked, &at, more);
}

static size_t s_asks(void)
{
    size_t count = 0;
    for (const char *at = s_asked; *at; at++)
        count += *at == ';';
    return count;
}

START_TEST(a_new_session_takes_what_is_sent_at_once_and_each_once)
{
    s_attach(E "7", true);
    s_send(E "8", "a");
    s_send(E "8", "again");
    s_send(E "7", "old");
    s_send(E "9", "b");
    ck_assert_str_eq(s_heard, "a b ");
    ck_assert_str_eq(s_asked, "");
}
END_TEST

START_TEST(who_joins_asks_from_the_cursor_and_takes_nothing_before_the_answer)
{
    s_attach(E "3", false);
    ck_assert_ptr_nonnull(strstr(s_asked, "HGET edge.e.1 " E "3 "));
    s_send(E "9", "early");
    s_replay(1, E "4", "a");
    s_replay(1, E "9", "early");
    s_live(1, E "9", false);
    s_send(E "10", "new");
    ck_assert_str_eq(s_heard, "a early new ");
    ck_assert_uint_eq(s_asks(), 1);
}
END_TEST

START_TEST(a_topic_and_what_is_sent_are_one_stream)
{
    struct cursor nine = s_at(E "9");
    struct message message = {
        .data = (const uint8_t *)"x", .size = 1, .topic = "t", .cursor = E "9"};
    struct cursor seven = s_at(E "7");
    hub_attach(s_hub, &s_channel, &seven, true);
    ck_assert(hub_subscribe(s_hub, &s_channel, "t", &seven, NULL));
    hub_begin(s_hub, &s_channel);
    s_send(E "8", "a");
    hub_publish(s_hub, &message, &nine, 0);
    s_send(E "10", "b");
    message_clear(&message);
    ck_assert_str_eq(s_heard, "a tx b ");
    ck_assert_str_eq(s_asked, "");
}
END_TEST

START_TEST(it_stays_when_its_last_subscription_goes)
{
    struct cursor seven = s_at(E "7");
    hub_attach(s_hub, &s_channel, &seven, true);
    hub_begin(s_hub, &s_channel);
    ck_assert(hub_subscribe(s_hub, &s_channel, "t", &seven, NULL));
    hub_unsubscribe(s_hub, &s_channel, "t");
    s_send(E "8", "a");
    ck_assert_str_eq(s_heard, "a ");
}
END_TEST

START_TEST(what_found_no_room_is_asked_for)
{
    s_attach(E "7", true);
    hub_pause(s_hub, &s_channel);
    ck_assert_uint_eq(s_asks(), 1);
    s_send(E "9", "b");
    s_replay(1, E "8", "a");
    s_replay(1, E "9", "b");
    s_live(1, E "9", false);
    ck_assert_str_eq(s_heard, "a b ");
    hub_lost_all(s_hub);
    ck_assert_uint_eq(s_asks(), 2);
}
END_TEST

START_TEST(a_full_queue_pauses_it)
{
    s_attach(E "7", true);
    s_channel.out.bytes = s_settings.out_queue;
    s_send(E "8", "a");
    ck_assert(s_channel.awaits_drain);
    s_channel.out.bytes = 0;
    hub_drained(s_hub, &s_channel);
    ck_assert_ptr_nonnull(strstr(s_asked, "HGET edge.e.1 " E "7 "));
    s_replay(1, E "8", "a");
    s_live(1, E "8", false);
    ck_assert_str_eq(s_heard, "a ");
}
END_TEST

START_TEST(a_broker_that_is_there_again_is_asked)
{
    s_attach(E "7", true);
    hub_linked(s_hub, false);
    hub_announced(s_hub);
    ck_assert_uint_eq(s_asks(), 0); // the pipe goes on
    hub_linked(s_hub, true);
    s_send(E "8", "before it was asked for");
    ck_assert_uint_eq(s_asks(), 0); // it does not know the carrier yet
    hub_announced(s_hub);
    ck_assert_uint_eq(s_asks(), 1);
    hub_linked(s_hub, false); // it may not have come
    hub_announced(s_hub);
    ck_assert_uint_eq(s_asks(), 2);
    s_replay(1, E "8", "of the first");
    s_replay(2, E "8", "a");
    ck_assert_str_eq(s_heard, "a ");
}
END_TEST

START_TEST(a_carrier_that_ends_with_a_message_is_gone)
{
    char text[CURSOR_ROOM];
    s_attach(E "7", true);
    ck_assert(hub_cursor(&s_channel, text));
    ck_assert_str_eq(text, E "7");
    s_ends = true;
    s_send(E "8", "a");
    s_send(E "9", "b");
    ck_assert_str_eq(s_heard, "a ");
    ck_assert(!hub_cursor(&s_channel, text));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hub_session");
    TCase *tests = tcase_create("hub_session");
    tcase_add_checked_fixture(tests, s_set_up, s_tear_down);
    tcase_add_test(tests, a_new_session_takes_what_is_sent_at_once_and_each_once);
    tcase_add_test(tests,
                   who_joins_asks_from_the_cursor_and_takes_nothing_before_the_answer);
    tcase_add_test(tests, a_topic_and_what_is_sent_are_one_stream);
    tcase_add_test(tests, it_stays_when_its_last_subscription_goes);
    tcase_add_test(tests, what_found_no_room_is_asked_for);
    tcase_add_test(tests, a_full_queue_pauses_it);
    tcase_add_test(tests, a_broker_that_is_there_again_is_asked);
    tcase_add_test(tests, a_carrier_that_ends_with_a_message_is_gone);
    suite_add_tcase(suite, tests);
    return vectors_run(suite);
}
