"""Clients that others wrote and Debian packages: curl and python3-websockets.  (The npm ones are in
tests/clients, Chromium in tests/browser.)"""

import asyncio
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import Skip, case, run
from support.harness import Deployment
from support.talk import Background, unique, whole_body
from support.waiting import scaled
from support.worker import echo

try:
    import websockets
except ImportError:
    websockets = None

TEXT = [("Content-Type", "text/plain")]
ROUTES = [
    ("picky", {"path": "/picky/**", "service": "picky", "accept": "backend"}),
    ("news", {"path": "/news/{section}", "topic": "news/{section}"}),
    ("rest", {"path": "/**", "service": "default"}),
]


class Curl:
    """A curl that runs; with status() and output()."""

    def __init__(self, ctx, target, *words, stdin=subprocess.DEVNULL):
        if not shutil.which("curl"):
            raise Skip("curl is not installed")
        url = "http://%s:%d%s" % (*ctx.address, target)
        self.process = subprocess.Popen(
            ["curl", "--silent", "--show-error", "--noproxy", "*", *words, url], stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def output(self, status=0):
        """What it wrote to stdout; asserts how it ended."""
        out, err = self.process.communicate(timeout=scaled(20))
        assert self.process.returncode == status, (self.process.returncode, err)
        return out


def with_curl(ctx, *words, status=200, body=b"answer", headers=TEXT, target=None):
    """One exchange: (OPEN, what curl wrote)."""
    target = target or unique("curl")
    curl = Curl(ctx, target, *words)
    event = ctx.main.wait_open(target)
    received = whole_body(ctx.main, event)
    ctx.main.respond(event.chan, status, headers, body)
    return event, received, curl.output()


@case()
def curl_gets_and_posts(ctx):
    event, _, out = with_curl(ctx)
    assert out == b"answer" and event.meta["method"] == "GET"
    event, received, out = with_curl(ctx, "--data", "a=1&b=2")
    assert (event.meta["method"], received) == ("POST", b"a=1&b=2") and out == b"answer"
    event, received, _ = with_curl(ctx, "--form", "field=value")
    assert b'name="field"' in received
    event, _, out = with_curl(ctx, "--head")
    assert event.meta["method"] == "HEAD"
    assert out.startswith(b"HTTP/1.1 200") and b"Content-Length: 6" in out, out
    event, _, out = with_curl(ctx, "--http1.0", "--include")
    assert event.meta["version"] == "1.0" and out.endswith(b"answer"), out


@case()
def curl_uploads_in_chunks_and_after_100_continue(ctx):
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(range(256)) * 8000)
        file.flush()
        data = pathlib.Path(file.name).read_bytes()
        for words in (
            ("--upload-file", file.name), ("--data-binary", f"@{file.name}"),
            ("--upload-file", file.name, "--header", "Transfer-Encoding: chunked"),
            ("--upload-file", file.name, "--header", "Expect: 100-continue"),
        ):
            _, received, out = with_curl(ctx, *words)
            assert received == data, (words, len(received))
            assert out == b"answer"


@case()
def curl_downloads_large_answers_and_keeps_its_connection(ctx):
    body = bytes(range(256)) * 12_000
    targets = [unique("curl") for _ in range(3)]
    urls = ["http://%s:%d%s" % (*ctx.address, target) for target in targets[1:]]
    curl = Curl(ctx, targets[0], "--write-out", "%{num_connects}", *urls)
    output = Background(curl.output)
    for target in targets[1:] + targets[:1]:
        event = ctx.main.wait_open(target)
        ctx.main.respond(event.chan, 200, TEXT, body)
    out = output.result()
    assert out == body + b"1" + body + b"0" + body + b"0", (len(out), out[-5:])


@case()
def curl_reads_a_stream_as_it_comes(ctx):
    target = unique("curl")
    curl = Curl(ctx, target, "--no-buffer")
    event = ctx.main.wait_open(target)
    ctx.main.respond(event.chan, 200, TEXT, b"", close=None)
    for number in range(5):
        ctx.main.send(event.chan, f"part {number}\n")
        assert curl.process.stdout.readline() == b"part %d\n" % number
    ctx.main.close(event.chan)
    assert curl.output() == b""


@case()
def curl_sees_a_cut_stream_as_an_error(ctx):
    target = unique("curl")
    curl = Curl(ctx, target, "--no-buffer")
    event = ctx.main.wait_open(target)
    ctx.main.respond(event.chan, 200, TEXT, b"begun\n", close=None)
    assert curl.process.stdout.readline() == b"begun\n"
    ctx.main.close(event.chan, 500)
    curl.output(status=18)  # "partial file"


@case()
def curl_that_gives_up_is_a_client_that_left(ctx):
    target = unique("curl")
    curl = Curl(ctx, target, "--max-time", "1")
    event = ctx.main.wait_open(target)
    curl.output(status=28)
    closed = ctx.main.wait_close(event.chan)
    assert (closed.status, closed.cause) == (-1, "client"), closed


@case()
def curl_follows_errors_and_redirects(ctx):
    target, other = unique("curl"), unique("curl")
    curl = Curl(ctx, target, "--location")
    event = ctx.main.wait_open(target)
    ctx.main.respond(event.chan, 302, [("Location", other)], b"")
    ctx.main.respond(ctx.main.wait_open(other).chan, 200, TEXT, b"there")
    assert curl.output() == b"there"
    curl = Curl(ctx, "/x" * 4200, "--write-out", "%{http_code}", "--output", "/dev/null")
    assert curl.output() == b"414"


@case()
def curl_reads_server_sent_events(ctx):
    curl = Curl(ctx, "/news/curl", "--no-buffer", "--header", "Accept: text/event-stream")
    lines = []
    while not lines or not lines[-1].startswith(b"id:"):
        lines.append(curl.process.stdout.readline())
        assert lines[-1], f"the stream ended: {lines}"
    assert ctx.main.ask("PUB", "news/curl", payload="two\nlines").verb == "OK"
    while b"data: lines\n" not in lines:
        lines.append(curl.process.stdout.readline())
        assert lines[-1], f"the stream ended: {lines}"
    assert b"data: two\n" in lines, lines
    curl.process.terminate()
    curl.process.wait()
    curl.process.stdout.close()
    curl.process.stderr.close()


# python3-websockets


def talk(ctx, conversation, target=None, **options):
    """Runs conversation(socket) over a WebSocket of that library."""
    if websockets is None:
        raise Skip("python3-websockets is not installed")
    url = "ws://%s:%d%s" % (*ctx.address, target or unique("echo"))

    async def go():
        async with websockets.connect(url, max_size=None, **options) as socket:
            return await asyncio.wait_for(conversation(socket), scaled(20))

    return asyncio.run(go())


@case("D09")
def python_websockets_exchanges_messages_of_all_kinds(ctx):
    ctx.main.handler = echo

    async def conversation(socket):
        for size in (0, 1, 125, 126, 65_535, 65_536, 2_000_000):
            for data in ("ü" * (size // 2), bytes(range(256)) * (size // 256)):
                await socket.send(data)
                assert await socket.recv() == data
        await socket.send(["in ", "three ", "fragments"])
        assert await socket.recv() == "in three fragments"
        await (await socket.ping(b"payload"))
        assert socket.extensions == [], "compression was offered and not taken"

    talk(ctx, conversation)


@case("D09")
def python_websockets_closes_both_ways(ctx):
    async def closes(socket):
        await socket.close(4001, "so long")
        return socket.close_code

    target = unique("close")
    assert talk(ctx, closes, target) == 4001
    closed = ctx.main.wait_close(ctx.main.wait_open(target).chan)
    assert closed.status == 4001 and closed.payload == b"so long", closed

    async def is_closed(socket):
        await socket.wait_closed()
        return socket.close_code, socket.close_reason

    target = unique("close")
    waiting = Background(talk, ctx, is_closed, target)
    ctx.main.close(ctx.main.wait_open(target).chan, 4002, "go away")
    assert waiting.result() == (4002, "go away")


@case("D13")
def python_websockets_gets_its_subprotocol(ctx):
    worker = ctx.worker("picky")
    target = unique("picky")

    async def conversation(socket):
        return socket.subprotocol

    waiting = Background(
        lambda: talk(ctx, conversation, target, subprotocols=["first", "second"]))
    event = worker.wait_open(target)
    worker.accept(event.chan, protocol="second")
    assert waiting.result() == "second"


@case()
def python_websockets_answers_our_pings():
    settings = {"ping_interval": "200ms", "ping_timeout": "500ms"}
    with Deployment(settings=settings) as own:
        own.main = own.worker(handler=echo)

        async def conversation(socket):
            await asyncio.sleep(1.5)  # long enough for some pings, and to be cut without pongs
            await socket.send("still here")
            return await socket.recv()

        assert talk(own, conversation, ping_interval=None) == "still here"


@case()
def two_hundred_of_python_websockets_talk_at_once(ctx):
    ctx.main.handler = echo

    async def one(number):
        url = "ws://%s:%d/many/%d" % (*ctx.address, number)
        async with websockets.connect(url) as socket:
            for count in range(5):
                await socket.send(f"{number}.{count}")
                assert await socket.recv() == f"{number}.{count}"

    async def all_of_them():
        await asyncio.wait_for(asyncio.gather(*map(one, range(200))), scaled(30))

    if websockets is None:
        raise Skip("python3-websockets is not installed")
    asyncio.run(all_of_them())


if __name__ == "__main__":
    run(lambda: Deployment(settings={"out_queue": "64MiB"}, routes=ROUTES))
