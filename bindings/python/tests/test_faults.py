"""Broken connections, restarts of the broker, pauses of our own."""

import time

from app_case import CHANNEL, OTHER, AppCase
from fake_broker import DEADLINE


class FaultsTest(AppCase):
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

    def test_the_answer_to_a_send_is_no_answer_to_check(self):
        self.start()
        channel = self.open(carrier="ws")
        self.broker.restart("00000000000000a2", "i2")
        self.broker.expect("CHECK", CHANNEL)
        self.app.send(CHANNEL, "x")
        other = self.app.send(OTHER, "x")[0]
        self.broker.until(lambda: other.done)
        self.broker.send("OK", CHANNEL, "-", "r.1")
        self.assertEqual(self.broker.expect("CHECK").tokens, [CHANNEL])
        self.broker.send("MOVED", CHANNEL, "-", "-")
        self.broker.until(lambda: not channel.is_open())

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

    def test_given_up_without_a_pause_of_its_own_it_asks_for_its_channels(self):
        self.start(on_moved=self.record("moved"))
        self.open(carrier="ws")
        self.broker.incarnation = "i2"
        self.broker.joined("-")
        self.broker.expect("CHECK", CHANNEL)
        self.broker.send("MOVED", CHANNEL, "-", "-")
        self.broker.until(lambda: self.events == [("moved", CHANNEL)])

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
