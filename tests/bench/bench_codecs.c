/* bench_codecs: what the pure codecs cost, on one thread, without a socket.
 *
 * Each measurement is repeated and the fastest round counts: CPU time of the thread, so
 * that other programs on the machine disturb little.  The plain loops beside two of them
 * (a copy, a search for one byte) say how fast this machine touches the same bytes. */
#include "common/mem.h"
#include "common/wire.h"
#include "gateway/http_request.h"
#include "gateway/utf8.h"
#include "gateway/ws_frame.h"
#include "gateway/ws_message.h"
#include "tests/bench/bench_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 7, MESSAGE = 1024, BATCH = 64, TEXT = 1024 * 1024, CLIENT_HEADER = 8 };

/* What the compiler may not leave out. */
static volatile size_t s_sink;

/* Seconds of one call, the fastest of some rounds; each round lasts long enough to be
 * measured. */
static double s_fastest(void (*call)(void *context), void *context, int calls)
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double start = bench_thread_seconds();
        for (int at = 0; at < calls; at++)
            call(context);
        double each = (bench_thread_seconds() - start) / calls;
        best = each < best ? each : best;
    }
    return best;
}

/* ---- WebSocket ---- */

static void s_read_headers(void *context)
{
    /* The three forms of the length, masked, as a client sends them. */
    static const uint8_t headers[3][WS_HEADER_MAX] = {
        {0x81, 0xA0, 1, 2, 3, 4},
        {0x82, 0xFE, 4, 0, 1, 2, 3, 4},
        {0x81, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4},
    };
    static const size_t sizes[3] = {6, 8, 14};
    struct ws_frame frame;
    (void)context;
    for (int at = 0; at < 3; at++)
        s_sink += (size_t)ws_frame_read(headers[at], sizes[at], &frame);
}

static void s_write_headers(void *context)
{
    uint8_t out[WS_HEADER_MAX];
    (void)context;
    s_sink += (size_t)ws_frame_write(WS_TEXT, 100, out);
    s_sink += (size_t)ws_frame_write(WS_TEXT, 1000, out);
    s_sink += (size_t)ws_frame_write(WS_BINARY, 100000, out);
}

/* One read's worth of whole messages from a client, masked with zeroes: unmasking in
 * place leaves them as they are, so that the same bytes can be read again. */
struct s_stream {
    struct ws_message *reader;
    uint8_t data[BATCH * (CLIENT_HEADER + MESSAGE)];
};

static struct s_stream *s_stream_new(void)
{
    static const uint8_t header[CLIENT_HEADER] = {0x81, 0xFE, MESSAGE >> 8,
                                                  MESSAGE & 255};
    struct s_stream *self = mem_new(struct s_stream);
    self->reader = ws_message_new(sizeof self->data);
    for (size_t at = 0; at < BATCH; at++) {
        uint8_t *frame = self->data + at * (CLIENT_HEADER + MESSAGE);
        memcpy(frame, header, sizeof header);
        memset(frame + CLIENT_HEADER, 'x', MESSAGE);
    }
    return self;
}

static void s_read_messages(void *context)
{
    struct s_stream *self = context;
    struct ws_event event;
    for (size_t at = 0; at < sizeof self->data;) {
        at += ws_message_read(self->reader, self->data + at, sizeof self->data - at,
                              &event);
        s_sink += event.size;
    }
}

static void s_measure_websocket(void)
{
    struct s_stream *stream = s_stream_new();
    bench_line("ws_frame_read", s_fastest(s_read_headers, NULL, 1000000) / 3 * 1e9, "ns");
    bench_line("ws_frame_write", s_fastest(s_write_headers, NULL, 1000000) / 3 * 1e9,
               "ns");
    double each = s_fastest(s_read_messages, stream, 500);
    bench_line("ws_message_read, texts of 1 KiB", BATCH * MESSAGE / each / 1e6, "MB/s");
    bench_line("ws_message_read, one text of 1 KiB", each / BATCH * 1e9, "ns");
    ws_message_destroy(&stream->reader);
    free(stream);
}

/* ---- UTF-8 ---- */

static void s_check_text(void *context)
{
    s_sink += utf8_is_valid(context, TEXT);
}

static void s_search_text(void *context)
{
    s_sink += memchr(context, 0xFF, TEXT) == NULL;
}

static void s_measure_utf8(void)
{
    static const char mixed[] = "Gr\xC3\xBC\xC3\x9F"
                                "e, \xE6\xB1\x89\xE5\xAD\x97 \xF0\x9F\x98\x80 ";
    uint8_t *text = mem_alloc(TEXT);
    memset(text, 'x', TEXT);
    double ascii = TEXT / s_fastest(s_check_text, text, 100) / 1e9;
    double search = TEXT / s_fastest(s_search_text, text, 100) / 1e9;
    bench_line("memchr, for comparison", search, "GB/s");
    bench_line("utf8, ASCII", ascii, "GB/s");
    bench_line("utf8, ASCII: ratio to memchr", ascii / search, "");
    memset(text, ' ', TEXT);
    for (size_t at = 0; at + sizeof mixed <= TEXT; at += sizeof mixed - 1)
        memcpy(text + at, mixed, sizeof mixed - 1);
    bench_line("utf8, mixed scripts", TEXT / s_fastest(s_check_text, text, 20) / 1e9,
               "GB/s");
    free(text);
}

/* ---- records ---- */

static void s_read_record(void *context)
{
    static struct wire_record record;
    const char *text = context;
    if (wire_read(text, strlen(text), &record) < 0)
        abort();
    s_sink += record.count;
}

static void s_build_record(void *context)
{
    static struct wire_header header;
    wire_begin(&header, "TEXT");
    wire_add(&header, context);
    wire_add_u64(&header, 12345);
    wire_add(&header, "4f2a.77");
    s_sink += header.size;
}

static void s_measure_records(void)
{
    static char one[] = "TEXT gw1.6c8e1f02a3b4c5d6.1f40 12345 4f2a.77\nhello";
    static char channel[] = "gw1.6c8e1f02a3b4c5d6.1f40";
    static char many[WIRE_HEADER_MAX];
    size_t used = (size_t)snprintf(many, sizeof many, "SEND 4711 %s", channel);
    for (int at = 1; at < WIRE_CHANNELS_MAX; at++)
        used += (size_t)snprintf(many + used, sizeof many - used, ",%s", channel);
    snprintf(many + used, sizeof many - used, "\nhello");
    bench_line("wire_read, an event", s_fastest(s_read_record, one, 1000000) * 1e9, "ns");
    bench_line("wire_read, a SEND to 128", s_fastest(s_read_record, many, 20000) * 1e9,
               "ns");
    bench_line("wire, an event built", s_fastest(s_build_record, channel, 1000000) * 1e9,
               "ns");
}

/* ---- requests ---- */

static void s_check_request(void *context)
{
    struct http_body body;
    const char *why;
    if (http_request_check(context, &body, &why) != 0)
        abort();
    s_sink += body.length;
}

static void s_measure_requests(void)
{
    /* What a browser sends with a WebSocket. */
    static const struct http_header headers[] = {
        {"Host", "chat.example.org"},
        {"User-Agent",
         "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
        {"Accept", "*/*"},
        {"Accept-Language", "en-US,en;q=0.5"},
        {"Accept-Encoding", "gzip, deflate, br, zstd"},
        {"Sec-WebSocket-Version", "13"},
        {"Origin", "https://chat.example.org"},
        {"Sec-WebSocket-Extensions", "permessage-deflate"},
        {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
        {"Connection", "keep-alive, Upgrade"},
        {"Cookie", "session=0123456789abcdef0123456789abcdef; theme=dark"},
        {"Upgrade", "websocket"},
    };
    struct http_request request = {.method = "GET",
                                   .target = "/chat/room?name=anna",
                                   .version = "HTTP/1.1",
                                   .headers = headers,
                                   .header_count = sizeof headers / sizeof headers[0]};
    bench_line("http_request_check, 12 lines",
               s_fastest(s_check_request, &request, 200000) * 1e9, "ns");
}

int main(void)
{
    s_measure_websocket();
    s_measure_utf8();
    s_measure_records();
    s_measure_requests();
    return EXIT_SUCCESS;
}
