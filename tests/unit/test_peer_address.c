#include "gateway/peer_address.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>

static struct sockaddr_in s_v4(const char *text, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, text, &address.sin_addr);
    return address;
}

static struct http_request s_request(const struct http_header *header)
{
    return (struct http_request){
        .method = "GET", .target = "/", .headers = header, .header_count = 1};
}

START_TEST(writes_addresses_with_their_port)
{
    char text[PEER_ADDRESS_ROOM];
    struct sockaddr_in v4 = s_v4("192.0.2.1", 5000);
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    struct sockaddr local = {.sa_family = AF_UNIX};
    inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
    peer_address_text((struct sockaddr *)&v4, text);
    ck_assert_str_eq(text, "192.0.2.1:5000");
    peer_address_text((struct sockaddr *)&v6, text);
    ck_assert_str_eq(text, "[2001:db8::1]:443");
    peer_address_text(&local, text);
    ck_assert_str_eq(text, "unix");
}
END_TEST

START_TEST(trusts_only_who_is_listed)
{
    const char *list[] = {"192.0.2.1"}, *anybody[] = {"*"};
    struct sockaddr_in known = s_v4("192.0.2.1", 1), other = s_v4("192.0.2.10", 1);
    ck_assert(peer_address_is_trusted((struct sockaddr *)&known, list, 1));
    ck_assert(!peer_address_is_trusted((struct sockaddr *)&other, list, 1));
    ck_assert(!peer_address_is_trusted((struct sockaddr *)&known, list, 0));
    ck_assert(peer_address_is_trusted((struct sockaddr *)&other, anybody, 1));
}
END_TEST

START_TEST(takes_the_last_address_that_is_no_proxy_of_ours)
{
    const char *list[] = {"10.0.0.1", "10.0.0.2"};
    struct http_header header = {"X-Forwarded-For", "6.6.6.6, 192.0.2.7 , 10.0.0.2"};
    struct http_request request = s_request(&header);
    char text[PEER_ADDRESS_ROOM];
    ck_assert(peer_address_forwarded(&request, list, 2, text));
    ck_assert_str_eq(text, "192.0.2.7:0");
    header.value = "2001:db8::5";
    ck_assert(peer_address_forwarded(&request, list, 2, text));
    ck_assert_str_eq(text, "[2001:db8::5]:0");
}
END_TEST

START_TEST(believes_the_first_address_when_everybody_is_trusted)
{
    const char *anybody[] = {"*"};
    struct http_header header = {"x-forwarded-for", "192.0.2.7, 10.0.0.2"};
    struct http_request request = s_request(&header);
    char text[PEER_ADDRESS_ROOM];
    ck_assert(peer_address_forwarded(&request, anybody, 1, text));
    ck_assert_str_eq(text, "192.0.2.7:0");
}
END_TEST

START_TEST(does_not_take_words_for_addresses)
{
    static const char *const bad[] = {"",          "unknown",    "<script>", ", ,",
                                      "1.2.3.4.5", "1.2.3.4:80", "a, b"};
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++) {
        struct http_header header = {"X-Forwarded-For", bad[at]};
        struct http_request request = s_request(&header);
        char text[PEER_ADDRESS_ROOM];
        ck_assert_msg(!peer_address_forwarded(&request, NULL, 0, text), "%s", bad[at]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("peer_address");
    TCase *tests = tcase_create("peer_address");
    tcase_add_test(tests, writes_addresses_with_their_port);
    tcase_add_test(tests, trusts_only_who_is_listed);
    tcase_add_test(tests, takes_the_last_address_that_is_no_proxy_of_ours);
    tcase_add_test(tests, believes_the_first_address_when_everybody_is_trusted);
    tcase_add_test(tests, does_not_take_words_for_addresses);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
