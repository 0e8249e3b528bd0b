"""Labels of channels, and sending to sets of them."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.session_client import SessionClient
from support.subscriber import READERS, subscribe
from support.talk import opened_ws
from support.waiting import wait_until


def label_of(sender, channel):
    """The label that GET info shows; "" while the channel is not known."""
    answer = sender.ask("GET", "info", channel)
    return json.loads(answer.payload)["label"] if answer.verb == "INFO" else ""


@case()
def a_label_is_set_changed_and_taken_away(ctx):
    _, event = opened_ws(ctx, "label")
    for name, shown in (("amy", "amy"), ("bob", "bob"), ("-", None)):
        assert ctx.main.ask("LABEL", event.chan, name).verb == "OK"
        assert label_of(ctx.main, event.chan) == shown
    answer = ctx.main.ask("LABEL", event.chan, "x" * 129)
    assert answer.verb == "ERR" and answer.code == "value", answer


@case()
def a_label_outlives_the_broker(ctx):
    with Deployment(ipc=True) as own:
        worker = own.worker("default")
        client = own.ws("/labelled")
        event = worker.wait_open("/labelled")
        assert worker.ask("LABEL", event.chan, "amy").verb == "OK"
        own.broker.kill()
        own.start_broker()
        wait_until(lambda: label_of(worker, event.chan) == "amy", 20)
        client.close()


def cast(worker, lines, data, **options):
    """The answer to a CAST."""
    payload = "".join(line + "\n" for line in lines).encode() + data
    return worker.ask("CAST", str(len(lines)), payload=payload, **options)


@case(shared=False)
def a_set_is_reached_once_each_over_two_gateways():
    with Deployment(edges=2) as own:
        worker = own.worker("default")
        clients, channels = [], []
        for number in range(6):
            clients.append(own.ws(f"/{number}", edge=number % 2))
            channels.append(worker.wait_open(f"/{number}").chan)
        for channel in channels[:4]:
            assert worker.ask("LABEL", channel, "amy").verb == "OK"
        lines = ["u:amy", f"c:{channels[0]}", f"c:{channels[4]}", f"-c:{channels[1]}"]
        answer = cast(worker, lines, b"\x00set", bin=1)
        assert answer.verb == "OK" and answer.options["sent"] == "4", answer
        for number in (0, 2, 3, 4):
            assert clients[number].read_message() == (2, b"\x00set"), number
        clients[5].close()
        worker.wait_close(channels[5])
        answer = cast(worker, ["u:amy", f"c:{channels[5]}"], b"again")
        assert answer.options["sent"] == "4" and answer.options["gone"] == "1", answer
        for number in range(4):
            assert clients[number].read_text() == "again", number


@case()
def a_large_set_is_reached(ctx):
    clients = [opened_ws(ctx, "large") for _ in range(200)]
    for _, event in clients:
        ctx.main.record("LABEL", event.chan, "crowd")
    answer = cast(ctx.main, ["u:crowd"], b"to all of you")
    assert answer.verb == "OK" and answer.options["sent"] == "200", answer
    for client, _ in clients:
        assert client.read_text() == "to all of you"


@case()
def a_set_with_a_bad_line_reaches_nobody(ctx):
    client, event = opened_ws(ctx, "bad")
    answer = cast(ctx.main, [f"c:{event.chan}", "q:1"], b"never")
    assert answer.verb == "ERR" and answer.code == "value", answer
    assert answer.payload.startswith(b"line 2:"), answer
    ctx.main.send(event.chan, "alive")
    assert client.read_text() == "alive"


ROUTES = [
    ("rooms", {"path": "/rooms/{room}", "topic": "rooms/{room}"}),
    ("pair", {"path": "/pair", "topic": ["rooms/one", "rooms/two"]}),
    ("session", {"path": "/s/**", "service": "chat", "session": "on"}),
    ("rest", {"path": "/**", "service": "default"}),
]


@case(shared=False)
def a_set_of_topics_and_channels_reaches_each_of_them_once_over_two_gateways():
    with Deployment(edges=2, routes=ROUTES) as own:
        own.main, clients, channels = own.worker("default"), [], []
        for number, topics in enumerate((["rooms/one"], ["rooms/*", "other"], ["rooms/two", "no"],
                                         ["no", "rooms/one"], [], ["rooms/one"])):
            client, event = opened_ws(own, "sets", edge=number % 2)
            for topic in topics:
                assert own.main.ask("SUB", event.chan, topic).verb == "OK"
            clients.append(client)
            channels.append(event.chan)
        # A client that polls may be away: the next case.
        readers = [subscribe(carrier, own.edges[at % 2].address, "/pair")
                   for at, carrier in enumerate(READERS) if carrier != "poll"]
        lines = ["t:rooms/one", "t:rooms/two", f"c:{channels[0]}", f"c:{channels[2]}",
                 f"c:{channels[4]}", f"-c:{channels[5]}", "-t:no"]
        answer = cast(own.main, lines, b"set", hist=0)
        assert answer.verb == "OK" and answer.options["gone"] == "0", answer
        own.main.pub("rooms/one", "after")
        for reader in readers:
            assert reader.take(2) == ["set", "after"] and not reader.gaps, reader
            assert reader.cursor.endswith(":2"), reader.cursor
            reader.close()
        for number, expected in enumerate((["set", "after"], ["set", "after"], [], ["after"],
                                           ["set"], ["after"])):
            own.main.send(channels[number], "end")
            heard = [clients[number].read_text() for _ in range(len(expected) + 1)]
            assert heard == [*expected, "end"], (number, heard)


@case(shared=False)
def who_was_away_gets_a_set_of_one_topic_later_and_of_more_a_gap():
    with Deployment(routes=ROUTES) as own:
        sender = own.sender()
        for carrier in READERS:
            reader = subscribe(carrier, own.address, "/pair")
            reader.close()
            answer = cast(sender, ["t:rooms/one"], b"held")
            assert answer.verb == "OK" and "pos" in answer.options, answer
            assert sender.ask("PUB", "rooms/two", payload="two").verb == "OK"
            reader = subscribe(carrier, own.address, "/pair", reader.cursor)
            assert reader.take(2) == ["held", "two"] and not reader.gaps, carrier
            reader.close()
            assert cast(sender, ["t:rooms/one", "t:rooms/two"], b"live").verb == "OK"
            assert sender.ask("PUB", "rooms/two", payload="last").verb == "OK"
            reader = subscribe(carrier, own.address, "/pair", reader.cursor)
            # Each of the two topics may say that it has a gap.
            items = reader.take(2)
            items += reader.take(1) if items[-1] == ("gap", "history") else []
            assert items[0] == ("gap", "history") and items[-1] == "last", items
            reader.close()


@case(shared=False)
def a_session_of_a_set_gets_it_once_by_its_topic_or_by_its_name():
    with Deployment(edges=2, routes=ROUTES) as own:
        worker = own.worker("chat")
        one, two = SessionClient(own, "/s/1"), SessionClient(own, "/s/2")
        carriers = [one.websocket(), two.websocket()]
        first, second = worker.wait_open("/s/1").chan, worker.wait_open("/s/2").chan
        assert worker.ask("SUB", first, "rooms/one").verb == "OK"
        assert worker.ask("SUB", first, "rooms/two").verb == "OK"
        lines = ["t:rooms/one", "t:rooms/two", f"s:{first}", f"s:{second}"]
        answer = cast(worker, lines, b"both")
        assert answer.verb == "OK" and answer.options["sent"] == "2", answer
        assert cast(worker, ["t:rooms/one", f"-s:{first}"], b"never").verb == "OK"
        assert cast(worker, ["-t:rooms/one", f"s:{first}", f"s:{second}"], b"two").verb == "OK"
        worker.send(first, "end")
        worker.send(second, "end")
        one.read_ws(carriers[0], 2)
        two.read_ws(carriers[1], 3)
        assert one.data() == ["both", "end"] and not one.gaps(), one.got
        assert two.data() == ["both", "two", "end"], two.got


if __name__ == "__main__":
    run(lambda: Deployment())
