"""Commands that are not answered yet: numbered, kept in order, repeated until answered."""

import collections
import os

COMMANDS_MAX = 100000
BYTES_MAX = 64 * 1024 * 1024
RETRY_MAX = 60.0  # seconds between two tries, at most
HOLD_MAX = 6.0  # seconds: the broker's edge-lease, after which it answers every command


class Pending:
    __slots__ = ("id", "frame", "result", "wait", "due", "channels")

    def __init__(self, id, frame, result, wait, channels):
        self.id = id
        self.frame = frame
        self.result = result
        self.wait = wait  # seconds until the next try
        self.due = None  # when; None: not sent yet
        self.channels = channels  # ids of those that it is for


class Commands:
    """Every command goes out in the order in which it was given, the repeated ones too, so that
    what a channel is sent stays in order across a broken connection.

    A broker that was started again drops commands for edges that have not come back yet, and takes
    the next ones when they have: what waits for a channel is held until CHECK was answered for it.

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
        self._held = {}  # channel -> what waits for it
        self._held_until = 0.0
        self._is_paused = True
        self._bytes = 0

    def __len__(self):
        return len(self._waiting)

    def next_id(self):
        self._count += 1
        return "%s.%d" % (self._prefix, self._count)

    def is_full(self):
        return len(self._waiting) >= COMMANDS_MAX or self._bytes >= BYTES_MAX

    def add(self, id, frame, result, channels, now):
        pending = Pending(id, frame, result, self._retry, channels)
        self._waiting[id] = pending
        self._bytes += len(frame)
        self._place(pending)
        self._flush(now)

    def answered(self, id):
        """The Result that waits for this answer, or None when it came before."""
        pending = self._waiting.pop(id, None)
        if pending is None:
            return None
        self._bytes -= len(pending.frame)
        return pending.result

    def pause(self):
        """A new connection: nothing goes out until resume()."""
        self._is_paused = True

    def resume(self, now):
        """The broker may never have got what it did not answer: all of it again, in order."""
        if not self._is_paused:
            return
        self._is_paused = False
        self._unsent.clear()
        self._held = {channel: [] for channel in self._held}
        for pending in self._waiting.values():
            pending.due = None
            self._place(pending)
        self._flush(now)

    def hold(self, channels, now):
        """Keep what is for these channels until release()."""
        for channel in channels:
            self._held.setdefault(channel, [])
        self._held_until = now + HOLD_MAX

    def release(self, channel, now):
        for pending in self._held.pop(channel, ()):
            self._place(pending)
        self._flush(now)

    def tick(self, now):
        """Repeat what waits for too long, with the same id and a longer wait each time."""
        if self._held and now >= self._held_until:
            for channel in list(self._held):
                self.release(channel, now)
        if not self._unsent:
            for pending in self._waiting.values():
                if pending.due is not None and pending.due <= now:
                    pending.wait = min(pending.wait * 2, RETRY_MAX)
                    pending.due = None
                    self._unsent.append(pending)
        self._flush(now)

    def abandon(self):
        """Nobody will answer any more.  Returns the Results."""
        results = [pending.result for pending in self._waiting.values()]
        self._waiting.clear()
        self._unsent.clear()
        self._held.clear()
        self._bytes = 0
        return results

    def _place(self, pending):
        held = next((self._held[id] for id in pending.channels if id in self._held), None)
        (self._unsent if held is None else held).append(pending)

    def _flush(self, now):
        """Send what was not sent, as far as it goes."""
        while self._unsent and not self._is_paused:
            pending = self._unsent[0]
            if pending.id in self._waiting:
                if not self._send(pending.frame):
                    return
                pending.due = now + pending.wait
            self._unsent.popleft()
