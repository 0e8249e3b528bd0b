/* key_file: files of CURVE keys as `ringwayctl keys` and CZMQ's zcert write them.
 * docs/security.md.
 *
 *   metadata
 *       services = "chat lobby"
 *   curve
 *       public-key = "..."          40 characters of Z85
 *       secret-key = "..."          in the secret file only */
#pragma once

#include <stddef.h>

enum {
    KEY_TEXT = 40,        // characters of a key
    KEY_LIST_MAX = 4096,  // bytes of a list in the metadata
    KEY_FILE_MAX = 65536, // bytes of a file
    KEY_FILE_WHY = 256,   // room for an explanation
};

enum key_file_kind { KEY_FILE_PUBLIC, KEY_FILE_SECRET };

struct key_file {
    char public_key[KEY_TEXT + 1];
    char secret_key[KEY_TEXT + 1]; // "" in a public file
    /* Metadata that we know; words separated by blanks, "" where it is missing. */
    char names[KEY_LIST_MAX + 1];
    char services[KEY_LIST_MAX + 1];
    char topics[KEY_LIST_MAX + 1];
};

/* Pure: the text of a file, of which `out` is written only on success.
 * 0, or -EPROTO and *why, a static text, when it is no file of keys. */
int key_file_parse(const char *text, size_t size, struct key_file *out, const char **why);
/* 0, or a negative errno and why it was not taken: it is not there, breaks the format,
 * has no key of this kind, or is a secret that others may read. */
int key_file_read(const char *path, enum key_file_kind kind, struct key_file *out,
                  char why[KEY_FILE_WHY]);
