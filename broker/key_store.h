/* key_store: the broker's folder of keys: its own, and those of everybody who may
 * connect, with what they may do.
 *
 *   broker.secret     the broker's own pair
 *   edges/NAME.key    public keys of gateways
 *   apps/NAME.key     public keys of applications */
#pragma once

#include "broker/authority.h"
#include "common/key_file.h"

#include <stddef.h>
#include <stdint.h>

struct key_store;

enum {
    KEY_STORE_MAX = 10000, // keys that one store ever knows
    KEY_STORE_WHY = 512,   // room for an explanation
};

/* Empty; nothing is read yet. */
struct key_store *key_store_new(const char *folder);
void key_store_destroy(struct key_store **self_p);

/* Reads the folder, all or nothing: 0, or a negative errno, with the file and the rule
 * that it breaks in `why`, and everything is as before.  A key that is not there any more
 * may do nothing from now on.  The broker's own key is read the first time only. */
int key_store_load(struct key_store *self, char why[KEY_STORE_WHY]);
/* A key that is in no file: of the gateway in this process.  It may have every name. */
void key_store_add_edge(struct key_store *self, const char *public_key);

const char *key_store_secret(const struct key_store *self); // the broker's, Z85
size_t key_store_count(const struct key_store *self);       // keys that may do something
/* How often something that a key may do was changed. */
uint64_t key_store_changes(const struct key_store *self);
/* The number of a key that may connect, or did; 0: nobody's.  public_key has KEY_TEXT
 * characters. */
uint32_t key_store_find(const struct key_store *self, const char *public_key);
/* What the number stands for: never NULL, and the same object as long as the store
 * lives, whose contents change when the folder is read again. */
const struct authority *key_store_authority(const struct key_store *self,
                                            uint32_t number);
