/* command: commands of applications on their way to edges, and their answers. */
#pragma once

#include "broker/core_state.h"

/* NULL, or which option has a value that is not allowed, with the rule. */
const char *command_bad_option(const struct request *request);
/* Passes on the options but those that are between the sender and us. */
void command_add_options(const struct request *request, struct wire_header *header);
/* Was this command carried out before?  It is answered again, or when its edges have
 * answered. */
bool command_is_repeated(struct request *request);
/* The question of a sender that wants an answer, else NULL. */
struct question *command_question(const struct request *request,
                                  struct wire_text subject);
/* Answers the question if no edge owes anything; it is gone then. */
void command_finish(struct core *core, struct question *question);
/* The whole of a command for one channel.  0, or a negative errno when it was not passed
 * on; that was answered then. */
int command_one(struct request *request);
