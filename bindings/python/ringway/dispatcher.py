"""From a delivery to its handler, and from there to its acknowledgement."""

import asyncio
import collections
import concurrent.futures
import inspect
import logging
import re

from .channel import Channel
from .errors import Refuse
from .request import Request
from .result import Result

log = logging.getLogger("ringway")

CLOSED_MAX = 10000  # ids of closed channels that are remembered

DELIVERIES = frozenset(
    "OPEN TEXT BIN BODY CLOSE ADOPT SLOW DRAINED LOST ATTACHED DETACHED".split())
_OPENS = ("OPEN", "ADOPT")


class Event:
    """A record that was delivered, while it is handled."""

    __slots__ = ("record", "verb", "id", "seq", "deliveries")

    def __init__(self, record, delivery):
        self.record = record
        self.verb = record.verb
        self.id = record.token(0)
        seq = record.token(1)
        self.seq = int(seq) if seq.isascii() and seq.isdigit() else 0
        self.deliveries = [delivery]  # more where it came again meanwhile


class Dispatcher:
    """Each event is handled once, those of a channel one after another.  It is finished when its
    handler has returned, or what that has returned is done: a coroutine, or a Future."""

    def __init__(self, app, deliveries):
        self._app = app
        self._deliveries = deliveries
        self._closing = {}  # id -> Channel whose on_close is at work
        self._closed = collections.OrderedDict()
        self._tasks = set()

    def deliver(self, record):
        event = Event(record, self._deliveries.take(record.token(2)))
        channel = self._app.channels.get(event.id) or self._closing.get(event.id)
        if channel is None and event.verb in _OPENS and event.id not in self._closed:
            self._open(event)
        elif channel is None:
            self._finish(event)  # not ours, or no more
        elif self._is_new(channel, event):
            self._queue(channel, event)
        else:
            self._repeated(channel, event)

    def forget(self, id):
        """The channel is not ours any more; what has not been handled will not be."""
        channel = self._app.channels.pop(id, None)
        if channel:
            self._discard(channel)
        return channel

    def is_busy(self):
        """Is a handler at work that has not returned for good?"""
        return bool(self._tasks)

    def cancel(self):
        """The application ends: what is under way is not acknowledged."""
        for task in list(self._tasks):
            task.cancel()
        self._tasks.clear()

    def handle(self, channel, name, *arguments):
        """Call a handler whose event nobody waits for."""
        handler = channel.handler(name)
        if handler:
            self._app.guard(handler, channel, *arguments)

    # Which events are new.

    def _is_new(self, channel, event):
        if event.verb == "CLOSE":
            return not channel.is_closing
        if event.verb == "ADOPT" or event.seq <= channel.last_seq:
            return False
        channel.last_seq = event.seq
        return not self._has_come(channel, event)

    @staticmethod
    def _has_come(channel, event):
        """A session's message comes again under another seq when its broker was started anew."""
        origin = event.record.option("o", 3)
        if origin is None or event.verb not in ("TEXT", "BIN"):
            return False
        if origin in channel.origins:
            return True
        channel.origins.append(origin)
        return False

    def _repeated(self, channel, event):
        """It has come before.  If it is still being handled, this delivery is done when that is."""
        for other in channel.unfinished():
            same_close = event.verb == other.verb == "CLOSE"
            origin = event.record.option("o", 3)
            same = event.seq == other.seq or (
                origin is not None and origin == other.record.option("o", 3))
            if same_close or (event.verb != "ADOPT" and same):
                other.deliveries += event.deliveries
                return
        self._finish(event)

    # One after another.

    def _open(self, event):
        try:
            request = Request.parse(event.record.payload)
        except ValueError:
            log.exception("channel %s: the metadata cannot be read", event.id)
            self._app.command("CLOSE", [event.id, 500], (), None, Result())
            self._finish(event)
            return
        channel = Channel(self._app, event.id, request, event.verb == "ADOPT")
        channel.last_seq = event.seq
        self._app.channels[event.id] = channel
        self._queue(channel, event)

    def _queue(self, channel, event):
        if event.verb == "CLOSE":
            channel.is_closing = True
            channel.drop("gone", "the channel is closed")
            self._app.checked(channel.id)
        elif event.verb in ("SLOW", "DRAINED"):
            channel.set_slow(event.verb == "SLOW")
        channel.events.append(event)
        self._advance(channel)

    def _advance(self, channel):
        while channel.events and channel.event is None:
            event = channel.event = channel.events.popleft()
            try:
                outcome = _EVENTS[event.verb](self, channel, event)
                if self._is_pending(channel, event, outcome):
                    return
            except Exception as error:
                self._conclude(channel, event, error)
            else:
                self._conclude(channel, event, None)

    def _is_pending(self, channel, event, outcome):
        """Is the handler still at work?  Then the rest follows when it is done."""
        if inspect.iscoroutine(outcome):
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                outcome.close()
                raise RuntimeError(
                    "an async handler of a channel needs await app.serve()"
                ) from None
            outcome = asyncio.ensure_future(outcome)
        elif not isinstance(outcome, (asyncio.Future, concurrent.futures.Future)):
            return False
        self._tasks.add(outcome)
        outcome.add_done_callback(
            lambda future: self._app.call(self._done, channel, event, future))
        return True

    def _done(self, channel, event, future):
        self._tasks.discard(future)
        if not self._app.is_running():
            return
        error = None
        if future.cancelled():
            error = RuntimeError("the handler was cancelled")
        elif future.exception():
            error = future.exception()
        self._conclude(channel, event, error)
        self._advance(channel)

    def _conclude(self, channel, event, error):
        """The handler has returned; the event is acknowledged, whatever came of it."""
        channel.event = None
        if isinstance(error, Refuse) and event.verb != "CLOSE":
            self._refused(channel, event)
            return
        if error is not None:
            log.error("channel %s: the handler of %s failed", event.id, event.verb,
                      exc_info=error)
            if event.verb != "CLOSE" and self._app.channels.get(event.id) is channel:
                channel.fail()
        if event.verb == "CLOSE":
            self._remember(event.id)
        self._finish(event)
        self._app.acknowledge()

    def _refused(self, channel, event):
        if self._app.channels.get(event.id) is channel:
            self.forget(event.id)
            channel.drop("moved", "another worker is to have the channel")
        # A frame that cannot leave leaves the event open: the broker moves it in time.
        for delivery in event.deliveries:
            self._app.refuse(delivery)

    def _finish(self, event):
        for delivery in event.deliveries:
            self._deliveries.finish(delivery)

    def _remember(self, id):
        self._closing.pop(id, None)
        self._closed[id] = None
        if len(self._closed) > CLOSED_MAX:
            self._closed.popitem(last=False)

    def _discard(self, channel):
        while channel.events:
            self._finish(channel.events.popleft())

    # What each event does; returns what the handler has returned.

    def _call(self, channel, name, *arguments):
        handler = channel.handler(name)
        return handler(channel, *arguments) if handler else None

    def _opened(self, channel, event):
        handlers = self._app.handlers
        name = "on_adopt" if channel.adopted and "on_adopt" in handlers else "on_open"
        if name in handlers:
            return handlers[name](channel)
        if not channel.request.is_websocket and not channel.is_session:
            channel.send("Nothing is here.\n", status=404, close=True)
        return None

    def _text(self, channel, event):
        text = (event.record.payload or b"").decode("utf-8", "replace")
        return self._call(channel, "on_message", text)

    def _bin(self, channel, event):
        return self._call(channel, "on_message", event.record.payload or b"")

    def _body(self, channel, event):
        last = event.record.option("end", 3) == "1"
        return self._call(channel, "on_body", event.record.payload or b"", last)

    def _slow(self, channel, event):
        queued = event.record.token(3)
        return self._call(channel, "on_slow", int(queued) if queued.isdigit() else 0)

    def _drained(self, channel, event):
        return self._call(channel, "on_drain")

    def _lost(self, channel, event):
        return self._call(channel, "on_lost", event.record.token(3))

    def _attached(self, channel, event):
        return self._call(channel, "on_attached", event.record.token(3))

    def _detached(self, channel, event):
        return self._call(channel, "on_detached", event.record.token(3))

    def _close(self, channel, event):
        self.forget(event.id)
        self._closing[event.id] = channel
        state = event.record.token(3)
        status = int(state) if re.fullmatch("-?[0-9]{1,4}", state) else 0
        reason = (event.record.payload or b"").decode("utf-8", "replace")
        cause = event.record.option("cause", 4, "")
        return self._call(channel, "on_close", status, cause, reason)


_EVENTS = {
    "OPEN": Dispatcher._opened,
    "ADOPT": Dispatcher._opened,
    "TEXT": Dispatcher._text,
    "BIN": Dispatcher._bin,
    "BODY": Dispatcher._body,
    "SLOW": Dispatcher._slow,
    "DRAINED": Dispatcher._drained,
    "LOST": Dispatcher._lost,
    "ATTACHED": Dispatcher._attached,
    "DETACHED": Dispatcher._detached,
    "CLOSE": Dispatcher._close,
}
