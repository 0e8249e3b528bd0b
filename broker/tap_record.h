/* tap_record: what of a record a watcher may see.  Pure. */
#pragma once

#include "common/wire.h"

#include <stddef.h>

/* The payload of an OPEN without the header fields Authorization, Proxy-Authorization and
 * Cookie: malloc()ed, *size_out bytes; NULL if it is not what section 4.3 describes, so
 * that nothing is shown that could not be checked. */
char *tap_record_redact(struct wire_text payload, size_t *size_out);
