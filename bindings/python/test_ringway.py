"""Tests of the Python binding against a fake broker.  Run: python3 test_ringway.py"""

import io
import json
import logging
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import ringway  # noqa: E402
from fake_broker import DEADLINE, FakeBroker  # noqa: E402
from ringway import wire  # noqa: E402

VECTORS = pathlib.Path(os.environ.get("VECTORS", HERE.parents[1] / "tests" / "vectors"))
CHANNEL = "edge-1.00000000000000e1.1f"
OTHER = "edge-1.00000000000000e1.20"


def read_vectors(name):
    with open(VECTORS / name, encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                yield line.rstrip("\n").split("\t")


class WireTest(unittest.TestCase):
    def test_the_golden_vectors_are_read_as_they_say(self):
        rows = list(read_vectors("wire.tsv"))
        self.assertGreater(len(rows), 10)
        for name, data, outcome in rows:
            with self.subTest(name):
                self.check_vector(bytes.fromhex(data), outcome)

    def check_vector(self, data, outcome):
        wanted = dict(word.split("=", 1) for word in outcome.split())
        if "error" in wanted:
            with self.assertRaises(wire.WireError):
                wire.parse(data)
            return
        record = wire.parse(data)
        if "verb" in wanted:
            self.assertEqual(record.verb, wanted["verb"])
        if "tokens" in wanted:
            self.assertEqual(1 + len(record.tokens), int(wanted["tokens"]))
        if "last" in wanted:
            self.assertEqual(self.unescaped((record.tokens or [record.verb])[-1]),
                             wanted["last"])
        if "payload" in wanted:
            size = "none" if record.payload is None else str(len(record.payload))
            self.assertEqual(size, wanted["payload"])

    def unescaped(self, token):
        try:
            return wire.unescape(token).encode("utf-8", "surrogateescape").hex()
        except wire.WireError:
            return "EPROTO"

    def test_what_is_built_is_read_back(self):
        frame = wire.build("PUB", ["a b/%ü"], [("id", "r.1"), ("bin", None)], b"x\ny")
        self.assertEqual(frame, b"PUB a%20b/%25%C3%BC id=r.1\nx\ny")
        record = wire.parse(frame)
        self.assertEqual(wire.unescape(record.tokens[0]), "a b/%ü")
        self.assertEqual(record.option("id", 1), "r.1")
        self.assertIsNone(record.option("bin", 1))
        self.assertEqual(record.payload, b"x\ny")

    def test_a_header_that_is_too_long_is_not_built(self):
        with self.assertRaises(wire.WireError):
            wire.build("SUB", ["c", "t" * wire.HEADER_MAX])

    def test_an_event_has_a_line_for_each_line_of_data(self):
        text = ringway.sse_event("one\ntwo\r\nthree", event="said", id=7)
        self.assertEqual(text, "event: said\nid: 7\ndata: one\ndata: two\ndata: three\n\n")
        with self.assertRaises(ValueError):
            ringway.sse_event("x", id="1\ndata: forged")


class AppTest(unittest.TestCase):
    """Each test has a broker and an application `self.app` that has not been started."""

    def setUp(self):
        self.broker = FakeBroker()
        self.app = ringway.App("test", self.broker.endpoint, retry=0.2)
        self.events = []
        self.thread = None
        self.failure = None

    def tearDown(self):
        if self.thread:
            self.app.call_soon(self.app._set_stopped)
            self.thread.join(DEADLINE)
            self.assertFalse(self.thread.is_alive())
        self.broker.close()

    def start(self, **handlers):
        for name, handler in handlers.items():
            self.app.handlers[name] = handler
        self.thread = threading.Thread(target=self.run_app)
        self.thread.start()
        return self.broker.expect("JOIN")

    def run_app(self):
        try:
            self.app.run()
        except ringway.Error as error:
            self.failure = error

    def open(self, channel=CHANNEL, **meta):
        """Open a channel, wait until it was handled, return it."""
        self.broker.expect("ACK", self.broker.open_channel(channel, **meta))
        return self.app.channels.get(channel)

    def record(self, name):
        """A handler that notes how it was called."""
        def handler(channel, *arguments):
            self.events.append((name, channel.id, *arguments))
        return handler

    def in_app(self, function):
        """Run function on the application's thread and return its result."""
        done = []
        self.app.call_soon(lambda: done.append(function()))
        self.broker.until(lambda: done, "the application's thread")
        return done[0]

    # Joining

    def test_it_joins_with_its_service_its_window_and_its_name(self):
        self.app.name, self.app.window = "worker 1", 7
        join = self.start()
        self.assertEqual(join.tokens[0], "test")
        self.assertEqual(join.option("window"), "7")
        self.assertEqual(join.option("name"), "worker 1")
        self.assertEqual(join.option("pressure"), "1")
        self.assertTrue(join.option("id"))

    def test_it_says_join_again_when_nothing_happens(self):
        self.start()
        self.assertIsNone(self.broker.expect("JOIN").option("id"))

    def test_a_worker_that_is_not_known_joins_again(self):
        first = self.start()
        self.broker.send("WHO", "-", "-", "-")
        self.broker.until(lambda: any(r.verb == "JOIN" and r.option("id") for r in self.broker.seen))
        again = self.broker.expect("JOIN")
        self.assertNotEqual(again.option("id"), first.option("id"))

    def test_another_version_of_the_protocol_ends_it_with_an_error(self):
        self.broker.joined = lambda id: self.broker.send(
            "ERR", "test", "-", id, "proto", payload=b"RW/2 here, RW/1 there")
        self.start()
        self.thread.join(DEADLINE)
        self.assertEqual(self.failure.code, "proto")

    def test_a_name_in_use_is_asked_for_again_with_another_id(self):
        joined, self.broker.joined = self.broker.joined, lambda id: self.broker.send(
            "ERR", "test", "-", id, "name-in-use")
        first = self.start()
        again = self.broker.expect("JOIN")
        self.assertNotEqual(again.option("id"), first.option("id"))
        self.broker.joined = joined
        self.broker.until(lambda: self.app._joined_once)
        self.open(carrier="ws")

    def test_a_service_name_or_window_that_is_not_allowed_is_refused_at_once(self):
        for arguments in ({"service": "a b"}, {"service": ""}, {"window": 0}):
            with self.assertRaises(ValueError):
                ringway.App(**arguments)

    # Events

    def test_the_request_is_handed_over_as_it_came(self):
        channels = []
        self.start(on_open=channels.append)
        self.open(method="POST", target="/room/a%20b?x=1&y=2&x=3", params={"room": "a b"},
                  headers=[["host", "h"], ["cookie", "a=1"], ["cookie", "b=2"]],
                  body="whole")
        request = channels[0].request
        self.assertEqual((request.method, request.path), ("POST", "/room/a b"))
        self.assertEqual(request.query, {"x": "3", "y": "2"})
        self.assertEqual(request.query_string, "x=1&y=2&x=3")
        self.assertEqual(request.params, {"room": "a b"})
        self.assertEqual(request.headers["Cookie"], "a=1")
        self.assertEqual(request.headers.all("cookie"), ["a=1", "b=2"])
        self.assertIsNone(request.headers.get("absent"))
        self.assertEqual(request.carrier, "http")
        self.assertEqual(request.peer, "192.0.2.1:50000")

    def test_a_whole_body_comes_with_the_request_byte_by_byte(self):
        bodies = []
        self.start(on_open=lambda c: c.read_body(lambda c, body: bodies.append(body)))
        body = b"line\nline\n\x00\xff"
        self.broker.expect("ACK", self.broker.open_channel(CHANNEL, body, body="whole"))
        self.assertEqual(bodies, [body])

    def test_an_absolute_target_has_a_path_too(self):
        channels = []
        self.start(on_open=channels.append)
        self.open(target="http://[::1/x?y=1")
        self.assertEqual(channels[0].request.path, "/x")

    def test_metadata_that_cannot_be_read_ends_the_channel_and_nothing_else(self):
        self.start(on_open=self.record("open"))
        self.broker.expect("ACK", self.broker.event("OPEN", CHANNEL, 1, payload=b"{no"))
        self.broker.expect("CLOSE", CHANNEL, 500)
        self.open(OTHER)
        self.assertEqual(self.events, [("open", OTHER)])

    def test_messages_come_as_text_and_bytes_in_order(self):
        self.start(on_message=self.record("message"))
        self.open(carrier="ws")
        self.broker.event("TEXT", CHANNEL, 2, payload="ü".encode())
        self.broker.event("BIN", CHANNEL, 3, payload=b"\xff")
        self.broker.expect("ACK", self.broker.event("TEXT", CHANNEL, 4))
        self.assertEqual([e[2] for e in self.events], ["ü", b"\xff", ""])

    def test_a_handler_of_the_channel_comes_before_the_one_of_the_application(self):
        def opened(channel):
            if channel.id == CHANNEL:
                channel.on_message = self.record("own")
        self.start(on_open=opened, on_message=self.record("common"))
        for channel in (CHANNEL, OTHER):
            self.open(channel, carrier="ws")
            self.broker.expect("ACK", self.broker.event("TEXT", channel, 2))
        self.assertEqual([e[0] for e in self.events], ["own", "common"])

    def test_an_event_is_acknowledged_after_its_handler_has_returned(self):
        release = threading.Event()
        self.start(on_message=lambda c, text: release.wait(DEADLINE))
        self.open(carrier="ws")
        tag = self.broker.event("TEXT", CHANNEL, 2)
        self.broker.pump(0.3)
        self.assertNotIn("ACK", [r.verb for r in self.broker.seen])
        release.set()
        self.broker.expect("ACK", tag)

    def test_several_events_are_acknowledged_at_once_by_the_last(self):
        self.start(on_message=self.record("message"))
        self.open(carrier="ws")
        tags = [self.broker.event("TEXT", CHANNEL, seq) for seq in range(2, 42)]
        self.broker.expect("ACK", tags[-1])
        self.assertEqual(len(self.events), 40)

    def test_an_event_that_comes_twice_is_handled_once_and_acknowledged_twice(self):
        self.start(on_open=self.record("open"), on_message=self.record("message"))
        self.open(carrier="ws")
        for _ in range(2):
            self.broker.expect("ACK", self.broker.event("TEXT", CHANNEL, 2, payload=b"once"))
        self.broker.expect("ACK", self.broker.open_channel(CHANNEL, carrier="ws"))
        self.assertEqual(self.events, [("open", CHANNEL), ("message", CHANNEL, "once")])

    def test_events_of_a_channel_that_is_not_known_are_acknowledged_only(self):
        self.start(on_message=self.record("message"), on_close=self.record("close"))
        self.broker.expect("ACK", self.broker.event("TEXT", CHANNEL, 2))
        self.broker.expect("ACK", self.broker.event("CLOSE", CHANNEL, 3, 1006))
        self.assertEqual(self.events, [])

    def test_a_close_is_told_once_with_status_cause_and_reason(self):
        self.start(on_close=self.record("close"))
        channel = self.open(carrier="ws")
        for _ in range(2):
            tag = self.broker.event("CLOSE", CHANNEL, 2, 1001, "cause=client", payload=b"bye")
            self.broker.expect("ACK", tag)
        self.assertEqual(self.events, [("close", CHANNEL, 1001, "client", "bye")])
        self.assertFalse(channel.is_open())

    def test_a_channel_that_has_ended_does_not_open_again(self):
        self.start(on_open=self.record("open"))
        self.open()
        self.broker.expect("ACK", self.broker.event("CLOSE", CHANNEL, 2, -1, "cause=client"))
        self.broker.expect("ACK", self.broker.open_channel(CHANNEL))
        self.assertEqual(len(self.events), 1)

    def test_a_handler_that_fails_ends_its_channel_and_the_event_is_acknowledged(self):
        def fails(channel, text):
            raise RuntimeError("a bug of the application")
        self.start(on_message=fails, on_close=self.record("close"))
        channel = self.open(carrier="ws")
        tag = self.broker.event("TEXT", CHANNEL, 2)
        self.broker.expect("CLOSE", CHANNEL, 500)
        self.broker.expect("ACK", tag)
        self.assertFalse(channel.is_open())
        self.broker.expect("ACK", self.broker.event("CLOSE", CHANNEL, 3, 0, "cause=app-error"))
        self.assertEqual(self.events, [("close", CHANNEL, 0, "app-error", "")])

    def test_a_close_handler_that_fails_stops_nothing(self):
        def fails(*_):
            raise RuntimeError("a bug of the application")
        self.start(on_close=fails)
        self.open()
        self.broker.expect("ACK", self.broker.event("CLOSE", CHANNEL, 2, -1))
        self.assertIsNotNone(self.open(OTHER, carrier="ws"))

    def test_a_channel_that_is_refused_goes_back(self):
        def opened(channel):
            raise ringway.Refuse
        self.start(on_open=opened)
        tag = self.broker.open_channel(CHANNEL)
        self.broker.expect("NACK", tag)
        self.assertEqual(self.app.channels, {})

    def test_a_request_that_nobody_handles_is_answered_404(self):
        self.start()
        self.open()
        self.assertEqual(self.broker.expect("SEND", CHANNEL).option("status"), "404")

    def test_a_body_that_follows_is_handed_over_in_parts(self):
        self.start(on_open=lambda c: None, on_body=self.record("body"))
        self.open(method="POST", body="follows")
        self.broker.event("BODY", CHANNEL, 2, payload=b"one")
        self.broker.expect("ACK", self.broker.event("BODY", CHANNEL, 3, "end=1", payload=b"two"))
        self.assertEqual([e[2:] for e in self.events], [(b"one", False), (b"two", True)])

    def test_a_body_that_follows_can_be_read_whole(self):
        bodies = []
        self.start(on_open=lambda c: c.read_body(lambda c, body: bodies.append(body)))
        self.open(body="follows")
        self.broker.event("BODY", CHANNEL, 2, payload=b"one")
        self.broker.expect("ACK", self.broker.event("BODY", CHANNEL, 3, "end=1", payload=b"two"))
        self.assertEqual(bodies, [b"onetwo"])

    def test_a_body_over_the_limit_is_answered_413(self):
        bodies = []
        self.start(on_open=lambda c: c.read_body(lambda c, body: bodies.append(body), limit=4))
        self.open(body="follows")
        self.broker.event("BODY", CHANNEL, 2, payload=b"12345")
        self.assertEqual(self.broker.expect("SEND", CHANNEL).option("status"), "413")
        self.broker.expect("ACK", self.broker.event("BODY", CHANNEL, 3, "end=1", payload=b""))
        self.assertEqual(bodies, [])

    def test_a_client_that_is_slow_is_told_and_so_is_the_end_of_it(self):
        self.start(on_slow=self.record("slow"), on_drain=self.record("drain"))
        self.open(carrier="ws")
        self.broker.event("SLOW", CHANNEL, 2, 1048576)
        self.broker.expect("ACK", self.broker.event("DRAINED", CHANNEL, 3))
        self.assertEqual(self.events, [("slow", CHANNEL, 1048576), ("drain", CHANNEL)])

    def test_a_channel_of_another_worker_is_adopted_with_its_sequence(self):
        self.start(on_adopt=lambda c: self.events.append((c.adopted, c.request.params)),
                   on_message=self.record("message"))
        meta = json.dumps({"carrier": "ws", "route": "r", "params": {"a": "1"}}).encode()
        self.broker.expect("ACK", self.broker.event("ADOPT", CHANNEL, 5, payload=meta))
        for seq in (5, 6):
            self.broker.expect("ACK", self.broker.event("TEXT", CHANNEL, seq, payload=b"x"))
        self.assertEqual(self.events, [(True, {"a": "1"}), ("message", CHANNEL, "x")])

    def test_without_a_handler_of_its_own_an_adopted_channel_opens(self):
        self.start(on_open=lambda c: self.events.append(c.adopted))
        self.broker.expect("ACK", self.broker.event("ADOPT", CHANNEL, 5, payload=b"{}"))
        self.assertEqual(self.events, [True])

    # Sending

    def test_a_text_goes_as_text_and_bytes_go_as_bytes(self):
        self.start()
        channel = self.open(carrier="ws")
        channel.send("ü")
        text = self.broker.expect("SEND", CHANNEL)
        self.assertEqual((text.payload, text.option("bin")), ("ü".encode(), None))
        channel.send(b"\xff")
        data = self.broker.expect("SEND", CHANNEL)
        self.assertEqual((data.payload, data.option("bin")), (b"\xff", "1"))
        channel.send(b"text", binary=False)
        self.assertIsNone(self.broker.expect("SEND", CHANNEL).option("bin"))

    def test_a_bare_body_has_no_head(self):
        self.start(on_open=lambda c: c.send("hello", close=True))
        self.broker.open_channel(CHANNEL)
        send = self.broker.expect("SEND", CHANNEL)
        self.assertEqual(send.payload, b"hello")
        self.assertEqual((send.option("close"), send.option("status")), ("1", None))

    def test_status_and_headers_become_a_head(self):
        headers = {"Content-Type": "text/html", "Set-Cookie": ["a=1", "b=2"]}
        self.start(on_open=lambda c: c.send("<p>", status=201, headers=headers))
        self.broker.open_channel(CHANNEL)
        send = self.broker.expect("SEND", CHANNEL)
        self.assertEqual(send.option("status"), "201")
        self.assertEqual(send.payload,
                         b"Content-Type: text/html\nSet-Cookie: a=1\nSet-Cookie: b=2\n\n<p>")

    def test_an_answer_with_a_head_always_has_a_type(self):
        self.start(on_open=lambda c: c.send("<p>", status=200))
        self.broker.open_channel(CHANNEL)
        self.assertEqual(
            self.broker.expect("SEND", CHANNEL).payload,
            b"Content-Type: text/plain; charset=utf-8\nX-Content-Type-Options: nosniff\n\n<p>")

    def test_a_later_send_is_body_only(self):
        def opened(channel):
            channel.send("one", status=200, headers={"Content-Type": "a/b"})
            channel.send("two", status=404, headers={"Content-Type": "c/d"})
        self.start(on_open=opened)
        self.broker.open_channel(CHANNEL)
        self.broker.expect("SEND", CHANNEL)
        send = self.broker.expect("SEND", CHANNEL)
        self.assertEqual((send.payload, send.option("status")), (b"two", None))

    def test_a_header_that_would_break_the_line_is_refused(self):
        self.start()
        channel = self.open(carrier="ws")
        channel.request.carrier = "http"
        for headers in ({"X": "a\nSet-Cookie: b"}, {"X": "a\rb"}, {"a b": "c"}, {"": "c"}):
            with self.assertRaises(ValueError):
                channel.send("x", status=200, headers=headers)

    def test_an_event_stream_is_asked_for_on_the_first_send(self):
        self.start(on_open=lambda c: (c.send("a", format="sse"), c.send("b", format="sse")))
        self.broker.open_channel(CHANNEL)
        self.assertEqual(self.broker.expect("SEND", CHANNEL).option("format"), "sse")
        self.assertIsNone(self.broker.expect("SEND", CHANNEL).option("format"))

    def test_on_send_is_applied_to_what_is_sent(self):
        def opened(channel):
            channel.on_send = json.dumps
            channel.send({"a": [1]})
        self.start(on_open=opened)
        self.broker.open_channel(CHANNEL, carrier="ws")
        self.assertEqual(self.broker.expect("SEND", CHANNEL).payload, b'{"a": [1]}')

    def test_what_cannot_be_sent_raises_at_once(self):
        self.start()
        channel = self.open(carrier="ws")
        for data in (None, 5, {"a": 1}):
            with self.assertRaises(TypeError):
                channel.send(data)
        with self.assertRaises(ValueError):
            channel.send("x" * (wire.PAYLOAD_MAX + 1))
        self.assertTrue(channel.is_open())

    def body_of(self, data, close=True, carrier="http", **arguments):
        """Send data to a new channel; returns the records up to the end of the answer."""
        self.start()
        self.app.handlers["on_open"] = lambda c: c.send(data, close=close, **arguments)
        self.broker.open_channel(CHANNEL, carrier=carrier)
        records = []
        while not (records and (records[-1].verb == "CLOSE" or records[-1].option("close"))):
            self.broker.until(lambda: any(r.verb in ("SEND", "CLOSE") for r in self.broker.seen))
            verbs = [r.verb for r in self.broker.seen]
            at = min(verbs.index(v) for v in ("SEND", "CLOSE") if v in verbs)
            records.append(self.broker.seen.pop(at))
        return records

    def check_sized(self, records, data):
        head, _, first = records[0].payload.partition(b"\n\n")
        if records[0].option("status") is None:
            head, first = b"", records[0].payload
        self.assertEqual(records[0].option("length"), str(len(data)))
        self.assertEqual(first + b"".join(r.payload for r in records[1:]), data)
        self.assertEqual([r.option("close") for r in records],
                         [None] * (len(records) - 1) + ["1"])
        self.assertTrue(all(len(r.payload) <= wire.PART_MAX + 200 for r in records))
        return head

    def test_long_bytes_are_a_sized_answer_in_parts(self):
        data = os.urandom(700000)
        self.assertEqual(self.check_sized(self.body_of(data), data),
                         b"Content-Type: application/octet-stream\nX-Content-Type-Options: nosniff")

    def test_a_path_is_a_sized_answer_with_the_type_of_its_name(self):
        data = b"<p>" * 200000
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "page.html")
            path.write_bytes(data)
            head = self.check_sized(self.body_of(path), data)
        self.assertIn(b"Content-Type: text/html", head)

    def test_a_file_in_answer_to_head_is_its_size_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "page.html")
            path.write_bytes(b"x" * 300000)
            self.start(on_open=lambda c: c.send(path, close=True))
            self.broker.open_channel(CHANNEL, method="HEAD")
            send = self.broker.expect("SEND", CHANNEL)
        self.assertEqual((send.option("status"), send.option("close")), ("200", "1"))
        self.assertIsNone(send.option("length"))
        self.assertIn(b"Content-Type: text/html", send.payload)
        self.assertTrue(send.payload.endswith(b"\nContent-Length: 300000\n\n"))

    def test_an_open_file_is_sent_from_where_it_stands(self):
        with tempfile.TemporaryFile() as file:
            file.write(b"x" * 10 + b"rest")
            file.seek(10)
            self.check_sized(self.body_of(file), b"rest")

    def test_a_stream_in_memory_is_sized_and_an_empty_one_too(self):
        self.check_sized(self.body_of(io.BytesIO(b"a" * 300000)), b"a" * 300000)

    def test_an_empty_stream_is_an_empty_answer(self):
        records = self.body_of(io.BytesIO(b""))
        self.assertEqual(len(records), 1)
        self.assertEqual(records[0].option("length"), "0")

    def test_a_file_that_is_shorter_than_announced_is_cut(self):
        class Liar(io.BytesIO):
            def seek(self, at, whence=0):
                return super().seek(at, whence) + (5 if whence == 2 else 0)
        records = self.body_of(Liar(b"short"))
        self.assertEqual((records[-1].verb, records[-1].tokens[1]), ("CLOSE", "500"))

    def test_a_stream_that_fails_is_cut(self):
        class Fails(io.RawIOBase):
            def read(self, size):
                raise OSError("no disk")
        records = self.body_of(Fails())
        self.assertEqual((records[-1].verb, records[-1].tokens[1]), ("CLOSE", "500"))

    def test_an_iterable_is_streamed_item_by_item(self):
        def parts():
            yield "ü"
            yield b"b" * 300000
            yield ""
            yield bytearray(b"c")
        records = self.body_of(parts())
        self.assertEqual([r.payload for r in records[:-1]],
                         ["ü".encode(), b"b" * wire.PART_MAX, b"b" * (300000 - wire.PART_MAX),
                          b"c"])
        self.assertEqual(records[-1].verb, "CLOSE")
        self.assertIsNone(records[0].option("length"))

    def test_an_iterable_without_items_is_an_empty_answer(self):
        records = self.body_of([])
        self.assertEqual([(r.verb, r.payload) for r in records], [("SEND", b"")])

    def test_a_websocket_gets_a_message_for_each_item_and_one_for_a_file(self):
        self.start()
        channel = self.open(carrier="ws")
        result = channel.send(["a", b"b"])
        channel.send(io.BytesIO(b"whole" * 100000))
        sends = [self.broker.expect("SEND", CHANNEL) for _ in range(3)]
        self.assertEqual([(r.payload, r.option("bin")) for r in sends],
                         [(b"a", None), (b"b", "1"), (b"whole" * 100000, "1")])
        self.broker.until(lambda: result.done)
        self.assertTrue(result)

    def test_at_most_four_parts_are_under_way(self):
        self.broker.mute.add("SEND")
        self.app._commands._retry = 100.0
        self.start()
        channel = self.open(carrier="ws")
        channel.request.carrier = "http"
        channel.send(b"x" * (10 * wire.PART_MAX))
        channel.send("after")
        ids = [self.broker.expect("SEND", CHANNEL).option("id") for _ in range(4)]
        self.broker.settle(CHANNEL)
        self.assertNotIn("SEND", [r.verb for r in self.broker.seen])
        self.broker.send("OK", CHANNEL, "-", ids[0])
        fifth = self.broker.expect("SEND", CHANNEL)
        self.assertEqual(fifth.option("want"), "written")
        self.broker.mute.clear()
        for id in ids[1:] + [fifth.option("id")]:
            self.broker.send("OK", CHANNEL, "-", id)
        sends = [self.broker.expect("SEND", CHANNEL) for _ in range(6)]
        self.assertEqual(sends[-1].payload, b"after")

    def test_sending_to_a_closed_channel_is_false_and_never_raises(self):
        self.start()
        channel = self.open(carrier="ws")
        self.broker.expect("ACK", self.broker.event("CLOSE", CHANNEL, 2, 1000))
        result = channel.send("x")
        self.assertFalse(result)
        self.assertEqual((result.error, result.done), ("gone", True))
        self.assertFalse(channel.close())

    def test_a_channel_that_is_gone_is_known_by_the_answer(self):
        self.broker.errors["SEND"] = "gone"
        self.start()
        channel = self.open(carrier="ws")
        result = channel.send("x")
        self.assertTrue(result)
        self.broker.until(lambda: result.done)
        self.assertFalse(result)
        self.assertFalse(channel.is_open())

    def test_an_error_of_the_broker_is_in_the_result(self):
        self.broker.errors["SEND"] = "full"
        self.start()
        channel = self.open(carrier="ws")
        told = []
        result = channel.send("x").then(told.append)
        self.broker.until(lambda: told)
        self.assertEqual((told[0] is result, result.error), (True, "full"))
        self.assertTrue(channel.is_open())

    def test_closing_counts_at_once_and_a_second_time_does_nothing(self):
        self.start()
        channel = self.open(carrier="ws")
        self.assertTrue(channel.close(4000, "enough"))
        self.assertFalse(channel.is_open())
        self.assertFalse(channel.close())
        close = self.broker.expect("CLOSE", CHANNEL, 4000)
        self.assertEqual(close.payload, b"enough")

    def test_a_send_that_closes_carries_the_close_code(self):
        self.start()
        self.open(carrier="ws").send("bye", close=4001)
        self.assertEqual(self.broker.expect("SEND", CHANNEL).option("close"), "4001")

    def test_accepting_names_the_subprotocol_and_headers(self):
        self.start(on_open=lambda c: c.accept(c.request.offers[0], {"X-A": "b"}))
        self.broker.open_channel(CHANNEL, carrier="ws", offers=["chat.1"])
        accept = self.broker.expect("ACCEPT", CHANNEL)
        self.assertEqual((accept.option("protocol"), accept.payload), ("chat.1", b"X-A: b\n"))

    def test_refusing_a_websocket_is_an_http_answer(self):
        self.start(on_open=lambda c: c.send("no", status=403, close=True))
        self.broker.open_channel(CHANNEL, carrier="ws")
        send = self.broker.expect("SEND", CHANNEL)
        self.assertEqual((send.option("status"), send.option("close")), ("403", "1"))
        self.assertTrue(send.payload.endswith(b"\n\nno"))

    def test_topics_are_subscribed_published_and_left(self):
        def opened(channel):
            channel.subscribe("rooms/a b")
            self.app.publish("rooms/a b", "hello", except_=channel)
            self.app.publish("rooms/a b", b"\x00")
            channel.unsubscribe("rooms/a b")
        self.start(on_open=opened)
        self.broker.open_channel(CHANNEL, carrier="ws")
        self.broker.expect("SUB", CHANNEL, "rooms/a%20b")
        text = self.broker.expect("PUB", "rooms/a%20b")
        self.assertEqual((text.option("except"), text.payload), (CHANNEL, b"hello"))
        self.assertEqual(self.broker.expect("PUB").option("bin"), "1")
        self.broker.expect("UNSUB", CHANNEL, "rooms/a%20b")
        with self.assertRaises(ValueError):
            self.app.publish("x" * 256, "too long a topic")

    def test_one_message_goes_to_many_channels(self):
        self.start()
        ids = ["edge-1.00000000000000e1.%x" % n for n in range(1, 101)]
        self.app.send(ids, "all")
        sends = [self.broker.expect("SEND") for _ in range(2)]
        self.assertEqual(",".join(s.tokens[0] for s in sends).split(","), ids)

    def test_other_threads_may_send_and_wait(self):
        self.start()
        channel = self.open(carrier="ws")
        done = []

        def other():
            for number in range(50):
                result = channel.send(str(number))
            done.append(result.wait(DEADLINE))

        thread = threading.Thread(target=other)
        thread.start()
        self.broker.until(lambda: done)
        thread.join(DEADLINE)
        sent = [int(r.payload) for r in self.broker.seen if r.verb == "SEND"]
        self.assertEqual(sent, list(range(50)))
        self.assertTrue(done[0])

    # Timers

    def test_timers_fire_once_or_again_and_again_until_cancelled(self):
        fired = []
        self.start()
        self.in_app(lambda: self.app.later(0.01, lambda: fired.append("once")))
        timer = self.app.every(0.01, lambda: fired.append("again"))
        never = self.app.later(0.05, lambda: fired.append("never"))
        never.cancel()
        self.broker.until(lambda: fired.count("again") >= 8)
        timer.cancel()
        self.assertEqual((fired.count("once"), fired.count("never")), (1, 0))

    def test_a_timer_that_fails_goes_on(self):
        fired = []

        def fails():
            fired.append(1)
            raise RuntimeError("a bug of the application")

        self.start()
        self.app.every(0.01, fails)
        self.broker.until(lambda: len(fired) >= 3)

    # Faults

    def test_a_command_is_repeated_with_the_same_id_until_it_is_answered(self):
        self.broker.mute.add("SEND")
        self.start()
        channel = self.open(carrier="ws")
        result = channel.send("x")
        ids = [self.broker.expect("SEND", CHANNEL).option("id") for _ in range(2)]
        self.assertEqual(ids[0], ids[1])
        self.assertFalse(result.done)
        self.broker.mute.clear()
        self.broker.until(lambda: result.done)
        self.broker.seen.clear()
        self.broker.expect("JOIN")
        self.broker.expect("JOIN")
        self.assertNotIn("SEND", [r.verb for r in self.broker.seen])

    def test_after_a_broken_connection_what_is_unanswered_comes_first_and_in_order(self):
        self.broker.mute.add("SEND")
        self.app._commands._retry = 100.0
        self.start()
        channel = self.open(carrier="ws")
        for number in range(3):
            channel.send(str(number))
        first = [self.broker.expect("SEND").option("id") for _ in range(3)]
        self.broker.restart("00000000000000a2", "i2")
        for number in range(3, 6):
            channel.send(str(number))
        again = [self.broker.expect("SEND") for _ in range(6)]
        self.assertEqual([r.payload for r in again], [b"0", b"1", b"2", b"3", b"4", b"5"])
        self.assertEqual([r.option("id") for r in again[:3]], first)

    def test_what_is_sent_right_after_a_new_handshake_overtakes_nothing(self):
        self.broker.mute.add("SEND")
        self.app._commands._retry = 100.0
        self.start()
        channel = self.open(carrier="ws")
        channel.send("first")
        self.broker.expect("SEND")
        connected = []

        def send_late():
            connection, deadline = self.app._connection, time.monotonic() + DEADLINE
            while not connection.renewed and time.monotonic() < deadline:
                connection.watch()
            channel.send("late")
            connected.append(connection.renewed)

        self.broker.restart("00000000000000a2", "i2")
        self.app.call_soon(send_late)
        self.broker.until(lambda: connected)
        self.assertEqual(connected, [True])
        sends = [self.broker.expect("SEND").payload for _ in range(2)]
        self.assertEqual(sends, [b"first", b"late"])

    def test_after_a_restart_of_the_broker_it_asks_for_its_channels(self):
        restarts = []
        self.start(on_close=self.record("close"), on_restart=restarts.append,
                   on_moved=self.record("moved"))
        ids = [CHANNEL, OTHER, CHANNEL + "a", CHANNEL + "b"]
        for id in ids:
            self.open(id, carrier="ws")
        self.broker.restart("00000000000000a2", "i2")
        check = self.broker.expect("CHECK")
        self.assertEqual(sorted(check.tokens), sorted(ids))
        self.broker.until(lambda: restarts)
        self.broker.send("OK", ids[0], "-", "-")
        self.broker.send("LATER", ids[1], "-", "-")
        self.broker.send("MOVED", ids[2], "-", "-")
        self.broker.send("CLOSE", ids[3], 0, "-", 1006, "cause=edge-lost")
        self.assertEqual(self.broker.expect("CHECK").tokens, [ids[1]])
        self.assertEqual(self.events,
                         [("moved", ids[2]), ("close", ids[3], 1006, "edge-lost", "")])
        self.broker.send("CLOSE", ids[1], 1, "-", 1006, "cause=edge-lost")
        self.broker.until(lambda: len(self.events) == 3)
        self.assertEqual(list(self.app.channels), [ids[0]])

    def test_an_event_is_not_handled_again_after_a_restart_of_the_broker(self):
        self.start(on_message=self.record("message"))
        self.open(carrier="ws")
        self.broker.expect("ACK", self.broker.event("TEXT", CHANNEL, 2))
        self.broker.restart("00000000000000a2", "i2")
        self.broker.expect("CHECK", CHANNEL)
        self.broker.expect("ACK", self.broker.event("ADOPT", CHANNEL, 1, payload=b"{}"))
        self.broker.expect("ACK", self.broker.event("TEXT", CHANNEL, 2))
        self.broker.expect("ACK", self.broker.event("TEXT", CHANNEL, 3, payload=b"new"))
        self.assertEqual([e[2] for e in self.events], ["", "new"])

    def pause(self):
        """As if the process had been stopped for a while."""
        def jump():
            self.app._alive -= 60
        self.broker.mute.add("JOIN")
        self.broker.seen.clear()
        self.app.call_soon(jump)
        self.broker.until(lambda: any(r.verb == "JOIN" and r.option("id")
                                      for r in self.broker.seen))
        join = self.broker.expect("JOIN")
        while not join.option("id"):
            join = self.broker.expect("JOIN")
        self.broker.mute.clear()
        return join.option("id")

    def test_after_a_pause_events_of_an_older_incarnation_are_dropped(self):
        self.start(on_message=self.record("message"))
        self.open(carrier="ws")
        id = self.pause()
        self.broker.event("TEXT", CHANNEL, 2, payload=b"old")
        self.broker.incarnation = "i2"
        self.broker.joined(id)
        self.broker.expect("CHECK", CHANNEL)
        self.broker.expect("ACK", self.broker.event("TEXT", CHANNEL, 2, payload=b"new"))
        self.assertEqual([e[2] for e in self.events], ["new"])
        self.assertNotIn("ACK", [r.verb for r in self.broker.seen])

    def test_after_a_pause_events_wait_until_the_broker_has_confirmed_us(self):
        self.start(on_message=self.record("message"))
        self.open(carrier="ws")
        id = self.pause()
        tag = self.broker.event("TEXT", CHANNEL, 2, payload=b"held")
        self.broker.pump(0.2)
        self.assertEqual(self.events, [])
        self.broker.joined(id)
        self.broker.expect("ACK", tag)
        self.assertEqual([e[2] for e in self.events], ["held"])

    def test_a_silent_broker_gets_a_new_connection(self):
        self.start()
        self.open(carrier="ws")
        before = self.broker.peer

        def jump():
            self.app._heard -= 60

        self.app.call_soon(jump)
        self.broker.until(lambda: self.broker.peer != before)

    def test_bytes_that_are_no_record_are_dropped(self):
        self.start(on_open=self.record("open"))
        self.broker.until(lambda: self.broker.peer)
        for junk in (b"", b"text c 1 t", b"\xff\xff", b"OPEN", b"TEXT", b"CLOSE", b"ERR", b"OK",
                     b"UNKNOWN a b c", b"OPEN " + b"x" * 9000, b"OPEN c x t\n[]"):
            self.broker.socket.send_multipart([self.broker.peer, junk])
        self.assertTrue(self.open(carrier="ws").is_open())

    def test_several_records_in_one_message_are_taken_in_order(self):
        self.start(on_message=self.record("message"))
        self.open(carrier="ws")
        frames = [b"TEXT %s %d i1.x%d\n%d" % (CHANNEL.encode(), n, n, n) for n in (2, 3, 4)]
        self.broker.socket.send_multipart([self.broker.peer, *frames])
        self.broker.expect("ACK", "i1.x4")
        self.assertEqual([e[2] for e in self.events], ["2", "3", "4"])

    # Leaving

    def test_it_leaves_when_it_is_stopped_and_finishes_what_is_under_way(self):
        self.broker.mute.add("SEND")
        self.start()
        channel = self.open(carrier="ws")
        result = channel.send("last")
        send = self.broker.expect("SEND", CHANNEL)
        self.app.stop()
        self.broker.expect("LEAVE", "test")
        self.assertTrue(self.thread.is_alive())
        self.broker.send("OK", CHANNEL, "-", send.option("id"))
        self.broker.until(lambda: not self.thread.is_alive())
        self.assertTrue(result.done and result)

    def test_what_is_unanswered_when_it_ends_fails_as_stopped(self):
        self.broker.mute.update(("SEND", "LEAVE"))
        self.start()
        channel = self.open(carrier="ws")
        result = channel.send("last")
        self.broker.expect("SEND", CHANNEL)
        self.app.stop(grace=0.0)
        self.broker.until(lambda: not self.thread.is_alive())
        self.assertEqual(result.error, "stopped")
        self.assertFalse(channel.send("more"))


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[2])
import ringway
app = ringway.App("test", sys.argv[1])
app.on_ready(lambda app: print("ready", flush=True))
app.run()
print("left", flush=True)
"""


class SignalTest(unittest.TestCase):
    def test_sigterm_ends_it_gracefully(self):
        broker = FakeBroker()
        program = subprocess.Popen([sys.executable, "-c", PROGRAM, broker.endpoint, str(HERE)],
                                   stdout=subprocess.PIPE, text=True)
        try:
            broker.expect("JOIN")
            self.assertEqual(program.stdout.readline(), "ready\n")
            program.send_signal(signal.SIGTERM)
            broker.expect("LEAVE", "test")
            self.assertEqual(program.communicate(timeout=DEADLINE)[0], "left\n")
            self.assertEqual(program.returncode, 0)
        finally:
            program.kill()
            program.communicate()
            broker.close()


class PublisherTest(unittest.TestCase):
    def setUp(self):
        self.broker = FakeBroker()
        self.publisher = ringway.Publisher(self.broker.endpoint, timeout=DEADLINE, retry=0.2)

    def tearDown(self):
        self.publisher.disconnect()
        self.broker.close()

    def ask(self, function):
        """function() in another thread while the broker answers."""
        done = []

        def call():
            try:
                done.append(function())
            except Exception as error:
                done.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        self.broker.until(lambda: done)
        thread.join(DEADLINE)
        return done[0]

    def test_it_publishes_sends_and_closes(self):
        self.assertIsNone(self.ask(lambda: self.publisher.publish("t", "hello", except_="c.1")))
        self.assertTrue(self.ask(lambda: self.publisher.send(CHANNEL, b"\x00")))
        self.assertTrue(self.ask(lambda: self.publisher.close(CHANNEL, 4000, "bye")))
        pub = self.broker.expect("PUB", "t")
        self.assertEqual((pub.payload, pub.option("except")), (b"hello", "c.1"))
        self.assertEqual(self.broker.expect("SEND", CHANNEL).option("bin"), "1")
        self.assertEqual(self.broker.expect("CLOSE", CHANNEL, 4000).payload, b"bye")

    def test_a_closed_channel_is_false_and_other_errors_are_raised(self):
        self.broker.errors = {"SEND": "gone", "CLOSE": "gone", "PUB": "full"}
        self.assertIs(self.ask(lambda: self.publisher.send(CHANNEL, "x")), False)
        self.assertIs(self.ask(lambda: self.publisher.close(CHANNEL)), False)
        error = self.ask(lambda: self.publisher.publish("t", "x"))
        self.assertIsInstance(error, ringway.Error)
        self.assertEqual(error.code, "full")

    def test_it_repeats_with_the_same_id_until_it_is_answered(self):
        self.broker.mute.add("PUB")
        thread = threading.Thread(target=lambda: self.publisher.publish("t", "x"))
        thread.start()
        ids = [self.broker.expect("PUB").option("id") for _ in range(2)]
        self.broker.mute.clear()
        self.broker.until(lambda: not thread.is_alive())
        self.assertEqual(ids[0], ids[1])

    def test_without_an_answer_it_says_so(self):
        self.broker.mute.add("PUB")
        self.publisher._timeout = 0.3
        self.assertIsInstance(self.ask(lambda: self.publisher.publish("t", "x")), TimeoutError)

    def test_it_asks_what_the_broker_knows(self):
        self.assertEqual(self.ask(lambda: self.publisher.get("info", CHANNEL)), {"live": 3})
        self.broker.expect("GET", "info", CHANNEL)


def main():
    if not os.environ.get("VERBOSE"):
        logging.disable(logging.CRITICAL)
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    if sys.argv[1:]:
        suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:], sys.modules["__main__"])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    failed = min(failed, result.testsRun)
    print("%d passed, %d failed" % (result.testsRun - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
