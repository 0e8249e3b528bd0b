"""Real daemons for the system tests: started on ports the kernel picks, stopped by their own pid.

RINGWAY_BIN names the folder of the programs (default: the top of the build tree), so that the
same cases run under sanitizer builds.  RINGWAY_KEEP=1 keeps the temporary folders.
"""

import http.client
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from support.waiting import scaled, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
_REPORT = re.compile(
    r"(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|SUMMARY: \w+Sanitizer"
    r"|Assertion .* failed|stack smashing|double free)"
)


def program_path(name):
    """Where the program is that a test shall start."""
    folder = os.environ.get("RINGWAY_BIN", str(ROOT))
    path = pathlib.Path(folder).resolve() / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built")
    return path


def clean_environment(extra=None):
    """The environment of a daemon: ours without settings that would leak into it."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("RINGWAY_")}
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    env.update(extra or {})
    return env


def flags(settings):
    """{"open_timeout": "1s", "listen": [..]} as --open-timeout 1s --listen .. --listen .."""
    words = []
    for name, value in settings.items():
        for item in value if isinstance(value, (list, tuple)) else [value]:
            words += ["--" + name.replace("_", "-"), str(item)]
    return words


def write_config(path, settings=None, routes=None):
    """A configuration file as the daemons read it.

    routes: list of (name, {option: value or list of values}); an empty list means the default.
    """
    lines = [f"{name.replace('_', '-')} = {value}" for name, value in (settings or {}).items()]
    if routes:
        lines.append("routes")
        for name, options in routes:
            lines.append(f"    {name}")
            for key, value in options.items():
                for item in value if isinstance(value, (list, tuple)) else [value]:
                    lines.append(f"        {key.replace('_', '-')} = {quote(str(item))}")
    pathlib.Path(path).write_text("\n".join(lines) + "\n", encoding="ascii")


def quote(value):
    """A value of the configuration file, in quotes where it holds a comment sign."""
    return f'"{value}"' if "#" in value or value != value.strip() else value


class Ready:
    """The ready line of a program: bare words are client addresses, the rest key=value."""

    def __init__(self, line):
        self.line = line
        self.listens = []
        self.values = {}
        for word in line.split()[1:]:
            key, equals, value = word.partition("=")
            if equals and "/" not in key and ":" not in key:
                self.values.setdefault(key, value)
            else:
                self.listens.append(word)

    @staticmethod
    def host_port(url):
        """("127.0.0.1", 8080) of "http://127.0.0.1:8080/"; a path for "unix:PATH"."""
        rest = url.split("://", 1)[-1] if "://" in url else url
        if rest.startswith("unix:"):
            return rest[5:]
        rest = rest.split("/", 1)[0]
        host, _, port = rest.rpartition(":")
        return host.strip("[]"), int(port)


class Daemon:
    """One program that runs; `log()` is what it wrote to stderr, `out()` to stdout."""

    def __init__(self, program, arguments, folder, env=None, name=None):
        self.program = program
        self.arguments = [str(word) for word in arguments]
        self.folder = pathlib.Path(folder)
        self.env = clean_environment(env)
        self.name = name or program
        # Words before the program, of a command that becomes it: another namespace, a limit.
        self.prefix = []
        self.process = None
        self.ready = None
        self._files = []

    def start(self):
        """Starts it without waiting."""
        self._files = [open(self.folder / f"{self.name}.{end}", "ab") for end in ("out", "err")]
        self._start_out = self._files[0].tell()
        self.process = subprocess.Popen(
            [*self.prefix, str(program_path(self.program)), *self.arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._files[0],
            stderr=self._files[1],
            cwd=self.folder,
            env=self.env,
        )
        return self

    @property
    def pid(self):
        return self.process.pid

    def out(self):
        text = (self.folder / f"{self.name}.out").read_bytes()
        return text[self._start_out :].decode("utf-8", "replace")

    def log(self):
        return (self.folder / f"{self.name}.err").read_bytes().decode("utf-8", "replace")

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def wait_ready(self, seconds=15):
        """Waits for the ready line."""

        def look():
            for line in self.out().splitlines(keepends=True):
                if line.startswith("ready") and line.endswith("\n"):
                    return Ready(line)
            assert self.is_running(), (
                f"{self.name} ended with {self.process.returncode}: {self.log()[-2000:]}"
            )
            return None

        self.ready = wait_until(look, seconds, f"the ready line of {self.name}")
        return self.ready

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, seconds=20):
        """Waits for the end; returns the status."""
        try:
            status = self.process.wait(scaled(seconds))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(
                f"{self.name} did not stop within {seconds} s: {self.log()[-2000:]}"
            ) from None
        self._close_files()
        return status

    def stop(self, seconds=20):
        """SIGTERM; asserts status 0 and a log without a sanitizer's report."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        self.end_well(seconds)

    def end_well(self, seconds=20):
        """Waits for the end: status 0 and no report of a sanitizer."""
        status = self.wait_exit(seconds)
        self.process = None
        self.check_log()
        assert status == 0, f"{self.name} ended with {status}: {self.log()[-2000:]}"

    def kill(self):
        """SIGKILL: it never has a chance to say goodbye."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            self.process = None
        self._close_files()

    def _close_files(self):
        for file in self._files:
            file.close()
        self._files = []

    def check_log(self):
        found = _REPORT.search(self.log())
        assert not found, f"{self.name} reported: {self.log()[max(0, found.start() - 200):][:4000]}"

    def rss_bytes(self):
        """Resident memory now; 0 of a sanitizer build, whose memory says nothing."""
        if self.is_sanitized():
            return 0
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) * 1024

    def is_sanitized(self):
        """Is this a sanitizer build?  The shadow of one takes terabytes."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmSize:\s+(\d+) kB", text).group(1)) > 1 << 30

    def cpu_seconds(self):
        """User and system time used so far."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8")
        fields = fields.rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def ops(self):
        """(host, port) of the operations port."""
        return Ready.host_port(self.ready.values["ops"])

    def get_ops(self, path, seconds=5):
        """(status, text) of a page of the operations port."""
        connection = http.client.HTTPConnection(*self.ops, timeout=scaled(seconds))
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def is_ready(self):
        """Does /readyz say yes?"""
        try:
            return self.get_ops("/readyz")[0] == 200
        except OSError:
            return False

    def metric(self, name, **labels):
        """Sum of the metric's lines that carry these labels; 0 if it has none."""
        total = 0.0
        for line in self.get_ops("/metrics")[1].splitlines():
            found = re.fullmatch(r"([A-Za-z0-9_:]+)(?:\{(.*)\})? (\S+)", line)
            if not found or found.group(1) != name:
                continue
            has = dict(re.findall(r'(\w+)="([^"]*)"', found.group(2) or ""))
            if all(has.get(key) == value for key, value in labels.items()):
                total += float(found.group(3))
        return total


class Gateway(Daemon):
    """ringway-gateway, or ringway; `address` is where clients connect."""

    @property
    def address(self):
        return Ready.host_port(self.ready.listens[0])

    @property
    def addresses(self):
        return [Ready.host_port(url) for url in self.ready.listens]


class Broker(Daemon):
    """ringway-broker; its endpoints by name: edges, apps, tap, pull, sub."""

    def endpoint(self, name):
        return self.ready.values[name]


class Folder:
    """A temporary folder, removed with the deployment."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="ringway-"))

    def remove(self):
        if os.environ.get("RINGWAY_KEEP") != "1":
            shutil.rmtree(self.path, ignore_errors=True)


class Deployment:
    """A broker and `edges` gateways, in a temporary folder, as a context manager.

      settings  of the gateways, {"head_timeout": "1s"}; `broker` settings apart
      routes    [("chat", {"path": "/chat", "service": "chat"})]; none: the default route
      ipc       broker endpoints are sockets in the folder, so that they outlive a restart
    """

    def __init__(self, edges=1, settings=None, routes=None, broker=None, ipc=False, env=None):
        self.folder = Folder()
        self.settings = {"drain_grace": "1s", **(settings or {})}
        self.broker_settings = dict(broker or {})
        self.routes = routes
        self.ipc = ipc
        self.env = env
        self.edge_count = edges
        self.broker = None
        self.edges = []
        self.workers = []
        self.clients = []

    # Parts, so that a test can start them in another order.

    def start_broker(self):
        """Starts the broker and waits for its ready line."""
        settings = {"ops_listen": "127.0.0.1:0"}
        for name in ("edges", "apps", "tap", "pull", "sub"):
            settings["bus_" + name] = self.planned(name) if self.ipc else "tcp://127.0.0.1:0"
        settings.update(self.broker_settings)
        self.broker = Broker("ringway-broker", flags(settings), self.folder.path, self.env)
        self.broker.start().wait_ready()
        return self.broker

    def planned(self, name):
        """The endpoint of an ipc deployment, known before the broker runs."""
        return f"ipc://{self.folder.path}/{name}"

    def endpoint(self, name):
        """Where the broker's port is: edges, apps, tap, pull or sub."""
        return self.planned(name) if self.ipc else self.broker.endpoint(name)

    def start_edge(self, **more):
        """Starts one more gateway; the keyword arguments are settings."""
        number = len(self.edges) + 1
        config = self.folder.path / f"edge{number}.conf"
        write_config(config, {}, self.routes)
        settings = {
            "listen": "127.0.0.1:0",
            "ops_listen": "127.0.0.1:0",
            "broker": self.endpoint("edges"),
            "edge_name": f"edge{number}",
            **self.settings,
            **more,
        }
        words = ["--config", config] + flags(settings)
        edge = Gateway("ringway-gateway", words, self.folder.path, self.env, f"edge{number}")
        self.edges.append(edge)
        edge.start().wait_ready()
        return edge

    def restart_edge(self, meanwhile=lambda: None):
        """Kills the only gateway, and starts another one on its port."""
        host, port = self.address
        self.edge.kill()
        self.edges.clear()
        meanwhile()
        self.start_edge(listen=f"{host}:{port}")
        self.wait_joined()

    def start(self):
        self.start_broker()
        for _ in range(self.edge_count):
            self.start_edge()
        self.wait_joined()
        return self

    def wait_joined(self, seconds=10):
        """Until every gateway is joined to the broker."""
        for edge in self.edges:
            wait_until(edge.is_ready, seconds, f"/readyz of {edge.name}")

    @property
    def edge(self):
        return self.edges[0]

    @property
    def address(self):
        return self.edge.address

    def daemons(self):
        return [daemon for daemon in [self.broker, *self.edges] if daemon is not None]

    def are_running(self):
        return all(daemon.is_running() for daemon in self.daemons())

    def worker(self, service="default", **options):
        """A worker of this deployment, joined; stopped with it."""
        from support.worker import Worker

        worker = Worker(self.endpoint("apps"), service, **options)
        self.workers.append(worker)
        return worker.start()

    def sender(self):
        """An application peer that joins nothing."""
        return self.worker(None)

    def http(self, edge=0, **options):
        """A raw HTTP connection; closed with the deployment."""
        from support.http_client import HttpClient

        client = HttpClient(self.edges[edge].address, **options)
        self.clients.append(client)
        return client

    def ws(self, target="/", edge=0, **options):
        """A raw WebSocket after its handshake; closed with the deployment."""
        from support.ws_client import WsClient

        client = WsClient.connect(self.edges[edge].address, target, **options)
        self.clients.append(client)
        return client

    def close_clients(self):
        for client in self.clients:
            client.close()
        self.clients = []

    def stop(self, seconds=20):
        """Stops everything; all daemons must end well."""
        self.close_clients()
        for worker in self.workers:
            worker.stop()
        self.workers = []
        errors = []
        for daemon in self.edges + [self.broker]:
            if daemon is None:
                continue
            try:
                daemon.stop(seconds)
            except AssertionError as error:
                errors.append(str(error))
        self.edges, self.broker = [], None
        assert not errors, "; ".join(errors)

    def abandon(self):
        """After a failure: everything goes, nothing is asserted."""
        self.close_clients()
        for worker in self.workers:
            worker.stop()
        for daemon in self.daemons():
            daemon.kill()
        self.folder.remove()

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.abandon()
            raise

    def __exit__(self, kind, error, trace):
        if kind is not None:
            self.abandon()
            return False
        try:
            self.stop()
        except BaseException:
            self.abandon()
            raise
        self.folder.remove()
        return False


def run_program(program, *arguments, env=None, seconds=15, folder=None):
    """Runs a program that is to end by itself: (status, stdout, stderr, seconds)."""
    began = time.monotonic()
    done = subprocess.run(
        [str(program_path(program)), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=scaled(seconds),
        env=clean_environment(env),
        cwd=folder,
        check=False,
    )
    return (
        done.returncode,
        done.stdout.decode("utf-8", "replace"),
        done.stderr.decode("utf-8", "replace"),
        time.monotonic() - began,
    )
