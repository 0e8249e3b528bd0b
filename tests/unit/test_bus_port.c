#include "gateway/bus_port.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { ITEMS = 100000, DEADLINE_MS = 20000 };

static struct bus_item *s_numbered(uint64_t number)
{
    struct bus_item *item = bus_item_new(BUS_RECORD, "data", 4);
    item->c = number;
    return item;
}

START_TEST(items_wait_in_order_when_the_ring_is_full)
{
    struct bus_port port;
    int fd = eventfd(0, EFD_NONBLOCK);
    bus_port_init(&port, fd, fd);
    for (uint64_t at = 0; at < 40000; at++)
        bus_lane_send(&port.to_bus, s_numbered(at));
    ck_assert_ptr_nonnull(port.to_bus.first);
    for (uint64_t at = 0; at < 40000; at++) {
        struct bus_item *item = bus_lane_receive(&port.to_bus);
        if (!item) {
            bus_lane_wake(&port.to_bus);
            item = bus_lane_receive(&port.to_bus);
        }
        ck_assert_ptr_nonnull(item);
        ck_assert_uint_eq(item->c, at);
        bus_item_destroy(&item);
    }
    ck_assert_ptr_null(port.to_bus.first);
    bus_port_clear(&port);
    close(fd);
}
END_TEST

START_TEST(bytes_count_in_the_ring_and_behind_it_until_they_are_received)
{
    struct bus_port port;
    char data[1000] = {0};
    struct blob *blob = blob_new(data, sizeof data);
    int fd = eventfd(0, EFD_NONBLOCK);
    bus_port_init(&port, fd, fd);
    ck_assert_uint_eq(bus_lane_bytes(&port.to_worker), 0);
    for (uint64_t at = 0; at < 20000; at++) {
        struct bus_item *item = bus_item_new(BUS_COMMAND, NULL, 0);
        item->blob = blob_ref(blob);
        bus_lane_send(&port.to_worker, item);
    }
    ck_assert_ptr_nonnull(port.to_worker.first);
    ck_assert_uint_ge(bus_lane_bytes(&port.to_worker), 20000 * sizeof data);
    for (uint64_t at = 0; at < 20000; at++) {
        bus_lane_wake(&port.to_worker);
        struct bus_item *item = bus_lane_receive(&port.to_worker);
        bus_item_destroy(&item);
    }
    ck_assert_uint_eq(bus_lane_bytes(&port.to_worker), 0);
    bus_port_clear(&port);
    blob_unref(&blob);
    close(fd);
}
END_TEST

START_TEST(what_was_not_received_is_freed)
{
    struct bus_port port;
    int fd = eventfd(0, EFD_NONBLOCK);
    bus_port_init(&port, fd, fd);
    for (uint64_t at = 0; at < 20000; at++)
        bus_lane_send(&port.to_worker, s_numbered(at));
    bus_port_clear(&port); // the leak checker judges
    close(fd);
}
END_TEST

START_TEST(a_wake_is_written_only_when_there_is_something_to_receive)
{
    struct bus_port port;
    uint64_t count;
    int fd = eventfd(0, EFD_NONBLOCK);
    bus_port_init(&port, fd, fd);
    bus_lane_wake(&port.to_bus);
    ck_assert_int_eq(read(fd, &count, sizeof count), -1);
    bus_lane_send(&port.to_bus, s_numbered(1));
    bus_lane_wake(&port.to_bus);
    ck_assert_int_eq(read(fd, &count, sizeof count), sizeof count);
    bus_port_clear(&port);
    close(fd);
}
END_TEST

static void *s_send_all(void *context)
{
    struct bus_lane *lane = context;
    for (uint64_t at = 0; at < ITEMS; at++) {
        bus_lane_send(lane, s_numbered(at));
        if (at % 16 == 0)
            bus_lane_wake(lane);
    }
    while (lane->first) // the last ones need room that the receiver makes
        bus_lane_wake(lane);
    bus_lane_wake(lane);
    return NULL;
}

START_TEST(a_thread_receives_what_another_sends_in_order)
{
    struct bus_port port;
    pthread_t sender;
    uint64_t next = 0;
    int fd = eventfd(0, EFD_NONBLOCK);
    bus_port_init(&port, fd, fd);
    pthread_create(&sender, NULL, s_send_all, &port.to_bus);
    while (next < ITEMS) {
        struct bus_item *item = bus_lane_receive(&port.to_bus);
        uint64_t count;
        if (!item) {
            struct pollfd ready = {.fd = fd, .events = POLLIN};
            ck_assert_int_ge(poll(&ready, 1, DEADLINE_MS), 0);
            (void)!read(fd, &count, sizeof count);
            continue;
        }
        ck_assert_uint_eq(item->c, next++);
        bus_item_destroy(&item);
    }
    pthread_join(sender, NULL);
    bus_port_clear(&port);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bus_port");
    TCase *tests = tcase_create("bus_port");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, items_wait_in_order_when_the_ring_is_full);
    tcase_add_test(tests, bytes_count_in_the_ring_and_behind_it_until_they_are_received);
    tcase_add_test(tests, what_was_not_received_is_freed);
    tcase_add_test(tests, a_wake_is_written_only_when_there_is_something_to_receive);
    tcase_add_test(tests, a_thread_receives_what_another_sends_in_order);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
