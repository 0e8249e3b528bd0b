"""Clients that others wrote (npm: ws and eventsource) against the real programs.

clients.mjs holds the tests; here are the gateway, the broker, and the application they talk to.
Last line: `N passed, N failed[, N skipped]`.
"""

import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from support.harness import Deployment  # noqa: E402
from support.waiting import scaled  # noqa: E402

ROUTES = [
    ("news", {"path": "/news/{section}", "topic": "news/{section}"}),
    ("app", {"path": "/**", "service": "default"}),
]


def application(worker, record):
    """Says back what comes; `close CODE REASON` closes; a POST is published under its path."""
    if record.verb == "TEXT" and record.payload.startswith(b"close "):
        _, code, reason = record.payload.decode().split(" ", 2)
        worker.close(record.chan, code, reason)
    elif record.verb in ("TEXT", "BIN"):
        worker.send(record.chan, record.payload, bin=1 if record.verb == "BIN" else None)
    elif record.verb == "OPEN" and record.meta["method"] == "POST":
        worker.pub(record.target.removeprefix("/publish/"), record.body)
        worker.respond(record.chan, 202)


def main():
    if not (HERE / "node_modules").is_dir() or not shutil.which("node"):
        print("tests/clients/node_modules is not there: npm ci --prefix tests/clients")
        print("0 passed, 0 failed, 1 skipped")
        return 77
    deployment = Deployment(routes=ROUTES)
    try:
        deployment.start()
        deployment.worker(handler=application)
        host, port = deployment.address
        status = subprocess.run(["node", HERE / "clients.mjs", f"{host}:{port}"], check=False,
                                timeout=scaled(120)).returncode
        deployment.stop()
    except BaseException:
        deployment.abandon()
        raise
    return status


if __name__ == "__main__":
    sys.exit(main())
