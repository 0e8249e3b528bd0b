"""Topics under faults: the readers and the judge of the property test, on the machines of a stage.

Readers follow topics and patterns over all carriers, come back with their cursor to any gateway, and
an application on `work1` publishes.  A seed decides what they do, the scenario what is done to the
parts meanwhile.
"""

import pathlib
import sys
import threading
import time

from stage import APP_PORT, CLIENT_PORT, Stage
from support.waiting import wait_until
from support.worker import Worker

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "property"))
from model import Gap, Message, judge  # noqa: E402
from play import ROOMS, ROUTES, Play  # noqa: E402

READERS = 12
DEEDS = {"publish": 60, "burst": 5, "drop": 40}  # how often each is done
LEAST_READ = 500  # messages before the fault


class Company(Play):
    """Everybody who uses the stage; lives in its namespaces."""

    def __init__(self, stage, seed):
        super().__init__(seed, readers=READERS)
        self.deployment.folder.remove()  # the stage has one, and other daemons
        self.stage = stage
        self.failure = None
        self._thread = None
        self._over = threading.Event()

    def an_address(self, chance):
        """One of those that a balancer would choose from."""
        edge = chance.choice([e for e in self.stage.edges if e.name not in self.stage.avoided])
        return self.stage.net.address(edge.node, "clients"), CLIENT_PORT

    def begin(self):
        """Everybody comes, and goes on until end()."""
        net = self.stage.net
        # A thread, and a socket that it makes, is where the thread began that made it.
        with net.inside("work1"):
            self._sender = Worker(f"tcp://{net.address('broker', 'work1')}:{APP_PORT}", None)
            self._sender.start()
        with net.inside("clients"):
            self._start_readers()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._thread.start()

    def _go_on(self):
        try:
            while not self._over.is_set():
                self._do(self.random.choices(list(DEEDS), weights=DEEDS.values())[0])
                time.sleep(self.random.uniform(0.0, 0.02))
        except BaseException as error:
            self.failure = error

    def _do(self, name):
        if name == "drop":
            self.random.choice(self.readers).drop()
            return
        for _ in range(self.random.randint(5, 60) if name == "burst" else 1):
            self.publish(self.random.choice(ROOMS))

    def drop_all(self):
        """All connections of clients end without a word."""
        for reader in self.readers:
            reader.drop()

    def items(self):
        """What was read, of all readers."""
        return [item for reader in self.readers for item in reader.subscriber.items]

    def end(self):
        """What was wrong, as sentences."""
        self._over.set()
        self._thread.join(30)
        wrong = self._settle()
        self._stop_readers()
        self._sender.stop()
        if self.failure:
            wrong.append(f"the application: {self.failure!r}")
        return wrong + judge(self.publications, [reader.subscriber for reader in self.readers])


class TopicStage(Stage):
    """avoided: names of gateways to which no client is sent."""

    ROUTES = ROUTES

    def __init__(self, folder, scenario, seed=1):
        super().__init__(folder, scenario, seed)
        self.avoided = set()
        self.company = Company(self, seed)
        self._wrong = []
        if scenario.stored:
            scenario.broker["data"] = self.folder / "data"

    def begin(self):
        self.company.begin()

    def wait_traffic(self, events=LEAST_READ):
        """Until so much was read."""
        wait_until(lambda: len(self.company.items()) >= events, 60, f"{events} messages")

    def finish(self):
        """Some more traffic, then everybody comes to an end."""
        time.sleep(self.scenario.seconds)
        self.note("nothing more is published")
        self._wrong = self.company.end()
        self.note("everybody has what was published last")
        self._check_alive()
        for part in [*self.edges, self.broker]:
            part.end()
        self.note("all ended")

    def judge(self):
        """The verdict, with what the table shows."""
        items = self.company.items()
        return {
            "verdict": "broken" if self._wrong else "holds",
            "wrong": self._wrong,
            "topics": {
                "published": len(self.company.publications.taken),
                "read": sum(isinstance(item, Message) for item in items),
                "gaps": sum(isinstance(item, Gap) for item in items),
            },
        }
