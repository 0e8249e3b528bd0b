"""JOIN, LEAVE, and the ends of an application."""

import io
import pathlib
import signal
import subprocess
import sys
import time
import unittest

import ringway
from app_case import CHANNEL, AppCase
from fake_broker import DEADLINE, FakeBroker
from ringway import wire

LIBRARY = pathlib.Path(__file__).resolve().parents[1]


class JoiningTest(AppCase):
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

    def test_while_its_name_is_in_use_it_sends_all_the_same(self):
        self.broker.joined = lambda id: self.broker.send("ERR", "test", "-", id, "name-in-use")
        self.start()
        result = self.app.publish("t", "x")
        self.broker.expect("PUB", "t")
        self.broker.until(lambda: result.done)

    def test_a_service_a_name_or_a_window_that_is_not_allowed_is_refused_at_once(self):
        for arguments in ({"service": "a b"}, {"service": ""}, {"window": 0},
                          {"window": 10001}, {"name": ""}, {"name": "n" * 65}):
            with self.assertRaises(ValueError):
                ringway.App(**arguments)


class LeavingTest(AppCase):
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


    def test_a_stranger_that_joined_again_still_waits_for_left(self):
        self.broker.mute.add("LEAVE")
        first = self.start()
        self.broker.send("WHO", "-", "-", "-")
        again = self.broker.expect("JOIN")
        while again.option("id") in (None, first.option("id")):
            again = self.broker.expect("JOIN")
        self.open(carrier="ws")
        self.app.stop()
        self.broker.expect("LEAVE")
        self.broker.expect("LEAVE")
        self.assertTrue(self.thread.is_alive())
        self.broker.send("LEFT", "test", "-", "-")
        self.broker.until(lambda: not self.thread.is_alive())

    def test_a_body_is_sent_to_its_end_although_its_channel_has_moved(self):
        self.broker.mute.update(("SEND", "LEAVE"))
        self.start(on_moved=self.record("moved"))
        channel = self.open(carrier="ws")
        channel.request.carrier = "http"
        result = channel.send([b"x" * (6 * wire.PART_MAX)])
        first = [self.broker.expect("SEND", CHANNEL) for _ in range(4)]
        self.app.stop()
        self.broker.expect("LEAVE")
        self.broker.send("MOVED", CHANNEL, "-", "-")
        self.broker.send("LEFT", "test", "-", "-")
        self.broker.until(lambda: ("moved", CHANNEL) in self.events)
        self.broker.mute.clear()
        for record in first:
            self.broker.send("OK", CHANNEL, "-", record.option("id"))
        for _ in range(2):
            self.broker.expect("SEND", CHANNEL)
        self.broker.until(lambda: not self.thread.is_alive())
        self.assertTrue(result.done and result)

    def test_it_leaves_when_answers_of_known_size_are_complete(self):
        self.broker.mute.add("SEND")
        self.app._commands._retry = 100.0
        self.start(on_open=lambda channel: None)
        channel = self.open()
        channel.send(io.BytesIO(b"x" * (5 * wire.PART_MAX)), status=200, close=True)
        first = [self.broker.expect("SEND", CHANNEL) for _ in range(4)]
        self.app.stop()
        self.broker.pump(0.3)
        self.assertNotIn("LEAVE", [record.verb for record in self.broker.seen])
        self.broker.mute.clear()
        for record in first:
            self.broker.send("OK", CHANNEL, "-", record.option("id"))
        self.broker.expect("SEND", CHANNEL)
        self.broker.expect("LEAVE", "test")
        self.broker.until(lambda: not self.thread.is_alive())

    def test_an_answer_that_does_not_end_is_given_half_of_the_grace(self):
        self.broker.mute.add("SEND")
        self.start(on_open=lambda channel: None)
        channel = self.open()
        self.assertTrue(channel.send(io.BytesIO(b"x" * (5 * wire.PART_MAX)), close=True))
        self.app.stop(grace=0.4)
        self.broker.expect("LEAVE", "test")
        self.broker.until(lambda: not self.thread.is_alive())

    def test_channels_that_are_left_at_the_end_are_told_to_have_moved(self):
        self.broker.mute.add("LEAVE")
        self.start(on_moved=self.record("moved"))
        channel = self.open(carrier="ws")
        self.app.stop(grace=0.0)
        self.broker.until(lambda: not self.thread.is_alive())
        self.assertEqual(self.events, [("moved", CHANNEL)])
        self.assertFalse(channel.is_open())


PROGRAM = """
import sys, time
sys.path.insert(0, sys.argv[2])
import ringway
app = ringway.App("test", sys.argv[1])
app.on_ready(lambda app: print("ready", flush=True))

@app.on_message
def said(channel, text):
    print("busy", flush=True)
    time.sleep(600)

app.run()
print("left", flush=True)
"""


class SignalTest(unittest.TestCase):
    def setUp(self):
        self.broker = FakeBroker()
        self.program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, self.broker.endpoint, str(LIBRARY)],
            stdout=subprocess.PIPE, text=True)
        self.broker.expect("JOIN")
        self.assertEqual(self.program.stdout.readline(), "ready\n")

    def tearDown(self):
        self.program.kill()
        self.program.communicate()
        self.broker.close()

    def test_sigterm_ends_it_gracefully(self):
        self.program.send_signal(signal.SIGTERM)
        self.broker.expect("LEAVE", "test")
        self.assertEqual(self.program.communicate(timeout=DEADLINE)[0], "left\n")
        self.assertEqual(self.program.returncode, 0)

    def test_a_second_sigterm_ends_it_at_once(self):
        self.broker.expect("ACK", self.broker.open_channel(CHANNEL, carrier="ws"))
        self.broker.event("TEXT", CHANNEL, 2)
        self.assertEqual(self.program.stdout.readline(), "busy\n")
        self.program.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + DEADLINE
        while self.program.poll() is None and time.monotonic() < deadline:
            self.program.send_signal(signal.SIGTERM)
            time.sleep(0.05)  # two signals at once are one
        self.assertEqual(self.program.wait(DEADLINE), -signal.SIGTERM)
        self.assertNotIn("ACK", [record.verb for record in self.broker.seen])
