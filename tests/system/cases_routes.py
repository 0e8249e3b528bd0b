"""Routes, and what the application or nobody decides about a request."""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.talk import hold, sentinel
from support.waiting import scaled
from support.worker import echo
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


if __name__ == "__main__":
    run(lambda: Deployment(routes=ROUTES))
