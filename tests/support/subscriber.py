"""A client of a topic route over one carrier, read step by step.

    reader = subscribe("sse", address, "/rooms/1", cursor)
    reader.take(3)      # ["a", "b", ("gap", "history")]
    reader.cursor       # what the next one shows
    reader.token        # of a session
    reader.close()
"""

import base64
import json
import urllib.parse

from support.http_client import HttpClient
from support.ws_client import WsClient

WAIT_S = 10.0


def target(path, **query):
    """The path with those parts of a query that have a value."""
    text = urllib.parse.urlencode({key: value for key, value in query.items() if value})
    return path + (("&" if "?" in path else "?") + text if text else "")


class Reader:
    """What the carriers share.  gaps: those that came, as objects."""

    def __init__(self, address, path, cursor):
        self.address, self.path, self.cursor = address, path, cursor
        self.token = None
        self.gaps = []
        self._ready = []
        self.begin()

    def take(self, count):
        """The next payloads, texts or bytes; a gap is ("gap", reason)."""
        while len(self._ready) < count:
            self.read()
        taken, self._ready = self._ready[:count], self._ready[count:]
        return taken

    def waiting(self):
        """How many have come that were not taken."""
        return len(self._ready)

    def take_until(self, last):
        """Everything up to this payload."""
        taken = self.take(1)
        while taken[-1] != last:
            taken += self.take(1)
        return taken

    def _object(self, value):
        """One object of the JSON form; the first one of a session has its token."""
        self.token = value.get("session", self.token)
        if "gap" in value:
            gap = value["gap"]
            self.gaps.append(gap)
            self._ready.append(("gap", gap["reason"]))
            if gap["reason"] in ("restart", "reset"):
                self.cursor = gap["to"]
            return
        self.cursor = value.get("cursor", self.cursor)
        if "base64" in value:
            self._ready.append(base64.b64decode(value["base64"]))
        elif "data" in value:
            self._ready.append(value["data"])

    def close(self):
        """Goes away without a word."""
        if self.client:
            self.client.close()


class WebSocketReader(Reader):
    def begin(self):
        where = target(self.path, cursor=self.cursor)
        self.client = WsClient.connect(
            self.address, where, protocols=["ringway.1"], timeout=WAIT_S
        )
        self._object(json.loads(self.client.read_text()))

    def read(self):
        self._object(json.loads(self.client.read_text()))


class StreamReader(Reader):
    """Lines of JSON."""

    def begin(self):
        self.client = HttpClient(self.address, timeout=WAIT_S)
        where = target(self.path, carrier="stream", format="json", cursor=self.cursor)
        self.client.request("GET", where)
        head = self.client.read_head()
        assert head.status == 200 and head.get("ringway-format") == "json", head.headers
        self._text = b""
        self.read()

    def read(self):
        self._text += self.client.read_chunk()
        *lines, self._text = self._text.split(b"\n")
        for line in lines:
            self._object(json.loads(line))


class EventReader(Reader):
    """Server-Sent Events, with Last-Event-ID."""

    query = {}

    def begin(self):
        self.client = HttpClient(self.address, timeout=WAIT_S)
        shown = [("Last-Event-ID", self.cursor)] if self.cursor else []
        headers = [("Accept", "text/event-stream"), *shown]
        self.client.request("GET", target(self.path, **self.query), headers)
        head = self.client.read_head()
        assert head.status == 200, head.status
        self._text = b""
        self.read()

    def read(self):
        self._text += self.client.read_chunk()
        *events, self._text = self._text.split(b"\n\n")
        for event in events:
            self._event(event.decode())

    def _event(self, text):
        name, data, cursor = None, [], None
        for line in text.split("\n"):
            key, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if key == "event":
                name = value
            elif key == "id":
                cursor = value
            elif key == "data":
                data.append(value)
        self._take(name, "\n".join(data) if data else None, cursor)

    def _take(self, name, data, cursor):
        if name in ("gap", "session"):
            self._object(json.loads(data))
        elif name == "binary":
            self._ready.append(base64.b64decode(data))
        elif data is not None:
            self._ready.append(data)
        self.cursor = cursor if cursor is not None else self.cursor


class JsonEventReader(EventReader):
    """The same with ?format=json."""

    query = {"format": "json"}

    def _take(self, name, data, cursor):
        assert name is None, name
        self._object(json.loads(data))


class PollReader(Reader):
    """Long polls, one after another; `address` may be a list, which is taken in turn."""

    def begin(self):
        self.client = None
        self._turn = 0
        if self.cursor is None:
            self.read("0")

    def read(self, wait="10"):
        addresses = self.address if isinstance(self.address, list) else [self.address]
        address = addresses[self._turn % len(addresses)]
        self._turn += 1
        self.client = HttpClient(address, timeout=WAIT_S + float(wait))
        answer = self.client.get(target(self.path, cursor=self.cursor, wait=wait))
        assert answer.status == 200, answer
        answer = json.loads(answer.body)
        self.token = answer.get("session", self.token)
        for value in answer["messages"]:
            self._object(value)
        self.cursor = answer["cursor"]
        if self.client:
            self.client.close()


READERS = {
    "ws": WebSocketReader,
    "sse": EventReader,
    "sse-json": JsonEventReader,
    "stream": StreamReader,
    "poll": PollReader,
}


def subscribe(carrier, address, path, cursor=None):
    """Joins; returns when the client knows where it begins."""
    return READERS[carrier](address, path, cursor)
