#include "bindings/c/rw_private.h"

#include <errno.h>
#include <signal.h>

/* The application that a signal stops, and what the signals did before. */
static struct rw_app *volatile s_app;
static const int s_numbers[] = {SIGTERM, SIGINT};
enum { S_NUMBERS = sizeof s_numbers / sizeof *s_numbers };
static struct sigaction s_before[S_NUMBERS];

/* The first signal is a request, the second one no longer reaches us. */
static void s_caught(int number)
{
    int error = errno;
    struct rw_app *app = s_app;
    (void)number;
    rw_signals_restore();
    if (app)
        rw_app_stop(app);
    errno = error;
}

void rw_signals_catch(struct rw_app *app)
{
    struct sigaction action = {.sa_handler = s_caught, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int at = 0; at < S_NUMBERS; at++)
        sigaddset(&action.sa_mask, s_numbers[at]);
    s_app = app;
    for (int at = 0; at < S_NUMBERS; at++)
        (void)sigaction(s_numbers[at], &action, &s_before[at]);
}

void rw_signals_restore(void)
{
    if (!s_app)
        return;
    s_app = NULL;
    for (int at = 0; at < S_NUMBERS; at++)
        (void)sigaction(s_numbers[at], &s_before[at], NULL);
}
