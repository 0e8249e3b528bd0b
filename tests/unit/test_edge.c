#include "broker/edge.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the edge was sent, each with a semicolon, and what the next send says. */
struct sink {
    char text[256];
    int result;
};

static int s_to_edge(void *context, uint64_t peer, struct blob *record)
{
    struct sink *sink = context;
    (void)peer;
    if (sink->result < 0)
        return sink->result;
    size_t size = strlen(sink->text);
    snprintf(sink->text + size, sizeof sink->text - size, "%.*s;", (int)record->size,
             (const char *)record->data);
    return 0;
}

static struct sink s_sink;
static struct output s_output;
static struct edges s_edges;
static struct edge *s_edge;

static void s_set_up(void)
{
    memset(&s_sink, 0, sizeof s_sink);
    memset(&s_edges, 0, sizeof s_edges);
    s_output = (struct output){.context = &s_sink, .to_edge = s_to_edge};
    s_edges.output = &s_output;
    s_edge = edge_new(&s_edges, "e1.01234567", 11);
    command_ring_init(&s_edge->ring, 4, 1000);
}

static void s_tear_down(void)
{
    edge_destroy(&s_edge);
    ck_assert_uint_eq(s_edges.count, 0);
}

static int s_command(const char *token)
{
    struct wire_header header;
    edge_begin(s_edge, &header, "SEND");
    wire_add(&header, token);
    return edge_commit(s_edge, &header, (struct wire_text){"x", 1}, COMMAND_PLAIN);
}

START_TEST(is_found_by_id_by_peer_and_by_its_channels)
{
    edge_attach(s_edge, 5);
    ck_assert_ptr_eq(edge_find(&s_edges, "e1.01234567", 11), s_edge);
    ck_assert_ptr_eq(edge_of_peer(&s_edges, 5), s_edge);
    ck_assert_ptr_eq(edge_of_channel(&s_edges, (struct wire_text){"e1.01234567.a", 13}),
                     s_edge);
    ck_assert_ptr_null(edge_of_channel(&s_edges, (struct wire_text){"e1.01234567", 11}));
    ck_assert_ptr_null(edge_of_channel(&s_edges, (struct wire_text){"", 0}));
    edge_attach(s_edge, 6);
    ck_assert_ptr_null(edge_of_peer(&s_edges, 5));
    ck_assert_ptr_eq(edge_of_peer(&s_edges, 6), s_edge);
}
END_TEST

START_TEST(a_peer_that_says_it_is_another_edge_is_that_one_from_then_on)
{
    struct edge *other = edge_new(&s_edges, "e2.01234567", 11);
    edge_attach(s_edge, 5);
    edge_attach(other, 5);
    ck_assert_ptr_eq(edge_of_peer(&s_edges, 5), other);
    ck_assert_uint_eq(s_edge->peer, 0);
    edge_destroy(&other);
    ck_assert_ptr_null(edge_of_peer(&s_edges, 5));
}
END_TEST

START_TEST(commands_are_numbered_and_kept_while_it_is_away)
{
    ck_assert_int_eq(s_command("a"), 0);
    ck_assert_str_eq(s_sink.text, "");
    edge_attach(s_edge, 5);
    ck_assert_int_eq(s_command("b"), 0);
    ck_assert_str_eq(s_sink.text, "SEND 1 a\nx;SEND 2 b\nx;");
}
END_TEST

START_TEST(a_full_connection_is_waited_for_and_a_broken_one_is_given_up)
{
    edge_attach(s_edge, 5);
    s_sink.result = -EAGAIN;
    ck_assert_int_eq(s_command("a"), 0);
    ck_assert(edge_is_behind(s_edge));
    s_sink.result = 0;
    edge_flush(s_edge);
    ck_assert_str_eq(s_sink.text, "SEND 1 a\nx;");
    ck_assert(!edge_is_behind(s_edge));
    s_sink.result = -EHOSTUNREACH;
    ck_assert_int_eq(s_command("b"), 0);
    ck_assert_uint_eq(s_edge->peer, 0);
    ck_assert(!edge_is_behind(s_edge));
    s_sink.result = 0;
    edge_attach(s_edge, 7);
    edge_flush(s_edge);
    ck_assert_str_eq(s_sink.text, "SEND 1 a\nx;SEND 2 b\nx;");
}
END_TEST

START_TEST(a_full_ring_and_a_bad_header_are_refused_and_use_no_number)
{
    struct wire_header header;
    edge_attach(s_edge, 5);
    edge_begin(s_edge, &header, "SEND");
    wire_add(&header, "not a token");
    ck_assert_int_eq(
        edge_commit(s_edge, &header, (struct wire_text){NULL, 0}, COMMAND_PLAIN),
        -EMSGSIZE);
    for (int n = 0; n < 4; n++)
        ck_assert_int_eq(s_command("a"), 0);
    ck_assert_int_eq(s_command("a"), -ENOBUFS);
    ck_assert_uint_eq(s_edge->ring.next, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("edge");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, s_set_up, s_tear_down);
    tcase_add_test(all, is_found_by_id_by_peer_and_by_its_channels);
    tcase_add_test(all, a_peer_that_says_it_is_another_edge_is_that_one_from_then_on);
    tcase_add_test(all, commands_are_numbered_and_kept_while_it_is_away);
    tcase_add_test(all, a_full_connection_is_waited_for_and_a_broken_one_is_given_up);
    tcase_add_test(all, a_full_ring_and_a_bad_header_are_refused_and_use_no_number);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
