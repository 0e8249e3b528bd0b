#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *s_checked(void *memory)
{
    if (memory)
        return memory;
    (void)fputs("level=error event=out_of_memory\n", stderr);
    abort();
}

void *mem_alloc(size_t size)
{
    return s_checked(calloc(1, size ? size : 1));
}

void *mem_realloc(void *old, size_t size)
{
    return s_checked(realloc(old, size ? size : 1));
}

char *mem_strdup(const char *text)
{
    return s_checked(strdup(text));
}

char *mem_strndup(const char *text, size_t size)
{
    return s_checked(strndup(text, size));
}
