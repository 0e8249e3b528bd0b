"""Peers that mean no good: crowds of silent connections, bytes that are no protocol, clients that
do not read."""

import contextlib
import random
import socket
import time

from support.waiting import wait_until
from support.worker import Worker

# ZMTP 3.0: signature, version, mechanism NULL, then READY as a DEALER.
_GREETING = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL" + bytes(48)
_COMMAND = b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0"
_READY = bytes([4, len(_COMMAND)]) + _COMMAND


def _connect(address):
    sock = socket.create_connection(address, timeout=2)
    sock.settimeout(0.2)
    return sock


def crowd(addresses, count, seconds, measure):
    """Keeps `count` connections open that say nothing; new ones come for those that were closed.

    Returns the most that measure() said meanwhile.
    """
    end = time.monotonic() + seconds
    held, most = [], 0
    while time.monotonic() < end:
        held = [sock for sock in held if not _is_over(sock)]
        for number in range(count - len(held)):
            with contextlib.suppress(OSError):
                held.append(_connect(addresses[number % len(addresses)]))
        time.sleep(0.2)
        most = max(most, measure())
    for sock in held:
        sock.close()
    return most


def _is_over(sock):
    try:
        over = sock.recv(1000, socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        over = True
    if over:
        sock.close()
    return over


def throw_garbage(addresses, seconds, seed):
    """Connects again and again, each time with other nonsense; returns how often."""
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    thrown = 0
    while time.monotonic() < end:
        for address in addresses:
            with contextlib.suppress(OSError), _connect(address) as sock:
                for piece in _nonsense(chance):
                    sock.sendall(piece)
                with contextlib.suppress(TimeoutError):
                    sock.recv(1000)
                thrown += 1
    return thrown


def _nonsense(chance):
    noise = chance.randbytes(chance.randrange(1, 2000))
    records = [b"OPEN", b"ACK " + noise[:50], b"JOIN \0", b"HELLO a b c", b"SEND x.y.z", noise]
    frames = [bytes([0, min(len(r), 255)]) + r[:255] for r in records]
    mutated = bytearray(_GREETING)
    mutated[chance.randrange(len(mutated))] = chance.randrange(256)
    return chance.choice(
        [
            [noise],
            [bytes(mutated), noise],
            [_GREETING, noise],
            # Good until the first frame: one of 2^62 bytes, then one that never ends.
            [_GREETING, _READY, b"\x02\x40" + bytes(7)],
            [_GREETING, _READY, *[b"\x01\x05parts"] * 200],
            [_GREETING, _READY, *frames],
            # As ZMTP 1.0, without a greeting.
            [bytes([1, 0]), *[bytes([len(r) % 250 + 1, 0]) + r[:250] for r in records]],
        ]
    )


class SlowClients:
    """WebSockets that read nothing after their handshake, and a worker that floods them.

    Sockets and threads belong to the namespace in which they are made, so the two halves are made
    apart.
    """

    PIECE = b"x" * 65536

    def __init__(self):
        self.worker = None
        self._sockets = []

    def start_worker(self, endpoint, service, pieces):
        """It sends `pieces` of 64 KiB to each client, without a look at the answers."""

        def flood(worker, record):
            if record.verb == "OPEN":
                for _ in range(pieces):
                    worker.send(record.chan, self.PIECE)

        self.worker = Worker(endpoint, service, handler=flood).start()

    def connect(self, address, target, count):
        request = (
            f"GET {target} HTTP/1.1\r\nHost: slow\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        for _ in range(count):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(5)
            sock.connect(address)
            sock.sendall(request.encode())
            self._sockets.append(sock)

    def wait_closed(self, seconds):
        """The causes with which the channels of all of them were closed, one for each."""

        def closes():
            found = self.worker.find("CLOSE")
            return found if len(found) >= len(self._sockets) else None

        found = wait_until(closes, seconds, "a CLOSE for each slow client")
        assert len({record.chan for record in found}) == len(found), "a slow client closed twice"
        return [record.cause for record in found]

    def stop(self):
        for sock in self._sockets:
            sock.close()
        self.worker.retire()
