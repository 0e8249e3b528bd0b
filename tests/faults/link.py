"""Links that can be spoilt: two TAP devices and, between them, a queue in each direction.

What `tc netem` does in the kernel is done here frame by frame, since a kernel may lack it:
delay, random loss, a rate with a bounded queue, silence in one or both directions.  All links of a
stage are carried by one thread.
"""

import collections
import fcntl
import os
import random
import select
import struct
import threading
import time

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_FRAME_MAX = 65536
# Frames that wait in one direction; what comes on top is lost, as in a router.
QUEUE_FRAMES = 1000
_FRAMES_IN_A_ROW = 256


def open_tap(name):
    """A new TAP device in the namespace of the calling thread; it goes with its descriptor."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return fd


class Way:
    """One direction of a link.

      is_cut      frames vanish
      delay       seconds that each frame waits
      loss        the share of frames that vanish, 0 to 1
      rate        bytes a second; None: no limit
    """

    def __init__(self, source, target, seed):
        self.source, self.target = source, target
        self.is_cut = False
        self.delay, self.loss, self.rate = 0.0, 0.0, None
        self.carried = self.lost = 0
        self._random = random.Random(seed)
        self._queue = collections.deque()
        self._free_at = 0.0

    def take(self, frame, now):
        """A frame that came in at the source."""
        if self.is_cut or (self.loss and self._random.random() < self.loss):
            self.lost += 1
        elif len(self._queue) >= QUEUE_FRAMES:
            self.lost += 1
        else:
            self._queue.append((self._due(len(frame), now), frame))

    def _due(self, size, now):
        due = now
        if self.rate:
            self._free_at = max(self._free_at, now) + size / self.rate
            due = self._free_at
        due += self.delay
        # A link keeps the order, also when its delay was made shorter.
        return max(due, self._queue[-1][0]) if self._queue else due

    def pass_on(self, now):
        """Delivers what is due; returns when the next frame is, or None."""
        while self._queue and self._queue[0][0] <= now:
            frame = self._queue.popleft()[1]
            # A frame that was under way when the link was cut is lost with it.
            if self.is_cut or not _write(self.target, frame):
                self.lost += 1
            else:
                self.carried += 1
        return self._queue[0][0] if self._queue else None


def _write(fd, frame):
    try:
        return os.write(fd, frame) == len(frame)
    except OSError:
        return False


class Link:
    """A cable between the nodes `left` and `right`; the methods may be called from any thread."""

    def __init__(self, left, right, fds, seed):
        self.left, self.right = left, right
        self.ways = [Way(fds[0], fds[1], seed), Way(fds[1], fds[0], seed + 1)]

    def _from(self, node):
        """The directions that begin at this node; both for None."""
        return [way for way, end in zip(self.ways, (self.left, self.right)) if node in (None, end)]

    def cut(self, sender=None):
        """Silence: nothing arrives any more, or nothing of what the node `sender` sends."""
        for way in self._from(sender):
            way.is_cut = True

    def lost(self):
        """How many frames vanished so far."""
        return sum(way.lost for way in self.ways)

    def heal(self):
        for way in self.ways:
            way.is_cut = False

    def shape(self, delay=0.0, loss=0.0, rate=None):
        """Seconds, share, bytes a second; without arguments the link is perfect again."""
        for way in self.ways:
            way.delay, way.loss, way.rate = delay, loss, rate


class Carrier:
    """The thread that carries the frames of all links."""

    def __init__(self):
        self._links = []
        self._ways = {}
        self._poll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._wake, select.EPOLLIN)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="links", daemon=True)
        self._thread.start()

    def add(self, link):
        for way in link.ways:
            self._ways[way.source] = way
            self._poll.register(way.source, select.EPOLLIN)
        self._links.append(link)

    def stop(self):
        self._stopping = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        for fd in self._ways:
            os.close(fd)
        os.close(self._wake)

    def _run(self):
        wait = None
        while not self._stopping:
            for fd, _ in self._poll.poll(wait):
                if fd in self._ways:
                    self._read(self._ways[fd])
            now = time.monotonic()
            due = [way.pass_on(now) for way in list(self._ways.values())]
            due = [when for when in due if when is not None]
            wait = max(0.0, min(due) - now) if due else None

    def _read(self, way):
        for _ in range(_FRAMES_IN_A_ROW):
            try:
                frame = os.read(way.source, _FRAME_MAX)
            except BlockingIOError:
                return
            except OSError:  # the device is not up yet
                return
            way.take(frame, time.monotonic())
