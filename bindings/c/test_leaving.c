/* The end of an application. */
#include "bindings/c/test_broker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Turns until the application has ended. */
static void s_until_end(void)
{
    int64_t deadline_ms = test_now_ms() + DEADLINE_MS;
    while (test_turn() == 0)
        ck_assert_int_lt(test_now_ms(), deadline_ms);
}

START_TEST(it_leaves_when_it_is_stopped_and_finishes_what_is_under_way)
{
    char id[64];
    test_start(100000, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    test_broker.mute = "SEND";
    ck_assert_int_eq(rw_send_text(channel, "last", 0), 0);
    test_option(test_expect("SEND " CHANNEL).head, " id=", id, sizeof id);
    rw_app_stop(test_app);
    test_expect("LEAVE test");
    for (int turn = 0; turn < 20; turn++)
        ck_assert_int_eq(test_turn(), 0);
    test_say("OK " CHANNEL " - %s", id);
    s_until_end();
    rw_app_destroy(&test_app);
    ck_assert_ptr_nonnull(strstr(test_notes, "moved " CHANNEL "\n"));
}
END_TEST

START_TEST(a_stranger_that_joined_again_still_waits_for_left)
{
    char id[64] = "";
    test_start(0, NULL);
    test_forget_all();
    test_say("WHO - - -");
    do
        test_option(test_expect("JOIN").head, " id=", id, sizeof id);
    while (!*id);
    test_open(CHANNEL, WS);
    test_broker.mute = "LEAVE";
    rw_app_stop(test_app);
    test_expect("LEAVE test");
    test_expect("LEAVE test"); // the heartbeat
    ck_assert_int_eq(test_turn(), 0);
    test_say("LEFT test - -");
    s_until_end();
}
END_TEST

START_TEST(a_body_is_sent_to_its_end_although_its_channel_has_moved)
{
    enum { PARTS = 6 };
    char id[4][64];
    static char data[PARTS * RW_PART_MAX];
    test_start(100000, NULL);
    struct rw_channel *channel = test_open(CHANNEL, HTTP);
    test_broker.mute = "SEND";
    ck_assert_int_eq(rw_send(channel, data, sizeof data, 0), 0);
    for (int at = 0; at < 4; at++)
        test_option(test_expect("SEND " CHANNEL).head, " id=", id[at], sizeof id[at]);
    rw_app_stop(test_app);
    test_expect("LEAVE test");
    test_say("MOVED " CHANNEL " - -");
    test_until("moved " CHANNEL "\n");
    ck_assert_ptr_null(rw_app_channel(test_app, CHANNEL));
    test_broker.mute = NULL;
    for (int at = 0; at < 4; at++)
        test_say("OK " CHANNEL " - %s", id[at]);
    test_expect("SEND " CHANNEL " want=written");
    test_expect("SEND " CHANNEL " want=written");
    s_until_end();
    ck_assert_ptr_null(strstr(strstr(test_notes, "moved ") + 1, "moved "));
}
END_TEST

START_TEST(it_leaves_when_answers_of_known_size_are_complete)
{
    char id[4][64];
    static char data[5 * RW_PART_MAX];
    test_start(100000, NULL);
    struct rw_channel *channel = test_open(CHANNEL, HTTP);
    test_broker.mute = "SEND";
    ck_assert_int_eq(rw_send(channel, data, sizeof data, RW_CLOSE), 0);
    for (int at = 0; at < 4; at++)
        test_option(test_expect("SEND " CHANNEL).head, " id=", id[at], sizeof id[at]);
    rw_app_stop(test_app);
    for (int turn = 0; turn < 20; turn++)
        ck_assert_int_eq(test_turn(), 0);
    ck_assert(!test_has_seen("LEAVE"));
    test_broker.mute = NULL;
    for (int at = 0; at < 4; at++)
        test_say("OK " CHANNEL " - %s", id[at]);
    test_expect("SEND " CHANNEL " want=written close=1");
    test_expect("LEAVE test");
    s_until_end();
}
END_TEST

START_TEST(an_answer_that_does_not_end_is_given_half_of_the_grace)
{
    static char data[5 * RW_PART_MAX];
    const struct rw_options options = {.grace_ms = 400, .log = test_quiet};
    test_app = rw_app_new(test_broker.endpoint, "test", &options);
    test_expect("JOIN test");
    struct rw_channel *channel = test_open(CHANNEL, WS);
    test_broker.mute = "SEND";
    const struct rw_head head = {.status = 403};
    ck_assert_int_eq(rw_send_response(channel, &head, data, sizeof data, RW_CLOSE), 0);
    rw_app_stop(test_app);
    test_expect("LEAVE test");
    s_until_end();
}
END_TEST

static void s_note_receipt(void *context, const char *error)
{
    (void)context;
    test_note("receipt %s\n", error ? error : "ok");
}

START_TEST(what_is_unanswered_when_it_ends_is_told_as_stopped)
{
    const struct rw_receipt receipt = {"written", s_note_receipt, NULL};
    char text[] = "x";
    const struct iovec data = {text, 1};
    test_start(100000, NULL);
    struct rw_channel *channel = test_open(CHANNEL, WS);
    test_broker.mute = "SEND";
    ck_assert_int_eq(rw_send_receipt(channel, &data, 0, &receipt), 0);
    test_expect("SEND " CHANNEL);
    rw_app_destroy(&test_app);
    ck_assert_ptr_nonnull(strstr(test_notes, "moved " CHANNEL "\nreceipt stopped\n"));
}
END_TEST

/* ---- Signals: a process of its own ---- */

static int s_busy(void *context, struct rw_channel *channel,
                  const struct rw_message *message)
{
    (void)context;
    (void)channel;
    (void)message;
    for (;;)
        pause();
    return 0;
}

static void s_serve(void)
{
    signal(SIGTERM, SIG_DFL); // the test's own runner had it
    const struct rw_options options = {.catch_signals = true, .log = test_quiet};
    const struct rw_handlers handlers = {.on_message = s_busy};
    struct rw_app *app = rw_app_new(test_broker.endpoint, "test", &options);
    if (!app)
        _exit(2);
    rw_app_handlers(app, &handlers, NULL);
    int result = rw_app_run(app);
    rw_app_destroy(&app);
    _exit(result < 0 ? 3 : 0);
}

/* Forks an application that has joined. */
static pid_t s_start_process(void)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        s_serve();
    test_expect("JOIN test");
    return pid;
}

/* Its status, with `again` sent to it meanwhile. */
static int s_wait_process(pid_t pid, int again)
{
    int status;
    int64_t deadline_ms = test_now_ms() + DEADLINE_MS;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        bool is_late = test_now_ms() > deadline_ms;
        if (again || is_late)
            kill(pid, is_late ? SIGKILL : again);
        test_turn();
    }
    return status;
}

START_TEST(a_signal_ends_it_gracefully)
{
    pid_t pid = s_start_process();
    test_open(CHANNEL, WS);
    kill(pid, SIGTERM);
    test_expect("LEAVE test");
    int status = s_wait_process(pid, 0);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

START_TEST(a_second_signal_ends_it_at_once)
{
    pid_t pid = s_start_process();
    test_open(CHANNEL, WS);
    const char *ack = test_event("TEXT", CHANNEL, 2, "\nx");
    int status = s_wait_process(pid, SIGTERM);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    ck_assert(!test_has_seen(ack));
}
END_TEST

void test_add_leaving(TCase *tests)
{
    tcase_add_test(tests, it_leaves_when_it_is_stopped_and_finishes_what_is_under_way);
    tcase_add_test(tests, a_stranger_that_joined_again_still_waits_for_left);
    tcase_add_test(tests, a_body_is_sent_to_its_end_although_its_channel_has_moved);
    tcase_add_test(tests, it_leaves_when_answers_of_known_size_are_complete);
    tcase_add_test(tests, an_answer_that_does_not_end_is_given_half_of_the_grace);
    tcase_add_test(tests, what_is_unanswered_when_it_ends_is_told_as_stopped);
    tcase_add_test(tests, a_signal_ends_it_gracefully);
    tcase_add_test(tests, a_second_signal_ends_it_at_once);
}
