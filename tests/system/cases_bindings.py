"""Applications made with the bindings, in C and in Python, against the real programs: restarts,
deaths, a graceful end; the examples; and the code in the READMEs, run as it stands."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment, clean_environment, program_path
from support.keys import Keys
from support.waiting import scaled, wait_until

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PYTHON = SOURCE / "bindings" / "python"
C_README = SOURCE / "bindings" / "c" / "README.md"
EXAMPLES = [
    ("echo", {"path": "/echo", "service": "echo"}),
    ("chat", {"path": "/chat/{room}", "service": "chat"}),
    ("clock", {"path": "/clock", "service": "clock", "answer_timeout": "0"}),
    ("wait", {"path": "/wait", "service": "wait", "answer_timeout": "0"}),
]


class Program:
    """An application that runs; `lines()` is what it said."""

    def __init__(self, deployment, words, name):
        self.path = deployment.folder.path / f"{name}.out"
        self.name = name
        env = clean_environment({"PYTHONPATH": str(PYTHON), "PYTHONUNBUFFERED": "1"})
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen(
                [str(word) for word in words], stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, env=env, cwd=deployment.folder.path)

    def text(self):
        return self.path.read_bytes().decode("utf-8", "replace")

    def lines(self, *words):
        """The lines that begin with these words."""
        start = " ".join(words)
        return [line for line in self.text().splitlines()
                if line == start or line.startswith(start + " ")]

    def wait(self, *words, seconds=15):
        def look():
            assert self.process.poll() is None or self.lines(*words), self.text()
            return self.lines(*words)

        try:
            return wait_until(look, seconds, f"{words} of {self.name}")[0]
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.text()[-1000:]}") from None

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, status=0, seconds=20):
        """Waits for its end."""
        got = self.process.wait(scaled(seconds))
        assert got == status, f"{self.name} ended with {got}: {self.text()[-2000:]}"

    def kill(self):
        self.process.kill()
        self.process.wait()


class Own(Deployment):
    """A deployment with applications; they go with it."""

    def __init__(self, **options):
        super().__init__(**options)
        self.programs = []

    def program(self, words, name):
        self.programs.append(Program(self, words, name))
        return self.programs[-1]

    def app(self, kind, service="default", name=None):
        """The worker for tests, in C or in Python; joined."""
        words = {"c": [program_path("bindings/c/test_worker")],
                 "python": [sys.executable, PYTHON / "tests" / "worker.py"]}[kind]
        words += [self.endpoint("apps"), service, self.folder.path / "big"]
        app = self.program(words, name or f"app-{kind}")
        app.wait("ready")
        return app

    def opened(self, app, target="/", **options):
        """A WebSocket that the application has, and its id."""
        before = len(app.lines("open"))
        client = self.ws(target, **options)
        wait_until(lambda: len(app.lines("open")) > before, 10, "the open of a channel")
        return client, app.lines("open")[-1].split()[1]

    def stop(self, seconds=20):
        for program in self.programs:
            if program.process.poll() is None:
                program.signal(signal.SIGTERM)
                program.end()
        super().stop(seconds)

    def abandon(self):
        for program in self.programs:
            program.kill()
        super().abandon()


def each_kind(function):
    """The same case for both bindings."""
    for kind in ("c", "python"):
        def one(kind=kind):
            function(kind)

        one.__name__ = f"{function.__name__}_{kind}"
        case(shared=False, seconds=120)(one)
    return function


@each_kind
def a_restart_of_the_broker_loses_nothing_and_keeps_the_order(kind):
    with Own(ipc=True) as own:
        app = own.app(kind)
        client, id = own.opened(app)
        client.text("count 400")
        assert client.read_text() == "1"
        own.broker.kill()
        client.text("while it is away")
        own.start_broker()
        got = [client.read_text() for _ in range(400)]
        assert [text for text in got if text.isdigit()] == [str(n) for n in range(2, 401)], got
        assert got.count("while it is away") == 1, got
        app.wait("restart")
        client.text("after")
        assert client.read_text() == "after"
        assert len(app.lines("text", id)) == 3, app.text()


@each_kind
def what_is_sent_before_the_edge_is_back_keeps_its_order(kind):
    with Own(ipc=True) as own:
        app = own.app(kind)
        client, _ = own.opened(app)
        client.text("count 300")
        assert client.read_text() == "1"
        own.broker.kill()
        own.edge.signal(signal.SIGSTOP)
        try:
            own.start_broker()
            app.wait("restart")
        finally:
            own.edge.signal(signal.SIGCONT)
        got = [client.read_text() for _ in range(299)]
        assert got == [str(n) for n in range(2, 301)], got


@each_kind
def a_channel_that_died_with_broker_and_edge_is_closed_once(kind):
    with Own(ipc=True) as own:
        app = own.app(kind)
        _, id = own.opened(app)
        own.broker.kill()
        own.edges.pop(0).kill()
        own.start_broker()
        own.start_edge()
        app.wait("close", id, "1006", "edge-lost", seconds=30)
        own.wait_joined(20)
        client, _ = own.opened(app)
        client.text("a new one")
        assert client.read_text() == "a new one"
        assert len(app.lines("close", id)) == 1, app.text()


@each_kind
def a_killed_worker_leaves_its_channels_to_another(kind):
    with Own() as own:
        first = own.app(kind, name="first")
        client, id = own.opened(first)
        second = own.app(kind, name="second")
        first.kill()
        second.wait("adopt", id)
        client.text("who is there?")
        assert client.read_text() == "who is there?"


@each_kind
def sigterm_lets_it_finish_what_is_under_way(kind):
    size = 24 << 20
    with Own() as own:
        (own.folder.path / "big").write_bytes(os.urandom(1 << 20) * (size >> 20))
        first = own.app(kind, name="first")
        busy, busy_id = own.opened(first)
        download = own.http(receive_buffer=65536)
        download.request("GET", "/big")
        head = download.read_head()
        assert head.status == 200 and head.get("content-length") == str(size), head
        second = own.app(kind, name="second")
        busy.text("busy 1")
        first.wait("text", busy_id, "busy 1")
        first.signal(signal.SIGTERM)
        body = download.read_body(head)
        assert body == (own.folder.path / "big").read_bytes(), len(body)
        assert busy.read_text() == "done"
        first.end()
        assert first.lines("left"), first.text()
        second.wait("adopt", busy_id)
        busy.text("hello")
        assert busy.read_text() == "hello"
        assert second.lines("text", busy_id) == [f"text {busy_id} hello"], second.text()


@each_kind
def a_second_sigterm_ends_it_in_the_middle_of_a_handler(kind):
    with Own() as own:
        first = own.app(kind, name="first")
        client, id = own.opened(first)
        client.text("busy 3")
        first.wait("text", id, "busy 3")
        second = own.app(kind, name="second")
        first.signal(signal.SIGTERM)

        def ended():
            first.signal(signal.SIGTERM)
            return first.process.poll() is not None

        wait_until(ended, 5, "the end of the first")
        first.end(-signal.SIGTERM)
        own.programs.remove(first)
        second.wait("text", id, "busy 3")  # it was not acknowledged
        assert client.read_text() == "done"


@each_kind
def a_paused_application_finds_its_channels_with_another(kind):
    with Own(broker={"worker_lease": "3s", "ack_timeout": "3s"}) as own:
        first = own.app(kind, name="first")
        client, id = own.opened(first)
        second = own.app(kind, name="second")
        first.signal(signal.SIGSTOP)
        try:
            client.text("one")
            second.wait("text", id, "one")
            assert client.read_text() == "one"
        finally:
            first.signal(signal.SIGCONT)
        first.wait("moved", id)
        client.text("two")
        got = client.read_text()
        assert got == "two", (got, first.text(), second.text())
        assert first.lines("text", id) == [], first.text()


@each_kind
def a_receipt_says_that_the_client_has_it(kind):
    with Own() as own:
        app = own.app(kind)
        client, id = own.opened(app)
        client.text("receipt")
        assert client.read_text() == "receipt"
        app.wait("text", id)
        assert not app.lines("receipt"), "the client has not answered the ping yet"
        client.text("x")
        assert client.read_text() == "x"  # and the pong on the way
        app.wait("receipt", id, "ok")


@each_kind
def a_slow_client_is_told_and_so_is_that_it_caught_up(kind):
    with Own(settings={"out_queue": "64MiB"}) as own:
        app = own.app(kind)
        client, id = own.opened(app, receive_buffer=65536)
        client.text("flood 200")  # what the kernel takes by itself, and more
        app.wait("slow", id, "is_slow")
        assert not app.lines("drain"), app.text()
        for _ in range(200):
            assert len(client.read_text()) == 65536
        assert app.wait("drain", id) == f"drain {id} ", app.text()


# ---- Examples ----


def example_words(kind, name, endpoint):
    if kind == "c":
        return [program_path(f"bindings/c/examples/{name}"), endpoint]
    return [sys.executable, PYTHON / "examples" / f"{name}.py", endpoint]


@each_kind
def the_examples_do_what_they_say(kind):
    with Own(routes=EXAMPLES) as own:
        for name, _ in EXAMPLES:
            own.program(example_words(kind, name, own.endpoint("apps")), name)
        wait_until(lambda: own.broker.metric("ringway_broker_workers") == len(EXAMPLES), 15,
                   "the examples to join")
        echo = own.ws("/echo")
        echo.text("hello")
        assert echo.read_text() == "hello"
        client = own.http()
        client.request("POST", "/echo", body=b"body")
        assert client.read_response().body == b"body"
        check_chat(own)
        clock = own.http()
        clock.request("GET", "/clock")
        assert clock.read_head().get("content-type") == "text/event-stream"
        assert re.search(rb"data: \d\d:\d\d:\d\d\n\n", clock.read_chunk() + clock.read_chunk())
        waiting = own.http()
        waiting.request("GET", "/wait")
        wait_until(lambda: own.edge.metric("ringway_channels_live", carrier="http") >= 2, 10,
                   "the long poll")
        post = own.http()

        def told():
            # Its GET may not have reached the application yet.
            post.request("POST", "/wait", body=b"news")
            return post.read_response().status == 200

        wait_until(told, 5, "the post")
        assert waiting.read_response().body == b"news"


def check_chat(own):
    first, second = own.ws("/chat/room"), None
    joined = first.read_text()
    second = own.ws("/chat/room")
    assert first.read_text() != joined and second.read_text()
    second.text("good morning")
    for client in (first, second):
        assert "good morning" in client.read_text()
    second.close_cleanly()
    assert "left" in first.read_text()


# ---- READMEs ----


def code_blocks(path, language):
    """The blocks of a language, in order; an empty one is what is indented by four."""
    text = path.read_text(encoding="utf-8")
    if language:
        return re.findall(r"^```%s\n(.*?)^```" % language, text, re.M | re.S)
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return ["".join(line[4:] + "\n" for line in block.splitlines())
            for block in re.findall(r"(?:^ {4}.*\n)+", text, re.M)]


@case(shared=False, seconds=120)
def the_program_in_the_readme_for_c_is_built_as_it_says_and_runs():
    with Own(routes=[("chat", {"path": "/chat", "service": "chat"})]) as own:
        program = code_blocks(C_README, "c")[0]
        program = program.replace("RW_ENDPOINT", json.dumps(own.endpoint("apps")))
        check_room(own, own.program([build(own.folder.path, "chat", program)], "readme"))


def build(folder, name, source):
    """The commands of the README, with this program in place of an example."""
    commands = "\n".join(code_blocks(C_README, ""))
    assert "ar rcs" in commands and "examples/echo.c" in commands, commands
    for top in ("bindings", "common"):
        (folder / top).symlink_to(SOURCE / top)
    do(folder, commands)
    (folder / f"{name}.c").write_text(source)
    commands = commands[commands.index("ar rcs"):].partition("\n")[2]
    do(folder, commands.replace("bindings/c/examples/echo.c", f"{name}.c")
       .replace("-o echo", f"-o {name} -Wall -Wextra -Werror -Wno-unused-parameter"))
    return folder / name


def do(folder, commands):
    done = subprocess.run(["sh", "-e"], input=commands.encode(), cwd=folder, capture_output=True,
                          timeout=scaled(60), check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]


def check_room(own, app):
    """The chat of both READMEs."""
    wait_until(lambda: own.broker.metric("ringway_broker_workers") == 1, 15, app.text())
    first, second = own.ws("/chat"), own.ws("/chat")
    first.text("sentinel")
    assert first.read_text() == "sentinel"
    second.text("hello")
    assert second.read_text() in ("hello", "sentinel")
    assert first.read_text() == "hello"
    plain = own.http()
    plain.request("GET", "/chat")
    assert plain.read_response().status == 426
    return first, second


def python_program(own, block, name):
    """A block of the README with the endpoint of this test."""
    endpoint = json.dumps(own.endpoint("apps"))
    block = re.sub(r'ringway\.App\("(\w+)"', r'ringway.App("\1", %s' % endpoint, block)
    block = block.replace("ringway.Publisher()", f"ringway.Publisher({endpoint})")
    assert endpoint in block, block
    (own.folder.path / f"{name}.py").write_text(block)
    return own.program([sys.executable, own.folder.path / f"{name}.py"], name)


@case(shared=False, seconds=120)
def the_code_in_the_readme_for_python_runs():
    blocks = code_blocks(PYTHON / "README.md", "python")
    assert len(blocks) == 6, blocks  # the last two have cases of their own
    routes = [(name, {"path": f"/{name}", "service": name}) for name in ("chat", "slow", "work")]
    with Own(routes=routes) as own:
        chat = python_program(own, blocks[0], "chat")
        first, second = check_room(own, chat)
        for at, name, answer in ((1, "slow", "HELLO"), (2, "work", "olleh")):
            python_program(own, blocks[at], name)
            wait_until(lambda at=at: own.broker.metric("ringway_broker_workers") == at + 1, 15,
                       f"{name} to join")
            client = own.ws(f"/{name}")
            client.text("hello")
            assert client.read_text() == answer
        second.close_cleanly()
        wait_until(lambda: "left: 1000 client" in chat.text(), 10, "the close of the second")
        publisher = python_program(own, blocks[3], "publisher")
        publisher.end()
        while first.read_text() != "hello":
            continue  # what the room said before
        assert first.read_text() == "only you"
        assert first.read_close().code == 4000


@case(shared=False, seconds=60)
def the_code_for_presence_in_the_readme_for_python_runs():
    block = code_blocks(PYTHON / "README.md", "python")[4]
    assert "app.watch(" in block, block
    with Own(routes=[("chat", {"path": "/chat", "service": "chat"})],
             broker={"edge_lease": "3s"}) as own:
        app = python_program(own, block, "presence")
        wait_until(lambda: own.broker.metric("ringway_broker_workers") == 1, 15, app.text())
        moderator, amy = own.ws("/chat?name=moderator"), own.ws("/chat?name=amy")
        assert moderator.read_text() == "amy is here\n"
        amy.close_cleanly()
        assert moderator.read_text() == "amy has left\n"


class WithKeys(Own):
    """A broker that asks for keys; those of the READMEs lie in the folder."""

    def __init__(self):
        super().__init__(routes=[("chat", {"path": "/chat", "service": "chat"})])
        keys = Keys(self.folder.path / "keys")
        keys.edge("edge1")
        keys.app("chat", ["chat"])
        keys.copy_to("apps/chat.secret", self.folder.path / "chat.secret")
        keys.copy_to("broker.key", self.folder.path / "broker.key")
        self.broker_settings["keys"] = keys.folder
        self.settings["key"] = keys.path("edges/edge1.secret")
        self.settings["broker_key"] = keys.path("broker.key")

    def wait_worker(self, app):
        wait_until(lambda: self.broker.metric("ringway_broker_workers") == 1, 15, app.text())


@case(shared=False, seconds=60)
def the_code_for_keys_in_the_readme_for_python_runs():
    with WithKeys() as own:
        app = python_program(own, code_blocks(PYTHON / "README.md", "python")[-1], "keys")
        own.wait_worker(app)
        client = own.ws("/chat")
        client.text("hello")
        assert client.read_text() == "hello"


@case(shared=False, seconds=60)
def the_code_for_keys_in_the_readme_for_c_runs():
    block = code_blocks(C_README, "c")[-1]
    assert "key_file" in block, block
    with WithKeys() as own:
        source = (
            f"#include <ringway.h>\n{block}\n"
            "int main(void)\n{\n"
            f"    struct rw_app *app = rw_app_new({json.dumps(own.endpoint('apps'))}, \"chat\", "
            "&options);\n    return app ? rw_app_run(app) : 1;\n}\n")
        app = own.program([build(own.folder.path, "keys-c", source)], "keys-c")
        own.wait_worker(app)
        app.kill()  # it does not catch signals
        own.programs.remove(app)


if __name__ == "__main__":
    run()
