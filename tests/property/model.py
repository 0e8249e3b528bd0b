"""What a subscriber must see, whatever happens to the parts: the judge of the property test.

A publication is known by its topic and its number, from 1 in each topic.  A subscriber has a
history: what it read, in order, over all its connections and carriers.  It promises:

- nothing twice, and the numbers of a topic only grow;
- between two messages of a topic every number that is missing was never acknowledged to its
  publisher, or a gap that covers the topic stands between them;
- every publication that was begun after the first connection was ready is there, or in a gap, up to
  the last marker.
"""

from dataclasses import dataclass, field


@dataclass
class Message:
    """A publication as a subscriber read it."""

    topic: str
    number: int
    cursor: str
    carrier: str = ""


@dataclass
class Gap:
    """Something may be missing here; topic None: of any, or a pattern."""

    topic: str | None
    reason: str
    count: int | None = None


@dataclass
class Subscriber:
    """What one client asked for and read; `first` is the number of each topic from which on it
    must have everything."""

    name: str
    topics: tuple
    first: dict = field(default_factory=dict)
    items: list = field(default_factory=list)


class Publications:
    """What was published: how many of each topic, and which were acknowledged."""

    def __init__(self):
        self.begun = {}
        self.taken = set()

    def begin(self, topic):
        """The number of the next publication of this topic."""
        self.begun[topic] = self.begun.get(topic, 0) + 1
        return self.begun[topic]

    def take(self, topic, number):
        """The broker has answered OK."""
        self.taken.add((topic, number))

    def next_numbers(self, topics):
        """What a subscriber that is ready now must have everything from."""
        return {topic: self.begun.get(topic, 0) + 1 for topic in topics}


def _covers(gap, topic):
    """Does a gap of this topic, or of a pattern, speak of the topic?"""
    if gap.topic is None or gap.topic == topic:
        return True
    if gap.topic.endswith("/**"):
        return topic.startswith(gap.topic[:-2])
    above, _, last = topic.rpartition("/")
    return gap.topic.endswith("/*") and last and above == gap.topic[:-2]


def _holes(publications, subscriber, topic):
    """Sentences about what is missing of one topic without a gap."""
    expected, gap_since = subscriber.first.get(topic, 1), False
    for item in subscriber.items:
        if isinstance(item, Gap):
            gap_since = gap_since or _covers(item, topic)
        elif item.topic == topic:
            missing = [n for n in range(expected, item.number) if (topic, n) in publications.taken]
            if missing and not gap_since:
                yield f"{subscriber.name}: {topic} {missing[0]}..{missing[-1]} missing before {item.number}"
            expected, gap_since = max(expected, item.number + 1), False
    last = max((n for t, n in publications.taken if t == topic), default=0)
    missing = [n for n in range(expected, last + 1) if (topic, n) in publications.taken]
    if missing and not gap_since:
        yield f"{subscriber.name}: {topic} {missing[0]}..{missing[-1]} missing at the end"


def _order(publications, subscriber):
    """Sentences about doubles, disorder and what nobody has published."""
    seen, newest, position = set(), {}, {}
    for item in subscriber.items:
        if not isinstance(item, Message):
            continue
        key = (item.topic, item.number)
        if item.topic not in subscriber.topics:
            yield f"{subscriber.name}: {item.topic} was not asked for"
        if item.number > publications.begun.get(item.topic, 0):
            yield f"{subscriber.name}: {key} was never published"
        if key in seen:
            yield f"{subscriber.name}: {key} twice, the second time over {item.carrier}"
        elif item.number < newest.get(item.topic, 0):
            yield f"{subscriber.name}: {key} after {newest[item.topic]}"
        seen.add(key)
        newest[item.topic] = max(newest.get(item.topic, 0), item.number)
        yield from _positions(subscriber, item, position)


def _positions(subscriber, item, position):
    """Positions of one epoch grow over all topics."""
    epoch, _, number = item.cursor.partition(":")
    if number.isdigit():
        if int(number) <= position.get(epoch, -1):
            yield f"{subscriber.name}: position {item.cursor} after {position[epoch]}"
        position[epoch] = int(number)


def judge(publications, subscribers):
    """All that is wrong, as sentences; an empty list is a pass."""
    wrong = []
    for subscriber in subscribers:
        wrong += _order(publications, subscriber)
        for topic in subscriber.topics:
            wrong += _holes(publications, subscriber, topic)
    return wrong
