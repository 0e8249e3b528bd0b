#include "gateway/http_request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

/* One answer of the checks: a status and the rule. */
static int s_refuse(const char **why, int status, const char *rule)
{
    *why = rule;
    return status;
}

static bool s_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool s_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool s_is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

bool http_is_token(const char *text, size_t size)
{
    for (size_t at = 0; at < size; at++)
        if (!s_is_alpha(text[at]) && !s_is_digit(text[at]) &&
            !s_is_one_of(text[at], "!#$%&'*+-.^_`|~"))
            return false;
    return size > 0;
}

static size_t s_count(const struct http_request *request, const char *name)
{
    size_t count = 0;
    for (size_t at = 0; at < request->header_count; at++)
        count += strcasecmp(request->headers[at].name, name) == 0;
    return count;
}

const char *http_request_header(const struct http_request *request, const char *name)
{
    for (size_t at = 0; at < request->header_count; at++)
        if (strcasecmp(request->headers[at].name, name) == 0)
            return request->headers[at].value;
    return NULL;
}

/* ---- lists (RFC 9110 section 5.6.1) ---- */

static void s_trim(const char **text, size_t *size)
{
    while (*size > 0 && s_is_one_of(**text, " \t")) {
        ++*text;
        --*size;
    }
    while (*size > 0 && s_is_one_of((*text)[*size - 1], " \t"))
        --*size;
}

bool http_list_next(const char **list, const char **item, size_t *size)
{
    while (**list) {
        *item = *list;
        *size = strcspn(*list, ",");
        *list += *size;
        *list += **list == ',';
        s_trim(item, size);
        if (*size > 0)
            return true;
    }
    return false;
}

static bool s_list_has(const char *list, const char *token)
{
    const char *item;
    size_t size;
    while (http_list_next(&list, &item, &size))
        if (size == strlen(token) && strncasecmp(item, token, size) == 0)
            return true;
    return false;
}

bool http_request_has_token(const struct http_request *request, const char *name,
                            const char *token)
{
    for (size_t at = 0; at < request->header_count; at++)
        if (strcasecmp(request->headers[at].name, name) == 0 &&
            s_list_has(request->headers[at].value, token))
            return true;
    return false;
}

/* ---- the request line (RFC 9112 section 3) ---- */

/* Method names are case-sensitive and all registered ones are in capitals; a name in
 * small letters is a client's fault. */
static bool s_is_method(const char *method)
{
    size_t size = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_");
    return size > 0 && !method[size];
}

/* Size of "scheme://" at the front, or 0. */
static size_t s_scheme_size(const char *target)
{
    size_t size = 0;
    if (!s_is_alpha(target[0]))
        return 0;
    while (s_is_alpha(target[size]) || s_is_digit(target[size]) ||
           s_is_one_of(target[size], "+-."))
        size++;
    return strncmp(target + size, "://", 3) == 0 ? size + 3 : 0;
}

static bool s_has_form(const char *method, const char *target)
{
    if (strcmp(method, "CONNECT") == 0)
        return strchr(target, ':') && !strpbrk(target, "/?#@");
    if (strcmp(target, "*") == 0)
        return strcmp(method, "OPTIONS") == 0;
    return target[0] == '/' || s_scheme_size(target) > 0;
}

static bool s_is_visible(const char *text)
{
    for (; *text; text++)
        if ((uint8_t)*text <= 0x20 || (uint8_t)*text > 0x7E)
            return false;
    return true;
}

static bool s_is_version(const char *text)
{
    return strncmp(text, "HTTP/", 5) == 0 && s_is_digit(text[5]) && text[6] == '.' &&
           s_is_digit(text[7]) && !text[8];
}

static bool s_is_10(const struct http_request *request)
{
    return strcmp(request->version, "HTTP/1.0") == 0;
}

static int s_check_line(const struct http_request *request, const char **why)
{
    if (!s_is_method(request->method))
        return s_refuse(why, 400, "the method is not a token in capitals");
    if (!s_is_version(request->version))
        return s_refuse(why, 400, "the HTTP version is malformed");
    if (!s_is_10(request) && strcmp(request->version, "HTTP/1.1") != 0)
        return s_refuse(why, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    if (strlen(request->target) > HTTP_TARGET_MAX)
        return s_refuse(why, 414, "the target is longer than 8191 bytes");
    if (!s_is_visible(request->target))
        return s_refuse(why, 400,
                        "the target has a space, a control or a non-ASCII character");
    if (!s_has_form(request->method, request->target))
        return s_refuse(why, 400, "the target is no path, absolute form, authority or *");
    return 0;
}

/* ---- header lines ---- */

static int s_check_headers(const struct http_request *request, const char **why)
{
    size_t head = strlen(request->method) + strlen(request->target) +
                  strlen(request->version) + strlen("  \r\n\r\n");
    for (size_t at = 0; at < request->header_count; at++) {
        const struct http_header *header = &request->headers[at];
        size_t name = strlen(header->name);
        size_t line = name + strlen(": ") + strlen(header->value);
        if (!http_is_token(header->name, name))
            return s_refuse(why, 400, "the name of a header is not a token");
        if (strpbrk(header->value, "\r\n"))
            return s_refuse(why, 400, "the value of a header has a line break");
        if (line > HTTP_HEADER_LINE_MAX)
            return s_refuse(why, 431, "a header line is longer than 8 KiB");
        head += line + strlen("\r\n");
    }
    if (head > HTTP_HEAD_MAX)
        return s_refuse(why, 431, "the head is longer than 14 KiB");
    return 0;
}

/* ---- Host (RFC 9110 section 7.2, RFC 3986 section 3.2.2) ---- */

static bool s_is_port(const char *text, size_t size)
{
    uint32_t port = 0;
    for (size_t at = 0; at < size; at++) {
        if (!s_is_digit(text[at]))
            return false;
        port = port * 10 + (uint32_t)(text[at] - '0');
        if (port > UINT16_MAX)
            return false;
    }
    return true;
}

static bool s_is_ipv6(const char *text, size_t size)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (size >= sizeof copy)
        return false;
    memcpy(copy, text, size);
    copy[size] = 0;
    return inet_pton(AF_INET6, copy, &address) == 1;
}

static bool s_is_reg_name(const char *text, size_t size)
{
    char byte;
    for (size_t at = 0; at < size; at++) {
        bool is_escape = text[at] == '%';
        if (is_escape && (size - at < 3 || http_unescape(text + at, 3, 0, &byte, 1) < 0))
            return false;
        if (!is_escape && !s_is_alpha(text[at]) && !s_is_digit(text[at]) &&
            !s_is_one_of(text[at], "-._~!$&'()*+,;="))
            return false;
    }
    return size > 0;
}

static bool s_is_host(const char *text)
{
    size_t size = strlen(text);
    s_trim(&text, &size);
    const char *end = text + size;
    if (size == 0)
        return false;
    bool is_literal = text[0] == '[';
    const char *close = is_literal ? memchr(text, ']', size) : NULL;
    if (is_literal && !close)
        return false;
    const char *name_end = is_literal ? close + 1 : memchr(text, ':', size);
    if (!name_end)
        name_end = end;
    bool is_name = is_literal ? s_is_ipv6(text + 1, (size_t)(close - text) - 1)
                              : s_is_reg_name(text, (size_t)(name_end - text));
    if (!is_name || name_end == end)
        return is_name;
    return *name_end == ':' && s_is_port(name_end + 1, (size_t)(end - name_end) - 1);
}

static int s_check_host(const struct http_request *request, const char **why)
{
    size_t count = s_count(request, "Host");
    if (count > 1)
        return s_refuse(why, 400, "more than one Host");
    if (count == 0)
        return s_is_10(request) ? 0 : s_refuse(why, 400, "Host is missing");
    if (!s_is_host(http_request_header(request, "Host")))
        return s_refuse(why, 400,
                        "Host is not a host with an optional port from 0 to 65535");
    return 0;
}

/* ---- framing (RFC 9112 section 6) ---- */

/* 501 when other codings are asked for, 400 when it means nothing. */
static int s_judge_codings(const char *list, const char **why)
{
    const char *item;
    size_t size;
    size_t chunked = 0;
    size_t others = 0;
    bool is_last = false;
    while (http_list_next(&list, &item, &size)) {
        if (!http_is_token(item, size))
            return s_refuse(why, 400, "Transfer-Encoding is malformed");
        is_last = size == strlen("chunked") && strncasecmp(item, "chunked", size) == 0;
        chunked += is_last;
        others += !is_last;
    }
    if (others == 0 || chunked > 1 || (chunked == 1 && !is_last))
        return s_refuse(why, 400, "Transfer-Encoding is not exactly chunked");
    return s_refuse(why, 501, "no transfer coding but chunked is known here");
}

static int s_check_coding(const struct http_request *request, struct http_body *body,
                          const char **why)
{
    const char *coding = http_request_header(request, "Transfer-Encoding");
    if (!coding)
        return 0;
    if (s_count(request, "Transfer-Encoding") > 1)
        return s_refuse(why, 400, "more than one Transfer-Encoding");
    if (http_request_header(request, "Content-Length"))
        return s_refuse(why, 400, "Content-Length beside Transfer-Encoding");
    if (s_is_10(request))
        return s_refuse(why, 400, "Transfer-Encoding in HTTP/1.0");
    if (strcasecmp(coding, "chunked") != 0)
        return s_judge_codings(coding, why);
    body->chunked = true;
    return 0;
}

/* A length that 64 bits cannot hold counts as the greatest they can: it is over every
 * limit. */
static int s_check_length(const struct http_request *request, struct http_body *body,
                          const char **why)
{
    const char *text = http_request_header(request, "Content-Length");
    if (!text)
        return 0;
    if (s_count(request, "Content-Length") > 1)
        return s_refuse(why, 400, "more than one Content-Length");
    if (!*text)
        return s_refuse(why, 400, "Content-Length is empty");
    for (; *text; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (!s_is_digit(*text))
            return s_refuse(why, 400, "Content-Length is not made of digits");
        bool fits = body->length <= (UINT64_MAX - digit) / 10;
        body->length = fits ? body->length * 10 + digit : UINT64_MAX;
    }
    body->has_length = true;
    return 0;
}

int http_request_check(const struct http_request *request, struct http_body *body,
                       const char **why)
{
    *body = (struct http_body){.length = 0};
    int status = s_check_line(request, why);
    if (status == 0)
        status = s_check_headers(request, why);
    if (status == 0)
        status = s_check_host(request, why);
    if (status == 0)
        status = s_check_coding(request, body, why);
    if (status == 0)
        status = s_check_length(request, body, why);
    return status;
}

/* ---- the target ---- */

void http_request_split(const char *target, const char **path, size_t *path_size,
                        const char **query, size_t *query_size)
{
    size_t scheme = target[0] == '/' ? 0 : s_scheme_size(target);
    bool is_path = target[0] == '/' || scheme > 0;
    const char *start =
        scheme > 0 ? target + scheme + strcspn(target + scheme, "/?") : target;
    *path = start;
    *path_size = is_path ? strcspn(start, "?") : strlen(start);
    bool has_query = start[*path_size] == '?';
    *query = has_query ? start + *path_size + 1 : NULL;
    *query_size = has_query ? strlen(*query) : 0;
}

static int s_hex(char c)
{
    if (s_is_digit(c))
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "%XX" stands for, or negative. */
static int s_escaped(const char *text, size_t size)
{
    int high = size >= 3 ? s_hex(text[1]) : -1;
    int low = size >= 3 ? s_hex(text[2]) : -1;
    return high < 0 || low < 0 ? -EPROTO : high << 4 | low;
}

int http_unescape(const char *text, size_t size, bool plus_is_space, char *out,
                  size_t room)
{
    size_t filled = 0;
    for (size_t at = 0; at < size; at++) {
        int byte = (unsigned char)text[at];
        if (byte == '+' && plus_is_space)
            byte = ' ';
        if (byte == '%') {
            byte = s_escaped(text + at, size - at);
            if (byte < 0)
                return byte;
            at += 2;
        }
        if (filled == room)
            return -EMSGSIZE;
        out[filled++] = (char)byte;
    }
    return (int)filled;
}

/* Is this part of a query, decoded, `name`? */
static bool s_is_named(const char *text, size_t size, const char *name)
{
    char copy[64];
    int got = http_unescape(text, size, true, copy, sizeof copy);
    return got >= 0 && (size_t)got == strlen(name) &&
           memcmp(copy, name, (size_t)got) == 0;
}

/* Decodes a value as a text, in which %00 has no place. */
static int s_decode_value(const char *text, size_t size, char *out, size_t room)
{
    int got = http_unescape(text, size, true, out, room - 1);
    if (got < 0)
        return got;
    out[got] = 0;
    return strlen(out) == (size_t)got ? got : -EPROTO;
}

int http_request_query(const char *query, size_t query_size, const char *name, char *out,
                       size_t room)
{
    while (query_size > 0) {
        const char *end = memchr(query, '&', query_size);
        size_t pair = end ? (size_t)(end - query) : query_size;
        const char *equals = memchr(query, '=', pair);
        size_t key = equals ? (size_t)(equals - query) : pair;
        size_t value = equals ? key + 1 : pair;
        if (s_is_named(query, key, name))
            return s_decode_value(query + value, pair - value, out, room);
        size_t used = pair + (end != NULL);
        query += used;
        query_size -= used;
    }
    return -ENOENT;
}
