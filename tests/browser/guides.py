"""The code of docs/guides, as it stands there: `ringway` with the routes of the guide, its
application, its page in Chromium.

Last line: `N passed, N failed[, N skipped]`.
"""

import asyncio
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "browser")]

from devtools import Browser  # noqa: E402
from support.harness import Gateway, clean_environment, flags, program_path  # noqa: E402
from support.waiting import scaled  # noqa: E402

GUIDES = ROOT / "docs" / "guides"
EXPECTED = re.compile(r"status of 503|favicon\.ico")
LANGUAGES = {".conf": "conf", ".py": "python", ".html": "html"}


class Guide:
    """A folder with the files of a guide, and `ringway` and the application that run in it."""

    def __init__(self, name, browser):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ringway-guide-"))
        self.text = (GUIDES / f"{name}.md").read_text(encoding="utf-8")
        self.browser = browser
        self.ringway = self.app = None
        for file, block in self.blocks():
            (self.folder / file).write_text(block, encoding="utf-8")
        shutil.copy(ROOT / "bindings" / "javascript-client" / "ringway.js", self.folder)

    def blocks(self):
        """(name, text) of each file that the guide shows."""
        found = re.findall(r"^`([\w.]+)`[^\n]*:\n\n```(\w+)\n(.*?)^```", self.text, re.M | re.S)
        assert len(found) >= 3, found
        for file, language, block in found:
            assert LANGUAGES[pathlib.Path(file).suffix] == language, (file, language)
            yield file, block

    def start(self, listen="127.0.0.1:0"):
        """Runs it, or what was stopped of it."""
        ports = {"bus_apps": "tcp://127.0.0.1:0"}
        if self.ringway:  # the application knows where it was
            ports = {"bus_apps": self.ringway.ready.values["apps"]}
        words = flags({"config": self.folder / "ringway.conf", "listen": listen, "ops_listen": "",
                       "bus_edges": "tcp://127.0.0.1:0", "bus_tap": "", "bus_pull": "",
                       "bus_sub": "", "drain_grace": "1s", **ports})
        self.ringway = Gateway("ringway", words, self.folder)
        self.ringway.start().wait_ready()
        return self

    @property
    def url(self):
        return self.ringway.ready.listens[0]

    def place(self, block):
        """A program of the guide with the endpoint of this test."""
        endpoint = json.dumps(self.ringway.ready.values["apps"])
        block = re.sub(r'ringway\.App\("(\w+)"', r'ringway.App("\1", %s' % endpoint, block)
        block = block.replace("ringway.Publisher()", f"ringway.Publisher({endpoint})")
        return block.replace("RW_ENDPOINT", endpoint)

    def python(self, name, *arguments):
        path = self.folder / name
        path.write_text(self.place(path.read_text(encoding="utf-8")), encoding="utf-8")
        env = clean_environment({"PYTHONPATH": str(ROOT / "bindings" / "python")})
        return subprocess.Popen([sys.executable, path, *arguments], cwd=self.folder, env=env)

    def c(self):
        """The application of the guide in C, built."""
        block, = re.findall(r"^```c\n(.*?)^```", self.text, re.M | re.S)
        (self.folder / "app.c").write_text(self.place(block), encoding="utf-8")
        libraries = [program_path("libringway.a"), program_path("libcommon.a")]
        subprocess.run(["cc", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
                        "-Wno-unused-parameter", "-I" + str(ROOT / "bindings" / "c"), "app.c",
                        *libraries, "-lzmq", "-ljansson", "-pthread", "-o", "app"],
                       cwd=self.folder, check=True, timeout=scaled(60))
        return subprocess.Popen([self.folder / "app"], cwd=self.folder)

    async def open(self, query="", ready="document.readyState === 'complete'"):
        """The page, once the application serves it and `ready` holds in it."""
        page = await self.browser.open(self.url + query)
        for _ in range(int(scaled(15) / 0.1)):
            if await page.evaluate(f"!!document.querySelector('script[type=module]') && !!({ready})"):
                return page
            if not await page.evaluate("!!document.querySelector('script[type=module]')"):
                await page.call("Page.navigate", url=self.url + query)  # 503: it is still starting
            await asyncio.sleep(0.1)
        raise AssertionError(await page.evaluate("document.documentElement.outerHTML"))

    async def restart(self):
        """Gateway and broker are killed, and start again where they were."""
        listen = "%s:%d" % self.ringway.address
        self.ringway.kill()
        await asyncio.to_thread(self.start, listen)

    def stop(self):
        if self.app:
            self.app.terminate()
            assert self.app.wait(scaled(20)) == 0
        self.ringway.stop()

    def remove(self):
        for process in (self.app, self.ringway and self.ringway.process):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        if os.environ.get("RINGWAY_KEEP") != "1":
            shutil.rmtree(self.folder, ignore_errors=True)


async def say(page, text):
    await page.evaluate(f"document.getElementById('text').value = {text!r};"
                        "document.getElementById('form').requestSubmit()")


def logged(text):
    return f"[...document.querySelectorAll('#log li')].filter((p) => p.textContent.trim() === {text!r}).length === 1"


async def check_chat(guide):
    is_open = "document.getElementById('state')?.textContent === 'open ws'"
    pages = [await guide.open(ready=is_open) for _ in range(2)]
    await say(pages[0], "<b>hello</b>")
    for page in pages:
        await page.wait(logged("<b>hello</b>"))
    await say(pages[1], "x" * 501)
    await pages[1].wait(logged("Not said: A text of 1 to 500 bytes."), 10)
    pages[1].faults.clear()  # Chromium logs the 400
    return pages


async def chat_in_python(browser, run):
    guide = await run("chat", lambda guide: guide.python("app.py"))
    pages = await check_chat(guide)
    await guide.restart()
    is_open = "document.getElementById('state').textContent.startsWith('open')"
    for page in pages:
        await page.wait(is_open, 20)
    for _ in range(100):  # until the application is back too
        await say(pages[0], "again")
        if await pages[1].evaluate("document.getElementById('log').innerText.includes('again')"):
            break
        await asyncio.sleep(0.1)
    for page in pages:
        await page.wait("document.getElementById('log').innerText.includes('again')")
        page.faults.clear()  # refused connections


async def chat_in_c(browser, run):
    guide = await run("chat", lambda guide: guide.c())
    await check_chat(guide)


async def dashboard(browser, run):
    guide = await run("dashboard", lambda guide: guide.python("app.py"))
    page = await guide.open()
    first = await page.wait("document.getElementById('load').textContent.includes(' at ') && "
                            "document.getElementById('load').textContent")
    await page.wait(f"document.getElementById('load').textContent !== {first!r}")
    assert await page.evaluate("document.getElementById('bar').max") == os.cpu_count()
    assert await page.evaluate("document.getElementById('state').textContent") == ""


async def notifications(browser, run):
    guide = await run("notifications", lambda guide: guide.python("app.py"))
    shown = "[...document.querySelectorAll('#list li')].map((item) => item.textContent).join()"

    async def notify(*words):
        program = guide.python("notify.py", *words)
        assert await asyncio.to_thread(program.wait, scaled(20)) == 0

    await notify("anna", "early")
    anna, otto = await guide.open("?person=anna"), await guide.open("?person=otto")
    await anna.wait(f"{shown} === 'early'")
    await notify("anna", "late")
    await notify("otto", "for otto")
    await anna.wait(f"{shown} === 'early,late'")
    await otto.wait(f"{shown} === 'for otto'")


async def progress(browser, run):
    guide = await run("progress", lambda guide: guide.python("app.py"))
    page = await guide.open()
    await page.evaluate("document.getElementById('start').click()")
    hash = await page.wait("location.hash")
    other = await guide.open(hash)
    for each in (page, other):
        await each.wait("document.getElementById('done').textContent === 'done'")
        assert await each.evaluate("document.getElementById('bar').value") == 100
    late = await guide.open(hash)  # it is over before anybody watches
    await late.wait("document.getElementById('done').textContent === 'done'")


async def presence(browser, run):
    guide = await run("presence", lambda guide: guide.python("app.py"))
    count = "document.getElementById('count').textContent"
    first = await guide.open()
    await first.wait(f"{count} === '1'", 20)  # the broker has just started, and waits for gateways
    second, third = await guide.open(), await guide.open()
    for page in (first, second, third):
        await page.wait(f"{count} === '3'")
    await second.close()
    for page in (first, third):
        await page.wait(f"{count} === '2'")


TESTS = [chat_in_python, chat_in_c, dashboard, notifications, progress, presence]


async def play(test, browser):
    """Runs one guide, and checks that no page of it complains."""
    guides = []

    async def run(name, application):
        guide = Guide(name, browser)
        guides.append(guide)
        guide.start()
        guide.app = application(guide)
        return guide

    try:
        await test(browser, run)
        for page in browser.pages.values():
            # Before the application has joined it answers nothing, and never for an icon.
            faults = [fault for fault in page.faults if not EXPECTED.search(fault)]
            assert not faults, faults
            if not page.is_closed:
                await page.close()
        for guide in guides:
            guide.stop()
    finally:
        browser.pages.clear()
        for guide in guides:
            guide.remove()


async def run(tests):
    """Runs every test; returns how many failed."""
    failed = 0
    async with Browser() as browser:
        for test in tests:
            name = test.__name__.replace("_", " ")
            try:
                began = time.monotonic()
                await play(test, browser)
                print(f"ok {name} ({time.monotonic() - began:.1f} s)", flush=True)
            except Exception:  # pylint: disable=broad-except
                failed += 1
                print(f"not ok {name}\n{traceback.format_exc()}", flush=True)
    return failed


def main():
    shown = {path.stem for path in GUIDES.glob("*.md")} - {"README"}
    played = {test.__name__.split("_")[0] for test in TESTS}
    assert shown == played, shown ^ played
    if not shutil.which("chromium"):
        print("chromium is not installed\n0 passed, 0 failed, 1 skipped")
        return 77
    failed = asyncio.run(run(TESTS))
    print(f"{len(TESTS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
