#include "broker/batch.h"
#include "broker/socket.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PEERS = 2, WAIT_MS = 5000, SIZE_MAX_OF_ALL = 64 * 1024 };

static void *s_context, *s_router, *s_dealer[PEERS];
static uint64_t s_peer[PEERS];
static struct batch s_batch;

static void s_set(void *socket, int option, int value)
{
    ck_assert_int_eq(zmq_setsockopt(socket, option, &value, sizeof value), 0);
}

static void s_setup(void)
{
    s_context = zmq_ctx_new();
    s_router = zmq_socket(s_context, ZMQ_ROUTER);
    s_set(s_router, ZMQ_ROUTER_MANDATORY, 1);
    s_set(s_router, ZMQ_RCVTIMEO, WAIT_MS);
    ck_assert_int_eq(zmq_bind(s_router, "inproc://batch"), 0);
    for (int at = 0; at < PEERS; at++) {
        char id[16];
        s_dealer[at] = zmq_socket(s_context, ZMQ_DEALER);
        s_set(s_dealer[at], ZMQ_RCVTIMEO, WAIT_MS);
        ck_assert_int_eq(zmq_connect(s_dealer[at], "inproc://batch"), 0);
        ck_assert_int_eq(zmq_send(s_dealer[at], "x", 1, 0), 1);
        int size = zmq_recv(s_router, id, sizeof id, 0);
        s_peer[at] = socket_peer(id, (size_t)size);
        ck_assert_uint_ne(s_peer[at], 0);
        ck_assert_int_eq(zmq_recv(s_router, id, sizeof id, 0), 1);
    }
    batch_init(&s_batch, s_router);
}

static void s_teardown(void)
{
    batch_end(&s_batch);
    for (int at = 0; at < PEERS; at++)
        zmq_close(s_dealer[at]);
    zmq_close(s_router);
    zmq_ctx_term(s_context);
}

static int s_add(uint64_t peer, const char *text, size_t size)
{
    zmq_msg_t frame;
    ck_assert_int_eq(zmq_msg_init_size(&frame, size), 0);
    memset(zmq_msg_data(&frame), 0, size);
    memcpy(zmq_msg_data(&frame), text, strlen(text) < size ? strlen(text) : size);
    int result = batch_add(&s_batch, peer, &frame);
    ck_assert_int_eq(zmq_msg_close(&frame), 0);
    return result;
}

/* The next message of this peer: its frames behind each other, with a bar after each.
 * Returns how many there are. */
static int s_receive(int at, char *out, size_t room)
{
    int more = 1, frames = 0;
    size_t size = sizeof more, used = 0;
    for (; more; frames++) {
        char frame[64];
        int got = zmq_recv(s_dealer[at], frame, sizeof frame, 0);
        ck_assert_int_ge(got, 0);
        for (int byte = 0; byte < got && byte < (int)sizeof frame; byte++)
            if (frame[byte] && used + 2 < room)
                out[used++] = frame[byte];
        out[used++] = '|';
        ck_assert_int_eq(zmq_getsockopt(s_dealer[at], ZMQ_RCVMORE, &more, &size), 0);
        ck_assert_uint_lt(used, room);
    }
    out[used] = 0;
    return frames;
}

START_TEST(records_for_one_peer_are_frames_of_one_message)
{
    char text[64];
    ck_assert_int_eq(s_add(s_peer[0], "one", 3), 0);
    ck_assert_int_eq(s_add(s_peer[0], "two", 3), 0);
    ck_assert_int_eq(s_add(s_peer[0], "three", 5), 0);
    batch_end(&s_batch);
    ck_assert_int_eq(s_receive(0, text, sizeof text), 3);
    ck_assert_str_eq(text, "one|two|three|");
}
END_TEST

START_TEST(another_peer_gets_a_message_of_its_own)
{
    char text[64];
    ck_assert_int_eq(s_add(s_peer[0], "one", 3), 0);
    ck_assert_int_eq(s_add(s_peer[1], "two", 3), 0);
    ck_assert_int_eq(s_add(s_peer[0], "three", 5), 0);
    batch_end(&s_batch);
    ck_assert_int_eq(s_receive(0, text, sizeof text), 1);
    ck_assert_str_eq(text, "one|");
    ck_assert_int_eq(s_receive(0, text, sizeof text), 1);
    ck_assert_str_eq(text, "three|");
    ck_assert_int_eq(s_receive(1, text, sizeof text), 1);
    ck_assert_str_eq(text, "two|");
}
END_TEST

START_TEST(after_an_end_a_new_message_begins)
{
    char text[64];
    batch_end(&s_batch);
    ck_assert_int_eq(s_add(s_peer[0], "one", 3), 0);
    batch_end(&s_batch);
    batch_end(&s_batch);
    ck_assert_int_eq(s_add(s_peer[0], "two", 3), 0);
    batch_end(&s_batch);
    ck_assert_int_eq(s_receive(0, text, sizeof text), 1);
    ck_assert_int_eq(s_receive(0, text, sizeof text), 1);
    ck_assert_str_eq(text, "two|");
}
END_TEST

START_TEST(a_message_has_an_end_in_frames_and_in_bytes)
{
    char text[256];
    for (int at = 0; at < 65; at++)
        ck_assert_int_eq(s_add(s_peer[0], "x", 1), 0);
    ck_assert_int_eq(s_add(s_peer[0], "y", SIZE_MAX_OF_ALL), 0);
    ck_assert_int_eq(s_add(s_peer[0], "z", 1), 0);
    batch_end(&s_batch);
    ck_assert_int_eq(s_receive(0, text, sizeof text), 64);
    ck_assert_int_eq(s_receive(0, text, sizeof text), 1);
    ck_assert_int_eq(s_receive(0, text, sizeof text), 1);
    ck_assert_str_eq(text, "y|");
    ck_assert_int_eq(s_receive(0, text, sizeof text), 1);
    ck_assert_str_eq(text, "z|");
}
END_TEST

START_TEST(a_peer_that_is_gone_is_told_and_what_was_open_goes_out)
{
    char text[64];
    ck_assert_int_eq(s_add(s_peer[0], "one", 3), 0);
    ck_assert_int_eq(s_add(socket_peer("none!", 5), "two", 3), -EHOSTUNREACH);
    ck_assert_int_eq(s_add(s_peer[0], "three", 5), 0);
    batch_end(&s_batch);
    ck_assert_int_eq(s_receive(0, text, sizeof text), 1);
    ck_assert_str_eq(text, "one|");
    ck_assert_int_eq(s_receive(0, text, sizeof text), 1);
    ck_assert_str_eq(text, "three|");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch");
    TCase *tests = tcase_create("batch");
    tcase_add_checked_fixture(tests, s_setup, s_teardown);
    tcase_add_test(tests, records_for_one_peer_are_frames_of_one_message);
    tcase_add_test(tests, another_peer_gets_a_message_of_its_own);
    tcase_add_test(tests, after_an_end_a_new_message_begins);
    tcase_add_test(tests, a_message_has_an_end_in_frames_and_in_bytes);
    tcase_add_test(tests, a_peer_that_is_gone_is_told_and_what_was_open_goes_out);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
