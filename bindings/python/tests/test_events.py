"""Events and their acknowledgement."""

import json
import threading

import ringway
from app_case import CHANNEL, OTHER, AppCase
from fake_broker import DEADLINE


class EventsTest(AppCase):
    def test_a_session_tells_who_carries_it_and_what_is_lost(self):
        names = ("on_attached", "on_detached", "on_lost", "on_message")
        join = self.start(on_open=lambda c: c.send("hello"),
                          **{name: self.record(name) for name in names})
        self.assertEqual(join.option("sessions"), "1")
        session = "session.0123456789abcdef.fedcba9876543210"
        channel = self.open(session)  # by HTTP, and still each send is a message
        self.assertTrue(channel.is_session)
        send = self.broker.expect("SEND", session)
        self.assertEqual((send.payload, send.option("status")), (b"hello", None))
        channel.send(iter(["one"]))
        self.assertEqual(self.broker.expect("SEND", session).option("want"), "accepted")
        for seq, verb, word in ((2, "DETACHED", CHANNEL), (3, "ATTACHED", OTHER),
                                (4, "LOST", "edge-lost")):
            self.broker.expect("ACK", self.broker.event(verb, session, seq, word))
        self.assertEqual(self.events, [
            ("on_detached", session, CHANNEL), ("on_attached", session, OTHER),
            ("on_lost", session, "edge-lost")])

    def test_a_message_of_a_session_that_comes_again_after_a_restart_is_handled_once(self):
        self.start(on_message=self.record("on_message"))
        session = "session.0123456789abcdef.fedcba9876543210"
        self.open(session)
        for seq, text, origin in ((2, "one", "1"), (3, "two", "edge-1.aa.1:2"), (4096, "one", "1"),
                                  (4097, "two", "edge-1.aa.1:2"), (4098, "two", "edge-1.aa.1:3"),
                                  (4099, "three", "2")):
            tag = self.broker.event("TEXT", session, seq, f"o={origin}", payload=text.encode())
            self.broker.expect("ACK", tag)
        self.assertEqual([text for *_, text in self.events], ["one", "two", "two", "three"])

    def test_events_of_sessions_are_acknowledged_without_handlers(self):
        join = self.start()
        self.assertIsNone(join.option("sessions"))
        session = "session.0123456789abcdef.fedcba9876543210"
        self.open(session)
        self.broker.expect("ACK", self.broker.event("LOST", session, 2, "skipped"))

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

    def test_it_is_known_how_often_an_event_was_delivered(self):
        self.start(on_message=lambda c, text: self.events.append(c.attempt))
        self.open(carrier="ws")
        self.broker.event("TEXT", CHANNEL, 2)
        self.broker.expect("ACK", self.broker.event("TEXT", CHANNEL, 3, "try=2"))
        self.assertEqual(self.events, [1, 2])

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
