/* What the application reads of what the broker holds. */
#include "bindings/c/test_broker.h"

#include <errno.h>

static void s_held(void *context, const char *position, const void *data, size_t size)
{
    test_note("%s held %s %.*s %zu\n", (const char *)context, position, (int)size,
              (const char *)data, size);
}

static void s_read(void *context, bool more, const char *error)
{
    test_note("%s read %s %s\n", (const char *)context, more ? "more" : "all",
              error ? error : "ok");
}

START_TEST(what_is_held_of_a_topic_is_read)
{
    static char name[] = "one";
    test_start(0, NULL);
    struct rw_history options = {.on_message = s_held, .done = s_read, .context = name};
    test_broker.info = "{\"topic\":\"t\",\"more\":true,\"messages\":["
                       "{\"pos\":\"00000000000000e1:7\",\"data\":\"text\"},"
                       "{\"pos\":\"00000000000000e1:9\",\"base64\":\"eP/+eQ==\"}]}";
    ck_assert_int_eq(rw_history(test_app, "a b", &options), 0);
    test_expect("GET history a%20b limit=100");
    test_until("one held 00000000000000e1:7 text 4");
    test_until("one held 00000000000000e1:9 x\xff\xfey 4");
    test_until("one read more ok");
    options.since = "00000000000000e1:9";
    options.limit = 3;
    test_broker.info = "{\"messages\":[],\"more\":false}";
    ck_assert_int_eq(rw_history(test_app, "t", &options), 0);
    test_expect("GET history t since=00000000000000e1:9 limit=3");
    test_until("one read all ok");
    test_broker.info = NULL;
    test_broker.error = "denied";
    ck_assert_int_eq(rw_history(test_app, "t", &options), 0);
    test_until("one read all denied");
    ck_assert_int_eq(rw_history(test_app, "", &options), -EINVAL);
    options.limit = 10001;
    ck_assert_int_eq(rw_history(test_app, "t", &options), -EINVAL);
    options = (struct rw_history){.since = ""};
    ck_assert_int_eq(rw_history(test_app, "t", &options), -EINVAL);
}
END_TEST

void test_add_history(TCase *tests)
{
    tcase_add_test(tests, what_is_held_of_a_topic_is_read);
}
