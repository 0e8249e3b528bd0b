"""Clients behind a balancer that gives each connection to the next gateway."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.balancer import Balancer
from support.case import case, run
from support.harness import Deployment
from support.http_client import HttpClient
from support.subscriber import READERS, subscribe

TOPICS = ["many/x/a", "many/x/b/*", "many/x/**"]
ROUTES = [
    ("many", {"path": "/many/{x}", "topic": [topic.replace("/x", "/{x}") for topic in TOPICS]}),
    ("chat", {"path": "/chat", "service": "default", "session": "on"}),
]
SCENARIO = pathlib.Path(__file__).with_name("resume_scenario.tsv")


def steps():
    """The lines of the scenario as lists of words."""
    for line in SCENARIO.read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            yield line.replace("\\n", "\n").split("\t")


def published():
    """What the client has to get, in its order."""
    for verb, *words in steps():
        if verb == "publish" and words[0].startswith("many/x/"):
            yield words[1].encode()
        elif verb == "send":
            yield words[0].encode()
        elif verb == "binary":
            yield bytes.fromhex(words[1])


class Player:
    """One client over one carrier; `seen` is what it read."""

    def __init__(self, own, carrier, address):
        self.own, self.carrier, self.address = own, carrier, address
        self.reader, self.cursor, self.seen = None, None, []
        self.ahead = 0  # how many were taken before they were to be read

    def publish(self, topic, text, **options):
        answer = self.own.main.ask("PUB", topic, payload=text, **options)
        assert answer.verb == "OK", answer

    def binary(self, topic, text):
        self.publish(topic, bytes.fromhex(text), bin=1)

    def send(self, text):
        self.publish("many/x/own", text)

    def say(self, text):
        """Nobody listens at a topic."""

    def come(self):
        self.reader = subscribe(self.carrier, self.address, "/many/x", self.cursor)

    def leave(self):
        if not self.reader:
            return
        # What came with what was read is not lost with the connection: the cursor is behind it.
        waiting = self.reader.take(self.reader.waiting())
        self._note(waiting)
        self.ahead += len(waiting)
        self.cursor = self.reader.cursor
        self.reader.close()
        self.reader = None

    def read(self, count):
        count = int(count)
        known = min(self.ahead, count)
        self.ahead -= known
        self._note(self.reader.take(count - known))

    def _note(self, payloads):
        self.seen += [text.encode() if isinstance(text, str) else text for text in payloads]

    def play(self):
        for verb, *words in steps():
            getattr(self, verb)(*words)
        self.leave()
        return self.seen


class Visitor(Player):
    """The same with a session, which the application subscribes to the topics; `said` is what it
    was told."""

    def __init__(self, own, carrier, address):
        super().__init__(own, carrier, address)
        self.token = self.chan = None
        self.count = 0

    def send(self, text):
        answer = self.own.main.ask_send(self.chan, text.encode())
        assert answer.verb == "OK", answer

    def say(self, text):
        """Each request is another connection, and so another edge."""
        self.count += 1
        with HttpClient(self.address) as client:
            where = f"/chat?session={self.token}&n={self.count}"
            client.request("POST", where, body=text.encode())
            answer = client.read_response()
        assert answer.status == 204, answer

    def come(self):
        if self.token is None:
            self._begin()
        else:
            where = f"/chat?session={self.token}"
            self.reader = subscribe(self.carrier, self.address, where, self.cursor)

    def _begin(self):
        mark = self.own.main.mark()
        self.reader = subscribe(self.carrier, self.address, "/chat")
        self.token = self.reader.token
        self.reader.path += f"?session={self.token}"
        self.chan = self.own.main.wait_for("OPEN", after=mark).chan
        for topic in TOPICS:
            assert self.own.main.ask("SUB", self.chan, topic).verb == "OK"

    def said(self):
        return [record.payload.decode() for record in self.own.main.find("TEXT", self.chan)]


def play_over_all_carriers(edges):
    expected = list(published())
    told = [words[0] for verb, *words in steps() if verb == "say"]
    assert len(expected) == 13 and len(told) == 2
    with Deployment(edges=edges, routes=ROUTES) as own:
        own.main = own.worker()
        with Balancer(own.folder.path, [edge.address for edge in own.edges]) as balancer:
            for carrier in READERS:
                seen = Player(own, carrier, balancer.address).play()
                assert seen == expected, (carrier, seen)
                visitor = Visitor(own, carrier, balancer.address)
                seen = visitor.play()
                assert seen == expected, ("session", carrier, seen)
                assert visitor.said() == told, (carrier, visitor.said())


@case(seconds=120)
def the_scenario_gives_the_same_over_each_carrier_behind_a_balancer_with_one_edge():
    play_over_all_carriers(1)


@case(seconds=120)
def the_scenario_gives_the_same_over_each_carrier_behind_a_balancer_with_three_edges():
    play_over_all_carriers(3)


@case(seconds=120)
def the_edge_that_served_the_last_poll_is_killed_before_the_next():
    with Deployment(edges=3, routes=ROUTES) as own:
        own.main = own.sender()
        addresses = [edge.address for edge in own.edges]
        reader = subscribe("poll", addresses, "/many/x")
        for number in range(2):
            answer = own.main.ask("PUB", "many/x/a", payload=str(number))
            assert answer.verb == "OK"
            edge = next(e for e in own.edges if e.address == addresses[number])
            edge.kill()
            own.edges.remove(edge)
            assert reader.take(1) == [str(number)]
        own.main.ask("PUB", "many/x/a", payload="last")
        reader.address = addresses[2]
        assert reader.take(1) == ["last"] and not reader.gaps


if __name__ == "__main__":
    run(lambda: Deployment(routes=ROUTES))
