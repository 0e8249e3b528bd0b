"""A client of a service that hangs feels it; nobody else does, and nothing is lost."""

import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.talk import Background, answered, opened_ws
from support.waiting import scaled, wait_until
from support.worker import echo
from support.ws_client import BINARY, WsClient, make_frame

MIB = 1 << 20
ROUTES = [
    ("hung", {"path": "/hung", "service": "hung"}),
    ("all", {"path": "/**", "service": "default"}),
]
MESSAGE = 64 * 1024
COUNT = 160  # 10 MiB

# Seven lines, as in the README; what it got it says back by its number.
WORKER = """
import sys, zmq
s = zmq.Context().socket(zmq.DEALER); s.connect(sys.argv[1]); s.send(b"JOIN hung")
while True:
    if not s.poll(1000): s.send(b"JOIN hung"); continue
    head, _, data = s.recv().partition(b"\\n"); event, channel, seq, tag, *rest = head.split()
    if event == b"BIN": s.send(b"SEND " + channel + b"\\n" + data[:4])
    if event == b"OPEN" or len(sys.argv) < 3: s.send(b"ACK " + tag)
"""


class Flood:
    """A WebSocket that sends 10 MiB, and never waits for room."""

    def __init__(self, own):
        self.client = WsClient(own.address, timeout=60)
        own.clients.append(self.client)
        self.client.handshake("/hung")
        self.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MESSAGE)
        self.client.sock.setblocking(False)
        self.data = memoryview(b"".join(
            make_frame(BINARY, b"%04d" % number + b"x" * (MESSAGE - 4)) for number in range(COUNT)))
        self.sent = 0

    def push(self, seconds):
        """Sends what is taken, until nothing was for so long."""
        while self.sent < len(self.data):
            if not select.select([], [self.client.sock], [], scaled(seconds))[1]:
                return
            try:
                self.sent += self.client.sock.send(self.data[self.sent:])
            except BlockingIOError:
                pass


def grown(own, before):
    """Growth of both processes, printed; 0 of a sanitizer build."""
    now = [own.edge.rss_bytes(), own.broker.rss_bytes()]
    growth = [more - less for more, less in zip(now, before)]
    print(f"    gateway +{growth[0] / MIB:.1f} MiB, broker +{growth[1] / MIB:.1f} MiB", flush=True)
    return growth


def others_are_well(own):
    client, event = opened_ws(own, "well")
    for number in range(200):
        client.text(str(number))
        assert client.read_text() == str(number)
    own.main.handler = None
    answered(own, "well", body=b"well")


def blocks_its_client_only(own):
    """10 MiB to a service that hangs: the client is no longer read, and memory is bounded by the
    window of a channel, 1 MiB, which lies in queues and buffers of both processes."""
    own.main = own.worker("default", handler=echo)
    before = [own.edge.rss_bytes(), own.broker.rss_bytes()]
    flood = Flood(own)
    flood.push(0.5)
    assert flood.sent < len(flood.data), "the client never felt anything"
    assert max(grown(own, before)) < 8 * MIB
    others_are_well(own)
    stuck = flood.sent
    flood.push(0.2)
    assert flood.sent - stuck < MESSAGE, "it is read on although nothing was acknowledged"
    return flood


@case(seconds=90)
def a_worker_that_reads_no_more_stops_its_client_and_loses_nothing():
    with Deployment(routes=ROUTES) as own:
        hung = own.worker("hung")
        hung.pause()
        flood = blocks_its_client_only(own)
        hung.resume()
        flood.push(5)
        assert flood.sent == len(flood.data)
        hung.wait_for("BIN", count=COUNT, timeout=30)
        got = [int(record.payload[:4]) for record in hung.find("BIN")]
        assert got == list(range(COUNT)), "lost, doubled or out of order"


@case(seconds=90)
def a_worker_that_never_acknowledges_stops_its_client_and_loses_nothing():
    with Deployment(routes=ROUTES) as own:
        hung = own.worker("hung", auto_ack=False)
        flood = blocks_its_client_only(own)
        assert len(hung.find("BIN")) <= 32, "more than the window was delivered"
        hung.auto_ack = True
        hung.ack(hung.find("BIN")[-1].tag)
        flood.push(5)
        assert flood.sent == len(flood.data)
        hung.wait_for("BIN", count=COUNT, timeout=30)
        got = [int(record.payload[:4]) for record in hung.find("BIN")]
        assert got == list(range(COUNT)), "lost, doubled or out of order"


@case(seconds=90)
def a_worker_that_is_stopped_by_a_signal_goes_on_where_it_was():
    with Deployment(routes=ROUTES) as own:
        words = [sys.executable, "-c", WORKER, own.endpoint("apps")]
        worker = subprocess.Popen(words, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        try:
            first = own.ws("/hung")  # the worker has joined: without one this would wait
            worker.send_signal(signal.SIGSTOP)
            flood = blocks_its_client_only(own)
            worker.send_signal(signal.SIGCONT)
            flood.push(5)
            assert flood.sent == len(flood.data)
            flood.client.sock.setblocking(True)
            got = [int(flood.client.read_text()) for _ in range(COUNT)]
            assert got == list(range(COUNT)), "lost, doubled or out of order"
            first.close()
        finally:
            worker.kill()
            worker.wait()


@case(seconds=90)
def an_upload_to_a_worker_that_never_acknowledges_waits_and_arrives_whole():
    settings = {"body_limit": "64MiB", "body_timeout": "60s"}
    with Deployment(routes=ROUTES, settings=settings) as own:
        own.main = own.worker("default", handler=echo)
        hung = own.worker("hung", auto_ack=False)
        before = [own.edge.rss_bytes(), own.broker.rss_bytes()]
        client = own.http(timeout=60)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MESSAGE)
        body = os.urandom(10 * MIB)
        upload = Background(lambda: client.request("POST", "/hung", body=body))
        event = hung.wait_for("OPEN")
        hung.wait_for("BODY", event.chan, count=4)
        others_are_well(own)
        assert upload.is_running(), "the client never felt anything"
        assert len(hung.find("BODY")) == 4, "4 parts, of 256 KiB at most"
        assert max(grown(own, before)) < 8 * MIB
        hung.auto_ack = True
        for record in hung.find(("OPEN", "BODY")):
            hung.ack(record.tag)
        hung.wait_for("BODY", event.chan, 30, where=lambda r: r.options.get("end") == "1")
        assert b"".join(record.payload for record in hung.find("BODY", event.chan)) == body
        upload.result()
        hung.respond(event.chan, 200, [("Content-Type", "text/plain")], b"all of it")
        assert client.read_response().body == b"all of it"


@case(seconds=90)
def many_clients_of_a_hung_service_share_its_window():
    settings = {"service_window_bytes": "4MiB", "workers": "1"}
    with Deployment(routes=ROUTES, settings=settings) as own:
        hung = own.worker("hung", auto_ack=False, window=10000)
        own.main = own.worker("default", handler=echo)
        before = [own.edge.rss_bytes(), own.broker.rss_bytes()]
        floods = [Flood(own) for _ in range(12)]
        for flood in floods:
            flood.push(0.1)
        taken = sum(len(record.payload or b"") for record in hung.find("BIN"))
        assert taken <= 5 * MIB, f"{taken} bytes were handed on under a window of 4 MiB"
        assert max(grown(own, before)) < 24 * MIB
        others_are_well(own)
        hung.auto_ack = True
        for record in hung.find(("OPEN", "BIN")):
            hung.ack(record.tag)
        end = time.monotonic() + scaled(60)
        while any(flood.sent < len(flood.data) for flood in floods):
            assert time.monotonic() < end, [flood.sent for flood in floods]
            for flood in floods:
                flood.push(0.01)
        wait_until(lambda: len(hung.find("BIN")) == 12 * COUNT, 30, "all messages")
        by_channel = {}
        for record in hung.find("BIN"):
            by_channel.setdefault(record.chan, []).append(int(record.payload[:4]))
        assert len(by_channel) == 12
        assert all(numbers == list(range(COUNT)) for numbers in by_channel.values())


@case()
def the_kernel_keeps_no_more_for_a_slow_client_than_it_may():
    with Deployment(settings={"send_buffer": "16KiB", "out_queue": "64KiB"}) as own:
        own.main = own.worker()
        client, event = opened_ws(own, "buffers", receive_buffer=4096)
        taken = 0
        while taken < 4 * MIB and own.main.ask_send(event.chan, b"x" * 8192).verb == "OK":
            taken += 8192
        # The queue, and twice the two buffers, as the kernel counts them.
        assert taken <= 256 * 1024, f"{taken} bytes were taken"
        client.close()


if __name__ == "__main__":
    run()
