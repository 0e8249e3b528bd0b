"""A broker for tests: speaks the application port of RW/1 over a real socket, on a port that the
system chooses, and is driven step by step by the test's own thread."""

import json
import time

import zmq

from ringway import wire

DEADLINE = 8.0

META = {
    "method": "GET", "target": "/", "version": "1.1", "scheme": "http", "headers": [],
    "peer": "192.0.2.1:50000", "local": "192.0.2.2:80", "carrier": "http", "route": "all",
    "params": {}, "offers": [], "body": "none",
}


class FakeBroker:
    """Answers JOIN, LEAVE and everything with id= unless told otherwise.

    seen    records that came and were not expected yet
    mute    verbs whose commands are not answered
    errors  verb -> code to answer instead of OK
    secret  key of CURVE; None: an open bus
    """

    def __init__(self, port=None, secret=None):
        self.context = zmq.Context()
        self.secret = secret
        self.boot = "00000000000000a1"
        self.incarnation = "i1"
        self.seen = []
        self.mute = set()
        self.errors = {}
        self.info = b'{"live":3}'  # what GET is answered with
        self.peer = None
        self.count = 0
        self.port = port
        self.open()

    def open(self):
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        if self.secret:
            self.socket.setsockopt(zmq.CURVE_SERVER, 1)
            self.socket.setsockopt(zmq.CURVE_SECRETKEY, self.secret)
        if self.port:
            self.bind_again()
        else:
            self.port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.endpoint = "tcp://127.0.0.1:%d" % self.port

    def bind_again(self):
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                return self.socket.bind("tcp://127.0.0.1:%d" % self.port)
            except zmq.ZMQError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def restart(self, boot, incarnation):
        """Killed and started again: knows nobody, and nothing of what it was sent."""
        self.socket.close(0)
        self.boot, self.incarnation, self.peer = boot, incarnation, None
        self.seen.clear()
        self.open()

    def close(self):
        self.socket.close(0)
        self.context.term()

    def pump(self, seconds=0.02):
        """Take what comes within so many seconds, and answer it."""
        if not self.socket.poll(int(seconds * 1000)):
            return
        peer, *frames = self.socket.recv_multipart()
        for frame in frames:
            record = wire.parse(frame)
            self.seen.append(record)
            self.answer(peer, record)

    def answer(self, peer, record):
        id = record.option("id")
        if record.verb == "JOIN":
            self.peer = peer
        if record.verb in self.mute:
            return
        if record.verb == "JOIN":
            if id:
                self.joined(id)
        elif record.verb == "LEAVE":
            self.send("LEFT", record.token(0), "-", "-")
        elif id and record.verb in self.errors:
            self.send_to(peer, "ERR", record.token(0), "-", id, self.errors[record.verb])
        elif id and record.verb == "GET":
            self.send_to(peer, "INFO", record.token(0), "-", id, payload=self.info)
        elif id:
            extra = ["pos=00000000000000e1:7"] if record.verb == "PUB" else []
            self.send_to(peer, "OK", record.token(0), "-", id, *extra)

    def joined(self, id):
        self.send("JOINED", "test", "-", id, "boot=" + self.boot, "inc=" + self.incarnation)

    def send_to(self, peer, *tokens, payload=None):
        frame = " ".join(str(token) for token in tokens).encode("ascii")
        self.socket.send_multipart(
            [peer, frame if payload is None else frame + b"\n" + payload]
        )

    def send(self, *tokens, payload=None):
        self.send_to(self.peer, *tokens, payload=payload)

    def event(self, verb, channel, seq, *tokens, payload=b""):
        """Deliver an event; returns its tag."""
        self.count += 1
        tag = "%s.%d" % (self.incarnation, self.count)
        self.send(verb, channel, seq, tag, *tokens, payload=payload)
        return tag

    def open_channel(self, channel, content=b"", **meta):
        line = json.dumps({**META, **meta}).encode()
        return self.event("OPEN", channel, 1, payload=line + (b"\n" + content if content else b""))

    def expect(self, verb, *tokens):
        """The first record of that verb whose next tokens are these, removed from `seen`; waits
        for it.  The records before it stay."""
        wanted = [str(token) for token in tokens]
        deadline = time.monotonic() + DEADLINE
        while True:
            for at, record in enumerate(self.seen):
                if record.verb == verb and record.tokens[:len(wanted)] == wanted:
                    return self.seen.pop(at)
            if time.monotonic() > deadline:
                got = [" ".join([r.verb] + r.tokens) for r in self.seen[-8:]]
                raise AssertionError("no %s %s; got %s" % (verb, wanted, got))
            self.pump()

    def until(self, condition, what="a condition"):
        """Go on until condition() is true."""
        deadline = time.monotonic() + DEADLINE
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError("waited in vain for " + what)
            self.pump()

    def settle(self, channel):
        """A round trip: when it returns, everything sent before has been handled.  Returns the
        records seen meanwhile."""
        tag = self.event("DRAINED", channel, 0)
        self.expect("ACK", tag)
        return list(self.seen)
