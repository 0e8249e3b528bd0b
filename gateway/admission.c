#include "gateway/admission.h"

#include "common/mem.h"
#include "common/table.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* An IPv6 client owns its whole /64, so that is what is counted. */
struct s_key {
    uint8_t family; // 4, 6, or 0 for a local socket
    uint8_t bytes[8];
};

struct admission_ticket {
    struct s_key key;
    size_t count;
    struct table_entry by_key;
};

struct admission {
    pthread_mutex_t lock;
    size_t limit, limit_per_address, count;
    struct table tickets;
};

struct admission *admission_new(size_t limit, size_t limit_per_address)
{
    struct admission *self = mem_new(struct admission);
    pthread_mutex_init(&self->lock, NULL);
    self->limit = limit;
    self->limit_per_address = limit_per_address;
    return self;
}

void admission_destroy(struct admission **self_p)
{
    struct admission *self = *self_p;
    if (!self)
        return;
    while (self->tickets.first) {
        struct table_entry *entry = self->tickets.first;
        table_remove(&self->tickets, entry);
        free(table_item(entry, struct admission_ticket, by_key));
    }
    pthread_mutex_destroy(&self->lock);
    free(self);
    *self_p = NULL;
}

static void s_key_of(const struct sockaddr *peer, struct s_key *key)
{
    memset(key, 0, sizeof *key);
    if (peer->sa_family == AF_INET) {
        key->family = 4;
        memcpy(key->bytes, &((const struct sockaddr_in *)(const void *)peer)->sin_addr,
               4);
    } else if (peer->sa_family == AF_INET6) {
        key->family = 6;
        memcpy(key->bytes, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr,
               8);
    }
}

static struct admission_ticket *s_ticket(struct admission *self, const struct s_key *key)
{
    struct table_entry *entry = table_find(&self->tickets, key, sizeof *key);
    if (entry)
        return table_item(entry, struct admission_ticket, by_key);
    struct admission_ticket *ticket = mem_new(struct admission_ticket);
    ticket->key = *key;
    table_add(&self->tickets, &ticket->by_key, &ticket->key, sizeof ticket->key);
    return ticket;
}

struct admission_ticket *admission_enter(struct admission *self,
                                         const struct sockaddr *peer)
{
    struct s_key key;
    s_key_of(peer, &key);
    struct admission_ticket *ticket = NULL;
    pthread_mutex_lock(&self->lock);
    if (self->limit > 0 && self->count >= self->limit)
        goto done;
    ticket = s_ticket(self, &key);
    if (self->limit_per_address > 0 && ticket->count >= self->limit_per_address) {
        ticket = NULL;
        goto done;
    }
    ticket->count++;
    self->count++;
done:
    pthread_mutex_unlock(&self->lock);
    return ticket;
}

void admission_leave(struct admission *self, struct admission_ticket **ticket_p)
{
    struct admission_ticket *ticket = *ticket_p;
    if (!ticket)
        return;
    *ticket_p = NULL;
    pthread_mutex_lock(&self->lock);
    self->count--;
    if (--ticket->count == 0) {
        table_remove(&self->tickets, &ticket->by_key);
        free(ticket);
    }
    pthread_mutex_unlock(&self->lock);
}

size_t admission_count(struct admission *self)
{
    pthread_mutex_lock(&self->lock);
    size_t count = self->count;
    pthread_mutex_unlock(&self->lock);
    return count;
}
