/* session_meta: what is kept of the metadata of a session's first carrier once a worker
 * has had it: what ADOPT carries.  Pure. */
#pragma once

#include "common/blob.h"

enum { SESSION_META_MAX = 512 }; // bytes

/* Replaces the payload of an OPEN (a line of JSON, and perhaps a body) by the payload of
 * an ADOPT; NULL, or what is no JSON, by one that says nothing. */
void session_meta_shorten(struct blob **meta_p);
