#include "gateway/http_head.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever an application sends, no field that is let through can break the head on the
 * wire. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_head head;
    const char *why = NULL;
    if (size < 1)
        return 0;
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    int64_t used = http_head_read(copy + 1, size - 1, data[0] & 1, &head, &why);
    free(copy); // the head keeps no pointer into the payload
    if (used < 0) {
        if (!why)
            abort();
        return 0;
    }
    if ((uint64_t)used > size - 1)
        abort();
    for (size_t at = 0; at < head.count; at++)
        if (strpbrk(head.fields[at].name, " \t\r\n:") || !head.fields[at].name[0] ||
            strpbrk(head.fields[at].value, "\r\n"))
            abort();
    http_head_clear(&head);
    return 0;
}
