"""Debian's haproxy in front of several gateways, each request or connection to the next one."""

import shutil
import socket
import subprocess

from support.case import Skip
from support.waiting import wait_until

CONFIG = """
global
    maxconn 1000
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
    option http-server-close
    option http-no-delay
frontend clients
    bind fd@{fd}
    default_backend edges
backend edges
    balance roundrobin
{servers}
"""


def server_of(address):
    """As haproxy names it: a host and a port, or the path of a socket."""
    return f"unix@{address}" if isinstance(address, str) else "%s:%d" % address


class Balancer:
    """A context manager; `address` is where clients connect."""

    def __init__(self, folder, addresses):
        self.program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
        if not self.program:
            raise Skip("haproxy is not installed (package haproxy)")
        self.folder, self.addresses = folder, addresses

    def __enter__(self):
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = listener.getsockname()[:2]
        servers = "".join(
            f"    server edge{number} {server_of(address)}\n"
            for number, address in enumerate(self.addresses)
        )
        path = self.folder / "haproxy.cfg"
        text = CONFIG.format(fd=listener.fileno(), servers=servers)
        path.write_text(text, encoding="ascii")
        self.log = open(self.folder / "haproxy.err", "wb")
        self.process = subprocess.Popen(
            [self.program, "-db", "-f", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            pass_fds=[listener.fileno()],
        )
        listener.close()
        wait_until(self._answers, 10, "haproxy")
        return self

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "haproxy.err").read_text()
        with socket.create_connection(self.address, timeout=5) as connection:
            connection.sendall(b"GET /nowhere HTTP/1.0\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()
