"""Clients that do not read fast enough, by each policy for them."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.http_client import HttpClient
from support.waiting import wait_until
from support.ws_client import CLOSE, WsClient

SMALL = {"send_buffer": "16KiB", "out_queue": "64KiB", "ping_interval": "1h"}
POLICIES = ("close", "drop-oldest", "latest", "pause")
ROUTES = [(name, {"path": f"/{name}", "topic": name, "slow": name}) for name in POLICIES]
COUNT, SIZE = 1200, 1024


def deployment():
    return Deployment(settings=SMALL, routes=ROUTES)


def publish(ctx, topic, begin=0, count=COUNT, keys=0):
    """Numbered publications; with keys each is of one of so many."""
    for number in range(begin, begin + count):
        more = {"collapse": f"key{number % keys}"} if keys else {}
        ctx.main.pub(topic, f"{number} ".ljust(SIZE), **more)
    taken = ctx.main.ask("PUB", topic, payload=b"last")
    assert taken.verb == "OK", taken


def follow(ctx, topic):
    """A WebSocket that has begun, with a small window, and does not read."""
    client = WsClient(ctx.address, receive_buffer=4096, timeout=20)
    ctx.clients.append(client)
    client.handshake(f"/{topic}", protocols=["ringway.1"])
    assert list(json.loads(client.read_text())) == ["cursor"]
    return client


def read_all(client):
    """(numbers, gaps) up to the last publication; ("gap", …) stand among the numbers too."""
    items = []
    while True:
        message = json.loads(client.read_text())
        if "gap" in message:
            items.append(message["gap"])
        elif message["data"] == "last":
            return items
        else:
            items.append(int(message["data"].split()[0]))


def numbers_of(items):
    return [item for item in items if isinstance(item, int)]


def gaps_of(items):
    return [item for item in items if isinstance(item, dict)]


def number_of_position(text):
    return int(text.split(":")[1])


@case()
def drop_oldest_gives_the_newest_and_one_gap_for_what_was_dropped(ctx):
    client = follow(ctx, "drop-oldest")
    dropped = ctx.edge.metric("ringway_slow_drops_total", policy="drop-oldest")
    publish(ctx, "drop-oldest")
    wait_until(lambda: ctx.edge.metric("ringway_slow_drops_total", policy="drop-oldest") > dropped)
    items = read_all(client)
    numbers, gaps = numbers_of(items), gaps_of(items)
    assert numbers == sorted(set(numbers)) and numbers[0] == 0 and numbers[-1] == COUNT - 1, numbers
    assert gaps and all(gap["reason"] == "slow" for gap in gaps), gaps
    assert len(numbers) + sum(gap["count"] for gap in gaps) == COUNT
    place = items.index(gaps[0])
    assert items[place + 1] - items[place - 1] - 1 == gaps[0]["count"], "the gap is in its place"
    missed = number_of_position(gaps[0]["to"]) - number_of_position(gaps[0]["from"])
    assert missed == gaps[0]["count"], gaps[0]
    now = ctx.edge.metric("ringway_slow_drops_total", policy="drop-oldest")
    assert now - dropped == COUNT - len(numbers), "each drop is counted"


@case()
def latest_gives_the_newest_of_each_key(ctx):
    client = follow(ctx, "latest")
    publish(ctx, "latest", keys=5)
    items = read_all(client)
    numbers, gaps = numbers_of(items), gaps_of(items)
    assert numbers == sorted(set(numbers)), "in the order of publishing"
    assert set(range(COUNT - 5, COUNT)) <= set(numbers), "the newest of each key is there"
    assert len(numbers) + sum(gap["count"] for gap in gaps) == COUNT
    assert gaps and all(gap["reason"] == "slow" for gap in gaps), gaps


@case()
def what_is_sent_keeps_its_place_among_what_is_dropped(ctx):
    """The end of the stream comes behind the newest publications, not before them."""
    stream = HttpClient(ctx.address, receive_buffer=4096, timeout=20)
    ctx.clients.append(stream)
    stream.request("GET", "/drop-oldest", [("Accept", "text/event-stream")])
    assert stream.read_head().status == 200
    assert b"id: " in stream.read_chunk()
    publish(ctx, "drop-oldest", count=600)
    text = b""
    while b"data: last\n" not in text:
        text += stream.read_chunk()
    events = [event.split(b"\n") for event in text.split(b"\n\n") if event]
    gaps = [event for event in events if b"event: gap" in event]
    numbers = [int(line[6:].split()[0]) for event in events if event not in gaps
               for line in event if line.startswith(b"data: ") and line != b"data: last"]
    told = [json.loads(line[6:])["gap"] for event in gaps for line in event
            if line.startswith(b"data: ")]
    assert gaps and gaps[0][0].startswith(b"id: "), gaps
    assert len(numbers) + sum(gap["count"] for gap in told) == 600, (len(numbers), told)
    assert gaps[0][0][4:].decode() == told[0]["to"], "the gap moves the cursor past it"


@case()
def a_client_that_cannot_be_told_of_a_gap_is_closed(ctx):
    client = WsClient(ctx.address, receive_buffer=4096, timeout=20)
    ctx.clients.append(client)
    client.handshake("/drop-oldest")
    client.ping(b"begun")
    assert client.read_frame().payload == b"begun"
    publish(ctx, "drop-oldest")
    frame = client.read_frame()
    while frame.opcode != CLOSE:
        frame = client.read_frame()
    assert frame.code == 1013, frame


@case()
def close_ends_the_client_with_1013(ctx):
    client = follow(ctx, "close")
    publish(ctx, "close")
    frame = client.read_frame()
    while frame.opcode != CLOSE:
        frame = client.read_frame()
    assert frame.code == 1013, frame


@case()
def one_that_reads_again_is_no_longer_behind(ctx):
    client = follow(ctx, "drop-oldest")
    publish(ctx, "drop-oldest")
    assert gaps_of(read_all(client))
    publish(ctx, "drop-oldest", begin=5000, count=20)
    assert read_all(client) == list(range(5000, 5020)), "nothing more is dropped"


@case()
def an_application_may_choose_the_policy_of_a_subscription():
    with Deployment(settings=SMALL) as own:
        own.main = own.worker()
        client = WsClient(own.address, timeout=5)
        own.clients.append(client)
        client.handshake("/any")
        event = own.main.wait_open("/any")
        refused = own.main.ask("SUB", event.chan, "a", slow="drop-newest")
        assert refused.verb == "ERR" and refused.code == "value", refused
        taken = own.main.ask("SUB", event.chan, "a", slow="latest")
        assert taken.verb == "OK", taken
        own.main.pub("a", "hello")
        assert client.read_text() == "hello"


SESSION = [("session", {"path": "/s", "service": "default", "session": "on"}),
           ("rest", {"path": "/**", "service": "default"})]


def slow_session(own, policy):
    """The WebSocket of a session with that policy, which does not read, and the session's id."""
    client = WsClient(own.address, receive_buffer=4096, timeout=20)
    own.clients.append(client)
    client.handshake("/s", protocols=["ringway.1"])
    client.token = json.loads(client.read_text())["session"]
    event = own.main.wait_open("/s")
    assert own.main.ask("SUB", event.chan, "prices", slow=policy).verb == "OK"
    return client, event.chan


def what_came(client, last):
    """(publications, gaps, what was sent to it) up to this one, in their order."""
    numbers, gaps, sent = [], [], []
    while not sent or sent[-1] != last:
        message = json.loads(client.read_text())
        if "gap" in message:
            gaps.append(message["gap"])
        elif "topic" in message:
            numbers.append(message["data"].split()[0])
        elif "data" in message:
            sent.append(message["data"])
    return numbers, gaps, sent


@case(shared=False)
def a_session_may_lose_publications_on_purpose_but_nothing_that_is_sent_to_it():
    for policy in ("drop-oldest", "latest"):
        with Deployment(settings=SMALL, routes=SESSION) as own:
            own.main = own.worker()
            client, session = slow_session(own, policy)
            for number in range(4):
                publish(own, "prices", begin=number * 300, count=300, keys=5)
                assert own.main.ask("SEND", session, payload=f"send {number}").verb == "OK"
            numbers, gaps, sent = what_came(client, "send 3")
            assert sent == [f"send {number}" for number in range(4)], sent
            assert gaps and all(gap["reason"] == "slow" for gap in gaps), gaps
            assert len(numbers) + sum(gap["count"] for gap in gaps) == 4 * 301, (policy, len(numbers))
            assert numbers[-1] == "last", "the newest is there"


@case(shared=False)
def a_slow_carrier_may_end_and_its_session_goes_on():
    with Deployment(settings=SMALL, routes=SESSION, broker={"history_count": 2000,
                                                            "history_bytes": "8MiB"}) as own:
        own.main = own.worker()
        client, session = slow_session(own, "close")
        publish(own, "prices")
        cursor, numbers = None, []
        frame = client.read_frame()
        while frame.opcode != CLOSE:
            message = json.loads(frame.payload) if frame.opcode == 1 else {}
            cursor = message.get("cursor", cursor)
            numbers += [message["data"].split()[0]] if "topic" in message else []
            frame = client.read_frame()
        assert frame.code == 1013, frame
        again = WsClient(own.address, timeout=20)
        own.clients.append(again)
        again.handshake(f"/s?session={client.token}&cursor={cursor}", protocols=["ringway.1"])
        assert own.main.ask("SEND", session, payload="end").verb == "OK"
        more, gaps, _ = what_came(again, "end")
        assert [*numbers, *more] == [*map(str, range(COUNT)), "last"] and not gaps, gaps


if __name__ == "__main__":
    run(deployment)
