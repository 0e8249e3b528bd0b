"""One connection of a client with a session over one carrier, as an iterator of JSON objects.

The objects are those of a WebSocket, docs/protocol/2-client.md section 7.1, whatever the carrier.
Over at the end of the session, Ended at every other end.  close() and say() may be called from
another thread.
"""

import contextlib
import json
import socket
import urllib.parse

from application import CLOSED
from carriers import QUIET_S, Ended

from support.http_client import Closed, HttpClient
from support.ws_client import CLOSE, PING, PONG, Refused, WsClient

GONE = 4410  # the close code of a session that is not there


class Over(Exception):
    """There is no such session, or it has ended.  `whole`: its application closed it, and what was
    sent before has come."""

    def __init__(self, whole=False):
        super().__init__("the session is over")
        self.whole = whole


def target_of(path, token, **query):
    """Where the session is, with what its client has."""
    shown = {"session": token, **query}
    text = urllib.parse.urlencode({key: value for key, value in shown.items() if value is not None})
    return path + ("?" + text if text else "")


def check_status(status):
    """Raises what the status of a refusal means."""
    if status == 410:
        raise Over()
    if status != 200:
        raise Ended(f"status {status}")


class Carrier:
    """What all share; `_read` is each one's own."""

    first = None  # the number of the first message that a WebSocket says

    def __init__(self, visitor):
        self.visitor = visitor
        self.token, self.session = visitor.token, visitor.session
        self._client = None

    def objects(self):
        """Iterates; Over or Ended at the end."""
        try:
            yield from self._read()
        except (Closed, Refused, OSError, AssertionError) as error:
            raise Ended(str(error)) from None
        finally:
            if self._client:
                self._client.close()

    def close(self, gently=False):
        """Ends it as a client does that is gone.  gently: what was said before still arrives."""
        with contextlib.suppress(OSError, AttributeError):
            self._client.sock.shutdown(socket.SHUT_WR if gently else socket.SHUT_RDWR)

    def _ends(self, told):
        """An object that is the last one."""
        if "ended" in told:
            raise Over(told["ended"]["status"] == CLOSED)
        if "superseded" in told:
            raise Ended("superseded")
        return told


class WebSocket(Carrier):
    """Subprotocol ringway.1."""

    def _read(self):
        visitor = self.visitor
        self.first = visitor.next_number()
        self._client = WsClient(visitor.address(), timeout=QUIET_S)
        where = target_of(visitor.path, self.token, cursor=visitor.cursor, n=self.first)
        head = self._client.handshake(where, protocols=["ringway.1"])
        self.session = visitor.take_token(head, self.token)
        while True:
            frame = self._client.read_frame()
            if frame.opcode == PING:
                self._client.frame(PONG, frame.payload)
            elif frame.opcode == CLOSE:
                self._closed(frame.code)
            elif frame.opcode < 8:
                yield json.loads(frame.payload)

    @staticmethod
    def _closed(code):
        if code in (GONE, CLOSED):
            raise Over(code == CLOSED)
        raise Ended(f"close {code}")

    def say(self, text):
        """One message; Ended when it cannot be said."""
        try:
            self._client.text(text.encode())
        except (OSError, AttributeError) as error:
            raise Ended(str(error)) from None


class Stream(Carrier):
    """What lines and events share."""

    query, accept, mark = {}, [], b"\n"

    def _read(self):
        visitor = self.visitor
        self._client = HttpClient(visitor.address(), timeout=QUIET_S)
        where = target_of(visitor.path, self.token, cursor=visitor.cursor, **self.query)
        self._client.request("GET", where, self.accept)
        head = self._client.read_head()
        check_status(head.status)
        self.session = visitor.take_token(head, self.token)
        text = b""
        while chunk := self._client.read_chunk():
            text += chunk
            *parts, text = text.split(self.mark)
            for part in parts:
                told = self._object(part.decode())
                if told is not None:
                    yield self._ends(told)

    @staticmethod
    def _object(text):
        return json.loads(text)


class Lines(Stream):
    """A chunked stream of JSON lines."""

    query = {"carrier": "stream"}


class JsonEvents(Stream):
    """Server-Sent Events that hold the JSON."""

    query, accept, mark = {"format": "json"}, [("Accept", "text/event-stream")], b"\n\n"

    @staticmethod
    def _object(text):
        data = [line.removeprefix("data:") for line in text.split("\n") if line.startswith("data:")]
        return json.loads("".join(data)) if data else None


class Events(Stream):
    """Server-Sent Events as EventSource reads them."""

    accept, mark = [("Accept", "text/event-stream")], b"\n\n"

    @staticmethod
    def _object(text):
        fields = dict(line.split(":", 1) for line in text.split("\n") if line.partition(":")[0])
        data = fields.get("data", "").removeprefix(" ")
        name = fields.get("event", "").strip()
        if "data" not in fields:
            return None
        if name in ("session", "gap"):
            return json.loads(data)
        if name in ("superseded", "ended"):
            return {name: json.loads(data)}
        return {"cursor": fields["id"].strip(), "data": data}


class Poll(Carrier):
    """Long polls, each on a connection of its own to another gateway."""

    def _read(self):
        visitor = self.visitor
        while True:
            self._client = HttpClient(visitor.address(), timeout=QUIET_S)
            self._client.request("GET", target_of(visitor.path, self.token, cursor=visitor.cursor, wait=2))
            head = self._client.read_head()
            body = self._client.read_body(head)
            self._client.close()
            check_status(head.status)
            answer = json.loads(body)
            self.token = answer["session"]
            self.session = visitor.take_token(head, self.token)
            yield {"session": answer["session"], "up": answer["up"]}
            yield from answer["messages"]
            yield {"cursor": answer["cursor"]}


SESSION_CARRIERS = {
    "ws": WebSocket, "sse": Events, "sse-json": JsonEvents, "lines": Lines, "poll": Poll,
}
