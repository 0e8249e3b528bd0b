"""A raw RW/1 worker over one DEALER, in a thread.  It records every record that it gets.

The shape is the smallest worker there can be: poll, JOIN when idle, split the header, handle,
ACK.  Everything around it is there so that a test can look in and interfere.
"""

import itertools
import json
import os
import threading
import time
from collections import deque
from urllib.parse import unquote_to_bytes

import zmq

from support.waiting import scaled

EVENTS = {"OPEN", "TEXT", "BIN", "BODY", "CLOSE", "ADOPT", "SLOW", "DRAINED"}
_numbers = itertools.count(1)
_random = os.urandom(8).hex()


def encode_token(text):
    """A token of a header: what VCHAR lacks, and "%", as %XX."""
    data = text if isinstance(text, bytes) else str(text).encode()
    return b"".join(
        bytes([byte]) if 0x21 <= byte <= 0x7E and byte != 0x25 else b"%%%02X" % byte
        for byte in data
    )


def make_record(verb, *tokens, payload=None, **options):
    """The bytes of a record; option names are written as they are, None and False are left out."""
    words = [verb.encode()]
    words += [encode_token(token) for token in tokens]
    for key, value in options.items():
        if value is None or value is False:
            continue
        words.append(key.encode() + b"=" + encode_token(1 if value is True else value))
    head = b" ".join(words)
    if payload is None:
        return head
    return head + b"\n" + (payload.encode() if isinstance(payload, str) else payload)


class Record:
    """A record from the broker."""

    def __init__(self, raw):
        self.raw = raw
        self.time = time.monotonic()
        head, newline, payload = raw.partition(b"\n")
        self.payload = payload if newline else None
        words = head.split(b" ")
        self.verb = words[0].decode("latin-1")
        self.tokens, self.options = [], {}
        for word in words[1:]:
            text = unquote_to_bytes(word).decode("latin-1")
            key, equals, _ = word.partition(b"=")
            if equals and len(self.tokens) >= 3:
                name = key.decode("latin-1")
                self.options[name] = text[len(unquote_to_bytes(key)) + 1 :]
            else:
                self.tokens.append(text)
        self.key = self.tokens[0] if self.tokens else ""
        self.seq = self.tokens[1] if len(self.tokens) > 1 else "-"
        self.tag = self.tokens[2] if len(self.tokens) > 2 else "-"
        self.rest = self.tokens[3:]

    @property
    def chan(self):
        return self.key

    @property
    def status(self):
        """Of a CLOSE."""
        return int(self.rest[0])

    @property
    def cause(self):
        return self.options.get("cause")

    @property
    def code(self):
        """Of an ERR."""
        return self.rest[0]

    @property
    def meta(self):
        """The JSON of an OPEN or ADOPT."""
        return json.loads((self.payload or b"{}").split(b"\n", 1)[0])

    @property
    def body(self):
        """The body that came whole with an OPEN; None if it did not."""
        line, newline, body = (self.payload or b"").partition(b"\n")
        return body if newline and json.loads(line).get("body") == "whole" else None

    @property
    def target(self):
        return self.meta["target"]

    def header(self, name, default=None):
        """First header of that lower-case name in the metadata."""
        for key, value in self.meta["headers"]:
            if key == name:
                return value
        return default

    def __repr__(self):
        return f"<{self.raw[:160]!r}>"


class Worker:
    """An application peer.

      service   what it joins, a list of several, or None for a sender
      handler   called with (worker, record) in the worker's thread for each event, before its ACK
      auto_ack  False: the test acknowledges by hand with ack(), done() or nack()
      keys      what its socket shows, a ClientKeys; None: an open bus
      options   of JOIN: window, name, pressure
    """

    def __init__(self, endpoint, service="default", handler=None, auto_ack=True, keys=None,
                 **options):
        self.endpoint = endpoint
        self.keys = keys
        self.services = [service] if isinstance(service, str) else list(service or [])
        self.handler = handler
        self.auto_ack = auto_ack
        self.join_options = options
        self.records = []
        self.errors = []
        self.paused = False
        self._paths = {}
        self._wait = threading.Condition()
        self._out = deque()
        self._stopping = False
        self._joining = {}
        self._thread = None
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    # Life

    def start(self, join=True):
        """Starts the thread, and waits until the broker has taken the JOIN."""
        self._thread = threading.Thread(target=self._run, args=(join,), daemon=True)
        self._thread.start()
        if join:
            for service in self.services:
                self.wait_for("JOINED", service, timeout=10)
        return self

    def stop(self):
        """Closes the socket, without LEAVE: what the end of a process does."""
        if self._thread is None:
            return
        self._stopping = True
        self._notify()
        self._thread.join(scaled(10))
        assert not self._thread.is_alive(), "the worker's thread does not end"
        self._thread = None
        os.close(self._wake)

    def retire(self):
        """LEAVE every service, wait for LEFT, stop: nothing is given to it after that."""
        for service in list(self.services):
            self.leave(service)
            self.wait_for("LEFT", service, timeout=5)
        self.stop()

    def pause(self):
        """Stops reading and stops saying JOIN, like a process that got SIGSTOP."""
        self.paused = True
        self._notify()

    def resume(self):
        self.paused = False
        self._notify()

    def _run(self, join):
        context = zmq.Context()
        socket = context.socket(zmq.DEALER)
        for option, value in ((zmq.IMMEDIATE, 1), (zmq.LINGER, 0), (zmq.RECONNECT_IVL, 100)):
            socket.setsockopt(option, value)
        # What a peer owes us is bounded by our window; a lost record would be a lost test.
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.SNDHWM, 0)
        if self.keys:
            self.keys.apply(socket)
        socket.connect(self.endpoint)
        try:
            self._loop(socket, join)
        finally:
            socket.close()
            context.term()

    def _loop(self, socket, join):
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        poller.register(self._wake, zmq.POLLIN)
        if join:
            self._say_join(ask=True)
        beat = time.monotonic()
        while not self._stopping:
            if self.paused:
                time.sleep(0.01)
                continue
            poller.modify(socket, zmq.POLLIN | (zmq.POLLOUT if self._out else 0))
            if self._wake in dict(poller.poll(200)):
                os.eventfd_read(self._wake)
            self._receive(socket)
            if join and time.monotonic() - beat > 1.0:
                beat = time.monotonic()
                self._say_join()
            self._flush(socket)

    def _say_join(self, ask=False):
        """JOIN each service; with an id the broker answers JOINED."""
        for service in self.services:
            request = new_id() if ask else None
            self._out.append([make_record("JOIN", service, **self.join_options, id=request)])

    def _receive(self, socket):
        for _ in range(1000):
            if self.paused or self._stopping:
                return
            try:
                frames = socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            for frame in frames:
                self._take(Record(frame))

    def _flush(self, socket):
        while self._out:
            try:
                socket.send_multipart(self._out[0], zmq.DONTWAIT)
            except zmq.Again:
                return
            self._out.popleft()

    def _take(self, record):
        with self._wait:
            self.records.append(record)
            self._wait.notify_all()
        if record.verb == "WHO":
            self._say_join()
        if record.verb not in EVENTS:
            return
        try:
            handler = self._handler_for(record)
            if handler:
                handler(self, record)
        except Exception as error:  # a test's handler; reported by the case runner
            self.errors.append(f"{record!r}: {error!r}")
        if self.auto_ack:
            self.ack(record.tag)

    def _handler_for(self, record):
        if record.verb == "OPEN":
            path = record.target.split("?", 1)[0]
            chosen = self._paths.get(path)
            if chosen:
                self._joining[record.chan] = chosen
        return self._joining.get(record.chan, self.handler)

    def on(self, path, handler):
        """Handles the channels of requests for this path, from OPEN to CLOSE."""
        self._paths[path] = handler

    def _notify(self):
        os.eventfd_write(self._wake, 1)

    # Looking

    def find(self, verb=None, chan=None, where=None, after=0):
        """All records so far that match."""
        with self._wait:
            return [r for r in self.records[after:] if self._matches(r, verb, chan, where)]

    @staticmethod
    def _matches(record, verb, chan, where):
        verbs = (verb,) if isinstance(verb, str) else verb
        return (
            (verbs is None or record.verb in verbs)
            and (chan is None or record.key == chan)
            and (where is None or where(record))
        )

    def wait_for(self, verb, chan=None, timeout=5.0, where=None, after=0, count=1):
        """The count-th record that matches, waiting for it."""
        end = time.monotonic() + scaled(timeout)
        seen, at = 0, after
        with self._wait:
            while True:
                while at < len(self.records):
                    record = self.records[at]
                    at += 1
                    if self._matches(record, verb, chan, where):
                        seen += 1
                        if seen == count:
                            return record
                left = end - time.monotonic()
                if left <= 0:
                    last = [repr(r) for r in self.records[-8:]]
                    raise AssertionError(f"no {verb} {chan or ''} in time; last: {last}")
                self._wait.wait(left)

    def wait_open(self, target, timeout=5.0, after=0, count=1):
        """The OPEN of a request for exactly this target."""
        return self.wait_for(
            "OPEN", timeout=timeout, where=lambda r: r.target == target, after=after, count=count
        )

    def wait_close(self, chan, timeout=5.0):
        return self.wait_for("CLOSE", chan, timeout)

    def events(self, chan):
        """What happened to a channel so far, in order."""
        return [r for r in self.find(chan=chan) if r.verb in EVENTS]

    def mark(self):
        """Where the record is that comes next; for `after`."""
        with self._wait:
            return len(self.records)

    def forget(self):
        """Drops what was recorded, between two cases."""
        with self._wait:
            self.records.clear()
        self.errors = []
        self.auto_ack = True
        self.handler = None
        self._paths = {}

    # Saying

    def command(self, *frames):
        """Sends one message of these frames as they are."""
        self._out.append([f if isinstance(f, bytes) else f.encode() for f in frames])
        self._notify()

    def record(self, verb, *tokens, payload=None, **options):
        self.command(make_record(verb, *tokens, payload=payload, **options))

    def send(self, chan, payload=b"", **options):
        """SEND; chan may be a list."""
        chans = chan if isinstance(chan, str) else ",".join(chan)
        self.record("SEND", chans, payload=payload, **options)

    def respond(self, chan, status=200, headers=(), body=b"", close=1, **options):
        """A first HTTP send with a head; close=None begins a stream."""
        self.send(chan, head_payload(headers, body), status=status, close=close, **options)

    def close(self, chan, status=None, reason=None, **options):
        tokens = (chan,) if status is None else (chan, status)
        self.record("CLOSE", *tokens, payload=reason, **options)

    def accept(self, chan, headers=(), **options):
        lines = "".join(f"{name}: {value}\n" for name, value in headers)
        self.record("ACCEPT", chan, payload=lines or None, **options)

    def sub(self, chan, topic, **options):
        self.record("SUB", chan, topic, **options)

    def unsub(self, chan, topic, **options):
        self.record("UNSUB", chan, topic, **options)

    def pub(self, topic, payload, **options):
        self.record("PUB", topic, payload=payload, **options)

    def ack(self, tag):
        self.record("ACK", tag)

    def done(self, *tags):
        self.record("DONE", *tags)

    def nack(self, tag):
        self.record("NACK", tag)

    def leave(self, service=None):
        name = service or self.services[0]
        self.services.remove(name)
        self.record("LEAVE", name)

    def ask(self, verb, *tokens, payload=None, timeout=5.0, **options):
        """A command with id=; returns its answer: OK, ERR or INFO."""
        request = options.pop("id", None) or new_id()
        mark = self.mark()
        self.record(verb, *tokens, payload=payload, **options, id=request)
        return self.wait_answer(request, timeout, mark)

    def wait_answer(self, request, timeout=5.0, after=0):
        return self.wait_for(
            ("OK", "ERR", "INFO", "JOINED", "LEFT"),
            timeout=timeout,
            where=lambda r: r.tag == request,
            after=after,
        )

    def ask_send(self, chan, payload=b"", timeout=5.0, **options):
        return self.ask("SEND", chan, payload=payload, timeout=timeout, **options)


def new_id():
    """A token for id= that nobody has used."""
    return f"{_random}.{next(_numbers)}"


def head_payload(headers, body=b""):
    """Header lines, the empty line and the body, as a first send carries them."""
    lines = "".join(f"{name}: {value}\n" for name, value in headers).encode("latin-1")
    return lines + b"\n" + (body.encode() if isinstance(body, str) else body)


def echo(worker, record):
    """A handler: sends back every WebSocket message."""
    if record.verb in ("TEXT", "BIN"):
        worker.send(record.chan, record.payload or b"", bin=record.verb == "BIN")


def hello(worker, record):
    """A handler: answers every HTTP request with a small text."""
    if record.verb == "OPEN":
        worker.respond(record.chan, 200, [("Content-Type", "text/plain")], b"Hello World")
