"""One HTTP/1.1 answer after the other, as far as it has come.  Pure."""


class Answer:
    """feed() takes bytes and gives the pieces of the body that were whole.

    status  of the answer, 0 until its head is here
    done    the body is complete
    rest    what came after the end of this answer
    """

    def __init__(self):
        self.status = 0
        self.done = False
        self.rest = b""
        self._buffer = b""
        self._left = None  # bytes of a body of known size
        self._chunked = False

    def feed(self, data):
        self._buffer += data
        if not self.status and not self._take_head():
            return []
        pieces = self._chunks() if self._chunked else self._sized()
        if self.done:
            self.rest, self._buffer = self._buffer, b""
        return pieces

    def _take_head(self):
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ", 2)[1])
        fields = dict(line.lower().split(":", 1) for line in lines if ":" in line)
        self._chunked = "chunked" in fields.get("transfer-encoding", "")
        if not self._chunked and self.status != 101:
            size = fields.get("content-length", "").strip()
            self._left = int(size) if size else None
        self._buffer = rest
        return True

    def _sized(self):
        if self.status == 101:
            self.done = True
            return []
        if self._left is None:
            piece, self._buffer = self._buffer, b""
            return [piece] if piece else []
        if len(self._buffer) < self._left:
            return []
        piece, self._buffer = self._buffer[:self._left], self._buffer[self._left:]
        self.done = True
        return [piece]

    def _chunks(self):
        pieces = []
        while not self.done:
            line, found, rest = self._buffer.partition(b"\r\n")
            size = int(line.split(b";")[0], 16) if found else 0
            if not found or len(rest) < size + 2:
                break
            self._buffer = rest[size + 2:]
            if size:
                pieces.append(rest[:size])
            else:
                self.done = True
        return pieces
