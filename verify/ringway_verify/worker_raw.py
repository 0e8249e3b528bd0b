"""A worker of seven lines, and those that write the log: no id=, no repetition, no CHECK."""

import json
import signal
import time
from urllib.parse import parse_qs, urlsplit

import zmq

from .service import Service
from .worker_binding import keys_of

EVENTS = (b"OPEN", b"ADOPT", b"TEXT", b"BIN", b"BODY", b"CLOSE")


class _Raw:
    def __init__(self, log, options, ready):
        self._log = log
        self._options = options
        self._ready = ready
        self._incarnation = None
        self._stopping = False
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        keys = keys_of(options)
        if keys:
            keys.show(self._socket)
        self._service = Service(log, self._send, options.delay_ms / 1000.0)

    def serve(self):
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        self._socket.connect(self._options.bus)
        self._join()
        while not self._stopping:
            self._service.tick()
            idle = not self._socket.poll(int(self._service.wait() * 1000))
            if not idle:
                self._take(self._socket.recv())
            elif time.monotonic() - self._said >= 1.0:
                self._join()
        self._context.destroy(1000)

    def _stop(self, number, frame):
        self._stopping = True

    def _join(self):
        self._said = time.monotonic()
        name = " name=" + self._options.name if self._options.name else ""
        self._socket.send(("JOIN %s window=%d%s id=%s" % (
            self._options.service, self._options.window, name, self._log.by)).encode())

    def _take(self, frame):
        head, _, data = frame.partition(b"\n")
        verb, key, seq, tag, *rest = head.split()
        if verb == b"JOINED":
            self._joined(_options(rest))
        elif verb in EVENTS:
            self._event(verb, key.decode(), seq.decode(), [word.decode() for word in rest], data)
        elif verb == b"MOVED":
            self._service.moved(key.decode())
        if tag != b"-" and verb != b"JOINED" and not self._options.never_ack:
            self._socket.send(b"ACK " + tag)
            self._said = time.monotonic()

    def _joined(self, options):
        if options.get("inc") != self._incarnation:
            self._log.write("joined", boot=options.get("boot"), inc=options.get("inc"))
            if self._incarnation is None:
                self._ready()
            self._incarnation = options.get("inc")

    def _event(self, verb, chan, seq, rest, data):
        attempt = _options(rest).get("try", "1")
        if verb in (b"OPEN", b"ADOPT"):
            self._opened(chan, data, seq, attempt, verb == b"ADOPT")
        elif verb == b"BODY":
            self._service.body(chan, data, seq, attempt, _options(rest).get("end") == "1")
        elif verb == b"CLOSE":
            self._service.closed(chan, seq, attempt, rest[0], _options(rest).get("cause"))
        else:
            self._service.message(chan, data.decode("utf-8", "replace"), seq, attempt)

    def _opened(self, chan, data, seq, attempt, adopted):
        line, _, body = data.partition(b"\n")
        meta = json.loads(line or b"{}")
        follows = meta.get("body") == "follows"
        self._service.opened(chan, _key(meta), seq, attempt, adopted, follows)
        if body:
            self._service.body(chan, body, seq, attempt, True, False)

    def _send(self, chan, text, close, answered):
        self._socket.send(("SEND %s%s\n%s" % (chan, " close=1" if close else "", text)).encode())


def _options(words):
    words = [word.decode() if isinstance(word, bytes) else word for word in words]
    return dict(word.split("=", 1) for word in words if "=" in word)


def _key(meta):
    """The client's key in the metadata of OPEN or ADOPT."""
    query = parse_qs(urlsplit(meta.get("target") or "").query)
    return (meta.get("params") or {}).get("key") or query.get("key", [None])[0]


def run(log, options, ready):
    """Serve until SIGTERM.  It does not take its leave: the broker finds out."""
    _Raw(log, options, ready).serve()
    return False
