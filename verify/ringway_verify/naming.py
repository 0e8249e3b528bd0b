"""Names and payloads, both ways.  Pure.

A client's key says who it is and what it wants: `<run>-<kind><number>-<ms>`, for example
`3fa9c1-s12-200`.  Kinds: `w` a WebSocket, `s` a stream, `p` a held request.  ms is the time
between two sends of the worker to a stream, or how long it holds a request.  The key stands in
the path, where the route's `{key}` puts it into OPEN and ADOPT.

    up    <key> <n> <size> <padding>
    down  <by> <m> <n> <key> <size> <padding>

n numbers what a client sends, m what one worker process sends to one channel, both from 1; n is
`-` in what is no echo.
"""

import collections
import re

CARRIERS = {"ws": "w", "stream": "s", "poll": "p"}

Key = collections.namedtuple("Key", "run kind number ms")
Up = collections.namedtuple("Up", "key n")
Down = collections.namedtuple("Down", "by m n key")

_KEY = re.compile(r"([0-9a-f]{6,16})-([wsp])([0-9]{1,9})-([0-9]{1,6})\Z")


def make_key(run, kind, number, ms):
    return "%s-%s%d-%d" % (run, kind, number, ms)


def parse_key(text):
    """Key, or None when the text is no key."""
    found = _KEY.match(text or "")
    if not found:
        return None
    return Key(found[1], found[2], int(found[3]), int(found[4]))


def make_up(key, n, size):
    head = "%s %d %d " % (key, n, size)
    return head + "x" * (size - len(head))


def parse_up(text):
    """Up, or None when the text is not what make_up made."""
    words = text.split(" ", 3)
    if len(words) != 4 or not (words[1].isdigit() and words[2].isdigit()):
        return None
    if make_up(words[0], int(words[1]), int(words[2])) != text:
        return None
    return Up(words[0], int(words[1]))


def make_down(by, m, n, key, size=0):
    head = "%s %d %s %s %d " % (by, m, "-" if n is None else n, key, size)
    return head + "y" * (size - len(head))


def parse_down(text):
    """Down, or None when the text is not what make_down made."""
    words = text.split(" ", 5)
    if len(words) != 6 or not (words[1].isdigit() and words[4].isdigit()):
        return None
    if words[2] != "-" and not words[2].isdigit():
        return None
    n = None if words[2] == "-" else int(words[2])
    if make_down(words[0], int(words[1]), n, words[3], int(words[4])) != text:
        return None
    return Down(words[0], int(words[1]), n, words[3])


def body_part(at, size):
    """Bytes `at` to `at + size` of every request's body: numbers of 15 digits, a line each."""
    first = at // 16
    text = "".join("%015d\n" % line for line in range(first, (at + size) // 16 + 1))
    return text[at - first * 16:at - first * 16 + size].encode("ascii")
