"""ringway-verify against real daemons: a run in which a worker is killed holds, and its logs, with
one thing wrong in them, do not.

RINGWAY_BIN names the folder of the daemons.  Last line: `N passed, N failed`.
"""

import contextlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "verify")]

from ringway_verify import cli
from support.harness import ROOT, Deployment
from support.keys import Keys
from support.waiting import scaled

PROGRAM = ROOT / "verify" / "ringway-verify"
ROUTES = [("verify", {"path": "/verify/{key}", "service": "verify"})]


def verify(*words, seconds=60):
    """Status, stdout and stderr of the program."""
    done = subprocess.run([sys.executable, str(PROGRAM), *map(str, words)], timeout=scaled(seconds),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class Secured(Deployment):
    """Two gateways and a broker with keys; what works with them works without."""

    def __init__(self):
        super().__init__(edges=2, routes=ROUTES)
        self.keys = Keys(self.folder.path / "keys")
        self.keys.edge("edges", "--name", "edge*")
        self.keys.app("verify", ["verify"])
        self.broker_settings["keys"] = self.keys.folder
        self.settings["key"] = self.keys.path("edges/edges.secret")
        self.settings["broker_key"] = self.keys.path("broker.key")


def run(deployment, *words):
    gateways = ",".join("%s:%d" % edge.address for edge in deployment.edges)
    return verify("run", "--gateway", gateways, "--bus", deployment.endpoint("apps"),
                  "--key", deployment.keys.path("apps/verify.secret"),
                  "--broker-key", deployment.keys.path("broker.key"), *words)


# ---- Logs with one thing wrong in them --------------------------------------------------------


class Logs:
    """The logs of a run, as lists of lines."""

    def __init__(self, folder):
        self.files = {path.name: path.read_text("ascii").splitlines()
                      for path in pathlib.Path(folder).glob("*.log")}
        self.victim = self._victim()

    def _victim(self):
        """(file of a worker that was not killed, channel, key): a WebSocket that only this
        worker had, with several messages, and that the clients closed at the end."""
        for name, lines in sorted(self.files.items()):
            if not lines[-1].split()[1] == "what=stop":
                continue
            for line in lines:
                fields = fields_of(line)
                if fields["what"] == "open" and self._is_fit(name, fields["chan"], fields["key"]):
                    return name, fields["chan"], fields["key"]
        raise AssertionError("no channel is fit to be tampered with")

    def _is_fit(self, name, chan, key):
        had = {file for file, lines in self.files.items() if file != "clients.log"
               for line in lines if fields_of(line).get("chan") == chan}
        count = sum(is_line(line, what="message", chan=chan) for line in self.files[name])
        waited = any(is_line(line, what="end", key=key, waited="1")
                     for line in self.files["clients.log"])
        return had == {name} and count >= 4 and waited

    def at(self, **fields):
        """Where the victim's line is, in its worker's log."""
        name, chan, _ = self.victim
        return self.files[name], find(self.files[name], chan=chan, **fields)

    def at_client(self, **fields):
        lines = self.files["clients.log"]
        return lines, find(lines, key=self.victim[2], **fields)

    def write(self, folder):
        for name, lines in self.files.items():
            (folder / name).write_text("\n".join(lines) + "\n", "ascii")


def fields_of(line):
    return dict(word.split("=", 1) for word in line.split(" "))


def is_line(line, **fields):
    return all(" %s=%s " % pair in line + " " for pair in fields.items())


def find(lines, **fields):
    return next(i for i, line in enumerate(lines) if is_line(line, **fields))


def one_missing(logs):
    lines, where = logs.at(what="message", n=2)
    del lines[where]


def one_double(logs):
    lines, where = logs.at(what="message", n=2)
    lines.insert(where, lines[where])


def one_swapped(logs):
    lines, one = logs.at(what="message", n=2)
    lines, other = logs.at(what="message", n=3)
    lines[one], lines[other] = lines[other], lines[one]


def one_lost_close(logs):
    lines, where = logs.at(what="close")
    del lines[where]


def one_double_close(logs):
    lines, where = logs.at(what="close")
    lines.insert(where, lines[where])


def one_lost_open(logs):
    lines, where = logs.at(what="open")
    del lines[where]


def one_late_event(logs):
    lines, where = logs.at(what="close")
    close = lines.pop(where)
    lines, where = logs.at(what="message", n=3)
    lines.insert(where, close)


def one_gap(logs):
    lines, where = logs.at_client(what="got", n=2)
    del lines[where]


def one_echo_twice(logs):
    lines, where = logs.at_client(what="got", n=2)
    lines.insert(where, lines[where])


def one_that_nobody_sent(logs):
    lines, where = logs.at_client(what="sent", n=2)
    del lines[where]


def one_lost_gateway(logs):
    lines, where = logs.at(what="close")
    lines[where] = lines[where].replace("cause=client", "cause=edge-lost")


TAMPERED = [
    (one_missing, "missing"), (one_double, "duplicate"), (one_swapped, "disordered"),
    (one_lost_close, "closes"), (one_double_close, "closes"), (one_lost_open, "opens"),
    (one_late_event, "closes"), (one_gap, "gap"), (one_echo_twice, "duplicate"),
    (one_that_nobody_sent, "unknown"), (one_lost_gateway, "edge-lost"),
]


def judge(folder):
    """In this process: a dozen of them would take a dozen starts of Python."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = cli.main(["judge", "--json", *map(str, sorted(folder.glob("*.log")))])
    return status, json.loads(out.getvalue())


def check_tampered(folder, tamper, kind):
    with tempfile.TemporaryDirectory() as other:
        logs = Logs(folder)
        tamper(logs)
        logs.write(pathlib.Path(other))
        status, found = judge(pathlib.Path(other))
    assert status == 1 and found["verdict"] == "violated", found["verdict"]
    assert found["violations"][kind] >= 1, found["violations"]
    detail = next(one for one in found["details"] if one["kind"] == kind)
    assert detail["channel"] == logs.victim[1] and detail["lines"], detail


def check_incomplete(folder):
    with tempfile.TemporaryDirectory() as other:
        logs = Logs(folder)
        del logs.files["clients.log"][-1]
        logs.write(pathlib.Path(other))
        status, found = judge(pathlib.Path(other))
    assert status == 2 and found["holes"], found


# ---- Runs -------------------------------------------------------------------------------------


def check_run(deployment, folder):
    status, out, errors = run(
        deployment, "--channels", 60, "--rate", 400, "--events", 1000, "--churn", 0.1,
        "--kill", "worker1@1", "--log", folder)
    assert status == 0, out + errors
    assert "SIGKILL to worker1" in out and "verdict: holds" in out, out


def check_untouched(folder):
    status, found = judge(folder)
    assert status == 0 and found["verdict"] == "holds", found
    assert found["counts"]["sent"] > 300 and found["counts"]["received"] > 700, found["counts"]


def check_raw(deployment):
    status, out, errors = run(
        deployment, "--channels", 12, "--rate", 200, "--events", 300, "--kind", "raw",
        "--body", 100000, "--kill", "worker2@0.5")
    assert status == 0, out + errors


def check_no_route(deployment):
    status, _, errors = run(deployment, "--path", "/nowhere", "--channels", 1)
    assert status == 2 and "404" in errors and "path = /nowhere/{key}" in errors, errors
    folder = errors.split("the logs are in ", 1)[1].split()[0]
    shutil.rmtree(folder)


def main():
    bad = total = 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ringway-"))

    def check(name, function, *arguments):
        nonlocal bad, total
        total += 1
        try:
            function(*arguments)
            print("ok %s" % name, flush=True)
        except Exception as error:  # the next check still says something
            bad += 1
            print("not ok %s: %s" % (name, error or type(error).__name__), flush=True)

    with Secured() as deployment:
        check("a run in which a worker is killed holds", check_run, deployment, folder)
        check("so does one with plain workers and requests with bodies", check_raw, deployment)
        check("a route that is missing is named", check_no_route, deployment)
    check("the logs of the run hold when they are read again", check_untouched, folder)
    for tamper, kind in TAMPERED:
        check("%s in the logs is found" % tamper.__name__.replace("_", " "), check_tampered,
              folder, tamper, kind)
    check("logs that end too early are no verdict", check_incomplete, folder)
    if os.environ.get("RINGWAY_KEEP") != "1":
        shutil.rmtree(folder)
    print("%d passed, %d failed" % (total - bad, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
