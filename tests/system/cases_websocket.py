"""WebSockets: the handshake, messages, control frames and closing (rows D and C of cases.tsv)."""

import os
import pathlib
import random
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.talk import Background, sentinel, unique
from support.waiting import stays_true
from support.worker import echo
from support.ws_client import (
    BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WsClient, accept_value, make_frame,
)
from support.ws_talk import KEY, fails_with, handshake, is_refused, join, try_handshake, verbs

MIB = 1024 * 1024
ROUTES = [
    ("picky", {"path": "/picky/**", "service": "picky", "accept": "backend"}),
    ("rest", {"path": "/**", "service": "default"}),
]
random_of = random.Random(20110612)  # the same sizes in each run


def letters(size):
    """A text of so many bytes that is not the same everywhere."""
    return (b"".join(b"%08x" % number for number in range(size // 8 + 1)))[:size]


def fragments(payload, sizes, opcode=TEXT):
    """The frames of a message that is cut into pieces of these sizes; the last takes the rest."""
    frames, at = [], 0
    for number, size in enumerate(sizes):
        last = number == len(sizes) - 1
        piece = payload[at:] if last else payload[at : at + size]
        frames.append(make_frame(CONTINUATION if number else opcode, piece, fin=last))
        at += size
    return frames


# Messages


@case("D01", seconds=120)
def texts_of_any_size_arrive_whole(ctx):
    client, event = join(ctx, "D01", echo)
    for _ in range(10):
        sizes = [random_of.randrange(4 * MIB) for _ in range(random_of.randrange(10))]
        for size in sizes:
            ctx.main.send(event.chan, letters(size))
        for size in sizes:
            opcode, data = client.read_message()
            assert opcode == TEXT and data == letters(size), (opcode, len(data), size)
    for size in (0, 1, 125, 126, 127, 65535, 65536, 4 * MIB):
        ctx.main.send(event.chan, letters(size))
        opcode, data = client.read_message()
        assert opcode == TEXT and data == letters(size), (opcode, len(data), size)


@case("D02")
def a_text_in_many_fragments_is_one_message(ctx):
    client, event = join(ctx, "D02", echo)
    for number in range(10):
        payload = letters(random_of.randrange(20_000, 60_000))
        sizes = []
        while sum(sizes) < len(payload):
            sizes.append(random_of.randrange(40, 4001))
        client.send(b"".join(fragments(payload, sizes)))
        assert client.read_text().encode() == payload
        record = ctx.main.wait_for("TEXT", event.chan, count=number + 1)
        assert record.payload == payload


@case("D03")
def messages_larger_than_a_read_buffer_are_echoed(ctx):
    client, _ = join(ctx, "D03", echo)
    large, middle = letters(195_000), letters(65_000)
    for _ in range(3):
        for frame in fragments(large, [65_000] * 3):
            client.send(frame)
        assert client.read_text().encode() == large
        client.text(middle)
        assert client.read_text().encode() == middle


@case("D04")
def frames_that_come_byte_by_byte_are_read(ctx):
    client, _ = join(ctx, "D04", echo)
    for size in (100, 700):
        client.send_slowly(make_frame(TEXT, letters(size)))
        assert client.read_text().encode() == letters(size)


@case("D05")
def binary_stays_binary(ctx):
    client, event = join(ctx, "D05", echo)
    payload = bytes(range(256)) * 20
    client.binary(payload)
    assert client.read_message() == (BINARY, payload)
    record = ctx.main.wait_for("BIN", event.chan)
    assert record.payload == payload
    ctx.main.send(event.chan, b"\n\n\x00\xff", bin=1)
    assert client.read_message() == (BINARY, b"\n\n\x00\xff")
    client.text("text again")
    assert client.read_message() == (TEXT, b"text again")


@case("D06")
def messages_after_each_others_answers_are_in_order(ctx):
    client, event = join(ctx, "D06", echo)
    for number in range(9):
        client.text(str(number))
        assert client.read_text() == str(number)
    got = [record.payload for record in ctx.main.find("TEXT", event.chan)]
    assert got == [str(number).encode() for number in range(9)], got


@case("D07")
def messages_without_waiting_are_in_order(ctx):
    client, event = join(ctx, "D07", echo)
    wanted = [str(number) for number in range(900)]
    client.send(b"".join(make_frame(TEXT, text) for text in wanted[:9]))
    for text in wanted[9:]:
        client.text(text)
    assert [client.read_text() for _ in wanted] == wanted
    got = [record.payload.decode() for record in ctx.main.find("TEXT", event.chan)]
    assert got == wanted
    seqs = [int(record.seq) for record in ctx.main.events(event.chan)]
    assert seqs == list(range(1, len(wanted) + 2)), "events are numbered from 1 without a gap"


@case("D08", seconds=90)
def ten_senders_never_interleave(ctx):
    client, event = join(ctx, "D08")
    senders = [ctx.sender() for _ in range(10)]
    sizes = [random_of.randrange(200_000, MIB) for _ in senders]
    for _ in range(2):
        for number, (sender, size) in enumerate(zip(senders, sizes)):
            sender.send(event.chan, bytes([97 + number]) * size)
        got = sorted(client.read_message()[1] for _ in senders)
        for number, data in enumerate(got):
            assert data == bytes([97 + number]) * sizes[number], f"sender {number} was mixed up"


@case("D10")
def a_frame_behind_the_handshake_in_one_segment_is_delivered(ctx):
    target = unique("D10")
    ctx.main.on(target, echo)
    client = WsClient(ctx.address)
    ctx.clients.append(client)
    client.send(client.handshake_bytes(target) + make_frame(TEXT, "early") + make_frame(PING, "p"))
    client.finish_handshake()
    got = sorted((frame.opcode, frame.payload) for frame in (client.read_frame(),
                                                             client.read_frame()))
    assert got == [(TEXT, b"early"), (PONG, b"p")], got
    half = WsClient(ctx.address)
    ctx.clients.append(half)
    frame = make_frame(TEXT, "cut in two")
    half.send(half.handshake_bytes(target) + frame[:5])
    half.finish_handshake()
    half.send(frame[5:])
    assert half.read_text() == "cut in two"


@case("D11")
def a_ping_between_fragments_is_answered(ctx):
    client, event = join(ctx, "D11", echo)
    client.text("hel", fin=False)
    client.ping("between")
    frame = client.read_frame()
    assert (frame.opcode, frame.payload) == (PONG, b"between")
    client.frame(PONG, b"unasked")
    client.frame(CONTINUATION, "lo")
    assert client.read_text() == "hello"
    assert [r.payload for r in ctx.main.find("TEXT", event.chan)] == [b"hello"]


@case("D12")
def what_is_sent_on_open_arrives_first(ctx):
    def greet(worker, record):
        if record.verb == "OPEN":
            worker.send(record.chan, "welcome")
        echo(worker, record)

    target = unique("D12")
    ctx.main.on(target, greet)
    for _ in range(20):
        client = WsClient(ctx.address)
        ctx.clients.append(client)
        client.send(client.handshake_bytes(target) + make_frame(TEXT, "mine"))
        client.finish_handshake()
        assert [client.read_text(), client.read_text()] == ["welcome", "mine"]


@case("D13")
def the_chosen_subprotocol_is_on_the_101(ctx):
    worker = ctx.worker("picky")
    for offered in (["test"], ["other", "test"], ["TEST", "test", "x.y"]):
        client, event, head = decide(ctx, worker, offered, protocol="test")
        assert event.meta["offers"] == offered, event.meta
        assert head.all("sec-websocket-protocol") == ["test"], head.headers


def decide(ctx, worker, offered=None, headers=(), lines=(), **options):
    """A WebSocket on the route that asks the application, accepted: (client, OPEN, head)."""
    target = unique("picky")
    client = WsClient(ctx.address)
    ctx.clients.append(client)
    client.send(client.handshake_bytes(target, headers, offered))
    event = worker.wait_open(target)
    client.expect_silence(0.02)
    worker.accept(event.chan, lines, **options)
    return client, event, client.finish_handshake()


# Handshakes


@case("C01")
def a_right_handshake_gets_101(ctx):
    target = unique("C01")
    head, client = try_handshake(ctx, handshake(target=target))
    assert head.status == 101 and head.version == "HTTP/1.1", head.raw
    assert head.get("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", head.headers
    assert accept_value(KEY) == head.get("sec-websocket-accept")
    assert head.get("upgrade", "").lower() == "websocket"
    assert head.has_token("connection", "upgrade")
    assert not head.has("transfer-encoding") and head.get("content-length") in (None, "0")
    event = ctx.main.wait_open(target)
    assert event.meta["carrier"] == "ws" and event.meta["body"] == "none", event.meta
    assert event.meta["offers"] == [], event.meta


@case("C02")
def upgrade_and_connection_are_lists_in_any_case(ctx):
    for upgrade, connection in (
        ("WebSocket", "keep-alive, UpGrAdE"), ("WEBSOCKET", "upgrade"),
        ("h2c, websocket", "Upgrade"), ("websocket ,h2c", "Upgrade,keep-alive"),
        ("\twebsocket ", " Upgrade\t"),
    ):
        lines = [("Upgrade", upgrade), ("Connection", connection)]
        head, client = try_handshake(ctx, handshake(lines, target=unique("C02")))
        assert head.status == 101, (upgrade, connection, head.raw)
        client.close()
    twice = [("Upgrade", "h2c"), ("Upgrade", "websocket"), ("Connection", "keep-alive"),
             ("Connection", "Upgrade")]
    assert try_handshake(ctx, handshake(twice, target=unique("C02")))[0].status == 101


@case("C03")
def a_handshake_by_another_method_is_refused(ctx):
    for method in ("POST", "PUT", "HEAD", "OPTIONS", "DELETE"):
        target = unique("C03")
        request = handshake(target=target, start=method + " {0} HTTP/1.1",
                            changes=[("Content-Length", "0")] if method == "POST" else ())
        head, client = try_handshake(ctx, request)
        assert head.status in (400, 405), (method, head.raw)
        sentinel(ctx)
        assert not ctx.main.find("OPEN", where=lambda r, target=target: r.target == target)


@case("C04")
def a_handshake_over_http_1_0_is_refused(ctx):
    is_refused(ctx, (400, 426, 505), start="GET {0} HTTP/1.0")


@case("C05")
def without_websocket_in_upgrade_it_is_an_ordinary_request(ctx):
    for upgrade in (None, "h2c", "websockets", "x-websocket", "web, socket"):
        target = unique("C05")
        changes = [("Upgrade", upgrade)] if upgrade else []
        without = [] if upgrade else ["upgrade"]
        client = WsClient(ctx.address)
        ctx.clients.append(client)
        client.send(handshake(changes, without, target=target))
        event = ctx.main.wait_open(target)
        assert event.meta["carrier"] == "http", event.meta
        ctx.main.respond(event.chan, 200, [("Content-Type", "text/plain")], b"plain")
        response = client.read_response()
        assert response.status == 200 and response.body == b"plain", (upgrade, response)
        client.close()


@case("C06")
def a_handshake_without_the_connection_option_is_refused(ctx):
    is_refused(ctx, (400,), without=["connection"])
    for value in ("keep-alive", "upgraded", "up grade", ""):
        is_refused(ctx, (400,), changes=[("Connection", value)])


@case("C07", verdict="differs")
def another_version_is_answered_with_ours(ctx):
    head = is_refused(ctx, (426,), without=["sec-websocket-version"])
    assert head.get("sec-websocket-version") == "13", head.headers
    for version in ("12", "8", "7", "14", "0", "013", "13, 8", "255", "x", ""):
        head = is_refused(ctx, (426, 400), changes=[("Sec-WebSocket-Version", version)])
        assert head.status == 400 or head.get("sec-websocket-version") == "13", head.headers
    is_refused(ctx, (426, 400), changes=[("Sec-WebSocket-Version", "13"),
                                         ("Sec-WebSocket-Version", "8")])


@case("C08")
def a_malformed_key_is_refused(ctx):
    is_refused(ctx, (400,), without=["sec-websocket-key"])
    for key in ("", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j", "!!!!!!!!!!!!!!!!!!!!!!==",
                "dGhlIHNhbXBsZSBub25jZSE=", "dGhlIHNhbXBsZSBub25jZQ==x", "AAAA", "=" * 24,
                "dGhlIHNhbXBsZSBub25jZ===", "dGhlIHNhbXBs ZSBub25jZQ="):
        is_refused(ctx, (400,), changes=[("Sec-WebSocket-Key", key)])
    is_refused(ctx, (400,), changes=[("Sec-WebSocket-Key", KEY), ("Sec-WebSocket-Key", KEY)])


@case("C09")
def a_refused_handshake_is_a_complete_http_error(ctx):
    for request in (
        {"without": ["connection"]}, {"without": ["sec-websocket-key"]},
        {"changes": [("Sec-WebSocket-Key", "short")]},
    ):
        head = is_refused(ctx, (400,), behind=b"GET /C09/behind HTTP/1.1\r\nHost: a\r\n\r\n",
                          **request)
        assert head.version == "HTTP/1.1" and head.has_token("connection", "close"), head.raw
        assert head.get("content-type", "").startswith("text/plain"), head.headers
        assert int(head.get("content-length")) > 0
    assert not ctx.main.find("OPEN", where=lambda r: r.target == "/C09/behind")


@case("C10")
def a_refusal_with_a_large_body_is_complete(ctx):
    worker = ctx.worker("picky")
    target, body = unique("picky"), letters(2_000_000)
    client = WsClient(ctx.address)
    ctx.clients.append(client)
    client.send(client.handshake_bytes(target) + b"GET /C10/behind HTTP/1.1\r\nHost: a\r\n\r\n")
    event = worker.wait_open(target)
    reader = Background(client.read_response)
    worker.respond(event.chan, 400, [("Content-Type", "text/plain")], body)
    response = reader.result()
    assert response.status == 400 and response.body == body
    assert response.head.has_token("connection", "close"), response.head.headers
    client.expect_end()
    assert worker.wait_close(event.chan).status == 0
    sentinel(ctx)
    assert not ctx.main.find("OPEN", where=lambda r: r.target == "/C10/behind")


# Pings


@case("C11")
def a_ping_gets_a_pong_with_its_bytes(ctx):
    client, _ = join(ctx, "C11")
    for payload in (bytes(range(120)), b"", b"x" * 125):
        client.ping(payload)
        frame = client.read_frame()
        assert (frame.opcode, frame.payload, frame.fin) == (PONG, payload, True), frame


@case("C12")
def an_unsolicited_pong_is_not_answered(ctx):
    client, _ = join(ctx, "C12", echo)
    client.frame(PONG, b"nobody asked")
    client.frame(PONG)
    client.text("after")
    frame = client.read_frame()
    assert (frame.opcode, frame.payload) == (TEXT, b"after"), frame


@case("C13", verdict="differs")
def the_application_is_not_troubled_with_pings(ctx):
    client, event = join(ctx, "C13", echo)
    client.ping(b"TEST")
    assert client.read_frame().opcode == PONG
    client.frame(PONG, b"pong")
    client.text("after")
    assert client.read_text() == "after"
    assert verbs(ctx, event) == ["OPEN", "TEXT"], ctx.main.events(event.chan)


@case("C14")
def one_pong_for_each_ping(ctx):
    client, _ = join(ctx, "C14", echo)
    client.send(b"".join(make_frame(PING, str(number)) for number in range(20)))
    client.text("end")
    got = [client.read_frame() for _ in range(21)]
    pongs = [frame.payload for frame in got if frame.opcode == PONG]
    assert pongs == [str(number).encode() for number in range(20)], got
    client.ping(b"foo")
    assert client.read_frame().payload == b"foo"
    client.expect_silence(0.1)


@case("C15")
def the_message_limit_does_not_apply_to_pings():
    with Deployment(settings={"message_limit": 4}) as own:
        own.main = own.worker()
        client, event = join(own, "C15", echo)
        client.ping(b"12345")
        assert client.read_frame().payload == b"12345"
        client.text("1234")
        assert client.read_text() == "1234"
        client.text("12345")
        client.expect_failure(1009)


# Closing


@case("C16")
def a_close_of_the_client_is_echoed_and_ends_the_connection(ctx):
    client, event = join(ctx, "C16")
    frame = client.close_cleanly(1000)
    assert frame.code == 1000 and frame.reason == b"", frame
    closed = ctx.main.wait_close(event.chan)
    assert closed.status == 1000 and closed.cause == "client", closed
    assert "clean" not in closed.options, closed
    sentinel(ctx)
    assert verbs(ctx, event) == ["OPEN", "CLOSE"]


@case("C17")
def a_close_inside_an_unfinished_message_is_answered(ctx):
    client, event = join(ctx, "C17")
    client.text("never fin", fin=False)
    client.send_close(None)
    frame = client.read_close()
    assert frame.payload == b"", frame
    client.expect_end()
    closed = ctx.main.wait_close(event.chan)
    assert closed.status == 1005 and closed.cause == "client", closed
    assert verbs(ctx, event) == ["OPEN", "CLOSE"]


@case("C18")
def a_close_of_the_application_has_its_code_and_reason(ctx):
    for code, reason in ((1000, "bye"), (4000, "größer"), (1011, ""), (None, None)):
        client, event = join(ctx, "C18")
        answer = ctx.main.ask("CLOSE", event.chan, *([] if code is None else [code]),
                              payload=reason)
        assert answer.verb == "OK", answer
        frame = client.read_close()
        assert frame.code == (code or 1000) and frame.reason == (reason or "").encode(), frame
        client.send_close(frame.code)
        client.expect_end()
        closed = ctx.main.wait_close(event.chan)
        assert closed.status == 0 and closed.options["code"] == str(code or 1000), closed
        assert closed.cause == ("app-error" if code == 1011 else "server"), closed
        assert "clean" not in closed.options, closed


@case("C18")
def a_send_that_closes_is_followed_by_the_close(ctx):
    for close, code in ((1, 1000), (4321, 4321)):
        client, event = join(ctx, "C18")
        ctx.main.send(event.chan, "last words", close=close)
        assert client.read_text() == "last words"
        assert client.read_close().code == code
        client.send_close(code)
        client.expect_end()
        closed = ctx.main.wait_close(event.chan)
        assert closed.status == 0 and closed.options["code"] == str(code), closed


@case("C19")
def code_and_reason_of_the_client_reach_the_application(ctx):
    for code, reason in ((1000, "normal closure"), (1001, ""), (3999, "ünïcode"),
                         (4999, "r" * 123)):
        client, event = join(ctx, "C19")
        frame = client.close_cleanly(code, reason)
        assert frame.code == code, frame
        closed = ctx.main.wait_close(event.chan)
        assert closed.status == code and closed.payload.decode() == reason, closed
        assert closed.cause == "client", closed


@case("C20")
def a_reserved_bit_fails_with_1002(ctx):
    for rsv in range(1, 8):
        fails_with(ctx, 1002, make_frame(TEXT, "x", rsv=rsv))
    fails_with(ctx, 1002, make_frame(PING, "x", rsv=4))
    fails_with(ctx, 1002, make_frame(TEXT, "a", fin=False), make_frame(CONTINUATION, "b", rsv=1))


@case("C21")
def a_fragmented_control_frame_fails_with_1002(ctx):
    for opcode in (PING, PONG, CLOSE):
        fails_with(ctx, 1002, make_frame(opcode, b"\x03\xe8", fin=False))


@case("C22")
def a_control_frame_of_126_bytes_fails_with_1002(ctx):
    for opcode in (PING, PONG, CLOSE):
        fails_with(ctx, 1002, make_frame(opcode, b"\x03\xe8" + b"x" * 124))
    fails_with(ctx, 1002, make_frame(PING, b"x" * 70_000))


@case("C23")
def a_continuation_of_nothing_fails_with_1002(ctx):
    for fin in (True, False):
        fails_with(ctx, 1002, make_frame(CONTINUATION, "x", fin=fin))
    fails_with(ctx, 1002, make_frame(TEXT, "whole"), make_frame(CONTINUATION, "x"),
               clean_before=[b"whole"])


@case("C24")
def a_new_message_inside_an_unfinished_one_fails_with_1002(ctx):
    for opcode in (TEXT, BINARY):
        for fin in (True, False):
            fails_with(ctx, 1002, make_frame(TEXT, "half", fin=False),
                       make_frame(opcode, "new", fin=fin))


@case("C25")
def a_text_that_is_not_utf_8_fails_with_1007(ctx):
    for data in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80",
                 b"ok \xce", b"\xf0\x9f\x98", b"\xf8\x88\x80\x80\x80"):
        fails_with(ctx, 1007, make_frame(TEXT, data))
    client, event = join(ctx, "C25", echo)
    client.binary(b"\xff\xfe\xfd")
    assert client.read_message() == (BINARY, b"\xff\xfe\xfd")


@case("C26")
def a_close_of_one_byte_fails_with_1002(ctx):
    for byte in (b"\x03", b"\x00", b"x"):
        fails_with(ctx, 1002, make_frame(CLOSE, byte))


@case("C27")
def a_close_reason_that_is_too_long_is_refused(ctx):
    client, event = join(ctx, "C27")
    for reason in ("r" * 124, "r" * 125, "ü" * 62, "r" * 100_000):
        answer = ctx.main.ask("CLOSE", event.chan, 1000, payload=reason)
        assert answer.verb == "ERR" and answer.code == "value", (len(reason), answer)
    answer = ctx.main.ask("CLOSE", event.chan, 1000, payload=b"\xff")
    assert answer.verb == "ERR" and answer.code == "utf8", answer
    client.ping(b"alive")
    assert client.read_frame().payload == b"alive", "nothing of it may be on the wire"
    ctx.main.close(event.chan, 1000, "r" * 123)
    assert client.read_close().reason == b"r" * 123


@case("C27")
def close_codes_that_may_not_be_sent_are_refused(ctx):
    client, event = join(ctx, "C27")
    for code in (1, 101, 404, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 9999):
        answer = ctx.main.ask("CLOSE", event.chan, code)
        assert answer.verb == "ERR" and answer.code == "value", (code, answer)
        if code == 1:
            continue  # close=1 of a SEND means 1000
        answer = ctx.main.ask_send(event.chan, "x", close=code)
        assert answer.verb == "ERR" and answer.code == "value", (code, answer)
    client.ping(b"alive")
    assert client.read_frame().payload == b"alive"


# More about both


@case()
def masks_do_not_show_in_what_arrives(ctx):
    client, _ = join(ctx, "mask", echo)
    for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04", os.urandom(4)):
        for size in (0, 1, 3, 4, 5, 7, 8, 9, 126, 1001):
            client.binary(letters(size), mask=mask)
            assert client.read_message() == (BINARY, letters(size)), (mask, size)


@case()
def a_message_cut_at_every_place_is_read(ctx):
    client, _ = join(ctx, "cut", echo)
    frames = fragments("grüße, 世界 🌍".encode() * 9, [1, 2, 3, 0, 11, 60, 1]) + [
        make_frame(PING, "p")]
    stream = b"".join(frames)
    for at in range(1, len(stream)):
        client.send(stream[:at])
        client.send(stream[at:])
        got = sorted((frame.opcode, frame.payload) for frame in (client.read_frame(),
                                                                 client.read_frame()))
        assert got == [(TEXT, "grüße, 世界 🌍".encode() * 9), (PONG, b"p")], (at, got)


@case()
def empty_messages_and_empty_fragments_are_messages(ctx):
    client, event = join(ctx, "empty", echo)
    client.text("")
    assert client.read_message() == (TEXT, b"")
    client.binary(b"")
    assert client.read_message() == (BINARY, b"")
    client.send(b"".join([make_frame(TEXT, "", fin=False), make_frame(CONTINUATION, "", fin=False),
                          make_frame(CONTINUATION, "x", fin=False), make_frame(CONTINUATION, "")]))
    assert client.read_message() == (TEXT, b"x")


@case()
def one_client_does_not_disturb_another(ctx):
    quiet, event = join(ctx, "quiet", echo)
    for data in (b"\x83\x80\0\0\0\0", struct.pack(">BBQ", 0x82, 0xFF, 2**63), os.urandom(500)):
        noisy, _ = join(ctx, "noisy")
        noisy.send(data + b"\x80" * 200)
        frame = noisy.read_frame()
        assert frame.opcode == CLOSE, frame
        quiet.text("still here")
        assert quiet.read_text() == "still here"
    stays_true(lambda: not ctx.main.find("CLOSE", event.chan), 0.1)


if __name__ == "__main__":
    run(lambda: Deployment(settings={"out_queue": "64MiB"}, routes=ROUTES))
