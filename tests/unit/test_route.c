#include "gateway/route.h"

#include "tests/support/vectors.h"

#include <errno.h>

static struct route_table *s_table;

/* Adds a route with two options. */
static void s_add(const char *name, const char *path, const char *key, const char *value)
{
    const char *keys[] = {"path", key};
    const char *values[] = {path, value};
    char *why = NULL;
    int result = route_table_add(s_table, name, keys, values, 2, &why);
    ck_assert_msg(result == 0, "%s", why);
}

static void s_set_up(void)
{
    s_table = route_table_new();
}

static void s_tear_down(void)
{
    route_table_destroy(&s_table);
    ck_assert_ptr_null(s_table);
}

static void s_describe(const struct route_match *match, struct vectors_text *out)
{
    vectors_add(out, "route=%s", match->route->name);
    for (size_t at = 0; at < match->count; at++)
        vectors_add(out, " %s=%s", match->name[at], match->value[at]);
    if (match->route->kind != ROUTE_TOPIC)
        return;
    char topic[512];
    int size = route_match_topic(match, 0, topic, sizeof topic);
    if (size >= 0)
        ck_assert_uint_eq(strlen(topic), (size_t)size);
    vectors_add(out, " topic=%s", size == -EMSGSIZE ? "EMSGSIZE" : topic);
}

static void s_check(const struct vector *vector)
{
    struct route_match match;
    struct vectors_text got = {.size = 0};
    int status =
        route_table_match(s_table, (const char *)vector->data, vector->size, &match);
    if (status != 0)
        vectors_add(&got, "%d", status);
    else
        s_describe(&match, &got);
    vectors_same(vector, got.text);
}

START_TEST(matches_every_vector)
{
    s_add("root", "/", "service", "s");
    s_add("rooms", "/rooms", "service", "s");
    s_add("new", "/rooms/new", "service", "s");
    s_add("room", "/rooms/{room}", "topic", "rooms/{room}");
    s_add("two", "/a/{x}/b/{y}", "topic", "{y}-{x}");
    s_add("files", "/files/**", "service", "s");
    s_add("user", "/u/{user}/**", "service", "s");
    vectors_each("route", 45, s_check);
}
END_TEST

static const struct route *s_match(const char *path)
{
    static struct route_match match;
    int status = route_table_match(s_table, path, strlen(path), &match);
    return status == 0 ? match.route : NULL;
}

START_TEST(the_default_route_takes_every_target)
{
    static const char *const targets[] = {"", "/", "/a/b", "/%zz", "*", "a.example:443"};
    ck_assert_uint_eq(route_table_size(s_table), 0);
    ck_assert_ptr_null(s_match("/"));
    route_table_add_default(s_table);
    ck_assert_uint_eq(route_table_size(s_table), 1);
    for (size_t at = 0; at < sizeof targets / sizeof *targets; at++) {
        const struct route *route = s_match(targets[at]);
        ck_assert_ptr_nonnull(route);
        ck_assert_str_eq(route->name, "default");
        ck_assert_str_eq(route->service, "default");
        ck_assert_int_eq(route->kind, ROUTE_SERVICE);
        ck_assert_int_eq(route->answer_timeout_ms, -1);
    }
}
END_TEST

START_TEST(a_route_for_all_paths_takes_them)
{
    s_add("all", "/**", "service", "s");
    ck_assert_ptr_nonnull(s_match("/"));
    ck_assert_ptr_nonnull(s_match("/a/b/"));
    ck_assert_ptr_null(s_match("*"));
    ck_assert_ptr_null(s_match("a.example:443"));
}
END_TEST

START_TEST(options_of_the_file_are_taken)
{
    const char *keys[] = {"path",   "service", "accept",       "redeliver",
                          "origin", "origin",  "open-timeout", "answer-timeout"};
    const char *values[] = {"/a", "chat.1", "backend", "all", "https://a.example",
                            "*",  "500ms",  "0"};
    char *why = NULL;
    ck_assert_int_eq(route_table_add(s_table, "main", keys, values, 8, &why), 0);
    const struct route *route = s_match("/a");
    ck_assert_ptr_nonnull(route);
    ck_assert_str_eq(route->path, "/a");
    ck_assert_str_eq(route->service, "chat.1");
    ck_assert(route->accept_by_backend && route->redeliver_all);
    ck_assert_uint_eq(route->origin_count, 2);
    ck_assert_str_eq(route->origins[0], "https://a.example");
    ck_assert_str_eq(route->origins[1], "*");
    ck_assert_int_eq(route->open_timeout_ms, 500);
    ck_assert_int_eq(route->answer_timeout_ms, 0);
}
END_TEST

START_TEST(options_that_are_left_out_have_their_defaults)
{
    s_add("main", "/a", "topic", "t");
    const struct route *route = s_match("/a");
    ck_assert_ptr_nonnull(route);
    ck_assert_int_eq(route->kind, ROUTE_TOPIC);
    ck_assert_ptr_null(route->service);
    ck_assert(!route->accept_by_backend && !route->redeliver_all);
    ck_assert_uint_eq(route->origin_count, 0);
    ck_assert_int_eq(route->open_timeout_ms, -1);
    ck_assert_int_eq(route->answer_timeout_ms, -1);
}
END_TEST

#define PARAMS_17    "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}"
#define SERVICE_RULE "a service has 1 to 64 letters, digits, \"-\", \"_\" and \".\""
#define ORIGIN_RULE                                                                      \
    "\"*\", \"null\", https://a.example or https://*.a.example, without a path"

static const struct s_refusal {
    const char *path; // NULL: none
    const char *key, *value;
    const char *want; // behind "route r: "
} s_refusals[] = {
    {"/", "colour", "red",
     "colour = red: unknown key; known are path, service, topic, slow, accept, "
     "redeliver, presence, label, label-header, session, session-subject, origin, "
     "open-timeout and answer-timeout"},
    {"/", "label", "", "label = : a label has 1 to 128 visible ASCII characters"},
    {"/", "label", "a{b", "label = a{b: a \"{\" without its \"}\""},
    {"/", "label-header", "a b",
     "label-header = a b: the name of a header, of at most 64 characters"},
    {"/", "presence", "yes", "presence = yes: on or off"},
    {"/", "session", "yes", "session = yes: on or off"},
    {"/", "session-subject", "a b",
     "session-subject = a b: the name of a header, of at most 64 characters"},
    {"/", "session-subject", "",
     "session-subject = : the name of a header, of at most 64 characters"},
    {NULL, "service", "s", "path = (none): a route has a path"},
    {"/", NULL, NULL, "service = (none): a route has a service or a topic"},
    {"a", "service", "s", "path = a: a path starts with /"},
    {"/a b", "service", "s", "path = /a b: a path has visible ASCII characters only"},
    {"/\xc3\xa9", "service", "s",
     "path = /\xc3\xa9: a path has visible ASCII characters only"},
    {"/a{x}", "service", "s", "path = /a{x}: a parameter is a whole segment: /{name}"},
    {"/{x", "service", "s", "path = /{x: a parameter is a whole segment: /{name}"},
    {"/x}", "service", "s", "path = /x}: a parameter is a whole segment: /{name}"},
    {"/{}", "service", "s",
     "path = /{}: the name in {} has letters, digits, \"_\" and \"-\""},
    {"/{a.b}", "service", "s",
     "path = /{a.b}: the name in {} has letters, digits, \"_\" and \"-\""},
    {"/{a}/{a}", "service", "s", "path = /{a}/{a}: a parameter stands twice"},
    {PARAMS_17, "service", "s", "path = " PARAMS_17 ": a path has at most 16 parameters"},
    {"/*", "service", "s", "path = /*: \"*\" stands in a final /** only"},
    {"/**/a", "service", "s", "path = /**/a: \"*\" stands in a final /** only"},
    {"/a**", "service", "s", "path = /a**: \"*\" stands in a final /** only"},
    {"/a?b", "service", "s",
     "path = /a?b: a path has no query, no fragment and no escapes"},
    {"/%41", "service", "s",
     "path = /%41: a path has no query, no fragment and no escapes"},
    {"/", "service", "", "service = : " SERVICE_RULE},
    {"/", "service", "a/b", "service = a/b: " SERVICE_RULE},
    {"/", "service", "sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss",
     "service = "
     "sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss: " SERVICE_RULE},
    {"/", "topic", "", "topic = : a topic has 1 to 255 visible ASCII characters"},
    {"/", "topic", "a b", "topic = a b: a topic has 1 to 255 visible ASCII characters"},
    {"/", "topic", "a*", "topic = a*: \"*\" stands in a final /* or /** only"},
    {"/", "topic", "a/*/b", "topic = a/*/b: \"*\" stands in a final /* or /** only"},
    {"/", "slow", "later", "slow = later: close, pause, drop-oldest or latest"},
    {"/", "topic", "a{", "topic = a{: a \"{\" without its \"}\""},
    {"/{a}", "topic", "{a{a}}", "topic = {a{a}}: a \"{\" without its \"}\""},
    {"/", "topic", "a}", "topic = a}: a \"}\" without its \"{\""},
    {"/{a}", "topic", "{b}", "topic = {b}: the path has no such parameter"},
    {"/{a}", "topic", "{a}{}", "topic = {a}{}: the path has no such parameter"},
    {"/", "accept", "yes", "accept = yes: gateway or backend"},
    {"/", "redeliver", "never", "redeliver = never: safe or all"},
    {"/", "origin", "a.example", "origin = a.example: " ORIGIN_RULE},
    {"/", "origin", "https://", "origin = https://: " ORIGIN_RULE},
    {"/", "origin", "https://a/", "origin = https://a/: " ORIGIN_RULE},
    {"/", "origin", "https://a*", "origin = https://a*: " ORIGIN_RULE},
    {"/", "open-timeout", "soon",
     "open-timeout = soon: a duration such as 500ms, 10s, 5m or 1h; 0 for none"},
    {"/", "answer-timeout", "-1s",
     "answer-timeout = -1s: a duration such as 500ms, 10s, 5m or 1h; 0 for none"},
    {"/", "path", "/", "path = /: this key stands twice"},
};

START_TEST(a_wrong_option_is_refused_with_route_key_value_and_rule)
{
    const struct s_refusal *refusal = &s_refusals[_i];
    const char *keys[2];
    const char *values[2];
    size_t count = 0;
    char want[512];
    char *why = NULL;
    if (refusal->path) {
        keys[count] = "path";
        values[count++] = refusal->path;
    }
    if (refusal->key) {
        keys[count] = refusal->key;
        values[count++] = refusal->value;
    }
    ck_assert_int_eq(route_table_add(s_table, "r", keys, values, count, &why), -EINVAL);
    snprintf(want, sizeof want, "route r: %s", refusal->want);
    ck_assert_str_eq(why, want);
    ck_assert_uint_eq(route_table_size(s_table), 0);
    free(why);
}
END_TEST

START_TEST(options_that_do_not_go_together_are_refused)
{
    const char *keys[] = {"path", "service", "topic"};
    const char *values[] = {"/", "s", "t"};
    char *why = NULL;
    ck_assert_int_eq(route_table_add(s_table, "r", keys, values, 3, &why), -EINVAL);
    ck_assert_str_eq(why,
                     "route r: topic = t: a route has a service or a topic, not both");
    free(why);
    keys[1] = "accept";
    values[1] = "backend";
    ck_assert_int_eq(route_table_add(s_table, "r", keys, values, 3, &why), -EINVAL);
    ck_assert_str_eq(why, "route r: accept = backend: nobody accepts for a topic");
    free(why);
}
END_TEST

START_TEST(sessions_are_off_unless_the_file_says_so)
{
    const char *keys[] = {"path", "service", "session", "session-subject"};
    const char *values[] = {"/a", "s", "on", "X-User"};
    char *why = NULL;
    s_add("none", "/none", "service", "s");
    ck_assert(!s_match("/none")->has_sessions);
    ck_assert_int_eq(route_table_add(s_table, "main", keys, values, 4, &why), 0);
    ck_assert(s_match("/a")->has_sessions);
    ck_assert_str_eq(s_match("/a")->session_subject, "X-User");
    values[0] = "/b";
    values[2] = "off";
    ck_assert_int_eq(route_table_add(s_table, "off", keys, values, 3, &why), 0);
    ck_assert(!s_match("/b")->has_sessions);
}
END_TEST

START_TEST(a_session_needs_a_service_and_a_gateway_that_accepts)
{
    static const struct {
        const char *key, *value, *more, *to, *want;
    } refusals[] = {
        {"topic", "t", "session", "on",
         "route r: session = on: a session belongs to a service; a topic has none"},
        {"service", "s", "session-subject", "X-User",
         "route r: session-subject = X-User: needs session = on"},
    };
    char *why = NULL;
    for (size_t at = 0; at < sizeof refusals / sizeof *refusals; at++) {
        const char *keys[] = {"path", refusals[at].key, refusals[at].more};
        const char *values[] = {"/", refusals[at].value, refusals[at].to};
        ck_assert_int_eq(route_table_add(s_table, "r", keys, values, 3, &why), -EINVAL);
        ck_assert_str_eq(why, refusals[at].want);
        free(why);
    }
    const char *keys[] = {"path", "service", "session", "accept"};
    const char *values[] = {"/", "s", "on", "backend"};
    ck_assert_int_eq(route_table_add(s_table, "r", keys, values, 4, &why), -EINVAL);
    ck_assert_str_eq(why, "route r: session = on: the gateway accepts the carriers of a "
                          "session: not with accept = backend");
    free(why);
}
END_TEST

START_TEST(a_label_is_filled_in_and_needs_presence_in_a_topic)
{
    static const struct {
        const char *values[5];
        const char *want;
    } refusals[] = {
        {{"/{x}", "t", "off", "{x}", NULL},
         "route r: label = {x}: presence shows it: needs presence = on"},
        {{"/{x}", "t", "on", "{y}", NULL},
         "route r: label = {y}: the path has no such parameter"},
        {{"/{x}", "t", "on", "{x}", "X-User"},
         "route r: label = {x}: label or label-header, not both"},
    };
    const char *keys[] = {"path", "topic", "presence", "label", "label-header"};
    char *why = NULL, out[ROUTE_LABEL_ROOM], path[140];
    struct route_match match;
    for (size_t at = 0; at < sizeof refusals / sizeof *refusals; at++) {
        size_t count = refusals[at].values[4] ? 5 : 4;
        ck_assert_int_eq(
            route_table_add(s_table, "r", keys, refusals[at].values, count, &why),
            -EINVAL);
        ck_assert_str_eq(why, refusals[at].want);
        free(why);
    }
    const char *const values[] = {"/{x}", "t", "on", "u-{x}"};
    ck_assert_int_eq(route_table_add(s_table, "r", keys, values, 4, &why), 0);
    ck_assert_int_eq(route_table_match(s_table, "/a%25b", 6, &match), 0);
    ck_assert_int_eq(route_match_label(&match, out, sizeof out), 5);
    ck_assert_str_eq(out, "u-a%b");
    snprintf(path, sizeof path, "/%0126d", 7);
    ck_assert_int_eq(route_table_match(s_table, path, 127, &match), 0);
    ck_assert_int_eq(route_match_label(&match, out, sizeof out), 128);
    snprintf(path, sizeof path, "/%0127d", 7);
    ck_assert_int_eq(route_table_match(s_table, path, 128, &match), 0);
    ck_assert_int_eq(route_match_label(&match, out, sizeof out), -EMSGSIZE);
}
END_TEST

START_TEST(the_name_of_a_route_is_a_word_of_its_own)
{
    static const char *const names[] = {"", "a b", "a/b", "main"};
    const char *keys[] = {"path", "service"};
    const char *values[] = {"/b", "s"};
    s_add("main", "/a", "service", "s");
    for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
        char *why = NULL;
        int result = route_table_add(s_table, names[at], keys, values, 2, &why);
        ck_assert_int_eq(result, -EINVAL);
        ck_assert_ptr_nonnull(strstr(why, ": name = "));
        free(why);
    }
    ck_assert_uint_eq(route_table_size(s_table), 1);
}
END_TEST

START_TEST(a_topic_must_fit_the_room)
{
    struct route_match match;
    char topic[8];
    s_add("r", "/{x}", "topic", "a/{x}");
    ck_assert_int_eq(route_table_match(s_table, "/12345", 6, &match), 0);
    ck_assert_int_eq(route_match_topic(&match, 0, topic, 8), 7);
    ck_assert_str_eq(topic, "a/12345");
    ck_assert_int_eq(route_match_topic(&match, 0, topic, 7), -EMSGSIZE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route");
    TCase *match = tcase_create("match");
    tcase_add_checked_fixture(match, s_set_up, s_tear_down);
    tcase_add_test(match, matches_every_vector);
    tcase_add_test(match, the_default_route_takes_every_target);
    tcase_add_test(match, a_route_for_all_paths_takes_them);
    tcase_add_test(match, a_topic_must_fit_the_room);
    suite_add_tcase(suite, match);
    TCase *options = tcase_create("options");
    tcase_add_checked_fixture(options, s_set_up, s_tear_down);
    tcase_add_test(options, options_of_the_file_are_taken);
    tcase_add_test(options, options_that_are_left_out_have_their_defaults);
    tcase_add_loop_test(options, a_wrong_option_is_refused_with_route_key_value_and_rule,
                        0, sizeof s_refusals / sizeof *s_refusals);
    tcase_add_test(options, options_that_do_not_go_together_are_refused);
    tcase_add_test(options, sessions_are_off_unless_the_file_says_so);
    tcase_add_test(options, a_session_needs_a_service_and_a_gateway_that_accepts);
    tcase_add_test(options, the_name_of_a_route_is_a_word_of_its_own);
    tcase_add_test(options, a_label_is_filled_in_and_needs_presence_in_a_topic);
    suite_add_tcase(suite, options);
    return vectors_run(suite);
}
