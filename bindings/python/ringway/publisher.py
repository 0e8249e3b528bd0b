"""Sending from anywhere: a script, a web framework, a cron job.  It is no worker of a service and
gets no events."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from typing import Any, Iterable, NamedTuple

import zmq

from . import outgoing, wire
from .app import ENDPOINT
from .connection import dealer
from .errors import Error
from .keys import Keys


class Message(NamedTuple):
    """A publication that is held.

    position  for `since` of history()
    data      str or bytes
    """

    position: str
    data: str | bytes

    @classmethod
    def of(cls, one):
        data = one["data"] if "data" in one else base64.b64decode(one["base64"])
        return cls(one["pos"], data)


class Publisher:
    """Each call waits for its answer, and repeats the command until there is one.  From any
    thread, one call at a time.

        with ringway.Publisher() as publisher:
            publisher.publish("rooms/1", "hello")

    timeout  seconds; after it TimeoutError is raised, and it is not known what became of it
    retry    seconds between two tries; the same command is never carried out twice
    keys     Keys, where the broker has keys
    """

    def __init__(self, endpoint: str = ENDPOINT, timeout: float = 10.0,
                 retry: float = 2.0, keys: Keys | None = None) -> None:
        self._timeout = timeout
        self._retry = retry
        self._lock = threading.Lock()
        self._prefix = os.urandom(8).hex()
        self._count = 0
        self._context = zmq.Context()
        self._socket = dealer(self._context, keys)
        self._socket.connect(endpoint)

    def publish(self, topic: str, data: str | bytes, except_: str | None = None,
                binary: bool | None = None, **options: Any) -> str:
        """To every subscriber of the topic, but the channel with the id `except_`; options as
        for App.publish.  Returns its position."""
        item = outgoing.publication(topic, data,
                                    {"except_": except_, "binary": binary, **options})
        answer = self._ask(item.verb, item.tokens, item.options, item.payload)
        return answer.option("pos", 3, "")

    def history(self, topic: str, since: str | None = None, limit: int = 100) -> list:
        """What the broker holds of the topic, after the position `since`: Message objects, the
        oldest first, at most `limit`."""
        options = [("since", since), ("limit", limit)]
        answer = self._ask("GET", ["history", wire.check_topic(topic)], options, None)
        return [Message.of(one) for one in json.loads(answer.payload or b"{}")["messages"]]

    def send(self, channel: str, data: str | bytes, close: bool | int = False,
             binary: bool | None = None, want: str | None = None) -> bool:
        """One message to the channel with that id.  False when it is closed.  want: when it
        counts as sent, see Channel.send."""
        if want not in outgoing.WANTS:
            raise ValueError("want is accepted, written or received")
        options = outgoing.close_option(close) + [("want", want)]
        if not outgoing.is_text(data, binary):
            options.append(("bin", 1))
        return self._unless_gone("SEND", [channel], options, outgoing.bounded(data))

    def cast(self, data: str | bytes, channels: Iterable[str] = (),
             labels: Iterable[str] = (), but: Iterable[str] = (),
             but_labels: Iterable[str] = (), close: bool | int = False,
             binary: bool | None = None, *, topics: Iterable[str] = (),
             but_topics: Iterable[str] = (), history: bool = True) -> int:
        """One message to a set, see App.cast.  How many channels took it, subscribers of
        topics not counted."""
        to = outgoing.Set(channels, labels, list(topics), but, but_labels, but_topics)
        item = outgoing.cast(data, to, close, binary, history)
        try:
            answer = self._ask(item.verb, item.tokens, item.options, item.payload)
        except Error as error:
            if error.code == "gone":
                return 0
            raise
        return int(answer.option("sent", 3, "0"))

    def label(self, channel: str, name: str | None) -> bool:
        """Give a channel a label, see Channel.label.  False when it is closed."""
        if name is not None:
            outgoing.label_token(name)
        return self._unless_gone("LABEL", [channel, "-" if name is None else name], (), None)

    def close(self, channel: str, code: int | None = None, reason: str = "") -> bool:
        """Close a channel.  False when it was closed."""
        tokens = [channel] if code is None else [channel, code]
        payload = reason.encode("utf-8") if reason else None
        return self._unless_gone("CLOSE", tokens, (), payload)

    def get(self, *what: str) -> Any:
        """What the broker knows: get("stats"), get("info", channel), get("list", service),
        get("presence", topic)."""
        return json.loads(self._ask("GET", what, (), None).payload or b"null")

    def disconnect(self) -> None:
        """Close the socket."""
        with self._lock:
            self._socket.close(0)
            self._context.term()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.disconnect()

    def _unless_gone(self, *command):
        try:
            self._ask(*command)
        except Error as error:
            if error.code == "gone":
                return False
            raise
        return True

    def _ask(self, verb, tokens, options, payload):
        with self._lock:
            self._count += 1
            id = "%s.%d" % (self._prefix, self._count)
            frame = wire.build(verb, tokens, [*options, ("id", id)], payload)
            deadline = time.monotonic() + self._timeout
            while time.monotonic() < deadline:
                self._send(frame, deadline)
                record = self._answer(id, min(deadline, time.monotonic() + self._retry))
                if record is None:
                    continue
                if record.verb == "ERR":
                    reason = (record.payload or b"").decode("utf-8", "replace")
                    raise Error(record.token(3), reason)
                return record
        raise TimeoutError("no answer to %s within %g s" % (verb, self._timeout))

    def _send(self, frame, deadline):
        left = max(int((deadline - time.monotonic()) * 1000), 0)
        if self._socket.poll(left, zmq.POLLOUT):
            self._socket.send(frame, zmq.DONTWAIT)

    def _answer(self, id, deadline):
        """The answer with that id; None when it does not come in time."""
        while True:
            left = int((deadline - time.monotonic()) * 1000)
            if left <= 0 or not self._socket.poll(left):
                return None
            for frame in self._socket.recv_multipart():
                try:
                    record = wire.parse(frame)
                except wire.WireError:
                    continue
                if record.verb in ("OK", "ERR", "INFO") and record.token(2) == id:
                    return record
