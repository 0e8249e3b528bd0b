"""Topics: subscriptions by applications and by routes."""

import json
import pathlib
import select
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.talk import hold, opened_ws
from support.waiting import scaled, wait_until

TEXT = [("Content-Type", "text/plain")]
ROUTES = [
    ("rooms", {"path": "/rooms/{room}", "topic": "rooms/{room}"}),
    ("rest", {"path": "/**", "service": "default"}),
]


@case()
def a_subscribed_channel_gets_what_is_published(ctx):
    client, event = opened_ws(ctx, "topics")
    stream, held = hold(ctx, "topics")
    ctx.main.respond(held.chan, 200, TEXT, b"", close=None)
    assert stream.read_head().status == 200
    for chan in (event.chan, held.chan):
        ctx.main.sub(chan, "news/one")
    ctx.main.pub("news/one", "hello")
    assert client.read_text() == "hello"
    assert stream.read_chunk() == b"hello"
    ctx.main.pub("news/on", "prefix")
    ctx.main.pub("news/one/more", "longer")
    ctx.main.pub("news/one", "exact")
    assert client.read_text() == "exact", "only the exact name counts"
    assert stream.read_chunk() == b"exact"
    answer = ctx.main.ask("UNSUB", event.chan, "news/one")
    assert answer.verb == "OK", answer
    ctx.main.pub("news/one", "unheard")
    ctx.main.send(event.chan, "direct")
    assert client.read_text() == "direct"


@case()
def a_publication_after_a_subscription_is_never_missed(ctx):
    client, event = opened_ws(ctx, "subpub")
    for number in range(200):
        ctx.main.sub(event.chan, f"seq/{number}")
        ctx.main.pub(f"seq/{number}", str(number))
    assert [client.read_text() for _ in range(200)] == [str(n) for n in range(200)]


@case()
def a_publication_can_leave_out_one_channel(ctx):
    (one, first), (two, second) = opened_ws(ctx, "except"), opened_ws(ctx, "except")
    for event in (first, second):
        ctx.main.sub(event.chan, "room")
    ctx.main.pub("room", "from one", **{"except": first.chan})
    ctx.main.pub("room", "to all")
    assert two.read_text() == "from one" and two.read_text() == "to all"
    assert one.read_text() == "to all"


@case()
def sends_and_publications_keep_their_order(ctx):
    client, event = opened_ws(ctx, "order")
    ctx.main.sub(event.chan, "order")
    for number in range(100):
        if number % 2:
            ctx.main.send(event.chan, str(number))
        else:
            ctx.main.pub("order", str(number))
    assert [client.read_text() for _ in range(100)] == [str(n) for n in range(100)]


@case()
def a_binary_publication_is_a_binary_message(ctx):
    client, event = opened_ws(ctx, "bin")
    ctx.main.sub(event.chan, "bin")
    ctx.main.pub("bin", b"\x00\xff", bin=1)
    assert client.read_message() == (2, b"\x00\xff")


@case()
def a_publication_reaches_the_subscribers_of_every_edge():
    with Deployment(edges=3) as own:
        own.main = own.worker()
        clients = []
        for edge in range(3):
            client, event = opened_ws(own, "edges", edge=edge)
            own.main.sub(event.chan, "wide")
            clients.append(client)
        own.main.pub("wide", "everyone")
        for client in clients:
            assert client.read_text() == "everyone"



def publish_until(ctx, topic, text, seen):
    """Publishes now and then until the condition holds: a subscription by route has no event."""
    wait_until(lambda: (ctx.main.pub(topic, text), time.sleep(0.05), seen())[-1], 10)


@case()
def a_topic_route_serves_websockets_with_cursors(ctx):
    client = ctx.ws("/rooms/1", protocols=["ringway.1"])
    assert client.head.get("sec-websocket-protocol") == "ringway.1"
    first = json.loads(client.read_text())
    assert list(first) == ["cursor"], first
    ctx.main.pub("rooms/1", "hello")
    ctx.main.pub("rooms/2", "elsewhere")
    ctx.main.pub("rooms/1", b"\x00\x01\xff", bin=1)
    message = json.loads(client.read_text())
    assert message["topic"] == "rooms/1" and message["data"] == "hello", message
    assert message["cursor"] != first["cursor"]
    message = json.loads(client.read_text())
    assert message["base64"] == "AAH/" and "data" not in message, message


@case()
def a_topic_route_serves_plain_websockets(ctx):
    client = ctx.ws("/rooms/plain")
    client.ping(b"ready?")
    assert client.read_frame().opcode == 10
    deadline = time.monotonic() + scaled(10)
    client.sock.settimeout(0.05)
    while not client.buffer:
        ctx.main.pub("rooms/plain", "raw")
        try:
            client.buffer += client.sock.recv(1)
        except TimeoutError:
            assert time.monotonic() < deadline, "nothing was delivered"
    assert client.read_message() == (1, b"raw")


def read_events(client, count):
    """The next SSE events as lists of (field, value)."""
    text, events = b"", []
    while len(events) < count:
        text += client.read_chunk()
        *whole, text = text.split(b"\n\n")
        for block in whole:
            lines = [line.partition(":") for line in block.decode().split("\n")]
            events.append([(field, value.removeprefix(" ")) for field, _, value in lines])
    return events


@case()
def a_topic_route_serves_server_sent_events(ctx):
    client = ctx.http()
    client.request("GET", "/rooms/sse", [("Accept", "text/event-stream")])
    head = client.read_head()
    assert head.status == 200 and head.get("content-type").startswith("text/event-stream")
    assert head.get("cache-control") == "no-store" and head.get("x-accel-buffering") == "no"
    first = read_events(client, 1)[0]
    cursor = dict(first)["id"]
    assert cursor and "data" not in dict(first), first
    ctx.main.pub("rooms/sse", "one\ntwo")
    event = read_events(client, 1)[0]
    assert [value for field, value in event if field == "data"] == ["one", "two"]
    assert dict(event)["id"] not in ("", cursor)
    ctx.main.pub("rooms/sse", b"\x00\x01\xff", bin=1)
    event = dict(read_events(client, 1)[0])
    assert event["event"] == "binary" and event["data"] == "AAH/", event


@case()
def a_topic_route_serves_a_plain_stream(ctx):
    client = ctx.http()
    client.request("GET", "/rooms/stream?carrier=stream")
    assert client.read_head().status == 200
    deadline = time.monotonic() + scaled(10)
    client.sock.settimeout(0.05)
    while not client.buffer:
        ctx.main.pub("rooms/stream", "line")
        try:
            client.buffer += client.sock.recv(1)
        except TimeoutError:
            assert time.monotonic() < deadline, "nothing was delivered"
    assert client.read_chunk() == b"line\n"


@case()
def a_topic_route_serves_long_polls(ctx):
    client = ctx.http()
    answer = json.loads(client.get("/rooms/poll?wait=1").body)
    assert answer["messages"] == [] and answer["cursor"], answer
    client.request("GET", f"/rooms/poll?cursor={answer['cursor']}&wait=20")
    publish_until(ctx, "rooms/poll", "polled", lambda: _has_bytes(client))
    response = client.read_response()
    assert response.head.get("content-type").startswith("application/json")
    last, answer = answer, json.loads(response.body)
    assert answer["cursor"] != last["cursor"]
    assert {message["data"] for message in answer["messages"]} == {"polled"}, answer
    assert {message["topic"] for message in answer["messages"]} == {"rooms/poll"}, answer


def _has_bytes(client):
    return bool(select.select([client.sock], [], [], 0)[0])


@case()
def what_a_poll_missed_and_is_not_held_is_announced_at_its_place(ctx):
    client = ctx.http()
    cursor = json.loads(client.get("/rooms/gap?wait=0").body)["cursor"]
    assert ctx.main.ask("PUB", "rooms/gap", payload="missed", hist=0).verb == "OK"
    assert ctx.main.ask("PUB", "rooms/gap", payload="held").verb == "OK"
    answer = json.loads(client.get(f"/rooms/gap?cursor={cursor}&wait=2").body)
    gap, message = answer["messages"]
    assert gap["gap"]["reason"] == "history" and gap["gap"]["from"] == cursor, answer
    assert message["data"] == "held" and message["cursor"] == answer["cursor"], answer


@case()
def an_sse_client_that_comes_back_is_told_of_its_gap(ctx):
    accept = ("Accept", "text/event-stream")
    client = ctx.http()
    client.request("GET", "/rooms/back", [accept])
    client.read_head()
    cursor = dict(read_events(client, 1)[0])["id"]
    client.close()
    assert ctx.main.ask("PUB", "rooms/back", payload="missed", hist=0).verb == "OK"
    client = ctx.http()
    client.request("GET", "/rooms/back", [accept, ("Last-Event-ID", cursor)])
    client.read_head()
    first, gap = (dict(event) for event in read_events(client, 2))
    assert first["id"] == cursor, first
    assert gap["event"] == "gap" and "id" not in gap, gap
    assert json.loads(gap["data"])["gap"]["reason"] == "history", gap


@case("HTTP-9110-15.5.6a")
def a_topic_route_takes_get_and_head_only(ctx):
    client = ctx.http()
    client.request("POST", "/rooms/1", body=b"x")
    response = client.read_response()
    assert response.status == 405, response
    allowed = {word.strip() for word in response.head.get("allow", "").split(",")}
    assert {"GET", "HEAD"} <= allowed, response.head.headers


if __name__ == "__main__":
    run(lambda: Deployment(routes=ROUTES))
