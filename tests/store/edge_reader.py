"""A subscriber that is an edge of its own, played: it speaks the bus, and resumes by HGET.

It has what the judge of the property test wants of a reader (property/play.py).
"""

import threading
import time

import zmq
from model import Gap, Message, Subscriber

BEAT_S = 0.2
SILENT_S = 1.0  # without HB the broker is gone
LIMIT = 50  # of an HGET: less than is missed, so that it asks again
EPOCH = "00000000000000e1"


class Lost(Exception):
    """The connection, or a command on it, is lost: greet again."""


class EdgeReader(threading.Thread):
    """One topic, one channel, one cursor; `cursor` None: from now on.  first(topics) says what is
    published next."""

    def __init__(self, endpoint, name, topic, first, cursor=None):
        super().__init__(daemon=True, name=name)
        self.endpoint, self.topic, self.cursor = endpoint, topic, cursor
        self._first = first
        self.subscriber = Subscriber(name, (topic,))
        self.channel = f"{name}.{EPOCH}.1"
        self.done, self.dropped, self.error = False, False, None
        self.wanted = threading.Event()
        self.wanted.set()
        self._boot, self._last = "-", 0  # of the broker, and of its newest command
        self._joined, self._live, self._asked = False, False, 0

    def run(self):
        try:
            with zmq.Context() as context:
                while not self.done:
                    if not self.wanted.wait(0.1):
                        continue
                    with context.socket(zmq.DEALER) as self._socket:
                        self._socket.linger = 0
                        self._socket.connect(self.endpoint)
                        self._follow()
        except BaseException as error:
            self.error = error

    def _say(self, record):
        self._socket.send(record.encode())

    def _follow(self):
        """From one greeting to the next."""
        self.dropped, self._live, self._joined = False, False, False
        self._heard_s = self._beaten_s = time.monotonic()
        self._say(f"HELLO {self.name} {EPOCH} {self._boot} {self._last} proto=RW/1")
        try:
            while not self.done and not self.dropped:
                if self._socket.poll(50):
                    self._take(self._socket.recv().decode())
                self._beat()
        except Lost:
            pass

    def _beat(self):
        now = time.monotonic()
        if now - self._heard_s > SILENT_S:
            raise Lost
        if self._joined and now - self._beaten_s > BEAT_S:
            self._say(f"HB {self.name} {EPOCH} {self._last}")
            self._beaten_s = now

    def _take(self, record):
        head, _, payload = record.partition("\n")
        words = head.split(" ")
        self._heard_s = time.monotonic()
        if words[0] == "WELCOME":
            self._welcome(words)
        elif words[0] == "WHO" or (words[0] == "HB" and self._joined and words[2] != self._boot):
            raise Lost
        elif self._joined and words[0] != "HB" and int(words[1]) > 0:
            if int(words[1]) != self._last + 1:
                raise Lost
            self._last += 1
            self._command(words, payload)

    def _welcome(self, words):
        self._joined, self._boot = True, words[2]
        if words[3] == "sync":
            self._last = int(words[4].partition("=")[2])
            self._say(f"TSUB {self.topic}")
            self._say("SYNCED")
        self._ask()

    def _ask(self):
        """What comes for an earlier question is not the answer."""
        self._live = False
        self._asked += 1
        self._say(f"HGET {self.channel} {self.cursor or '-'} {LIMIT} n={self._asked}\n{self.topic}\n")

    def _command(self, words, payload):
        items = self.subscriber.items
        if words[0] in ("HIST", "GAP", "LIVE") and f"n={self._asked}" not in words:
            return
        if words[0] == "LOST":
            self._ask()
        elif words[0] == "PUB" and self._live:
            self._read(words[3], payload)
        elif words[0] == "HIST":
            self._read(words[3], payload)
        elif words[0] == "GAP":
            items.append(Gap(None, words[5]))
        elif words[0] == "LIVE":
            self.cursor = words[3]
            self._live = "more=1" not in words
            if not self._live:
                self._ask()
            elif not self.subscriber.first:
                self.subscriber.first = self._first((self.topic,))

    def _read(self, position, payload):
        topic, number = payload.split()
        self.subscriber.items.append(Message(topic, int(number), position, "bus"))
        self.cursor = position

    def drop(self):
        """Its connection ends without a word."""
        self.dropped = True

    def leave(self):
        """The same, and it does not come back until come()."""
        self.wanted.clear()
        self.drop()

    def come(self):
        """It may connect again."""
        self.wanted.set()

    def has(self, topic, number):
        """Has it read this publication?"""
        return any(
            isinstance(item, Message) and (item.topic, item.number) == (topic, number)
            for item in reversed(self.subscriber.items)
        )
