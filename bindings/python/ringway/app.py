"""A worker of a service: its handlers, what it sends to others than one channel, its life."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import threading
import time
from typing import Any, Callable, Iterable

import zmq

from . import outgoing, wire
from .channel import Channel
from .commands import Commands
from .connection import Connection
from .deliveries import Deliveries
from .dispatcher import DELIVERIES, Dispatcher
from .errors import Error
from .keys import Keys
from .loop import Signals, wait, wait_in_asyncio
from .membership import Membership
from .presence import Presence, Watches
from .result import Result
from .schedule import Schedule, Timer

log = logging.getLogger("ringway")

ENDPOINT = "tcp://127.0.0.1:7702"

HEARTBEAT = 1.0  # seconds
TICK = 0.25  # seconds: the loop looks at its clocks at least so often
SILENCE = 5.0  # seconds without a record of the broker: a new connection
SEND_BATCH = 64  # channels in one SEND: their ids fit a header
ACK_DELAY = 0.1  # seconds that an acknowledgement may wait for more of them

WATCHED = ("ENTER", "EXIT", "PRESENT")

_SERVICE = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


class App(Membership):
    """One worker of one service.

    service   which service it serves, docs/protocol/2-client.md section 1
    endpoint  the broker's application port
    window    unacknowledged events that it takes, 1 to 10000
    name      a name that outlives the process: its channels come back to it
    grace     seconds that a graceful end may take
    retry     seconds until an unanswered command is repeated
    keys      Keys, where the broker has keys

    One thread calls every handler.  An event is acknowledged when its handler has returned, or
    when what it returned is done: a coroutine, or a concurrent.futures.Future.  A handler that
    raises ends its channel: 500, or 1011 on a WebSocket.  send(), publish(), call(), call_soon(),
    later(), every(), stop() and the methods of Channel may be used from any thread.
    """

    def __init__(self, service: str = "default", endpoint: str = ENDPOINT, window: int = 64,
                 name: str | None = None, grace: float = 10.0, retry: float = 5.0,
                 keys: Keys | None = None) -> None:
        if not _SERVICE.match(service):
            raise ValueError("a service is 1 to 64 of A-Z a-z 0-9 - _ .")
        if not 1 <= window <= 10000:
            raise ValueError("window is 1 to 10000")
        if name is not None and (name in ("", "-") or len(wire.escape(name)) > 64):
            raise ValueError("a name has 1 to 64 bytes, and is not -")
        self.service = service
        self.endpoint = endpoint
        self.window = window
        self.name = name
        self.grace = grace
        self._keys = keys
        self.handlers: dict[str, Callable[..., Any]] = {}
        self.channels: dict[str, Channel] = {}  # by id, those that are ours
        self._commands = Commands(self._send_frame, retry)
        self._deliveries = Deliveries()
        self._dispatcher = Dispatcher(self, self._deliveries)
        self._connection = None
        self._schedule = Schedule()
        self._watches = Watches(self._send_frame, self.guard)
        self._thread = None
        self._tasks = set()
        self._state = "new"  # new, running, leaving, stopped
        self._failure = None
        self._acked = self._heard = self._said = self._ticked = 0.0
        super().__init__()

    # Handlers of the application.

    def _register(name):
        def decorator(self, function: Callable[..., Any]) -> Callable[..., Any]:
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
    on_lost = _register("on_lost")
    on_attached = _register("on_attached")  # before run(): the broker is asked for them
    on_detached = _register("on_detached")
    on_restart = _register("on_restart")  # (app): the broker was started again
    on_ready = _register("on_ready")  # (app): joined for the first time
    del _register

    # Commands.

    def publish(self, topic: str, data: str | bytes, except_: Channel | str | None = None,
                binary: bool | None = None, **options: Any) -> Result:
        """To every subscriber of the topic, but the channel `except_` (a Channel or its id).
        bytes go as binary WebSocket messages unless binary=False.

        history   False: live only; who is away does not get it later
        ttl       seconds after which it is not held any more
        key       the same key within ten minutes is the same publication
        collapse  publications with the same one replace each other for a slow subscriber that
                  wants only the latest
        durable   deliver and answer only when it is stored

        Its position is result.options["pos"] when the answer is there."""
        return self._post(outgoing.publication(
            topic, data, {"except_": except_, "binary": binary, **options}))

    def send(self, channels: Channel | str | Iterable[Channel | str], data: str | bytes,
             close: bool | int = False, binary: bool | None = None) -> list[Result]:
        """One message to one channel or to many, by Channel or id; they need not be ours.
        Returns a Result for each 64 channels; its options say how many took it."""
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

    def cast(self, data: str | bytes, channels: Iterable[Channel | str] = (),
             labels: Iterable[str] = (), but: Iterable[Channel | str] = (),
             but_labels: Iterable[str] = (), close: bool | int = False,
             binary: bool | None = None, *, topics: Iterable[str] = (),
             but_topics: Iterable[str] = (), history: bool = True) -> Result:
        """One message to a set: to each channel that is named, by Channel or id, by a label that
        it has or by a topic that it is subscribed to, and is not excepted by `but`, `but_labels`
        or `but_topics`; to each once.  The Result's options say how many took it, subscribers
        not counted: sent, gone.  With topics it is a publication, and they have its `pos`;
        history=False: who is away does not get it later."""
        to = outgoing.Set(channels, labels, list(topics), but, but_labels, but_topics)
        return self._post(outgoing.cast(data, to, close, binary, history))

    def watch(self, topic: str, on_enter: Callable[..., Any] | None = None,
              on_exit: Callable[..., Any] | None = None) -> Presence:
        """Who is in the topic, from now on.  Call it before run(), or on the application's
        thread.  ValueError when the topic is watched already."""
        presence = Presence(topic, on_enter, on_exit,
                            lambda: self.call(self._unwatch, presence))
        self._watches.add(presence, time.monotonic())
        return presence

    def _unwatch(self, presence):
        if self._watches.remove(presence) and self._state in ("running", "leaving"):
            self._send_frame(wire.build("UNWATCH", [presence.topic]))

    def _post(self, item):
        self.call(self.command, item.verb, item.tokens, item.options, item.payload, item.result)
        return item.result

    def call(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call function(*arguments) on the application's thread: now if this is it, else soon."""
        if self._thread in (None, threading.get_ident()):
            function(*arguments)
        else:
            self.call_soon(function, *arguments)

    def call_soon(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call function(*arguments) on the application's thread in its next turn.  From any
        thread, and from a signal handler."""
        self._schedule.call(function, arguments)

    def later(self, seconds: float, function: Callable[[], Any]) -> Timer:
        """Call function() once, after so many seconds."""
        return self._schedule.add(function, seconds, None)

    def every(self, seconds: float, function: Callable[[], Any]) -> Timer:
        """Call function() again and again."""
        return self._schedule.add(function, seconds, seconds)

    # Life.

    def run(self) -> None:
        """Serve until stop(), SIGTERM or SIGINT.  A second signal ends the process at once.
        With an `async def` among its handlers it serves in an asyncio loop of its own.
        Raises Error when the broker refuses to have us."""
        if any(inspect.iscoroutinefunction(handler) for handler in self.handlers.values()):
            asyncio.run(self.serve())
            return
        with Signals(self.stop):
            try:
                self.start()
                while self._state != "stopped":
                    self.poll(TICK)
            finally:
                self.end()
        if self._failure:
            raise self._failure

    async def serve(self) -> None:
        """run() in the asyncio loop of the caller: handlers may be `async def`, and share the
        loop with its other tasks."""
        with Signals(self.stop):
            try:
                self.start()
                while self._state != "stopped":
                    timeout = self._timeout(TICK)
                    await wait_in_asyncio(self._connection, self._schedule, timeout)
                    self._turn()
            finally:
                self.end()
                if self._tasks:  # on_moved of what was left
                    await asyncio.wait(self._tasks, timeout=1.0)
        if self._failure:
            raise self._failure

    def stop(self, grace: float | None = None) -> None:
        """End: take no new events, finish what is under way, leave.  From any thread."""
        self.call_soon(self._begin_leave, self.grace if grace is None else grace)

    def start(self) -> None:
        """Connect; for those who call poll() in a loop of their own instead of run()."""
        self._thread = threading.get_ident()
        self._state = "running"
        self._context = zmq.Context()
        self._connection = Connection(self._context, self.endpoint, self._keys)
        self._open_connection()

    def end(self) -> None:
        """Close the socket at once.  What is unanswered fails with "stopped", and on_moved is
        called for the channels that are left."""
        if self._connection:
            self._connection.close()
            self._context.term()
            self._connection = None
        self._state = "stopped"
        self._schedule.close()
        self._dispatcher.cancel()
        for task in self._tasks:
            task.cancel()
        for result in self._commands.abandon():
            self.settle(result, "stopped", "the application has ended")
        for channel in [*self.channels.values(), *self._finishing]:
            channel.drop("stopped", "the application has ended")
        for id in list(self.channels):
            self._dispatcher.handle(self._dispatcher.forget(id), "on_moved")
        self._thread = None

    def is_running(self) -> bool:
        return self._state in ("running", "leaving")

    def poll(self, timeout: float) -> None:
        """One turn of the loop: waits at most `timeout` seconds, then does what is due."""
        wait(self._connection, self._schedule, self._timeout(timeout))
        self._turn()

    def _timeout(self, timeout):
        return max(min(timeout, TICK, self._schedule.wait()), 0.0)

    def _turn(self):
        self._look_at_pause()
        self._schedule.run(self.guard)
        self._receive()
        self._look_at_pause()
        self._tick()
        self._flush_ack()

    def _tick(self):
        now = time.monotonic()
        if self._connection.is_up and now - self._heard > SILENCE:
            log.warning("the broker is silent: connecting again")
            self._open_connection()
        self._connection.watch()
        if self._connection.renewed:
            self._connection.renewed = False
            self._heard = now
            self._connected(now)
        if now - self._said > HEARTBEAT:
            self._said = now
            self._say()
        if now - self._ticked > TICK / 2:
            self._ticked = now
            self._commands.tick(now)
            self._watches.tick(now)
            self._ask_checks(now)
        self._look_at_leave(now)
        if self._state == "leaving":
            self._finish_leave(now)

    def _open_connection(self):
        self._alive = self._heard = time.monotonic()
        self._connection.open()
        self._joining = self._commands.next_id()

    def _send_frame(self, frame):
        return self._connection is not None and self._connection.send(frame)

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
        elif record.verb in DELIVERIES:
            if self._joining is None:
                self._deliver(record)
            else:
                self._held.append(record)
        elif record.verb in WATCHED:
            self._watches.take(record, time.monotonic())
        elif record.verb in _OTHERS:
            _OTHERS[record.verb](self, record)

    def _deliver(self, record):
        self._dispatcher.deliver(record)

    # For the other parts of the binding.

    def command(self, verb, tokens, options, payload, result):
        """Send a command and settle `result` with its answer."""
        if self._state == "stopped":
            self.settle(result, "stopped", "the application has ended")
            return
        if self._commands.is_full():
            self.settle(result, "full", "too many commands wait for their answer")
            return
        id = self._commands.next_id()
        try:
            frame = wire.build(verb, tokens, [*options, ("id", id)], payload)
        except wire.WireError as error:
            self.settle(result, "syntax", str(error))
            return
        self._commands.add(id, frame, result, time.monotonic())

    def settle(self, result, error=None, reason="", options=None):
        for function in result.settle(error, reason, options):
            self.guard(function, result)

    def guard(self, function, *arguments):
        """Run what has no channel that could be closed for it."""
        try:
            outcome = function(*arguments)
            if inspect.iscoroutine(outcome):
                task = asyncio.ensure_future(self._guarded(outcome))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except Exception:
            log.exception("a handler failed")

    async def _guarded(self, coroutine):
        try:
            await coroutine
        except Exception:
            log.exception("a handler failed")

    def acknowledge(self):
        """Something was finished."""
        if time.monotonic() - self._acked > ACK_DELAY:
            self._flush_ack()

    def refuse(self, delivery):
        self._flush_ack()
        self._deliveries.refuse(delivery, self._send_frame)

    def _flush_ack(self):
        if self._deliveries.flush(self._send_frame):
            self._acked = self._said = time.monotonic()

    def _take_ok(self, record):
        if record.token(2) == "-":
            self.checked(record.token(0))
            channel = self.channels.get(record.token(0))
            if channel:
                channel.confirm()
            return
        result = self._commands.answered(record.token(2))
        if result:
            options = dict(t.split("=", 1) for t in record.tokens[3:] if "=" in t)
            self.settle(result, None, "", options)

    def _take_err(self, record):
        code = record.token(3)
        reason = (record.payload or b"").decode("utf-8", "replace")
        result = self._commands.answered(record.token(2))
        if result is not None:
            channel = self.channels.get(record.token(0))
            if code == "gone" and channel:
                # Its CLOSE comes; should it not, the question brings it.
                channel.doubt()
                self.ask_about(channel)
            self.settle(result, code, reason)
        elif code == "name-in-use":
            self._name_in_use()
        elif code == "proto" or record.token(2) == self._joining:
            self._failure = Error(code, reason)
            self._set_stopped()


_OTHERS = {
    "OK": App._take_ok,
    "ERR": App._take_err,
    "JOINED": App._joined,
    "LEFT": App._take_left,
    "WHO": App._take_who,
    "MOVED": App._take_moved,
    "LATER": App._take_later,
}
