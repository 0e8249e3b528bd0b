#include "broker/channel.h"
#include "broker/service.h"
#include "broker/worker.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct wire_text s_text(const char *text)
{
    return (struct wire_text){text, strlen(text)};
}

START_TEST(tells_channel_ids_from_other_texts)
{
    static const char *const good[] = {"e.01234567.1", "edge-1_x.0123456789abcdef.0",
                                       "e.01234567.ABCDEFabcdef0123"};
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      "e",
                                      "e.01234567",
                                      "e.01234567.",
                                      ".01234567.1",
                                      "e.0123456.1",
                                      "e.0123456789abcdef0.1",
                                      "e.01234567.0123456789abcdef0",
                                      "e.01234567.x",
                                      "e.0123456x.1",
                                      "e e.01234567.1",
                                      "a.b.01234567.1",
                                      "e.01234567.1.",
                                      "e e e.01234567.1"};
    for (size_t at = 0; at < sizeof good / sizeof *good; at++)
        ck_assert_msg(channel_id_is_valid(s_text(good[at])), "%s", good[at]);
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++)
        ck_assert_msg(!channel_id_is_valid(s_text(bad[at])), "%s", bad[at]);
    ck_assert(!channel_id_is_valid((struct wire_text){NULL, 0}));
    char longest[128];
    snprintf(longest, sizeof longest, "%064d.0123456789abcdef.0123456789abcdef", 7);
    ck_assert(channel_id_is_valid(s_text(longest)));
    ck_assert_uint_eq(strlen(longest), CHANNEL_ID_MAX);
    snprintf(longest, sizeof longest, "%065d.01234567.1", 7);
    ck_assert(!channel_id_is_valid(s_text(longest)));
}
END_TEST

START_TEST(a_channel_fits_in_450_bytes_with_its_place_in_the_table)
{
    /* malloc adds 8 to 16; uthash keeps at most 2 buckets of 16 bytes for each item. */
    ck_assert_uint_le(sizeof(struct channel) + CHANNEL_ID_MAX + 16 + 32, 450);
}
END_TEST

START_TEST(finds_channels_by_their_whole_id)
{
    struct table channels = {NULL};
    struct channel *one = channel_new(&channels, s_text("e.01234567.1"));
    struct channel *two = channel_new(&channels, s_text("e.01234567.12"));
    ck_assert_ptr_eq(channel_find(&channels, s_text("e.01234567.1")), one);
    ck_assert_ptr_eq(channel_find(&channels, s_text("e.01234567.12")), two);
    ck_assert_ptr_null(channel_find(&channels, s_text("e.01234567.123")));
    channel_destroy(&channels, &one);
    ck_assert_ptr_null(channel_find(&channels, s_text("e.01234567.1")));
    channel_destroy(&channels, &two);
}
END_TEST

START_TEST(a_tag_names_its_incarnation_and_no_other)
{
    struct workers workers = {.incarnation = 41};
    struct worker *one = worker_new(&workers, 1, 0);
    struct worker *two = worker_new(&workers, 2, 0);
    char tag[WORKER_TAG_MAX];
    size_t size = worker_tag(one, 1234567890123456789, tag);
    ck_assert_str_eq(tag, "0000002a.1234567890123456789");
    ck_assert_uint_eq(size, strlen(tag));
    ck_assert_uint_eq(worker_tag_number(one, s_text(tag)), 1234567890123456789);
    ck_assert_uint_eq(worker_tag_number(two, s_text(tag)), 0);
    ck_assert_uint_eq(worker_tag_number(one, s_text("0000002a.")), 0);
    ck_assert_uint_eq(worker_tag_number(one, s_text("0000002a.-1")), 0);
    ck_assert_uint_eq(worker_tag_number(one, s_text("0000002a:1")), 0);
    ck_assert_uint_eq(worker_tag_number(one, s_text("-")), 0);
    worker_destroy(&workers, &one);
    worker_destroy(&workers, &two);
}
END_TEST

START_TEST(room_counts_what_is_sent_and_what_is_asked_for)
{
    struct workers workers = {.count = 0};
    struct worker *worker = worker_new(&workers, 1, 0);
    worker->window = 4;
    worker->outstanding = 2;
    worker->asked = 1;
    ck_assert(worker_has_room(worker));
    worker->asked = 2;
    ck_assert(!worker_has_room(worker));
    ck_assert(!worker_has_much_room(worker));
    worker->outstanding = 1;
    ck_assert(worker_has_much_room(worker));
    worker->window = 0; // does not acknowledge
    ck_assert(worker_has_room(worker));
    worker_destroy(&workers, &worker);
}
END_TEST

START_TEST(a_name_lives_as_long_as_somebody_holds_it_or_waits_for_it)
{
    struct workers workers = {.count = 0};
    struct table channels = {NULL};
    struct worker *worker = worker_new(&workers, 1, 0);
    struct worker_name *name = worker_name_get(&workers, s_text("w1"));
    worker->name = name;
    name->holder = worker;
    struct channel *channel = channel_new(&channels, s_text("e.01234567.1"));
    list_append(&name->waiting, &channel->place);
    worker_destroy(&workers, &worker);
    ck_assert_ptr_eq(worker_name_get(&workers, s_text("w1")), name);
    ck_assert_ptr_null(name->holder);
    channel_destroy(&channels, &channel);
    worker_name_release(&workers, &name);
    ck_assert_ptr_null(workers.names.first);
}
END_TEST

/* A service with three workers, and a channel. */
struct fixture {
    struct workers workers;
    struct table services, channels;
    struct service *service;
    struct worker *worker[3];
    struct member *member[3];
    struct channel *channel;
};

static struct fixture s_made;

static void s_set_up(void)
{
    struct fixture *made = &s_made;
    memset(made, 0, sizeof *made);
    made->service = service_new(&made->services, s_text("echo"));
    made->channel = channel_new(&made->channels, s_text("e.01234567.1"));
    for (uint64_t n = 0; n < 3; n++) {
        made->worker[n] = worker_new(&made->workers, n + 1, 0);
        made->member[n] =
            member_new(made->worker[n], made->service, &made->service->members);
    }
}

static void s_tear_down(void)
{
    struct fixture *made = &s_made;
    for (int n = 0; n < 3; n++) {
        member_destroy(&made->member[n]);
        worker_destroy(&made->workers, &made->worker[n]);
    }
    channel_destroy(&made->channels, &made->channel);
    service_destroy(&made->services, &made->service);
}

START_TEST(the_fewest_channels_among_those_with_room)
{
    s_made.worker[0]->channel_count = 5;
    s_made.worker[1]->channel_count = 3;
    s_made.worker[2]->channel_count = 1;
    s_made.worker[2]->outstanding = WORKER_WINDOW;
    ck_assert_ptr_eq(service_choose(s_made.service, s_made.channel, 0), s_made.member[1]);
}
END_TEST

START_TEST(never_one_that_leaves_or_has_failed)
{
    struct link failed;
    list_init(&failed);
    s_made.member[0]->leaving = true;
    list_append(&failed, &s_made.worker[1]->failed);
    ck_assert_ptr_eq(service_choose(s_made.service, s_made.channel, 0), s_made.member[2]);
    s_made.worker[2]->asked = WORKER_WINDOW;
    ck_assert_ptr_null(service_choose(s_made.service, s_made.channel, 0));
    list_remove(&s_made.worker[1]->failed);
}
END_TEST

START_TEST(not_the_one_that_refused_the_channel_just_now)
{
    s_made.worker[1]->channel_count = s_made.worker[2]->channel_count = 1;
    s_made.channel->avoid = s_made.worker[0]->incarnation;
    s_made.channel->until_ms = 100;
    ck_assert_ptr_eq(service_choose(s_made.service, s_made.channel, 99),
                     s_made.member[1]);
    ck_assert_ptr_eq(service_choose(s_made.service, s_made.channel, 100),
                     s_made.member[0]);
}
END_TEST

START_TEST(tells_service_names_from_other_texts)
{
    ck_assert(service_name_is_valid(s_text("chat-v2_x.y")));
    ck_assert(!service_name_is_valid(s_text("")));
    ck_assert(!service_name_is_valid(s_text("a/b")));
    ck_assert(!service_name_is_valid(s_text("a=b")));
    ck_assert(!service_name_is_valid(
        s_text("01234567890123456789012345678901234567890123456789012345678901234")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("service");
    TCase *texts = tcase_create("texts");
    tcase_add_test(texts, tells_channel_ids_from_other_texts);
    tcase_add_test(texts, tells_service_names_from_other_texts);
    suite_add_tcase(suite, texts);
    TCase *nouns = tcase_create("nouns");
    tcase_add_test(nouns, a_channel_fits_in_450_bytes_with_its_place_in_the_table);
    tcase_add_test(nouns, finds_channels_by_their_whole_id);
    tcase_add_test(nouns, a_tag_names_its_incarnation_and_no_other);
    tcase_add_test(nouns, room_counts_what_is_sent_and_what_is_asked_for);
    tcase_add_test(nouns, a_name_lives_as_long_as_somebody_holds_it_or_waits_for_it);
    suite_add_tcase(suite, nouns);
    TCase *choice = tcase_create("choice");
    tcase_add_checked_fixture(choice, s_set_up, s_tear_down);
    tcase_add_test(choice, the_fewest_channels_among_those_with_room);
    tcase_add_test(choice, never_one_that_leaves_or_has_failed);
    tcase_add_test(choice, not_the_one_that_refused_the_channel_just_now);
    suite_add_tcase(suite, choice);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
