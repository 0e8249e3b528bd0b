"""One play: real daemons, publishers, subscribers that come and go, and parts that are killed.

What is done follows from a seed; when exactly it happens does not, and need not: the judge knows
what must hold in any case.
"""

import contextlib
import random
import threading
import time

from carriers import CARRIERS, Ended
from model import Gap, Message, Publications, Subscriber, judge

from support.harness import Broker, Deployment, Gateway
from support.waiting import scaled, wait_until

ROOMS = ("rooms/1", "rooms/2", "rooms/3")
ROUTES = [
    ("room", {"path": "/rooms/{room}", "topic": "rooms/{room}"}),
    ("two", {"path": "/two", "topic": ["rooms/1", "rooms/2"]}),
    ("pattern", {"path": "/pattern", "topic": "rooms/*"}),
    ("both", {"path": "/both", "topic": ["rooms/**", "rooms/3"]}),
]
# What a client follows on each path.
PATHS = {
    **{"/" + room: (room,) for room in ROOMS},
    "/two": ROOMS[:2],
    "/pattern": ROOMS,
    "/both": ROOMS,
}
LEASE, HEARTBEAT = "500ms", "100ms"
SETTLE_S = 30


class Reader(threading.Thread):
    """A subscriber in a thread: connects somewhere, reads, is dropped, connects again."""

    def __init__(self, play, name, path, topics):
        super().__init__(daemon=True, name=name)
        self.play, self.path = play, path
        self.subscriber = Subscriber(name, topics)
        self.cursor = None
        self.error = None
        self.done = False
        self._connection = None
        self._random = random.Random(f"{play.seed}/{name}")

    def run(self):
        try:
            while not self.done:
                self._once()
        except BaseException as error:
            self.error = error

    def _once(self):
        name = self._random.choice(self.play.carriers)
        connection = CARRIERS[name](self.play.an_address(self._random), self.path, self.cursor)
        self._connection = connection
        try:
            for item in connection.items():
                self._take(name, item)
        except Ended:
            # As a client does: not at once, and not all at the same time.
            time.sleep(self._random.uniform(0.0, 0.1))

    def _take(self, carrier, item):
        if item[0] == "gap":
            self.subscriber.items.append(
                Gap(item[1].get("topic"), item[1]["reason"], item[1].get("count"))
            )
            return
        if item[0] == "message":
            topic, _, number = item[3].partition(" ")
            self.subscriber.items.append(Message(topic, int(number), item[1], carrier))
        elif not self.subscriber.first:
            with self.play.lock:
                self.subscriber.first = self.play.publications.next_numbers(self.subscriber.topics)
        self.cursor = item[1]

    def drop(self):
        """Its connection ends without a word."""
        if self._connection:
            self._connection.close()

    def has(self, topic, number):
        """Has it read this publication?"""
        return any(
            isinstance(item, Message) and (item.topic, item.number) == (topic, number)
            for item in reversed(self.subscriber.items)
        )


class Play:
    """A deployment and what is done to it."""

    def __init__(self, seed, edges=3, readers=8, seconds=6.0, broker=None):
        self.seed, self.edge_count = seed, edges
        self.random = random.Random(seed)
        self.seconds, self.reader_count = seconds, readers
        self.carriers = sorted(CARRIERS)
        self.publications, self.lock = Publications(), threading.Lock()
        self.deployment = Deployment(
            edges=edges,
            ipc=True,
            routes=ROUTES,
            settings={"orphan": "10s", "heartbeat": HEARTBEAT},
            broker={"edge_lease": LEASE, **(broker or {})},
        )
        # Every second one keeps its history on disk, every third one very little of it.
        if seed % 2:
            self.deployment.broker_settings["data"] = self.deployment.folder.path / "data"
        if seed % 3 == 0:
            self.deployment.broker_settings["history_count"] = 10
        self.readers, self.deeds = [], []

    def an_address(self, chance):
        """Where a client is sent by a balancer: any gateway."""
        return chance.choice(self.deployment.edges).address

    # What is done.

    def publish(self, topic):
        """One publication; what it becomes is known when it is answered."""
        with self.lock:
            number = self.publications.begin(topic)
        try:
            answer = self._sender.ask("PUB", topic, payload=f"{topic} {number}", timeout=1)
        except AssertionError:
            return number  # the broker was killed: nobody knows
        if answer.verb == "OK":
            with self.lock:
                self.publications.take(topic, number)
        return number

    def _restart(self, daemon, kind):
        """kill -9, and a new one in its place."""
        place = self.deployment.edges.index(daemon) if kind is Gateway else None
        daemon.kill()
        time.sleep(self.random.uniform(0.0, 0.8))
        fresh = kind(
            daemon.program, daemon.arguments, daemon.folder, self.deployment.env, daemon.name
        )
        fresh.start().wait_ready()
        if place is None:
            self.deployment.broker = fresh
        else:
            self.deployment.edges[place] = fresh

    def _deed(self):
        """One thing that happens."""
        name = self.random.choices(
            ("publish", "burst", "drop", "edge", "broker"), weights=(50, 10, 30, 4, 2)
        )[0]
        self.deeds.append(name)
        if name == "publish":
            self.publish(self.random.choice(ROOMS))
        elif name == "burst":
            for _ in range(self.random.randint(5, 60)):
                self.publish(self.random.choice(ROOMS))
        elif name == "drop":
            self.random.choice(self.readers).drop()
        elif name == "edge":
            self._restart(self.random.choice(self.deployment.edges), Gateway)
        else:
            self._restart(self.deployment.broker, Broker)

    # The whole.

    def run(self):
        """Plays; returns sentences about what was wrong."""
        with self.deployment as deployment:
            self._sender = deployment.sender()
            self._start_readers()
            end = time.monotonic() + self.seconds
            while time.monotonic() < end:
                self._deed()
                time.sleep(self.random.uniform(0.0, 0.03))
            deployment.wait_joined(20)
            wrong = self._settle()
            self._stop_readers()
        return wrong + judge(self.publications, [reader.subscriber for reader in self.readers])

    def _start_readers(self):
        for number in range(self.reader_count):
            path = self.random.choice(sorted(PATHS))
            self.readers.append(Reader(self, f"reader{number}", path, PATHS[path]))
        for reader in self.readers:
            reader.start()

    def _settle(self):
        """A last publication in each topic must reach everybody; a client that was away for it may
        have been told a gap instead, and gets the next one."""
        end = time.monotonic() + scaled(SETTLE_S)
        last = {}
        while time.monotonic() < end and not (last and self._all_have(last)):
            last = {topic: self._publish_surely(topic) for topic in ROOMS}
            with contextlib.suppress(AssertionError):
                wait_until(lambda: self._all_have(last), 2)  # noqa: B023 called at once
        late = [] if self._all_have(last) else ["not everybody had the last publications"]
        return late + [f"{r.name}: {r.error!r}" for r in self.readers if r.error]

    def _all_have(self, last):
        return all(
            reader.error or all(reader.has(t, last[t]) for t in reader.subscriber.topics)
            for reader in self.readers
        )

    def _publish_surely(self, topic):
        number = self.publish(topic)
        while (topic, number) not in self.publications.taken:
            number = self.publish(topic)
        return number

    def _stop_readers(self):
        for reader in self.readers:
            reader.done = True
        for reader in self.readers:
            reader.drop()
            reader.join(20)
