"""The demo in a headless browser: `ringway`, demo/chat.py and Chromium.

Last line: `N passed, N failed[, N skipped]`.
"""

import asyncio
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "browser")]

from devtools import Browser  # noqa: E402
from support.harness import Gateway, flags  # noqa: E402

CARRIERS = ("ws", "sse", "poll")
# The page may not be there yet.
STATE = "document.getElementById('state')?.dataset"
OPEN = f"{STATE}?.state === 'open'"


def said(text):
    """Is this message in the log?"""
    return f"[...document.querySelectorAll('#log .text')].some(p => p.textContent === {text!r})"


async def say(page, text):
    """Writes a message and sends it as a visitor does."""
    await page.evaluate(f"document.getElementById('text').value = {text!r};"
                        "document.getElementById('form').requestSubmit()")


async def opened(browser, url, carrier):
    """A visitor who is connected by this carrier."""
    page = await browser.open(f"{url}?carrier={carrier}")
    await page.wait(f"{STATE}?.carrier === '{carrier}' && {OPEN}")
    return page


async def visitors_by_every_carrier_meet_in_one_room(browser, url):
    pages = [await opened(browser, url, carrier) for carrier in CARRIERS]
    for page, carrier in zip(pages, CARRIERS):
        await say(page, f"by {carrier}")
        for other in pages:
            await other.wait(said(f"by {carrier}"))
    logs = [await page.evaluate("[...document.querySelectorAll('#log .text')].map(p => p.textContent)")
            for page in pages]
    assert [log[-3:] for log in logs] == [[f"by {carrier}" for carrier in CARRIERS]] * 3, logs
    return pages


async def a_visitor_changes_the_carrier_and_goes_on(browser, url):
    page = await opened(browser, url, "ws")
    other = await opened(browser, url, "sse")
    for carrier in ("poll", "sse", "ws"):
        await page.evaluate(f"document.getElementById('carrier-{carrier}').click()")
        await page.wait(f"{STATE}.carrier === '{carrier}' && {OPEN}")
        await say(other, f"after {carrier}")
        await page.wait(said(f"after {carrier}"))
    return [page, other]


async def the_footer_counts_by_the_carrier_that_was_chosen(browser, url):
    pages = [await opened(browser, url, carrier) for carrier in CARRIERS]
    for page, carrier in zip(pages, CARRIERS):
        await page.wait(f"document.getElementById('live').dataset.carrier === '{carrier}'")
        assert " messages since " in await page.evaluate("document.getElementById('live').textContent")
    await pages[0].evaluate("document.getElementById('carrier-poll').click()")
    await pages[0].wait("document.getElementById('live').dataset.carrier === 'poll'")
    return pages


async def a_message_is_shown_as_text(browser, url):
    page = await opened(browser, url, "ws")
    text = "<img src=x onerror=document.title=1><b>bold</b>"
    await say(page, text)
    await page.wait(said(text))
    assert await page.evaluate("document.querySelectorAll('#log img, #log b').length") == 0
    return [page]


async def a_visitor_who_goes_is_seen_to_leave(browser, url):
    page = await opened(browser, url, "ws")
    other = await opened(browser, url, "poll")
    await other.evaluate("document.getElementById('name').value = 'Goes';"
                         "document.getElementById('name').dispatchEvent(new Event('change'))")
    await page.wait("document.getElementById('people').innerText.includes('Goes')")
    await other.close()
    await page.wait("!document.getElementById('people').innerText.includes('Goes')", 20)
    return [page]


TESTS = [
    visitors_by_every_carrier_meet_in_one_room,
    a_visitor_changes_the_carrier_and_goes_on,
    the_footer_counts_by_the_carrier_that_was_chosen,
    a_message_is_shown_as_text,
    a_visitor_who_goes_is_seen_to_leave,
]


async def run(url):
    """Runs every test; returns how many failed."""
    failed = 0
    async with Browser() as browser:
        for test in TESTS:
            name = test.__name__.replace("_", " ")
            try:
                for page in await test(browser, url):
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
    with tempfile.TemporaryDirectory() as folder:
        words = flags({"config": ROOT / "demo" / "ringway.conf", "listen": "127.0.0.1:0",
                       "ops_listen": "", "bus_edges": "tcp://127.0.0.1:0",
                       "bus_apps": "tcp://127.0.0.1:0", "bus_tap": "", "bus_pull": "",
                       "bus_sub": ""})
        ringway = Gateway("ringway", words, folder)
        ringway.start().wait_ready()
        chat = subprocess.Popen(
            [sys.executable, ROOT / "demo" / "chat.py",
             "--endpoint", ringway.ready.values["apps"]],
            env={**os.environ, "PYTHONPATH": str(ROOT / "bindings" / "python")})
        try:
            failed = asyncio.run(run(ringway.ready.listens[0]))
        finally:
            chat.terminate()
            chat.wait()
            ringway.stop()
    print(f"{len(TESTS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
