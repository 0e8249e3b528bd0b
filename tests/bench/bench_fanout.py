"""Fan-out of SEND to 1,000 channels: deliveries for each second of the gateway's CPU, against a bare
epoll loop in the same run.

Both get bursts of messages of the same size, and the next burst when every client has the last one.
The bare loop frames each message once and makes the same batched sends: as many messages in one
writev to a client as the gateway had, on average, in its writes (ringway_deliveries_total over
ringway_writes_total), rounded up.  The gateway's CPU holds its bus thread too: ZeroMQ, parsing,
lists of 125 channels in each record.  Clients are in this process and do not count."""

import math
import subprocess

from bench import HANDSHAKE, REQUEST, Clients, cpu_seconds, finish, line
from support.harness import ROOT, Deployment
from support.waiting import wait_until

CLIENTS = 1000
BURST = 32
BURSTS = 40
SIZE = 100
LIST = 125  # channels in one record
ROUNDS = 4


class Bare:
    """The bare loop, `batch` messages in each write."""

    def __init__(self, batch):
        self.program = subprocess.Popen(
            [str(ROOT / "tests/bench/bare_loop"), str(SIZE), str(batch)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        self.pid = self.program.pid
        self.clients = Clients(("127.0.0.1", int(self.program.stdout.readline())))
        self.clients.open(CLIENTS, None)
        self.payload = b"x" * SIZE * BURST

    def burst(self):
        self.program.stdin.write(self.payload)
        self.program.stdin.flush()
        self.clients.wait_total((SIZE + 2) * BURST * CLIENTS)

    def stop(self):
        self.clients.close()
        self.program.terminate()
        self.program.wait()


class Gateway:
    """The gateway with channels of one kind, "websocket" or "stream"."""

    def __init__(self, own, kind):
        self.own, self.kind, self.pid = own, kind, own.edge.process.pid
        self.opened = []
        self.worker = own.worker("default", handler=self._behave, window=10000)
        self.overhead = 2 if kind == "websocket" else len(f"{SIZE:x}") + 4
        self.clients = Clients(own.address)
        self.clients.open(CLIENTS, HANDSHAKE if kind == "websocket" else REQUEST)
        wait_until(lambda: self.clients.drain(0.01) >= 0 and len(self.opened) == CLIENTS, 60,
                   "all channels")
        for _ in range(30):
            self.clients.drain(0.02)
        self.lists = [",".join(self.opened[at : at + LIST]) for at in range(0, CLIENTS, LIST)]
        self.payload = b"x" * SIZE

    def _behave(self, worker, event):
        if event.verb == "OPEN":
            self.opened.append(event.chan)
            if self.kind == "stream":
                worker.send(event.chan, b"begun")
        worker.records.clear()

    def burst(self):
        for _ in range(BURST):
            for channels in self.lists:
                self.worker.send(channels, self.payload)
        self.clients.wait_total((SIZE + self.overhead) * BURST * CLIENTS)

    def totals(self):
        """Deliveries and writes so far."""
        return [self.own.edge.metric(f"ringway_{what}_total") for what in ("deliveries", "writes")]


def measure(what):
    """Deliveries for each second of CPU."""
    before = cpu_seconds(what.pid)
    for _ in range(BURSTS):
        what.burst()
    return CLIENTS * BURST * BURSTS / (cpu_seconds(what.pid) - before)


def compare(kind):
    """One after the other in turns, so that both have the same machine; the best of each counts."""
    quiet = {"answer_timeout": "0s", "ping_interval": "1h", "log_level": "error"}
    with Deployment(settings=quiet) as own:
        gateway = Gateway(own, kind)
        gateway.burst()
        sent, wrote = gateway.totals()
        measure(gateway)
        batch = (gateway.totals()[0] - sent) / (gateway.totals()[1] - wrote)
        broker = own.broker.process.pid
        broker_cpu = cpu_seconds(broker)
        bare = Bare(math.ceil(batch))
        try:
            bare.burst()
            rates = [(measure(gateway), measure(bare)) for _ in range(ROUNDS)]
        finally:
            bare.stop()
            gateway.clients.close()
        records = len(gateway.lists) * BURST * BURSTS * ROUNDS
        broker_us = (cpu_seconds(broker) - broker_cpu) / records * 1e6
    best, yardstick = (max(column) for column in zip(*rates))
    line(f"messages in a write, {kind}", batch, "")
    line(f"bare loop, {math.ceil(batch)} messages in a write", yardstick / 1000, "k deliveries/s/core")
    line(f"gateway, {kind}", best / 1000, "k deliveries/s/core")
    line(f"broker for a record of {LIST} channels", broker_us, "us CPU")
    line(f"ratio, {kind}", best / yardstick, "", 0.5, least=True)


def main():
    for kind in ("websocket", "stream"):
        compare(kind)
    finish()


if __name__ == "__main__":
    main()
