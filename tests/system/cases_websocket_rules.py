"""WebSockets: limits, close codes, unclean ends, pressure, timers and stops (the rows E, K and X
of cases.tsv that speak of WebSockets)."""

import pathlib
import random
import signal
import statistics
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.http_client import Closed
from support.talk import Background, sentinel, unique
from support.waiting import scaled, stays_true, wait_until
from support.worker import echo, head_payload
from support.ws_client import (
    BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Refused, WsClient, make_frame,
)
from support.ws_talk import fails_with, handshake, join, try_handshake, verbs

MIB = 1024 * 1024
LIMIT = 200  # message-limit of the shared deployment
ROUTES = [
    ("picky", {"path": "/picky/**", "service": "picky", "accept": "backend",
               "open_timeout": "1500ms"}),
    ("rest", {"path": "/**", "service": "default"}),
]


class Own(Deployment):
    """A deployment of one case, with a worker as `main`."""

    def start(self):
        super().start()
        self.main = self.worker()
        return self


# Limits


@case("E01")
def a_message_of_the_limit_is_delivered_and_one_byte_more_is_not(ctx):
    for opcode in (TEXT, BINARY):
        client, event = join(ctx, "E01", echo)
        for sizes in ((LIMIT,), (126, 74), (100, 100), (1,) * LIMIT, (LIMIT, 0), (0, LIMIT)):
            client.send(b"".join(pieces(opcode, sizes)))
            assert client.read_message() == (opcode, b"m" * LIMIT), sizes
        client.close()
        for sizes in ((LIMIT + 1,), (126, 75), (100, 101), (1,) * (LIMIT + 1), (LIMIT, 1)):
            fails_with(ctx, 1009, *pieces(opcode, sizes))
    fails_with(ctx, 1009, make_frame(TEXT, "fits"), make_frame(TEXT, "m" * 70_000),
               clean_before=[b"fits"])


def pieces(opcode, sizes):
    return [make_frame(CONTINUATION if number else opcode, b"m" * size,
                       fin=number == len(sizes) - 1) for number, size in enumerate(sizes)]


@case("E02")
def a_header_that_declares_too_much_is_refused_before_its_data(ctx):
    for declared, form in ((LIMIT + 1, 16), (65_535, 16), (65_536, 64), (2**40, 64),
                           (2**63 - 1, 64)):
        fails_with(ctx, 1009, make_frame(BINARY, b"", length=declared, form=form))
    fails_with(ctx, 1009, make_frame(BINARY, b"m" * 100, fin=False),
               make_frame(CONTINUATION, b"", length=126, form=16))
    # However long, the sum does not wrap.
    fails_with(ctx, 1009, make_frame(BINARY, b"m", fin=False),
               make_frame(CONTINUATION, b"", length=2**63 - 1, form=64))


@case("E25", verdict="differs", seconds=90)
def messages_wait_for_a_slow_worker_and_none_is_lost(ctx):
    slow = ctx.worker("picky", auto_ack=False, window=2)
    target = unique("picky")
    client = WsClient(ctx.address)
    ctx.clients.append(client)
    client.send(client.handshake_bytes(target))
    event = slow.wait_open(target)
    slow.ack(event.tag)
    slow.accept(event.chan)
    client.finish_handshake()
    count = 500
    writer = Background(client.send, b"".join(make_frame(TEXT, str(n)) for n in range(count)))
    seen = 0
    while seen < count:
        record = slow.wait_for("TEXT", event.chan, where=lambda r: r.options.get("try") is None,
                               count=seen + 1)
        assert record.payload == str(seen).encode(), record
        ahead = len(slow.find("TEXT", event.chan)) - seen
        assert ahead <= 2, f"{ahead} deliveries without an acknowledgement"
        slow.ack(record.tag)
        seen += 1
    writer.result()
    client.close_cleanly()
    slow.ack(slow.wait_close(event.chan).tag)


@case("E25", verdict="differs")
def a_client_over_its_window_is_not_read():
    with Own(settings={"window_events": 4}) as own:
        own.main.auto_ack = False
        client, event = join(own, "E25")
        own.main.ack(event.tag)
        client.sock.settimeout(0.5)
        sent = 0
        frame = make_frame(BINARY, b"z" * 65_536)
        try:
            while sent < 1000:
                client.sock.sendall(frame)
                sent += 1
        except TimeoutError:
            pass
        assert sent < 1000, "65 MB were taken although the application acknowledges nothing"
        assert len(own.main.find("BIN", event.chan)) <= 4
        own.main.ack(own.main.wait_for("BIN", event.chan, count=4).tag)
        own.main.wait_for("BIN", event.chan, count=8)


@case("X14")
def a_declared_length_costs_no_memory():
    with Own() as own:
        clients = [join(own, "X14")[0] for _ in range(60)]
        before = own.edge.rss_bytes()
        for client in clients:
            client.send(make_frame(BINARY, b"", length=4 * MIB, form=64))
            client.ping(b"")
        sentinel(own)
        grown = own.edge.rss_bytes() - before
        assert grown < 60 * 64 * 1024, f"memory grew by {grown // 60} bytes for each"


# Codes


@case("X17")
def close_codes_are_taken_or_refused_as_the_registry_has_them(ctx):
    good = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
            4000, 4999]
    for code in good:
        client, event = join(ctx, "X17")
        frame = client.close_cleanly(code, f"reason {code}")
        assert frame.code == code, (code, frame)
        closed = ctx.main.wait_close(event.chan)
        assert closed.status == code and closed.payload == f"reason {code}".encode(), closed
        assert closed.cause == "client" and "clean" not in closed.options, closed
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        fails_with(ctx, 1002, make_frame(CLOSE, struct.pack(">H", code)))
        fails_with(ctx, 1002, make_frame(CLOSE, struct.pack(">H", code) + b"reason"))
    for reason in (b"\xff", b"cut \xc3", b"\xed\xa0\x80"):
        fails_with(ctx, 1007, make_frame(CLOSE, struct.pack(">H", 1000) + reason))


@case("X18", verdict="differs")
def an_end_without_close_is_1006(ctx):
    for end in ("close", "reset", "half_close"):
        client, event = join(ctx, "X18")
        getattr(client, end)()
        closed = ctx.main.wait_close(event.chan)
        assert closed.status == 1006 and closed.cause == "client", (end, closed)
        assert closed.options.get("clean") == "0" and "code" not in closed.options, closed
        if end == "half_close":
            client.expect_end()
    client, event = join(ctx, "X18")
    client.send(make_frame(TEXT, "whole") + make_frame(TEXT, "torn", length=100))
    client.close()
    closed = ctx.main.wait_close(event.chan)
    assert closed.status == 1006, closed
    assert verbs(ctx, event) == ["OPEN", "TEXT", "CLOSE"]


@case("X19")
def invalid_utf_8_fails_in_the_first_fragment(ctx):
    fails_with(ctx, 1007, make_frame(TEXT, b"good \xff", fin=False))
    # The rest of the frame is not waited for either.
    fails_with(ctx, 1007, make_frame(TEXT, b"\xff", length=100))
    # A character that is cut between two fragments is no error, its wrong end is one.
    fails_with(ctx, 1007, make_frame(TEXT, b"\xe2\x82", fin=False),
               make_frame(CONTINUATION, b"x", fin=False))
    client, _ = join(ctx, "X19", echo)
    client.send(make_frame(TEXT, b"\xe2\x82", fin=False) + make_frame(CONTINUATION, b"\xac"))
    assert client.read_text() == "€"


@case("X20")
def malformed_frames_fail_with_1002(ctx):
    for opcode in (TEXT, BINARY, PING, CLOSE):
        fails_with(ctx, 1002, make_frame(opcode, b"", mask=False))
    fails_with(ctx, 1002, make_frame(TEXT, "good"), make_frame(TEXT, "bare", mask=False),
               clean_before=[b"good"])
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        fails_with(ctx, 1002, make_frame(opcode, b"x"))
    for size, form in ((0, 16), (125, 16), (0, 64), (126, 64), (65_535, 64)):
        fails_with(ctx, 1002, make_frame(TEXT, b"x" * min(size, 100), length=size, form=form))
    for size in (2**63, 2**64 - 1):
        fails_with(ctx, 1002, make_frame(TEXT, b"", length=size, form=64))


@case("X26")
def a_text_of_the_application_that_is_not_utf_8_is_refused(ctx):
    client, event = join(ctx, "X26", echo)
    for data in (b"\xff", b"good until \xe2\x82", b"\xed\xa0\x80"):
        answer = ctx.main.ask_send(event.chan, data)
        assert answer.verb == "ERR" and answer.code == "utf8", answer
        ctx.main.send(event.chan, data)
        assert ctx.main.ask_send(event.chan, data, bin=1).verb == "OK"
        assert client.read_message() == (BINARY, data)
    client.text("alive")
    assert client.read_text() == "alive"


@case("X27")
def a_head_on_an_open_websocket_is_ignored_and_empty_is_an_empty_frame(ctx):
    client, event = join(ctx, "X27")
    payload = head_payload([("X-Any", "1")], b"the body")
    answer = ctx.main.ask_send(event.chan, payload, status=200)
    assert answer.verb == "OK", answer
    assert client.read_text() == "the body"
    assert ctx.main.ask_send(event.chan, b"").verb == "OK"
    assert client.read_message() == (TEXT, b"")
    assert ctx.main.ask_send(event.chan, b"", bin=1).verb == "OK"
    assert client.read_message() == (BINARY, b"")


# Ends


@case("K04")
def a_close_of_the_client_is_reported_within_a_moment(ctx):
    took = []
    for _ in range(20):
        client, event = join(ctx, "K04")
        began = time.monotonic()
        client.send_close(1000)
        took.append(ctx.main.wait_close(event.chan).time - began)
        client.close()
    assert statistics.median(took) < scaled(0.05), f"it took {statistics.median(took):.3f} s"


@case("K06")
def a_session_is_in_order_at_both_ends(ctx):
    def application(worker, record):
        if record.verb == "OPEN":
            worker.send(record.chan, "open")
        elif record.verb == "TEXT":
            worker.send(record.chan, "world")
            worker.close(record.chan, 1000, "done")

    client, event = join(ctx, "K06", application)
    assert client.read_text() == "open"
    client.ping(b"ping")
    frame = client.read_frame()
    assert (frame.opcode, frame.payload) == (PONG, b"ping"), frame
    client.text("hello")
    assert client.read_text() == "world"
    frame = client.read_close()
    assert frame.code == 1000 and frame.reason == b"done", frame
    client.send_close(1000)
    client.expect_end()
    closed = ctx.main.wait_close(event.chan)
    assert closed.status == 0 and closed.cause == "server", closed
    assert verbs(ctx, event) == ["OPEN", "TEXT", "CLOSE"]
    seqs = [record.seq for record in ctx.main.events(event.chan)]
    assert seqs == ["1", "2", "3"], seqs


@case("K01")
def closing_a_closed_websocket_is_gone_and_reported_once(ctx):
    client, event = join(ctx, "K01")
    client.close_cleanly()
    ctx.main.wait_close(event.chan)
    for command in (("CLOSE", event.chan), ("CLOSE", event.chan, 1001)):
        answer = ctx.main.ask(*command)
        assert answer.verb == "ERR" and answer.code == "gone", answer
    assert ctx.main.ask_send(event.chan, "x").code == "gone"
    assert verbs(ctx, event) == ["OPEN", "CLOSE"]


@case("K02", "X22", seconds=90)
def both_ends_closing_at_once_end_cleanly(ctx):
    channels = []
    for number in range(250):
        client, event = join(ctx, "X22")
        if number % 2:
            ctx.main.close(event.chan, 4001)
            client.send_close(4002)
        else:
            client.send_close(4002)
            ctx.main.close(event.chan, 4001)
        frame = client.read_close()
        assert frame.code in (4001, 4002), frame
        client.expect_end()
        client.close()
        channels.append((event, frame.code))
    for event, code in channels:
        closed = ctx.main.wait_close(event.chan)
        expected = (0, "server") if code == 4001 else (4002, "client")
        assert (closed.status, closed.cause) == expected, (code, closed)
        assert "clean" not in closed.options, closed
    sentinel(ctx)
    for event, _ in channels:
        assert verbs(ctx, event) == ["OPEN", "CLOSE"]


@case("X05")
def after_both_closes_the_connection_ends_at_once():
    with Own(settings={"close_timeout": "30s"}) as own:
        for first in ("gateway", "client"):
            client, event = join(own, "X05")
            if first == "gateway":
                own.main.close(event.chan)
                client.read_close()
            began = time.monotonic()
            client.send_close(1000)
            if first == "client":
                client.read_close()
            client.expect_end()
            assert time.monotonic() - began < scaled(1), f"the end came late ({first} first)"
            own.main.wait_close(event.chan)


@case("X06")
def a_client_that_never_answers_a_close_is_cut():
    with Own(settings={"close_timeout": "400ms"}) as own:
        client, event = join(own, "X06")
        began = time.monotonic()
        own.main.close(event.chan, 1000, "answer me")
        assert client.read_close().code == 1000
        client.expect_end()
        took = time.monotonic() - began
        assert 0.3 < took < scaled(3), f"it took {took:.2f} s"
        closed = own.main.wait_close(event.chan)
        assert closed.status == 0 and closed.cause == "server", closed
        assert closed.options.get("clean") == "0" and closed.options["code"] == "1000", closed
        # One that talks on instead of answering is cut just the same, and is not heard.
        client, event = join(own, "X06")
        own.main.close(event.chan)
        client.read_close()
        began = time.monotonic()
        try:
            while time.monotonic() - began < scaled(5):
                client.text("but listen")
                time.sleep(0.02)  # a client that sends now and then
            raise AssertionError("a client that goes on sending is never cut")
        except OSError:
            pass
        assert own.main.wait_close(event.chan).options.get("clean") == "0"
        assert verbs(own, event) == ["OPEN", "CLOSE"]


@case("X09")
def messages_before_a_close_reach_a_slow_worker_first(ctx):
    ctx.main.auto_ack = False
    client, event = join(ctx, "X09")
    client.send(b"".join(make_frame(TEXT, str(n)) for n in range(10)))
    client.send_close(1000, "told all")
    ctx.main.ack(event.tag)
    for number in range(10):
        record = ctx.main.wait_for("TEXT", event.chan, count=number + 1)
        assert record.payload == str(number).encode()
        stays_true(lambda: True, 0.01)
        ctx.main.done(record.tag)
    closed = ctx.main.wait_close(event.chan)
    assert closed.status == 1000 and closed.payload == b"told all", closed
    ctx.main.ack(closed.tag)
    assert verbs(ctx, event) == ["OPEN"] + ["TEXT"] * 10 + ["CLOSE"]


@case("X09")
def messages_beyond_the_window_come_before_the_close_too():
    with Own(settings={"window_events": 2}) as own:
        own.main.auto_ack = False
        for end in ("close frame", "fin"):
            client, event = join(own, "X09")
            frames = b"".join(make_frame(TEXT, str(n)) for n in range(40))
            client.send(frames)
            if end == "close frame":
                client.send_close(1000)
            else:
                client.half_close()
            own.main.ack(event.tag)
            for number in range(40):
                record = own.main.wait_for("TEXT", event.chan, count=number + 1)
                assert record.payload == str(number).encode()
                own.main.ack(record.tag)
            closed = own.main.wait_close(event.chan)
            assert closed.status == (1000 if end == "close frame" else 1006), closed
            own.main.ack(closed.tag)
            client.close()


@case("X10", seconds=90)
def clients_that_leave_at_once_make_no_disorder(ctx):
    chance = random.Random(10)
    for number in range(300):
        client = WsClient(ctx.address)
        data = client.handshake_bytes(f"/X10/{number}") + make_frame(TEXT, "hi")
        client.send(data[: chance.choice([len(data), len(data) - 8, len(data) - 3])])
        if chance.random() < 0.5:
            client.reset()
        else:
            client.close()
    sentinel(ctx)
    opened = ctx.main.find("OPEN", where=lambda r: r.target.startswith("/X10/"))
    for event in opened:
        ctx.main.wait_close(event.chan)
        got = verbs(ctx, event)
        assert got in (["OPEN", "CLOSE"], ["OPEN", "TEXT", "CLOSE"]), got
    targets = [event.target for event in opened]
    assert len(set(targets)) == len(targets)


@case("X21")
def frames_after_a_close_are_ignored(ctx):
    client, event = join(ctx, "X21")
    client.send(make_frame(TEXT, "before") + make_frame(CLOSE, b"\x03\xe8")
                + make_frame(TEXT, "after") + make_frame(PING, "p") + b"\xff" * 5000)
    assert client.read_close().code == 1000
    client.expect_end()
    closed = ctx.main.wait_close(event.chan)
    assert closed.status == 1000 and closed.cause == "client", closed
    assert verbs(ctx, event) == ["OPEN", "TEXT", "CLOSE"]


@case("X21")
def what_the_client_sends_after_our_close_is_not_delivered(ctx):
    client, event = join(ctx, "X21")
    ctx.main.close(event.chan, 4000)
    assert client.read_close().code == 4000
    client.text("too late")
    client.ping("are you there")
    client.send_close(4000)
    client.expect_end()
    closed = ctx.main.wait_close(event.chan)
    assert closed.status == 0 and closed.options["code"] == "4000", closed
    assert verbs(ctx, event) == ["OPEN", "CLOSE"]
    answer = ctx.main.ask_send(event.chan, "x")
    assert answer.verb == "ERR" and answer.code == "gone", answer


@case("X21")
def nothing_is_sent_after_our_close(ctx):
    client, event = join(ctx, "X21")
    for record in (("SEND", "first"), ("CLOSE", None), ("SEND", "second")):
        if record[0] == "SEND":
            ctx.main.send(event.chan, record[1])
        else:
            ctx.main.close(event.chan)
    assert client.read_text() == "first"
    assert client.read_close().code == 1000
    client.expect_silence(0.1)
    client.send_close(1000)
    client.expect_end()


# Handshakes that the application decides about


def ask(ctx, worker, **options):
    """A handshake that waits for the application: (client, OPEN)."""
    target = unique("picky")
    client = WsClient(ctx.address)
    ctx.clients.append(client)
    client.send(client.handshake_bytes(target, **options))
    return client, worker.wait_open(target)


@case("X23")
def what_was_not_chosen_is_not_on_the_101(ctx):
    lines = [("Sec-WebSocket-Protocol", "chat, superchat"),
             ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits, x-other")]
    head, _ = try_handshake(ctx, handshake(lines, target=unique("X23")))
    assert head.status == 101
    assert not head.has("sec-websocket-protocol") and not head.has("sec-websocket-extensions")
    worker = ctx.worker("picky")
    client, event = ask(ctx, worker, headers=lines)
    assert event.meta["offers"] == ["chat", "superchat"], event.meta
    worker.accept(event.chan)
    head = client.finish_handshake()
    assert not head.has("sec-websocket-protocol") and not head.has("sec-websocket-extensions")


@case("X23")
def a_subprotocol_that_was_not_offered_is_refused_to_the_application(ctx):
    worker = ctx.worker("picky")
    client, event = ask(ctx, worker, protocols=["chat"])
    for protocol in ("other", "CHAT", "chat, other"):
        answer = worker.ask("ACCEPT", event.chan, protocol=protocol)
        assert answer.verb == "ERR" and answer.code == "value", (protocol, answer)
    client.expect_silence(0.05)
    assert worker.ask("ACCEPT", event.chan, protocol="chat").verb == "OK"
    assert client.finish_handshake().get("sec-websocket-protocol") == "chat"


@case("X24")
def a_refusal_is_the_applications_answer(ctx):
    worker = ctx.worker("picky")
    for status, close in ((403, 1), (401, 1), (302, 1), (503, None)):
        client, event = ask(ctx, worker)
        headers = [("X-Why", "not today"), ("Location", "/elsewhere")]
        worker.respond(event.chan, status, headers, b"the reason", close=close or 1)
        try:
            client.finish_handshake()
            raise AssertionError("101 after a refusal")
        except Refused as refused:
            response = refused.response
        assert response.status == status and response.body == b"the reason", response
        assert response.head.get("x-why") == "not today", response.head.headers
        assert response.head.has_token("connection", "close"), response.head.headers
        client.expect_end()
        closed = worker.wait_close(event.chan)
        assert closed.status == 0 and closed.cause == "server", closed


@case("X24")
def a_close_before_the_decision_is_a_refusal(ctx):
    worker = ctx.worker("picky")
    for status, seen in ((403, 403), (500, 500)):
        client, event = ask(ctx, worker)
        worker.close(event.chan, status)
        try:
            client.finish_handshake()
            raise AssertionError("101 after a close")
        except Refused as refused:
            assert refused.response.status == seen, refused
        client.expect_end()


@case("X25")
def headers_that_the_application_accepts_with_are_on_the_101(ctx):
    worker = ctx.worker("picky")
    client, event = ask(ctx, worker)
    lines = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Room", "7")]
    worker.accept(event.chan, lines)
    head = client.finish_handshake()
    assert head.all("set-cookie") == ["a=1", "b=2"] and head.get("x-room") == "7", head.headers


@case("X25")
def a_bad_head_of_an_accept_is_refused(ctx):
    worker = ctx.worker("picky")
    for head in (b"X-Bad: a\rSet-Cookie: evil=1\n", b"X Bad: a\n", b"no colon\n", b": a\n"):
        client, event = ask(ctx, worker)
        answer = worker.ask("ACCEPT", event.chan, payload=head)
        assert answer.verb == "ERR" and answer.code == "header", (head, answer)
        head = client.read_head()
        assert head.status == 500 and b"evil" not in head.raw, head.raw
        closed = worker.wait_close(event.chan)
        assert closed.status == 0 and closed.cause == "app-error", closed
        client.close()


@case("X25")
def headers_that_belong_to_the_gateway_are_not_taken_from_an_accept(ctx):
    worker = ctx.worker("picky")
    for name, value in (
        ("Sec-WebSocket-Accept", "wrong"), ("Sec-WebSocket-Protocol", "other"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"), ("Upgrade", "h2c"),
        ("Connection", "close"),
    ):
        client, event = ask(ctx, worker, protocols=["chat"])
        answer = worker.ask("ACCEPT", event.chan, payload=f"{name}: {value}\n")
        assert answer.verb == "ERR" and answer.code == "header", (name, answer)
        assert client.read_head().status == 500
        client.close()
    client, event = ask(ctx, worker)
    worker.accept(event.chan, [("Content-Length", "5"), ("Transfer-Encoding", "chunked")])
    head = client.finish_handshake()
    assert not head.has("transfer-encoding") and head.get("content-length") in (None, "0")
    client.ping(b"x")
    assert client.read_frame().payload == b"x"


@case()
def a_decision_that_does_not_come_in_time_is_503(ctx):
    worker = ctx.worker("picky")
    began = time.monotonic()
    client, event = ask(ctx, worker)
    head = client.read_head()
    assert head.status == 503, head.raw
    assert 0.3 < time.monotonic() - began < scaled(4)
    closed = worker.wait_close(event.chan)
    assert closed.status == 0 and closed.cause == "timeout", closed
    answer = worker.ask("ACCEPT", event.chan)
    assert answer.verb == "ERR" and answer.code == "gone", answer


@case()
def a_client_that_leaves_before_the_decision_is_reported(ctx):
    worker = ctx.worker("picky")
    client, event = ask(ctx, worker)
    client.close()
    closed = worker.wait_close(event.chan)
    assert closed.status in (-1, 1006) and closed.cause == "client", closed
    answer = worker.ask("ACCEPT", event.chan)
    assert answer.verb == "ERR" and answer.code == "gone", answer


# Pressure


@case("X13", seconds=120)
def a_websocket_that_does_not_read_costs_bounded_memory():
    with Own(settings={"out_queue": "4MiB"}) as own:
        slow = WsClient(own.address, receive_buffer=8192)
        own.clients.append(slow)
        target = unique("X13")
        slow.handshake(target)
        event = own.main.wait_open(target)
        other, _ = join(own, "X13", echo)
        before = own.edge.rss_bytes()
        answers = []
        for number in range(300):
            answers.append(own.main.ask_send(event.chan, b"z" * MIB, timeout=20))
            if number % 50 == 0:
                other.text("unharmed")
                assert other.read_text() == "unharmed"
        refused = [answer.code for answer in answers if answer.verb == "ERR"]
        assert set(refused) == {"full"}, set(refused)
        assert len(refused) > 250, f"only {len(refused)} of 300 sends were refused"
        grown = own.edge.rss_bytes() - before
        assert grown < 64 * MIB, f"memory grew by {grown} bytes"


@case("X13")
def a_send_that_nobody_asks_about_closes_a_full_channel_as_slow():
    with Own(settings={"out_queue": "1MiB", "close_timeout": "500ms"}) as own:
        slow = WsClient(own.address, receive_buffer=8192)
        own.clients.append(slow)
        target = unique("X13")
        slow.handshake(target)
        event = own.main.wait_open(target)
        for _ in range(40):
            own.main.send(event.chan, b"z" * MIB)
        closed = own.main.wait_close(event.chan, timeout=15)
        assert closed.status == 0 and closed.cause == "slow", closed
        assert closed.options.get("code") == "1013", closed


@case("X13")
def pressure_on_a_websocket_is_told_to_those_who_ask():
    with Own(settings={"out_queue": "4MiB"}) as own:
        own.main.stop()
        own.workers.remove(own.main)
        own.main = own.worker("default", pressure=1)
        client = WsClient(own.address, receive_buffer=8192)
        own.clients.append(client)
        target = unique("X13")
        client.handshake(target)
        event = own.main.wait_open(target)
        sent = 0
        while not own.main.find("SLOW", event.chan):
            assert own.main.ask_send(event.chan, b"z" * 262_144).verb == "OK"
            sent += 1
            assert sent < 200, "SLOW never came"
        assert int(own.main.wait_for("SLOW", event.chan).rest[0]) >= MIB
        for _ in range(sent):
            assert len(client.read_message()[1]) == 262_144
        own.main.wait_for("DRAINED", event.chan)
        client.text("after")
        own.main.wait_for("TEXT", event.chan)


@case("X13")
def an_answer_to_want_written_waits_for_the_kernel():
    with Own(settings={"out_queue": "16MiB"}) as own:
        client = WsClient(own.address, receive_buffer=8192)
        own.clients.append(client)
        target = unique("X13")
        client.handshake(target)
        event = own.main.wait_open(target)
        assert own.main.ask_send(event.chan, b"z" * 4 * MIB).verb == "OK"
        own.main.send(event.chan, b"z" * 4 * MIB)
        mark = own.main.mark()
        own.main.record("SEND", event.chan, payload=b"last", want="written", id="written.1")
        stays_true(lambda: not own.main.find(("OK", "ERR"), after=mark), 0.3)
        for _ in range(3):
            client.read_message()
        answer = own.main.wait_answer("written.1", after=mark)
        assert answer.verb == "OK", answer


# Timers and stops


@case("X15")
def a_silent_client_is_pinged_and_then_cut():
    with Own(settings={"ping_interval": "300ms", "ping_timeout": "400ms"}) as own:
        began = time.monotonic()
        client, event = join(own, "X15")
        frame = client.read_frame()
        assert frame.opcode == PING, frame
        assert 0.2 < time.monotonic() - began < scaled(2)
        client.read_to_end()
        assert 0.5 < time.monotonic() - began < scaled(4)
        closed = own.main.wait_close(event.chan)
        assert closed.status == 1006 and closed.cause == "timeout", closed
        assert closed.options.get("clean") == "0", closed


@case("X15")
def a_client_that_answers_pings_stays():
    with Own(settings={"ping_interval": "200ms", "ping_timeout": "500ms"}) as own:
        client, event = join(own, "X15", echo)
        for _ in range(6):
            frame = client.read_frame()
            assert frame.opcode == PING, frame
            client.frame(PONG, frame.payload)
        client.text("still here")
        frame = client.read_frame()
        while frame.opcode == PING:
            frame = client.read_frame()
        assert frame.payload == b"still here"
        assert not own.main.find("CLOSE", event.chan)


@case("X15")
def a_client_that_talks_is_not_pinged():
    with Own(settings={"ping_interval": "600ms", "ping_timeout": "500ms"}) as own:
        client, _ = join(own, "X15", echo)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            client.text("busy")
            frame = client.read_frame()
            assert frame.opcode == TEXT, f"pinged although it talks: {frame!r}"
            time.sleep(0.1)  # a client that talks more often than the interval


@case("X12")
def a_stop_says_1001_to_websockets():
    with Own(settings={"drain_grace": "5s"}) as own:
        both = [join(own, "X12") for _ in range(5)]
        edge = own.edge
        began = time.monotonic()
        edge.signal(signal.SIGTERM)
        for client, event in both:
            frame = client.read_close()
            assert frame.code == 1001, frame
            client.send_close(1001)
            client.expect_end()
            closed = own.main.wait_close(event.chan)
            assert closed.status == 0 and closed.cause == "drain", closed
            assert closed.options.get("code") == "1001" and "clean" not in closed.options, closed
        assert edge.wait_exit(10) == 0, edge.log()[-2000:]
        assert time.monotonic() - began < scaled(4), "it waited although all had ended"
        edge.check_log()
        own.edges.remove(edge)


@case("X12", "K07")
def a_stop_does_not_wait_for_a_client_that_does_not_answer():
    with Own(settings={"drain_grace": "500ms", "close_timeout": "400ms"}) as own:
        client, event = join(own, "X12")
        edge = own.edge
        began = time.monotonic()
        edge.signal(signal.SIGTERM)
        assert client.read_close().code == 1001
        assert edge.wait_exit(10) == 0, edge.log()[-2000:]
        assert time.monotonic() - began < scaled(4)
        client.expect_end()
        closed = own.main.wait_close(event.chan)
        assert closed.status == 0 and closed.cause == "drain", closed
        assert closed.options.get("clean") == "0", closed
        edge.check_log()
        own.edges.remove(edge)


@case("X12")
def a_stopping_gateway_opens_no_websocket():
    with Own(settings={"drain_grace": "20s"}) as own:
        holder = own.http()
        target = unique("held")
        holder.request("GET", target)
        held = own.main.wait_open(target)
        waiting = WsClient(own.address)
        own.clients.append(waiting)
        waiting.send(waiting.handshake_bytes("/late")[:20])
        sentinel(own)
        edge = own.edge
        edge.signal(signal.SIGTERM)
        wait_until(lambda: not edge.is_ready(), 5, "/readyz to say no")
        try:
            waiting.send(waiting.handshake_bytes("/late")[20:])
            data = waiting.read_to_end()
        except (Closed, OSError):
            data = b""
        assert data == b"" or data.startswith((b"HTTP/1.1 503", b"HTTP/1.1 400")), data
        own.main.respond(held.chan, 200, [("Content-Type", "text/plain")], b"x")
        assert holder.read_response().status == 200
        assert edge.wait_exit(10) == 0
        own.edges.remove(edge)


# Workers that die or block


@case("X36", seconds=90)
def a_websocket_of_a_dead_worker_is_adopted():
    with Own() as own:
        client, event = join(own, "X36")
        client.text("handled")
        first = own.main.wait_for("TEXT", event.chan)
        own.main.auto_ack = False
        client.text("not acknowledged")
        lost = own.main.wait_for("TEXT", event.chan, count=2)
        assert first.payload == b"handled" and lost.payload == b"not acknowledged"
        own.main.stop()
        own.workers.remove(own.main)
        second = own.worker("default", handler=echo)
        adopted = second.wait_for("ADOPT", event.chan, timeout=15)
        assert adopted.seq == first.seq, (adopted, first)
        assert adopted.meta["carrier"] == "ws" and adopted.meta["route"], adopted.meta
        again = second.wait_for("TEXT", event.chan)
        assert again.payload == b"not acknowledged" and again.seq == lost.seq, again
        assert again.options.get("try") == "2", again
        assert client.read_text() == "not acknowledged"
        client.text("to the new one")
        assert client.read_text() == "to the new one"
        client.close_cleanly()
        assert second.wait_close(event.chan).status == 1000
        assert not second.find("OPEN", event.chan)


@case("X36", seconds=120)
def a_message_that_kills_every_worker_ends_its_channel():
    with Own() as own:
        client, event = join(own, "X36")
        own.main.auto_ack = False
        client.text("poison")
        own.main.wait_for("TEXT", event.chan)
        for attempt in (2, 3, 4):
            own.main.stop()
            own.workers.remove(own.main)
            own.main = own.worker("default", auto_ack=False)
            again = own.main.wait_for("TEXT", event.chan, timeout=15)
            assert again.options.get("try") == str(attempt), again
        own.main.stop()
        own.workers.remove(own.main)
        own.main = own.worker("default")
        frame = client.read_frame()
        assert frame.opcode == CLOSE and frame.code == 1011, frame
        client.send_close(1011)
        client.expect_end()
        closed = own.main.wait_close(event.chan, timeout=15)
        assert closed.status == 0 and closed.cause == "poison", closed


@case("X35")
def a_worker_that_blocks_leaves_other_channels_alone(ctx):
    other = ctx.worker("picky", handler=echo)
    client, event = ask(ctx, other)
    other.accept(event.chan)
    client.finish_handshake()
    blocked, _ = join(ctx, "X35", echo)
    ctx.main.pause()
    try:
        blocked.text("waits")
        for number in range(20):
            client.text(str(number))
            assert client.read_text() == str(number)
        blocked.ping(b"x")
        assert blocked.read_frame().payload == b"x", "the gateway itself answers"
    finally:
        ctx.main.resume()
    assert blocked.read_text() == "waits"


if __name__ == "__main__":
    run(lambda: Deployment(settings={"message_limit": LIMIT}, routes=ROUTES))
