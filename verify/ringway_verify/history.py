"""What logs say, put together: for each channel who handled what, for each client what it saw.
"""

import collections

from .log import read
from .naming import parse_key


class Worker:
    """One life of a worker process.

    breaks   times from which on what it had not acknowledged went to others: a JOIN of another
             incarnation, its death (infinity)
    moved    channel -> when it was last taken from it
    """

    def __init__(self, start):
        self.by = start.by
        self.window = start.number_of("window") or 64
        self.checks = start.get("check") != "0"
        self.is_raw = start.get("kind") == "raw"
        self.never_acks = start.get("never-ack") == "1"
        self.joins = []
        self.moved = {}
        self.has_left = False

    @property
    def breaks(self):
        return [line.t for line in self.joins[1:]] + ([] if self.has_left else [float("inf")])

    def budget(self, window):
        """How many events may be handled again after it."""
        if self.never_acks:
            return float("inf")
        # What moves in one second moves for one reason.
        times = len(self.breaks) or len({int(t) for t in self.moved.values()})
        return times * (window or self.window)

    def lost_after(self, line):
        """Was what it handled there, perhaps without acknowledging it, given to another?  The line
        that tells a worker so may come later than what another worker does with it."""
        return (self.never_acks or any(end >= line.t for end in self.breaks)
                or self.moved.get(line.get("chan"), 0.0) >= line.t)


class Channel:
    """One channel, as the workers saw it; lists of lines."""

    def __init__(self, id):
        self.id = id
        self.edge, _, _ = id.rpartition(".")  # name.epoch
        self.key = None
        self.opens, self.closes, self.lines = [], [], []
        self.messages = collections.defaultdict(list)  # n -> lines
        self.bodies = []
        self.answers = {}  # (by, m) -> line
        self.sends = {}  # (by, m) -> line that says that it was sent

    @property
    def edge_name(self):
        return self.edge.rpartition(".")[0]

    def causes(self):
        return {line.get("cause") for line in self.closes}


class Client:
    """One conversation of a client."""

    def __init__(self, line):
        self.key = line.get("key")
        self.carrier = line.get("carrier")
        self.gateway = line.get("gateway")
        self.first = line
        self.opened = self.refused = self.end = None
        self.sent = {}  # n -> line
        self.got = []  # lines


class History:
    """Everything.  `odd` are lines that say themselves that something is wrong; `holes` are
    reasons why the logs do not suffice for a verdict."""

    def __init__(self):
        self.workers, self.channels, self.clients = {}, {}, {}
        self.of_key = collections.defaultdict(list)  # key -> channels
        self.odd, self.holes, self.boots, self.runs = [], [], set(), set()
        self._fleets = {}  # by -> done or None
        self._last = collections.defaultdict(float)  # by -> time of its last line

    def load(self, paths):
        for path in paths:
            for line in read(path):
                self._take(line)
        self._finish()
        return self

    def _take(self, line):
        # The order in which a process wrote is the truth, whatever its clock says.
        line.t = self._last[line.by] = max(line.t, self._last[line.by])
        take = _TAKE.get(line.what)
        if line.what == "start":
            self._start(line)
        elif line.by not in self.workers and line.by not in self._fleets:
            self.holes.append("%s: a line before its start" % line)
        elif take:
            take(self, line)

    def _start(self, line):
        if "kind" in line.fields:
            self.workers[line.by] = Worker(line)
        else:
            self._fleets[line.by] = None
            self.runs.add(line.get("run"))

    def is_foreign(self, channel):
        """Is it from clients whose log we do not have?"""
        key = parse_key(channel.key)
        return key is not None and key.run not in self.runs

    def _finish(self):
        if not self.workers:
            self.holes.append("no log of a worker")
        if not self._fleets:
            self.holes.append("no log of clients")
        for by, done in self._fleets.items():
            if done is None:
                self.holes.append("%s did not finish: no line `what=done`" % by)
        for channel in self.channels.values():
            self.of_key[channel.key].append(channel)
            for lines in (channel.lines, channel.opens, channel.closes, channel.bodies,
                          *channel.messages.values()):
                lines.sort(key=_time)  # stable: lines of one process stay in their order
        if not any(client.sent or client.got for client in self.clients.values()):
            self.holes.append("nothing was sent and nothing came")

    # Lines of workers.

    def _channel(self, line):
        id = line.get("chan")
        channel = self.channels.get(id)
        if channel is None:
            channel = self.channels[id] = Channel(id)
        if channel.key is None and line.fields.get("key", "-") != "-":
            channel.key = line.get("key")
        return channel

    def _open(self, line):
        channel = self._channel(line)
        channel.lines.append(line)
        if line.what == "open":
            channel.opens.append(line)

    def _message(self, line):
        channel = self._channel(line)
        channel.lines.append(line)
        channel.messages[line.number_of("n")].append(line)
        channel.sends[line.by, line.number_of("m")] = line

    def _body(self, line):
        channel = self._channel(line)
        channel.lines.append(line)
        channel.bodies.append(line)

    def _close(self, line):
        channel = self._channel(line)
        channel.lines.append(line)
        channel.closes.append(line)

    def _send(self, line):
        self._channel(line).sends[line.by, line.number_of("m")] = line

    def _answer(self, line):
        self._channel(line).answers[line.by, line.number_of("m")] = line

    def _moved(self, line):
        self._channel(line).lines.append(line)
        self.workers[line.by].moved[line.get("chan")] = line.t

    def _joined(self, line):
        self.workers[line.by].joins.append(line)
        self.boots.add(line.get("boot"))

    def _stop(self, line):
        self.workers[line.by].has_left = line.get("left") == "1"

    def _odd(self, line):
        self.odd.append(line)

    # Lines of clients.

    def _try(self, line):
        self.clients[line.get("key")] = Client(line)

    def _of_client(self, line):
        client = self.clients.get(line.get("key"))
        if client is None:
            self.holes.append("%s: no line `what=try` before it" % line)
            return
        if line.what == "sent":
            client.sent[line.number_of("n")] = line
        elif line.what == "got":
            client.got.append(line)
        elif line.what == "opened":
            client.opened = line
        elif line.what == "refused":
            client.refused = line
        else:
            client.end = line

    def _done(self, line):
        self._fleets[line.by] = line


def _time(line):
    return line.t


_TAKE = {
    "open": History._open, "adopt": History._open, "message": History._message,
    "body": History._body, "close": History._close, "send": History._send,
    "answer": History._answer,
    "moved": History._moved, "joined": History._joined, "stop": History._stop,
    "odd": History._odd, "try": History._try, "opened": History._of_client,
    "refused": History._of_client, "sent": History._of_client, "got": History._of_client,
    "end": History._of_client, "done": History._done,
}
