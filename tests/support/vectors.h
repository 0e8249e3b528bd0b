/* vectors: reads tests/vectors/<module>.tsv for a unit test: `name <tab> hex bytes <tab>
 * outcome`. The environment variable VECTORS is the folder. */
#pragma once

#include <check.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vector {
    const char *name;
    uint8_t
        *data; // allocated with exactly this size, so that a sanitizer sees reads past it
    size_t size;
    const char *want;
};

static inline uint8_t *vectors_copy(const void *data, size_t size)
{
    uint8_t *copy = calloc(size ? size : 1, 1);
    ck_assert_ptr_nonnull(copy);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

static inline size_t vectors_from_hex(const char *hex, uint8_t *out)
{
    size_t size = 0;
    for (; isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]); hex += 2) {
        const char digits[] = {hex[0], hex[1], 0};
        out[size++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return size;
}

static inline void vectors_check_line(char *line,
                                      void (*check)(const struct vector *vector))
{
    char *hex = strchr(line, '\t');
    char *want = hex ? strchr(hex + 1, '\t') : NULL;
    ck_assert_msg(want != NULL, "fewer than three columns: %s", line);
    *hex++ = 0;
    *want++ = 0;
    want[strcspn(want, "\n")] = 0;
    struct vector vector = {.name = line, .want = want};
    uint8_t *bytes = calloc(strlen(hex) / 2 + 1, 1);
    ck_assert_ptr_nonnull(bytes);
    vector.size = vectors_from_hex(hex, bytes);
    vector.data = vectors_copy(bytes, vector.size);
    check(&vector);
    free(vector.data);
    free(bytes);
}

/* Calls back for each vector; there must be at least `least`. */
static inline void vectors_each(const char *module, int least,
                                void (*check)(const struct vector *vector))
{
    char path[512];
    char *line = NULL;
    size_t room = 0;
    int count = 0;
    snprintf(path, sizeof path, "%s/%s.tsv", getenv("VECTORS"), module);
    FILE *file = fopen(path, "re");
    ck_assert_msg(file != NULL, "%s does not open", path);
    while (getline(&line, &room, file) > 0) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        vectors_check_line(line, check);
        count++;
    }
    free(line);
    fclose(file);
    ck_assert_int_ge(count, least);
}

static inline void vectors_same(const struct vector *vector, const char *got)
{
    ck_assert_msg(strcmp(vector->want, got) == 0, "%s: want %s, got %s", vector->name,
                  vector->want, got);
}

/* A text that grows. */
struct vectors_text {
    char text[16384];
    size_t size;
};

static inline void vectors_add(struct vectors_text *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void vectors_add(struct vectors_text *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(self->text + self->size, sizeof self->text - self->size, format,
                         arguments);
    va_end(arguments);
    ck_assert_int_ge(size, 0);
    ck_assert_uint_lt((size_t)size, sizeof self->text - self->size);
    self->size += (size_t)size;
}

static inline void vectors_add_hex(struct vectors_text *self, const void *data,
                                   size_t size)
{
    static const char digits[] = "0123456789abcdef";
    ck_assert_uint_lt(2 * size, sizeof self->text - self->size);
    for (size_t at = 0; at < size; at++) {
        uint8_t byte = ((const uint8_t *)data)[at];
        self->text[self->size++] = digits[byte >> 4];
        self->text[self->size++] = digits[byte & 15];
    }
    self->text[self->size] = 0;
}

/* The texts in `data`, which NULs separate; returns how many.  `texts` point into `copy`.
 */
static inline size_t vectors_split(const struct vector *vector, char *copy, size_t room,
                                   const char **texts, size_t most)
{
    size_t count = 0;
    ck_assert_uint_lt(vector->size, room);
    memcpy(copy, vector->data, vector->size);
    copy[vector->size] = 0;
    for (char *at = copy; at <= copy + vector->size; at += strlen(at) + 1) {
        ck_assert_uint_lt(count, most);
        texts[count++] = at;
    }
    return count;
}

/* Runs one test case's suite: the end of each main(). */
static inline int vectors_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
