"""What a gateway says to its broker, seen from the broker's side, and the rules of the bus that
are the gateway's to keep."""

import os
import pathlib
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.fake_broker import FakeBroker
from support.harness import Deployment, Folder, Gateway, flags, write_config
from support.http_client import Closed, HttpClient
from support.talk import Background, hold, opened_ws, unique
from support.waiting import scaled, wait_until
from support.worker import make_record
from support.ws_client import WsClient

TEXT = [("Content-Type", "text/plain")]
ROUTES = [
    ("decided", {"path": "/decided/**", "service": "default", "accept": "backend"}),
    ("rooms", {"path": "/rooms/{x}", "topic": "rooms/{x}", "presence": "on"}),
    ("all", {"path": "/**", "service": "default"}),
]
MIB = 1 << 20


class Edge:
    """A gateway under a broker that the test plays."""

    def __init__(self, **settings):
        self.broker = FakeBroker()
        self.folder = Folder()
        self.clients = []
        config = self.folder.path / "edge.conf"
        write_config(config, {}, ROUTES)
        words = flags({"listen": "127.0.0.1:0", "ops_listen": "127.0.0.1:0", "edge_name": "edge1",
                       "broker": self.broker.endpoint, "drain_grace": "0s", **settings})
        self.gateway = Gateway("ringway-gateway", ["--config", config] + words, self.folder.path)

    def __enter__(self):
        self.gateway.start().wait_ready()
        return self

    def __exit__(self, kind, *_):
        for client in self.clients:
            client.close()
        try:
            if kind is None:
                self._let_it_stop()
                self.gateway.stop()
        finally:
            self.gateway.kill()
            self.broker.close()
            self.folder.remove()

    def _let_it_stop(self):
        """A gateway that stops waits for the acknowledgement of its last events."""
        self.gateway.signal(signal.SIGTERM)
        mark = 0
        end = time.monotonic() + scaled(3)
        while self.gateway.is_running() and time.monotonic() < end:
            self.broker.pump()
            mark = self.broker.acknowledge_closes(mark)

    def websocket(self, target="/", seq="1"):
        """A WebSocket of a service that has a worker: (client, id of its channel)."""
        client = WsClient(self.gateway.address)
        self.clients.append(client)
        mark = self.broker.mark()
        client.send(client.handshake_bytes(target))
        event = self.broker.wait_for("OPEN", after=mark)
        assert event.tokens[1] == seq, event
        self.broker.say("FLOW", "0", "default", "1")
        client.finish_handshake()
        return client, event.tokens[0]

    def ack(self, c, *pairs):
        self.broker.say("ACK", str(c), "-", payload="".join(f"{chan} {seq}\n" for chan, seq in pairs))


# Commands: each once, in the order of c


@case()
def a_number_that_was_taken_is_dropped_and_a_gap_is_answered_by_hello():
    with Edge() as own:
        broker = own.broker
        broker.sync()
        client, chan = own.websocket()
        broker.say("SEND", "1", chan, payload="one")
        broker.say("SEND", "1", chan, payload="one again")
        broker.say("SEND", "2", chan, payload="two")
        mark = broker.mark()
        broker.say("SEND", "4", chan, payload="four, too early")
        hello = broker.welcome("resume", mark)
        assert hello.tokens[3] == "2", f"lastc is 2: {hello}"
        for c, text in ((3, "three"), (4, "four"), (5, "five")):
            broker.say("SEND", str(c), chan, payload=text)
        got = [client.read_text() for _ in range(5)]
        assert got == ["one", "two", "three", "four", "five"], got


@case()
def a_topic_is_wanted_before_somebody_is_present_in_it():
    with Edge() as edge:
        edge.broker.sync()
        for at in range(4):  # on each thread
            mark = edge.broker.mark()
            client = WsClient(edge.gateway.address)
            edge.clients.append(client)
            client.send(client.handshake_bytes(f"/rooms/{at}"))
            edge.broker.wait_for("ENTER", after=mark)
            verbs = [record.verb for record in edge.broker.find(after=mark)
                     if record.tokens[0] == f"rooms/{at}"]
            assert verbs == ["TSUB", "ENTER"], verbs


@case()
def an_edge_says_its_lastc_more_often_under_load():
    with Edge(out_queue="64MiB") as own:
        broker = own.broker
        broker.sync()
        client, chan = own.websocket()
        reader = Background(lambda: [client.read_message() for _ in range(12)])
        began = time.monotonic()
        for c in range(1, 13):  # each is enough for a pulse of its own
            broker.say("SEND", str(c), chan, payload=b"x" * MIB, bin=1)
            end = time.monotonic() + scaled(10)
            while c not in broker.pulses:
                assert time.monotonic() < end, broker.pulses
                broker.pump()
        reader.result()
        by_the_clock = time.monotonic() - began + 1
        assert 12 > by_the_clock + 2, f"12 pulses in {by_the_clock - 1:.1f} s"


@case()
def any_command_for_an_unknown_channel_is_answered_by_gone():
    with Edge() as own:
        broker = own.broker
        broker.sync()
        _, chan = own.websocket()
        prefix = chan.rsplit(".", 1)[0]
        strangers = [f"{prefix}.{number:x}" for number in (0xffff, 0xfffe, 0xfffffffffff)]
        strangers += ["edge1.0123456789abcdef.1", "other.0123456789abcdef.1"]
        c = 0
        for stranger in strangers:
            for verb, tokens in (("SEND", ()), ("CLOSE", ()), ("ACCEPT", ()), ("SUB", ("t",)),
                                 ("UNSUB", ("t",)), ("RESEND", ("2",)), ("BOUND", ("w",))):
                c += 1
                mark = broker.mark()
                broker.say(verb, str(c), stranger, *tokens)
                gone = broker.wait_for("GONE", after=mark)
                assert gone.tokens == [stranger], gone
        broker.hears_nothing("TSUB", 0.2)
        assert own.gateway.is_running()


@case()
def an_id_is_remembered_by_the_edge_across_lives_of_the_broker():
    with Edge() as own:
        broker = own.broker
        broker.sync()
        client, chan = own.websocket()
        request = f"{os.urandom(8).hex()}.1"
        mark = broker.mark()
        broker.say("SEND", "1", chan, payload="once", id=request, reply=1)
        assert broker.wait_for("OK", after=mark).tokens[0] == "1"
        mark = broker.mark()
        broker.boot = "00000000000000bb"
        broker.say("WHO", "0")
        broker.sync(mark)
        mark = broker.mark()
        broker.say("SEND", "1", chan, payload="once", id=request, reply=1)
        assert broker.wait_for("OK", after=mark).tokens[0] == "1"
        broker.say("SEND", "2", chan, payload="\xff", id=request[:-1] + "2", reply=1)
        broker.say("SEND", "3", chan, payload="after")
        assert client.read_text() == "once"
        texts = [client.read_text()]
        while texts[-1] != "after":
            texts.append(client.read_text())
        assert "once" not in texts, texts


@case()
def answers_name_the_command_and_the_reason():
    with Edge() as own:
        broker = own.broker
        broker.sync()
        client, chan = own.websocket()
        broker.say("SEND", "1", chan, payload=b"\xff\xfe", reply=1)
        error = broker.wait_for("ERR")
        assert error.tokens[:2] == ["1", "utf8"], error
        broker.say("SEND", "2", chan, payload="x", reply=1)
        assert broker.wait_for("OK").tokens[0] == "2"
        client.close()
        broker.wait_for("CLOSE")
        broker.say("SEND", "3", chan, payload="x", reply=1)
        error = broker.wait_for("ERR", count=2)
        assert error.tokens[:2] == ["3", "gone"], error


# Events: kept until the ACK, announced in order


@case()
def what_is_unacknowledged_is_announced_to_a_new_broker_in_order():
    with Edge() as own:
        broker = own.broker
        broker.sync()
        client, chan = own.websocket()
        for number in range(5):
            client.text(str(number))
        broker.wait_for("TEXT", count=5)
        own.ack(1, (chan, 3))
        other, fresh = own.websocket("/fresh")
        other.text("hello")
        broker.wait_for("TEXT", count=6)
        mark = broker.mark()
        broker.boot = "00000000000000bb"
        broker.say("WHO", "0")
        said = broker.sync(mark)
        first = [(r.verb, r.tokens[1]) for r in said if r.tokens and r.tokens[0] == chan]
        assert first == [("ADOPT", "3"), ("TEXT", "4"), ("TEXT", "5"), ("TEXT", "6")], first
        second = [(r.verb, r.tokens[1]) for r in said if r.tokens and r.tokens[0] == fresh]
        assert second == [("OPEN", "1"), ("TEXT", "2")], second
        assert said[-1].verb == "SYNCED"


@case()
def a_poisoned_event_takes_no_close_with_it():
    with Edge() as own:
        broker = own.broker
        broker.sync()
        client, chan = own.websocket()
        client.text("poison")
        broker.wait_for("TEXT")
        client.close()
        closed = broker.wait_for("CLOSE")
        for number in (1, 2, 3, 4):  # each time with all that it has
            mark = broker.mark()
            broker.say("RESEND", str(number), chan, str(number + 1), tried=closed.tokens[1])
            again = broker.wait_for("CLOSE", after=mark)
            assert again.tokens[1] == closed.tokens[1], again
        said = [(r.verb, r.tokens[1]) for r in broker.find(after=mark) if r.tokens[0] == chan]
        assert said == [("ADOPT", "2"), ("CLOSE", "3")], said
        own.ack(5, (chan, 3))
        own.websocket("/next")


@case()
def a_channel_whose_broker_had_no_room_for_a_send_is_closed_as_slow():
    with Edge() as own:
        broker = own.broker
        broker.sync()
        client, chan = own.websocket()
        broker.say("CLOSE", "1", chan, cause="slow")
        assert client.read_close().payload[:2] == (1013).to_bytes(2, "big")
        client.send_close(1013)
        closed = broker.wait_for("CLOSE")
        assert closed.options["cause"] == "slow", closed


@case()
def a_resumed_connection_repeats_only_what_is_unacknowledged():
    with Edge() as own:
        broker = own.broker
        broker.sync()
        client, chan = own.websocket()
        for number in range(3):
            client.text(str(number))
        broker.wait_for("TEXT", count=3)
        own.ack(1, (chan, 2))
        mark = broker.mark()
        broker.say("WHO", "0")
        broker.welcome("resume", mark)
        broker.wait_for("TEXT", after=mark, count=2)
        broker.hears_nothing("OPEN", 0.2, mark)
        said = [(r.verb, r.tokens[1]) for r in broker.find(after=mark) if r.tokens[0] == chan]
        assert said == [("TEXT", "3"), ("TEXT", "4")], said


@case()
def an_epoch_that_is_dead_ends_its_channels_and_is_never_used_again():
    with Edge() as own:
        broker = own.broker
        broker.sync()
        client, chan = own.websocket()
        mark = broker.mark()
        broker.say("REJECT", "0", "epoch", payload="this life of the edge is over")
        assert client.read_close().code == 1013
        hello = broker.wait_for("HELLO", after=mark)
        assert hello.tokens[1] != chan.split(".")[1], hello
        broker.sync(mark)
        assert not broker.find("CLOSE", mark), "the broker closes what belonged to the old epoch"
        _, new = own.websocket("/new")
        assert new.split(".")[1] == hello.tokens[1], (new, hello)


@case()
def a_silent_broker_is_left_and_another_connection_made():
    with Edge() as own:
        broker = own.broker
        broker.sync()
        first = broker.records
        mark = broker.mark()
        broker.beats = False
        broker.wait_for("HELLO", 12, mark)
        assert broker.records != first, "a connection of its own"


@case()
def after_a_new_connection_the_edge_greets_without_being_asked():
    with Edge() as edge:
        edge.broker.sync()
        for _ in range(3):
            mark = edge.broker.mark()
            edge.broker.cut()
            # Silence would be noticed after 5 s only, and this broker says nothing.
            edge.broker.wait_for("HELLO", seconds=3, after=mark)
            edge.broker.sync(after=mark)


def next_heartbeat(broker):
    """Waits for one on the connection that has no other records."""
    beaten = broker.beaten
    wait_until(lambda: broker.pump() or broker.beaten > beaten, 10, "a heartbeat")


@case()
def a_who_to_a_heartbeat_before_the_greeting_is_not_answered():
    with Edge(heartbeat="2s") as own:
        broker = own.broker
        broker.sync()
        next_heartbeat(broker)
        mark = broker.mark()
        broker.say("WHO", "0")
        broker.welcome("resume", mark)
        broker.socket.send_multipart([broker.beside, make_record("WHO", "0")])
        broker.hears_nothing("HELLO", 0.8, broker.mark())
        next_heartbeat(broker)
        mark = broker.mark()
        broker.socket.send_multipart([broker.beside, make_record("WHO", "0")])
        broker.wait_for("HELLO", after=mark)
        broker.welcome("resume", mark)


@case()
def heartbeats_on_the_second_connection_keep_a_busy_first_one():
    with Edge() as own:
        broker = own.broker
        broker.sync()
        mark = broker.mark()
        end = time.monotonic() + 7  # longer than a broker may be silent
        real, broker.say = broker.say, lambda *_, **__: None  # nothing comes on the first one
        while time.monotonic() < end:
            broker.pump()
        broker.say = real
        broker.hears_nothing("HELLO", 0.1, mark)


# FLOW


@case()
def a_websocket_waits_while_flow_says_that_nobody_is_there():
    with Edge(open_timeout="4s") as own:
        broker = own.broker
        broker.sync()
        client = WsClient(own.gateway.address)
        own.clients.append(client)
        client.send(client.handshake_bytes("/"))
        broker.wait_for("OPEN")
        end = time.monotonic() + 10
        head = Background(client.read_head)
        while own.gateway.metric("ringway_channels_live") > 0 and time.monotonic() < end:
            broker.say("FLOW", "0", "default", "0")
            broker.pump(0.5)
        assert head.result().status == 503


@case()
def a_flow_that_is_not_repeated_is_forgotten():
    with Edge(open_timeout="30s") as own:
        broker = own.broker
        broker.sync()
        client = WsClient(own.gateway.address)
        own.clients.append(client)
        client.send(client.handshake_bytes("/"))
        broker.wait_for("OPEN")
        broker.say("FLOW", "0", "default", "0")
        began = time.monotonic()
        head = Background(client.read_head)
        while head.is_running() and time.monotonic() < began + scaled(10):
            broker.pump(0.1)
        assert head.result().status == 101
        assert 2.5 < time.monotonic() - began < scaled(6), time.monotonic() - began


@case()
def a_request_that_was_held_for_long_waits_for_a_worker_like_a_new_one():
    with Edge(open_timeout="1s", answer_timeout="0s") as own:
        broker = own.broker
        broker.sync()
        broker.say("FLOW", "0", "default", "1")
        client = HttpClient(own.gateway.address)
        own.clients.append(client)
        client.request("GET", "/held")
        chan = broker.wait_for("OPEN").tokens[0]
        broker.hears_nothing("CLOSE", 1.5)  # longer than it may wait for a worker
        broker.say("FLOW", "0", "default", "0")
        broker.hears_nothing("CLOSE", 0.5)
        broker.say("FLOW", "0", "default", "1")
        broker.hears_nothing("CLOSE", 1.0)
        broker.say("FLOW", "0", "default", "0")
        closed = broker.wait_for("CLOSE", 3)
        assert closed.tokens[0] == chan and closed.options.get("code") == "503", closed
        assert client.read_response().status == 503


# A line that is slow


class SlowLine(threading.Thread):
    """Stands between edge and broker: each connection gets so many bytes a second each way."""

    def __init__(self, target, rate):
        super().__init__(daemon=True)
        self.target, self.rate = target, rate
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.sockets = []

    def run(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            self.sockets += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source, sink):
        piece = max(1, self.rate // 50)
        try:
            while data := source.recv(piece):
                sink.sendall(data)
                time.sleep(len(data) / self.rate)
        except OSError:
            pass
        for end in (source, sink):
            end.close()

    def stop(self):
        self.listener.close()
        for end in self.sockets:
            end.close()


@case(seconds=120)
def a_long_record_on_a_slow_line_outlasts_the_lease():
    with Deployment(edges=0, broker={"edge_lease": "2s"}) as own:
        host, _, port = own.endpoint("edges").split("//")[1].rpartition(":")
        line = SlowLine((host, int(port)), 300_000)
        line.start()
        try:
            own.start_edge(broker=line.endpoint)
            own.wait_joined()
            own.main = own.worker("default")
            client, event = opened_ws(own, "bulk")
            client.timeout = 60
            big = os.urandom(3 * MIB)  # 10 s: twice what a broker may be silent
            client.binary(big)
            own.main.send(event.chan, big, bin=1)
            assert client.read_message() == (2, big)
            got = own.main.wait_for("BIN", event.chan, timeout=30)
            assert got.payload == big
            assert not own.main.find("CLOSE", event.chan)
            states = own.edge.log().count("event=bus_state")
            assert states <= 2, f"the connection was given up: {own.edge.log()[-1500:]}"
        finally:
            own.stop()
            line.stop()


# Poison


@case(seconds=60)
def a_message_that_no_worker_survives_ends_its_websocket_and_no_other():
    with Deployment(routes=ROUTES) as own:
        own.main = worker = own.worker("default", auto_ack=False)
        client, event = opened_ws(own, "poison", worker)
        other, healthy = opened_ws(own, "healthy", worker)
        worker.ack(healthy.tag)
        client.text("fatal")
        for number in range(1, 5):
            record = worker.wait_for("TEXT", event.chan, 10, count=number)
            assert record.options.get("try", "1") == str(number), record
            worker.nack(record.tag)  # what the death of the worker is, without waiting for it
        assert client.read_close().code == 1011
        client.send_close(1011)
        closed = worker.wait_close(event.chan, 10)
        assert closed.cause == "poison" and closed.status == 0, closed
        assert len(worker.find("TEXT", event.chan)) == 4, "it is discarded"
        worker.ack(closed.tag)
        other.text("well")
        assert worker.wait_for("TEXT", healthy.chan).payload == b"well"


# Undecided, unfinished


@case()
def an_undecided_websocket_is_handed_over_as_open_and_decided_once():
    with Deployment(routes=ROUTES) as own:
        first = own.main = own.worker("default", auto_ack=False)
        target = unique("decided")
        client = WsClient(own.address)
        own.clients.append(client)
        client.send(client.handshake_bytes(target, protocols=["a", "b"]))
        event = first.wait_open(target)
        assert first.ask_send(event.chan, "no data yet").code == "undecided"
        second = own.worker("default")
        first.nack(event.tag)
        again = second.wait_open(target)
        assert again.chan == event.chan and again.seq == "1", "again as OPEN, not as ADOPT"
        assert second.ask("ACCEPT", event.chan, protocol="b").verb == "OK"
        head = client.finish_handshake()
        assert head.get("sec-websocket-protocol") == "b"
        assert first.ask("ACCEPT", event.chan, protocol="a").code == "decided"
        client.text("now")
        assert second.wait_for("TEXT", event.chan).payload == b"now"


@case(seconds=60)
def an_acknowledged_but_undecided_open_is_still_an_open():
    with Deployment(routes=ROUTES) as own:
        first = own.main = own.worker("default")
        target = unique("decided")
        client = WsClient(own.address)
        own.clients.append(client)
        client.send(client.handshake_bytes(target))
        event = first.wait_open(target)  # acknowledged by the worker, as always
        assert first.ask("GET", "stats").verb == "INFO"
        second = own.worker("default")
        first.leave()
        first.wait_for("LEFT", "default")
        again = second.wait_open(target)
        assert again.chan == event.chan and again.seq == "1"
        second.accept(event.chan)
        client.finish_handshake()


@case(seconds=60)
def an_adopted_channel_tells_which_subprotocol_was_chosen():
    with Deployment(routes=ROUTES) as own:
        first = own.main = own.worker("default")
        target = unique("decided")
        client = WsClient(own.address)
        own.clients.append(client)
        client.send(client.handshake_bytes(target, protocols=["a", "b"]))
        event = first.wait_open(target)
        first.accept(event.chan, protocol="b")
        client.finish_handshake()
        client.text("settled")
        first.wait_for("TEXT", event.chan)
        second = own.worker("default")
        first.leave()
        first.wait_for("LEFT", "default")
        adopted = second.wait_for("ADOPT", event.chan)
        assert adopted.meta["protocol"] == "b", adopted.meta
        assert adopted.meta["peer"] == event.meta["peer"] and adopted.meta["route"] == "decided"


@case()
def a_name_of_a_worker_that_is_too_long_is_not_kept():
    with Edge() as own:
        broker = own.broker
        broker.sync()
        client, chan = own.websocket()
        own.ack(1, (chan, 1))
        broker.say("BOUND", "2", chan, "w" * 8000)
        mark = broker.mark()
        broker.boot = "00000000000000bb"
        broker.say("WHO", "0")
        said = broker.sync(mark)
        adopted = [r for r in said if r.verb == "ADOPT"]
        assert len(adopted) == 1 and adopted[0].tokens[3] == "-", said
        client.text("alive")
        broker.wait_for("TEXT", after=mark)


@case(seconds=60)
def an_upload_whose_worker_had_a_part_of_it_gets_502():
    with Deployment(routes=ROUTES) as own:
        first = own.main = own.worker("default")
        client = HttpClient(own.address)
        own.clients.append(client)
        size = 600_000
        client.send(f"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n")
        client.send(b"x" * 300_000)
        event = first.wait_open("/upload")
        first.wait_for("BODY", event.chan)
        assert first.ask("GET", "stats").verb == "INFO", "its acknowledgements are there"
        second = own.worker("default")
        first.stop()
        own.workers.remove(first)
        own.main = second
        assert client.read_response().status == 502
        closed = second.wait_close(event.chan, 15)
        assert closed.cause == "worker-lost", closed


@case(seconds=60)
def so_does_one_that_is_complete_and_of_which_a_part_was_acknowledged():
    with Deployment(routes=ROUTES) as own:
        first = own.main = own.worker("default", auto_ack=False)
        client = HttpClient(own.address)
        own.clients.append(client)
        size = 150_000
        client.send(f"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n")
        client.send(b"x" * size)
        event = first.wait_open("/upload")
        first.ack(first.wait_for("BODY", event.chan).tag)
        first.wait_for("BODY", event.chan, where=lambda record: record.options.get("end") == "1")
        assert first.ask("GET", "stats").verb == "INFO", "its acknowledgement is there"
        second = own.worker("default")
        first.stop()
        own.workers.remove(first)
        own.main = second
        assert client.read_response().status == 502
        closed = second.wait_close(event.chan, 15)
        assert closed.cause == "worker-lost", closed
        assert not second.find("BODY", event.chan)


@case(seconds=60)
def a_sized_answer_whose_worker_dies_is_cut():
    with Deployment(routes=ROUTES) as own:
        first = own.main = own.worker("default")
        client, event = hold(own, "sized")
        first.respond(event.chan, 200, TEXT, b"half of", close=None, length=100)
        head = client.read_head()
        assert head.get("content-length") == "100"
        assert client.read_exact(7) == b"half of"
        second = own.worker("default")
        first.stop()
        own.workers.remove(first)
        own.main = second
        try:
            client.read_exact(93)
            raise AssertionError("the rest came from nowhere")
        except Closed:
            pass
        closed = second.wait_close(event.chan, 15)
        assert closed.cause == "worker-lost" and closed.status == 0, closed


@case()
def a_full_window_of_opens_lets_bodies_pass():
    settings = {"service_window_events": "4", "workers": "1"}
    with Deployment(routes=ROUTES, settings=settings) as own:
        own.main = own.worker("default", auto_ack=False)
        clients = []
        for number in range(8):
            client = HttpClient(own.address)
            own.clients.append(client)
            client.request("POST", f"/window/{number}", body=b"y" * 100_000)
            clients.append(client)
        own.main.wait_for("OPEN", count=8)
        for event in own.main.find("OPEN"):  # a handler that waits for the body acknowledges late
            parts, count = 0, 0
            while parts < 100_000:
                count += 1
                body = own.main.wait_for("BODY", event.chan, count=count)
                parts += len(body.payload)
                own.main.done(body.tag)
            own.main.done(event.tag)
            own.main.respond(event.chan, 200, TEXT, b"read")
        for client in clients:
            assert client.read_response().body == b"read"
        own.main.auto_ack = True
        for event in own.main.find("CLOSE"):
            own.main.ack(event.tag)


@case()
def one_hung_service_does_not_stop_the_clients_of_another():
    routes = [("hung", {"path": "/hung", "service": "hung"})] + ROUTES
    settings = {"service_window_events": "50", "workers": "1"}
    with Deployment(routes=routes, settings=settings) as own:
        own.main = own.worker("default")
        hung = own.worker("hung", auto_ack=False, window=10)
        held = []
        for _ in range(10):
            client = own.ws("/hung")
            for number in range(20):
                client.text(str(number))
            held.append(client)
        hung.wait_for("OPEN", count=1)
        late = own.ws("/hung")
        late.text("waits with the others")
        client, event = opened_ws(own, "other")
        for number in range(100):
            client.text(str(number))
        own.main.wait_for("TEXT", event.chan, count=100)
        assert not hung.find(where=lambda r: (r.payload or b"").startswith(b"waits"))
        hung.auto_ack = True
        for record in hung.find(("OPEN", "TEXT")):
            hung.ack(record.tag)
        hung.wait_for("TEXT", count=201, timeout=20)
        by_channel = {}
        for record in hung.find("TEXT"):
            by_channel.setdefault(record.chan, []).append(record.payload)
        late_one = [texts for texts in by_channel.values() if texts == [b"waits with the others"]]
        full = [texts for texts in by_channel.values() if len(texts) == 20]
        assert len(late_one) == 1 and len(full) == 10, by_channel
        assert all(texts == [str(n).encode() for n in range(20)] for texts in full)


@case()
def a_command_that_was_lost_at_the_end_is_missed_within_two_heartbeats():
    with Edge() as edge:
        edge.broker.sync()
        mark = edge.broker.mark()
        edge.broker.say("HB", "0", edge.broker.boot, c=0)
        edge.broker.say("HB", "0", edge.broker.boot, c=3)
        edge.broker.hears_nothing("HELLO", 0.3, mark)
        edge.broker.say("HB", "0", edge.broker.boot, c=3)
        hello = edge.broker.wait_for("HELLO", 2, mark)
        assert hello.tokens[3] == "0", hello


if __name__ == "__main__":
    run(lambda: Deployment(routes=ROUTES))
