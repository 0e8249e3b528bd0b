"""What an application gives to send(), made into commands.

    data                 a WebSocket                    an HTTP answer
    text, bytes          one message                    one part; more than one above 256 KiB
    path, file, stream   one message of all its bytes   parts of 256 KiB as they are read
    any other iterable   a message for each item        a part for each item

An HTTP body of known size whose end is the end of the answer (close=True) is announced with
`length=`, so that the client gets a Content-Length.
"""

import collections
import io
import mimetypes
import os
import re

from . import wire
from .result import Result

WANTS = (None, "accepted", "written", "received")
TTL_MAX = 31536000  # seconds
UNDER_WAY_MAX = 4  # parts of one body, 256 KiB each, that are not written yet


class Command:
    """One record that is ready.  The channel's id goes in front of `tokens`."""

    def __init__(self, verb, tokens=(), options=(), payload=None):
        self.verb = verb
        self.tokens = list(tokens)
        self.options = list(options)
        self.payload = payload
        self.result = Result()

    def dispose(self):
        pass


class Body:
    """A body in several SENDs, read as fast as its parts are written.

    parts    iterator of (bytes, is_text)
    size     sum of the parts, or None
    options  of the first SEND
    head     bytes in front of the first part
    close    False, True or a close code
    want     when a part is answered; None: when it is written
    """

    def __init__(self, parts, size, options, head, send):
        self.parts = parts
        self.size = size
        self.options = list(options)
        self.head = head
        self.close = send.close
        self.want = send.want
        self.result = Result()
        self.under_way = 0
        self.sent = 0
        self.ended = False
        self.begun = False

    def dispose(self):
        """Close what is being read."""
        dispose(self.parts)


Send = collections.namedtuple("Send", "close status headers binary format want")


def publication(topic, data, options):
    """The Command of a PUB; options are those of App.publish."""
    known = {"except_", "binary", "history", "ttl", "key", "collapse", "durable"}
    unknown = set(options) - known
    if unknown:
        raise TypeError("publish has no option %s" % sorted(unknown)[0])
    binary = not is_text(data, options.get("binary"))
    for name in ("key", "collapse"):
        text = options.get(name)
        if text is not None and not 1 <= len(wire.escape(text, empty="")) <= wire.LABEL_MAX:
            raise ValueError("%s has 1 to %d bytes" % (name, wire.LABEL_MAX))
    ttl = options.get("ttl")
    if ttl is not None and not (isinstance(ttl, int) and 1 <= ttl <= TTL_MAX):
        raise ValueError("ttl is a number of seconds, 1 to %d" % TTL_MAX)
    except_ = options.get("except_")
    words = [("except", getattr(except_, "id", except_)), ("bin", 1 if binary else None),
             ("hist", None if options.get("history", True) else 0), ("ttl", ttl),
             ("key", options.get("key")), ("collapse", options.get("collapse")),
             ("durable", 1 if options.get("durable") else None)]
    return Command("PUB", [wire.check_topic(topic)], words, bounded(data))


Set = collections.namedtuple("Set", "channels labels topics but but_labels but_topics")


def cast(data, to, close, binary, history=True):
    """The Command for a Set."""
    lines = ["c:" + getattr(channel, "id", channel) for channel in to.channels]
    lines += ["u:" + label_token(label) for label in to.labels]
    lines += ["t:" + topic_token(topic) for topic in to.topics]
    published = len(to.topics) > 0
    lines += ["-c:" + getattr(channel, "id", channel) for channel in to.but]
    lines += ["-u:" + label_token(label) for label in to.but_labels]
    lines += ["-t:" + topic_token(topic) for topic in to.but_topics]
    if not lines:
        raise ValueError("a set names at least one channel, label or topic")
    if published and close:
        raise ValueError("a set with topics closes nothing")
    if any(re.search("[^!-~]", line) for line in lines):
        raise ValueError("the id of a channel is visible ASCII")
    options = close_option(close)
    if published and not history:
        options.append(("hist", 0))
    if not is_text(data, binary):
        options.append(("bin", 1))
    payload = "".join(line + "\n" for line in lines).encode("ascii") + encode(data)
    if len(payload) > wire.PAYLOAD_MAX:
        raise ValueError("a message and its set over %d bytes" % wire.PAYLOAD_MAX)
    return Command("CAST", [len(lines)], options, payload)


def topic_token(topic):
    """A topic of a set as it is written, or ValueError."""
    if "*" in topic:
        raise ValueError("a set names topics, no patterns: %r" % topic)
    return wire.escape(wire.check_topic(topic))


def label_token(label):
    """A label as it is written, or ValueError."""
    token = wire.escape(label, empty="")
    if not 1 <= len(token) <= wire.LABEL_MAX:
        raise ValueError("a label has 1 to %d bytes" % wire.LABEL_MAX)
    return token


def message(data, send):
    """The Command or Body for a WebSocket that is open."""
    options = close_option(send.close) + [("want", send.want)]
    if isinstance(data, os.PathLike) or hasattr(data, "read"):
        data = read_whole(data)
    if is_whole(data):
        data, text = bounded(data), is_text(data, send.binary)
        return Command("SEND", (), ([] if text else [("bin", 1)]) + options, data)
    parts = ((bounded(item), is_text(item, send.binary)) for item in iterate(data))
    return Body(parts, None, (), b"", send)


def answer(data, send, begun, method=""):
    """The Command or Body for an HTTP answer, or for the refusal of a WebSocket."""
    data, parts, size, kind = source(data)
    options, head = [], b""
    if not begun and (send.status or send.headers or (kind and parts)):
        options.append(("status", send.status or 200))
        head = build_head(send.status or 200, send.headers, kind if size != 0 else None)
    if not begun and send.format:
        options.append(("format", send.format))
    if method == "HEAD" and parts and not begun and send.close and size is not None:
        # Nobody reads the body: its size is enough.
        dispose(parts)
        head = head[:-1] + wire.fields({"Content-Length": size}) + b"\n"
        return Command("SEND", (), options + close_option(send.close), head)
    if parts is None:
        options += close_option(send.close) + [("want", send.want)]
        return Command("SEND", (), options, head + data)
    if not begun and send.close and size is not None:
        options.append(("length", size))
    elif size is not None:
        size = None
    return Body(parts, size, options, head, send)


def dispose(parts):
    """Close an iterator that can be closed, and what it reads."""
    close = getattr(parts, "close", None)
    if close:
        close()


def build_head(status, headers, kind):
    """The head of a first SEND.  A body is never left without a type: what a browser would have
    to guess it could guess wrong."""
    lines = wire.fields(headers)
    names = {line.partition(b":")[0].lower() for line in lines.split(b"\n")}
    if b"content-type" not in names and kind and status not in (204, 205, 304):
        lines += wire.fields({"Content-Type": kind, "X-Content-Type-Options": "nosniff"})
    return lines + b"\n"


def close_option(close):
    if not close:
        return []
    return [("close", 1 if close is True else int(close))]


def is_whole(data):
    return isinstance(data, (str, bytes, bytearray, memoryview))


def is_text(data, binary):
    return isinstance(data, str) if binary is None else not binary


def encode(data):
    if isinstance(data, str):
        return data.encode("utf-8")
    if is_whole(data):
        return bytes(data)
    raise TypeError("cannot send a %s" % type(data).__name__)


def bounded(data):
    """The bytes of a WebSocket message."""
    data = encode(data)
    if len(data) > wire.PAYLOAD_MAX:
        raise ValueError("a message over %d bytes" % wire.PAYLOAD_MAX)
    return data


def iterate(data):
    if isinstance(data, dict):
        raise TypeError("cannot send a dict: set on_send, for example to json.dumps")
    try:
        return iter(data)
    except TypeError:
        raise TypeError("cannot send a %s" % type(data).__name__) from None


def source(data):
    """Any data for HTTP as (bytes of one record, None, size, type) or as
    (None, parts, size or None, type)."""
    octets = "application/octet-stream"
    if is_whole(data):
        kind = "text/plain; charset=utf-8" if isinstance(data, str) else octets
        data = encode(data)
        if len(data) <= wire.PART_MAX:
            return data, None, len(data), kind
        return None, cut([data]), len(data), kind
    if isinstance(data, os.PathLike):
        kind, coding = mimetypes.guess_type(os.fspath(data))
        stream = open(data, "rb")
        size = stream_size(stream)
        return None, Reader(stream, True), size, octets if coding else kind or octets
    if hasattr(data, "read"):
        return None, Reader(data, False), stream_size(data), octets
    return None, cut(iterate(data)), None, None


def cut(items):
    """Each item in pieces of at most 256 KiB."""
    for item in items:
        data = encode(item)
        for start in range(0, len(data), wire.PART_MAX):
            yield data[start:start + wire.PART_MAX], True


class Reader:
    """The parts of a stream; close() closes the stream if it is ours."""

    def __init__(self, stream, own):
        self._stream = stream
        self._own = own
        self._pieces = iter(())

    def __iter__(self):
        return self

    def __next__(self):
        piece = next(self._pieces, None)
        if piece is None:
            self._pieces = cut([self._stream.read(wire.PART_MAX) or b""])
            piece = next(self._pieces)
        return piece

    def close(self):
        if self._own:
            self._stream.close()


def read_whole(data):
    if isinstance(data, os.PathLike):
        with open(data, "rb") as stream:
            return stream.read(wire.PAYLOAD_MAX + 1)
    return data.read(wire.PAYLOAD_MAX + 1) or b""


def stream_size(stream):
    """Bytes that a stream still has, or None when it cannot say."""
    if isinstance(stream, io.TextIOBase):
        return None
    try:
        here = stream.tell()
        end = stream.seek(0, os.SEEK_END)
        stream.seek(here)
    except (AttributeError, OSError, ValueError):
        return None
    return max(end - here, 0) if isinstance(end, int) else None
