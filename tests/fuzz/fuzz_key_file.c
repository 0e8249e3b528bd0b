#include "common/key_file.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 65536 };

static void s_must(bool holds)
{
    if (!holds)
        abort();
}

/* Lines that files of keys are made of; an input picks and breaks them. */
static const char *const s_lines[] = {
    "curve\n",
    "metadata\n",
    "    public-key = \"Wvk!sUt!U@ao/UQ7.3**cZEN-W}T5pa>FwPDLZ5&\"\n",
    "    secret-key = \".!5ra-aJ?M66!!q+J?IfO(6y/HG:eZ&0I3QZoQ-K\"\n",
    "    services = \"chat lobby\"\n",
    "    topics = rooms/*\n",
    "\tnames = 'e1\n",
    "# a comment\n",
    "other = x\n",
    " = \n",
    "    public-key = \"short\"\n",
};
enum { LINES = sizeof s_lines / sizeof *s_lines };

static void s_check(const char *text, size_t size)
{
    struct key_file file = {.public_key = "before"};
    const char *why;
    int result = key_file_parse(text, size, &file, &why);
    if (result < 0) {
        s_must(why && *why && strcmp(file.public_key, "before") == 0);
        return;
    }
    s_must(!why && strlen(file.public_key) == KEY_TEXT);
    s_must(!file.secret_key[0] || strlen(file.secret_key) == KEY_TEXT);
    s_must(memchr(file.services, 0, sizeof file.services) != NULL);
    s_must(memchr(file.topics, 0, sizeof file.topics) != NULL);
    s_must(memchr(file.names, 0, sizeof file.names) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[TEXT_MAX];
    size_t used = 0;
    s_check((const char *)data, size);
    for (size_t at = 0; at < size && used + 100 < TEXT_MAX; at++) {
        if (data[at] < 0xC0) {
            for (const char *line = s_lines[data[at] % LINES]; *line;)
                text[used++] = *line++;
        } else if (used) {
            text[(size_t)data[at] * 7919 % used] = (char)(data[at] ^ at);
        }
    }
    s_check(text, used);
    return 0;
}
