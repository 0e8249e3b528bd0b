"""A raw RFC 6455 client: it makes its own frames, so that any violation can be sent."""

import base64
import hashlib
import os
import struct

from support.http_client import HttpClient, Response

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def accept_value(key):
    """Sec-WebSocket-Accept for a key."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def mask_bytes(data, mask):
    """XOR with the repeated 4-byte mask."""
    if not data:
        return b""
    whole = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "little") ^ int.from_bytes(whole, "little")).to_bytes(
        len(data), "little"
    )


def make_frame(opcode, payload=b"", fin=True, rsv=0, mask=True, length=None, form=None):
    """The bytes of a frame.

    mask    True for a random one, 4 bytes for this one, False for none
    length  what the header says, if not the payload's size
    form    7, 16 or 64: the form of the length, if not the shortest
    """
    if isinstance(payload, str):
        payload = payload.encode()
    size = len(payload) if length is None else length
    if form is None:
        form = 7 if size < 126 else 16 if size < 65536 else 64
    bit = 0x80 if mask is not False else 0
    head = bytes([(0x80 if fin else 0) | (rsv << 4) | opcode])
    if form == 7:
        head += bytes([bit | size])
    elif form == 16:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if mask is False:
        return head + payload
    key = os.urandom(4) if mask is True else mask
    return head + key + mask_bytes(payload, key)


class Frame:
    """A frame as it was read."""

    def __init__(self, first, masked, payload):
        self.fin = bool(first & 0x80)
        self.rsv = (first >> 4) & 7
        self.opcode = first & 15
        self.masked = masked
        self.payload = payload

    @property
    def code(self):
        """Status of a Close frame; 1005 if it has none."""
        return struct.unpack(">H", self.payload[:2])[0] if self.payload else 1005

    @property
    def reason(self):
        return self.payload[2:]

    def __repr__(self):
        return f"<frame fin={self.fin} opcode={self.opcode} {len(self.payload)} B {self.payload[:40]!r}>"


class Refused(Exception):
    """The handshake was answered with something other than 101; `response` is the answer."""

    def __init__(self, response):
        super().__init__(str(response))
        self.response = response


class WsClient(HttpClient):
    """A WebSocket on a raw connection."""

    head = None

    @classmethod
    def connect(cls, address, target="/", headers=(), protocols=None, **options):
        """Connects and does the handshake; Refused with the response when it is not a 101."""
        client = cls(address, **options)
        client.handshake(target, headers, protocols)
        return client

    # HttpClient.connect is an instance method; here `connect` is the way in, so open it by name.
    def __init__(self, address, timeout=10.0, receive_buffer=None):
        super().__init__(address, timeout, receive_buffer, connect=False)
        HttpClient.connect(self)

    def handshake_bytes(self, target="/", headers=(), protocols=None, key=None, without=()):
        """A correct handshake; `headers` replace those of the same name, `without` drops some."""
        key = key or base64.b64encode(os.urandom(16)).decode()
        self.key = key
        base = [
            ("Host", self.host),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", key),
        ]
        if protocols:
            base.append(("Sec-WebSocket-Protocol", ", ".join(protocols)))
        names = {name.lower() for name, _ in headers} | {name.lower() for name in without}
        lines = [(name, value) for name, value in base if name.lower() not in names]
        lines += list(headers)
        text = f"GET {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in lines) + "\r\n"
        return text.encode("latin-1")

    def handshake(self, target="/", headers=(), protocols=None):
        """Sends the handshake and reads the answer."""
        self.send(self.handshake_bytes(target, headers, protocols))
        return self.finish_handshake()

    def finish_handshake(self):
        """Reads the answer to a handshake that was sent."""
        head = self.read_head()
        if head.status != 101:
            raise Refused(Response(head, self.read_body(head)))
        assert head.get("sec-websocket-accept") == accept_value(self.key), head.headers
        self.head = head
        return head

    # Frames

    def frame(self, opcode, payload=b"", **options):
        """Sends one frame, see make_frame."""
        self.send(make_frame(opcode, payload, **options))

    def text(self, payload, **options):
        self.frame(TEXT, payload, **options)

    def binary(self, payload, **options):
        self.frame(BINARY, payload, **options)

    def ping(self, payload=b"", **options):
        self.frame(PING, payload, **options)

    def send_close(self, code=1000, reason=b""):
        """A Close frame; code None for one without a payload."""
        if isinstance(reason, str):
            reason = reason.encode()
        self.frame(CLOSE, b"" if code is None else struct.pack(">H", code) + reason)

    def read_frame(self):
        """The next frame, whatever it is.  A gateway never masks and never sets RSV bits."""
        first, second = self.read_exact(2)
        size = second & 127
        if size == 126:
            size = struct.unpack(">H", self.read_exact(2))[0]
            assert size > 125, "length is not in its shortest form"
        elif size == 127:
            size = struct.unpack(">Q", self.read_exact(8))[0]
            assert size > 65535, "length is not in its shortest form"
        assert not second & 128, "the gateway masked a frame"
        frame = Frame(first, False, self.read_exact(size))
        assert frame.rsv == 0, "the gateway set an RSV bit"
        return frame

    def read_message(self, pong=True):
        """The next whole message as (opcode, bytes); pings on the way are answered."""
        opcode, parts = None, []
        while True:
            frame = self.read_frame()
            if frame.opcode == PING and pong:
                self.frame(PONG, frame.payload)
                continue
            if frame.opcode == PONG:
                continue
            assert frame.opcode < 8, f"expected a message, got {frame!r} {frame.payload!r}"
            opcode = frame.opcode if opcode is None else opcode
            parts.append(frame.payload)
            if frame.fin:
                return opcode, b"".join(parts)

    def read_text(self):
        """The next message, which must be a text."""
        opcode, data = self.read_message()
        assert opcode == TEXT, f"expected a text, got opcode {opcode}"
        return data.decode()

    def read_close(self):
        """The next frame, which must be a Close."""
        frame = self.read_frame()
        assert frame.opcode == CLOSE, f"expected a Close, got {frame!r}"
        return frame

    def expect_failure(self, code):
        """Close with this code and then the end of the connection, as section 7.1.7 has it."""
        frame = self.read_frame()
        while frame.opcode in (PING, PONG):
            frame = self.read_frame()
        assert frame.opcode == CLOSE, f"expected Close {code}, got {frame!r}"
        assert frame.code == code, f"expected Close {code}, got {frame.code} {frame.reason!r}"
        self.expect_end()
        return frame

    def close_cleanly(self, code=1000, reason=b""):
        """Our Close, their Close, the end of the connection."""
        self.send_close(code, reason)
        frame = self.read_frame()
        while frame.opcode != CLOSE:
            frame = self.read_frame()
        self.expect_end()
        return frame


__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "Frame",
    "PING",
    "PONG",
    "Refused",
    "TEXT",
    "WsClient",
    "accept_value",
    "make_frame",
]
