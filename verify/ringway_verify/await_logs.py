"""Waits until logs are complete: the clients are done, and every channel has its close."""

import re
import time

_FIELD = re.compile(rb" what=(open|adopt|close|done) by=\S+(?: chan=(\S+))?")


class Tail:
    """What has been appended to a file since the last look."""

    def __init__(self, path):
        self._file = open(path, "rb")
        self._rest = b""

    def lines(self):
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        return lines

    def close(self):
        self._file.close()


def wait(paths, seconds):
    """True when they are complete; False when the time is over."""
    tails = [Tail(path) for path in paths]
    opened, closed, done = set(), set(), 0
    until = time.monotonic() + seconds
    try:
        while True:
            for tail in tails:
                for line in tail.lines():
                    found = _FIELD.search(line)
                    if found and found[1] == b"done":
                        done += 1
                    elif found:
                        (closed if found[1] == b"close" else opened).add(found[2])
            if done and not opened - closed:
                return True
            if time.monotonic() >= until:
                return False
            time.sleep(0.2)
    finally:
        for tail in tails:
            tail.close()
