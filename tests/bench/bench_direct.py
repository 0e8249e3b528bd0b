"""One direct send among many idle channels: CPU of the gateway for each, with 100 and with 10,000.

A server that walks a list of its suspended connections shows it here."""

import random

from bench import REQUEST, Clients, cpu_seconds, finish, line
from support.harness import Deployment
from support.waiting import wait_until

SENDS = 3000
ROUNDS = 3


def cost(count):
    """Microseconds of CPU for one send to one of `count` streams: the best of some rounds."""
    opened = []

    def behave(worker, event):
        if event.verb == "OPEN":
            worker.send(event.chan, b"begun")
            opened.append(event.chan)
        worker.records.clear()

    quiet = {"answer_timeout": "0s", "ping_interval": "1h", "log_level": "error"}
    with Deployment(settings=quiet) as own:
        own.main = own.worker("default", handler=behave, window=10000)
        clients = Clients(own.address)
        while len(clients.sockets) < count:
            clients.open(min(500, count - len(clients.sockets)), REQUEST)
            clients.drain(0)
        wait_until(lambda: clients.drain(0.01) >= 0 and len(opened) == count, 60, "all streams")
        for _ in range(50):
            clients.drain(0.02)
        dice = random.Random(1)
        best = None
        pid = own.edge.process.pid
        for _ in range(ROUNDS):
            before = cpu_seconds(pid)
            for _ in range(SENDS):
                own.main.send(dice.choice(opened), b"x" * 100)
                clients.wait_total(100)
            used = (cpu_seconds(pid) - before) / SENDS * 1e6
            best = used if best is None else min(best, used)
        clients.close()
        return best


def main():
    few, many = cost(100), cost(10000)
    line("a direct send among 100 streams", few, "us CPU")
    line("a direct send among 10,000 streams", many, "us CPU")
    line("ratio", many / few, "", 3.0)
    finish()


if __name__ == "__main__":
    main()
