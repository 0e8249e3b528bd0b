#include "ctl/keys.h"

#include "broker/authority.h"
#include "common/key_file.h"

#include <czmq.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { EXIT_USAGE = 2, PATH_ROOM = 4096 };

/* What the arguments ask for. */
struct order {
    const char *kind; // "broker", "edge", "app"
    const char *name; // of the file, without its ending
    const char *folder;
    char names[KEY_LIST_MAX + 1], services[KEY_LIST_MAX + 1], topics[KEY_LIST_MAX + 1];
};

__attribute__((format(printf, 2, 3))) static int s_fail(int status, const char *format,
                                                        ...)
{
    va_list arguments;
    fputs("ringwayctl: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return status;
}

/* Another word for a list; false when it is full or is no word. */
static bool s_append(char list[KEY_LIST_MAX + 1], const char *word)
{
    size_t used = strlen(list), size = strlen(word);
    if (size == 0 || strpbrk(word, " \t\r\n\"'") || used + 1 + size > KEY_LIST_MAX)
        return false;
    snprintf(list + used, KEY_LIST_MAX + 1 - used, "%s%s", used ? " " : "", word);
    return true;
}

static bool s_is(const struct order *order, const char *kind)
{
    return strcmp(order->kind, kind) == 0;
}

/* The list that an option adds to; NULL: this kind of key has none. */
static char *s_list(struct order *order, int flag)
{
    if (s_is(order, "edge"))
        return flag == 'n' ? order->names : flag == 't' ? order->topics : NULL;
    if (!s_is(order, "app"))
        return NULL;
    return flag == 's' ? order->services : flag == 't' ? order->topics : NULL;
}

/* One option of the name; 0, or the exit status after a line about what is wrong. */
static int s_option(struct order *order, int flag, const char *name)
{
    char *list = s_list(order, flag);
    if (flag == 'd') {
        order->folder = optarg;
        return 0;
    }
    if (!list)
        return s_fail(EXIT_USAGE, "--%s: no option of keys %s", name, order->kind);
    if (!s_append(list, optarg))
        return s_fail(
            EXIT_USAGE,
            "--%s: \"%s\": a word without blanks and quotes, 4096 bytes of them "
            "in all",
            name, optarg);
    return 0;
}

static int s_options(struct order *order, int argc, char **argv)
{
    static const struct option options[] = {
        {"dir", required_argument, NULL, 'd'},
        {"name", required_argument, NULL, 'n'},
        {"service", required_argument, NULL, 's'},
        {"topic", required_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    int which = 0, status = 0;
    opterr = 0;
    for (int flag; (flag = getopt_long(argc, argv, ":", options, &which)) != -1;) {
        if (flag == ':' || flag == '?')
            return s_fail(EXIT_USAGE, "%s: %s", argv[optind - 1],
                          flag == ':' ? "a value is needed" : "no such option");
        if ((status = s_option(order, flag, options[which].name)))
            return status;
    }
    if (!s_is(order, "broker"))
        order->name = argv[optind++];
    if (optind < argc)
        return s_fail(EXIT_USAGE, "%s: one argument too many", argv[optind]);
    return 0;
}

/* The rules of what a key may do are the broker's own. */
static int s_check(struct order *order)
{
    struct authority authority = {.kind = AUTHORITY_NONE};
    const char *wrong = NULL;
    if (s_is(order, "broker"))
        return 0;
    if (!order->name || !*order->name || strlen(order->name) > AUTHORITY_NAME_MAX ||
        order->name[0] == '.' || strchr(order->name, '/'))
        return s_fail(EXIT_USAGE,
                      "keys %s: a name is needed, of 1 to 64 characters, that "
                      "makes a file name",
                      order->kind);
    if (s_is(order, "edge") && !order->names[0] && !s_append(order->names, order->name))
        return s_fail(EXIT_USAGE, "keys edge: \"%s\" is no name on the bus", order->name);
    if (s_is(order, "app") && !order->services[0] && !order->topics[0])
        return s_fail(EXIT_USAGE, "keys app: say what it may do: --service and --topic; "
                                  "'*' for all");
    wrong =
        s_is(order, "edge")
            ? authority_set_edge(&authority, order->name, order->names, order->topics)
            : authority_set_app(&authority, order->name, order->services, order->topics);
    authority_clear(&authority);
    return wrong ? s_fail(EXIT_USAGE, "%s", wrong) : 0;
}

static bool s_make_folder(const char *path)
{
    return mkdir(path, 0755) == 0 || errno == EEXIST;
}

/* Fills in both paths and makes their folder; an exit status. */
static int s_place(const struct order *order, char public_path[PATH_ROOM],
                   char secret_path[PATH_ROOM])
{
    char folder[PATH_ROOM];
    const char *under = s_is(order, "edge")  ? "/edges"
                        : s_is(order, "app") ? "/apps"
                                             : "";
    snprintf(folder, sizeof folder, "%s%s", order->folder, under);
    if (!s_make_folder(order->folder) || !s_make_folder(folder))
        return s_fail(EXIT_FAILURE, "%s: %s", folder, strerror(errno));
    const char *name = s_is(order, "broker") ? "broker" : order->name;
    int size = snprintf(public_path, PATH_ROOM, "%s/%s.key", folder, name);
    int more = snprintf(secret_path, PATH_ROOM, "%s/%s.secret", folder, name);
    if (size >= PATH_ROOM || more >= PATH_ROOM)
        return s_fail(EXIT_FAILURE, "%s: the path is too long", order->folder);
    const char *there = access(public_path, F_OK) == 0   ? public_path
                        : access(secret_path, F_OK) == 0 ? secret_path
                                                         : NULL;
    if (there)
        return s_fail(EXIT_FAILURE, "%s is there already; a key is never overwritten",
                      there);
    return 0;
}

static void s_describe(zcert_t *cert, const struct order *order)
{
    if (order->names[0])
        zcert_set_meta(cert, "names", "%s", order->names);
    if (order->services[0])
        zcert_set_meta(cert, "services", "%s", order->services);
    if (order->topics[0])
        zcert_set_meta(cert, "topics", "%s", order->topics);
}

static int s_write(const struct order *order)
{
    char public_path[PATH_ROOM], secret_path[PATH_ROOM];
    int status = s_place(order, public_path, secret_path);
    if (status)
        return status;
    zcert_t *cert = zcert_new();
    if (!cert)
        return s_fail(EXIT_FAILURE, "this libzmq has no CURVE");
    s_describe(cert, order);
    /* zcert gives a secret file the mode 0600. */
    const char *failed = zcert_save_secret(cert, secret_path) != 0   ? secret_path
                         : zcert_save_public(cert, public_path) != 0 ? public_path
                                                                     : NULL;
    zcert_destroy(&cert);
    if (failed)
        return s_fail(EXIT_FAILURE, "%s cannot be written", failed);
    printf("%s\n%s\n", public_path, secret_path);
    return EXIT_SUCCESS;
}

int keys_run(int argc, char **argv)
{
    struct order order = {.folder = ".", .kind = argc > 1 ? argv[1] : ""};
    if (!s_is(&order, "broker") && !s_is(&order, "edge") && !s_is(&order, "app"))
        return s_fail(EXIT_USAGE, "keys: say whose: broker, edge NAME or app NAME");
    int status = s_options(&order, argc - 1, argv + 1);
    if (!status)
        status = s_check(&order);
    return status ? status : s_write(&order);
}
