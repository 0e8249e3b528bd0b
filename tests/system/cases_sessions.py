"""Sessions, with a broker, gateways and a worker: every request goes to another gateway than the one
before.  What polls runs a second time: then the gateway that served a poll is killed before the
next request, and another one is started in its place.  docs/protocol/2-client.md section 7."""

import json
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.http_client import HttpClient
from support.session_client import SessionClient, read_close
from support.waiting import wait_until
from support.ws_client import WsClient

ROUTES = [
    ("chat", {"path": "/chat", "service": "default", "session": "on",
              "session-subject": "X-User"}),
    ("other", {"path": "/other", "service": "default", "session": "on"}),
]
QUICK = {"session_grace": "2s", "edge_lease": "3s", "worker_lease": "3s"}
UNKNOWN = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"


def each_way(function):
    """Declares a case, and the same where the gateway of the last poll dies."""

    def dying():
        Stage.is_dangerous = True
        try:
            function()
        finally:
            Stage.is_dangerous = False

    dying.__name__ = f"{function.__name__}__when_the_gateway_of_each_poll_dies"
    case()(function)
    case()(dying)
    return function


class Stage(Deployment):
    """A broker with short times, gateways, and one worker that says what it was told."""

    is_dangerous = False

    def __init__(self, edges=2, broker=None, **options):
        super().__init__(edges, routes=ROUTES, broker={**QUICK, **(broker or {})}, **options)

    def __enter__(self):
        super().__enter__()
        self.app = self.worker()
        return self

    def client(self, **options):
        client = SessionClient(self, **options)
        client.replace = self.replace_edge if self.is_dangerous else None
        return client

    def open_of(self, count=1):
        """The id of the count-th session that began."""
        return self.app.wait_for("OPEN", count=count).chan

    def wait_end(self, chan):
        """The CLOSE of a session: a carrier whose gateway died counts for the lease, and then the
        grace begins."""
        return self.app.wait_close(chan, 15)

    def texts(self, chan):
        """What a worker was told of this session, each once."""
        seen, texts = set(), []
        for app in self.workers:
            for record in app.find(("TEXT", "BIN"), chan):
                if record.tokens[1] not in seen:
                    seen.add(record.tokens[1])
                    texts.append(record.payload.decode())
        return texts

    def verbs(self, chan):
        return [record.verb for record in self.app.events(chan)]

    def send(self, chan, *texts):
        for text in texts:
            answer = self.app.ask_send(chan, text.encode())
            assert answer.verb == "OK", answer

    def kill_edge(self, index):
        self.edges[index].kill()

    def replace_edge(self, index):
        """Kills a gateway, and starts one of its name in its place."""
        self.edges[index].kill()
        self.start_edge(edge_name=f"edge{index + 1}")
        self.edges[index] = self.edges.pop()
        wait_until(self.edges[index].is_ready, 10, "the gateway that was started")


# One session, many requests


@each_way
def polls_that_go_from_gateway_to_gateway_are_one_stream():
    with Stage() as own:
        client = own.client()
        client.poll()
        chan = own.open_of()
        for at in range(6):
            own.send(chan, f"{at}a", f"{at}b")
            client.poll_until(2 * at + 2)
        assert client.data() == [f"{at}{half}" for at in range(6) for half in "ab"], client.got
        assert client.gaps() == [] and own.verbs(chan) == ["OPEN"], own.verbs(chan)


@each_way
def a_poll_whose_answer_was_lost_gets_the_same_again():
    with Stage() as own:
        client = own.client()
        client.poll()
        own.send(own.open_of(), "a", "b")
        before = client.cursor
        client.poll_until(2)
        client.cursor, client.got = before, []
        client.poll_until(2)
        assert client.data() == ["a", "b"], client.got


@each_way
def one_stream_goes_over_all_carriers():
    with Stage() as own:
        client = own.client()
        socket = client.websocket()
        chan = own.open_of()
        own.send(chan, "1", "2")
        client.read_ws(socket, 2)
        socket.reset()
        own.send(chan, "3")
        events = client.stream("text/event-stream")
        own.send(chan, "4")
        client.read_stream(events, 2)
        events.reset()
        own.send(chan, "5")
        client.poll_until(5)
        lines = client.stream(carrier="stream")
        own.send(chan, "6")
        client.read_stream(lines)
        socket = client.websocket()
        own.send(chan, "7")
        client.read_ws(socket)
        assert client.data() == list("1234567") and client.gaps() == [], client.got
        lines.close()
        socket.close()
        own.wait_end(chan)
        assert own.verbs(chan) == ["OPEN", "CLOSE"], own.verbs(chan)


@each_way
def topics_and_sends_are_in_one_order():
    with Stage() as own:
        client = own.client()
        client.poll()
        chan = own.open_of()
        assert own.app.ask("SUB", chan, "rooms/1").verb == "OK"
        for at in range(4):
            own.send(chan, f"s{at}")
            assert own.app.ask("PUB", "rooms/1", payload=f"t{at}").verb == "OK"
            client.poll_until(2 * at + 2)
        assert client.data() == [f"{kind}{at}" for at in range(4) for kind in "st"], client.got


# Upwards


@each_way
def messages_posted_to_every_gateway_arrive_in_order_and_once():
    with Stage() as own:
        client = own.client()
        client.poll()
        chan = own.open_of()
        for at in range(8):
            client.post(f"m{at}")
        client.n -= 1
        client.post("m7")  # as after an answer that was lost
        assert own.texts(chan) == [f"m{at}" for at in range(8)], own.texts(chan)
        client.poll()
        assert client.up == 8, client.up


@each_way
def a_post_is_answered_only_when_it_was_processed():
    with Stage() as own:
        client = own.client()
        client.poll()
        chan = own.open_of()
        own.app.auto_ack = False
        done = threading.Thread(target=client.post, args=("slow",))
        done.start()
        text = own.app.wait_for("TEXT", chan)
        done.join(0.3)
        assert done.is_alive(), "answered before the worker had acknowledged"
        own.app.ack(text.tag)
        done.join(5)
        assert not done.is_alive()


@case()
def the_gateway_of_the_last_poll_dies_before_the_next():
    with Stage(edges=3) as own:
        client = own.client()
        client.poll()
        chan = own.open_of()
        for at in range(2):
            client.post(f"m{at}")
            own.send(chan, f"s{at}")
            client.poll_until(at + 1)
            own.kill_edge(client.edge)
            client.n -= 1
            client.post(f"m{at}")  # it does not know whether that one was taken
        client.post("m2")
        own.send(chan, "s2")
        client.poll_until(3)
        assert client.data() == ["s0", "s1", "s2"] and client.gaps() == [], client.got
        assert own.texts(chan) == ["m0", "m1", "m2"], own.texts(chan)
        assert own.app.find("OPEN", chan) == own.app.find("OPEN"), own.app.find("OPEN")


@case()
def a_websocket_that_counts_loses_and_repeats_nothing():
    with Stage() as own:
        client = own.client()
        socket = client.websocket(n=1)
        chan = own.open_of()
        for text in ("1", "2"):
            socket.text(text)
        while client.up < 2:
            client.read_ws(socket)
        own.app.auto_ack = False
        socket.text("3")
        own.app.wait_for("TEXT", chan, count=3)
        own.kill_edge(client.edge)
        socket = client.websocket(n=3)
        for text in ("3", "4"):
            socket.text(text)
        own.app.auto_ack = True
        for record in own.app.find("TEXT", chan):
            own.app.ack(record.tag)
        while client.up < 4:
            client.read_ws(socket)
        assert own.texts(chan) == ["1", "2", "3", "4"], own.texts(chan)


# Who has it


@case()
def the_newest_carrier_has_the_session():
    with Stage() as own:
        client = own.client()
        first = client.websocket()
        second = client.websocket()
        assert read_close(first).code == 4409
        events = client.stream("text/event-stream")
        assert read_close(second).code == 4409
        third = client.websocket()
        client.read_stream(events)
        chan = own.open_of()
        own.send(chan, "for the third")
        client.read_ws(third)
        assert client.data() == ["for the third"], client.got
        assert own.verbs(chan) == ["OPEN"], own.verbs(chan)


@each_way
def a_poll_that_was_superseded_is_told_so():
    with Stage() as own:
        client = own.client()
        client.poll()
        with HttpClient(client.next_edge()) as held:
            held.request("GET", client.url(wait=60))
            chan = own.open_of()
            own.send(chan, "x")
            assert held.read_response().status == 200
            held.request("GET", client.url(wait=60))
            socket = client.websocket()
            answer = held.read_response()
            # The first poll's cursor again: what it holds may come before it is superseded.
            assert answer.status in (200, 409), answer
            socket.close()


@each_way
def a_session_belongs_to_its_route_and_client():
    with Stage() as own:
        client = own.client(headers=[("X-User", "ann")])
        client.poll()
        client.poll()
        for target, headers in [("/other", [("X-User", "ann")]), ("/chat", [("X-User", "bob")]),
                                ("/chat", [])]:
            other = own.client(target=target, headers=headers)
            other.token = client.token
            assert other.ask().status == 403, (target, headers)
            assert other.ask("POST", body=b"x").status == 403
            refused = WsClient.connect(other.next_edge(), other.url(), headers)
            assert read_close(refused).code == 4403
            refused.close()
        client.post("mine")
        assert own.texts(own.open_of()) == ["mine"]


@each_way
def a_session_that_nobody_has_opened_is_gone():
    with Stage() as own:
        client = own.client()
        client.poll()  # so that the broker is no new one
        client.token = UNKNOWN
        wait_until(lambda: client.ask().status == 410, 5, "410")
        assert client.ask("POST", body=b"x").status == 410
        assert client.ask("DELETE").status == 410
        refused = WsClient.connect(client.next_edge(), client.url())
        assert read_close(refused).code == 4410
        refused.close()


# The end


@each_way
def a_session_ends_once_when_its_client_stays_away():
    with Stage(broker={"session_grace": "1s"}) as own:
        client = own.client()
        client.poll()
        chan = own.open_of()
        client.poll()
        closed = own.wait_end(chan)
        assert closed.tokens[3] == "1006", closed
        assert client.ask().status == 410
        assert own.verbs(chan) == ["OPEN", "CLOSE"], own.verbs(chan)


@each_way
def a_client_that_ends_its_session_ends_it_at_once():
    with Stage(broker={"session_grace": "60s"}) as own:
        ends = [lambda c: c.ask("DELETE", cursor=None), lambda c: c.post("bye", end=1),
                lambda c: c.websocket().send_close(1000)]
        for at, end in enumerate(ends, 1):
            client = own.client()
            client.poll()
            chan = own.open_of(at)
            answer = end(client)
            assert answer is None or answer.status == 204, answer
            closed = own.wait_end(chan)
            assert closed.tokens[3] == "1000", closed
            wait_until(lambda: client.ask().status == 410, 5, "410")
            assert own.texts(chan) == (["bye"] if at == 2 else []), own.texts(chan)


@case()
def the_application_ends_a_session_after_what_it_has_sent():
    with Stage(broker={"session_grace": "60s"}) as own:
        client = own.client()
        socket = client.websocket()
        chan = own.open_of()
        own.send(chan, "last")
        own.app.close(chan, 4001, "bye")
        client.read_ws(socket)
        closed = read_close(socket)
        assert (closed.code, closed.reason) == (4001, b"bye"), closed
        socket.close()
        own.wait_end(chan)
        assert client.data() == ["last"], client.got
        client = own.client()
        lines = client.stream(carrier="stream")
        chan = own.open_of(2)
        own.app.close(chan, 4001, "bye")
        last = json.loads(lines.read_chunk())
        assert last == {"ended": {"status": 4001, "reason": "bye"}}, last
        assert not lines.read_chunk()


# Parts that die


@case()
def a_session_outlives_the_broker():
    # Not without the gateway that keeps its copy, too: nobody else knows it then.
    with Stage(ipc=True) as own:
        client = own.client()
        client.poll()
        chan = own.open_of()
        client.post("before")
        own.send(chan, "lost with the broker")
        own.broker.kill()
        own.start_broker()
        own.wait_joined()
        client.post("after")
        client.n -= 1
        client.post("after")
        assert own.texts(chan) == ["before", "after"], own.texts(chan)
        client.poll_until(1)
        assert client.gaps() == ["restart"], client.got
        own.send(chan, "new")
        client.poll_until(2)
        assert client.data() == ["new"], client.got
        assert len(own.app.find("OPEN", chan)) == 1 and not own.app.find("CLOSE", chan)


@case()
def a_websocket_stays_when_the_broker_dies():
    with Stage(ipc=True) as own:
        client = own.client()
        socket = client.websocket()
        chan = own.open_of()
        own.broker.kill()
        own.start_broker()
        own.wait_joined()
        socket.text("still here")
        own.app.wait_for("TEXT", chan, timeout=10)
        own.send(chan, "so am I")
        while client.data() != ["so am I"]:
            client.read_ws(socket)
        assert client.gaps() == ["restart"], client.got
        assert not own.app.find("CLOSE", chan)


@each_way
def another_worker_goes_on_with_a_session():
    with Stage() as own:
        client = own.client()
        client.poll()
        chan = own.open_of()
        client.post("one")
        own.app.stop()
        own.app = own.worker()
        client.post("two")
        own.app.wait_for(("ADOPT", "OPEN"), chan)
        own.send(chan, "hello")
        client.poll_until(1)
        assert client.data() == ["hello"] and own.texts(chan) == ["one", "two"], own.texts(chan)
        assert not own.app.find("CLOSE", chan)


if __name__ == "__main__":
    run()
