"""Hostile bytes on the ports of the broker, without keys and with: nobody is stopped by them."""

import pathlib
import random
import socket
import sys
import time

import zmq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.keys import Keys
from support.port import Port
from support.talk import sentinel
from support.waiting import scaled, wait_until

MIB = 1024 * 1024
KINDS = {"edges": zmq.DEALER, "apps": zmq.DEALER, "tap": zmq.SUB, "pull": zmq.PUSH, "sub": zmq.PUB}
TYPES = {"edges": b"DEALER", "apps": b"DEALER", "tap": b"SUB", "pull": b"PUSH", "sub": b"PUB"}
# What libzmq numbers anonymous peers from when nobody has called srand: rand() of glibc, taken
# in pairs, for the first sockets of a process; other counts of rand() are as easy to find out.
GUESSES = (0x6B8B4567, 0xE43C9869, 0xF4B0DC51, 0x2AE8944A, 0xA38E1F29)


class Guarded(Deployment):
    """With keys and a worker; `strangers` says whether a test has none of them."""

    def __init__(self, with_keys=True, **options):
        super().__init__(**options)
        self.keys = None
        if with_keys:
            self.keys = Keys(self.folder.path / "keys")
            self.keys.edge("edge1")
            self.keys.app("all", ["*"], ["*"])
            self.broker_settings["keys"] = self.keys.folder
            self.settings["key"] = self.keys.path("edges/edge1.secret")
            self.settings["broker_key"] = self.keys.path("broker.key")

    def worker(self, service="default", **options):
        options.setdefault("keys", self.keys and self.keys.of("apps/all"))
        return super().worker(service, **options)

    def start(self):
        super().start()
        self.main = self.worker()
        return self

    def port(self, name, keys=True):
        """A peer of the port: with a key, where there are any, if keys is true."""
        chosen = self.keys.of("edges/edge1" if name == "edges" else "apps/all") \
            if keys and self.keys else None
        return Port(KINDS[name], self.endpoint(name), b"" if name == "tap" else None, chosen)

    def raw(self, name):
        host, _, port = self.endpoint(name).removeprefix("tcp://").rpartition(":")
        connection = socket.create_connection((host, int(port)), timeout=scaled(5))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def refused(self, **labels):
        return self.broker.metric("ringway_broker_refused_connections_total", **labels)

    def serves(self):
        """After all that: a whole exchange through gateway, broker and worker."""
        assert self.are_running(), self.broker.log()[-3000:]
        sentinel(self)


def both(function):
    """Runs the body with and without keys, in a deployment of its own, and asks for service after."""
    def with_and_without():
        for with_keys in (False, True):
            with Guarded(with_keys) as own:
                function(own)
                own.serves()
    with_and_without.__name__ = function.__name__
    return with_and_without


def greeting(mechanism=b"NULL", version=b"\x03\x00", as_server=b"\x00"):
    return b"\xff" + bytes(8) + b"\x7f" + version + mechanism.ljust(20, b"\0") + as_server + bytes(31)


def ready(kind, **more):
    """The READY command of the NULL mechanism."""
    body = b"\x05READY"
    for name, value in {"Socket-Type": kind, **more}.items():
        body += bytes([len(name)]) + name.encode() + len(value).to_bytes(4, "big") + value
    return b"\x06" + len(body).to_bytes(8, "big") + body


def send(connection, data):
    try:
        connection.sendall(data)
    except OSError:
        pass  # cut off before all of it was sent


def is_cut(connection):
    """Reads to the end: does the broker hang up?"""
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


@case(seconds=120)
@both
def random_bytes_and_changed_greetings_become_nothing(ctx):
    dice = random.Random(4711)
    for _ in range(40):
        for name in KINDS:
            good = bytearray(greeting() + ready(TYPES[name]))
            for _ in range(dice.randrange(1, 5)):
                good[dice.randrange(len(good))] = dice.randrange(256)
            for data in (dice.randbytes(dice.randrange(1, 400)), bytes(good),
                         bytes(good[: dice.randrange(1, len(good))])):
                with ctx.raw(name) as connection:
                    send(connection, data)


@case(seconds=120)
@both
def peers_of_an_old_protocol_are_refused(ctx):
    """Their random bytes would become records, whatever the socket is."""
    before = ctx.main.ask("GET", "stats").payload
    for name in KINDS:
        for start in (b"\x01\x00", b"\x01\x00\x02\x00x", greeting(version=b"\x01\x00")[:11],
                      b"\xff" + bytes(8) + b"\x7f\x00\x05", b"\x05\x00abcd"):
            with ctx.raw(name) as connection:
                send(connection, start + b"\x14\x00PUB garbage\nreached" * 20)
                assert is_cut(connection), f"{name}: {start!r} is not refused"
    after = ctx.main.ask("GET", "stats").payload
    for name in (b'"syntax":0', b'"verb":0', b'"publications":0'):
        assert name in before and name in after, after


@case(seconds=120)
@both
def garbage_after_a_good_handshake_stops_nothing(ctx):
    dice = random.Random(815)
    for name in KINDS:
        for _ in range(20):
            with ctx.raw(name) as connection:
                send(connection, greeting() + ready(TYPES[name]))
                send(connection, dice.randbytes(dice.randrange(1, 2000)))
                send(connection, b"\x01" + bytes([dice.randrange(256)]) + dice.randbytes(300))


@case(seconds=120)
@both
def a_frame_of_any_announced_size_is_cut_off_and_takes_no_memory(ctx):
    before = ctx.broker.rss_bytes()
    for name in KINDS:
        for size in (1 << 62, 1 << 63, (1 << 64) - 1, 1 << 40, 64 * MIB):
            for flags in (b"\x02", b"\x03", b"\x06"):
                with ctx.raw(name) as connection:
                    send(connection, greeting() + ready(TYPES[name]))
                    send(connection, flags + size.to_bytes(8, "big") + b"x" * 100)
                    assert is_cut(connection), f"{name}: {size} is not cut off"
    assert ctx.broker.rss_bytes() < before + 16 * MIB, "memory was taken"


@case(seconds=120)
@both
def sockets_of_the_wrong_type_are_not_heard(ctx):
    for name in KINDS:
        for kind in (zmq.PUB, zmq.SUB, zmq.PUSH, zmq.PULL, zmq.REP, zmq.ROUTER, zmq.PAIR,
                     zmq.XPUB, zmq.DEALER, zmq.STREAM):
            if kind == KINDS[name]:
                continue
            subscribe = b"" if kind == zmq.SUB else None
            keys = ctx.keys.of("apps/all") if ctx.keys and kind != zmq.STREAM else None
            with Port(kind, ctx.endpoint(name), subscribe, keys) as port:
                port.socket.setsockopt(zmq.LINGER, 0)
                if kind not in (zmq.SUB, zmq.PULL, zmq.REP) and port.socket.poll(20, zmq.POLLOUT):
                    try:
                        port.socket.send_multipart([b"x", b"GET stats id=1"], zmq.DONTWAIT)
                    except zmq.ZMQError:
                        pass


@case(seconds=120)
@both
def claimed_routing_ids_take_nobody_down(ctx):
    """A peer that has the id which the next anonymous peer is to get ends libzmq 4.3.4."""
    claimed = []
    for name in ("edges", "apps"):
        for guess in GUESSES:
            for step in range(25):
                connection = ctx.raw(name)
                number = (guess + step) & 0xFFFFFFFF
                send(connection, greeting() + ready(
                    TYPES[name], Identity=b"\0" + number.to_bytes(4, "big")))
                claimed.append(connection)
        for odd in (b"x", b"x", b"\x01" * 7, b"\x00" * 255, b"long" * 20):
            connection = ctx.raw(name)
            send(connection, greeting() + ready(TYPES[name], Identity=odd) + b"\x00\x03ACK")
            claimed.append(connection)
    ports = [ctx.port("apps") for _ in range(30)]
    try:
        for number, port in enumerate(ports):
            port.send(f"GET stats id={number}")
        for number, port in enumerate(ports):
            assert port.receive()[0].startswith(f"INFO stats - {number}\n".encode())
    finally:
        for port in ports:
            port.__exit__()
        for connection in claimed:
            connection.close()


@case(seconds=120)
@both
def a_message_that_never_ends_stops_nothing(ctx):
    """Without keys its frames are kept, since libzmq has no limit to them; a stranger's are not."""
    frame = b"\x03" + (1000).to_bytes(8, "big") + b"x" * 1000
    before = ctx.broker.rss_bytes()
    for name in KINDS:
        with ctx.raw(name) as connection:
            send(connection, greeting() + ready(TYPES[name]))
            for _ in range(40):
                send(connection, frame * 100)  # 4 MB in all
    if ctx.keys:
        assert ctx.broker.rss_bytes() < before + 8 * MIB, "a stranger's frames are kept"
        with ctx.port("apps") as port:  # one with a key may do it
            for _ in range(2000):
                port.socket.send(b"small", zmq.SNDMORE)
    ctx.serves()


@case(seconds=120)
@both
def a_long_subscription_takes_no_memory(ctx):
    ctx.serves()
    before = ctx.broker.rss_bytes()
    with ctx.port("tap") as tap:
        wait_until(lambda: (ctx.main.pub("t", "x"), tap.socket.poll(50))[1], 10, "the tap")
        for number in range(5):
            with ctx.raw("tap") as connection:
                send(connection, greeting() + ready(b"SUB"))
                send(connection, b"\x02" + (MIB + 1).to_bytes(8, "big") + b"\x01" + b"y" * MIB)
                assert is_cut(connection), "a topic of 1 MB is not cut off"
        for number in range(20):  # libzmq as a client cannot bear longer ones itself
            with ctx.port("tap") as long:
                long.socket.setsockopt(zmq.SUBSCRIBE, bytes([number]) + b"y" * 20000)
                time.sleep(0.02)  # long enough for it on loopback
        assert ctx.broker.rss_bytes() < before + 16 * MIB, "a topic of 1 MB was taken"
        while tap.socket.poll(0):
            tap.receive()
        ctx.main.pub("t", "still")
        assert tap.receive()[1].endswith(b"still")


@case(seconds=120)
@both
def half_a_handshake_is_cut_off(ctx):
    """Whatever part of it has come, its descriptor is free again after five seconds."""
    before = ctx.broker.open_files()
    counted = ctx.refused()
    whole = greeting(b"CURVE" if ctx.keys else b"NULL") + ready(b"DEALER")
    held = []
    for name in KINDS:
        for size in (0, 1, 9, 10, 11, 12, 63, 64, 65, 70):
            connection = ctx.raw(name)
            send(connection, whole[:size])
            held.append(connection)
    try:
        wait_until(lambda: ctx.broker.open_files() >= before + len(held) // 2, 5, "connections")
        wait_until(lambda: ctx.broker.open_files() <= before, 15, "the descriptors to be free")
        wait_until(lambda: ctx.refused() >= counted + len(held) // 2, 5, "the count")
        assert ctx.refused(reason="unfinished") > 0
    finally:
        for connection in held:
            connection.close()


if __name__ == "__main__":
    run(lambda: Guarded())
