"""Which channels are asked about, and when."""

import unittest

from ringway.checks import BATCH, PAUSE, UNANSWERED, Checks


class ChecksTest(unittest.TestCase):
    def setUp(self):
        self.sent = []
        self.checks = Checks()

    def flush(self, now):
        self.sent.clear()
        self.checks.flush(lambda frame: self.sent.append(frame.decode()) or True, now)
        return list(self.sent)

    def test_a_question_is_repeated_until_it_is_answered(self):
        self.checks.ask(["a", "b"], 10.0)
        self.assertEqual(self.flush(9.9), [])
        self.assertEqual(self.flush(10.0), ["CHECK a b"])
        self.assertEqual(self.flush(10.1), [])
        self.assertTrue(self.checks.answered("a"))
        self.assertFalse(self.checks.answered("a"))
        self.assertEqual(self.flush(10.0 + UNANSWERED), ["CHECK b"])

    def test_later_is_asked_again_after_a_pause_that_grows(self):
        self.checks.ask(["a"], 0.0)
        pauses, now = [], 0.0
        for _ in range(6):
            self.assertEqual(self.flush(now), ["CHECK a"])
            self.checks.later("a", now)
            before = now
            while not self.flush(now):
                now += 0.125
            self.checks.later("a", now)
            pauses.append(now - before)
            now += 60.0
        self.assertEqual(pauses[0], PAUSE)
        self.assertEqual(pauses, sorted(pauses))
        self.assertLessEqual(pauses[-1], 2.0)

    def test_many_are_asked_in_records_that_fit_a_header(self):
        self.checks.ask(["c%d" % n for n in range(BATCH + 1)], 0.0)
        self.assertEqual([len(frame.split()) - 1 for frame in self.flush(0.0)], [BATCH, 1])

    def test_what_cannot_leave_is_asked_later(self):
        self.checks.ask(["a"], 0.0)
        self.checks.flush(lambda frame: False, 0.0)
        self.assertEqual(self.flush(0.1), ["CHECK a"])
