"""What the benchmarks share: many clients in one process, CPU and memory of a daemon, the line."""

import os
import pathlib
import select
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.waiting import wait_until

HANDSHAKE = (
    b"GET /bench HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
REQUEST = b"GET /bench HTTP/1.1\r\nHost: a\r\n\r\n"
ADDRESSES = 10  # to connect from: ports of one run out
IP_BIND_ADDRESS_NO_PORT = 24  # the port is chosen at connect, by both ends

_failed = []


def line(name, value, unit, limit=None, least=False):
    """Prints one comparable line; remembers a limit that was broken."""
    verdict = ""
    if limit is not None:
        good = value >= limit if least else value <= limit
        verdict = f"  limit {'>=' if least else '<='} {limit}  {'ok' if good else 'FAIL'}"
        if not good:
            _failed.append(name)
    print(f"{name:46} {value:12.3f} {unit:18}{verdict}", flush=True)


def finish():
    """Exits 1 when a limit was broken."""
    if _failed:
        print("over the limit: " + ", ".join(_failed))
    sys.exit(1 if _failed else 0)


def cpu_seconds(pid):
    """User and system time of all threads of a process, to the nanosecond.

    The number is what clock_getcpuclockid() makes; /proc counts in hundredths of a second."""
    return time.clock_gettime(~pid << 3 | 2)


def rss_bytes(pid):
    for text in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if text.startswith("VmRSS:"):
            return int(text.split()[1]) * 1024
    return 0


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def connect(address, source):
    client = socket.socket()
    client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    client.bind((source, 0))
    client.connect(address)
    return client


class Clients:
    """Connections that are opened together; what they receive is counted, not kept."""

    def __init__(self, address):
        self.address = address
        self.sockets = []
        self.poll = select.epoll()
        self.by_fd = {}
        self.received = {}

    def open(self, count, first):
        """`first` is what each says at once; returns the new sockets."""
        new = []
        for _ in range(count):
            client = connect(self.address, f"127.0.0.{2 + len(self.sockets) % ADDRESSES}")
            if first:
                client.sendall(first)
            client.setblocking(False)
            self.sockets.append(client)
            self.by_fd[client.fileno()] = client
            self.received[client.fileno()] = 0
            self.poll.register(client, select.EPOLLIN)
            new.append(client)
        return new

    def read(self, seconds=0.0):
        """What there is, for each connection that has something."""
        for fd, _ in self.poll.poll(seconds, 4096):
            try:
                data = self.by_fd[fd].recv(1 << 18)
            except BlockingIOError:
                continue
            assert data, "the server closed a connection"
            self.received[fd] += len(data)
            yield data

    def drain(self, seconds=0.0):
        """Reads what there is; returns the number of bytes."""
        return sum(len(data) for data in self.read(seconds))

    def ask_again(self, seconds, request):
        """Says `request` on each connection that got something; returns how many did."""
        ready = self.poll.poll(seconds)
        for fd, _ in ready:
            assert self.by_fd[fd].recv(1 << 18), "the server closed a connection"
            self.by_fd[fd].sendall(request)
        return len(ready)

    def wait_bytes(self, each, seconds=60):
        """Until every connection has got `each` bytes since the last forget()."""
        def done():
            self.drain(0.01)
            return all(count >= each for count in self.received.values())
        wait_until(done, seconds, f"{each} bytes for each of {len(self.sockets)}")

    def wait_total(self, total, seconds=60):
        """Until all of them together have got `total` bytes."""
        got = 0
        def done():
            nonlocal got
            got += self.drain(0.01)
            return got >= total
        wait_until(done, seconds, f"{total} bytes")

    def forget(self):
        while self.drain(0):
            pass
        for fd in self.received:
            self.received[fd] = 0

    def close(self):
        for client in self.sockets:
            client.close()
        self.poll.close()
