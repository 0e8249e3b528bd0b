#include "common/conf.h"

#include "common/bytes.h"
#include "common/conf_print.h"
#include "common/conf_store.h"
#include "common/mem.h"

#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

enum {
    CONF_FILE_MAX = 4 * 1024 * 1024, // bytes
};

/* Flags of every program; they are no settings. */
enum {
    FLAG_HELP = 'h',
    FLAG_VERSION = 256,
    FLAG_PRINT,
    FLAG_CHECK,
    FLAG_CONFIG,
    FLAG_FIRST
};
static const struct option s_flags[] = {
    {"config", required_argument, NULL, FLAG_CONFIG},
    {"print-config", no_argument, NULL, FLAG_PRINT},
    {"check-config", no_argument, NULL, FLAG_CHECK},
    {"version", no_argument, NULL, FLAG_VERSION},
    {"help", no_argument, NULL, FLAG_HELP},
};
enum { FLAG_COUNT = sizeof s_flags / sizeof s_flags[0] };

static const char *const s_groups[] = {"routes", NULL};

static void (*s_check)(const struct conf *self);

void conf_set_check(void (*check)(const struct conf *self))
{
    s_check = check;
}

/* "RINGWAY_LONG_NAME=..." is the setting "long-name". */
static bool s_is_variable(const char *variable, const char *name)
{
    for (; *name; name++, variable++) {
        int want = *name == '-' ? '_' : toupper((unsigned char)*name);
        if (*variable != want)
            return false;
    }
    return *variable == '=';
}

static void s_read_variable(struct conf *self, const char *variable)
{
    static const char prefix[] = "RINGWAY_";
    if (strncmp(variable, prefix, strlen(prefix)) != 0)
        return;
    const char *name = variable + strlen(prefix);
    const char *text = strchr(name, '=');
    if (!text++ || !*text)
        return; // empty is not set
    if (s_is_variable(name, "config")) {
        if (!self->file)
            self->file = mem_strdup(text);
        return;
    }
    for (size_t at = 0; at < self->size; at++) {
        if (s_is_variable(name, self->values[at].setting->name)) {
            conf_store_set_joined(&self->values[at], text, FROM_ENVIRONMENT);
            return;
        }
    }
    conf_store_warn("warning: %.*s is not a setting; ignored", (int)(text - 1 - variable),
                    variable);
}

static char *s_read_file(const char *path)
{
    struct bytes bytes;
    char part[4096];
    bytes_init(&bytes, CONF_FILE_MAX);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        conf_store_die("config: %s: %s", path, strerror(errno));
    ssize_t got;
    while ((got = read(file, part, sizeof part)) > 0) {
        if (memchr(part, 0, (size_t)got))
            conf_store_die("config: %s: not a text file", path);
        if (bytes_append(&bytes, part, (size_t)got) < 0)
            conf_store_die("config: %s: larger than 4MiB", path);
    }
    if (got < 0)
        conf_store_die("config: %s: %s", path, strerror(errno));
    (void)close(file);
    char *text = mem_strndup(bytes.size ? (const char *)bytes.data : "", bytes.size);
    bytes_clear(&bytes);
    return text;
}

/* zconfig explains a syntax error on stdout; that line is caught here, and becomes ours.
 */
static zconfig_t *s_parse_file(const char *text, char *why, size_t room)
{
    (void)fflush(stdout);
    int output = dup(STDOUT_FILENO);
    int caught = memfd_create("conf", MFD_CLOEXEC);
    if (caught >= 0)
        (void)dup2(caught, STDOUT_FILENO);
    zconfig_t *root = zconfig_str_load(text);
    (void)fflush(stdout);
    if (output >= 0) {
        (void)dup2(output, STDOUT_FILENO);
        (void)close(output);
    }
    ssize_t size = caught >= 0 ? pread(caught, why, room - 1, 0) : 0;
    why[size > 0 ? size : 0] = 0;
    if (caught >= 0)
        (void)close(caught);
    return root;
}

/* "(3) invalid syntax" of zconfig's line, which starts with the time. */
static void s_refuse_syntax(const char *path, char *why)
{
    static const char mark[] = "(zconfig): ";
    char *reason = strstr(why, mark);
    reason = reason ? reason + strlen(mark) : why;
    reason[strcspn(reason, "\n")] = 0;
    char *end = NULL;
    long line = reason[0] == '(' ? strtol(reason + 1, &end, 10) : 0;
    if (line > 0 && end[0] == ')')
        conf_store_die("config: %s: line %ld: %s", path, line,
                       end + 1 + strspn(end + 1, " "));
    conf_store_die("config: %s: %s", path, reason[0] ? reason : "cannot be read");
}

static void s_read_section(struct conf *self, const char *group, zconfig_t *node)
{
    if (*zconfig_value(node))
        conf_store_die("config: %s: \"%s/%s\" is a section; it has no value of its own",
                       self->file, group, zconfig_name(node));
    struct conf_section section = {.group = group,
                                   .name = mem_strdup(zconfig_name(node))};
    for (zconfig_t *key = zconfig_child(node); key; key = zconfig_next(key)) {
        if (zconfig_child(key))
            conf_store_die("config: %s: \"%s/%s/%s\" cannot have keys below it",
                           self->file, group, section.name, zconfig_name(key));
        size_t room = (section.size + 1) * sizeof(char *);
        section.keys = mem_realloc(section.keys, room);
        section.values = mem_realloc(section.values, room);
        section.keys[section.size] = mem_strdup(zconfig_name(key));
        section.values[section.size++] = mem_strdup(zconfig_value(key));
    }
    self->sections =
        mem_realloc(self->sections, (self->section_count + 1) * sizeof *self->sections);
    self->sections[self->section_count++] = section;
}

static const char *s_group(const char *name)
{
    const char *const *at = s_groups;
    while (*at && strcmp(*at, name) != 0)
        at++;
    return *at;
}

static void s_read_group(struct conf *self, const char *group, zconfig_t *node)
{
    if (*zconfig_value(node))
        conf_store_die("config: %s: \"%s\" is a section; it has no value", self->file,
                       group);
    for (zconfig_t *child = zconfig_child(node); child; child = zconfig_next(child))
        s_read_section(self, group, child);
}

static bool s_was_before(zconfig_t *root, zconfig_t *node)
{
    zconfig_t *at = zconfig_child(root);
    while (at != node && strcmp(zconfig_name(at), zconfig_name(node)) != 0)
        at = zconfig_next(at);
    return at != node;
}

static void s_read_key(struct conf *self, zconfig_t *root, zconfig_t *node)
{
    const char *name = zconfig_name(node);
    const char *group = s_group(name);
    struct conf_value *value = conf_store_find(self, name);
    if (group)
        s_read_group(self, group, node);
    else if (zconfig_child(node) && value)
        conf_store_die("config: %s: \"%s\" is a setting; it has no keys below it",
                       self->file, name);
    else if (zconfig_child(node))
        conf_store_die("config: %s: \"%s\" is not a section; known: %s", self->file, name,
                       s_groups[0]);
    else if (!value)
        conf_store_die("config: %s: \"%s\" is not a setting; see --help", self->file,
                       name);
    else if (value->setting->type != CONF_LIST && s_was_before(root, node))
        conf_store_die("config: %s: \"%s\" is given twice", self->file, name);
    else
        conf_store_set(value, zconfig_value(node), FROM_FILE);
}

static void s_read_config(struct conf *self)
{
    char why[512];
    char *text = s_read_file(self->file);
    zconfig_t *root = s_parse_file(text, why, sizeof why);
    free(text);
    if (!root)
        s_refuse_syntax(self->file, why);
    for (zconfig_t *node = zconfig_child(root); node; node = zconfig_next(node))
        s_read_key(self, root, node);
    zconfig_destroy(&root);
}

static struct option *s_make_options(const struct conf *self)
{
    struct option *options = mem_alloc((FLAG_COUNT + self->size + 1) * sizeof *options);
    memcpy(options, s_flags, sizeof s_flags);
    for (size_t at = 0; at < self->size; at++) {
        const struct conf_setting *setting = self->values[at].setting;
        options[FLAG_COUNT + at] = (struct option){
            .name = setting->name,
            .has_arg = setting->type == CONF_BOOL ? optional_argument : required_argument,
            .val = FLAG_FIRST + (int)at,
        };
    }
    return options;
}

static void s_take_flag(struct conf *self, int flag, const char *word)
{
    if (flag >= FLAG_FIRST)
        conf_store_set(&self->values[flag - FLAG_FIRST], optarg ? optarg : "yes",
                       FROM_FLAG);
    else if (flag == ':')
        conf_store_die("%s: needs a value", word);
    else if (flag == '?')
        conf_store_die("%s: not a setting of this program; see --help", word);
    else if (flag == FLAG_CONFIG) {
        free(self->file);
        self->file = mem_strdup(optarg);
    }
}

/* Returns FLAG_HELP, FLAG_VERSION, FLAG_PRINT or FLAG_CHECK, the last that was given, or
 * 0. */
static int s_read_flags(struct conf *self, int argc, char **argv)
{
    struct option *options = s_make_options(self);
    int asked = 0;
    int flag;
    opterr = 0;
    optind = 0; // glibc: start anew
    while ((flag = getopt_long(argc, argv, "+:h", options, NULL)) != -1) {
        s_take_flag(self, flag, argv[optind > 1 ? optind - 1 : 1]);
        if (flag == FLAG_HELP || (flag >= FLAG_VERSION && flag <= FLAG_CHECK))
            asked = flag;
    }
    free(options);
    if (optind < argc)
        conf_store_die("%s: not a flag; see --help", argv[optind]);
    return asked;
}

static void s_print_and_exit(struct conf *self, int asked)
{
    if (asked == FLAG_HELP)
        conf_print_help(self);
    else if (asked == FLAG_VERSION)
        (void)printf("%s %s\n", conf_store_program, PACKAGE_VERSION);
    else if (asked == FLAG_PRINT)
        conf_print_values(self);
    else
        (void)printf("%s: the configuration is good\n", conf_store_program);
    conf_destroy(&self);
    exit(fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

struct conf *conf_load(const char *program, const struct conf_setting *const *tables,
                       int argc, char **argv)
{
    conf_store_program = program;
    struct conf *self = mem_new(struct conf);
    for (; *tables; tables++)
        conf_store_add(self, *tables);
    int asked = s_read_flags(self, argc, argv);
    if (asked == FLAG_HELP || asked == FLAG_VERSION)
        s_print_and_exit(self, asked);
    for (char **variable = environ; *variable; variable++)
        s_read_variable(self, *variable);
    if (self->file)
        s_read_config(self);
    for (size_t at = 0; at < self->size; at++)
        if (self->values[at].setting->initial)
            conf_store_set_joined(&self->values[at], self->values[at].setting->initial,
                                  FROM_TABLE);
    if (s_check)
        s_check(self);
    if (asked)
        s_print_and_exit(self, asked);
    return self;
}
