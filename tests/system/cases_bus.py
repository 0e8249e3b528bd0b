"""The bus from outside: commands and answers, topics, taps and plain ports, routes, starts and
stops of the parts."""

import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import time

import zmq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import Skip, case, run
from support.harness import Deployment, Folder, Gateway, flags, run_program, write_config
from support.talk import hold, sentinel, unique
from support.waiting import scaled, wait_until
from support.worker import Worker, echo, make_record
from support.ws_client import Refused, WsClient

TEXT = [("Content-Type", "text/plain")]
ROUTES = [
    ("rooms", {"path": "/rooms/{room}", "topic": "rooms/{room}"}),
    ("picky", {"path": "/picky", "service": "picky", "accept": "backend"}),
    ("nobody", {"path": "/nobody/**", "service": "nobody", "open_timeout": "500ms"}),
    ("deep", {"path": "/deep/{a}/x/**", "service": "default"}),
    ("own", {"path": "/own", "service": "default", "origin": "https://good.example"}),
    ("rest", {"path": "/**", "service": "default"}),
]


class Port:
    """A ZeroMQ socket of a test, closed with its context."""

    def __init__(self, kind, endpoint, subscribe=None):
        self.context = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.setsockopt(zmq.LINGER, 1000)
        if subscribe is not None:
            self.socket.setsockopt(zmq.SUBSCRIBE, subscribe)
        self.socket.connect(endpoint)

    def send(self, *frames):
        assert self.socket.poll(scaled(5000), zmq.POLLOUT), "the port takes nothing"
        self.socket.send_multipart([f if isinstance(f, bytes) else f.encode() for f in frames])

    def receive(self, seconds=5):
        assert self.socket.poll(scaled(seconds) * 1000), "nothing came"
        return self.socket.recv_multipart()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.context.term()


def opened_ws(ctx, name, worker=None, **options):
    """A WebSocket and its OPEN."""
    worker = worker or ctx.main
    target = options.pop("target", None) or unique(name)
    mark = worker.mark()
    client = ctx.ws(target, **options)
    return client, worker.wait_open(target, after=mark)


# Commands and their answers


@case("K06")
def a_session_of_open_messages_and_close_is_in_order(ctx):
    client, event = opened_ws(ctx, "K06")
    ctx.main.send(event.chan, "hello")
    assert client.read_text() == "hello"
    client.text("world")
    assert ctx.main.wait_for("TEXT", event.chan).payload == b"world"
    client.ping(b"p")
    frame = client.read_frame()
    assert frame.opcode == 10 and frame.payload == b"p"
    client.close_cleanly(1000, "done")
    closed = ctx.main.wait_close(event.chan)
    assert closed.status == 1000 and closed.payload == b"done" and closed.cause == "client", closed
    events = ctx.main.events(event.chan)
    assert [r.verb for r in events] == ["OPEN", "TEXT", "CLOSE"]
    assert [r.seq for r in events] == ["1", "2", "3"]


@case()
def a_send_to_many_channels_reaches_each(ctx):
    pairs = [opened_ws(ctx, "many") for _ in range(5)]
    gone, event = hold(ctx, "many")
    gone.close()
    ctx.main.wait_close(event.chan)
    channels = [event.chan] + [opened.chan for _, opened in pairs]
    answer = ctx.main.ask_send(",".join(channels), "to all")
    assert answer.verb == "OK", answer
    assert answer.options.get("sent") == "5" and answer.options.get("gone") == "1", answer
    for client, _ in pairs:
        assert client.read_text() == "to all"
    answer = ctx.main.ask_send(f"{event.chan},{event.chan}x", "none")
    assert answer.verb == "ERR" and answer.code in ("gone", "value"), answer


@case()
def a_send_to_more_than_128_channels_is_refused(ctx):
    client, event = opened_ws(ctx, "129")
    answer = ctx.main.ask_send(",".join([event.chan] * 129), "x")
    assert answer.verb == "ERR" and answer.code == "value", answer
    ctx.main.send(event.chan, "alive")
    assert client.read_text() == "alive"


@case()
def the_same_id_again_repeats_the_answer_and_not_the_command(ctx):
    client, event = opened_ws(ctx, "id")
    request = f"{os.urandom(8).hex()}.1"
    first = ctx.main.ask("SEND", event.chan, payload="once", id=request)
    assert first.verb == "OK", first
    again = ctx.main.ask("SEND", event.chan, payload="once", id=request)
    assert again.verb == "OK", again
    ctx.main.send(event.chan, "after")
    assert client.read_text() == "once" and client.read_text() == "after"


@case("X26")
def a_text_that_is_not_utf8_is_refused(ctx):
    client, event = opened_ws(ctx, "utf8")
    answer = ctx.main.ask_send(event.chan, b"\xff\xfe")
    assert answer.verb == "ERR" and answer.code == "utf8", answer
    answer = ctx.main.ask_send(event.chan, b"\xff\xfe", bin=1)
    assert answer.verb == "OK", answer
    assert client.read_message() == (2, b"\xff\xfe")


@case()
def commands_that_break_the_grammar_are_answered(ctx):
    sender = ctx.sender()
    # A missing token lets the option stand in its place: its value, or the grammar, is wrong.
    missing = ("syntax", "value")
    for line, codes in (
        ("SEND id=bad.1", missing), ("FROB x id=bad.2", ("verb",)), ("CLOSE id=bad.3", missing),
        ("SEND not-a-channel id=bad.4", ("value", "gone")), ("GET weather id=bad.5", ("value",)),
        ("PUB id=bad.6", missing), ("JOIN bad/service id=bad.7", ("value",)),
        ("JOIN x window=99999 id=bad.8", ("value",)),
    ):
        request = line.split("id=")[1]
        sender.command(line)
        answer = sender.wait_answer(request)
        assert answer.verb == "ERR" and answer.code in codes, (line, answer)
        assert answer.payload, f"an ERR says why: {answer}"


@case()
def another_version_is_told_both(ctx):
    sender = ctx.sender()
    sender.command("JOIN x proto=RW/2")
    answer = sender.wait_for("ERR")
    assert answer.code == "proto" and b"RW/2" in answer.payload and b"RW/1" in answer.payload


@case()
def a_payload_over_4_mib_is_refused_without_an_id(ctx):
    client, event = opened_ws(ctx, "large")
    sender = ctx.sender()
    sender.send(event.chan, b"x" * (4 * 1024 * 1024 + 1))
    answer = sender.wait_for("ERR", timeout=10)
    assert answer.code == "large", answer
    sender.send(event.chan, "still here")
    assert client.read_text() == "still here"


@case()
def a_batch_of_records_is_taken_in_order(ctx):
    client, event = opened_ws(ctx, "batch")
    ctx.main.command(*[make_record("SEND", event.chan, payload=str(i)) for i in range(20)])
    assert [client.read_text() for _ in range(20)] == [str(i) for i in range(20)]


@case()
def a_req_socket_gets_its_envelope_back(ctx):
    with Port(zmq.REQ, ctx.endpoint("apps")) as port:
        port.send("PUB nowhere id=req.1\nx")
        frames = port.receive()
        assert len(frames) == 1 and frames[0].startswith(b"OK nowhere - req.1"), frames
        port.send("GET stats id=req.2")
        assert port.receive()[0].startswith(b"INFO "), frames


@case()
def get_tells_stats_info_and_list(ctx):
    client, event = opened_ws(ctx, "info")
    stats = ctx.main.ask("GET", "stats")
    assert stats.verb == "INFO" and isinstance(json.loads(stats.payload), dict), stats
    info = ctx.main.ask("GET", "info", event.chan)
    assert info.verb == "INFO" and event.chan in info.payload.decode(), info
    listed = ctx.main.ask("GET", "list", "default")
    assert listed.verb == "INFO" and event.chan in listed.payload.decode(), listed
    gone = ctx.main.ask("GET", "info", event.chan + "9")
    assert gone.verb == "ERR" and gone.code in ("gone", "value"), gone
    client.close()


# Workers


@case()
def events_are_shared_out_and_a_channel_stays_with_its_worker(ctx):
    other = ctx.worker("default")
    pairs = []
    for number in range(10):
        target = unique("share")
        client = ctx.ws(target)
        pairs.append((client, target))
    workers = {}
    for client, target in pairs:
        holder = wait_until(
            lambda: next((w for w in (ctx.main, other)
                          if w.find("OPEN", where=lambda r: r.target == target)), None))
        workers[target] = holder
    assert set(workers.values()) == {ctx.main, other}, "all channels went to one worker"
    for client, target in pairs:
        holder = workers[target]
        chan = holder.find("OPEN", where=lambda r: r.target == target)[0].chan
        for number in range(5):
            client.text(str(number))
        for number in range(5):
            record = holder.wait_for("TEXT", chan, count=number + 1)
            assert record.payload == str(number).encode()
        client.close_cleanly()
        holder.wait_close(chan)


@case("E25", verdict="differs")
def messages_for_a_slow_worker_wait_and_none_is_lost(ctx):
    ctx.main.auto_ack = False
    client, event = opened_ws(ctx, "E25")
    ctx.main.ack(event.tag)
    total = 2000
    for number in range(200):  # more than any window, less than the kernel holds
        client.text(f"{number:04d}" + "x" * 100)
    ctx.main.wait_for("TEXT", event.chan, count=16)
    held = len(ctx.main.find("TEXT", event.chan))
    assert held <= 64, f"{held} deliveries are under way to a worker with a window of 64"
    ctx.main.auto_ack = True
    for record in ctx.main.events(event.chan):
        ctx.main.ack(record.tag)
    for number in range(200, total):
        client.text(f"{number:04d}" + "x" * 100)
    ctx.main.wait_for("TEXT", event.chan, count=total, timeout=20)
    got = [int(record.payload[:4]) for record in ctx.main.find("TEXT", event.chan)]
    assert got == list(range(total)), "messages are lost, doubled or out of order"


@case("X09")
def all_messages_before_a_close_reach_a_slow_worker(ctx):
    ctx.main.auto_ack = False
    client, event = opened_ws(ctx, "X09")
    for number in range(10):
        client.text(str(number))
    client.send_close(1000)
    handled = []
    seen = 1
    ctx.main.ack(event.tag)
    while seen < 12:
        seen += 1
        record = wait_until(lambda: ctx.main.events(event.chan)[seen - 1 : seen], 5)[0]
        handled.append(record)
        ctx.main.ack(record.tag)
    assert [r.verb for r in handled] == ["TEXT"] * 10 + ["CLOSE"]
    assert [r.payload for r in handled[:-1]] == [str(n).encode() for n in range(10)]


@case("X36")
def an_event_that_was_not_acknowledged_goes_to_another_worker():
    with Deployment() as own:
        first = own.worker("default", auto_ack=False)
        client, event = opened_ws(own, "X36", first)
        first.ack(event.tag)
        client.text("unhandled")
        record = first.wait_for("TEXT", event.chan)
        second = own.worker("default", handler=echo)
        first.stop()
        own.workers.remove(first)
        adopted = second.wait_for("ADOPT", event.chan, timeout=15)
        assert adopted.seq == "1" and adopted.meta["carrier"] == "ws", adopted
        assert set(adopted.meta) == {"carrier", "route", "params", "protocol", "peer"}
        again = second.wait_for("TEXT", event.chan)
        assert again.payload == b"unhandled" and again.seq == record.seq
        assert again.options.get("try") == "2", again
        assert client.read_text() == "unhandled"


@case()
def a_nack_gives_the_channel_to_another_worker():
    with Deployment() as own:
        first = own.worker("default", auto_ack=False)
        client, event = hold(own, "nack", worker=first)
        second = own.worker("default")
        first.nack(event.tag)
        again = second.wait_for("OPEN", event.chan)
        assert again.options.get("try") == "2", again
        second.respond(event.chan, 200, TEXT, b"second")
        assert client.read_response().body == b"second"


@case(seconds=120)
def an_event_that_fails_four_times_is_poison():
    with Deployment() as own:
        worker = own.worker("default", auto_ack=False)
        client, event = hold(own, "poison", worker=worker)
        worker.nack(event.tag)
        for number in (2, 3, 4):
            again = worker.wait_for("OPEN", event.chan, count=number, timeout=10)
            assert again.options.get("try") == str(number), again
            worker.nack(again.tag)
        response = client.read_response()
        assert response.status == 500, response
        closed = worker.wait_close(event.chan, 10)
        assert closed.cause == "poison", closed
        worker.ack(closed.tag)


@case()
def a_worker_that_leaves_gets_nothing_new_and_is_told():
    with Deployment() as own:
        first, second = own.worker("default"), own.worker("default")
        first.leave()
        first.wait_for("LEFT", "default")
        for _ in range(6):
            client, event = hold(own, "leave", worker=second)
            second.respond(event.chan, 200, TEXT, b"x")
            assert client.read_response().status == 200
        assert not first.find("OPEN")


@case()
def a_name_is_held_by_one_worker(ctx):
    ctx.worker("default", name="n1")
    other = ctx.sender()
    answer = other.ask("JOIN", "default", name="n1")
    assert answer.verb == "ERR" and answer.code == "name-in-use", answer


@case()
def done_acknowledges_exactly_the_named_deliveries(ctx):
    worker = ctx.worker("picky", auto_ack=False, window=2)
    held = []
    for _ in range(3):
        client = ctx.http()
        client.request("GET", "/picky")
        held.append(client)
    second = worker.wait_for("OPEN", count=2)
    assert len(worker.find("OPEN")) == 2, "more than the window was delivered"
    worker.done(second.tag)
    third = worker.wait_for("OPEN", count=3)
    worker.done(worker.find("OPEN")[0].tag, third.tag)
    for event in worker.find("OPEN"):
        worker.respond(event.chan, 200, TEXT, b"x")
    for client in held:
        assert client.read_response().status == 200


# Topics


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


# Topic routes


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
    empty = json.loads(client.get("/rooms/poll?wait=1").body)
    assert empty["messages"] == [] and empty["cursor"], empty
    client.request("GET", f"/rooms/poll?cursor={empty['cursor']}&wait=20")
    publish_until(ctx, "rooms/poll", "polled", lambda: _has_bytes(client))
    response = client.read_response()
    answer = json.loads(response.body)
    assert response.head.get("content-type").startswith("application/json")
    texts = [m.get("data") for m in answer["messages"] if "topic" in m]
    assert texts and set(texts) == {"polled"}, answer
    assert answer["cursor"] != empty["cursor"]


def _has_bytes(client):
    return bool(select.select([client.sock], [], [], 0)[0])


@case()
def what_a_poll_missed_is_announced_as_a_gap(ctx):
    client = ctx.http()
    cursor = json.loads(client.get("/rooms/gap?wait=0").body)["cursor"]
    answer = ctx.main.ask("PUB", "rooms/gap", payload="missed")
    assert answer.verb == "OK", answer
    answer = json.loads(client.get(f"/rooms/gap?cursor={cursor}&wait=2").body)
    text = json.dumps(answer)
    assert "gap" in text and "no-history" in text, answer


@case()
def an_sse_client_that_comes_back_is_told_of_its_gap(ctx):
    accept = ("Accept", "text/event-stream")
    client = ctx.http()
    client.request("GET", "/rooms/back", [accept])
    client.read_head()
    cursor = dict(read_events(client, 1)[0])["id"]
    client.close()
    assert ctx.main.ask("PUB", "rooms/back", payload="missed").verb == "OK"
    client = ctx.http()
    client.request("GET", "/rooms/back", [accept, ("Last-Event-ID", cursor)])
    client.read_head()
    events = read_events(client, 1)
    while not any(dict(event).get("event") == "gap" for event in events):
        events += read_events(client, 1)
    gap = next(dict(event) for event in events if dict(event).get("event") == "gap")
    assert json.loads(gap["data"])["gap"]["reason"] == "no-history", gap


@case("HTTP-9110-15.5.6a")
def a_topic_route_takes_get_and_head_only(ctx):
    client = ctx.http()
    client.request("POST", "/rooms/1", body=b"x")
    response = client.read_response()
    assert response.status == 405, response
    allowed = {word.strip() for word in response.head.get("allow", "").split(",")}
    assert {"GET", "HEAD"} <= allowed, response.head.headers


# Routes


@case("E24")
def a_request_without_a_route_gets_404():
    with Deployment(routes=[("one", {"path": "/only", "service": "default"})]) as own:
        own.main = own.worker()
        for target in ("/other", "/only/deeper", "/", "/Only", "//only"):
            assert own.http().get(target).status == 404, target
        try:
            own.ws("/other")
            raise AssertionError("a WebSocket without a route was accepted")
        except Refused as refused:
            assert refused.response.status == 404
        client, event = hold(own, "only", target="/only?x=1")
        assert event.meta["route"] == "one"
        own.main.respond(event.chan, 200, TEXT, b"x")
        assert client.read_response().status == 200


@case()
def segments_are_matched_and_decoded_once(ctx):
    client, event = hold(ctx, "deep", target="/deep/a%41%2520b/x/y/z?q=%20")
    assert event.meta["route"] == "deep", event.meta
    assert event.meta["params"]["a"] == "aA%20b", event.meta
    assert event.target == "/deep/a%41%2520b/x/y/z?q=%20"
    ctx.main.respond(event.chan, 200, TEXT, b"x")
    assert client.read_response().status == 200


@case()
def a_parameter_with_forbidden_bytes_gets_400(ctx):
    for value in ("a%2Fb", "a%20b", "a*b", "%00", "%7f", "%c3%bc", "%zz"):
        assert ctx.http().get(f"/rooms/{value}?wait=0").status == 400, value


@case("E24")
def a_service_without_a_worker_gets_503_in_time(ctx):
    began = time.monotonic()
    response = ctx.http().get("/nobody/here")
    took = time.monotonic() - began
    assert response.status == 503 and response.head.get("retry-after") == "1", response
    assert 0.3 < took < scaled(4), f"it took {took:.2f} s"
    try:
        ctx.ws("/nobody/ws")
        raise AssertionError("101 although there is no worker")
    except Refused as refused:
        assert refused.response.status == 503
        assert refused.response.head.get("retry-after") == "1"


@case("E24")
def a_worker_that_comes_in_time_gets_the_request(ctx):
    client = ctx.http()
    client.request("GET", "/nobody/yet")
    worker = ctx.worker("nobody")
    event = worker.wait_open("/nobody/yet")
    worker.respond(event.chan, 200, TEXT, b"in time")
    assert client.read_response().body == b"in time"


@case("WS-4.2.2e")
def an_origin_that_is_not_ours_is_refused(ctx):
    host = "%s:%d" % ctx.address
    for target, origin, good in (
        ("/own", "https://good.example", True), ("/own", "https://evil.example", False),
        ("/own", f"http://{host}", True), ("/own", "null", False),
        ("/plain", f"http://{host}", True), ("/plain", "https://good.example", False),
    ):
        try:
            ctx.ws(target, headers=[("Origin", origin)]).close_cleanly()
            assert good, f"{origin} was accepted at {target}"
        except Refused as refused:
            assert not good and refused.response.status == 403, (target, origin, refused)


# A WebSocket that the application decides about


@case("X24")
def an_application_refuses_before_101(ctx):
    worker = ctx.worker("picky")
    client = WsClient(ctx.address)
    ctx.clients.append(client)
    client.send(client.handshake_bytes("/picky") + b"GET /behind HTTP/1.1\r\nHost: a\r\n\r\n")
    event = worker.wait_for("OPEN")
    assert event.meta["carrier"] == "ws", event.meta
    early = worker.ask_send(event.chan, "too early")
    assert early.verb == "ERR" and early.code == "undecided", early
    worker.respond(event.chan, 403, [("X-Why", "closed")], b"not today")
    try:
        client.finish_handshake()
        raise AssertionError("101 after a refusal")
    except Refused as refused:
        assert refused.response.status == 403 and refused.response.body == b"not today"
        assert refused.response.head.get("x-why") == "closed"
        assert refused.response.head.has_token("connection", "close")
    client.expect_end()
    closed = worker.wait_close(event.chan)
    assert closed.status == 0, closed
    sentinel(ctx)
    assert not ctx.main.find("OPEN", where=lambda r: r.target == "/behind")
    late = worker.ask("ACCEPT", event.chan)
    assert late.verb == "ERR" and late.code in ("gone", "decided"), late


@case("X25", "D13")
def an_application_accepts_with_headers_and_a_subprotocol(ctx):
    worker = ctx.worker("picky", handler=echo)
    client = WsClient(ctx.address)
    ctx.clients.append(client)
    client.send(client.handshake_bytes("/picky", protocols=["a", "test"]))
    event = worker.wait_for("OPEN")
    assert event.meta["offers"] == ["a", "test"], event.meta
    worker.accept(event.chan, [("Set-Cookie", "a=1")], protocol="test")
    head = client.finish_handshake()
    assert head.get("sec-websocket-protocol") == "test" and head.get("set-cookie") == "a=1"
    twice = worker.ask("ACCEPT", event.chan)
    assert twice.verb == "ERR" and twice.code == "decided", twice
    client.text("hi")
    assert client.read_text() == "hi"


# Tap and plain ports


@case()
def the_tap_shows_a_channel_to_those_who_look(ctx):
    with Port(zmq.SUB, ctx.endpoint("tap"), b"") as tap:
        def woken():
            ctx.main.pub("wake", "up")
            return tap.socket.poll(100)

        wait_until(woken, 10, "the tap to show a publication")
        headers = [("Authorization", "Bearer secret-token"), ("Cookie", "sid=secret-cookie")]
        client, event = opened_ws(ctx, "tap", headers=headers)
        client.text("looked at")
        ctx.main.wait_for("TEXT", event.chan)
        ctx.main.send(event.chan, "answer")
        assert client.read_text() == "answer"
        client.close_cleanly()
        ctx.main.wait_close(event.chan)
        seen = {}
        while f"channel/{event.chan}/close" not in seen:
            topic, record = tap.receive()
            seen[topic.decode()] = record
        for kind in ("open", "text", "send", "close"):
            assert f"channel/{event.chan}/{kind}" in seen, sorted(seen)
        assert seen[f"channel/{event.chan}/text"].endswith(b"\nlooked at")
        assert b"secret" not in seen[f"channel/{event.chan}/open"]
        meta = event.meta["headers"]
        assert ["authorization", "Bearer secret-token"] in meta, "the worker is told"


@case()
def the_tap_shows_a_topic_by_its_name(ctx):
    with Port(zmq.SUB, ctx.endpoint("tap"), b"topic/tapped") as tap:
        def seen():
            ctx.main.pub("tapped", "data")
            return tap.socket.poll(100)

        wait_until(seen, 10, "the tap to show a publication")
        topic, record = tap.receive()
        assert topic == b"topic/tapped" and record.endswith(b"\ndata"), (topic, record)


@case()
def the_pull_port_takes_commands(ctx):
    client, event = opened_ws(ctx, "pull")
    with Port(zmq.PUSH, ctx.endpoint("pull")) as push:
        push.send(make_record("SEND", event.chan, payload="pushed"))
        assert client.read_text() == "pushed"
        push.send(make_record("SUB", event.chan, "pulled"))
        push.send(make_record("PUB", "pulled", payload="published"))
        assert client.read_text() == "published"
        push.send(make_record("UNSUB", event.chan, "pulled"))
        push.send(make_record("PUB", "pulled", payload="unheard"))
        push.send(make_record("JOIN", "default"))
        push.send(make_record("CLOSE", event.chan, "4001", payload="pushed out"))
        frame = client.read_close()
        assert frame.code == 4001 and frame.reason == b"pushed out"


@case()
def the_sub_port_takes_publications_and_channels(ctx):
    client, event = opened_ws(ctx, "sub")
    ctx.main.sub(event.chan, "plain/topic")
    assert ctx.main.ask("GET", "stats").verb == "INFO"
    with Port(zmq.PUB, ctx.endpoint("sub")) as port:
        deadline = time.monotonic() + scaled(10)
        client.sock.settimeout(0.05)
        while not client.buffer:  # a PUB socket has no way to know that it is connected
            port.send("plain/topic", "published")
            try:
                client.buffer += client.sock.recv(1)
            except TimeoutError:
                assert time.monotonic() < deadline, "nothing was delivered"
        assert client.read_text() == "published"
        port.send(f"channel/{event.chan}/send", "direct")
        text = client.read_text()
        while text == "published":
            text = client.read_text()
        assert text == "direct"
        port.send(f"channel/{event.chan}/close", "")
        client.read_close()


@case()
def garbage_on_every_port_stops_nobody(ctx):
    junk = [b"", b"\x00", b"\xff" * 100, b"JOIN", b"SEND", b"SEND \n", b" ", b"\n", b"join x",
            b"OPEN " + b"x" * 9000, b"SEND %zz\nx", b"ACK", b"ACK -", b"ACK 1.2", b"DONE",
            b"NACK x", b"HELLO", b"HELLO a b c", b"CHECK x", b"SUB a b c", b"PUB a", b"A" * 17,
            b"GET", b"OPEN edge1.00000000.1 1 default 0\n{}", b"HB edge1 00000000 99", b"SYNCED",
            b"BYE", b"GONE edge1.00000000.1", b"TSUB", b"TUNSUB x y", b"OK 1", b"ERR 1 x",
            os.urandom(200), os.urandom(5000), b"SEND " + b"a," * 4000 + b"a\nx"]
    for name, kind in (("apps", zmq.DEALER), ("edges", zmq.DEALER), ("pull", zmq.PUSH),
                       ("sub", zmq.PUB), ("tap", zmq.XSUB)):
        with Port(kind, ctx.endpoint(name)) as port:
            for piece in junk:
                port.send(piece)
                port.send(piece, b"", piece)
                port.send(b"", piece)
    for name in ("apps", "edges", "tap", "pull", "sub"):
        host, _, port_number = ctx.endpoint(name).split("//")[1].rpartition(":")
        for data in (os.urandom(64), b"GET / HTTP/1.1\r\n\r\n", b"\xff" + b"\x00" * 8 + b"\x01\x7f",
                     b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03"):
            with socket.create_connection((host, int(port_number)), timeout=5) as raw:
                raw.sendall(data)
    assert ctx.broker.is_running() and ctx.edge.is_running()
    sentinel(ctx)
    client, event = opened_ws(ctx, "junk")
    ctx.main.send(event.chan, "alive")
    assert client.read_text() == "alive"


# Starts, stops and settings


@case()
def a_wrong_setting_ends_with_2_and_one_line():
    for program, arguments, word in (
        ("ringway-gateway", ["--head-timeout", "soon"], "head-timeout"),
        ("ringway-gateway", ["--out-queue", "-5"], "out-queue"),
        ("ringway-gateway", ["--listen", "nowhere"], "listen"),
        ("ringway-gateway", ["--no-such-setting", "1"], "no-such-setting"),
        ("ringway-broker", ["--worker-lease", "fast"], "worker-lease"),
        ("ringway-broker", ["--bus-edges", "not an endpoint"], "bus-edges"),
        ("ringway", ["--head-timeout", "soon"], "head-timeout"),
    ):
        status, out, err, _ = run_program(program, *arguments)
        assert status == 2, (program, arguments, status, err)
        assert len(err.strip().splitlines()) == 1 and word in err, (program, arguments, err)
        assert "ready" not in out


@case()
def settings_come_from_flag_before_environment_before_file():
    own = Deployment()
    try:
        config = own.folder.path / "x.conf"
        config.write_text("head-timeout = 11s\nbody-timeout = 11s\nkeep-alive = 11s\n")
        env = {"RINGWAY_BODY_TIMEOUT": "12s", "RINGWAY_KEEP_ALIVE": "12s"}
        status, out, err, _ = run_program(
            "ringway-gateway", "--config", config, "--keep-alive", "13s", "--print-config", env=env)
        assert status == 0, err
        values = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        values = {key.strip(): value.strip().strip('"') for key, value in values.items()}
        assert values["head-timeout"] in ("11s", "11000ms"), out
        assert values["body-timeout"] in ("12s", "12000ms"), out
        assert values["keep-alive"] in ("13s", "13000ms"), out
        config.write_text("head-timeout = wrong\n")
        status, out, err, _ = run_program("ringway-gateway", "--config", config, "--check-config")
        assert status == 2 and "head-timeout" in err, (status, err)
    finally:
        own.abandon()


@case()
def a_wrong_route_ends_with_2_and_names_it():
    own = Deployment(routes=[("bad", {"path": "no-slash", "service": "x"})])
    try:
        for options in ({"path": "no-slash", "service": "x"}, {"path": "/x"},
                        {"path": "/x", "service": "a", "topic": "b"},
                        {"path": "/x", "service": "a", "accept": "maybe"},
                        {"path": "/x/{a}/{a", "service": "a"},
                        {"path": "/x", "service": "a", "nonsense": "1"}):
            config = own.folder.path / "bad.conf"
            write_config(config, {}, [("bad", options)])
            status, _, err, _ = run_program("ringway-gateway", "--config", config,
                                            "--check-config")
            assert status == 2, (options, status, err)
            assert len(err.strip().splitlines()) == 1 and "bad" in err, (options, err)
    finally:
        own.abandon()


@case()
def a_port_in_use_is_said_and_ends_the_program(ctx):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        for program, arguments in (
            ("ringway-gateway", ["--listen", address, "--ops-listen", "127.0.0.1:0"]),
            ("ringway-gateway", ["--listen", "127.0.0.1:0", "--ops-listen", address]),
            ("ringway-broker", ["--bus-edges", f"tcp://{address}", "--ops-listen", "127.0.0.1:0",
                                "--bus-apps", "tcp://127.0.0.1:0", "--bus-tap",
                                "tcp://127.0.0.1:0", "--bus-pull", "tcp://127.0.0.1:0",
                                "--bus-sub", "tcp://127.0.0.1:0"]),
        ):
            status, out, err, _ = run_program(program, *arguments)
            assert status not in (0, None) and status > 0, (program, status)
            assert address.split(":")[1] in err, (program, arguments, err)
            assert not out.startswith("ready")


@case("X30")
def the_listener_has_a_long_backlog(ctx):
    try:
        text = subprocess.run(["ss", "-ltnH", f"sport = :{ctx.address[1]}"], check=True,
                              capture_output=True, text=True).stdout
    except FileNotFoundError:
        raise Skip("this machine has no ss") from None
    sizes = [int(line.split()[2]) for line in text.splitlines()]
    with open("/proc/sys/net/core/somaxconn", encoding="ascii") as file:
        most = int(file.read())
    assert sizes and min(sizes) >= min(1024, most), text


@case()
def a_gateway_that_starts_before_its_broker_waits_for_it():
    own = Deployment(ipc=True)
    try:
        edge = own.start_edge()
        status, text = edge.get_ops("/readyz")
        assert status == 503 and text.strip(), (status, text)
        assert edge.get_ops("/healthz")[0] == 200
        own.start_broker()
        own.wait_joined()
        own.main = own.worker()
        sentinel(own)
        own.stop()
    finally:
        own.abandon()


@case(seconds=90)
def channels_outlive_a_restart_of_the_broker():
    with Deployment(ipc=True) as own:
        own.main = own.worker("default", name="w1")
        client, event = opened_ws(own, "restart")
        held, request = hold(own, "restart")
        own.broker.kill()
        wait_until(lambda: not own.edge.is_ready(), 15, "/readyz to say no")
        client.text("while it is away")
        own.start_broker()
        own.wait_joined(20)
        record = own.main.wait_for("TEXT", event.chan, timeout=15)
        assert record.payload == b"while it is away"

        def send():
            answer = own.main.ask_send(event.chan, "back", timeout=2)
            return answer.verb == "OK"

        wait_until(send, 15, "a send to be taken")
        assert client.read_text() == "back"
        own.main.respond(request.chan, 200, TEXT, b"survived")
        assert held.read_response().body == b"survived"
        client.close_cleanly()
        assert own.main.wait_close(event.chan, 10).status == 1000
        assert len(own.main.find("CLOSE", event.chan)) == 1


@case("X12")
def an_edge_that_stops_ends_its_websockets_with_1001():
    with Deployment() as own:
        own.main = own.worker()
        client, event = opened_ws(own, "X12")
        edge = own.edges[0]
        edge.signal(signal.SIGTERM)
        frame = client.read_close()
        assert frame.code == 1001, frame
        client.send_close(1001)
        client.expect_end()
        assert edge.wait_exit(10) == 0
        edge.check_log()
        own.edges.remove(edge)
        closed = own.main.wait_close(event.chan)
        assert closed.status == 0 and closed.cause == "drain", closed
        assert closed.options.get("code") == "1001", closed


@case(seconds=90)
def a_killed_edge_closes_its_channels_once():
    with Deployment(edges=2) as own:
        own.main = own.worker()
        _, socket_event = opened_ws(own, "lost")
        _, held_event = hold(own, "lost")
        survivor, other_event = opened_ws(own, "lost", edge=1)
        own.edges[0].kill()
        own.edges.pop(0)
        closed = own.main.wait_close(socket_event.chan, 15)
        assert closed.status == 1006 and closed.cause == "edge-lost", closed
        closed = own.main.wait_close(held_event.chan, 15)
        assert closed.status == -1 and closed.cause == "edge-lost", closed
        answer = own.main.ask_send(socket_event.chan, "anyone?")
        assert answer.verb == "ERR" and answer.code in ("gone", "edge-lost"), answer
        own.main.send(other_event.chan, "you live")
        assert survivor.read_text() == "you live"
        assert len(own.main.find("CLOSE", socket_event.chan)) == 1


@case()
def both_in_one_program_serve_the_same(ctx):
    folder = Folder()
    settings = {"listen": "127.0.0.1:0", "ops_listen": "127.0.0.1:0", "drain_grace": "1s"}
    for name in ("edges", "apps", "tap", "pull", "sub"):
        settings["bus_" + name] = f"ipc://{folder.path}/{name}"
    daemon = Gateway("ringway", flags(settings), folder.path)
    worker = None
    try:
        daemon.start().wait_ready()
        wait_until(daemon.is_ready, 10, "/readyz of ringway")
        worker = Worker(f"ipc://{folder.path}/apps").start()
        with WsClient.connect(daemon.address, "/embedded") as client:
            event = worker.wait_open("/embedded")
            worker.send(event.chan, "one program")
            assert client.read_text() == "one program"
            client.close_cleanly()
        worker.wait_close(event.chan)
        daemon.stop()
    finally:
        if worker:
            worker.stop()
        daemon.kill()
        folder.remove()


@case()
def the_operations_port_has_metrics_and_health(ctx):
    for daemon in (ctx.broker, ctx.edge):
        assert daemon.get_ops("/healthz")[0] == 200
        assert daemon.get_ops("/readyz")[0] == 200
        status, text = daemon.get_ops("/metrics")
        assert status == 200 and "# TYPE " in text and "ringway_" in text
        assert daemon.get_ops("/nothing")[0] == 404
    wait_until(lambda: ctx.broker.metric("ringway_broker_workers") >= 1)
    client, event = opened_ws(ctx, "metrics")
    wait_until(lambda: ctx.edge.metric("ringway_channels_live", carrier="ws") >= 1)
    before = ctx.edge.metric("ringway_channels_closed_total", carrier="ws", cause="client")
    client.close_cleanly()
    ctx.main.wait_close(event.chan)
    wait_until(lambda: ctx.edge.metric("ringway_channels_closed_total", carrier="ws",
                                       cause="client") == before + 1)


if __name__ == "__main__":
    run(lambda: Deployment(routes=ROUTES, settings={"out_queue": "64MiB"}))
