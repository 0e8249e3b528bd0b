#include "gateway/ws_handshake.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>
#include <strings.h>

enum {
    WS_KEY_SIZE = 24,
    WS_KEY_SIGNIFICANT = 22
}; // characters; the last two are padding

static int s_refuse(const char **why, int status, const char *rule)
{
    *why = rule;
    return status;
}

bool ws_handshake_is_wanted(const struct http_request *request)
{
    return http_request_has_token(request, "Upgrade", "websocket");
}

/* The value of a header that stands exactly once, or NULL. */
static const char *s_only(const struct http_request *request, const char *name)
{
    const char *value = NULL;
    for (size_t at = 0; at < request->header_count; at++) {
        if (strcasecmp(request->headers[at].name, name) != 0)
            continue;
        if (value)
            return NULL;
        value = request->headers[at].value;
    }
    return value;
}

/* Section 4.1: 16 bytes in base64. */
static bool s_is_key(const char *key)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return key && strlen(key) == WS_KEY_SIZE &&
           strspn(key, alphabet) == WS_KEY_SIGNIFICANT &&
           strcmp(key + WS_KEY_SIGNIFICANT, "==") == 0;
}

/* Bytes after the head would be taken for frames. */
static bool s_has_body(const struct http_request *request)
{
    const char *length = http_request_header(request, "Content-Length");
    return http_request_header(request, "Transfer-Encoding") ||
           (length && length[strspn(length, "0")]);
}

int ws_handshake_check(const struct http_request *request, const char **why)
{
    const char *version = s_only(request, "Sec-WebSocket-Version");
    if (strcmp(request->method, "GET") != 0)
        return s_refuse(why, 400, "a WebSocket handshake is a GET");
    if (strcmp(request->version, "HTTP/1.1") != 0)
        return s_refuse(why, 400, "a WebSocket handshake needs HTTP/1.1");
    if (!ws_handshake_is_wanted(request))
        return s_refuse(why, 400, "Upgrade does not name websocket");
    if (!http_request_has_token(request, "Connection", "upgrade"))
        return s_refuse(why, 400, "Connection does not name upgrade");
    if (s_has_body(request))
        return s_refuse(why, 400, "a WebSocket handshake has no body");
    if (!version || strcmp(version, "13") != 0)
        return s_refuse(why, 426, "only version 13 of WebSocket is spoken here");
    if (!s_is_key(s_only(request, "Sec-WebSocket-Key")))
        return s_refuse(why, 400, "Sec-WebSocket-Key is not 16 bytes in base64");
    return 0;
}

void ws_handshake_accept(const char *key, char out[WS_ACCEPT_SIZE])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // section 1.3
    unsigned char text[WS_KEY_SIZE + sizeof guid];
    unsigned char digest[SHA_DIGEST_LENGTH];
    memcpy(text, key, WS_KEY_SIZE);
    memcpy(text + WS_KEY_SIZE, guid, sizeof guid);
    SHA1(text, sizeof text - 1, digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof digest);
}

/* ---- subprotocols ---- */

void ws_handshake_each_offer(const struct http_request *request,
                             void (*callback)(void *context, const char *name,
                                              size_t size),
                             void *context)
{
    for (size_t at = 0; at < request->header_count; at++) {
        if (strcasecmp(request->headers[at].name, "Sec-WebSocket-Protocol") != 0)
            continue;
        const char *list = request->headers[at].value;
        const char *item;
        size_t size;
        while (http_list_next(&list, &item, &size))
            if (http_is_token(item, size))
                callback(context, item, size);
    }
}

struct s_wanted {
    const char *protocol;
    bool found;
};

static void s_compare_offer(void *context, const char *name, size_t size)
{
    struct s_wanted *wanted = context;
    wanted->found |=
        strlen(wanted->protocol) == size && memcmp(wanted->protocol, name, size) == 0;
}

bool ws_handshake_offers(const struct http_request *request, const char *protocol)
{
    struct s_wanted wanted = {.protocol = protocol};
    ws_handshake_each_offer(request, s_compare_offer, &wanted);
    return wanted.found;
}

/* ---- origin (RFC 6454 section 6.2) ---- */

/* A host and its port; the port is a text, the scheme's own when it is left out. */
struct s_place {
    const char *host, *port;
    size_t host_size, port_size;
};

static struct s_place s_place(const char *text, size_t size, const char *default_port)
{
    const char *bracket = size && text[0] == '[' ? memchr(text, ']', size) : NULL;
    const char *name_end = bracket ? bracket + 1 : text;
    const char *colon = memchr(name_end, ':', size - (size_t)(name_end - text));
    struct s_place place = {.host = text,
                            .host_size = colon ? (size_t)(colon - text) : size};
    place.port = colon ? colon + 1 : "";
    place.port_size = colon ? size - place.host_size - 1 : 0;
    if (place.port_size == 0) {
        place.port = default_port;
        place.port_size = strlen(default_port);
    }
    return place;
}

/* The port of a Host without one follows from the origin's scheme: a proxy may have taken
 * TLS away. */
static bool s_is_own(const char *origin, const char *host)
{
    bool is_tls = strncasecmp(origin, "https://", 8) == 0;
    if (!host || (!is_tls && strncasecmp(origin, "http://", 7) != 0))
        return false;
    const char *port = is_tls ? "443" : "80";
    const char *site = origin + (is_tls ? 8 : 7);
    host += strspn(host, " \t");
    struct s_place page = s_place(site, strlen(site), port);
    struct s_place here = s_place(host, strcspn(host, " \t"), port);
    return page.host_size > 0 && page.host_size == here.host_size &&
           page.port_size == here.port_size &&
           strncasecmp(page.host, here.host, page.host_size) == 0 &&
           memcmp(page.port, here.port, page.port_size) == 0;
}

// "https://*.a.example": one or more labels where the star is.
static bool s_is_below(const char *origin, const char *pattern, const char *star)
{
    size_t before = (size_t)(star - pattern);
    size_t after = strlen(star + 1);
    size_t size = strlen(origin);
    if (size <= before + after || strncasecmp(origin, pattern, before) != 0 ||
        strcasecmp(origin + size - after, star + 1) != 0)
        return false;
    for (const char *at = origin + before; at < origin + size - after; at++)
        if (strchr(":/@?#[]", *at))
            return false;
    return true;
}

static bool s_is_listed(const char *origin, const char *allowed)
{
    const char *star = strstr(allowed, "://*.");
    if (star)
        return s_is_below(origin, allowed, star + 3);
    return strcmp(allowed, "*") == 0 || strcasecmp(origin, allowed) == 0;
}

bool ws_handshake_origin_is_allowed(const struct http_request *request,
                                    const char *const *allowed, size_t allowed_count)
{
    if (!http_request_header(request, "Origin"))
        return true;
    const char *origin = s_only(request, "Origin");
    for (size_t at = 0; at < allowed_count; at++)
        if (strcmp(allowed[at], "*") == 0 || (origin && s_is_listed(origin, allowed[at])))
            return true;
    return origin && s_is_own(origin, http_request_header(request, "Host"));
}
