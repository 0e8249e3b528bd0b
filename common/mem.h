/* mem: small allocations that cannot fail.  For sizes that a peer chooses see bytes.h and
 * blob.h. */
#pragma once

#include <stddef.h>

/* Zeroed memory; the process is ended when the machine has none.  Free with free(). */
void *mem_alloc(size_t size);
void *mem_realloc(void *old, size_t size);
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t size);

#define mem_new(type) ((type *)mem_alloc(sizeof(type)))
