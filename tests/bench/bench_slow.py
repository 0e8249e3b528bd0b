"""Clients that do not read, beside clients that do: memory, and what the others feel of them.

2,000 WebSockets, 500 on a route of each policy for slow clients, get 1 KB ten times a second.  In the
first and the last part all of them read; in between every tenth stops.  A latency is the time from the publication's
leaving this process until a client's bytes are here again; this process is publisher and clients,
so its own work is in all figures alike."""

import select
import socket
import time

from bench import ADDRESSES, connect, finish, line, rss_bytes
from support.harness import Deployment

KIB, MIB = 1 << 10, 1 << 20
CLIENTS, FROZEN = 2000, 200
SIZE = 1024
RATE = 10  # publications a second, of each topic
PARTS_S = (30, 60, 30)
POLICIES = ("close", "pause", "drop-oldest", "latest")
OUT_QUEUE, SEND_BUFFER, RECEIVE_BUFFER = 256 * KIB, 16 * KIB, 16 * KIB
HANDSHAKE = (
    b"GET /%s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: ringway.1\r\n\r\n"
)


class Client:
    """A WebSocket whose frames are counted; the first one is the cursor it begins with."""

    def __init__(self, address, number):
        self.sock = connect(address, f"127.0.0.{2 + number % ADDRESSES}")
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.sock.sendall(HANDSHAKE % POLICIES[number % len(POLICIES)].encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.sock.recv(1)
        assert head.startswith(b"HTTP/1.1 101"), head
        self.sock.setblocking(False)
        self.head, self.left = b"", 0  # of a frame: what has come of its head, what is still to come
        self.frames = -1

    def take(self, data):
        """How many frames are complete with these bytes."""
        at, before = 0, self.frames
        while at < len(data):
            if self.left:
                step = min(self.left, len(data) - at)
                at, self.left = at + step, self.left - step
                self.frames += self.left == 0
                continue
            self.head += data[at : at + 1]
            at += 1
            if len(self.head) == 2 and self.head[1] < 126:
                self.left, self.head = self.head[1], b""
            elif len(self.head) == 4:
                self.left, self.head = int.from_bytes(self.head[2:], "big"), b""
        return self.frames - before


class Ticker:
    """The publisher and all clients."""

    def __init__(self, own):
        self.sender = own.sender()
        self.sent = []  # when each publication left
        self.clients = {}
        self.poll = select.epoll()
        for number in range(CLIENTS):
            client = Client(own.address, number)
            self.clients[client.sock.fileno()] = client
            self.poll.register(client.sock, select.EPOLLIN)
        # Every tenth, in blocks of as many as there are policies.
        block = len(POLICIES)
        self.frozen = [fd for at, fd in enumerate(self.clients)
                       if at // block % (CLIENTS // FROZEN) == 0]
        self.late = []

    def freeze(self):
        for fd in self.frozen:
            self.poll.unregister(fd)

    def leave(self):
        """The frozen ones are gone."""
        for fd in self.frozen:
            self.clients.pop(fd).sock.close()

    def _read(self, seconds):
        for fd, _ in self.poll.poll(seconds, 4096):
            client = self.clients[fd]
            try:
                data = client.sock.recv(64 * KIB)
            except BlockingIOError:
                continue
            assert data, "the gateway closed a client that reads"
            now = time.perf_counter()
            count = client.take(data)
            for number in range(max(client.frames - count, 0), client.frames):
                self.late.append(now - self.sent[number])

    def part(self, seconds):
        """Publishes for so long; milliseconds at the 50th and the 99th percentile."""
        self.late = []
        begin = time.perf_counter()
        for number in range(seconds * RATE):
            due = begin + number / RATE
            while (left := due - time.perf_counter()) > 0:
                self._read(left)
            self.sent.append(time.perf_counter())
            for policy in POLICIES:
                self.sender.pub(policy, b"x" * SIZE)
        end = time.perf_counter() + 1
        while (left := end - time.perf_counter()) > 0:
            self._read(left)
        late = sorted(self.late)
        return [late[len(late) * percent // 100] * 1000 for percent in (50, 99)]


def main():
    settings = {"out_queue": f"{OUT_QUEUE}", "send_buffer": f"{SEND_BUFFER}",
                "ping_interval": "1h", "log_level": "error"}
    routes = [(name, {"path": f"/{name}", "topic": name, "slow": name}) for name in POLICIES]
    with Deployment(routes=routes, settings=settings) as own:
        ticker = Ticker(own)
        ticker.part(3)  # warms up
        first = ticker.part(PARTS_S[0])
        before = rss_bytes(own.edge.pid)
        ticker.freeze()
        between = ticker.part(PARTS_S[1])
        grown = rss_bytes(own.edge.pid) - before
        closed = own.edge.metric("ringway_channels_closed_total", carrier="ws", cause="slow")
        dropped = own.edge.metric("ringway_slow_drops_total")
        ticker.leave()
        last = ticker.part(PARTS_S[2])
    alone = (first[1] + last[1]) / 2
    line("p50 when all read", (first[0] + last[0]) / 2, "ms")
    line("p50 beside 200 that do not read", between[0], "ms")
    line("p99 when all read", alone, "ms")
    line("p99 beside 200 that do not read", between[1], "ms")
    line("ratio of these two", between[1] / alone, "", 1.5)
    line("closed as slow, of 50 on that route", closed, "", 50, least=True)
    line("dropped, of 60,000 for 100 on two routes", dropped, "", 1, least=True)
    # A message is held once for all of them: what the settings allow is not reached.
    line("gateway memory, growth", grown / MIB, "MiB", FROZEN * OUT_QUEUE / MIB)
    finish()


if __name__ == "__main__":
    main()
