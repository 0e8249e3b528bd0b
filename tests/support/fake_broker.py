"""The broker's side of the edge port, played by a test: it says exactly what it is told to.

Heartbeats go out by themselves while the test waits, on both connections of the edge."""

import time

import zmq

from support.waiting import scaled
from support.worker import Record, make_record

BOOT = "00000000000000aa"


class FakeBroker:
    """A ROUTER that edges connect to.

      records  routing id of the connection that said HELLO last
      seen     what came on it so far, as Records; heartbeats are left out
      pulses   lastc of each heartbeat on it
      beside   routing id of the connection that has heartbeats only; beaten counts them
      c        number of the newest command that was said
    """

    def __init__(self):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.endpoint = f"tcp://127.0.0.1:{port}"
        self.records = None
        self.boot = BOOT
        self.beats = True
        self.seen = []
        self.pulses = []
        self.beside = None
        self.beaten = 0
        self.c = 0
        self._beat_at = 0.0

    def close(self):
        self.socket.close()
        self.context.term()

    def cut(self):
        """Every connection breaks; new ones are taken on the same port."""
        self.socket.close()
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        end = time.monotonic() + scaled(5)
        while True:  # the port is free when ZeroMQ's thread has closed it
            try:
                self.socket.bind(self.endpoint)
                break
            except zmq.ZMQError:
                assert time.monotonic() < end, f"{self.endpoint} stays in use"
                time.sleep(0.01)
        self.records = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def say(self, verb, *tokens, payload=None, **options):
        """A record on the edge's first connection."""
        if tokens and str(tokens[0]).isdigit():
            self.c = int(tokens[0]) or self.c
        record = make_record(verb, *tokens, payload=payload, **options)
        self.socket.send_multipart([self.records, record])

    def pump(self, seconds=0.02):
        """Takes what comes, and keeps the connection alive."""
        if self.beats and self.records and time.monotonic() >= self._beat_at:
            self._beat_at = time.monotonic() + 0.5
            self.say("HB", "0", self.boot)
        if not self.socket.poll(seconds * 1000):
            return
        peer, *frames = self.socket.recv_multipart()
        for frame in frames:
            record = Record(frame)
            if record.verb == "HELLO":
                self.records = peer
            if record.verb == "HB":
                if peer == self.records:
                    self.pulses.append(int(record.tokens[2]))
                else:
                    self.beside, self.beaten = peer, self.beaten + 1
                if self.beats and peer != self.records:
                    self.socket.send_multipart([peer, make_record("HB", "0", self.boot)])
                continue
            self.seen.append(record)

    def acknowledge_closes(self, after=0):
        """Acknowledges each CLOSE since `after`; returns what comes next."""
        closes = self.find("CLOSE", after)
        end = self.mark()
        if closes:
            lines = [f"{record.tokens[0]} {record.tokens[1]}\n" for record in closes]
            self.say("ACK", str(self.c + 1), "-", payload="".join(lines))
        return end

    def mark(self):
        return len(self.seen)

    def find(self, verb=None, after=0):
        return [r for r in self.seen[after:] if verb is None or r.verb == verb]

    def wait_for(self, verb, seconds=5.0, after=0, count=1, where=None):
        """The count-th record of that verb since `after`."""
        end = time.monotonic() + scaled(seconds)
        while True:
            found = [r for r in self.find(verb, after) if where is None or where(r)]
            if len(found) >= count:
                return found[count - 1]
            assert time.monotonic() < end, f"no {verb}; last: {self.seen[-8:]}"
            self.pump()

    def hears_nothing(self, verb, seconds, after=0):
        """Asserts that no such record comes for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert not self.find(verb, after), self.find(verb, after)
            self.pump()

    def welcome(self, how="sync", after=0, **options):
        """Waits for a HELLO and answers it; returns the HELLO."""
        hello = self.wait_for("HELLO", after=after)
        self.say("WELCOME", "0", self.boot, how, **options)
        return hello

    def sync(self, after=0):
        """Greets an edge as a broker that is new; returns what it announced."""
        mark = self.mark()
        self.welcome("sync", after, c=0)
        self.wait_for("SYNCED", after=mark)
        return self.seen[mark:]
