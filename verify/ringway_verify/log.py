"""Lines of a log: `t=12.345678 what=message by=w1-4711-9f3a key=value …`.

A line is one write to a file opened with O_APPEND: what was written when a process is killed is
whole, and several processes may share a file.  `t` is CLOCK_MONOTONIC in seconds, the same clock
for all processes of one machine.
"""

import os
import re
import time
from urllib.parse import quote, unquote

_PLAIN = re.compile(r"[!-$&-~]+\Z")  # visible ASCII without "%"


class LogError(ValueError):
    """A line that is no line of a log."""


class Log:
    """A log that is written.

    by    who writes: name, process, and a number that no other process has
    lazy  keep lines back until flush(): for those whose lines need not outlive a kill
    """

    def __init__(self, path, name, lazy=False):
        self.by = "%s-%d-%s" % (name, os.getpid(), os.urandom(3).hex())
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._lazy = lazy
        self._kept = []

    def write(self, what, **fields):
        text = "".join(" %s=%s" % (name, escape(value)) for name, value in fields.items())
        line = "t=%.6f what=%s by=%s%s\n" % (time.monotonic(), what, self.by, text)
        if self._lazy:
            self._kept.append(line)
        else:
            self._append(line.encode("ascii"))

    def flush(self):
        kept, self._kept = self._kept, []
        if kept:
            self._append("".join(kept).encode("ascii"))

    def _append(self, data):
        if os.write(self._file, data) != len(data):
            raise OSError("the log cannot be written: no space?")

    def close(self):
        self.flush()
        os.close(self._file)


def escape(value):
    """A value as one word."""
    text = "-" if value is None or value == "" else str(value)
    return text if _PLAIN.match(text) else quote(text, safe="")


class Line:
    """One line that was read; get() has a field as text."""

    __slots__ = ("file", "number", "text", "t", "what", "by", "fields")

    def __init__(self, file, number, text):
        self.file, self.number, self.text = file, number, text
        self.fields = dict(word.split("=", 1) for word in text.split(" ") if "=" in word)
        try:
            self.t = float(self.fields["t"])
            self.what, self.by = self.fields["what"], self.fields["by"]
        except (KeyError, ValueError):
            raise LogError("%s:%d: not a line of a log: %s" % (file, number, text[:80])) from None

    def get(self, name, default=None):
        value = self.fields.get(name, default)
        return unquote(value) if value and "%" in value else value

    def number_of(self, name):
        """A field that is a number, or None."""
        value = self.fields.get(name, "-")
        return int(value) if value.lstrip("-").isdigit() else None

    def __str__(self):
        return "%s:%d: %s" % (self.file, self.number, self.text)


def read(path):
    """The lines of a file; LogError for one that is none, the last one too if it is not whole."""
    with open(path, encoding="ascii", errors="replace") as file:
        for number, text in enumerate(file, 1):
            if not text.endswith("\n"):
                raise LogError("%s:%d: the line is not whole" % (path, number))
            if text != "\n":
                yield Line(path, number, text[:-1])
