"""10 MB from one client to a worker that hangs: what becomes of memory, and of everybody else.

The worker has joined and acknowledges nothing.  In turns a client of another service is measured
alone and while a new client sends its 10 MB; the gateway takes what the windows allow and reads no
more.  The two kinds of window take turns, and the lower quartiles of their p99 are compared: what
else the machine does makes some windows worse, a client that holds up others would make all of one
kind worse.  Workers and sender are processes of their own."""

import select
import socket
import statistics
import subprocess
import sys
import time

from bench import finish, line, rss_bytes
from support.harness import Deployment
from support.ws_client import WsClient, make_frame

import zmq

MIB = 1 << 20
ROUTES = [
    ("hung", {"path": "/hung", "service": "hung"}),
    ("well", {"path": "/**", "service": "well"}),
]
PAIRS = 10
ECHOES = 6000  # a hang lasts; this takes some seconds
MESSAGE = 64 * 1024
TOTAL = 10 * 1000 * 1000
CHANNEL_WINDOW, SERVICE_WINDOW = 1 * MIB, 16 * MIB  # bytes; the defaults


def worker(endpoint, service):
    """The smallest worker there can be; the one of "hung" never acknowledges."""
    s = zmq.Context().socket(zmq.DEALER)
    s.connect(endpoint)
    s.send(b"JOIN " + service.encode())
    while True:
        if not s.poll(1000):
            s.send(b"JOIN " + service.encode())
            continue
        head, _, data = s.recv().partition(b"\n")
        event, channel, seq, tag, *rest = head.split()
        if service == "hung":
            continue
        if event == b"TEXT":
            s.send(b"SEND " + channel + b"\n" + data)
        s.send(b"ACK " + tag)


def sender(host, port):
    """For each line of input: a client that sends until the next one; prints what was taken."""
    frame = make_frame(2, b"x" * MESSAGE)
    data = memoryview(frame * (TOTAL // MESSAGE + 1))[:TOTAL]
    for _ in sys.stdin:
        client = WsClient.connect((host, int(port)), "/hung")
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        client.sock.setblocking(False)
        print("open", flush=True)
        taken = 0
        while not select.select([sys.stdin], [], [], 0)[0]:
            if taken < TOTAL and select.select([], [client.sock], [], 0.05)[1]:
                try:
                    taken += client.sock.send(data[taken:])
                except BlockingIOError:
                    pass
        sys.stdin.readline()
        print(taken, flush=True)
        client.close()


class Part:
    """This script as a process, playing one part."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [sys.executable, __file__, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)

    def say(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def hear(self):
        return self.process.stdout.readline().strip()

    def stop(self):
        self.process.kill()
        self.process.wait()


def p99(client):
    """Milliseconds that an echo takes, at most, for 99 of 100."""
    took = []
    for number in range(ECHOES):
        began = time.perf_counter()
        client.text(str(number))
        assert client.read_text() == str(number)
        took.append(time.perf_counter() - began)
    return sorted(took)[ECHOES * 99 // 100] * 1000


def main():
    with Deployment(routes=ROUTES, settings={"log_level": "error"}) as own:
        apps = own.endpoint("apps")
        parts = [Part("worker", apps, "hung"), Part("worker", apps, "well")]
        flood = Part("sender", own.address[0], str(own.address[1]))
        try:
            client = own.ws("/echo")
            p99(client)  # warms everything up
            pids = {"gateway": own.edge.pid, "broker": own.broker.pid}
            before = {name: rss_bytes(pid) for name, pid in pids.items()}
            quiet, busy, taken = [], [], []
            grown = dict.fromkeys(pids, 0)
            for _ in range(PAIRS):
                quiet.append(p99(client))
                flood.say()
                assert flood.hear() == "open"
                busy.append(p99(client))
                for name, pid in pids.items():
                    grown[name] = max(grown[name], rss_bytes(pid) - before[name])
                flood.say()
                taken.append(int(flood.hear()))
        finally:
            for part in [*parts, flood]:
                part.stop()
    alone, beside = (statistics.quantiles(windows, n=4)[0] for windows in (quiet, busy))
    line("p99 of an echo, alone", alone, "ms")
    line("p99 of an echo, beside 10 MB to a hung worker", beside, "ms")
    line("ratio of these", beside / alone, "", 1.5)
    line("of 10 MB taken from the client, at most", max(taken) / MIB, "MiB", 9.0)
    windows = min(SERVICE_WINDOW, PAIRS * CHANNEL_WINDOW) / MIB
    line("sum of the windows", windows, "MiB")
    # Each event lies in the gateway until its ACK, and on its way in buffers of both processes.
    line("gateway memory, growth", grown["gateway"] / MIB, "MiB", 2 * windows)
    line("broker memory, growth", grown["broker"] / MIB, "MiB", 2 * windows)
    finish()


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(*sys.argv[2:])
    elif sys.argv[1:2] == ["sender"]:
        sender(*sys.argv[2:])
    else:
        main()
