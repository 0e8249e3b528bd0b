"""How far a message has come: want=received, and what pings prove."""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.talk import hold, unique
from support.waiting import scaled, stays_true, wait_until
from support.worker import new_id
from support.ws_client import CLOSE, PING, PONG, TEXT, WsClient
from support.ws_talk import join

TEXT_HEAD = [("Content-Type", "text/plain")]
ROUTES = [
    ("decided", {"path": "/decided/**", "service": "default", "accept": "backend"}),
    ("all", {"path": "/**", "service": "default"}),
]


def ask_received(ctx, chan, payload, **options):
    """A SEND with want=received; returns its id."""
    request = new_id()
    ctx.main.record("SEND", chan, payload=payload, want="received", id=request, **options)
    return request


def answers(ctx, mark=0):
    """What was answered since: {id: verb or code}."""
    found = ctx.main.find(("OK", "ERR"), after=mark)
    return {r.tag: r.verb if r.verb == "OK" else r.code for r in found}


def read_ping(client):
    """The next frame, a ping that asks for a receipt: its 8 bytes."""
    frame = client.read_frame()
    assert frame.opcode == PING and len(frame.payload) == 8, f"{frame!r} {frame.payload!r}"
    return frame.payload


@case()
def an_answer_to_want_received_waits_for_the_pong(ctx):
    client, event = join(ctx, "received")
    request = ask_received(ctx, event.chan, "proved")
    assert client.read_frame().payload == b"proved", "the ping is behind its data"
    mark = read_ping(client)
    stays_true(lambda: request not in answers(ctx), 0.3, "no answer before the pong")
    client.frame(PONG, mark)
    assert ctx.main.wait_answer(request).verb == "OK"


@case()
def one_ping_is_under_way_and_the_next_covers_the_rest(ctx):
    client, event = join(ctx, "one")
    requests = [ask_received(ctx, event.chan, str(number)) for number in range(4)]
    assert client.read_frame().payload == b"0"
    first = read_ping(client)
    for number in (1, 2, 3):
        frame = client.read_frame()
        assert frame.opcode == TEXT and frame.payload == str(number).encode(), frame
    client.frame(PONG, first)
    assert ctx.main.wait_answer(requests[0]).verb == "OK"
    second = read_ping(client)
    assert set(answers(ctx)) & set(requests[1:]) == set(), "the rest is not proved yet"
    client.frame(PONG, second)
    for request in requests[1:]:
        assert ctx.main.wait_answer(request).verb == "OK"


@case()
def a_pong_that_nobody_asked_for_proves_nothing(ctx):
    client, event = join(ctx, "forged")
    request = ask_received(ctx, event.chan, "x")
    client.read_frame()
    mark = read_ping(client)
    for forged in (b"", b"\xff" * 8, bytes(8), mark + b"\0", mark[:7]):
        client.frame(PONG, forged)
    client.text("all of them were read")
    ctx.main.wait_for("TEXT", event.chan)
    assert request not in answers(ctx)
    client.frame(PONG, mark)
    assert ctx.main.wait_answer(request).verb == "OK"


@case()
def an_answer_to_the_newest_ping_alone_is_enough():
    settings = {"ping_interval": "300ms", "ping_timeout": "20s"}
    with Deployment(settings=settings) as own:
        own.main = own.worker("default")
        client, event = join(own, "newest")
        request = ask_received(own, event.chan, "x")
        frames = [client.read_frame() for _ in range(3)]
        pings = [frame.payload for frame in frames if frame.opcode == PING]
        assert len(pings) == 2, "one for the receipt, one to keep alive"
        client.frame(PONG, pings[-1])
        assert own.main.wait_answer(request).verb == "OK"


@case()
def a_receipt_for_the_last_message_comes_before_the_close(ctx):
    client, event = join(ctx, "last")
    first = ask_received(ctx, event.chan, "1")
    last = ask_received(ctx, event.chan, "2", close=1)
    frames = []
    while not frames or frames[-1].opcode != CLOSE:
        frames.append(client.read_frame())
    pings = [frame.payload for frame in frames if frame.opcode == PING]
    assert frames[-2].opcode == PING, "no ping may follow the Close"
    for mark in pings:
        client.frame(PONG, mark)
    client.send_close(1000)
    assert ctx.main.wait_answer(first).verb == "OK"
    assert ctx.main.wait_answer(last).verb == "OK"
    client.read_to_end()
    ctx.main.wait_close(event.chan)


@case()
def a_client_that_leaves_first_is_gone(ctx):
    client, event = join(ctx, "leaves")
    request = ask_received(ctx, event.chan, "x")
    client.read_frame()
    read_ping(client)
    client.close()
    answer = ctx.main.wait_answer(request)
    assert answer.verb == "ERR" and answer.code == "gone", answer


@case()
def a_message_behind_the_acceptance_is_proved_too(ctx):
    target = unique("decided")
    client = WsClient(ctx.address)
    ctx.clients.append(client)
    client.send(client.handshake_bytes(target))
    event = ctx.main.wait_open(target)
    request = new_id()
    send = b"SEND %s want=received id=%s\nearly" % (event.chan.encode(), request.encode())
    ctx.main.command(b"ACCEPT " + event.chan.encode(), send)
    client.finish_handshake()
    assert client.read_frame().payload == b"early"
    client.frame(PONG, read_ping(client))
    assert ctx.main.wait_answer(request).verb == "OK"


@case()
def streams_and_polls_refuse_want_received(ctx):
    client, event = hold(ctx, "unsupported")
    answer = ctx.main.ask_send(event.chan, b"x", want="received", close=1)
    assert answer.verb == "ERR" and answer.code == "unsupported", answer
    ctx.main.respond(event.chan, 200, TEXT_HEAD, b"begun", close=None)
    assert client.read_head().status == 200 and client.read_chunk() == b"begun"
    answer = ctx.main.ask_send(event.chan, b"never", want="received")
    assert answer.verb == "ERR" and answer.code == "unsupported", answer
    ctx.main.send(event.chan, b"end", close=1)
    assert client.read_chunk() == b"end" and client.read_chunk() == b""


@case()
def a_refusal_cannot_be_proved(ctx):
    target = unique("decided")
    client = WsClient(ctx.address)
    ctx.clients.append(client)
    client.send(client.handshake_bytes(target))
    event = ctx.main.wait_open(target)
    answer = ctx.main.ask_send(event.chan, b"\nno", status=403, close=1, want="received")
    assert answer.verb == "ERR" and answer.code == "unsupported", answer
    ctx.main.close(event.chan)
    assert client.read_head().status == 403


@case()
def a_client_that_reads_slowly_is_not_cut_for_a_ping_that_waits():
    settings = {"ping_interval": "200ms", "ping_timeout": "300ms", "out_queue": "64MiB"}
    with Deployment(settings=settings) as own:
        own.main = own.worker("default")
        client = WsClient(own.address, receive_buffer=8192, timeout=60)
        own.clients.append(client)
        target = unique("slow")
        client.handshake(target)
        event = own.main.wait_open(target)
        for _ in range(16):
            own.main.send(event.chan, b"z" * 1048576)
        end = time.monotonic() + 3
        while time.monotonic() < end:  # much longer than interval and timeout together
            client.buffer += client.sock.recv(65536)
            time.sleep(0.02)
        assert not own.main.find("CLOSE", event.chan), own.main.find("CLOSE", event.chan)
        for _ in range(16):
            client.read_message()
        client.text("still here")
        own.main.wait_for("TEXT", event.chan)


@case()
def a_client_that_is_not_read_is_not_cut_for_its_pongs():
    settings = {"ping_interval": "200ms", "ping_timeout": "300ms"}
    with Deployment(settings=settings) as own:
        own.main = own.worker("default", auto_ack=False)
        client, event = join(own, "unread")
        for number in range(64):  # more than the window takes; the OPEN is one of it
            client.text(str(number))
        own.main.wait_for("TEXT", event.chan, count=31)
        time.sleep(scaled(1.5))  # five times what a silent client has
        assert not own.main.find("CLOSE", event.chan), own.main.find("CLOSE", event.chan)
        own.main.auto_ack = True
        own.main.ack(own.main.find("TEXT", event.chan)[-1].tag)
        own.main.wait_for("TEXT", event.chan, count=64)
        got = [record.payload for record in own.main.find("TEXT", event.chan)]
        assert got == [str(number).encode() for number in range(64)]
        wait_until(lambda: client.read_frame().opcode == PING, 5, "a ping, now that it is read")


if __name__ == "__main__":
    run(lambda: Deployment(routes=ROUTES))
