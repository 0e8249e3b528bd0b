/* sse_event: one Server-Sent Event.  Pure.  WHATWG HTML, section 9.2. */
#pragma once

#include "common/bytes.h"

/* Appends `id:`, `event:` (each left out when NULL) and one `data:` line for each line of
 * data (CR, LF and CRLF end lines), then the empty line.  id and event must not contain
 * line ends. */
int sse_event_write(struct bytes *out, const char *id, const char *event,
                    const void *data, size_t size);
