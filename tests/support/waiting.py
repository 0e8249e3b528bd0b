"""Waiting for conditions, always with a deadline."""

import os
import time

# Sanitizer builds and loaded machines are slower; every deadline is multiplied by this.
SCALE = float(os.environ.get("RINGWAY_TIME_SCALE", "1"))


def scaled(seconds):
    """A deadline of `seconds` on a quiet machine, stretched for this run."""
    return seconds * SCALE


def wait_until(condition, seconds=5.0, what="the condition"):
    """Returns the first true value of condition(); AssertionError after `seconds`."""
    end = time.monotonic() + scaled(seconds)
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {scaled(seconds):g} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def stays_true(condition, seconds, what="the condition"):
    """Fails if condition() becomes false within `seconds`; for "nothing more happens"."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), f"{what} did not stay true"
        time.sleep(0.01)
