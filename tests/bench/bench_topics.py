"""Many topics, and one topic with many subscribers.

100,000 topics: 10,000 WebSockets, each subscribed to ten topics that nobody else has.  How fast
that goes, what a subscription costs the broker and the gateway in memory, what a publication to one
of many topics costs in CPU, and how soon a broker that was killed knows all of it again: from its
ready line until a publication to each of a thousand topics, all over, has arrived.

One topic: 15,000 WebSockets on a topic route; memory of each, and CPU for a delivery."""

import re
import time

import zmq
from bench import HANDSHAKE, Clients, cpu_seconds, finish, line, rss_bytes
from support.harness import Deployment
from support.waiting import wait_until

CHANNELS, EACH = 10000, 10
TOPICS = CHANNELS * EACH
PROBES = 1000
WIDE = 15000
PUBLICATIONS = 100
FRAME = 2 + 1  # of one byte
RESTART_S = 2.0
QUIET = {"ping_interval": "1h", "log_level": "error"}


class Application:
    """A worker and sender on one socket, as fast as Python can be."""

    def __init__(self, own):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IMMEDIATE, 1)
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.connect(own.endpoint("apps"))
        self.socket.send(b"JOIN default window=10000")
        self.channels, self.beat = [], time.monotonic()
        self.answers = 0

    def take(self):
        """What has come; acknowledges it, and says that it lives."""
        while self.socket.poll(0):
            head = self.socket.recv().split(b"\n", 1)[0].split()
            if head[0] == b"OPEN":
                self.channels.append(head[1])
            elif head[0] in (b"OK", b"ERR"):
                assert head[0] == b"OK", head
                self.answers += 1
            elif head[0] == b"WHO":
                self.beat = 0
            if head[0] in (b"OPEN", b"CLOSE", b"ADOPT"):
                self.socket.send(b"ACK " + head[3])
        if time.monotonic() - self.beat > 1:
            self.beat = time.monotonic()
            self.socket.send(b"JOIN default window=10000")

    def wait_answers(self, count, clients, seconds=120):
        def look():
            self.take()
            clients.drain(0)
            return self.answers >= count

        wait_until(look, seconds, f"{count} answers")


def topic(number):
    return b"many/%d/%d" % (number % 1000, number)


def open_all(own, application, clients, count):
    for _ in range(count // 500):
        clients.open(500, HANDSHAKE)
        clients.drain(0)
        application.take()

    def look():
        clients.drain(0)
        application.take()
        return len(application.channels) >= count

    wait_until(look, 120, f"{count} channels")


def subscribe_all(own, application, clients):
    """SUB for each; the last one of each channel is answered."""
    pids = own.broker.pid, own.edge.pid
    before = [rss_bytes(pid) for pid in pids]
    begin, cpu = time.perf_counter(), cpu_seconds(own.broker.pid)
    for number, channel in enumerate(application.channels):
        for at in range(EACH):
            end = b" id=%d" % number if at == EACH - 1 else b""
            application.socket.send(
                b"SUB " + channel + b" " + topic(number * EACH + at) + end)
        if number % 100 == 0:
            application.take()
    application.wait_answers(CHANNELS, clients)
    took = time.perf_counter() - begin
    line("SUB, until all are with the gateway", TOPICS / took / 1000, "k/s")
    line("SUB, broker", (cpu_seconds(own.broker.pid) - cpu) / TOPICS * 1e6, "us CPU")
    for name, pid, old in zip(("broker", "gateway"), pids, before):
        line(f"memory of a subscription, {name}", (rss_bytes(pid) - old) / TOPICS, "bytes")


def publish(own, application, clients, name, numbers, each=1):
    """One publication to each of these topics; until every subscriber has it."""
    pids = own.broker.pid, own.edge.pid
    cpu = [cpu_seconds(pid) for pid in pids]
    for number in numbers:
        application.socket.send(b"PUB " + name(number) + b"\nx")
    clients.wait_total(len(numbers) * each * FRAME)
    spent = [cpu_seconds(pid) - old for pid, old in zip(pids, cpu)]
    return [seconds / len(numbers) * 1e6 for seconds in spent]


def seconds_until_restored(own, application, clients):
    """The broker is killed and another one started: until a publication to each of the probes
    has arrived, over and over those that had nobody yet."""
    own.broker.kill()
    own.start_broker()
    begin = time.perf_counter()
    missing = set(range(0, TOPICS, TOPICS // PROBES))
    payload = re.compile(rb"\x81.(\d+);", re.S)
    while missing:
        assert time.perf_counter() - begin < 60, f"{len(missing)} topics have no subscriber"
        for number in missing:
            application.socket.send(b"PUB " + topic(number) + b"\n%d;" % number)
        end = time.perf_counter() + 0.2
        while missing and time.perf_counter() < end:
            application.take()
            for data in clients.read(0.01):
                missing -= {int(found) for found in payload.findall(data)}
    return time.perf_counter() - begin


def many():
    with Deployment(settings=QUIET) as own:
        own.broker_settings = {f"bus_{name}": own.endpoint(name) for name in ("edges", "apps")}
        application, clients = Application(own), Clients(own.address)
        open_all(own, application, clients, CHANNELS)
        subscribe_all(own, application, clients)
        clients.forget()
        broker_us, gateway_us = publish(own, application, clients, topic, range(0, TOPICS, 5))
        line("PUB to one of 100,000 topics, broker", broker_us, "us CPU")
        line("PUB to one of 100,000 topics, gateway", gateway_us, "us CPU")
        clients.forget()
        took = [seconds_until_restored(own, application, clients) for _ in range(3)]
        line("100,000 topics known to a new broker", sorted(took)[1], "s", RESTART_S)
        clients.close()


def wide():
    routes = [("wide", {"path": "/bench", "topic": "wide"})]
    with Deployment(routes=routes, settings=QUIET) as own:
        application, clients = Application(own), Clients(own.address)
        before = rss_bytes(own.edge.pid)
        for _ in range(WIDE // 500):
            clients.open(500, HANDSHAKE)
            clients.drain(0)

        def look():
            clients.drain(0)
            return own.edge.metric("ringway_channels_live", carrier="ws") >= WIDE

        wait_until(look, 120, f"{WIDE} channels")
        line("memory of a WebSocket on a topic route", (rss_bytes(own.edge.pid) - before) / WIDE, "bytes")
        clients.forget()
        broker_us, gateway_us = publish(
            own, application, clients, lambda _: b"wide", range(PUBLICATIONS), WIDE)
        line("PUB to 15,000 subscribers, broker", broker_us, "us CPU")
        line("PUB to 15,000 subscribers, gateway", gateway_us / WIDE, "us CPU/delivery")
        clients.close()


def main():
    many()
    wide()
    finish()


if __name__ == "__main__":
    main()
