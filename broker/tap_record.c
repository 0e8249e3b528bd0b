#include "broker/tap_record.h"
#include "broker/core_state.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool s_is_secret(json_t *pair)
{
    static const char *const secrets[] = {"authorization", "proxy-authorization",
                                          "cookie"};
    const char *name = json_string_value(json_array_get(pair, 0));
    for (size_t at = 0; name && at < sizeof secrets / sizeof *secrets; at++)
        if (strcasecmp(name, secrets[at]) == 0)
            return true;
    return false;
}

static void s_remove_secrets(json_t *meta)
{
    json_t *headers = json_object_get(meta, "headers");
    for (size_t at = json_array_size(headers); at-- > 0;)
        if (s_is_secret(json_array_get(headers, at)))
            json_array_remove(headers, at);
}

char *tap_record_redact(struct wire_text payload, size_t *size_out)
{
    const char *end = memchr(payload.data, '\n', payload.size);
    size_t line = end ? (size_t)(end - payload.data) : payload.size;
    json_t *meta = json_loadb(payload.data, line, 0, NULL);
    char *text = NULL, *whole = NULL;
    if (!json_is_object(meta))
        goto done;
    s_remove_secrets(meta);
    text = json_dumps(meta, JSON_COMPACT);
    if (!text)
        goto done;
    size_t size = strlen(text), rest = payload.size - line;
    whole = malloc(size + rest + 1);
    if (!whole)
        goto done;
    memcpy(whole, text, size);
    memcpy(whole + size, payload.data + line, rest);
    whole[size + rest] = 0;
    *size_out = size + rest;
done:
    free(text);
    json_decref(meta);
    return whole;
}

void tap_event(struct core *core, const struct channel *channel,
               const struct wire_header *header, struct wire_text payload)
{
    char topic[CHANNEL_ID_MAX + 32];
    char verb[8] = "";
    for (size_t at = 0; at + 1 < sizeof verb && header->text[at] > ' '; at++)
        verb[at] = (char)tolower((unsigned char)header->text[at]);
    if (strcmp(verb, "adopt") == 0)
        return; // nothing happened to the client
    snprintf(topic, sizeof topic, "channel/%s/%s", channel->id, verb);
    if (strcmp(verb, "open") != 0) {
        core->output.to_tap(core->output.context, topic, header, payload);
        return;
    }
    size_t size = 0;
    char *shown = tap_record_redact(payload, &size);
    core->output.to_tap(core->output.context, topic, header,
                        (struct wire_text){shown ? shown : "", size});
    free(shown);
}

void tap_send(struct core *core, struct wire_text channel, const struct request *request)
{
    char topic[CHANNEL_ID_MAX + 32];
    struct wire_header header;
    snprintf(topic, sizeof topic, "channel/%.*s/send", (int)channel.size, channel.data);
    wire_begin(&header, "SEND");
    wire_add_text(&header, channel);
    for (size_t at = request->options; at < request->record->count; at++)
        wire_add_text(&header, request->record->token[at]);
    if (!header.overflow)
        core->output.to_tap(core->output.context, topic, &header,
                            payload_of(request->record));
}

void tap_publication(struct core *core, struct wire_text topic,
                     const struct wire_header *header, struct wire_text payload)
{
    char name[TOPIC_MAX + 8];
    snprintf(name, sizeof name, "topic/%.*s", (int)topic.size, topic.data);
    if (!header->overflow)
        core->output.to_tap(core->output.context, name, header, payload);
}
