#include "gateway/http_head.h"

#include "gateway/http_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void s_must(bool holds)
{
    if (!holds)
        abort();
}

/* Nothing that an application sends can break the head on the wire, or its framing. */
static void s_check_field(const struct http_field *field)
{
    static const char *const owned[] = {"Content-Length", "Transfer-Encoding",
                                        "Connection",     "Keep-Alive",
                                        "Upgrade",        "Trailer"};
    s_must(http_is_token(field->name, strlen(field->name)));
    for (size_t at = 0; at < sizeof owned / sizeof *owned; at++)
        s_must(strcasecmp(field->name, owned[at]) != 0);
    for (const char *at = field->value; *at; at++)
        s_must((unsigned char)*at >= 0x20 ? *at != 0x7F : *at == '\t');
    size_t size = strlen(field->value);
    s_must(size == 0 ||
           (!strchr(" \t", field->value[0]) && !strchr(" \t", field->value[size - 1])));
}

static void s_check(const uint8_t *data, size_t size, bool as_protocol)
{
    struct http_head head;
    const char *why = NULL;
    uint8_t *copy = malloc(size ? size : 1); // reads past the end are seen
    s_must(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    int64_t used = http_head_read(copy, size, as_protocol, &head, &why);
    free(copy); // the head keeps no pointer into the payload
    if (used < 0) {
        s_must(why && head.count == 0 && !head.copy);
        return;
    }
    s_must((uint64_t)used <= size && (!as_protocol || (size_t)used == size));
    s_must(as_protocol || data[used - 1] == '\n');
    s_must(head.content_length >= -1);
    for (size_t at = 0; at < head.count; at++)
        s_check_field(&head.fields[at]);
    http_head_clear(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    s_check(data, size, false);
    s_check(data, size, true);
    return 0;
}
