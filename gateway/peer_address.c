#include "gateway/peer_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* The address without its port. */
static void s_host(const struct sockaddr *address, char *out, size_t room)
{
    const void *bytes = NULL;
    if (address->sa_family == AF_INET)
        bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    else if (address->sa_family == AF_INET6)
        bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (!bytes || !inet_ntop(address->sa_family, bytes, out, (socklen_t)room))
        snprintf(out, room, "unix");
}

void peer_address_text(const struct sockaddr *address, char out[PEER_ADDRESS_ROOM])
{
    char host[INET6_ADDRSTRLEN];
    s_host(address, host, sizeof host);
    if (address->sa_family == AF_INET)
        snprintf(out, PEER_ADDRESS_ROOM, "%s:%u", host,
                 ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port));
    else if (address->sa_family == AF_INET6)
        snprintf(out, PEER_ADDRESS_ROOM, "[%s]:%u", host,
                 ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port));
    else
        snprintf(out, PEER_ADDRESS_ROOM, "unix");
}

static bool s_is_listed(const char *host, const char *const *trusted, size_t count)
{
    for (size_t at = 0; at < count; at++)
        if (strcmp(trusted[at], "*") == 0 || strcmp(trusted[at], host) == 0)
            return true;
    return false;
}

bool peer_address_is_trusted(const struct sockaddr *address, const char *const *trusted,
                             size_t count)
{
    char host[INET6_ADDRSTRLEN];
    s_host(address, host, sizeof host);
    return s_is_listed(host, trusted, count);
}

/* Is this an address, and not words that somebody put into the header? */
static bool s_is_address(const char *text)
{
    struct in6_addr scratch;
    return inet_pton(AF_INET, text, &scratch) == 1 ||
           inet_pton(AF_INET6, text, &scratch) == 1;
}

/* The last element before `end`, as an address; *end_p moves in front of it. */
static bool s_last_address(const char *value, size_t *end_p, char *host, size_t room)
{
    size_t start = *end_p;
    while (start > 0 && value[start - 1] != ',')
        start--;
    size_t from = start + strspn(value + start, " \t");
    size_t size = strcspn(value + from, ", \t");
    *end_p = start > 0 ? start - 1 : 0;
    if (size == 0 || size >= room)
        return false;
    snprintf(host, room, "%.*s", (int)size, value + from);
    return s_is_address(host);
}

bool peer_address_forwarded(const struct http_request *request,
                            const char *const *trusted, size_t count,
                            char out[PEER_ADDRESS_ROOM])
{
    const char *value = http_request_header(request, "X-Forwarded-For");
    size_t end = value ? strlen(value) : 0;
    bool anybody = s_is_listed("*", trusted, count);
    char host[INET6_ADDRSTRLEN];
    bool found = false;
    while (end > 0 && s_last_address(value, &end, host, sizeof host)) {
        snprintf(out, PEER_ADDRESS_ROOM, strchr(host, ':') ? "[%s]:0" : "%s:0", host);
        found = true;
        if (!anybody && !s_is_listed(host, trusted, count))
            break;
    }
    return found;
}
