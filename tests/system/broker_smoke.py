"""The real ringway-broker between a played edge and the seven-line worker, and under garbage.

RINGWAY_BIN names the folder of the program.  Last line: `N passed, N failed`.
"""

import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import threading
import traceback
import urllib.request

import zmq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.harness import clean_environment, program_path
from support.waiting import scaled, wait_until

EPOCH = "0123456789abcdef"
PORTS = ("edges", "apps", "tap", "pull", "sub")


class Broker:
    """The program on ports that the kernel picks."""

    def __init__(self, flags=(), **ports):
        command = [str(program_path("ringway-broker")), "--ops-listen", "127.0.0.1:0", *flags]
        for port in PORTS:
            command += [f"--bus-{port}", ports.get(port, "tcp://127.0.0.1:*")]
        self.process = subprocess.Popen(
            command, env=clean_environment(), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        words = self.process.stdout.readline().split()
        assert words and words[0] == "ready", f"not ready: {words} {self.process.poll()}"
        self.at = dict(word.split("=", 1) for word in words[1:])
        self.context = zmq.Context()
        self.context.setsockopt(zmq.LINGER, 0)

    def socket(self, kind, port):
        made = self.context.socket(kind)
        made.connect(self.at[port])
        return made

    def address(self, port):
        host, number = self.at[port].removeprefix("tcp://").rsplit(":", 1)
        return host, int(number)

    def stop(self):
        """Exit status and what it wrote on stderr."""
        self.context.destroy()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=scaled(10))
        return self.process.returncode, errors


class Edge:
    """An edge with one connection."""

    def __init__(self, broker, name):
        self.name, self.heard, self.number = name, [], 0
        self.socket = broker.socket(zmq.DEALER, "edges")
        self.say(f"HELLO {name} {EPOCH} - 0 proto=RW/1")
        assert self.expect("WELCOME")[0].endswith("sync c=0")
        self.say("SYNCED")

    def say(self, record):
        self.socket.send(record.encode())

    def expect(self, verb, seconds=5):
        """Header and payload of the next record of this verb."""
        def found():
            while self.socket.poll(0):
                self.heard.append(self.socket.recv().decode())
            return next((r for r in self.heard if r.startswith(verb + " ")), None)
        record = wait_until(found, seconds, f"{verb} to {self.name}")
        self.heard.remove(record)
        head, _, payload = record.partition("\n")
        return head, payload

    def channel(self):
        self.number += 1
        return f"{self.name}.{EPOCH}.{self.number:x}"

    def beat(self):
        self.say(f"HB {self.name} {EPOCH} 0")


class Worker:
    """The worker of seven lines, in a thread with a socket of its own."""

    def __init__(self, broker, service="echo"):
        self.endpoint, self.service = broker.at["apps"], service
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        with zmq.Context() as context, context.socket(zmq.DEALER) as s:
            s.linger = 0
            s.connect(self.endpoint)
            join = b"JOIN " + self.service.encode()
            s.send(join)
            while not self.stopping.is_set():
                if not s.poll(100):
                    s.send(join)
                    continue
                head, _, data = s.recv().partition(b"\n")
                ev, chan, seq, tag, *rest = head.split()
                if ev == b"TEXT":
                    s.send(b"SEND " + chan + b"\n" + data)
                s.send(b"ACK " + tag)

    def stop(self):
        self.stopping.set()
        self.thread.join()


def one_conversation(edge):
    """Open, one message there and back, close: everything acknowledged."""
    channel = edge.channel()
    edge.say(f"OPEN {channel} 1 echo 0 ws=1\n{{}}")
    edge.say(f"TEXT {channel} 2\nhello {channel}")

    def served():
        # Without a worker yet the broker asks for both again.
        head, payload = edge.expect("SEND", 10)
        return head.split()[2] == channel and payload == f"hello {channel}"

    def again():
        if any(r.startswith("RESEND ") for r in edge.heard):
            edge.expect("RESEND")
            edge.say(f"OPEN {channel} 1 echo 0 ws=1\n{{}}")
            edge.say(f"TEXT {channel} 2\nhello {channel}")
        while edge.socket.poll(0):
            edge.heard.append(edge.socket.recv().decode())
        return any(r.startswith("SEND ") for r in edge.heard)

    wait_until(again, 10, "the answer to the message")
    assert served()
    edge.say(f"CLOSE {channel} 3 1000 cause=client\n")

    def closed():
        _, payload = edge.expect("ACK")
        return f"{channel} 3\n" in payload

    wait_until(closed, 10, "the acknowledgement of the close")


def asks(broker, record):
    """The answer to a request of a REQ socket."""
    with broker.socket(zmq.REQ, "apps") as request:
        request.send(record.encode())
        assert request.poll(int(scaled(5000))), f"no answer to {record!r}"
        return request.recv().decode()


def test_serves_an_edge_and_the_seven_line_worker(broker, name="smoke1"):
    edge, worker = Edge(broker, name), Worker(broker)
    try:
        for _ in range(20):
            one_conversation(edge)
    finally:
        worker.stop()


def test_answers_a_req_socket_in_its_envelope(broker):
    assert asks(broker, "PUB rooms/1\nhello").startswith("OK rooms/1 - - pos=")
    assert asks(broker, "GET stats id=7").startswith('INFO stats - 7\n{"boot":')
    assert " value\n" in asks(broker, "SEND nonsense\nx")
    assert asks(broker, "WHAT IS").startswith("ERR IS - - verb")
    correlated = broker.socket(zmq.REQ, "apps")
    correlated.setsockopt(zmq.REQ_CORRELATE, 1)
    correlated.send(b"PUB rooms/1\nhello")
    assert correlated.poll(int(scaled(5000)))
    assert correlated.recv().startswith(b"OK rooms/1 ")


def test_a_message_of_several_frames_is_a_batch(broker):
    edge, sender = Edge(broker, "smoke2"), broker.socket(zmq.DEALER, "apps")
    channel = edge.channel()
    sender.send_multipart([f"SEND {channel}\n{n}".encode() for n in range(20)])
    assert [edge.expect("SEND")[1] for _ in range(20)] == [str(n) for n in range(20)]


def test_takes_commands_on_the_plain_ports(broker):
    edge = Edge(broker, "smoke3")
    channel = edge.channel()
    push, publish = broker.socket(zmq.PUSH, "pull"), broker.socket(zmq.PUB, "sub")
    push.send(f"SEND {channel}\npushed".encode())
    assert edge.expect("SEND")[1] == "pushed"
    edge.say("TSUB rooms/9")
    edge.expect("TOP")

    def published():
        publish.send_multipart([b"rooms/9", b"published"])
        edge.heard += [edge.socket.recv().decode() for _ in range(100) if edge.socket.poll(0)]
        return any(r.startswith("PUB ") and r.endswith("\npublished") for r in edge.heard)

    wait_until(published, 5, "a publication of the PUB socket")
    publish.send_multipart([f"channel/{channel}/close".encode(), b"bye"])
    assert edge.expect("CLOSE")[1] == "bye"


def test_shows_the_tap_what_is_watched_and_no_secrets(broker):
    edge, worker = Edge(broker, "smoke4"), Worker(broker, "watched")
    tap = broker.socket(zmq.SUB, "tap")
    tap.setsockopt(zmq.SUBSCRIBE, b"channel/smoke4.")
    try:
        def watched():
            channel = edge.channel()
            edge.say(f'OPEN {channel} 1 watched 0\n{{"headers":[["cookie","s3cret"]]}}')
            return tap.poll(200)
        wait_until(watched, 10, "an event on the tap")
        topic, record = tap.recv_multipart()
        assert topic.endswith(b"/open") and record.startswith(b"OPEN smoke4.")
        assert b"s3cret" not in record and b"headers" in record
    finally:
        worker.stop()


def test_closes_the_channels_of_an_edge_that_says_bye(broker):
    edge, worker = Edge(broker, "smoke5"), broker.socket(zmq.DEALER, "apps")
    worker.send(b"JOIN bye")
    edge.expect("FLOW")
    channel = edge.channel()
    wait_until(lambda: "FLOW 0 bye 1" in edge.expect("FLOW", 10)[0], 10, "the worker")
    edge.say(f"OPEN {channel} 1 bye 0\n{{}}")
    heads = []

    def next_event():
        while worker.poll(0):
            heads.append(worker.recv().split(b"\n")[0].split())
        return heads and [h for h in heads if h[0] in (b"OPEN", b"CLOSE")]

    wait_until(next_event, 5, "OPEN")
    edge.say("BYE")
    wait_until(lambda: len(next_event()) == 2, 5, "CLOSE")
    assert next_event()[1][4:] == [b"-1", b"cause=edge-lost"]


def test_has_metrics_and_says_that_it_is_ready(broker):
    base = "http://" + broker.at["ops"]
    with urllib.request.urlopen(base + "/readyz", timeout=5) as answer:
        assert answer.status == 200

    def counted():
        page = urllib.request.urlopen(base + "/metrics", timeout=5).read().decode()
        lines = dict(l.rsplit(" ", 1) for l in page.splitlines() if not l.startswith("#"))
        return float(lines["ringway_broker_events_total"]) > 0 and lines

    lines = wait_until(counted, 5, "events in the metrics")
    assert 'ringway_broker_dropped_total{reason="syntax"}' in lines


def raw(broker, port, data):
    """Bytes on a bare TCP connection; what the broker thinks of them is its business."""
    with socket.create_connection(broker.address(port), timeout=scaled(5)) as plain:
        try:
            plain.sendall(data)
        except OSError:
            pass


def test_random_bytes_on_every_port_stop_nothing(broker):
    dice = random.Random(4711)
    greeting = bytes.fromhex("ff00000000000000017f03") + b"\x01NULL" + bytes(47)
    for _ in range(60):
        for port in PORTS:
            raw(broker, port, dice.randbytes(dice.randrange(1, 400)))
            # An old peer without security: random bytes become frames.
            raw(broker, port, b"\x01\x00" + dice.randbytes(dice.randrange(1, 400)))
            raw(broker, port, greeting + dice.randbytes(dice.randrange(1, 100)))
            # A frame that says it has 2^62 bytes.
            raw(broker, port, greeting + b"\x02" + (1 << 62).to_bytes(8, "big") + b"x")


def test_wrong_records_on_every_port_stop_nothing(broker):
    dice = random.Random(815)
    kinds = {"edges": zmq.DEALER, "apps": zmq.DEALER, "pull": zmq.PUSH, "sub": zmq.PUB}
    verbs = ["HELLO", "OPEN", "TEXT", "ACK", "JOIN", "SEND", "SUB", "PUB", "CLOSE", "CHECK",
             "HB", "TSUB", "TUNSUB", "ERR", "OK", "LEAVE", "NACK", "DONE", "GET", "x", ""]
    for port, kind in kinds.items():
        peer = broker.socket(kind, port)
        for _ in range(2000):
            words = [dice.choice(verbs)] + [
                dice.choice(["a", "-", "1", "99999999999999999999", "%00", "x" * 300, "=",
                             "id=1", "e." + EPOCH + ".1", "\x00", "", "proto=RW/1"])
                for _ in range(dice.randrange(6))]
            record = " ".join(words).encode() + dice.choice([b"", b"\n", b"\nx"])
            peer.send_multipart([record] * dice.choice([1, 1, 2, 7]))
            while kind == zmq.DEALER and peer.poll(0):
                peer.recv_multipart()
        peer.send(b"x" * 20000)
        peer.send(b"SEND e." + EPOCH.encode() + b".1\n" + bytes(4 * 1024 * 1024 + 70000))


def test_a_payload_over_the_limit_is_answered(broker):
    sender = broker.socket(zmq.DEALER, "apps")
    sender.send(b"SEND e." + EPOCH.encode() + b".1\n" + bytes(4 * 1024 * 1024 + 1))
    assert sender.poll(int(scaled(10000)))
    assert sender.recv().split(b"\n")[0].endswith(b" - - large")


def test_messages_that_never_end_and_claimed_ids_stop_nothing(broker):
    peers = []
    for port, kind in (("edges", zmq.DEALER), ("apps", zmq.DEALER), ("pull", zmq.PUSH)):
        peer = broker.socket(kind, port)
        for _ in range(3000):
            peer.send(b"small", zmq.SNDMORE)
        peers.append(peer)
        for name in (b"x", b"\x01" * 7, b"long" * 20):
            named = broker.context.socket(zmq.DEALER)
            named.setsockopt(zmq.IDENTITY, name)
            named.connect(broker.at["apps"])
            named.send(b"GET stats id=1")
            if len(name) <= 7:
                assert named.poll(int(scaled(5000))), f"no answer to the peer {name!r}"
            named.close()
    for peer in peers:
        peer.close()


def test_many_subscriptions_of_the_tap_stop_nothing(broker):
    tap = broker.socket(zmq.SUB, "tap")
    tap.sndhwm = 0
    for n in range(3000):
        tap.setsockopt(zmq.SUBSCRIBE, b"topic/%d/" % n)
    tap.setsockopt(zmq.SUBSCRIBE, b"y" * 5000)
    tap.close()


def test_still_serves_after_all_that(broker):
    assert broker.process.poll() is None, "the broker is gone"
    test_serves_an_edge_and_the_seven_line_worker(broker, "smoke9")
    stats = asks(broker, "GET stats")
    assert '"syntax":0' not in stats, stats


def test_stops_on_sigterm_with_status_0(broker):
    status, errors = broker.stop()
    assert status == 0, errors
    assert "event=stopped" in errors and "Sanitizer" not in errors, errors


def refuses(flags, status, words):
    """The program ends at once with this status and one line that has these words."""
    ended = subprocess.run([str(program_path("ringway-broker"))] + flags, timeout=scaled(10),
                           env=clean_environment(), capture_output=True, text=True)
    assert ended.returncode == status, (ended.returncode, ended.stderr)
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    for word in words:
        assert word in ended.stderr, ended.stderr


def test_a_port_in_use_is_one_line_and_status_1(broker):
    flags = ["--bus-apps", "tcp://127.0.0.1:*", "--bus-edges", broker.at["edges"]]
    refuses(flags, 1, ["bus-edges", broker.at["edges"], "in use"])


def test_an_open_bus_without_plain_bus_is_refused(broker):
    refuses(["--bus-apps", "tcp://0.0.0.0:0"], 2, ["bus-apps", "tcp://0.0.0.0:0", "plain-bus"])
    refuses(["--bus-tap", "tcp://127.example.org:1"], 2, ["bus-tap", "plain-bus"])
    refuses(["--bus-edges", ""], 2, ["bus-edges"])
    refuses(["--bus-edges", "http://127.0.0.1:1"], 2, ["bus-edges", "tcp://"])


def test_plain_ports_can_be_off_and_an_open_bus_allowed(broker):
    path = f"ipc:///tmp/ringway-smoke-{os.getpid()}"
    other = Broker(["--plain-bus=yes"], edges=path, apps="tcp://0.0.0.0:*", tap="", pull="",
                   sub="")
    try:
        assert other.at["tap"] == other.at["pull"] == other.at["sub"] == ""
        assert other.at["edges"] == path and other.at["apps"].startswith("tcp://0.0.0.0:")
        Edge(other, "ipc")
    finally:
        status, errors = other.stop()
        pathlib.Path(path.removeprefix("ipc://")).unlink(missing_ok=True)  # libzmq leaves it
    assert status == 0, errors


def main():
    """Every test of this file in its order, with one broker."""
    passed = failed = 0
    broker = Broker()
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    tests.sort(key=lambda pair: pair[0] == "test_stops_on_sigterm_with_status_0")
    for name, test in tests:
        try:
            test(broker)
            passed += 1
            print(f"ok   {name}", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL {name}", flush=True)
            traceback.print_exc(file=sys.stdout)
    if broker.process.poll() is None:
        broker.process.kill()
        broker.process.wait()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
