"""Topics and sessions under faults: the clients, the application and the judge of the property test,
on the machines of a stage.

Readers follow topics and patterns over all carriers, visitors have sessions; both come back with
their cursor to any gateway.  An application on `work1` publishes, sends to the sessions and
subscribes them.  A seed decides what they do, the scenario what is done to the parts meanwhile.
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
from play import DEEDS, ROUTES, Play  # noqa: E402
from session_model import judge_sessions  # noqa: E402

READERS, VISITORS = 12, 6
UNCOUNTED = 2  # visitors that do not number what they say
KILLS = ("edge", "broker")  # deeds that are the scenario's here
LEAST_READ = 500  # messages before the fault


class Company(Play):
    """Everybody who uses the stage; lives in its namespaces."""

    def __init__(self, stage, seed):
        super().__init__(seed, readers=READERS, visitors=VISITORS, uncounted=UNCOUNTED)
        self.deployment.folder.remove()  # the stage has one, and other daemons
        self.stage = stage
        self._deeds = {name: often for name, often in DEEDS.items() if name not in KILLS}
        self._deeds["publish"] *= 4  # the application waits for the others while a part is away
        self.failure = None
        self._thread = None
        self._over = threading.Event()

    def _addresses(self):
        """Those that a balancer would choose from."""
        return [(self.stage.net.address(edge.node, "clients"), CLIENT_PORT)
                for edge in self.stage.edges if edge.name not in self.stage.avoided]

    def an_address(self, chance):
        return chance.choice(self._addresses())

    def next_address(self):
        self._turn += 1
        addresses = self._addresses()
        return addresses[self._turn % len(addresses)]

    def begin(self):
        """Everybody comes, and goes on until end()."""
        net = self.stage.net
        # A thread, and a socket that it makes, is where the thread began that made it.
        endpoint = f"tcp://{net.address('broker', 'work1')}:{APP_PORT}"
        with net.inside("work1"):
            self._sender = Worker(endpoint, None)
            self._sender.start()
            self.start_application(endpoint)
        with net.inside("clients"):
            self.start_clients()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self._thread.start()

    def _go_on(self):
        try:
            while not self._over.is_set():
                self._deed(self._deeds)
                time.sleep(self.random.uniform(0.0, 0.02))
        except BaseException as error:
            self.failure = error

    def drop_all(self):
        """All connections of clients end without a word."""
        for client in self.readers + self.visitors:
            client.drop()

    def items(self):
        """What was read, of all readers."""
        return [item for reader in self.readers for item in reader.subscriber.items]

    def end(self):
        """What was wrong, as sentences."""
        self._over.set()
        self._thread.join(30)
        wrong = self._settle() + self._stop()
        self._sender.stop()
        if self.failure:
            wrong.append(f"the application: {self.failure!r}")
        readers = [reader.subscriber for reader in self.readers]
        readers += [session.reader for session in self.sessions()]
        return wrong + judge(self.publications, readers) + judge_sessions(self.sessions())


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
        items, sessions = self.company.items(), self.company.sessions()
        direct = [item for one in sessions for item in one.reader.items]
        told = [event[0] for one in sessions for event in one.events]
        return {
            "verdict": "broken" if self._wrong else "holds",
            "wrong": self._wrong,
            "topics": {
                "published": len(self.company.publications.taken),
                "read": sum(isinstance(item, Message) for item in items),
                "gaps": sum(isinstance(item, Gap) for item in items + direct),
                "sessions": len(sessions),
                "sent": sum(isinstance(item, Message) for item in direct),
                "said": told.count("message"),
                "lost": told.count("lost"),
            },
        }
