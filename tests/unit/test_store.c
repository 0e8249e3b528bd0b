#include "broker/store.h"

#include "broker/positions_file.h"
#include "broker/store_database.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DEADLINE_MS = 20000, QUEUE_BYTES = 1 << 20 };

static const uint64_t BLOCK = 10000;

/* What the core would have been told. */
struct s_told {
    struct keeper_start start;
    char text[8192]; // holes, topics and messages, one line each
    size_t messages;
    uint64_t stored;  // up to here
    uint64_t refused; // likewise
    int result;       // of the newest refusal
    uint64_t leased_to;
    uint64_t not_leased; // how often
    int64_t newest_age_ms;
};

static char s_folder[64], s_why[STORE_WHY];
static int s_wake;
static struct store *s_store;
static struct keeper s_keeper;
static struct s_told s_told;

static void s_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void s_line(const char *format, ...)
{
    va_list values;
    size_t size = strlen(s_told.text);
    va_start(values, format);
    vsnprintf(s_told.text + size, sizeof s_told.text - size, format, values);
    va_end(values);
}

static void s_on_start(void *context, const struct keeper_start *start)
{
    (void)context;
    s_told.start = *start;
}

static void s_on_hole(void *context, uint64_t from, uint64_t to)
{
    (void)context;
    s_line("hole %llu %llu\n", (unsigned long long)from, (unsigned long long)to);
}

static void s_on_topic(void *context, struct wire_text topic, uint64_t mark)
{
    (void)context;
    s_line("topic %.*s %llu\n", (int)topic.size, topic.data, (unsigned long long)mark);
}

static void s_add_text(const char *name, struct wire_text text)
{
    if (text.data)
        s_line(" %s=%.*s", name, (int)text.size, text.data);
}

static void s_on_message(void *context, const struct kept *message)
{
    (void)context;
    s_told.messages++;
    s_told.newest_age_ms = message->age_ms;
    s_line("message %llu %.*s", (unsigned long long)message->g, (int)message->topic.size,
           message->topic.data);
    if (message->binary)
        s_line(" bin");
    if (message->ttl_ms)
        s_line(" ttl=%lld", (long long)message->ttl_ms);
    s_add_text("collapse", message->collapse);
    s_add_text("except", message->except);
    s_add_text("key", message->key);
    s_line(" %.*s\n", (int)message->payload.size, message->payload.data);
}

static void s_on_stored(void *context, uint64_t g, int result)
{
    (void)context;
    if (result < 0) {
        s_told.refused = g;
        s_told.result = result;
    } else {
        s_told.stored = g;
    }
}

static void s_on_leased(void *context, uint64_t to, int result)
{
    (void)context;
    if (result == 0)
        s_told.leased_to = to;
    else
        s_told.not_leased++;
}

static const struct keeper_events s_events = {
    NULL, s_on_start, s_on_hole, s_on_topic, s_on_message, s_on_stored, s_on_leased};

static struct wire_text s_text(const char *text)
{
    return (struct wire_text){text, text ? strlen(text) : 0};
}

static void s_path(char out[128], const char *name)
{
    snprintf(out, 128, "%s/%s", s_folder, name);
}

static void s_open(void)
{
    memset(&s_told, 0, sizeof s_told);
    s_store = store_open(s_folder, QUEUE_BYTES, s_wake, s_why);
    ck_assert_msg(s_store != NULL, "%s", s_why);
    s_keeper = store_keeper(s_store);
    ck_assert_msg(store_start(s_store, &s_events, s_why) == 0, "%s", s_why);
}

/* It cannot be opened; the reason is in s_why. */
static void s_open_in_vain(void)
{
    ck_assert_ptr_null(store_open(s_folder, QUEUE_BYTES, s_wake, s_why));
}

static void s_stop(uint64_t last)
{
    store_stop(s_store);
    store_drain(s_store, &s_events);
    store_close(&s_store, last);
}

/* As if the process had been killed: what it has not stored is not. */
static void s_kill(void)
{
    store_abandon(&s_store);
}

static int s_keep(uint64_t g, const char *topic, const char *payload)
{
    const struct kept message = {
        .g = g, .topic = s_text(topic), .payload = s_text(payload)};
    return s_keeper.keep(s_keeper.context, &message);
}

static int s_keep_durable(uint64_t g)
{
    const struct kept message = {
        .g = g, .durable = true, .topic = s_text("d"), .payload = s_text("durable")};
    return s_keeper.keep(s_keeper.context, &message);
}

/* Hands over, and waits until *value is at least `least`. */
static void s_await(const uint64_t *value, uint64_t least)
{
    uint64_t woken;
    store_turn(s_store);
    for (int left_ms = DEADLINE_MS; left_ms > 0 && *value < least; left_ms -= 10) {
        struct pollfd set = {.fd = s_wake, .events = POLLIN};
        if (poll(&set, 1, 10) > 0)
            (void)!read(s_wake, &woken, sizeof woken);
        store_drain(s_store, &s_events);
    }
    ck_assert_uint_ge(*value, least);
}

static void s_limit_files(rlim_t bytes)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void s_make(void)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    snprintf(s_folder, sizeof s_folder, "/tmp/store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(s_folder));
    s_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void s_clear(void)
{
    static const char *const names[] = {"lock", "positions", "history.db",
                                        "history.db-wal", "history.db-shm"};
    char path[128];
    s_limit_files(RLIM_INFINITY);
    if (s_store)
        s_stop(1000000);
    for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
        s_path(path, names[at]);
        (void)unlink(path);
    }
    ck_assert_int_eq(rmdir(s_folder), 0);
    close(s_wake);
}

START_TEST(a_new_folder_begins_an_epoch_at_position_one)
{
    s_open();
    ck_assert_uint_ne(s_told.start.epoch, 0);
    ck_assert_uint_eq(s_told.start.next, 1);
    ck_assert_uint_eq(s_told.start.leased_to, BLOCK);
    ck_assert_uint_eq(s_told.start.forgotten, 0);
    ck_assert_str_eq(s_told.text, "");
}
END_TEST

START_TEST(a_clean_stop_goes_on_exactly_where_it_was)
{
    s_open();
    uint64_t epoch = s_told.start.epoch;
    ck_assert_int_eq(s_keep(1, "a", "one"), 0);
    s_stop(7);
    s_open();
    ck_assert_uint_eq(s_told.start.epoch, epoch);
    ck_assert_uint_eq(s_told.start.next, 8);
    ck_assert_uint_eq(s_told.start.leased_to, 7 + BLOCK);
    ck_assert_str_eq(s_told.text, "message 1 a one\n");
}
END_TEST

START_TEST(everything_of_a_message_comes_back)
{
    const struct kept message = {.g = 5,
                                 .ttl_ms = 60000,
                                 .binary = true,
                                 .topic = s_text("a/b"),
                                 .collapse = s_text("key"),
                                 .except = s_text("e.1.2"),
                                 .key = s_text("once"),
                                 .payload = {"x\0y", 3}};
    s_open();
    ck_assert_int_eq(s_keeper.keep(s_keeper.context, &message), 0);
    ck_assert_int_eq(s_keep(6, "empty", ""), 0);
    s_stop(6);
    s_open();
    ck_assert_str_eq(s_told.text,
                     "message 5 a/b bin ttl=60000 collapse=key except=e.1.2 key=once x\n"
                     "message 6 empty \n");
    ck_assert_int_lt(s_told.newest_age_ms, DEADLINE_MS);
}
END_TEST

START_TEST(what_is_not_held_any_more_is_deleted_and_marked)
{
    s_open();
    for (uint64_t g = 1; g <= 4; g++)
        ck_assert_int_eq(s_keep(g, g % 2 ? "odd" : "even", "x"), 0);
    s_keeper.trim(s_keeper.context, s_text("odd"), 1);
    s_keeper.lose(s_keeper.context, s_text("even"), 5);
    s_keeper.lose(s_keeper.context, s_text("even"), 3); // a mark never goes back
    s_stop(5);
    s_open();
    ck_assert_str_eq(s_told.text, "topic even 5\ntopic odd 1\nmessage 2 even x\n"
                                  "message 3 odd x\nmessage 4 even x\n");
}
END_TEST

START_TEST(the_mark_of_a_forgotten_topic_counts_for_all_without_one)
{
    s_open();
    s_keeper.lose(s_keeper.context, s_text("one"), 3);
    s_keeper.lose(s_keeper.context, s_text("two"), 2);
    s_keeper.forget(s_keeper.context, s_text("one"));
    s_keeper.forget(s_keeper.context, s_text("two"));
    s_keeper.forget(s_keeper.context, s_text("never seen"));
    s_stop(3);
    s_open();
    ck_assert_uint_eq(s_told.start.forgotten, 3);
    ck_assert_str_eq(s_told.text, "");
}
END_TEST

START_TEST(an_unclean_start_begins_the_next_block_and_says_so)
{
    s_open();
    uint64_t epoch = s_told.start.epoch;
    ck_assert_int_eq(s_keep(1, "a", "x"), 0);
    ck_assert_int_eq(s_keep(2, "a", "y"), 0);
    s_await(&s_told.stored, 2);
    s_kill();
    s_open();
    ck_assert_uint_eq(s_told.start.epoch, epoch);
    ck_assert_uint_eq(s_told.start.next, BLOCK + 1);
    ck_assert_str_eq(s_told.text, "hole 3 10000\nmessage 1 a x\nmessage 2 a y\n");
    /* The hole is remembered. */
    s_stop(BLOCK + 1);
    s_open();
    ck_assert_uint_eq(s_told.start.next, BLOCK + 2);
    ck_assert_str_eq(s_told.text, "hole 3 10000\nmessage 1 a x\nmessage 2 a y\n");
}
END_TEST

START_TEST(a_second_unclean_start_in_a_row_widens_the_hole)
{
    s_open();
    s_kill();
    s_open();
    ck_assert_str_eq(s_told.text, "hole 1 10000\n");
    s_kill();
    s_open();
    ck_assert_uint_eq(s_told.start.next, 2 * BLOCK + 1);
    ck_assert_str_eq(s_told.text, "hole 1 20000\nhole 1 10000\n");
    s_kill();
}
END_TEST

START_TEST(at_most_sixteen_holes_are_remembered)
{
    for (uint64_t life = 0; life < 20; life++) {
        s_open();
        ck_assert_int_eq(s_keep(s_told.start.next, "a", ""), 0);
        s_await(&s_told.stored, s_told.start.next);
        s_kill();
    }
    s_open();
    s_stop(s_told.start.next);
    s_open();
    size_t holes = 0;
    for (const char *at = s_told.text; (at = strstr(at, "hole ")); at++)
        holes++;
    ck_assert_uint_eq(holes, STORE_DATABASE_HOLES);
    /* The first ones became one, nothing is left out. */
    ck_assert_ptr_nonnull(strstr(s_told.text, "hole 2 "));
    ck_assert_ptr_nonnull(strstr(s_told.text, " 200000\n"));
}
END_TEST

START_TEST(positions_are_leased_in_blocks)
{
    s_open();
    s_keeper.lease(s_keeper.context, 2 * BLOCK);
    s_await(&s_told.leased_to, 2 * BLOCK);
    uint64_t leased = s_told.leased_to;
    s_kill();
    s_open();
    ck_assert_uint_eq(s_told.start.next, leased + 1);
}
END_TEST

START_TEST(a_folder_has_one_broker)
{
    char why[STORE_WHY];
    s_open();
    ck_assert_ptr_null(store_open(s_folder, QUEUE_BYTES, s_wake, why));
    ck_assert_str_eq(why, "another broker is using it");
    /* The first one is not disturbed. */
    ck_assert_int_eq(s_keep(1, "a", "x"), 0);
    s_await(&s_told.stored, 1);
}
END_TEST

START_TEST(a_folder_that_cannot_be_used_is_refused)
{
    char why[STORE_WHY], path[128];
    ck_assert(store_check(s_folder, why));
    s_path(path, "new");
    ck_assert(store_check(path, why));
    ck_assert(!store_check("/tmp/no such folder/data", why));
    ck_assert_ptr_nonnull(strstr(why, "neither is there nor can be made"));
    ck_assert(!store_check("/proc/version", why));
    ck_assert_str_eq(why, "a folder is needed");
}
END_TEST

START_TEST(a_schema_of_the_future_is_refused)
{
    char path[128];
    s_open();
    s_stop(0);
    s_path(path, "history.db");
    FILE *file = fopen(path, "r+");
    /* PRAGMA user_version stands at byte 60 of an SQLite file, the highest byte first. */
    ck_assert_int_eq(fseek(file, 63, SEEK_SET), 0);
    ck_assert_int_eq(fputc(9, file), 9);
    ck_assert_int_eq(fclose(file), 0);
    s_open_in_vain();
    ck_assert_str_eq(s_why,
                     "history.db: schema 9 is not known: this program knows schema 1");
}
END_TEST

START_TEST(a_database_of_another_program_is_refused)
{
    char path[128];
    s_path(path, "history.db");
    FILE *file = fopen(path, "w");
    fputs("this is not a database, but a text that is long enough to be read", file);
    ck_assert_int_eq(fclose(file), 0);
    s_open_in_vain();
    ck_assert_str_eq(s_why, "history.db: file is not a database");
}
END_TEST

START_TEST(positions_with_two_bad_slots_are_refused)
{
    char path[128];
    s_open();
    s_stop(0);
    s_path(path, "positions");
    FILE *file = fopen(path, "r+");
    for (int slot = 0; slot < 2; slot++) {
        ck_assert_int_eq(fseek(file, slot * POSITIONS_FILE_STEP + 20, SEEK_SET), 0);
        ck_assert_int_eq(fputc(0x55, file), 0x55);
    }
    ck_assert_int_eq(fclose(file), 0);
    s_open_in_vain();
    ck_assert_str_eq(s_why, "positions: both slots of the file are damaged");
}
END_TEST

START_TEST(without_its_positions_a_history_begins_a_new_epoch)
{
    char path[128];
    s_open();
    uint64_t epoch = s_told.start.epoch;
    ck_assert_int_eq(s_keep(1, "a", "x"), 0);
    s_stop(1);
    s_path(path, "positions");
    ck_assert_int_eq(unlink(path), 0);
    s_open();
    ck_assert_uint_ne(s_told.start.epoch, epoch);
    ck_assert_uint_eq(s_told.start.next, 2);
    ck_assert_str_eq(s_told.text, "message 1 a x\n");
}
END_TEST

START_TEST(an_older_history_under_newer_positions_is_a_hole)
{
    char path[128];
    s_open();
    ck_assert_int_eq(s_keep(1, "a", "x"), 0);
    s_stop(1);
    s_path(path, "history.db");
    char data[65536];
    FILE *file = fopen(path, "r");
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    s_open();
    ck_assert_int_eq(s_keep(2, "a", "y"), 0);
    s_stop(2);
    file = fopen(path, "w");
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    s_open();
    ck_assert_uint_gt(s_told.start.next, 2);
    ck_assert_ptr_nonnull(strstr(s_told.text, "hole 2 "));
}
END_TEST

START_TEST(a_disk_that_fails_refuses_and_recovers)
{
    s_open();
    ck_assert_int_eq(s_keep(1, "a", "before"), 0);
    s_await(&s_told.stored, 1);
    s_limit_files(4096);
    ck_assert_int_eq(s_keep(2, "a", "while"), 0); // not known yet
    ck_assert_int_eq(s_keep_durable(3), 0);
    s_await(&s_told.refused, 3);
    ck_assert_int_eq(s_told.result, -EIO);
    ck_assert_uint_eq(s_told.stored, 1);
    ck_assert_int_eq(s_keep(4, "a", "refused"), -EIO);
    s_keeper.lose(s_keeper.context, s_text("a"), 4);
    s_limit_files(RLIM_INFINITY);
    s_await(&s_told.stored, 2); // by itself
    ck_assert_int_eq(s_keep_durable(5), 0);
    s_await(&s_told.stored, 5);
    s_kill();
    s_open();
    ck_assert_str_eq(s_told.text, "hole 6 10000\ntopic a 4\nmessage 1 a before\n"
                                  "message 2 a while\nmessage 5 d durable\n");
}
END_TEST

START_TEST(positions_are_leased_while_the_disk_is_full)
{
    s_open();
    /* As much as the file of positions has. */
    s_limit_files(POSITIONS_FILE_SIZE);
    ck_assert_int_eq(s_keep_durable(1), 0);
    s_await(&s_told.refused, 1);
    s_keeper.lease(s_keeper.context, 2 * BLOCK);
    s_await(&s_told.leased_to, 2 * BLOCK);
}
END_TEST

START_TEST(a_lease_that_fails_is_tried_again)
{
    s_open();
    s_limit_files(0);
    s_keeper.lease(s_keeper.context, 2 * BLOCK);
    s_await(&s_told.not_leased, 2);
    ck_assert_uint_eq(s_told.leased_to, 0);
    s_limit_files(RLIM_INFINITY);
    s_await(&s_told.leased_to, 2 * BLOCK);
}
END_TEST

START_TEST(what_waits_for_the_disk_is_bounded)
{
    static char payload[65537];
    memset(payload, 'x', sizeof payload - 1);
    s_open();
    s_limit_files(4096);
    uint64_t g = 1;
    int result;
    while ((result = s_keep(g, "a", payload)) == 0)
        g++; // no turn: nothing goes to the disk
    ck_assert_int_eq(result, -ENOBUFS);
    ck_assert_uint_lt(g * (sizeof payload - 1), QUEUE_BYTES + 2 * sizeof payload);
    /* Marks have room of their own, and beyond it they become a hole. */
    for (uint64_t mark = g; mark < g + 20000; mark++)
        s_keeper.lose(s_keeper.context, s_text("a"), mark);
    s_limit_files(RLIM_INFINITY);
    s_await(&s_told.stored, g - 1);
    s_stop(g + 19999);
    s_open();
    char newest[64];
    snprintf(newest, sizeof newest, " %llu\n", (unsigned long long)g + 19999);
    ck_assert_ptr_nonnull(strstr(s_told.text, "hole "));
    ck_assert_ptr_nonnull(strstr(s_told.text, newest));
}
END_TEST

START_TEST(a_stop_while_the_disk_fails_is_an_unclean_one)
{
    s_open();
    ck_assert_int_eq(s_keep(1, "a", "x"), 0);
    s_await(&s_told.stored, 1);
    s_limit_files(4096);
    ck_assert_int_eq(s_keep(2, "a", "y"), 0);
    s_stop(2);
    s_limit_files(RLIM_INFINITY);
    s_open();
    ck_assert_uint_eq(s_told.start.next, BLOCK + 1);
    ck_assert_str_eq(s_told.text, "hole 2 10000\nmessage 1 a x\n");
}
END_TEST

static void s_add_tests(TCase *tests)
{
    tcase_add_test(tests, a_new_folder_begins_an_epoch_at_position_one);
    tcase_add_test(tests, a_clean_stop_goes_on_exactly_where_it_was);
    tcase_add_test(tests, everything_of_a_message_comes_back);
    tcase_add_test(tests, what_is_not_held_any_more_is_deleted_and_marked);
    tcase_add_test(tests, the_mark_of_a_forgotten_topic_counts_for_all_without_one);
    tcase_add_test(tests, an_unclean_start_begins_the_next_block_and_says_so);
    tcase_add_test(tests, a_second_unclean_start_in_a_row_widens_the_hole);
    tcase_add_test(tests, at_most_sixteen_holes_are_remembered);
    tcase_add_test(tests, positions_are_leased_in_blocks);
    tcase_add_test(tests, a_folder_has_one_broker);
    tcase_add_test(tests, a_folder_that_cannot_be_used_is_refused);
    tcase_add_test(tests, a_schema_of_the_future_is_refused);
    tcase_add_test(tests, a_database_of_another_program_is_refused);
    tcase_add_test(tests, positions_with_two_bad_slots_are_refused);
    tcase_add_test(tests, without_its_positions_a_history_begins_a_new_epoch);
    tcase_add_test(tests, an_older_history_under_newer_positions_is_a_hole);
    tcase_add_test(tests, a_disk_that_fails_refuses_and_recovers);
    tcase_add_test(tests, positions_are_leased_while_the_disk_is_full);
    tcase_add_test(tests, a_lease_that_fails_is_tried_again);
    tcase_add_test(tests, what_waits_for_the_disk_is_bounded);
    tcase_add_test(tests, a_stop_while_the_disk_fails_is_an_unclean_one);
}

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *tests = tcase_create("store");
    tcase_add_checked_fixture(tests, s_make, s_clear);
    tcase_set_timeout(tests, 60);
    s_add_tests(tests);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
