"""Answers in parts (rows S of cases.tsv, and the rows X about streams)."""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.talk import answered, hold, sentinel, unique
from support.waiting import scaled

TEXT = [("Content-Type", "text/plain")]


def begin(ctx, name, first=b"", headers=TEXT, client=None, **request):
    """A stream that has begun: (client, OPEN, head)."""
    client, event = hold(ctx, name, client, **request)
    ctx.main.respond(event.chan, 200, headers, first, close=None)
    return client, event, client.read_head()


@case("S01", "K03")
def a_stream_is_one_head_and_its_parts(ctx):
    client, event, head = begin(ctx, "S01", b"part 0;")
    assert head.status == 200 and head.get("content-type") == "text/plain"
    assert head.has_token("transfer-encoding", "chunked") and not head.has("content-length")
    assert client.read_chunk() == b"part 0;"
    for number in range(1, 20):
        ctx.main.send(event.chan, f"part {number};")
        assert client.read_chunk() == f"part {number};".encode()
    ctx.main.send(event.chan, b"", close=1)
    assert client.read_chunk() == b""
    closed = ctx.main.wait_close(event.chan)
    assert closed.status == 0 and closed.cause == "server", closed
    assert answered(ctx, "S01", 200, TEXT, b"next", client)[2].body == b"next"
    assert [r.verb for r in ctx.main.events(event.chan)] == ["OPEN", "CLOSE"]


@case("S01")
def a_stream_is_neither_cached_nor_buffered_by_proxies(ctx):
    client, event, head = begin(ctx, "S01", b"x")
    assert head.all("cache-control") == ["no-store"] and head.all("x-accel-buffering") == ["no"]
    own = [("Cache-Control", "max-age=5"), ("X-Accel-Buffering", "yes")]
    _, _, head = begin(ctx, "S01", b"x", own)
    assert head.all("cache-control") == ["max-age=5"] and head.all("x-accel-buffering") == ["yes"]


@case("S01")
def a_part_is_on_the_wire_at_once(ctx):
    client, event, _ = begin(ctx, "S01", b"0")
    assert client.read_chunk() == b"0"
    worst = 0
    for _ in range(50):
        began = time.monotonic()
        ctx.main.send(event.chan, b"tick")
        assert client.read_chunk() == b"tick"
        worst = max(worst, time.monotonic() - began)
    assert worst < scaled(1), f"a part took {worst:.3f} s"


@case("S02")
def connection_close_of_the_client_does_not_cut_a_stream(ctx):
    client, event, head = begin(ctx, "S02", b"a", headers=TEXT)
    client, event = hold(ctx, "S02", headers=[("Connection", "close")])
    ctx.main.respond(event.chan, 200, TEXT, b"a", close=None)
    head = client.read_head()
    assert head.has_token("connection", "close")
    assert client.read_chunk() == b"a"
    for part in (b"b", b"c", b"d"):
        ctx.main.send(event.chan, part)
        assert client.read_chunk() == part
    ctx.main.send(event.chan, b"", close=1)
    assert client.read_chunk() == b""
    client.expect_end()
    assert ctx.main.wait_close(event.chan).status == 0


@case("S03")
def a_head_on_a_later_send_is_ignored(ctx):
    client, event, _ = begin(ctx, "S03", b"first")
    ctx.main.respond(event.chan, 404, [("X-Late", "yes")], b"second", close=None)
    ctx.main.respond(event.chan, 500, [("X-Late", "yes")], b"third", close=1)
    assert client.read_chunks() == [b"first", b"second", b"third"]
    assert answered(ctx, "S03", 200, TEXT, b"next", client)[2].body == b"next"


@case("S04", "HTTP-6.2a")
def framing_of_the_application_does_not_reach_a_stream(ctx):
    own = [("Content-Length", "999"), ("Transfer-Encoding", "gzip"), ("Content-Type", "a/b")]
    client, event, head = begin(ctx, "S04", b"x", own)
    assert head.all("transfer-encoding") == ["chunked"] and not head.has("content-length")
    assert head.all("content-type") == ["a/b"]
    ctx.main.send(event.chan, b"y", close=1)
    assert client.read_chunks() == [b"x", b"y"]


@case("S05", "X01")
def an_empty_first_send_leaves_the_stream_open(ctx):
    client, event, _ = begin(ctx, "S05", b"")
    client.expect_silence(0.1)
    ctx.main.send(event.chan, b"first")
    ctx.main.send(event.chan, b"done", close=1)
    wire = client.read_until(b"0\r\n\r\n")
    assert wire == b"5\r\nfirst\r\n4\r\ndone\r\n0\r\n\r\n", wire
    client.expect_silence(0.05)


@case("S06", "HTTP-9.3.2a")
def requests_behind_a_stream_wait_for_its_end(ctx):
    client = ctx.http()
    one, two, three = (unique("S06") for _ in range(3))
    client.send(b"".join(client.format("GET", target) for target in (one, two, three)))
    first = ctx.main.wait_open(one)
    ctx.main.respond(first.chan, 200, TEXT, b"a", close=None)
    assert client.read_head().status == 200 and client.read_chunk() == b"a"
    sentinel(ctx)
    assert not ctx.main.find("OPEN", where=lambda r: r.target in (two, three))
    ctx.main.send(first.chan, b"b", close=1)
    second = ctx.main.wait_open(two)
    ctx.main.respond(second.chan, 200, TEXT, b"two")
    third = ctx.main.wait_open(three)
    ctx.main.respond(third.chan, 200, TEXT, b"three")
    assert client.read_chunks() == [b"b"]
    assert client.read_response().body == b"two"
    assert client.read_response().body == b"three"


@case("S07", "HTTP-6.1b")
def http_1_0_gets_a_stream_that_ends_with_the_connection(ctx):
    client, event = hold(ctx, "S07", version="1.0", headers=[("Connection", "keep-alive")])
    ctx.main.respond(event.chan, 200, TEXT, b"alpha", close=None)
    head = client.read_head()
    assert not head.has("transfer-encoding") and not head.has("content-length"), head.headers
    assert head.has_token("connection", "close")
    assert client.read_exact(5) == b"alpha"
    ctx.main.send(event.chan, b"beta", close=1)
    assert client.read_to_end() == b"beta"
    assert ctx.main.wait_close(event.chan).status == 0


@case("S08", "HTTP-9.6a")
def connection_close_in_the_first_send_ends_after_the_last_chunk(ctx):
    client = ctx.http()
    one, two = unique("S08"), unique("S08")
    client.send(client.format("GET", one) + client.format("GET", two))
    event = ctx.main.wait_open(one)
    ctx.main.respond(event.chan, 200, [("Connection", "close")], b"a", close=None)
    assert client.read_head().has_token("connection", "close")
    ctx.main.send(event.chan, b"b")
    ctx.main.send(event.chan, b"", close=1)
    assert client.read_chunks() == [b"a", b"b"]
    client.expect_end()
    sentinel(ctx)
    assert not ctx.main.find("OPEN", where=lambda r: r.target == two)


@case("S09")
def eight_senders_at_once_make_one_head(ctx):
    client, event = hold(ctx, "S09")
    senders = [ctx.sender() for _ in range(8)]
    for sender in senders:
        sender.ask("GET", "stats")
    for sender in senders:
        sender.respond(event.chan, 200, TEXT, b"x", close=None)
    assert client.read_head().status == 200
    assert [client.read_chunk() for _ in range(8)] == [b"x"] * 8
    ctx.main.send(event.chan, b"", close=1)
    assert client.read_chunk() == b""
    client.expect_silence(0.05)


@case("S10")
def ending_without_data_is_the_last_chunk_alone(ctx):
    client, event, _ = begin(ctx, "S10", b"")
    ctx.main.send(event.chan, b"", close=1)
    assert client.read_exact(5) == b"0\r\n\r\n"
    client.expect_silence(0.05)
    client, event, _ = begin(ctx, "S10", b"", client=client)
    ctx.main.close(event.chan)
    assert client.read_exact(5) == b"0\r\n\r\n"
    client.expect_silence(0.05)


@case("S11", verdict="differs")
def a_bare_body_is_plain_text(ctx):
    client, event = hold(ctx, "S11")
    ctx.main.send(event.chan, b"<b>bare</b>", close=1)
    response = client.read_response()
    assert response.status == 200 and response.body == b"<b>bare</b>"
    assert response.head.get("content-type").lower() == "text/plain; charset=utf-8"
    assert response.head.get("x-content-type-options") == "nosniff"
    client, event = hold(ctx, "S11", client)
    ctx.main.send(event.chan, b"a")
    head = client.read_head()
    assert head.get("content-type").lower() == "text/plain; charset=utf-8"
    assert head.get("x-content-type-options") == "nosniff"
    ctx.main.send(event.chan, b"b", close=1)
    assert client.read_chunks() == [b"a", b"b"]


@case("S12", "HTTP-8a")
def a_failure_after_the_stream_began_cuts_it(ctx):
    client, event, _ = begin(ctx, "S12", b"part")
    assert client.read_chunk() == b"part"
    ctx.main.close(event.chan, 500)
    assert client.read_to_end() == b"", "a cut stream has no last chunk and no second answer"
    closed = ctx.main.wait_close(event.chan)
    assert closed.status == 0 and closed.cause == "app-error", closed


@case("S12")
def a_failure_after_a_whole_answer_changes_nothing(ctx):
    client, event, response = answered(ctx, "S12", 200, TEXT, b"whole")
    assert response.body == b"whole"
    answer = ctx.main.ask("CLOSE", event.chan, "500")
    assert answer.verb == "OK" or answer.code == "gone", "closing is idempotent"
    assert ctx.main.wait_close(event.chan).cause == "server"
    assert answered(ctx, "S12", 200, TEXT, b"next", client)[2].body == b"next"


@case("S13", "K05")
def a_client_that_leaves_a_stream_is_reported(ctx):
    for leave in ("close", "reset"):
        client, event, _ = begin(ctx, "S13", b"part")
        assert client.read_chunk() == b"part"
        began = time.monotonic()
        getattr(client, leave)()
        closed = ctx.main.wait_close(event.chan)
        assert closed.status == -1 and closed.cause == "client", closed
        assert closed.time - began < scaled(0.5), "the report took too long"
        sentinel(ctx)
        assert len(ctx.main.find("CLOSE", event.chan)) == 1


@case("X02")
def an_empty_later_send_puts_nothing_on_the_wire(ctx):
    client, event, _ = begin(ctx, "X02", b"a")
    assert client.read_chunk() == b"a"
    answer = ctx.main.ask_send(event.chan, b"")
    assert answer.verb == "OK", answer
    client.expect_silence(0.1)
    ctx.main.send(event.chan, b"b", close=1)
    assert client.read_chunks() == [b"b"]


@case("X03")
def a_close_with_nothing_sent_is_a_complete_204(ctx):
    client, event = hold(ctx, "X03")
    ctx.main.close(event.chan)
    response = client.read_response()
    assert response.status == 204 and not response.head.has("transfer-encoding")
    assert ctx.main.wait_close(event.chan).status == 0
    client, event = hold(ctx, "X03", client)
    ctx.main.close(event.chan, 404)
    response = client.read_response()
    assert response.status == 404
    assert answered(ctx, "X03", 200, TEXT, b"next", client)[2].body == b"next"


@case("X04", "HTTP-6.3c")
def a_stream_without_a_body_is_a_head_and_is_closed(ctx):
    client = ctx.http()
    for method, status in (("HEAD", 200), ("GET", 204), ("GET", 205), ("GET", 304)):
        _, event = hold(ctx, "X04", client, method=method)
        ctx.main.respond(event.chan, status, TEXT, b"part", close=None)
        head = client.read_head()
        assert head.status == status
        closed = ctx.main.wait_close(event.chan)
        assert closed.status == 0, closed
        answer = ctx.main.ask_send(event.chan, b"more")
        assert answer.verb == "ERR" and answer.code == "gone", answer
        client.expect_silence(0.02)
    assert answered(ctx, "X04", 200, TEXT, b"next", client)[2].body == b"next"


@case("X31")
def a_client_that_leaves_a_silent_stream_is_reported(ctx):
    for leave in ("close", "reset", "half_close"):
        client, event, _ = begin(ctx, "X31", b"")
        began = time.monotonic()
        getattr(client, leave)()
        closed = ctx.main.wait_close(event.chan)
        assert closed.status == -1 and closed.cause == "client", closed
        assert closed.time - began < scaled(1), "the report took too long"


@case("E20", "HTTP-8a")
def fewer_bytes_than_announced_cut_the_connection(ctx):
    client, event = hold(ctx, "E20")
    ctx.main.respond(event.chan, 200, TEXT, b"only this", close=None, length=100)
    head = client.read_head()
    assert head.get("content-length") == "100"
    ctx.main.close(event.chan)
    assert client.read_to_end() == b"only this"


@case()
def more_bytes_than_announced_are_refused(ctx):
    client, event = hold(ctx, "length")
    ctx.main.respond(event.chan, 200, TEXT, b"12345", close=None, length=10)
    answer = ctx.main.ask_send(event.chan, b"6789012345")
    assert answer.verb == "ERR" and answer.code == "length", answer
    ctx.main.send(event.chan, b"67890")
    response = client.read_response()
    assert response.body == b"1234567890"
    assert ctx.main.wait_close(event.chan).status == 0


@case()
def sends_with_format_sse_are_events(ctx):
    client, event = hold(ctx, "sse")
    ctx.main.send(event.chan, b"one\ntwo", format="sse")
    head = client.read_head()
    assert head.get("content-type").startswith("text/event-stream")
    ctx.main.send(event.chan, b"three", close=1)
    body = b"".join(client.read_chunks()).decode()
    events = [text for text in body.split("\n\n") if text and not text.startswith(":")]
    data = ["\n".join(line[5:].lstrip() for line in text.split("\n") if line.startswith("data:"))
            for text in events]
    assert data == ["one\ntwo", "three"], body


if __name__ == "__main__":
    run(lambda: Deployment(settings={"out_queue": "64MiB"}))
