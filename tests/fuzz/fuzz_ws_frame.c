#include "gateway/ws_frame.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A header is never longer than the input nor than the RFC's most, and what was written
 * as a final, unmasked frame is read back as it was. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ws_frame frame;
    struct ws_frame again;
    uint8_t out[WS_HEADER_MAX];
    int header = ws_frame_read(data, size, &frame);
    if (header <= 0)
        return 0;
    if (header > WS_HEADER_MAX || (size_t)header > size)
        abort();
    if (!frame.fin || frame.rsv != 0)
        return 0;
    int written = ws_frame_write(frame.opcode, frame.length, out);
    if (ws_frame_read(out, (size_t)written, &again) != written ||
        again.length != frame.length || again.opcode != frame.opcode || again.masked)
        abort();
    return 0;
}
