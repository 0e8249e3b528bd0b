"""Which acknowledgements are sent."""

import unittest

from ringway.deliveries import DONE_BATCH, Deliveries


class DeliveriesTest(unittest.TestCase):
    def setUp(self):
        self.sent = []
        self.deliveries = Deliveries()
        self.can_leave = True

    def send(self, frame):
        if self.can_leave:
            self.sent.append(frame.decode())
        return self.can_leave

    def take(self, count):
        return [self.deliveries.take("i.%d" % n) for n in range(1, count + 1)]

    def finish(self, *some):
        for delivery in some:
            self.deliveries.finish(delivery)
        return self.deliveries.flush(self.send)

    def test_the_finished_prefix_is_one_ack(self):
        first, second, third = self.take(3)
        self.assertTrue(self.finish(second, first))
        self.assertEqual(self.sent, ["ACK i.2"])
        self.finish(third)
        self.assertEqual(self.sent[1:], ["ACK i.3"])
        self.assertEqual(len(self.deliveries), 0)

    def test_what_is_finished_beyond_an_unfinished_event_is_done_exactly(self):
        first, second, third, fourth, fifth = self.take(5)
        self.finish(first, third, fifth)
        self.assertEqual(self.sent, ["ACK i.1", "DONE i.3 i.5"])
        self.finish(second)
        self.assertEqual(self.sent[2:], ["ACK i.2"])
        self.finish(fourth)
        self.assertEqual(self.sent[3:], ["ACK i.4"])
        self.assertEqual(len(self.deliveries), 0)

    def test_nothing_is_said_twice_or_without_need(self):
        first, second = self.take(2)
        self.finish(second)
        self.assertFalse(self.finish(second))
        self.finish(first)
        self.assertEqual(self.sent, ["DONE i.2", "ACK i.1"])
        self.assertFalse(self.deliveries.flush(self.send))

    def test_what_cannot_leave_is_said_later(self):
        first, second, third = self.take(3)
        self.can_leave = False
        self.assertFalse(self.finish(first, third))
        self.can_leave = True
        self.deliveries.flush(self.send)
        self.assertEqual(self.sent, ["ACK i.1", "DONE i.3"])
        self.finish(second)
        self.assertEqual(self.sent[2:], ["ACK i.2"])

    def test_many_are_done_in_several_records(self):
        taken = self.take(DONE_BATCH + 3)
        self.finish(*taken[1:])
        self.assertEqual([len(frame.split()) - 1 for frame in self.sent], [DONE_BATCH, 2])

    def test_tags_of_an_earlier_join_are_not_acknowledged(self):
        first, second = self.take(2)
        self.deliveries.finish(first)
        self.deliveries.forget()
        self.assertFalse(self.finish(second))
        self.assertEqual(self.sent, [])

    def test_what_is_refused_is_not_acknowledged_and_holds_up_nothing(self):
        first, second, third = self.take(3)
        self.assertTrue(self.deliveries.refuse(second, self.send))
        self.finish(first, third)
        self.assertEqual(self.sent, ["NACK i.2", "ACK i.3"])

    def test_a_delivery_without_a_tag_is_not_acknowledged(self):
        self.assertFalse(self.finish(self.deliveries.take("-")))
        self.assertEqual(self.sent, [])
