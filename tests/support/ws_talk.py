"""What most WebSocket cases do: open one and know its channel, see a handshake refused, see a
violation end the connection."""

from support.http_client import HttpClient
from support.talk import Background, sentinel, unique
from support.ws_client import Refused, WsClient

# A handshake that is right, as (name, value); cases take lines away or replace them.
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = (
    ("Host", "a"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY),
)


def join(ctx, name, handler=None, worker=None, **options):
    """A WebSocket that is open and the OPEN that the worker got: (client, OPEN).

    handler is called with the worker and each event of this channel; options are those of
    Deployment.ws()."""
    worker = worker or ctx.main
    target = options.pop("target", None) or unique(name)
    if handler:
        worker.on(target.split("?", 1)[0], handler)
    mark = worker.mark()
    client = ctx.ws(target, **options)
    return client, worker.wait_open(target, after=mark)


def handshake(changes=(), without=(), start="GET {0} HTTP/1.1", target="/"):
    """The bytes of a handshake; `changes` replace the lines of the same name, or are added."""
    replaced = {name.lower() for name, _ in changes} | {name.lower() for name in without}
    lines = [line for line in GOOD if line[0].lower() not in replaced] + list(changes)
    text = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return (start.format(target) + "\r\n" + text + "\r\n").encode("latin-1")


def try_handshake(ctx, request, behind=b""):
    """Sends a handshake on a connection of its own: the response and the client."""
    client = HttpClient(ctx.address)
    ctx.clients.append(client)
    client.send(request + behind)
    head = client.read_head()
    return head, client


def is_refused(ctx, statuses, behind=b"", **request):
    """Asserts that a handshake is answered with one of these statuses, as a whole HTTP answer
    and the end of the connection, and that no application hears of it; returns the head."""
    mark = ctx.main.mark()
    target = request.setdefault("target", unique("refused"))
    head, client = try_handshake(ctx, handshake(**request), behind)
    assert head.status in statuses, f"expected {statuses}, got {head.raw!r} for {request}"
    assert not head.has("sec-websocket-accept"), head.raw
    body = client.read_body(head)
    assert body, "an error says in its body what is wrong"
    client.expect_end()
    client.close()
    sentinel(ctx)
    opened = ctx.main.find("OPEN", where=lambda r: r.target == target, after=mark)
    assert not opened, f"{request} reached the application"
    return head


def fails_with(ctx, code, *frames, handler=None, first=b"", clean_before=()):
    """Asserts: these bytes on a new WebSocket fail it with `code`, and the application gets what
    came before (`clean_before`) and the end; returns the CLOSE record."""
    client, event = join(ctx, "fails", handler)
    client.send(first + b"".join(frames))
    client.expect_failure(code)
    closed = ctx.main.wait_close(event.chan)
    assert closed.status == 0 and closed.options.get("code") == str(code), closed
    assert closed.cause == ("limit" if code == 1009 else "protocol"), closed
    got = [record.payload for record in ctx.main.find(("TEXT", "BIN"), event.chan)]
    assert got == list(clean_before), got
    return closed


def verbs(ctx, event):
    """What the application was told of a channel, in order."""
    return [record.verb for record in ctx.main.events(event.chan)]


__all__ = ["Background", "GOOD", "KEY", "Refused", "WsClient", "fails_with", "handshake",
           "is_refused", "join", "try_handshake", "verbs"]
