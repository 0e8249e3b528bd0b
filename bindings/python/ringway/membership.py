"""Being a worker of the broker: JOIN, LEAVE, and which channels are still ours."""

import logging
import time

from . import wire
from .checks import Checks

log = logging.getLogger("ringway")

PAUSE = 2.0  # seconds without a turn: the broker may have given us up
GONE_CHECK = 2.0  # seconds that the CLOSE of a channel that is gone may take


class Membership:
    """The part of an App that the broker's life, and pauses of our own, have to do with.  While a
    JOIN with an id is unanswered, deliveries are held: only its answer tells whether what was
    delivered is still ours to handle."""

    def __init__(self):
        self.boot = None  # the broker's life
        self._incarnation = None
        self._joining = None  # id of the JOIN whose answer we wait for
        self._joined_once = False
        self._held = []  # what came since then
        self._checks = Checks()
        self._finishing = []  # moved channels whose last sends are under way
        self._leave_by = self._bodies_by = None
        self._left = False
        self._alive = 0.0

    def _look_at_pause(self):
        """After a pause of our own the broker may have given our channels away: ask before
        anything that came is believed."""
        before, self._alive = self._alive, time.monotonic()
        if self._alive - before > PAUSE and self._state == "running":
            log.warning("paused for %.1f s: joining again", self._alive - before)
            self._join()

    def _connected(self, now):
        """A new connection."""
        self._deliveries.forget()
        self._watches.reconnected(now)
        if self._state == "running":
            self._join()
        else:
            self._say()
        self._commands.reconnected(now)

    def _join(self):
        self._joining = self._commands.next_id()
        self._said = time.monotonic()
        self._say()

    def _say(self):
        """JOIN or LEAVE, as heartbeat too."""
        if self._state != "running":
            self._send_frame(wire.build("LEAVE", [self.service]))
            return
        sessions = "on_attached" in self.handlers or "on_detached" in self.handlers
        options = [("window", self.window), ("name", self.name), ("pressure", 1),
                   ("sessions", 1 if sessions else None),
                   ("batch", 1), ("proto", "RW/1"), ("id", self._joining)]
        self._send_frame(wire.build("JOIN", [self.service], options))

    def _joined(self, record):
        now = time.monotonic()
        tag = record.token(2)
        boot, incarnation = record.option("boot", 3), record.option("inc", 3)
        before = self.boot
        self.boot = boot or before
        is_restart = before is not None and before != self.boot
        if is_restart or incarnation != self._incarnation:
            # What was delivered before it is not ours to handle.
            self._held.clear()
            self._deliveries.forget()
            self._incarnation = incarnation
            self._checks.ask(self.channels, now)
            self._ask_checks(now)
        if is_restart:
            log.warning("the broker was started again")
            self._call_app("on_restart")
        if self._joining is not None and tag == self._joining:
            self._joining = None
            self._release_held()

    def _release_held(self):
        held, self._held = self._held, []
        if not self._joined_once:
            self._joined_once = True
            self._call_app("on_ready")
        for record in held:
            self._deliver(record)

    def _call_app(self, name):
        handler = self.handlers.get(name)
        if handler:
            self.guard(handler, self)

    def _name_in_use(self):
        log.warning("another worker has the name %s: trying again", self.name)
        self._joining = self._commands.next_id()

    def _take_who(self, record):
        if self._state == "running":
            self._join()
        self._left = True

    # Which channels are ours.

    def _ask_checks(self, now):
        self._checks.flush(self._send_frame, now)

    def ask_about(self, channel):
        self._checks.ask([channel.id], time.monotonic() + GONE_CHECK)

    def checked(self, id):
        """There is nothing to ask about this channel any more."""
        self._checks.answered(id)

    def _take_later(self, record):
        self._checks.later(record.token(0), time.monotonic())

    def _take_moved(self, record):
        id = record.token(0)
        self.checked(id)
        channel = self._dispatcher.forget(id)
        if channel is None:
            return
        if self._state == "leaving" and channel.is_busy():
            self._finishing.append(channel)  # what was sent before we left is finished
        else:
            channel.drop("moved", "another worker has the channel")
        self._dispatcher.handle(channel, "on_moved")

    # Leaving.

    def _begin_leave(self, grace):
        now = time.monotonic()
        if self._leave_by is None:
            self._leave_by, self._bodies_by = now + grace, now + grace / 2
        self._look_at_leave(now)

    def _look_at_leave(self, now):
        """LEAVE gives our channels to other workers, and the gateway cuts an answer of known size
        that is not complete then: those are finished first, for half of the grace."""
        if self._state != "running" or self._leave_by is None:
            return
        if now < self._bodies_by and any(c.has_sized_body() for c in self.channels.values()):
            return
        self._flush_ack()
        self._state = "leaving"
        self._left = False
        self._said = now
        self._say()

    def _take_left(self, record):
        self._left = True

    def _finish_leave(self, now):
        self._finishing = [channel for channel in self._finishing if channel.is_busy()]
        channels = [*self.channels.values(), *self._finishing]
        busy = (len(self._commands) or self._dispatcher.is_busy()
                or any(channel.is_busy() for channel in channels))
        left = self._left or not self._connection.is_up
        if (left and not busy) or now >= self._leave_by:
            self._set_stopped()

    def _set_stopped(self):
        self._state = "stopped"
