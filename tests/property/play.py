"""One play: real daemons, publishers, an application, subscribers and clients with sessions that
come and go, and parts that are killed.

What is done follows from a seed; when exactly it happens does not, and need not: the judge knows
what must hold in any case.
"""

import contextlib
import random
import threading
import time

from application import Application
from carriers import CARRIERS, Ended
from model import Gap, Message, Publications, Subscriber, direct, judge
from session_model import judge_sessions
from visitor import Visitor

from support.balancer import Balancer
from support.harness import Broker, Deployment, Gateway
from support.waiting import scaled, wait_until

ROOMS = ("rooms/1", "rooms/2", "rooms/3")
ROUTES = [
    ("room", {"path": "/rooms/{room}", "topic": "rooms/{room}"}),
    ("two", {"path": "/two", "topic": ["rooms/1", "rooms/2"]}),
    ("pattern", {"path": "/pattern", "topic": "rooms/*"}),
    ("both", {"path": "/both", "topic": ["rooms/**", "rooms/3"]}),
    ("chat", {"path": "/chat/{name}", "service": "default", "session": "on"}),
]
# What a client follows on each path.
PATHS = {
    **{"/" + room: (room,) for room in ROOMS},
    "/two": ROOMS[:2],
    "/pattern": ROOMS,
    "/both": ROOMS,
}
LEASE, HEARTBEAT, GRACE_S = "500ms", "100ms", 3
SETTLE_S = 30
# How often each thing happens.
DEEDS = {
    "publish": 50, "burst": 10, "drop": 20, "edge": 4, "broker": 2,
    "send": 50, "burst of sends": 8, "say": 50, "burst of says": 5, "visitor drop": 25,
    "subscribe": 20, "unsubscribe": 8, "leave": 1, "stay away": 1, "close": 1,
}


class Stage(Deployment):
    """Gateways that a balancer finds again: each has a socket with a name."""

    balanced = False

    def start_edge(self, **more):
        if self.balanced:
            more["listen"] = f"unix:{self.folder.path}/clients{len(self.edges) + 1}"
        return super().start_edge(**more)


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

    def __init__(self, seed, edges=3, readers=5, visitors=4, uncounted=1,
                 seconds=6.0):
        self.seed, self.edge_count = seed, edges
        self.random = random.Random(seed)
        self.seconds, self.reader_count, self.visitor_count = seconds, readers, visitors
        self.uncounted = uncounted  # visitors that do not number what they say
        self.carriers = sorted(CARRIERS)
        self.publications, self.lock = Publications(), threading.RLock()
        self.deployment = Stage(
            edges=edges,
            ipc=True,
            routes=ROUTES,
            settings={"orphan": "10s", "heartbeat": HEARTBEAT},
            broker={"edge_lease": LEASE, "session_grace": f"{GRACE_S}s"},
        )
        # Every second one keeps its history on disk, every third one very little of it; of five,
        # two have a balancer before them.
        if seed % 2:
            self.deployment.broker_settings["data"] = self.deployment.folder.path / "data"
        if seed % 3 == 0:
            self.deployment.broker_settings.update(history_count=10, session_ring="1KiB")
        self.deployment.balanced = seed % 5 in (2, 4)
        self.balancer = self.application = None
        self.readers, self.visitors, self.deeds = [], [], []
        self._turn = 0

    def an_address(self, chance):
        """Where a client is sent: by the balancer, or to any gateway."""
        return self.balancer.address if self.balancer else chance.choice(
            self.deployment.edges).address

    def next_address(self):
        """The same, in turn."""
        self._turn += 1
        edges = self.deployment.edges
        return self.balancer.address if self.balancer else edges[self._turn % len(edges)].address

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
        if kind is Broker:
            self._excuse()
        time.sleep(self.random.uniform(0.0, 0.8))
        fresh = kind(
            daemon.program, daemon.arguments, daemon.folder, self.deployment.env, daemon.name
        )
        fresh.start().wait_ready()
        if place is None:
            self.deployment.broker = fresh
        else:
            self.deployment.edges[place] = fresh

    def _excuse(self):
        """What clients that do not count were just saying may be lost without a word."""
        with self.lock:
            for visitor in self.visitors:
                if visitor.session and not visitor.counts:
                    visitor.session.excused = True

    def _deed(self, deeds):
        """One thing that happens; deeds: how often each does."""
        name = self.random.choices(list(deeds), weights=deeds.values())[0]
        self.deeds.append(name)
        times = self.random.randint(5, 60) if name.startswith("burst") else 1
        room, visitor = self.random.choice(ROOMS), self.random.choice(self.visitors)
        if name in ("publish", "burst"):
            for _ in range(times):
                self.publish(self.random.choice(ROOMS))
        elif name == "drop":
            self.random.choice(self.readers).drop()
        elif name == "edge":
            self._restart(self.random.choice(self.deployment.edges), Gateway)
        elif name == "broker":
            self._restart(self.deployment.broker, Broker)
        elif name in ("say", "burst of says"):
            for _ in range(times):
                visitor.say()
        elif name == "visitor drop":
            visitor.drop()
        elif name == "leave":
            visitor.leave()
        elif name == "stay away":
            visitor.stay_away(self.random.uniform(0.5, 1.5 * GRACE_S))
        else:
            self._deed_of_application(name, times, room)

    def _deed_of_application(self, name, times, room):
        channels = self.application.channels()
        channel = self.random.choice(channels) if channels else None
        if not channel:
            return
        if name in ("send", "burst of sends"):
            for _ in range(times):
                self.application.send(channel)
        elif name == "subscribe":
            self.application.subscribe(channel, room)
        elif name == "unsubscribe":
            self.application.unsubscribe(channel, room)
        else:
            self.application.close(channel)

    # The whole.

    def run(self):
        """Plays; returns sentences about what was wrong."""
        with self.deployment as deployment, contextlib.ExitStack() as stack:
            if deployment.balanced:
                addresses = [edge.address for edge in deployment.edges]
                self.balancer = stack.enter_context(Balancer(deployment.folder.path, addresses))
            self._sender = deployment.sender()
            self.start_application(deployment.endpoint("apps"))
            self.start_clients()
            end = time.monotonic() + self.seconds
            while time.monotonic() < end:
                self._deed(DEEDS)
                time.sleep(self.random.uniform(0.0, 0.02))
            deployment.wait_joined(20)
            wrong = self._settle()
            wrong += self._stop()
        readers = [reader.subscriber for reader in self.readers]
        readers += [session.reader for session in self.sessions()]
        return wrong + judge(self.publications, readers) + judge_sessions(self.sessions())

    def sessions(self):
        return list(self.application.sessions.values()) if self.application else []

    def start_application(self, endpoint):
        """The one that the sessions belong to, where applications connect."""
        self.application = Application(self, endpoint)
        self.application.start()

    def start_clients(self):
        """All readers and visitors."""
        for number in range(self.reader_count):
            path = self.random.choice(sorted(PATHS))
            self.readers.append(Reader(self, f"reader{number}", path, PATHS[path]))
        for number in range(self.visitor_count):
            self.visitors.append(Visitor(self, f"visitor{number}", counts=number >= self.uncounted))
        for client in self.readers + self.visitors:
            client.start()

    def _settle(self):
        """A last publication in each topic, and a last message to and from each session, must reach
        everybody; a client that was away for it may have been told a gap instead, and gets the
        next one."""
        end = time.monotonic() + scaled(SETTLE_S)
        last, late = {}, ["nothing was published"]
        for visitor in self.visitors:
            visitor.say()
        while time.monotonic() < end and late:
            last = {topic: self._publish_surely(topic) for topic in ROOMS}
            for channel in self.application.channels():
                last[direct(channel.id)] = self.application.send(channel)
            with contextlib.suppress(AssertionError):
                wait_until(lambda: not self._late(last), 2)  # noqa: B023 called at once
            late = self._late(last)
        return late + [f"{c.name}: {c.error!r}" for c in self.readers + self.visitors if c.error]

    def _late(self, last):
        """Sentences about who lacks the last ones."""
        late = [f"{reader.name} lacks the last of {topic}" for reader in self.readers
                for topic in reader.subscriber.topics
                if not reader.error and not reader.has(topic, last[topic])]
        for visitor in self.visitors:
            if not visitor.error:
                late += self._late_visitor(visitor, last)
        return late

    def _late_visitor(self, visitor, last):
        with self.lock:
            if not visitor.is_silent():
                return [f"{visitor.name} has no session, or what it said was not taken"]
            topics = [direct(visitor.session.sid)]
            topics += [topic for topic in ROOMS if self._follows(visitor.session, topic)]
            return [f"{visitor.name} lacks the last of {topic}" for topic in topics
                    if topic not in last or not visitor.has(topic, last[topic])]

    @staticmethod
    def _follows(session, topic):
        span = session.span(topic)
        return span is not None and span.first is not None and span.last is None

    def _publish_surely(self, topic):
        number = self.publish(topic)
        while (topic, number) not in self.publications.taken:
            number = self.publish(topic)
        return number

    def _stop(self):
        """All sessions end; returns sentences about those that do not."""
        for reader in self.readers:
            reader.done = True
        for reader in self.readers:
            reader.drop()
            reader.join(20)
        living = [visitor.session for visitor in self.visitors if visitor.session]
        for session in living:
            session.settled = True
        for visitor in self.visitors:
            visitor.leave(for_good=True)
        late = []
        try:
            wait_until(lambda: not self._unfinished(), 30, "the end of all sessions")
        except AssertionError as error:
            late = [f"{error}: {self._unfinished()}"]
        for visitor in self.visitors:
            visitor.stop()
        self.application.stop()
        return late + ([f"application: {self.application.error!r}"] if self.application.error else [])

    def _unfinished(self):
        """Sessions that have not ended for their client, or for their application."""
        with self.lock:
            left = [visitor.name for visitor in self.visitors if visitor.session]
            return left + [channel.id for channel in self.application.channels()]
