"""bindings/javascript-client in Node: its size, its types, a gateway that misbehaves
(javascript_unit.mjs, javascript_sessions.mjs), the real programs, and the code of its README.

Last line: `N passed, N failed[, N skipped]`.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from support.harness import Deployment  # noqa: E402
from support.waiting import scaled, wait_until  # noqa: E402

CLIENT = HERE.parents[1] / "bindings" / "javascript-client"
TOOLS = HERE / "node_modules" / ".bin"
SIZE_MAX = 5000  # bytes, minified
CARRIERS = ("ws", "sse", "poll")
ROUTES = [
    ("news", {"path": "/news/{section}", "topic": "news/{section}"}),
    ("talk", {"path": "/talk", "service": "talk", "session": "on"}),
]


class Node:
    """A program in Node; `lines()` is what it said."""

    def __init__(self, own, name, *arguments, folder=HERE):
        self.path = own.folder.path / f"{name}.out"
        own.programs.append(self)
        with open(self.path, "wb") as out, open(self.path.with_suffix(".err"), "wb") as err:
            self.process = subprocess.Popen(["node", *arguments], cwd=folder, stdout=out,
                                            stdin=subprocess.PIPE, stderr=err)

    def warnings(self):
        return self.path.with_suffix(".err").read_text(encoding="utf-8")

    def lines(self):
        text = self.path.read_text(encoding="utf-8")
        return text[:text.rfind("\n") + 1].splitlines()

    def wait_line(self, start):
        """The first line that begins so."""
        wait_until(lambda: any(line.startswith(start) for line in self.lines()), 15,
                   f"{start!r} among {self.lines()}")

    def stop(self):
        """The end of its input is the end of a follower; others are killed."""
        self.process.stdin.close()
        try:
            return self.process.wait(scaled(5))
        finally:
            self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Follower(Node):
    """A client of a topic, or with a session: follow.mjs."""

    def __init__(self, own, name, carriers, path="news/sport"):
        super().__init__(own, name, HERE / "follow.mjs", own.url + path, carriers)
        self.name = name

    def say(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def events(self, *types):
        events = [json.loads(line) for line in self.lines()]
        return [event for event in events if event["type"] in types]

    def texts(self):
        return [event.get("data", event.get("bytes")) for event in self.events("message")]

    def wait_open(self, count=1):
        wait_until(lambda: len(self.events("open")) >= count, 15, f"open {count} of {self.name}")

    def wait_texts(self, texts):
        try:
            wait_until(lambda: len(self.texts()) >= len(texts), 15, self.name)
        except AssertionError:
            pass  # the comparison says more
        assert self.texts() == texts, (self.name, self.texts(), self.events("gap", "open", "state"))


class Own(Deployment):
    """A broker and a gateway whose address outlives it."""

    def __init__(self, **options):
        super().__init__(routes=ROUTES, **options)
        self.programs = []

    def __enter__(self):
        super().__enter__()
        self.teller = self.sender()
        return self

    @property
    def url(self):
        return "http://%s:%d/" % self.address

    def publish(self, data, section="sport", **options):
        self.teller.pub(f"news/{section}", data, **options)

    def stop(self, seconds=20):
        for program in self.programs:
            program.kill()
            assert "MaxListenersExceeded" not in program.warnings(), program.warnings()
        super().stop(seconds)

    def abandon(self):
        for program in self.programs:
            program.kill()
        super().abandon()


def it_has_at_most_five_kilobytes_minified():
    done = subprocess.run([TOOLS / "terser", "--module", "--compress", "passes=3", "--mangle",
                           "--ecma", "2022", CLIENT / "ringway.js"],
                          check=True, capture_output=True, timeout=scaled(60))
    print(f"     {len(done.stdout)} bytes")
    assert 1000 < len(done.stdout) <= SIZE_MAX, len(done.stdout)


def install(folder):
    """As `npm install ringway-client ws` does."""
    packages = folder / "node_modules"
    packages.mkdir()
    (packages / "ringway-client").symlink_to(CLIENT)
    (packages / "ws").symlink_to(HERE / "node_modules" / "ws")


def its_types_are_what_the_compiler_takes():
    with tempfile.TemporaryDirectory() as folder:
        install(pathlib.Path(folder))
        shutil.copy(HERE / "types.ts", folder)
        done = subprocess.run([TOOLS / "tsc", "--noEmit", "--strict", "--target", "es2022",
                               "--module", "nodenext", "--lib", "es2022,dom",
                               "types.ts"], cwd=folder, check=False, capture_output=True, text=True,
                              timeout=scaled(60))
    assert done.returncode == 0, done.stdout


def the_package_has_what_it_names():
    package = json.loads((CLIENT / "package.json").read_text(encoding="utf-8"))
    named = [*package["files"], package["main"], package["types"],
             *package["exports"]["."].values()]
    assert all((CLIENT / name).is_file() for name in named), named
    assert "dependencies" not in package
    source = (CLIENT / "ringway.js").read_text(encoding="utf-8")
    assert not re.search(r"^import|import\(", source, re.M)


def the_three_carriers_give_the_same_sequence():
    with Own() as own:
        followers = [Follower(own, carrier, carrier) for carrier in CARRIERS]
        for follower in followers:
            follower.wait_open()
        texts = ["one", "two\nlines", "", "\u00fcn\u00ef \U0001f600", [0, 255, 10]]
        texts += [str(number) for number in range(60)]  # with the others fewer than are kept
        for text in texts:
            if isinstance(text, str):
                own.publish(text)
            else:
                own.publish(bytes(text), bin=1)
        for follower in followers:
            follower.wait_texts(texts)
        cursors = [[event["cursor"] for event in follower.events("message")]
                   for follower in followers]
        assert cursors[0] == cursors[1] == cursors[2], cursors
        for follower in followers:
            assert not follower.events("gap"), follower.events("gap")
            assert follower.stop() == 0
            assert follower.events("close")[0]["code"] == 1000


def a_gateway_that_is_killed_and_back_leaves_nothing_out():
    with Own() as own:
        followers = [Follower(own, carrier, carrier) for carrier in CARRIERS]
        followers.append(Follower(own, "any", ",".join(CARRIERS)))
        for follower in followers:
            follower.wait_open()
        texts = [str(number) for number in range(60)]
        for text in texts[:20]:
            own.publish(text)
        for follower in followers:
            follower.wait_texts(texts[:20])
        own.restart_edge(lambda: [own.publish(text) for text in texts[20:40]])
        for text in texts[40:]:
            own.publish(text)
        for follower in followers:
            follower.wait_texts(texts)
            assert not follower.events("gap"), follower.events("gap")


def a_refusal_is_the_end_and_says_why():
    with Own() as own:
        follower = Follower(own, "lost", ",".join(CARRIERS), "news/%2A")
        wait_until(lambda: follower.events("close"), 15, "the end")
        assert follower.events("close")[0]["code"] == 4400, follower.events("close")
        assert follower.events("close")[0]["reason"]


def a_session_takes_each_message_once_and_in_order_though_the_gateway_is_killed():
    with Own() as own:
        worker = own.worker("talk", handler=answer)
        followers = [Follower(own, "talk-" + carrier, carrier, "talk") for carrier in CARRIERS]
        followers.append(Follower(own, "talk-any", ",".join(CARRIERS), "talk"))
        texts = [str(number) for number in range(60)]
        for follower in followers:
            follower.wait_open()
            for text in texts[:20]:
                follower.say(text)
        own.restart_edge(lambda: [follower.say(text) for text in texts[20:40]
                                  for follower in followers])
        for follower in followers:
            for text in texts[40:]:
                follower.say(text)
        for follower in followers:
            follower.wait_texts(["re: " + text for text in texts])
            wait_until(lambda: len(follower.events("taken")) == 60, 15, "the last taken")
            assert not follower.events("gap"), follower.events("gap")
            assert follower.stop() == 0
        closes = [record for record in worker.records if record.verb == "CLOSE"]
        wait_until(lambda: len([record for record in worker.records
                                if record.verb == "CLOSE"]) == len(followers), 15, str(closes))


def answer(worker, record):
    if record.verb == "TEXT":
        worker.send(record.chan, b"re: " + record.payload)


def blocks(path):
    return re.findall(r"^```js\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)


def the_code_of_the_readme_runs():
    modules = [block for block in blocks(CLIENT / "README.md") if "sessionStorage" not in block]
    assert len(modules) == 3  # that with sessionStorage runs in the browser
    with Own() as own:
        own.worker("talk", handler=answer)
        install(own.folder.path)
        for at, module in enumerate(modules):
            assert "http://127.0.0.1:8080/" in module
            (own.folder.path / f"{at}.mjs").write_text(
                module.replace("http://127.0.0.1:8080/", own.url), encoding="utf-8")
            program = Node(own, f"readme{at}", f"{at}.mjs", folder=own.folder.path)
            if "client.send" in module:
                program.wait_line("answer re: hello")
                program.wait_line("taken")
                continue
            program.wait_line("open by ws" if "WebSocket }" in module else "state open sse")
            own.publish("mate in two", "chess")
            program.wait_line("message mate in two")


TESTS = [
    it_has_at_most_five_kilobytes_minified,
    its_types_are_what_the_compiler_takes,
    the_package_has_what_it_names,
    the_three_carriers_give_the_same_sequence,
    a_gateway_that_is_killed_and_back_leaves_nothing_out,
    a_refusal_is_the_end_and_says_why,
    a_session_takes_each_message_once_and_in_order_though_the_gateway_is_killed,
    the_code_of_the_readme_runs,
]


def unit(file):
    """(passed, failed) of a file of tests with a gateway that misbehaves."""
    done = subprocess.run(["node", HERE / file], check=False, capture_output=True,
                          text=True, timeout=scaled(120))
    found = re.search(r"^(\d+) passed, (\d+) failed\n\Z", done.stdout, re.M)
    print("\n".join(done.stdout.splitlines()[:-1]) + done.stderr)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 1)


def main():
    if not (HERE / "node_modules").is_dir() or not shutil.which("node"):
        print("tests/clients/node_modules is not there: npm ci --prefix tests/clients")
        print("0 passed, 0 failed, 1 skipped")
        return 77
    passed, failed = map(sum, zip(unit("javascript_unit.mjs"), unit("javascript_sessions.mjs")))
    for test in TESTS:
        name = test.__name__.replace("_", " ")
        try:
            test()
            print(f"ok {name}", flush=True)
            passed += 1
        except Exception:  # pylint: disable=broad-except
            print(f"not ok {name}\n{traceback.format_exc()}", flush=True)
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
