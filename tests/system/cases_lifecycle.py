"""Stops, timers, memory and many connections (rows K and X that need settings of their own)."""

import pathlib
import resource
import signal
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import Skip, case, run
from support.harness import Deployment
from support.http_client import Closed
from support.talk import answered, hold, sentinel, unique, whole_body
from support.waiting import scaled, wait_until
from support.worker import hello

TEXT = [("Content-Type", "text/plain")]
MIB = 1024 * 1024


def deployed(**options):
    """A deployment of its own with a worker as `main`, not started yet."""
    settings = options.pop("settings", {})
    return Own(settings=settings, **options)


class Own(Deployment):
    def start(self):
        super().start()
        self.main = self.worker()
        return self


def stop_edge(own, seconds=10):
    """SIGTERM to the gateway; returns the seconds that it took to end with status 0."""
    edge = own.edges[0]
    began = time.monotonic()
    edge.signal(signal.SIGTERM)
    edge.end_well(seconds)
    own.edges.remove(edge)
    return time.monotonic() - began


@case("K07")
def a_second_signal_stops_at_once():
    with deployed(settings={"drain_grace": "30s"}) as own:
        client, event = hold(own, "K07")
        edge = own.edges[0]
        edge.signal(signal.SIGTERM)
        wait_until(lambda: "stop" in edge.log() or "drain" in edge.log(), 5, "a log of the stop")
        began = time.monotonic()
        edge.signal(signal.SIGTERM)
        edge.wait_exit(10)
        edge.check_log()
        own.edges.remove(edge)
        assert time.monotonic() - began < scaled(5), "an immediate stop took too long"
        client.read_to_end()


@case("K08", "X12")
def a_request_that_outlasts_the_grace_gets_503():
    with deployed(settings={"drain_grace": "200ms"}) as own:
        client, event = hold(own, "K08")
        assert stop_edge(own) < scaled(5)
        response = client.read_response()
        assert response.status == 503, response
        client.expect_end()
        closed = own.main.wait_close(event.chan)
        assert closed.status == 0 and closed.cause == "drain", closed


@case("K09")
def a_request_that_is_answered_within_the_grace_gets_its_answer():
    with deployed(settings={"drain_grace": "20s"}) as own:
        client, event = hold(own, "K09")
        edge = own.edges[0]
        edge.signal(signal.SIGTERM)
        wait_until(lambda: not edge.is_ready(), 5, "/readyz to say no")
        client.expect_silence(0.3)
        own.main.respond(event.chan, 200, TEXT, b"just in time")
        assert client.read_response().body == b"just in time"
        began = time.monotonic()
        edge.end_well(10)
        assert time.monotonic() - began < scaled(5), "it waited although nothing was held"
        own.edges.remove(edge)


@case("K10", "K11")
def a_stopping_gateway_takes_no_connections_and_says_so():
    with deployed(settings={"drain_grace": "20s"}) as own:
        client, event = hold(own, "K10")
        edge = own.edges[0]
        edge.signal(signal.SIGTERM)
        wait_until(lambda: not edge.is_ready(), 5, "/readyz to say no")
        assert edge.get_ops("/healthz")[0] == 200

        def is_refused():
            try:
                with socket.create_connection(edge.address, timeout=2):
                    return False
            except OSError:
                return True

        wait_until(is_refused, 5, "new connections to be refused")
        own.main.respond(event.chan, 200, TEXT, b"x")
        assert client.read_response().status == 200
        edge.end_well(10)
        own.edges.remove(edge)


@case("X12")
def a_stop_ends_streams_with_their_last_chunk():
    with deployed(settings={"drain_grace": "200ms"}) as own:
        client, event = hold(own, "X12")
        own.main.respond(event.chan, 200, TEXT, b"part", close=None)
        assert client.read_head().status == 200 and client.read_chunk() == b"part"
        stop_edge(own)
        assert client.read_chunk() == b""
        client.expect_end()
        closed = own.main.wait_close(event.chan)
        assert closed.status == 0 and closed.cause == "drain", closed


@case()
def a_stop_ends_idle_connections_at_once():
    with deployed(settings={"drain_grace": "20s"}) as own:
        client, _, response = answered(own, "idle", 200, TEXT, b"x")
        assert response.status == 200
        assert stop_edge(own) < scaled(5), "an idle connection held the stop up"
        client.expect_end()


@case()
def a_gateway_that_was_suspended_goes_on():
    # sigwaitinfo(2) ends with EINTR after SIGCONT, and also when a debugger attaches.
    with deployed(settings={"drain_grace": "20s"}) as own:
        client, event = hold(own, "suspended")
        edge = own.edges[0]

        def state():
            text = pathlib.Path(f"/proc/{edge.process.pid}/stat").read_text(encoding="ascii")
            return text.rsplit(")", 1)[1].split()[0]

        edge.signal(signal.SIGSTOP)
        wait_until(lambda: state() == "T", 5, "the process to stop")
        edge.signal(signal.SIGCONT)
        wait_until(lambda: state() != "T", 5, "the process to go on")
        own.main.respond(event.chan, 200, TEXT, b"still here")
        assert client.read_response().body == b"still here"
        for _ in range(3):
            sentinel(own)
        assert edge.is_ready() and "drain" not in edge.log()


@case("X15")
def a_partial_head_gets_408():
    with deployed(settings={"head_timeout": "400ms"}) as own:
        for part in ("GET /X15 HT", "GET /X15 HTTP/1.1\r\nHost: a\r\nX-Half: y"):
            client = own.http()
            began = time.monotonic()
            client.send(part)
            data = client.read_to_end()
            took = time.monotonic() - began
            assert data == b"" or data.startswith(b"HTTP/1.1 408"), data
            assert 0.3 < took < scaled(3), f"it took {took:.2f} s"
        drip = own.http()
        began = time.monotonic()
        try:
            for byte in "GET /X15 HTTP/1.1\r\nX-Long: " + "z" * 1000:
                drip.send(byte)
                time.sleep(0.05)  # a byte now and then, faster than any inactivity timer
                assert time.monotonic() - began < scaled(5), "a dripping head is never ended"
        except OSError:
            pass
        assert not own.main.find("OPEN")


@case("X15")
def a_body_that_stalls_gets_408():
    with deployed(settings={"body_timeout": "400ms"}) as own:
        client = own.http()
        client.send("POST /X15 HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
        data = client.read_to_end()
        assert data.startswith(b"HTTP/1.1 408"), data
        large = own.http()
        target = unique("X15")
        large.send(f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
        large.send(b"x" * 100_000)
        event = own.main.wait_open(target)
        closed = own.main.wait_close(event.chan)
        assert closed.cause == "timeout", closed
        data = large.read_to_end()
        assert data == b"" or data.startswith(b"HTTP/1.1 408"), data


@case("X15")
def an_idle_connection_is_closed():
    with deployed(settings={"keep_alive": "1s", "head_timeout": "500ms"}) as own:
        fresh = own.http()
        client, _, response = answered(own, "X15", 200, TEXT, b"x")
        assert response.status == 200
        began = time.monotonic()
        client.expect_end()
        assert 0.5 < time.monotonic() - began < scaled(5)
        data = fresh.read_to_end()
        assert data == b"" or data.startswith(b"HTTP/1.1 408"), data


@case("X15")
def a_held_request_is_not_idle():
    settings = {"keep_alive": "1s", "head_timeout": "200ms", "body_timeout": "200ms"}
    with deployed(settings=settings) as own:
        client, event = hold(own, "X15")
        client.expect_silence(1.6)
        own.main.respond(event.chan, 200, TEXT, b"a", close=None)
        assert client.read_head().status == 200 and client.read_chunk() == b"a"
        client.expect_silence(1.6)
        own.main.send(event.chan, b"b", close=1)
        assert client.read_chunks() == [b"b"]


@case("E24")
def a_request_without_an_answer_gets_504():
    with deployed(settings={"answer_timeout": "400ms"}) as own:
        client, event = hold(own, "E24")
        began = time.monotonic()
        response = client.read_response()
        assert response.status == 504, response
        assert time.monotonic() - began < scaled(3)
        closed = own.main.wait_close(event.chan)
        assert closed.status == 0 and closed.cause == "timeout", closed
        client, event = hold(own, "E24")
        own.main.respond(event.chan, 200, TEXT, b"begun", close=None)
        assert client.read_head().status == 200 and client.read_chunk() == b"begun"
        client.expect_silence(1.0)


@case("X13", seconds=120)
def a_client_that_does_not_read_costs_bounded_memory():
    with deployed(settings={"out_queue": "4MiB"}) as own:
        watcher = own.worker(None)
        slow = own.http(receive_buffer=8192)
        _, event = hold(own, "X13", slow)
        own.main.respond(event.chan, 200, TEXT, b"", close=None)
        assert slow.read_head().status == 200
        before = own.edge.rss_bytes()
        answers = []
        for _ in range(300):
            answers.append(watcher.ask_send(event.chan, b"z" * MIB, timeout=20))
            if len(answers) % 50 == 0:
                sentinel(own)
        refused = [a.code for a in answers if a.verb == "ERR"]
        assert refused and set(refused) <= {"full", "gone"}, answers[:5]
        assert len(refused) > 250, f"only {len(refused)} of 300 sends were refused"
        grown = own.edge.rss_bytes() - before
        assert grown < 64 * MIB, f"memory grew by {grown} bytes"


@case("X13")
def pressure_is_told_to_those_who_ask():
    with deployed(settings={"out_queue": "4MiB"}) as own:
        own.main.stop()
        own.workers.remove(own.main)
        own.main = own.worker("default", pressure=1)
        client = own.http(receive_buffer=8192)
        _, event = hold(own, "X13", client)
        own.main.respond(event.chan, 200, TEXT, b"", close=None)
        assert client.read_head().status == 200
        size = 0
        while not own.main.find("SLOW", event.chan):
            answer = own.main.ask_send(event.chan, b"z" * 262144)
            assert answer.verb == "OK", answer
            size += 262144
            assert size < 64 * MIB, "SLOW never came"
        slow = own.main.wait_for("SLOW", event.chan)
        assert int(slow.rest[0]) >= MIB, slow
        got = 0
        while got < size:
            got += len(client.read_chunk())
        own.main.wait_for("DRAINED", event.chan)
        own.main.send(event.chan, b"", close=1)
        assert client.read_chunk() == b""


@case("X14")
def declared_sizes_cost_no_memory():
    with deployed() as own:
        answered(own, "X14", 200, TEXT, b"warm")
        before = own.edge.rss_bytes()
        clients = []
        for number in range(60):
            client = own.http()
            client.send(f"POST /X14 HTTP/1.1\r\nHost: a\r\nContent-Length: {8 * MIB}\r\n\r\n")
            clients.append(client)
        sentinel(own)
        grown = own.edge.rss_bytes() - before
        assert grown < 60 * 128 * 1024, f"memory grew by {grown // 60} bytes for each"


@case("X30", seconds=180)
def thousands_of_connects_at_once_lose_none():
    wanted = 5000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted + 500:
        raise Skip(f"the limit of open files is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 500), hard))
    settings = {"max_connections": 20000, "max_connections_per_ip": 20000,
                "head_timeout": "60s", "keep_alive": "60s"}
    with deployed(settings=settings) as own:
        own.main.handler = hello
        sockets = []
        try:
            for _ in range(wanted):
                sock = socket.socket()
                sock.setblocking(False)
                sock.connect_ex(own.address)
                sockets.append(sock)
            request = b"GET /X30 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            for sock in sockets:
                sock.setblocking(True)
                sock.settimeout(scaled(30))
                sock.sendall(request)
            good = sum(1 for sock in sockets if sock.recv(15).startswith(b"HTTP/1.1 200"))
        finally:
            for sock in sockets:
                sock.close()
        assert good == wanted, f"{wanted - good} of {wanted} were lost"


@case()
def too_many_connections_get_503_or_wait():
    with deployed(settings={"max_connections_per_ip": 3}) as own:
        held = [hold(own, "limit") for _ in range(3)]
        extra = own.http()
        try:
            extra.request("GET", "/limit")
            data = extra.read_to_end()
        except (Closed, OSError):
            data = b""
        assert data == b"" or data.startswith(b"HTTP/1.1 503"), data
        for client, event in held:
            own.main.respond(event.chan, 200, TEXT, b"x")
            assert client.read_response().status == 200
            client.close()
        wait_until(lambda: _is_served(own), 10, "a place to become free")


def _is_served(own):
    client = own.http()
    try:
        target = unique("free")
        client.request("GET", target)
        own.main.respond(own.main.wait_open(target, 1).chan, 200, TEXT, b"x")
        return client.read_response().status == 200
    except (AssertionError, Closed, OSError):
        return False
    finally:
        client.close()


@case("X35")
def a_worker_that_blocks_does_not_stop_others(ctx):
    other = ctx.worker("default")
    ctx.main.pause()
    try:
        held = []
        for _ in range(20):
            client = ctx.http()
            target = unique("X35")
            client.request("GET", target)
            held.append((client, target))
        answered_by_other = 0
        wait_until(lambda: other.find("OPEN"), 10, "an OPEN at the other worker")
        for event in other.find("OPEN"):
            other.respond(event.chan, 200, TEXT, b"other")
            answered_by_other += 1
        assert answered_by_other >= 1
        client, target = held[0]
    finally:
        ctx.main.resume()
    for client, target in held:
        found = wait_until(
            lambda: ctx.main.find("OPEN", where=lambda r: r.target == target)
            or other.find("OPEN", where=lambda r: r.target == target), 10, "the OPEN")
        ctx.main.respond(found[0].chan, 200, TEXT, b"x")
        assert client.read_response().status == 200


@case("X36", seconds=90)
def a_channel_of_a_dead_worker_goes_to_another():
    with deployed() as own:
        own.main.auto_ack = False
        client, event = hold(own, "X36")
        own.main.stop()
        own.workers.remove(own.main)
        second = own.worker("default")
        again = second.wait_for(("OPEN", "ADOPT"), event.chan, timeout=15)
        assert again.verb == "OPEN" and again.options.get("try") == "2", again
        assert again.target == event.target and again.seq == event.seq
        second.respond(event.chan, 200, TEXT, b"second")
        assert client.read_response().body == b"second"
        assert second.wait_close(event.chan).status == 0


@case("X36")
def an_unsafe_request_of_a_dead_worker_gets_502():
    with deployed() as own:
        own.main.auto_ack = False
        client, event = hold(own, "X36", method="POST", body=b"pay once")
        own.main.stop()
        own.workers.remove(own.main)
        own.main = second = own.worker("default")
        response = client.read_response()
        assert response.status == 502, response
        closed = second.wait_close(event.chan, timeout=15)
        assert closed.cause == "worker-lost", closed
        assert not second.find("OPEN", event.chan)
        assert whole_body(own.main, hold(own, "X36", method="POST", body=b"next")[1]) == b"next"


if __name__ == "__main__":
    run()
