"""What most HTTP cases do: hold a request, collect its body, see that a bad one goes nowhere."""

import itertools
import threading

from support.http_client import Closed
from support.waiting import scaled

_numbers = itertools.count(1)


class Background:
    """Runs a function in a thread; result() waits for it and passes on what it raised."""

    def __init__(self, function, *arguments):
        self._value = self._error = None
        self._thread = threading.Thread(target=self._run, args=(function, arguments), daemon=True)
        self._thread.start()

    def _run(self, function, arguments):
        try:
            self._value = function(*arguments)
        except BaseException as error:
            self._error = error

    def is_running(self):
        return self._thread.is_alive()

    def result(self, seconds=20):
        self._thread.join(scaled(seconds))
        assert not self._thread.is_alive(), "the other thread did not finish"
        if self._error is not None:
            raise self._error
        return self._value


def unique(name):
    """A target that no other request has."""
    return f"/{name}/{next(_numbers)}"


def hold(ctx, name, client=None, worker=None, **request):
    """Sends a request and waits until the worker has it: (client, OPEN)."""
    client = client or ctx.http()
    target = request.pop("target", None) or unique(name)
    worker = worker or ctx.main
    mark = worker.mark()
    client.request(request.pop("method", "GET"), target, **request)
    return client, worker.wait_open(target, after=mark)


def answered(ctx, name, status=200, headers=(), body=b"", client=None, sent=(), **request):
    """A whole exchange with a complete answer: (client, OPEN, Response).

    headers are those of the answer, `sent` those of the request.
    """
    method = request.get("method", "GET")
    client, event = hold(ctx, name, client, headers=sent, **request)
    ctx.main.respond(event.chan, status, headers, body)
    return client, event, client.read_response(method)


def opened_ws(ctx, name, worker=None, **options):
    """A WebSocket after its handshake and its OPEN: (client, OPEN)."""
    worker = worker or ctx.main
    target = options.pop("target", None) or unique(name)
    mark = worker.mark()
    client = ctx.ws(target, **options)
    return client, worker.wait_open(target, after=mark)


def whole_body(worker, event, timeout=10):
    """The body of a request, whole with its OPEN or in BODY records."""
    kind = event.meta["body"]
    if kind == "none":
        return b""
    if kind == "whole":
        return event.body
    parts, count = [], 0
    while True:
        count += 1
        record = worker.wait_for("BODY", event.chan, timeout, count=count)
        assert len(record.payload or b"") <= 262144, "a BODY record is over 256 KiB"
        parts.append(record.payload or b"")
        if record.options.get("end") == "1":
            return b"".join(parts)


def sentinel(ctx):
    """A good exchange on a new connection: whatever came before it has been seen by now."""
    client, event, response = answered(ctx, "sentinel", body=b"well")
    assert response.status == 200 and response.body == b"well", response
    client.close()
    return event


def send_and_read(client, raw):
    """Sends while reading; returns everything up to the end of the connection."""

    def push():
        try:
            client.send(raw)
        except OSError:
            pass  # refused before all of it was sent

    writer = Background(push)
    data = client.read_to_end()
    client.close()
    writer.result()
    return data


def status_of(data):
    """Status of the first response in these bytes, None if there is none."""
    first = data.split(b"\r\n", 1)[0].split(b" ")
    return int(first[1]) if len(first) > 1 and first[0].startswith(b"HTTP/1.") else None


def is_refused(ctx, raw, statuses):
    """Asserts: a new connection that sends this gets one of the statuses and its end, and no
    application hears of it."""
    mark = ctx.main.mark()
    data = send_and_read(ctx.http(), raw.encode("latin-1") if isinstance(raw, str) else raw)
    status = status_of(data)
    assert status in statuses, f"expected {statuses}, got {data[:300]!r} for {raw[:80]!r}"
    assert status is None or b"\r\n\r\n" in data
    last = sentinel(ctx)
    opened = [r for r in ctx.main.find("OPEN", after=mark) if r.chan != last.chan]
    assert not opened, f"{raw[:80]!r} reached the application: {opened}"
    return data


def assert_ends(client):
    """The connection ends now; nothing more comes."""
    try:
        client.expect_end()
    except Closed:
        pass
