"""All of it at once: workers, clients, faults at their times, and the verdict.

Touches no process but those it started and those that it was told to."""

import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import await_logs, report, verdict

AFTER_FAULTS = 2.0  # seconds that clients go on sending after the last fault
READY = 30.0  # seconds for a worker to join, for the clients to open their channels
PATIENCE = 60.0  # seconds for the last closes: longer than a lease and an ack timeout together


class RunError(Exception):
    """It cannot go on, and why."""


class Action:
    """Something to do at a time: a command of the shell, or a signal to a process."""

    def __init__(self, at, command=None, target=None, signal=None):
        self.at, self.command, self.target, self.signal = at, command, target, signal

    @classmethod
    def fault(cls, text):
        command, at = split_time(text)
        return cls(at, command=command)

    @classmethod
    def kill(cls, text):
        words, at = split_time(text)
        target, _, name = words.partition(":")
        return cls(at, target=target, signal=signal_number(name or "KILL"))

    def __str__(self):
        if self.command:
            return self.command
        return "%s to %s" % (signal.Signals(self.signal).name, self.target)


def split_time(text):
    """("what", seconds) of "what@seconds"."""
    what, at, seconds = text.rpartition("@")
    try:
        if not at or not what or float(seconds) < 0:
            raise ValueError
        return what, float(seconds)
    except ValueError:
        raise argparse.ArgumentTypeError("%r is not WHAT@SECONDS" % text) from None


def signal_number(name):
    known = getattr(signal, "SIG" + name.removeprefix("SIG"), None)
    number = int(name) if name.isdigit() else known
    try:
        return signal.Signals(number)
    except ValueError:
        raise argparse.ArgumentTypeError("%r is no signal" % name) from None


class Child:
    """A process of ours; what it says goes to a file."""

    def __init__(self, folder, name, words):
        self.name = name
        self._out = folder / (name + ".out")
        with open(self._out, "wb") as out:
            self.process = subprocess.Popen([sys.executable, sys.argv[0], *words], stdout=out,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    @property
    def pid(self):
        return self.process.pid

    def said(self):
        return self._out.read_text("utf-8", "replace")

    def wait_ready(self):
        until = time.monotonic() + READY
        while "ready" not in self.said():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RunError("%s is not ready: %s" % (
                    self.name, self.said().strip() or "nothing was heard in %d s" % READY))
            time.sleep(0.05)

    def stop(self):
        """SIGTERM, and SIGKILL for what does not obey."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Run:
    """options: see cli.py."""

    def __init__(self, options, say, folder):
        self._options, self._say, self._folder = options, say, folder
        self._workers, self._clients, self._commands = [], None, []
        self._actions = sorted(options.fault + options.kill, key=lambda action: action.at)

    def go(self):
        """Returns the Verdict."""
        try:
            self._start()
            self._act()
            self._clients.process.wait()
            if self._clients.process.returncode:
                raise RunError("the clients ended: " + self._clients.said().strip())
            self._say("waiting for the last closes")
            await_logs.wait(self._logs(), PATIENCE)
        finally:
            self._stop()
        self._options.logs = self._logs()
        return verdict.judge(self._options)

    def _logs(self):
        return sorted(str(path) for path in self._folder.glob("*.log"))

    def _start(self):
        one = self._options
        for number in range(1, one.workers + 1):
            name = "worker%d" % number
            words = ["worker", "--bus", one.bus, "--service", one.service, "--kind", one.kind,
                     "--log", str(self._folder / (name + ".log"))]
            words += ["--name", name] if one.named else []
            words += ["--key", one.key, "--broker-key", one.broker_key] if one.key else []
            self._workers.append(Child(self._folder, name, words))
        for worker in self._workers:
            worker.wait_ready()
        self._say("workers: " + " ".join("%s=%d" % (w.name, w.pid) for w in self._workers))
        self._clients = Child(self._folder, "clients", self._client_words())
        self._clients.wait_ready()
        self._say("%d channels are open" % one.channels)

    def _client_words(self):
        one = self._options
        seconds = self._actions[-1].at + AFTER_FAULTS if self._actions else 0
        return ["clients", "--log", str(self._folder / "clients.log"),
                "--gateway", ",".join("%s:%d" % address for address in one.gateway),
                "--carriers", ",".join(one.carriers), "--channels", str(one.channels),
                "--rate", str(one.rate), "--churn", str(one.churn), "--size", str(one.size),
                "--body", str(one.body), "--path", one.path, "--settle", str(one.settle),
                "--events", str(one.events),
                "--seconds", str(1e6 if one.wait else seconds)]

    def _act(self):
        began = time.monotonic()
        for action in self._actions:
            self._sleep(began + action.at)
            self._say("%.1f s: %s" % (time.monotonic() - began, action))
            self._do(action)
        if self._options.wait:
            self._say("Break something now; press Enter when it is whole again.")
            sys.stdin.readline()
            self._clients.process.send_signal(signal.SIGTERM)

    def _sleep(self, until):
        while time.monotonic() < until and self._clients.process.poll() is None:
            time.sleep(max(0.0, min(0.1, until - time.monotonic())))

    def _do(self, action):
        if action.command:
            self._commands.append(subprocess.Popen(action.command, shell=True,
                                                   stdin=subprocess.DEVNULL))
            return
        ours = {worker.name: worker.pid for worker in self._workers}
        pid = int(action.target) if action.target.isdigit() else ours.get(action.target)
        if pid is None:
            raise RunError("%r is neither a process nor one of %s" % (
                action.target, ", ".join(ours)))
        try:
            os.kill(pid, action.signal)
        except OSError as error:
            raise RunError("%s: %s" % (action, error.strerror)) from None

    def _stop(self):
        for child in [self._clients, *self._workers]:
            if child:
                child.stop()
        for command in self._commands:
            try:
                if command.wait(30):
                    self._say("a fault's command ended with %d: %s" % (
                        command.returncode, command.args))
            except subprocess.TimeoutExpired:
                self._say("a fault's command still runs: %s" % command.args)


@contextlib.contextmanager
def folder_of(options):
    """Where the logs are.  A folder of our own goes when all was well."""
    if options.log:
        folder = pathlib.Path(options.log)
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.glob("*.log")):
            raise RunError("%s has logs already: they would be judged together" % folder)
        yield folder
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ringway-verify-"))
    try:
        yield folder
    finally:
        if options.keep:
            print("the logs are in %s" % folder, file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def run(options, say):
    """Exit status: that of the verdict, or 2 with the reason on stderr."""
    options.keep = True
    try:
        with folder_of(options) as folder:
            found = Run(options, say, folder).go()
            print(report.of(found, options.json), flush=True)
            options.keep = found.status != verdict.HOLDS
            return found.status
    except RunError as error:
        print("ringway-verify: %s" % error, file=sys.stderr)
        return 2
