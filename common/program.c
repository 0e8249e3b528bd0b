#include "common/program.h"

#include "common/log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

const struct conf_setting program_conf_table[] = {
    {.name = "log-level",
     .type = CONF_CHOICE,
     .initial = "info",
     .choices = "error|warn|info|debug",
     .help = "What is logged."},
    {.name = "log-format",
     .type = CONF_CHOICE,
     .initial = "text",
     .choices = "text|json",
     .help = "How it is logged."},
    {.name = NULL},
};

void program_start_log(const struct conf *conf, const char *name)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    enum log_level level = LOG_INFO;
    for (int at = 0; at < 4; at++)
        if (strcmp(names[at], conf_text(conf, "log-level")) == 0)
            level = (enum log_level)at;
    log_set(level, strcmp(conf_text(conf, "log-format"), "json") == 0, name);
}

static struct {
    void (*function)(void *context);
    void *context;
} s_hangup;

static sigset_t s_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    return set;
}

void program_block_signals(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t set = s_signals();
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void program_on_hangup(void (*function)(void *context), void *context)
{
    s_hangup.function = function;
    s_hangup.context = context;
}

/* Is it a signal to stop? */
static bool s_take(int number)
{
    if (number == SIGHUP && s_hangup.function)
        s_hangup.function(s_hangup.context);
    return number > 0 && number != SIGHUP;
}

bool program_wait(int64_t timeout_ms)
{
    sigset_t set = s_signals();
    struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                               .tv_nsec = timeout_ms % 1000 * 1000000};
    if (timeout_ms >= 0)
        return s_take(sigtimedwait(&set, NULL, &timeout));
    int number;
    do // a process that was suspended goes on here with EINTR
        number = sigwaitinfo(&set, NULL);
    while ((number < 0 && errno == EINTR) || (number > 0 && !s_take(number)));
    return number > 0;
}
