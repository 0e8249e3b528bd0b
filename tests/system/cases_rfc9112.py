"""What RFC 9112 demands of a server in sections 2 to 7 and 9 and the other rows do not show yet
(rfc9112.tsv; the rest is in cases.tsv).  Verdict `library`: libmicrohttpd decides between the
answers that are allowed; the case accepts each of them and no other."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.talk import answered, hold, is_refused, sentinel, status_of, unique, whole_body
from support.waiting import wait_until
from support.ws_talk import handshake, try_handshake

TEXT = [("Content-Type", "text/plain")]
ROUTES = [
    ("one", {"path": "/routed/{name}", "service": "default"}),
    ("rest", {"path": "/**", "service": "default"}),
]


def raw(start, *lines, body=""):
    """A request from its lines; nothing is added."""
    return "\r\n".join([start, *lines, "", ""]) + body


def opened(ctx, target):
    """The OPENs of a target, after everything that was sent before has been seen."""
    sentinel(ctx)
    return ctx.main.find("OPEN", where=lambda r: r.target == target)


# 2: the message


@case("9112-2.1-a")
def bytes_over_127_reach_the_application(ctx):
    _, event, response = answered(ctx, "2.1", 200, TEXT, b"ok",
                                  sent=[("X-Latin", "gr\xfc\xdfe"), ("X-Utf", "\xe2\x82\xac")])
    assert response.status == 200
    assert event.header("x-latin") == "gr\xfc\xdfe" and event.header("x-utf") == "\xe2\x82\xac"


@case("9112-2.2-a", verdict="library")
def empty_lines_before_the_request_line_do_no_harm(ctx):
    for empty in ("\r\n", "\r\n\r\n"):
        target = unique("2.2")
        client = ctx.http()
        client.send(empty + raw(f"GET {target} HTTP/1.1", "Host: a"))
        found = opened(ctx, target)
        assert len(found) <= 1
        if found:
            ctx.main.respond(found[0].chan, 200, TEXT, b"ok")
        assert client.read_response().status == (200 if found else 400)
    client, _, response = answered(ctx, "2.2", 200, TEXT, b"one")
    client.send("\r\n")  # what old clients send behind a body
    assert answered(ctx, "2.2", 200, TEXT, b"two", client)[2].body == b"two"


@case("9112-2.3-a")
def the_answer_names_1_1(ctx):
    for version in ("1.1", "1.0"):
        response = answered(ctx, "2.3", 200, TEXT, b"ok", version=version)[2]
        assert response.head.version == "HTTP/1.1", response.head.raw
    data = is_refused(ctx, raw("GET /2.3 HTTP/2.0", "Host: a"), (505,))
    assert data.startswith(b"HTTP/1.1 505 "), data[:40]


# 3 and 4: the request line and the status line


@case("9112-3.1-a")
def an_unknown_method_reaches_the_application_and_case_matters(ctx):
    for method in ("PATCH", "PROPFIND", "M-SEARCH"):
        _, event, response = answered(ctx, "3.1", 200, TEXT, b"ok", method=method)
        assert event.meta["method"] == method and response.status == 200
    target = unique("3.1")
    client = ctx.http()
    client.send(raw(f"Head {target} HTTP/1.1", "Host: a"))
    found = opened(ctx, target)
    for event in found:
        assert event.meta["method"] == "Head", "another method than HEAD"
        ctx.main.respond(event.chan, 200, TEXT, b"a body")
    response = client.read_response()
    assert response.status in ((200,) if found else (400, 405, 501)), response


@case("9112-3.2-a")
def host_is_required_in_each_form_of_the_target(ctx):
    for start in ("OPTIONS * HTTP/1.1", "GET http://a/3.2 HTTP/1.1", "CONNECT a:80 HTTP/1.1"):
        for lines in ((), ("Host: a", "Host: b"), ("Host: a b",)):
            is_refused(ctx, raw(start, *lines), (400,))


@case("9112-3.2.2-a")
def an_absolute_target_is_routed_by_its_path(ctx):
    client, event, response = answered(ctx, "3.2.2", 200, TEXT, b"ok",
                                       target="http://other.example:81/routed/n%31?q=1")
    assert response.status == 200
    assert event.meta["route"] == "one" and event.meta["params"] == {"name": "n1"}, event.meta


@case("9112-4-a")
def the_status_line_is_whole_without_a_known_phrase(ctx):
    for status in (299, 418, 499, 599, 200):
        client, event = hold(ctx, "4")
        ctx.main.respond(event.chan, status, TEXT, b"ok")
        head = client.read_head()
        line = head.raw.split(b"\r\n")[0]
        assert line.startswith(b"HTTP/1.1 %d " % status), line
        assert client.read_body(head) == b"ok"
        client.close()


# 5: fields


@case("9112-5-a")
def white_space_around_a_value_is_not_part_of_it(ctx):
    target = unique("5")
    client = ctx.http()
    client.send(raw(f"GET {target} HTTP/1.1", "Host: \t a \t", "X-A:\t  in the middle\t ",
                    "X-B:none", "X-C:", "X-D: \t "))
    event = ctx.main.wait_open(target)
    values = {name: value for name, value in event.meta["headers"]}
    assert values == {"host": "a", "x-a": "in the middle", "x-b": "none", "x-c": "",
                      "x-d": ""}, values
    ctx.main.respond(event.chan, 200, TEXT, b"ok")
    assert client.read_response().status == 200


@case("9112-5.2-a")
def the_server_does_not_fold(ctx):
    for head in (b"X-Fold: one\n two\n\nbody", b"X-Fold: one\n\ttwo: three\n\nbody",
                 b" X-First: one\n\nbody"):
        client, event = hold(ctx, "5.2")
        answer = ctx.main.ask_send(event.chan, head, status=200, close=1)
        assert answer.verb == "ERR" and answer.code == "header", (head, answer)
        assert client.read_response().status == 500
        client.close()


# 6: the body


@case("9112-6-a")
def without_length_and_coding_there_is_no_body(ctx):
    for method in ("GET", "POST", "DELETE"):
        first, second = unique("6"), unique("6")
        client = ctx.http()
        client.send(raw(f"{method} {first} HTTP/1.1", "Host: a",
                        body=raw(f"GET {second} HTTP/1.1", "Host: a")))
        for target in (first, second):
            event = ctx.main.wait_open(target)
            assert event.meta["body"] == "none", event.meta
            ctx.main.respond(event.chan, 200, TEXT, target)
            assert client.read_response().body == target.encode()
        client.close()


@case("9112-6.1-c", "9112-6.2-a")
def a_101_and_a_204_announce_no_body(ctx):
    head, _ = try_handshake(ctx, handshake(target=unique("6.1")))
    assert head.status == 101 and not head.has("transfer-encoding"), head.raw
    assert head.get("content-length") in (None, "0"), head.raw
    for close in (1, None):
        client, event = hold(ctx, "6.1")
        ctx.main.respond(event.chan, 204, [("Content-Length", "5")], b"", close=close)
        head = client.read_head()
        assert head.status == 204 and not head.has("transfer-encoding"), head.raw
        assert not head.has("content-length"), head.raw
        assert answered(ctx, "6.1", 200, TEXT, b"next", client)[2].body == b"next"


@case("9112-6.3-a")
def lengths_that_differ_are_refused(ctx):
    smuggled = raw("GET /6.3/smuggled HTTP/1.1", "Host: a")
    for lines in (("Content-Length: 5, 6",), ("Content-Length: 5", "Content-Length: 6"),
                  ("Content-Length: 6", "Content-Length: 5"), ("Content-Length: 5 6",),
                  ("Content-Length: 5;",), ("Content-Length: 0x5",), ("Content-Length: ",),
                  ("Content-Length: 99999999999999999999",)):
        is_refused(ctx, raw("POST /6.3 HTTP/1.1", "Host: a", *lines, body="hello" + smuggled),
                   (400, 413))
    assert not ctx.main.find("OPEN", where=lambda r: r.target == "/6.3/smuggled")


@case("9112-6.3-b", "9112-7.1-d", "9112-8-a")
def what_ends_too_early_is_no_request():
    # An end that comes together with data is seen at once; no timer has to find it.
    settings = {"head_timeout": "60s", "body_timeout": "60s", "keep_alive": "60s"}
    with Deployment(settings=settings) as own:
        own.main = own.worker()
        for lines, body in (
            (("Content-Length: 10",), "only5"), (("Transfer-Encoding: chunked",), ""),
            (("Transfer-Encoding: chunked",), "5\r\nhel"),
            (("Transfer-Encoding: chunked",), "5\r\nhello\r\n"),
            (("Transfer-Encoding: chunked",), "5\r\nhello\r\n0\r\n"),
        ):
            is_no_request(own, raw("POST /early HTTP/1.1", "Host: a", *lines, body=body))
        for part in ("GET /ear", "GET /early HTTP/1.1\r\n", "GET /early HTTP/1.1\r\nHost: a\r\n"):
            is_no_request(own, part)
        wait_until(lambda: own.edge.metric("ringway_connections") == 0, 5, "the last end")


def is_no_request(own, data):
    for end in ("half_close", "close"):
        client = own.http()
        client.send(data)
        getattr(client, end)()
        if end == "half_close":
            assert status_of(client.read_to_end()) in (None, 400, 408)
        assert not opened(own, "/early"), data


@case("9112-8-a")
def a_long_body_that_ends_too_early_is_told_as_a_client_that_left(ctx):
    target = unique("8")
    client = ctx.http()
    client.send(raw(f"POST {target} HTTP/1.1", "Host: a", "Content-Length: 200000",
                    body="x" * 150_000))
    event = ctx.main.wait_open(target)
    client.close()
    closed = ctx.main.wait_close(event.chan)
    assert closed.status == -1 and closed.cause == "client", closed
    assert not [r for r in ctx.main.find("BODY", event.chan) if r.options.get("end")]


@case("9112-6.3-c", "9112-7.1.3-a")
def a_body_is_taken_to_its_last_byte_and_not_further(ctx):
    for size in (0, 1, 1000, 65_536, 65_537, 300_000):
        for chunked in (False, True):
            if chunked:
                lines = ("Transfer-Encoding: chunked",)
                body = (f"{size:x}\r\n" + "b" * size + "\r\n" if size else "") + "0\r\n\r\n"
            else:
                lines, body = (f"Content-Length: {size}",), "b" * size
            first, second = unique("6.3"), unique("6.3")
            client = ctx.http()
            client.send(raw(f"POST {first} HTTP/1.1", "Host: a", *lines,
                            body=body + raw(f"GET {second} HTTP/1.1", "Host: a")))
            event = ctx.main.wait_open(first)
            assert whole_body(ctx.main, event) == b"b" * size, (size, chunked)
            ctx.main.respond(event.chan, 200, TEXT, b"1")
            assert client.read_response().body == b"1"
            ctx.main.respond(ctx.main.wait_open(second).chan, 200, TEXT, b"2")
            assert client.read_response().body == b"2"
            client.close()


# 7: the chunked coding


@case("9112-7.1-c")
def chunk_sizes_that_are_no_number_are_refused(ctx):
    for line in ("", " 5", "0x5", "5g", "-5", "+5", "5 5", "\u00b2", "FFFFFFFFFFFFFFFFF"):
        target = unique("7.1")
        client = ctx.http()
        client.send(raw(f"POST {target} HTTP/1.1", "Host: a", "Transfer-Encoding: chunked",
                        body=f"{line}\r\nhello\r\n0\r\n\r\n"))
        found = opened(ctx, target)
        assert not found, (line, found)
        client.half_close()
        assert status_of(client.read_to_end()) in (None, 400, 413), line


# 9: the connection


@case("9112-9.6-a")
def with_close_in_the_request_the_answer_is_the_last(ctx):
    for value in ("close", "Close", "keep-alive, close", "x-other,close"):
        behind = unique("9.6")
        client, event = hold(ctx, "9.6", headers=[("Connection", value)])
        client.send(raw(f"GET {behind} HTTP/1.1", "Host: a"))
        ctx.main.respond(event.chan, 200, TEXT, b"last")
        response = client.read_response()
        assert response.body == b"last" and response.head.has_token("connection", "close")
        client.expect_end()
        assert not opened(ctx, behind)


if __name__ == "__main__":
    run(lambda: Deployment(settings={"body_limit": "1MiB"}, routes=ROUTES))
