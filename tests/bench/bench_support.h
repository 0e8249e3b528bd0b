/* bench_support: what the benchmarks in C share: the line, the clock, processes. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Prints one comparable line: name, value, unit. */
void bench_line(const char *name, double value, const char *unit);
/* The same for a ratio with a goal, which is printed but decides nothing. */
void bench_goal(const char *name, double ratio, double most);

/* Seconds of CPU of the calling thread. */
double bench_thread_seconds(void);
/* Seconds of CPU of all threads of a process, to the nanosecond. */
double bench_process_seconds(pid_t pid);

/* A daemon that was started and has said its ready line. */
struct bench_daemon {
    pid_t pid;
    char ready[1024];
};

/* Starts `name` of the folder RINGWAY_BIN (default: the current one) with arguments that
 * end with NULL; ends this program when it does not get ready. */
void bench_start(struct bench_daemon *self, const char *name,
                 const char *const *arguments);
/* The value of a word key=value of the ready line. */
void bench_ready_value(const struct bench_daemon *self, const char *key, char *out,
                       size_t room);
void bench_stop(struct bench_daemon *self);
/* Ends this program with a message and the text of errno. */
void bench_die(const char *what) __attribute__((noreturn));
