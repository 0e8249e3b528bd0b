#include "tests/bench/bench_support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static unsigned s_failed; // limits that were broken

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

void bench_limit(const char *name, double value, const char *unit, double most)
{
    bool good = value <= most;
    printf("%-46s %12.3f %-18s  limit <= %g  %s\n", name, value, unit, most,
           good ? "ok" : "FAIL");
    (void)fflush(stdout);
    s_failed += !good;
}

int bench_finish(void)
{
    if (s_failed)
        printf("over the limit: %u\n", s_failed);
    return s_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int s_compare(const void *one, const void *other)
{
    const double *left = one, *right = other;
    return (*left > *right) - (*left < *right);
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, s_compare);
    return values[count / 2];
}

void bench_load(void)
{
    double load[1] = {0};
    (void)getloadavg(load, 1);
    bench_line("load before, of the last minute", load[0], "processes");
}

/* ---- clocks ---- */

int64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

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

size_t bench_process_bytes(pid_t pid)
{
    char path[64], line[256];
    unsigned long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        bench_die(path);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtoul(line + 6, NULL, 10);
    (void)fclose(file);
    return (size_t)kib * 1024;
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

void bench_kill(struct bench_daemon *self)
{
    (void)kill(self->pid, SIGKILL);
    (void)waitpid(self->pid, NULL, 0);
    self->pid = 0;
}

/* ---- metrics ---- */

/* Asks for the page; returns its size. */
static size_t s_fetch(const char *address, char *page, size_t room)
{
    static const char request[] = "GET /metrics HTTP/1.0\r\nHost: a\r\n\r\n";
    char host[64];
    size_t size = 0;
    ssize_t got = 1;
    snprintf(host, sizeof host, "%.*s", (int)strcspn(address, ":"), address);
    struct sockaddr_in to = {.sin_family = AF_INET};
    const char *colon = strchr(address, ':');
    to.sin_port = htons((uint16_t)strtoul(colon ? colon + 1 : "0", NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
        connect(fd, (const struct sockaddr *)&to, sizeof to) != 0 ||
        write(fd, request, sizeof request - 1) < 0)
        bench_die("metrics");
    while (size + 1 < room && got > 0) {
        got = read(fd, page + size, room - size - 1);
        size += got > 0 ? (size_t)got : 0;
    }
    (void)close(fd);
    page[size] = 0;
    return size;
}

double bench_metric(const struct bench_daemon *self, const char *name)
{
    static char page[1 << 16];
    char address[128], start[128];
    bench_ready_value(self, "ops", address, sizeof address);
    snprintf(start, sizeof start, "\n%s ", name);
    if (s_fetch(address, page, sizeof page) == 0)
        bench_die("metrics");
    const char *found = strstr(page, start);
    if (!found) {
        fprintf(stderr, "no metric %s\n", name);
        exit(EXIT_FAILURE);
    }
    return strtod(found + strlen(start), NULL);
}

void bench_stop(struct bench_daemon *self)
{
    if (self->pid <= 0)
        return;
    (void)kill(self->pid, SIGTERM);
    (void)waitpid(self->pid, NULL, 0);
    self->pid = 0;
}
