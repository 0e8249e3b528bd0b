#include "common/conf.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_ROOM = 8192, WORDS_MAX = 16 };

static const struct conf_setting s_gateway[] = {
    {.name = "listen",
     .type = CONF_LIST,
     .initial = "127.0.0.1:8080, [::1]:8080",
     .help = "Where clients connect."},
    {.name = "head-timeout",
     .type = CONF_DURATION,
     .initial = "10s",
     .least = 100,
     .most = 3600000,
     .help = "Time for the head of a request."},
    {.name = "out-queue",
     .type = CONF_SIZE,
     .initial = "4MiB",
     .least = 4096,
     .most = 1 << 30,
     .help = "Bytes that wait for one client."},
    {.name = "log-format",
     .type = CONF_CHOICE,
     .initial = "text",
     .choices = "text|json",
     .help = "Form of log lines."},
    {.name = "name", .type = CONF_TEXT, .help = "Name of this edge."},
    {.name = "plain", .type = CONF_BOOL, .initial = "no", .help = "No encryption."},
    {.name = "workers",
     .type = CONF_COUNT,
     .initial = "2",
     .least = 1,
     .help = "Threads that serve clients."},
    {.name = NULL},
};
static const struct conf_setting s_broker[] = {
    {.name = "name", .type = CONF_TEXT, .initial = "hidden", .help = "Not this one."},
    {.name = "bus-apps", .type = CONF_TEXT, .initial = "tcp://*:7702", .help = "Apps."},
    {.name = NULL},
};
static const struct conf_setting *const s_tables[] = {s_gateway, s_broker, NULL};

struct outcome {
    int status; // of the exit; -1: conf_load came back
    char out[TEXT_ROOM];
    char err[TEXT_ROOM];
};

/* Loads with the flags in `line`, separated by spaces. */
static struct conf *s_load(const char *line)
{
    static char words[512];
    char *argv[WORDS_MAX] = {"tester"};
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    char *rest = NULL;
    for (char *at = strtok_r(words, " ", &rest); at; at = strtok_r(NULL, " ", &rest))
        argv[argc++] = at;
    return conf_load("tester", s_tables, argc, argv);
}

static void s_fill(int file, char text[TEXT_ROOM])
{
    ssize_t size = pread(file, text, TEXT_ROOM - 1, 0);
    ck_assert_int_ge(size, 0);
    text[size] = 0;
    close(file);
}

/* The same in a process of its own, which may exit. */
static struct outcome s_try(const char *line)
{
    struct outcome outcome;
    int out = memfd_create("out", MFD_CLOEXEC);
    int err = memfd_create("err", MFD_CLOEXEC);
    fflush(NULL);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        struct conf *conf = s_load(line);
        conf_destroy(&conf);
        _exit(99);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "ended by a signal: %s", line);
    outcome.status = WEXITSTATUS(status) == 99 ? -1 : WEXITSTATUS(status);
    s_fill(out, outcome.out);
    s_fill(err, outcome.err);
    return outcome;
}

/* Refused: exit 2, this line and no other. */
static void s_refuses(const char *line, const char *want)
{
    char text[512];
    struct outcome outcome = s_try(line);
    snprintf(text, sizeof text, "tester: %s\n", want);
    ck_assert_msg(outcome.status == 2, "%s: exit %d", line, outcome.status);
    ck_assert_msg(strcmp(outcome.err, text) == 0, "%s: want %s, got %s", line, text,
                  outcome.err);
    ck_assert_str_eq(outcome.out, "");
}

/* A file that nobody has to remove; its flag is "--config <path>". */
static const char *s_file(const char *text, size_t size)
{
    static char path[64];
    int file = memfd_create("conf", 0);
    ck_assert_int_eq(write(file, text, size), (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return path;
}

static const char *s_config(const char *text)
{
    static char flag[128];
    snprintf(flag, sizeof flag, "--config %s", s_file(text, strlen(text)));
    return flag;
}

static void s_refuses_file(const char *text, const char *want)
{
    char line[512];
    const char *flag = s_config(text);
    snprintf(line, sizeof line, "config: %s: %s", flag + strlen("--config "), want);
    s_refuses(flag, line);
}

static void s_lists(const struct conf *conf, const char *name, const char *want)
{
    char text[512] = "";
    size_t used = 0;
    for (size_t at = 0; at < conf_list_size(conf, name); at++)
        used += (size_t)snprintf(text + used, sizeof text - used, "<%s>",
                                 conf_list_at(conf, name, at));
    ck_assert_str_eq(text, want);
    ck_assert_ptr_null(conf_list_at(conf, name, conf_list_size(conf, name)));
}

static void s_clear_environment(void)
{
    static const char *const names[] = {"LISTEN", "HEAD_TIMEOUT", "NAME", "CONFIG",
                                        "LOG_FORMAT"};
    char name[64];
    for (size_t at = 0; at < sizeof names / sizeof names[0]; at++) {
        snprintf(name, sizeof name, "RINGWAY_%s", names[at]);
        unsetenv(name);
    }
    unsetenv("RINGWAY_BIN"); // of the test runner
}

START_TEST(without_any_source_the_defaults_count)
{
    struct conf *conf = s_load("");
    s_lists(conf, "listen", "<127.0.0.1:8080><[::1]:8080>");
    ck_assert_int_eq(conf_number(conf, "head-timeout"), 10000);
    ck_assert_int_eq(conf_number(conf, "out-queue"), 4 << 20);
    ck_assert_str_eq(conf_text(conf, "log-format"), "text");
    ck_assert_ptr_null(conf_text(conf, "name"));
    ck_assert(!conf_bool(conf, "plain"));
    ck_assert_int_eq(conf_number(conf, "workers"), 2);
    ck_assert_str_eq(conf_text(conf, "bus-apps"), "tcp://*:7702");
    conf_destroy(&conf);
    ck_assert_ptr_null(conf);
}
END_TEST

START_TEST(a_flag_counts_before_the_environment_before_the_file)
{
    char flags[256];
    const char *file =
        s_config("head-timeout = 1s\nname = file\nlog-format = json\nlisten = file\n");
    setenv("RINGWAY_HEAD_TIMEOUT", "2s", 1);
    setenv("RINGWAY_NAME", "environment", 1);
    setenv("RINGWAY_LISTEN", "x, y,,z ", 1);
    setenv("RINGWAY_LOG_FORMAT", "", 1);
    snprintf(flags, sizeof flags, "--head-timeout=3s %s --head-timeout 4s", file);
    struct conf *conf = s_load(flags);
    ck_assert_int_eq(conf_number(conf, "head-timeout"), 4000);
    ck_assert_str_eq(conf_text(conf, "name"), "environment");
    ck_assert_msg(strcmp(conf_text(conf, "log-format"), "json") == 0,
                  "an empty variable is not set");
    s_lists(conf, "listen", "<x><y><z>");
    conf_destroy(&conf);
}
END_TEST

START_TEST(a_list_is_a_repeated_flag_or_key)
{
    struct conf *conf = s_load("--listen a,b --listen c");
    s_lists(conf, "listen", "<a,b><c>");
    conf_destroy(&conf);
    conf = s_load(s_config("listen = a\nworkers = 3\nlisten = \"b c\" # why\n"));
    s_lists(conf, "listen", "<a><b c>");
    conf_destroy(&conf);
    conf = s_load("--listen=");
    s_lists(conf, "listen", "");
    conf_destroy(&conf);
}
END_TEST

START_TEST(the_environment_may_name_the_file)
{
    setenv("RINGWAY_CONFIG", s_file("workers = 9\n", 12), 1);
    struct conf *conf = s_load("");
    ck_assert_int_eq(conf_number(conf, "workers"), 9);
    conf_destroy(&conf);
    conf = s_load(s_config("workers = 8\n"));
    ck_assert_int_eq(conf_number(conf, "workers"), 8);
    conf_destroy(&conf);
}
END_TEST

START_TEST(an_unknown_variable_is_reported_and_ignored)
{
    setenv("RINGWAY_HEAD_TIMOUT", "1s", 1);
    struct outcome outcome = s_try("");
    unsetenv("RINGWAY_HEAD_TIMOUT");
    ck_assert_int_eq(outcome.status, -1);
    ck_assert_str_eq(outcome.err,
                     "tester: warning: RINGWAY_HEAD_TIMOUT is not a setting; ignored\n");
}
END_TEST

START_TEST(a_flag_of_yes_or_no_needs_no_value)
{
    static const char *const flags[] = {"--plain",      "--plain=yes", "--plain=on",
                                        "--plain=TRUE", "--plain=1",   "--plain=no",
                                        "--plain=off",  "--plain=0",   "--plain=false"};
    for (size_t at = 0; at < sizeof flags / sizeof flags[0]; at++) {
        struct conf *conf = s_load(flags[at]);
        ck_assert_msg(conf_bool(conf, "plain") == (at < 5), "%s", flags[at]);
        conf_destroy(&conf);
    }
}
END_TEST

START_TEST(a_wrong_value_is_refused_with_the_rule)
{
    s_refuses("--head-timeout 10x",
              "head-timeout: \"10x\" is not a duration; use a number with ms, s, m or h "
              "(least 100ms, most 1h)");
    s_refuses("--head-timeout 10",
              "head-timeout: \"10\" is not a duration; use a number with ms, s, m or h "
              "(least 100ms, most 1h)");
    s_refuses("--head-timeout 99ms",
              "head-timeout: \"99ms\" is out of range; least 100ms, most 1h");
    s_refuses("--head-timeout 0",
              "head-timeout: \"0\" is out of range; least 100ms, most 1h");
    s_refuses("--head-timeout 9999999999999999999h",
              "head-timeout: \"9999999999999999999h\""
              " is out of range; least 100ms, most 1h");
    s_refuses("--out-queue 4mb",
              "out-queue: \"4mb\" is not a size; use bytes or a number with "
              "KiB, MiB or GiB (least 4KiB, most 1GiB)");
    s_refuses("--workers -1",
              "workers: \"-1\" is not a count; use a whole number (least 1)");
    s_refuses("--plain=maybe", "plain: \"maybe\" is not yes or no; use yes, no, true, "
                               "false, 1, 0, on or off");
    s_refuses("--log-format=xml",
              "log-format: \"xml\" is not one of the choices; use text|json");
    s_refuses("--log-format=text|json",
              "log-format: \"text|json\" is not one of the choices; use text|json");
    s_refuses("--log-format=jso",
              "log-format: \"jso\" is not one of the choices; use text|json");
    s_refuses("--name a\nb", "name: \"a?b\" has a control character");
}
END_TEST

START_TEST(a_flag_that_is_no_setting_is_refused)
{
    s_refuses("--nope=1", "--nope=1: not a setting of this program; see --help");
    s_refuses("--name", "--name: needs a value");
    s_refuses("stray", "stray: not a flag; see --help");
}
END_TEST

START_TEST(a_wrong_value_is_found_where_a_flag_hides_it)
{
    char flags[256];
    snprintf(flags, sizeof flags, "%s --workers 4", s_config("workers = many\n"));
    s_refuses(flags, "workers: \"many\" is not a count; use a whole number (least 1)");
}
END_TEST

START_TEST(a_wrong_file_is_refused_with_its_name_and_key)
{
    s_refuses_file("head-timout = 1s\n", "\"head-timout\" is not a setting; see --help");
    s_refuses_file("workers = 1\nname = a\nworkers = 1\n", "\"workers\" is given twice");
    s_refuses_file("routs\n    a\n        path = /\n",
                   "\"routs\" is not a section; known: routes");
    s_refuses_file("name = a\n    b = c\n",
                   "\"name\" is a setting; it has no keys below it");
    s_refuses_file("routes = x\n", "\"routes\" is a section; it has no value");
    s_refuses_file("routes\n    chat = x\n",
                   "\"routes/chat\" is a section; it has no value of its own");
    s_refuses_file("routes\n    a\n        b\n            c = d\n",
                   "\"routes/a/b\" cannot have keys below it");
}
END_TEST

START_TEST(a_file_that_is_no_zpl_is_refused_with_the_line)
{
    s_refuses_file("name = a\nb c d\n", "line 2: invalid syntax 'c d'");
    s_refuses_file("name = \"a\n", "line 1: missing \"");
    s_refuses_file("name = a\n        b = c\n", "line 2: indentation error");
    s_refuses("--config /nonexistent/x",
              "config: /nonexistent/x: No such file or directory");
    s_refuses("--config /", "config: /: Is a directory");
    char flag[128];
    char line[128];
    const char *path = s_file("name = a\0b\n", 11);
    snprintf(flag, sizeof flag, "--config %s", path);
    snprintf(line, sizeof line, "config: %s: not a text file", path);
    s_refuses(flag, line);
}
END_TEST

START_TEST(an_empty_file_says_nothing)
{
    struct conf *conf = s_load(s_config(""));
    ck_assert_int_eq(conf_number(conf, "workers"), 2);
    conf_destroy(&conf);
    conf = s_load(s_config("# only a comment\n\n"));
    ck_assert_int_eq(conf_number(conf, "workers"), 2);
    conf_destroy(&conf);
}
END_TEST

static int s_note(void *context, const struct conf_section *section)
{
    char *text = context;
    size_t used = strlen(text);
    used += (size_t)snprintf(text + used, 512 - used, "[%s]", conf_section_name(section));
    for (size_t at = 0; at < conf_section_size(section); at++)
        used += (size_t)snprintf(text + used, 512 - used, "%s=%s;",
                                 conf_section_key(section, at),
                                 conf_section_value(section, at));
    return strcmp(conf_section_name(section), "stop") == 0 ? -EINVAL : 1;
}

static const char *const s_routes = "routes\n"
                                    "    events\n"
                                    "        path = /events/{room}\n"
                                    "        origin = a\n"
                                    "        origin = \"b # c\"\n"
                                    "    stop\n"
                                    "    chat\n"
                                    "        path = /chat\n";

START_TEST(routes_come_in_the_order_of_the_file_until_one_is_refused)
{
    char text[512] = "";
    struct conf *conf = s_load(s_config(s_routes));
    ck_assert_int_eq(conf_each(conf, "routes", s_note, text), -EINVAL);
    ck_assert_str_eq(text, "[events]path=/events/{room};origin=a;origin=b # c;[stop]");
    conf_destroy(&conf);
    text[0] = 0;
    conf = s_load(s_config("routes\n    a\n    b\n        x =\n"));
    ck_assert_int_eq(conf_each(conf, "routes", s_note, text), 0);
    ck_assert_str_eq(text, "[a][b]x=;");
    ck_assert_int_eq(conf_each(conf, "others", s_note, text), 0);
    conf_destroy(&conf);
}
END_TEST

START_TEST(help_has_each_setting_with_unit_default_and_range)
{
    struct outcome outcome = s_try("--help --workers nonsense-is-not-read");
    ck_assert_int_eq(outcome.status, 2); // a wrong flag is wrong with --help too
    outcome = s_try("-h");
    ck_assert_int_eq(outcome.status, 0);
    static const char *const wanted[] = {
        "--listen TEXT (may be repeated)",
        "--head-timeout DURATION\n",
        "(default 10s; least 100ms, most 1h)",
        "(default 4MiB; least 4KiB, most 1GiB)",
        "--log-format text|json\n",
        "--name TEXT\n      Name of this edge.\n      (no default)",
        "(default 2; least 1)",
        "--bus-apps TEXT",
        "--config FILE"};
    for (size_t at = 0; at < sizeof wanted / sizeof wanted[0]; at++)
        ck_assert_msg(strstr(outcome.out, wanted[at]) != NULL, "no %s", wanted[at]);
    ck_assert_ptr_null(strstr(outcome.out, "Not this one"));
}
END_TEST

START_TEST(what_print_config_prints_is_a_file_that_gives_the_same)
{
    char flags[256];
    snprintf(flags, sizeof flags, "--print-config --name it's --plain %s",
             s_config(s_routes));
    struct outcome first = s_try(flags);
    ck_assert_int_eq(first.status, 0);
    ck_assert_ptr_nonnull(strstr(first.out, "head-timeout = \"10s\"\n"));
    ck_assert_ptr_nonnull(strstr(first.out, "name = \"it's\"\nplain = \"yes\"\n"));
    ck_assert_ptr_nonnull(strstr(first.out, "        origin = \"b # c\"\n"));
    snprintf(flags, sizeof flags, "%s --print-config", s_config(first.out));
    struct outcome second = s_try(flags);
    ck_assert_str_eq(second.err, "");
    ck_assert_str_eq(first.out, second.out);
}
END_TEST

START_TEST(check_config_tells_by_its_exit)
{
    struct outcome outcome = s_try("--check-config");
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_str_eq(outcome.err, "");
    outcome = s_try("--check-config --workers 0");
    ck_assert_int_eq(outcome.status, 2);
    outcome = s_try("--version");
    ck_assert_int_eq(outcome.status, 0);
    ck_assert_int_eq(strncmp(outcome.out, "tester ", 7), 0);
}
END_TEST

static void s_no_thirteen(const struct conf *conf)
{
    if (conf_number(conf, "workers") == 13)
        conf_refuse("workers", "13", "is an unlucky number");
}

START_TEST(the_programs_own_check_refuses_too)
{
    conf_set_check(s_no_thirteen);
    s_refuses("--check-config --workers 13", "workers: is an unlucky number (13)");
    ck_assert_int_eq(s_try("--check-config --workers 12").status, 0);
    conf_set_check(NULL);
}
END_TEST

START_TEST(durations_and_sizes_of_other_texts)
{
    int64_t value = 7;
    static const char *const bad[] = {"",    "ms", "1",  "-1s", "1.5s",
                                      "1 s", "1S", "s1", "1sm"};
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++)
        ck_assert_msg(conf_parse_duration(bad[at], &value) == -EINVAL, "%s", bad[at]);
    ck_assert_int_eq(value, 7);
    ck_assert_int_eq(conf_parse_duration("0", &value), 0);
    ck_assert_int_eq(value, 0);
    ck_assert_int_eq(conf_parse_duration("250ms", &value), 0);
    ck_assert_int_eq(value, 250);
    ck_assert_int_eq(conf_parse_duration("2h", &value), 0);
    ck_assert_int_eq(value, 7200000);
    ck_assert_int_eq(conf_parse_size("16KiB", &value), 0);
    ck_assert_int_eq(value, 16384);
    ck_assert_int_eq(conf_parse_size("5", &value), 0);
    ck_assert_int_eq(value, 5);
    ck_assert_int_eq(conf_parse_size("16kb", &value), -EINVAL);
    ck_assert_int_eq(conf_parse_size("99999999999GiB", &value), -EINVAL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conf");
    TCase *loads = tcase_create("load");
    tcase_add_checked_fixture(loads, s_clear_environment, s_clear_environment);
    tcase_set_timeout(loads, 60);
    tcase_add_test(loads, without_any_source_the_defaults_count);
    tcase_add_test(loads, a_flag_counts_before_the_environment_before_the_file);
    tcase_add_test(loads, a_list_is_a_repeated_flag_or_key);
    tcase_add_test(loads, the_environment_may_name_the_file);
    tcase_add_test(loads, an_unknown_variable_is_reported_and_ignored);
    tcase_add_test(loads, a_flag_of_yes_or_no_needs_no_value);
    tcase_add_test(loads, an_empty_file_says_nothing);
    tcase_add_test(loads, routes_come_in_the_order_of_the_file_until_one_is_refused);
    tcase_add_test(loads, durations_and_sizes_of_other_texts);
    suite_add_tcase(suite, loads);
    TCase *refuses = tcase_create("refuse");
    tcase_add_checked_fixture(refuses, s_clear_environment, s_clear_environment);
    tcase_set_timeout(refuses, 60);
    tcase_add_test(refuses, a_wrong_value_is_refused_with_the_rule);
    tcase_add_test(refuses, a_flag_that_is_no_setting_is_refused);
    tcase_add_test(refuses, a_wrong_value_is_found_where_a_flag_hides_it);
    tcase_add_test(refuses, a_wrong_file_is_refused_with_its_name_and_key);
    tcase_add_test(refuses, a_file_that_is_no_zpl_is_refused_with_the_line);
    suite_add_tcase(suite, refuses);
    TCase *prints = tcase_create("print");
    tcase_add_checked_fixture(prints, s_clear_environment, s_clear_environment);
    tcase_set_timeout(prints, 60);
    tcase_add_test(prints, help_has_each_setting_with_unit_default_and_range);
    tcase_add_test(prints, what_print_config_prints_is_a_file_that_gives_the_same);
    tcase_add_test(prints, check_config_tells_by_its_exit);
    tcase_add_test(prints, the_programs_own_check_refuses_too);
    suite_add_tcase(suite, prints);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
