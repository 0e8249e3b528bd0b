"""What a worker does, whichever kind it is: logs each event before it is acknowledged, echoes
messages, sends numbered lines to streams, answers held requests.
"""

import heapq
import time

from . import naming


class Held:
    """A channel that this worker has."""

    __slots__ = ("chan", "key", "kind", "ms", "open", "read", "begun")

    def __init__(self, chan, key):
        known = naming.parse_key(key)
        self.chan, self.key = chan, key
        self.kind, self.ms = (known.kind, known.ms) if known else ("w", 0)
        self.open = True
        self.read = 0  # bytes of the request's body
        self.begun = False  # lines, or the wait for the answer


class Service:
    """send(chan, text, close, answered) carries out a send; it calls answered(error) with None
    or a word when the outcome is known, and never where the kind of worker cannot know.

    delay  seconds that each message takes
    """

    def __init__(self, log, send, delay=0.0):
        self._log = log
        self._send = send
        self._delay = delay
        self._held = {}
        self._numbers = {}  # channel -> last m; outlives a move to another worker and back
        self._due = []  # (time, channel, Held)

    def opened(self, chan, key, seq, attempt, adopted, follows=False):
        """follows: the body comes in parts, and is to be read before anything is answered."""
        if adopted and not key:  # by the broker, for a dead gateway: its close follows
            self._log.write("adopt", chan=chan, seq=seq, **{"try": attempt})
            self._held[chan] = Held(chan, key)
            return
        if naming.parse_key(key) is None:
            self._log.write("odd", chan=chan, key=key, seq=seq,
                            why="no key: the path of the route must end in /{key}")
            return
        held = self._held[chan] = Held(chan, key)
        self._numbers.setdefault(chan, 0)
        self._log.write("adopt" if adopted else "open", chan=chan, key=key, seq=seq,
                        **{"try": attempt})
        if not follows:
            self._begin(held)

    def _begin(self, held):
        if held.begun:
            return  # adopted before all parts of its body had come
        held.begun = True
        if held.kind == "s":
            self._line(held)
        elif held.kind == "p":
            self._plan(held)

    def body(self, chan, data, seq, attempt, last, followed=True):
        """Part of the body of a request, or all of it that came with the OPEN."""
        held = self._held.get(chan)
        if held is None:
            self._log.write("odd", chan=chan, seq=seq, why="body of a channel that is not here")
            return
        if data != naming.body_part(held.read, len(data)):
            self._log.write("odd", chan=chan, key=held.key, seq=seq,
                            why="body differs from byte %d on" % held.read)
        self._log.write("body", chan=chan, key=held.key, seq=seq, at=held.read, bytes=len(data),
                        end=int(last), **{"try": attempt})
        held.read += len(data)
        if last and followed:
            self._begin(held)

    def message(self, chan, text, seq, attempt):
        if self._delay:
            time.sleep(self._delay)
        up = naming.parse_up(text)
        held = self._held.get(chan)
        if up is None:
            self._log.write("odd", chan=chan, seq=seq, why="payload", text=text[:80])
            return
        m = self._next(chan)
        self._log.write("message", chan=chan, key=up.key, n=up.n, seq=seq, m=m,
                        **{"try": attempt})
        if held is None or held.key != up.key:
            self._log.write("odd", chan=chan, seq=seq, why="message of another channel")
        self._say(chan, m, naming.make_down(self._log.by, m, up.n, up.key, len(text)), False, True)

    def closed(self, chan, seq, attempt, status, cause):
        held = self._held.pop(chan, None)
        self._numbers.pop(chan, None)
        if held:
            held.open = False
        self._log.write("close", chan=chan, key=held.key if held else None, seq=seq,
                        status=status, cause=cause, **{"try": attempt})

    def moved(self, chan):
        """Another worker has the channel now."""
        held = self._held.pop(chan, None)
        if held:
            held.open = False
            self._log.write("moved", chan=chan, key=held.key)

    def wait(self):
        """Seconds until tick() has something to do, at most one."""
        if not self._due:
            return 1.0
        return min(1.0, max(0.0, self._due[0][0] - time.monotonic()))

    def tick(self):
        """Send what is due to streams and held requests."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            held = heapq.heappop(self._due)[2]
            if not held.open:
                continue
            if held.kind == "s":
                self._line(held)
            else:
                held.open = False
                self._number_and_say(held, True)

    def _plan(self, held):
        heapq.heappush(self._due, (time.monotonic() + held.ms / 1000.0, held.chan, held))

    def _line(self, held):
        self._number_and_say(held, False)
        self._plan(held)

    def _number_and_say(self, held, close):
        m = self._next(held.chan)
        text = naming.make_down(self._log.by, m, None, held.key)
        self._log.write("send", chan=held.chan, key=held.key, m=m)
        self._say(held.chan, m, text + "\n", close, False)

    def _next(self, chan):
        self._numbers[chan] = self._numbers.get(chan, 0) + 1
        return self._numbers[chan]

    def _say(self, chan, m, text, close, quiet):
        """quiet: a good answer to an echo is not worth a line."""
        def answered(error):
            if error or not quiet:
                self._log.write("answer", chan=chan, m=m, error=error)
        self._send(chan, text, close, answered)
