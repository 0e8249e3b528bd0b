#include "common/ops_server.h"

#include "common/metric.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { ANSWER_ROOM = 65536, QUERY_ROOM = 256, DEADLINE_S = 10, MANY = 40 };

static atomic_bool s_ready;
static struct metric s_gauge = {
    .name = "test_gauge", .help = "Set before the page.", .kind = METRIC_GAUGE};
static struct ops_server *s_server;
static char s_answer[ANSWER_ROOM];

static bool s_is_ready(void *context, char *reason, size_t room)
{
    ck_assert_ptr_eq(context, &s_gauge);
    if (!atomic_load(&s_ready))
        snprintf(reason, room, "no broker");
    return atomic_load(&s_ready);
}

static void s_before_metrics(void *context)
{
    metric_add(context, 1);
}

static unsigned s_check_post(void *context, const struct ops_post *post, const char **why)
{
    ck_assert_ptr_eq(context, &s_gauge);
    *why = "no\n";
    return ops_post_header(post, "X-Right") ? 0 : 401;
}

static bool s_add_query(void *context, const char *key, const char *value)
{
    char *query = context;
    size_t used = strlen(query);
    snprintf(query + used, QUERY_ROOM - used, "%s=%s ", key, value);
    return true;
}

static void *s_answer_later(void *post)
{
    char text[ANSWER_ROOM];
    size_t size;
    char query[QUERY_ROOM] = "";
    const void *body = ops_post_body(post, &size);
    ops_post_query(post, s_add_query, query);
    snprintf(text, sizeof text, "%s %s%zu %.*s", ops_post_name(post), query, size,
             size < 100 ? (int)size : 0, (const char *)body);
    ops_post_answer(post, 200, "text/x-test", text);
    return NULL;
}

/* Posts whose name is "later" are answered by another thread. */
static void s_take_post(void *context, struct ops_post *post)
{
    pthread_t thread;
    (void)context;
    if (strcmp(ops_post_name(post), "later") != 0) {
        s_answer_later(post);
        return;
    }
    ck_assert_int_eq(pthread_create(&thread, NULL, s_answer_later, post), 0);
    pthread_detach(thread);
}

static const struct ops_callbacks s_callbacks = {.is_ready = s_is_ready,
                                                 .before_metrics = s_before_metrics,
                                                 .post_path = "/things/",
                                                 .check_post = s_check_post,
                                                 .take_post = s_take_post,
                                                 .context = &s_gauge};

static void s_start(void)
{
    metric_register(&s_gauge);
    metric_set(&s_gauge, 41);
    s_server = ops_server_new("127.0.0.1:0", &s_callbacks);
    ck_assert_ptr_nonnull(s_server);
}

static void s_stop(void)
{
    ops_server_destroy(&s_server);
    ck_assert_ptr_null(s_server);
}

static int s_connect(void)
{
    const char *colon = strrchr(ops_server_address(s_server), ':');
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval deadline = {.tv_sec = DEADLINE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

/* The whole answer, to the end of the connection; its status. */
static int s_ask(const char *line, const char *rest)
{
    char request[1024];
    int fd = s_connect();
    int size = snprintf(request, sizeof request,
                        "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s", line, rest);
    ck_assert_int_eq(write(fd, request, (size_t)size), size);
    size_t used = 0;
    ssize_t got;
    while ((got = read(fd, s_answer + used, sizeof s_answer - 1 - used)) > 0)
        used += (size_t)got;
    s_answer[used] = 0;
    close(fd);
    ck_assert_msg(strncmp(s_answer, "HTTP/1.1 ", 9) == 0, "%s: %s", line, s_answer);
    return (int)strtol(s_answer + 9, NULL, 10);
}

static const char *s_body(void)
{
    const char *end = strstr(s_answer, "\r\n\r\n");
    ck_assert_ptr_nonnull(end);
    return end + 4;
}

START_TEST(is_healthy_as_soon_as_it_listens)
{
    ck_assert_int_eq(s_ask("GET /healthz", "\r\n"), 200);
    ck_assert_str_eq(s_body(), "ok");
    ck_assert_int_eq(s_ask("HEAD /healthz", "\r\n"), 200);
    ck_assert_str_eq(s_body(), "");
    ck_assert_int_eq(s_ask("GET /healthz?verbose=1", "\r\n"), 200);
}
END_TEST

START_TEST(says_whether_it_is_ready_and_why_not)
{
    atomic_store(&s_ready, false);
    ck_assert_int_eq(s_ask("GET /readyz", "\r\n"), 503);
    ck_assert_str_eq(s_body(), "no broker");
    atomic_store(&s_ready, true);
    ck_assert_int_eq(s_ask("GET /readyz", "\r\n"), 200);
    ck_assert_str_eq(s_body(), "ready");
    ck_assert_ptr_nonnull(strstr(s_answer, "Cache-Control: no-store\r\n"));
}
END_TEST

START_TEST(serves_metrics_that_are_set_before_the_page)
{
    ck_assert_int_eq(s_ask("GET /metrics", "\r\n"), 200);
    ck_assert_ptr_nonnull(strstr(s_answer, "Content-Type: text/plain; version=0.0.4"));
    ck_assert_ptr_nonnull(strstr(s_body(), "\ntest_gauge 42\n"));
    ck_assert_ptr_nonnull(strstr(s_body(), "\nprocess_open_fds "));
    ck_assert_int_eq(s_ask("GET /metrics", "\r\n"), 200);
    ck_assert_ptr_nonnull(strstr(s_body(), "\ntest_gauge 43\n"));
}
END_TEST

START_TEST(refuses_other_paths_and_methods)
{
    ck_assert_int_eq(s_ask("GET /", "\r\n"), 404);
    ck_assert_int_eq(s_ask("GET /metrics/", "\r\n"), 404);
    ck_assert_int_eq(s_ask("POST /nothing", "Content-Length: 0\r\n\r\n"), 404);
    ck_assert_int_eq(s_ask("POST /metrics", "Content-Length: 3\r\n\r\nabc"), 405);
    ck_assert_ptr_nonnull(strstr(s_answer, "Allow: GET, HEAD\r\n"));
    ck_assert_int_eq(s_ask("DELETE /healthz", "\r\n"), 405);
}
END_TEST

START_TEST(hands_over_a_post_and_answers_it_at_once_or_later)
{
    ck_assert_int_eq(s_ask("POST /things/a%2Fb?x=1&y=%20&z",
                           "X-Right: 1\r\nContent-Length: 3\r\n\r\nabc"),
                     200);
    ck_assert_str_eq(s_body(), "a/b x=1 y=  z= 3 abc");
    ck_assert_ptr_nonnull(strstr(s_answer, "Content-Type: text/x-test\r\n"));
    ck_assert_int_eq(
        s_ask("POST /things/later", "X-Right: 1\r\nContent-Length: 0\r\n\r\n"), 200);
    ck_assert_str_eq(s_body(), "later 0 ");
}
END_TEST

START_TEST(refuses_a_post_before_its_body)
{
    ck_assert_int_eq(s_ask("POST /things/a", "Content-Length: 9\r\n\r\n"), 401);
    ck_assert_str_eq(s_body(), "no\n");
    ck_assert_ptr_nonnull(strstr(s_answer, "WWW-Authenticate: Bearer\r\n"));
    ck_assert_int_eq(
        s_ask("POST /things/a", "X-Right: 1\r\nContent-Length: 16777217\r\n\r\n"), 413);
    ck_assert_int_eq(s_ask("GET /things/a", "\r\n"), 405);
    ck_assert_ptr_nonnull(strstr(s_answer, "Allow: POST\r\n"));
}
END_TEST

START_TEST(serves_again_after_more_idle_clients_than_it_takes)
{
    int idle[MANY];
    for (int at = 0; at < MANY; at++)
        idle[at] = s_connect();
    for (int at = 0; at < MANY; at++)
        close(idle[at]);
    ck_assert_int_eq(s_ask("GET /healthz", "\r\n"), 200);
}
END_TEST

START_TEST(stops_while_clients_are_connected)
{
    int idle = s_connect();
    ck_assert_int_eq(s_ask("GET /healthz", "\r\n"), 200);
    s_stop();
    char byte;
    ck_assert_int_le(read(idle, &byte, 1), 0);
    close(idle);
}
END_TEST

static void s_cannot(const char *address, int error)
{
    errno = 0;
    struct ops_server *server = ops_server_new(address, &s_callbacks);
    ck_assert_msg(server == NULL, "%s is taken", address);
    ck_assert_msg(errno == error, "%s: %s", address, strerror(errno));
}

START_TEST(says_why_it_cannot_listen)
{
    s_cannot(ops_server_address(s_server), EADDRINUSE);
    s_cannot("192.0.2.1:0", EADDRNOTAVAIL);
    static const char *const bad[] = {"",           "8081",        ":8081",
                                      "127.0.0.1:", "127.0.0.1:x", "::1",
                                      "[]:8081",    "a:b:1",       "127.0.0.1:-1"};
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++)
        s_cannot(bad[at], EINVAL);
    s_cannot("127.0.0.1:65536", EINVAL);
}
END_TEST

START_TEST(listens_on_version_6_where_the_machine_has_it)
{
    struct ops_server *server = ops_server_new("[::1]:0", &s_callbacks);
    if (!server) {
        ck_assert_msg(errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT, "%s",
                      strerror(errno));
        return;
    }
    ck_assert_int_eq(strncmp(ops_server_address(server), "[::1]:", 6), 0);
    ck_assert_str_ne(ops_server_address(server), "[::1]:0");
    ops_server_destroy(&server);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ops_server");
    TCase *serves = tcase_create("serve");
    tcase_add_checked_fixture(serves, s_start, s_stop);
    tcase_set_timeout(serves, 60);
    tcase_add_test(serves, is_healthy_as_soon_as_it_listens);
    tcase_add_test(serves, says_whether_it_is_ready_and_why_not);
    tcase_add_test(serves, serves_metrics_that_are_set_before_the_page);
    tcase_add_test(serves, refuses_other_paths_and_methods);
    tcase_add_test(serves, hands_over_a_post_and_answers_it_at_once_or_later);
    tcase_add_test(serves, refuses_a_post_before_its_body);
    tcase_add_test(serves, serves_again_after_more_idle_clients_than_it_takes);
    tcase_add_test(serves, stops_while_clients_are_connected);
    tcase_add_test(serves, says_why_it_cannot_listen);
    tcase_add_test(serves, listens_on_version_6_where_the_machine_has_it);
    suite_add_tcase(suite, serves);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
