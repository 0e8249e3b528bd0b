/* admission: how many clients there may be, in all and from one address.  Thread safe:
 * entered at accept and left when the connection ends, never in between. */
#pragma once

#include <stddef.h>
#include <sys/socket.h>

struct admission;
struct admission_ticket; // one address's place

/* Limits of connections; 0: none. */
struct admission *admission_new(size_t limit, size_t limit_per_address);
void admission_destroy(struct admission **self_p);
/* NULL when a limit is reached.  Leave with the ticket, once for each enter. */
struct admission_ticket *admission_enter(struct admission *self,
                                         const struct sockaddr *peer);
void admission_leave(struct admission *self, struct admission_ticket **ticket_p);
size_t admission_count(struct admission *self);
