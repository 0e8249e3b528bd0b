"""Requests and answers that break a rule or a limit (rows E of cases.tsv and some X)."""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.talk import (
    Background, answered, hold, is_refused, send_and_read, sentinel, status_of, unique, whole_body,
)
from support.worker import head_payload

TEXT = [("Content-Type", "text/plain")]
LIMIT = 1024 * 1024  # body-limit of the shared deployment


def raw(start, *lines, end="\r\n", body=""):
    """A request from its lines; Host is not added."""
    return end.join([start, *lines, "", ""]) + body


@case("E03", "HTTP-3b")
def long_targets_are_served_and_too_long_ones_get_414(ctx):
    for size in (1000, 4000, 8000, 8191):
        target = "/E03/" + "u" * (size - 5)
        _, event, response = answered(ctx, "E03", 200, TEXT, b"ok", target=target)
        assert event.target == target and response.status == 200
    for size in (8192, 9000, 12191):
        is_refused(ctx, raw("GET /E03/" + "u" * (size - 5) + " HTTP/1.1", "Host: a"), (414,))


@case("E04", "X33")
def a_head_of_70_kb_gets_431(ctx):
    lines = [f"X-Header-{i}: {'v' * 1000}" for i in range(70)]
    is_refused(ctx, raw("GET /E04 HTTP/1.1", "Host: a", *lines), (431,))


@case("X33")
def a_header_line_over_8_kib_gets_431(ctx):
    line = "X-Long: " + "v" * (9 * 1024)
    is_refused(ctx, raw("GET /X33 HTTP/1.1", "Host: a", line), (431,))
    fits = [("X-Long", "v" * 8000)]
    assert answered(ctx, "X33", 200, TEXT, b"ok", sent=fits)[2].status == 200


@case("X33")
def a_head_over_14_kib_gets_431_and_one_below_is_served(ctx):
    lines = [f"X-{i}: {'v' * 1000}" for i in range(15)]
    is_refused(ctx, raw("GET /X33 HTTP/1.1", "Host: a", *lines), (431,))
    fits = [(f"X-{i}", "v" * 1000) for i in range(13)]
    assert answered(ctx, "X33", 200, TEXT, b"ok", sent=fits)[2].status == 200


@case("X33", "HTTP-9.3d")
def a_body_over_the_limit_gets_413(ctx):
    head = raw("POST /X33 HTTP/1.1", "Host: a", f"Content-Length: {LIMIT + 1}")
    is_refused(ctx, head, (413,))
    is_refused(ctx, head.encode() + b"x" * (LIMIT + 1), (413,))
    client, event = hold(ctx, "X33", method="POST", body=b"x" * LIMIT)
    assert len(whole_body(ctx.main, event)) == LIMIT
    ctx.main.respond(event.chan, 200, TEXT, b"ok")
    assert client.read_response().status == 200


@case("E05", "X33")
def chunks_that_add_up_past_the_limit_get_413(ctx):
    client = ctx.http()
    target = unique("E05")
    head = raw(f"POST {target} HTTP/1.1", "Host: a", "Transfer-Encoding: chunked").encode()
    chunk = b"ffff\r\n" + b"x" * 65535 + b"\r\n"
    data = send_and_read(client, head + chunk * 40 + b"0\r\n\r\n")
    assert status_of(data) == 413, data[:200]
    sentinel(ctx)
    for event in ctx.main.find("OPEN", where=lambda r: r.target == target):
        parts = ctx.main.find("BODY", event.chan)
        assert sum(len(part.payload) for part in parts) <= LIMIT
        assert not any(part.options.get("end") for part in parts)
        closed = ctx.main.wait_close(event.chan)
        assert closed.cause == "limit", closed


@case("E05", "HTTP-7.1b")
def chunk_sizes_beyond_any_integer_do_not_overflow(ctx):
    for size in ("7fffffff", "80000000", "ffffffff", "100000000", "ffffffffffffffff",
                 "10000000000000001", "f" * 40):
        head = raw("POST /E05/huge HTTP/1.1", "Host: a", "Transfer-Encoding: chunked")
        client = ctx.http()
        data = send_and_read(client, head.encode() + size.encode() + b"\r\n" + b"x" * (LIMIT + 9))
        assert status_of(data) in (400, 413), (size, data[:200])
        sentinel(ctx)
    for record in ctx.main.find("BODY"):
        assert record.options.get("end") != "1", "a body with an impossible size came to its end"


@case("E06", "HTTP-6.3b")
def a_bad_content_length_gets_400(ctx):
    for value in ("-1", "+1", "1,1", "0x5", "5 5", "", "99999999999999999999999"):
        is_refused(ctx, raw("POST /E06 HTTP/1.1", "Host: a", f"Content-Length: {value}",
                            body="x"), (400, 413))
    for value in ("-1", "+1"):
        is_refused(ctx, raw("POST /E06 HTTP/1.1", "Host: a", f"Content-Length: {value}",
                            body="x"), (400,))
    is_refused(ctx, raw("POST /E06 HTTP/1.1", "Host: a", "Content-Length: 1",
                        "Content-Length: 2", body="xy"), (400,))


def ends_without_a_whole_body(ctx, target, data, statuses=(400,)):
    """Asserts the status and that the application never got a finished body."""
    assert status_of(data) in statuses, data[:300]
    sentinel(ctx)
    for event in ctx.main.find("OPEN", where=lambda r: r.target == target):
        assert event.meta["body"] == "follows", event
        parts = ctx.main.find("BODY", event.chan)
        assert not any(part.options.get("end") for part in parts), parts
        ctx.main.wait_close(event.chan)


@case("E07")
def a_signed_chunk_size_gets_400(ctx):
    for size in ("-1", "+1", "0x1", "g", ""):
        target = unique("E07")
        head = raw(f"POST {target} HTTP/1.1", "Host: a", "Transfer-Encoding: chunked")
        data = send_and_read(ctx.http(), (head + size + "\r\nx\r\n0\r\n\r\n").encode())
        ends_without_a_whole_body(ctx, target, data)


@case("E10")
def chunk_data_that_does_not_end_in_crlf_gets_400(ctx):
    for body in ("1\r\nxy\r\n0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n"):
        target = unique("E10")
        head = raw(f"POST {target} HTTP/1.1", "Host: a", "Transfer-Encoding: chunked")
        data = send_and_read(ctx.http(), (head + body).encode())
        ends_without_a_whole_body(ctx, target, data)


@case("E08", "HTTP-6.1a", "HTTP-6.3a")
def unknown_transfer_codings_get_501_or_400(ctx):
    for value in ("gzip", "identity"):
        is_refused(ctx, raw("POST /E08 HTTP/1.1", "Host: a", f"Transfer-Encoding: {value}"),
                   (501,))
    for value in ("gzip, chunked", "chunked, gzip", "chunked, chunked", "xchunked", "",
                  "chunked;x=y"):
        is_refused(ctx, raw("POST /E08 HTTP/1.1", "Host: a", f"Transfer-Encoding: {value}"),
                   (400, 501))
    is_refused(ctx, raw("POST /E08 HTTP/1.1", "Host: a", "Transfer-Encoding: chunked",
                        "Transfer-Encoding: chunked", body="0\r\n\r\n"), (400, 501))


@case("E09", "HTTP-6.1d")
def transfer_encoding_beside_content_length_gets_400(ctx):
    smuggled = raw("GET /E09/smuggled HTTP/1.1", "Host: a")
    lines = ("Transfer-Encoding: chunked", "Content-Length: 5")
    for order in (lines, lines[::-1]):
        is_refused(ctx, raw("POST /E09 HTTP/1.1", "Host: a", *order,
                            body="0\r\n\r\n" + smuggled), (400,))


@case("HTTP-6.1c")
def transfer_encoding_in_a_1_0_request_gets_400(ctx):
    is_refused(ctx, raw("POST /TE10 HTTP/1.0", "Host: a", "Transfer-Encoding: chunked",
                        "Connection: keep-alive", body="0\r\n\r\n"), (400, 501))


@case("E11", "HTTP-2.3a")
def other_versions_get_505(ctx):
    for version in ("HTTP/2.0", "HTTP/3.0", "HTTP/0.9"):
        is_refused(ctx, raw(f"GET /E11 {version}", "Host: a"), (505,))
    for version in ("HTTP/1.10", "http/1.1", "HTTP/1", "HTTP/x.y", "FTP/1.1"):
        is_refused(ctx, raw(f"GET /E11 {version}", "Host: a"), (400, 505))


@case("E12", "HTTP-3a")
def malformed_request_lines_get_400(ctx):
    for line in (
        "GET /E12 HTTP/1.1 ", "get /E12 HTTP/1.1", "GET /E12\x01 HTTP/1.1",
        "GET /E12\xa0 HTTP/1.1", "GET /E12\x85 HTTP/1.1", "G@T /E12 HTTP/1.1",
        "GET /E12\x7f HTTP/1.1", "GET /E12",
    ):
        is_refused(ctx, raw(line, "Host: a"), (400,))


@case("E12", "HTTP-3a", verdict="library")
def request_lines_that_the_library_cannot_split_reach_nobody(ctx):
    for line in (" GET /E12 HTTP/1.1", "GET\t/E12\tHTTP/1.1", "GET /E12  HTTP/1.1",
                 "GET /E12/a b HTTP/1.1", "GET"):
        is_refused(ctx, raw(line, "Host: a"), (400, None))


@case("E12", "HTTP-3a", verdict="library")
def two_spaces_before_the_target_are_one_request_at_most(ctx):
    at_most_one_request(ctx, "GET  {0} HTTP/1.1\r\nHost: a\r\n\r\n")


@case("E13", "HTTP-2.2a", verdict="library")
def bare_line_feeds_make_one_request_at_most(ctx):
    for text in (
        "GET {0} HTTP/1.1\nHost: a\n\n",
        "GET {0} HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        "GET {0} HTTP/1.1\r\nHost: a\r\nX: y\n\nGET {0}/smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET {0} HTTP/1.1\r\nHost: a\r\nX: y\rZ: GET {0}/smuggled HTTP/1.1\r\n\r\n",
        "GET {0} HTTP/1.1\rHost: a\r\r",
    ):
        at_most_one_request(ctx, text)


def at_most_one_request(ctx, text):
    """What the library makes of doubtful line ends: one request or none, then the end."""
    target = unique("E13")
    client = ctx.http()
    client.send(text.format(target))
    event = None
    for _ in range(3):  # the answer of a sentinel comes after what was sent before it
        sentinel(ctx)
        event = next(iter(ctx.main.find("OPEN", where=lambda r: r.target == target)), None)
        if event:
            break
    if event:
        ctx.main.respond(event.chan, 200, TEXT, b"one")
        response = client.read_response()
        assert response.status == 200 and response.body == b"one"
        client.half_close()
    else:
        client.half_close()
    data = client.read_to_end()
    assert status_of(data) in (None, 400), data[:200]
    opened = ctx.main.find("OPEN", where=lambda r: r.target.startswith(target))
    smuggled = [r for r in opened if r.target != target]
    # Two requests in one segment are two requests when an empty line stands between them.
    assert len(opened) - len(smuggled) <= 1, opened
    assert not smuggled or "\n\nGET" in text, smuggled


@case("HTTP-5.2a", verdict="library")
def a_folded_header_line_is_refused_or_joined(ctx):
    target = unique("fold")
    client = ctx.http()
    client.send(raw(f"GET {target} HTTP/1.1", "Host: a", "X-Fold: one", "  two: three"))
    sentinel(ctx)
    opened = ctx.main.find("OPEN", where=lambda r: r.target == target)
    assert len(opened) <= 1
    if opened:
        value = opened[0].header("x-fold")
        assert value.split() == ["one", "two:", "three"], value
        assert "\r" not in value and "\n" not in value, value
        ctx.main.respond(opened[0].chan, 200, TEXT, b"ok")
    assert client.read_response().status == (200 if opened else 400)


@case("HTTP-2.2b")
def white_space_before_the_first_header_is_refused_or_left_out(ctx):
    target = unique("space")
    client = ctx.http()
    client.send(raw(f"GET {target} HTTP/1.1", " X-Odd: yes", "Host: a"))
    sentinel(ctx)
    opened = ctx.main.find("OPEN", where=lambda r: r.target == target)
    if opened:
        assert opened[0].header("x-odd") is None, opened[0].meta
        ctx.main.respond(opened[0].chan, 200, TEXT, b"ok")
    assert client.read_response().status == (200 if opened else 400)


@case("E14", "HTTP-3.2a")
def a_missing_blank_or_doubled_host_gets_400(ctx):
    for lines in ((), ("Host:",), ("Host:   ",), ("Host: a", "Host: a"), ("Host: a", "host: b")):
        is_refused(ctx, raw("GET /E14 HTTP/1.1", *lines), (400,))
    client = ctx.http()
    assert answered(ctx, "E14", 200, TEXT, b"ok", client, version="1.0",
                    host=False)[2].status == 200


@case("E15", "HTTP-3.2a")
def host_ports_are_numbers_up_to_65535(ctx):
    for host in ("a", "a:4347", "a:", "a:65535", "127.0.0.1:80", "[::1]:"):
        assert answered(ctx, "E15", 200, TEXT, b"ok",
                        sent=[("Host", host)])[2].status == 200, host
    for host in ("a:es", "a:()", "a:+80", "a:65536", "a:-1", "a b", "a/b", "[::1", "a:80:80"):
        is_refused(ctx, raw("GET /E15 HTTP/1.1", f"Host: {host}"), (400,))


@case("E16", "HTTP-5.1a")
def malformed_header_lines_get_400(ctx):
    for line in ("no colon here", "X-Space : value", "X Y: value", "X(Y): value"):
        is_refused(ctx, raw("GET /E16 HTTP/1.1", "Host: a", line), (400,))


@case("E16", verdict="library")
def header_lines_that_the_library_cuts_reach_nobody_whole(ctx):
    for line, name in ((": no name", ""), ("X-Nul: a\x00b", "x-nul")):
        target = unique("E16")
        client = ctx.http()
        client.send(raw(f"GET {target} HTTP/1.1", "Host: a", line))
        sentinel(ctx)
        opened = ctx.main.find("OPEN", where=lambda r: r.target == target)
        assert len(opened) <= 1, opened
        if opened:
            assert opened[0].header(name) in (None, "a"), opened[0].meta
            ctx.main.respond(opened[0].chan, 200, TEXT, b"one")
        assert client.read_response().status == (200 if opened else 400)
        client.expect_silence(0.05)


@case("E17", "HTTP-7.1.2a", verdict="differs")
def forbidden_trailers_never_reach_the_application(ctx):
    names = ("Content-Length", "Host", "Transfer-Encoding", "Connection", "Upgrade",
             "Authorization", "Cookie", "Expect", "X-Any")
    for name in names:
        target = unique("E17")
        client = ctx.http()
        client.send(raw(f"POST {target} HTTP/1.1", "Host: a", "Transfer-Encoding: chunked",
                        body=f"5\r\nhello\r\n0\r\n{name}: 7\r\n\r\n"))
        event = ctx.main.wait_open(target)
        assert whole_body(ctx.main, event) == b"hello"
        sent = [["host", "a"], ["transfer-encoding", "chunked"]]
        assert event.meta["headers"] == sent, event.meta
        ctx.main.respond(event.chan, 200, TEXT, b"ok")
        assert client.read_response().status == 200
        client.close()


@case("E18")
def a_bad_head_of_the_application_is_refused(ctx):
    for head in (
        b"X-Bad: a\rSet-Cookie: evil=1\n\nbody", b"X-Bad: a\r\n\r\nbody", b"X Bad: a\n\nbody",
        b": a\n\nbody", b"X-Bad: a\x00b\n\nbody", b"no colon\n\nbody", b"X-Bad: a\nno empty line",
    ):
        client, event = hold(ctx, "E18")
        answer = ctx.main.ask_send(event.chan, head, status=200, close=1)
        assert answer.verb == "ERR" and answer.code == "header", (head, answer)
        response = client.read_response()
        assert response.status == 500, response
        assert b"evil" not in response.head.raw and b"X-Bad" not in response.head.raw
        closed = ctx.main.wait_close(event.chan)
        assert closed.status == 0 and closed.cause == "app-error", closed
        client.close()


@case("E21")
def a_large_error_answer_is_complete_before_the_end(ctx):
    body = b"e" * 2_000_000
    client, event = hold(ctx, "E21", headers=[("Connection", "close")])
    client.send(b"these bytes are never read" * 100)
    reader = Background(client.read_response)
    ctx.main.respond(event.chan, 500, TEXT, body)
    response = reader.result()
    assert response.status == 500 and response.body == body
    client.expect_end()


@case("E22")
def statuses_outside_200_to_599_are_refused(ctx):
    for status in ("99", "100", "199", "600", "1000", "abc", "-5"):
        client, event = hold(ctx, "E22")
        answer = ctx.main.ask_send(event.chan, b"\nx", status=status, close=1)
        assert answer.verb == "ERR" and answer.code == "value", (status, answer)
        assert answer.payload and b"status" in answer.payload, answer.payload
        ctx.main.close(event.chan, 500)
        assert client.read_response().status == 500
        client.close()


@case("E22")
def close_statuses_that_http_does_not_have_are_refused(ctx):
    client, event = hold(ctx, "E22")
    for status in ("99", "101", "600", "1000"):
        answer = ctx.main.ask("CLOSE", event.chan, status)
        assert answer.verb == "ERR" and answer.code == "value", (status, answer)
    client.expect_silence(0.05)
    ctx.main.close(event.chan, 403)
    assert client.read_response().status == 403


@case("E23", "X28", verdict="differs")
def a_failure_is_a_500_without_internals(ctx):
    client, event = hold(ctx, "E23")
    ctx.main.close(event.chan, 500, "secret stack trace")
    response = client.read_response()
    assert response.status == 500 and b"secret" not in response.body
    assert response.head.get("content-type", "").startswith("text/plain")
    closed = ctx.main.wait_close(event.chan)
    assert closed.status == 0 and closed.cause == "app-error", closed


@case("X28")
def after_a_failure_the_connection_serves_the_next_request(ctx):
    client, event = hold(ctx, "X28")
    ctx.main.close(event.chan, 500)
    assert client.read_response().status == 500
    _, second = hold(ctx, "X28", client)
    assert second.chan != event.chan
    client.close()
    closed = ctx.main.wait_close(second.chan)
    assert closed.status == -1 and closed.cause == "client", closed
    assert len(ctx.main.find("CLOSE", event.chan)) == 1


@case("X34", "HTTP-9110-10.1.1a")
def expect_100_continue_gets_one_100_and_the_answer(ctx):
    for length in (5, 100_000):
        client = ctx.http()
        target = unique("X34")
        client.send(raw(f"POST {target} HTTP/1.1", "Host: a", "Expect: 100-continue",
                        f"Content-Length: {length}"))
        assert client.read_head().status == 100
        client.send(b"x" * length)
        event = ctx.main.wait_open(target)
        assert whole_body(ctx.main, event) == b"x" * length
        ctx.main.respond(event.chan, 200, TEXT, b"ok")
        assert client.read_head().status == 200, "there is exactly one 100"
        client.close()


@case("X34", "HTTP-9110-10.1.1a")
def expect_with_a_body_over_the_limit_gets_413_instead(ctx):
    is_refused(ctx, raw("POST /X34 HTTP/1.1", "Host: a", "Expect: 100-continue",
                        f"Content-Length: {LIMIT + 1}"), (413,))


@case("HTTP-9110-10.1.1b")
def expect_in_a_1_0_request_is_ignored(ctx):
    client = ctx.http()
    target = unique("expect")
    client.send(raw(f"POST {target} HTTP/1.0", "Expect: 100-continue", "Content-Length: 2",
                    body="ab"))
    event = ctx.main.wait_open(target)
    ctx.main.respond(event.chan, 200, TEXT, b"ok")
    assert client.read_head().status == 200


@case("HTTP-9110-7.8a")
def upgrade_in_a_1_0_request_is_not_followed(ctx):
    client = ctx.http()
    client.send(raw("GET /upgrade HTTP/1.0", "Host: a", "Upgrade: websocket",
                    "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="))
    sentinel(ctx)
    for event in ctx.main.find("OPEN", where=lambda r: r.target == "/upgrade"):
        assert event.meta["carrier"] == "http"
        ctx.main.respond(event.chan, 200, TEXT, b"plain")
    assert client.read_head().status in (200, 400, 426)


@case("HTTP-9110-15.5.22a", "C07", verdict="differs")
def a_426_names_version_and_protocol(ctx):
    data = is_refused(ctx, raw(
        "GET /426 HTTP/1.1", "Host: a", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Version: 12", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), (426,))
    head = data.split(b"\r\n\r\n")[0].lower()
    assert b"sec-websocket-version: 13" in head and b"\r\nupgrade: websocket" in head, head


@case()
def errors_of_the_gateway_are_one_line_of_plain_text(ctx):
    for lines in (("Host: a", "Host: b"), ("Host: a", "Transfer-Encoding: gzip"),
                  ("Host: a", "Content-Length: 99999999")):
        data = is_refused(ctx, raw("POST /plain HTTP/1.1", *lines), (400, 413, 501))
        head, _, rest = data.partition(b"\r\n\r\n")
        assert b"content-type: text/plain" in head.lower(), head
        assert len(rest.splitlines()) == 1, rest


@case()
def a_body_that_the_worker_does_not_want_is_read_or_the_connection_closes(ctx):
    client = ctx.http()
    target = unique("early")
    client.send(raw(f"POST {target} HTTP/1.1", "Host: a", f"Content-Length: {LIMIT}"))
    client.send(b"x" * 100_000)
    event = ctx.main.wait_open(target)
    no = head_payload(TEXT, b"no")  # and it is there before the rest of the body
    assert ctx.main.ask_send(event.chan, no, status=403, close=1).verb == "OK"
    writer = Background(_push, client, b"x" * (LIMIT - 100_000))
    response = client.read_response()
    assert response.status == 403 and response.body == b"no"
    writer.result()
    assert ctx.main.wait_close(event.chan).status == 0
    assert not any(r.options.get("end") for r in ctx.main.find("BODY", event.chan))


def _push(client, data):
    try:
        client.send(data)
    except OSError:
        pass  # closed first: the other good end


@case()
def the_last_part_of_a_body_waits_for_the_window_too(ctx):
    ctx.main.auto_ack = False
    size = 4 * 256 * 1024  # at most four parts of it go out, and the end is more
    client = ctx.http()
    target = unique("last")
    client.send(raw(f"POST {target} HTTP/1.1", "Host: a", f"Content-Length: {size}"))
    writer = Background(_push, client, b"y" * size)
    event = ctx.main.wait_open(target)
    ctx.main.ack(event.tag)
    fourth = ctx.main.wait_for("BODY", event.chan, count=4)
    writer.result()
    for _ in range(8):  # the gateway goes on meanwhile
        assert ctx.http().get("/" + "x" * 9000).status == 414
    assert len(ctx.main.find("BODY", event.chan)) == 4
    assert "end" not in fourth.options
    for record in ctx.main.find("BODY", event.chan):
        ctx.main.done(record.tag)
    last = ctx.main.wait_for("BODY", event.chan, count=5)
    assert last.options.get("end") == "1", last.options
    whole = ctx.main.find("BODY", event.chan)
    assert sum(len(record.payload or b"") for record in whole) == size
    ctx.main.done(last.tag)
    ctx.main.respond(event.chan, 200, TEXT, b"ok")
    assert client.read_response().status == 200
    ctx.main.ack(ctx.main.wait_close(event.chan).tag)


@case()
def a_body_window_holds_an_upload_back_until_it_is_acknowledged(ctx):
    ctx.main.auto_ack = False
    size = LIMIT
    client = ctx.http()
    target = unique("window")
    client.send(raw(f"POST {target} HTTP/1.1", "Host: a", f"Content-Length: {size}"))
    writer = Background(_push, client, b"y" * size)
    event = ctx.main.wait_open(target)
    ctx.main.ack(event.tag)
    got = 0
    count = 0
    while got < size:
        count += 1
        record = ctx.main.wait_for("BODY", event.chan, count=count)
        unacked = len(ctx.main.find("BODY", event.chan)) - (count - 1)
        assert unacked <= 4, f"{unacked} BODY records without an acknowledgement"
        got += len(record.payload or b"")
        ctx.main.done(record.tag)
    writer.result()
    ctx.main.respond(event.chan, 200, TEXT, b"ok")
    assert client.read_response().status == 200
    ctx.main.ack(ctx.main.wait_close(event.chan).tag)


@case()
def a_sized_head_is_not_mistaken_for_a_body(ctx):
    client, event = hold(ctx, "head")
    ctx.main.send(event.chan, head_payload([], b"\n\nX: y\n\nbody"), status=200, close=1)
    assert client.read_response().body == b"\n\nX: y\n\nbody"
    began = time.monotonic()
    sentinel(ctx)
    assert time.monotonic() - began < 5


if __name__ == "__main__":
    run(lambda: Deployment(settings={"body_limit": "1MiB", "out_queue": "64MiB"}))
