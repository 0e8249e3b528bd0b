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
BURSTS = 60
SIZE = 100
LIST = 125  # channels in one record
ROUNDS = 3


def best(measure):
    return max(measure() for _ in range(ROUNDS))


def bare(batch):
    """Deliveries for each second of CPU of the bare loop, `batch` messages in each write."""
    program = subprocess.Popen(
        [str(ROOT / "tests/bench/bare_loop"), str(SIZE), str(batch)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    try:
        port = int(program.stdout.readline())
        clients = Clients(("127.0.0.1", port))
        clients.open(CLIENTS, None)
        payload = b"x" * SIZE * BURST

        def burst():
            program.stdin.write(payload)
            program.stdin.flush()
            clients.wait_total((SIZE + 2) * BURST * CLIENTS)

        burst()

        def measure():
            before = cpu_seconds(program.pid)
            for _ in range(BURSTS):
                burst()
            return CLIENTS * BURST * BURSTS / (cpu_seconds(program.pid) - before)

        rate = best(measure)
        clients.close()
        return rate
    finally:
        program.terminate()
        program.wait()


def gateway(kind):
    """The same of the gateway, and of the broker: CPU for each record."""
    opened = []

    def behave(worker, event):
        if event.verb == "OPEN":
            opened.append(event.chan)
            if kind == "stream":
                worker.send(event.chan, b"begun")
        worker.records.clear()

    quiet = {"answer_timeout": "0s", "ping_interval": "1h", "log_level": "error"}
    overhead = 2 if kind == "websocket" else len(f"{SIZE:x}") + 4
    with Deployment(settings=quiet) as own:
        own.main = own.worker("default", handler=behave, window=10000)
        clients = Clients(own.address)
        clients.open(CLIENTS, HANDSHAKE if kind == "websocket" else REQUEST)
        wait_until(lambda: clients.drain(0.01) >= 0 and len(opened) == CLIENTS, 60, "all channels")
        for _ in range(30):
            clients.drain(0.02)
        lists = [",".join(opened[at : at + LIST]) for at in range(0, CLIENTS, LIST)]
        payload = b"x" * SIZE

        def burst():
            for _ in range(BURST):
                for channels in lists:
                    own.main.send(channels, payload)
            clients.wait_total((SIZE + overhead) * BURST * CLIENTS)

        burst()
        pid, broker = own.edge.process.pid, own.broker.process.pid

        def measure():
            before = cpu_seconds(pid)
            for _ in range(BURSTS):
                burst()
            return CLIENTS * BURST * BURSTS / (cpu_seconds(pid) - before)

        before = cpu_seconds(broker)
        wrote = own.edge.metric("ringway_writes_total")
        sent = own.edge.metric("ringway_deliveries_total")
        rate = best(measure)
        sent = own.edge.metric("ringway_deliveries_total") - sent
        batch = sent / (own.edge.metric("ringway_writes_total") - wrote)
        records = len(lists) * BURST * BURSTS * ROUNDS
        clients.close()
        return rate, (cpu_seconds(broker) - before) / records * 1e6, batch


def main():
    for kind in ("websocket", "stream"):
        rate, record_us, batch = gateway(kind)
        yardstick = bare(math.ceil(batch))
        line(f"messages in a write, {kind}", batch, "")
        line(f"bare loop, {math.ceil(batch)} messages in a write", yardstick / 1000, "k deliveries/s/core")
        line(f"gateway, {kind}", rate / 1000, "k deliveries/s/core")
        line(f"broker for a record of {LIST} channels", record_us, "us CPU")
        line(f"ratio, {kind}", rate / yardstick, "", 0.5, least=True)
    finish()


if __name__ == "__main__":
    main()
