#include "broker/core_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool answer_wanted(const struct request *request)
{
    return request->from->peer && (request->id.data || request->from->envelope_size);
}

/* What an asker is told. */
struct answer {
    const char *verb;
    struct wire_text key, id;
    const char *more; // the code of ERR, the options of OK; NULL: none
    struct wire_text payload;
};

/* To an edge: REPLY c id code LF text, numbered like every command. */
static void s_reply(struct core *core, uint64_t peer, const struct answer *answer)
{
    struct edge *edge = edge_of_peer(&core->edges, peer);
    bool failed = strcmp(answer->verb, "ERR") == 0;
    struct wire_header header;
    if (!edge)
        return; // it has another connection by now, and has to ask again
    edge_begin(edge, &header, "REPLY");
    wire_add_text(&header, answer->id);
    wire_add(&header, failed ? answer->more : "-");
    struct wire_text text = answer->payload;
    if (!text.data)
        text = answer_key(answer->more ? answer->more : "");
    if (edge_commit(edge, &header, text, COMMAND_CONTROL) < 0)
        core_dropped(core, CORE_DROP_TARGET);
}

static void s_add_words(struct wire_header *header, const char *words)
{
    while (words && *words) {
        size_t size = strcspn(words, " ");
        wire_add_text(header, (struct wire_text){words, size});
        words += size + (words[size] == ' ');
    }
}

/* A sender that does not listen loses its answers; workers are watched by heartbeats. */
static void s_give(struct core *core, const struct address *to,
                   const struct answer *answer)
{
    struct wire_header header;
    if (to->is_edge) {
        s_reply(core, to->peer, answer);
        return;
    }
    wire_begin(&header, answer->verb);
    wire_add_text(&header, answer->key);
    wire_add(&header, "-");
    wire_add_text(&header, answer->id);
    s_add_words(&header, answer->more);
    if (to->peer && !header.overflow)
        (void)core->output.to_app(core->output.context, to, &header, answer->payload);
}

void answer_ok(const struct request *request, struct wire_text key, const char *option)
{
    const struct answer answer = {"OK", key, request->id, option, payload_none()};
    if (answer_wanted(request))
        s_give(request->core, request->from, &answer);
}

void answer_info(const struct request *request, struct wire_text key, const char *json)
{
    const struct answer answer = {"INFO", key, request->id, NULL, answer_key(json)};
    s_give(request->core, request->from, &answer);
}

void answer_error_always(const struct request *request, struct wire_text key,
                         const char *code, const char *why)
{
    struct answer answer = {"ERR", key, request->id, code, answer_key(why)};
    if (answer.key.size > 1024) // a bad token need not be repeated whole
        answer.key.size = 1024;
    s_give(request->core, request->from, &answer);
}

void answer_error(const struct request *request, struct wire_text key, const char *code,
                  const char *why)
{
    if (answer_wanted(request))
        answer_error_always(request, key, code, why);
}

void answer_question(struct core *core, const struct question *question)
{
    struct address to = question_address(question);
    char counts[160];
    struct answer answer = {.verb = "OK",
                            .key = answer_key(question->subject),
                            .id = answer_key(question->id),
                            .more = question->extra};
    if (question->code[0] && question->sent == 0 && !question->position) {
        answer.verb = "ERR";
        answer.more = question->code;
        answer.payload = answer_key(question->extra ? question->extra : "");
    } else if (question->several) {
        snprintf(counts, sizeof counts, "%s%ssent=%" PRIu32 " gone=%" PRIu32,
                 question->position ? question->position : "",
                 question->position ? " " : "", question->sent, question->gone);
        answer.more = counts;
    }
    s_give(core, &to, &answer);
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
