#include "gateway/bus_asks.h"

#include "common/clock.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct bus_asks *s_asks;
static int s_wake_fd;
static int s_answers;
static char s_code[40], s_text[40];

static void s_set_up(void)
{
    s_wake_fd = eventfd(0, EFD_NONBLOCK);
    s_asks = bus_asks_new(s_wake_fd);
    s_answers = 0;
}

static void s_tear_down(void)
{
    bus_asks_destroy(&s_asks);
    close(s_wake_fd);
}

static void s_answer(void *context, const char *code, struct wire_text text)
{
    ck_assert_ptr_eq(context, &s_answers);
    s_answers++;
    snprintf(s_code, sizeof s_code, "%s", code);
    snprintf(s_text, sizeof s_text, "%.*s", (int)text.size, text.data);
}

static void s_add(void)
{
    static const struct bus_asker asker = {s_answer, &s_answers};
    struct wire_header header;
    wire_begin(&header, "PUB");
    wire_add(&header, "news");
    bus_asks_add(s_asks, &header, "hi", 2, &asker);
}

/* Takes the next record; its id goes to `id`. */
static void s_take(char id[BUS_ASK_ID_ROOM])
{
    char topic[16], payload[16];
    struct bus_item *item = bus_asks_take(s_asks);
    ck_assert_ptr_nonnull(item);
    ck_assert_int_eq(sscanf(item->data, "PUB %15s id=%39s %15s", topic, id, payload), 3);
    ck_assert_str_eq(payload, "hi");
    bus_item_destroy(&item);
}

static void s_reply(const char *id, const char *code, const char *text)
{
    bus_asks_reply(s_asks, (struct wire_text){id, strlen(id)},
                   (struct wire_text){code, strlen(code)},
                   (struct wire_text){text, strlen(text)});
}

START_TEST(each_asker_gets_its_own_answer_once)
{
    char first[BUS_ASK_ID_ROOM], second[BUS_ASK_ID_ROOM];
    uint64_t woken;
    s_add();
    ck_assert_int_eq(read(s_wake_fd, &woken, sizeof woken), sizeof woken);
    s_add();
    s_take(first);
    s_take(second);
    ck_assert_ptr_null(bus_asks_take(s_asks));
    s_reply(second, "-", "pos=a:1");
    ck_assert_int_eq(s_answers, 1);
    ck_assert_str_eq(s_text, "pos=a:1");
    s_reply(second, "-", "pos=a:2"); // nobody waits for it any more
    s_reply("stranger", "-", "");
    ck_assert_int_eq(s_answers, 1);
    s_reply(first, "denied", "topic");
    ck_assert_int_eq(s_answers, 2);
    ck_assert_str_eq(s_code, "denied");
}
END_TEST

START_TEST(who_waits_too_long_is_told_whether_it_may_have_been_done)
{
    char id[BUS_ASK_ID_ROOM];
    s_add();
    s_take(id);
    bus_asks_expire(s_asks, clock_now_ms());
    ck_assert_int_eq(s_answers, 0);
    bus_asks_expire(s_asks, clock_now_ms() + BUS_ASK_MS);
    ck_assert_str_eq(s_code, "unknown");
    s_add();
    bus_asks_expire(s_asks, clock_now_ms() + BUS_ASK_MS);
    ck_assert_str_eq(s_code, "no-broker");
    ck_assert_ptr_null(bus_asks_take(s_asks));
    ck_assert_int_eq(s_answers, 2);
}
END_TEST

START_TEST(more_than_a_thousand_do_not_wait)
{
    for (int at = 0; at < BUS_ASKS_MAX; at++)
        s_add();
    ck_assert_int_eq(s_answers, 0);
    s_add();
    ck_assert_int_eq(s_answers, 1);
    ck_assert_str_eq(s_code, "full");
}
END_TEST

START_TEST(at_the_end_everybody_is_answered_and_nobody_waits)
{
    s_add();
    bus_asks_close(s_asks);
    ck_assert_int_eq(s_answers, 1);
    s_add();
    ck_assert_int_eq(s_answers, 2);
    ck_assert_str_eq(s_code, "no-broker");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bus_asks");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, s_set_up, s_tear_down);
    tcase_add_test(all, each_asker_gets_its_own_answer_once);
    tcase_add_test(all, who_waits_too_long_is_told_whether_it_may_have_been_done);
    tcase_add_test(all, more_than_a_thousand_do_not_wait);
    tcase_add_test(all, at_the_end_everybody_is_answered_and_nobody_waits);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
