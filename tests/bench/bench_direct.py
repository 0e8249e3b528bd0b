"""One direct send among many idle channels: CPU of the gateway for each, with 100 and with 10,000.

A server that walks a list of its suspended connections shows it here.  Each send is waited for, so
nothing is shared between two of them: every one pays for waking the gateway's threads.  For a held
poll it is an answer and the next request on the same connection, until it is held in its turn."""

import random

from bench import HANDSHAKE, REQUEST, Clients, cpu_seconds, finish, line
from support.harness import Deployment
from support.waiting import wait_until

FEW, MANY = 100, 10000
SENDS = 3000
ROUNDS = 3
PAYLOAD = b"x" * 100


class Channels:
    """`count` idle channels of one kind: "stream", "websocket" or "poll"."""

    def __init__(self, own, kind, count):
        self.kind = kind
        self.opened = []
        self.dice = random.Random(1)
        self.worker = own.main = own.worker("default", handler=self._behave, window=10000)
        self.clients = Clients(own.address)
        while len(self.clients.sockets) < count:
            room = count - len(self.clients.sockets)
            self.clients.open(min(500, room), HANDSHAKE if kind == "websocket" else REQUEST)
            self.clients.drain(0)
        wait_until(lambda: self.clients.drain(0.01) >= 0 and len(self.opened) == count, 60, "all channels")
        for _ in range(50):
            self.clients.drain(0.02)

    def _behave(self, worker, event):
        if event.verb == "OPEN":
            if self.kind == "stream":
                worker.send(event.chan, b"begun")
            self.opened.append(event.chan)
        worker.records.clear()

    def send(self):
        """One send to any of them, until it has arrived."""
        self.worker.send(self.dice.choice(self.opened), PAYLOAD)
        self.clients.wait_total(len(PAYLOAD))

    def answer(self):
        """One answer to any of them, until its client polls again."""
        count = len(self.opened)
        at = self.dice.randrange(count)
        self.opened[at], self.opened[-1] = self.opened[-1], self.opened[at]
        self.worker.send(self.opened.pop(), PAYLOAD, close=1)
        wait_until(lambda: self.clients.ask_again(0.01, REQUEST), 60, "an answer")
        wait_until(lambda: len(self.opened) == count, 60, "the next poll")


def cost(kind, count):
    """Microseconds of CPU for one send to one of `count` channels: the best of some rounds."""
    quiet = {"answer_timeout": "0s", "ping_interval": "1h", "log_level": "error"}
    with Deployment(settings=quiet) as own:
        channels = Channels(own, kind, count)
        once = channels.answer if kind == "poll" else channels.send
        best = None
        for _ in range(ROUNDS):
            before = cpu_seconds(own.edge.process.pid)
            for _ in range(SENDS):
                once()
            used = (cpu_seconds(own.edge.process.pid) - before) / SENDS * 1e6
            best = used if best is None else min(best, used)
        channels.clients.close()
        return best


def main():
    for kind, what, limit in (
        ("stream", "a direct send to a stream", 3.0),
        ("websocket", "a direct send to a WebSocket", None),
        ("poll", "an answer to a poll, and the next", None),
    ):
        few, many = cost(kind, FEW), cost(kind, MANY)
        line(f"{what}, of {FEW}", few, "us CPU")
        line(f"{what}, of {MANY}", many, "us CPU")
        line(f"ratio, {kind}", many / few, "", limit)
    finish()


if __name__ == "__main__":
    main()
