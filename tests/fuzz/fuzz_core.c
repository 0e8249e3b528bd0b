#include "broker/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input is a script: each byte chooses a line of one of the lists below and who says
 * it, so that random bytes are conversations; some lines have parts of the input in them.
 */

enum { FUZZ_PEERS = 4 };
enum { FUZZ_EDGE, FUZZ_APP, FUZZ_KEYS };

struct script {
    const uint8_t *data;
    size_t size;
    struct core *core;
    int64_t now_ms;
    unsigned failing; // peers whose connection is broken, one bit each
    unsigned full;    // or full
    char tag[3][64];  // newest tags that were seen
    unsigned tags;
    struct authority authority[FUZZ_KEYS]; // that are limited
};

static uint8_t s_byte(struct script *self)
{
    if (!self->size)
        return 0;
    self->size--;
    return *self->data++;
}

static int s_result(const struct script *self, uint64_t peer)
{
    unsigned bit = 1u << (peer % 8);
    if (self->failing & bit)
        return -113;
    return self->full & bit ? -11 : 0;
}

static int s_to_edge(void *context, uint64_t peer, struct blob *record)
{
    struct wire_record read;
    if (wire_read(record->data, record->size, &read) != 0 || read.count < 2)
        abort(); // what we say must be right
    return s_result(context, peer);
}

static int s_to_app(void *context, const struct address *to,
                    const struct wire_header *header, struct wire_text payload)
{
    struct script *self = context;
    struct wire_record read;
    (void)payload;
    if (header->overflow || wire_read(header->text, header->size, &read) != 0 ||
        read.count < 4)
        abort();
    if (read.token[3].size < sizeof self->tag[0]) {
        char *tag = self->tag[self->tags++ % 3];
        memcpy(tag, read.token[3].data, read.token[3].size);
        tag[read.token[3].size] = 0;
    }
    return s_result(self, to->peer);
}

static void s_to_tap(void *context, const char *topic, const struct wire_header *header,
                     struct wire_text payload)
{
    (void)context, (void)payload;
    if (!*topic || header->overflow)
        abort();
}

/* %c: a channel of one of two edges, %i: a session, %n: a small number, %p: a position,
 * %t: a tag, %s: a service, %r: raw bytes. */
static const char *const s_edge_lines[] = {
    "HELLO e1 0123456789abcdef %b %n proto=RW/1",
    "HELLO e2 0123456789abcdef %b %n proto=RW/1",
    "HELLO e1 0123456789abcdef - 0 proto=RW/9",
    "HB e1 0123456789abcdef %n boot=000000000000002a",
    "HB e2 0123456789abcdef %n",
    "OPEN %c 1 %s %n ws=1\n{\"headers\":[[\"cookie\",\"x\"]]}",
    "OPEN %c 1 %s %n\n{}",
    "ADOPT %c %n %s - %n\n{}",
    "ADOPT %c %n %s w%n %n ws=1\n{}",
    "TEXT %c %n\nhello",
    "BIN %c %n try=2\nhello",
    "BODY %c %n end=1\nhello",
    "SLOW %c %n 1000",
    "DRAINED %c %n",
    "CLOSE %c %n 1000 cause=client\n",
    "SYNCED",
    "GONE %c",
    "TSUB t/%n",
    "ENTER t/%n %c\na",
    "EXIT t/%n %c",
    "TSUB t/*",
    "TSUB t/**",
    "TUNSUB t/%n %n",
    "TUNSUB t/* %n",
    "HGET %c - 1",
    "HGET %c %p %n n=%n\nt/%n\nt/%n %p\n",
    "HGET %c %p 1 bytes=%n\nt/* %p\nt/%n\nt/**\n",
    "OK %n sent=%n gone=%n",
    "OK %n",
    "ERR %n gone\nno",
    "BYE",
    "OPEN %c 1 %s %n sid=%i mode=new as=a ws=1\n{\"carrier\":\"ws\"}",
    "OPEN %c 1 %s %n sid=%i mode=join as=a ws=1 cursor=000000000000002a:%n\n{}",
    "OPEN %c 1 %s %n sid=%i mode=post as=a\n{}",
    "OPEN %c 1 %s %n sid=%i mode=%n as=b\n{}",
    "ADOPT %c %n %s w%n %n sid=%i mode=join as=a att=%n ws=1\n{}",
    ("SESS %i %n %s w%n %n 000000000000002a:%n as=a older=1\nt/%n "
     "000000000000002a:%n\n\n{}"),
    "SESS %i %n %s - %n 000000000000002b:%n as=a\n",
    "TEXT %c %n n=%n\nhello",
    "CLOSE %c %n 1000 end=1\n",
    "SEEN %c 000000000000002a:%n",
    "%r",
};

static const char *const s_app_lines[] = {
    "JOIN %s",
    "JOIN %s window=1",
    "JOIN %s window=0 name=w%n",
    "JOIN %s window=2 name=w%n id=%n pressure=1",
    "JOIN %s proto=RW/2",
    "ACK %t",
    "ACK %t",
    "DONE %t %t",
    "NACK %t",
    "LEAVE %s id=%n",
    "SEND %c\nhello",
    "CAST 3 id=%n\nc:%c\nu:a\n-c:%c\nhello",
    "LABEL %c a id=%n",
    "WATCH t/%n",
    "GET presence t/%n id=%n",
    "SEND %c,%c,%c id=%n close=1\nhello",
    "SEND %c id=0123456789abcdef.%n status=200\n\nhello",
    "ACCEPT %c id=%n protocol=p",
    "CLOSE %c 1000 id=%n",
    "CLOSE %c",
    "SUB %c t/%n id=%n",
    "UNSUB %c t/%n",
    "PUB t/%n id=%n except=%c\nhello",
    "PUB t/%n\nhello",
    "PUB t/%n/%n id=%n hist=0\nhello",
    "PUB t/%n id=%n key=k%n ttl=%n collapse=c bin=1\nhello",
    "PUB t/%n id=%n durable=1 key=k%n\nhello",
    "SUB %c t/* since=%p slow=latest",
    "GET history t/%n limit=%n since=%p",
    "GET topics t/",
    "GET stats",
    "GET info %c",
    "GET list %s limit=%n",
    "CHECK %c %c id=%n",
    "JOIN %s sessions=1 window=%n",
    "SEND %i id=0123456789abcdef.%n want=received\nhello",
    "SEND %i,%c,%i id=%n close=1\nhello",
    "SEND %i bin=1\nhello",
    "CLOSE %i 1000 id=%n\nbye",
    "SUB %i t/%n since=000000000000002a:%n",
    "UNSUB %i t/%n",
    "LABEL %i ann",
    "GET session %i",
    "CHECK %i",
    "%r",
};

static size_t s_fill(struct script *self, char what, char *out, size_t room)
{
    unsigned byte = what == 'r' || what == 't' ? 0 : s_byte(self);
    switch (what) {
    case 'c':
        return (size_t)snprintf(out, room, "e%u.0123456789abcdef.%x", 1 + byte % 2,
                                byte / 2 % 8);
    case 'i':
        return (size_t)snprintf(out, room, "session.0123456789abcdef.000000000000000%u",
                                byte % 4);
    case 'n':
        return (size_t)snprintf(out, room, "%u", byte % 16);
    case 's':
        return (size_t)snprintf(out, room, "s%u", byte % 2);
    case 'b':
        return (size_t)snprintf(out, room, "%s", byte % 2 ? "000000000000002a" : "-");
    case 'p':
        return (size_t)snprintf(out, room, "%s:%u",
                                byte % 8 ? "000000000000002a" : "00000000000000ff",
                                byte / 8);
    case 't':
        return (size_t)snprintf(out, room, "%s", self->tag[s_byte(self) % 3]);
    default:
        break;
    }
    size_t size = s_byte(self) % 32u;
    for (size_t at = 0; at < size && at < room; at++)
        out[at] = (char)s_byte(self);
    return size;
}

static size_t s_write(struct script *self, const char *line, char *out, size_t room)
{
    size_t size = 0;
    for (; *line && size + 64 < room; line++) {
        if (*line == '%')
            size += s_fill(self, *++line, out + size, room - size);
        else
            out[size++] = *line;
    }
    return size;
}

static void s_say(struct script *self, const char *line, bool edge)
{
    static const uint8_t envelope[] = {2, 'a', 'b', 0};
    char text[512];
    uint8_t who = s_byte(self);
    struct wire_text frame = {text, s_write(self, line, text, sizeof text)};
    uint64_t peer = 1 + who % FUZZ_PEERS;
    const struct authority *authority =
        who & 0x20 ? &self->authority[edge ? FUZZ_EDGE : FUZZ_APP] : NULL;
    const struct address from = {.peer = peer,
                                 .envelope = envelope,
                                 .envelope_size = who & 0x80 ? sizeof envelope : 0,
                                 .authority = authority};
    if (edge)
        core_from_edge(self->core, &from, frame);
    else if (who & 0x40)
        core_from_plain(self->core, authority, frame);
    else
        core_from_app(self->core, &from, frame);
}

/* The keys may do less or more than before. */
static void s_change_keys(struct script *self)
{
    static const char *const edges[] = {"e1", "e*", "", "e2"};
    static const char *const services[] = {"s0", "s*", "", "s0 s1"};
    static const char *const topics[] = {"t/1", "t/*", "*", "u/**"};
    uint8_t what = s_byte(self);
    if (authority_set_edge(&self->authority[FUZZ_EDGE], "edge", edges[what % 4],
                           topics[what / 16 % 4]) ||
        authority_set_app(&self->authority[FUZZ_APP], "app", services[what / 4 % 4],
                          topics[what / 16 % 4]))
        abort();
    core_authority_changed(self->core);
}

static void s_event(struct script *self)
{
    uint8_t what = s_byte(self);
    switch (what % 16) {
    case 0:
        self->now_ms += INT64_C(100) * s_byte(self);
        core_set_time(self->core, self->now_ms);
        core_tick(self->core);
        break;
    case 1:
        core_turn(self->core);
        break;
    case 2:
        self->failing = s_byte(self) & 0x0F & s_byte(self);
        break;
    case 3:
        self->full = s_byte(self) & 0x0F & s_byte(self);
        break;
    case 4:
        core_set_tap(self->core, what & 0x10);
        break;
    case 5:
        for (int second = 0; second < 40; second++) {
            self->now_ms += 1000;
            core_set_time(self->core, self->now_ms);
            core_tick(self->core);
        }
        break;
    case 6:
        s_change_keys(self);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
        s_say(self, s_edge_lines[s_byte(self) % (sizeof s_edge_lines / sizeof(char *))],
              true);
        break;
    default:
        s_say(self, s_app_lines[s_byte(self) % (sizeof s_app_lines / sizeof(char *))],
              false);
        break;
    }
}

/* Whatever peers say in whatever order, the core neither crashes nor leaks nor says
 * nonsense. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script script = {.data = data, .size = size, .now_ms = 1000};
    const struct core_settings settings = {
        .edge_lease_ms = 5000,
        .worker_lease_ms = 5000,
        .ack_timeout_ms = 30000,
        .ring_records = 8,
        .ring_bytes = 4096,
        .topics = 4,
        .edges = 100,
        .workers = 1000,
        .services = 100,
        .closes = 10000,
        .answers = 1000,
        .history = {.limits = {.count = 3, .age_ms = 5000, .bytes = 1000},
                    .total_bytes = 2000},
        .pending_bytes = 100000,
        .presence_members = 3,
        .presence_total = 4,
        .watches = 3,
        .watch_lease_ms = 60000,
        .cast_lines = 4,
        .cast_channels = 4,
        .sessions = 4,
        .session_grace_ms = 20000,
        .session_ring_age_ms = 10000,
        .session_ring_bytes = 1024,
        .session_rings_bytes = 2048,
        .born_ms = 1,
        .boot = 42};
    const struct output output = {&script, s_to_edge, s_to_app, s_to_tap};
    script.core = core_new(&settings, &output, script.now_ms);
    while (script.size)
        s_event(&script);
    core_turn(script.core);
    (void)core_measure(script.core);
    core_destroy(&script.core);
    for (size_t at = 0; at < FUZZ_KEYS; at++)
        authority_clear(&script.authority[at]);
    return 0;
}
