/* ringwayctl: what an operator does by hand.  Today: keys. */
#include "ctl/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

static const char s_help[] =
    "ringwayctl keys broker [--dir DIR]\n"
    "    The broker's own pair: broker.secret stays with it, broker.key is for "
    "everybody\n"
    "    who connects.\n"
    "ringwayctl keys edge NAME [--name EDGE]... [--topic TOPIC]... [--dir DIR]\n"
    "    A pair for a gateway, which may have these names on the bus; without --name: "
    "NAME.\n"
    "ringwayctl keys app NAME [--service SERVICE]... [--topic TOPIC]... [--dir DIR]\n"
    "    A pair for an application, which may join these services and command their\n"
    "    channels, and publish to these topics.\n"
    "\n"
    "Writes edges/NAME.key or apps/NAME.key, which the broker reads (its setting keys "
    "is\n"
    "DIR), and NAME.secret beside it, which goes to the gateway or application.  DIR is\n"
    "the current folder without --dir.  EDGE and SERVICE may end in `*`: all that begin\n"
    "so.  TOPIC may end in `/*`: one level, or `/**`: all below; `*` is every topic.\n"
    "Nothing is ever overwritten.  docs/security.md tells the rest.\n";

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(s_help, stdout);
        return EXIT_SUCCESS;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("ringwayctl %s\n", PACKAGE_VERSION);
        return EXIT_SUCCESS;
    }
    if (argc >= 2 && strcmp(argv[1], "keys") == 0)
        return keys_run(argc - 1, argv + 1);
    fputs("ringwayctl: say what: keys, --help or --version\n", stderr);
    return 2;
}
