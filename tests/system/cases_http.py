"""Ordinary requests and answers over HTTP (rows H of cases.tsv)."""

import os
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import Skip, case, run
from support.harness import Deployment
from support.http_client import HttpClient
from support.talk import Background, answered, hold, sentinel, unique, whole_body
from support.waiting import wait_until
from support.worker import head_payload
from support.ws_client import WsClient

MB = 1_000_000
TEXT = [("Content-Type", "text/plain")]


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


@case("H01")
def the_worker_is_told_the_whole_request(ctx):
    client = ctx.http()
    local = client.local
    _, event = hold(ctx, "H01", client, target="/spec?c=d&a=b")
    meta = event.meta
    assert meta["method"] == "GET" and meta["target"] == "/spec?c=d&a=b", meta
    assert meta["version"] == "1.1" and meta["scheme"] == "http", meta
    assert meta["carrier"] == "http" and meta["body"] == "none", meta
    assert event.header("host") == "%s:%d" % ctx.address, meta
    assert event.header("content-type") is None, meta
    assert meta["peer"] == local, meta
    assert meta["local"] == "%s:%d" % ctx.address, meta
    assert list(meta) == ["method", "target", "version", "scheme", "headers", "peer", "local",
                          "carrier", "route", "params", "offers", "body"], list(meta)
    ctx.main.respond(event.chan, 200, TEXT, b"ok")
    assert client.read_response().status == 200


@case("H02")
def query_and_form_body_stay_apart(ctx):
    form = b"c=d&e=%20&f=\x00\xff\r\n"
    client, event = hold(
        ctx, "H02", method="POST", target="/H02?a=b", body=form,
        headers=[("content-typE", "application/x-www-form-urlencoded")],
    )
    assert event.target == "/H02?a=b" and event.meta["method"] == "POST"
    assert event.header("content-type") == "application/x-www-form-urlencoded"
    assert event.body == form, event.payload
    ctx.main.respond(event.chan, 200, TEXT, b"ok")
    assert client.read_response().body == b"ok"


@case("H03")
def content_type_parameters_arrive_unchanged(ctx):
    for value in ('text/plain; version=1; Charset="UTF-8"', "text/plain;charset=latin1", "a/b"):
        client, event, response = answered(ctx, "H03", sent=[("Content-Type", value)])
        assert event.header("content-type") == value
        assert response.status == 200
        client.close()


@case("H04")
def headers_that_are_sent_twice_all_arrive(ctx):
    headers = [("X-Twice", "a"), ("Cookie", "c1=1"), ("x-twice", "b"), ("Cookie", "c2=2")]
    _, event, _ = answered(ctx, "H04", sent=headers)
    seen = [pair for pair in event.meta["headers"] if pair[0] != "host"]
    assert seen == [["x-twice", "a"], ["cookie", "c1=1"], ["x-twice", "b"], ["cookie", "c2=2"]]


@case("H04")
def header_bytes_over_0x7f_become_their_latin1_characters(ctx):
    _, event, _ = answered(ctx, "H04", sent=[("X-Name", "J\xfcrgen \x80")])
    assert event.header("x-name") == "J\xfcrgen \x80"


@case("H05", verdict="differs")
def a_forwarded_for_header_does_not_change_the_peer(ctx):
    client = ctx.http()
    local = client.local
    _, event, _ = answered(ctx, "H05", client=client, sent=[("X-Forwarded-For", "1.2.3.4")])
    assert event.meta["peer"] == local
    assert event.header("x-forwarded-for") == "1.2.3.4"


@case("H05")
def a_trusted_proxy_names_the_client():
    for trusted, sent, host in (
        ("127.0.0.1", "1.2.3.4", "1.2.3.4"), ("*", "1.2.3.4", "1.2.3.4"),
        ("127.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"), ("10.0.0.1", "1.2.3.4", "127.0.0.1"),
    ):
        with Deployment(settings={"trusted_proxies": trusted}) as own:
            own.main = own.worker()
            _, event, _ = answered(own, "H05", sent=[("X-Forwarded-For", sent)])
            assert event.meta["peer"].rsplit(":", 1)[0] == host or event.meta["peer"] == host, (
                trusted, sent, event.meta["peer"])


@case("H06")
def an_answer_arrives_as_it_was_sent(ctx):
    headers = [("Content-Type", "text/plain"), ("X-Own", "a, b;c")]
    _, _, response = answered(ctx, "H06", 200, headers, b"Hello World")
    assert response.status == 200 and response.body == b"Hello World"
    assert response.head.all("content-type") == ["text/plain"]
    assert response.head.get("x-own") == "a, b;c"
    assert response.head.version == "HTTP/1.1" and response.head.reason == "OK"


@case("H07")
def many_headers_arrive_and_two_values_stay_two_lines(ctx):
    client = ctx.http()
    for count in range(5, 40):
        headers = [(f"X-Header-{i}", f"value {i}") for i in range(count)]
        headers += [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
        _, _, response = answered(ctx, "H07", 200, headers, b"x", client)
        for i in range(count):
            assert response.head.all(f"x-header-{i}") == [f"value {i}"]
        assert response.head.all("set-cookie") == ["a=1", "b=2"]


def send_sized(ctx, event, data, piece=524288):
    """A sized answer in pieces, each written before the next is sent."""
    for at in range(0, len(data), piece):
        options = {"want": "written"}
        part = data[at : at + piece]
        if at == 0:
            options.update(status=200, length=len(data))
            part = head_payload([("Content-Type", "image/png")], part)
        answer = ctx.main.ask_send(event.chan, part, timeout=15, **options)
        assert answer.verb == "OK", answer


@case("H08")
def file_sized_answers_arrive_whole(ctx):
    for size in range(MB, 8 * MB + 1, 1_440_000):
        data = os.urandom(1024) * (size // 1024 + 1)
        data = data[:size]
        client, event = hold(ctx, "H08")
        reader = Background(client.read_response)
        send_sized(ctx, event, data)
        response = reader.result()
        assert response.head.get("content-length") == str(size)
        assert response.head.get("content-type") == "image/png"
        assert response.body == data
        assert ctx.main.wait_close(event.chan).status == 0
        client.close()


@case("H09")
def streamed_answers_arrive_whole(ctx):
    for size in range(MB, 5 * MB + 1, 1_440_000):
        data = (os.urandom(1000) * (size // 1000 + 1))[:size]
        client, event = hold(ctx, "H09")
        reader = Background(client.read_response)
        ctx.main.respond(event.chan, 200, TEXT, data[:100_000], close=None)
        for at in range(100_000, size, 100_000):
            ctx.main.send(event.chan, data[at : at + 100_000])
        ctx.main.send(event.chan, b"", close=1)
        assert reader.result().body == data
        client.close()


@case("H10")
def large_sends_arrive_whole(ctx):
    for size in (MB, 4 * 1024 * 1024 - 100, 5 * MB):
        data = (os.urandom(1000) * (size // 1000 + 1))[:size]
        client, event = hold(ctx, "H10")
        reader = Background(client.read_response)
        first = data[: 4 * 1024 * 1024 - 100]
        if len(first) == size:
            ctx.main.respond(event.chan, 200, TEXT, first)
        else:
            ctx.main.respond(event.chan, 200, TEXT, first, close=None, length=size)
            ctx.main.send(event.chan, data[len(first) :], close=1)
        response = reader.result()
        assert response.head.get("content-length") == str(size)
        assert response.body == data
        client.close()


@case("H11")
def parts_arrive_in_the_order_of_the_sends(ctx):
    client, event = hold(ctx, "H11")
    ctx.main.respond(event.chan, 200, TEXT, b"0,", close=None)
    for number in range(1, 200):
        ctx.main.send(event.chan, f"{number},")
    ctx.main.send(event.chan, b"end", close=1)
    expected = "".join(f"{number}," for number in range(200)) + "end"
    assert client.read_response().body.decode() == expected


@case("H12", "H14")
def length_is_added_and_is_0_without_a_body(ctx):
    client, _, response = answered(ctx, "H12", 200, TEXT, b"")
    assert response.status == 200 and response.head.all("content-length") == ["0"]
    _, _, response = answered(ctx, "H14", 200, TEXT, b"hello world", client)
    assert response.head.all("content-length") == ["11"] and response.body == b"hello world"


@case("H13", "H21", "HTTP-6.2a")
def framing_of_the_application_is_replaced(ctx):
    client = ctx.http()
    for headers in (
        [("Content-Length", "10000")],
        [("content-length", "5678")],
        [("Transfer-Encoding", "chunked"), ("Content-Length", "999")],
        [("Transfer-Encoding", "chunked")],
    ):
        _, _, response = answered(ctx, "H13", 200, headers, b"hello", client)
        assert response.head.all("content-length") == ["5"], response
        assert not response.head.has("transfer-encoding")
        assert response.body == b"hello"


@case("H15", "HTTP-6.3c", "HTTP-9110-9.3.2a")
def head_gets_the_length_and_no_body(ctx):
    client, _, response = answered(ctx, "H15", 200, TEXT, b"hello", method="HEAD")
    assert response.head.get("content-length") == "5"
    assert response.head.get("content-type") == "text/plain"
    client.expect_silence(0.05)
    assert answered(ctx, "H15", 200, TEXT, b"next", client)[2].body == b"next"


@case("H16")
def head_keeps_the_length_that_the_application_gives(ctx):
    client = ctx.http()
    for length in ("1234", "999"):
        headers = [("Content-Length", length)]
        _, _, response = answered(ctx, "H16", 200, headers, b"", client, method="HEAD")
        assert response.head.all("content-length") == [length]
        assert not response.head.has("transfer-encoding")
    assert answered(ctx, "H16", 200, TEXT, b"next", client)[2].body == b"next"


@case("H18", "H19", "HTTP-6.3c", "HTTP-9110-15.3.6a", "HTTP-6.1b")
def statuses_without_a_body_have_none(ctx):
    client = ctx.http()
    framing = [("Transfer-Encoding", "chunked"), ("Content-Length", "5")]
    for status in (204, 205, 304):
        for headers in (TEXT, framing):
            _, _, response = answered(ctx, "H18", status, headers, b"hello", client)
            assert response.status == status
            assert not response.head.has("transfer-encoding"), response
            if status == 204:
                assert not response.head.has("content-length"), response
            if status == 205:
                assert response.head.all("content-length") == ["0"], response
            client.expect_silence(0.02)
    assert answered(ctx, "H18", 200, TEXT, b"next", client)[2].body == b"next"


@case("H18")
def status_101_is_refused_as_an_answer(ctx):
    client, event = hold(ctx, "H18")
    answer = ctx.main.ask_send(event.chan, b"\nhello", status=101, close=1)
    assert answer.verb == "ERR" and answer.code == "value", answer
    ctx.main.close(event.chan, 500)
    assert client.read_response().status == 500


@case("H20", "HTTP-6.3c")
def a_304_keeps_the_length_of_the_representation(ctx):
    headers = [("Content-Length", "999"), ("Transfer-Encoding", "chunked")]
    client, _, response = answered(ctx, "H20", 304, headers, b"")
    assert response.head.all("content-length") == ["999"]
    assert not response.head.has("transfer-encoding")
    assert answered(ctx, "H20", 200, TEXT, b"next", client)[2].body == b"next"


@case("H22")
def a_failure_on_head_is_a_500_without_a_body(ctx):
    client, event = hold(ctx, "H22", method="HEAD")
    ctx.main.close(event.chan, 500)
    head = client.read_head()
    assert head.status == 500 and int(head.get("content-length")) >= 0
    assert answered(ctx, "H22", 200, TEXT, b"next", client)[2].body == b"next"


@case("H23", "HTTP-9.6a")
def a_failure_on_a_closing_request_declares_the_close(ctx):
    client, event = hold(ctx, "H23", headers=[("Connection", "close")])
    ctx.main.close(event.chan, 500)
    response = client.read_response()
    assert response.status == 500 and response.head.has_token("connection", "close")
    client.expect_end()


@case("H25")
def the_server_header_is_default_configured_or_absent(ctx):
    _, _, response = answered(ctx, "H25", 200, TEXT, b"x")
    assert len(response.head.all("server")) == 1 and response.head.get("server")
    for setting, expected in (("Own/1.0", ["Own/1.0"]), ("", [])):
        with Deployment(settings={"server_header": setting}) as other:
            other.main = other.worker()
            _, _, response = answered(other, "H25", 200, TEXT, b"x")
            assert response.head.all("server") == expected, response


@case("H26", "HTTP-9110-6.6.1a")
def a_date_of_the_application_is_the_only_one(ctx):
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    client, _, response = answered(ctx, "H26", 200, [("Date", date)], b"x")
    assert response.head.all("date") == [date]
    _, _, response = answered(ctx, "H26", 200, TEXT, b"x", client)
    assert len(response.head.all("date")) == 1


@case("H27")
def only_the_first_of_several_answers_is_sent(ctx):
    client, event = hold(ctx, "H27")
    ctx.main.respond(event.chan, 200, TEXT, b"first")
    second = ctx.main.ask_send(event.chan, b"\nsecond", status=201, close=1)
    third = ctx.main.ask("CLOSE", event.chan, "500")
    assert second.verb == "ERR" and second.code == "gone", second
    assert third.verb == "OK" or third.code == "gone", third
    assert client.read_response().body == b"first"
    client.expect_silence(0.05)
    assert len(ctx.main.find("CLOSE", event.chan)) == 1
    assert answered(ctx, "H27", 200, TEXT, b"next", client)[2].body == b"next"


@case("H28")
def answers_now_later_and_failures_end_the_request(ctx):
    client, _, response = answered(ctx, "H28", 200, TEXT, b"now")
    assert response.status == 200
    _, event = hold(ctx, "H28", client)
    sender = ctx.sender()
    client.expect_silence(1.0)
    sender.respond(event.chan, 200, TEXT, b"later, from elsewhere")
    assert client.read_response().body == b"later, from elsewhere"
    _, event = hold(ctx, "H28", client)
    ctx.main.close(event.chan, 500)
    assert client.read_response().status == 500


@case("H29", "HTTP-9.3.2a", "HTTP-9.3a")
def two_requests_in_one_segment_get_two_answers_in_order(ctx):
    client = ctx.http()
    one, two = unique("H29"), unique("H29")
    client.send(client.format("GET", one) + client.format("GET", two))
    first = ctx.main.wait_open(one)
    ctx.main.respond(first.chan, 200, TEXT, b"one")
    second = ctx.main.wait_open(two)
    before = ctx.edge.cpu_seconds()
    time.sleep(0.5)  # the thing measured: what half a second of waiting costs
    assert ctx.edge.cpu_seconds() - before < 0.3, "the gateway spins while a request is held"
    ctx.main.respond(second.chan, 200, TEXT, b"two")
    assert client.read_response().body == b"one"
    assert client.read_response().body == b"two"


@case("H30", "HTTP-9.3c")
def http_1_0_with_keep_alive_keeps_the_connection(ctx):
    client = ctx.http()
    for number in range(3):
        _, event = hold(ctx, "H30", client, version="1.0", headers=[("Connection", "keep-alive")])
        assert event.meta["version"] == "1.0"
        ctx.main.respond(event.chan, 200, TEXT, str(number))
        response = client.read_response()
        assert response.body == str(number).encode()
        assert response.head.has_token("connection", "keep-alive"), response


@case("HTTP-9.3c")
def http_1_0_without_keep_alive_ends_the_connection(ctx):
    client, _, response = answered(ctx, "HTTP10", 200, TEXT, b"x", version="1.0")
    assert response.body == b"x"
    client.expect_end()


@case("H31", "HTTP-9.6a")
def connection_close_of_the_application_ends_a_pipelined_connection(ctx):
    client = ctx.http()
    one, two = unique("H31"), unique("H31")
    keep = [("Connection", "keep-alive")]
    client.send(client.format("GET", one, keep, version="1.0")
                + client.format("GET", two, keep, version="1.0"))
    event = ctx.main.wait_open(one)
    ctx.main.respond(event.chan, 200, [("Connection", "close")], b"only")
    response = client.read_response()
    assert response.body == b"only"
    assert response.head.has_token("connection", "close")
    assert not response.head.has_token("connection", "keep-alive")
    client.expect_end()
    sentinel(ctx)
    assert not ctx.main.find("OPEN", where=lambda r: r.target == two)


@case("HTTP-9.3b", "HTTP-9.3a")
def after_connection_close_of_the_client_no_request_is_processed(ctx):
    client = ctx.http()
    one, two = unique("close"), unique("close")
    client.send(client.format("GET", one, [("Connection", "close")]) + client.format("GET", two))
    event = ctx.main.wait_open(one)
    ctx.main.respond(event.chan, 200, TEXT, b"only")
    response = client.read_response()
    assert response.body == b"only" and response.head.has_token("connection", "close")
    client.expect_end()
    sentinel(ctx)
    assert not ctx.main.find("OPEN", where=lambda r: r.target == two)


@case("H32")
def a_request_byte_by_byte_is_answered(ctx):
    client = ctx.http()
    target = unique("H32")
    client.send_slowly(client.format("POST", target, body=b"hello"), 0.001)
    event = ctx.main.wait_open(target)
    assert event.body == b"hello"
    ctx.main.respond(event.chan, 200, TEXT, b"ok")
    assert client.read_response().status == 200


def chunked(data, piece):
    out = []
    for at in range(0, len(data), piece):
        part = data[at : at + piece]
        out.append(b"%x\r\n" % len(part) + part + b"\r\n")
    return b"".join(out) + b"0\r\n\r\n"


@case("H33", "HTTP-7.1a")
def a_chunked_body_of_4_mib_reaches_the_worker(ctx):
    data = os.urandom(1024) * 4096
    client = ctx.http()
    target = unique("H33")
    client.request("POST", target, [("Transfer-Encoding", "chunked")])
    writer = Background(client.send, chunked(data, 100_003))
    event = ctx.main.wait_open(target, 10)
    assert event.meta["body"] == "follows"
    assert whole_body(ctx.main, event) == data
    writer.result()
    ctx.main.respond(event.chan, 200, TEXT, b"ok")
    assert client.read_response().status == 200


@case("H33")
def bodies_around_the_limit_of_a_whole_one_arrive_intact(ctx):
    client = ctx.http()
    for size in (1, 65535, 65536, 65537, 262144, 262145, 1_000_000):
        data = (os.urandom(997) * (size // 997 + 1))[:size]
        _, event = hold(ctx, "H33", client, method="POST", body=data)
        assert event.meta["body"] == ("whole" if size <= 65536 else "follows"), (size, event.meta)
        assert whole_body(ctx.main, event) == data, size
        ctx.main.respond(event.chan, 200, TEXT, b"ok")
        assert client.read_response().status == 200


@case("H34")
def a_multipart_form_arrives_intact(ctx):
    file = os.urandom(100 * 1024)
    body = (b'--edge\r\nContent-Disposition: form-data; name="title"\r\n\r\nhello\r\n'
            b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n" + file + b"\r\n--edge--\r\n")
    kind = "multipart/form-data; boundary=edge"
    client, event = hold(ctx, "H34", method="POST", body=body, headers=[("Content-Type", kind)])
    assert event.header("content-type") == kind
    assert whole_body(ctx.main, event) == body
    ctx.main.respond(event.chan, 200, TEXT, b"ok")
    assert client.read_response().status == 200


@case("H35")
def an_ipv6_literal_is_a_valid_host(ctx):
    for host in ("[::1]", "[::1]:8080", "[2001:db8::1]:65535"):
        _, event, response = answered(ctx, "H35", 200, TEXT, b"x", sent=[("Host", host)])
        assert response.status == 200 and event.header("host") == host


@case("H36", "H38")
def the_gateway_serves_an_ipv6_listener_on_a_port_it_names():
    if not has_ipv6():
        raise Skip("this machine has no ::1")
    with Deployment(settings={"listen": ["127.0.0.1:0", "[::1]:0"]}) as own:
        own.main = own.worker()
        assert len(own.edge.addresses) == 2, own.edge.ready.line
        for address in own.edge.addresses:
            assert address[1] > 0
            with HttpClient(address) as client:
                _, event, response = answered(own, "H36", 200, TEXT, b"x", client)
                assert response.status == 200
        assert event.meta["peer"].startswith("[::1]:"), event.meta


@case("H41")
def the_gateway_serves_a_unix_socket():
    own = Deployment()
    path = str(own.folder.path / "clients.sock")
    own.settings["listen"] = ["127.0.0.1:0", f"unix:{path}"]
    with own:
        own.main = own.worker()
        with HttpClient(path) as client:
            _, event, response = answered(own, "H41", 200, TEXT, b"x", client)
            assert response.status == 200 and event.meta["peer"] == "unix"


@case("H37")
def a_301_has_its_reason(ctx):
    client, _, response = answered(ctx, "H37", 301, [("Location", "/there")], b"")
    assert response.status == 301 and response.head.reason == "Moved Permanently"
    assert response.head.get("location") == "/there"


@case("H39")
def a_bad_request_disturbs_no_other_connection(ctx):
    client, event = hold(ctx, "H39")
    for raw in (b"\x00\xff\x16\x03\x01 nonsense\r\n\r\n", b"GET\r\n\r\n", b"X" * 20000):
        bad = ctx.http()
        bad.send(raw)
        bad.close()
    sentinel(ctx)
    ctx.main.respond(event.chan, 200, TEXT, b"fine")
    assert client.read_response().body == b"fine"


@case("H40")
def a_held_request_delays_no_other_connection(ctx):
    client, event = hold(ctx, "H40")
    for _ in range(20):
        sentinel(ctx)
    client.expect_silence(0.01)
    ctx.main.respond(event.chan, 200, TEXT, b"at last")
    assert client.read_response().body == b"at last"


@case("H42", "HTTP-3.2.2a", "HTTP-3.2.4a")
def targets_of_all_forms_reach_the_worker_as_sent(ctx):
    for method, target in (
        ("OPTIONS", "*"),
        ("GET", "http://example.org/a/b?x=%20y"),
        ("GET", "/a%2Fb/../c//d?x=1+2&y=%00"),
        ("CONNECT", "example.org:443"),
    ):
        client = ctx.http()
        mark = ctx.main.mark()
        client.request(method, target, [("Host", "example.org")])
        event = ctx.main.wait_open(target, after=mark)
        assert event.meta["method"] == method
        ctx.main.respond(event.chan, 200, TEXT, b"")
        assert client.read_head().status == 200
        client.close()


@case("H43", "HTTP-7.1a", "HTTP-7.1.1a", "HTTP-7.1.2a", verdict="differs")
def chunked_is_read_in_any_case_and_trailers_are_dropped(ctx):
    client = ctx.http()
    target = unique("H43")
    client.request("POST", target, [("Transfer-Encoding", "Chunked")])
    pieces = (b"5", b"\r", b'\nhel', b"lo\r", b"\n", b"6;name=value;x=\"y\"", b"\r\n world\r",
              b"\n0", b"\r\n", b"X-Trail", b"er: yes\r\n", b"\r", b"\n")
    for piece in pieces:
        client.send(piece)
        time.sleep(0.002)  # so that each piece is a segment of its own
    event = ctx.main.wait_open(target)
    assert whole_body(ctx.main, event) == b"hello world"
    assert event.header("x-trailer") is None
    ctx.main.respond(event.chan, 200, TEXT, b"ok")
    assert client.read_response().status == 200
    assert answered(ctx, "H43", 200, TEXT, b"next", client)[2].body == b"next"


@case("H44")
def close_wins_in_a_list_of_connection_options(ctx):
    client, event = hold(ctx, "H44", headers=[("Connection", "keep-alive, close")])
    ctx.main.respond(event.chan, 200, TEXT, b"x")
    assert client.read_response().body == b"x"
    client.expect_end()


@case("H44")
def websocket_is_found_in_a_list_of_protocols(ctx):
    client = WsClient.connect(ctx.address, unique("H44"), [("Upgrade", "other, websocket")])
    client.close()


@case()
def the_metrics_count_opened_and_closed_channels(ctx):
    opened = ctx.edge.metric("ringway_channels_opened_total", carrier="http")
    client, event, _ = answered(ctx, "metrics", 200, TEXT, b"x")
    ctx.main.wait_close(event.chan)
    wait_until(
        lambda: ctx.edge.metric("ringway_channels_opened_total", carrier="http") == opened + 1,
        what="one more opened channel",
    )


if __name__ == "__main__":
    run(lambda: Deployment(settings={"out_queue": "64MiB"}))
