"""What is to be called on the application's thread: soon, later, again and again."""

import collections
import heapq
import itertools
import socket
import time


class Timer:
    """Of App.later and App.every; cancel() ends it."""

    def __init__(self, function, interval):
        self.function = function
        self.interval = interval
        self.cancelled = False

    def cancel(self):
        self.cancelled = True


class Schedule:
    """Calls and timers.  call() and add() may be used from any thread; it is readable, as a
    descriptor, when something was given to it."""

    def __init__(self):
        self._calls = collections.deque()
        self._timers = []
        self._count = itertools.count()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)

    def fileno(self):
        return self._woken.fileno()

    def call(self, function, arguments):
        self._calls.append((function, arguments))
        self._wake()

    def add(self, function, seconds, interval):
        timer = Timer(function, interval)
        due = time.monotonic() + seconds
        self.call(heapq.heappush, (self._timers, (due, next(self._count), timer)))
        return timer

    def wait(self):
        """Seconds until something is due; a day if nothing is."""
        if self._calls:
            return 0.0
        if self._timers:
            return max(self._timers[0][0] - time.monotonic(), 0.0)
        return 86400.0

    def run(self, guard):
        """Call what is due, each by guard(function, *arguments)."""
        self._sleep()
        for _ in range(len(self._calls)):
            function, arguments = self._calls.popleft()
            guard(function, *arguments)
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            due, _, timer = heapq.heappop(self._timers)
            if not timer.cancelled:
                guard(timer.function)
            if timer.interval is not None and not timer.cancelled:
                due = max(due + timer.interval, time.monotonic())
                heapq.heappush(self._timers, (due, next(self._count), timer))

    def close(self):
        self._woken.close()
        self._waker.close()

    def _wake(self):
        try:
            self._waker.send(b"x")
        except OSError:
            pass  # it is awake already, or closed

    def _sleep(self):
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            pass
