#include "common/key_file.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_GROUP = 5 }; // characters of Z85 that make 4 bytes

/* A piece of the text that is read. */
struct piece {
    const char *data;
    size_t size;
};

static bool s_is(struct piece piece, const char *word)
{
    return piece.size == strlen(word) && memcmp(piece.data, word, piece.size) == 0;
}

static bool s_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct piece s_trim(struct piece piece)
{
    for (; piece.size && s_is_blank(piece.data[0]); piece.size--)
        piece.data++;
    while (piece.size && s_is_blank(piece.data[piece.size - 1]))
        piece.size--;
    return piece;
}

/* Takes the next line off the front of the text. */
static struct piece s_line(struct piece *text)
{
    const char *end = memchr(text->data, '\n', text->size);
    struct piece line = {text->data, end ? (size_t)(end - text->data) : text->size};
    size_t used = line.size + (end != NULL);
    text->data += used;
    text->size -= used;
    return line;
}

/* "in quotes", or plain up to a comment; false without the closing quote. */
static bool s_value(struct piece text, struct piece *out)
{
    text = s_trim(text);
    bool quoted = text.size && (text.data[0] == '"' || text.data[0] == '\'');
    int stop = quoted ? text.data[0] : '#';
    text.data += quoted;
    text.size -= quoted;
    const char *end = text.size ? memchr(text.data, stop, text.size) : NULL;
    if (quoted && !end)
        return false;
    if (end)
        text.size = (size_t)(end - text.data);
    *out = quoted ? text : s_trim(text);
    return true;
}

/* 32 bytes as Z85 (rfc.zeromq.org/spec/32): each five characters are below 2^32. */
static bool s_is_key(struct piece text)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRS"
                                 "TUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    uint64_t number = 0;
    if (text.size != KEY_TEXT)
        return false;
    for (size_t at = 0; at < text.size; at++) {
        const char *digit = text.data[at] ? strchr(digits, text.data[at]) : NULL;
        if (!digit)
            return false;
        number = number * 85 + (uint64_t)(digit - digits);
        if (at % KEY_GROUP == KEY_GROUP - 1 && number > UINT32_MAX)
            return false;
        if (at % KEY_GROUP == KEY_GROUP - 1)
            number = 0;
    }
    return true;
}

static void s_copy(struct piece piece, char *out)
{
    memcpy(out, piece.data, piece.size);
    out[piece.size] = 0;
}

static const char *s_take_key(struct piece name, struct piece value, struct key_file *out)
{
    char *room = s_is(name, "public-key")   ? out->public_key
                 : s_is(name, "secret-key") ? out->secret_key
                                            : NULL;
    if (!room)
        return NULL;
    if (!s_is_key(value))
        return "a key is 40 characters of Z85";
    s_copy(value, room);
    return NULL;
}

static const char *s_take_list(struct piece name, struct piece value,
                               struct key_file *out)
{
    char *room = s_is(name, "names")      ? out->names
                 : s_is(name, "services") ? out->services
                 : s_is(name, "topics")   ? out->topics
                                          : NULL;
    if (!room)
        return NULL; // what other programs keep there is theirs
    if (value.size > KEY_LIST_MAX || memchr(value.data, 0, value.size))
        return "a list of the metadata is longer than 4096 bytes, or no text";
    s_copy(value, room);
    return NULL;
}

/* A line with a "=" in a section; NULL, or what is wrong. */
static const char *s_setting(struct piece section, struct piece line,
                             struct key_file *out)
{
    const char *equals = memchr(line.data, '=', line.size);
    struct piece name = s_trim((struct piece){line.data, (size_t)(equals - line.data)});
    struct piece rest = {equals + 1, line.size - (size_t)(equals - line.data) - 1};
    struct piece value;
    if (!s_value(rest, &value))
        return "a quote is not closed";
    if (s_is(section, "curve"))
        return s_take_key(name, value, out);
    return s_is(section, "metadata") ? s_take_list(name, value, out) : NULL;
}

int key_file_parse(const char *text, size_t size, struct key_file *out, const char **why)
{
    struct piece rest = {text, size}, section = {"", 0};
    struct key_file read = {.public_key = ""};
    *why = NULL;
    while (rest.size && !*why) {
        struct piece line = s_line(&rest), inner = s_trim(line);
        if (inner.size == 0 || inner.data[0] == '#')
            continue;
        if (memchr(inner.data, '=', inner.size))
            *why = s_setting(section, inner, &read);
        else if (inner.data == line.data)
            section = inner;
    }
    if (!*why && !read.public_key[0])
        *why = "it has no public-key";
    if (*why)
        return -EPROTO;
    *out = read;
    return 0;
}

/* All of the file; its size, or a negative errno. */
static ssize_t s_load(int fd, char *text)
{
    size_t size = 0;
    for (;;) {
        ssize_t got = read(fd, text + size, KEY_FILE_MAX + 1 - size);
        if (got < 0)
            return -errno;
        size += (size_t)got;
        if (size > KEY_FILE_MAX)
            return -EFBIG;
        if (got == 0)
            return (ssize_t)size;
    }
}

static int s_read(int fd, enum key_file_kind kind, struct key_file *out, const char **why)
{
    struct stat about;
    if (fstat(fd, &about) < 0)
        return -errno;
    char *text = mem_alloc(KEY_FILE_MAX + 1);
    ssize_t size = s_load(fd, text);
    int result = size < 0 ? (int)size : key_file_parse(text, (size_t)size, out, why);
    explicit_bzero(text, KEY_FILE_MAX + 1);
    free(text);
    if (result < 0 || kind != KEY_FILE_SECRET)
        return result;
    if (!out->secret_key[0]) {
        *why = "it has no secret-key";
        return -EPROTO;
    }
    if (about.st_mode & S_IRWXO) {
        *why = "a secret that everybody may read: chmod 600";
        return -EACCES;
    }
    return 0;
}

int key_file_read(const char *path, enum key_file_kind kind, struct key_file *out,
                  char why[KEY_FILE_WHY])
{
    const char *reason = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int result = fd < 0 ? -errno : s_read(fd, kind, out, &reason);
    if (fd >= 0)
        close(fd);
    if (result < 0)
        snprintf(why, KEY_FILE_WHY, "%s", reason ? reason : strerror(-result));
    return result;
}
