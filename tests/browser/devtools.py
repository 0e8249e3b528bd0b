"""A headless Chromium, driven over its DevTools protocol."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import tempfile

import websockets

from support.waiting import scaled


class Page:
    """One tab."""

    def __init__(self, browser, session, target):
        self.browser, self.session, self.target = browser, session, target
        self.is_closed = False
        self.faults = []  # exceptions of scripts, errors on the console

    async def call(self, method, **parameters):
        return await self.browser.call(method, self.session, **parameters)

    async def close(self):
        await self.browser.call("Target.closeTarget", targetId=self.target)
        self.is_closed = True

    async def evaluate(self, expression):
        """The value of a JavaScript expression."""
        done = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True,
                               returnByValue=True)
        if "exceptionDetails" in done:
            raise AssertionError(f"{expression}: {done['exceptionDetails']}")
        return done["result"].get("value")

    async def wait(self, expression, seconds=10):
        """Until the expression is true; returns its value."""
        end = asyncio.get_running_loop().time() + scaled(seconds)
        while True:
            value = await self.evaluate(expression)
            if value:
                return value
            if asyncio.get_running_loop().time() > end:
                shown = await self.evaluate("document.body.innerText")
                raise AssertionError(f"{expression} did not come true; the page shows: {shown}")
            await asyncio.sleep(0.02)


class Browser:
    """An asynchronous context manager: `async with Browser() as browser`."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="ringway-browser-")
        self.process = self.socket = self.reader = None
        self.number = 0
        self.waiting = {}
        self.pages = {}

    async def __aenter__(self):
        log = open(os.path.join(self.folder, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--disable-quic",
             "--disable-features=BackForwardCache",  # a page that is left is gone
             "--remote-debugging-port=0", f"--user-data-dir={self.folder}/profile", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            url = await self._endpoint(log)
            self.socket = await websockets.connect(url, max_size=None, ping_interval=None)
        except BaseException:
            await self.__aexit__()
            raise
        finally:
            log.close()
        self.reader = asyncio.create_task(self._read())
        return self

    async def _endpoint(self, log):
        """The address that Chromium prints when it is ready."""
        for _ in range(int(scaled(30) / 0.05)):
            log.seek(0)
            for line in log.read().splitlines():
                if line.startswith("DevTools listening on "):
                    return line.split()[-1]
            assert self.process.poll() is None, f"chromium ended with {self.process.returncode}"
            await asyncio.sleep(0.05)
        raise AssertionError("chromium did not start")

    async def _read(self):
        async for text in self.socket:
            message = json.loads(text)
            if "id" in message:
                self.waiting.pop(message["id"]).set_result(message)
            elif message.get("sessionId") not in self.pages:
                continue  # of a tab that nobody looks at any more
            elif message["method"] == "Runtime.exceptionThrown":
                details = message["params"]["exceptionDetails"]
                self.pages[message["sessionId"]].faults.append(str(details))
            elif message["method"] == "Log.entryAdded":
                entry = message["params"]["entry"]
                if entry["level"] == "error":
                    self.pages[message["sessionId"]].faults.append(
                        f"{entry['text']} {entry.get('url', '')}")

    async def call(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        future = self.waiting[self.number] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps(message))
        answer = await asyncio.wait_for(future, scaled(30))
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    async def open(self, url):
        """A new tab, like that of a visitor of its own."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = await self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"],
                                   flatten=True)
        page = Page(self, attached["sessionId"], target["targetId"])
        self.pages[page.session] = page
        for domain in ("Runtime", "Log", "Page"):
            await page.call(domain + ".enable")
        await page.call("Page.navigate", url=url)
        return page

    async def __aexit__(self, *_):
        if self.reader:
            await self.call("Browser.close")
            await asyncio.gather(self.reader, return_exceptions=True)
        if self.process:
            try:
                self.process.wait(scaled(5))
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)  # a session that we started
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
