#include "tests/bench/bench_support.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READY_MS = 15000, ARGUMENTS_MAX = 32, PATH_ROOM = 512 };

void bench_die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

void bench_line(const char *name, double value, const char *unit)
{
    printf("%-46s %12.3f %s\n", name, value, unit);
    (void)fflush(stdout);
}

void bench_goal(const char *name, double ratio, double most)
{
    printf("%-46s %12.3f %-18s  goal <= %.1f  %s\n", name, ratio, "", most,
           ratio <= most ? "ok" : "missed");
    (void)fflush(stdout);
}

/* ---- CPU ---- */

double bench_thread_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double bench_process_seconds(pid_t pid)
{
    clockid_t clock;
    struct timespec now;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &now) != 0)
        bench_die("CPU clock of a process");
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- daemons ---- */

/* Settings that are ours must not become the daemon's. */
static void s_forget_settings(void)
{
    static const char prefix[] = "RINGWAY_";
    for (char **at = environ; *at;) {
        char name[PATH_ROOM];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*at, "="), *at);
        bool ours = strncmp(name, prefix, sizeof prefix - 1) == 0;
        if (!ours || unsetenv(name) != 0)
            at++;
    }
}

static void s_run(const char *name, const char *const *arguments, int out)
{
    const char *words[ARGUMENTS_MAX + 2] = {name};
    const char *folder = getenv("RINGWAY_BIN");
    char path[PATH_ROOM];
    for (int at = 0; at < ARGUMENTS_MAX && arguments[at]; at++)
        words[at + 1] = arguments[at];
    snprintf(path, sizeof path, "%s/%s", folder ? folder : ".", name);
    s_forget_settings();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)dup2(out, STDOUT_FILENO);
    (void)execv(path, (char *const *)words);
    bench_die(path);
}

/* Reads the first line, which has to come in time. */
static void s_await_line(struct bench_daemon *self, int in)
{
    size_t used = 0;
    while (used + 1 < sizeof self->ready) {
        struct pollfd item = {.fd = in, .events = POLLIN};
        if (poll(&item, 1, READY_MS) <= 0 || read(in, self->ready + used, 1) != 1)
            break;
        if (self->ready[used++] == '\n')
            return;
    }
    fprintf(stderr, "a daemon does not get ready\n");
    bench_stop(self);
    exit(EXIT_FAILURE);
}

void bench_start(struct bench_daemon *self, const char *name,
                 const char *const *arguments)
{
    int ends[2];
    memset(self, 0, sizeof *self);
    if (pipe(ends) != 0)
        bench_die("pipe");
    (void)fflush(stdout);
    self->pid = fork();
    if (self->pid < 0)
        bench_die("fork");
    if (self->pid == 0) {
        close(ends[0]);
        s_run(name, arguments, ends[1]);
    }
    close(ends[1]);
    s_await_line(self, ends[0]);
    close(ends[0]);
}

void bench_ready_value(const struct bench_daemon *self, const char *key, char *out,
                       size_t room)
{
    char word[64];
    snprintf(word, sizeof word, " %s=", key);
    const char *start = strstr(self->ready, word);
    start = start ? start + strlen(word) : "";
    snprintf(out, room, "%.*s", (int)strcspn(start, " \n"), start);
}

void bench_stop(struct bench_daemon *self)
{
    if (self->pid <= 0)
        return;
    (void)kill(self->pid, SIGTERM);
    (void)waitpid(self->pid, NULL, 0);
    self->pid = 0;
}
