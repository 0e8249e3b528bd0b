"""A deployment in network namespaces, each part on a machine of its own, and what may happen to it.

    clients ==== edge1 ====,          ,==== work1
       `======== edge2 ====== broker ======= work2

Runs inside namespaces that run.py made with `unshare`: names and addresses clash with nobody's, and
when the first process ends the kernel ends all others and takes every device away.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time

from link import Carrier, Link, open_tap
from support.harness import ROOT, Broker, Daemon, Gateway, flags, run_program, write_config
from support.waiting import wait_until

sys.path.insert(0, str(ROOT / "verify"))
from ringway_verify import await_logs  # noqa: E402

EDGE_PORT, APP_PORT, CLIENT_PORT = 7701, 7702, 8080
VERIFY = str(ROOT / "verify" / "ringway-verify")
ROUTES = [
    ("verify", {"path": "/verify/{key}", "service": "verify", "answer_timeout": "0s"}),
    ("slow", {"path": "/slow", "service": "slow"}),
]
LEAST_SENT = 6500  # messages, lines and answers of the clients, so that workers handle 5,000
CLONE_NEWNET = 0x40000000
FAKETIME = f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}/faketime/libfaketimeMT.so.1"
_libc = ctypes.CDLL(None, use_errno=True)


def ip(*words):
    """The command `ip`; what it says against it is the error."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr.strip()}"


def _enter(namespace):
    if _libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Net:
    """Nodes, each a network namespace, and the links between them."""

    def __init__(self, seed):
        self.links = {}
        self._seed = seed
        # The namespace of a thread may be left, so where it began is kept.
        self._own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        # /run is a file system of our own here, so that nobody else sees these names.
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        self._carrier = Carrier()

    def add_node(self, name):
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")

    def add_link(self, left, right):
        """Joins two nodes; `address()` says where each is."""
        number = len(self.links) + 1
        fds = []
        for end, node in enumerate((left, right), 1):
            device = f"tap{number}.{end}"
            fds.append(open_tap(device))
            ip("link", "set", "dev", device, "netns", node)
            ip("-n", node, "addr", "add", f"10.{number}.0.{end}/24", "dev", device)
            ip("-n", node, "link", "set", "dev", device, "txqueuelen", "10000", "up")
        link = Link(left, right, fds, self._seed + 2 * number)
        link.number = number
        self.links[frozenset((left, right))] = link
        self._carrier.add(link)

    def link(self, left, right):
        return self.links[frozenset((left, right))]

    def address(self, node, peer):
        """The address of `node` on its link to `peer`."""
        link = self.link(node, peer)
        return f"10.{link.number}.0.{1 if link.left == node else 2}"

    @contextlib.contextmanager
    def inside(self, node):
        """Sockets that this thread makes meanwhile are the node's."""
        other = os.open(f"/run/netns/{node}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(other)
            yield
        finally:
            _enter(self._own)
            os.close(other)

    def connect_seconds(self, node, address):
        """How long it takes the node to connect there."""
        began = time.monotonic()
        with self.inside(node), socket.create_connection(address, 20):
            return time.monotonic() - began

    def reset(self, node, condition):
        """Resets the TCP connections of a node for which ss finds the condition true."""
        words = ["ip", "netns", "exec", node, "ss", "-t", "-K", *condition.split()]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        # The line of names, then one line for each connection that is no more.
        killed = len(done.stdout.splitlines()) - 1
        assert killed > 0, f"no connection of {node} with {condition}: {done.stderr.strip()}"
        return killed

    def stop(self):
        self._carrier.stop()


class Part:
    """A program on a node that can be started again; each life may have other arguments.

      make  called with the number of the life, from 1; returns the Daemon
    """

    def __init__(self, stage, node, name, make):
        self.stage, self.node, self.name = stage, node, name
        self._make = make
        self.prefix, self.env = [], {}
        self.lives = 0
        self.daemon = None
        self.died_of = None

    def launch(self):
        """Starts it without waiting."""
        self.lives += 1
        self.died_of = None
        self.daemon = self._make(self.lives)
        self.daemon.prefix = ["ip", "netns", "exec", self.node, *self.prefix]
        self.daemon.env.update(self.env)
        self.daemon.start()
        return self

    def start(self):
        """Starts it and waits until it says that it is ready."""
        self.launch()
        self.daemon.wait_ready(30)
        self.stage.note(f"{self.name} is ready")
        return self

    def kill(self):
        """SIGKILL."""
        self.stage.note(f"{self.name}: kill -9")
        self.daemon.kill()

    def hang(self):
        """SIGSTOP."""
        self.stage.note(f"{self.name}: stopped")
        self.daemon.signal(signal.SIGSTOP)

    def wake(self):
        """SIGCONT."""
        self.stage.note(f"{self.name}: goes on")
        self.daemon.signal(signal.SIGCONT)

    def is_running(self):
        return self.daemon is not None and self.daemon.is_running()

    def end(self):
        """SIGTERM: it must end well, and by itself."""
        if self.is_running():
            self.daemon.stop()

    def ops_metric(self, name, **labels):
        """A metric of the running part, summed over its lines."""
        with self.stage.net.inside(self.node):
            return self.daemon.metric(name, **labels)

    def is_joined(self):
        with self.stage.net.inside(self.node):
            return self.daemon.is_ready()


class Stage:
    """Everything that a scenario needs.

      folder    for logs
      scenario  what to start, see scenarios.py
    """

    ROUTES = ROUTES

    def __init__(self, folder, scenario, seed=1):
        self.folder = pathlib.Path(folder)
        self.scenario = scenario
        self.net = Net(seed)
        self.began = time.monotonic()
        self.notes = []
        self.logs = []
        self._lock = threading.Lock()
        for node in ("broker", "edge1", "edge2", "work1", "work2", "clients"):
            self.net.add_node(node)
        for left, right in (
            ("broker", "edge1"), ("broker", "edge2"), ("broker", "work1"), ("broker", "work2"),
            ("clients", "edge1"), ("clients", "edge2"),
        ):
            self.net.add_link(left, right)
        self.broker = Part(self, "broker", "broker", self._make_broker)
        self.edges = [self._edge(f"edge{n}", name) for n, name in enumerate(scenario.edge_names, 1)]
        self.workers = [self._worker(n, more) for n, more in enumerate(scenario.workers, 1)]
        self.clients = Part(self, "clients", "clients", self._make_clients)
        self.extras = []

    # What is started

    def note(self, text):
        """One line of what happened, with its time."""
        with self._lock:
            self.notes.append(f"{time.monotonic() - self.began:7.2f} s  {text}")

    def new_log(self, name):
        """The path of a log that the judge is to read."""
        path = self.folder / f"{name}.history"
        self.logs.append(path)
        return path

    def _make_broker(self, life):
        settings = {
            "bus_edges": f"tcp://0.0.0.0:{EDGE_PORT}",
            "bus_apps": f"tcp://0.0.0.0:{APP_PORT}",
            **self.scenario.broker,
        }
        words = ["--plain-bus", *flags(settings)]
        return Broker("ringway-broker", words, self.folder, name="broker")

    def _edge(self, node, name):
        return Part(self, node, node, lambda life: self._make_edge(node, name))

    def broker_addresses(self, node):
        """(host, port) of the edge port and of the application port, for this node."""
        return [(self.net.address("broker", node), port) for port in (EDGE_PORT, APP_PORT)]

    def _make_edge(self, node, name):
        config = self.folder / f"{node}.conf"
        write_config(config, {}, self.ROUTES)
        settings = {
            "config": config,
            "listen": f"0.0.0.0:{CLIENT_PORT}",
            "broker": f"tcp://{self.net.address('broker', node)}:{EDGE_PORT}",
            "edge_name": name,
            "drain_grace": "1s",
            **self.scenario.edge,
        }
        return Gateway("ringway-gateway", flags(settings), self.folder, name=node)

    def _worker(self, number, more):
        node = f"work{2 - number % 2}"

        def make(life):
            return self._make_worker(node, f"worker{number}", life, more)

        return Part(self, node, f"worker{number}", make)

    def _make_worker(self, node, name, life, more):
        settings = {
            "bus": f"tcp://{self.net.address('broker', node)}:{APP_PORT}",
            "log": self.new_log(f"{name}.{life}"),
            **more,
        }
        switches = [name for name, value in settings.items() if value is True]
        values = {name: value for name, value in settings.items() if value is not True}
        words = ["worker", *flags(values), *("--" + s.replace("_", "-") for s in switches)]
        return Daemon(VERIFY, words, self.folder, name=name)

    def _make_clients(self, life):
        gateways = [f"{self.net.address(e.node, 'clients')}:{CLIENT_PORT}" for e in self.edges]
        settings = {
            "gateway": ",".join(gateways),
            "log": self.new_log(f"clients.{life}"),
            "seconds": self.scenario.seconds,
            "events": LEAST_SENT,
            "churn": 0.05,
            **self.scenario.clients,
        }
        return Daemon(VERIFY, ["clients", *flags(settings)], self.folder, name="clients")

    # The course of a scenario

    def parts(self):
        return [self.broker, *self.edges, *self.workers, self.clients, *self.extras]

    def part(self, name):
        return next(part for part in self.parts() if part.name == name)

    def start(self):
        """Broker, gateways and workers run and know each other; then the clients begin."""
        for name, descriptors in self.scenario.limits.items():
            self.part(name).prefix += ["prlimit", f"--nofile={descriptors}:{descriptors}"]
        for name in self.scenario.clocks:
            self._give_clock(self.part(name))
        self.broker.start()
        for edge in self.edges:
            edge.start()
        for worker in self.workers:
            worker.launch()
        for edge in self.edges:
            wait_until(edge.is_joined, 30, f"{edge.name} joined")
        for worker in self.workers:
            worker.daemon.wait_ready(30)
        if self.scenario.before:
            self.scenario.before(self)
        self.begin()
        self.note("clients begin")

    def begin(self):
        """The clients come."""
        self.clients.launch()

    def wait_traffic(self, events=500):
        """Until so many events have been given to workers."""
        wait_until(
            lambda: self.broker.ops_metric("ringway_broker_events_total") >= events,
            60,
            f"{events} events",
        )

    def finish(self):
        """The clients come to their end, then everybody else."""
        self.clients.daemon.wait_exit(self.scenario.seconds + 120)
        self.note("clients ended")
        self._check_alive()
        is_complete = await_logs.wait(self.logs, self.scenario.patience)
        self.note("every channel was closed" if is_complete else "some channels were not closed")
        for part in [*self.workers, *self.extras, *self.edges, self.broker]:
            part.end()
        self.note("all ended")

    def _check_alive(self):
        """Nobody ended but those that were killed."""
        for part in [self.broker, *self.edges, *self.workers, *self.extras]:
            daemon = part.daemon
            gone = daemon is not None and daemon.process is not None and not daemon.is_running()
            assert not gone, (
                f"{part.name} ended by itself with {daemon.process.returncode}: "
                f"{daemon.log()[-2000:]}"
            )

    def judge(self):
        """The verdict of `ringway-verify judge` on all logs."""
        words = ["judge", *self.logs, *self.scenario.judge, "--json"]
        for edge in self.scenario.lost:
            words += ["--lost-edge", edge]
        status, out, err, _ = run_program(VERIFY, *words, seconds=60)
        assert status in (0, 1, 2, 3), f"the judge ended with {status}: {err[-2000:]}"
        return json.loads(out)

    # Clocks

    def _give_clock(self, part):
        """Its wall clock will be what a file says; its monotonic clock stays the kernel's."""
        file = self.folder / f"{part.name}.clock"
        file.write_text("+0s\n", encoding="ascii")
        part.env = {
            "LD_PRELOAD": FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def shift_clock(self, name, by):
        """The wall clock of a part of `clocks` is off by that much, "+1h" or "-1h"."""
        file = self.folder / f"{name}.clock"
        new = file.with_suffix(".new")
        new.write_text(f"{by}\n", encoding="ascii")
        new.rename(file)
        self.note(f"{name}: clock {by}")
