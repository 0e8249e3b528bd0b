#include "broker/session_meta.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char s_nothing[] = "{\"carrier\":\"\",\"route\":\"\",\"params\":{},"
                                "\"protocol\":\"\",\"peer\":\"\",\"session\":true}";

/* A member of the first kind, or a string that is empty. */
static json_t *s_text(const json_t *meta, const char *key)
{
    json_t *value = json_object_get(meta, key);
    return json_is_string(value) ? json_incref(value) : json_string("");
}

static char *s_write(const json_t *meta, bool params)
{
    json_t *brief = json_object(), *given = json_object_get(meta, "params");
    bool whole = params && json_is_object(given);
    json_object_set_new(brief, "carrier", s_text(meta, "carrier"));
    json_object_set_new(brief, "route", s_text(meta, "route"));
    json_object_set_new(brief, "params", whole ? json_incref(given) : json_object());
    json_object_set_new(brief, "protocol", s_text(meta, "protocol"));
    json_object_set_new(brief, "peer", s_text(meta, "peer"));
    json_object_set_new(brief, "session", json_true());
    char *text = json_dumps(brief, JSON_COMPACT);
    json_decref(brief);
    return text;
}

void session_meta_shorten(struct blob **meta_p)
{
    struct blob *meta = *meta_p;
    char *text = NULL;
    if (meta) {
        const char *line = memchr(meta->data, '\n', meta->size);
        size_t size = line ? (size_t)(line - (const char *)meta->data) : meta->size;
        json_t *read = json_loadb((const char *)meta->data, size, 0, NULL);
        text = json_is_object(read) ? s_write(read, true) : NULL;
        if (text && strlen(text) > SESSION_META_MAX) {
            free(text);
            text = s_write(read, false);
        }
        json_decref(read);
    }
    const char *brief = text && strlen(text) <= SESSION_META_MAX ? text : s_nothing;
    *meta_p = blob_new(brief, strlen(brief));
    blob_unref(&meta);
    free(text);
}
