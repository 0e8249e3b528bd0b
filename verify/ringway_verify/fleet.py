"""The clients: a number of channels over the carriers, held open, filled and closed in order."""

import asyncio
import os
import random
import signal
import time

from . import naming
from .log import Log
from .talk import TALKS

TICK = 0.01  # seconds between two looks at what is to be sent
BACKOFF = (0.1, 2.0)  # seconds until a place tries again, from and to
STALLED = 90.0  # seconds without an event after which nothing more is expected
FIRST = 25.0  # seconds until the first channel must be open


class FleetError(Exception):
    """The clients cannot do their work, and why."""


class Place:
    """Where one conversation follows the other."""

    def __init__(self, number, carrier):
        self.number, self.carrier = number, carrier
        self.talk = None
        self.was_open = carrier == "poll"  # open when it is answered, and over then
        self.wait = BACKOFF[0]
        self.tries = 0


class Fleet:
    """options: see cli.py.  run() returns when every channel has ended."""

    def __init__(self, options, say):
        self.log = Log(options.log, options.name, lazy=True)
        self.path = options.path.rstrip("/") + "/"
        self.size, self.body = options.size, options.body
        self._options = options
        self._say = say
        self._run = os.urandom(3).hex()
        carriers = [options.carriers[i % len(options.carriers)] for i in range(options.channels)]
        self._places = [Place(i, carrier) for i, carrier in enumerate(carriers)]
        self._of = {}  # Talk -> Place
        self._tasks = set()
        self._sockets = [p for p in self._places if p.carrier == "ws"]
        each = 1000.0 * options.channels / options.rate if options.rate else 20000
        self._ms = int(min(20000, max(20, each)))
        self._stopping = False
        self._ready = False
        self._keys = self._next = 0
        self.sent = self.got = self.opens = self.refusals = 0
        self._why, self._patience = "no answer", FIRST
        self.events = 0  # messages of WebSockets, lines of streams, answers to requests
        self.spare = {}  # address -> connections on which a request was answered

    async def run(self):
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        self.log.write("start", run=self._run, gateways=",".join(
            "%s:%d" % address for address in self._options.gateway), channels=len(self._places),
            carriers=",".join(self._options.carriers), size=self.size)
        for place in self._places:
            self._open(place)
        await self._work()
        await self._settle()
        await self._close_all()
        self.log.write("done", opened=self.opens, refused=self.refusals, sent=self.sent,
                       got=self.got)
        self.log.close()

    # Told by conversations.

    def opened(self, talk):
        self.opens += 1
        self._of[talk].wait = BACKOFF[0]
        self._of[talk].was_open = True

    def received(self, talk):
        self.got += 1
        if talk.carrier != "ws":
            self.events += 1
        self._progress = time.monotonic()

    def refused(self, talk, why):
        self.refusals += 1
        self._why = "%s said %s" % (talk.host, why)
        if why == "404" and not self.opens:
            self._why += ": it needs a route with path = %s{key}" % self.path
            self._patience = 0

    def ended(self, talk):
        place = self._of.pop(talk)
        place.talk = None
        if self._stopping:
            return
        delay = 0.0
        if talk.count == 0:
            delay, place.wait = place.wait, min(place.wait * 2, BACKOFF[1])
        asyncio.get_running_loop().call_later(delay, self._open, place)

    # Work.

    def _stop(self):
        self._stopping = True

    def _open(self, place):
        if self._stopping or place.talk:
            return
        self._keys += 1
        kind = naming.CARRIERS[place.carrier]
        key = naming.make_key(self._run, kind, self._keys, 0 if kind == "w" else self._ms)
        gateways = self._options.gateway
        address = gateways[(place.number // len(self._options.carriers) + place.tries)
                           % len(gateways)]
        place.tries += 1
        place.talk = TALKS[place.carrier](self, key, address)
        self._of[place.talk] = place
        task = asyncio.get_running_loop().create_task(place.talk.connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self):
        began = last = self._progress = time.monotonic()
        credit = churn = 0.0
        rate = self._options.rate * len(self._sockets) / max(1, len(self._places))
        while not self._stopping and not self._is_enough(began):
            await asyncio.sleep(TICK)
            now = time.monotonic()
            credit = self._send(min(credit + rate * (now - last), max(1.0, rate / 2)))
            churn = self._churn(churn + self._options.churn * len(self._places) * (now - last))
            last = now
            self._look_ready()
            self.log.flush()
            if not self.opens and now - began > self._patience:
                raise FleetError("no channel could be opened: " + self._why)
        self._stopping = True

    def _is_enough(self, began):
        now = time.monotonic()
        if now - self._progress > STALLED:
            self._say("nothing has come for %d s" % STALLED)
            return True
        return self.events >= self._options.events and now - began >= self._options.seconds

    def _look_ready(self):
        if not self._ready and all(place.was_open for place in self._places):
            self._ready = True
            self._say("ready channels=%d run=%s" % (len(self._places), self._run))

    def _send(self, credit):
        """As many messages as the credit allows, place by place.  Returns what is left of it."""
        skipped = 0
        while credit >= 1 and skipped < len(self._sockets):
            place = self._sockets[self._next % len(self._sockets)]
            self._next += 1
            if place.talk and place.talk.can_send():
                place.talk.send_next()
                self.sent += 1
                self.events += 1
                credit -= 1
                skipped = 0
            else:
                skipped += 1
        return credit

    def _churn(self, due):
        """Close some, whatever is under way; only such as have been heard of."""
        while due >= 1:
            due -= 1
            talk = random.choice(self._places).talk
            if talk and talk.state == "open" and talk.count:
                talk.close(False)
        return due

    # The end.

    async def _settle(self):
        """Until all that was sent has come back, and all requests are answered."""
        until = time.monotonic() + self._options.settle
        while time.monotonic() < until and any(
                talk.state == "opening" or getattr(talk, "owed", None) for talk in self._of):
            await asyncio.sleep(0.05)
            self.log.flush()

    async def _close_all(self):
        for talk in list(self._of):
            if talk.state == "opening":
                talk.refuse(error="given-up")
            else:
                talk.close(True)
        while self._of:
            await asyncio.sleep(0.02)
            self.log.flush()
        for connections in self.spare.values():
            for connection in connections:
                connection.close()
