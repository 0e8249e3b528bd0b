"""Records of RW/1 to bytes and back.  Pure: no socket, clock or log.

docs/protocol/1-bus.md section 3 is the specification, tests/vectors/wire.tsv the examples.
"""

import re

HEADER_MAX = 8192
PAYLOAD_MAX = 4 * 1024 * 1024
PART_MAX = 256 * 1024  # what one record of a longer body carries
TOPIC_MAX = 255  # bytes, escaped
LABEL_MAX = 128  # bytes of a label, with what is escaped
CHANNELS_MAX = 128  # channels in one SEND

_HEADER = re.compile(rb"[A-Z]{1,16}(?: [\x21-\x7e]+)*\Z")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")


class WireError(ValueError):
    """Bytes that are not a record."""


class Record:
    """One record: `verb`, `tokens` (everything after the verb, escaped as on the wire) and
    `payload` (bytes, or None when there is no LF)."""

    __slots__ = ("verb", "tokens", "payload")

    def __init__(self, verb, tokens, payload):
        self.verb = verb
        self.tokens = tokens
        self.payload = payload

    def token(self, at):
        """Token number `at` after the verb, or "-" if the record is shorter."""
        return self.tokens[at] if at < len(self.tokens) else "-"

    def option(self, key, first=0, default=None):
        """The first `key=value` among the tokens from `first` on, unescaped."""
        start = key + "="
        for token in self.tokens[first:]:
            if token.startswith(start):
                return unescape(token[len(start):])
        return default


def parse(frame):
    """A frame as Record; WireError when it breaks the grammar or a limit."""
    header, found, payload = bytes(frame).partition(b"\n")
    if len(header) > HEADER_MAX:
        raise WireError("header over %d bytes" % HEADER_MAX)
    if not _HEADER.match(header):
        raise WireError("header breaks the grammar")
    if len(payload) > PAYLOAD_MAX:
        raise WireError("payload over %d bytes" % PAYLOAD_MAX)
    verb, *tokens = header.decode("ascii").split(" ")
    return Record(verb, tokens, payload if found else None)


def build(verb, tokens=(), options=(), payload=None):
    """A frame from parts that are text; they are escaped here.  Options whose value is None
    are left out."""
    words = [verb]
    words.extend(escape(str(token)) for token in tokens)
    words.extend(
        "%s=%s" % (key, escape(str(value), empty=""))
        for key, value in options
        if value is not None
    )
    header = " ".join(words).encode("ascii")
    if len(header) > HEADER_MAX:
        raise WireError("header over %d bytes" % HEADER_MAX)
    if payload is None:
        return header
    if len(payload) > PAYLOAD_MAX:
        raise WireError("payload over %d bytes" % PAYLOAD_MAX)
    return header + b"\n" + payload


def escape(text, empty="-"):
    """A text as token: what is not visible ASCII, and "%", becomes %XX."""
    if not text:
        return empty
    return "".join(
        chr(byte) if 0x21 <= byte <= 0x7E and byte != 0x25 else "%%%02X" % byte
        for byte in text.encode("utf-8")
    )


def check_topic(topic):
    """The topic as it is, or ValueError."""
    if not topic or len(escape(topic)) > TOPIC_MAX:
        raise ValueError("a topic has 1 to %d bytes" % TOPIC_MAX)
    return topic


def unescape(token):
    """Undo %XX; WireError for a bad escape."""
    if "%" not in token:
        return token
    first, *rest = token.split("%")
    out = bytearray(first.encode("ascii"))
    for piece in rest:
        if not re.match("[0-9A-Fa-f]{2}", piece) or piece[:2] == "00":
            raise WireError("bad escape")
        out.append(int(piece[:2], 16))
        out += piece[2:].encode("ascii")
    return out.decode("utf-8", "surrogateescape")


def fields(headers):
    """Header lines from a dict (values may be lists) or a list of pairs; ValueError for a name
    that is no token and for a value that would break the line."""
    lines = []
    pairs = headers.items() if hasattr(headers, "items") else headers or ()
    for name, values in pairs:
        if not _FIELD_NAME.match(name):
            raise ValueError("not a header name: %r" % (name,))
        for value in values if isinstance(values, (list, tuple)) else (values,):
            if not _FIELD_VALUE.match(str(value)):
                raise ValueError("not a value for the header %s: %r" % (name, value))
            lines.append("%s: %s\n" % (name, value))
    return "".join(lines).encode("latin-1")


def event(data, event=None, id=None, retry=None):
    """One event of a `text/event-stream` as text, for streams that the application formats
    itself.  A line of its own for each line of the data (WHATWG HTML section 9.2.6)."""
    lines = []
    for name, value in (("event", event), ("id", id), ("retry", retry)):
        if value is None:
            continue
        if re.search("[\r\n\0]", str(value)):
            raise ValueError("%s must be one line" % name)
        lines.append("%s: %s" % (name, value))
    for line in re.split("\r\n|\r|\n", data):
        lines.append("data: " + line)
    return "\n".join(lines) + "\n\n"
