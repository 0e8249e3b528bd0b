"""A raw HTTP/1.x client: sends exactly the bytes it is given, reads what comes piece by piece."""

import select
import socket
import struct
import time

from support.waiting import scaled


class Closed(Exception):
    """The other end closed the connection before what was awaited had arrived."""


class Head:
    """Status line and header lines of a response."""

    def __init__(self, raw):
        self.raw = raw
        lines = raw.decode("latin-1").split("\r\n")
        self.version, _, rest = lines[0].partition(" ")
        code, _, self.reason = rest.partition(" ")
        self.status = int(code)
        self.headers = []
        for line in lines[1:]:
            if line:
                name, colon, value = line.partition(":")
                assert colon, f"header line without a colon: {line!r}"
                self.headers.append((name.lower(), value.strip()))

    def all(self, name):
        return [value for key, value in self.headers if key == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    def has(self, name):
        return bool(self.all(name))

    def has_token(self, name, token):
        words = ",".join(self.all(name)).split(",")
        return token.lower() in [word.strip().lower() for word in words]


class Response:
    """A whole response."""

    def __init__(self, head, body):
        self.head = head
        self.status = head.status
        self.body = body

    def __repr__(self):
        return f"<{self.status} {self.head.headers} {self.body[:80]!r}>"


class HttpClient:
    """One connection.  Every wait ends with AssertionError after `timeout` seconds."""

    def __init__(self, address, timeout=10.0, receive_buffer=None, connect=True):
        self.address = address
        self.timeout = timeout
        self.buffer = bytearray()
        self.sock = None
        self.host = "localhost"
        self._receive_buffer = receive_buffer
        if connect:
            self.connect()

    def connect(self):
        if isinstance(self.address, str):
            family = socket.AF_UNIX
        else:
            family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
            host = f"[{self.address[0]}]" if ":" in self.address[0] else self.address[0]
            self.host = f"{host}:{self.address[1]}"
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if self._receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        self.sock.settimeout(scaled(self.timeout))
        self.sock.connect(self.address)
        if family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # Sending

    def send(self, data):
        """Exactly these bytes; text is latin-1 and its line ends stay as they are."""
        self.sock.settimeout(scaled(self.timeout))
        self.sock.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def send_slowly(self, data, pause=0.0):
        """Byte by byte, each in a segment of its own."""
        for at in range(len(data)):
            self.send(data[at : at + 1])
            if pause:
                time.sleep(pause)

    def format(self, method="GET", target="/", headers=(), body=None, version="1.1", host=True):
        """The bytes of a request; Host and Content-Length are added where they are needed."""
        lines = [f"{method} {target} HTTP/{version}"]
        names = {name.lower() for name, _ in headers}
        if host and "host" not in names:
            lines.append(f"Host: {self.host}")
        lines += [f"{name}: {value}" for name, value in headers]
        if body is not None and not names & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")

    def request(self, method="GET", target="/", headers=(), body=None, version="1.1", host=True):
        """Sends a well-formed request."""
        self.send(self.format(method, target, headers, body, version, host))
        return self

    def get(self, target="/", headers=(), **options):
        """A request and its response."""
        self.request("GET", target, headers, **options)
        return self.read_response()

    # Receiving

    def fill(self, end=None):
        """Reads what is there, at least one byte; Closed at the end of the connection."""
        end = end or time.monotonic() + scaled(self.timeout)
        left = end - time.monotonic()
        assert left > 0, f"nothing arrived in time; have {bytes(self.buffer[-200:])!r}"
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(262144)
        except TimeoutError:
            raise AssertionError(
                f"nothing arrived in time; have {bytes(self.buffer[-200:])!r}"
            ) from None
        except (ConnectionResetError, BrokenPipeError):
            raise Closed(f"reset; have {bytes(self.buffer[-200:])!r}") from None
        if not data:
            raise Closed(f"end of connection; have {bytes(self.buffer[-200:])!r}")
        self.buffer += data

    def read_until(self, mark):
        """Everything up to and with the mark."""
        end = time.monotonic() + scaled(self.timeout)
        start = 0
        while True:
            at = self.buffer.find(mark, start)
            if at >= 0:
                return self._take(at + len(mark))
            start = max(0, len(self.buffer) - len(mark))
            self.fill(end)

    def read_exact(self, size):
        end = time.monotonic() + scaled(self.timeout)
        while len(self.buffer) < size:
            self.fill(end)
        return self._take(size)

    def _take(self, size):
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def read_head(self):
        """The next response head; a 100 is a head too."""
        return Head(self.read_until(b"\r\n\r\n")[:-4])

    def read_chunk(self):
        """The next chunk of a chunked body, b"" for the last one (its trailers are skipped)."""
        line = self.read_until(b"\r\n")[:-2]
        size = int(line.split(b";")[0], 16)
        if size:
            data = self.read_exact(size)
            assert self.read_exact(2) == b"\r\n", "a chunk does not end in CRLF"
            return data
        while self.read_until(b"\r\n") != b"\r\n":
            pass
        return b""

    def read_chunks(self):
        """All chunks up to the last one."""
        chunks = []
        while chunk := self.read_chunk():
            chunks.append(chunk)
        return chunks

    def read_body(self, head, method="GET"):
        """The body that belongs to a head (RFC 9112 section 6.3)."""
        if method == "HEAD" or head.status in (204, 304) or head.status < 200:
            return b""
        if head.has_token("transfer-encoding", "chunked"):
            return b"".join(self.read_chunks())
        if head.has("content-length"):
            return self.read_exact(int(head.get("content-length")))
        return self.read_to_end()

    def read_response(self, method="GET"):
        """The next final response; a 100 before it is skipped."""
        head = self.read_head()
        while head.status == 100:
            head = self.read_head()
        return Response(head, self.read_body(head, method))

    def read_to_end(self):
        """Everything until the other end closes; a reset counts as the end."""
        end = time.monotonic() + scaled(self.timeout)
        try:
            while True:
                self.fill(end)
        except Closed:
            return self._take(len(self.buffer))

    def expect_end(self, seconds=None):
        """Asserts that the other end closes and sends nothing more before."""
        if seconds:
            self.timeout = seconds
        rest = self.read_to_end()
        assert rest == b"", f"expected the end of the connection, got {rest[:200]!r}"

    def expect_silence(self, seconds=0.2):
        """Asserts that nothing arrives and that the connection stays open for so long."""
        assert not self.buffer, f"expected silence, got {bytes(self.buffer[:200])!r}"
        readable, _, _ = select.select([self.sock], [], [], seconds)
        if readable:
            data = self.sock.recv(200)
            raise AssertionError(f"expected silence, got {data!r}" if data else "closed")

    # Ends

    def half_close(self):
        """FIN: no more from us, but we still read."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        self.sock = None

    def close(self):
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    @property
    def local(self):
        """Our own address, as the gateway names its peer."""
        host, port = self.sock.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
