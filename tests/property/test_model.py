"""The judge itself: a history that is doctored must be found out."""

import copy
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from model import Gap, Message, Publications, Span, Subscriber, direct, judge
from session_model import Session, judge_sessions


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
            del publications.taken["a", 3]

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


def _session():
    """A whole session: two topics' worth of what was sent and published, three messages said."""
    publications, session, position = Publications(), Session.of("s"), 0
    session.reader.over = False
    session.reader.spans["a"] = [Span(first=1)]
    session.reader.topics = (direct("s"), "a")
    for _ in range(4):
        for topic in session.reader.topics:
            number = publications.begin(topic)
            publications.take(topic, number)
            position += 1
            session.reader.items.append(Message(topic, number, f"e:{position}"))
    session.events = [("open",), *(("message", n) for n in (1, 2, 3)), ("close", 1000)]
    session.said = session.told = 3
    return publications, session


class JudgeOfSessions(unittest.TestCase):
    def _wrong(self, change):
        publications, session = _session()
        change(session)
        return judge(publications, [session.reader]) + judge_sessions([session])

    def _found(self, change, sentence):
        wrong = self._wrong(change)
        self.assertTrue(any(sentence in line for line in wrong), wrong)

    def test_a_whole_session_passes(self):
        self.assertEqual(self._wrong(lambda s: None), [])

    def test_what_was_sent_and_is_missing_is_found(self):
        self._found(lambda s: s.reader.items.pop(2), "@s 2..2 missing before 3")
        self._found(lambda s: s.reader.items.pop(6), "@s 4..4 missing at the end")

    def test_what_was_sent_and_came_twice_is_found(self):
        self._found(lambda s: s.reader.items.insert(3, s.reader.items[2]), "twice")

    def test_what_was_sent_and_came_in_disorder_is_found(self):
        def swap(one, other):
            def change(session):
                items = session.reader.items
                items[one].topic, items[other].topic = items[other].topic, items[one].topic
                items[one].number, items[other].number = items[other].number, items[one].number
            return change

        self._found(swap(2, 4), "after 3")  # two that were sent
        self._found(swap(4, 5), "after what was published later")  # one sent, one published

    def test_a_gap_in_its_place_explains_what_is_missing(self):
        def change(session):
            session.reader.items[2] = Gap(None, "restart")

        self.assertEqual(self._wrong(change), [])

    def test_what_came_before_it_was_subscribed_or_after_it_was_not_is_found(self):
        for span in (Span(asked=2, first=2), Span(first=1, last=3, until=3)):
            self._found(lambda s, span=span: s.reader.spans.update(a=[span]), "not asked for")

    def test_between_two_subscriptions_nothing_is_asked_for(self):
        def change(session):
            session.reader.spans["a"] = [Span(first=1, last=1, until=2), Span(asked=4, first=4)]
            del session.reader.items[5], session.reader.items[3]

        self.assertEqual(self._wrong(change), [])

    def test_a_subscription_that_ends_covers_up_to_what_came_of_it(self):
        def change(session):
            session.reader.spans["a"] = [Span(first=1, last=4)]
            session.reader.items.pop(3)

        self._found(change, "a 2..2 missing before 3")

    def test_a_message_that_is_missing_is_found(self):
        self._found(lambda s: s.events.pop(2), "messages 2..2 missing before 3")
        self._found(lambda s: s.events.pop(3), "messages 3..3 missing at the end")

    def test_a_session_that_is_excused_may_lack_messages_but_never_gets_one_twice(self):
        def change(session):
            session.excused = True
            session.events.remove(("message", 2))

        self.assertEqual(self._wrong(change), [])
        self._found(lambda s: (change(s), s.events.insert(3, ("message", 3))), "message 3 twice")

    def test_a_message_that_comes_twice_or_too_late_is_found(self):
        self._found(lambda s: s.events.insert(3, ("message", 2)), "message 2 twice")
        self._found(lambda s: s.events.insert(1, s.events.pop(3)), "message 1 twice, or after 3")

    def test_lost_explains_what_is_missing_in_its_place_only(self):
        def change(session, place):
            session.events.remove(("message", 2))
            session.events.insert(place, ("lost", "edge-lost"))

        self.assertEqual(self._wrong(lambda s: change(s, 2)), [])
        self._found(lambda s: change(s, 3), "messages 2..2 missing before 3")

    def test_a_message_that_nobody_said_or_another_one_said_is_found(self):
        self._found(lambda s: s.events.insert(4, ("message", 4)), "never said")
        self._found(lambda s: s.events.insert(4, ("stranger", "t 1")), "of another one")

    def test_a_close_that_is_lost_or_comes_twice_is_found(self):
        self._found(lambda s: s.events.pop(), "closed 0 times")
        self._found(lambda s: s.events.append(("close", 1006)), "closed 2 times")
        self._found(lambda s: s.events.append(("lost", "edge-lost")), "last lost")

    def test_an_open_that_is_lost_or_comes_twice_is_found(self):
        self._found(lambda s: s.events.pop(0), "began 0 times, first message")
        self._found(lambda s: s.events.insert(1, ("adopt",)), "began 2 times")
        self._found(lambda s: s.events.insert(0, ("lost", "skipped")), "first lost")

    def test_a_session_of_which_its_application_was_never_told_is_found(self):
        self._found(lambda s: s.events.clear(), "never told of it")

    def test_what_a_session_that_ended_early_lacks_at_its_end_is_not_asked_for(self):
        def change(session):
            session.reader.over = True
            session.reader.items.pop(6)

        self.assertEqual(self._wrong(change), [])


def main():
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    failed = min(len(result.failures) + len(result.errors), result.testsRun)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
