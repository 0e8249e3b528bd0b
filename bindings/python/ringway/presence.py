"""Who is in a topic, as the broker tells it."""

from __future__ import annotations

import json
import logging
from typing import Any, Callable

from . import wire

log = logging.getLogger("ringway")

AGAIN = 20.0  # seconds: the broker forgets a WATCH that is not said again
RETRY = 2.0  # seconds until a WATCH without PRESENT is said again: the broker has just started


class Presence:
    """Who is in a topic, kept up to date until close().

    topic    its name
    members  {channel id: label or None}
    ready    False until the broker has said it for the first time

    on_enter(presence, id, label) is called for each who comes, those included who are there at
    first, and when a label has changed; on_exit(presence, id, label) for each who goes.  Both are
    called on the application's thread.
    """

    def __init__(self, topic: str, on_enter: Callable[..., Any] | None,
                 on_exit: Callable[..., Any] | None, close: Callable[[], None]) -> None:
        self.topic = wire.check_topic(topic)
        self.members: dict[str, str | None] = {}
        self.ready = False
        self._on_enter = on_enter
        self._on_exit = on_exit
        self._close = close

    def close(self) -> None:
        """Watch no more.  From any thread."""
        self._close()

    # What follows is for the binding itself: each returns the calls that are due.

    def entered(self, id, label):
        if id in self.members and self.members[id] == label:
            return []
        self.members[id] = label
        return [(self._on_enter, id, label)]

    def left(self, id):
        if id not in self.members:
            return []
        return [(self._on_exit, id, self.members.pop(id))]

    def shown(self, members):
        """A whole list takes the place of what was known."""
        self.ready = True
        calls = []
        for id in [id for id in self.members if id not in members]:
            calls += self.left(id)
        for id, label in members.items():
            calls += self.entered(id, label)
        return calls


class Watches:
    """The topics that an application watches.  A WATCH belongs to a connection: after each new
    one it is said anew, and the list that comes then is compared with what was known."""

    def __init__(self, send, guard):
        self._send = send
        self._guard = guard
        self._watches = {}  # topic as token -> Presence
        self._due = {}  # topic as token -> when WATCH is said

    def add(self, presence, now):
        token = wire.escape(presence.topic)
        if token in self._watches:
            raise ValueError("the topic %s is watched already" % presence.topic)
        self._watches[token] = presence
        self._due[token] = now

    def remove(self, presence):
        """True when it was watched."""
        token = wire.escape(presence.topic)
        if self._watches.get(token) is not presence:
            return False
        del self._watches[token], self._due[token]
        return True

    def reconnected(self, now):
        for token in self._due:
            self._due[token] = now

    def tick(self, now):
        for token, due in self._due.items():
            if due <= now and self._send(wire.build("WATCH", [self._watches[token].topic])):
                self._due[token] = now + RETRY

    def take(self, record, now):
        """ENTER, EXIT or PRESENT."""
        presence = self._watches.get(record.token(0))
        if presence is None:
            return
        self._due[record.token(0)] = max(self._due[record.token(0)], now + AGAIN)
        try:
            calls = _RECORDS[record.verb](presence, record)
        except (ValueError, KeyError, TypeError):
            log.exception("a record of presence cannot be read")
            return
        for function, id, label in calls:
            if function:
                self._guard(function, presence, id, label)


def _label(token):
    return wire.unescape(token) if token else None


def _enter(presence, record):
    return presence.entered(record.token(2), _label((record.payload or b"").decode("ascii")))


def _exit(presence, record):
    return presence.left(record.token(2))


def _present(presence, record):
    listed = json.loads(record.payload or b"")["present"]
    return presence.shown({one["id"]: _label(one["label"]) for one in listed})


_RECORDS = {"ENTER": _enter, "EXIT": _exit, "PRESENT": _present}
