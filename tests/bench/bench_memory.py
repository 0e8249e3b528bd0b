"""Memory of idle channels in the gateway: growth of its resident memory over the count.

10,000 WebSockets, suspended polls and streams; every event was acknowledged before it is measured,
and a few hundred were opened and closed before, so that fixed costs do not count."""

from bench import HANDSHAKE, REQUEST, Clients, descriptors, finish, line, rss_bytes
from support.harness import Deployment
from support.waiting import wait_until

COUNT = 10000
WARM = 500
KIB = 1024


def behave_as(kind):
    def behave(worker, event):
        if event.verb == "OPEN" and kind == "stream":
            worker.send(event.chan, b"begun")
        worker.records.clear()

    return behave


def settled(own, clients, count):
    """All channels are open and all their events acknowledged."""
    def look():
        clients.drain(0)
        return own.edge.metric("ringway_channels_live", carrier=carrier_of[own.kind]) >= count
    wait_until(look, 60, f"{count} channels")
    for _ in range(20):
        clients.drain(0.05)


carrier_of = {"websocket": "ws", "poll": "http", "stream": "http"}


def measure(kind, settings):
    first = HANDSHAKE if kind == "websocket" else REQUEST
    quiet = {"answer_timeout": "0s", "ping_interval": "1h", "log_level": "error"}
    with Deployment(settings={**quiet, **settings}) as own:
        own.kind = kind
        own.main = own.worker("default", handler=behave_as(kind), window=10000)
        warm = Clients(own.address)
        warm.open(WARM, first)
        settled(own, warm, WARM)
        warm.close()
        wait_until(lambda: own.edge.metric("ringway_connections") == 0, 30, "the warm-up's end")
        pid = own.edge.process.pid
        before, fds = rss_bytes(pid), descriptors(pid)
        clients = Clients(own.address)
        for _ in range(COUNT // 500):
            clients.open(500, first)
            clients.drain(0)
        settled(own, clients, COUNT)
        each = (rss_bytes(pid) - before) / COUNT
        per_fd = (descriptors(pid) - fds) / COUNT
        clients.close()
        return each, per_fd


def main():
    small = {"head_bytes": "4KiB"}
    each, per_fd = measure("websocket", {})
    line("memory of an idle WebSocket", each / KIB, "KiB", 1.0)
    line("descriptors of an idle WebSocket", per_fd, "", 1.0)
    for kind in ("poll", "stream"):
        each, _ = measure(kind, small)
        line(f"memory of a suspended {kind}, head-bytes 4KiB", each / KIB, "KiB", 6.0)
        each, _ = measure(kind, {})
        line(f"memory of a suspended {kind}, default", each / KIB, "KiB")
    finish()


if __name__ == "__main__":
    main()
