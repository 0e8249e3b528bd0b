#include "broker/label.h"

#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool label_is_valid(struct wire_text name)
{
    return name.size >= 1 && name.size <= LABEL_MAX;
}

struct label *label_find(const struct table *labels, struct wire_text name)
{
    struct table_entry *found = table_find(labels, name.data, name.size);
    return found ? table_item(found, struct label, by_name) : NULL;
}

void label_clear(struct channel *channel)
{
    struct label *label = channel->label;
    channel->label = NULL;
    list_remove(&channel->of_label);
    if (!label || !list_is_empty(&label->channels))
        return;
    table_remove(label->all, &label->by_name);
    free(label);
}

static struct label *s_get(struct table *labels, struct wire_text name)
{
    struct label *label = label_find(labels, name);
    if (label)
        return label;
    assert(label_is_valid(name));
    label = mem_alloc(sizeof *label + name.size + 1);
    label->all = labels;
    list_init(&label->channels);
    label->size = (uint8_t)name.size;
    memcpy(label->name, name.data, name.size);
    label->name[name.size] = 0;
    table_add(labels, &label->by_name, label->name, name.size);
    return label;
}

void label_set(struct table *labels, struct channel *channel, struct wire_text name)
{
    bool none = name.size == 0 || wire_is(name, "-");
    struct label *label = none ? NULL : s_get(labels, name);
    if (label == channel->label)
        return;
    label_clear(channel);
    channel->label = label;
    if (label)
        list_append(&label->channels, &channel->of_label);
}
