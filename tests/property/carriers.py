"""One connection of a subscriber over one carrier, as an iterator of what came.

Each yields ("ready", cursor), ("gap", dict) or ("message", cursor, topic or None, text), and ends
when the connection does.  close() may be called from another thread.
"""

import contextlib
import json
import socket
import urllib.parse

from support.http_client import Closed, HttpClient
from support.ws_client import CLOSE, PING, PONG, Refused, WsClient

QUIET_S = 20.0  # a carrier says something more often than that, or is dead


class Ended(Exception):
    """The connection has ended, or could not be made."""


def _target(path, **query):
    """The path with those parts of a query that have a value."""
    text = urllib.parse.urlencode({key: value for key, value in query.items() if value})
    return path + ("?" + text if text else "")


def _frame_of(value):
    """An item of one JSON object of the WebSocket's form."""
    if "gap" in value:
        return ("gap", value["gap"])
    if "topic" in value:
        return ("message", value["cursor"], value["topic"], value["data"])
    return ("ready", value["cursor"])


class Connection:
    """What all carriers share; `_read` is each one's own."""

    def __init__(self, address, path, cursor):
        self.address, self.path, self.cursor = address, path, cursor
        self._client = None

    def items(self):
        """Iterates; Ended at the end."""
        try:
            yield from self._read()
        except (Closed, Refused, OSError, AssertionError) as error:
            raise Ended(str(error)) from None

    def close(self):
        """Ends it as a client does that is gone: without a word."""
        with contextlib.suppress(OSError, AttributeError):
            self._client.sock.shutdown(socket.SHUT_RDWR)


class WebSocket(Connection):
    """Subprotocol ringway.1."""

    def _read(self):
        self._client = WsClient(self.address, timeout=QUIET_S)
        self._client.handshake(_target(self.path, cursor=self.cursor), protocols=["ringway.1"])
        while True:
            frame = self._client.read_frame()
            if frame.opcode == PING:
                self._client.frame(PONG, frame.payload)
            elif frame.opcode == CLOSE:
                raise Ended(f"close {frame.code}")
            elif frame.opcode < 8:
                yield _frame_of(json.loads(frame.payload))


class Events(Connection):
    """Server-Sent Events, with Last-Event-ID."""

    def _read(self):
        self._client = HttpClient(self.address, timeout=QUIET_S)
        headers = [("Accept", "text/event-stream")]
        if self.cursor:
            headers.append(("Last-Event-ID", self.cursor))
        self._client.request("GET", self.path, headers)
        head = self._client.read_head()
        if head.status != 200:
            raise Ended(f"status {head.status}")
        text = b""
        while chunk := self._client.read_chunk():
            text += chunk
            *events, text = text.split(b"\n\n")
            for event in events:
                yield from self._item(event.decode())

    @staticmethod
    def _item(event):
        fields = [line.partition(":")[::2] for line in event.split("\n") if line]
        name, cursor, data = None, None, []
        for key, value in fields:
            value = value[1:] if value.startswith(" ") else value
            if key == "event":
                name = value
            elif key == "id":
                cursor = value
            elif key == "data":
                data.append(value)
        if name == "gap":
            yield ("gap", json.loads("\n".join(data))["gap"])
        elif data:
            yield ("message", cursor, None, "\n".join(data))
        if cursor is not None and (name == "gap" or not data):
            yield ("ready", cursor)


class Poll(Connection):
    """Long polls, one after another, on connections of their own."""

    def _read(self):
        while True:
            self._client = HttpClient(self.address, timeout=QUIET_S)
            self._client.request("GET", _target(self.path, cursor=self.cursor, wait="2"))
            head = self._client.read_head()
            body = self._client.read_body(head)
            self._client.close()
            if head.status != 200:
                raise Ended(f"status {head.status}")
            yield from self._answer(json.loads(body))

    def _answer(self, answer):
        for message in answer["messages"]:
            yield _frame_of(message)
        self.cursor = answer["cursor"]
        yield ("ready", self.cursor)


class Lines(Connection):
    """A chunked stream of JSON lines."""

    def _read(self):
        self._client = HttpClient(self.address, timeout=QUIET_S)
        target = _target(self.path, cursor=self.cursor, carrier="stream", format="json")
        self._client.request("GET", target)
        head = self._client.read_head()
        if head.status != 200:
            raise Ended(f"status {head.status}")
        text = b""
        while chunk := self._client.read_chunk():
            text += chunk
            *lines, text = text.split(b"\n")
            for line in lines:
                yield _frame_of(json.loads(line))


CARRIERS = {"ws": WebSocket, "sse": Events, "lines": Lines, "poll": Poll}
