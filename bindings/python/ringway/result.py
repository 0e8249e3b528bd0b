"""How a command went."""

from __future__ import annotations

import asyncio
import threading
from typing import Callable


class Result:
    """True until the command is known to have failed; False then.

    done     answered, one way or the other
    error    None, or a code of docs/protocol/1-bus.md section 4.5 ("gone", "full", ...)
    reason   why, in English; perhaps empty
    options  what the answer said besides; a dict
    is_slow  the client was behind already when this was sent: better wait for on_drain

    `await result` waits for the answer in a coroutine.
    """

    def __init__(self, error: str | None = None, reason: str = "") -> None:
        self.error = error
        self.reason = reason
        self.options: dict[str, str] = {}
        self.done = error is not None
        self.is_slow = False
        self._callbacks = []
        self._lock = threading.Lock()
        self._event = None

    def __bool__(self) -> bool:
        return self.error is None

    def __repr__(self) -> str:
        state = self.error or ("ok" if self.done else "under way")
        return "<Result %s>" % state

    def then(self, function: Callable[[Result], object]) -> Result:
        """Call function(result) when the answer is there, on the application's thread; at once
        if it is there already.  Returns self."""
        with self._lock:
            if not self.done:
                self._callbacks.append(function)
                return self
        function(self)
        return self

    def wait(self, timeout: float | None = None) -> Result:
        """Wait for the answer, in another thread than the one that runs the application.
        Returns self; raises TimeoutError when there is none within `timeout` seconds."""
        with self._lock:
            if self.done:
                return self
            self._event = self._event or threading.Event()
        if not self._event.wait(timeout):
            raise TimeoutError("no answer within %s s" % timeout)
        return self

    def __await__(self):
        loop = asyncio.get_running_loop()
        answered = loop.create_future()

        def answer():
            if not answered.done():
                answered.set_result(self)

        self.then(lambda _: loop.call_soon_threadsafe(answer))
        return (yield from answered)

    def settle(self, error=None, reason="", options=None):
        """The answer is there.  Returns the functions that wait for it; the second answer of a
        command changes nothing.  For the binding itself."""
        with self._lock:
            if self.done:
                return []
            self.error, self.reason, self.options = error, reason, options or {}
            self.done = True
            if self._event:
                self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        return callbacks
