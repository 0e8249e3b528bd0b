#include "gateway/session_copies.h"
#include "gateway/worker_commands.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    CHANNELS = 5000,
    ROOM = 256 * 1024, // bytes on the way to the bus thread
    NUMBER = 7,        // of the announcement
};

static struct {
    struct channel_host host;
    struct worker_commands commands;
    struct bus_port port;
    struct channel *channel[CHANNELS];
    int wake;
    unsigned adopts, texts, ends;
    uint64_t end; // number in the last BUS_ANNOUNCED
} s;

static atomic_size_t s_total;
static struct gateway_settings s_settings = {
    .out_queue = 100,
    .out_queue_total = 1000,
    .window_events = 3,
    .window_bytes = 1000,
    .service_events = 50000,
    .service_bytes = 1000000,
};
static struct loop s_loop;
static const struct carrier s_carrier = {.name = "websocket"};

static struct channel *s_born(void)
{
    struct channel *channel =
        channel_new(&s.host, &s_carrier, &s, channel_find_service(&s.host, "chat"));
    channel->is_websocket = true;
    channel_set_state(channel, CHANNEL_OPEN);
    return channel;
}

static void s_setup(void)
{
    memset(&s, 0, sizeof s);
    s.wake = eventfd(0, EFD_NONBLOCK);
    bus_port_init(&s.port, s.wake, s.wake);
    s.host = (struct channel_host){.loop = &s_loop,
                                   .settings = &s_settings,
                                   .prefix = "edge.0123456789abcdef.",
                                   .out_total = &s_total,
                                   .workers = 1,
                                   .commands = &s.commands,
                                   .emit = worker_commands_emit,
                                   .answer = worker_commands_answer};
    s.commands = (struct worker_commands){.host = &s.host,
                                          .hub = hub_new(&(struct hub_options){0}),
                                          .sessions = session_copies_new(1000),
                                          .lane = &s.port.to_bus};
    channel_add_service(&s.host, "chat");
    for (int at = 0; at < CHANNELS; at++)
        s.channel[at] = s_born();
}

static void s_teardown(void)
{
    for (struct channel *first; (first = channel_first(&s.host));)
        channel_destroy(&first);
    channel_free_services(&s.host);
    hub_destroy(&s.commands.hub);
    session_copies_destroy(&s.commands.sessions);
    bus_port_clear(&s.port);
    close(s.wake);
}

static void s_from_bus(enum bus_item_kind kind)
{
    struct bus_item *item = bus_item_new(kind, NULL, 0);
    item->full = true;
    item->c = NUMBER;
    worker_commands_take(&s.commands, item);
    bus_item_destroy(&item);
}

static void s_text(struct channel *channel)
{
    struct iovec part = {.iov_base = (void *)"hello", .iov_len = 5};
    channel_event(channel, EVENT_TEXT, "", &part, 1);
}

/* The bus thread takes that many items; false when there is none. */
static bool s_bus_takes(int count)
{
    struct bus_item *item = NULL;
    while (count-- && (item = bus_lane_receive(&s.port.to_bus))) {
        s.adopts += strncmp(item->data, "ADOPT ", 6) == 0;
        s.texts += strncmp(item->data, "TEXT ", 5) == 0;
        if (item->kind == BUS_ANNOUNCED) {
            s.ends++;
            s.end = item->c;
        }
        bus_item_destroy(&item);
    }
    return count < 0;
}

/* Until nothing comes any more. */
static void s_finish(void)
{
    do {
        worker_commands_announce(&s.commands);
        ck_assert_uint_lt(bus_lane_bytes(&s.port.to_bus), ROOM + 1024);
    } while (s_bus_takes(100));
}

START_TEST(an_announcement_waits_for_the_bus_thread_and_names_each_channel_once)
{
    s_from_bus(BUS_ANNOUNCE);
    worker_commands_announce(&s.commands);
    ck_assert_uint_ge(bus_lane_bytes(&s.port.to_bus), ROOM);
    s_finish();
    ck_assert_uint_eq(s.adopts, CHANNELS);
    ck_assert_uint_eq(s.ends, 1);
    ck_assert_uint_eq(s.end, NUMBER);
}
END_TEST

START_TEST(an_event_never_overtakes_the_announcement_of_its_channel)
{
    s_from_bus(BUS_ANNOUNCE);
    worker_commands_announce(&s.commands);
    s_text(s.channel[CHANNELS - 1]);
    while (s_bus_takes(100))
        ;
    ck_assert_uint_eq(s.texts, 0);
    s_text(s.channel[0]);
    ck_assert(s_bus_takes(1));
    ck_assert_uint_eq(s.texts, 1);
    s_finish();
    ck_assert_uint_eq(s.adopts, CHANNELS);
    ck_assert_uint_eq(s.texts, 2);
}
END_TEST

START_TEST(channels_that_come_and_go_meanwhile_are_announced_while_they_live)
{
    s_from_bus(BUS_ANNOUNCE);
    worker_commands_announce(&s.commands);
    struct channel *next = s.host.unannounced, *last = s.channel[CHANNELS - 1];
    ck_assert_ptr_nonnull(next);
    channel_destroy(&next);
    channel_destroy(&last);
    (void)s_born();
    s_finish();
    ck_assert_uint_eq(s.adopts, CHANNELS - 1);
    ck_assert_uint_eq(s.ends, 1);
    s_text(s_born());
    (void)s_bus_takes(1);
    ck_assert_uint_eq(s.texts, 1);
}
END_TEST

START_TEST(a_connection_that_ends_ends_the_announcement_and_the_next_begins_anew)
{
    s_from_bus(BUS_ANNOUNCE);
    worker_commands_announce(&s.commands);
    s_from_bus(BUS_LINK_DOWN);
    while (s_bus_takes(100))
        ;
    worker_commands_announce(&s.commands);
    ck_assert(!s_bus_takes(1));
    ck_assert_uint_eq(s.ends, 0);
    s.adopts = 0;
    s_from_bus(BUS_ANNOUNCE);
    s_finish();
    ck_assert_uint_eq(s.adopts, CHANNELS);
    ck_assert_uint_eq(s.ends, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_commands");
    TCase *tests = tcase_create("announcement");
    tcase_add_checked_fixture(tests, s_setup, s_teardown);
    tcase_add_test(tests,
                   an_announcement_waits_for_the_bus_thread_and_names_each_channel_once);
    tcase_add_test(tests, an_event_never_overtakes_the_announcement_of_its_channel);
    tcase_add_test(tests,
                   channels_that_come_and_go_meanwhile_are_announced_while_they_live);
    tcase_add_test(tests,
                   a_connection_that_ends_ends_the_announcement_and_the_next_begins_anew);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
