"""History that is stored: it outlives the broker, and says where it may have a hole."""

import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys

import zmq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import Skip, case, run
from support.harness import Broker, Deployment, Gateway, flags, run_program
from support.waiting import scaled, wait_until

DISK = "6m"  # of the small disk
BLOCK = 10000  # positions of a lease
EPOCH = "0123456789abcdef"


class Edge:
    """An edge, played, that asks for what a channel has missed."""

    def __init__(self, own, name="played"):
        self.name, self.asked, self.heard = name, 0, []
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(own.endpoint("edges"))
        self.say(f"HELLO {name} {EPOCH} - 0 proto=RW/1")
        self.expect("WELCOME")
        self.say("SYNCED")

    def say(self, record):
        self.socket.send(record.encode())

    def _hear(self):
        while self.socket.poll(0):
            head, _, payload = self.socket.recv().decode().partition("\n")
            self.heard.append((head.split(), payload))

    def expect(self, verb, seconds=10):
        """The next record of this verb, which nobody has seen: (words, payload)."""

        def found():
            self._hear()
            return next((r for r in self.heard if r[0][0] == verb), None)

        record = wait_until(found, seconds, f"{verb} to {self.name}")
        self.heard.remove(record)
        return record

    def want(self, topic):
        """Publications of the topic from here on; the position in TOP."""
        self.say(f"TSUB {topic}")
        return self.expect("TOP")[0][3]

    def replay(self, topic, cursor):
        """What a channel with this cursor has missed: [(position, payload)], [gap words]."""
        self.asked += 1
        channel = f"{self.name}.{EPOCH}.{self.asked:x}"
        self.say(f"HGET {channel} {cursor} 1000\n{topic}\n")
        self.expect("LIVE")
        mine = [r for r in self.heard if len(r[0]) > 2 and r[0][2] == channel]
        self.heard = [r for r in self.heard if r not in mine]
        messages = [(words[3], payload) for words, payload in mine if words[0] == "HIST"]
        return messages, [words[3:6] for words, _ in mine if words[0] == "GAP"]

    def close(self):
        self.context.destroy(0)


def stored(**broker):
    """A deployment without gateways, with a folder for history."""
    return Deployment(edges=0, ipc=True, broker={"data": "data", **broker})


def publish(app, topic, text, **options):
    """Position of a publication that must be taken."""
    answer = app.ask("PUB", topic, payload=text, timeout=10, **options)
    assert answer.verb == "OK", answer
    return answer.options["pos"]


def refusal(app, topic, text, **options):
    """The code of ERR; None when it was taken."""
    answer = app.ask("PUB", topic, payload=text, timeout=10, **options)
    return answer.code if answer.verb == "ERR" else None


def g_of(position):
    return int(position.rpartition(":")[2])


def again(own, number=signal.SIGTERM):
    """The broker ends by this signal, and another one takes its place."""
    old = own.broker
    if number == signal.SIGKILL:
        old.kill()
    else:
        old.stop()
    own.broker = Broker(old.program, old.arguments, old.folder, own.env, old.name)
    own.broker.prefix = old.prefix
    own.broker.start().wait_ready()


def integrity(path):
    """What SQLite finds wrong with a database."""
    database = sqlite3.connect(path)
    try:
        return [row[0] for row in database.execute("PRAGMA integrity_check")]
    finally:
        database.close()


@case()
def an_orderly_stop_loses_nothing_and_makes_no_gap():
    with stored() as own:
        app = own.sender()
        positions = [publish(app, "kept", f"m{number}") for number in range(5)]
        publish(app, "kept", "nobody keeps this", hist=0)
        again(own)
        app, edge = own.sender(), Edge(own)
        edge.want("kept")
        messages, gaps = edge.replay("kept", positions[1])
        assert messages == list(zip(positions[2:], ["m2", "m3", "m4"])), messages
        assert [gap[2] for gap in gaps] == ["history"], "the one without history is a gap"
        after = publish(app, "kept", "after")
        assert g_of(after) == g_of(positions[-1]) + 2, "positions go on"
        assert edge.replay("kept", after) == ([], [])
        edge.close()


@case()
def after_a_kill_positions_go_on_and_the_hole_is_announced():
    with stored() as own:
        app = own.sender()
        first = publish(app, "kept", "first", durable=1)
        again(own, signal.SIGKILL)
        app, edge = own.sender(), Edge(own)
        assert g_of(edge.want("kept")) == BLOCK, "who is not beyond the hole has to ask"
        after = publish(app, "kept", "after", durable=1)
        assert g_of(after) > BLOCK, "the block that was leased is not used again"
        assert after.split(":")[0] == first.split(":")[0], "the epoch lives on"
        messages, gaps = edge.replay("kept", first)
        assert messages == [(after, "after")], messages
        assert [gap[2] for gap in gaps] == ["store"], gaps
        messages, gaps = edge.replay("kept", after)
        assert (messages, gaps) == ([], []), "who is beyond the hole has none"
        again(own)
        late = Edge(own, "late")
        late.want("kept")
        messages, gaps = late.replay("kept", first)
        assert messages == [(after, "after")] and [gap[2] for gap in gaps] == ["store"]
        edge.close()
        late.close()


@case()
def a_repetition_after_a_kill_is_not_stored_twice():
    with stored() as own:
        app = own.sender()
        first = publish(app, "once", "only", durable=1, key="k1")
        again(own, signal.SIGKILL)
        app = own.sender()
        assert publish(app, "once", "only", durable=1, key="k1") == first


@case()
def what_is_evicted_is_not_there_after_a_restart():
    with stored(history_count=3) as own:
        app = own.sender()
        positions = [publish(app, "short", f"m{number}") for number in range(10)]
        again(own)
        edge = Edge(own)
        edge.want("short")
        messages, gaps = edge.replay("short", positions[0])
        assert messages == list(zip(positions[7:], ["m7", "m8", "m9"])), messages
        assert [gap[2] for gap in gaps] == ["history"], gaps
        assert edge.replay("short", positions[6])[1] == [], "who has the rest has no gap"
        edge.close()


@case()
def durable_needs_a_store():
    with Deployment(edges=0) as own:
        assert refusal(own.sender(), "kept", "x", durable=1) == "unsupported"


@case()
def a_folder_has_one_broker_and_known_files():
    with stored() as own:
        data = own.folder.path / "data"
        ports = {f"bus_{name}": "tcp://127.0.0.1:0" for name in ("edges", "apps")}
        ports.update(bus_tap="", bus_pull="", bus_sub="", ops_listen="")

        def start(folder):
            return run_program("ringway-broker", *flags({"data": folder, **ports}))[::2]

        status, errors = start(data)
        assert status == 2 and "another broker is using it" in errors, errors
        publish(own.sender(), "kept", "the first one goes on", durable=1)
        own.broker.stop()
        database = sqlite3.connect(data / "history.db")
        database.execute("PRAGMA user_version = 2")
        database.close()
        status, errors = start(data)
        assert status == 2 and "schema 2 is not known" in errors, errors
        (data / "positions").write_bytes(bytes(8192))
        database = sqlite3.connect(data / "history.db")
        database.execute("PRAGMA user_version = 1")
        database.close()
        status, errors = start(data)
        assert status == 2 and "both slots of the file are damaged" in errors, errors
        status, errors = start(own.folder.path / "no" / "data")
        assert status == 2 and "data: neither is there nor can be made" in errors, errors
        own.broker = None


@case()
def a_backup_of_a_running_broker_is_whole():
    with stored() as own:
        app = own.sender()
        for number in range(200):
            app.pub("kept", f"m{number}")
        publish(app, "kept", "last", durable=1)
        live = sqlite3.connect(own.folder.path / "data" / "history.db")
        copy = own.folder.path / "copy.db"
        backup = sqlite3.connect(copy)
        live.backup(backup)
        for number in range(200):
            app.pub("kept", f"n{number}")
        held = backup.execute("SELECT count(*) FROM messages").fetchone()[0]
        backup.close()
        live.close()
        assert 100 <= held <= 101, f"what history holds: {held}, and perhaps one that is going"
        assert integrity(copy) == ["ok"]
        publish(app, "kept", "the broker was not disturbed", durable=1)


@case()
def the_one_program_stores_too():
    with Deployment(edges=0) as own:
        settings = {f"bus_{name}": "tcp://127.0.0.1:0" for name in ("edges", "apps", "tap", "pull", "sub")}
        settings.update(listen="127.0.0.1:0", ops_listen="127.0.0.1:0", data="data")
        own.broker.stop()  # the one that comes with the stage
        own.broker = Gateway("ringway", flags(settings), own.folder.path, own.env)
        own.broker.start().wait_ready()
        own.broker.endpoint = lambda name: own.broker.ready.values[name]
        position = publish(own.sender(), "kept", "x", durable=1)
        own.broker.stop()
        again_one = Gateway("ringway", flags(settings), own.folder.path, own.env)
        own.broker = again_one
        again_one.start().wait_ready()
        again_one.endpoint = lambda name: again_one.ready.values[name]
        answer = own.sender().ask("GET", "history", "kept")
        held = json.loads(answer.payload)["messages"]
        assert held == [{"pos": position, "data": "x"}], held


class SmallDisk:
    """A file system of a few MiB at `folder`, which only those see who enter its namespace."""

    def __init__(self, folder):
        if os.geteuid() != 0:
            raise Skip("a file system can be mounted by root only")
        self.folder = folder
        folder.mkdir()
        script = f'mount -t tmpfs -o size={DISK} none "$0" && echo mounted && exec sleep infinity'
        self.process = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", script, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if self.process.stdout.readline() != "mounted\n":
            self.process.wait()
            raise Skip(f"no mount here: {self.process.stderr.read().strip()}")

    @property
    def prefix(self):
        """Words before a command that shall see it."""
        # Its root too: where this runs may not be the root of the machine.
        return ["nsenter", "-m", "-r", "-w", "-t", str(self.process.pid)]

    def path(self, name):
        """A file on it, as seen from outside."""
        return pathlib.Path(f"/proc/{self.process.pid}/root{self.folder}") / name

    def integrity(self, name):
        """What SQLite finds wrong with a database on it; SQLite follows links by itself, and would
        not find the file from outside."""
        code = "import sqlite3, sys; database = sqlite3.connect(f'file:{sys.argv[1]}?mode=rw', uri=True);"
        code += "print(*(row[0] for row in database.execute('PRAGMA integrity_check')), sep='\\n')"
        done = subprocess.run([*self.prefix, sys.executable, "-c", code, str(self.folder / name)],
                              check=True, capture_output=True, text=True, timeout=scaled(20))
        return done.stdout.split()

    def fill(self):
        """Until not a byte fits."""
        with open(self.path("ballast"), "ab", buffering=0) as ballast:
            for size in (65536, 1):
                try:
                    while True:
                        ballast.write(bytes(size))
                except OSError:
                    pass

    def clear(self):
        self.path("ballast").unlink()

    def stop(self):
        self.process.kill()
        self.process.communicate()


def use_disk(own, disk):
    """The broker starts anew on the small disk."""
    own.broker.stop()
    old = own.broker
    own.broker = Broker(old.program, old.arguments, old.folder, own.env, old.name)
    own.broker.prefix = disk.prefix
    own.broker.start().wait_ready()


@case()
def a_full_disk_refuses_what_it_cannot_keep_and_nothing_else():
    own = stored()
    disk = SmallDisk(own.folder.path / "disk")
    own.broker_settings["data"] = disk.folder
    try:
        with own:
            use_disk(own, disk)
            fill_and_clear(own, disk)
    finally:
        disk.stop()


def fill_and_clear(own, disk):
    app, edge = own.sender(), Edge(own)
    edge.want("t")
    before = publish(app, "t", "before", durable=1)
    assert edge.expect("PUB")[1] == "before"
    filler = "x" * 65536
    for _ in range(3):  # what was reserved on the disk, or is given back, takes some still
        wait_until(lambda: disk.fill() or refusal(app, "t", filler, durable=1) == "store", 20, "a refusal")
    wait_until(lambda: own.broker.metric("ringway_broker_store_failing") == 1, 5, "the metric")
    edge.heard.clear()
    for number in range(50):
        assert refusal(app, "t", f"{filler}{number}", durable=1) == "store"
        assert refusal(app, "t", f"live {number}") == "store"
        assert refusal(app, "t", f"plain {number}", hist=0) is None
    for number in range(50):
        assert edge.expect("PUB")[1] == f"live {number}", "delivered live, durable ones not"
        assert edge.expect("PUB")[1] == f"plain {number}"
    assert not any(words[0] == "PUB" for words, _ in edge.heard)
    disk.clear()
    wait_until(lambda: refusal(app, "t", "room again", durable=1) is None, 20, "room")
    after = publish(app, "t", "after", durable=1)
    assert disk.integrity("history.db") == ["ok"]
    check_after_disk(own, edge, before, after)
    again(own)
    late = Edge(own, "late")
    late.want("t")
    check_after_disk(own, late, before, after)
    assert disk.integrity("history.db") == ["ok"]
    lines = [line for line in own.broker.log().splitlines() if "event=store_failing" in line]
    assert 1 <= len(lines) <= scaled(60), f"{len(lines)} lines"
    edge.close()
    late.close()


def check_after_disk(own, edge, before, after):
    """What was stored is there, what was refused is a gap."""
    messages, gaps = edge.replay("t", before)
    texts = [text for _, text in messages]
    assert (after, "after") in messages, texts[-3:]
    assert not any(text.startswith(("live", "plain")) for text in texts)
    assert gaps, "what was refused is announced"


@case()
def a_full_disk_does_not_stop_a_start():
    own = stored()
    disk = SmallDisk(own.folder.path / "disk")
    own.broker_settings["data"] = disk.folder
    try:
        with own:
            use_disk(own, disk)
            app = own.sender()
            before = publish(app, "t", "before", durable=1)
            disk.fill()
            again(own, signal.SIGKILL)
            app, edge = own.sender(), Edge(own)
            edge.want("t")
            assert edge.replay("t", before)[1], "the hole is told, stored or not"
            publish(app, "t", "live", hist=0)
            assert edge.expect("PUB")[1] == "live"
            disk.clear()
            wait_until(lambda: refusal(app, "t", "room", durable=1) is None, 20, "room")
            edge.close()
    finally:
        disk.stop()


if __name__ == "__main__":
    run(factory=stored, worker=False)
