"""A broker that is killed under one real gateway with 10,000 WebSockets: how soon it knows them all.

From the ready line of the new broker until GET stats names every channel, three times; and what
the gateway's memory grows by meanwhile.  bench_announce has larger numbers, with played gateways."""

import json
import statistics
import time

from bench import HANDSHAKE, Clients, finish, line, rss_bytes
from support.harness import Deployment
from support.waiting import wait_until

COUNT = 10000
ROUNDS = 3
LIMIT_S = 2.0


def acknowledge(worker, _):
    worker.records.clear()


def seconds_until_all(own):
    sender = own.sender()
    start = time.monotonic()

    def look():
        return json.loads(sender.ask("GET", "stats").payload)["channels"] == COUNT

    wait_until(look, 60, "every channel")
    return time.monotonic() - start


def main():
    quiet = {"ping_interval": "1h", "log_level": "error"}
    with Deployment(settings=quiet) as own:
        own.broker_settings = {f"bus_{name}": own.endpoint(name) for name in ("edges", "apps")}
        own.main = own.worker("default", handler=acknowledge, window=10000)
        clients = Clients(own.address)
        for _ in range(COUNT // 500):
            clients.open(500, HANDSHAKE)
            clients.drain(0)

        def look():
            clients.drain(0)
            return own.edge.metric("ringway_channels_live", carrier="ws") >= COUNT

        wait_until(look, 60, f"{COUNT} channels")
        pid = own.edge.process.pid
        before, times = rss_bytes(pid), []
        for _ in range(ROUNDS):
            own.broker.kill()
            own.start_broker()
            times.append(seconds_until_all(own))
            time.sleep(1)  # a client that is cut now has not outlived the restart
            clients.drain(0)
        line("10,000 WebSockets known to a new broker", statistics.median(times), "s", LIMIT_S)
        line("growth of the gateway", (rss_bytes(pid) - before) / COUNT, "bytes/WebSocket")
        clients.close()
    finish()


if __name__ == "__main__":
    main()
