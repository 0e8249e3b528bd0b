"""What RFC 6455 demands of a server in sections 4 to 7 and the rows of the channel do not show yet
(rfc6455.tsv; the other rows of RFC 6455 are in cases.tsv)."""

import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.talk import sentinel, unique
from support.waiting import wait_until
from support.worker import echo
from support.ws_client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WsClient, make_frame
from support.ws_talk import handshake, is_refused, join, try_handshake, verbs

ROUTES = [
    ("picky", {"path": "/picky/**", "service": "picky", "accept": "backend"}),
    ("rest", {"path": "/**", "service": "default"}),
]


# 4: the opening handshake


@case("6455-4.1-a", "6455-4.1-b")
def unknown_fields_are_ignored_and_origin_may_be_absent(ctx):
    lines = [("X-Unknown", "1"), ("Sec-WebSocket-Unheard-Of", "2"), ("Cookie", "a=b; c=d"),
             ("Authorization", "Basic eDp5"), ("Sec-WebSocket-Extensions", "unknown; a=1")]
    head, _ = try_handshake(ctx, handshake(lines, target=unique("4.1")))
    assert head.status == 101, head.raw


@case("6455-4.2.1-a")
def a_handshake_with_a_body_is_refused_and_its_body_is_no_frame(ctx):
    frame = make_frame(TEXT, "smuggled")
    for line in (("Content-Length", str(len(frame))), ("Transfer-Encoding", "chunked")):
        is_refused(ctx, (400,), changes=[line], behind=frame)
    assert not ctx.main.find("TEXT")
    head, _ = try_handshake(ctx, handshake([("Content-Length", "0")], target=unique("4.2.1")))
    assert head.status == 101, head.raw


@case("6455-4.2.2-b", "6455-4.2.2-c")
def the_101_has_each_field_once(ctx):
    for lines in ((), [("Sec-WebSocket-Protocol", "chat")]):
        head, _ = try_handshake(ctx, handshake(lines, target=unique("4.2.2")))
        assert head.version == "HTTP/1.1" and head.status == 101, head.raw
        assert head.reason, "a reason phrase"
        for name in ("upgrade", "connection", "sec-websocket-accept"):
            assert len(head.all(name)) == 1, (name, head.headers)
        for name in ("sec-websocket-protocol", "sec-websocket-extensions", "transfer-encoding"):
            assert not head.has(name), (name, head.headers)


@case("6455-4.2.2-d")
def subprotocols_are_compared_exactly_over_several_lines(ctx):
    worker = ctx.worker("picky")
    lines = [("Sec-WebSocket-Protocol", "a, Chat"), ("Sec-WebSocket-Protocol", "b ,  c")]
    target = unique("picky")
    client = WsClient(ctx.address)
    ctx.clients.append(client)
    client.send(client.handshake_bytes(target, lines))
    event = worker.wait_open(target)
    assert event.meta["offers"] == ["a", "Chat", "b", "c"], event.meta
    assert worker.ask("ACCEPT", event.chan, protocol="chat").code == "value"
    assert worker.ask("ACCEPT", event.chan, protocol="c").verb == "OK"
    assert client.finish_handshake().all("sec-websocket-protocol") == ["c"]


@case("6455-4.2.2-e")
def nothing_precedes_the_101(ctx):
    def eager(worker, record):
        if record.verb == "OPEN":
            worker.send(record.chan, "first")
            worker.send(record.chan, "second", close=1)

    for _ in range(30):
        target = unique("4.2.2")
        ctx.main.on(target, eager)
        head, client = try_handshake(ctx, handshake(target=target))
        assert head.raw.startswith(b"HTTP/1.1 101 "), head.raw
        data = client.read_exact(len(b"\x81\x05first\x81\x06second\x88\x02\x03\xe8"))
        assert data == b"\x81\x05first\x81\x06second\x88\x02\x03\xe8", data


# 5: frames


@case("6455-5.2-c")
def each_form_of_the_length_is_read_at_its_ends(ctx):
    client, _ = join(ctx, "5.2", echo)
    for size in (0, 1, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 65_537):
        client.binary(b"l" * size)
        opcode, data = client.read_message()
        assert opcode == BINARY and len(data) == size, (size, len(data))


@case("6455-5.3-a")
def each_frame_has_its_own_key(ctx):
    client, _ = join(ctx, "5.3", echo)
    keys = [b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x01\x00\x00\x00", b"\xde\xad\xbe\xef"]
    frames = [make_frame(CONTINUATION if number else TEXT, f"part {number};", mask=key,
                         fin=number == 3) for number, key in enumerate(keys)]
    client.send(b"".join(frames))
    assert client.read_text() == "part 0;part 1;part 2;part 3;"


@case("6455-5.4-a", "6455-5.4-b", "6455-6.2-b")
def fragments_have_the_type_of_the_first_and_their_order(ctx):
    client, event = join(ctx, "5.4", echo)
    for opcode, verb in ((TEXT, "TEXT"), (BINARY, "BIN")):
        parts = [b"", b"one ", b"", b"two ", b"three", b""]
        for number, part in enumerate(parts[:-1]):
            client.frame(CONTINUATION if number else opcode, part, fin=False)
        client.ping("so far")
        assert client.read_frame().opcode == PONG
        assert not ctx.main.find(verb, event.chan), "delivered before it was complete"
        client.frame(CONTINUATION, parts[-1])
        assert client.read_message() == (opcode, b"one two three")
        assert [r.payload for r in ctx.main.find(verb, event.chan)] == [b"one two three"]


@case("6455-5.5.2-b")
def a_ping_before_the_close_is_answered_and_one_behind_it_is_not(ctx):
    client, _ = join(ctx, "5.5.2")
    client.send(make_frame(PING, "before") + make_frame(CLOSE, b"\x03\xe8")
                + make_frame(PING, "behind"))
    frame = client.read_frame()
    assert (frame.opcode, frame.payload) == (PONG, b"before"), frame
    assert client.read_frame().opcode == CLOSE
    client.expect_end()


# 6: sending and receiving


@case("6455-6.1-a")
def each_message_begins_with_its_type_and_ends_with_fin(ctx):
    client, event = join(ctx, "6.1")
    for size in (0, 5, 200, 100_000, 3_000_000):
        for opcode in (TEXT, BINARY):
            ctx.main.send(event.chan, b"s" * size, bin=opcode == BINARY)
            first = frame = client.read_frame()
            total = len(frame.payload)
            assert first.opcode == opcode, (size, first)
            while not frame.fin:
                frame = client.read_frame()
                assert frame.opcode == CONTINUATION, (size, frame)
                total += len(frame.payload)
            assert total == size


# 7: closing


@case("6455-7.1.1-a")
def a_close_arrives_although_bytes_are_unread(ctx):
    for violation in (make_frame(TEXT, "x", rsv=1), make_frame(CLOSE, b"\x03\xe9")):
        for _ in range(20):
            client, _ = join(ctx, "7.1.1")
            client.send(violation + b"\x00" * 200_000)
            frame = client.read_close()
            assert frame.code in (1001, 1002), frame
            assert client.sock.recv(1) == b"", "the end of the connection, and no reset"


@case("6455-7.1.7-b")
def after_a_violation_nothing_is_processed(ctx):
    violations = {
        1002: make_frame(3, "reserved"), 1007: make_frame(TEXT, b"\xff"),
        1009: make_frame(TEXT, b"", length=5_000_000, form=64),
    }
    for code, violation in violations.items():
        client, event = join(ctx, "7.1.7", echo)
        client.send(make_frame(TEXT, "good"))
        assert client.read_text() == "good"
        client.send(violation + make_frame(TEXT, "later") + make_frame(PING, "later")
                    + make_frame(CLOSE, struct.pack(">H", 4000)))
        client.expect_failure(code)
        closed = ctx.main.wait_close(event.chan)
        assert closed.status == 0 and closed.options["code"] == str(code), closed
        sentinel(ctx)
        assert verbs(ctx, event) == ["OPEN", "TEXT", "CLOSE"]


@case("6455-7.1.7-c")
def a_client_that_broke_a_rule_and_stays_is_cut():
    with Deployment(settings={"close_timeout": "500ms"}) as own:
        own.main = own.worker()
        client, event = join(own, "7.1.7")
        client.frame(3, "reserved")
        assert client.read_close().code == 1002
        own.main.wait_close(event.chan)
        client.expect_end(5)
        wait_until(lambda: is_cut(client), 5, "the connection to be cut")


def is_cut(client):
    try:
        client.text("still talking")
    except OSError:
        return True
    return False


if __name__ == "__main__":
    run(lambda: Deployment(settings={"out_queue": "64MiB"}, routes=ROUTES))
