"""Commands that are not answered yet: numbered, kept in order, repeated until answered."""

import collections
import os

COMMANDS_MAX = 100000
BYTES_MAX = 64 * 1024 * 1024
RETRY_MAX = 60.0  # seconds between two tries, at most


class Pending:
    __slots__ = ("id", "frame", "result", "wait", "due")

    def __init__(self, id, frame, result, wait):
        self.id = id
        self.frame = frame
        self.result = result
        self.wait = wait  # seconds until the next try
        self.due = None  # when; None: not sent yet


class Commands:
    """Every command goes out in the order in which it was given, the repeated ones too, so that
    what a channel is sent stays in order across a broken connection.

    Pure but for the random number of the ids; `send(frame)` is given and returns False when
    the frame cannot leave now.
    """

    def __init__(self, send, retry):
        self._send = send
        self._retry = retry
        self._prefix = os.urandom(8).hex()
        self._count = 0
        self._waiting = collections.OrderedDict()
        self._unsent = collections.deque()
        self._bytes = 0

    def __len__(self):
        return len(self._waiting)

    def next_id(self):
        self._count += 1
        return "%s.%d" % (self._prefix, self._count)

    def is_full(self):
        return len(self._waiting) >= COMMANDS_MAX or self._bytes >= BYTES_MAX

    def add(self, id, frame, result, now):
        pending = Pending(id, frame, result, self._retry)
        self._waiting[id] = pending
        self._bytes += len(frame)
        self._unsent.append(pending)
        self.flush(now)

    def flush(self, now):
        """Send what was not sent, as far as it goes."""
        while self._unsent:
            pending = self._unsent[0]
            if pending.id in self._waiting:
                if not self._send(pending.frame):
                    return
                pending.due = now + pending.wait
            self._unsent.popleft()

    def answered(self, id):
        """The Result that waits for this answer, or None when it came before."""
        pending = self._waiting.pop(id, None)
        if pending is None:
            return None
        self._bytes -= len(pending.frame)
        return pending.result

    def reconnected(self, now):
        """The broker may never have got what it did not answer: all of it again, in order."""
        self._unsent = collections.deque(self._waiting.values())
        self.flush(now)

    def tick(self, now):
        """Repeat what waits for too long, with the same id and a longer wait each time."""
        if self._unsent:
            self.flush(now)
            return
        for pending in self._waiting.values():
            if pending.due is not None and pending.due <= now:
                pending.wait = min(pending.wait * 2, RETRY_MAX)
                self._unsent.append(pending)
        self.flush(now)

    def abandon(self):
        """Nobody will answer any more.  Returns the Results."""
        results = [pending.result for pending in self._waiting.values()]
        self._waiting.clear()
        self._unsent.clear()
        self._bytes = 0
        return results
