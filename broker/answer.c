#include "broker/core_state.h"

#include <string.h>

bool answer_wanted(const struct request *request)
{
    return request->from->peer && (request->id.data || request->from->envelope_size);
}

/* VERB key - id */
static void s_begin(struct wire_header *header, const char *verb, struct wire_text key,
                    struct wire_text id)
{
    wire_begin(header, verb);
    wire_add_text(header, key);
    wire_add(header, "-");
    wire_add_text(header, id);
}

static void s_send(const struct request *request, const struct wire_header *header,
                   struct wire_text payload)
{
    const struct output *output = &request->core->output;
    /* A sender that does not listen loses its answers; workers are watched by heartbeats.
     */
    if (!header->overflow)
        (void)output->to_app(output->context, request->from, header, payload);
}

void answer_ok(const struct request *request, struct wire_text key, const char *option)
{
    struct wire_header header;
    if (!answer_wanted(request))
        return;
    s_begin(&header, "OK", key, request->id);
    if (option)
        wire_add(&header, option);
    s_send(request, &header, payload_none());
}

void answer_error_always(const struct request *request, struct wire_text key,
                         const char *code, const char *why)
{
    struct wire_header header;
    if (!request->from->peer)
        return;
    if (key.size > 1024) // a bad token need not be repeated whole
        key.size = 1024;
    s_begin(&header, "ERR", key, request->id);
    wire_add(&header, code);
    s_send(request, &header, answer_key(why));
}

void answer_error(const struct request *request, struct wire_text key, const char *code,
                  const char *why)
{
    if (answer_wanted(request))
        answer_error_always(request, key, code, why);
}

void answer_question(struct core *core, const struct question *question)
{
    struct wire_header header;
    struct address to = question_address(question);
    struct wire_text payload = payload_none();
    bool failed = question->code[0] && question->sent == 0;
    if (!to.peer)
        return;
    s_begin(&header, failed ? "ERR" : "OK", answer_key(question->subject),
            answer_key(question->id));
    if (failed) {
        wire_add(&header, question->code);
        payload = answer_key(question->extra ? question->extra : "");
    } else if (question->several) {
        wire_add_option_u64(&header, "sent", question->sent);
        wire_add_option_u64(&header, "gone", question->gone);
    } else if (question->extra) {
        wire_add(&header, question->extra);
    }
    (void)core->output.to_app(core->output.context, &to, &header, payload);
}

int answer_say(struct core *core, uint64_t peer, const char *verb, const char *key)
{
    struct wire_header header;
    const struct address to = {.peer = peer};
    wire_begin(&header, verb);
    wire_add(&header, key);
    wire_add(&header, "-");
    wire_add(&header, "-");
    return core->output.to_app(core->output.context, &to, &header, payload_none());
}
