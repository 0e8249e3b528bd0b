#include "common/metric.h"

#include "common/mem.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t s_lock =
    PTHREAD_MUTEX_INITIALIZER; // guards the list, not the values
static struct metric *s_first;

void metric_register(struct metric *metric)
{
    pthread_mutex_lock(&s_lock);
    /* After the last of the same name, else at the end. */
    struct metric **place = NULL;
    struct metric **at = &s_first;
    bool known = false;
    for (; *at; at = &(*at)->next) {
        known |= *at == metric;
        if (strcmp((*at)->name, metric->name) == 0)
            place = &(*at)->next;
    }
    if (!known) {
        place = place ? place : at;
        metric->next = *place;
        *place = metric;
    }
    pthread_mutex_unlock(&s_lock);
}

void metric_add(struct metric *metric, int64_t amount)
{
    atomic_fetch_add_explicit(&metric->value, amount, memory_order_relaxed);
}

void metric_set(struct metric *metric, int64_t value)
{
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

int64_t metric_get(const struct metric *metric)
{
    return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

static int s_print_head(struct bytes *out, const char *name, const char *help,
                        const char *type)
{
    return bytes_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static int s_print_metric(struct bytes *out, const struct metric *metric, bool with_head)
{
    int result = 0;
    if (with_head)
        result = s_print_head(out, metric->name, metric->help,
                              metric->kind == METRIC_COUNTER ? "counter" : "gauge");
    if (result < 0)
        return result;
    int64_t value = metric_get(metric);
    if (metric->labels)
        return bytes_printf(out, "%s{%s} %" PRId64 "\n", metric->name, metric->labels,
                            value);
    return bytes_printf(out, "%s %" PRId64 "\n", metric->name, value);
}

static double s_resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = 0;
    if (file) {
        if (fscanf(file, "%*s %ld", &pages) !=
            1) // NOLINT(cert-err34-c): the kernel's number
            pages = 0;
        (void)fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double s_open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    double count = 0;
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL)
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    return count - 1; // opendir's own
}

static double s_most_descriptors(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (double)limit.rlim_cur : 0;
}

static double s_seconds(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) < 0)
        return 0;
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double s_start_time(void)
{
    char line[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (!file)
        return 0;
    size_t size = fread(line, 1, sizeof line - 1, file);
    (void)fclose(file);
    line[size] = 0;
    /* Field 22, in ticks after boot; the name in field 2 may have spaces and parentheses.
     */
    const char *at = strrchr(line, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return 0;
    double started = strtod(at, NULL) / (double)sysconf(_SC_CLK_TCK);
    return s_seconds(CLOCK_REALTIME) - s_seconds(CLOCK_BOOTTIME) + started;
}

static int s_print_process(struct bytes *out)
{
    const struct {
        const char *name, *type, *help;
        double value;
    } lines[] = {
        {"process_resident_memory_bytes", "gauge", "Resident memory.",
         s_resident_bytes()},
        {"process_cpu_seconds_total", "counter", "CPU time of user and system.",
         s_seconds(CLOCK_PROCESS_CPUTIME_ID)},
        {"process_open_fds", "gauge", "Open descriptors.", s_open_descriptors()},
        {"process_max_fds", "gauge", "Most open descriptors.", s_most_descriptors()},
        {"process_start_time_seconds", "gauge", "Start, in seconds since 1970.",
         s_start_time()},
    };
    int result = 0;
    for (size_t at = 0; at < sizeof lines / sizeof lines[0] && result == 0; at++) {
        result = s_print_head(out, lines[at].name, lines[at].help, lines[at].type);
        if (result == 0)
            result = bytes_printf(out, "%s %.15g\n", lines[at].name, lines[at].value);
    }
    return result;
}

int metric_page(struct bytes *out)
{
    int result = 0;
    const char *name = "";
    pthread_mutex_lock(&s_lock);
    for (const struct metric *metric = s_first; metric && result == 0;
         metric = metric->next) {
        result = s_print_metric(out, metric, strcmp(name, metric->name) != 0);
        name = metric->name;
    }
    pthread_mutex_unlock(&s_lock);
    return result < 0 ? result : s_print_process(out);
}
