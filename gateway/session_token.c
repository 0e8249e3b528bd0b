#include "gateway/session_token.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGEST_SIZE = 32, KEPT_SIZE = 16 }; // bytes of a SHA-256, and of what is used

static const char s_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* ---- tokens ---- */

void session_token_write(const uint8_t random[SESSION_RANDOM_SIZE],
                         char out[SESSION_TOKEN_ROOM])
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t to = 0;
    for (size_t at = 0; at < SESSION_RANDOM_SIZE; at++) {
        bits = bits << 8 | random[at];
        for (held += 8; held >= 6; held -= 6)
            out[to++] = s_alphabet[bits >> (held - 6) & 63];
    }
    out[to++] = s_alphabet[bits << (6 - held) & 63];
    out[to] = 0;
}

int session_token_read(const char *text, size_t size, char out[SESSION_TOKEN_ROOM])
{
    out[0] = 0;
    if (size != SESSION_TOKEN_SIZE)
        return -EPROTO;
    for (size_t at = 0; at < size; at++)
        if (!text[at] || !strchr(s_alphabet, text[at]))
            return -EPROTO;
    if ((strchr(s_alphabet, text[size - 1]) - s_alphabet) % 4 != 0)
        return -EPROTO;
    memcpy(out, text, size);
    out[size] = 0;
    return 0;
}

/* ---- what the bus knows ---- */

/* A digest that fails would give everybody the same session: it has no such case. */
static void s_digest(const void *data, size_t size, uint8_t out[DIGEST_SIZE])
{
    unsigned written = 0;
    if (EVP_Digest(data, size, out, &written, EVP_sha256(), NULL) != 1 ||
        written != DIGEST_SIZE) {
        fprintf(stderr, "SHA-256 is not available\n");
        abort();
    }
}

static void s_hex(const uint8_t *data, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t at = 0; at < size; at++) {
        *out++ = digits[data[at] >> 4];
        *out++ = digits[data[at] & 15];
    }
    *out = 0;
}

void session_token_id(const char *token, char out[SESSION_ID_ROOM])
{
    uint8_t digest[DIGEST_SIZE];
    char hex[2 * KEPT_SIZE + 1];
    s_digest(token, strlen(token), digest);
    s_hex(digest, KEPT_SIZE, hex);
    snprintf(out, SESSION_ID_ROOM, "session.%.16s.%s", hex, hex + KEPT_SIZE);
}

bool session_token_is_id(const char *text, size_t size)
{
    static const char prefix[] = "session.";
    return size >= sizeof prefix - 1 && memcmp(text, prefix, sizeof prefix - 1) == 0;
}

void session_token_as(const char *route, const char *subject, char out[SESSION_AS_ROOM])
{
    uint8_t digests[2 * DIGEST_SIZE], digest[DIGEST_SIZE];
    size_t size = DIGEST_SIZE;
    s_digest(route, strlen(route), digests);
    if (subject) {
        s_digest(subject, strlen(subject), digests + size);
        size += DIGEST_SIZE;
    }
    s_digest(digests, size, digest);
    s_hex(digest, KEPT_SIZE, out);
}
