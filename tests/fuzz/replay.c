/* Runs a fuzz target without clang, in `make check`, always over the same inputs: small
 * ones, random ones, every vector of its module (fuzz_utf8 reads utf8.tsv) whole, cut at
 * each byte and mutated, and the files of tests/fuzz/corpus/<target>. */
#include <ctype.h>
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RANDOM_INPUTS = 20000,
    RANDOM_SIZE = 256,       // bytes at most
    MUTANTS = 200,           // of each vector
    INPUT_MAX = 1024 * 1024, // bytes of a vector or file; the rest is left out
    PREFIXES_MAX = 4096,     // a longer input is not cut at each byte
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t s_state = 0x9E3779B97F4A7C15;

/* xorshift64: below `limit`, which is over 0. */
static size_t s_random(size_t limit)
{
    s_state ^= s_state << 13;
    s_state ^= s_state >> 7;
    s_state ^= s_state << 17;
    return (size_t)(s_state >> 11) % limit;
}

static void *s_allocate(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (!memory)
        abort();
    return memory;
}

/* A copy of exactly this size, so that a sanitizer sees a read past the end. */
static void s_feed(const uint8_t *data, size_t size)
{
    uint8_t *copy = s_allocate(size);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void s_feed_small_inputs(void)
{
    uint8_t bytes[16];
    for (unsigned seed = 0; seed < 65536; seed++) {
        for (size_t at = 0; at < sizeof bytes; at++)
            bytes[at] = (uint8_t)(seed >> (at % 2 * 8));
        s_feed(bytes, seed % 17);
    }
}

/* A byte that means something in one of the formats more often than any byte. */
static uint8_t s_random_byte(void)
{
    static const char special[] =
        " \n\r\t%=,:;/\\\"{}[]*-.?#&09azAZ\x7f\x80\xbf\xc2\xe0\xf4";
    if (s_random(3) == 0)
        return (uint8_t)s_random(256);
    return (uint8_t)special[s_random(sizeof special)]; // its NUL too
}

static void s_feed_random_inputs(void)
{
    uint8_t bytes[RANDOM_SIZE];
    for (int round = 0; round < RANDOM_INPUTS; round++) {
        size_t size = s_random(sizeof bytes + 1);
        for (size_t at = 0; at < size; at++)
            bytes[at] = s_random_byte();
        s_feed(bytes, size);
    }
}

/* One change in place; `room` is at least twice the size.  Returns the new size. */
static size_t s_mutate(uint8_t *bytes, size_t size, size_t room)
{
    if (size == 0 || size == room)
        return size;
    size_t at = s_random(size);
    size_t span = 1 + s_random(size - at);
    switch (s_random(5)) {
    case 0: // a bit
        bytes[at] ^= (uint8_t)(1u << s_random(8));
        return size;
    case 1: // a byte
        bytes[at] = s_random_byte();
        return size;
    case 2: // a byte more
        memmove(bytes + at + 1, bytes + at, size - at);
        bytes[at] = s_random_byte();
        return size + 1;
    case 3: // a span less
        memmove(bytes + at, bytes + at + span, size - at - span);
        return size - span;
    default: // a span twice
        if (size + span > room)
            return size;
        memmove(bytes + at + span, bytes + at, size - at);
        return size + span;
    }
}

static void s_feed_mutants(const uint8_t *data, size_t size)
{
    size_t room = 2 * size + 16;
    uint8_t *bytes = s_allocate(room);
    for (int round = 0; round < MUTANTS; round++) {
        size_t now = size;
        memcpy(bytes, data, size);
        for (size_t changes = 1 + s_random(4); changes; changes--)
            now = s_mutate(bytes, now, room);
        s_feed(bytes, now);
    }
    free(bytes);
}

static void s_feed_example(const uint8_t *data, size_t size)
{
    s_feed(data, size);
    for (size_t part = 0; part < size && size <= PREFIXES_MAX; part++)
        s_feed(data, part);
    s_feed_mutants(data, size);
}

/* Hex to bytes, in place.  Returns the number of bytes. */
static size_t s_from_hex(char *hex)
{
    size_t size = 0;
    while (isxdigit((unsigned char)hex[2 * size]) &&
           isxdigit((unsigned char)hex[2 * size + 1])) {
        const char digits[] = {hex[2 * size], hex[2 * size + 1], '\0'};
        hex[size++] = (char)strtoul(digits, NULL, 16);
    }
    return size;
}

/* name <tab> hex bytes <tab> outcome */
static void s_feed_vectors(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return; // a module without vectors
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, file) > 0) {
        char *hex = strchr(line, '\t');
        if (line[0] == '#' || !hex)
            continue;
        size_t size = s_from_hex(++hex);
        s_feed_example((const uint8_t *)hex, size);
    }
    free(line);
    fclose(file);
}

static void s_feed_file(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    uint8_t *bytes = s_allocate(INPUT_MAX);
    size_t size = fread(bytes, 1, INPUT_MAX, file);
    fclose(file);
    s_feed_example(bytes, size);
    free(bytes);
}

static void s_feed_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    for (int at = 0; at < count; at++) {
        char name[1024];
        int size = snprintf(name, sizeof name, "%s/%s", path, entries[at]->d_name);
        if (entries[at]->d_name[0] != '.' && (size_t)size < sizeof name)
            s_feed_file(name);
        free(entries[at]);
    }
    if (count >= 0)
        free(entries);
}

int main(int argc, char **argv)
{
    (void)argc;
    s_feed_small_inputs();
    s_feed_random_inputs();
    const char *target = strrchr(argv[0], '/');
    target = target ? target + 1 : argv[0];
    const char *vectors = getenv("VECTORS");
    if (strncmp(target, "fuzz_", strlen("fuzz_")) == 0 && vectors) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s.tsv", vectors, target + strlen("fuzz_"));
        s_feed_vectors(path);
        snprintf(path, sizeof path, "%s/../fuzz/corpus/%s", vectors, target);
        s_feed_folder(path);
    }
    return 0;
}
