"""bindings/javascript-client in Chromium, from a page that the gateway serves.

Last line: `N passed, N failed[, N skipped]`.
"""

import asyncio
import pathlib
import re
import shutil
import sys
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "browser")]

from devtools import Browser  # noqa: E402
from support.harness import Deployment  # noqa: E402
from support.worker import head_payload  # noqa: E402

CLIENT = ROOT / "bindings" / "javascript-client"
ROUTES = [
    ("news", {"path": "/news/{section}", "topic": "news/{section}"}),
    ("talk", {"path": "/talk", "service": "default", "session": "on"}),
    ("rest", {"path": "/**", "service": "default"}),
]
MAP = '<script type="importmap">{"imports":{"ringway-client":"/ringway.js"}}</script>'
HEAD = f'<!doctype html><meta charset="utf-8"><title>client</title><link rel="icon" href="data:,">{MAP}'

# follow() opens a client and keeps what it tells.
PAGE = HEAD + """<body><script type="module">
import { Ringway } from "ringway-client";
window.follow = (options, path = "/news/sport") => {
  const client = new Ringway(path, { minDelay: 50, maxDelay: 200, ...options });
  const seen = { client, texts: [], cursors: [], gaps: [], opens: [], closes: [] };
  client.addEventListener("message", ({ data, cursor }) => {
    seen.texts.push(typeof data === "string" ? data : "bytes " + data);
    seen.cursors.push(cursor);
  });
  client.addEventListener("gap", ({ reason }) => seen.gaps.push(reason));
  client.addEventListener("open", ({ carrier }) => seen.opens.push(carrier));
  client.addEventListener("close", ({ code }) => seen.closes.push(code));
  return seen;
};
</script>"""


def readme_page():
    """The block of the README that is for a page."""
    blocks = re.findall(r"^```js\n(.*?)^```", (CLIENT / "README.md").read_text(encoding="utf-8"),
                        re.M | re.S)
    block, = [block for block in blocks if "sessionStorage" in block]
    return f'{HEAD}<body><script type="module">{block}</script>'


def application(worker, record):
    """The page and the module; what is said in a session is said back."""
    if record.verb in ("TEXT", "BIN"):
        worker.send(record.chan, record.payload, bin=record.verb == "BIN")
    if record.verb != "OPEN" or record.target.startswith("/talk"):
        return
    pages = {"/": ("text/html", PAGE), "/readme": ("text/html", readme_page()),
             "/ringway.js": ("text/javascript", (CLIENT / "ringway.js").read_text(encoding="utf-8"))}
    kind, text = pages.get(record.target, ("text/plain", ""))
    head = head_payload([("Content-Type", kind)], text.encode())
    worker.send(record.chan, head, status=200 if text else 404, close=1)


class Stage:
    """A deployment, and a way to it that takes no WebSockets."""

    def __init__(self, own, browser):
        self.own, self.browser = own, browser

    @property
    def url(self):
        return "http://%s:%d/" % self.own.address

    def publish(self, data, section="sport", **options):
        self.own.main.pub(f"news/{section}", data, **options)

    async def open(self, url=None):
        page = await self.browser.open(url or self.url)
        await page.wait("typeof follow === 'function'")
        return page


async def the_carriers_give_the_same_sequence(stage):
    page = await stage.open()
    await page.evaluate("""window.all = ["ws", "sse", "poll"].map((carrier) => follow({ carriers: [carrier] })), 1""")
    await page.wait("all.every((seen) => seen.opens.length)")
    texts = ["one", "two\nlines", "", "\u00fcn\u00ef \U0001f600", *map(str, range(50))]
    for text in texts:
        stage.publish(text)
    stage.publish(b"\x00\xff", bin=1)
    await page.wait("all.every((seen) => seen.texts.length >= 55)")
    seen = await page.evaluate("all.map(({ texts, cursors, opens }) => [texts, cursors, opens])")
    assert seen[0][0] == seen[1][0] == seen[2][0] == [*texts, "bytes 0,255"], seen
    assert seen[0][1] == seen[1][1] == seen[2][1], seen
    assert [one[2] for one in seen] == [["ws"], ["sse"], ["poll"]], seen
    await page.evaluate("all.forEach((seen) => seen.client.close())")
    assert await page.evaluate("all.map((seen) => seen.closes)") == [[1000]] * 3
    return page


async def a_gateway_that_is_killed_and_back_leaves_nothing_out(stage):
    page = await stage.open()
    await page.evaluate("""window.all = ["ws", "sse", "poll"].map((carrier) => follow({ carriers: [carrier] })), 1""")
    await page.wait("all.every((seen) => seen.opens.length)")
    texts = [str(number) for number in range(40)]

    def publish(first, last):
        for text in texts[first:last]:
            stage.publish(text)

    publish(0, 10)
    await page.wait("all.every((seen) => seen.texts.length === 10)")
    await asyncio.to_thread(stage.own.restart_edge, lambda: publish(10, 30))
    publish(30, 40)
    await page.wait("all.every((seen) => seen.texts.length >= 40)", 20)
    seen = await page.evaluate("all.map(({ texts, gaps }) => [texts, gaps])")
    assert seen == [[texts, []]] * 3, seen
    page.faults.clear()  # Chromium logs each connection that is refused
    return page


async def a_session_answers_by_every_carrier_though_the_gateway_is_killed(stage):
    page = await stage.open()
    await page.evaluate("""window.all = ["ws", "sse", "poll"].map((carrier) => follow({ carriers: [carrier] }, "/talk")), 1""")
    say = "for (const { client } of all) for (let at = %d; at < %d; at++) client.send(String(at)); 1"
    await page.evaluate(say % (0, 10))
    await page.wait("all.every((seen) => seen.texts.length === 10)")

    def speak():
        said = page.evaluate(say % (10, 20))
        asyncio.run_coroutine_threadsafe(said, loop).result(10)

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(stage.own.restart_edge, speak)
    await page.evaluate("window.last = Promise.all(all.map(({ client }) => client.send(new Uint8Array([1, 2])))), 1")
    await page.evaluate("last")
    await page.wait("all.every((seen) => seen.texts.length >= 21)", 20)
    seen = await page.evaluate("all.map(({ texts, gaps }) => [texts, gaps])")
    assert seen == [[[*map(str, range(20)), "bytes 1,2"], []]] * 3, seen
    page.faults.clear()  # Chromium logs each connection that is refused
    return page


async def where_no_websocket_gets_through_it_is_an_event_stream(stage):
    proxy = await asyncio.start_server(lambda *ends: without_websockets(stage, *ends), "127.0.0.1", 0)
    async with proxy:
        page = await stage.open("http://127.0.0.1:%d/" % proxy.sockets[0].getsockname()[1])
        await page.evaluate("window.seen = follow({}), 1")
        await page.wait("seen.opens.length")
        stage.publish("hello")
        await page.wait("seen.texts.includes('hello')")
        assert await page.evaluate("seen.opens") == ["sse"]
        await page.evaluate("seen.client.close()")
        page.faults.clear()  # the WebSocket that failed
    return page


async def without_websockets(stage, reader, writer):
    """One request through a proxy that kills upgrades."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"upgrade: websocket" in head.lower():
            return
        answers, requests = await asyncio.open_connection(*stage.own.address)
        requests.write(re.sub(rb"(?i)connection: keep-alive", b"Connection: close", head))
        answer = asyncio.create_task(copy(answers, writer))
        await asyncio.wait([answer, asyncio.create_task(reader.read())],
                           return_when=asyncio.FIRST_COMPLETED)
        requests.close()  # whichever end has left
        await answer
    except (OSError, asyncio.IncompleteReadError):
        pass  # the page has closed a connection without a request
    finally:
        writer.close()


async def copy(source, sink):
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()


async def a_page_that_is_loaded_again_goes_on_from_its_cursor(stage):
    page = await stage.browser.open(stage.url + "readme")
    shown = "(document.body?.innerText ?? '').trim().split('\\n').filter((line) => line).join()"
    for _ in range(200):  # the page has no mark for "open"
        stage.publish("first", "chess")
        if await page.evaluate(shown):
            break
        await asyncio.sleep(0.05)
    loop = asyncio.get_running_loop()

    def leave():
        """The page goes, and hears of nothing that is published then."""
        gone = page.call("Page.navigate", url="about:blank")
        asyncio.run_coroutine_threadsafe(gone, loop).result(10)
        for text in ("second", "third"):
            stage.publish(text, "chess")

    await asyncio.to_thread(stage.own.restart_edge, leave)
    await page.call("Page.navigate", url=stage.url + "readme")
    await page.wait(f"{shown}.replace(/^(first,)+/, '') === 'second,third'")
    return page


TESTS = [
    the_carriers_give_the_same_sequence,
    a_gateway_that_is_killed_and_back_leaves_nothing_out,
    a_session_answers_by_every_carrier_though_the_gateway_is_killed,
    where_no_websocket_gets_through_it_is_an_event_stream,
    a_page_that_is_loaded_again_goes_on_from_its_cursor,
]


async def run(own):
    """Runs every test; returns how many failed."""
    failed = 0
    async with Browser() as browser:
        stage = Stage(own, browser)
        for test in TESTS:
            name = test.__name__.replace("_", " ")
            try:
                page = await test(stage)
                assert not page.faults, page.faults
                await page.close()
                print(f"ok {name}", flush=True)
            except Exception:  # pylint: disable=broad-except
                failed += 1
                print(f"not ok {name}\n{traceback.format_exc()}", flush=True)
    return failed


def main():
    if not shutil.which("chromium"):
        print("chromium is not installed\n0 passed, 0 failed, 1 skipped")
        return 77
    with Deployment(routes=ROUTES) as own:
        own.main = own.worker(handler=application)
        failed = asyncio.run(run(own))
    print(f"{len(TESTS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
