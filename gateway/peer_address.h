/* peer_address: addresses as text, and whom to believe about them.  Pure. */
#pragma once

#include "gateway/http_request.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { PEER_ADDRESS_ROOM = 64 };

/* "192.0.2.1:5000", "[2001:db8::1]:5000", "unix". */
void peer_address_text(const struct sockaddr *address, char out[PEER_ADDRESS_ROOM]);
/* Is the peer among the trusted proxies: addresses, "unix", or "*" for anybody? */
bool peer_address_is_trusted(const struct sockaddr *address, const char *const *trusted,
                             size_t count);
/* The client that the trusted proxies in front name: the last address of X-Forwarded-For
 * that is not trusted itself.  False without such a header. */
bool peer_address_forwarded(const struct http_request *request,
                            const char *const *trusted, size_t count,
                            char out[PEER_ADDRESS_ROOM]);
