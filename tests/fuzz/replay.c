/* Runs a fuzz target without clang, in `make check`: over small fixed inputs, and over
 * every vector of its module (fuzz_utf8 reads utf8.tsv), whole and cut at each byte. */
#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly this size, so that a sanitizer sees a read past the end. */
static void s_feed(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
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
        for (size_t part = 0; part <= size; part++)
            s_feed((const uint8_t *)hex, part);
    }
    free(line);
    fclose(file);
}

int main(int argc, char **argv)
{
    (void)argc;
    s_feed_small_inputs();
    const char *module = strstr(argv[0], "/fuzz_");
    const char *vectors = getenv("VECTORS");
    char path[512];
    if (module && vectors) {
        snprintf(path, sizeof path, "%s/%s.tsv", vectors, module + strlen("/fuzz_"));
        s_feed_vectors(path);
    }
    return 0;
}
