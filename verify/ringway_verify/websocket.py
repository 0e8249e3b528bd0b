"""The client's end of RFC 6455, as much as a checker needs.  Pure but for random masks."""

import base64
import os
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def handshake(host, target):
    """The request of section 4.1, as bytes."""
    key = base64.b64encode(os.urandom(16)).decode("ascii")
    return (
        "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n" % (target, host, key)
    ).encode("ascii")


def frame(opcode, payload):
    """A whole frame, masked as section 5.3 asks."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65536:
        head = struct.pack(">BBH", 0x80 | opcode, 0xFE, size)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, 0xFF, size)
    mask = os.urandom(4)
    stream = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
    return head + mask + masked.to_bytes(size, "big")


def close_frame(code):
    return frame(CLOSE, struct.pack(">H", code))


class Frames:
    """Bytes in, whole messages and control frames out: feed() gives (opcode, payload)."""

    def __init__(self):
        self._buffer = bytearray()
        self._opcode = None
        self._parts = []

    def feed(self, data):
        self._buffer += data
        out = []
        while True:
            one = self._next()
            if one is None:
                return out
            out += self._whole(*one)

    def _next(self):
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, at = buffer[1] & 127, 2
        if size >= 126:
            at = 4 if size == 126 else 10
            if len(buffer) < at:
                return None
            size = int.from_bytes(buffer[2:at], "big")
        if len(buffer) < at + size:
            return None
        first, payload = buffer[0], bytes(buffer[at:at + size])
        del buffer[:at + size]
        return first, payload

    def _whole(self, first, payload):
        opcode = first & 15
        if opcode >= 8:
            return [(opcode, payload)]
        if opcode:
            self._opcode = opcode
        self._parts.append(payload)
        if not first & 0x80:
            return []
        parts, self._parts = self._parts, []
        return [(self._opcode, b"".join(parts))]


def close_code(payload):
    """Status of a Close frame; 1005 if it has none (section 7.4.1)."""
    return struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005
