"""A channel: one client's open conversation with the application."""

from __future__ import annotations

import collections
import logging
from typing import Any, Callable

from . import outgoing, wire
from .request import Request
from .result import Result

log = logging.getLogger("ringway")

QUEUE_MAX = 10000  # sends that may wait behind a body in parts
ORIGINS_MAX = 128  # the broker has at most 64 messages of a session that are not acknowledged

_HANDLERS = ("on_message", "on_close", "on_body", "on_slow", "on_drain", "on_moved",
             "on_lost", "on_attached", "on_detached")


class Channel:
    """One client's open conversation.

    id       text; opaque, and never used again for another client
    request  what opened it, see Request
    adopted  True when another worker had it before
    is_session  one client over several connections, docs/protocol/2-client.md section 7: each
             send is a message, whatever carries it
    data     for the application; None at first
    attempt  how often the event that is being handled has been delivered: over 1, a worker
             may have handled it before it died

    Handlers, each may be set for the channel; else the application's is used:

    on_message(channel, data)               str or bytes; a WebSocket's whole message
    on_close(channel, status, cause, reason)  once, after everything else
    on_body(channel, chunk, last)           a request body that follows
    on_slow(channel, queued_bytes)          the client reads slower than we send
    on_drain(channel)                       it has caught up
    on_moved(channel)                       another worker has it now
    on_lost(channel, why)                   a session: what its client sent meanwhile may be missing
    on_attached(channel, carrier)           a session: its client is there again; the id of what
                                            carries it
    on_detached(channel, carrier)           ... or is not; what is sent now waits for it

    on_attached and on_detached come only where the application has one of them.

    Each may be `async def`, see App.serve, or return a concurrent.futures.Future: the event is
    acknowledged, and the channel's next one handled, when that is done.

    on_send(data) is applied to what send() is given; its result is sent.
    """

    def __init__(self, app, id: str, request: Request, adopted: bool = False) -> None:
        self.app = app
        self.id = id
        self.request = request
        self.is_session = id.startswith("session.")
        self.adopted = adopted
        self.data: Any = None
        self.on_send: Callable[[Any], Any] | None = None
        for name in _HANDLERS:
            setattr(self, name, None)
        self.last_seq = 0
        self.origins = collections.deque(maxlen=ORIGINS_MAX)  # `o=` of the newest messages
        self.event = None  # the one that is being handled
        self.events = collections.deque()  # that wait for it
        self.is_closing = False  # its CLOSE has come
        self._is_slow = False
        self._open = True
        self._ended = None  # by us: code, reason and the Result of it
        self._doubted = False  # it was open until a command of ours was answered "gone"
        self._begun = adopted  # something was sent: the head of an HTTP answer is gone
        self._accepted = adopted
        self._gone = False  # closed, moved or given up: nothing more goes out
        self._queue = collections.deque()

    def __repr__(self):
        return "<Channel %s %s>" % (self.id, "open" if self._open else "closed")

    def is_open(self) -> bool:
        """True until it is closed, by either side; our own close counts at once."""
        return self._open

    def is_slow(self) -> bool:
        """True from on_slow to on_drain: more than the gateway likes waits for the client."""
        return self._is_slow

    @property
    def attempt(self) -> int:
        text = self.event.record.option("try", 3, "1") if self.event else "1"
        return int(text) if text.isdigit() else 1

    def send(self, data: Any, close: bool | int = False, status: int | None = None,
             headers: Any = None, binary: bool | None = None, format: str | None = None,
             want: str | None = None) -> Result:
        """Send to the client.

        data     text, bytes, a path, a file or stream, or any iterable: see outgoing.py
        close    True: that was all; on a WebSocket perhaps a close code instead
        status, headers  HTTP, first send: the answer's head; headers is a dict (values may be
                 lists) or a list of pairs
        binary   WebSocket: whether bytes (True by default) or text (False) goes on the wire
        format   "sse", HTTP, first send: each send is an event of a text/event-stream
        want     when it is answered: "accepted" by the gateway (None), "written" to the kernel, or
                 "received" by a WebSocket's client

        Returns a Result at once, which is True until the command is known to have failed: False
        with error "gone" where the channel is closed.  It never raises for a closed channel;
        ValueError and TypeError are for data and headers that cannot be sent to anybody.
        """
        if want not in outgoing.WANTS:
            raise ValueError("want is accepted, written or received")
        if not self._open:
            return Result("gone", "the channel is closed")
        is_message = self.is_session or (
            self.request.is_websocket and (self._accepted or status is None))
        if want == "received" and not is_message:
            return Result("unsupported", "only a WebSocket's client can say so")
        if self.on_send:
            data = self.on_send(data)
        send = outgoing.Send(close, status, headers, binary, format, want)
        if is_message:
            item = outgoing.message(data, send)
        else:
            item = outgoing.answer(data, send, self._begun, self.request.method)
        item.result.is_slow = self._is_slow
        result = self._push(item)
        if result.error != "full":
            self._begun = True
            self._open = self._open and not close
        if close and result.error != "full":
            self._ended = ([] if close is True else [close], None, result)
        return result

    def close(self, code: int | None = None, reason: str = "") -> Result:
        """Close after what was sent before.  A second time it does nothing and returns a false
        Result.  code: a WebSocket close code, or an HTTP status where nothing was sent."""
        if not self._open:
            return Result("gone", "the channel is closed")
        tokens = [] if code is None else [code]
        payload = reason.encode("utf-8") if reason else None
        result = self._push(outgoing.Command("CLOSE", tokens, (), payload))
        if result.error != "full":
            self._open = False
            self._ended = (tokens, payload, result)
        return result

    def accept(self, protocol: str | None = None, headers: Any = None,
               label: str | None = None) -> Result:
        """Say yes to a WebSocket on a route with accept=backend, and give it a label, see
        label().  To say no: send("sorry", status=403, close=True)."""
        if label is not None:
            outgoing.label_token(label)
        if not self._open:
            return Result("gone", "the channel is closed")
        payload = wire.fields(headers) or None
        self._accepted = True
        return self._push(
            outgoing.Command("ACCEPT", (), [("protocol", protocol), ("label", label)], payload)
        )

    def label(self, name: str | None) -> Result:
        """Give the client a name, a user's for example, by which App.cast and presence know it;
        None takes it away.  It outlives this worker, and the broker."""
        if name is not None:
            outgoing.label_token(name)
        return self._push(outgoing.Command("LABEL", ["-" if name is None else name]))

    def subscribe(self, topic: str, presence: bool = False) -> Result:
        """Everything published to the topic goes to this client too.  presence: the client is
        seen by those who watch the topic, App.watch."""
        options = [("presence", 1)] if presence else []
        return self._push(outgoing.Command("SUB", [wire.check_topic(topic)], options))

    def unsubscribe(self, topic: str) -> Result:
        return self._push(outgoing.Command("UNSUB", [wire.check_topic(topic)]))

    def read_body(self, function: Callable[[Channel, bytes], Any],
                  limit: int = 8 * 1024 * 1024) -> Any:
        """Call function(channel, body) once with the whole body of the request, at once if it is
        here already.  A body over `limit` bytes is answered 413, and function is not called.
        What function returns is for the handler to return: a coroutine, a Future, or nothing."""
        if self.request.body is not None:
            return function(self, self.request.body)
        parts, size = [], 0

        def collect(channel, chunk, last):
            nonlocal size
            size += len(chunk)
            if size > limit:
                channel.on_body = lambda *_: None
                channel.send("The request is too large.\n", status=413, close=True)
                return None
            parts.append(chunk)
            if not last:
                return None
            channel.request.body = b"".join(parts)
            return function(channel, channel.request.body)

        self.on_body = collect
        return None

    # What follows is for the binding itself and runs on the application's thread.

    def handler(self, name):
        return getattr(self, name, None) or self.app.handlers.get(name)

    def set_slow(self, is_slow):
        self._is_slow = is_slow

    def unfinished(self):
        """Events that are being handled, or wait for that."""
        return [self.event, *self.events] if self.event else []

    def _push(self, item):
        if len(self._queue) >= QUEUE_MAX:
            item.dispose()
            return Result("full", "%d sends wait already" % QUEUE_MAX)
        self.app.call(self._append, item)
        return item.result

    def _append(self, item):
        if self._gone:
            item.dispose()
            self.app.settle(item.result, "gone", "the channel is closed")
            return
        self._queue.append(item)
        if len(self._queue) == 1:
            self.pump()

    def is_busy(self):
        return bool(self._queue)

    def has_sized_body(self):
        """Does an answer with a Content-Length wait for its end?"""
        return any(isinstance(item, outgoing.Body) and item.size is not None
                   for item in self._queue)

    def pump(self):
        """Hand over what may go now: everything up to the first body that has to wait."""
        while self._queue:
            item = self._queue[0]
            if isinstance(item, outgoing.Body):
                if not self._step(item):
                    return
            else:
                self._command(item, item.result)
            if self._queue and self._queue[0] is item:
                self._queue.popleft()

    def _command(self, item, result):
        self.app.command(item.verb, [self.id] + item.tokens, item.options, item.payload, result)

    def _step(self, body):
        """Send parts of a body; False when it has to wait for answers first."""
        while body.under_way < outgoing.UNDER_WAY_MAX:
            try:
                part = next(body.parts, None)
            except Exception:
                log.exception("channel %s: reading what is to be sent failed", self.id)
                self.fail()
                return False
            if part is None:
                self._finish(body)
                return True
            if self._send_part(body, *part):
                return True
        return False

    def _send_part(self, body, data, is_text):
        """True when that was the last part."""
        if body.size is not None:
            data = data[:body.size - body.sent]
        body.sent += len(data)
        last = body.size is not None and body.sent == body.size
        options = [("want", body.want or ("accepted" if self.is_session else "written"))]
        if (self.request.is_websocket or self.is_session) and not is_text:
            options.append(("bin", 1))
        if last:
            options += outgoing.close_option(body.close)
            body.dispose()
        self._send_of(body, data, options, last)
        return last

    def _send_of(self, body, data, options, last):
        if not body.begun:
            options = body.options + options
            data = body.head + data
            body.begun = True
        result = Result()
        body.under_way += 1
        result.then(lambda answer: self._part_done(body, answer, last))
        self.app.command("SEND", [self.id], options, data, result)

    def _finish(self, body):
        """The parts have ended, and the size was unknown or a lie."""
        body.dispose()
        if not body.begun:
            self._send_of(body, b"", outgoing.close_option(body.close), True)
        elif body.close:
            code = [] if body.close is True else [body.close]
            if body.size is not None:
                code = [500]  # shorter than announced: cut it, so that the client can tell
            self.app.command("CLOSE", [self.id] + code, (), None, body.result)
        elif body.under_way == 0:
            self.app.settle(body.result)
        else:
            body.ended = True

    def _part_done(self, body, answer, last):
        body.under_way -= 1
        if not answer:
            if not body.result.done:
                self.app.settle(body.result, answer.error, answer.reason)
                if answer.error == "gone":
                    self.drop("gone", "the channel is closed")
                else:
                    self.fail()  # a body with a hole in it must not look whole
            return
        if last or (body.ended and body.under_way == 0):
            self.app.settle(body.result, None, "", answer.options)
        if self._queue and self._queue[0] is body:
            self.pump()

    def fail(self):
        """The application failed: the client gets a 500 without detail, or a cut."""
        self.drop("gone", "the application failed")
        self._open = False
        self.app.command("CLOSE", [self.id, 500], (), None, Result())

    def doubt(self):
        """The broker knows of no such channel."""
        self._doubted = self._doubted or self._open
        self.drop("gone", "the channel is closed")

    def confirm(self):
        """It does know: a session that its edge announced late, after a restart, is there again;
        one whose end was lost with the former broker is ended again."""
        if self.is_session and not self.is_closing:
            if self._doubted:
                self._open, self._gone = True, False
            elif self._ended and self._ended[2].done and self._ended[2]:
                tokens, payload, _ = self._ended
                self._ended = (tokens, payload, Result())
                self.app.command("CLOSE", [self.id, *tokens], (), payload, self._ended[2])
        self._doubted = False

    def drop(self, error, reason):
        """Give up everything that waits; nothing can be sent any more."""
        self._open = False
        self._gone = True
        while self._queue:
            item = self._queue.popleft()
            item.dispose()
            self.app.settle(item.result, error, reason)
