/* ops_server: the operations port: /metrics /healthz /readyz, and POST below one path.
 * Door of libmicrohttpd for both daemons; runs in a thread of its own, where the
 * callbacks are called. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ops_server;

enum { OPS_POST_MAX = 1024 * 1024 }; // bytes of a body

/* A POST that is answered later. */
struct ops_post;

/* All but the answer: only inside the callbacks of ops_server. */
/* The path behind the prefix, decoded. */
const char *ops_post_name(const struct ops_post *self);
/* NULL when there is none. */
const char *ops_post_header(const struct ops_post *self, const char *name);
/* Every key of the query with its value, decoded, "" for none; until visit returns false.
 */
void ops_post_query(const struct ops_post *self,
                    bool (*visit)(void *context, const char *key, const char *value),
                    void *context);
const void *ops_post_body(const struct ops_post *self, size_t *size_out);

/* Once, from any thread; the post may be gone after this.
 *   type   of the content; static
 *   text   the whole content, with the line feed at its end; copied */
void ops_post_answer(struct ops_post *self, unsigned status, const char *type,
                     const char *text);

struct ops_callbacks {
    /* Ready to serve?  Writes a reason of at most room-1 bytes when not. */
    bool (*is_ready)(void *context, char *reason, size_t room);
    /* Called before a metrics page is made, to set gauges; may be NULL. */
    void (*before_metrics)(void *context);
    /* A POST to a path that begins with post_path ("/topics/"); NULL: there are none.
     * check_post sees the head: 0, or the status to refuse with, *why a line that says
     * what is wrong.  take_post has the body too, and sees to it that ops_post_answer is
     * called soon: all must be answered before ops_server_destroy. */
    const char *post_path;
    unsigned (*check_post)(void *context, const struct ops_post *post, const char **why);
    void (*take_post)(void *context, struct ops_post *post);
    void *context;
};

/* Listens on ADDR:PORT ([v6]:PORT, port 0 allowed).  NULL with errno set when not. */
struct ops_server *ops_server_new(const char *address,
                                  const struct ops_callbacks *callbacks);
/* The real address, "127.0.0.1:8081". */
const char *ops_server_address(const struct ops_server *self);
void ops_server_destroy(struct ops_server **self_p);
