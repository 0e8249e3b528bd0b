"""Thousands of clients on all carriers that leave without a word, in any state: each channel that
was opened is closed exactly once, after its open and its last message, and nothing is left over.

RINGWAY_SEED repeats a run; RINGWAY_STORM is the number of clients.
"""

import base64
import os
import pathlib
import random
import resource
import select
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import Skip, case, run
from support.harness import Deployment
from support.waiting import scaled, wait_until
from support.worker import EVENTS, head_payload
from support.ws_client import CONTINUATION, PING, TEXT, make_frame

CLIENTS = int(os.environ.get("RINGWAY_STORM", "5000"))
AT_ONCE = 3000  # of them open at the same time
SEED = int(os.environ.get("RINGWAY_SEED", "20110612"))
ROUTES = [
    ("news", {"path": "/storm/news/{section}", "topic": "news/{section}"}),
    ("rest", {"path": "/storm/**", "service": "default"}),
]
CAUSES = ("client", "server", "protocol", "limit", "timeout")
HEAD = head_payload([("Content-Type", "text/plain")], b"first;")


def application(worker, record):
    """What the channel's target asks for."""
    if record.verb in ("TEXT", "BIN"):
        worker.send(record.chan, record.payload, bin=record.verb == "BIN")
    if record.verb != "OPEN":
        return
    plan = record.target.split("/")[2]
    if plan == "answered":
        worker.send(record.chan, HEAD, status=200, close=1)
    elif plan == "stream":
        worker.send(record.chan, HEAD, status=200)
        worker.send(record.chan, b"second;")
    elif plan == "ended":
        worker.send(record.chan, HEAD, status=200)
        worker.close(record.chan)
    elif plan == "closed":
        worker.send(record.chan, "bye")
        worker.close(record.chan, 4000)
    elif plan == "both":
        worker.sub(record.chan, "news/1")


READ, GLANCE = "read", "glance"  # steps besides sending: wait for an answer; take what is there


def is_readable(sock):
    poll = select.poll()  # select() does not take descriptors over 1023
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class Leaver:
    """One client: step() sends or reads a little; it returns False when the client is to go."""

    def __init__(self, number, chance, address):
        self.chance = chance
        self.sock = socket.socket()
        # Half of them from another address, so that ports do not run short.
        self.sock.bind((f"127.0.0.{2 + number % 8}", 0))
        self.sock.settimeout(scaled(30))
        self.sock.connect(address)
        self.steps = self.plan(number)

    def plan(self, number):
        carrier = self.chance.choice(["ws", "ws", "stream", "poll", "topic"])
        steps = list(getattr(self, "plan_" + carrier)(number))
        # Any beginning of the plan may be all that happens, down to nothing but a connection.
        return steps[: self.chance.randrange(len(steps) + 1)]

    def plan_ws(self, number):
        key = base64.b64encode(self.chance.randbytes(16)).decode()
        plan = self.chance.choice(["echo", "closed", "both"])
        head = (f"GET /storm/{plan}/{number} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {key}\r\n\r\n").encode()
        yield from self.cut(head)
        yield READ
        for _ in range(self.chance.randrange(4)):
            text = self.chance.randbytes(50).hex() * self.chance.choice([1, 1, 30])
            yield from self.cut(make_frame(TEXT, text))
            yield self.chance.choice([GLANCE, make_frame(PING, "p")])
        yield make_frame(TEXT, "never finished", fin=False)
        yield make_frame(CONTINUATION, "more", fin=False)
        yield self.chance.choice([
            make_frame(8, struct.pack(">H", 1001)), make_frame(8), make_frame(3, "wrong"),
            make_frame(TEXT, b"\xff"), make_frame(TEXT, "declared", length=60_000)])
        yield GLANCE

    def plan_stream(self, number):
        plan = self.chance.choice(["stream", "ended"])
        yield from self.cut(f"GET /storm/{plan}/{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        yield READ
        yield GLANCE
        yield from self.cut(f"GET /storm/stream/{number}b HTTP/1.1\r\nHost: a\r\n\r\n".encode())

    def plan_poll(self, number):
        held = False
        for again in "abc":
            plan = self.chance.choice(["held", "answered", "answered"])
            body = self.chance.choice([b"", b"", b"x" * 100, b"y" * 100_000])
            method = "POST" if body else "GET"
            size = f"Content-Length: {len(body)}\r\n" if body else ""
            head = f"{method} /storm/{plan}/{number}{again} HTTP/1.1\r\nHost: a\r\n{size}\r\n"
            yield from self.cut(head.encode())
            yield from self.cut(body)
            held |= plan == "held"
            yield GLANCE if held else READ

    def plan_topic(self, number):
        query = self.chance.choice(["?wait=0", "?wait=30", "?carrier=stream"])
        head = f"GET /storm/news/{number % 5}{query} HTTP/1.1\r\nHost: a\r\n\r\n"
        yield from self.cut(head.encode())
        yield READ if "wait=0" in query else GLANCE

    def cut(self, data):
        """The bytes, at times in two pieces."""
        at = self.chance.randrange(len(data) + 1) if self.chance.random() < 0.3 else 0
        if at:
            yield data[:at]
        yield data[at:]

    def step(self):
        if not self.steps:
            return False
        data = self.steps.pop(0)
        try:
            if data in (READ, GLANCE):
                if data == GLANCE and not is_readable(self.sock):
                    return True
                return bool(self.sock.recv(self.chance.choice([1, 100, 65536])))
            self.sock.sendall(data)
            return True
        except (ConnectionResetError, BrokenPipeError):
            return False

    def leave(self):
        how = self.chance.choice(["close", "reset", "half"])
        if how == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how == "half":
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        self.sock.close()


def allow_files(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        raise Skip(f"the limit of open files is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def rage(chance, address):
    """Lets the clients come, act and leave, in an order that the seed decides."""
    present, number = [], 0
    while number < CLIENTS or present:
        if number < CLIENTS and (len(present) < AT_ONCE and (chance.random() < 0.4 or not present)):
            present.append(Leaver(number, chance, address))
            number += 1
            continue
        at = chance.randrange(len(present))
        if not present[at].step():
            present[at].leave()
            present[at] = present[-1]
            present.pop()


def judge(records):
    """Asserts the rules for each channel; returns the number of channels of each carrier."""
    channels, counts = {}, {}
    for record in records:
        if record.verb in EVENTS:
            channels.setdefault(record.chan, []).append(record)
    for chan, events in channels.items():
        verbs = [record.verb for record in events]
        assert verbs[0] == "OPEN", f"{chan} begins with {verbs}"
        assert verbs.count("OPEN") == 1 and verbs.count("CLOSE") == 1, f"{chan}: {verbs}"
        assert verbs[-1] == "CLOSE", f"{chan} goes on after its CLOSE: {verbs}"
        seqs = [int(record.seq) for record in events]
        assert seqs == list(range(1, len(seqs) + 1)), f"{chan}: {seqs}"
        closed, carrier = events[-1], events[0].meta["carrier"]
        assert closed.cause in CAUSES, closed
        assert carrier == "ws" or closed.status in (-1, 0), closed
        counts[carrier] = counts.get(carrier, 0) + 1
    return counts


@case(seconds=240)
def whoever_leaves_however_is_closed_once():
    allow_files(8000)
    chance = random.Random(SEED)
    print(f"    seed {SEED}, {CLIENTS} clients", flush=True)
    # Every end is seen when it comes; no timer has to find one.
    settings = {"head_timeout": "600s", "body_timeout": "600s", "keep_alive": "600s",
                "close_timeout": "2s"}
    with Deployment(routes=ROUTES, settings=settings) as own:
        worker = own.worker(handler=application, window=5000)
        files = own.edge.open_files()
        rage(chance, own.address)
        wait_until(lambda: is_over(worker), 60, "a CLOSE for each OPEN")
        wait_until(lambda: own.edge.open_files() <= files + 5, 30, "all descriptors to be closed")
        for gauge in ("ringway_channels_live", "ringway_connections", "ringway_out_queue_bytes"):
            wait_until(lambda gauge=gauge: own.edge.metric(gauge) == 0, 30, f"{gauge} to be 0")
        counts = judge(worker.find())
        print(f"    {counts}", flush=True)
        assert counts["ws"] > CLIENTS // 6 and counts["http"] > CLIENTS // 6, counts
        assert not worker.errors, worker.errors[:3]
        assert own.edge.metric("ringway_channels_opened_total") >= sum(counts.values())
        assert own.are_running()


def is_over(worker):
    return len(worker.find("OPEN")) == len(worker.find("CLOSE"))


if __name__ == "__main__":
    run()
