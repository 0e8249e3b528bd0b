"""A worker of a service: joins, takes events, acknowledges them, sends."""

import collections
import logging
import re
import signal
import threading
import time

import zmq

from . import outgoing, wire
from .channel import Channel
from .commands import Commands
from .connection import Connection
from .request import Request
from .result import Result
from .schedule import Schedule

log = logging.getLogger("ringway")

ENDPOINT = "tcp://127.0.0.1:7702"

HEARTBEAT = 1.0  # seconds
TICK = 0.5  # seconds: the loop looks at its clocks at least so often
PAUSE = 2.0  # seconds without a turn: the broker may have given us up
SILENCE = 5.0  # seconds without a record of the broker: a new connection
CLOSED_MAX = 10000  # ids of closed channels that are remembered
SEND_BATCH = 64  # channels in one SEND or CHECK: their ids fit a header
ACK_DELAY = 0.1  # seconds that an acknowledgement may wait for more of them

_SERVICE = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_DELIVERIES = frozenset("OPEN TEXT BIN BODY CLOSE ADOPT SLOW DRAINED".split())


class Error(Exception):
    """The broker refused; `code` is a code of docs/protocol/1-bus.md section 4.5."""

    def __init__(self, code, reason=""):
        super().__init__("%s: %s" % (code, reason) if reason else code)
        self.code = code
        self.reason = reason


class Refuse(Exception):
    """Raise it in on_open or on_message to give the channel to another worker."""


class App:
    """One worker of one service.

    service   which service it serves, docs/protocol/2-client.md section 1
    endpoint  the broker's application port
    window    unacknowledged events that it takes, 1 to 10000
    name      a name that outlives the process: its channels come back to it
    grace     seconds that a graceful end may take

    run() is one thread and calls every handler.  An event is acknowledged when its handler has
    returned.  A handler that raises ends its channel: 500, or 1011 on a WebSocket.  call(), and
    the methods of Channel, may be used from any thread.
    """

    def __init__(self, service="default", endpoint=ENDPOINT, window=64, name=None, grace=10.0,
                 retry=5.0):
        if not _SERVICE.match(service):
            raise ValueError("a service is 1 to 64 of A-Z a-z 0-9 - _ .")
        if not 1 <= window <= 10000:
            raise ValueError("window is 1 to 10000")
        self.service = service
        self.endpoint = endpoint
        self.window = window
        self.name = name
        self.grace = grace
        self.handlers = {}
        self.channels = {}  # id -> Channel, those that are ours
        self.boot = None  # the broker's life
        self._incarnation = None
        self._joining = None  # id of the JOIN whose answer we wait for
        self._joined_once = False
        self._held = []  # what came since then
        self._ack = None  # tag of the last event that is done
        self._closed = collections.OrderedDict()
        self._checks = {}  # channels to ask about -> when
        self._commands = Commands(self._send_frame, retry)
        self._connection = None
        self._schedule = Schedule()
        self._thread = None
        self._state = "new"  # new, running, leaving, stopped
        self._leave_by = None
        self._failure = None
        self._left = False
        self._acked = self._alive = self._heard = self._said = self._ticked = 0.0

    # Handlers of the application.

    def _register(name):
        def decorator(self, function):
            self.handlers[name] = function
            return function
        decorator.__name__ = name
        decorator.__doc__ = "Decorator: the application's %s handler." % name
        return decorator

    on_open = _register("on_open")  # (channel)
    on_adopt = _register("on_adopt")  # (channel); on_open when there is none
    on_message = _register("on_message")  # the rest: see Channel
    on_close = _register("on_close")
    on_body = _register("on_body")
    on_slow = _register("on_slow")
    on_drain = _register("on_drain")
    on_moved = _register("on_moved")
    on_restart = _register("on_restart")  # (app): the broker was started again
    on_ready = _register("on_ready")  # (app): joined for the first time
    del _register

    # Commands.

    def publish(self, topic, data, except_=None, binary=None):
        """To every subscriber of the topic, but the channel `except_` (a Channel or its id).
        bytes go as binary WebSocket messages unless binary=False.  Returns a Result."""
        options = [("except", getattr(except_, "id", except_))]
        if not outgoing.is_text(data, binary):
            options.append(("bin", 1))
        item = outgoing.Command("PUB", [wire.check_topic(topic)], options,
                                outgoing.bounded(data))
        return self._post(item)

    def send(self, channels, data, close=False, binary=None):
        """One message to one channel or to many, by Channel or id; they need not be ours.
        Returns a list of Results, one for each 64 channels; they say how many took it."""
        if isinstance(channels, (str, Channel)):
            channels = [channels]
        ids = [getattr(channel, "id", channel) for channel in channels]
        options = outgoing.close_option(close)
        if not outgoing.is_text(data, binary):
            options.append(("bin", 1))
        payload = outgoing.bounded(data)
        return [
            self._post(outgoing.Command("SEND", [",".join(ids[at:at + SEND_BATCH])], options,
                                        payload))
            for at in range(0, len(ids), SEND_BATCH)
        ]

    def _post(self, item):
        self.call(self.command, item.verb, item.tokens, item.options, item.payload, item.result)
        return item.result

    def call(self, function, *arguments):
        """Call function(*arguments) on the application's thread: now if this is it, else soon."""
        if self._thread in (None, threading.get_ident()):
            function(*arguments)
        else:
            self.call_soon(function, *arguments)

    def call_soon(self, function, *arguments):
        """Call function(*arguments) on the application's thread in its next turn.  From any
        thread, and from a signal handler."""
        self._schedule.call(function, arguments)

    def later(self, seconds, function):
        """Call function() once, after so many seconds.  Returns a Timer."""
        return self._schedule.add(function, seconds, None)

    def every(self, seconds, function):
        """Call function() again and again.  Returns a Timer."""
        return self._schedule.add(function, seconds, seconds)

    # Life.

    def run(self):
        """Serve until stop(), SIGTERM or SIGINT.  A second signal ends it at once.
        Raises Error when the broker refuses to have us."""
        before = self._catch_signals()
        try:
            self.start()
            while self._state != "stopped":
                self.poll(TICK)
        finally:
            self.end()
            for number, handler in before.items():
                signal.signal(number, handler)
        if self._failure:
            raise self._failure

    def stop(self, grace=None):
        """End: take no new events, finish what is under way, leave.  From any thread."""
        self.call_soon(self._begin_leave, self.grace if grace is None else grace)

    def start(self):
        """Connect; for those who call poll() in a loop of their own instead of run()."""
        self._thread = threading.get_ident()
        self._state = "running"
        self._context = zmq.Context()
        self._connection = Connection(self._context, self.endpoint)
        self._open_connection()

    def end(self):
        """Close the socket at once.  What is unanswered fails with "stopped"."""
        if self._connection:
            self._connection.close()
            self._context.term()
            self._connection = None
        self._state = "stopped"
        self._schedule.close()
        for result in self._commands.abandon():
            self.settle(result, "stopped", "the application has ended")
        for channel in list(self.channels.values()):
            channel.drop("stopped", "the application has ended")
        self._thread = None

    def is_running(self):
        return self._state in ("running", "leaving")

    def poll(self, timeout):
        """One turn of the loop: waits at most `timeout` seconds, then does what is due."""
        self._wait(timeout)
        self._look_at_pause()
        self._schedule.run(self._guard)
        self._receive()
        self._look_at_pause()
        self._tick()
        self._flush_ack()

    def _catch_signals(self):
        if threading.current_thread() is not threading.main_thread():
            return {}

        def caught(number, frame):
            self.call_soon(self._set_stopped) if caught.before else self.stop()
            caught.before = True

        caught.before = False
        return {n: signal.signal(n, caught) for n in (signal.SIGTERM, signal.SIGINT)}

    def _wait(self, timeout):
        timeout = min(timeout, TICK, self._schedule.wait())
        poller = zmq.Poller()
        poller.register(self._connection.socket, zmq.POLLIN)
        poller.register(self._connection.monitor, zmq.POLLIN)
        poller.register(self._schedule, zmq.POLLIN)
        poller.poll(int(timeout * 1000 + 0.999))

    def _guard(self, function, *arguments):
        """Run what has no channel that could be closed for it."""
        try:
            function(*arguments)
        except Exception:
            log.exception("a handler failed")

    def _look_at_pause(self):
        """After a pause of our own the broker may have given our channels away: ask before
        anything that came is believed."""
        before, self._alive = self._alive, time.monotonic()
        if self._alive - before > PAUSE and self._state == "running":
            log.warning("paused for %.1f s: joining again", self._alive - before)
            self._join()

    def _open_connection(self):
        self._alive = self._heard = time.monotonic()
        self._connection.open()
        self._joining = self._commands.next_id()

    def _tick(self):
        now = time.monotonic()
        if self._connection.is_up and now - self._heard > SILENCE:
            log.warning("the broker is silent: connecting again")
            self._open_connection()
        self._connection.watch()
        if self._connection.renewed:
            self._connection.renewed = False
            self._heard = now
            self._ack = None
            self._join() if self._state == "running" else self._say_leave()
            self._commands.reconnected(now)
        if now - self._said > HEARTBEAT:
            self._said = now
            self._say_join() if self._state == "running" else self._say_leave()
        if now - self._ticked > HEARTBEAT:
            self._ticked = now
            self._commands.tick(now)
            self._ask_checks(now)
        if self._state == "leaving":
            self._finish_leave(now)

    def _send_frame(self, frame):
        return self._connection is not None and self._connection.send(frame)

    def command(self, verb, tokens, options, payload, result):
        """Send a command and settle `result` with its answer."""
        if self._state == "stopped":
            self.settle(result, "stopped", "the application has ended")
        elif self._commands.is_full():
            self.settle(result, "full", "too many commands wait for their answer")
        else:
            id = self._commands.next_id()
            frame = wire.build(verb, tokens, [*options, ("id", id)], payload)
            self._commands.add(id, frame, result, time.monotonic())

    def settle(self, result, error=None, reason="", options=None):
        for function in result.settle(error, reason, options):
            self._guard(function, result)

    # Joining and leaving.

    def _join(self):
        """JOIN with an id; until its answer is here, deliveries are held."""
        self._joining = self._commands.next_id()
        self._said = time.monotonic()
        self._say_join()

    def _say_join(self):
        options = [("window", self.window), ("name", self.name), ("pressure", 1),
                   ("proto", "RW/1"), ("id", self._joining)]
        self._send_frame(wire.build("JOIN", [self.service], options))

    def _joined(self, record):
        tag = record.token(2)
        boot, incarnation = record.option("boot", 3), record.option("inc", 3)
        before = self.boot
        self.boot = boot or before
        if incarnation != self._incarnation:
            # Another incarnation: what was delivered before it is not ours to handle.
            self._held.clear()
            self._ack = None
            self._incarnation = incarnation
            self._check_all()
        if before is not None and before != self.boot:
            log.warning("the broker was started again")
            self._call_app("on_restart")
        if self._joining is None or tag != self._joining:
            return
        self._joining = None
        held, self._held = self._held, []
        if not self._joined_once:
            self._joined_once = True
            self._call_app("on_ready")
        for event in held:
            self._deliver(event)

    def _call_app(self, name):
        handler = self.handlers.get(name)
        if handler:
            self._guard(handler, self)

    def _check_all(self):
        """Ask about every channel: which of them have ended while nobody could tell us?"""
        now = time.monotonic()
        self._checks = {id: now for id in self.channels}
        self._ask_checks(now)

    def _ask_checks(self, now):
        due = [id for id, when in self._checks.items() if when <= now and id in self.channels]
        for start in range(0, len(due), SEND_BATCH):
            batch = due[start:start + SEND_BATCH]
            if not self._send_frame(wire.build("CHECK", batch)):
                return
            for id in batch:
                self._checks[id] = now + 2.0  # asked again until it is answered

    def _begin_leave(self, grace):
        if self._state == "running":
            self._state = "leaving"
            self._leave_by = time.monotonic() + grace
            self._said = time.monotonic()
            self._flush_ack()
            self._say_leave()

    def _say_leave(self):
        self._send_frame(wire.build("LEAVE", [self.service]))

    def _finish_leave(self, now):
        busy = len(self._commands) or any(c.is_busy() for c in self.channels.values())
        left = self._left or not self._connection.is_up
        if (left and not busy) or now >= self._leave_by:
            self._set_stopped()

    def _set_stopped(self):
        self._state = "stopped"

    # Events.

    def _receive(self):
        for frame in self._connection.receive():
            self._look_at_pause()
            try:
                record = wire.parse(frame)
            except wire.WireError as error:
                log.warning("a record was dropped: %s", error)
                continue
            self._heard = self._alive
            self._take(record)

    def _take(self, record):
        if len(record.tokens) < 3:
            log.warning("a record was dropped: %s has too few tokens", record.verb)
        elif record.verb in _DELIVERIES:
            if self._joining is None:
                self._deliver(record)
            else:
                self._held.append(record)
        elif record.verb in _OTHERS:
            _OTHERS[record.verb](self, record)

    def _take_ok(self, record):
        self._checks.pop(record.token(0), None)
        result = self._commands.answered(record.token(2))
        if result:
            options = dict(t.split("=", 1) for t in record.tokens[3:] if "=" in t)
            self.settle(result, None, "", options)

    def _take_err(self, record):
        code = record.token(3)
        reason = (record.payload or b"").decode("utf-8", "replace")
        result = self._commands.answered(record.token(2))
        if result is not None:
            if code == "gone" and record.token(0) in self.channels:
                # Its CLOSE comes; should it not, the question brings it.
                self.channels[record.token(0)].drop("gone", "the channel is closed")
                self._checks[record.token(0)] = time.monotonic() + 2.0
            self.settle(result, code, reason)
        elif code == "name-in-use":
            log.warning("another worker has the name %s: trying again", self.name)
            self._joining = self._commands.next_id()
        elif code == "proto" or record.token(2) == self._joining:
            self._failure = Error(code, reason)
            self._set_stopped()

    def _take_who(self, record):
        if self._state == "running":
            self._join()
        self._left = True

    def _take_left(self, record):
        self._left = True

    def _take_moved(self, record):
        channel = self._forget(record.token(0))
        if channel:
            channel.drop("moved", "another worker has the channel")
            self._handle(channel, "on_moved")

    def _take_later(self, record):
        if record.token(0) in self.channels:
            self._checks[record.token(0)] = time.monotonic() + 1.0

    def _forget(self, id):
        self._checks.pop(id, None)
        return self.channels.pop(id, None)

    def _deliver(self, record):
        """One event; afterwards it is acknowledged, whatever came of it."""
        id, seq, tag = record.token(0), record.token(1), record.token(2)
        refused = False
        seq = int(seq) if seq.isascii() and seq.isdigit() else 0
        try:
            if self._is_new(record.verb, id, seq):
                _EVENTS[record.verb](self, id, seq, record)
        except Refuse:
            refused = True
            self._forget(id).drop("moved", "another worker is to have the channel")
        if tag == "-":
            return
        if refused:
            self._flush_ack()
            self._send_frame(b"NACK " + tag.encode("ascii"))
        else:
            self._ack = tag
            if time.monotonic() - self._acked > ACK_DELAY:
                self._flush_ack()

    def _is_new(self, verb, id, seq):
        channel = self.channels.get(id)
        if channel is None:
            return verb in ("OPEN", "ADOPT") and id not in self._closed
        if verb in ("CLOSE", "ADOPT"):
            return verb == "CLOSE"  # a channel that is here has not been closed yet
        if seq <= channel.last_seq:
            return False
        channel.last_seq = seq
        return True

    def _flush_ack(self):
        if self._ack and self._send_frame(b"ACK " + self._ack.encode("ascii")):
            self._ack = None
            self._acked = self._said = time.monotonic()

    def _opened(self, id, seq, record):
        adopted = record.verb == "ADOPT"
        try:
            request = Request.parse(record.payload)
        except ValueError:
            log.exception("channel %s: the metadata cannot be read", id)
            self.command("CLOSE", [id, 500], (), None, Result())
            return
        channel = Channel(self, id, request, adopted)
        channel.last_seq = seq
        self.channels[id] = channel
        name = "on_adopt" if adopted and "on_adopt" in self.handlers else "on_open"
        if name in self.handlers:
            self._handle(channel, name)
        elif not request.is_websocket:
            channel.send("Nothing is here.\n", status=404, close=True)

    def _text(self, id, seq, record):
        text = (record.payload or b"").decode("utf-8", "replace")
        self._handle(self.channels[id], "on_message", text)

    def _bin(self, id, seq, record):
        self._handle(self.channels[id], "on_message", record.payload or b"")

    def _body(self, id, seq, record):
        last = record.option("end", 3) == "1"
        self._handle(self.channels[id], "on_body", record.payload or b"", last)

    def _slow(self, id, seq, record):
        queued = record.token(3)
        self._handle(self.channels[id], "on_slow", int(queued) if queued.isdigit() else 0)

    def _drained(self, id, seq, record):
        self._handle(self.channels[id], "on_drain")

    def _close(self, id, seq, record):
        channel = self._forget(id)
        self._closed[id] = None
        if len(self._closed) > CLOSED_MAX:
            self._closed.popitem(last=False)
        channel.drop("gone", "the channel is closed")
        state = record.token(3)
        status = int(state) if re.fullmatch("-?[0-9]{1,4}", state) else 0
        reason = (record.payload or b"").decode("utf-8", "replace")
        self._handle(channel, "on_close", status, record.option("cause", 4, ""), reason)

    def _handle(self, channel, name, *arguments):
        """Call a handler; if it raises, the channel ends with a 500."""
        handler = channel.handler(name)
        if not handler:
            return
        try:
            handler(channel, *arguments)
        except Refuse:
            if name in ("on_close", "on_moved"):
                log.error("channel %s: %s cannot refuse", channel.id, name)
                return
            raise
        except Exception:
            log.exception("channel %s: %s failed", channel.id, name)
            if channel.id in self.channels:
                channel.fail()


_OTHERS = {
    "OK": App._take_ok,
    "ERR": App._take_err,
    "JOINED": App._joined,
    "LEFT": App._take_left,
    "WHO": App._take_who,
    "MOVED": App._take_moved,
    "LATER": App._take_later,
}
_EVENTS = {
    "OPEN": App._opened,
    "ADOPT": App._opened,
    "TEXT": App._text,
    "BIN": App._bin,
    "BODY": App._body,
    "SLOW": App._slow,
    "DRAINED": App._drained,
    "CLOSE": App._close,
}
