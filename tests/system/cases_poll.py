"""Held requests (rows L of cases.tsv, and the rows X about them)."""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.talk import answered, hold, sentinel, unique
from support.waiting import scaled, wait_until

TEXT = [("Content-Type", "text/plain")]


@case("L01")
def a_held_request_is_answered_later_and_its_channel_closes(ctx):
    client, event = hold(ctx, "L01")
    client.expect_silence(0.3)
    ctx.main.respond(event.chan, 200, TEXT, b"later")
    response = client.read_response()
    assert response.body == b"later" and response.head.get("content-length") == "5"
    closed = ctx.main.wait_close(event.chan)
    assert closed.status == 0 and closed.cause == "server", closed


@case("L02")
def a_held_request_is_answered_with_a_bare_body(ctx):
    client, event = hold(ctx, "L02")
    ctx.main.send(event.chan, b"bare", close=1)
    response = client.read_response()
    assert response.status == 200 and response.body == b"bare"
    assert response.head.get("content-length") == "4"
    assert response.head.has("content-type") and response.head.has("date")


@case("L03", verdict="differs")
def a_send_without_close_begins_a_stream(ctx):
    client, event = hold(ctx, "L03")
    ctx.main.send(event.chan, b"first")
    head = client.read_head()
    assert head.has_token("transfer-encoding", "chunked")
    answer = ctx.main.ask_send(event.chan, b"second", close=1)
    assert answer.verb == "OK", answer
    assert client.read_chunks() == [b"first", b"second"]
    answer = ctx.main.ask_send(event.chan, b"third")
    assert answer.verb == "ERR" and answer.code == "gone", answer


@case("L04")
def of_an_event_and_a_timer_the_later_is_gone(ctx):
    client, event = hold(ctx, "L04")
    ctx.main.respond(event.chan, 200, TEXT, b"timer")
    assert client.read_response().body == b"timer"
    client, event = hold(ctx, "L04", client)
    ctx.main.respond(event.chan, 200, TEXT, b"event")
    late = ctx.main.ask_send(event.chan, b"\ntimer", status=200, close=1)
    assert late.verb == "ERR" and late.code == "gone", late
    assert client.read_response().body == b"event"
    client.expect_silence(0.05)


@case("L05", "X32")
def an_answered_id_never_means_another_request(ctx):
    client, first = hold(ctx, "L05")
    answer = ctx.main.ask_send(first.chan, b"\n0", status=200, close=1)
    assert answer.verb == "OK", answer
    assert client.read_response().body == b"0"
    seen = {first.chan}
    for number in (1, 2):
        _, event = hold(ctx, "L05", client)
        assert event.chan not in seen, "a channel id was used again"
        seen.add(event.chan)
        late = ctx.main.ask_send(first.chan, b"\nlate", status=200, close=1)
        assert late.verb == "ERR" and late.code == "gone", late
        ctx.main.respond(event.chan, 200, TEXT, str(number))
        assert client.read_response().body == str(number).encode()
    late = ctx.main.ask_send(first.chan, b"late")
    assert late.verb == "ERR" and late.code == "gone", late
    client.expect_silence(0.05)


@case("X32")
def a_next_poll_before_the_close_was_handled_is_untouched(ctx):
    ctx.main.auto_ack = False
    client, first = hold(ctx, "X32")
    ctx.main.respond(first.chan, 200, TEXT, b"one")
    assert client.read_response().body == b"one"
    _, second = hold(ctx, "X32", client)
    ctx.main.respond(first.chan, 200, TEXT, b"stray")
    late = ctx.main.ask_send(first.chan, b"stray", close=1)
    assert late.verb == "ERR" and late.code == "gone", late
    client.expect_silence(0.05)
    ctx.main.respond(second.chan, 200, TEXT, b"two")
    assert client.read_response().body == b"two"
    for record in ctx.main.events(first.chan) + ctx.main.events(second.chan):
        ctx.main.ack(record.tag)


@case("L06")
def a_client_that_leaves_a_held_request_is_reported(ctx):
    for leave in ("close", "reset"):
        client, event = hold(ctx, "L06")
        began = time.monotonic()
        getattr(client, leave)()
        closed = ctx.main.wait_close(event.chan)
        assert closed.status == -1 and closed.cause == "client", closed
        assert closed.time - began < scaled(2)


@case("X08", "X07", verdict="differs")
def a_client_that_half_closes_has_left(ctx):
    client, event = hold(ctx, "X08")
    client.half_close()
    closed = ctx.main.wait_close(event.chan)
    assert closed.status == -1 and closed.cause == "client", closed
    client.expect_end()
    client = ctx.http()
    target = unique("X07")
    client.send(client.format("GET", target))
    client.half_close()
    sentinel(ctx)
    for event in ctx.main.find("OPEN", where=lambda r: r.target == target):
        assert ctx.main.wait_close(event.chan).status == -1
    client.expect_end()


@case("X10")
def no_close_comes_before_its_open(ctx):
    targets = [unique("X10") for _ in range(60)]
    for number, target in enumerate(targets):
        client = ctx.http()
        client.send(client.format("GET", target))
        if number % 3 == 0:
            client.reset()
        else:
            client.close()
    sentinel(ctx)
    wait_until(
        lambda: all(
            ctx.main.find("CLOSE", event.chan)
            for event in ctx.main.find("OPEN", where=lambda r: r.target in targets)
        ),
        what="a CLOSE for every OPEN",
    )
    opened = {event.chan for event in ctx.main.find("OPEN")}
    for event in ctx.main.find("OPEN", where=lambda r: r.target in targets):
        verbs = [record.verb for record in ctx.main.events(event.chan)]
        assert verbs == ["OPEN", "CLOSE"], verbs
    assert {r.chan for r in ctx.main.find("CLOSE")} <= opened, "a CLOSE without an OPEN"


@case("X11")
def an_answer_to_a_closing_request_is_closed_by_the_server(ctx):
    for _ in range(40):
        client, event = hold(ctx, "X11", headers=[("Connection", "close")])
        ctx.main.respond(event.chan, 200, TEXT, b"x")
        assert client.read_response().body == b"x"
        client.close()
        closed = ctx.main.wait_close(event.chan)
        assert closed.status == 0 and closed.cause == "server", closed


@case("X16")
def a_held_request_that_pipelines_too_much_is_closed(ctx):
    client, event = hold(ctx, "X16")
    request = client.format("GET", "/X16/behind", [("X-Filler", "x" * 1000)])
    try:
        for _ in range(400):
            client.send(request)
    except OSError:
        pass  # the gateway closed first, which is one of the two good ends
    client.close()
    closed = ctx.main.wait_close(event.chan)
    assert (closed.status, closed.cause) in ((0, "limit"), (-1, "client")), closed
    sentinel(ctx)
    assert not ctx.main.find("OPEN", where=lambda r: r.target == "/X16/behind")


@case("K01")
def closing_twice_is_harmless_and_reported_once(ctx):
    client, event = hold(ctx, "K01")
    client.close()
    ctx.main.wait_close(event.chan)
    for _ in range(3):
        answer = ctx.main.ask("CLOSE", event.chan)
        assert answer.verb == "OK" or answer.code == "gone", answer
    sentinel(ctx)
    assert len(ctx.main.find("CLOSE", event.chan)) == 1


@case("K02")
def both_ends_closing_at_once_are_reported_once(ctx):
    channels = []
    for number in range(250):
        client, event = hold(ctx, "K02")
        channels.append(event.chan)
        if number % 2:
            ctx.main.close(event.chan)
            client.close()
        else:
            client.close()
            ctx.main.close(event.chan)
    for channel in channels:
        ctx.main.wait_close(channel)
    sentinel(ctx)
    for channel in channels:
        verbs = [record.verb for record in ctx.main.events(channel)]
        assert verbs == ["OPEN", "CLOSE"], verbs


@case()
def a_poll_on_every_connection_of_many_is_answered(ctx):
    held = [hold(ctx, "many") for _ in range(200)]
    for number, (client, event) in enumerate(held):
        ctx.main.respond(event.chan, 200, TEXT, str(number))
    for number, (client, event) in enumerate(held):
        assert client.read_response().body == str(number).encode()
    assert answered(ctx, "many", 200, TEXT, b"x")[2].status == 200


if __name__ == "__main__":
    run()
