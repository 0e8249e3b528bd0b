"""Sending without a worker."""

import json
import threading
import unittest

import ringway
from app_case import CHANNEL
from fake_broker import DEADLINE, FakeBroker


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
        position = self.ask(lambda: self.publisher.publish("t", "hello", except_="c.1"))
        self.assertEqual(position, "00000000000000e1:7")
        self.assertTrue(self.ask(lambda: self.publisher.send(CHANNEL, b"\x00", want="received")))
        self.assertTrue(self.ask(lambda: self.publisher.close(CHANNEL, 4000, "bye")))
        pub = self.broker.expect("PUB", "t")
        self.assertEqual((pub.payload, pub.option("except")), (b"hello", "c.1"))
        send = self.broker.expect("SEND", CHANNEL)
        self.assertEqual((send.option("bin"), send.option("want")), ("1", "received"))
        self.assertEqual(self.broker.expect("CLOSE", CHANNEL, 4000).payload, b"bye")

    def test_it_reads_what_is_held_of_a_topic(self):
        self.broker.info = json.dumps({"messages": [
            {"pos": "e1:1", "data": "one"}, {"pos": "e1:2", "base64": "AP8="}]}).encode()
        held = self.ask(lambda: self.publisher.history("rooms/a b", since="e1:0", limit=2))
        self.assertEqual(held, [("e1:1", "one"), ("e1:2", b"\x00\xff")])
        get = self.broker.expect("GET", "history", "rooms/a%20b")
        self.assertEqual((get.option("since"), get.option("limit")), ("e1:0", "2"))

    def test_it_labels_channels_and_sends_to_sets(self):
        self.assertTrue(self.ask(lambda: self.publisher.label(CHANNEL, "amy")))
        self.broker.expect("LABEL", CHANNEL, "amy")
        self.assertEqual(self.ask(lambda: self.publisher.cast("hi", labels=["amy"])), 0)
        self.assertEqual(self.broker.expect("CAST", "1").payload, b"u:amy\nhi")
        self.broker.errors = {"CAST": "gone", "LABEL": "gone"}
        self.assertEqual(self.ask(lambda: self.publisher.cast("hi", [CHANNEL])), 0)
        self.assertIs(self.ask(lambda: self.publisher.label(CHANNEL, None)), False)

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
