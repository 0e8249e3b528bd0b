/* bench_support: what the benchmarks in C share: the line, the clock, processes. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Prints one comparable line: name, value, unit. */
void bench_line(const char *name, double value, const char *unit);
/* The same with a limit; one that is broken is remembered. */
void bench_limit(const char *name, double value, const char *unit, double most);
/* The exit status of the program: 1 when a limit was broken, which is said. */
int bench_finish(void);
/* Of an odd number of values, which are sorted. */
double bench_median(double *values, size_t count);
/* What else runs on this machine: a line that says how far the others can be trusted. */
void bench_load(void);

/* Nanoseconds of CLOCK_MONOTONIC: the same clock for all processes. */
int64_t bench_now_ns(void);

/* Seconds of CPU of the calling thread. */
double bench_thread_seconds(void);
/* Seconds of CPU of all threads of a process, to the nanosecond. */
double bench_process_seconds(pid_t pid);

/* Resident memory of a process. */
size_t bench_process_bytes(pid_t pid);

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
/* SIGKILL; returns when it is gone. */
void bench_kill(struct bench_daemon *self);
/* A metric without labels, from the operations port; ends this program when there is
 * none. */
double bench_metric(const struct bench_daemon *self, const char *name);
/* Ends this program with a message and the text of errno. */
void bench_die(const char *what) __attribute__((noreturn));
