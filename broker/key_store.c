#include "broker/key_store.h"

#include "common/mem.h"
#include "common/table.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_STORE_PATH = 4096 };

struct entry {
    struct table_entry by_key;
    uint32_t number;
    bool found; // by the reading that is under way
    bool own;   // of this process, in no file
    char key[KEY_TEXT + 1];
    struct authority authority, next; // what counts, and what the reading found
};

struct slot {
    struct entry *entry;
};

struct key_store {
    char *folder;
    char secret[KEY_TEXT + 1];
    struct table by_key;
    struct slot *slots; // by number - 1; no entry is freed before the store
    size_t size, count; // of them; those that may do something
    uint64_t changes;
    struct authority nobody;
};

/* A reading that is under way. */
struct reading {
    struct key_store *store;
    char *why;
    char path[KEY_STORE_PATH];
};

struct key_store *key_store_new(const char *folder)
{
    struct key_store *self = mem_new(struct key_store);
    self->folder = mem_strdup(folder);
    return self;
}

void key_store_destroy(struct key_store **self_p)
{
    struct key_store *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    for (size_t at = 0; at < self->size; at++) {
        struct entry *entry = self->slots[at].entry;
        table_remove(&self->by_key, &entry->by_key);
        authority_clear(&entry->authority);
        authority_clear(&entry->next);
        free(entry);
    }
    explicit_bzero(self->secret, sizeof self->secret);
    free(self->slots);
    free(self->folder);
    free(self);
}

static struct entry *s_find(const struct key_store *self, const char *key)
{
    struct table_entry *found = table_find(&self->by_key, key, KEY_TEXT);
    return found ? table_item(found, struct entry, by_key) : NULL;
}

static struct entry *s_get(struct key_store *self, const char *key)
{
    struct entry *entry = s_find(self, key);
    if (entry || self->size == KEY_STORE_MAX)
        return entry;
    entry = mem_new(struct entry);
    memcpy(entry->key, key, KEY_TEXT);
    table_add(&self->by_key, &entry->by_key, entry->key, KEY_TEXT);
    self->slots = mem_realloc(self->slots, (self->size + 1) * sizeof *self->slots);
    self->slots[self->size++].entry = entry;
    entry->number = (uint32_t)self->size;
    return entry;
}

static int s_refuse(const struct reading *reading, int result, const char *rule)
{
    snprintf(reading->why, KEY_STORE_WHY, "%.200s: %.256s", reading->path, rule);
    return result;
}

/* What a file says that its key may do. */
static int s_take(struct reading *reading, enum authority_kind kind, const char *name,
                  const struct key_file *file)
{
    struct entry *entry = s_get(reading->store, file->public_key);
    if (!entry)
        return s_refuse(reading, -E2BIG, "more than 10000 keys");
    if (entry->found || entry->own)
        return s_refuse(reading, -EEXIST, "its key is that of another file");
    const char *edges = file->names[0] ? file->names : name;
    const char *wrong =
        kind == AUTHORITY_EDGE
            ? authority_set_edge(&entry->next, name, edges, file->topics)
            : authority_set_app(&entry->next, name, file->services, file->topics);
    if (wrong)
        return s_refuse(reading, -EPROTO, wrong);
    entry->found = true;
    return 0;
}

static int s_read_file(struct reading *reading, enum authority_kind kind,
                       const char *folder, const char *name)
{
    struct key_file file;
    char rule[KEY_FILE_WHY], bare[AUTHORITY_NAME_MAX + 1];
    size_t size = strlen(name) - strlen(".key");
    snprintf(reading->path, sizeof reading->path, "%s/%s/%s", reading->store->folder,
             folder, name);
    if (size > AUTHORITY_NAME_MAX)
        return s_refuse(reading, -ENAMETOOLONG, "at most 64 characters before .key");
    snprintf(bare, sizeof bare, "%.*s", (int)size, name);
    int result = key_file_read(reading->path, KEY_FILE_PUBLIC, &file, rule);
    if (result < 0)
        return s_refuse(reading, result, rule);
    if (file.secret_key[0])
        return s_refuse(reading, -EPROTO, "a secret key; only public ones belong here");
    return s_take(reading, kind, bare, &file);
}

static bool s_is_key_file(const char *name)
{
    size_t size = strlen(name), ending = strlen(".key");
    return name[0] != '.' && size > ending && strcmp(name + size - ending, ".key") == 0;
}

/* A folder that is not there has no keys. */
static int s_read_folder(struct reading *reading, enum authority_kind kind,
                         const char *folder)
{
    snprintf(reading->path, sizeof reading->path, "%s/%s", reading->store->folder,
             folder);
    DIR *files = opendir(reading->path);
    if (!files && errno == ENOENT)
        return 0;
    if (!files)
        return s_refuse(reading, -errno, strerror(errno));
    int result = 0;
    for (struct dirent *file; result == 0 && (file = readdir(files));)
        if (s_is_key_file(file->d_name))
            result = s_read_file(reading, kind, folder, file->d_name);
    closedir(files);
    return result;
}

/* The listening sockets have the first one; another one takes a restart. */
static int s_read_own(struct reading *reading)
{
    struct key_file file;
    char rule[KEY_FILE_WHY];
    if (reading->store->secret[0])
        return 0;
    snprintf(reading->path, sizeof reading->path, "%s/broker.secret",
             reading->store->folder);
    int result = key_file_read(reading->path, KEY_FILE_SECRET, &file, rule);
    if (result < 0)
        return s_refuse(reading, result, rule);
    memcpy(reading->store->secret, file.secret_key, sizeof file.secret_key);
    explicit_bzero(&file, sizeof file);
    return 0;
}

static bool s_is_same(const struct authority *one, const struct authority *other)
{
    if (one->kind != other->kind)
        return false;
    if (one->kind == AUTHORITY_EDGE)
        return strcmp(one->edges, other->edges) == 0;
    return one->kind == AUTHORITY_NONE || (strcmp(one->services, other->services) == 0 &&
                                           strcmp(one->topics, other->topics) == 0);
}

/* What the reading found becomes what counts. */
static void s_accept(struct key_store *self)
{
    self->count = 0;
    for (size_t at = 0; at < self->size; at++) {
        struct entry *entry = self->slots[at].entry;
        if (entry->own) {
            self->count++;
            continue;
        }
        self->changes += entry->authority.kind != AUTHORITY_NONE &&
                         !s_is_same(&entry->authority, &entry->next);
        authority_clear(&entry->authority);
        entry->authority = entry->next;
        entry->next = (struct authority){.kind = AUTHORITY_NONE};
        self->count += entry->authority.kind != AUTHORITY_NONE;
    }
}

int key_store_load(struct key_store *self, char why[KEY_STORE_WHY])
{
    struct reading reading = {.store = self, .why = why};
    for (size_t at = 0; at < self->size; at++) {
        self->slots[at].entry->found = false;
        authority_clear(&self->slots[at].entry->next);
    }
    int result = s_read_own(&reading);
    if (result == 0)
        result = s_read_folder(&reading, AUTHORITY_EDGE, "edges");
    if (result == 0)
        result = s_read_folder(&reading, AUTHORITY_APP, "apps");
    if (result == 0)
        s_accept(self);
    return result;
}

void key_store_add_edge(struct key_store *self, const char *public_key)
{
    struct entry *entry = s_get(self, public_key);
    if (!entry || entry->authority.kind != AUTHORITY_NONE)
        return;
    entry->own = true;
    (void)authority_set_edge(&entry->authority, "own", "*", "*");
    self->count++;
}

const char *key_store_secret(const struct key_store *self)
{
    return self->secret;
}

size_t key_store_count(const struct key_store *self)
{
    return self->count;
}

uint64_t key_store_changes(const struct key_store *self)
{
    return self->changes;
}

uint32_t key_store_find(const struct key_store *self, const char *public_key)
{
    const struct entry *entry = s_find(self, public_key);
    return entry ? entry->number : 0;
}

const struct authority *key_store_authority(const struct key_store *self, uint32_t number)
{
    return number >= 1 && number <= self->size ? &self->slots[number - 1].entry->authority
                                               : &self->nobody;
}
