"""Chromium's WebSocket, EventSource and fetch against the real programs, from a page that the
gateway serves.  The page does something and answers with what it saw.

Last line: `N passed, N failed[, N skipped]`.
"""

import asyncio
import pathlib
import shutil
import sys
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "browser")]

from devtools import Browser  # noqa: E402
from support.harness import Deployment  # noqa: E402
from support.worker import head_payload  # noqa: E402

ROUTES = [
    ("news", {"path": "/news/{section}", "topic": "news/{section}"}),
    ("picky", {"path": "/picky", "service": "picky", "accept": "backend"}),
    ("rest", {"path": "/**", "service": "default"}),
]
HTML = [("Content-Type", "text/html")]
PLAIN = [("Content-Type", "text/plain")]

# What the tests use: messages of a socket or a source as a queue, with a deadline.
PAGE = """<!doctype html><title>clients</title><link rel="icon" href="data:,"><script>
function late(ms) { return new Promise((_, no) => setTimeout(() => no(new Error("late")), ms)); }
function within(promise) { return Promise.race([promise, late(10000)]); }
function once(target, name) {
  return within(new Promise((yes) => target.addEventListener(name, yes, { once: true })));
}
async function connect(path, protocols) {
  const socket = new WebSocket("ws://" + location.host + path, protocols);
  socket.binaryType = "arraybuffer";
  await once(socket, "open");
  return socket;
}
async function ask(socket, data) {
  const answer = once(socket, "message");
  socket.send(data);
  return (await answer).data;
}
function publish(topic, text) {
  return fetch("/publish/" + topic, { method: "POST", body: text });
}
</script>"""


def application(worker, record):
    """The page itself; echo, close, publish, streams and errors by the path."""
    if record.verb == "TEXT" and record.payload.startswith(b"close "):
        _, code, reason = record.payload.decode().split(" ", 2)
        worker.close(record.chan, code, reason)
    elif record.verb in ("TEXT", "BIN"):
        worker.send(record.chan, record.payload, bin=record.verb == "BIN")
    elif record.verb == "OPEN" and record.meta["carrier"] == "http":
        answer(worker, record)


def answer(worker, record):
    path = record.target.split("?")[0]
    if path == "/":
        worker.respond(record.chan, 200, HTML, PAGE)
    elif path.startswith("/publish/"):
        worker.pub(path.removeprefix("/publish/"), record.body or b"")
        worker.respond(record.chan, 204)
    elif path == "/stream":
        worker.send(record.chan, head_payload(PLAIN, b"one;"), status=200)
        worker.send(record.chan, "two;")
        worker.send(record.chan, "three;", close=1)
    elif path == "/cut":
        worker.send(record.chan, head_payload(PLAIN, b"begun"), status=200)
        worker.close(record.chan, 500)
    elif path == "/events":
        seen = record.header("last-event-id", "none")
        event = f"retry: 100\nid: {int(seen) + 1 if seen != 'none' else 1}\ndata: {seen}\n\n"
        worker.send(record.chan, head_payload([("Content-Type", "text/event-stream")],
                                              event.encode()), status=200)
        worker.close(record.chan)
    elif path == "/length":
        worker.respond(record.chan, 200, PLAIN, str(len(record.body or b"")))
    elif path != "/held":
        worker.respond(record.chan, 404, PLAIN, b"nothing here")


async def messages_of_all_lengths_come_back(page, _own):
    return await page.evaluate("""(async () => {
      const socket = await connect("/echo");
      if (socket.extensions !== "" || socket.protocol !== "") return "extensions";
      for (const size of [0, 1, 125, 126, 65535, 65536, 1000000]) {
        const text = "é".repeat(size / 2) + "x".repeat(size % 2);
        if (await ask(socket, text) !== text) return "text of " + size;
        const bytes = new Uint8Array(size).map((_, at) => at * 7);
        const back = new Uint8Array(await ask(socket, bytes));
        if (back.length !== size || back.some((b, at) => b !== bytes[at])) return "bytes of " + size;
      }
      socket.close(3000, "done");
      const closed = await once(socket, "close");
      return closed.wasClean && closed.code === 3000 ? "ok" : "close " + closed.code;
    })()""")


async def a_close_of_the_application_is_clean(page, _own):
    return await page.evaluate("""(async () => {
      const socket = await connect("/echo");
      const closed = once(socket, "close");
      socket.send("close 4001 that was all");
      const { code, reason, wasClean } = await closed;
      return code === 4001 && reason === "that was all" && wasClean ? "ok" : code + reason;
    })()""")


async def a_close_of_the_page_reaches_the_application(page, own):
    await page.evaluate("connect('/leaves').then((s) => { s.close(4002, 'bye'); return true; })")
    event = await asyncio.to_thread(own.main.wait_open, "/leaves")
    closed = await asyncio.to_thread(own.main.wait_close, event.chan)
    return "ok" if closed.status == 4002 and closed.payload == b"bye" else repr(closed)


async def a_subprotocol_is_chosen(page, own):
    worker = own.worker("picky", handler=lambda w, r: r.verb == "OPEN" and w.accept(
        r.chan, protocol="second"))
    result = await page.evaluate(
        "connect('/picky', ['first', 'second']).then((s) => s.protocol)")
    worker.handler = lambda w, r: r.verb == "OPEN" and w.respond(r.chan, 403, PLAIN, b"no")
    refused = await page.evaluate("""(async () => {
      const socket = new WebSocket("ws://" + location.host + "/picky", "first");
      return (await once(socket, "close")).code;
    })()""")
    page.faults.clear()  # Chromium logs a refusal as an error
    return "ok" if (result, refused) == ("second", 1006) else f"{result} {refused}"


async def a_topic_speaks_ringway_1(page, _own):
    return await page.evaluate("""(async () => {
      const socket = new WebSocket("ws://" + location.host + "/news/ws", "ringway.1");
      const first = JSON.parse((await once(socket, "message")).data);
      const next = once(socket, "message");
      await publish("news/ws", "mate in two");
      const second = JSON.parse((await next).data);
      return first.cursor && second.data === "mate in two" && second.topic === "news/ws"
        ? "ok" : JSON.stringify([first, second]);
    })()""")


async def event_source_gets_publications_with_all_their_lines(page, _own):
    return await page.evaluate("""(async () => {
      const source = new EventSource("/news/sse");
      await once(source, "open");
      const texts = ["one", "two\\nlines", "ünï", "", " space"];
      const seen = [];
      const all = within(new Promise((yes) => {
        source.onmessage = (event) => { seen.push(event.data); if (seen.length === 5) yes(); };
      }));
      for (const text of texts) await publish("news/sse", text);
      await all.catch(() => 0);
      source.close();
      return JSON.stringify(seen) === JSON.stringify(texts) ? "ok" : JSON.stringify(seen);
    })()""")


async def event_source_comes_back_with_its_last_id(page, _own):
    return await page.evaluate("""(async () => {
      const source = new EventSource("/events");
      const seen = [];
      await within(new Promise((yes) => {
        source.onmessage = (event) => { seen.push(event.data); if (seen.length === 3) yes(); };
      }));
      source.close();
      return seen.join() === "none,1,2" ? "ok" : seen.join();
    })()""")


async def event_source_misses_nothing_of_a_gateway_that_is_killed_and_back(page, own):
    texts = [str(number) for number in range(40)]

    def publish(first, last):
        for text in texts[first:last]:
            own.main.pub("news/killed", text)

    await page.evaluate("""(async () => {
      window.killed = { texts: [], gaps: 0 };
      const source = new EventSource("/news/killed");
      source.onmessage = (event) => killed.texts.push(event.data);
      source.addEventListener("gap", () => killed.gaps++);
      await once(source, "open");
    })()""")
    publish(0, 10)
    await page.wait("killed.texts.length === 10")
    await asyncio.to_thread(own.restart_edge, lambda: publish(10, 30))
    publish(30, 40)
    await page.wait("killed.texts.length >= 40", 20)
    page.faults.clear()  # Chromium logs the connections that are refused
    seen = await page.evaluate("killed")
    return "ok" if seen == {"texts": texts, "gaps": 0} else repr(seen)


async def fetch_reads_answers_streams_and_errors(page, _own):
    result = await page.evaluate("""(async () => {
      const text = await (await within(fetch("/stream"))).text();
      if (text !== "one;two;three;") return text;
      const cut = await fetch("/cut").then((r) => r.text()).then(() => "whole", () => "cut");
      if (cut !== "cut") return cut;
      const missing = await fetch("/missing");
      if (missing.status !== 404 || await missing.text() !== "nothing here") return "404";
      const body = new Uint8Array(60000);
      const length = await (await fetch("/length", { method: "PUT", body })).text();
      return length === "60000" ? "ok" : length;
    })()""")
    page.faults.clear()  # Chromium logs the cut stream and the 404 as errors
    return result


async def fetch_that_is_aborted_has_left(page, own):
    await page.evaluate("""(() => { window.stop_it = new AbortController();
      fetch("/held", { signal: window.stop_it.signal }).catch(() => 0); })()""")
    event = await asyncio.to_thread(own.main.wait_open, "/held")
    await page.evaluate("window.stop_it.abort()")
    closed = await asyncio.to_thread(own.main.wait_close, event.chan)
    return "ok" if (closed.status, closed.cause) == (-1, "client") else repr(closed)


async def a_long_poll_brings_the_next_publication(page, _own):
    return await page.evaluate("""(async () => {
      const { cursor } = await (await fetch("/news/poll?wait=0")).json();
      const held = fetch("/news/poll?wait=10&cursor=" + encodeURIComponent(cursor));
      await publish("news/poll", "news");
      const answer = await (await within(held)).json();
      return answer.messages.length === 1 && answer.messages[0].data === "news"
        ? "ok" : JSON.stringify(answer);
    })()""")


async def event_source_misses_nothing_while_its_gateway_is_killed_and_back(page, own):
    await page.evaluate("""(async () => {
      window.seen = [];
      window.other = [];
      window.source = new EventSource("/news/killed");
      source.onmessage = (event) => seen.push(event.data);
      source.addEventListener("gap", (event) => other.push(event.data));
      await once(source, "open");
    })()""")
    for turn in range(2):
        await _publish(own, f"before {turn}")
        await page.wait(f"seen.includes('before {turn}')")
        host, port = own.address
        own.edges.pop(0).kill()
        for number in range(3):
            await _publish(own, f"away {turn} {number}")
        await asyncio.to_thread(own.start_edge, listen=f"{host}:{port}")
        await page.wait(f"seen.includes('away {turn} 2')", 20)
    await _publish(own, "after")
    await page.wait("seen.includes('after')")
    seen, other = await page.evaluate("source.close(), [seen, other]")
    page.faults.clear()  # Chromium logs the broken connections as errors
    expected = [text for turn in range(2)
                for text in (f"before {turn}", *(f"away {turn} {n}" for n in range(3)))]
    return "ok" if seen == [*expected, "after"] and not other else f"{seen} {other}"


async def _publish(own, text):
    answer = await asyncio.to_thread(own.main.ask, "PUB", "news/killed", payload=text)
    assert answer.verb == "OK", answer


async def a_page_that_goes_takes_its_sockets_along(page, own):
    await page.evaluate("connect('/stays').then((s) => { window.kept = s; return true; })")
    event = await asyncio.to_thread(own.main.wait_open, "/stays")
    await page.close()
    closed = await asyncio.to_thread(own.main.wait_close, event.chan)
    return "ok" if closed.status in (1001, 1005, 1006) else repr(closed)


TESTS = [
    messages_of_all_lengths_come_back,
    a_close_of_the_application_is_clean,
    a_close_of_the_page_reaches_the_application,
    a_subprotocol_is_chosen,
    a_topic_speaks_ringway_1,
    event_source_gets_publications_with_all_their_lines,
    event_source_comes_back_with_its_last_id,
    event_source_misses_nothing_of_a_gateway_that_is_killed_and_back,
    fetch_reads_answers_streams_and_errors,
    fetch_that_is_aborted_has_left,
    a_long_poll_brings_the_next_publication,
    event_source_misses_nothing_while_its_gateway_is_killed_and_back,
    a_page_that_goes_takes_its_sockets_along,
]


async def run(own):
    """Runs every test; returns how many failed."""
    failed = 0
    url = "http://%s:%d/" % own.address
    async with Browser() as browser:
        for test in TESTS:
            name = test.__name__.replace("_", " ")
            try:
                page = await browser.open(url)
                await page.wait("typeof publish === 'function'")
                result = await test(page, own)
                assert result == "ok", result
                assert not page.faults, page.faults
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
