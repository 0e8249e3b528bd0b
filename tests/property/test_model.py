"""The judge itself: a history that is doctored must be found out."""

import copy
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from model import Gap, Message, Publications, Subscriber, judge


def _history(count=5):
    publications, subscriber = Publications(), Subscriber("one", ("a", "b"), {"a": 1, "b": 1})
    position = 0
    for _ in range(count):
        for topic in ("a", "b"):
            number = publications.begin(topic)
            publications.take(topic, number)
            position += 1
            subscriber.items.append(Message(topic, number, f"e:{position}"))
    return publications, subscriber


class Judge(unittest.TestCase):
    def _wrong(self, change):
        publications, subscriber = _history()
        changed = copy.deepcopy(subscriber)
        change(publications, changed)
        return judge(publications, [changed])

    def test_a_whole_history_passes(self):
        self.assertEqual(self._wrong(lambda p, s: None), [])

    def test_a_missing_message_is_found(self):
        self.assertIn("a 3..3 missing before 4", self._wrong(lambda p, s: s.items.pop(4))[0])

    def test_a_missing_message_at_the_end_is_found(self):
        self.assertIn("b 5..5 missing at the end", self._wrong(lambda p, s: s.items.pop())[0])

    def test_a_missing_message_at_the_beginning_is_found(self):
        self.assertIn("a 1..1 missing", self._wrong(lambda p, s: s.items.pop(0))[0])

    def test_what_was_published_before_it_was_ready_is_not_asked_for(self):
        def change(_, subscriber):
            subscriber.first["a"] = 2
            subscriber.items.pop(0)

        self.assertEqual(self._wrong(change), [])

    def test_a_gap_in_its_place_explains_what_is_missing(self):
        def change(_, subscriber):
            subscriber.items[4] = Gap("a", "history")

        self.assertEqual(self._wrong(change), [])

    def test_a_gap_of_a_pattern_speaks_of_what_the_pattern_matches(self):
        for pattern, topic, speaks in (("x/*", "x/1", True), ("x/*", "x/1/2", False),
                                       ("x/**", "x/1/2", True), ("x/*", "xy/1", False),
                                       ("x/**", "x", False), ("x/*", "x", False)):
            publications, subscriber = Publications(), Subscriber("one", (topic,), {topic: 1})
            for _ in range(2):
                publications.take(topic, publications.begin(topic))
            subscriber.items = [Gap(pattern, "history"), Message(topic, 2, "e:2")]
            self.assertEqual(judge(publications, [subscriber]) == [], speaks, (pattern, topic))

    def test_a_gap_of_another_topic_explains_nothing(self):
        def change(_, subscriber):
            subscriber.items[4] = Gap("b", "history")

        self.assertEqual(len(self._wrong(change)), 1)

    def test_a_gap_before_or_behind_the_place_explains_nothing(self):
        for place in (0, 9):

            def change(_, subscriber, place=place):
                subscriber.items.pop(4)
                subscriber.items.insert(place, Gap(None, "slow"))

            self.assertEqual(len(self._wrong(change)), 1, place)

    def test_a_message_that_was_never_acknowledged_may_be_missing(self):
        def change(publications, subscriber):
            subscriber.items.pop(4)
            publications.taken.discard(("a", 3))

        self.assertEqual(self._wrong(change), [])

    def test_a_double_is_found(self):
        wrong = self._wrong(lambda p, s: s.items.insert(6, s.items[4]))
        self.assertTrue(any("twice" in line for line in wrong), wrong)

    def test_disorder_is_found(self):
        def change(_, subscriber):
            subscriber.items[2], subscriber.items[4] = subscriber.items[4], subscriber.items[2]

        self.assertTrue(any("after" in line for line in self._wrong(change)))

    def test_a_position_that_goes_back_is_found(self):
        def change(_, subscriber):
            subscriber.items[9].cursor = "e:1"

        self.assertIn("position", self._wrong(change)[0])

    def test_a_new_epoch_begins_anew(self):
        def change(_, subscriber):
            subscriber.items[9].cursor = "f:1"

        self.assertEqual(self._wrong(change), [])

    def test_a_message_of_a_stranger_is_found(self):
        def change(_, subscriber):
            subscriber.items.append(Message("c", 1, "e:99"))

        self.assertTrue(any("not asked for" in line for line in self._wrong(change)))


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    failed = min(len(result.failures) + len(result.errors), result.testsRun)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
