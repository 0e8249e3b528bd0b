"""What an application sends."""

import io
import json
import os
import pathlib
import tempfile
import threading

from app_case import CHANNEL, AppCase
from fake_broker import DEADLINE
from ringway import wire


class SendingTest(AppCase):
    def test_a_publication_has_options_and_its_position(self):
        self.start()
        result = self.in_app(lambda: self.app.publish(
            "t", "x", history=False, ttl=60, key="a b", collapse="c"))
        pub = self.broker.expect("PUB", "t")
        self.assertEqual([pub.option(key) for key in ("hist", "ttl", "key", "collapse", "bin")],
                         ["0", "60", "a b", "c", None])
        self.broker.until(lambda: result.done)
        self.assertEqual(result.options["pos"], "00000000000000e1:7")
        self.app.publish("t", b"x", durable=True)
        pub = self.broker.expect("PUB", "t")
        self.assertEqual((pub.option("durable"), pub.option("hist")), ("1", None))
        for wrong in ({"ttl": 0}, {"ttl": 1.5}, {"key": ""}, {"collapse": "x" * 129}):
            with self.assertRaises(ValueError):
                self.app.publish("t", "x", **wrong)
        with self.assertRaises(TypeError):
            self.app.publish("t", "x", colour="red")

    def test_a_label_is_given_changed_and_taken_away(self):
        self.start()
        channel = self.open(carrier="ws")
        channel.label("amy smith")
        self.broker.expect("LABEL", CHANNEL, "amy%20smith")
        channel.label(None)
        self.broker.expect("LABEL", CHANNEL, "-")
        channel.accept(label="bob")
        self.assertEqual(self.broker.expect("ACCEPT", CHANNEL).option("label"), "bob")
        for name in ("", "x" * 129):
            with self.assertRaises(ValueError):
                channel.label(name)
        self.assertTrue(channel.label("x" * 128))

    def test_a_set_is_named_by_channels_and_labels_less_exceptions(self):
        self.start()
        channel = self.open(carrier="ws")
        result = self.in_app(lambda: self.app.cast(
            b"hi", channels=[channel, "other"], labels=["amy smith"], but=["third"],
            but_labels=["bob"], close=True))
        cast = self.broker.expect("CAST", "5")
        self.assertEqual(cast.payload, b"c:%s\nc:other\nu:amy%%20smith\n-c:third\n-u:bob\nhi"
                         % CHANNEL.encode())
        self.assertEqual((cast.option("bin"), cast.option("close")), ("1", "1"))
        self.broker.until(lambda: result.done)
        self.in_app(lambda: self.app.cast("hi", topics=["a b/c"], but=["x"], but_topics=["d"],
                                          history=False))
        cast = self.broker.expect("CAST", "3")
        self.assertEqual(cast.payload, b"t:a%20b/c\n-c:x\n-t:d\nhi")
        self.assertEqual(cast.option("hist"), "0")
        for wrong in ({}, {"topics": ["a/*"]}, {"topics": ["a"], "close": True}, {"channels": ["a b"]}, {"labels": [""]}, {"labels": ["x" * 129]}):
            with self.assertRaises(ValueError):
                self.app.cast("hi", **wrong)

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

    def test_a_send_may_ask_to_be_answered_when_it_is_written_or_received(self):
        self.start()
        channel = self.open(carrier="ws")
        for want in ("accepted", "written", "received"):
            result = channel.send("x", want=want)
            self.assertEqual(self.broker.expect("SEND", CHANNEL).option("want"), want)
            self.broker.until(lambda: result.done)
        channel.send(["a", "b"], want="received")
        sends = [self.broker.expect("SEND", CHANNEL) for _ in range(2)]
        self.assertEqual([r.option("want") for r in sends], ["received"] * 2)
        with self.assertRaises(ValueError):
            channel.send("x", want="read")

    def test_only_a_websocket_can_say_that_it_has_received(self):
        self.start(on_open=lambda c: None)
        channel = self.open()
        self.assertEqual(channel.send("x", close=True, want="received").error, "unsupported")
        self.assertTrue(channel.send("x", close=True, want="written"))
        send = self.broker.expect("SEND", CHANNEL)
        self.assertEqual((send.payload, send.option("want")), (b"x", "written"))

    def test_a_send_tells_whether_the_client_is_behind(self):
        self.start()
        channel = self.open(carrier="ws")
        self.assertFalse(channel.is_slow() or channel.send("x").is_slow)
        self.broker.expect("ACK", self.broker.event("SLOW", CHANNEL, 2, 1048576))
        self.assertTrue(channel.is_slow() and channel.send("x").is_slow)
        self.broker.expect("ACK", self.broker.event("DRAINED", CHANNEL, 3))
        self.assertFalse(channel.is_slow() or channel.send("x").is_slow)

    def test_a_command_that_does_not_fit_a_header_fails_alone(self):
        self.start()
        channel = self.open(carrier="ws")
        result = channel.accept("p" * wire.HEADER_MAX)
        channel.send("after")
        self.assertEqual(self.broker.expect("SEND", CHANNEL).payload, b"after")
        self.assertEqual(result.error, "syntax")

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
        self.broker.expect("CHECK", CHANNEL)

    def test_a_session_that_the_broker_knows_again_is_open_again(self):
        self.broker.errors["SEND"] = "gone"
        self.start()
        session = "session.0123456789abcdef.fedcba9876543210"
        channel, other = self.open(session, carrier="ws"), self.open(CHANNEL, carrier="ws")
        for each in (channel, other):
            result = each.send("x")
            self.broker.until(lambda result=result: result.done)
            self.assertFalse(each.is_open())
            self.broker.send("OK", each.id, "-", "-")
        self.broker.until(channel.is_open)
        self.broker.errors.clear()
        self.assertTrue(channel.send("again"))
        while self.broker.expect("SEND", session).payload != b"again":
            continue  # it has a deadline
        self.assertFalse(other.is_open())

    def test_the_end_of_a_session_that_was_lost_with_the_broker_is_said_again(self):
        self.start()
        session = "session.0123456789abcdef.fedcba9876543210"
        channel = self.open(session, carrier="ws")
        result = channel.close(4001, "bye")
        self.broker.expect("CLOSE", session, 4001)
        self.broker.until(lambda: result.done)
        self.broker.errors["CLOSE"] = "gone"
        self.broker.send("OK", session, "-", "-")  # to CHECK: the next broker knows no end of it
        self.assertEqual(self.broker.expect("CLOSE", session, 4001).payload, b"bye")
        self.assertFalse(channel.is_open())
        self.broker.expect("CHECK", session)  # after the "gone"
        self.broker.send("OK", session, "-", "-")
        self.broker.expect("ACK", self.broker.event("TEXT", session, 2, payload=b"x"))
        self.assertFalse([record for record in self.broker.settle(session) if record.verb == "CLOSE"])

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
