"""Channels whose fate is in doubt: CHECK asks the broker until it has answered for each.  Pure."""

from . import wire

BATCH = 64  # ids in one CHECK: they fit a header
UNANSWERED = 2.0  # seconds until a question is repeated
PAUSE, PAUSE_MAX = 0.25, 2.0  # seconds after LATER; twice as long each time


class Checks:
    def __init__(self):
        self._due = {}  # id -> (when, pause after the next LATER)

    def ask(self, ids, when):
        """Ask about these, not before `when`."""
        for id in ids:
            self._due[id] = (when, PAUSE)

    def later(self, id, now):
        """The broker cannot say yet."""
        if id in self._due:
            pause = self._due[id][1]
            self._due[id] = (now + pause, min(pause * 2, PAUSE_MAX))

    def answered(self, id):
        """Returns whether there was a question."""
        return self._due.pop(id, None) is not None

    def flush(self, send, now):
        """Ask what is due.  send(frame) returns False when the frame cannot leave now."""
        due = [id for id, (when, _) in self._due.items() if when <= now]
        for start in range(0, len(due), BATCH):
            batch = due[start:start + BATCH]
            if not send(wire.build("CHECK", batch)):
                return
            for id in batch:
                self._due[id] = (now + UNANSWERED, self._due[id][1])
