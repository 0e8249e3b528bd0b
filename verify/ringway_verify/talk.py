"""One conversation of a client: a WebSocket, a stream, or a held request.

Each writes what it knows and nothing else: `try` before its request leaves, `opened` when the
gateway has said yes, `refused` when it has not, `sent` and `got` for each message, `end` once.

    end who=client    we ended it; clean=1 when the gateway's Close came back
    end who=gateway   the gateway ended it and said so: Close, last chunk, whole answer
    end who=cut       the connection broke without a word
"""

import asyncio

from . import naming, websocket
from .http_answer import Answer

OPEN_TIMEOUT = 30.0  # seconds for the connection and the gateway's yes
CLOSE_TIMEOUT = 40.0  # seconds for the gateway's Close, longer than any ack timeout


class Talk(asyncio.Protocol):
    """What the three have in common.

    fleet   told of: opened(talk), received(talk), ended(talk)
    state   "opening", "open", "closing", "ended"
    """

    def __init__(self, fleet, key, address):
        self.fleet, self.key, self.address = fleet, key, address
        self.log = fleet.log
        self.state = "opening"
        self.transport = None
        self.count = 0  # messages that came
        self.target = fleet.path + key
        self.host = "%s:%d" % address
        self._answer = Answer()
        self._timer = asyncio.get_running_loop().call_later(OPEN_TIMEOUT, self._late)
        self.log.write("try", key=key, gateway=self.host, carrier=self.carrier,
                       body=0 if self.carrier == "ws" else fleet.body)

    async def connect(self):
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(loop.create_connection(lambda: self, *self.address),
                                   OPEN_TIMEOUT)
        except (OSError, asyncio.TimeoutError) as error:
            self.refuse(error=type(error).__name__)

    def connection_made(self, transport):
        self.transport = transport
        if self.state == "ended":
            transport.abort()
            return
        transport.set_write_buffer_limits(0)
        self.request()

    def connection_lost(self, error):
        if self.state == "opening":
            self.refuse(error="cut")
        else:
            self.end("cut", 1006, False)

    def request(self):
        """A GET, or a POST with a body."""
        size = self.fleet.body
        words = ("POST" if size else "GET", self.target, self.host)
        head = "%s %s HTTP/1.1\r\nHost: %s\r\n" % words
        head += "Content-Length: %d\r\n\r\n" % size if size else "\r\n"
        self.transport.write(head.encode("ascii") + naming.body_part(0, size))

    def opened(self):
        self.state = "open"
        self._timer.cancel()
        self.log.write("opened", key=self.key, gateway=self.host, status=self._answer.status)
        self.fleet.opened(self)

    def refuse(self, **why):
        if self.state != "ended":
            self.log.write("refused", key=self.key, gateway=self.host, **why)
            self.fleet.refused(self, "%s" % next(iter(why.values())))
            self.finish()

    def take(self, text):
        """A message that came."""
        down = naming.parse_down(text)
        self.count += 1
        if down is None:
            self.log.write("odd", key=self.key, why="payload", text=text[:80])
            return
        if down.key != self.key:
            self.log.write("odd", key=self.key, why="message of another channel", text=text[:80])
            return
        self.log.write("got", **{"key": self.key, "n": down.n, "from": down.by, "m": down.m})
        self.noticed(down)
        self.fleet.received(self)

    def noticed(self, down):
        pass

    def end(self, who, code, clean, **more):
        if self.state != "ended":
            self.log.write("end", key=self.key, who=who, code=code, clean=int(clean), **more)
            self.finish()

    def finish(self):
        self.state = "ended"
        self._timer.cancel()
        if self.transport:
            self.transport.abort() if self.transport.get_write_buffer_size() else \
                self.transport.close()
        self.fleet.ended(self)

    def _late(self):
        self.refuse(error="timeout")


class WebSocketTalk(Talk):
    """Sends numbered messages, and gets each back."""

    carrier = "ws"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.sent = self.flushed = 0
        self.owed = set()  # n that have not come back
        self._waited = 0
        self._full = False
        self._frames = websocket.Frames()

    def request(self):
        self.transport.write(websocket.handshake(self.host, self.target))

    def can_send(self):
        return self.state == "open" and not self._full

    def send_next(self):
        self.sent += 1
        self.owed.add(self.sent)
        self.log.write("sent", key=self.key, n=self.sent)
        text = naming.make_up(self.key, self.sent, self.fleet.size)
        self.transport.write(websocket.frame(websocket.TEXT, text.encode("ascii")))
        if not self._full:
            self.flushed = self.sent

    def pause_writing(self):
        """The kernel does not take it all: what is sent from here on may never leave."""
        self._full = True
        self.flushed = max(0, self.sent - 1)

    def resume_writing(self):
        self._full = False
        self.flushed = self.sent

    def close(self, waited):
        """waited: everything that could come back had its time to."""
        if self.state == "open":
            self.state = "closing"
            self._waited = int(waited)
            self.transport.write(websocket.close_frame(1000))
            self._timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._stuck)

    def _stuck(self):
        self._over("client", 1006, False)

    def _over(self, who, code, clean):
        self.end(who, code, clean, flushed=self.flushed, waited=self._waited)

    def data_received(self, data):
        if self.state == "opening":
            self._answer.feed(data)
            if not self._answer.status:
                return
            if self._answer.status != 101:
                self.refuse(status=self._answer.status)
                return
            self.opened()
            data = self._answer.rest
        for opcode, payload in self._frames.feed(data):
            self._event(opcode, payload)

    def _event(self, opcode, payload):
        if self.state == "ended":
            return
        if opcode == websocket.PING:
            self.transport.write(websocket.frame(websocket.PONG, payload))
        elif opcode == websocket.CLOSE:
            self._closed(websocket.close_code(payload))
        elif opcode in (websocket.TEXT, websocket.BINARY):
            self.take(payload.decode("utf-8", "replace"))

    def _closed(self, code):
        if self.state == "closing" and code == 1000:
            self._over("client", code, True)
        else:
            if self.state == "open":
                self.transport.write(websocket.close_frame(code if code != 1005 else 1000))
            self._over("gateway", code, True)

    def noticed(self, down):
        self.owed.discard(down.n)

    def connection_lost(self, error):
        if self.state == "opening":
            self.refuse(error="cut")
        else:
            self._over("cut", 1006, False)


class StreamTalk(Talk):
    """Gets numbered lines until it goes."""

    carrier = "stream"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._text = ""

    def data_received(self, data):
        pieces = self._answer.feed(data)
        if self.state == "opening" and self._answer.status:
            if self._answer.status != 200:
                self.refuse(status=self._answer.status)
                return
            self.opened()
        for piece in pieces:
            *lines, self._text = (self._text + piece.decode("utf-8", "replace")).split("\n")
            for line in lines:
                self.take(line)
        if self._answer.done:
            self.end("gateway", 0, True)

    def close(self, waited):
        if self.state == "open":
            self.end("client", -1, True)


class PollTalk(Talk):
    """One request that is held until the worker answers; the next one uses its connection."""

    carrier = "poll"

    async def connect(self):
        spare = self.fleet.spare.get(self.address)
        while spare:
            transport = spare.pop()
            if not transport.is_closing():
                transport.set_protocol(self)
                self.connection_made(transport)
                return
        await super().connect()

    def data_received(self, data):
        if self.state == "ended":
            return
        pieces = self._answer.feed(data)
        if not self._answer.done:
            return
        if self._answer.status != 200:
            self.refuse(status=self._answer.status)
            return
        self.opened()
        for piece in pieces:
            self.take(piece.decode("utf-8", "replace").rstrip("\n"))
        transport, self.transport = self.transport, None
        transport.set_protocol(asyncio.Protocol())
        self.fleet.spare.setdefault(self.address, []).append(transport)
        self.end("gateway", 200, True)

    def close(self, waited):
        """It is asked for once, and answered once."""

TALKS = {"ws": WebSocketTalk, "stream": StreamTalk, "poll": PollTalk}
