"""The broker under load is killed again and again, and its history comes back each time.

    run.py [--kills N] [--seed N]

  --kills   how often (default 50)
  --seed    of the times between kills and of the clients that are dropped (default 1)

Publishers with durable=1 repeat each publication until it is answered, others do not.  Subscribers, edges
of their own and clients of two gateways over every carrier, are dropped now and then and resume by
cursor.  In the end the judge of the property test
says what they missed, and:

- every publication with durable=1 reached everybody, once, in order;
- the same is found by one that comes then, and by one that shows the first cursor;
- `PRAGMA integrity_check` finds nothing.

Last line: `N passed, N failed`.  Exit 1 when anything was wrong.
"""

import argparse
import pathlib
import random
import sqlite3
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "property"), str(HERE.parent)]

from edge_reader import EdgeReader
from load import Publisher
from model import Message, Publications, judge
from play import Reader

from carriers import CARRIERS

from support.harness import Broker, Deployment
from support.waiting import scaled, wait_until

DURABLE = ("store/1", "store/2")
FLEETING = ("store/3",)
ROUTES = [("store", {"path": "/store/{number}", "topic": "store/{number}"})]
READERS = 12  # two edges and two clients of each topic
SETTLE_S = 60


class Siege:
    """A deployment, its load, and the kills."""

    def __init__(self, kills, seed):
        self.kills, self.seed = kills, seed
        self.random = random.Random(seed)
        self.publications, self.lock = Publications(), threading.Lock()
        # All that is published is held, so that no gap is allowed where it is durable.
        self.deployment = Deployment(
            edges=2,
            ipc=True,
            routes=ROUTES,
            settings={"orphan": "30s", "heartbeat": "100ms"},
            broker={
                "data": "data",
                "edge_lease": "1s",
                "history_count": "1000000",
                "history_age": "1h",
                "history_bytes": "64MiB",
            },
        )
        self.carriers = sorted(CARRIERS)
        self.readers, self.publishers, self.wrong = [], [], []
        self.restart_s = []

    def an_address(self, chance):
        """Where a balancer sends a client."""
        return chance.choice(self.deployment.edges).address

    def _next_numbers(self, topics):
        with self.lock:
            return self.publications.next_numbers(topics)

    def run(self):
        """Sentences about what was wrong."""
        with self.deployment as deployment:
            self._start_readers()
            self._start_publishers()
            for _ in range(self.kills):
                time.sleep(self.random.uniform(0.1, 0.9))
                self._kill_while_some_are_away()
            deployment.wait_joined(20)
            time.sleep(scaled(0.5))
            self._stop(self.publishers)
            self._settle()
            self._look_again()
            self._stop(self.readers)
            self.wrong += self._integrity()
        self._judge()
        return self.wrong

    def _start_readers(self):
        for number in range(READERS):
            topic = (DURABLE + FLEETING)[number % 3]
            make = self._edge if number % 2 else self._client
            self.readers.append(make(f"reader{number}", topic))
        wait_until(lambda: all(r.subscriber.first for r in self.readers), 20, "all readers are ready")

    def _edge(self, name, topic, cursor=None):
        edges = self.deployment.endpoint("edges")
        reader = EdgeReader(edges, name, topic, self._next_numbers, cursor)
        reader.start()
        return reader

    def _client(self, name, topic, cursor=None):
        reader = Reader(self, name, "/" + topic, (topic,))
        reader.topic, reader.cursor = topic, cursor
        reader.start()
        return reader

    def _start_publishers(self):
        apps = self.deployment.endpoint("apps")
        for topic in DURABLE + FLEETING:
            one = Publisher(apps, topic, self.publications, self.lock, topic in DURABLE)
            self.publishers.append(one)
            one.start()

    def _kill_while_some_are_away(self):
        """Those must be told what they cannot know to be missing."""
        self.random.choice(self.readers).drop()
        edges = [reader for reader in self.readers if isinstance(reader, EdgeReader)]
        away = [self.random.choice(edges), self.random.choice(self._of(FLEETING, edges))]
        for reader in away:
            reader.leave()
        time.sleep(self.random.uniform(0.0, 0.1))
        self._kill()
        for reader in away:
            reader.come()

    def _of(self, topics, readers=None):
        return [reader for reader in readers or self.readers if reader.topic in topics]

    def _kill(self):
        old = self.deployment.broker
        old.kill()
        began = time.monotonic()
        fresh = Broker(old.program, old.arguments, old.folder, self.deployment.env, old.name)
        fresh.start().wait_ready()
        self.restart_s.append(time.monotonic() - began)
        self.deployment.broker = fresh

    def _stop(self, threads):
        for thread in threads:
            thread.done = True
        for thread in threads:
            if isinstance(thread, Reader):
                thread.drop()
            thread.join(scaled(20))
            if thread.is_alive() or thread.error:
                self.wrong.append(f"{thread.name}: {thread.error or 'does not end'!r}")

    def _last(self, topic):
        return max((n for t, n in self.publications.taken if t == topic), default=0)

    def _settle(self):
        """The last durable publications reach everybody."""
        last = {topic: self._last(topic) for topic in DURABLE}
        for topic in DURABLE:
            if last[topic] == 0:
                self.wrong.append(f"{topic}: nothing was published")
        wait_until(
            lambda: all(
                reader.error or reader.has(reader.topic, last[reader.topic])
                for reader in self._of(DURABLE)
            ),
            SETTLE_S,
            "everybody has the last durable publications",
        )

    def _look_again(self):
        """Somebody who shows the first cursor of a reader gets everything after it again."""
        for topic in DURABLE:
            known = self._of([topic])[0]
            first = next(i for i in known.subscriber.items if isinstance(i, Message))
            for make in (self._edge, self._client):
                late = make(f"late-{make.__name__}-{topic[-1]}".replace("_", ""), topic, first.cursor)
                late.subscriber.first = {topic: first.number + 1}
                self.readers.append(late)
                wait_until(lambda: late.has(topic, self._last(topic)), SETTLE_S, "all of it again")

    def _judge(self):
        self.wrong += judge(self.publications, [reader.subscriber for reader in self.readers])
        for reader in self._of(DURABLE):
            self.wrong += self._missing(reader.subscriber, reader.topic)

    def _missing(self, reader, topic):
        """Durable publications that were answered OK and not read, gap or no gap."""
        has = {item.number for item in reader.items if isinstance(item, Message)}
        must = {n for t, n in self.publications.taken if t == topic and n >= reader.first[topic]}
        lost = sorted(must - has)
        return [f"{reader.name}: {topic} {lost[:5]} was acknowledged and is not there"] if lost else []

    def _integrity(self):
        database = sqlite3.connect(self.deployment.folder.path / "data" / "history.db")
        found = [row[0] for row in database.execute("PRAGMA integrity_check")]
        database.close()
        return [f"integrity_check: {found[:3]}"] if found != ["ok"] else []


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    siege = Siege(options.kills, options.seed)
    try:
        wrong = siege.run()
    except Exception as error:
        wrong = [*siege.wrong, f"{type(error).__name__}: {error}"]
    taken = {topic: 0 for topic in DURABLE + FLEETING}
    for topic, _ in siege.publications.taken:
        taken[topic] += 1
    read = sum(len(reader.subscriber.items) for reader in siege.readers)
    restarts = siege.restart_s or [0]
    print(
        f"{'FAIL' if wrong else 'pass'} {len(siege.restart_s)} kills, seed {options.seed}: "
        f"acknowledged {taken}, {read} read, ready again in {1000 * max(restarts):.0f} ms at most "
        f"({time.monotonic() - began:.0f} s)"
    )
    for line in wrong[:10]:
        print(f"    {line}")
    print(f"{int(not wrong)} passed, {int(bool(wrong))} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
