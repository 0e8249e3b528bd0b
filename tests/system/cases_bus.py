"""Commands and their answers, workers, tap and plain ports."""

import asyncio
import json
import os
import pathlib
import socket
import sys
import time

import zmq

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import Skip, case, run
from support.harness import Deployment
from support.port import Port
from support.talk import hold, opened_ws, sentinel, unique
from support.waiting import scaled, wait_until
from support.worker import echo, make_record
from support.ws_client import make_frame

TEXT = [("Content-Type", "text/plain")]
ROUTES = [
    ("picky", {"path": "/picky", "service": "picky", "accept": "backend"}),
    ("single", {"path": "/single", "service": "single"}),
    ("batches", {"path": "/batches", "service": "batches"}),
    ("rest", {"path": "/**", "service": "default"}),
]


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


@case("D09")
def an_independent_client_exchanges_messages(ctx):
    try:
        import websockets
    except ImportError:
        raise Skip("this machine has no websockets for Python") from None

    async def exchange():
        async with websockets.connect("ws://%s:%d/D09" % ctx.address) as client:
            for message in ("text", b"\x00bin", "\u00fc" * 70000, b"", b"\xff" * 300000):
                await client.send(message)
                assert await asyncio.wait_for(client.recv(), scaled(10)) == message
            await client.close(1000, "bye")

    ctx.main.handler = echo
    asyncio.run(exchange())
    closed = ctx.main.wait_close(ctx.main.wait_open("/D09").chan)
    assert closed.status == 1000 and closed.payload == b"bye", closed


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
        push.send(make_record("PUB", "pulled", payload="live only", hist=0, collapse="c"))
        assert client.read_text() == "live only"
        answer = ctx.main.ask("GET", "history", "pulled")
        held = [one["data"] for one in json.loads(answer.payload)["messages"]]
        assert held == ["published"], held
        push.send(make_record("LABEL", event.chan, "pulled"))
        push.send(make_record("CAST", "1", payload="u:pulled\nto a set"))
        assert client.read_text() == "to a set"
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


def largest_message(ctx, service, options, events):
    """Frames of the largest message in which a worker gets this many texts, in their order."""
    with Port(zmq.DEALER, ctx.endpoint("apps")) as port:
        port.send(b"JOIN %s window=1000%s" % (service.encode(), options))
        client = ctx.ws(f"/{service}")
        client.send(b"".join(make_frame(1, b"%d" % number) for number in range(events)))
        most, seen = 0, []
        while len(seen) < events:
            frames = port.receive()
            most = max(most, len(frames))
            for frame in frames:
                verb, _, _, tag, *_ = frame.partition(b"\n")[0].split()
                if verb == b"TEXT":
                    seen.append(int(frame.partition(b"\n")[2]))
                if verb in (b"OPEN", b"TEXT"):
                    port.send(b"ACK " + tag)
        assert seen == list(range(events)), seen
        return most


@case()
def events_come_in_batches_to_who_asks_for_them_and_one_by_one_to_others(ctx):
    assert largest_message(ctx, "single", b"", 300) == 1
    wait_until(lambda: largest_message(ctx, "batches", b" batch=1", 300) > 1, 30)


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


if __name__ == "__main__":
    run(lambda: Deployment(routes=ROUTES, settings={"out_queue": "64MiB"}))
