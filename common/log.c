#include "common/log.h"

#include "common/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LOG_LINE = 4096, // bytes of a line; more is cut
    LOG_TEXT = 2048, // bytes of the key=value pairs; JSON needs up to six for one of them
    LOG_EVENTS = 64, // event names watched for repetition at one time
    LOG_PER_SECOND = 10, // lines of one event in a second
    LOG_WINDOW_MS = 1000,
};

struct repeat {
    int64_t start_ms; // of the window
    uint64_t held;    // not printed in this window
    enum log_level level;
    unsigned printed;
    char event[48];
};

struct line {
    char text[LOG_LINE];
    size_t size;
};

static const char *const s_level_name[] = {[LOG_ERROR] = "error",
                                           [LOG_WARN] = "warn",
                                           [LOG_INFO] = "info",
                                           [LOG_DEBUG] = "debug"};

static atomic_int s_level = LOG_INFO;
static pthread_mutex_t s_lock = PTHREAD_MUTEX_INITIALIZER; // guards everything below
static bool s_json;
static char s_program[64] = "ringway";
static struct repeat s_repeat[LOG_EVENTS];

void log_set(enum log_level level, bool json, const char *program)
{
    atomic_store_explicit(&s_level, (int)level, memory_order_relaxed);
    pthread_mutex_lock(&s_lock);
    s_json = json;
    (void)snprintf(s_program, sizeof s_program, "%s", program);
    pthread_mutex_unlock(&s_lock);
}

static void s_put(struct line *line, const char *text, size_t size)
{
    size_t room = sizeof line->text - 1 - line->size; // one byte stays for LF
    if (size > room)
        size = room;
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

static void s_puts(struct line *line, const char *text)
{
    s_put(line, text, strlen(text));
}

static bool s_is_control(char byte)
{
    return (unsigned char)byte < 0x20 || byte == 0x7F;
}

/* One byte of a JSON text.  A byte over 0x7E is written as the character of that number:
 * a peer's bytes need not be UTF-8, but a line must be. */
static void s_put_json_byte(struct line *line, char byte)
{
    char text[8];
    if (byte == '"' || byte == '\\')
        (void)snprintf(text, sizeof text, "\\%c", byte);
    else if (s_is_control(byte) || (unsigned char)byte > 0x7E)
        (void)snprintf(text, sizeof text, "\\u%04x", (unsigned char)byte);
    else
        (void)snprintf(text, sizeof text, "%c", byte);
    s_puts(line, text);
}

static void s_put_json(struct line *line, const char *text, size_t size)
{
    s_puts(line, "\"");
    for (size_t at = 0; at < size; at++)
        s_put_json_byte(line, text[at]);
    s_puts(line, "\"");
}

static bool s_is_key_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte == '-' || byte == '.';
}

/* Size of the `key` of a `key=` at the front, 0 if there is none. */
static size_t s_key_size(const char *text)
{
    size_t size = 0;
    while (s_is_key_byte(text[size]))
        size++;
    return text[size] == '=' ? size : 0;
}

/* Size of a value: a quoted text with its quotes, or what stands before the next ` key=`.
 */
static size_t s_value_size(const char *text)
{
    size_t size = 0;
    if (text[0] == '"') {
        for (size = 1; text[size] && text[size] != '"'; size++)
            if (text[size] == '\\' && text[size + 1])
                size++;
        return text[size] ? size + 1 : size;
    }
    while (text[size] && !(text[size] == ' ' && s_key_size(text + size + 1)))
        size++;
    return size;
}

static bool s_is_number(const char *text, size_t size)
{
    if (size && text[0] == '-') {
        text++;
        size--;
    }
    if (size == 0 || size > 15 || (size > 1 && text[0] == '0'))
        return false;
    return strspn(text, "0123456789") >= size;
}

/* A quoted value has its escapes already, if log_quote made it; others are mended. */
static void s_put_quoted_value(struct line *line, const char *text, size_t size)
{
    s_puts(line, "\"");
    size_t end = size > 1 && text[size - 1] == '"' ? size - 1 : size;
    for (size_t at = 1; at < end; at++) {
        if (text[at] == '\\' && at + 1 < end && strchr("\"\\nrtu", text[at + 1]))
            s_put(line, text + at++, 2);
        else
            s_put_json_byte(line, text[at]);
    }
    s_puts(line, "\"");
}

static void s_put_value(struct line *line, const char *text, size_t size)
{
    if (text[0] == '"')
        s_put_quoted_value(line, text, size);
    else if (s_is_number(text, size))
        s_put(line, text, size);
    else
        s_put_json(line, text, size);
}

static void s_put_pairs_json(struct line *line, const char *text)
{
    while (*text) {
        /* Six bytes for one, the two quotes, the comma and the closing brace must fit. */
        size_t key = s_key_size(text);
        size_t start = key ? key + 1 : 0;
        size_t value = s_value_size(text + start);
        if ((key + value) * 6 + 16 > sizeof line->text - line->size)
            break;
        s_puts(line, ",");
        s_put_json(line, key ? text : "text", key ? key : 4);
        s_puts(line, ":");
        s_put_value(line, text + start, value);
        text += start + value;
        text += strspn(text, " ");
    }
}

static void s_put_pairs(struct line *line, const char *text)
{
    if (*text)
        s_puts(line, " ");
    for (; *text; text++) {
        s_put(line, s_is_control(*text) ? " " : text, 1);
    }
}

/* RFC 3339 in UTC with milliseconds. */
static void s_put_time(struct line *line)
{
    struct timespec now;
    struct tm parts;
    char text[64];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (!gmtime_r(&now.tv_sec, &parts))
        return;
    size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text + size, sizeof text - size, ".%03ldZ", now.tv_nsec / 1000000);
    s_puts(line, text);
}

static void s_write(struct line *line)
{
    line->text[line->size++] = '\n';
    size_t done = 0;
    while (done < line->size) {
        ssize_t wrote = write(STDERR_FILENO, line->text + done, line->size - done);
        if (wrote < 0 && errno != EINTR)
            return; // nowhere left to complain
        done += wrote > 0 ? (size_t)wrote : 0;
    }
}

static void s_print(enum log_level level, const char *event, const char *text)
{
    struct line line;
    line.size = 0;
    s_puts(&line, s_json ? "{\"time\":\"" : "time=");
    s_put_time(&line);
    s_puts(&line, s_json ? "\",\"level\":\"" : " level=");
    s_puts(&line, s_level_name[level]);
    s_puts(&line, s_json ? "\",\"program\":\"" : " program=");
    s_puts(&line, s_program);
    s_puts(&line, s_json ? "\",\"event\":\"" : " event=");
    s_puts(&line, event);
    if (s_json) {
        s_puts(&line, "\"");
        s_put_pairs_json(&line, text);
        s_puts(&line, "}");
    } else {
        s_put_pairs(&line, text);
    }
    s_write(&line);
}

static void s_sum_up(struct repeat *repeat)
{
    char text[128];
    if (repeat->held == 0)
        return;
    (void)snprintf(text, sizeof text, "of=%.47s count=%llu", repeat->event,
                   (unsigned long long)repeat->held);
    repeat->held = 0;
    s_print(repeat->level, "repeated", text);
}

static void s_sum_up_old(int64_t now_ms)
{
    for (size_t at = 0; at < LOG_EVENTS; at++)
        if (now_ms - s_repeat[at].start_ms >= LOG_WINDOW_MS)
            s_sum_up(&s_repeat[at]);
}

/* The entry of an event; a new one takes the place of the oldest. */
static struct repeat *s_find(const char *event, enum log_level level)
{
    struct repeat *oldest = &s_repeat[0];
    for (size_t at = 0; at < LOG_EVENTS; at++) {
        if (strncmp(s_repeat[at].event, event, sizeof s_repeat[at].event - 1) == 0)
            return &s_repeat[at];
        if (s_repeat[at].start_ms < oldest->start_ms)
            oldest = &s_repeat[at];
    }
    s_sum_up(oldest);
    *oldest = (struct repeat){.start_ms = INT64_MIN / 2, .level = level};
    (void)snprintf(oldest->event, sizeof oldest->event, "%s", event);
    return oldest;
}

/* Is there room for one more line of this event in this second? */
static bool s_may_print(enum log_level level, const char *event)
{
    int64_t now_ms = clock_now_ms();
    s_sum_up_old(now_ms);
    struct repeat *repeat = s_find(event, level);
    if (now_ms - repeat->start_ms >= LOG_WINDOW_MS) {
        repeat->start_ms = now_ms;
        repeat->printed = 0;
    }
    if (repeat->printed == LOG_PER_SECOND) {
        repeat->held++;
        return false;
    }
    repeat->printed++;
    return true;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if ((int)level > atomic_load_explicit(&s_level, memory_order_relaxed))
        return;
    pthread_mutex_lock(&s_lock);
    if (s_may_print(level, event)) {
        char text[LOG_TEXT];
        va_list arguments;
        va_start(arguments, format);
        if (vsnprintf(text, sizeof text, format, arguments) < 0)
            text[0] = 0;
        va_end(arguments);
        s_print(level, event, text);
    }
    pthread_mutex_unlock(&s_lock);
}

void log_flush(void)
{
    pthread_mutex_lock(&s_lock);
    for (size_t at = 0; at < LOG_EVENTS; at++)
        s_sum_up(&s_repeat[at]);
    pthread_mutex_unlock(&s_lock);
}

const char *log_quote(const void *data, unsigned size, char *out, unsigned room)
{
    const char *bytes = data;
    unsigned used = 0;
    out[used++] = '"';
    for (unsigned at = 0; at < size; at++) {
        char text[8];
        char byte = bytes[at];
        if (byte == '"' || byte == '\\')
            (void)snprintf(text, sizeof text, "\\%c", byte);
        else if (s_is_control(byte) || (unsigned char)byte > 0x7E)
            (void)snprintf(text, sizeof text, "\\u%04x", (unsigned char)byte);
        else
            (void)snprintf(text, sizeof text, "%c", byte);
        unsigned length = (unsigned)strlen(text);
        if (used + length + 2 > room)
            break;
        memcpy(out + used, text, length);
        used += length;
    }
    out[used++] = '"';
    out[used] = 0;
    return out;
}
